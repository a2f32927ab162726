/* SPDX-License-Identifier: Apache-2.0 */
/* Whom this CSE trusts to issue tokens and roles: a JSON file of the operator (option authz.issuers; docs/tokens.md).
 *
 *   {"issuers":[{"id":"//iot.example/Sdas1","classes":["signed"],"algorithms":["ES256"],
 *                "keys":[{"kid":"das-1","alg":"ES256","jwk":{...}},{"kid":"mac-1","sealed":"mac-1"}],
 *                "domains":["das.iot.example"],"das":["https://das.iot.example/"],
 *                "das_key":{"kid":"enc-1","alg":"ECDH-ES+A128KW","jwk":{...}},
 *                "delegates":["//iot.example/Sdas2"],
 *                "roles":true,"repositories":["/in1/inbase"]}]}
 *
 * Trust is stated, never concluded: an issuer may use the classes and algorithms that stand there (without "algorithms" those of TS-0003
 * 8.5.3; a name outside that profile only when it is listed), with the keys that stand there, for Token-IDs and Role-IDs of the domains
 * that stand there. Keys that are no secrets stand in the file or in a PEM file beside it; others are named by their key identifier in
 * the sealed key file.
 *
 * A set never changes once it is open, and may be used by all threads; to reload, open another one and exchange them (core/trust.h). */
#ifndef REEVE_AUTHZ_ISSUERS_H
#define REEVE_AUTHZ_ISSUERS_H

#include "authz/ident.h"
#include "jose/jwt.h"

struct issuer_key {
	struct slice kid;        /* as the token's header names it */
	enum key_alg alg;
	struct key_ref *key;
};

struct issuer {
	struct slice id;         /* canonical: "//iot.example/Sdas1" */
	unsigned classes;        /* bit per enum jwt_class: 1u << JWT_SIGNED ... */
	alg_set algs;            /* JWS and JWE algorithms and content encryption */
	const struct issuer_key *keys; size_t n_keys;
	const struct slice *das; size_t n_das;         /* addresses of its Dynamic Authorization System, in order of preference */
	struct issuer_key das_key; /* encrypts what only its DAS shall read (sdr); key == NULL: none */
	const struct slice *domains; size_t n_domains; /* FQDNs of the Token-IDs and Role-IDs it may give, lower case */
	const struct slice *delegates; size_t n_delegates; /* canonical ids: as a DAS it may hand over what these have issued */
	bool roles;              /* an Authorization Authority: <role> resources that name it as issuer count */
	const struct slice *repositories; size_t n_repositories; /* addresses at other CSEs below which its <role> and <token> are */
};

struct issuers;

/* Read the file. Sealed keys come from `se`, which may be NULL when none is named; relative PEM paths are looked for in the folder of the
 * file. RC_INVALID, RC_SYNTAX, RC_IO, RC_NOTFOUND (a sealed key that is not there): why says file, place and what to change. The set
 * is counted, once for the caller. */
enum { ISSUERS_WHY_MAX = 512 };
REEVE_MUST_CHECK enum reeve_rc issuers_open(const char *path, const struct ident_home *home, struct secenv *se, struct issuers **out,
					    char why[ISSUERS_WHY_MAX]);
/* The same from text; `folder` for PEM files may be NULL: then there are none. */
REEVE_MUST_CHECK enum reeve_rc issuers_read(struct slice text, const char *folder, const struct ident_home *home, struct secenv *se,
					    struct issuers **out, char why[ISSUERS_WHY_MAX]);
struct issuers *issuers_get(struct issuers *is); /* one more holder; NULL is legal and gives NULL */
void issuers_put(struct issuers *is);            /* NULL is legal */

/* What is found lives as long as the set. `is` may be NULL: nothing is found. */
size_t issuers_count(const struct issuers *is);
const struct issuer *issuers_at(const struct issuers *is, size_t i);
const struct issuer *issuers_by_id(const struct issuers *is, struct slice canonical);
/* The one to be asked about Token-IDs and Role-IDs of a domain: the first that has addresses of a DAS, else the first of all that may
 * use the domain. */
const struct issuer *issuers_by_domain(const struct issuers *is, struct slice fqdn);
/* By its DAS: the issuer with that address among its own. */
const struct issuer *issuers_by_das(const struct issuers *is, struct slice address);

/* name@fqdn: may the issuer give this Token-ID or Role-ID? */
bool issuer_may_name(const struct issuer *i, struct slice id);
/* What follows the '@' of a Token-ID or Role-ID. */
struct slice issuer_domain_of(struct slice id);
/* May `das` hand over tokens of `issuer` (canonical)? It may its own. */
bool issuer_may_deliver(const struct issuer *das, struct slice issuer);
/* The key for a layer of a token by its `kid`; NULL when there is none. */
const struct issuer_key *issuer_key(const struct issuer *i, struct slice kid);

#endif
