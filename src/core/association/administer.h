/* SPDX-License-Identifier: Apache-2.0 */
/* The administration of credentials: one request, as the pages /credentials have it, and its answer, both in JSON. The same over HTTPS,
 * over the control socket, and on the store of a CSE that does not run.
 *
 *   GET    /credentials        the rows
 *   GET    /credentials/ID     one, with who registered under it
 *   POST   /credentials        a row; with "secret" (hexadecimal digits) or "generate":true when it is a symmetric key
 *   PATCH  /credentials/ID     members that change; "revoked":true ends it; "secret" or "generate" gives another key
 *   DELETE /credentials/ID
 *
 * A secret goes in and does not come out, but for one that was made here, once. Every change is one transaction, effective when it is
 * answered: associations by the credential have been told to end. */
#ifndef REEVE_CORE_ADMINISTER_H
#define REEVE_CORE_ADMINISTER_H

#include "core/core.h"

struct administration {
	const struct config *cfg;
	const struct ident_home *home;
	struct secenv *keys;       /* without a core */
	struct store *store;
	struct audit *audit;       /* without a core; NULL: none */
	struct core *core;         /* the CSE that runs on the store; NULL: none does */
};
struct administer_call {
	/* in */
	const char *method;
	struct slice path, body;
	struct slice who;          /* for the audit log: a Credential-ID, "uid:1000" */
	bool root;                 /* the operating system vouches for him; else `who` has to be an administrator's credential */
	/* out */
	int status;                /* of HTTP */
	struct buf out;            /* initialised by the caller; maybe a secret: wiped by who frees it */
};
/* Not on a loop: it waits for the disk. One at a time. */
void administer(const struct administration *ad, struct administer_call *call);

#endif
