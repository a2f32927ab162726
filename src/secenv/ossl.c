/* SPDX-License-Identifier: Apache-2.0 */
/* The only file that prepares OpenSSL: the secure heap first (private keys made before would live elsewhere), then the algorithms. */
#include <openssl/crypto.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/log.h"
#include "secenv/alg_int.h"
#include "secenv/ossl_int.h"
#include "secenv/secret.h"

enum { HEAP = 4 << 20, HEAP_LEAST = 32 };

static struct ossl found;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void prepare(void)
{
	bool ok;

	if (!CRYPTO_secure_malloc_initialized()) {
		const int made = CRYPTO_secure_malloc_init(HEAP, HEAP_LEAST);
		if (made != 1)
			log_warn("secenv", made ? "memory for secrets may be swapped out: raise the limit on locked memory"
						: "no protected memory for secrets");
	}
	found.hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	found.concat = EVP_KDF_fetch(NULL, "SSKDF", NULL);
	found.sha256 = EVP_MD_fetch(NULL, "SHA2-256", NULL);
	ok = found.hmac && found.concat && found.sha256;
	for (int i = 0; i < ALG_COUNT; i++)
		if (alg_table[i].cipher) {
			found.cipher[i] = EVP_CIPHER_fetch(NULL, alg_table[i].cipher, NULL);
			ok = ok && found.cipher[i];
		}
	if (!ok) {
		log_error("secenv", "this libcrypto lacks an algorithm that is needed");
		abort();
	}
}

const struct ossl *ossl(void)
{
	pthread_once(&once, prepare);
	return &found;
}

void *secret_alloc(size_t n)
{
	(void)ossl();
	return OPENSSL_secure_zalloc(n ? n : 1);
}

void secret_free(void *p)
{
	if (p)
		OPENSSL_secure_clear_free(p, CRYPTO_secure_allocated(p) ? OPENSSL_secure_actual_size(p) : 0);
}

void secret_wipe(void *p, size_t n) { OPENSSL_cleanse(p, n); }
bool secret_equal(const void *a, const void *b, size_t n) { return CRYPTO_memcmp(a, b, n) == 0; }
