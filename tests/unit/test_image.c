/* SPDX-License-Identifier: Apache-2.0 */
/* A request as bytes and back: nothing is lost, and no bytes do harm. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>

#include "core/image.h"

static const struct slice two[] = { { "one", 3 }, { "", 0 } };

/* Something in each place. */
static void fill(struct req *r)
{
	struct slice *texts[] = { &r->to, &r->fr, &r->rqi, &r->rvi, &r->vsi, &r->gid, &r->ot, &r->rqet, &r->rset, &r->oet, &r->rp, &r->pc };
	static const char *const queries[][2] = {
		{ "crb", "20300101T000000" }, { "cra", "20200101T000000" }, { "ms", "20200102T000000" }, { "us", "20300102T000000" },
		{ "exb", "20300103T000000" }, { "exa", "20200103T000000" }, { "sts", "7" }, { "stb", "3" }, { "sza", "1" }, { "szb", "9" },
		{ "lbl", "a" }, { "lbl", "b" }, { "clbl", "c" }, { "palb", "d" }, { "lbq", "a" }, { "cty", "text/plain:0" }, { "ty", "3" },
		{ "chty", "4" }, { "pty", "2" }, { "cfs", "1" }, { "cfq", "/m2m:cin/x" }, { "fu", "1" }, { "fo", "1" }, { "lim", "5" },
		{ "lvl", "2" }, { "ofst", "1" }, { "arp", "x/la" },
	};
	struct slice why;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		*texts[i] = arena_printf(&r->arena, "text %zu", i);
	r->op = OP_UPDATE;
	r->ty = 28;
	r->rcn = 9;
	r->drt = 2;
	r->ec = 4;
	r->rt = RT_NONBLOCK_ASYNC;
	r->has = 0x155;
	r->pc_serial = SERIAL_CBOR;
	r->pc_bad_serial = r->wanted = r->want_vendor = r->over_json = true;
	r->want = SERIAL_XML;
	r->received = 1234567890123456;
	r->rtu = r->atrl = r->grtm = r->rids = r->tkns = r->tids = r->ltids = r->aus = two;
	r->n_rtu = r->n_atrl = r->n_rids = r->n_tkns = r->n_aus = 2;
	r->n_tids = r->n_ltids = 1;
	r->tqi = r->auri = true;
	r->n_grtm = 1;
	r->peer = (struct peer){ .ip = { 1, [15] = 2 }, .ip_known = true, .local = true, .association = true, .cse_id = S("//sp/cse"), .ae_ids = two, .n_ae_ids = 1,
				.credential = S("10-key"), .app_id = S("Napp") };
	for (size_t i = 0; i < sizeof(queries) / sizeof(queries[0]); i++)
		assert_int_not_equal(filter_add(&r->fc, &r->arena, slice_str(queries[i][0]), slice_str(queries[i][1]), &why), RC_NOMEM);
	assert_int_equal(filter_attr_add(&r->fc, &r->arena, S("con"), S("v")), RC_OK);
	assert_int_equal(filter_attr_add(&r->fc, &r->arena, S("c.con"), S("w")), RC_OK);
	assert_int_equal(filter_attr_add(&r->fc, &r->arena, S("p.rn"), S("x")), RC_OK);
}

static void same_texts(const struct slice *a, size_t n, const struct slice *b, size_t m)
{
	assert_int_equal(n, m);
	for (size_t i = 0; i < n; i++)
		assert_true(slice_eq(a[i], b[i]) && (a[i].p != NULL) == (b[i].p != NULL));
}

static void there_and_back(void **state)
{
	struct req *r = aligned_alloc(16, sizeof(*r)), *n = aligned_alloc(16, sizeof(*n));
	struct buf b, again, f, g;

	(void)state;
	req_init(r, NULL, 1 << 20, 1 << 20);
	req_init(n, NULL, 1 << 20, 1 << 20);
	buf_init(&b, 1 << 20);
	buf_init(&again, 1 << 20);
	buf_init(&f, 1 << 20);
	buf_init(&g, 1 << 20);
	fill(r);
	image_write(&b, r);
	assert_int_equal(image_read(n, buf_view(&b)), RC_OK);
	assert_true(slice_eq(r->pc, n->pc) && slice_eq(r->rp, n->rp) && slice_eq(r->to, n->to) && !n->bad.p);
	assert_ptr_not_equal(r->pc.p, n->pc.p);
	assert_int_equal(n->op, OP_UPDATE);
	assert_int_equal(n->received, r->received);
	assert_int_equal(n->has, r->has);
	assert_true(n->tqi && !n->asi && n->auri);
	same_texts(r->tkns, r->n_tkns, n->tkns, n->n_tkns);
	assert_true(n->peer.association && n->peer.local && n->peer.ip_known && !memcmp(n->peer.ip, r->peer.ip, 16));
	assert_true(slice_eq(n->peer.credential, S("10-key")) && slice_eq(n->peer.app_id, S("Napp")));
	same_texts(r->peer.ae_ids, r->peer.n_ae_ids, n->peer.ae_ids, n->peer.n_ae_ids);
	same_texts(r->rtu, r->n_rtu, n->rtu, n->n_rtu);
	same_texts(r->grtm, r->n_grtm, n->grtm, n->n_grtm);
	filter_to_json(&f, &r->fc);
	filter_to_json(&g, &n->fc);
	assert_true(f.n > 100 && slice_eq(buf_view(&f), buf_view(&g)));
	image_write(&again, n); /* whatever was not compared: nothing of it is lost on the way back */
	assert_true(slice_eq(buf_view(&b), buf_view(&again)));
	for (size_t cut = 0; cut < b.n; cut++) { /* no part of an image is one */
		req_reset(n);
		assert_int_equal(image_read(n, slice_of(b.p, cut)), RC_INVALID);
	}
	b.p[0]++;
	req_reset(n);
	assert_int_equal(image_read(n, buf_view(&b)), RC_INVALID); /* of another version */
	buf_free(&b);
	buf_free(&again);
	buf_free(&f);
	buf_free(&g);
	req_free(r);
	req_free(n);
	free(r);
	free(n);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(there_and_back) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
