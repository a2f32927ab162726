/* SPDX-License-Identifier: Apache-2.0 */
/* The next hop is the <remoteCSE> whose csi, else dcse, has the CSE looked for; without one, the Registrar CSE, if this CSE has one and
 * the request did not come from there. The records are looked through one by one: a CSE has few neighbours. */
#include "core/cse/way.h"

#include "core/draft.h"

static uint64_t channel_below(struct exec *x, const struct res *r)
{
	struct tree_iter it;
	struct res ch;
	uint64_t n = 0;

	if (tree_children_of_type(x->tx, r->key.n, TYPE_POLLING_CHANNEL, &it) != RC_OK)
		return 0;
	while (!n && tree_next(&it, &ch) == RC_OK)
		if (ch.h.et > x->now)
			n = ch.key.n;
	tree_end(&it);
	return n;
}

/* The strings of an attribute that is a list, up to `most`. */
static size_t strings(struct arena *a, const struct res *r, struct slice sn, struct slice *v, size_t most)
{
	struct slice raw = res_attr(a, r, sn), why;
	struct json j;
	size_t n = 0;

	if (!raw.p || json_parse(a, raw, &json_default_limits, &j, &why) != RC_OK || json_kind(&j, 0) != J_ARRAY)
		return 0;
	for (uint32_t i = 1; i < j.tok[0].next && n < most; i = j.tok[i].next) {
		v[n] = json_string(a, &j, i);
		if (v[n].n)
			v[n] = arena_dup(a, v[n]); /* the text may be the store's */
		n += v[n].n > 0;
	}
	return n;
}

/* One of the serializations the entity understands (csz); JSON when it names none. */
static enum serial serial_of(struct arena *a, const struct res *r)
{
	struct slice raw = res_attr(a, r, S("csz"));

	if (raw.p && !memmem(raw.p, raw.n, "json", 4) && memmem(raw.p, raw.n, "cbor", 4))
		return SERIAL_CBOR;
	return SERIAL_JSON;
}

/* supportedReleaseVersions names release 1 and no other. */
static bool is_release1(struct arena *a, const struct res *r)
{
	struct slice v[4];
	size_t n = strings(a, r, S("srv"), v, 4);

	for (size_t i = 0; i < n; i++)
		if (!slice_eq(v[i], S("1")))
			return false;
	return n > 0;
}

/* The CSE-ID of r, a JSON string: no character of a CSE-ID is escaped. */
static struct slice csi_of(const struct res *r)
{
	struct slice csi = res_member(r, S("csi"));
	return csi.n < 2 ? (struct slice){ NULL, 0 } : slice_of(csi.p + 1, csi.n - 2);
}

/* An <AE> is called by its resource id, a CSE by its CSE-ID. Both are copied, for the text may be the store's. */
static struct slice entity_of(struct exec *x, struct arena *a, const struct res *r)
{
	struct slice id = arena_dup(a, r->h.ty == TYPE_AE ? res_ri(r) : csi_of(r)), canon;
	enum ident_kind kind;
	enum ident_form form;

	return id.n && ident_parse(a, &x->core->home, id, &kind, &form, &canon) == RC_OK ? canon : (struct slice){ NULL, 0 };
}

void way_of(struct exec *x, struct arena *a, const struct res *r, struct way *w)
{
	bool unreachable = slice_eq(res_member(r, S("rr")), S("false"));

	*w = (struct way){ .entity = entity_of(x, a, r), .registree = r->key.n, .serial = serial_of(a, r),
			   .release1 = is_release1(a, r) };
	w->n_poa = strings(a, r, S("poa"), w->poa, WAY_POA_MOST);
	w->channel = channel_below(x, r);
	if (r->h.ty == TYPE_REMOTE_CSE && w->n_poa && !unreachable)
		w->channel = 0;
}

static bool names(struct exec *x, struct arena *a, struct slice id, struct slice cse)
{
	enum ident_kind kind;
	enum ident_form form;
	struct slice canon;

	/* most are others: told without parsing */
	if (id.n > 1 && id.p[0] == '/' && id.p[1] != '/' && !slice_ends(cse, id))
		return false;
	return id.n && ident_parse(a, &x->core->home, id, &kind, &form, &canon) == RC_OK && slice_eq(canon, cse);
}

struct slice way_cse_id(struct arena *a, const struct res *r) { return arena_dup(a, csi_of(r)); }

/* Entries of descendantCSEs: is `cse` one of them? */
static bool has_below(struct exec *x, struct arena *a, const struct res *r, struct slice cse)
{
	struct slice raw = res_member(r, S("dcse")), why;
	bool found = false;
	struct json j;

	if (!raw.p || json_parse(a, raw, &json_default_limits, &j, &why) != RC_OK || json_kind(&j, 0) != J_ARRAY)
		return false;
	for (uint32_t i = 1; !found && i < j.tok[0].next; i = j.tok[i].next)
		found = names(x, a, json_string(a, &j, i), cse);
	return found;
}

static bool is_itself(struct exec *x, struct arena *a, const struct res *r, struct slice cse) { return names(x, a, csi_of(r), cse); }

static enum reeve_rc find(struct exec *x, struct slice cse, bool (*fits)(struct exec *, struct arena *, const struct res *, struct slice),
			  struct res *out)
{
	struct tree_iter it;
	char mem[4096];
	struct arena a;
	enum reeve_rc rc = tree_children_of_type(x->tx, RES_ROOT, TYPE_REMOTE_CSE, &it);

	if (rc != RC_OK)
		return rc;
	arena_init(&a, mem, sizeof(mem), 1 << 20);
	while ((rc = tree_next(&it, out)) == RC_OK) {
		bool found = out->h.et > x->now && fits(x, &a, out, cse);

		arena_reset(&a);
		if (found)
			break;
	}
	tree_end(&it);
	return rc;
}

enum reeve_rc way_neighbour(struct exec *x, struct slice cse, struct res *out) { return find(x, cse, is_itself, out); }

enum reeve_rc way_hop(struct exec *x, struct slice address, struct res *out)
{
	struct slice local, cse;
	enum reeve_rc rc = RC_NOTFOUND;
	char mem[1024];
	struct arena a;

	arena_init(&a, mem, sizeof(mem), 65536);
	if (ident_route(&a, &x->core->home, address, &local, &cse) == WHERE_TRANSIT) {
		rc = way_neighbour(x, cse, out);
		if (rc == RC_NOTFOUND)
			rc = find(x, cse, has_below, out);
	}
	arena_reset(&a);
	return rc;
}

bool way_is_registrar(const struct core *c, struct slice cse)
{
	struct exec x = { .core = (struct core *)c };
	char mem[1024];
	struct arena a;
	bool yes;

	arena_init(&a, mem, sizeof(mem), 4096);
	yes = names(&x, &a, c->cfg->registrar.cse_id, cse);
	arena_reset(&a);
	return yes;
}

bool way_below(struct exec *x, struct slice cse)
{
	struct res r;

	return !way_is_registrar(x->core, cse) && (way_neighbour(x, cse, &r) == RC_OK || find(x, cse, has_below, &r) == RC_OK);
}

/* The Registrar CSE, registered with or not: its configured points of access lead there. */
static enum reeve_rc to_registrar(struct exec *x, struct arena *a, struct way *w)
{
	const struct config *cfg = x->core->cfg;
	enum ident_kind kind;
	enum ident_form form;
	struct slice canon;
	struct res hop;

	if (!cfg->registrar.cse_id.n || ident_parse(a, &x->core->home, cfg->registrar.cse_id, &kind, &form, &canon) != RC_OK)
		return RC_NOTFOUND;
	*w = (struct way){ .serial = SERIAL_JSON };
	if (way_neighbour(x, canon, &hop) == RC_OK)
		way_of(x, a, &hop, w);
	if (cfg->registrar.poa.n) {
		w->n_poa = w->channel = 0;
		for (size_t i = 0; i < cfg->registrar.poa.n && w->n_poa < WAY_POA_MOST; i++)
			w->poa[w->n_poa++] = cfg->registrar.poa.v[i];
	}
	w->entity = canon;
	w->registrar = true;
	return RC_OK;
}

enum reeve_rc way_to(struct exec *x, struct arena *a, struct slice cse, bool from_registrar, struct way *w)
{
	struct res hop;
	bool up = way_is_registrar(x->core, cse);
	enum reeve_rc rc = up ? RC_NOTFOUND : way_neighbour(x, cse, &hop);

	if (rc == RC_NOTFOUND && !up) /* a CSE registered here is not hidden by what another one says of itself */
		rc = find(x, cse, has_below, &hop);
	if (rc == RC_OK) {
		way_of(x, a, &hop, w);
		return RC_OK;
	}
	return rc == RC_NOTFOUND && !from_registrar ? to_registrar(x, a, w) : rc;
}

void way_descendants(struct exec *x, struct buf *b)
{
	struct slice csi, raw;
	struct tree_iter it;
	enum ident_kind kind;
	enum ident_form form;
	struct arena a;
	struct res r;
	bool first = true;

	buf_char(b, '[');
	if (tree_children_of_type(x->tx, RES_ROOT, TYPE_REMOTE_CSE, &it) == RC_OK) {
		arena_init(&a, NULL, 0, 1 << 20);
		while (tree_next(&it, &r) == RC_OK) {
			struct slice canon;

			arena_reset(&a);
			csi = csi_of(&r);
			raw = res_member(&r, S("dcse"));
			if (r.h.et <= x->now || ident_parse(&a, &x->core->home, csi, &kind, &form, &canon) != RC_OK || !canon.n ||
			    way_is_registrar(x->core, canon))
				continue;
			if (!first)
				buf_char(b, ',');
			first = false;
			buf_json(b, csi);
			if (raw.n > 2) {
				buf_char(b, ',');
				buf_slice(b, slice_of(raw.p + 1, raw.n - 2));
			}
		}
		arena_reset(&a);
		tree_end(&it);
	}
	buf_char(b, ']');
}

bool way_foreign(const struct core *c, struct slice cse)
{
	struct slice sp = c->home.sp_id;
	return !(slice_starts(cse, sp) && cse.n > sp.n && cse.p[sp.n] == '/');
}
