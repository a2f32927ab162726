/* SPDX-License-Identifier: Apache-2.0 */
/* The file of issuers: read, checked to the last member, and searched.
 *
 * What is not understood is an error, because a misspelt restriction would be none. A key that can decrypt, or that two parties share, is
 * known by its kid to all issuers alike: before a token is deciphered nobody knows whose it is. So one kid means one such key in the
 * whole file, and a symmetric key belongs to one issuer, or each could speak for the other. */
#include "authz/issuers.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "codec/json.h"
#include "codec/text.h"

enum { FILE_MOST = 4 << 20, PEM_MOST = 64 << 10, MEMORY_MOST = 64 << 20 };

struct issuers {
	_Atomic unsigned refs;
	struct arena a;
	struct issuer *v;
	size_t n;
	_Alignas(16) char first[4096];
};

/* A file while it is read. Functions return false when they have said why. */
struct reading {
	struct issuers *is;
	struct json j;
	const char *folder;
	const struct ident_home *home;
	struct secenv *se;
	enum reeve_rc rc;
	char *why;
	char place[96];          /* "issuers[0].keys[1]" */
};

static bool __attribute__((format(printf, 3, 4))) fault(struct reading *r, enum reeve_rc rc, const char *fmt, ...)
{
	char text[KEY_WHY_MAX + 64];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	r->rc = rc;
	snprintf(r->why, ISSUERS_WHY_MAX, "%s%s%s", r->place, r->place[0] ? ": " : "", text);
	return false;
}

static bool no_memory(struct reading *r)
{
	return fault(r, RC_NOMEM, "no memory left");
}

/* Only members with these names, at the object i. */
static bool members(struct reading *r, uint32_t i, const char *const *known)
{
	if (json_kind(&r->j, i) != J_OBJECT)
		return fault(r, RC_INVALID, "must be an object");
	for (uint32_t k = i + 1; k < r->j.tok[i].next; k = r->j.tok[k + 1].next) {
		const char *const *name = known;
		struct slice key = json_inner(&r->j, k);

		while (*name && !json_string_is(&r->j, k, slice_str(*name)))
			name++;
		if (!*name)
			return fault(r, RC_INVALID, "there is no member \"%.*s\"", (int)(key.n < 60 ? key.n : 60), key.p);
	}
	return true;
}

static bool string(struct reading *r, uint32_t i, const char *what, struct slice *out)
{
	if (!i || json_kind(&r->j, i) != J_STRING)
		return fault(r, RC_INVALID, "%s must be a string", what);
	*out = json_string(&r->is->a, &r->j, i);
	if (!out->p)
		return no_memory(r);
	if (!out->n || memchr(out->p, 0, out->n))
		return fault(r, RC_INVALID, "%s must not be empty", what);
	return true;
}

/* A member that is a list of strings; absent: none. */
static bool strings(struct reading *r, uint32_t object, const char *name, const struct slice **out, size_t *n)
{
	uint32_t list = json_member(&r->j, object, slice_str(name));
	struct slice *v;

	*out = NULL;
	*n = 0;
	if (!list)
		return true;
	if (json_kind(&r->j, list) != J_ARRAY || !r->j.tok[list].count)
		return fault(r, RC_INVALID, "%s must be a list of strings with at least one; leave it out when there is none", name);
	if (!(v = arena_array(&r->is->a, r->j.tok[list].count, sizeof(*v))))
		return no_memory(r);
	for (uint32_t i = list + 1; i < r->j.tok[list].next; i = r->j.tok[i].next)
		if (!string(r, i, name, &v[(*n)++]))
			return false;
	*out = v;
	return true;
}

static bool entity(struct reading *r, struct slice s, const char *what, struct slice *canon)
{
	enum ident_kind kind;
	enum ident_form form;

	if (ident_parse(&r->is->a, r->home, s, &kind, &form, canon) != RC_OK)
		return no_memory(r);
	if (kind == ID_NONE || kind == ID_SP)
		return fault(r, RC_INVALID, "%s \"%.*s\" must be an AE-ID or CSE-ID (//sp/Sname, //sp/cse/Cname, //sp/cse)", what,
			     (int)(s.n < 100 ? s.n : 100), s.p);
	return true;
}

/* --- what is permitted --- */

static bool read_classes(struct reading *r, uint32_t object, struct issuer *out)
{
	static const struct { const char *name; enum jwt_class class; } names[] = {
		{ "signed", JWT_SIGNED }, { "encrypted", JWT_ENCRYPTED }, { "nested", JWT_NESTED },
	};
	const struct slice *v;
	size_t n;

	if (!strings(r, object, "classes", &v, &n))
		return false;
	if (!n)
		out->classes = 1u << JWT_SIGNED | 1u << JWT_NESTED;
	for (size_t i = 0; i < n; i++) {
		size_t k = 0;
		while (k < 3 && !slice_eq(v[i], slice_str(names[k].name)))
			k++;
		if (k == 3)
			return fault(r, RC_INVALID, "classes: \"%.*s\" must be signed, encrypted or nested",
				     (int)(v[i].n < 60 ? v[i].n : 60), v[i].p);
		out->classes |= 1u << names[k].class;
	}
	return true;
}

static bool read_algorithms(struct reading *r, uint32_t object, struct issuer *out)
{
	const struct slice *v;
	size_t n;

	if (!strings(r, object, "algorithms", &v, &n))
		return false;
	if (!n)
		out->algs = ALGS_ONEM2M_JWS | ALGS_ONEM2M_JWE;
	for (size_t i = 0; i < n; i++) {
		enum key_alg alg = alg_find(v[i]);
		if (alg == ALG_NONE)
			return fault(r, RC_INVALID, "algorithms: \"%.*s\" is none of RFC 7518 that this program knows",
				     (int)(v[i].n < 60 ? v[i].n : 60), v[i].p);
		out->algs |= ALG_SET(alg);
	}
	return true;
}

/* --- keys --- */

static bool secret_jwk(const struct json *j, uint32_t i)
{
	static const char *const secret[] = { "d", "k", "p", "q", "dp", "dq", "qi", "oth" };

	for (size_t k = 0; k < sizeof(secret) / sizeof(secret[0]); k++)
		if (json_member(j, i, slice_str(secret[k])))
			return true;
	return false;
}

static bool import(struct reading *r, enum key_form form, struct slice material, const struct key_spec *spec, struct key_ref **out)
{
	char why[KEY_WHY_MAX] = "";
	enum reeve_rc rc = secenv_import(NULL, form, material, spec, out, why);

	return rc == RC_OK || fault(r, rc, "%s", why[0] ? why : rc_name(rc));
}

static bool import_jwk(struct reading *r, uint32_t i, const struct key_spec *spec, struct key_ref **out)
{
	if (json_kind(&r->j, i) != J_OBJECT)
		return fault(r, RC_INVALID, "jwk must be an object: one key of RFC 7517");
	if (secret_jwk(&r->j, i))
		return fault(r, RC_INVALID, "jwk holds a secret, which does not belong in this file: put it into the sealed key file "
			     "(reeve key) and name it with \"sealed\"");
	return import(r, KEY_JWK, json_raw(&r->j, i), spec, out);
}

static bool import_pem(struct reading *r, struct slice name, const struct key_spec *spec, struct key_ref **out)
{
	struct buf b;
	char path[512], why[FILE_WHY_MAX];
	bool good;

	if (!r->folder && name.p[0] != '/')
		return fault(r, RC_INVALID, "pem: a path from / is needed here");
	snprintf(path, sizeof(path), "%s%s%.*s", name.p[0] == '/' ? "" : r->folder, name.p[0] == '/' ? "" : "/", SF(name));
	good = file_read(path, PEM_MOST, &b, why) == RC_OK || fault(r, RC_IO, "pem: %.200s: %s", path, why);
	if (good && memmem(b.p, b.n, "PRIVATE KEY", sizeof("PRIVATE KEY") - 1))
		good = fault(r, RC_INVALID, "pem: %.200s holds a private key: put it into the sealed key file (reeve key) and name it with "
			     "\"sealed\"", path);
	good = good && import(r, KEY_PEM, buf_view(&b), spec, out);
	buf_free(&b);
	return good;
}

static bool find_sealed(struct reading *r, struct slice name, struct key_ref **out)
{
	if (!r->se)
		return fault(r, RC_NOTFOUND, "sealed: no sealed key file is configured (keys.file)");
	if (!(*out = secenv_find(r->se, name)))
		return fault(r, RC_NOTFOUND, "sealed: there is no key \"%.*s\" in the sealed key file", SF(name));
	return true;
}

/* May this key do what a token asks of it? A signature is verified, everything else deciphered. */
static bool usable(struct reading *r, const struct issuer *is, const struct issuer_key *k)
{
	const struct key_info *info = key_info(k->key);
	alg_set need = alg_in(k->alg, ALGS_CONTENT) ? ALG_SET(ALG_DIR) | ALG_SET(k->alg) : ALG_SET(k->alg);

	if ((need & is->algs) != need)
		return fault(r, RC_INVALID, "a key for %.*s, which algorithms does not list%s", SF(alg_name(k->alg)),
			     alg_in(k->alg, ALGS_CONTENT) ? " (with dir)" : "");
	if (!alg_in(k->alg, ALGS_SIGN) && !info->secret)
		return fault(r, RC_INVALID, "a public key for %.*s cannot decrypt: name the CSE's own key with \"sealed\"",
			     SF(alg_name(k->alg)));
	return true;
}

/* Can something be kept with it that only its owner reads? */
static bool conceals(struct reading *r, const struct issuer_key *k)
{
	return (alg_in(k->alg, ALGS_ONEM2M_JWE) && k->alg != ALG_DIR) ||
	       fault(r, RC_INVALID, "a key for %.*s does not encrypt: a public key of the DAS is needed (ECDH-ES+A128KW ...), "
		     "or one that is shared with it", SF(alg_name(k->alg)));
}

/* is: the issuer whose tokens it is for; NULL: it encrypts what its DAS shall read. */
static bool read_key(struct reading *r, uint32_t i, const struct issuer *is, struct issuer_key *out)
{
	static const char *const known[] = { "kid", "alg", "jwk", "pem", "sealed", NULL };
	uint32_t kid, alg, jwk, pem, sealed;
	struct slice name, text = { NULL, 0 };
	struct key_spec spec = { .alg = ALG_NONE };

	if (!members(r, i, known))
		return false;
	kid = json_member(&r->j, i, S("kid"));
	alg = json_member(&r->j, i, S("alg"));
	jwk = json_member(&r->j, i, S("jwk"));
	pem = json_member(&r->j, i, S("pem"));
	sealed = json_member(&r->j, i, S("sealed"));
	if (!!jwk + !!pem + !!sealed != 1)
		return fault(r, RC_INVALID, "one of jwk, pem and sealed says which key it is");
	if (kid && !string(r, kid, "kid", &text))
		return false;
	if (alg && (!string(r, alg, "alg", &name) || (spec.alg = alg_find(name)) == ALG_NONE))
		return r->rc ? false : fault(r, RC_INVALID, "alg is none of RFC 7518 that this program knows");
	if ((pem || sealed) && !string(r, pem ? pem : sealed, pem ? "pem" : "sealed", &name))
		return false;
	spec.kid = text;
	if (jwk ? !import_jwk(r, jwk, &spec, &out->key) : pem ? !import_pem(r, name, &spec, &out->key) : !find_sealed(r, name, &out->key))
		return false;
	out->alg = key_info(out->key)->alg;
	out->kid = text.p ? text : arena_dup(&r->is->a, key_info(out->key)->kid);
	if (spec.alg != ALG_NONE && spec.alg != out->alg)
		return fault(r, RC_INVALID, "alg: the key is made for %.*s", SF(alg_name(out->alg)));
	return is ? usable(r, is, out) : conceals(r, out);
}

static bool read_keys(struct reading *r, uint32_t object, struct issuer *out)
{
	uint32_t list = json_member(&r->j, object, S("keys"));
	struct issuer_key *v;
	size_t n = strlen(r->place);

	if (!list)
		return out->roles || fault(r, RC_INVALID, "keys: without one no token of this issuer can be verified");
	if (json_kind(&r->j, list) != J_ARRAY)
		return fault(r, RC_INVALID, "keys must be a list of objects");
	if (!(v = arena_array(&r->is->a, r->j.tok[list].count + 1u, sizeof(*v))))
		return no_memory(r);
	out->keys = v;
	for (uint32_t i = list + 1; i < r->j.tok[list].next; i = r->j.tok[i].next) {
		snprintf(r->place + n, sizeof(r->place) - n, ".keys[%zu]", out->n_keys);
		if (!read_key(r, i, out, &v[out->n_keys])) {
			key_put(v[out->n_keys].key);
			v[out->n_keys].key = NULL;
			return false;
		}
		out->n_keys++;
		for (size_t k = 0; k + 1 < out->n_keys; k++)
			if (slice_eq(v[k].kid, v[out->n_keys - 1].kid))
				return fault(r, RC_INVALID, "kid \"%.*s\" stands twice", SF(v[k].kid));
	}
	r->place[n] = '\0';
	return true;
}

static bool read_das_key(struct reading *r, uint32_t object, struct issuer *out)
{
	uint32_t i = json_member(&r->j, object, S("das_key"));
	size_t n = strlen(r->place);

	if (!i)
		return true;
	snprintf(r->place + n, sizeof(r->place) - n, ".das_key");
	if (!read_key(r, i, NULL, &out->das_key))
		return false;
	r->place[n] = '\0';
	return true;
}

/* --- an issuer --- */

static bool read_domains(struct reading *r, uint32_t object, struct issuer *out)
{
	if (!strings(r, object, "domains", &out->domains, &out->n_domains))
		return false;
	if (!out->n_domains)
		return fault(r, RC_INVALID, "domains: the FQDNs behind the @ of its Token-IDs and Role-IDs");
	for (size_t i = 0; i < out->n_domains; i++) {
		bool good = text_fqdn(out->domains[i]);
		for (size_t k = 0; k < out->domains[i].n; k++)
			good = good && !(out->domains[i].p[k] >= 'A' && out->domains[i].p[k] <= 'Z');
		if (!good)
			return fault(r, RC_INVALID, "domains: \"%.*s\" must be a domain name in lower case",
				     (int)(out->domains[i].n < 100 ? out->domains[i].n : 100), out->domains[i].p);
	}
	return true;
}

static bool read_delegates(struct reading *r, uint32_t object, struct issuer *out)
{
	const struct slice *given;
	struct slice *v = NULL;
	size_t n;

	if (!strings(r, object, "delegates", &given, &n))
		return false;
	if (n && !(v = arena_array(&r->is->a, n, sizeof(*v))))
		return no_memory(r);
	for (size_t i = 0; i < n; i++)
		if (!entity(r, given[i], "delegates:", &v[i]))
			return false;
	out->delegates = v;
	out->n_delegates = n;
	return true;
}

static bool read_issuer(struct reading *r, uint32_t i, struct issuer *out)
{
	static const char *const known[] = { "id", "classes", "algorithms", "keys", "domains", "das", "das_key", "delegates",
					     "roles", "repositories", NULL };
	uint32_t roles;
	struct slice id;

	if (!members(r, i, known) || !string(r, json_member(&r->j, i, S("id")), "id", &id) || !entity(r, id, "id", &out->id))
		return false;
	roles = json_member(&r->j, i, S("roles"));
	if (roles && !json_bool(&r->j, roles, &out->roles))
		return fault(r, RC_INVALID, "roles must be true or false");
	return read_classes(r, i, out) && read_algorithms(r, i, out) && read_domains(r, i, out) && read_keys(r, i, out) &&
	       strings(r, i, "das", &out->das, &out->n_das) && read_das_key(r, i, out) && read_delegates(r, i, out) &&
	       strings(r, i, "repositories", &out->repositories, &out->n_repositories);
}

/* Two issuers and what they may not share. */
static bool apart(struct reading *r, const struct issuer *a, const struct issuer *b)
{
	if (slice_eq(a->id, b->id))
		return fault(r, RC_INVALID, "id: the issuer stands twice");
	for (size_t i = 0; i < a->n_keys; i++)
		for (size_t k = 0; k < b->n_keys; k++) {
			const struct issuer_key *p = &a->keys[i], *q = &b->keys[k];
			const struct key_info *pi = key_info(p->key), *qi = key_info(q->key);
			bool same = p->key == q->key || (pi->secret && qi->secret && slice_eq(pi->kid, qi->kid));

			if (same && pi->kind == KEY_OCT)
				return fault(r, RC_INVALID, "keys: \"%.*s\" is a shared secret of another issuer as well, so each could "
					     "make tokens of the other", SF(q->kid));
			if (!same && slice_eq(p->kid, q->kid) && (!alg_in(p->alg, ALGS_SIGN) || !alg_in(q->alg, ALGS_SIGN)))
				return fault(r, RC_INVALID, "keys: the kid \"%.*s\" means another key at another issuer; a key that "
					     "decrypts is found by its kid alone", SF(q->kid));
		}
	return true;
}

static bool read_all(struct reading *r)
{
	static const char *const known[] = { "issuers", NULL };
	uint32_t list;

	if (!members(r, 0, known))
		return false;
	list = json_member(&r->j, 0, S("issuers"));
	if (!list || json_kind(&r->j, list) != J_ARRAY)
		return fault(r, RC_INVALID, "issuers must be a list of objects");
	if (!(r->is->v = arena_array(&r->is->a, r->j.tok[list].count + 1u, sizeof(*r->is->v))))
		return no_memory(r);
	for (uint32_t i = list + 1; i < r->j.tok[list].next; i = r->j.tok[i].next) {
		struct issuer *one = &r->is->v[r->is->n++];

		snprintf(r->place, sizeof(r->place), "issuers[%zu]", r->is->n - 1);
		if (!read_issuer(r, i, one))
			return false;
		snprintf(r->place, sizeof(r->place), "issuers[%zu]", r->is->n - 1);
		for (size_t k = 0; k + 1 < r->is->n; k++)
			if (!apart(r, &r->is->v[k], one))
				return false;
	}
	return true;
}

enum reeve_rc issuers_read(struct slice text, const char *folder, const struct ident_home *home, struct secenv *se, struct issuers **out,
			   char why[ISSUERS_WHY_MAX])
{
	struct issuers *is = calloc(1, sizeof(*is));
	struct reading r = { .is = is, .folder = folder, .home = home, .se = se, .why = why };
	struct slice fault_text = { NULL, 0 };

	*out = NULL;
	why[0] = '\0';
	if (!is)
		return RC_NOMEM;
	atomic_init(&is->refs, 1);
	arena_init(&is->a, is->first, sizeof(is->first), MEMORY_MOST);
	text = arena_dup(&is->a, text); /* strings without escapes stay in it */
	r.rc = json_parse(&is->a, text, &json_default_limits, &r.j, &fault_text);
	if (r.rc != RC_OK)
		snprintf(why, ISSUERS_WHY_MAX, "%.*s", SF(fault_text));
	else if (read_all(&r) && is->a.failed)
		no_memory(&r);
	if (r.rc != RC_OK)
		issuers_put(is);
	else
		*out = is;
	return r.rc;
}

enum reeve_rc issuers_open(const char *path, const struct ident_home *home, struct secenv *se, struct issuers **out,
			   char why[ISSUERS_WHY_MAX])
{
	const char *slash = strrchr(path, '/');
	char folder[512], inner[ISSUERS_WHY_MAX];
	struct buf b;
	enum reeve_rc rc;

	*out = NULL;
	snprintf(folder, sizeof(folder), "%.*s", slash ? (int)(slash - path) : 1, slash ? path : ".");
	why[0] = '\0';
	if ((rc = file_read(path, FILE_MOST, &b, inner)) == RC_OK)
		rc = issuers_read(buf_view(&b), folder, home, se, out, inner);
	if (rc != RC_OK)
		snprintf(why, ISSUERS_WHY_MAX, "%.150s: %.340s", path, inner[0] ? inner : rc_name(rc));
	buf_free(&b);
	return rc;
}

struct issuers *issuers_get(struct issuers *is)
{
	if (is)
		atomic_fetch_add_explicit(&is->refs, 1, memory_order_relaxed);
	return is;
}

void issuers_put(struct issuers *is)
{
	if (!is || atomic_fetch_sub_explicit(&is->refs, 1, memory_order_acq_rel) != 1)
		return;
	for (size_t i = 0; i < is->n; i++) {
		for (size_t k = 0; k < is->v[i].n_keys; k++)
			key_put(is->v[i].keys[k].key);
		key_put(is->v[i].das_key.key);
	}
	arena_reset(&is->a);
	free(is);
}

/* --- finding --- */

size_t issuers_count(const struct issuers *is) { return is ? is->n : 0; }

const struct issuer *issuers_at(const struct issuers *is, size_t i) { return &is->v[i]; }

const struct issuer *issuers_by_id(const struct issuers *is, struct slice canonical)
{
	for (size_t i = 0; i < issuers_count(is); i++)
		if (slice_eq(is->v[i].id, canonical))
			return &is->v[i];
	return NULL;
}

static bool holds(const struct slice *v, size_t n, struct slice s)
{
	for (size_t i = 0; i < n; i++)
		if (slice_eq(v[i], s))
			return true;
	return false;
}

const struct issuer *issuers_by_domain(const struct issuers *is, struct slice fqdn)
{
	const struct issuer *first = NULL;

	for (size_t i = 0; i < issuers_count(is); i++) {
		const struct issuer *one = &is->v[i];
		if (!holds(one->domains, one->n_domains, fqdn))
			continue;
		if (one->n_das)
			return one;
		if (!first)
			first = one;
	}
	return first;
}

const struct issuer *issuers_by_das(const struct issuers *is, struct slice address)
{
	for (size_t i = 0; i < issuers_count(is); i++)
		if (holds(is->v[i].das, is->v[i].n_das, address))
			return &is->v[i];
	return NULL;
}

struct slice issuer_domain_of(struct slice id)
{
	ptrdiff_t at = slice_find(id, '@');
	return at < 0 ? (struct slice){ NULL, 0 } : slice_skip(id, (size_t)at + 1);
}

bool issuer_may_name(const struct issuer *i, struct slice id)
{
	struct slice domain = issuer_domain_of(id);
	return domain.n && holds(i->domains, i->n_domains, domain);
}

bool issuer_may_deliver(const struct issuer *das, struct slice issuer)
{
	return slice_eq(das->id, issuer) || holds(das->delegates, das->n_delegates, issuer);
}

const struct issuer_key *issuer_key(const struct issuer *i, struct slice kid)
{
	for (size_t k = 0; k < i->n_keys; k++)
		if (slice_eq(i->keys[k].kid, kid))
			return &i->keys[k];
	return NULL;
}
