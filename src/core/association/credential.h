/* SPDX-License-Identifier: Apache-2.0 */
/* The table of credentials: which ones are good here, and whom they stand for (TS-0003 8.2.1; docs/security-associations.md).
 *
 * A row is in the store (table CREDENTIAL), so it changes atomically and survives; the secret of a symmetric key is in the secure
 * environment under the key identifier that is the Credential-ID. A row that names nobody leaves it to the application rules of
 * the service subscription who may register with it. */
#ifndef REEVE_CORE_CREDENTIAL_H
#define REEVE_CORE_CREDENTIAL_H

#include "core/core.h"
#include "core/exec.h"
#include "tls/tls.h"

struct credential {
	struct slice id;            /* Credential-ID */
	struct slice cse_id;        /* canonical id of the CSE it stands for, or empty */
	struct slice *ae_ids; size_t n_ae_ids; /* canonical AE-IDs; more than one only of device and Node-ID certificates */
	struct slice domain;        /* of a CSE: its public domain name, when that does not follow from its CSE-ID */
	struct slice label;         /* for people */
	usec created, expires;      /* 0: never */
	bool revoked;
	bool admin;                 /* may administer credentials (bin `reeve credential`) */
};

/* RC_NOTFOUND. The row's text is copied to a. */
REEVE_MUST_CHECK enum reeve_rc credential_get(struct st_tx *tx, struct arena *a, struct slice id, struct credential *out);
REEVE_MUST_CHECK enum reeve_rc credential_put(struct st_tx *tx, const struct credential *cr);
/* One row as a JSON object, without secrets; the other way: RC_INVALID with what is wrong. */
void credential_write(const struct credential *cr, struct buf *b);
REEVE_MUST_CHECK enum reeve_rc credential_read(struct arena *a, struct slice text, struct credential *out, char why[TLS_WHY_MAX]);
/* In order of id, behind `after`; false ends it. */
void credential_each(struct st_tx *tx, struct slice after, struct arena *a, bool (*each)(void *ctx, const struct credential *cr),
				void *ctx);

/* AE-IDs (canonical) that are registered here under a credential: written by the registration, in its transaction. */
REEVE_MUST_CHECK enum reeve_rc credential_bind(struct st_tx *tx, struct slice credential, struct slice ae);
REEVE_MUST_CHECK enum reeve_rc credential_unbind(struct st_tx *tx, struct slice ae);
/* RC_NOTFOUND: the AE did not register under one. */
REEVE_MUST_CHECK enum reeve_rc credential_of(struct st_tx *tx, struct arena *a, struct slice ae, struct slice *credential);

#endif
