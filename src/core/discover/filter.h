/* SPDX-License-Identifier: Apache-2.0 */
/* Filter Criteria (TS-0004 7.3.3.17): parsed form and matching. */
#ifndef REEVE_CORE_FILTER_H
#define REEVE_CORE_FILTER_H

#include "base/arena.h"
#include "base/clock.h"
#include "base/rc.h"

struct buf;
struct res;
struct st_tx;

struct filter_attr { struct slice name, value; }; /* value as text: the unescaped string, or the number or boolean as written */

struct filter_list { struct slice *v; size_t n; };
struct filter_nums { int64_t *v; size_t n; };

struct filter {
	/* matching conditions; absent: USEC_NEVER for times, -1 for numbers, n == 0 for lists, p == NULL for text */
	usec crb, cra, ms, us, exb, exa;
	int64_t sts, stb, sza, szb;
	struct filter_list lbl, clbl, palb, lbq, cty, smf;
	struct filter_nums ty, chty, pty;
	struct filter_attr *atr; size_t n_atr;
	struct filter_attr *catr; size_t n_catr;
	struct filter_attr *patr; size_t n_patr;
	struct slice cfq;
	int cfs;
	/* handling */
	int fu;                /* 0 not given */
	int fo;                /* 0 not given */
	int64_t lim, lvl, ofst; /* -1 not given */
	struct slice arp;
	bool any;              /* at least one matching condition */
	/* set before matching */
	usec now;              /* children past their et do not count */
	uint64_t *looks;       /* how many children may be looked at in all; counts down; NULL: no limit in all */
};

void filter_init(struct filter *f);

/* Add one condition by its short name with its textual value(s), as an HTTP query has it: values of a list are joined
 * with '+' (already split off by the caller: one call per value). Values are copied. RC_NOTFOUND when name is no filter
 * condition, RC_INVALID when the value is malformed (*why: what is expected), RC_NOMEM.
 * Attribute conditions are not entered here (see filter_attr_add). */
REEVE_MUST_CHECK enum reeve_rc filter_add(struct filter *f, struct arena *a, struct slice name, struct slice value, struct slice *why);
/* name=value for an attribute; "c.name" of a child, "p.name" of the parent. RC_INVALID when the name cannot be one or has a condition
 * of its own: ct, lt, st, et, lbl, ty, cs, cnf (the caller answers 4000). Whether any type has such an attribute is not asked. */
REEVE_MUST_CHECK enum reeve_rc filter_attr_add(struct filter *f, struct arena *a, struct slice name, struct slice value);

struct json;
/* From the JSON object at i (fc of a primitive, and the conditions of eventNotificationCriteria, whose om, net, md and list of attribute
 * names are passed over; its chty is entered like that of fc). Sets *f anew. */
REEVE_MUST_CHECK enum reeve_rc filter_from_json(struct filter *f, struct arena *a, const struct json *j, uint32_t i, struct slice *why);

/* The way back: f as a JSON object. Values of attributes become strings. */
void filter_to_json(struct buf *b, const struct filter *f);

/* What no single condition tells, before a filter is used: RC_INVALID (4000): cfs and cfq go together. RC_UNSUPPORTED (5001): smf. */
REEVE_MUST_CHECK enum reeve_rc filter_check(const struct filter *f, struct slice *why);

/* Does r match? `discovery`: "*" in attribute values is a wildcard. Memory for scratch from a. */
bool filter_match(const struct filter *f, struct arena *a, struct st_tx *tx, const struct res *r, bool discovery);

/* Expressions, for their own tests: labelsQuery on a set of labels; contentFilterQuery on a JSON document. RC_SYNTAX when malformed. */
REEVE_MUST_CHECK enum reeve_rc filter_labels_query(struct slice expr, const struct slice *labels, size_t n, bool *match);
REEVE_MUST_CHECK enum reeve_rc filter_content_query(struct arena *a, struct slice expr, const struct json *doc, bool *match);

#endif
