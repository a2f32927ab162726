/* SPDX-License-Identifier: Apache-2.0 */
/* Policies: the check of a request's pv and pvs, and compilation into one block of memory.
 *
 * Compilation reads into an arena and then packs twice with the same code: once to measure, once to copy. */
#include "authz/policy_int.h"

#include <stdlib.h>

enum reeve_rc policy_check(const struct policy_options *o, const struct json *j, uint32_t i, struct arena *a, struct slice *why)
{
	struct policy_reading how = { .o = o, .check = true };
	struct rules rules;

	*why = (struct slice){ NULL, 0 };
	return policy_read(&how, j, i, a, &rules, why);
}

/* --- packing --- */

/* Structures and hashes come first, close together, because every decision reads them; text behind them is read when
 * something fits. Both pointers are NULL while measuring. */
struct pack {
	char *base, *text;
	size_t n, n_text;
};

static void *put(struct pack *k, const void *src, size_t count, size_t size)
{
	void *dst;

	k->n = (k->n + 7) & ~(size_t)7;
	dst = k->base ? k->base + k->n : NULL;
	if (dst && src && count)
		memcpy(dst, src, count * size);
	k->n += count * size;
	return dst;
}

static struct slice put_slice(struct pack *k, struct slice s)
{
	char *dst = k->text ? k->text + k->n_text : NULL;

	if (dst && s.n)
		memcpy(dst, s.p, s.n);
	k->n_text += s.n;
	return slice_of(dst, s.n);
}

static struct slice *put_slices(struct pack *k, const struct slice *src, size_t n)
{
	struct slice *dst;

	k->n_text = (k->n_text + 7) & ~(size_t)7;
	dst = k->text ? (struct slice *)(void *)(k->text + k->n_text) : NULL;
	k->n_text += n * sizeof(*dst);
	for (size_t i = 0; i < n; i++) {
		struct slice s = put_slice(k, src[i]);
		if (dst)
			dst[i] = s;
	}
	return dst;
}

static struct glob *put_globs(struct pack *k, const struct glob *src, size_t n)
{
	struct glob *dst = put(k, src, n, sizeof(*src));

	for (size_t i = 0; i < n; i++) {
		struct slice s = put_slice(k, src[i].text);
		if (dst)
			dst[i].text = s;
	}
	return dst;
}

static struct context *put_contexts(struct pack *k, const struct context *src, uint32_t n)
{
	struct context *dst = put(k, src, n, sizeof(*src));

	for (uint32_t i = 0; i < n; i++) {
		struct context c = src[i];
		c.window = put(k, c.window, c.n_windows, sizeof(*c.window));
		c.net = put(k, c.net, c.n_nets, sizeof(*c.net));
		c.country = put(k, c.country, c.n_countries, sizeof(*c.country));
		if (c.circle)
			c.circle = put(k, c.circle, 1, sizeof(*c.circle));
		if (dst)
			dst[i] = c;
	}
	return dst;
}

static struct detail *put_details(struct pack *k, const struct detail *src, uint32_t n)
{
	struct detail *dst = put(k, src, n, sizeof(*src));

	for (uint32_t i = 0; i < n; i++) {
		struct detail d = src[i];
		d.child = put(k, d.child, d.n_child, sizeof(*d.child));
		d.cnd = put_slice(k, d.cnd);
		if (dst)
			dst[i] = d;
	}
	return dst;
}

static struct rules put_rules(struct pack *k, const struct rules *src)
{
	struct rules out = { .text = put_slice(k, src->text), .n = src->n };
	struct rule *dst = put(k, src->rule, src->n, sizeof(*dst));

	for (uint32_t i = 0; i < src->n; i++) {
		struct rule r = src->rule[i];
		r.exact.hash = put(k, r.exact.hash, r.exact.n, sizeof(*r.exact.hash));
		r.exact.id = put_slices(k, r.exact.id, r.exact.n);
		r.domain = put_slices(k, r.domain, r.n_domains);
		r.glob = put_globs(k, r.glob, r.n_globs);
		r.role = put_slices(k, r.role, r.n_roles);
		r.role_hash = put(k, r.role_hash, r.n_roles, sizeof(*r.role_hash));
		r.context = put_contexts(k, r.context, r.n_contexts);
		r.detail = put_details(k, r.detail, r.n_details);
		if (out.text.p)
			r.text.p = out.text.p + (r.text.p - src->text.p);
		if (dst)
			dst[i] = r;
	}
	out.rule = dst;
	return out;
}

static struct policy pack(struct pack *k, const struct policy *src)
{
	struct policy p;

	put(k, NULL, 1, sizeof(p));
	p.name = put_slice(k, src->name);
	for (int i = 0; i < 2; i++)
		p.part[i] = put_rules(k, &src->part[i]);
	return p;
}

static struct policy *packed(const struct policy *src)
{
	struct pack k = { 0 };
	struct policy p;

	pack(&k, src);
	k.base = malloc(k.n + 7 + k.n_text);
	if (!k.base)
		return NULL;
	k.text = k.base + ((k.n + 7) & ~(size_t)7);
	k.n = k.n_text = 0;
	p = pack(&k, src);
	memcpy(k.base, &p, sizeof(p));
	return (struct policy *)(void *)k.base;
}

/* --- compilation --- */

enum { COMPILE_CEILING = 128 << 20 };

static enum reeve_rc read_part(const struct policy_reading *how, struct slice text, struct arena *a, struct rules *out)
{
	/* stored text has been accepted under the configured limits, which may since have become narrower */
	struct json_limits limits = { .depth = 64, .tokens = text.n < UINT32_MAX ? (uint32_t)text.n + 1 : UINT32_MAX };
	struct slice why;
	struct json j;
	enum reeve_rc rc;

	if (text.n == 0)
		return RC_OK;
	rc = json_parse(a, text, &limits, &j, &why);
	return rc ? rc : policy_read(how, &j, 0, a, out, &why);
}

enum reeve_rc policy_compile(const struct policy_options *o, struct slice name, struct slice pv, struct slice pvs,
			     policy_group group, void *ctx, struct policy **out)
{
	struct policy_reading how = { .o = o, .group = group, .ctx = ctx };
	struct policy draft = { .name = name };
	_Alignas(16) char first[8192];
	struct arena a;
	enum reeve_rc rc;

	*out = NULL;
	arena_init(&a, first, sizeof(first), COMPILE_CEILING);
	rc = read_part(&how, pv, &a, &draft.part[POLICY_PV]);
	if (!rc)
		rc = read_part(&how, pvs, &a, &draft.part[POLICY_PVS]);
	if (!rc && !(*out = packed(&draft)))
		rc = RC_NOMEM;
	arena_reset(&a);
	return rc;
}

void policy_free(struct policy *p) { free(p); }

struct slice policy_name(const struct policy *p) { return p->name; }

size_t policy_rules(const struct policy *p, enum policy_part part) { return p->part[part].n; }

struct slice policy_rule_text(const struct policy *p, enum policy_part part, unsigned index)
{
	return index < p->part[part].n ? p->part[part].rule[index].text : (struct slice){ NULL, 0 };
}

bool policy_unreadable(const struct policy *p, enum policy_part part)
{
	for (uint32_t i = 0; i < p->part[part].n; i++)
		if (p->part[part].rule[i].unreadable)
			return true;
	return false;
}
