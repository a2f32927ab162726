/* SPDX-License-Identifier: Apache-2.0 */
/* Finding member names, by walking or by hash: private to json*.c. */
#ifndef REEVE_CODEC_JSON_NAMES_H
#define REEVE_CODEC_JSON_NAMES_H

#include "codec/json.h"

enum { JSON_FEW_KEYS = 24 }; /* up to so many, walking is cheaper than hashing */

/* Strings at a of ja and at b of jb are equal, escapes resolved. */
bool json_same_string(const struct json *ja, uint32_t a, const struct json *jb, uint32_t b);
/* Among the keys of j from index `first` to before `end`: the one equal to the string at key of jk; 0 when there is none. */
uint32_t json_find_key(const struct json *j, uint32_t first, uint32_t end, const struct json *jk, uint32_t key);

/* Keys of one object by hash: slots hold token indices, 0 is free. */
struct json_keys {
	struct buf mem, name;
	uint32_t *slot;
	size_t mask;
};

bool json_keys_init(struct json_keys *k, uint32_t count);
void json_keys_free(struct json_keys *k);
/* The slot that holds the key of `in` that equals the string at i of j, or the free one where it belongs. NULL: no memory. */
uint32_t *json_keys_slot(struct json_keys *k, const struct json *in, const struct json *j, uint32_t i);

#endif
