/* SPDX-License-Identifier: Apache-2.0 */
/* Values of options: text to struct config and back.
 *
 * Each type has a reader that says what it expected, and a writer whose output the reader accepts with the same
 * outcome (a test walks the table). Sizes are written in binary units (KiB, MiB, GiB), spans in us, ms, s, min, h, d;
 * a bare number is bytes or seconds. */
#include <arpa/inet.h>
#include <stdio.h>

#include "authz/audit.h"
#include "authz/ident.h"
#include "authz/pdp.h"
#include "base/log.h"
#include "codec/text.h"
#include "main/settings.h"

struct unit { const char *name; uint64_t size; };
static const struct unit byte_units[] = { /* largest first: the writer takes the first that divides */
	{ "TiB", UINT64_C(1) << 40 }, { "GiB", 1 << 30 }, { "MiB", 1 << 20 }, { "KiB", 1 << 10 }, { "B", 1 }, { NULL, 0 },
};
static const struct unit span_units[] = {
	{ "d", UINT64_C(86400000000) }, { "h", UINT64_C(3600000000) }, { "min", 60000000 }, { "s", 1000000 },
	{ "ms", 1000 }, { "us", 1 }, { NULL, 0 },
};

struct word { const char *name; int value; };
static const struct word cse_types[] = { { "IN", CSE_IN }, { "MN", CSE_MN }, { "ASN", CSE_ASN }, { NULL, 0 } };
static const struct word log_levels[] = {
	{ "debug", LOG_DEBUG }, { "info", LOG_INFO }, { "warning", LOG_WARN }, { "error", LOG_ERROR }, { NULL, 0 },
};
static const struct word log_formats[] = { { "text", 0 }, { "json", 1 }, { NULL, 0 } };
static const struct word booleans[] = {
	{ "true", 1 }, { "false", 0 }, { "yes", 1 }, { "no", 0 }, { "on", 1 }, { "off", 0 }, { NULL, 0 },
};
static const struct word operations[] = {
	{ "create", ACOP_CREATE }, { "retrieve", ACOP_RETRIEVE }, { "update", ACOP_UPDATE }, { "delete", ACOP_DELETE },
	{ "notify", ACOP_NOTIFY }, { "discovery", ACOP_DISCOVERY }, { NULL, 0 },
};

static struct slice trim(struct slice s) { return slice_trim(s, S(" \t")); }

static enum reeve_rc wrong(char why[256], struct slice text, const char *expected)
{
	snprintf(why, 256, "\"%.*s\" does not fit: expected %s", text.n > 60 ? 60 : (int)text.n, text.p ? text.p : "", expected);
	return RC_INVALID;
}

static enum reeve_rc read_word(struct slice text, const struct word *w, int *out, char why[256], const char *expected)
{
	for (; w->name; w++)
		if (slice_ieq(text, slice_str(w->name))) {
			*out = w->value;
			return RC_OK;
		}
	return wrong(why, text, expected);
}

/* "1.5 h", "64KiB", "300": digits, maybe a fraction of up to six digits, maybe a unit. */
static bool read_quantity(struct slice text, const struct unit *units, uint64_t bare, uint64_t *out)
{
	size_t i = 0;
	uint64_t whole, part = 0, scale = 1, size = bare, sum;
	while (i < text.n && text.p[i] >= '0' && text.p[i] <= '9')
		i++;
	if (!slice_u64(slice_of(text.p, i), &whole))
		return false;
	text = slice_skip(text, i);
	if (text.n && text.p[0] == '.') {
		for (i = 1; i < text.n && i <= 6 && text.p[i] >= '0' && text.p[i] <= '9'; i++, scale *= 10)
			part = part * 10 + (uint64_t)(text.p[i] - '0');
		if (i == 1)
			return false;
		text = slice_skip(text, i);
	}
	text = trim(text);
	if (text.n) {
		for (; units->name && !slice_ieq(text, slice_str(units->name)); units++)
			;
		if (!units->name)
			return false;
		size = units->size;
	}
	if (__builtin_mul_overflow(whole, size, &sum) || (part && size / scale * scale != size) ||
	    __builtin_add_overflow(sum, size / scale * part, &sum))
		return false;
	*out = sum;
	return true;
}

static void write_quantity(struct buf *b, uint64_t v, const struct unit *units)
{
	if (v == 0) {
		buf_lit(b, "0");
		return;
	}
	while (v % units->size)
		units++;
	buf_printf(b, "%llu %s", (unsigned long long)(v / units->size), units->name);
}

static enum reeve_rc read_number(const struct option *o, struct slice text, uint64_t *out, char why[256])
{
	const bool span = o->type == OPT_SPAN, bytes = o->type == OPT_BYTES || o->type == OPT_BYTES64;
	const struct unit *units = span ? span_units : byte_units;
	const char *form = span ? "a time like 500 ms, 30 s, 5 min, 1 h, 7 d" :
			   bytes ? "a size like 4096, 64 KiB, 1 MiB, 2 GiB" : "a number";
	struct buf range;
	enum reeve_rc rc = RC_OK;

	if (span || bytes) {
		if (!read_quantity(text, units, span ? 1000000 : 1, out))
			return wrong(why, text, form);
		if (*out >= o->least && *out <= o->most)
			return RC_OK;
	} else if (slice_u64(text, out) && *out >= o->least && *out <= o->most) {
		return RC_OK;
	}
	buf_init(&range, 200);
	buf_printf(&range, "%s from ", form);
	for (int i = 0; i < 2; i++) {
		uint64_t v = i ? o->most : o->least;
		if (span || bytes)
			write_quantity(&range, v, units);
		else
			buf_u64(&range, v);
		buf_add(&range, i ? "" : " to ", i ? 1 : 4);
	}
	rc = wrong(why, text, range.failed ? form : range.p);
	buf_free(&range);
	return rc;
}

static enum reeve_rc read_operations(struct slice text, unsigned *out, char why[256])
{
	struct slice rest = text;
	unsigned bits = 0;
	int v;
	if (text.n == 0 || slice_ieq(text, S("none"))) {
		*out = 0;
		return RC_OK;
	}
	while (rest.p) {
		struct slice one = trim(slice_cut(&rest, ','));
		if (read_word(one, operations, &v, why, "none, or some of create, retrieve, update, delete, notify, discovery"))
			return RC_INVALID;
		bits |= (unsigned)v;
	}
	*out = bits;
	return RC_OK;
}

static enum reeve_rc read_events(struct slice text, unsigned *out, char why[256])
{
	struct slice rest = text;
	unsigned bits = 0;

	if (slice_ieq(text, S("all")) || slice_ieq(text, S("none")) || text.n == 0) {
		*out = slice_ieq(text, S("all")) ? AUDIT_ALL : 0;
		return RC_OK;
	}
	while (rest.p) {
		struct slice one = trim(slice_cut(&rest, ','));
		unsigned k = 0;
		while (k < AUDIT_KINDS && !slice_ieq(one, slice_str(audit_kind_name((enum audit_kind)k))))
			k++;
		if (k == AUDIT_KINDS)
			return wrong(why, one, "all, none, or some of denied, permitted, registration, policy, links, role, token, "
					       "consultation, credential, admin, process");
		bits |= 1u << k;
	}
	*out = bits;
	return RC_OK;
}

static enum reeve_rc read_list(struct slice text, struct config_list *out, struct arena *a, char why[256])
{
	struct slice rest = text;
	while (rest.p) {
		struct slice one = trim(slice_cut(&rest, ','));
		struct slice *v;
		if (one.n == 0 && text.n == 0)
			return RC_OK; /* "key =" empties nothing and adds nothing */
		if (one.n == 0)
			return wrong(why, text, "entries with a comma between two of them");
		v = arena_array(a, out->n + 1, sizeof(*v));
		one = arena_dup(a, one);
		if (!v || !one.p)
			return wrong(why, text, "less: memory is out");
		if (out->n)
			memcpy(v, out->v, out->n * sizeof(*v));
		v[out->n] = one;
		out->v = v;
		out->n++;
	}
	return RC_OK;
}

static const char *address_form = "a numeric address: 127.0.0.1, ::1, or that of an interface";

static bool is_address(const char *s)
{
	unsigned char raw[16];
	return inet_pton(AF_INET, s, raw) == 1 || inet_pton(AF_INET6, s, raw) == 1;
}

bool address_is_loopback(const char *address)
{
	struct in_addr v4;
	struct in6_addr v6;
	if (!address)
		return true; /* nobody reaches it at all */
	if (inet_pton(AF_INET, address, &v4) == 1)
		return ntohl(v4.s_addr) >> 24 == 127;
	return inet_pton(AF_INET6, address, &v6) == 1 &&
	       (IN6_IS_ADDR_LOOPBACK(&v6) || (IN6_IS_ADDR_V4MAPPED(&v6) && v6.s6_addr[12] == 127));
}

static enum reeve_rc read_text(const struct option *o, struct slice text, struct slice *out, char why[256])
{
	bool ok = true;
	switch (o->type) {
	case OPT_CSE_ID: ok = ident_cse(text); break;
	case OPT_SP_ID: ok = ident_sp(text); break;
	case OPT_NAME: ok = text_name(text, 128); break;
	default: break;
	}
	if (!ok)
		return wrong(why, text, o->type == OPT_CSE_ID ? "a slash and a name of letters, digits, - . _" :
				     o->type == OPT_SP_ID ? "two slashes and a domain name in lower case" :
							    "a name of letters, digits, - . _ that begins with a letter or digit");
	*out = text;
	return RC_OK;
}

enum reeve_rc option_parse(const struct option *o, struct slice text, struct config *c, struct arena *a, char why[256])
{
	void *at = (char *)c + o->offset;
	enum reeve_rc rc = RC_OK;
	uint64_t u = 0;
	int v = 0;

	text = arena_dup(a, trim(text));
	if (!text.p)
		return wrong(why, S(""), "less: memory is out");
	if (memchr(text.p, 0, text.n))
		return wrong(why, S(""), "text without NUL");
	switch (o->type) {
	case OPT_TEXT: case OPT_CSE_ID: case OPT_SP_ID: case OPT_NAME: case OPT_ORIGINATOR:
		return read_text(o, text, at, why);
	case OPT_PATH:
		*(const char **)at = text.n ? text.p : NULL;
		return RC_OK;
	case OPT_ADDRESS:
		if (text.n && !is_address(text.p))
			return wrong(why, text, address_form);
		*(const char **)at = text.n ? text.p : NULL;
		return RC_OK;
	case OPT_BOOL: case OPT_BOOL_NOT:
		if ((rc = read_word(text, booleans, &v, why, "true or false")) == RC_OK)
			*(bool *)at = (v != 0) != (o->type == OPT_BOOL_NOT);
		return rc;
	case OPT_CSE_TYPE:
		if ((rc = read_word(text, cse_types, &v, why, "IN, MN or ASN")) == RC_OK)
			*(enum cse_type *)at = (enum cse_type)v;
		return rc;
	case OPT_LOG_LEVEL:
		return read_word(text, log_levels, at, why, "debug, info, warning or error");
	case OPT_LOG_FORMAT:
		if ((rc = read_word(text, log_formats, &v, why, "text or json")) == RC_OK)
			*(bool *)at = v != 0;
		return rc;
	case OPT_LIST:
		return read_list(text, at, a, why);
	case OPT_OPERATIONS:
		return read_operations(text, at, why);
	case OPT_EVENTS:
		return read_events(text, at, why);
	case OPT_PORT: case OPT_UNSIGNED: case OPT_U32: case OPT_U64: case OPT_BYTES: case OPT_BYTES64: case OPT_SPAN:
		break;
	}
	if ((rc = read_number(o, text, &u, why)) != RC_OK)
		return rc;
	switch (o->type) { /* the table's range keeps u within the type */
	case OPT_PORT: *(uint16_t *)at = (uint16_t)u; break;
	case OPT_UNSIGNED: *(unsigned *)at = (unsigned)u; break;
	case OPT_U32: *(uint32_t *)at = (uint32_t)u; break;
	case OPT_U64: case OPT_BYTES64: *(uint64_t *)at = u; break;
	case OPT_BYTES: *(size_t *)at = (size_t)u; break;
	default: *(usec *)at = (usec)u; break;
	}
	return RC_OK;
}

static void write_word(struct buf *b, const struct word *w, int v)
{
	for (; w->name; w++)
		if (w->value == v) {
			buf_slice(b, slice_str(w->name));
			return;
		}
}

static void write_operations(struct buf *b, unsigned bits)
{
	const char *between = "";
	for (const struct word *w = operations; w->name; w++)
		if (bits & (unsigned)w->value) {
			buf_printf(b, "%s%s", between, w->name);
			between = ", ";
		}
	if (!bits)
		buf_lit(b, "none");
}

static void write_events(struct buf *b, unsigned bits)
{
	const char *between = "";

	if (bits == AUDIT_ALL || bits == 0) {
		buf_slice(b, bits ? S("all") : S("none"));
		return;
	}
	for (unsigned k = 0; k < AUDIT_KINDS; k++)
		if (bits >> k & 1) {
			buf_printf(b, "%s%s", between, audit_kind_name((enum audit_kind)k));
			between = ", ";
		}
}

void option_write(const struct option *o, const struct config *c, struct buf *b)
{
	const void *at = (const char *)c + o->offset;
	const struct config_list *l = at;

	switch (o->type) {
	case OPT_TEXT: case OPT_CSE_ID: case OPT_SP_ID: case OPT_NAME: case OPT_ORIGINATOR:
		buf_slice(b, *(const struct slice *)at);
		break;
	case OPT_PATH: case OPT_ADDRESS: buf_slice(b, slice_str(*(const char *const *)at)); break;
	case OPT_BOOL: write_word(b, booleans, *(const bool *)at); break;
	case OPT_BOOL_NOT: write_word(b, booleans, !*(const bool *)at); break;
	case OPT_CSE_TYPE: write_word(b, cse_types, (int)*(const enum cse_type *)at); break;
	case OPT_LOG_LEVEL: write_word(b, log_levels, *(const int *)at); break;
	case OPT_LOG_FORMAT: write_word(b, log_formats, *(const bool *)at); break;
	case OPT_OPERATIONS: write_operations(b, *(const unsigned *)at); break;
	case OPT_EVENTS: write_events(b, *(const unsigned *)at); break;
	case OPT_PORT: buf_u64(b, *(const uint16_t *)at); break;
	case OPT_UNSIGNED: buf_u64(b, *(const unsigned *)at); break;
	case OPT_U32: buf_u64(b, *(const uint32_t *)at); break;
	case OPT_U64: buf_u64(b, *(const uint64_t *)at); break;
	case OPT_BYTES: write_quantity(b, *(const size_t *)at, byte_units); break;
	case OPT_BYTES64: write_quantity(b, *(const uint64_t *)at, byte_units); break;
	case OPT_SPAN: write_quantity(b, (uint64_t)*(const usec *)at, span_units); break;
	case OPT_LIST:
		for (size_t i = 0; i < l->n; i++)
			buf_printf(b, "%s%.*s", i ? ", " : "", SF(l->v[i]));
		break;
	}
}

const char *option_form(const struct option *o)
{
	switch (o->type) {
	case OPT_TEXT: return "TEXT";
	case OPT_CSE_ID: return "/NAME";
	case OPT_SP_ID: return "//DOMAIN";
	case OPT_NAME: return "NAME";
	case OPT_ORIGINATOR: return "ORIGINATOR";
	case OPT_PATH: return "PATH";
	case OPT_ADDRESS: return "ADDRESS";
	case OPT_BOOL: case OPT_BOOL_NOT: return "true|false";
	case OPT_PORT: return "PORT";
	case OPT_UNSIGNED: case OPT_U32: case OPT_U64: return "NUMBER";
	case OPT_BYTES: case OPT_BYTES64: return "SIZE";
	case OPT_SPAN: return "TIME";
	case OPT_LIST: return "A,B,...";
	case OPT_CSE_TYPE: return "IN|MN|ASN";
	case OPT_LOG_LEVEL: return "LEVEL";
	case OPT_LOG_FORMAT: return "text|json";
	case OPT_OPERATIONS: return "OPERATIONS";
	case OPT_EVENTS: return "EVENTS";
	}
	return "VALUE";
}
