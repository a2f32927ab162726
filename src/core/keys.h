/* SPDX-License-Identifier: Apache-2.0 */
/* The Secure Environment that the configuration names. */
#ifndef REEVE_CORE_KEYS_H
#define REEVE_CORE_KEYS_H

#include "secenv/secenv.h"

struct config;

/* Open keys.file (default: "keys" in the folder of the store) with keys.seal. Codes and `why` of secenv_open; RC_NOTFOUND with *out == NULL
 * when there is none and !create. */
REEVE_MUST_CHECK enum reeve_rc keys_open(const struct config *c, bool create, struct secenv **out, char why[KEY_WHY_MAX]);

#endif
