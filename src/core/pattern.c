/* SPDX-License-Identifier: Apache-2.0 */
/* Matching by going back to the last '*': linear memory, and never worse than the product of both lengths. */
#include "core/pattern.h"

/* '*' matches any run of characters. */
static bool like(struct slice pattern, struct slice s)
{
	size_t p = 0, i = 0, star = SIZE_MAX, back = 0;

	while (i < s.n) {
		if (p < pattern.n && pattern.p[p] == '*') {
			star = p++;
			back = i;
		} else if (p < pattern.n && pattern.p[p] == s.p[i]) {
			p++;
			i++;
		} else if (star != SIZE_MAX) {
			p = star + 1;
			i = ++back;
		} else {
			return false;
		}
	}
	while (p < pattern.n && pattern.p[p] == '*')
		p++;
	return p == pattern.n;
}

bool pattern_listed(const struct config_list *l, struct slice s)
{
	for (size_t i = 0; i < l->n; i++)
		if (like(l->v[i], s))
			return true;
	return false;
}

bool pattern_admits(const struct config_list *allow, const struct config_list *deny, struct slice s)
{
	return (!allow->n || pattern_listed(allow, s)) && !pattern_listed(deny, s);
}
