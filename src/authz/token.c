/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens: from the text to what it permits (see token.h).
 *
 * Nothing in a token is believed before it is verified, not even who issued it: the header's kid leads to keys of the file, and the issuer
 * whose key is right has to be the one that the claims name. A deciphering key is one key for its kid in the whole file (issuers.c), and
 * who sent is known afterwards: by the signature inside, or, without one, because the key is a secret shared with that issuer
 * alone. A token that anybody could encrypt to this CSE's public key proves nothing and is refused (AUTHZ-181). */
#include "authz/token.h"

#include <malloc.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "codec/model.h"

const struct token_limits token_default_limits = {
	.jose = { .token = 16 << 10, .header = 4 << 10 },
	.json = { .depth = 24, .tokens = 8192 },
	.permissions = 64,
	.resources = 256,
	.roles = 256,
};

enum { TOKEN_MEMORY = 1 << 20 };

struct token {
	_Atomic unsigned refs;
	enum jwt_class class;
	struct token_claims claims;
	struct token_permission *perms;
	size_t n_perms, bytes;
	struct slice unused;
	struct arena a;
	_Alignas(16) char first[1024];
};

/* --- faults --- */

static const struct { const char *name, *text; } faults[] = {
	[TOKEN_GOOD] = { "good", "the token is right" },
	[TOKEN_TOO_LONG] = { "too-long", "the token is longer than this CSE accepts" },
	[TOKEN_SHAPE] = { "shape", "the token is no JWT of oneM2M (JWS or JWE in compact form, typ JWT; cty JWT on a nested JWE only)" },
	[TOKEN_NO_KEY] = { "no-key", "no key of this kid is configured for the issuer" },
	[TOKEN_NOT_PERMITTED] = { "not-permitted", "the token's class or algorithm is not permitted for its issuer" },
	[TOKEN_FORGED] = { "forged", "the token's signature or tag is not right" },
	[TOKEN_CLAIMS] = { "claims", "a claim of the token is missing or of a wrong type" },
	[TOKEN_ISSUER] = { "issuer", "the token's issuer is not one that this CSE accepts here" },
	[TOKEN_NAME] = { "name", "the Token-ID is of a domain that is not its issuer's" },
	[TOKEN_HOLDER] = { "holder", "the token's holder is not the Originator" },
	[TOKEN_EARLY] = { "early", "the token is not valid yet" },
	[TOKEN_EXPIRED] = { "expired", "the token has expired; get a new one" },
	[TOKEN_AUDIENCE] = { "audience", "the token is not meant for this CSE" },
	[TOKEN_UNKNOWN_ID] = { "unknown", "the identifier leads to no token; send the token itself" },
	[TOKEN_TOO_MANY] = { "too-many", "the request has more tokens than this CSE accepts" },
	[TOKEN_NO_MEMORY] = { "no-memory", "the request needs more memory than limits.request_memory" },
};

const char *token_fault_text(enum token_fault f) { return faults[f].text; }
const char *token_fault_name(enum token_fault f) { return faults[f].name; }

/* --- opening --- */

struct opening {
	const struct token_open_options *o;
	const struct token_limits *limits;
	struct arena *a;
	const struct issuer *issuer; /* NULL: not known yet */
	struct slice outer_kid;
	unsigned tried;              /* signature keys of this kid */
	bool more;                   /* there are others */
	enum jwt_class class;
	enum token_fault fault;
};

static enum reeve_rc no(struct opening *op, enum token_fault f, const char *text, const char **why)
{
	op->fault = f;
	*why = text;
	return RC_DENIED;
}

static enum reeve_rc give(const struct issuer_key *k, struct key_ref **key)
{
	*key = key_get(k->key);
	return RC_OK;
}

/* The JWS of a signed token, or inside a nested one. Two issuers may use the same kid; the signature tells whose it is. */
static enum reeve_rc verify_with(struct opening *op, const struct jose *t, struct key_ref **key, alg_set *permitted, const char **why)
{
	const struct issuer_key *found = NULL, *k;
	enum token_fault f = TOKEN_NO_KEY;
	unsigned nth = 0;

	op->more = false;
	for (size_t i = 0; i < issuers_count(op->o->issuers) && !op->more; i++) {
		const struct issuer *is = issuers_at(op->o->issuers, i);

		if (!(k = issuer_key(is, t->h.kid)) || (op->class == JWT_NESTED && !issuer_key(is, op->outer_kid)))
			continue;
		f = TOKEN_NOT_PERMITTED;
		if (!(is->classes >> op->class & 1) || k->alg != t->h.alg || !alg_in(k->alg, ALGS_SIGN & is->algs) || nth++ < op->tried)
			continue;
		op->more = found;
		if (!found) {
			found = k;
			op->issuer = is;
		}
	}
	if (!found)
		return no(op, f, token_fault_text(f), why);
	op->tried++;
	*permitted = ALG_SET(found->alg);
	return give(found, key);
}

/* The JWE outside. More than one issuer may have the key; what they permit is looked at when it is known who it was. */
static enum reeve_rc decrypt_with(struct opening *op, const struct jose *t, struct key_ref **key, alg_set *permitted, const char **why)
{
	const struct issuer_key *found = NULL, *k;

	*permitted = 0;
	op->outer_kid = t->h.kid;
	for (size_t i = 0; i < issuers_count(op->o->issuers); i++) {
		const struct issuer *is = issuers_at(op->o->issuers, i);
		if (!(is->classes >> op->class & 1) || !(k = issuer_key(is, t->h.kid)) || alg_in(k->alg, ALGS_SIGN))
			continue;
		found = k;
		*permitted |= is->algs &
			      (ALG_SET(k->alg) | (alg_in(k->alg, ALGS_CONTENT) ? ALG_SET(ALG_DIR) : ALGS_CONTENT));
	}
	if (!found)
		return no(op, TOKEN_NO_KEY, "no issuer has a key of this kid for tokens of this class", why);
	if (op->class == JWT_ENCRYPTED && key_info(found->key)->kind != KEY_OCT)
		return no(op, TOKEN_NOT_PERMITTED,
			  "encrypted to a public key without a signature inside, it could be from anybody: nest it", why);
	return give(found, key);
}

static enum reeve_rc choose_key(void *ctx, const struct jose *t, bool inner, struct key_ref **key, alg_set *permitted, const char **why)
{
	struct opening *op = ctx;

	if (!t->h.kid.n)
		return no(op, TOKEN_NO_KEY, "the header has no kid, which says whose key it is", why);
	if (!inner && jwt_class_of(t, &op->class, why) != RC_OK) {
		op->fault = TOKEN_SHAPE;
		return RC_SYNTAX;
	}
	return t->encrypted ? decrypt_with(op, t, key, permitted, why) : verify_with(op, t, key, permitted, why);
}

static enum token_fault fault_of(enum reeve_rc rc)
{
	switch (rc) {
	case RC_LIMIT:
		return TOKEN_TOO_LONG;
	case RC_DENIED:
	case RC_UNSUPPORTED:
		return TOKEN_NOT_PERMITTED;
	case RC_FORGED:
		return TOKEN_FORGED;
	case RC_NOTFOUND:
		return TOKEN_NO_KEY;
	case RC_NOMEM:
	case RC_IO:
		return TOKEN_NO_MEMORY;
	default:
		return TOKEN_SHAPE;
	}
}

/* Who it is from, now that everything is open; and was this permitted to just him? */
static enum token_fault judge_issuer(struct opening *op, const struct jwt *jwt, const struct token_claims *c, const char **why)
{
	const struct issuer *is = op->issuer ? op->issuer : issuers_by_id(op->o->issuers, c->issuer);

	op->issuer = is;
	*why = NULL;
	if (!is || !slice_eq(is->id, c->issuer))
		return TOKEN_ISSUER;
	if (!(is->classes >> jwt->class & 1))
		return TOKEN_NOT_PERMITTED;
	if (jwt->outer.encrypted) {
		if (!issuer_key(is, jwt->outer.h.kid))
			return TOKEN_NO_KEY;
		if (!alg_in(jwt->outer.h.alg, is->algs) || !alg_in(jwt->outer.h.enc, is->algs))
			return TOKEN_NOT_PERMITTED;
	}
	return issuer_may_name(is, c->id) ? TOKEN_GOOD : TOKEN_NAME;
}

/* --- what it permits --- */

static void note(struct token *t, uint32_t k, const char *text)
{
	t->unused = arena_printf(&t->a, "%.*s%spm[%u]: %s", SF(t->unused), t->unused.n ? "; " : "", k, text);
}

static enum reeve_rc copy_list(struct token *t, const struct json *j, uint32_t list, const struct slice **out, size_t *n)
{
	struct slice *v = arena_array(&t->a, j->tok[list].count + 1u, sizeof(*v));

	*out = v;
	*n = 0;
	if (!v)
		return RC_NOMEM;
	for (uint32_t i = list + 1; i < j->tok[list].next; i = j->tok[i].next) {
		v[*n] = json_string(&t->a, j, i);
		if (!v[(*n)++].p)
			return RC_NOMEM;
	}
	return RC_OK;
}

/* Of the roles, those of the issuer's domains. */
static enum reeve_rc copy_roles(struct token *t, const struct issuer *is, const struct json *j, uint32_t list, uint32_t k,
				struct token_permission *p)
{
	enum reeve_rc rc = copy_list(t, j, list, &p->roles, &p->n_roles);
	struct slice *v = (struct slice *)p->roles;
	size_t n = 0;

	for (size_t i = 0; rc == RC_OK && i < p->n_roles; i++)
		if (issuer_may_name(is, v[i]))
			v[n++] = v[i];
	if (rc == RC_OK && n < p->n_roles)
		note(t, k, "a role of a domain that is not the issuer's");
	p->n_roles = n;
	return rc;
}

static enum reeve_rc permission(struct opening *op, struct token *t, const struct json *j, uint32_t i, uint32_t k)
{
	struct token_permission *p = &t->perms[t->n_perms];
	uint32_t ris = json_member(j, i, S("ris")), pv = json_member(j, i, S("pv")), rids = json_member(j, i, S("rids"));
	struct slice none = { NULL, 0 }, name;
	struct policy *rules = NULL;
	enum reeve_rc rc = RC_OK;

	*p = (struct token_permission){ .n_ris = 0 }; /* the one before may not have counted */
	if (pv && !ris) { /* AUTHZ-172 */
		note(t, k, "pv without ris");
		return RC_OK;
	}
	if (ris && (rc = copy_list(t, j, ris, &p->ris, &p->n_ris)) != RC_OK)
		return rc;
	if (ris && !p->n_ris) {
		note(t, k, "ris is empty");
		return RC_OK;
	}
	if (rids && (rc = copy_roles(t, op->issuer, j, rids, k, p)) != RC_OK)
		return rc;
	if (pv) {
		name = arena_printf(&t->a, "token %.*s pm[%u]", SF(t->claims.id), k);
		rc = policy_compile(op->o->policies, name, json_raw(j, pv), none, op->o->group, op->o->group_ctx, &rules);
		if (rc != RC_OK)
			return rc;
		p->rules = rules;
		t->bytes += malloc_usable_size(rules);
	}
	t->n_perms += p->rules || p->n_roles;
	return RC_OK;
}

static enum token_fault permissions(struct opening *op, struct token *t, struct slice *why)
{
	size_t resources = 0, roles = 0;
	enum reeve_rc rc = RC_OK;
	struct slice ignored;
	struct json j;
	uint32_t pm, k = 0;

	if (!t->claims.permissions.p || json_parse(op->a, t->claims.permissions, &op->limits->json, &j, &ignored) != RC_OK ||
	    !(pm = json_member(&j, 0, S("pm"))))
		return op->a->failed ? TOKEN_NO_MEMORY : TOKEN_GOOD;
	for (uint32_t i = pm + 1; i < j.tok[pm].next; i = j.tok[i].next) {
		uint32_t ris = json_member(&j, i, S("ris")), rids = json_member(&j, i, S("rids"));
		resources += ris ? j.tok[ris].count : 0;
		roles += rids ? j.tok[rids].count : 0;
	}
	if (j.tok[pm].count > op->limits->permissions || resources > op->limits->resources || roles > op->limits->roles) {
		*why = arena_printf(op->a, "tkps: at most %zu permissions, %zu resources and %zu roles in all", op->limits->permissions,
				    op->limits->resources, op->limits->roles);
		return TOKEN_TOO_LONG;
	}
	if (!(t->perms = arena_array(&t->a, j.tok[pm].count + 1u, sizeof(*t->perms))))
		return TOKEN_NO_MEMORY;
	for (uint32_t i = pm + 1; rc == RC_OK && i < j.tok[pm].next; i = j.tok[i].next)
		rc = permission(op, t, &j, i, k++);
	return rc == RC_OK && !t->a.failed ? TOKEN_GOOD : rc == RC_INVALID ? TOKEN_CLAIMS : TOKEN_NO_MEMORY;
}

/* The claims, in memory of the token. */
static bool keep_claims(struct token *t, const struct token_claims *c)
{
	struct slice *v = arena_array(&t->a, c->n_audience + 1, sizeof(*v));

	t->claims = *c;
	t->claims.version = arena_dup(&t->a, c->version);
	t->claims.id = arena_dup(&t->a, c->id);
	t->claims.issuer = arena_dup(&t->a, c->issuer);
	t->claims.holder = arena_dup(&t->a, c->holder);
	if (c->name.p)
		t->claims.name = arena_dup(&t->a, c->name);
	if (c->extension.p)
		t->claims.extension = arena_dup(&t->a, c->extension);
	if (c->permissions.p)
		t->claims.permissions = arena_dup(&t->a, c->permissions);
	for (size_t i = 0; v && i < c->n_audience; i++)
		v[i] = arena_dup(&t->a, c->audience[i]);
	t->claims.audience = v;
	return !t->a.failed;
}

enum token_fault token_open(const struct token_open_options *o, struct arena *a, struct slice text, struct token **out, struct slice *why)
{
	struct opening op = { .o = o, .limits = o->limits ? o->limits : &token_default_limits, .a = a };
	const char *said = NULL;
	struct token_claims claims;
	struct token *t = NULL;
	enum token_fault f;
	struct jwt jwt;
	enum reeve_rc rc;

	*out = NULL;
	do
		rc = jwt_open(a, text, &op.limits->jose, choose_key, &op, &jwt, &said);
	while (rc == RC_FORGED && op.more);
	*why = slice_str(said);
	if (rc != RC_OK) {
		f = op.fault ? op.fault : fault_of(rc);
		goto failed;
	}
	*why = (struct slice){ NULL, 0 };
	f = TOKEN_CLAIMS;
	rc = token_claims_read(a, o->policies->home, jwt.claims, op.limits, &claims, why);
	if (rc != RC_OK) {
		f = rc == RC_NOMEM ? TOKEN_NO_MEMORY : f;
		goto failed;
	}
	if ((f = judge_issuer(&op, &jwt, &claims, &said)) != TOKEN_GOOD)
		goto failed;
	f = TOKEN_NO_MEMORY;
	if (!(t = calloc(1, sizeof(*t))))
		goto failed;
	atomic_init(&t->refs, 1);
	arena_init(&t->a, t->first, sizeof(t->first), TOKEN_MEMORY);
	t->class = jwt.class;
	if (keep_claims(t, &claims) && (f = permissions(&op, t, why)) == TOKEN_GOOD) {
		t->bytes += sizeof(*t) + t->a.used;
		*out = t;
		return TOKEN_GOOD;
	}
failed:
	token_put(t);
	if (!why->p)
		*why = slice_str(token_fault_text(f));
	return f;
}

struct token *token_get(struct token *t)
{
	atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
	return t;
}

void token_put(struct token *t)
{
	if (!t || atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) != 1)
		return;
	for (size_t i = 0; i < t->n_perms; i++)
		policy_free((struct policy *)t->perms[i].rules);
	arena_reset(&t->a);
	free(t);
}

const struct token_claims *token_claims(const struct token *t) { return &t->claims; }
enum jwt_class token_class(const struct token *t) { return t->class; }
size_t token_bytes(const struct token *t) { return t->bytes; }
struct slice token_unused(const struct token *t) { return t->unused; }

const struct token_permission *token_permissions(const struct token *t, size_t *n)
{
	*n = t->n_perms;
	return t->perms;
}

/* --- one request --- */

enum token_fault token_check(const struct token *t, struct slice holder, const struct token_facts *f)
{
	const struct token_claims *c = &t->claims;

	if (!slice_eq(holder, f->who))
		return TOKEN_HOLDER;
	if (f->das && !issuer_may_deliver(f->das, c->issuer))
		return TOKEN_ISSUER;
	if (f->now < c->not_before)
		return TOKEN_EARLY;
	if (f->now >= c->not_after)
		return TOKEN_EXPIRED;
	for (size_t i = 0; i < c->n_audience; i++)
		if (token_audience_fits(c->audience[i], f->cse))
			return TOKEN_GOOD;
	return c->n_audience ? TOKEN_AUDIENCE : TOKEN_GOOD;
}

/* --- making --- */

enum reeve_rc token_protect(const struct token_claims *c, struct key_ref *sign_with, struct key_ref *encrypt_to, enum key_alg enc,
			    struct buf *out, const char **why)
{
	struct buf b;
	enum reeve_rc rc = RC_NOMEM;

	buf_init(&b, 1 << 20);
	token_claims_write_jwt(&b, c);
	if (!b.failed)
		rc = jwt_make(sign_with, encrypt_to, enc, buf_view(&b), out, why);
	buf_free(&b);
	return rc;
}
