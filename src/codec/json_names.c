/* SPDX-License-Identifier: Apache-2.0 */
/* Member names: equal or not with escapes resolved, and a hash table of them for large objects. The hash is keyed
 * per process, so nobody can choose names that collide. */
#include "codec/json_names.h"

#include "base/hash.h"
#include "codec/json_text.h"

bool json_same_string(const struct json *ja, uint32_t a, const struct json *jb, uint32_t b)
{
	struct slice sa = json_inner(ja, a), sb = json_inner(jb, b);

	if (ja->tok[a].escaped)
		return jb->tok[b].escaped ? json_escaped_same(sa, sb) : json_escaped_is(sa, sb);
	return jb->tok[b].escaped ? json_escaped_is(sb, sa) : slice_eq(sa, sb);
}

uint32_t json_find_key(const struct json *j, uint32_t first, uint32_t end, const struct json *jk, uint32_t key)
{
	for (uint32_t i = first; i < end; i = j->tok[i + 1].next)
		if (json_same_string(j, i, jk, key))
			return i;
	return 0;
}

bool json_keys_init(struct json_keys *k, uint32_t count)
{
	size_t size = 64;

	while (size < (size_t)count * 2)
		size *= 2;
	buf_init(&k->mem, size * sizeof(uint32_t));
	buf_init(&k->name, SIZE_MAX);
	k->slot = (uint32_t *)(void *)buf_room(&k->mem, size * sizeof(uint32_t));
	k->mask = size - 1;
	if (k->slot)
		memset(k->slot, 0, size * sizeof(uint32_t));
	return k->slot != NULL;
}

void json_keys_free(struct json_keys *k)
{
	buf_free(&k->mem);
	buf_free(&k->name);
}

uint32_t *json_keys_slot(struct json_keys *k, const struct json *in, const struct json *j, uint32_t i)
{
	struct slice name = json_inner(j, i);
	size_t at;

	if (j->tok[i].escaped) {
		char *room;
		buf_clear(&k->name);
		room = buf_room(&k->name, name.n);
		if (!room)
			return NULL;
		name = slice_of(room, json_unescape(name, room));
	}
	at = (size_t)hash_slice(name) & k->mask;
	while (k->slot[at] && !json_same_string(in, k->slot[at], j, i))
		at = (at + 1) & k->mask;
	return &k->slot[at];
}
