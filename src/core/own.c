/* SPDX-License-Identifier: Apache-2.0 */
/* Requests that the core makes itself. All of them are in a list, for the end may come while they wait. */
#include "core/own.h"

#include <stdlib.h>

#include "core/hub.h"
#include "core/image.h"
#include "core/rights/tokens.h"
#include "core/work.h"

struct own {
	struct req req; /* first */
	struct own *next, **link;
};

struct req *own_request(struct core *c)
{
	struct own *b = aligned_alloc(16, (sizeof(*b) + 15) & ~(size_t)15);

	if (!b)
		return NULL;
	req_init(&b->req, &c->loops[0], c->cfg->limits.request_memory, c->cfg->limits.response);
	pthread_mutex_lock(&c->own_lock);
	b->next = c->own;
	b->link = &c->own;
	if (b->next)
		b->next->link = &b->next;
	c->own = b;
	pthread_mutex_unlock(&c->own_lock);
	return &b->req;
}

void own_drop(struct core *c, struct req *n)
{
	struct own *b = (struct own *)n;

	hub_leave(c, n);
	tokens_end(n);
	pthread_mutex_lock(&c->own_lock);
	*b->link = b->next;
	if (b->next)
		b->next->link = b->link;
	pthread_mutex_unlock(&c->own_lock);
	req_free(n);
	free(b);
}

void own_to_self(struct core *c, struct req *r, enum op op, int32_t ty, struct slice to, struct slice pc, usec now)
{
	r->op = op;
	r->to = to;
	r->fr = c->home.cse_id;
	r->rqi = S("internal");
	r->rvi = S("3");
	if (ty) {
		r->ty = ty;
		r->has |= HAS_TY;
	}
	r->pc = pc;
	r->want = r->pc_serial = SERIAL_JSON;
	r->received = now;
}

enum reeve_rc own_exec(struct exec *x, struct req *r)
{
	struct exec mine = *x;
	enum reeve_rc rc;

	if (!r->to.p || !r->pc.p || !work_of(x->core, r))
		return RC_NOMEM;
	mine.internal = true;
	r->work->internal = true;
	r->work->who = x->core->home.abs;
	r->work->who_kind = ID_CSE;
	check_content(x->core, r);
	rc = exec_request(&mine, r);
	if (rc == RC_FULL || rc == RC_IO || rc == RC_UNDO)
		return rc;
	return r->rsc >= 2000 && r->rsc < 3000 ? RC_OK : RC_INVALID;
}

void own_end(struct core *c)
{
	while (c->own)
		own_drop(c, &c->own->req);
}

struct req *own_copy(struct core *c, const struct req *r)
{
	struct req *n = own_request(c);
	struct buf b;

	if (!n)
		return NULL;
	buf_init(&b, SIZE_MAX / 2);
	image_write(&b, r);
	if (b.failed || image_read(n, buf_view(&b)) != RC_OK || !work_of(c, n)) {
		own_drop(c, n);
		n = NULL;
	}
	buf_free(&b);
	return n;
}
