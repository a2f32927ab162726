/* SPDX-License-Identifier: Apache-2.0 */
/* What a Dynamic Authorization System grants: its policy file (docs/das.md).
 *
 * A rule says for whom (accessControlRules, judged by the same PDP as everywhere), at which resources, and what is given: temporary
 * privileges, a token with privileges, a token with roles, for how long. The first rule that fits gives; none, nothing. */
#ifndef REEVE_DAS_POLICY_H
#define REEVE_DAS_POLICY_H

#include "authz/policy.h"
#include "base/clock.h"
#include "secenv/alg.h"

enum { DAS_WHY_MAX = 512 };

/* A CSE that may ask, and to which tokens are addressed. */
struct das_cse {
	struct slice id;         /* canonical */
	struct slice encrypt;    /* key identifier of its encryption key; empty: tokens for it are signed only */
	enum key_alg enc;        /* content encryption; ALG_NONE without `encrypt` */
	struct slice poa, base;  /* where to reach it, and the address of its <CSEBase>, to change the holder of a token there; or empty */
};

struct das_rule {
	struct slice name;
	struct policy *who;
	const struct slice *at; size_t n_at;   /* patterns of canonical resource addresses */
	const int64_t *types; size_t n_types;  /* 0: any */
	bool direct, indirect;
	bool privileges;         /* as dynamic accessControlPolicy; direct only */
	bool token;
	unsigned acop;           /* ACOP_ bits that privileges and token give at the resource; 0: none, roles only */
	const struct slice *roles; size_t n_roles;
	usec lifetime;
};

struct das_policy {
	struct arena memory;
	struct slice issuer;     /* canonical AE-ID of this DAS: iss of its tokens */
	struct slice domain;     /* FQDN of the Token-IDs it makes */
	struct slice sign;       /* key identifier of its signing key */
	struct slice decrypt;    /* key identifier for secured requests (sdr); or empty */
	const struct das_cse *cses; size_t n_cses;
	const struct das_rule *rules; size_t n_rules;
};

/* Read a policy file. RC_IO, RC_SYNTAX, RC_INVALID, RC_NOMEM; `why` names the place and what to change. Give back with das_policy_free. */
REEVE_MUST_CHECK enum reeve_rc das_policy_load(const char *path, const struct policy_options *o, struct das_policy **out,
					       char why[DAS_WHY_MAX]);
/* The same from text. */
REEVE_MUST_CHECK enum reeve_rc das_policy_read(struct slice text, const struct policy_options *o, struct das_policy **out,
					       char why[DAS_WHY_MAX]);
void das_policy_free(struct das_policy *p); /* NULL is fine */

const struct das_cse *das_policy_cse(const struct das_policy *p, struct slice canonical_id);

struct das_question {
	const struct facts *facts; /* who asks for what: op one ACOP_ bit, target_ty; who empty matches nothing */
	struct slice resource;     /* canonical address */
	bool direct;               /* asked by the Hosting CSE, not by the Originator */
};
/* The first rule that fits; NULL: nothing is granted. */
const struct das_rule *das_policy_match(const struct das_policy *p, const struct das_question *q);

/* Does s fit the pattern? `**` stands for any run of characters, `*` for one without '/'. Linear in practice, never worse than
 * the product of the lengths. */
bool das_glob(struct slice pattern, struct slice s);

#endif
