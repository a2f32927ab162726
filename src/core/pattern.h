/* SPDX-License-Identifier: Apache-2.0 */
/* The operator's lists of patterns, in which '*' stands for any run of characters: who may register. */
#ifndef REEVE_CORE_PATTERN_H
#define REEVE_CORE_PATTERN_H

#include "core/config.h"

bool pattern_listed(const struct config_list *l, struct slice s);
/* An empty allow list admits everybody whom the deny list does not name. */
bool pattern_admits(const struct config_list *allow, const struct config_list *deny, struct slice s);

#endif
