/* SPDX-License-Identifier: Apache-2.0 */
/* `reeve credential`: what its files share. */
#ifndef REEVE_MAIN_CREDENTIAL_H
#define REEVE_MAIN_CREDENTIAL_H

#include "main/client.h"
#include "main/settings.h"

enum { CREDENTIAL_NAMES_MOST = 64 };

/* The command line. */
struct credential_args {
	struct settings s;
	struct client client;
	const char *verb, *operand, *cse;
	const char *kind;             /* --certificate-of: cse, ae, node, device; "psk", "raw-key" */
	const char *raw_key, *file;
	const char *ae[CREDENTIAL_NAMES_MOST]; size_t n_aes;
	const char *as_cse, *domain, *label, *expires;
	bool admin, json, bad;
	struct arena memory;
};

/* One request of core/association/administer.h: to the CSE at --cse, to the one that runs on the store, or done on the store. The
 * answer's text is to be wiped and freed. False: nobody could be asked, and that is told. */
bool credential_ask(struct credential_args *q, const char *method, struct slice id, struct slice body, int *status, struct buf *answer);

/* The same on a store that is open and that no CSE runs on. False: why says what is in the way. */
struct store;
bool credential_on_store(const struct config *c, struct store *store, const char *method, struct slice path, struct slice body, int *status,
			 struct buf *answer, char why[256]);

/* The Credential-ID of what is to be added, and its row with the secret, as JSON. False: told. */
bool credential_id_of(struct credential_args *q, struct slice *id);
bool credential_body(struct credential_args *q, struct slice id, struct buf *body);
/* The secret in --file as a member of a JSON object (",\"secret\":\"...\""), or the wish for one. False: told. */
bool credential_secret(struct credential_args *q, struct buf *body);

#endif
