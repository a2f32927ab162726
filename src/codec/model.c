/* SPDX-License-Identifier: Apache-2.0 */
/* Looking things up in the generated tables. Names of attributes and roots, which every request asks for, are
 * found by one multiplication; the rest by binary search. */
#include "codec/model_tables.h"

#include <stdlib.h>

const struct model_res *model_by_ty(int64_t ty)
{
	unsigned at = MODEL_NONE;

	if (ty > 0 && ty < 128)
		at = model_ty_ordinary[ty];
	else if (ty > 10000 && ty < 10128)
		at = model_ty_announced[ty - 10000];
	else if (ty > 20000 && ty < 20128)
		at = model_ty_virtual[ty - 20000];
	return at == MODEL_NONE ? NULL : &model_resources[at];
}

static const struct model_name *find_name(struct slice s)
{
	uint64_t key = 0;
	size_t at;

	if (s.n < 1 || s.n > 8)
		return NULL;
	for (size_t i = s.n; i-- > 0;)
		key = key << 8 | (unsigned char)s.p[i];
	at = (size_t)(key * model_name_multiplier >> (64 - MODEL_NAME_BITS));
	for (size_t step = 0; step < MODEL_NAME_PROBES; step++) {
		const struct model_name *m = &model_names[(at + step) & ((1 << MODEL_NAME_BITS) - 1)];
		if (m->key == key)
			return m;
		if (m->key == 0)
			break;
	}
	return NULL;
}

const struct model_res *model_by_root(struct slice root)
{
	const struct model_name *m;

	if (!slice_starts(root, S("m2m:")))
		return NULL;
	m = find_name(slice_skip(root, 4));
	return m && m->res >= 0 ? &model_resources[m->res] : NULL;
}

const struct model_attr *model_attr(const struct model_res *res, struct slice sn)
{
	const struct model_name *m = find_name(sn);
	unsigned at = m && m->attr >= 0 ? res->index[m->attr] : (unsigned)MODEL_NONE;

	return at == MODEL_NONE ? NULL : &res->attrs[at];
}

bool model_is_attr(struct slice sn)
{
	const struct model_name *m = find_name(sn);
	return m && m->attr >= 0;
}

bool model_child_allowed(const struct model_res *parent, int64_t ty)
{
	for (unsigned i = 0; ty != 0 && i < parent->n_children; i++)
		if (parent->children[i].ty == ty)
			return true;
	return false;
}

bool model_is_type(int64_t ty)
{
	for (unsigned lo = 0, hi = model_n_type_numbers; lo < hi;) {
		unsigned mid = lo + (hi - lo) / 2;
		if (model_type_numbers[mid] == ty)
			return true;
		if (model_type_numbers[mid] < ty)
			lo = mid + 1;
		else
			hi = mid;
	}
	return false;
}

static int cmp_code(const void *key, const void *row)
{
	return *(const int *)key - ((const struct model_code *)row)->rsc;
}

const struct model_code *model_code(int rsc)
{
	return bsearch(&rsc, model_codes, model_n_codes, sizeof(model_codes[0]), cmp_code);
}

static int cmp_type(const void *key, const void *row)
{
	return strcmp(key, ((const struct model_type *)row)->name);
}

const struct model_type *model_type(const char *name)
{
	return bsearch(name, model_types, model_n_types, sizeof(model_types[0]), cmp_type);
}
