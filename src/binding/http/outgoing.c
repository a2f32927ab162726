/* SPDX-License-Identifier: Apache-2.0 */
/* Answers to requests that were sent: headers to response parameters (TS-0009 6.4). The opposite of answer.c. Pure. */
#include "binding/claims.h"
#include "binding/http/map.h"

static void kept(struct arena *a, struct slice *to, struct slice v)
{
	if (!to->p)
		*to = arena_dup(a, v);
}

void http_map_answer(struct rsp *rsp, struct arena *a, struct slice name, struct slice v)
{
	uint64_t n;

	v = query_trim(v);
	for (size_t i = 0; i < v.n; i++)
		if ((unsigned char)v.p[i] < 0x20 || v.p[i] == 0x7f)
			return;
	if (!slice_utf8(v))
		return;
	if (slice_ieq(name, S("Content-Location")))
		rsp->location = http_map_address(a, v);
	else if (slice_ieq(name, S("X-M2M-Origin")))
		kept(a, &rsp->fr, v);
	else if (slice_ieq(name, S("X-M2M-OT")))
		kept(a, &rsp->ot, v);
	else if (slice_ieq(name, S("X-M2M-RST")))
		kept(a, &rsp->rset, v);
	else if (slice_ieq(name, S("X-M2M-RVI")))
		kept(a, &rsp->rvi, v);
	else if (slice_ieq(name, S("X-M2M-VSI")))
		kept(a, &rsp->vsi, v);
	else if (slice_ieq(name, S("X-M2M-EC")) && slice_u64(v, &n) && n <= 999)
		rsp->ec = (int)n;
	else if (slice_ieq(name, S("X-M2M-CTS")) && slice_u64(v, &n) && n <= 2)
		rsp->cnst = (int)n;
	else if (slice_ieq(name, S("X-M2M-CTO")) && slice_u64(v, &n) && n <= UINT32_MAX)
		rsp->cnot = (uint32_t)n;
	else if (slice_ieq(name, S("X-M2M-ATI")))
		rsp->ati = claim_ati_read(a, v);
	else if (slice_ieq(name, S("X-M2M-ASRI")))
		rsp->asri = slice_eq(v, S("true")) || slice_eq(v, S("1"));
}
