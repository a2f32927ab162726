/* SPDX-License-Identifier: Apache-2.0 */
/* Keys of certificates where the TLS library is OpenSSL itself: the broker's side of MQTT (binding/mqtt/secure.c). The library gets a
 * reference to the key, not its bytes. */
#ifndef REEVE_SECENV_KEY_SSL_H
#define REEVE_SECENV_KEY_SSL_H

#include <openssl/types.h>

#include "secenv/secenv.h"

/* A key for ALG_TLS_ES256, with its secret part, becomes that of ctx's certificate, which is set already. RC_INVALID: it is not the
 * certificate's. RC_DENIED: it is not for this. */
REEVE_MUST_CHECK enum reeve_rc key_ssl_use(struct key_ref *key, SSL_CTX *ctx);

#endif
