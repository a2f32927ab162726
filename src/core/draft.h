/* SPDX-License-Identifier: Apache-2.0 */
/* A resource in the making: the attributes as they will be after a Create or Update, before anything is stored.
 *
 * For an Update the draft holds the outcome (old attributes with the changes applied), so a hook checks one state and need not
 * know how it came about; `given` marks what this request sent. */
#ifndef REEVE_CORE_DRAFT_H
#define REEVE_CORE_DRAFT_H

#include "resource/record.h"
#include "resource/tree.h"

struct draft_attr {
	const struct model_attr *a;
	struct slice raw;        /* value as compact JSON text; p == NULL: removed by this request */
	bool given;
};

struct draft {
	struct arena *arena;
	const struct model_res *m;
	struct draft_attr *v;
	size_t n, cap;
	struct res_new nw;       /* head, name, policies, creator, labels */
};

/* JSON text of an attribute; p == NULL when absent. */
struct slice draft_get(const struct draft *d, struct slice sn);
bool draft_given(const struct draft *d, struct slice sn);
/* The attribute parsed: j->tok[0] is its value. RC_NOTFOUND when absent. */
REEVE_MUST_CHECK enum reeve_rc draft_json(const struct draft *d, struct slice sn, struct json *j);
bool draft_u64(const struct draft *d, struct slice sn, uint64_t *out);
bool draft_bool(const struct draft *d, struct slice sn, bool *out);
struct slice draft_string(const struct draft *d, struct slice sn); /* unescaped; p == NULL when absent or no string */
/* Set or replace; raw must be compact JSON that lives in the arena (or is constant). False when memory is out or sn is no
 * attribute of the type. */
bool draft_set(struct draft *d, struct slice sn, struct slice raw);
void draft_remove(struct draft *d, struct slice sn);

/* One attribute of a stored resource (also those kept in the head) as JSON text from a; p == NULL when absent. */
struct slice res_attr(struct arena *a, const struct res *r, struct slice sn);
/* All attributes of a stored resource: {...} parsed. */
REEVE_MUST_CHECK enum reeve_rc res_json(struct arena *a, const struct res *r, struct json *j);

/* Writer: replace attributes of a stored resource as the CSE's own doing, without an Update: no hook runs, nobody is told. Those named in
 * sn (kept in the text) go, `members` ("rs":1,"ors":{...}; may be empty) come; all others stay. lt: 0 leaves it. At most `most` bytes. */
REEVE_MUST_CHECK enum reeve_rc res_put(struct st_tx *tx, struct res_key key, const char *const *sn, size_t n, struct slice members, usec lt,
				       size_t most, struct res *nw);

#endif
