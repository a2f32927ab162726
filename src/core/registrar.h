/* SPDX-License-Identifier: Apache-2.0 */
/* The registration of this CSE at its Registrar CSE (TS-0001 10.2.2.7): made at the start, renewed, told of descendants, taken back at
 * the end. On the hub. */
#ifndef REEVE_CORE_REGISTRAR_H
#define REEVE_CORE_REGISTRAR_H

#include "core/exec.h"

/* In the writer: who can be reached through this CSE changed; after the commit the registrar is told. */
void registrar_descendants_changed(struct exec *x);

#endif
