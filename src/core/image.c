/* SPDX-License-Identifier: Apache-2.0 */
/* One list of the parameters of a request, walked in two directions: writing, each is appended; reading, each is replaced by what the
 * bytes say. So there is no second list that could get out of step. Numbers are eight bytes in the order of this machine, like
 * everything in the store; a text is its length plus one (0: not given) and its bytes. */
#include "core/image.h"

enum { IMAGE_VERSION = 3 };

struct image {
	struct buf *out;      /* writing; NULL: reading */
	struct slice in;
	struct arena *a;
	bool bad;
};

static int64_t number(struct image *im, int64_t v)
{
	if (im->out) {
		buf_add(im->out, &v, sizeof(v));
		return v;
	}
	if (im->in.n < sizeof(v)) {
		im->bad = true;
		return 0;
	}
	memcpy(&v, im->in.p, sizeof(v));
	im->in = slice_skip(im->in, sizeof(v));
	return v;
}

/* A number of things of which each takes eight bytes at least. */
static size_t count(struct image *im, size_t n)
{
	uint64_t v = (uint64_t)number(im, (int64_t)n);

	if (!im->out && v > im->in.n / sizeof(int64_t)) {
		im->bad = true;
		return 0;
	}
	return (size_t)v;
}

static void bytes(struct image *im, void *p, size_t n)
{
	if (im->out) {
		buf_add(im->out, p, n);
	} else if (im->in.n < n) {
		im->bad = true;
	} else {
		memcpy(p, im->in.p, n);
		im->in = slice_skip(im->in, n);
	}
}

static void text(struct image *im, struct slice *s)
{
	uint64_t v = (uint64_t)number(im, s->p ? (int64_t)s->n + 1 : 0);

	if (im->out) {
		buf_slice(im->out, *s);
	} else if (!v) {
		*s = (struct slice){ NULL, 0 };
	} else if (v - 1 > im->in.n) {
		im->bad = true;
	} else {
		*s = arena_dup(im->a, slice_of(im->in.p, (size_t)v - 1));
		im->in = slice_skip(im->in, (size_t)v - 1);
	}
}

static void texts(struct image *im, struct slice **v, size_t *n)
{
	*n = count(im, *n);
	if (!im->out && !(*v = arena_array(im->a, *n + 1, sizeof(**v))))
		*n = 0;
	for (size_t i = 0; i < *n && !im->bad; i++)
		text(im, &(*v)[i]);
}

/* The same for a list that belongs to the binding. */
static void const_texts(struct image *im, const struct slice **v, size_t *n)
{
	struct slice *own = (struct slice *)(uintptr_t)*v; /* writing, it is only read */

	texts(im, &own, n);
	*v = own;
}

static void numbers(struct image *im, struct filter_nums *f)
{
	f->n = count(im, f->n);
	if (!im->out && !(f->v = arena_array(im->a, f->n + 1, sizeof(*f->v))))
		f->n = 0;
	for (size_t i = 0; i < f->n; i++)
		f->v[i] = number(im, f->v[i]);
}

static void attributes(struct image *im, struct filter_attr **v, size_t *n)
{
	*n = count(im, *n);
	if (!im->out && !(*v = arena_array(im->a, *n + 1, sizeof(**v))))
		*n = 0;
	for (size_t i = 0; i < *n && !im->bad; i++) {
		text(im, &(*v)[i].name);
		text(im, &(*v)[i].value);
	}
}

static void conditions(struct image *im, struct filter *f)
{
	usec *times[] = { &f->crb, &f->cra, &f->ms, &f->us, &f->exb, &f->exa };
	int64_t *amounts[] = { &f->sts, &f->stb, &f->sza, &f->szb, &f->lim, &f->lvl, &f->ofst };
	struct filter_list *lists[] = { &f->lbl, &f->clbl, &f->palb, &f->lbq, &f->cty, &f->smf };

	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++)
		*times[i] = number(im, *times[i]);
	for (size_t i = 0; i < sizeof(amounts) / sizeof(amounts[0]); i++)
		*amounts[i] = number(im, *amounts[i]);
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		texts(im, &lists[i]->v, &lists[i]->n);
	numbers(im, &f->ty);
	numbers(im, &f->chty);
	numbers(im, &f->pty);
	attributes(im, &f->atr, &f->n_atr);
	attributes(im, &f->catr, &f->n_catr);
	attributes(im, &f->patr, &f->n_patr);
	text(im, &f->cfq);
	text(im, &f->arp);
	f->cfs = (int)number(im, f->cfs);
	f->fu = (int)number(im, f->fu);
	f->fo = (int)number(im, f->fo);
	f->any = number(im, f->any);
}

static void peer(struct image *im, struct peer *p)
{
	bytes(im, p->ip, sizeof(p->ip));
	p->ip_known = number(im, p->ip_known);
	p->local = number(im, p->local);
	p->open = number(im, p->open);
	p->association = number(im, p->association);
	text(im, &p->cse_id);
	const_texts(im, &p->ae_ids, &p->n_ae_ids);
	text(im, &p->credential);
	text(im, &p->app_id);
}

static void parameters(struct image *im, struct req *r)
{
	struct slice *each[] = { &r->to, &r->fr, &r->rqi, &r->rvi, &r->vsi, &r->gid, &r->ot, &r->rqet, &r->rset, &r->oet, &r->rp, &r->pc,
				 &r->bad };

	r->op = (enum op)number(im, r->op);
	r->ty = number(im, r->ty);
	r->rcn = (int)number(im, r->rcn);
	r->drt = (int)number(im, r->drt);
	r->ec = (int)number(im, r->ec);
	r->rt = (enum resp_type)number(im, r->rt);
	r->has = (uint32_t)number(im, r->has);
	r->pc_serial = (enum serial)number(im, r->pc_serial);
	r->pc_bad_serial = number(im, r->pc_bad_serial);
	r->wanted = number(im, r->wanted);
	r->want_vendor = number(im, r->want_vendor);
	r->want = (enum serial)number(im, r->want);
	r->over_json = number(im, r->over_json);
	r->received = number(im, r->received);
	for (size_t i = 0; i < sizeof(each) / sizeof(each[0]); i++)
		text(im, each[i]);
	const_texts(im, &r->rtu, &r->n_rtu);
	const_texts(im, &r->atrl, &r->n_atrl);
	const_texts(im, &r->grtm, &r->n_grtm);
	const_texts(im, &r->rids, &r->n_rids);
	const_texts(im, &r->tkns, &r->n_tkns);
	const_texts(im, &r->tids, &r->n_tids);
	const_texts(im, &r->ltids, &r->n_ltids);
	const_texts(im, &r->aus, &r->n_aus);
	r->tqi = number(im, r->tqi);
	r->asi = number(im, r->asi);
	r->auri = number(im, r->auri);
	conditions(im, &r->fc);
	peer(im, &r->peer);
}

/* A new parameter belongs into one of the functions above, and IMAGE_VERSION goes up. */
_Static_assert(sizeof(struct filter) == 368 && sizeof(struct peer) == 88 && offsetof(struct req, out) == 888, "struct req has changed");

void image_write(struct buf *b, const struct req *r)
{
	struct image im = { .out = b };
	struct req copy; /* of what stands before `out` */

	memcpy(&copy, r, offsetof(struct req, out));
	(void)number(&im, IMAGE_VERSION);
	parameters(&im, &copy);
}

enum reeve_rc image_read(struct req *r, struct slice in)
{
	struct image im = { .in = in, .a = &r->arena };

	if (number(&im, 0) != IMAGE_VERSION || im.bad)
		return RC_INVALID;
	parameters(&im, r);
	if (r->arena.failed)
		return RC_NOMEM;
	if (im.bad || im.in.n || r->op < OP_CREATE || r->op > OP_NOTIFY || r->rt < RT_NONE || r->rt > RT_NO_RESPONSE)
		return RC_INVALID;
	return RC_OK;
}
