/* SPDX-License-Identifier: Apache-2.0 */
/* The next hop is the <remoteCSE> whose csi or dcse has the CSE looked for; without one, the Registrar CSE, if this CSE has one and
 * the request did not come from there. The records are looked through one by one: a CSE has few neighbours. */
#include "core/way.h"

#include "core/draft.h"

enum { TYPE_AE = 2, TYPE_CHANNEL = 15, TYPE_REMOTE_CSE = 16 };

static uint64_t channel_below(struct exec *x, const struct res *r)
{
	struct tree_iter it;
	struct res ch;
	uint64_t n = 0;

	if (tree_children_of_type(x->tx, r->key.n, TYPE_CHANNEL, &it) != RC_OK)
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

void way_of(struct exec *x, struct arena *a, const struct res *r, struct way *w)
{
	bool unreachable = slice_eq(res_member(r, S("rr")), S("false"));

	*w = (struct way){ .serial = serial_of(a, r), .release1 = is_release1(a, r) };
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

	return id.n && ident_parse(a, &x->core->home, id, &kind, &form, &canon) == RC_OK && slice_eq(canon, cse);
}

/* The CSE-ID of r, a JSON string: no character of a CSE-ID is escaped. */
static struct slice csi_of(const struct res *r)
{
	struct slice csi = res_member(r, S("csi"));
	return csi.n < 2 ? (struct slice){ NULL, 0 } : slice_of(csi.p + 1, csi.n - 2);
}

static bool leads_to(struct exec *x, struct arena *a, const struct res *r, struct slice cse)
{
	struct slice raw = res_member(r, S("dcse")), why, id;
	bool found = names(x, a, csi_of(r), cse);
	struct json j;

	if (found || !raw.p || json_parse(a, raw, &json_default_limits, &j, &why) != RC_OK || json_kind(&j, 0) != J_ARRAY)
		return found;
	for (uint32_t i = 1; !found && i < j.tok[0].next; i = j.tok[i].next) {
		id = json_string(a, &j, i);
		found = names(x, a, id, cse);
	}
	return found;
}

static enum reeve_rc find(struct exec *x, struct slice cse, struct res *out)
{
	struct tree_iter it;
	char mem[4096];
	struct arena a;
	enum reeve_rc rc = tree_children_of_type(x->tx, RES_ROOT, TYPE_REMOTE_CSE, &it);

	if (rc != RC_OK)
		return rc;
	arena_init(&a, mem, sizeof(mem), 1 << 20);
	while ((rc = tree_next(&it, out)) == RC_OK) {
		bool found = out->h.et > x->now && leads_to(x, &a, out, cse);

		arena_reset(&a);
		if (found)
			break;
	}
	tree_end(&it);
	return rc;
}

enum reeve_rc way_to(struct exec *x, struct arena *a, struct slice cse, bool from_registrar, struct way *w)
{
	struct res hop;
	enum reeve_rc rc = find(x, cse, &hop);

	(void)from_registrar;
	if (rc == RC_OK)
		way_of(x, a, &hop, w);
	return rc;
}

bool way_foreign(const struct core *c, struct slice cse)
{
	struct slice sp = c->home.sp_id;
	return !(slice_starts(cse, sp) && cse.n > sp.n && cse.p[sp.n] == '/');
}
