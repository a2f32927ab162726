/* SPDX-License-Identifier: Apache-2.0 */
/* See administer.h. Keys and rows are in two places that do not commit together. So a key comes before its row, and goes after it: what a
 * crash leaves is a key without a row, or a row without a key, and neither lets anybody in. */
#include "core/association/administer.h"

#include <semaphore.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/rand.h"
#include "core/association/association.h"
#include "core/association/credential.h"
#include "core/audited.h"
#include "core/keys.h"
#include "core/trust.h"
#include "core/writer.h"
#include "secenv/secret.h"

enum { MEMORY_MAX = 16 << 20, SECRET_BYTES = 32, LIST_MAX = 8 << 20 };

struct work {
	const struct administration *ad;
	struct administer_call *call;
	struct secenv *keys;       /* NULL: there are none yet */
	struct arena a;
	struct slice id;           /* of the path, decoded; empty: none */
	/* what the body asks for */
	struct slice row;          /* the members of a row, as JSON */
	struct slice secret;       /* in secret memory; p == NULL: none */
	char *secret_room;
	bool generate;
};

static void answer(struct work *w, int status, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static void answer(struct work *w, int status, const char *fmt, ...)
{
	char text[TLS_WHY_MAX + 256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	w->call->status = status;
	buf_clear(&w->call->out);
	buf_lit(&w->call->out, "{\"error\":");
	buf_json(&w->call->out, slice_str(text));
	buf_lit(&w->call->out, "}\n");
}

static int status_of(enum reeve_rc rc)
{
	return rc == RC_NOTFOUND ? 404 : rc == RC_EXISTS ? 409 : rc == RC_INVALID || rc == RC_SYNTAX ? 400 : rc == RC_LIMIT ? 503 : 500;
}

/* --- transactions --- */

struct change {
	struct write_job job;
	struct work *w;
	enum reeve_rc (*run)(struct change *g, struct st_tx *tx, usec now);
	struct credential old, row; /* before and after */
	bool existed;
	const char *action;        /* for the audit log */
	enum reeve_rc rc;
	char why[TLS_WHY_MAX];
	struct arena a;            /* of one run */
	sem_t done;
};

static struct audit_what told(const struct change *g, usec now)
{
	return (struct audit_what){ .kind = AUDIT_CREDENTIAL, .action = g->action, .when = now, .who = g->w->call->who,
				    .target = g->row.id.n ? g->row.id : g->w->id };
}

static enum reeve_rc run_change(struct write_job *j, struct exec *x)
{
	struct change *g = (struct change *)j;

	arena_reset(&g->a); /* it may be the second run */
	g->rc = g->run(g, x->tx, x->now);
	if (g->rc == RC_OK) {
		const struct audit_what what = told(g, x->now);
		audited(x, &what);
	}
	return g->rc == RC_FULL || g->rc == RC_IO || g->rc == RC_OK ? g->rc : RC_UNDO;
}

static void change_done(struct write_job *j, enum reeve_rc rc)
{
	struct change *g = (struct change *)j;

	if (g->rc == RC_OK)
		g->rc = rc;
	sem_post(&g->done);
}

static enum reeve_rc change_offline(struct change *g)
{
	struct st_tx *tx;
	enum reeve_rc rc = st_begin(g->w->ad->store, &tx);

	if (rc != RC_OK)
		return rc;
	g->rc = g->run(g, tx, clock_wall());
	if (g->rc != RC_OK) {
		st_abort(tx);
		return g->rc;
	}
	if ((rc = st_commit(tx)) == RC_OK) {
		const struct audit_what what = told(g, clock_wall());
		audit_event(g->w->ad->audit, &what);
	}
	return rc;
}

/* The row before and after live until change_end. */
static enum reeve_rc change(struct change *g)
{
	struct core *c = g->w->ad->core;
	enum reeve_rc rc;

	arena_init(&g->a, NULL, 0, MEMORY_MAX);
	if (!c)
		return g->rc = change_offline(g);
	g->job = (struct write_job){ .run = run_change, .done = change_done, .home = &c->loops[0] };
	sem_init(&g->done, 0, 0);
	if ((rc = writer_submit(c->writer, &g->job)) == RC_OK) {
		while (sem_wait(&g->done) != 0 && errno == EINTR)
			;
		rc = g->rc;
	}
	sem_destroy(&g->done);
	return g->rc = rc;
}

static void change_end(struct change *g) { arena_reset(&g->a); }

/* Look at the store; false: answered. */
static bool look(struct work *w, bool (*fn)(struct work *w, struct st_tx *tx))
{
	struct st_tx *tx;
	bool good = false;

	if (st_reader_new(w->ad->store, &tx) != RC_OK) {
		answer(w, 500, "the store cannot be read");
		return false;
	}
	if (st_renew(tx) == RC_OK) {
		good = fn(w, tx);
		st_release(tx);
	} else {
		answer(w, 500, "the store cannot be read");
	}
	st_reader_free(tx);
	return good;
}

/* --- who may --- */

static bool may(struct work *w, struct st_tx *tx)
{
	const struct config_list *list = &w->ad->cfg->administrators;
	struct credential row;
	const bool known = credential_get(tx, &w->a, w->call->who, &row) == RC_OK;

	if (known && !credential_good(&row, clock_wall()))
		return false;
	for (size_t i = 0; i < list->n; i++)
		if (slice_eq(list->v[i], w->call->who))
			return true;
	return known && row.admin;
}

/* --- what is asked --- */

static bool decode(struct work *w, struct slice s)
{
	char *p = arena_alloc(&w->a, s.n + 1);
	size_t n = 0;

	if (!p)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] != '%') {
			p[n++] = s.p[i];
			continue;
		}
		if (s.n - i < 3 || slice_hex(s.p[i + 1]) < 0 || slice_hex(s.p[i + 2]) < 0)
			return false;
		p[n++] = (char)(slice_hex(s.p[i + 1]) * 16 + slice_hex(s.p[i + 2]));
		i += 2;
	}
	w->id = slice_of(p, n);
	return credential_type_of(w->id) != CREDENTIAL_NONE;
}

/* The secret to a place of its own, the rest as it is. */
static bool take_body(struct work *w)
{
	const struct json_limits limits = { .depth = 4, .tokens = 4096 };
	struct slice why = S(""), s;
	struct json j;
	struct buf b;

	if (json_parse(&w->a, w->call->body, &limits, &j, &why) != RC_OK || json_kind(&j, 0) != J_OBJECT) {
		answer(w, 400, "the content has to be a JSON object%s%.*s", why.n ? ": " : "", (int)(why.n > 200 ? 200 : why.n), why.p);
		return false;
	}
	buf_init(&b, w->call->body.n + 64);
	buf_char(&b, '{');
	for (uint32_t i = 1; i < j.tok[0].next; i = j.tok[i + 1].next) {
		if (json_string_is(&j, i, S("generate")) && json_bool(&j, i + 1, &w->generate))
			continue;
		if (json_string_is(&j, i, S("secret")) && json_kind(&j, i + 1) == J_STRING && !j.tok[i + 1].escaped) {
			s = json_inner(&j, i + 1);
			if (s.n > 4 * PSK_MAX || !(w->secret_room = secret_alloc(s.n + 1)))
				break;
			memcpy(w->secret_room, s.p, s.n);
			w->secret = slice_of(w->secret_room, s.n);
			continue;
		}
		if (b.n > 1)
			buf_char(&b, ',');
		buf_slice(&b, json_raw(&j, i));
		buf_char(&b, ':');
		buf_slice(&b, json_raw(&j, i + 1));
	}
	buf_char(&b, '}');
	w->row = arena_dup(&w->a, buf_view(&b));
	buf_free(&b);
	if (w->secret.p && w->generate)
		answer(w, 400, "either \"secret\" or \"generate\"");
	return w->row.p && !(w->secret.p && w->generate);
}

/* --- rows --- */

static enum reeve_rc canonical(struct change *g, const char *what, bool cse, struct slice *id)
{
	enum ident_kind kind;
	enum ident_form form;
	struct slice canon;

	if (!id->n)
		return RC_OK;
	if (ident_parse(&g->a, g->w->ad->home, *id, &kind, &form, &canon) != RC_OK)
		return RC_NOMEM;
	if (cse ? form == ID_STEM || (kind != ID_CSE && kind != ID_AE_S) : kind != ID_AE_C && kind != ID_AE_S) {
		snprintf(g->why, sizeof(g->why), "%s: %.*s is no %s", what, SF(*id), cse ? "CSE-ID (/name)" : "AE-ID (Cname, Sname)");
		return RC_INVALID;
	}
	*id = canon;
	return RC_OK;
}

/* What the body says, over *row. */
static enum reeve_rc apply(struct change *g, struct credential *row)
{
	const struct credential before = *row;
	enum reeve_rc rc = credential_read(&g->a, g->w->row, row, g->why);

	if (rc == RC_OK && (row->created != before.created || (g->existed && !slice_eq(row->id, before.id)))) {
		snprintf(g->why, sizeof(g->why), "id and created do not change");
		return RC_INVALID;
	}
	if (rc == RC_OK)
		rc = canonical(g, "cse", true, &row->cse_id);
	for (size_t i = 0; i < row->n_ae_ids && rc == RC_OK; i++)
		rc = canonical(g, "ae", false, &row->ae_ids[i]);
	return rc == RC_OK ? credential_check(row, g->why) : rc;
}

static enum reeve_rc add_row(struct change *g, struct st_tx *tx, usec now)
{
	enum reeve_rc rc;

	g->existed = false;
	g->row = (struct credential){ 0 };
	if ((rc = apply(g, &g->row)) != RC_OK)
		return rc;
	g->row.created = now - now % USEC_S;
	if (credential_get(tx, &g->a, g->row.id, &g->old) == RC_OK || (rc = credential_put(tx, &g->row)) == RC_EXISTS) {
		snprintf(g->why, sizeof(g->why), "the credential %.*s is there already", SF(g->row.id));
		return RC_EXISTS;
	}
	return rc;
}

static enum reeve_rc change_row(struct change *g, struct st_tx *tx, usec now)
{
	enum reeve_rc rc = credential_get(tx, &g->a, g->w->id, &g->old);

	(void)now;
	if (rc != RC_OK)
		return rc;
	g->existed = true;
	g->row = g->old;
	if ((rc = apply(g, &g->row)) != RC_OK)
		return rc;
	if (g->w->secret.p || g->w->generate)
		g->row.revoked = false;
	else if (g->old.revoked && !g->row.revoked && credential_type_of(g->row.id) == CREDENTIAL_PSK) {
		snprintf(g->why, sizeof(g->why), "a revoked key has no secret any more: give it a new one");
		return RC_INVALID;
	}
	g->action = g->w->secret.p || g->w->generate ? "rotate" : g->row.revoked && !g->old.revoked ? "revoke" : "change";
	return credential_put(tx, &g->row);
}

static enum reeve_rc delete_row(struct change *g, struct st_tx *tx, usec now)
{
	(void)now;
	return credential_delete(tx, &g->a, g->w->id);
}

static bool same_names(const struct credential *a, const struct credential *b)
{
	if (a->n_ae_ids != b->n_ae_ids || !slice_eq(a->cse_id, b->cse_id))
		return false;
	for (size_t i = 0; i < a->n_ae_ids; i++)
		if (!slice_eq(a->ae_ids[i], b->ae_ids[i]))
			return false;
	return true;
}

/* --- secrets --- */

/* Prepares the secret: 64 digits made here, or those that were sent. */
static bool make_secret(struct work *w)
{
	uint8_t bytes[SECRET_BYTES];

	if (!w->generate)
		return w->secret.p != NULL;
	if (!(w->secret_room = secret_alloc(2 * SECRET_BYTES + 1)))
		return false;
	rand_bytes(bytes, sizeof(bytes));
	for (size_t i = 0; i < sizeof(bytes); i++)
		snprintf(w->secret_room + 2 * i, 3, "%02x", bytes[i]);
	secret_wipe(bytes, sizeof(bytes));
	w->secret = slice_of(w->secret_room, 2 * SECRET_BYTES);
	return true;
}

/* The first secret makes the sealed file. False: answered. */
static bool open_keys(struct work *w)
{
	char why[ISSUERS_WHY_MAX] = "";
	struct secenv *made = NULL;
	enum reeve_rc rc = RC_OK;

	if (w->keys)
		return true;
	if (w->ad->core && (rc = keys_open(w->ad->cfg, true, &made, why)) == RC_OK) {
		secenv_close(made);
		rc = trust_reload(w->ad->core, why);
		w->keys = trust_keys(w->ad->core);
	}
	if (!w->keys)
		answer(w, 500, "the file of keys cannot be made: %s", why[0] ? why : rc_name(rc));
	return w->keys != NULL;
}

/* The key of id, in the place of one that may be there. False: answered. */
static bool store_secret(struct work *w, struct slice id)
{
	const struct key_spec spec = { .kid = id, .alg = ALG_TLS_PSK, .replace = true };
	char why[KEY_WHY_MAX] = "";
	enum reeve_rc rc;

	if (!open_keys(w))
		return false;
	rc = secenv_import(w->keys, KEY_HEX, w->secret, &spec, NULL, why);
	if (rc == RC_OK)
		return true;
	answer(w, status_of(rc), "secret: %s", why[0] ? why : rc_name(rc));
	return false;
}

static void drop_secret(struct work *w, struct slice id)
{
	char why[KEY_WHY_MAX];

	if (w->keys && secenv_delete(w->keys, id, why) != RC_OK)
		why[0] = '\0'; /* there was none */
}

static bool has_secret(struct work *w, struct slice id)
{
	struct key_ref *k = w->keys ? secenv_find(w->keys, id) : NULL;

	key_put(k);
	return k != NULL;
}

/* --- answers --- */

static void answer_row(struct work *w, int status, const struct credential *row, bool secret)
{
	struct buf *b = &w->call->out;

	w->call->status = status;
	credential_write(row, b);
	if (secret && b->n) {
		b->n--;
		buf_lit(b, ",\"secret\":\"");
		buf_slice(b, w->secret);
		buf_lit(b, "\"}");
	}
	buf_char(b, '\n');
}

static void refused(struct work *w, const struct change *g)
{
	if (g->rc == RC_NOTFOUND)
		answer(w, 404, "there is no credential %.*s in the table", SF(w->id));
	else if (g->why[0])
		answer(w, status_of(g->rc), "%s", g->why);
	else
		answer(w, status_of(g->rc), "the change could not be stored: %s", rc_name(g->rc));
}

static bool write_row(void *ctx, const struct credential *row)
{
	struct buf *b = ctx;

	if (b->p[b->n - 1] != '[')
		buf_char(b, ',');
	credential_write(row, b);
	return !b->failed;
}

static bool list(struct work *w, struct st_tx *tx)
{
	struct arena a;

	arena_init(&a, NULL, 0, MEMORY_MAX);
	buf_lit(&w->call->out, "{\"credentials\":[");
	credential_each(tx, S(""), &a, write_row, &w->call->out);
	buf_lit(&w->call->out, "]}\n");
	w->call->status = 200;
	arena_reset(&a);
	return true;
}

static bool show(struct work *w, struct st_tx *tx)
{
	struct credential row;
	struct slice *aes;
	struct buf *b = &w->call->out;
	size_t n;
	enum reeve_rc rc = credential_get(tx, &w->a, w->id, &row);

	if (rc != RC_OK || credential_bound(tx, &w->a, w->id, CREDENTIAL_AES_MOST, &aes, &n) != RC_OK) {
		answer(w, status_of(rc), rc == RC_NOTFOUND ? "there is no credential %.*s in the table" : "%.*s cannot be read", SF(w->id));
		return false;
	}
	w->call->status = 200;
	credential_write(&row, b);
	b->n--;
	if (credential_type_of(row.id) == CREDENTIAL_PSK)
		buf_printf(b, ",\"key\":%s", has_secret(w, row.id) ? "true" : "false");
	buf_lit(b, ",\"registered\":[");
	for (size_t i = 0; i < n; i++) {
		if (i)
			buf_char(b, ',');
		buf_json(b, aes[i]);
	}
	buf_lit(b, "]}\n");
	return true;
}

/* --- requests --- */

/* The id that a row to be added has; empty: none that can have a key. */
static struct slice added_id(struct work *w)
{
	char why[TLS_WHY_MAX];
	struct credential row = { 0 };

	return credential_read(&w->a, w->row, &row, why) == RC_OK && credential_check(&row, why) == RC_OK ? row.id : S("");
}

static bool exists(struct work *w, struct st_tx *tx)
{
	struct credential row;

	return credential_get(tx, &w->a, w->id, &row) == RC_OK;
}

static void add(struct work *w)
{
	struct change g = { .w = w, .run = add_row, .action = "add" };
	bool keyed = make_secret(w);

	w->id = added_id(w);
	const bool psk = credential_type_of(w->id) == CREDENTIAL_PSK;
	if (keyed && w->id.n && !psk) {
		answer(w, 400, "only a symmetric key (12-...) has a secret");
		return;
	}
	if (psk && !keyed && !has_secret(w, w->id)) {
		answer(w, 400, "a symmetric key needs its \"secret\" (hexadecimal digits), or \"generate\":true");
		return;
	}
	if (keyed && w->id.n && !look(w, exists) && w->call->status < 400 && !store_secret(w, w->id))
		return;
	if (change(&g) != RC_OK)
		refused(w, &g);
	else
		answer_row(w, 201, &g.row, w->generate);
	change_end(&g);
}

static void modify(struct work *w)
{
	struct change g = { .w = w, .run = change_row };
	const bool rotate = make_secret(w);

	if (rotate && credential_type_of(w->id) != CREDENTIAL_PSK) {
		answer(w, 400, "only a symmetric key (12-...) has a secret");
		return;
	}
	if (rotate && !look(w, exists)) {
		answer(w, 404, "there is no credential %.*s in the table", SF(w->id));
		return;
	}
	if (rotate && !store_secret(w, w->id))
		return;
	if (change(&g) != RC_OK)
		refused(w, &g);
	else
		answer_row(w, 200, &g.row, w->generate);
	if (g.rc == RC_OK && g.row.revoked && credential_type_of(w->id) == CREDENTIAL_PSK)
		drop_secret(w, w->id);
	/* those that stand on what was said before */
	if (w->ad->core && (rotate || (g.rc == RC_OK && (g.row.revoked || g.row.expires != g.old.expires || !same_names(&g.row, &g.old)))))
		associations_end(w->ad->core, w->id);
	change_end(&g);
}

static void delete(struct work *w)
{
	struct change g = { .w = w, .run = delete_row, .action = "delete" };

	if (change(&g) != RC_OK) {
		refused(w, &g);
	} else {
		w->call->status = 200;
		buf_lit(&w->call->out, "{}\n");
		if (w->ad->core)
			associations_end(w->ad->core, w->id);
		if (credential_type_of(w->id) == CREDENTIAL_PSK)
			drop_secret(w, w->id);
	}
	change_end(&g);
}

static void serve(struct work *w)
{
	const char *m = w->call->method;
	struct slice rest = w->call->path;

	slice_cut(&rest, '/');
	slice_cut(&rest, '/'); /* "", "credentials" */
	if (rest.p && !decode(w, rest)) {
		answer(w, 404, "what follows /credentials/ is no Credential-ID");
		return;
	}
	if ((!strcmp(m, "POST") || !strcmp(m, "PATCH")) && !take_body(w)) {
		if (!w->call->status)
			answer(w, 500, "out of memory, or a secret longer than %d bytes", PSK_MAX);
	} else if (!strcmp(m, "GET")) {
		look(w, w->id.n ? show : list);
	} else if (!strcmp(m, "POST") && !w->id.n) {
		add(w);
	} else if (!strcmp(m, "PATCH") && w->id.n) {
		modify(w);
	} else if (!strcmp(m, "DELETE") && w->id.n) {
		delete(w);
	} else {
		answer(w, 405, "GET and POST /credentials; GET, PATCH and DELETE /credentials/ID");
	}
}

void administer(const struct administration *ad, struct administer_call *call)
{
	struct work w = { .ad = ad, .call = call };

	call->status = 0;
	w.keys = ad->core ? trust_keys(ad->core) : ad->keys;
	arena_init(&w.a, NULL, 0, MEMORY_MAX);
	if (!call->root && !look(&w, may)) {
		if (!call->status)
			answer(&w, 403, "this credential may not administer others: mark it so (reeve credential add --admin), or "
			       "name it in access.administrators");
	} else {
		serve(&w);
	}
	secret_free(w.secret_room);
	arena_reset(&w.a);
}
