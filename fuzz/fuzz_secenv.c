/* SPDX-License-Identifier: Apache-2.0 */
/* Keys from hostile hands. The first byte chooses the way in, the second an algorithm:
 *   0  the records of a sealed file, as if the seal were right
 *   1  a whole sealed file
 *   2  a JWK    3  PEM    4  hexadecimal digits
 * Beyond not crashing: what is accepted is written and read again as the same, exports a public part that is taken again with the same
 * thumbprint, and is for the algorithm it was read for; a refusal has a reason. */
#include <stdlib.h>

#include "heap_root.h"
#include "secenv/sealed_int.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static struct sealing seal;

static void require(bool ok)
{
	if (!ok)
		abort();
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static const uint8_t key[SEALING_KEY] = { 1 };
	heap_is_root();
	require(sealing_from(key, &seal) == RC_OK);
	return 0;
}

static void same_again(const struct key_set *set)
{
	struct key_set again;
	struct buf b;
	char why[KEY_WHY_MAX] = "";

	atomic_store(&seal.key->uses, 0);
	buf_init(&b, SEALED_MAX);
	require(sealed_write(&seal, set, &b, why) == RC_OK);
	require(sealed_read(&seal, buf_view(&b), &(struct key_set){ 0 }, NULL, &again, why) == RC_OK && again.n == set->n);
	for (size_t i = 0; i < set->n; i++) {
		const struct key_info *x = key_info(set->of[i].key), *y = key_info(again.of[i].key);
		require(slice_eq(x->kid, y->kid) && slice_eq(x->label, y->label) && x->alg == y->alg && x->bits == y->bits &&
			x->secret == y->secret && set->of[i].uses == again.of[i].uses);
	}
	key_set_free(&again);
	buf_free(&b);
}

static void public_again(const struct key_ref *key)
{
	const struct key_spec spec = { .alg = key_info(key)->alg };
	struct key_ref *again;
	struct buf b;
	char why[KEY_WHY_MAX];
	uint8_t one[32], two[32];

	if (key_info(key)->kind == KEY_OCT)
		return;
	for (int form = KEY_JWK; form <= KEY_PEM; form++) {
		buf_init(&b, 1 << 16);
		require(key_export_public(key, (enum key_form)form, &b) == RC_OK);
		require(secenv_import(NULL, form == KEY_PEM ? KEY_PEM : KEY_JWK, buf_view(&b), &spec, &again, why) == RC_OK);
		require(!key_info(again)->secret && key_thumbprint(key, one) == RC_OK && key_thumbprint(again, two) == RC_OK);
		require(!memcmp(one, two, sizeof(one)));
		key_put(again);
		buf_free(&b);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const enum key_form forms[] = { KEY_JWK, KEY_PEM, KEY_HEX };
	const struct slice rest = n > 2 ? slice_of((const char *)data + 2, n - 2) : S("");
	struct key_set set;
	struct key_ref *key = NULL;
	char why[KEY_WHY_MAX] = "";
	enum reeve_rc rc;

	if (n < 2)
		return 0;
	if (data[0] % 5 < 2) {
		rc = data[0] % 5 ? sealed_read(&seal, rest, &(struct key_set){ 0 }, NULL, &set, why)
				 : sealed_parse(rest, &(struct key_set){ 0 }, NULL, &set, why);
		require(rc == RC_OK || *why);
		if (rc != RC_OK)
			return 0;
		same_again(&set);
		for (size_t i = 0; i < set.n; i++)
			public_again(set.of[i].key);
		key_set_free(&set);
		return 0;
	}
	const struct key_spec spec = { .alg = (enum key_alg)(data[1] % ALG_COUNT) };
	rc = secenv_import(NULL, forms[data[0] % 5 - 2], rest, &spec, &key, why);
	require(rc == RC_OK ? key != NULL && (!spec.alg || key_info(key)->alg == spec.alg) : !key && *why);
	if (key)
		public_again(key);
	key_put(key);
	return 0;
}
