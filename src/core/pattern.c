/* SPDX-License-Identifier: Apache-2.0 */
/* Who is in the operator's lists. */
#include "core/pattern.h"

bool pattern_listed(const struct config_list *l, struct slice s)
{
	for (size_t i = 0; i < l->n; i++)
		if (slice_like(l->v[i], s, -1))
			return true;
	return false;
}

bool pattern_admits(const struct config_list *allow, const struct config_list *deny, struct slice s)
{
	return (!allow->n || pattern_listed(allow, s)) && !pattern_listed(deny, s);
}
