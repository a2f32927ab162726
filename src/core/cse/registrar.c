/* SPDX-License-Identifier: Apache-2.0 */
/* One request at a time goes to the registrar; its answer decides what is next:
 *
 *   ask ── Update of our <remoteCSE> there, when the one for the registrar is here from a former run ──┬─ done: registered
 *    └──── Create ── learn: Retrieve of its <CSEBase> ── keep: its <remoteCSE> here, of our own making ──┘
 *
 * Update answered 4004: Create. Create answered 4117: Update, for an earlier registration is not known here any more. Anything else is
 * tried again with growing pauses. Registered, it is renewed at half its lifetime, and updated when descendants come or go. */
#include "core/cse/registrar.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/rand.h"
#include "codec/text.h"
#include "core/alarm.h"
#include "core/notify/notify_int.h"
#include "core/cse/outbound.h"
#include "core/cse/way.h"
#include "core/writer.h"

enum { CONTENT_MOST = 1 << 20, BASE_NAME = 258 };
static const usec leave_time = 3 * USEC_S;

struct registrar {
	struct core *core;
	struct alarm alarm;          /* the next attempt, or renewal */
	struct outbound out;
	struct loop_msg msg;
	struct write_job job;        /* stale <remoteCSE> go */
	struct slice name;           /* resource name of our <remoteCSE> there */
	char there[512];             /* address of our <remoteCSE> there */
	char here[512];              /* address of its <remoteCSE> here */
	char *told;                  /* descendantCSEs as the registrar has them */
	unsigned failures;
	int refusal;                 /* what the last of them was */
	bool busy;                   /* a request is under way */
	bool created;                /* the registration is new: Create was refused with 4117 once already */
	atomic_bool changed;         /* descendants */
	atomic_bool registered;
	bool leaving, left;
	uv_sem_t gone;
};

static void ask(struct registrar *g);
static void update(struct registrar *g);

/* --- representations --- */

static void list(struct buf *b, const char *sn, const struct config_list *l)
{
	if (!l->n)
		return;
	buf_printf(b, "\"%s\":[", sn);
	for (size_t i = 0; i < l->n; i++) {
		if (i)
			buf_char(b, ',');
		buf_json(b, l->v[i]);
	}
	buf_lit(b, "],");
}

/* What may change, for Create and Update. Gives descendantCSEs back as *dcse. */
static void variable_part(struct registrar *g, struct buf *b, bool is_update, char **dcse)
{
	const struct config *cfg = g->core->cfg;
	char et[TEXT_TIMESTAMP_MAX];
	struct buf d;
	struct exec x;

	list(b, "poa", &cfg->poa);
	buf_printf(b, "\"rr\":%s,\"et\":", cfg->poa.n ? "true" : "false");
	buf_json(b, slice_of(et, text_timestamp_write(clock_wall() + cfg->registrar.lifetime, et)));
	buf_init(&d, CONTENT_MOST);
	atomic_store(&g->changed, false);
	if (hub_snapshot_begin(g->core, &x)) {
		way_descendants(&x, &d);
		hub_snapshot_end(&x);
	}
	if (d.n > 2 && !d.failed) {
		buf_lit(b, ",\"dcse\":");
		buf_slice(b, buf_view(&d));
	} else if (is_update) {
		buf_lit(b, ",\"dcse\":null");
	}
	buf_char(&d, '\0');
	free(*dcse);
	*dcse = d.failed ? NULL : d.p;
	if (d.failed)
		buf_free(&d);
}

static void fixed_part(struct registrar *g, struct buf *b)
{
	const struct config *cfg = g->core->cfg;

	buf_lit(b, "\"rn\":");
	buf_json(b, g->name);
	buf_lit(b, ",\"csi\":");
	buf_json(b, cfg->cse_id);
	buf_printf(b, ",\"cb\":\"%.*s/%.*s\",\"cst\":%d,\"srv\":[\"2a\",\"3\"],\"csz\":[\"json\",\"cbor\"],", SF(cfg->cse_id),
		   SF(cfg->base_name), (int)cfg->type);
}

/* --- requests --- */

typedef void (*answered)(struct outbound *o, const struct rsp *rsp);

static void request(struct registrar *g, enum op op, struct slice to, struct slice pc, answered done)
{
	g->busy = true;
	g->out = (struct outbound){ .target = to, .pc = pc, .op = op, .ty = op == OP_CREATE ? TYPE_REMOTE_CSE : 0,
				    .timeout = g->leaving ? leave_time : 0, .done = done, .owner = g };
	outbound_send(g->core, &g->out);
}

static void send_csr(struct registrar *g, enum op op, struct slice to, answered done)
{
	struct buf b;

	buf_init(&b, CONTENT_MOST);
	buf_lit(&b, "{\"m2m:csr\":{");
	if (op == OP_CREATE)
		fixed_part(g, &b);
	variable_part(g, &b, op == OP_UPDATE, &g->told);
	buf_lit(&b, "}}");
	request(g, op, to, b.failed ? S("") : buf_view(&b), done);
	buf_free(&b);
}

static void rang(struct alarm *a, usec now)
{
	struct registrar *g = (struct registrar *)((char *)a - offsetof(struct registrar, alarm));
	(void)now;
	ask(g);
}

static void wait_for(struct registrar *g, usec span)
{
	g->alarm.fn = rang;
	alarm_set(notifier_alarms(g->core->notifier), &g->alarm, clock_wall() + span);
}

static void gone(struct registrar *g)
{
	if (g->leaving && !g->left) {
		g->left = true;
		uv_sem_post(&g->gone);
	}
}

static void failed(struct registrar *g, const char *what, int rsc)
{
	const struct config *cfg = g->core->cfg;
	usec pause = cfg->registrar.retry_first > 0 ? cfg->registrar.retry_first : USEC_S;

	if (g->leaving) {
		gone(g);
		return;
	}
	if (!g->failures || g->refusal != rsc) /* each reason once */
		log_warn("registrar", "%s at %.*s failed (%d); it is tried again", what, SF(cfg->registrar.cse_id), rsc);
	for (unsigned i = 0; i < g->failures && pause < cfg->registrar.retry_most; i++)
		pause *= 2;
	if (pause > cfg->registrar.retry_most && cfg->registrar.retry_most > 0)
		pause = cfg->registrar.retry_most;
	g->failures++;
	g->refusal = rsc;
	atomic_store(&g->registered, false);
	wait_for(g, pause - pause / 8 + (usec)(rand_u64() % ((uint64_t)pause / 4 + 1)));
}

/* The lifetime the registrar granted: et of the answer, else what was asked for. */
static usec granted(struct registrar *g, struct slice pc)
{
	usec until, now = clock_wall(), span = g->core->cfg->registrar.lifetime;
	struct slice why;
	char mem[8192];
	struct arena a;
	struct json j;
	uint32_t csr;

	arena_init(&a, mem, sizeof(mem), 1 << 20);
	if (pc.n && json_parse(&a, pc, &json_default_limits, &j, &why) == RC_OK && (csr = json_member(&j, 0, S("m2m:csr"))) &&
	    text_timestamp(json_string(&a, &j, json_member(&j, csr, S("et"))), &until) && until > now)
		span = until - now;
	arena_reset(&a);
	return span;
}

static void registered(struct registrar *g, usec span)
{
	if (!atomic_exchange(&g->registered, true))
		log_info("registrar", "registered at %.*s", SF(g->core->cfg->registrar.cse_id));
	g->failures = 0;
	g->created = false;
	wait_for(g, span / 2 > USEC_S / 10 ? span / 2 : USEC_S / 10);
	registrar_wake(g->core); /* descendants may have come meanwhile */
}

/* --- its <remoteCSE> here --- */

static void kept(struct outbound *o, const struct rsp *rsp)
{
	struct registrar *g = o->owner;

	g->busy = false;
	if (rsp->rsc != 2001 && rsp->rsc != 2004) {
		failed(g, "keeping the <remoteCSE> of the registrar", rsp->rsc);
		return;
	}
	registered(g, g->core->cfg->registrar.lifetime);
}

static void keep_again(struct outbound *o, const struct rsp *rsp)
{
	struct registrar *g = o->owner;
	struct buf b;

	if (rsp->rsc != 4117 && rsp->rsc != 4105) {
		kept(o, rsp);
		return;
	}
	buf_init(&b, CONTENT_MOST);
	buf_lit(&b, "{\"m2m:csr\":{");
	list(&b, "poa", &g->core->cfg->registrar.poa);
	buf_lit(&b, "\"rr\":true}}");
	request(g, OP_UPDATE, slice_str(g->here), buf_view(&b), kept);
	buf_free(&b);
}

/* Attributes of the registrar's <CSEBase> that its <remoteCSE> has as well; and the name of that. */
static void add_learnt(struct buf *b, struct slice pc, char base[BASE_NAME])
{
	static const char *const names[] = { "cst", "srv", "csz" };
	struct slice why, rn;
	struct arena a;
	struct json j;
	uint32_t cb, at;
	bool srv = false;

	arena_init(&a, NULL, 0, 1 << 20);
	if (pc.n && json_parse(&a, pc, &json_default_limits, &j, &why) == RC_OK && (cb = json_member(&j, 0, S("m2m:cb")))) {
		rn = json_string(&a, &j, json_member(&j, cb, S("rn")));
		if (!base[0] && text_name(rn, BASE_NAME - 2))
			snprintf(base, BASE_NAME, "/%.*s", SF(rn));
		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
			if ((at = json_member(&j, cb, slice_str(names[i])))) {
				buf_printf(b, "\"%s\":", names[i]);
				buf_slice(b, json_raw(&j, at));
				buf_char(b, ',');
				srv |= i == 1;
			}
	}
	if (!srv)
		buf_lit(b, "\"srv\":[\"3\"],");
	arena_reset(&a);
}

static void keep(struct registrar *g, struct slice pc)
{
	const struct config *cfg = g->core->cfg;
	char base[BASE_NAME] = "";
	struct buf b;

	if (cfg->registrar.base_name.n)
		snprintf(base, sizeof(base), "/%.*s", SF(cfg->registrar.base_name));
	buf_init(&b, CONTENT_MOST);
	buf_lit(&b, "{\"m2m:csr\":{\"rn\":");
	buf_json(&b, slice_str(strrchr(g->here, '/') + 1));
	/* who may see <CSEBase> may see this */
	buf_printf(&b, ",\"acpi\":[\"%.*s/acp-base\"],\"rr\":true,\"csi\":", SF(cfg->base_name));
	buf_json(&b, cfg->registrar.cse_id);
	buf_char(&b, ',');
	list(&b, "poa", &cfg->registrar.poa);
	add_learnt(&b, pc, base);
	buf_printf(&b, "\"cb\":\"%.*s%s\"}}", SF(cfg->registrar.cse_id), base);
	request(g, OP_CREATE, cfg->base_name, b.failed ? S("") : buf_view(&b), keep_again);
	buf_free(&b);
}

static void learnt(struct outbound *o, const struct rsp *rsp)
{
	keep(o->owner, rsp->rsc == 2000 ? rsp->pc : S("")); /* without it, what is mandatory has to do */
}

/* --- our <remoteCSE> there --- */

static void created(struct outbound *o, const struct rsp *rsp)
{
	struct registrar *g = o->owner;

	g->busy = false;
	if (rsp->rsc == 2001 || (rsp->rsc == 4117 && !g->created)) {
		bool again = rsp->rsc == 4117;

		g->created = true;
		if (again)
			update(g);
		else
			request(g, OP_RETRIEVE, g->core->cfg->registrar.cse_id, S(""), learnt);
		return;
	}
	g->created = false;
	failed(g, "registration", rsp->rsc);
}

static void create(struct registrar *g)
{
	char to[512];

	snprintf(to, sizeof(to), "%.*s%s%.*s", SF(g->core->cfg->registrar.cse_id), g->core->cfg->registrar.base_name.n ? "/" : "",
		 SF(g->core->cfg->registrar.base_name));
	send_csr(g, OP_CREATE, slice_str(to), created);
}

static bool known_here(struct registrar *g)
{
	struct target t;
	struct exec x;
	bool yes = false;

	if (hub_snapshot_begin(g->core, &x)) {
		yes = exec_lookup(&x, slice_str(g->here), &t) == RC_OK;
		hub_snapshot_end(&x);
	}
	return yes;
}

static void updated(struct outbound *o, const struct rsp *rsp)
{
	struct registrar *g = o->owner;

	g->busy = false;
	if (rsp->rsc == 2004 && known_here(g))
		registered(g, granted(g, rsp->pc));
	else if (rsp->rsc == 2004)
		request(g, OP_RETRIEVE, g->core->cfg->registrar.cse_id, S(""), learnt);
	else if (rsp->rsc == 4004 && !rsp->ours && !g->created)
		create(g);
	else {
		g->created = false;
		failed(g, "renewal of the registration", rsp->rsc);
	}
}

static void update(struct registrar *g) { send_csr(g, OP_UPDATE, slice_str(g->there), updated); }

static void ask(struct registrar *g)
{
	if (g->busy || g->leaving)
		return;
	if (known_here(g))
		update(g);
	else
		create(g);
}

/* --- descendants --- */

void registrar_descendants_changed(struct exec *x)
{
	struct registrar *g = x->core->registrar;

	if (!g)
		return;
	atomic_store(&g->changed, true);
	writer_outbox_changed(x); /* wakes the hub after the commit */
}

void registrar_wake(struct core *c)
{
	struct registrar *g = c->registrar;
	bool differs;
	struct exec x;
	struct buf d;

	if (!g || g->busy || g->leaving || !atomic_load(&g->registered) || !atomic_load(&g->changed))
		return;
	atomic_store(&g->changed, false);
	if (!hub_snapshot_begin(c, &x))
		return;
	buf_init(&d, CONTENT_MOST);
	way_descendants(&x, &d);
	hub_snapshot_end(&x);
	differs = !g->told || d.failed || !slice_eq(slice_str(g->told), buf_view(&d));
	buf_free(&d);
	if (differs)
		update(g);
}

void registrar_renew(struct core *c)
{
	struct registrar *g = c->registrar;

	if (g && !g->busy && !g->leaving && atomic_load(&g->registered))
		update(g);
}

/* --- life --- */

/* A <remoteCSE> of our own making is for the registrar; one that is configured no more goes. */
static enum reeve_rc run_tidy(struct write_job *j, struct exec *x)
{
	struct res r;
	struct tree_iter it;
	bool stale = true;
	enum reeve_rc rc;

	(void)j;
	x->internal = true;
	while (stale && (rc = tree_children_of_type(x->tx, RES_ROOT, TYPE_REMOTE_CSE, &it)) == RC_OK) {
		struct slice csi;

		for (stale = false; !stale && tree_next(&it, &r) == RC_OK;) {
			csi = res_member(&r, S("csi"));
			stale = slice_eq(r.creator, x->core->home.abs) && csi.n > 2 &&
				!slice_eq(slice_of(csi.p + 1, csi.n - 2), x->core->cfg->registrar.cse_id);
		}
		tree_end(&it);
		if (stale && (rc = exec_delete(x, &r, true)) != RC_OK)
			return rc;
	}
	x->internal = false;
	return RC_OK;
}

static void tidied(struct write_job *j, enum reeve_rc rc)
{
	struct registrar *g = (struct registrar *)((char *)j - offsetof(struct registrar, job));

	(void)rc;
	if (g->core->cfg->registrar.cse_id.n)
		ask(g);
}

enum reeve_rc registrar_start(struct core *c)
{
	const struct config *cfg = c->cfg;
	struct slice id = cfg->registrar.cse_id;
	struct registrar *g = calloc(1, sizeof(*g));

	if (!g)
		return RC_NOMEM;
	g->core = c;
	g->name = slice_skip(cfg->cse_id, 1);
	snprintf(g->there, sizeof(g->there), "%.*s/%.*s/%.*s", SF(id), SF(cfg->registrar.base_name.n ? cfg->registrar.base_name : S("-")),
		 SF(g->name));
	while (slice_find(id, '/') >= 0)
		id = slice_skip(id, (size_t)slice_find(id, '/') + 1);
	snprintf(g->here, sizeof(g->here), "%.*s/%.*s", SF(cfg->base_name), SF(id));
	uv_sem_init(&g->gone, 0);
	c->registrar = g;
	g->job = (struct write_job){ .run = run_tidy, .done = tidied, .home = &c->loops[0] };
	return writer_submit(c->writer, &g->job);
}

static void removed_here(struct outbound *o, const struct rsp *rsp)
{
	(void)rsp;
	gone(o->owner);
}

static void removed_there(struct outbound *o, const struct rsp *rsp)
{
	struct registrar *g = o->owner;

	if (rsp->rsc == 2002 || rsp->rsc == 4004)
		request(g, OP_DELETE, slice_str(g->here), S(""), removed_here);
	else
		gone(g);
}

static void leave(struct loop *l, struct loop_msg *m)
{
	struct registrar *g = (struct registrar *)((char *)m - offsetof(struct registrar, msg));

	(void)l;
	g->leaving = true;
	alarm_clear(notifier_alarms(g->core->notifier), &g->alarm);
	if (!atomic_load(&g->registered) || g->busy)
		gone(g);
	else
		request(g, OP_DELETE, slice_str(g->there), S(""), removed_there);
}

void registrar_leave(struct core *c)
{
	struct registrar *g = c->registrar;

	if (!g || !c->cfg->registrar.cse_id.n || !c->cfg->registrar.deregister)
		return;
	g->msg.fn = leave;
	loop_post(&c->loops[0], &g->msg);
	uv_sem_wait(&g->gone);
}

void registrar_free(struct registrar *g)
{
	if (!g)
		return;
	uv_sem_destroy(&g->gone);
	free(g->told);
	free(g);
}

struct slice registrar_place(const struct core *c) { return c->registrar ? slice_str(c->registrar->there) : S(""); }

bool registrar_registered(const struct core *c) { return c->registrar && atomic_load(&c->registrar->registered); }
