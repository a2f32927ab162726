/* SPDX-License-Identifier: Apache-2.0 */
/* Answers of other CSEs from hostile hands: headers of an HTTP answer, an address in Content-Location, and m2m:rsp from a polling channel.
 * What is taken from them becomes part of our own answer: that is one HTTP message that ends where it says, with no header of theirs. */
#include <http_parser.h>
#include <stdlib.h>

#include "binding/http/map.h"
#include "core/primitive.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void require(bool ok)
{
	if (!ok)
		abort();
}

static int on_complete(http_parser *p)
{
	http_parser_pause(p, 1);
	return 0;
}

static bool known(const char *at, size_t n)
{
	static const char *const names[] = { "X-M2M-RSC", "X-M2M-RI", "X-M2M-RST", "X-M2M-CTS", "X-M2M-CTO", "Content-Location", "X-M2M-ATI",
					     "X-M2M-ASRI", "X-M2M-Origin", "X-M2M-OT", "X-M2M-VSI", "X-M2M-EC", "Content-Type", "Content-Length" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strlen(names[i]) == n && !memcmp(names[i], at, n))
			return true;
	return false;
}

static int on_field(http_parser *p, const char *at, size_t n)
{
	(void)p;
	require(known(at, n));
	return 0;
}

static void check(struct req *r, const struct rsp *rsp)
{
	static const http_parser_settings settings = { .on_message_complete = on_complete, .on_header_field = on_field };
	http_parser p;
	struct buf b;

	r->op = OP_CREATE;
	r->rqi = S("1");
	r->rsc = 2001;
	r->want = SERIAL_JSON;
	r->location = rsp->location;
	r->rset = rsp->rset;
	r->cnst = rsp->cnst;
	r->cnot = rsp->cnot;
	r->asri = rsp->asri;
	r->passed = rsp;
	buf_init(&b, 1 << 24);
	http_map_response(&b, r, true);
	require(!b.failed);
	http_parser_init(&p, HTTP_RESPONSE);
	require(http_parser_execute(&p, &settings, b.p, b.n) == b.n);
	require(HTTP_PARSER_ERRNO(&p) == HPE_PAUSED);
	buf_free(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct slice text = slice_of((const char *)data, n), rest = text, why, rqi;
	struct rsp rsp = { .rsc = 2001 };
	struct json j;
	struct req *r;
	uint32_t at;

	if (n > 65536 || !(r = aligned_alloc(16, (sizeof(*r) + 15) & ~(size_t)15)))
		return 0;
	req_init(r, NULL, 1 << 22, 1 << 20);
	while (rest.n) {
		struct slice v = slice_cut(&rest, '\n'), name = slice_cut(&v, ':');
		http_map_answer(&rsp, &r->arena, name, v);
	}
	check(r, &rsp);
	if (json_parse(&r->arena, text, &json_default_limits, &j, &why) == RC_OK && (at = json_member(&j, 0, S("m2m:rsp"))) &&
	    json_kind(&j, at) == J_OBJECT && primitive_read(&r->arena, &j, at, &rsp, &rqi))
		check(r, &rsp);
	req_free(r);
	free(r);
	return 0;
}
