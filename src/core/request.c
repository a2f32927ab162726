/* SPDX-License-Identifier: Apache-2.0 */
/* Request primitives: life cycle, refusal, and their form as the CSE writes them itself. */
#include "core/request.h"

#include <stdarg.h>
#include <stdio.h>

#include "core/rights/claims.h"

static void clear_parameters(struct req *r)
{
	/* everything before `out`, then what stands behind it; `out` and the plumbing stay */
	memset(r, 0, offsetof(struct req, out));
	r->ty = -1;
	r->rcn = -1;
	r->want = SERIAL_JSON;
	filter_init(&r->fc);
	r->cnst = 0;
	r->cnot = 0;
	r->ati = r->tqf = r->location = (struct slice){ NULL, 0 };
	r->asri = false;
	r->created = 0;
	r->passed = NULL;
	r->gone = false;
	r->work = NULL;
}

void req_init(struct req *r, struct loop *home, size_t arena_ceiling, size_t out_ceiling)
{
	r->done = NULL;
	r->owner = NULL;
	r->home = home;
	buf_init(&r->out, out_ceiling);
	arena_init(&r->arena, r->first, sizeof(r->first), arena_ceiling);
	clear_parameters(r);
}

void req_reset(struct req *r)
{
	arena_reset(&r->arena);
	buf_clear(&r->out);
	clear_parameters(r);
}

void req_free(struct req *r)
{
	arena_reset(&r->arena);
	buf_free(&r->out);
}

enum reeve_rc req_refuse(struct req *r, int rsc, const char *fmt, ...)
{
	bool starved = r->arena.failed;
	char text[512];
	va_list ap;
	int n;

	if (r->rsc >= 4000)
		return RC_REFUSED;
	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	r->rsc = rsc;
	buf_clear(&r->out);
	if (n > 0)
		r->dbg = arena_dup(&r->arena, slice_of(text, (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1));
	r->arena.failed = starved; /* to have no room for this text says nothing about the rest */
	return RC_REFUSED;
}

enum reeve_rc req_starved(struct req *r, enum reeve_rc rc)
{
	if (!r->arena.failed || r->rsc == 5000)
		return rc;
	r->rsc = 0;
	return req_refuse(r, 5000, "the request needs more memory than limits.request_memory");
}

static void member(struct buf *b, const char *sn, struct slice text)
{
	if (!text.p)
		return;
	buf_printf(b, ",\"%s\":", sn);
	buf_json(b, text);
}

void rsp_primitive(struct buf *b, const struct req *r)
{
	buf_printf(b, "\"rsc\":%d,\"rqi\":", r->rsc);
	buf_json(b, r->rqi.p ? r->rqi : S(""));
	member(b, "rvi", r->rvi.p ? r->rvi : S("3"));
	member(b, "rset", r->rset);
	if (r->cnst)
		buf_printf(b, ",\"cnst\":%d", r->cnst);
	if (r->cnot)
		buf_printf(b, ",\"cnot\":%u", r->cnot);
	claims_write_answer(b, r);
	if (r->out.n) {
		buf_lit(b, ",\"pc\":");
		buf_slice(b, buf_view(&r->out));
	} else if (r->dbg.p && !r->tqf.n) { /* beside tqf there is no debug text (TS-0009 6.5) */
		buf_lit(b, ",\"pc\":{\"m2m:dbg\":");
		buf_json(b, r->dbg);
		buf_char(b, '}');
	}
}
