/* SPDX-License-Identifier: Apache-2.0 */
/* Start and stop of a CSE: store, <CSEBase> with its policy, loops, writer, hub, notifier.
 *
 * <CSEBase> always has a provisioned policy (AUTHZ-120). Both are brought in line with the configuration at each start, by the same
 * functions that write any resource. */
#include "core/core.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "authz/audit.h"
#include "authz/decisions.h"
#include "authz/locate.h"
#include "base/log.h"
#include "core/points/enquiry.h"
#include "core/association/association.h"
#include "core/audit_log.h"
#include "core/group/fanout.h"
#include "core/cse/forward.h"
#include "core/hub.h"
#include "core/notify/notify.h"
#include "core/own.h"
#include "core/registration/profile.h"
#include "core/cse/registrar.h"
#include "core/pending.h"
#include "core/rights/consult.h"
#include "core/rights/relation.h"
#include "core/rights/role_repository.h"
#include "core/rights/tokens.h"
#include "core/trust.h"
#include "core/types.h"
#include "core/work.h"

enum { DECISIONS_BYTES = 16 << 20 };

void core_locate(struct core *c, struct facts *f)
{
	if (c->locate)
		locate_fill(c->locate, f);
}

/* --- <CSEBase> --- */

static void rule(struct buf *b, bool first, struct slice who, unsigned acop)
{
	if (!first)
		buf_char(b, ',');
	buf_lit(b, "{\"acor\":[");
	buf_json(b, who);
	buf_printf(b, "],\"acop\":%u}", acop);
}

/* Registered AEs: stems of this CSE and of the service provider. */
static void base_policy(struct buf *b, const struct core *c)
{
	const struct config *cfg = c->cfg;
	unsigned registree = cfg->base.registree | (cfg->base.create_all ? ACOP_CREATE : 0);
	char stems[512];
	int n = snprintf(stems, sizeof(stems), "%.*s/C*", SF(c->home.abs));

	buf_lit(b, "\"pv\":{\"acr\":[");
	rule(b, true, c->home.abs, 63);
	if (registree && n > 0 && (size_t)n < sizeof(stems)) {
		rule(b, false, slice_of(stems, (size_t)n), registree);
		n = snprintf(stems, sizeof(stems), "%.*s/S*", SF(c->home.sp_id));
		if (n > 0 && (size_t)n < sizeof(stems))
			rule(b, false, slice_of(stems, (size_t)n), registree);
	}
	if (cfg->base.everyone)
		rule(b, false, S("all"), cfg->base.everyone);
	if (cfg->admin.n)
		rule(b, false, cfg->admin, 63);
	buf_lit(b, "]},\"pvs\":{\"acr\":[");
	rule(b, true, c->home.abs, 63);
	if (cfg->admin.n)
		rule(b, false, cfg->admin, 63);
	buf_lit(b, "]}");
}

static void base_attributes(struct buf *b, const struct core *c, struct slice acp)
{
	buf_printf(b, "\"cst\":%d,\"csi\":", (int)c->cfg->type);
	buf_json(b, c->home.cse_id);
	buf_lit(b, ",\"srt\":[");
	types_supported(b, c->cfg);
	buf_lit(b, "],\"srv\":[\"2a\",\"3\"],\"csz\":[\"json\",\"cbor\"],\"poa\":[");
	for (size_t i = 0; i < c->cfg->poa.n; i++) {
		if (i)
			buf_char(b, ',');
		buf_json(b, c->cfg->poa.v[i]);
	}
	if (!c->cfg->poa.n)
		b->n -= sizeof(",\"poa\":[") - 1;
	else
		buf_char(b, ']');
	buf_lit(b, ",\"acpi\":[");
	buf_json(b, acp);
	buf_char(b, ']');
	for (size_t i = 0; i < c->cfg->dynamic.dac.n; i++) {
		buf_slice(b, i ? S(",") : S(",\"daci\":["));
		buf_json(b, c->cfg->dynamic.dac.v[i]);
	}
	if (c->cfg->dynamic.dac.n)
		buf_char(b, ']');
}

static struct rec_head head(int ty, usec now)
{
	usec t = now - now % USEC_S;
	return (struct rec_head){ .ty = (uint16_t)ty, .ct = t, .lt = t, .et = ty == TYPE_CSEBASE ? USEC_NEVER : TIMESTAMP_MOST,
				  .mni = UINT64_MAX, .mbs = UINT64_MAX, .mia = UINT64_MAX };
}

/* Write or rewrite one provisioned resource; untouched when nothing differs. */
static enum reeve_rc provision(struct st_tx *tx, struct tree_seq *seq, const struct res *parent, const struct res *old,
			       struct res_new *nw, struct res *out)
{
	struct buf b;
	bool same;

	if (!old)
		return tree_insert(tx, seq, parent, nw, out);
	buf_init(&b, 65536);
	res_render(&b, old);
	same = !b.failed && memmem(b.p, b.n, nw->attrs.p, nw->attrs.n);
	buf_free(&b);
	*out = *old;
	if (same)
		return RC_OK;
	nw->h = old->h;
	nw->h.lt = clock_wall() - clock_wall() % USEC_S;
	return tree_replace(tx, old, nw, out);
}

static enum reeve_rc provision_all(struct core *c, struct st_tx *tx, struct tree_seq *seq, char why[256])
{
	const struct res_key root_key = { 0, RES_ROOT };
	struct res_new base = { .h = head(5, clock_wall()), .name = c->home.base_name, .ri = slice_skip(c->home.cse_id, 1) };
	struct res_new acp = { .h = head(1, clock_wall()), .name = S("acp-base"), .creator = c->home.abs };
	struct res root, policy;
	struct buf attrs;
	bool fresh;
	enum reeve_rc rc;

	rc = tree_get(tx, root_key, &root);
	fresh = rc == RC_NOTFOUND;
	if (rc != RC_OK && !fresh)
		return rc;
	if (!fresh && (!slice_eq(res_rn(&root), c->home.base_name) || !slice_eq(res_ri(&root), slice_skip(c->home.cse_id, 1)))) {
		snprintf(why, 256, "the store belongs to CSE-ID /%.*s with base name %.*s; change the configuration back or use "
			 "another folder", SF(res_ri(&root)), SF(res_rn(&root)));
		return RC_INVALID;
	}
	buf_init(&attrs, 65536);
	base.creator = c->home.abs;
	if (fresh) {
		/* first without its policy, which needs a parent */
		base_attributes(&attrs, c, S(""));
		base.attrs = buf_view(&attrs);
		if ((rc = tree_insert(tx, seq, NULL, &base, &root)) != RC_OK)
			goto out;
	}
	buf_clear(&attrs);
	base_policy(&attrs, c);
	acp.attrs = buf_view(&attrs);
	rc = tree_child(tx, root.key.n, acp.name, &policy);
	if (rc != RC_OK && rc != RC_NOTFOUND)
		goto out;
	if (rc == RC_NOTFOUND && (rc = tree_get(tx, root_key, &root)) == RC_OK) {
		rc = provision(tx, seq, &root, NULL, &acp, &policy);
		if (rc == RC_OK && (rc = tree_get(tx, root_key, &root)) == RC_OK) {
			root.h.n_children++;
			rc = tree_touch(tx, &root);
		}
	} else if (rc == RC_OK) {
		struct res old = policy;
		rc = provision(tx, seq, &root, &old, &acp, &policy);
	}
	if (rc != RC_OK || (rc = tree_child(tx, root.key.n, acp.name, &policy)) != RC_OK || (rc = tree_get(tx, root_key, &root)) != RC_OK)
		goto out;
	buf_clear(&attrs);
	struct slice acp_id = res_ri(&policy);
	base_attributes(&attrs, c, acp_id);
	base.attrs = buf_view(&attrs);
	base.acps = &policy.key;
	base.n_acps = 1;
	base.h = root.h;
	struct res old = root;
	rc = provision(tx, seq, NULL, &old, &base, &root);
	if (rc == RC_OK && (rc = tree_get(tx, root_key, &root)) == RC_OK && !(root.h.flags & REC_ACPI)) {
		root.h.flags |= REC_ACPI;
		rc = tree_touch(tx, &root);
	}
out:
	buf_free(&attrs);
	return rc;
}

static enum reeve_rc make_base(struct core *c, char why[256])
{
	struct tree_seq seq = { 0 };
	struct st_tx *tx;
	enum reeve_rc rc = st_begin(c->store, &tx);

	if (rc == RC_OK && (rc = tree_seq_load(tx, &seq)) == RC_OK)
		rc = provision_all(c, tx, &seq, why);
	if (rc == RC_OK && (rc = tree_seq_save(tx, &seq)) == RC_OK)
		rc = st_commit(tx);
	else if (tx)
		st_abort(tx);
	if (rc != RC_OK && !why[0])
		snprintf(why, 256, "<CSEBase> could not be stored: %s (%s)", rc_name(rc), st_why(c->store));
	return rc;
}

/* --- start and stop --- */

static enum reeve_rc own_names(struct core *c, char why[256])
{
	const struct config *cfg = c->cfg;
	if (!ident_cse(cfg->cse_id)) {
		snprintf(why, 256, "cse.id \"%.*s\": a CSE-ID is \"/\" and a name", SF(cfg->cse_id));
		return RC_INVALID;
	}
	if (!ident_sp(cfg->sp_id)) {
		snprintf(why, 256, "cse.sp-id \"%.*s\": an M2M-SP-ID is \"//\" and a lower-case domain name", SF(cfg->sp_id));
		return RC_INVALID;
	}
	if (!text_name(cfg->base_name, cfg->limits.name)) {
		snprintf(why, 256, "cse.name \"%.*s\": not a resource name", SF(cfg->base_name));
		return RC_INVALID;
	}
	c->home = (struct ident_home){ .sp_id = cfg->sp_id, .cse_id = cfg->cse_id, .base_name = cfg->base_name };
	char *p = malloc(cfg->sp_id.n + cfg->cse_id.n + 1);
	if (!p)
		return RC_NOMEM;
	memcpy(p, cfg->sp_id.p, cfg->sp_id.n);
	memcpy(p + cfg->sp_id.n, cfg->cse_id.p, cfg->cse_id.n);
	c->home.abs = slice_of(p, cfg->sp_id.n + cfg->cse_id.n);
	c->policy_options = (struct policy_options){ .home = &c->home, .domain_wildcards = cfg->domain_wildcards,
						     .positions = cfg->positions, .countries = cfg->countries };
	if (!cfg->positions && !cfg->countries)
		return RC_OK;
	return locate_open(cfg->countries, cfg->positions, &c->home, &c->locate, why);
}

static enum reeve_rc open_audit(struct core *c, char why[256])
{
	enum reeve_rc rc = audit_secret_open(c->cfg, &c->audit_secret, why);

	return rc == RC_OK ? audit_log_open(c->cfg, c->audit_secret, &c->audit, why) : rc;
}

static void close_audit(struct core *c)
{
	audit_close(c->audit);
	audit_secret_close(c->audit_secret);
}

static void audit_process(struct core *c, const char *action)
{
	audit_event(c->audit, &(struct audit_what){ .kind = AUDIT_PROCESS, .action = action, .when = clock_wall(), .who = c->home.abs,
						    .detail = S("reeve " REEVE_VERSION) });
}

static enum reeve_rc open_trust(struct core *c, char why[256])
{
	char text[ISSUERS_WHY_MAX] = "";
	enum reeve_rc rc = trust_open(c, text);

	if (rc != RC_OK && text[0])
		snprintf(why, 256, "%.255s", text);
	return rc == RC_OK ? tokens_new(c) : rc;
}

static enum reeve_rc open_store(struct core *c, char why[256])
{
	struct store_options o = { .path = c->cfg->data, .max_bytes = c->cfg->store_max, .no_sync = c->cfg->no_sync,
				   .journal = c->cfg->journal };
	char path[4096];
	enum reeve_rc rc;

	o.readers = c->n_loops + 8;
	if ((rc = store_open(&o, &c->store, why)) != RC_OK)
		return rc;
	snprintf(path, sizeof(path), "%s/decisions.log", c->cfg->data);
	rc = decisions_open(c->cfg->decisions ? c->cfg->decisions : path, DECISIONS_BYTES, &c->decisions);
	if (rc != RC_OK)
		snprintf(why, 256, "the log of decisions cannot be written: %.200s", c->cfg->decisions ? c->cfg->decisions : path);
	return rc == RC_OK ? open_audit(c, why) : rc;
}

static enum reeve_rc make_loops(struct core *c)
{
	enum reeve_rc rc;

	c->loops = calloc(c->n_loops, sizeof(*c->loops));
	c->per_loop = calloc(c->n_loops, sizeof(*c->per_loop));
	if (!c->loops || !c->per_loop)
		return RC_NOMEM;
	for (unsigned i = 0; i < c->n_loops; i++) {
		struct core_loop *l = &c->per_loop[i];
		if ((rc = loop_init(&c->loops[i], i)) != RC_OK)
			return rc;
		*l = (struct core_loop){ .core = c, .loop = &c->loops[i] };
		c->loops[i].data = l;
		l->policies = policy_cache_new(c->cfg->limits.policies_cached);
		if (!l->policies)
			return RC_NOMEM;
		if ((rc = st_reader_new(c->store, &l->reader)) != RC_OK)
			return rc;
	}
	return RC_OK;
}

enum reeve_rc core_start(const struct config *cfg, struct core **out, char why[256])
{
	struct core *c = calloc(1, sizeof(*c));
	const pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	enum reeve_rc rc;

	why[0] = '\0';
	if (!c)
		return RC_NOMEM;
	c->own_lock = lock;
	c->cfg = cfg;
	c->n_loops = cfg->threads ? cfg->threads : cpus > 0 ? (unsigned)cpus : 1;
	if ((rc = own_names(c, why)) != RC_OK || (rc = open_trust(c, why)) != RC_OK || (rc = open_store(c, why)) != RC_OK ||
	    (rc = make_base(c, why)) != RC_OK || (rc = make_loops(c)) != RC_OK || (rc = hub_new(c, &c->hub)) != RC_OK ||
	    (rc = enquiries_new(c, &c->enquiries)) != RC_OK || (rc = consult_new(c, &c->consult)) != RC_OK)
		goto failed;
	if ((rc = associations_open(c, why)) != RC_OK)
		goto failed;
	c->fanout_seen = fanout_seen_new(65536);
	if (!(c->forwards = forwards_new()) || !(c->relations = relations_new())) {
		rc = RC_NOMEM;
		goto failed;
	}
	if ((rc = role_repository_new(c)) != RC_OK || (rc = profile_far_new(c)) != RC_OK)
		goto failed;
	if ((rc = notifier_new(c, &c->loops[0], &c->notifier)) != RC_OK || (rc = writer_start(c, &c->writer)) != RC_OK)
		goto failed;
	c->seci[SECI_MAP_REQUEST] = relation_notified;
	for (unsigned i = 0; i < c->n_loops; i++)
		if ((rc = loop_start(&c->loops[i])) != RC_OK)
			goto failed;
	audit_process(c, "start");
	*out = c;
	return RC_OK;
failed:
	if (!why[0])
		snprintf(why, 256, "the CSE cannot start: %s", rc_name(rc));
	if (!c->loops) { /* later failures leave threads behind; the process is about to end with this message */
		tokens_free(c);
		trust_close(c);
		decisions_close(c->decisions);
		close_audit(c);
		core_look_end(c);
	}
	return rc;
}

enum reeve_rc core_begin(struct core *c, char why[256])
{
	enum reeve_rc rc = pending_resume(c);

	if (rc != RC_OK) {
		snprintf(why, 256, "what was acknowledged before the restart cannot be taken up: %s (%s)", rc_name(rc), st_why(c->store));
		return rc;
	}
	notifier_begin(c->notifier);
	atomic_store(&c->ready, true);
	return RC_OK;
}

struct stop_msg { struct loop_msg msg; struct core *c; uv_sem_t done; };

static void stop_hub(struct loop *l, struct loop_msg *m)
{
	struct stop_msg *s = (struct stop_msg *)m;
	(void)l;
	notifier_stop(s->c->notifier);
	for (unsigned i = 0; i < s->c->n_transports; i++)
		if (s->c->transports[i].stop)
			s->c->transports[i].stop(s->c->transports[i].ctx);
	consult_stop(s->c->consult);
	hub_stop(s->c->hub);
	associations_stop(s->c);
	uv_sem_post(&s->done);
}

void core_stop(struct core *c)
{
	struct stop_msg s = { .msg = { .fn = stop_hub }, .c = c };

	atomic_store(&c->ready, false);
	uv_sem_init(&s.done, 0);
	loop_post(&c->loops[0], &s.msg);
	uv_sem_wait(&s.done);
	uv_sem_destroy(&s.done);
	writer_stop(c->writer);
	for (unsigned i = 0; i < c->n_loops; i++)
		loop_stop(&c->loops[i]);
	for (unsigned i = 0; i < c->n_loops; i++) /* until then they talk to each other, and try to submit */
		loop_join(&c->loops[i]);
	writer_free(c->writer);
	for (unsigned i = 0; i < c->n_loops; i++) {
		loop_close(&c->loops[i]);
		policy_cache_free(c->per_loop[i].policies);
		st_reader_free(c->per_loop[i].reader);
	}
	for (unsigned i = 0; i < c->n_transports; i++)
		if (c->transports[i].free)
			c->transports[i].free(c->transports[i].ctx);
	associations_close(c);
	registrar_free(c->registrar);
	notifier_free(c->notifier);
	enquiries_free(c->enquiries);
	role_repository_free(c);
	profile_far_free(c);
	own_end(c);
	consult_free(c->consult);
	relations_free(c->relations);
	tokens_free(c);
	trust_close(c);
	hub_free(c->hub);
	fanout_seen_free(c->fanout_seen);
	forwards_free(c->forwards);
	decisions_close(c->decisions);
	audit_process(c, "stop");
	close_audit(c);
	store_close(c->store);
	locate_free(c->locate);
	free((char *)c->home.abs.p);
	free(c->loops);
	free(c->per_loop);
	free(c);
}

/* --- looking --- */

enum reeve_rc core_look(const struct config *cfg, struct core **out, char why[256])
{
	struct store_options o = { .path = cfg->data, .max_bytes = cfg->store_max, .readers = 4, .read_only = true };
	struct core *c = calloc(1, sizeof(*c));
	enum reeve_rc rc;

	why[0] = '\0';
	*out = NULL;
	if (!c)
		return RC_NOMEM;
	c->cfg = cfg;
	if ((rc = own_names(c, why)) == RC_OK && (rc = store_open(&o, &c->store, why)) == RC_OK) {
		*out = c;
		return RC_OK;
	}
	if (!why[0])
		snprintf(why, 256, "%s", rc_name(rc));
	core_look_end(c);
	return rc;
}

void core_look_end(struct core *c)
{
	store_close(c->store);
	locate_free(c->locate);
	free((char *)c->home.abs.p);
	free(c);
}

/* --- odds and ends --- */

void core_add_transport(struct core *c, const struct transport *t)
{
	unsigned n = atomic_load(&c->n_transports);

	if (n == CORE_TRANSPORTS)
		return;
	c->transports[n] = *t;
	atomic_store(&c->n_transports, n + 1);
}

const struct transport *core_transport(const struct core *c, struct slice url)
{
	for (unsigned i = 0; i < c->n_transports; i++) {
		struct slice scheme = slice_str(c->transports[i].scheme);
		if (url.n > scheme.n + 3 && slice_ieq(slice_of(url.p, scheme.n), scheme) &&
		    slice_starts(slice_skip(url, scheme.n), S("://")))
			return &c->transports[i];
	}
	return NULL;
}

bool core_healthy(const struct core *c, char why[256])
{
	if (!atomic_load(&((struct core *)c)->ready)) {
		snprintf(why, 256, "starting or stopping");
		return false;
	}
	if (atomic_load(&((struct core *)c)->store_failed)) {
		snprintf(why, 256, "the store cannot be written: %s", st_why(c->store));
		return false;
	}
	return true;
}
