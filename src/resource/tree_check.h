/* SPDX-License-Identifier: Apache-2.0 */
/* Is every index what the records say, and every record in its indices? For `reeve check store`; reads only. */
#ifndef REEVE_RESOURCE_TREE_CHECK_H
#define REEVE_RESOURCE_TREE_CHECK_H

#include "resource/tree.h"

struct tree_check;
/* `text` tells what is wrong with the resource or entry `id`; both end with the call. */
typedef void (*tree_fault)(void *ctx, struct slice id, const char *text);

/* A check of one snapshot: the entries of all indices (each has its record, and says what that says). */
REEVE_MUST_CHECK enum reeve_rc tree_check_new(struct st_tx *tx, tree_fault fault, void *ctx, struct tree_check **out);
/* Then each record: it has its entries, and its parent or a reason why that is gone. */
void tree_check_record(struct tree_check *k, const struct res *r, usec now);
void tree_check_free(struct tree_check *k);

#endif
