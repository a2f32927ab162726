/* SPDX-License-Identifier: Apache-2.0 */
/* <CSEBase> (TS-0004 7.4.3): made at start-up (core.c); no operation but Retrieve and what its children need.
 *
 * Its policy names AEs that are registered by a pattern of their AE-IDs. There is none for CSEs that are: they are looked up. What CSEs
 * have to tell each other needs no policy. */
#include "core/types.h"
#include "core/cse/way.h"
#include "core/registration/moved.h"
#include "core/work.h"

bool cse_base_grants(struct exec *x, const struct req *r, const struct res *target, unsigned bit, int32_t child_ty)
{
	const struct config *cfg = x->core->cfg;
	bool announces = bit == ACOP_CREATE && (child_ty == TYPE_AE_ANNC || child_ty == TYPE_CSEBASE_ANNC);
	unsigned granted = cfg->base.registree | (cfg->base.create_all || announces ? ACOP_CREATE : 0);
	struct res cse;

	if (target->h.ty == TYPE_CSEBASE && bit == ACOP_NOTIFY && moved_believed(x->core, r))
		return true;
	return target->h.ty == TYPE_CSEBASE && bit & granted && r->work->who.n && r->work->who_form != ID_STEM &&
	       way_neighbour(x, r->work->who, &cse) == RC_OK;
}

const struct type_hooks type_cse_base = { .ty = TYPE_CSEBASE };
