/* SPDX-License-Identifier: Apache-2.0 */
/* /metrics: every counter, and the size of the store. /healthz: 200 "ready", or 503 and why not. */
#include "admin/pages.h"

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
	gauge(b, "trash", "removed subtrees still being swept", s.entries[ST_TRASH]);
}

enum http_page_result admin_page(struct http_page_call *call)
{
	char why[256];

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
