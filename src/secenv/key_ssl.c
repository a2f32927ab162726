/* SPDX-License-Identifier: Apache-2.0 */
/* See key_ssl.h. A back end whose keys cannot be had gives an EVP_PKEY that signs elsewhere; this file does not change with it. */
#include "secenv/key_ssl.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "secenv/key_int.h"

enum reeve_rc key_ssl_use(struct key_ref *key, SSL_CTX *ctx)
{
	enum reeve_rc rc = key_check(key, ALG_TLS_ES256, WORK_SIGN, true);

	if (rc != RC_OK)
		return rc;
	if (!SSL_CTX_use_PrivateKey(ctx, key->pkey) || !SSL_CTX_check_private_key(ctx)) {
		ERR_clear_error();
		return RC_INVALID;
	}
	return RC_OK;
}
