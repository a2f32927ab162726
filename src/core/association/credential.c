/* SPDX-License-Identifier: Apache-2.0 */
/* The table in the store. Its keys:
 *
 *   'c' Credential-ID           -> the row, as JSON; of a symmetric key the domain is in lower case, so that two spellings of one
 *                                  key identifier cannot be two rows (SEC-034)
 *   'a' AE-ID                   -> the Credential-ID it registered under
 *   'b' two hashes, of the Credential-ID and the AE-ID -> the AE-ID: the other way round
 *
 *   'n' two hashes, of an entity that a row names and of the Credential-ID -> the Credential-ID
 *
 * Who finds an entry by hashes looks at what it leads to: a collision is never seen. */
#include "core/association/credential.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/hash.h"
#include "codec/text.h"

enum { ROW_TOKENS = 2 * CREDENTIAL_AES_MOST, HASHED_KEY = 1 + 2 * sizeof(uint64_t) };

struct key { char p[ST_KEY_MAX]; size_t n; };

static struct slice key_view(const struct key *k) { return slice_of(k->p, k->n); }

/* False: too long to be one. */
static bool text_key(char kind, struct slice text, struct key *k)
{
	if (!text.n || text.n >= sizeof(k->p))
		return false;
	k->p[0] = kind;
	memcpy(k->p + 1, text.p, text.n);
	k->n = text.n + 1;
	return true;
}

static bool row_key(struct slice id, struct key *k)
{
	const enum credential_type type = credential_type_of(id);
	const ptrdiff_t at = slice_find(id, '@');

	if (!text_key('c', id, k))
		return false;
	for (size_t i = type >= CREDENTIAL_PSK_MEF && type <= CREDENTIAL_PSK_MAC && at >= 0 ? (size_t)at + 1 : k->n; i < k->n; i++)
		if (k->p[i] >= 'A' && k->p[i] <= 'Z')
			k->p[i] = (char)(k->p[i] + ('a' - 'A'));
	return true;
}

static void put_hash(struct key *k, uint64_t hash)
{
	for (int shift = 56; shift >= 0; shift -= 8)
		k->p[k->n++] = (char)(hash >> shift);
}

static void hash_prefix(char kind, struct slice of, struct key *k)
{
	k->p[0] = kind;
	k->n = 1;
	put_hash(k, hash_stable(of.p, of.n));
}

static void bound_key(struct slice credential, struct slice ae, struct key *k)
{
	hash_prefix('b', credential, k);
	put_hash(k, hash_stable(ae.p, ae.n));
}

static void named_key(struct slice entity, struct slice credential, struct key *k)
{
	hash_prefix('n', entity, k);
	put_hash(k, hash_stable(credential.p, credential.n));
}

/* --- types --- */

enum credential_type credential_type_of(struct slice id)
{
	enum credential_type type;
	struct slice value;

	return credential_id_parse(id, &type, &value) ? type : CREDENTIAL_NONE;
}

bool credential_of_many(enum credential_type type) { return type == CREDENTIAL_DEVICE || type == CREDENTIAL_NODE; }

static enum reeve_rc wrong(char why[TLS_WHY_MAX], const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static enum reeve_rc wrong(char why[TLS_WHY_MAX], const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, TLS_WHY_MAX, fmt, ap);
	va_end(ap);
	return RC_INVALID;
}

static enum reeve_rc check_value(enum credential_type type, struct slice value, char why[TLS_WHY_MAX])
{
	struct slice relative, fqdn;

	switch (type) {
	case CREDENTIAL_PSK: case CREDENTIAL_PSK_MAF: /* SEC-032, SEC-033 */
		if (key_identifier_parse(value, &relative, &fqdn))
			return RC_OK;
		return wrong(why, "the identifier of a symmetric key is NAME@DOMAIN: letters, digits, '.', '_' and '-' before the '@', a "
			     "domain name behind it, %d bytes at most", PSK_IDENTITY_MAX);
	case CREDENTIAL_RAW:
		if (slice_starts(value, S("ni:///sha-256;")))
			return RC_OK;
		return wrong(why, "a raw public key is named by its identifier, ni:///sha-256;...");
	case CREDENTIAL_CSE:
		return fqdn_valid(value) ? RC_OK : wrong(why, "the certificate of a CSE is named by the CSE's public domain name");
	case CREDENTIAL_AE:
		return slice_starts(value, S("//")) ? RC_OK : wrong(why, "the certificate of an AE is named by its absolute AE-ID, //...");
	case CREDENTIAL_DEVICE: case CREDENTIAL_NODE:
		return RC_OK;
	default:
		return wrong(why, "credentials of type %d make no security association with a CSE; 12 (symmetric key), 30 (raw public key) "
			     "and 31 to 34 (certificates) do", (int)type);
	}
}

/* SEC-051, SEC-052 */
static enum reeve_rc check_names(const struct credential *cr, enum credential_type type, struct slice value, char why[TLS_WHY_MAX])
{
	if (cr->cse_id.n && cr->n_ae_ids)
		return wrong(why, "a credential stands for a CSE or for AEs, not for both");
	if (cr->n_ae_ids > 1 && !credential_of_many(type))
		return wrong(why, "only the certificate of a device or node stands for several AEs");
	if (type == CREDENTIAL_CSE && cr->n_ae_ids)
		return wrong(why, "the certificate of a CSE does not stand for an AE");
	if (type == CREDENTIAL_AE && (cr->cse_id.n || (cr->n_ae_ids && !slice_eq(cr->ae_ids[0], value))))
		return wrong(why, "the certificate of an AE stands for the AE-ID in it");
	if (cr->domain.n && (!cr->cse_id.n || !fqdn_valid(cr->domain)))
		return wrong(why, "domain: the public domain name of the CSE that the credential stands for");
	return RC_OK;
}

enum reeve_rc credential_check(const struct credential *cr, char why[TLS_WHY_MAX])
{
	enum credential_type type;
	struct slice value;
	enum reeve_rc rc;

	if (!credential_id_parse(cr->id, &type, &value) || cr->id.n > CREDENTIAL_ROW_ID_MAX)
		return wrong(why, "a Credential-ID is its type and its value: 12-pump@issuer.example, 30-ni:///sha-256;...");
	if ((rc = check_value(type, value, why)) != RC_OK)
		return rc;
	if (cr->label.n > CREDENTIAL_LABEL_MAX || !slice_utf8(cr->label))
		return wrong(why, "label: at most %d bytes of text", CREDENTIAL_LABEL_MAX);
	for (size_t i = 0; i < cr->label.n; i++)
		if ((unsigned char)cr->label.p[i] < ' ' || cr->label.p[i] == 0x7f)
			return wrong(why, "label: text without control characters");
	return check_names(cr, type, value, why);
}

/* --- rows as text --- */

static void member(struct buf *b, const char *name, struct slice value)
{
	if (!value.n)
		return;
	buf_printf(b, ",\"%s\":", name);
	buf_json(b, value);
}

static void moment(struct buf *b, const char *name, usec t)
{
	char room[TEXT_TIMESTAMP_MAX];

	if (t)
		member(b, name, slice_of(room, text_timestamp_write(t, room)));
}

void credential_write(const struct credential *cr, struct buf *b)
{
	buf_lit(b, "{\"id\":");
	buf_json(b, cr->id);
	member(b, "cse", cr->cse_id);
	for (size_t i = 0; i < cr->n_ae_ids; i++) {
		buf_slice(b, i ? S(",") : S(",\"ae\":["));
		buf_json(b, cr->ae_ids[i]);
	}
	if (cr->n_ae_ids)
		buf_char(b, ']');
	member(b, "domain", cr->domain);
	member(b, "label", cr->label);
	moment(b, "created", cr->created);
	moment(b, "expires", cr->expires);
	if (cr->revoked)
		buf_lit(b, ",\"revoked\":true");
	if (cr->admin)
		buf_lit(b, ",\"admin\":true");
	buf_char(b, '}');
}

struct reading { struct arena *a; const struct json *j; char *why; };

static enum reeve_rc read_text(const struct reading *r, uint32_t key, struct slice *out)
{
	const struct slice s = json_string(r->a, r->j, key + 1);

	if (!s.p)
		return wrong(r->why, "%.*s: a text is expected", SF(json_inner(r->j, key)));
	*out = arena_dup(r->a, s);
	return out->p ? RC_OK : RC_NOMEM;
}

static enum reeve_rc read_moment(const struct reading *r, uint32_t key, usec *out)
{
	const struct slice s = json_string(r->a, r->j, key + 1);

	*out = 0;
	if (!s.p || (s.n && !text_timestamp(s, out)))
		return wrong(r->why, "%.*s: a time like 20270131T120000 (UTC) is expected", SF(json_inner(r->j, key)));
	return RC_OK;
}

static enum reeve_rc read_bool(const struct reading *r, uint32_t key, bool *out)
{
	return json_bool(r->j, key + 1, out) ? RC_OK : wrong(r->why, "%.*s: true or false is expected", SF(json_inner(r->j, key)));
}

static enum reeve_rc read_aes(const struct reading *r, uint32_t key, struct credential *out)
{
	const struct json *j = r->j;
	const uint32_t at = key + 1;

	if (json_kind(j, at) != J_ARRAY || j->tok[at].count > CREDENTIAL_AES_MOST)
		return wrong(r->why, "ae: a list of AE-IDs is expected, at most %d", CREDENTIAL_AES_MOST);
	out->n_ae_ids = 0;
	if (!(out->ae_ids = arena_array(r->a, j->tok[at].count + 1u, sizeof(*out->ae_ids))))
		return RC_NOMEM;
	for (uint32_t i = at + 1; i < j->tok[at].next; i = j->tok[i].next) {
		const struct slice s = json_string(r->a, j, i);

		if (!s.n)
			return wrong(r->why, "ae: a list of AE-IDs is expected");
		out->ae_ids[out->n_ae_ids++] = arena_dup(r->a, s);
	}
	return r->a->failed ? RC_NOMEM : RC_OK;
}

static enum reeve_rc read_member(const struct reading *r, uint32_t key, struct credential *out)
{
	const struct { struct slice name; struct slice *text; usec *moment; bool *flag; } members[] = {
		{ S("id"), &out->id, NULL, NULL }, { S("cse"), &out->cse_id, NULL, NULL }, { S("domain"), &out->domain, NULL, NULL },
		{ S("label"), &out->label, NULL, NULL }, { S("created"), NULL, &out->created, NULL },
		{ S("expires"), NULL, &out->expires, NULL }, { S("revoked"), NULL, NULL, &out->revoked },
		{ S("admin"), NULL, NULL, &out->admin },
	};

	if (json_string_is(r->j, key, S("ae")))
		return read_aes(r, key, out);
	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
		if (json_string_is(r->j, key, members[i].name))
			return members[i].text ? read_text(r, key, members[i].text)
			       : members[i].moment ? read_moment(r, key, members[i].moment)
						   : read_bool(r, key, members[i].flag);
	return wrong(r->why, "%.*s: a credential has id, cse, ae, domain, label, expires and admin", SF(json_inner(r->j, key)));
}

enum reeve_rc credential_read(struct arena *a, struct slice text, struct credential *out, char why[TLS_WHY_MAX])
{
	const struct json_limits limits = { .depth = 4, .tokens = ROW_TOKENS };
	struct reading r = { a, NULL, why };
	struct slice at = S("");
	struct json j;
	enum reeve_rc rc = json_parse(a, text, &limits, &j, &at);

	if (rc == RC_NOMEM)
		return rc;
	if (rc != RC_OK || json_kind(&j, 0) != J_OBJECT)
		return wrong(why, "a JSON object is expected%s%.*s", at.n ? ": " : "", (int)(at.n > 150 ? 150 : at.n), at.p);
	r.j = &j;
	rc = RC_OK;
	for (uint32_t i = 1; rc == RC_OK && i < j.tok[0].next; i = j.tok[i + 1].next)
		rc = read_member(&r, i, out);
	return rc;
}

/* --- rows in the store --- */

static enum reeve_rc row_of(struct arena *a, struct slice value, struct credential *out)
{
	const struct slice text = arena_dup(a, value);
	char why[TLS_WHY_MAX];
	enum reeve_rc rc;

	*out = (struct credential){ 0 };
	if (!text.p)
		return RC_NOMEM;
	rc = credential_read(a, text, out, why);
	return rc == RC_INVALID ? RC_IO : rc; /* we wrote it */
}

enum reeve_rc credential_get(struct st_tx *tx, struct arena *a, struct slice id, struct credential *out)
{
	struct slice value;
	struct key k;
	enum reeve_rc rc;

	if (!row_key(id, &k))
		return RC_NOTFOUND;
	if ((rc = st_get(tx, ST_CREDENTIAL, key_view(&k), &value)) != RC_OK || (rc = row_of(a, value, out)) != RC_OK)
		return rc;
	return slice_eq(out->id, id) ? RC_OK : RC_NOTFOUND;
}

static bool names(const struct credential *cr, struct slice entity)
{
	for (size_t i = 0; i < cr->n_ae_ids; i++)
		if (slice_eq(cr->ae_ids[i], entity))
			return true;
	return cr->cse_id.n && slice_eq(cr->cse_id, entity);
}

/* The entries by which a row is found by whom it names. */
static enum reeve_rc index_names(struct st_tx *tx, const struct credential *cr, bool add)
{
	const size_t n = cr->n_ae_ids + (cr->cse_id.n > 0);
	enum reeve_rc rc = RC_OK;
	struct key k;

	for (size_t i = 0; i < n && rc == RC_OK; i++) {
		named_key(i < cr->n_ae_ids ? cr->ae_ids[i] : cr->cse_id, cr->id, &k);
		rc = add ? st_put(tx, ST_CREDENTIAL, key_view(&k), cr->id) : st_del(tx, ST_CREDENTIAL, key_view(&k));
		if (rc == RC_NOTFOUND)
			rc = RC_OK;
	}
	return rc;
}

/* What stands where the row goes is no longer found by whom it named. RC_EXISTS: it is another one. */
static enum reeve_rc make_way(struct st_tx *tx, const struct key *k, struct slice id)
{
	struct credential old;
	struct slice value;
	struct arena a;
	enum reeve_rc rc = st_get(tx, ST_CREDENTIAL, key_view(k), &value);

	if (rc != RC_OK)
		return rc == RC_NOTFOUND ? RC_OK : rc;
	arena_init(&a, NULL, 0, 1 << 20);
	rc = row_of(&a, value, &old);
	if (rc == RC_OK)
		rc = slice_eq(old.id, id) ? index_names(tx, &old, false) : RC_EXISTS;
	arena_reset(&a);
	return rc;
}

enum reeve_rc credential_put(struct st_tx *tx, const struct credential *cr)
{
	struct buf b;
	struct key k;
	enum reeve_rc rc;

	if (!row_key(cr->id, &k))
		return RC_LIMIT;
	if ((rc = make_way(tx, &k, cr->id)) != RC_OK)
		return rc;
	buf_init(&b, 1 << 20);
	credential_write(cr, &b);
	rc = b.failed ? RC_NOMEM : st_put(tx, ST_CREDENTIAL, key_view(&k), buf_view(&b));
	buf_free(&b);
	return rc == RC_OK ? index_names(tx, cr, true) : rc;
}

enum reeve_rc credential_delete(struct st_tx *tx, struct arena *a, struct slice id)
{
	struct credential row;
	struct slice *aes;
	struct key k;
	size_t n;
	enum reeve_rc rc = credential_get(tx, a, id, &row);

	if (rc != RC_OK || (rc = credential_bound(tx, a, id, SIZE_MAX, &aes, &n)) != RC_OK)
		return rc;
	for (size_t i = 0; i < n && rc == RC_OK; i++)
		rc = credential_unbind(tx, aes[i]);
	if (rc == RC_OK)
		rc = index_names(tx, &row, false);
	return rc == RC_OK && row_key(row.id, &k) ? st_del(tx, ST_CREDENTIAL, key_view(&k)) : rc;
}

bool credential_good(const struct credential *cr, usec now) { return !cr->revoked && (!cr->expires || cr->expires > now); }

enum reeve_rc credential_named(struct st_tx *tx, struct arena *a, struct slice entity, usec now, struct credential *out)
{
	enum reeve_rc rc = RC_NOTFOUND, walk;
	struct st_cursor c;
	struct key prefix;

	if (st_cursor_open(tx, ST_CREDENTIAL, &c) != RC_OK)
		return RC_IO;
	hash_prefix('n', entity, &prefix);
	for (walk = st_seek(&c, key_view(&prefix)); walk == RC_OK && rc == RC_NOTFOUND; walk = st_next(&c)) {
		if (!slice_starts(c.key, key_view(&prefix)))
			break;
		rc = credential_get(tx, a, c.value, out);
		if (rc == RC_OK && (!credential_good(out, now) || !names(out, entity)))
			rc = RC_NOTFOUND;
	}
	st_cursor_close(&c);
	return rc;
}

void credential_each(struct st_tx *tx, struct slice after, struct arena *a, bool (*each)(void *ctx, const struct credential *cr),
		     void *ctx)
{
	struct st_cursor c;
	struct credential row;
	struct key from = { .p = "c", .n = 1 };
	enum reeve_rc rc;

	if ((after.n && !row_key(after, &from)) || st_cursor_open(tx, ST_CREDENTIAL, &c) != RC_OK)
		return;
	for (rc = st_seek(&c, key_view(&from)); rc == RC_OK && c.key.n && c.key.p[0] == 'c'; rc = st_next(&c)) {
		if (slice_eq(c.key, key_view(&from)))
			continue;
		arena_reset(a);
		if (row_of(a, c.value, &row) != RC_OK || !each(ctx, &row))
			break;
	}
	st_cursor_close(&c);
}

/* --- who registered under which --- */

enum reeve_rc credential_bind(struct st_tx *tx, struct slice credential, struct slice ae)
{
	struct key k, other;
	enum reeve_rc rc;

	if (!text_key('a', ae, &k))
		return RC_LIMIT;
	ae = slice_skip(key_view(&k), 1); /* it may have been a view into the store */
	if ((rc = credential_unbind(tx, ae)) != RC_OK || (rc = st_put(tx, ST_CREDENTIAL, key_view(&k), credential)) != RC_OK)
		return rc;
	bound_key(credential, ae, &other);
	return st_put(tx, ST_CREDENTIAL, key_view(&other), ae);
}

enum reeve_rc credential_unbind(struct st_tx *tx, struct slice ae)
{
	struct slice credential;
	struct key k, other;
	enum reeve_rc rc;

	if (!text_key('a', ae, &k))
		return RC_OK;
	if ((rc = st_get(tx, ST_CREDENTIAL, key_view(&k), &credential)) != RC_OK)
		return rc == RC_NOTFOUND ? RC_OK : rc;
	bound_key(credential, ae, &other);
	if ((rc = st_del(tx, ST_CREDENTIAL, key_view(&other))) != RC_OK && rc != RC_NOTFOUND)
		return rc;
	return st_del(tx, ST_CREDENTIAL, key_view(&k));
}

enum reeve_rc credential_of(struct st_tx *tx, struct arena *a, struct slice ae, struct slice *credential)
{
	struct slice value;
	struct key k;
	enum reeve_rc rc;

	if (!text_key('a', ae, &k))
		return RC_NOTFOUND;
	if ((rc = st_get(tx, ST_CREDENTIAL, key_view(&k), &value)) != RC_OK)
		return rc;
	*credential = arena_dup(a, value);
	return credential->p ? RC_OK : RC_NOMEM;
}

/* Does the AE's own entry say so too? */
static bool confirmed(struct st_tx *tx, struct slice credential, struct slice ae)
{
	struct slice value;
	struct key k;

	return text_key('a', ae, &k) && st_get(tx, ST_CREDENTIAL, key_view(&k), &value) == RC_OK && slice_eq(value, credential);
}

static enum reeve_rc add_bound(struct st_tx *tx, struct arena *a, struct slice credential, struct slice ae, struct slice **aes, size_t *n)
{
	struct slice *more;

	if (!confirmed(tx, credential, ae))
		return RC_OK;
	if (!(*n & (*n - 1))) { /* room for a power of two */
		if (!(more = arena_array(a, *n ? 2 * *n : 1, sizeof(*more))))
			return RC_NOMEM;
		if (*n)
			memcpy(more, *aes, *n * sizeof(*more));
		*aes = more;
	}
	(*aes)[*n] = arena_dup(a, ae);
	return (*aes)[(*n)++].p ? RC_OK : RC_NOMEM;
}

enum reeve_rc credential_bound(struct st_tx *tx, struct arena *a, struct slice credential, size_t most, struct slice **aes, size_t *n)
{
	struct st_cursor c;
	struct key prefix;
	enum reeve_rc rc = st_cursor_open(tx, ST_CREDENTIAL, &c), walk;

	*aes = NULL;
	*n = 0;
	if (rc != RC_OK)
		return rc;
	hash_prefix('b', credential, &prefix);
	for (walk = st_seek(&c, key_view(&prefix)); walk == RC_OK && rc == RC_OK && *n < most; walk = st_next(&c)) {
		if (!slice_starts(c.key, key_view(&prefix)))
			break;
		rc = add_bound(tx, a, credential, c.value, aes, n);
	}
	st_cursor_close(&c);
	return rc;
}

/* --- is the table sound? --- */

static const char *check_row(struct arena *a, struct slice key, struct slice value)
{
	char why[TLS_WHY_MAX];
	struct credential row;
	struct key k;

	if (row_of(a, value, &row) != RC_OK)
		return "a damaged row";
	if (!row_key(row.id, &k) || !slice_eq(key_view(&k), key))
		return "a row that stands under another Credential-ID";
	return credential_check(&row, why) == RC_OK ? NULL : arena_printf(a, "a row that cannot be: %s", why).p;
}

const char *credential_entry_check(struct st_tx *tx, struct arena *a, struct slice key, struct slice value)
{
	struct slice credential, other;
	struct credential row;
	struct key k;

	switch (key.n ? key.p[0] : 0) {
	case 'c':
		return check_row(a, key, value);
	case 'a':
		bound_key(value, slice_skip(key, 1), &k);
		return st_get(tx, ST_CREDENTIAL, key_view(&k), &other) == RC_OK ? NULL : "an AE whose credential does not know of it";
	case 'b':
		if (key.n != HASHED_KEY || credential_of(tx, a, value, &credential) != RC_OK)
			return "a credential whose AE does not know of it";
		bound_key(credential, value, &k);
		return slice_eq(key_view(&k), key) ? NULL : "a credential whose AE registered under another one";
	case 'n':
		return key.n == HASHED_KEY && credential_get(tx, a, value, &row) == RC_OK ? NULL : "an entry that leads to no row";
	default:
		return "an entry of no kind";
	}
}
