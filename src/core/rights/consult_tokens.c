/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens that a DAS gives in its answer. */
#include "core/rights/consult_int.h"

bool consult_take_token(struct core *c, struct slice address, struct slice who, struct slice text, bool mapped, struct arena *a,
			struct slice *what)
{
	(void)c, (void)address, (void)who, (void)text, (void)mapped, (void)a;
	*what = S("this CSE does not process tokens yet");
	return false;
}
