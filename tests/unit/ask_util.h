/* SPDX-License-Identifier: Apache-2.0 */
/* Requests with a query, for tests of filters, groups and listings. Include after notify_util.h. */
#ifndef REEVE_TESTS_ASK_UTIL_H
#define REEVE_TESTS_ASK_UTIL_H

#include "notify_util.h"

struct asked {
	int rsc, cnst;
	uint32_t cnot;
	char *out;   /* content, or debug text; until the next ask on the same struct */
};

/* One parameter as HTTP has it; lists are joined with '+'. */
static inline void ask_parameter(struct req *r, struct slice name, struct slice value)
{
	struct slice why;
	uint64_t n = 0;

	slice_u64(value, &n);
	if (slice_eq(name, S("rcn"))) {
		r->rcn = (int)n;
		r->has |= HAS_RCN;
	} else if (slice_eq(name, S("drt"))) {
		r->drt = (int)n;
		r->has |= HAS_DRT;
	} else if (slice_eq(name, S("gid"))) {
		r->gid = value;
	} else if (slice_eq(name, S("grtm"))) {
		struct slice *v = arena_array(&r->arena, 64, sizeof(*v));

		while (value.p)
			v[r->n_grtm++] = slice_cut(&value, '+');
		r->grtm = v;
		r->has |= HAS_GRTM;
	} else {
		while (value.p) {
			struct slice one = slice_cut(&value, '+');
			enum reeve_rc rc = filter_add(&r->fc, &r->arena, name, one, &why);

			if (rc == RC_NOTFOUND)
				rc = filter_attr_add(&r->fc, &r->arena, name, one);
			assert_int_equal(rc, RC_OK);
		}
		r->has |= HAS_FC;
	}
}

static inline void ask_on_loop(struct loop *l, struct loop_msg *m)
{
	struct call *k = (struct call *)m;
	(void)l;
	core_submit(k->t->core, &k->r);
}

/* Send and wait. `query` may be NULL; pc and ty for Create and Update. */
static inline int ask_full(struct cse *t, enum op op, const char *fr, const char *to, int ty, const char *pc, const char *query,
			   struct asked *a)
{
	struct call *k = calloc(1, sizeof(*k));
	struct slice rest = slice_str(query);

	k->t = t;
	sem_init(&k->done, 0, 0);
	req_init(&k->r, &t->core->loops[0], t->cfg.limits.request_memory, t->cfg.limits.response);
	k->r.op = op;
	k->r.fr = slice_str(fr);
	k->r.to = slice_str(to);
	k->r.rqi = S("t1");
	k->r.peer = (struct peer){ .ip = { [15] = 1 }, .ip_known = true, .open = t->cfg.http.open }; /* from this machine */
	k->r.rvi = S("3");
	k->r.pc = slice_str(pc);
	k->r.pc_serial = SERIAL_JSON;
	if (ty)
		k->r.ty = ty, k->r.has |= HAS_TY;
	while (rest.p && rest.n) {
		struct slice value = slice_cut(&rest, '&'), name = slice_cut(&value, '=');
		ask_parameter(&k->r, name, value);
	}
	k->r.received = clock_wall();
	k->r.done = call_over;
	k->r.owner = k;
	k->msg.fn = ask_on_loop;
	loop_post(&t->core->loops[0], &k->msg);
	while (sem_wait(&k->done) != 0)
		;
	free(a->out);
	*a = (struct asked){ .rsc = k->r.rsc, .cnst = k->r.cnst, .cnot = k->r.cnot,
			     .out = copy(k->r.rsc >= 4000 ? k->r.dbg : buf_view(&k->r.out)) };
	snprintf(last_refusal, sizeof(last_refusal), "%s", a->rsc >= 4000 ? a->out : "");
	req_free(&k->r);
	sem_destroy(&k->done);
	free(k);
	return a->rsc;
}

static inline int ask(struct cse *t, const char *fr, const char *to, const char *query, struct asked *a)
{
	return ask_full(t, OP_RETRIEVE, fr, to, 0, NULL, query, a);
}

static inline void made(struct cse *t, const char *fr, const char *to, int ty, const char *pc)
{
	int rsc = call(t, OP_CREATE, fr, to, ty, pc);
	if (rsc != 2001)
		fail_msg("create below %s: %d %s", to, rsc, last_refusal);
}

#endif
