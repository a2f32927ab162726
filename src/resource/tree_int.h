/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the tree share: keys of the index tables. Not for others.
 *
 * All numbers in keys are big-endian, so that the order of bytes is the order of numbers. */
#ifndef REEVE_RESOURCE_TREE_INT_H
#define REEVE_RESOURCE_TREE_INT_H

#include "resource/tree.h"

enum {
	TYPE_PREFIX = 2,  /* type */
	LABEL_PREFIX = 8, /* hash */
	DUE_KEY = 16,     /* time, ordinal */
	NAME_PREFIX = 8,  /* parent */
	NAME_MOST = ST_KEY_MAX - NAME_PREFIX,
};

/* A key under construction. */
struct tkey { size_t n; char p[ST_KEY_MAX]; };

static inline struct slice tkey_slice(const struct tkey *k) { return slice_of(k->p, k->n); }
static inline void tkey_u16(struct tkey *k, uint16_t v)
{
	k->p[k->n++] = (char)(v >> 8);
	k->p[k->n++] = (char)v;
}
static inline void tkey_u64(struct tkey *k, uint64_t v)
{
	for (int shift = 56; shift >= 0; shift -= 8)
		k->p[k->n++] = (char)(v >> shift);
}
static inline void tkey_key(struct tkey *k, struct res_key r)
{
	res_key_write(r, k->p + k->n);
	k->n += RES_KEY_LEN;
}
static inline uint64_t tkey_get_u64(const char *p)
{
	uint64_t v = 0;
	for (int i = 0; i < 8; i++)
		v = v << 8 | (uint8_t)p[i];
	return v;
}

static inline void tkey_res(struct tkey *k, struct res_key r)
{
	k->n = 0;
	tkey_key(k, r);
}
/* False when the name is too long for a key. */
static inline bool tkey_name(struct tkey *k, uint64_t parent, struct slice name)
{
	if (name.n == 0 || name.n > NAME_MOST)
		return false;
	k->n = 0;
	tkey_u64(k, parent);
	memcpy(k->p + k->n, name.p, name.n);
	k->n += name.n;
	return true;
}
static inline void tkey_type(struct tkey *k, uint16_t ty, struct res_key r)
{
	k->n = 0;
	tkey_u16(k, ty);
	tkey_key(k, r);
}
void tkey_label(struct tkey *k, struct slice label, struct res_key r);
static inline void tkey_due(struct tkey *k, usec at, uint64_t n)
{
	k->n = 0;
	tkey_u64(k, (uint64_t)at);
	tkey_u64(k, n);
}
static inline void tkey_trash(struct tkey *k, uint64_t n)
{
	k->n = 0;
	tkey_u64(k, n);
}

/* Value of an entry of ST_TRASH: the key of what was removed with all that is below, or of what stays, and the floor of its instances. */
enum { TRASH_ALL = RES_KEY_LEN, TRASH_FLOOR = RES_KEY_LEN + 8 };
/* Instances below the ordinal n that have an ordinal before this are dropped; 0: none. */
uint64_t tree_floor(struct st_tx *tx, uint64_t n);
/* Set a mark in the stored head of a resource, whose caller's copy may be older than other marks. */
enum reeve_rc tree_set_mark(struct st_tx *tx, struct res_key key, uint8_t mark);
/* Every ancestor of r is there. */
bool tree_attached(struct st_tx *tx, const struct res *r);
/* Something hangs below the ordinal n. */
enum reeve_rc tree_has_below(struct st_tx *tx, uint64_t n, bool *yes);
/* Enter r in ST_DUE at its et. */
enum reeve_rc tree_due_add(struct st_tx *tx, struct res_key key, usec et);
enum reeve_rc tree_due_remove(struct st_tx *tx, struct res_key key, usec et);
/* Enter a hint: look at the children of `key` at that time. */
enum reeve_rc tree_due_hint(struct st_tx *tx, struct res_key key, usec at);

#endif
