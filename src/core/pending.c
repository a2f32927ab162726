/* SPDX-License-Identifier: Apache-2.0 */
/* What was acknowledged, in the store and on its way to a result (see pending.h). */
#include "core/pending.h"

#include "base/log.h"
#include "core/hub.h"
#include "core/image.h"
#include "core/notify/notify_int.h"
#include "core/notify/outbox.h"
#include "core/own.h"
#include "core/work.h"

static const usec store_pause = USEC_S; /* until the next attempt to enter a result */

struct slice pending_key(uint64_t n, char room[PENDING_KEY_LEN])
{
	for (int i = PENDING_KEY_LEN - 1; i >= 0; i--, n >>= 8)
		room[i] = (char)(n & 0xff);
	return slice_of(room, PENDING_KEY_LEN);
}

uint64_t pending_key_read(struct slice key)
{
	uint64_t n = 0;

	for (size_t i = 0; i < key.n; i++)
		n = n << 8 | (unsigned char)key.p[i];
	return n;
}

enum reeve_rc pending_put(struct exec *x, uint64_t key, const struct req *r)
{
	char room[PENDING_KEY_LEN];
	enum reeve_rc rc;
	struct buf b;

	buf_init(&b, SIZE_MAX / 2);
	image_write(&b, r);
	rc = b.failed ? RC_NOMEM : st_put(x->tx, ST_PENDING, pending_key(key, room), buf_view(&b));
	buf_free(&b);
	return rc;
}

enum reeve_rc pending_drop(struct exec *x, uint64_t key)
{
	char room[PENDING_KEY_LEN];
	enum reeve_rc rc = st_del(x->tx, ST_PENDING, pending_key(key, room));

	return rc == RC_NOTFOUND ? RC_OK : rc;
}

/* --- the end --- */

bool pending_wanted(struct exec *x, struct req *r)
{
	struct res request;

	return !r->work->request.n || (tree_get(x->tx, r->work->request, &request) == RC_OK && tree_alive(x->tx, &request, x->now));
}

/* The result to whom it is due (rt 2): to the targets that were named (CORE-105), or to the Originator. */
static enum reeve_rc send_result(struct exec *x, const struct req *r)
{
	struct core *c = x->core;
	struct outbox_entry e = { .sub = { 0, r->work->pending }, .when = x->now, .kind = OB_RESULT, .flags = OB_PLAIN | OB_SURVIVES };
	const struct slice *to = r->has & HAS_RTU ? r->rtu : &r->fr;
	const size_t n = r->has & HAS_RTU ? r->n_rtu : r->fr.n > 0;
	struct buf targets, content;
	enum reeve_rc rc = RC_NOMEM;

	if (!n)
		return RC_OK;
	if (notifier_full(c->notifier)) {
		metrics_inc(&c->metrics, limit_outbox);
		return RC_OK;
	}
	buf_init(&targets, SIZE_MAX / 2);
	buf_init(&content, SIZE_MAX / 2);
	for (size_t i = 0; i < n; i++) {
		buf_char(&targets, i ? ',' : '[');
		buf_json(&targets, to[i]);
	}
	buf_char(&targets, ']');
	buf_lit(&content, "{\"m2m:rsp\":{");
	rsp_primitive(&content, r);
	buf_lit(&content, "}}");
	e.targets = buf_view(&targets);
	e.sgn = buf_view(&content);
	if (!targets.failed && !content.failed)
		rc = outbox_put(x, &e);
	buf_free(&targets);
	buf_free(&content);
	return rc;
}

enum reeve_rc pending_finish(struct exec *x, struct req *r)
{
	enum reeve_rc rc = pending_drop(x, r->work->pending);

	if (rc == RC_OK && r->work->request.n)
		rc = nonblocking_enter(x, r);
	if (rc == RC_OK && r->rt == RT_NONBLOCK_ASYNC)
		rc = send_result(x, r);
	return rc;
}

static enum reeve_rc run_finish(struct write_job *j, struct exec *x)
{
	struct req *r = ((struct req_work *)j)->r;
	return pending_wanted(x, r) ? pending_finish(x, r) : RC_OK;
}

static void finished(struct write_job *j, enum reeve_rc rc)
{
	struct req *r = ((struct req_work *)j)->r;
	struct core *c = r->work->core;

	if (rc != RC_OK) {
		hub_again(c, r, clock_wall() + store_pause, pending_answer);
		return;
	}
	r->work->pending = 0;
	answer_here(c, r);
}

void pending_answer(struct core *c, struct req *r)
{
	r->work->job = (struct write_job){ .run = run_finish, .done = finished, .home = r->home };
	if (writer_submit(c->writer, &r->work->job) != RC_OK)
		hub_again(c, r, clock_wall() + QUEUE_PAUSE, pending_answer);
}

/* --- the next start --- */

static void begin(struct core *c, struct req *r)
{
	if (r->rsc)
		answer(c, r);
	else
		nonblocking_work(c, r);
}

static enum reeve_rc resume(struct core *c, struct st_tx *tx, uint64_t key, struct slice image)
{
	const struct res_key at = { RES_ROOT, key };
	struct req *r = own_request(c);
	struct res request;
	enum reeve_rc rc;

	if (!r)
		return RC_NOMEM;
	rc = image_read(r, image);
	if (rc != RC_OK) {
		arena_reset(&r->arena);
		req_reset(r);
	}
	if (!work_of(c, r)) {
		own_drop(c, r);
		return RC_NOMEM;
	}
	if (rc != RC_OK)
		req_refuse(r, 5000, "the request was acknowledged before a restart, and could not be read after it (%s)", rc_name(rc));
	r->work->pending = key;
	r->work->resumed = true; /* its times are over or not, whenever it was received */
	if (tree_get(tx, at, &request) == RC_OK && request.h.ty == TYPE_REQUEST)
		r->work->request = at;
	nonblocking_adopt(r);
	hub_keep(c, r);
	hub_run(c, r, begin);
	return RC_OK;
}

static enum reeve_rc resume_all(struct core *c, struct st_tx *tx)
{
	struct st_cursor cur;
	size_t n = 0;
	enum reeve_rc rc = st_cursor_open(tx, ST_PENDING, &cur);

	if (rc != RC_OK)
		return rc;
	for (rc = st_seek(&cur, S("")); rc == RC_OK; rc = st_next(&cur)) {
		if (cur.key.n != PENDING_KEY_LEN) {
			log_error("core", "an acknowledged request is damaged and is left alone");
			continue;
		}
		if ((rc = resume(c, tx, pending_key_read(cur.key), cur.value)) != RC_OK)
			break;
		n++;
	}
	st_cursor_close(&cur);
	if (n)
		log_info("core", "%zu requests that were acknowledged before the restart are begun again", n);
	return rc == RC_NOTFOUND ? RC_OK : rc;
}

enum reeve_rc pending_resume(struct core *c)
{
	struct st_tx *tx;
	enum reeve_rc rc = st_reader_new(c->store, &tx);

	if (rc != RC_OK)
		return rc;
	rc = st_renew(tx);
	if (rc == RC_OK) {
		rc = resume_all(c, tx);
		st_release(tx);
	}
	st_reader_free(tx);
	return rc;
}
