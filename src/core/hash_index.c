/* SPDX-License-Identifier: Apache-2.0 */
/* Entries of an index of hashes; see hash_index.h. */
#include "core/hash_index.h"

enum { PREFIX = 8, KEY = PREFIX + RES_KEY_LEN };

static void prefix(char out[PREFIX], uint64_t hash)
{
	for (int i = 0; i < PREFIX; i++)
		out[i] = (char)(hash >> (56 - 8 * i));
}

static struct slice key_of(char out[KEY], uint64_t hash, struct res_key key)
{
	prefix(out, hash);
	res_key_write(key, out + PREFIX);
	return slice_of(out, KEY);
}

enum reeve_rc hash_index_add(struct st_tx *tx, enum st_table t, uint64_t hash, struct res_key key)
{
	char k[KEY];
	return st_put(tx, t, key_of(k, hash, key), S(""));
}

enum reeve_rc hash_index_remove(struct st_tx *tx, enum st_table t, uint64_t hash, struct res_key key)
{
	char k[KEY];
	enum reeve_rc rc = st_del(tx, t, key_of(k, hash, key));

	return rc == RC_NOTFOUND ? RC_OK : rc;
}

enum reeve_rc hash_find(struct st_tx *tx, enum st_table t, uint64_t hash, struct hash_find *f)
{
	prefix(f->prefix, hash);
	f->begun = false;
	return st_cursor_open(tx, t, &f->c);
}

enum reeve_rc hash_find_next(struct hash_find *f, struct res_key *key)
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

void hash_find_end(struct hash_find *f)
{
	st_cursor_close(&f->c);
}
