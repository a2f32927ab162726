/* SPDX-License-Identifier: Apache-2.0 */
/* The tour that `reeve up` prints. */
#ifndef REEVE_MAIN_TOUR_H
#define REEVE_MAIN_TOUR_H

#include "core/config.h"

void tour_print(const struct config *c, uint16_t port);

#endif
