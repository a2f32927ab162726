/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the answer to a Discovery. */
#include "core/references.h"

static uint32_t list_of(const struct json *j)
{
	uint32_t list = json_member(j, 0, S("m2m:uril")), rrl = json_member(j, 0, S("m2m:rrl"));

	if (!list && rrl)
		list = json_kind(j, rrl) == J_OBJECT ? json_member(j, rrl, S("rrf")) : rrl;
	return list && json_kind(j, list) == J_ARRAY ? list : 0;
}

struct slice references_next(struct arena *a, const struct json *j, uint32_t *at)
{
	uint32_t list = list_of(j), i = *at ? j->tok[*at].next : list + 1;

	for (; list && i < j->tok[list].next; i = j->tok[i].next) {
		uint32_t value = json_kind(j, i) == J_OBJECT ? json_member(j, i, S("val")) : i;
		struct slice s = value ? json_string(a, j, value) : (struct slice){ NULL, 0 };

		*at = i;
		if (s.n)
			return s;
	}
	return (struct slice){ NULL, 0 };
}
