/* SPDX-License-Identifier: Apache-2.0 */
/* Identifiers of entities: grammar and canonical form (TS-0001 7.2, TS-0004 6.2.3; requirements CORE-013, AUTHZ-064 to 070).
 *
 * All comparisons of who is who use the absolute form: //sp/Sstem, //sp/cse/Cstem, //sp/cse, //sp. */
#ifndef REEVE_AUTHZ_IDENT_H
#define REEVE_AUTHZ_IDENT_H

#include "base/arena.h"
#include "base/rc.h"

/* This CSE's own names. */
struct ident_home {
	struct slice sp_id;     /* "//sp.example" */
	struct slice cse_id;    /* "/cse01" */
	struct slice base_name; /* name of <CSEBase> */
	struct slice abs;       /* "//sp.example/cse01" */
};

enum ident_kind { ID_NONE, ID_SP, ID_CSE, ID_AE_C, ID_AE_S };
enum ident_form { ID_STEM, ID_SP_RELATIVE, ID_ABSOLUTE };

bool ident_stem(struct slice s);   /* C... or S..., at least one character more, of the grammar's set */
bool ident_cse(struct slice s);    /* "/name" */
bool ident_sp(struct slice s);     /* "//fqdn", lower case */
bool ident_app(struct slice s);    /* R..., r... or N... with something behind */

/* What s is; kind ID_NONE when it is no entity identifier. *canon in absolute form from a. */
REEVE_MUST_CHECK enum reeve_rc ident_parse(struct arena *a, const struct ident_home *home, struct slice s,
					   enum ident_kind *kind, enum ident_form *form, struct slice *canon);

/* Where a To address leads (TS-0004 7.3.3.8; core.md 1.3). *local: CSE-relative part when here; *cse: canonical id of the
 * Hosting CSE when not. */
enum ident_where { WHERE_HERE, WHERE_TRANSIT, WHERE_BAD };
enum ident_where ident_route(struct arena *a, const struct ident_home *home, struct slice to, struct slice *local, struct slice *cse);

#endif
