/* SPDX-License-Identifier: Apache-2.0 */
/* See look.h. RFC 5246 6.2.1, 7.4; RFC 6347 4.1, 4.2.2; RFC 8446 4.1.2, 4.2.11; RFC 4279 2. */
#include "tls/look.h"

enum { RECORD_CHANGE = 20, RECORD_ALERT = 21, RECORD_HANDSHAKE = 22, RECORD_DATA = 23 };
enum { MESSAGE_HELLO = 1, MESSAGE_KEY = 16 };
enum { DTLS_HEAD = 13, DTLS_FRAGMENT = 12 };

/* --- a reader that never goes beyond its end --- */

static bool take(struct slice *s, size_t n, struct slice *out)
{
	if (s->n < n)
		return false;
	*out = slice_of(s->p, n);
	*s = slice_skip(*s, n);
	return true;
}

static bool take_number(struct slice *s, size_t bytes, uint32_t *out)
{
	struct slice b;

	if (!take(s, bytes, &b))
		return false;
	*out = 0;
	for (size_t i = 0; i < bytes; i++)
		*out = *out << 8 | (unsigned char)b.p[i];
	return true;
}

/* What has its length (of `bytes` bytes) in front. */
static bool take_vector(struct slice *s, size_t bytes, struct slice *out)
{
	uint32_t n;

	return take_number(s, bytes, &n) && take(s, n, out);
}

/* --- messages out of records --- */

void look_init(struct look *l, bool datagram)
{
	l->datagram = datagram;
	l->changed = l->hello_seen = l->v13 = l->key_seen = l->resumed = l->whole = l->moved = false;
	l->turn = 0;
	l->n_head = 0;
	l->length = l->have = l->n_message = 0;
}

size_t look_record_size(struct slice s)
{
	size_t n;

	if (s.n && ((unsigned char)s.p[0] < RECORD_CHANGE || (unsigned char)s.p[0] > RECORD_DATA || (s.n > 1 && s.p[1] != 3)))
		return SIZE_MAX;
	if (s.n < LOOK_HEAD)
		return 0;
	n = LOOK_HEAD + ((size_t)(unsigned char)s.p[3] << 8 | (unsigned char)s.p[4]);
	return n > LOOK_RECORD_MAX ? SIZE_MAX : n;
}

/* A message begins. False: it is too long, not a client's, or the second one at a time that is kept. */
static bool begin(struct look *l, uint32_t type, uint32_t length)
{
	const bool kept = type == MESSAGE_HELLO || type == MESSAGE_KEY;

	if ((kept && (length > LOOK_MAX || l->whole)) || (!l->hello_seen && type != MESSAGE_HELLO))
		return false;
	l->type = (uint8_t)type;
	l->length = length;
	l->have = 0;
	l->kept = kept;
	return true;
}

/* A part of it. Returns what is whole now. */
static unsigned more(struct look *l, struct slice part)
{
	if (l->kept && part.n)
		memcpy(l->bytes + l->have, part.p, part.n);
	l->have += (uint32_t)part.n;
	l->moved = true;
	if (l->have < l->length)
		return 0;
	l->n_head = 0;
	l->hello_seen = true;
	if (!l->kept)
		return 0;
	l->whole = true;
	l->n_message = l->length;
	l->key_seen |= l->type == MESSAGE_KEY;
	return l->type == MESSAGE_HELLO ? LOOK_HELLO : LOOK_KEY;
}

/* The content of a handshake record of TLS: a piece of a stream of messages. */
static unsigned look_stream(struct look *l, struct slice s)
{
	unsigned signs = 0;

	while (s.n) {
		struct slice part;
		if (l->n_head < sizeof(l->head)) {
			l->head[l->n_head++] = (uint8_t)s.p[0];
			s = slice_skip(s, 1);
			if (l->n_head < sizeof(l->head))
				continue;
			if (!begin(l, l->head[0], (uint32_t)l->head[1] << 16 | (uint32_t)l->head[2] << 8 | l->head[3]))
				return LOOK_BAD;
		}
		part = slice_of(s.p, l->length - l->have < s.n ? l->length - l->have : s.n);
		s = slice_skip(s, part.n);
		signs |= more(l, part);
	}
	return signs;
}

/* A fragment of DTLS: its message's number against the one whose turn it is, its place against what is there. */
static unsigned look_fragment(struct look *l, struct slice *s)
{
	uint32_t type, length, turn, at, n;
	struct slice part;
	unsigned signs;

	if (!take_number(s, 1, &type) || !take_number(s, 3, &length) || !take_number(s, 2, &turn) || !take_number(s, 3, &at) ||
	    !take_vector(s, 3, &part))
		return LOOK_BAD;
	n = (uint32_t)part.n;
	if (at > length || n > length - at)
		return LOOK_BAD;
	if (!l->hello_seen && !l->n_head)
		l->turn = (uint16_t)turn; /* the first; earlier ones were the exchange of cookies */
	if (turn < l->turn)
		return 0; /* sent again */
	if (turn > l->turn || (l->n_head && (type != l->type || length != l->length)) || at > (l->n_head ? l->have : 0))
		return LOOK_BAD;
	if (!l->n_head && !begin(l, type, length))
		return LOOK_BAD;
	l->n_head = 1;
	if (at + n <= l->have && length)
		return 0;
	signs = more(l, slice_skip(part, l->have - at));
	l->turn = (uint16_t)(l->turn + !l->n_head);
	return signs;
}

static unsigned look_records(struct look *l, struct slice s)
{
	unsigned signs = 0;

	while (s.n && !(signs & LOOK_BAD)) {
		uint32_t type, version, epoch;
		struct slice number, content;
		if (!take_number(&s, 1, &type) || !take_number(&s, 2, &version) || !take_number(&s, 2, &epoch) ||
		    !take(&s, 6, &number) || !take_vector(&s, 2, &content) || version >> 8 != 0xfe)
			signs |= LOOK_BAD;
		else if (epoch == 0 && type == RECORD_CHANGE && !l->key_seen && !l->resumed)
			signs |= LOOK_BAD; /* it has overtaken the ClientKeyExchange, or that was lost: both come again */
		else if (epoch == 0 && type == RECORD_CHANGE)
			l->changed = true;
		else if (epoch == 0 && type == RECORD_HANDSHAKE)
			while (content.n && !(signs & LOOK_BAD))
				signs |= look_fragment(l, &content);
	}
	/* Anybody can send a datagram in somebody's name: one that is wrong from its beginning never was. */
	return signs & LOOK_BAD && !l->moved ? LOOK_DROP : signs;
}

unsigned look_at(struct look *l, struct slice unit)
{
	l->whole = l->moved = false;
	if (l->changed)
		return 0;
	if (l->datagram)
		return look_records(l, unit);
	if (unit.n < LOOK_HEAD || unit.p[1] != 3)
		return LOOK_BAD;
	switch ((unsigned char)unit.p[0]) {
	case RECORD_HANDSHAKE:
		return unit.n > LOOK_HEAD ? look_stream(l, slice_skip(unit, LOOK_HEAD)) : LOOK_BAD; /* RFC 5246 6.2.1 */
	case RECORD_CHANGE: /* ends it under TLS 1.2; under 1.3 one may come before a second ClientHello, and means nothing */
		l->changed = !l->v13;
		return l->hello_seen ? 0 : LOOK_BAD;
	case RECORD_DATA:
		l->changed = true;
		return l->hello_seen ? 0 : LOOK_BAD;
	case RECORD_ALERT:
		return 0;
	default:
		return LOOK_BAD;
	}
}

/* --- what the messages say --- */

static bool versions(struct slice body, struct look_hello *out)
{
	struct slice list;
	uint32_t v;

	if (!take_vector(&body, 1, &list) || list.n % 2)
		return false;
	out->v12 = out->v13 = false;
	while (take_number(&list, 2, &v)) {
		out->v12 |= v == 0x0303 || v == 0xfefd;
		out->v13 |= v == 0x0304;
	}
	return true;
}

/* The first identity of an external PSK: such a one has no age (RFC 8446 4.2.11). */
static bool identities(struct slice body, struct look_hello *out)
{
	struct slice list, name;
	uint32_t age;

	if (!take_vector(&body, 2, &list))
		return false;
	while (list.n) {
		if (!take_vector(&list, 2, &name) || !take_number(&list, 4, &age))
			return false;
		if (age == 0 && name.n && !out->identity.n)
			out->identity = name;
	}
	return true;
}

bool look_hello(struct slice s, bool datagram, struct look_hello *out)
{
	enum { SUPPORTED_VERSIONS = 43, PRE_SHARED_KEY = 41 };
	struct slice skipped, extensions, body;
	uint32_t version, type;

	*out = (struct look_hello){ .identity = S("") };
	if (!take_number(&s, 2, &version) || !take(&s, 32, &skipped) || !take_vector(&s, 1, &skipped) /* session id */ ||
	    (datagram && !take_vector(&s, 1, &skipped)) /* cookie */ || !take_vector(&s, 2, &skipped) /* suites */ ||
	    !take_vector(&s, 1, &skipped) /* compression */)
		return false;
	out->v12 = datagram ? version <= 0xfefd : version >= 0x0303;
	if (!s.n)
		return true;
	if (!take_vector(&s, 2, &extensions) || s.n)
		return false;
	while (extensions.n) {
		if (!take_number(&extensions, 2, &type) || !take_vector(&extensions, 2, &body))
			return false;
		if ((type == SUPPORTED_VERSIONS && !versions(body, out)) || (type == PRE_SHARED_KEY && !identities(body, out)))
			return false;
	}
	return true;
}

bool look_identity(struct slice message, struct slice *identity) { return take_vector(&message, 2, identity); }
