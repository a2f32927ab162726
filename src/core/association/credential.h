/* SPDX-License-Identifier: Apache-2.0 */
/* The table of credentials: which ones are good here, and whom they stand for (TS-0003 8.2.1; docs/internals/associations.md).
 *
 * A row is in the store (table CREDENTIAL), so it changes atomically and survives; the secret of a symmetric key is in the secure
 * environment under the key identifier that is the Credential-ID. A row that names nobody leaves it to the application rules of
 * the service subscription who may register with it. */
#ifndef REEVE_CORE_CREDENTIAL_H
#define REEVE_CORE_CREDENTIAL_H

#include "core/core.h"
#include "core/exec.h"
#include "tls/tls.h"

enum { CREDENTIAL_ROW_ID_MAX = ST_KEY_MAX - 1, CREDENTIAL_LABEL_MAX = 128, CREDENTIAL_AES_MOST = 1000 };

struct credential {
	struct slice id;            /* Credential-ID */
	struct slice cse_id;        /* canonical id of the CSE it stands for, or empty */
	struct slice *ae_ids; size_t n_ae_ids; /* canonical AE-IDs; more than one only of device and Node-ID certificates */
	struct slice domain;        /* of a CSE: its public domain name, when that does not follow from its CSE-ID */
	struct slice label;         /* for people */
	usec created, expires;      /* 0: never */
	bool revoked;
	bool admin;                 /* may administer credentials (`reeve credential`) */
};

/* RC_NOTFOUND. The row's text is copied to a. */
REEVE_MUST_CHECK enum reeve_rc credential_get(struct st_tx *tx, struct arena *a, struct slice id, struct credential *out);
/* Insert or replace. RC_EXISTS: the key identifier of another row differs from this one in the spelling of its domain alone. */
REEVE_MUST_CHECK enum reeve_rc credential_put(struct st_tx *tx, const struct credential *cr);
/* The row, and what registered under it is bound no longer. RC_NOTFOUND. */
REEVE_MUST_CHECK enum reeve_rc credential_delete(struct st_tx *tx, struct arena *a, struct slice id);
/* One row as a JSON object, without secrets; the other way: RC_INVALID with what is wrong. */
void credential_write(const struct credential *cr, struct buf *b);
REEVE_MUST_CHECK enum reeve_rc credential_read(struct arena *a, struct slice text, struct credential *out, char why[TLS_WHY_MAX]);
/* May there be such a row? RC_INVALID: `why`. */
REEVE_MUST_CHECK enum reeve_rc credential_check(const struct credential *cr, char why[TLS_WHY_MAX]);
/* In order of id, behind `after`; false ends it. Rows are in `a`, which is emptied before each. */
void credential_each(struct st_tx *tx, struct slice after, struct arena *a, bool (*each)(void *ctx, const struct credential *cr),
				void *ctx);

/* Neither revoked nor expired. */
bool credential_good(const struct credential *cr, usec now);
/* A good one that names this entity (canonical id of a CSE or AE). RC_NOTFOUND. */
REEVE_MUST_CHECK enum reeve_rc credential_named(struct st_tx *tx, struct arena *a, struct slice entity, usec now, struct credential *out);

/* The type of a Credential-ID; CREDENTIAL_NONE when it is none. */
enum credential_type credential_type_of(struct slice id);
/* May one of this type stand for several AEs (TS-0003 8.2.1)? */
bool credential_of_many(enum credential_type type);

/* AE-IDs (canonical) that are registered here under a credential: written by the registration, in its transaction. */
REEVE_MUST_CHECK enum reeve_rc credential_bind(struct st_tx *tx, struct slice credential, struct slice ae);
/* One that is not bound is no error. */
REEVE_MUST_CHECK enum reeve_rc credential_unbind(struct st_tx *tx, struct slice ae);
/* RC_NOTFOUND: the AE did not register under one. */
REEVE_MUST_CHECK enum reeve_rc credential_of(struct st_tx *tx, struct arena *a, struct slice ae, struct slice *credential);
/* Those bound to it, `most` at most, copied to a. */
REEVE_MUST_CHECK enum reeve_rc credential_bound(struct st_tx *tx, struct arena *a, struct slice credential, size_t most, struct slice **aes,
						size_t *n);

/* For `reeve check store`: what is wrong with this entry of the table; NULL: nothing. Text in a. */
const char *credential_entry_check(struct st_tx *tx, struct arena *a, struct slice key, struct slice value);

#endif
