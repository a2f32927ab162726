/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by message.c and parameters.c. */
#ifndef REEVE_BINDING_PRIMITIVE_MESSAGE_INT_H
#define REEVE_BINDING_PRIMITIVE_MESSAGE_INT_H

#include "binding/primitive/message.h"

/* The string at i without control characters; p == NULL: it is none. Parameters become headers and addresses in other bindings. */
struct slice parameter_text(struct arena *a, const struct json *j, uint32_t i);

#endif
