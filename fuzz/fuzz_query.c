/* SPDX-License-Identifier: Apache-2.0 */
/* Request targets from hostile hands. Beyond not crashing: an address that was accepted, written as a path, is read as the same
 * address; text that goes on into resources and answers is UTF-8. */
#include <stdlib.h>

#include "binding/http/map.h"
#include "binding/query.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void require(bool ok)
{
	if (!ok)
		abort();
}

static struct req *fresh(void)
{
	struct req *r = aligned_alloc(16, (sizeof(*r) + 15) & ~(size_t)15);

	require(r != NULL);
	memset(r, 0, sizeof(*r));
	req_init(r, NULL, 1 << 20, 1 << 20);
	return r;
}

static void drop(struct req *r)
{
	req_free(r);
	free(r);
}

static void check_list(const struct filter_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		require(slice_utf8(l->v[i]));
}

static void check_texts(const struct slice *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		require(v[i].n > 0 && slice_utf8(v[i]));
}

static void same_texts(const struct slice *a, size_t n, const struct slice *b, size_t m)
{
	require(n == m);
	for (size_t i = 0; i < n; i++)
		require(slice_eq(a[i], b[i]));
}

/* Claims written into a query are read as the same claims. */
static void check_claims(const struct req *r)
{
	struct req *again = fresh();
	struct buf b;

	buf_init(&b, 1 << 22);
	buf_lit(&b, "/cse");
	query_write(&b, r, false, '?');
	http_map_target(again, buf_view(&b));
	require(again->bad.p == NULL);
	same_texts(r->rids, r->n_rids, again->rids, again->n_rids);
	same_texts(r->tids, r->n_tids, again->tids, again->n_tids);
	same_texts(r->ltids, r->n_ltids, again->ltids, again->n_ltids);
	require(r->tqi == again->tqi && r->asi == again->asi && r->auri == again->auri);
	buf_free(&b);
	drop(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct req *r = fresh(), *again = fresh();
	struct buf path;

	http_map_target(r, slice_of((const char *)data, n));
	require(slice_utf8(r->to));
	for (size_t i = 0; i < r->n_atrl; i++)
		require(slice_utf8(r->atrl[i]));
	check_texts(r->rids, r->n_rids);
	check_texts(r->tids, r->n_tids);
	check_texts(r->ltids, r->n_ltids);
	check_list(&r->fc.lbl);
	check_list(&r->fc.lbq);
	check_list(&r->fc.clbl);
	if (!r->bad.p) { /* what is refused goes nowhere */
		check_claims(r);
		require(r->to.n > 0);
		check_claims(r); /* what is refused is not written anew */
		buf_init(&path, 1 << 22);
		http_map_path(&path, r->to);
		http_map_target(again, buf_view(&path));
		require(again->bad.p == NULL && slice_eq(again->to, r->to));
		buf_free(&path);
	}
	drop(r);
	drop(again);
	return 0;
}
