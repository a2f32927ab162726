/* SPDX-License-Identifier: Apache-2.0 */
/* What a table cannot say about a resource type: hooks, one file per type in core/types/.
 *
 * A type without a row here is known to the model but not implemented: Create answers 5001. All hooks may be NULL.
 * Every hook records refusals in r (req_refuse) and returns RC_REFUSED. */
#ifndef REEVE_CORE_TYPES_H
#define REEVE_CORE_TYPES_H

#include "core/config.h"
#include "core/draft.h"
#include "core/exec.h"

struct type_hooks {
	int32_t ty;
	const char *late;        /* an attribute that the model forbids in Update, and check decides about; NULL */
	/* Create: instead of the access decision on the parent (registration). */
	enum reeve_rc (*admit)(struct exec *x, struct req *r, const struct res *parent);
	/* Create (old == NULL) or Update: checks of the outcome beyond the model, completion of attributes. Nothing is stored
	 * yet. Writer. */
	enum reeve_rc (*check)(struct exec *x, struct req *r, const struct res *parent, const struct res *old, struct draft *d);
	/* Stored; consequences in the same transaction. For Update, `old` is a copy of the head and text before. */
	enum reeve_rc (*created)(struct exec *x, struct req *r, const struct res *parent, const struct res *nw);
	enum reeve_rc (*updated)(struct exec *x, struct req *r, const struct res *old, const struct res *nw);
	/* About to go, by Delete, expiry or with an ancestor. Not able to refuse. */
	enum reeve_rc (*removing)(struct exec *x, const struct res *res);
	/* Update, authorized and checked against the model: done in another way than by storing it. RC_NOTFOUND: it is stored. */
	enum reeve_rc (*procedure)(struct exec *x, struct req *r, const struct res *res);
	/* Before Retrieve, Update, Delete of the resource, after the access decision. */
	enum reeve_rc (*access)(struct exec *x, struct req *r, const struct res *res);
	/* Replaces the policy decision when it returns other than RC_AGAIN (pollingChannel, ...): RC_OK permitted, RC_REFUSED recorded. */
	enum reeve_rc (*decide)(struct exec *x, struct req *r, const struct res *target, unsigned bit);
	/* The same decision without recording anything, for a resource among others in an answer (exec_permitted). A type has
	 * both or none. */
	bool (*permitted)(struct exec *x, struct req *r, const struct res *target, unsigned bit);
	unsigned decides;        /* the operations (ACOP_) where nobody else decides; 0: all. For others `permitted` may permit only. */
};

/* What a CSE that is registered here may do on <CSEBase> beside what policies say: access.registree, and announce (types/cse_base.c). */
bool cse_base_grants(struct exec *x, const struct req *r, const struct res *target, unsigned bit, int32_t child_ty);

/* NULL when the type is not implemented. */
const struct type_hooks *type_hooks(int32_t ty);
/* Numbers of the supported types, comma-separated, for supportedResourceType. */
void types_supported(struct buf *b, const struct config *cfg);

#endif
