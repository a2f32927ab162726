/* SPDX-License-Identifier: Apache-2.0 */
/* AE authorization relationships (TS-0003 7.3.2.7, TS-0001 11.5.4): an AuthorSign for each token, by which an AE whose AE-ID changed shows
 * that the token is its own.
 *
 *   darq with aus, from a CSE    it hands over the signatures of an AE (or): kept
 *   darq with asri, from a CSE   it asks for the signatures it should be shown: dars
 *   darq with aus, from an AE    the same as the first, about its own tokens; about another's, when the signature is the one that is
 *                                kept, the AE is that other under a new name: the CSE of the token is told (rehold.c)
 *
 * Signatures are secrets: they are kept in a table of their own, not in a resource, and leave only towards CSEs the token is for. An entry
 * is worth nothing once its token has expired; each new one makes room by looking at a few others. */
#include "das/das_int.h"

#include "core/draft.h"
#include "core/hub.h"
#include "core/work.h"
#include "secenv/secret.h"

enum { LIST_MAX = 32, SIGN_MAX = 1024, LOOKED_AT = 8, HEAD = 8 /* expiry, before the text of an entry */ };

struct mapping {
	struct write_job job;
	struct das_server *das;
	struct req *r;
	const struct slice *tids, *aus;
	size_t n;
	usec *until;             /* of each token; 0: there is no such token */
	struct slice subject;    /* canonical AE-ID */
	bool direct;
};

static enum reeve_rc list(struct req *r, const struct json *j, uint32_t obj, const char *name, const struct slice **v, size_t *n)
{
	uint32_t i = json_member(j, obj, slice_str(name));
	struct slice *out;

	*n = 0;
	if (!i)
		return RC_OK;
	if (json_kind(j, i) != J_ARRAY || !j->tok[i].count || j->tok[i].count > LIST_MAX)
		return req_refuse(r, 4000, "darq.%s: a list of 1 to %d texts", name, LIST_MAX);
	if (!(out = arena_array(&r->arena, j->tok[i].count, sizeof(*out))))
		return req_refuse(r, 5000, "the request needs more memory than limits.request_memory");
	for (uint32_t k = i + 1; k < j->tok[i].next; k = j->tok[k].next) {
		out[*n] = json_string(&r->arena, j, k);
		if (!out[*n].n || out[(*n)++].n > SIGN_MAX)
			return req_refuse(r, 4000, "darq.%s: a list of texts", name);
	}
	*v = out;
	return RC_OK;
}

/* --- the token it is about --- */

/* Until when a token lives, when it is one of ours and `m` may speak about it: a CSE it is for, or its holder. */
static usec token_until(struct exec *x, struct mapping *m, struct slice tid, struct slice *holder, const struct das_cse **cse)
{
	struct token_claims claims;
	struct slice name, why;
	struct res res;
	struct json j;
	bool mine = false;

	if (!(name = das_token_name(&m->r->arena, tid)).p || tree_child(x->tx, RES_ROOT, name, &res) != RC_OK || res.h.ty != TYPE_TOKEN ||
	    res.h.et <= x->now || res_json(&m->r->arena, &res, &j) != RC_OK ||
	    token_claims_from_resource(&m->r->arena, &x->core->home, &j, 0, &claims, &why) != RC_OK || !slice_eq(claims.id, tid) ||
	    claims.not_after <= x->now)
		return 0;
	*holder = claims.holder;
	if (cse && claims.n_audience == 1)
		*cse = das_policy_cse(m->das->policy, claims.audience[0]);
	for (size_t i = 0; m->direct && i < claims.n_audience; i++)
		mine |= token_audience_fits(claims.audience[i], m->r->work->who);
	return mine || !m->direct ? claims.not_after : 0;
}

/* --- keeping --- */

static void forget_expired(struct exec *x, struct slice from)
{
	char key[ST_KEY_MAX + 1];
	struct st_cursor c;
	size_t n = from.n;

	memcpy(key, from.p, n);
	for (int looked = 0; looked < LOOKED_AT && st_cursor_open(x->tx, ST_MAP, &c) == RC_OK; looked++) {
		usec until = 0;
		bool found = st_seek(&c, slice_of(key, n)) == RC_OK && c.key.n < sizeof(key);

		if (found) {
			n = c.key.n;
			memcpy(key, c.key.p, n);
			memcpy(&until, c.value.p, c.value.n < HEAD ? 0 : HEAD);
		}
		st_cursor_close(&c); /* before the change */
		if (!found)
			return;
		if (until > x->now || st_del(x->tx, ST_MAP, slice_of(key, n)) != RC_OK)
			key[n++] = '\0'; /* the next one */
	}
}

static enum reeve_rc run_keep(struct write_job *job, struct exec *x)
{
	struct mapping *m = (struct mapping *)job;
	enum reeve_rc rc = RC_OK;
	struct buf b;

	buf_init(&b, HEAD + SIGN_MAX);
	for (size_t i = 0; rc == RC_OK && i < m->n; i++) {
		if (!m->until[i])
			continue;
		buf_clear(&b);
		buf_add(&b, &m->until[i], HEAD);
		buf_slice(&b, m->aus[i]);
		rc = b.failed ? RC_NOMEM : st_put(x->tx, ST_MAP, m->tids[i], buf_view(&b));
		if (rc == RC_OK)
			forget_expired(x, m->tids[i]);
	}
	buf_free(&b);
	return rc;
}

static void kept(struct write_job *job, enum reeve_rc rc)
{
	struct mapping *m = (struct mapping *)job;

	if (rc == RC_OK)
		m->r->rsc = 2000;
	else
		req_refuse(m->r, 5000, "the signatures could not be stored");
	core_resume(m->das->core, m->r);
}

/* Signatures come in the order of the Token-IDs. */
static bool keep(struct mapping *m, size_t n_aus)
{
	struct core *c = m->das->core;
	const struct das_cse *cse = NULL;
	struct exec x;
	size_t known = 0, moved = 0;

	if (n_aus != m->n)
		return req_refuse(m->r, 4000, "darq: one of aus for each of tids") && false;
	if (!hub_snapshot_begin(c, &x))
		return req_refuse(m->r, 5000, "the store could not be read") && false;
	for (size_t i = 0; i < m->n; i++) {
		struct slice holder, value;

		m->until[i] = m->tids[i].n <= ST_KEY_MAX ? token_until(&x, m, m->tids[i], &holder, &cse) : 0;
		if (m->until[i] && !slice_eq(holder, m->subject)) { /* a record about another's token would let him take it over */
			m->until[i] = 0;
			moved += !m->direct && st_get(x.tx, ST_MAP, m->tids[i], &value) == RC_OK && value.n > HEAD &&
				 secret_same(slice_skip(value, HEAD), m->aus[i]);
		}
		known += m->until[i] != 0;
	}
	hub_snapshot_end(&x);
	if (moved == 1 && m->n == 1 && cse)
		return das_rehold(m->das, m->r, cse, m->tids[0], m->subject);
	if (!known)
		return req_refuse(m->r, 4004, "no such token of this DAS, or not for this CSE and AE") && false;
	m->job = (struct write_job){ .run = run_keep, .done = kept, .home = &c->loops[0] };
	if (writer_submit(c->writer, &m->job) != RC_OK)
		return req_refuse(m->r, 5000, "too many changes are waiting (limits.write_queue); try again later") && false;
	return true;
}

/* --- telling --- */

/* dars: the Token-IDs asked about, and the signature of each when all are known (the answer pairs them by their order). */
static void tell(struct mapping *m)
{
	struct core *c = m->das->core;
	struct buf *b = &m->r->out;
	struct slice value, holder;
	struct buf signs;
	struct exec x;
	size_t known = 0;

	buf_init(&signs, LIST_MAX * (SIGN_MAX + 8));
	if (hub_snapshot_begin(c, &x)) {
		for (size_t i = 0; i < m->n; i++)
			if (m->tids[i].n <= ST_KEY_MAX && token_until(&x, m, m->tids[i], &holder, NULL) &&
			    st_get(x.tx, ST_MAP, m->tids[i], &value) == RC_OK && value.n > HEAD) {
				if (known++)
					buf_char(&signs, ',');
				buf_json(&signs, slice_skip(value, HEAD));
			}
		hub_snapshot_end(&x);
	}
	buf_clear(b);
	buf_lit(b, "{\"m2m:seci\":{\"sit\":8,\"dars\":{\"tids\":[");
	for (size_t i = 0; i < m->n; i++) {
		if (i)
			buf_char(b, ',');
		buf_json(b, m->tids[i]);
	}
	buf_char(b, ']');
	if (known == m->n && !signs.failed) {
		buf_lit(b, ",\"signature\":[");
		buf_slice(b, buf_view(&signs));
		buf_char(b, ']');
	}
	buf_lit(b, "}}}");
	buf_free(&signs);
	m->r->rsc = 2000;
	core_resume(c, m->r);
}

/* --- the entrance --- */

static enum reeve_rc read_subject(struct mapping *m, const struct json *j, uint32_t darq)
{
	struct req *r = m->r;
	struct slice id = json_string(&r->arena, j, json_member(j, darq, S("or")));
	enum ident_kind kind;
	enum ident_form form;

	if (!m->direct) {
		m->subject = r->work->who;
		return RC_OK;
	}
	if (!id.n || ident_parse(&r->arena, &m->das->core->home, id, &kind, &form, &m->subject) != RC_OK ||
	    (kind != ID_AE_C && kind != ID_AE_S))
		return req_refuse(r, 4000, "darq.or: the AE-ID whose signatures these are");
	return RC_OK;
}

static bool begin(struct mapping *m, const struct json *j, uint32_t seci)
{
	uint32_t darq = json_member(j, seci, S("darq")), asri = darq ? json_member(j, darq, S("asri")) : 0;
	struct req *r = m->r;
	bool wants = false;
	size_t n_aus;

	if (!darq || json_kind(j, darq) != J_OBJECT)
		return req_refuse(r, 4000, "m2m:seci of type 7 needs darq") && false;
	if (list(r, j, darq, "tids", &m->tids, &m->n) != RC_OK || list(r, j, darq, "aus", &m->aus, &n_aus) != RC_OK)
		return false;
	if (!m->n && json_member(j, darq, S("tkns")))
		return req_refuse(r, 5001, "darq.tkns: this DAS knows its tokens by tids") && false;
	if (!m->n) /* AUTHZ-210 */
		return req_refuse(r, 4000, "darq: which tokens? tids or tkns is needed") && false;
	if (asri && !json_bool(j, asri, &wants))
		return req_refuse(r, 4000, "darq.asri: true or false") && false;
	m->direct = r->work->who_kind == ID_CSE;
	if (m->direct && !das_policy_cse(m->das->policy, r->work->who))
		return req_refuse(r, 4103, "this CSE is not among those that may ask") && false;
	if (wants && m->direct && !n_aus) {
		tell(m);
		return true;
	}
	if (wants || !n_aus)
		return req_refuse(r, 4000, "darq: aus to be kept, or asri from a CSE") && false;
	if (read_subject(m, j, darq) != RC_OK)
		return false;
	if (!(m->until = arena_array(&r->arena, m->n, sizeof(*m->until))))
		return req_refuse(r, 5000, "the request needs more memory than limits.request_memory") && false;
	return keep(m, n_aus);
}

void das_map(struct core *c, struct req *r, const struct json *j, uint32_t seci)
{
	struct mapping *m = arena_zalloc(&r->arena, sizeof(*m));

	if (m) {
		m->das = c->das;
		m->r = r;
	} else {
		req_refuse(r, 5000, "the request needs more memory than limits.request_memory");
	}
	if (!m || !begin(m, j, seci))
		core_resume(c, r);
}
