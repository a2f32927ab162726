/* SPDX-License-Identifier: Apache-2.0 */
/* The reader of case files. Invariants: what it refuses it gives a reason for; every case it accepts is complete and within bounds. */
#include <math.h>
#include <stdlib.h>

#include "authz/cases.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void look(const struct policy_case *c)
{
	check(c->name.n && c->from.n && c->op && !(c->op & (c->op - 1)) && c->op <= ACOP_DISCOVERY);
	check(c->op != ACOP_CREATE || c->child_ty > 0);
	check(c->target_ty > 0 && c->target_mgd >= -1 && case_operation(slice_str(acop_name(c->op))) == c->op);
	check(!c->position_known || (fabs(c->latitude) <= 90 && fabs(c->longitude) <= 180));
	check(c->country[2] == '\0' && case_outcome_name(c->expect)[0]);
	for (size_t i = 0; i < c->n_roles; i++)
		check(c->roles[i].n > 0);
	for (size_t i = 0; i < c->n_policies; i++)
		check(c->policies[i].n > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	struct slice why = { NULL, 0 };
	struct cases cases;
	struct arena a;
	enum reeve_rc rc;

	if (!text)
		return 0;
	memcpy(text, data, size);
	arena_init(&a, NULL, 0, 64 << 20);
	rc = cases_read(&a, slice_of(text, size), &cases, &why);
	check(rc == RC_OK || rc == RC_NOMEM || why.n);
	for (size_t i = 0; rc == RC_OK && i < cases.n; i++)
		look(&cases.v[i]);
	arena_reset(&a);
	free(text);
	return 0;
}
