/* SPDX-License-Identifier: Apache-2.0 */
/* Events of requests on their way to the audit log. */
#include "core/audited.h"

#include "core/work.h"

/* What the request at work says of itself. */
static void complete(const struct exec *x, struct audit_what *what)
{
	const struct req *r = x->by;

	what->when = x->now;
	if (!r) {
		if (!what->who.n)
			what->who = x->core->home.abs;
		return;
	}
	if (!what->who.n)
		what->who = r->work && r->work->internal ? x->core->home.abs : r->work && r->work->who.n ? r->work->who : r->fr;
	if (!what->request.n)
		what->request = r->rqi;
	if (!what->ip && r->peer.ip_known)
		what->ip = r->peer.ip;
}

void audited(struct exec *x, const struct audit_what *what)
{
	struct audit_what w = *what;
	struct buf line;

	if (!audit_wants(x->core->audit, w.kind))
		return;
	complete(x, &w);
	buf_init(&line, 8192);
	audit_write(&line, &w);
	if (x->audit)
		buf_slice(x->audit, buf_view(&line)); /* whole or, beyond the ceiling, not at all */
	else
		audit_add(x->core->audit, buf_view(&line));
	buf_free(&line);
}
