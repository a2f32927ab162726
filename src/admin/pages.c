/* SPDX-License-Identifier: Apache-2.0 */
/* /metrics: every counter, and the size of the store. /healthz: 200 "ready", or 503 and why not. */
#include "admin/pages.h"

#include "admin/control.h"

#include "core/association/association.h"
#include "core/cse/registrar.h"
#include "core/rights/tokens.h"

#include "authz/audit.h"
#include "core/hub.h"

static void gauge(struct buf *b, const char *name, const char *help, uint64_t v)
{
	buf_printf(b, "# HELP reeve_%s %s\n# TYPE reeve_%s gauge\nreeve_%s %llu\n", name, help, name, name, (unsigned long long)v);
}

static void counter(struct buf *b, const char *name, const char *help, uint64_t v)
{
	buf_printf(b, "# HELP reeve_%s %s\n# TYPE reeve_%s counter\nreeve_%s %llu\n", name, help, name, name, (unsigned long long)v);
}

static void tokens(struct token_cache_figures f, struct buf *b)
{
	gauge(b, "tokens_cached", "verified tokens kept (limits.tokens_cached)", f.entries);
	gauge(b, "tokens_cached_bytes", "their memory (limits.token_memory)", f.bytes);
	counter(b, "tokens_hits", "tokens found in the cache", f.hits);
	counter(b, "tokens_misses", "tokens looked for in the cache in vain", f.misses);
	counter(b, "tokens_evicted", "tokens that left the cache for others", f.evicted);
}

static void associations(struct core *c, bool client, struct buf *b)
{
	struct association_counts n;

	if (!associations_counts(c, client, &n))
		return;
	const struct { const char *listener, *client, *help; uint64_t v; } rows[] = {
		{ "tls_begun", "tls_client_begun", "handshakes begun", n.begun },
		{ "tls_done", "tls_client_done", "handshakes completed", n.done },
		{ "tls_resumed", "tls_client_resumed", "of these, sessions resumed", n.resumed },
		{ "tls_failed", "tls_client_failed", "handshakes that failed", n.failed },
		{ "tls_refused", "tls_client_refused", "of these, credentials that are not good here", n.refused },
		{ "tls_held", NULL, "handshakes that waited for a key to be fetched", n.held },
		{ "tls_hold_timeout", NULL, "of these, ended by tls.hold_time", n.hold_timeout },
		{ "tls_hold_limit", NULL, "handshakes ended by tls.held", n.hold_limit },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (!client || rows[i].client)
			counter(b, client ? rows[i].client : rows[i].listener, rows[i].help, rows[i].v);
	if (!client)
		gauge(b, "tls_holding", "handshakes that wait for a key now", n.holding);
}

static void metrics(struct core *c, struct buf *b)
{
	struct store_stat s;

	metrics_write(&c->metrics, b);
	if (tokens_cache(c))
		tokens(token_cache_figures(tokens_cache(c)), b);
	store_stat(c->store, &s);
	gauge(b, "store_bytes_used", "bytes the store occupies", s.bytes_used);
	gauge(b, "store_bytes_max", "bytes the store may occupy (store.max)", s.bytes_max);
	gauge(b, "resources", "resources stored", s.entries[ST_RES]);
	gauge(b, "outbox", "notifications waiting", s.entries[ST_OUTBOX]);
	gauge(b, "audit_lost", "events that could not be written to the audit log", audit_lost(c->audit));
	gauge(b, "parked", "requests waiting for their time or for somebody else", hub_parked(c->hub));
	gauge(b, "pending", "requests acknowledged and not executed yet", s.entries[ST_PENDING]);
	if (c->cfg->registrar.cse_id.n)
		gauge(b, "registered", "1 while this CSE is registered at its Registrar CSE", registrar_registered(c));
	gauge(b, "dynamic_policies", "policies that a Dynamic Authorization System granted and that have not ended",
	      s.entries[ST_GRANT] / 3);
	associations(c, false, b);
	associations(c, true, b);
	gauge(b, "associations", "security associations", associations_count(c));
	gauge(b, "credentials", "entries of the table of credentials", s.entries[ST_CREDENTIAL]);
	gauge(b, "trash", "removed subtrees still being swept", s.entries[ST_TRASH]);
}

enum http_page_result admin_page(struct http_page_call *call)
{
	char why[256];

	if (slice_eq(call->path, S("/credentials")) || slice_starts(call->path, S("/credentials/")))
		return control_page(call) ? PAGE_LATER : PAGE_DONE;
	if (strcmp(call->method, "GET"))
		return PAGE_NONE;
	if (slice_eq(call->path, S("/metrics"))) {
		call->type = "text/plain; version=0.0.4";
		metrics(call->core, &call->out);
		return PAGE_DONE;
	}
	if (slice_eq(call->path, S("/healthz"))) {
		call->status = core_healthy(call->core, why) ? 200 : 503;
		buf_slice(&call->out, call->status == 200 ? S("ready") : slice_str(why));
		buf_char(&call->out, '\n');
		return PAGE_DONE;
	}
	return PAGE_NONE;
}
