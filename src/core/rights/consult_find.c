/* SPDX-License-Identifier: Apache-2.0 */
/* Whom to ask about a request and what (TS-0003 7.3.2.2 step 2.2; TS-0001 9.6.1.3.2, 9.6.40).
 *
 * The links of the target count when at least one leads to a <dynamicAuthorizationConsultation> here, else those of its nearest ancestor
 * that has such links (dynamic.inherit). A disabled one is an answer: nobody is asked. Whoever may write daci could name any address, and
 * what is granted from there counts; so an address has to be one the operator knows (dynamic.das, issuers). A DAS is told those Role-IDs
 * only that are its own to assign, and is never asked about itself (AUTHZ-203). */
#include "core/rights/consult_int.h"

#include "authz/seci.h"
#include "core/pattern.h"
#include "core/trust.h"
#include "core/work.h"

struct finding {
	struct exec *x;
	struct req *r;
	const struct rights_question *q;
	struct arena *a;
	struct issuers *issuers;
	struct slice role[ROLES_MOST]; size_t n_roles; /* that would open the door */
	struct das_list *out;
};

static int operation_of(unsigned bit)
{
	switch (bit) {
	case ACOP_CREATE: return OP_CREATE;
	case ACOP_RETRIEVE: return OP_RETRIEVE;
	case ACOP_UPDATE: return OP_UPDATE;
	case ACOP_DELETE: return OP_DELETE;
	case ACOP_NOTIFY: return OP_NOTIFY;
	default: return OP_NONE; /* m2m:operation has no discovery */
	}
}

bool consult_askable(const struct req *r, const struct rights_question *q)
{
	return !q->by_list && !q->own_only && q->final && operation_of(q->bit) != OP_NONE && r->work->who.n && !r->work->member;
}

/* --- whom --- */

static bool known_address(struct finding *f, struct slice address)
{
	return pattern_listed(&f->x->core->cfg->dynamic.das, address) || issuers_by_das(f->issuers, address) != NULL;
}

/* Is the Originator the AE that is reached at `address`? */
static bool is_originator(struct finding *f, struct slice address)
{
	const struct issuer *i = issuers_by_das(f->issuers, address);
	struct slice stem = f->r->work->who, raw, why;
	struct res ae;
	struct json j;

	if (i && slice_eq(i->id, f->r->work->who))
		return true;
	while (slice_find(stem, '/') >= 0)
		stem = slice_skip(stem, (size_t)slice_find(stem, '/') + 1);
	if (tree_stem(f->x->tx, stem, &ae) != RC_OK || ae.h.ty != TYPE_AE || !slice_eq(ae.creator, f->r->work->who))
		return false;
	raw = res_attr(f->a, &ae, S("poa"));
	if (!raw.p || json_parse(f->a, raw, &json_default_limits, &j, &why) != RC_OK || json_kind(&j, 0) != J_ARRAY)
		return false;
	for (uint32_t k = 1; k < j.tok[0].next; k = j.tok[k].next)
		if (slice_eq(json_string(f->a, &j, k), address))
			return true;
	return false;
}

/* The permitted addresses of dap. False: it must not be asked, or there is none. */
static bool read_addresses(struct finding *f, const struct json *j, struct das *d)
{
	uint32_t dap = json_member(j, 0, S("dap"));

	d->n_addresses = 0;
	for (uint32_t i = dap + 1; dap && i < j->tok[dap].next && d->n_addresses < ADDRESSES_MOST; i = j->tok[i].next) {
		struct slice s = json_string(f->a, j, i);

		if (is_originator(f, s))
			return false;
		if (s.n && known_address(f, s))
			d->address[d->n_addresses++] = arena_dup(f->a, s);
	}
	return d->n_addresses > 0;
}

static bool listed(const struct das_list *l, const struct das *d)
{
	for (size_t i = 0; i < l->n; i++)
		if (slice_eq(l->das[i].address[0], d->address[0]))
			return true;
	return false;
}

/* --- what --- */

/* host of scheme://host:port/... */
static struct slice host_of(struct slice url)
{
	struct slice rest = slice_skip(url, (size_t)slice_find(url, ':') + 3);
	size_t n = 0;

	while (n < rest.n && rest.p[n] != ':' && rest.p[n] != '/')
		n++;
	return slice_of(rest.p, n);
}

/* Is it this DAS that assigns the role? */
static bool own_role(struct finding *f, const struct das *d, struct slice role)
{
	struct slice domain = issuer_domain_of(role);
	const struct issuer *of = issuers_by_domain(f->issuers, domain), *das = issuers_by_das(f->issuers, d->address[0]);

	if (of || das)
		return of == das;
	return slice_ieq(domain, host_of(d->address[0]));
}

/* dal, when it is still to come. */
static struct slice proposed(struct finding *f, const struct json *j)
{
	struct slice dal = json_string(f->a, j, json_member(j, 0, S("dal")));
	usec when;

	return dal.n && text_timestamp(dal, &when) && when > f->x->now ? dal : S("");
}

/* The structured address: what whoever writes the policy of a DAS knows a resource by. */
static struct slice target_address(struct finding *f)
{
	struct slice out = { NULL, 0 };
	struct buf b;

	buf_init(&b, 8192);
	buf_slice(&b, f->x->core->home.cse_id);
	buf_char(&b, '/');
	if (tree_path(f->x->tx, f->q->target, &b) == RC_OK && !b.failed)
		out = arena_dup(f->a, buf_view(&b));
	buf_free(&b);
	return out;
}

static bool write_question(struct finding *f, const struct json *dac, struct das *d)
{
	const struct facts *facts = &f->r->work->facts;
	const double position[2] = { facts->latitude, facts->longitude };
	struct slice role[ROLES_MOST];
	struct seci_dreq q = {
		.originator = f->r->work->who,
		.target_ty = f->q->target->h.ty,
		.op = operation_of(f->q->bit),
		.target = target_address(f),
		.ip = facts->ip_known ? facts->ip : NULL,
		.country = facts->country,
		.position = facts->position_known ? position : NULL,
		.roles = f->r->rids, .n_roles = f->r->n_rids,
		.rules_roles = role,
		.tokens = f->r->tids, .n_tokens = f->r->n_tids,
		.lifetime = proposed(f, dac),
		.asi = f->r->has & HAS_ASI && f->r->asi,
	};
	struct buf b;

	for (size_t i = 0; i < f->n_roles; i++)
		if (own_role(f, d, f->role[i]))
			role[q.n_rules_roles++] = f->role[i];
	buf_init(&b, SECI_BYTES_MOST);
	seci_write_dreq(&b, &q);
	d->question = b.failed ? (struct slice){ NULL, 0 } : arena_dup(f->a, buf_view(&b));
	buf_free(&b);
	return d->question.p && q.target.p;
}

/* --- the links --- */

static void consider(struct finding *f, const struct res *dac)
{
	struct das *d = &f->out->das[f->out->n];
	struct json j;
	bool enabled = false;

	if (f->out->n == DAS_MOST || res_json(f->a, dac, &j) != RC_OK || !json_bool(&j, json_member(&j, 0, S("dae")), &enabled) || !enabled)
		return;
	d->dac = arena_dup(f->a, res_ri(dac));
	if (read_addresses(f, &j, d) && !listed(f->out, d) && write_question(f, &j, d))
		f->out->n++;
}

/* The links of one resource. True: they are valid, and the parent's do not matter. */
static bool follow(struct finding *f, const struct res *at)
{
	struct slice raw = res_attr(f->a, at, S("daci")), why;
	struct target t;
	struct json j;
	bool valid = false;

	if (!raw.p || json_parse(f->a, raw, &json_default_limits, &j, &why) != RC_OK || json_kind(&j, 0) != J_ARRAY)
		return false;
	for (uint32_t i = 1; i < j.tok[0].next; i = j.tok[i].next) {
		if (exec_lookup(f->x, json_string(f->a, &j, i), &t) != RC_OK || t.virt || t.res.h.ty != TYPE_DAC)
			continue;
		valid = true;
		consider(f, &t.res);
	}
	return valid;
}

bool consult_find(struct exec *x, struct req *r, const struct rights_question *q, struct das_list *out)
{
	struct finding f = { .x = x, .r = r, .q = q, .a = &r->arena, .out = out };
	struct res at = *q->target;

	out->n = 0;
	f.issuers = trust_issuers(x->core);
	f.n_roles = pdp_roles(q->policies, q->n_policies, q->part, &r->work->facts, f.role, ROLES_MOST);
	while (!follow(&f, &at) && x->core->cfg->dynamic.inherit && at.key.parent != 0 && tree_parent(x->tx, &at, &at) == RC_OK)
		;
	issuers_put(f.issuers);
	return out->n > 0 && !r->arena.failed;
}
