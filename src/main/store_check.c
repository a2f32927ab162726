/* SPDX-License-Identifier: Apache-2.0 */
/* First the indices (resource/tree_check.h), then one walk over the records in key order. The children of a parent follow each other, so
 * what the parent's record says of them (counters of children, subscriptions, instances, bytes) is compared when the next parent begins. */
#include "main/store_check.h"

#include <stdarg.h>
#include <stdlib.h>

#include "core/association/credential.h"
#include "core/image.h"
#include "core/notify/outbox.h"
#include "core/pending.h"
#include "core/rights/grants.h"
#include "resource/tree_check.h"
#include "store/store.h"

enum { SHOWN_MAX = 100, TYPES_MAX = 100 };

struct walk {
	struct st_tx *tx;
	struct tree_check *indices;
	usec now;
	struct req *request; /* memory for acknowledged ones */
	struct store_findings *f;
	FILE *out;
	uint64_t by_type[TYPES_MAX], typed;
	/* children of the parent that is being read */
	struct res_key parent;
	bool open, parent_swept;
	uint64_t instances, bytes, children, subs;
};

static void fault(struct walk *w, struct slice id, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static void fault(struct walk *w, struct slice id, const char *fmt, ...)
{
	va_list ap;
	if (w->f->wrong++ >= SHOWN_MAX)
		return;
	fprintf(w->out, "%.*s: ", SF(id));
	va_start(ap, fmt);
	vfprintf(w->out, fmt, ap);
	va_end(ap);
	fputc('\n', w->out);
}

static struct slice id_text(struct res_key k, char room[RES_ID_MAX]) { return slice_of(room, res_id_write(k, room)); }

static void end_parent(struct walk *w)
{
	char room[RES_ID_MAX];
	struct res p;

	if (!w->open || w->parent_swept || w->parent.n == 0 || tree_get(w->tx, w->parent, &p) != RC_OK)
		return;
	if (p.h.n_children != w->children)
		fault(w, id_text(w->parent, room), "says it has %u children besides instances, and has %llu", p.h.n_children,
		      (unsigned long long)w->children);
	if (p.h.n_subs != w->subs)
		fault(w, id_text(w->parent, room), "says it has %u subscriptions, and has %llu", p.h.n_subs, (unsigned long long)w->subs);
	if (p.h.cni != w->instances || p.h.cbs != w->bytes)
		fault(w, id_text(w->parent, room), "says it has %llu instances of %llu bytes, and has %llu of %llu",
		      (unsigned long long)p.h.cni, (unsigned long long)p.h.cbs, (unsigned long long)w->instances,
		      (unsigned long long)w->bytes);
}

static void begin_parent(struct walk *w, const struct res *child)
{
	struct res p;

	w->parent = res_parent_key(child);
	w->open = true;
	w->instances = w->bytes = w->children = w->subs = 0;
	w->parent_swept = false;
	if (child->key.parent == 0)
		return;
	w->parent_swept = tree_get(w->tx, w->parent, &p) != RC_OK;
}

static void look_at_text(struct walk *w, const struct res *r, struct slice id)
{
	struct arena a;
	struct buf b;
	struct json j;
	struct slice why;
	const struct json_limits limits = { .depth = 1000, .tokens = 32 << 20 };

	arena_init(&a, NULL, 0, (size_t)1 << 30);
	buf_init(&b, (size_t)1 << 30);
	buf_char(&b, '{');
	res_render(&b, r);
	buf_char(&b, '}');
	if (b.failed || json_parse(&a, buf_view(&b), &limits, &j, &why) != RC_OK)
		fault(w, id, "its text is damaged: %.*s", SF(why));
	buf_free(&b);
	arena_reset(&a);
}

/* --- requests that were acknowledged, and notifications --- */

/* One that is not completed yet is begun again at the next start. */
static void look_at_request(struct walk *w, const struct res *r, struct slice id)
{
	char room[PENDING_KEY_LEN];
	struct slice v;

	if (slice_eq(res_member(r, S("rs")), S("3")) && st_get(w->tx, ST_PENDING, pending_key(r->key.n, room), &v) != RC_OK)
		fault(w, id, "is PENDING, and nobody works on it");
}

static void pending_entry(struct walk *w, struct slice key, struct slice value)
{
	struct req *r = w->request;
	char room[RES_ID_MAX];
	struct res_key at;
	struct res res;

	if (key.n != PENDING_KEY_LEN) {
		fault(w, S("pending"), "a key of %zu bytes", key.n);
		return;
	}
	at = (struct res_key){ RES_ROOT, pending_key_read(key) };
	req_reset(r);
	if (image_read(r, value) != RC_OK)
		fault(w, id_text(at, room), "the acknowledged request is damaged");
	if (tree_get(w->tx, at, &res) == RC_OK && (res.h.ty != TYPE_REQUEST || slice_eq(res_member(&res, S("rs")), S("1"))))
		fault(w, id_text(at, room), "a request is acknowledged that is completed already");
}

static void outbox_entry(struct walk *w, struct slice key, struct slice value)
{
	struct outbox_entry e;

	if (!outbox_view(key, value, &e))
		fault(w, S("outbox"), "a damaged entry");
}

static void credential_entry(struct walk *w, struct slice key, struct slice value)
{
	const char *wrong;
	struct arena a;

	arena_init(&a, NULL, 0, 1 << 20);
	wrong = credential_entry_check(w->tx, &a, key, value);
	if (wrong)
		fault(w, S("credentials"), "%s", wrong);
	arena_reset(&a);
}

static enum reeve_rc each_entry(struct walk *w, enum st_table t, void (*look)(struct walk *w, struct slice key, struct slice value))
{
	struct st_cursor c;
	enum reeve_rc rc = st_cursor_open(w->tx, t, &c);

	if (rc != RC_OK)
		return rc;
	for (rc = st_seek(&c, S("")); rc == RC_OK; rc = st_next(&c))
		look(w, c.key, c.value);
	st_cursor_close(&c);
	return rc == RC_NOTFOUND ? RC_OK : rc;
}

/* --- records --- */

static void look(struct walk *w, const struct res *r)
{
	char room[RES_ID_MAX];
	const struct slice id = id_text(r->key, room);

	w->f->resources++;
	w->by_type[r->h.ty < TYPES_MAX ? r->h.ty : 0]++;
	if (!res_model(r))
		fault(w, id, "is of type %u, which the model does not know", r->h.ty);
	look_at_text(w, r, id);
	tree_check_record(w->indices, r, w->now);
	if (r->h.ty == TYPE_REQUEST)
		look_at_request(w, r, id);
	if (w->parent_swept || tree_dropped(w->tx, r->key)) {
		w->f->swept++;
		return;
	}
	if (res_is_instance(r)) {
		w->instances++;
		w->bytes += r->h.cs;
	} else {
		w->children++;
		w->typed++;
		w->subs += r->h.ty == TYPE_SUBSCRIPTION;
	}
}

static void index_fault(void *ctx, struct slice id, const char *text) { fault(ctx, id, "%s", text); }

static enum reeve_rc walk_records(struct walk *w)
{
	struct st_cursor c;
	enum reeve_rc rc = st_cursor_open(w->tx, ST_RES, &c);

	if (rc != RC_OK)
		return rc;
	for (rc = st_seek(&c, S("")); rc == RC_OK; rc = st_next(&c)) {
		struct res r;
		struct res_key key;
		if (c.key.n != RES_KEY_LEN) {
			fault(w, S("?"), "a key of %zu bytes among the records", c.key.n);
			continue;
		}
		key = res_key_read(c.key.p);
		if (res_view(key, c.value, &r) != RC_OK) {
			char room[RES_ID_MAX];
			fault(w, id_text(key, room), "the record is damaged");
			continue;
		}
		if (!w->open || key.parent != w->parent.n) {
			end_parent(w);
			begin_parent(w, &r);
		}
		look(w, &r);
	}
	end_parent(w);
	st_cursor_close(&c);
	return rc == RC_NOTFOUND ? RC_OK : rc;
}

static void grant_entry(struct walk *w, struct slice key, struct slice value)
{
	const char *why = grant_fault(w->tx, key, value);

	if (why)
		fault(w, S("dynamic policy"), "%s", why);
}

/* An index by a hash (core/hash_index.h): each entry leads to a resource of its type, and there are as many as resources. */
static void hash_entry(struct walk *w, struct slice key, int32_t ty, const char *index)
{
	struct res res;

	if (key.n != 8 + RES_KEY_LEN)
		fault(w, slice_str(index), "a key of %zu bytes in the index", key.n);
	else if (tree_get(w->tx, res_key_read(key.p + 8), &res) != RC_OK || res.h.ty != ty)
		fault(w, slice_str(index), "an entry of the index leads to no such resource");
}

static void role_entry(struct walk *w, struct slice key, struct slice value)
{
	(void)value;
	hash_entry(w, key, TYPE_ROLE, "role");
}

static void node_entry(struct walk *w, struct slice key, struct slice value)
{
	(void)value;
	hash_entry(w, key, TYPE_SERVICE_NODE, "serviceSubscribedNode");
}

static enum reeve_rc walk_hash_indices(struct walk *w)
{
	const struct {
		enum st_table t;
		int32_t ty;
		const char *name;
		void (*look)(struct walk *w, struct slice key, struct slice value);
	} all[] = {
		{ ST_ROLE, TYPE_ROLE, "role", role_entry },
		{ ST_NODE, TYPE_SERVICE_NODE, "serviceSubscribedNode", node_entry },
	};
	enum reeve_rc rc = RC_OK;

	for (size_t i = 0; rc == RC_OK && i < sizeof(all) / sizeof(all[0]); i++) {
		uint64_t n = st_entries(w->tx, all[i].t), m = w->by_type[all[i].ty];

		rc = each_entry(w, all[i].t, all[i].look);
		if (n != m)
			fault(w, slice_str(all[i].name), "%llu resources, and %llu entries in their index", (unsigned long long)m,
			      (unsigned long long)n);
	}
	return rc;
}

static enum reeve_rc walk_all(struct walk *w)
{
	enum reeve_rc rc = tree_check_new(w->tx, index_fault, w, &w->indices);

	if (rc == RC_OK)
		rc = walk_records(w);
	tree_check_free(w->indices);
	if (rc == RC_OK && !(w->request = calloc(1, sizeof(*w->request))))
		rc = RC_NOMEM;
	if (rc == RC_OK) {
		req_init(w->request, NULL, (size_t)1 << 30, 0);
		rc = each_entry(w, ST_PENDING, pending_entry);
		req_free(w->request);
	}
	free(w->request);
	if (rc == RC_OK)
		rc = each_entry(w, ST_GRANT, grant_entry);
	if (rc == RC_OK)
		rc = walk_hash_indices(w);
	if (rc == RC_OK)
		rc = each_entry(w, ST_CREDENTIAL, credential_entry);
	return rc == RC_OK ? each_entry(w, ST_OUTBOX, outbox_entry) : rc;
}

static void summary(const struct walk *w, const struct store_stat *s)
{
	fprintf(w->out, "%llu resources, %.1f MiB of %.1f MiB\n", (unsigned long long)w->f->resources, (double)s->bytes_used / (1 << 20),
		(double)s->bytes_max / (1 << 20));
	for (int t = 0; t < TYPES_MAX; t++)
		if (w->by_type[t]) {
			const struct model_res *m = model_by_ty(t);
			fprintf(w->out, "  %-32s %llu\n", m ? m->name : "unknown", (unsigned long long)w->by_type[t]);
		}
	if (s->entries[ST_GRANT])
		fprintf(w->out, "  dynamic policies                 %llu\n", (unsigned long long)s->entries[ST_GRANT] / 3);
	if (s->entries[ST_OUTBOX])
		fprintf(w->out, "  notifications waiting            %llu\n", (unsigned long long)s->entries[ST_OUTBOX]);
	if (w->f->swept)
		fprintf(w->out, "  being removed with an ancestor   %llu\n", (unsigned long long)w->f->swept);
	if (w->f->wrong)
		fprintf(w->out, "%llu faults\n", (unsigned long long)w->f->wrong);
	else
		fprintf(w->out, "no faults\n");
}

enum reeve_rc store_check(const struct config *cfg, struct store_findings *f, FILE *out, char why[256])
{
	const struct store_options o = { .path = cfg->data, .max_bytes = cfg->store_max, .readers = 4, .read_only = true };
	struct walk w = { .f = f, .out = out, .now = clock_wall() };
	struct store_stat stat;
	struct store *s = NULL;
	enum reeve_rc rc;

	memset(f, 0, sizeof(*f));
	if ((rc = store_open(&o, &s, why)) != RC_OK)
		return rc;
	if ((rc = st_reader_new(s, &w.tx)) == RC_OK) {
		if ((rc = st_renew(w.tx)) == RC_OK) {
			rc = walk_all(&w);
			st_release(w.tx);
		}
		st_reader_free(w.tx);
	}
	if (rc == RC_OK) {
		store_stat(s, &stat);
		summary(&w, &stat);
	} else {
		snprintf(why, 256, "%s: %s (%s)", cfg->data, rc_name(rc), st_why(s));
	}
	store_close(s);
	return rc;
}
