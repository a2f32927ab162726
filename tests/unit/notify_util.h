/* SPDX-License-Identifier: Apache-2.0 */
/* A whole CSE in the test's process, without a listener: requests go in by core_submit, what it sends comes out at a transport of the
 * test's ("test://..."), whose answers the test decides. Include after cmocka.h. */
#ifndef REEVE_TESTS_NOTIFY_UTIL_H
#define REEVE_TESTS_NOTIFY_UTIL_H

#include <ftw.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "codec/text.h"
#include "core/core.h"

enum { SENT_MOST = 4096, WAIT_S = 20 };
enum { HOLD = -1, NO_CONNECTION = 0, NO_ANSWER = 1 };

struct sent {
	char *url, *pc, *fr, *entity;
	int ec;
	enum serial serial;
	usec when;
	struct send *s;      /* until answered */
};

struct cse {
	char path[64];
	struct config cfg;
	struct core *core;
	pthread_mutex_t lock;
	pthread_cond_t news;
	struct sent sent[SENT_MOST];
	size_t n_sent;
	int (*answer)(struct cse *t, const char *url, size_t nth); /* NULL: 2000 */
	const char *content;  /* of answers */
	size_t taken;         /* by next_sent */
};

/* --- transport --- */

struct reply { struct loop_msg msg; struct send *s; int rsc; const char *pc; };

static inline void reply_on_hub(struct loop *l, struct loop_msg *m)
{
	struct reply *r = (struct reply *)m;

	(void)l;
	r->s->done(r->s, &(struct rsp){ .rsc = r->rsc, .pc = slice_str(r->pc) });
	free(r);
}

static inline void reply(struct cse *t, struct send *s, int rsc, const char *pc)
{
	struct reply *r = calloc(1, sizeof(*r));

	*r = (struct reply){ .msg.fn = reply_on_hub, .s = s, .rsc = rsc, .pc = pc };
	loop_post(&t->core->loops[0], &r->msg);
}

static inline char *copy(struct slice s)
{
	char *p = calloc(1, s.n + 1);
	if (s.n)
		memcpy(p, s.p, s.n);
	return p;
}

static inline void test_send(void *ctx, struct send *s)
{
	struct cse *t = ctx;
	struct sent *e;
	int rsc;

	pthread_mutex_lock(&t->lock);
	if (t->n_sent == SENT_MOST)
		abort();
	e = &t->sent[t->n_sent++];
	*e = (struct sent){ .url = copy(s->url), .pc = copy(s->pc), .fr = copy(s->fr), .entity = copy(s->entity), .ec = s->ec, .serial = s->serial,
			    .when = clock_wall(), .s = s };
	rsc = t->answer ? t->answer(t, e->url, t->n_sent) : 2000;
	if (rsc != HOLD) {
		e->s = NULL;
		reply(t, s, rsc, t->content);
	}
	pthread_cond_broadcast(&t->news);
	pthread_mutex_unlock(&t->lock);
}

/* --- life --- */

static inline void cse_start(struct cse *t)
{
	struct transport tr = { .scheme = "test", .ctx = t, .send = test_send };
	char why[256];

	if (core_start(&t->cfg, &t->core, why) != RC_OK) {
		print_error("%s\n", why);
		fail();
	}
	core_add_transport(t->core, &tr);
	if (core_begin(t->core, why) != RC_OK) {
		print_error("%s\n", why);
		fail();
	}
}

static inline void cse_forget_sent(struct cse *t)
{
	for (size_t i = 0; i < t->n_sent; i++) {
		free(t->sent[i].url);
		free(t->sent[i].pc);
		free(t->sent[i].fr);
		free(t->sent[i].entity);
	}
	t->n_sent = t->taken = 0;
}

static inline int cse_setup(void **state)
{
	struct cse *t = calloc(1, sizeof(*t));
	const char *tmp = getenv("TMPDIR");

	snprintf(t->path, sizeof(t->path), "%.40s/reeve-XXXXXX", tmp ? tmp : "/tmp");
	if (!mkdtemp(t->path))
		return -1;
	config_defaults(&t->cfg);
	t->cfg.data = t->path;
	t->cfg.no_sync = true;
	t->cfg.threads = 1;
	t->cfg.http.open = true;
	t->cfg.admin = S("CAdmin");
	t->cfg.verify_subscriptions = false;
	t->cfg.store_max = (uint64_t)256 << 20;
	t->cfg.log_level = 3;
	t->cfg.notify.retry_first = 20 * USEC_MS;
	t->cfg.notify.retry_most = 100 * USEC_MS;
	pthread_mutex_init(&t->lock, NULL);
	pthread_cond_init(&t->news, NULL);
	cse_start(t);
	*state = t;
	return 0;
}

static inline int remove_file(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st, (void)flag, (void)ftw;
	return remove(path);
}

static inline int cse_teardown(void **state)
{
	struct cse *t = *state;

	if (t->core)
		core_stop(t->core);
	cse_forget_sent(t);
	nftw(t->path, remove_file, 8, FTW_DEPTH | FTW_PHYS);
	free(t);
	return 0;
}

#define cse_test(f) cmocka_unit_test_setup_teardown(f, cse_setup, cse_teardown)

/* --- requests --- */

struct call {
	struct loop_msg msg;
	struct req r;
	struct cse *t;
	sem_t done;
	bool over;
};

static char last_refusal[512]; /* debug text of the last answer that refused */

static inline void call_over(struct req *r)
{
	struct call *k = r->owner;
	__atomic_store_n(&k->over, true, __ATOMIC_SEQ_CST);
	sem_post(&k->done);
}

static inline void call_on_loop(struct loop *l, struct loop_msg *m)
{
	struct call *k = (struct call *)m;
	(void)l;
	core_submit(k->t->core, &k->r);
}

/* A request that the caller may add to; then call_go. Strings must outlive it. */
static inline struct call *call_new(struct cse *t, enum op op, const char *fr, const char *to, int ty, const char *pc)
{
	struct call *k = calloc(1, sizeof(*k));
	struct req *r = &k->r;

	k->t = t;
	sem_init(&k->done, 0, 0);
	req_init(r, &t->core->loops[0], 1 << 20, 1 << 20);
	r->op = op;
	r->fr = slice_str(fr);
	r->to = slice_str(to);
	r->rqi = S("t1");
	r->peer = (struct peer){ .ip = { [15] = 1 }, .ip_known = true, .open = t->cfg.http.open }; /* from this machine */
	r->rvi = S("3");
	if (ty) {
		r->ty = ty;
		r->has |= HAS_TY;
	}
	r->pc = slice_str(pc);
	r->pc_serial = SERIAL_JSON;
	r->done = call_over;
	r->owner = k;
	k->msg.fn = call_on_loop;
	return k;
}

/* On its way; end it with call_end. */
static inline struct call *call_go(struct call *k)
{
	k->r.received = clock_wall();
	loop_post(&k->t->core->loops[0], &k->msg);
	return k;
}

/* rqet: NULL or a timestamp or milliseconds. */
static inline struct call *call_begin(struct cse *t, enum op op, const char *fr, const char *to, int ty, const char *pc, const char *rqet)
{
	struct call *k = call_new(t, op, fr, to, ty, pc);

	if (rqet)
		k->r.rqet = slice_str(rqet);
	return call_go(k);
}

static inline bool call_pending(struct call *k) { return !__atomic_load_n(&k->over, __ATOMIC_SEQ_CST); }

/* Wait for the answer; *out (may be NULL) gets its content, to be freed. Returns rsc. */
static inline int call_end(struct call *k, char **out)
{
	struct timespec until;
	int rsc;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += WAIT_S;
	if (sem_timedwait(&k->done, &until) != 0)
		fail_msg("no answer to a request to %.*s", SF(k->r.to));
	rsc = k->r.rsc;
	snprintf(last_refusal, sizeof(last_refusal), "%.*s", SF(rsc >= 4000 ? k->r.dbg : S("")));
	if (out)
		*out = copy(rsc >= 4000 ? k->r.dbg : buf_view(&k->r.out));
	req_free(&k->r);
	sem_destroy(&k->done);
	free(k);
	return rsc;
}

static inline int call(struct cse *t, enum op op, const char *fr, const char *to, int ty, const char *pc)
{
	return call_end(call_begin(t, op, fr, to, ty, pc, NULL), NULL);
}

static inline char *get(struct cse *t, const char *fr, const char *to)
{
	char *out;
	int rsc = call_end(call_begin(t, OP_RETRIEVE, fr, to, 0, NULL, NULL), &out);

	if (rsc != 2000) {
		print_error("retrieve of %s: %d %s\n", to, rsc, out);
		fail();
	}
	return out;
}

#define must(call_, want) do { \
		int got_ = (call_); \
		if (got_ != (want)) \
			fail_msg("%s: %d instead of %d (%s)", #call_, got_, (want), last_refusal); \
	} while (0)

/* --- what was sent --- */

/* The nth message (from 0); waits for it. */
static inline struct sent *nth_sent(struct cse *t, size_t n)
{
	struct timespec until;
	bool there;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += WAIT_S;
	pthread_mutex_lock(&t->lock);
	while (t->n_sent <= n)
		if (pthread_cond_timedwait(&t->news, &t->lock, &until) != 0)
			break;
	there = t->n_sent > n;
	pthread_mutex_unlock(&t->lock);
	if (!there)
		fail_msg("message %zu was never sent", n);
	return &t->sent[n];
}

static inline struct sent *next_sent(struct cse *t) { return nth_sent(t, t->taken++); }

/* The messages sent to one address so far, without waiting. */
static inline size_t sent_to(struct cse *t, const char *url)
{
	size_t n = 0;

	pthread_mutex_lock(&t->lock);
	for (size_t i = 0; i < t->n_sent; i++)
		n += strcmp(t->sent[i].url, url) == 0;
	pthread_mutex_unlock(&t->lock);
	return n;
}

/* The nth message (from 0) to one address; waits for it. */
static inline struct sent *nth_sent_to(struct cse *t, const char *url, size_t nth)
{
	for (size_t i = 0;; i++) {
		struct sent *s = nth_sent(t, i);
		if (strcmp(s->url, url) == 0 && nth-- == 0)
			return s;
	}
}

static inline void expect_part(const char *text, const char *part)
{
	if (!text || !strstr(text, part))
		fail_msg("%s\nis not in\n%s", part, text ? text : "(nothing)");
}

/* How often part stands in text. */
static inline size_t count(const char *text, const char *part)
{
	size_t n = 0;

	for (; (text = strstr(text, part)) != NULL; text++)
		n++;
	return n;
}

/* What fr retrieves at to has part in it. */
static inline void expect_at(struct cse *t, const char *fr, const char *to, const char *part)
{
	char *out = get(t, fr, to);

	expect_part(out, part);
	free(out);
}

static inline void expect_no_part(const char *text, const char *part)
{
	if (text && strstr(text, part))
		fail_msg("%s\nmust not be in\n%s", part ? part : "(nothing)", text);
}

#define ME "CAdmin"

static inline void container(struct cse *t, const char *to, const char *name)
{
	char pc[256];
	snprintf(pc, sizeof(pc), "{\"m2m:cnt\":{\"rn\":\"%s\"}}", name);
	must(call(t, OP_CREATE, ME, to, 3, pc), 2001);
}

/* A subscription with these members besides rn and nu (which is test://name). */
static inline void subscribe(struct cse *t, const char *to, const char *name, const char *members)
{
	char pc[2048];
	snprintf(pc, sizeof(pc), "{\"m2m:sub\":{\"rn\":\"%s\",\"nu\":[\"test://%s\"]%s%s}}", name, name, *members ? "," : "", members);
	must(call(t, OP_CREATE, ME, to, 23, pc), 2001);
}

static inline void instance(struct cse *t, const char *to, const char *con)
{
	char pc[256];
	snprintf(pc, sizeof(pc), "{\"m2m:cin\":{\"con\":\"%s\"}}", con);
	must(call(t, OP_CREATE, ME, to, 4, pc), 2001);
}

#endif
