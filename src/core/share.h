/* SPDX-License-Identifier: Apache-2.0 */
/* How many of something each has who uses it, so that nobody can have them all. Any thread. */
#ifndef REEVE_CORE_SHARE_H
#define REEVE_CORE_SHARE_H

#include "base/slice.h"

struct shares;
struct share; /* of one who has at least one */

struct shares *shares_new(void);
void shares_free(struct shares *s); /* all have been given back, or do not matter any more */

/* One more for `who`, unless he has `most` already: NULL then, and when memory is out. */
struct share *share_take(struct shares *s, struct slice who, unsigned most);
void share_give(struct shares *s, struct share *one);

#endif
