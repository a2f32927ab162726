/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of the audit log: an event as members of an object, the frame around them, and the frame read again. */
#include "authz/audit_int.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <openssl/sha.h>
#include <unistd.h>

#include "codec/text.h"

enum { VALUE_MAX = 256 }; /* bytes of one text */

const char audit_zero[AUDIT_HEX + 1] = "0000000000000000000000000000000000000000000000000000000000000000";

static const char *const kinds[AUDIT_KINDS] = {
	[AUDIT_DENIED] = "denied",
	[AUDIT_PERMITTED] = "permitted",
	[AUDIT_REGISTRATION] = "registration",
	[AUDIT_POLICY] = "policy",
	[AUDIT_LINKS] = "links",
	[AUDIT_ROLE] = "role",
	[AUDIT_TOKEN] = "token",
	[AUDIT_CONSULTATION] = "consultation",
	[AUDIT_CREDENTIAL] = "credential",
	[AUDIT_ADMIN] = "admin",
	[AUDIT_PROCESS] = "process",
};

const char *audit_kind_name(enum audit_kind kind)
{
	return (unsigned)kind < AUDIT_KINDS ? kinds[kind] : "";
}

/* --- events --- */

/* Peers send it, and nobody has checked that it is UTF-8: anything beyond ASCII becomes '?'. */
static void member(struct buf *b, const char *name, struct slice s)
{
	char text[VALUE_MAX];
	size_t n = s.n < sizeof(text) ? s.n : sizeof(text);

	if (!s.n)
		return;
	for (size_t i = 0; i < n; i++)
		text[i] = (unsigned char)s.p[i] < 0x7f && (unsigned char)s.p[i] >= 0x20 ? s.p[i] : '?';
	if (n < s.n)
		memcpy(text + n - 3, "...", 3);
	buf_printf(b, ",\"%s\":", name);
	buf_json(b, slice_of(text, n));
}

static void address(struct buf *b, const uint8_t *ip)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	char text[INET6_ADDRSTRLEN];
	bool v4;

	if (!ip)
		return;
	v4 = memcmp(ip, mapped, sizeof(mapped)) == 0;
	if (inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? ip + 12 : ip, text, sizeof(text)))
		member(b, "address", slice_str(text));
}

void audit_write(struct buf *b, const struct audit_what *what)
{
	char when[TEXT_TIMESTAMP_MAX];
	size_t n = text_timestamp_write(what->when, when);

	buf_printf(b, "\"when\":\"%.*s\",\"event\":\"%s\"", (int)n, when, audit_kind_name(what->kind));
	member(b, "action", slice_str(what->action));
	member(b, "who", what->who);
	member(b, "target", what->target);
	member(b, "request", what->request);
	member(b, "decision", what->decision);
	member(b, "ground", what->ground);
	member(b, "detail", what->detail);
	address(b, what->ip);
	buf_char(b, '\n');
}

/* --- sums --- */

void audit_hex(const uint8_t in[AUDIT_SUM], char out[AUDIT_HEX])
{
	static const char digits[] = "0123456789abcdef";

	for (int i = 0; i < AUDIT_SUM; i++) {
		out[2 * i] = digits[in[i] >> 4];
		out[2 * i + 1] = digits[in[i] & 15];
	}
}

bool audit_hex_ok(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!((s.p[i] >= '0' && s.p[i] <= '9') || (s.p[i] >= 'a' && s.p[i] <= 'f')))
			return false;
	return s.n == AUDIT_HEX;
}

void audit_sha256(struct slice s, char out[AUDIT_HEX])
{
	uint8_t sum[AUDIT_SUM];

	SHA256((const unsigned char *)s.p, s.n, sum);
	audit_hex(sum, out);
}

static bool sum_of(struct slice body, const struct audit_key *key, char out[AUDIT_HEX])
{
	uint8_t sum[AUDIT_SUM];

	if (!key) {
		audit_sha256(body, out);
		return true;
	}
	if (!key->mac(key->ctx, body.p, body.n, sum))
		return false;
	audit_hex(sum, out);
	return true;
}

bool audit_line_right(const struct audit_line *l, const struct audit_key *key)
{
	char sum[AUDIT_HEX];

	return l->keyed == (key != NULL) && sum_of(l->body, key, sum) && memcmp(sum, l->sum, AUDIT_HEX) == 0;
}

bool audit_line_write(struct buf *b, uint64_t seq, struct slice members, const char prev[AUDIT_HEX], const struct audit_key *key,
		      char sum[AUDIT_HEX])
{
	const size_t from = b->n;

	buf_printf(b, "{\"seq\":%llu,", (unsigned long long)seq);
	buf_slice(b, members);
	buf_printf(b, ",\"prev\":\"%.*s\"", AUDIT_HEX, prev);
	if (b->failed || !sum_of(slice_of(b->p + from, b->n - from), key, sum)) {
		b->n = from;
		return false;
	}
	buf_printf(b, ",\"%s\":\"%.*s\"}\n", key ? "mac" : "hash", AUDIT_HEX, sum);
	return !b->failed;
}

/* --- reading --- */

/* Take `lit` off the front of *s. */
static bool eat(struct slice *s, struct slice lit)
{
	if (!slice_starts(*s, lit))
		return false;
	*s = slice_skip(*s, lit.n);
	return true;
}

/* A number as this program writes it: no sign, no leading zero. */
static bool eat_number(struct slice *s, uint64_t *out)
{
	size_t n = 0;

	while (n < s->n && s->p[n] >= '0' && s->p[n] <= '9')
		n++;
	if (n == 0 || (n > 1 && s->p[0] == '0') || !slice_u64(slice_of(s->p, n), out))
		return false;
	*s = slice_skip(*s, n);
	return true;
}

/* Plain text up to the next quote, which is taken too. */
static bool eat_text(struct slice *s, size_t most, struct slice *out)
{
	ptrdiff_t at = slice_find(*s, '"');

	if (at < 0 || (size_t)at > most)
		return false;
	*out = slice_of(s->p, (size_t)at);
	*s = slice_skip(*s, (size_t)at + 1);
	return true;
}

/* `lit`, 64 digits, `end` off the back of *s. */
static bool eat_sum(struct slice *s, struct slice lit, struct slice end, char out[AUDIT_HEX])
{
	const size_t n = lit.n + AUDIT_HEX + end.n;
	struct slice tail;

	if (s->n < n)
		return false;
	tail = slice_skip(*s, s->n - n);
	if (!eat(&tail, lit) || !audit_hex_ok(slice_of(tail.p, AUDIT_HEX)) || !slice_eq(slice_skip(tail, AUDIT_HEX), end))
		return false;
	memcpy(out, tail.p, AUDIT_HEX);
	s->n -= n;
	return true;
}

/* What only the writer's own lines say. */
static bool read_own(struct slice rest, struct audit_line *l)
{
	struct slice fragment;

	if (slice_eq(l->event, S("lost")))
		return eat(&rest, S(",\"lost\":")) && eat_number(&rest, &l->lost) && l->lost;
	if (slice_eq(l->event, S("file")))
		return eat(&rest, S(",\"file\":")) && eat_number(&rest, &l->file) && eat(&rest, S(",\"format\":")) &&
		       eat_number(&rest, &l->format);
	if (slice_eq(l->event, S("recovered"))) {
		if (!eat(&rest, S(",\"torn\":")) || !eat_number(&rest, &l->torn) || !eat(&rest, S(",\"fragment\":\"")) ||
		    !eat_text(&rest, AUDIT_HEX, &fragment) || !audit_hex_ok(fragment))
			return false;
		memcpy(l->fragment, fragment.p, AUDIT_HEX);
	}
	if (slice_eq(l->event, S("process"))) {
		l->starts = slice_starts(rest, S(",\"action\":\"start\""));
		l->stops = slice_starts(rest, S(",\"action\":\"stop\""));
	}
	return true;
}

bool audit_line_read(struct slice line, struct audit_line *out)
{
	struct slice rest = line, when;

	*out = (struct audit_line){ .seq = 0 };
	if (line.n >= AUDIT_LINE_MAX)
		return false;
	if (!eat_sum(&rest, S(",\"hash\":\""), S("\"}"), out->sum)) {
		if (!eat_sum(&rest, S(",\"mac\":\""), S("\"}"), out->sum))
			return false;
		out->keyed = true;
	}
	out->body = rest;
	return eat_sum(&rest, S(",\"prev\":\""), S("\""), out->prev) && eat(&rest, S("{\"seq\":")) && eat_number(&rest, &out->seq) &&
	       out->seq && eat(&rest, S(",\"when\":\"")) && eat_text(&rest, TEXT_TIMESTAMP_MAX, &when) &&
	       eat(&rest, S(",\"event\":\"")) && eat_text(&rest, 32, &out->event) && read_own(rest, out);
}

/* --- the head --- */

bool audit_head_read(struct slice text, uint64_t *seq, char sum[AUDIT_HEX])
{
	struct slice hex;

	if (!eat(&text, S("{\"seq\":")) || !eat_number(&text, seq) || !eat(&text, S(",\"sum\":\"")) ||
	    !eat_text(&text, AUDIT_HEX, &hex) || !audit_hex_ok(hex) || !slice_eq(text, S("}\n")))
		return false;
	memcpy(sum, hex.p, AUDIT_HEX);
	return true;
}

bool audit_head_load(const char *path, uint64_t *seq, char sum[AUDIT_HEX], bool *there)
{
	char text[256];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, text, sizeof(text)) : -1;

	*there = fd >= 0;
	if (fd >= 0)
		close(fd);
	return n > 0 && audit_head_read(slice_of(text, (size_t)n), seq, sum);
}
