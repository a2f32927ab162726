/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of places. Nested address ranges are cut into disjoint ones when the file is read, so that a look-up is one
 * binary search; IPv4 lives in ::ffff:0:0/96 as everywhere. */
#include "authz/locate.h"

#include "authz/policy_int.h"
#include "base/hash.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

typedef unsigned __int128 u128;

struct range { u128 from, to; char cc[2]; uint32_t line; };
struct place { uint64_t hash; size_t at, n; double latitude, longitude; uint32_t line; };

struct locate {
	struct range *range; /* disjoint, ascending */
	size_t n_ranges;
	struct place *place; /* ascending by hash */
	size_t n_places;
	char *names;         /* the canonical ids of the places */
	size_t n_names;
};

/* A table while it is read. */
struct table {
	void *v;
	size_t n, cap, size;
};

static void *table_add(struct table *t)
{
	if (t->n == t->cap) {
		size_t cap = t->cap ? t->cap * 2 : 256, bytes;
		void *v = __builtin_mul_overflow(cap, t->size, &bytes) ? NULL : realloc(t->v, bytes);
		if (!v)
			return NULL;
		t->v = v;
		t->cap = cap;
	}
	return (char *)t->v + t->n++ * t->size;
}

struct loading {
	const char *path;
	uint32_t line;
	char *why;
	const struct ident_home *home;
	struct table rows;
	struct table names; /* bytes */
};

static enum reeve_rc fault(struct loading *l, const char *text)
{
	snprintf(l->why, 256, "%.150s, line %u: %s", l->path, l->line, text);
	return RC_INVALID;
}

static struct slice trim(struct slice s) { return slice_trim(s, S(" \t\r\n")); }

typedef enum reeve_rc (*row_reader)(struct loading *l, struct slice row);

static enum reeve_rc read_file(struct loading *l, row_reader row)
{
	FILE *f = fopen(l->path, "re");
	enum reeve_rc rc = RC_OK;
	char text[1024];

	if (!f) {
		snprintf(l->why, 256, "%.150s: %s", l->path, strerror(errno));
		return RC_IO;
	}
	while (!rc && fgets(text, sizeof(text), f)) {
		size_t n = strlen(text);
		struct slice s = slice_of(text, n);
		ptrdiff_t hash = slice_find(s, '#');

		l->line++;
		if (n + 1 == sizeof(text) && text[n - 1] != '\n') {
			rc = fault(l, "too long");
			break;
		}
		if (hash >= 0)
			s.n = (size_t)hash;
		s = trim(s);
		if (s.n)
			rc = row(l, s);
		if (rc == RC_NOMEM)
			fault(l, "no memory left");
	}
	if (!rc && ferror(f)) {
		snprintf(l->why, 256, "%.150s: cannot be read", l->path);
		rc = RC_IO;
	}
	fclose(f);
	return rc;
}

/* --- countries --- */

static u128 join(uint64_t hi, uint64_t lo) { return (u128)hi << 64 | lo; }

static enum reeve_rc country_row(struct loading *l, struct slice row)
{
	struct slice cidr = trim(slice_cut(&row, ',')), cc = trim(row);
	struct range *r;
	struct net net;
	char code[2];

	if (!policy_net(cidr, slice_find(cidr, ':') < 0, &net))
		return fault(l, "must begin with an address range such as 192.0.2.0/24 or 2001:db8::/32");
	for (int i = 0; i < 2; i++)
		code[i] = cc.n != 2 ? '?' : (char)(cc.p[i] >= 'a' && cc.p[i] <= 'z' ? cc.p[i] - ('a' - 'A') : cc.p[i]);
	if (!policy_country(slice_of(code, 2)))
		return fault(l, "must end with a country code of two letters (ISO 3166-1)");
	r = table_add(&l->rows);
	if (!r)
		return RC_NOMEM;
	*r = (struct range){ .from = join(net.hi, net.lo), .line = l->line, .cc = { code[0], code[1] } };
	r->to = r->from | ~join(net.mask_hi, net.mask_lo);
	return RC_OK;
}

/* By begin, the wider one first. */
static int by_begin(const void *a, const void *b)
{
	const struct range *x = a, *y = b;

	if (x->from != y->from)
		return x->from < y->from ? -1 : 1;
	return x->to != y->to ? (x->to > y->to ? -1 : 1) : 0;
}

static bool emit(struct table *t, u128 from, u128 to, const char cc[2])
{
	struct range *r, *last = t->n ? (struct range *)t->v + t->n - 1 : NULL;

	if (last && last->to + 1 == from && memcmp(last->cc, cc, 2) == 0) {
		last->to = to;
		return true;
	}
	r = table_add(t);
	if (r)
		*r = (struct range){ .from = from, .to = to, .cc = { cc[0], cc[1] } };
	return r != NULL;
}

/* Ranges of prefixes are nested or disjoint: a stack of the open ones is enough, and it is never deeper than 129. */
static enum reeve_rc flatten(struct loading *l, const struct range *in, size_t n, struct table *out)
{
	const struct range *open[130];
	size_t depth = 0;
	u128 at = 0; /* everything before has been written */

	for (size_t i = 0; i <= n; i++) {
		const struct range *r = i < n ? &in[i] : NULL;

		if (r && i && r->from == in[i - 1].from && r->to == in[i - 1].to) {
			l->line = r->line > in[i - 1].line ? r->line : in[i - 1].line;
			if (memcmp(r->cc, in[i - 1].cc, 2) != 0)
				return fault(l, "the same range has another country on an earlier line");
			continue;
		}
		while (depth && (!r || open[depth - 1]->to < r->from)) {
			const struct range *done = open[--depth];
			if (at <= done->to && !emit(out, at, done->to, done->cc))
				return RC_NOMEM;
			at = done->to + 1;
			if (at == 0) /* the end of all addresses: whatever is still open ends here too */
				depth = 0;
		}
		if (!r)
			break;
		if (depth && at < r->from && !emit(out, at, r->from - 1, open[depth - 1]->cc))
			return RC_NOMEM;
		at = r->from;
		open[depth++] = r;
	}
	return RC_OK;
}

static enum reeve_rc load_countries(const char *path, struct locate *out, char why[256])
{
	struct loading l = { .path = path, .why = why, .rows.size = sizeof(struct range) };
	struct table flat = { .size = sizeof(struct range) };
	enum reeve_rc rc = read_file(&l, country_row);

	if (!rc && l.rows.n) {
		qsort(l.rows.v, l.rows.n, sizeof(struct range), by_begin);
		rc = flatten(&l, l.rows.v, l.rows.n, &flat);
	}
	out->range = flat.v;
	out->n_ranges = flat.n;
	free(l.rows.v);
	return rc;
}

bool locate_country(const struct locate *l, const uint8_t ip[16], char country[3])
{
	size_t from = 0, n = l->n_ranges;
	u128 addr = 0;

	for (int i = 0; i < 16; i++)
		addr = addr << 8 | ip[i];
	while (n > 0) { /* first range that ends at or behind addr */
		size_t half = n / 2;
		if (l->range[from + half].to < addr) {
			from += half + 1;
			n -= half + 1;
		} else {
			n = half;
		}
	}
	if (from == l->n_ranges || l->range[from].from > addr)
		return false;
	memcpy(country, l->range[from].cc, 2);
	country[2] = '\0';
	return true;
}

/* --- positions --- */

static bool degrees(struct slice s, double limit, double *out)
{
	char text[32], *end;

	if (s.n == 0 || s.n >= sizeof(text))
		return false;
	for (size_t i = 0; i < s.n; i++) /* digits, sign, point: no "inf", no hexadecimal */
		if (!strchr("+-.0123456789", s.p[i]))
			return false;
	memcpy(text, s.p, s.n);
	text[s.n] = '\0';
	*out = strtod(text, &end);
	return *end == '\0' && fabs(*out) <= limit;
}

static enum reeve_rc position_row(struct loading *l, struct slice row)
{
	struct slice who = trim(slice_cut(&row, ',')), lat = trim(slice_cut(&row, ',')), lon = trim(row), canon;
	enum ident_kind kind;
	enum ident_form form;
	char memory[1024];
	struct place p = { .line = l->line };
	struct place *slot;
	struct arena a;

	arena_init(&a, memory, sizeof(memory), 0);
	if (ident_parse(&a, l->home, who, &kind, &form, &canon) || kind == ID_NONE || kind == ID_SP)
		return fault(l, "must begin with an AE-ID or a CSE-ID");
	if (!degrees(lat, 90, &p.latitude) || !degrees(lon, 180, &p.longitude))
		return fault(l, "must be Originator,latitude,longitude in degrees with a decimal point");
	p.hash = hash_slice(canon);
	p.at = l->names.n;
	p.n = canon.n;
	for (size_t i = 0; i < canon.n; i++) {
		char *c = table_add(&l->names);
		if (!c)
			return RC_NOMEM;
		*c = canon.p[i];
	}
	slot = table_add(&l->rows);
	if (!slot)
		return RC_NOMEM;
	*slot = p;
	return RC_OK;
}

static int by_hash(const void *a, const void *b)
{
	const struct place *x = a, *y = b;
	return x->hash < y->hash ? -1 : x->hash > y->hash;
}

static struct slice name_of(const struct locate *l, const struct place *p) { return slice_of(l->names + p->at, p->n); }

static enum reeve_rc load_positions(const char *path, const struct ident_home *home, struct locate *out, char why[256])
{
	struct loading l = { .path = path, .why = why, .home = home, .rows.size = sizeof(struct place), .names.size = 1 };
	enum reeve_rc rc = read_file(&l, position_row);

	out->place = l.rows.v;
	out->n_places = l.rows.n;
	out->names = l.names.v;
	out->n_names = l.names.n;
	if (rc || !out->n_places)
		return rc;
	qsort(out->place, out->n_places, sizeof(*out->place), by_hash);
	for (size_t i = 1; i < out->n_places; i++) {
		const struct place *p = &out->place[i], *q = p - 1;
		if (p->hash != q->hash || !slice_eq(name_of(out, p), name_of(out, q)))
			continue;
		l.line = p->line > q->line ? p->line : q->line;
		return fault(&l, "this Originator has a position on an earlier line");
	}
	return RC_OK;
}

bool locate_position(const struct locate *l, struct slice who, double *latitude, double *longitude)
{
	uint64_t hash = hash_slice(who);
	size_t from = 0, n = l->n_places;

	while (n > 0) {
		size_t half = n / 2;
		if (l->place[from + half].hash < hash) {
			from += half + 1;
			n -= half + 1;
		} else {
			n = half;
		}
	}
	for (; from < l->n_places && l->place[from].hash == hash; from++) {
		if (!slice_eq(name_of(l, &l->place[from]), who))
			continue;
		*latitude = l->place[from].latitude;
		*longitude = l->place[from].longitude;
		return true;
	}
	return false;
}

/* --- both --- */

enum reeve_rc locate_open(const char *countries, const char *positions, const struct ident_home *home, struct locate **out,
			  char why[256])
{
	struct locate *l = calloc(1, sizeof(*l));
	enum reeve_rc rc = l ? RC_OK : RC_NOMEM;

	*out = NULL;
	why[0] = '\0';
	if (!rc && countries)
		rc = load_countries(countries, l, why);
	if (!rc && positions)
		rc = load_positions(positions, home, l, why);
	if (rc) {
		if (!why[0])
			snprintf(why, 256, "no memory for the tables of places");
		locate_free(l);
		return rc;
	}
	*out = l;
	return RC_OK;
}

void locate_free(struct locate *l)
{
	if (!l)
		return;
	free(l->range);
	free(l->place);
	free(l->names);
	free(l);
}

void locate_fill(const struct locate *l, struct facts *f)
{
	f->country[0] = '\0';
	f->position_known = false;
	if (!l)
		return;
	if (f->ip_known && !locate_country(l, f->ip, f->country))
		f->country[0] = '\0';
	f->position_known = locate_position(l, f->who, &f->latitude, &f->longitude);
}
