/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens that a DAS gives in its answer: only of one that is a configured issuer, for nobody else's could they be (AUTHZ-193). */
#include "core/rights/consult_int.h"

#include "core/core.h"
#include "core/rights/tokens.h"
#include "core/trust.h"

bool consult_take_token(struct core *c, struct slice address, struct slice who, uint64_t ae, struct slice text, bool mapped,
			struct arena *a, struct slice *what)
{
	struct issuers *issuers = trust_issuers(c);
	const struct issuer *das = issuers_by_das(issuers, address);
	struct slice id = { NULL, 0 }, why = { NULL, 0 };
	enum token_fault f = TOKEN_ISSUER;

	if (das && c->tokens)
		f = tokens_take(c, a, who, ae, das, text, mapped, &id, &why);
	issuers_put(issuers);
	*what = f == TOKEN_GOOD ? id : why.n ? why : slice_str(token_fault_text(f));
	return f == TOKEN_GOOD;
}
