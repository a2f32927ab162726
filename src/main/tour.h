/* SPDX-License-Identifier: Apache-2.0 */
/* The two tours that `reeve up` prints: in clear, and with a key that proves who asks. */
#ifndef REEVE_MAIN_TOUR_H
#define REEVE_MAIN_TOUR_H

#include "main/listeners.h"

void tour_print(struct settings *s, const struct listeners *l);

#endif
