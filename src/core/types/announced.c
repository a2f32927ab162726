/* SPDX-License-Identifier: Apache-2.0 */
/* Announced resources (TS-0004 7.4.26): copies that other CSEs keep here of what is theirs.
 *
 * Only the CSE that hosts the original, told by lnk, changes or deletes a copy, whatever policies say (AUTHZ-131). It may also read it
 * and add copies below it: the policies named in acpi are mostly its own and cannot be looked at here, where they grant nothing. */
#include "core/types/announced.h"

#include "core/work.h"

struct slice announced_cse(struct exec *x, struct arena *a, struct slice lnk)
{
	struct slice local, cse;
	return lnk.n && ident_route(a, &x->core->home, lnk, &local, &cse) == WHERE_TRANSIT ? cse : (struct slice){ NULL, 0 };
}

bool announced_owner(struct exec *x, struct req *r, const struct res *res)
{
	struct slice lnk = res_member(res, S("lnk")), cse;
	char mem[1024];
	struct arena a;
	bool yes;

	arena_init(&a, mem, sizeof(mem), 1 << 16);
	cse = lnk.n > 2 ? announced_cse(x, &a, slice_of(lnk.p + 1, lnk.n - 2)) : (struct slice){ NULL, 0 };
	yes = r->work->who.n && slice_eq(cse.n ? cse : res->creator, r->work->who);
	arena_reset(&a);
	return yes;
}

bool announced_permits(struct exec *x, struct req *r, const struct res *res, unsigned bit)
{
	(void)bit;
	return announced_owner(x, r, res);
}

enum reeve_rc announced_decide(struct exec *x, struct req *r, const struct res *res, unsigned bit)
{
	if (announced_owner(x, r, res))
		return RC_OK;
	return bit & (ACOP_UPDATE | ACOP_DELETE) ? exec_denied(x, r, res, bit, 0) : RC_AGAIN;
}

enum reeve_rc announced_check(struct exec *x, struct req *r, const struct res *parent, const struct res *old, struct draft *d)
{
	struct slice lnk = draft_string(d, S("lnk"));

	(void)parent;
	if (old && (!draft_given(d, S("lnk")) || slice_eq(lnk, S("INACTIVE"))))
		return RC_OK;
	if (!announced_cse(x, d->arena, lnk).n)
		return req_refuse(r, 4000, "lnk: the address of the original, with the CSE-ID of its CSE (/mn1/base/x)");
	return RC_OK;
}

/* Deciding alone about Update and Delete; whom it permits something else, needs no policy for that. */
#define ANNOUNCED(name, number) \
	const struct type_hooks type_##name = { .ty = number, .check = announced_check, .decide = announced_decide, \
						.permitted = announced_permits, \
						.decides = ACOP_UPDATE | ACOP_DELETE };

ANNOUNCED(acp_annc, 10001)
ANNOUNCED(container_annc, 10003)
ANNOUNCED(content_instance_annc, 10004)
ANNOUNCED(cse_base_annc, 10005)
ANNOUNCED(group_annc, 10009)
ANNOUNCED(remote_cse_annc, 10016)
ANNOUNCED(schedule_annc, 10018)
ANNOUNCED(semantic_descriptor_annc, 10024)
