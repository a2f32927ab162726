/* SPDX-License-Identifier: Apache-2.0 */
/* The index of roles; see role_index.h. */
#include "core/rights/role_index.h"

#include "base/hash.h"

enum { PREFIX = 8, KEY = PREFIX + RES_KEY_LEN };

static void prefix(char out[PREFIX], struct slice role, struct slice holder)
{
	uint64_t part[2] = { hash_stable(role.p, role.n), hash_stable(holder.p, holder.n) };
	uint64_t h = hash_stable(part, sizeof(part));

	for (int i = 0; i < PREFIX; i++)
		out[i] = (char)(h >> (56 - 8 * i));
}

static struct slice key_of(char out[KEY], struct slice role, struct slice holder, struct res_key key)
{
	prefix(out, role, holder);
	res_key_write(key, out + PREFIX);
	return slice_of(out, KEY);
}

enum reeve_rc role_index_add(struct st_tx *tx, struct slice role, struct slice holder, struct res_key key)
{
	char k[KEY];
	return st_put(tx, ST_ROLE, key_of(k, role, holder, key), S(""));
}

enum reeve_rc role_index_remove(struct st_tx *tx, struct slice role, struct slice holder, struct res_key key)
{
	char k[KEY];
	enum reeve_rc rc = st_del(tx, ST_ROLE, key_of(k, role, holder, key));

	return rc == RC_NOTFOUND ? RC_OK : rc;
}

enum reeve_rc role_find(struct st_tx *tx, struct slice role, struct slice holder, struct role_find *f)
{
	prefix(f->prefix, role, holder);
	f->begun = false;
	return st_cursor_open(tx, ST_ROLE, &f->c);
}

enum reeve_rc role_find_next(struct role_find *f, struct res_key *key)
{
	enum reeve_rc rc = f->begun ? st_next(&f->c) : st_seek(&f->c, slice_of(f->prefix, PREFIX));

	f->begun = true;
	if (rc != RC_OK)
		return rc;
	if (f->c.key.n != KEY || memcmp(f->c.key.p, f->prefix, PREFIX) != 0)
		return RC_NOTFOUND;
	*key = res_key_read(f->c.key.p + PREFIX);
	return RC_OK;
}

void role_find_end(struct role_find *f)
{
	st_cursor_close(&f->c);
}
