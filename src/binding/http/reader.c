/* SPDX-License-Identifier: Apache-2.0 */
/* Reading of request messages: callbacks of http_parser, and a chunked decoder of our own because the library's does not look at the
 * line ends around chunks. A callback that refuses returns non-zero, which ends the parser for good. */
#include "binding/http/reader.h"

enum { KEEP_BYTES = 16384 }; /* a kept buffer larger than this is given back between messages */

/* L_HTTP + n: n letters of "HTTP/" were seen */
enum line_state { L_START, L_METHOD, L_TARGET, L_HTTP, L_DONE = L_HTTP + 5 };

enum chunk_state { C_SIZE, C_EXTENSION, C_SIZE_LF, C_DATA, C_DATA_CR, C_DATA_LF, C_TRAILER, C_TRAILER_LF, C_END_LF };

static int bad(struct http_in *in, unsigned status, int rsc, const char *why)
{
	if (!in->status) {
		in->status = status;
		in->rsc = rsc;
		in->why = why;
	}
	return -1;
}

static int malformed(struct http_in *in, const char *why) { return bad(in, 400, 4000, why); }

/* Add a piece to a part of the message. */
static void piece(struct slice *part, struct buf *kept, const char *at, size_t n)
{
	if (!part->p) {
		*part = slice_of(at, n);
	} else if (part->p != kept->p && part->p + part->n == at) {
		part->n += n;
	} else {
		if (part->p != kept->p) {
			buf_clear(kept);
			buf_slice(kept, *part);
		}
		buf_add(kept, at, n);
		*part = buf_view(kept);
	}
}

/* The input is about to go away. */
static void keep(struct slice *part, struct buf *kept)
{
	if (!part->n || part->p == kept->p)
		return;
	buf_clear(kept);
	buf_slice(kept, *part);
	*part = buf_view(kept);
}

static int count_header(struct http_in *in, size_t n)
{
	in->header_bytes += n;
	if (in->header_bytes <= in->header_max)
		return 0;
	in->over_header = true;
	return bad(in, 431, 4000, "request line and headers are larger than limits.header");
}

static int count_body(struct http_in *in, const char *at, size_t n)
{
	if (n > in->body_max || in->body.n > in->body_max - n) {
		in->over_body = true;
		return bad(in, 413, 4000, "the content is larger than limits.body");
	}
	piece(&in->body, &in->kept_body, at, n);
	return 0;
}

/* --- request line --- */

/* The library takes any letters for "HTTP" between the target and the version: look along. */
static void look_at_line(struct http_in *in, const char *p, size_t n)
{
	static const char expected[] = "HTTP/";
	size_t i = 0;

	while (in->line_state == L_START && i < n && (p[i] == '\r' || p[i] == '\n'))
		i++;
	if (in->line_state == L_START && i < n)
		in->line_state = L_METHOD;
	while ((in->line_state == L_METHOD || in->line_state == L_TARGET) && i < n) {
		while (i < n && p[i] != ' ' && p[i] != '\n')
			i++;
		if (i < n) /* no version at all: the library says so */
			in->line_state = p[i] == ' ' ? in->line_state + 1 : L_DONE;
		i++;
	}
	for (; i < n && in->line_state < L_DONE; i++) {
		if (p[i] == expected[in->line_state - L_HTTP]) {
			in->line_state++;
		} else {
			in->line_bad = true;
			in->line_state = L_DONE;
		}
	}
}

/* --- headers --- */

/* Kept for who may be asked to take the connection over (http.h). */
static void upgrade_header(struct http_in *in, struct slice name, struct slice value)
{
	if (!slice_ieq(name, S("Upgrade")) && !slice_ieq(name, S("Connection")) && !slice_ieq(name, S("Origin")) &&
	    !(name.n > 14 && slice_ieq(slice_of(name.p, 14), S("Sec-WebSocket-"))))
		return;
	buf_slice(&in->upgrade, name);
	buf_char(&in->upgrade, ':');
	buf_slice(&in->upgrade, value);
	buf_char(&in->upgrade, '\n');
}

/* Headers about the message itself; others are the mapping's. */
static int message_header(struct http_in *in, struct slice name, struct slice value)
{
	switch (name.n) {
	case 4:
		if (slice_ieq(name, S("Host")) && in->hosts < 2)
			in->hosts++;
		break;
	case 6:
		if (!slice_ieq(name, S("Expect")))
			break;
		in->expects = true;
		in->unmet = in->unmet || !slice_ieq(value, S("100-continue"));
		break;
	case 17:
		if (slice_ieq(name, S("Transfer-Encoding")) && (in->codings++ || !slice_ieq(value, S("chunked"))))
			return malformed(in, "Transfer-Encoding: only \"chunked\" is understood, once");
		break;
	}
	return 0;
}

static int header_end(struct http_in *in)
{
	struct slice name = in->name, value = in->in_value ? slice_trim(in->value, S(" \t")) : S("");

	in->name = in->value = (struct slice){ NULL, 0 };
	in->in_value = in->value_touched = false;
	if (!name.n)
		return 0;
	if (memchr(name.p, ' ', name.n))
		return malformed(in, "blank in a header name, or a folded header");
	if (message_header(in, name, value))
		return -1;
	upgrade_header(in, name, value);
	http_map_header(in->req, name, value);
	return 0;
}

static int on_begin(http_parser *p)
{
	((struct http_in *)p->data)->begun = true;
	return 0;
}

static int on_url(http_parser *p, const char *at, size_t n)
{
	struct http_in *in = p->data;

	piece(&in->target, &in->kept_target, at, n);
	return count_header(in, n);
}

static int on_field(http_parser *p, const char *at, size_t n)
{
	struct http_in *in = p->data;

	if (in->in_value && header_end(in))
		return -1;
	piece(&in->name, &in->kept_name, at, n);
	return count_header(in, n);
}

static int on_value(http_parser *p, const char *at, size_t n)
{
	struct http_in *in = p->data;

	/* A further piece continues the value when both meet at the border of two inputs; otherwise there was a line end between
	 * them: a folded header (RFC 7230 3.2.4 has it refused). */
	if (in->in_value && n && in->value.p && !(at == in->from && in->value_open))
		return malformed(in, "folded header");
	if (!in->in_value)
		count_header(in, 4); /* ": " and the line end */
	in->in_value = true;
	in->value_touched = at + n == in->to;
	piece(&in->value, &in->kept_value, at, n);
	return count_header(in, n);
}

static int on_headers(http_parser *p)
{
	struct http_in *in = p->data;

	if (header_end(in))
		return -1;
	in->headers_done = true;
	in->keep_alive = p->http_minor >= 1 && http_should_keep_alive(p);
	in->method = http_method_str((enum http_method)p->method);
	if (in->line_bad)
		return malformed(in, "no HTTP version behind the request target");
	p->upgrade = 0; /* a whole message of HTTP in any case; who takes the connection over comes behind it */
	if (p->http_major != 1)
		return bad(in, 505, 4000, "HTTP/1.1 is spoken here");
	if (in->hosts > 1 || (in->hosts == 0 && p->http_minor >= 1))
		return malformed(in, "exactly one Host header is required");
	if (in->unmet)
		return bad(in, 417, 4000, "Expect: only 100-continue can be met");
	in->chunked = in->codings != 0;
	if (in->chunked && p->flags & F_CONTENTLENGTH)
		return malformed(in, "Content-Length and Transfer-Encoding exclude each other");
	if (!in->chunked && p->flags & F_CONTENTLENGTH && p->content_length > in->body_max)
		return count_body(in, "", in->body_max + 1);
	in->wants_continue = in->expects && p->http_minor >= 1 && (in->chunked || (p->flags & F_CONTENTLENGTH && p->content_length));
	return in->chunked; /* 1: no body for the library to read */
}

static int on_body(http_parser *p, const char *at, size_t n)
{
	return count_body(p->data, at, n);
}

static int on_complete(http_parser *p)
{
	http_parser_pause(p, 1);
	return 0;
}

static const http_parser_settings settings = {
	.on_message_begin = on_begin,
	.on_url = on_url,
	.on_header_field = on_field,
	.on_header_value = on_value,
	.on_headers_complete = on_headers,
	.on_body = on_body,
	.on_message_complete = on_complete,
};

/* --- chunks (RFC 7230 4.1) --- */

static int chunk_size(struct http_in *in, char c)
{
	int d = slice_hex(c);

	if (d >= 0 && in->chunk_digits < 8) {
		in->chunk_left = in->chunk_left << 4 | (unsigned)d;
		in->chunk_digits++;
		if (in->chunk_left > in->body_max)
			return count_body(in, "", in->body_max + 1);
		return 0;
	}
	if (d >= 0 || !in->chunk_digits)
		return malformed(in, "chunk without a usable size");
	if (c == '\r')
		in->chunk_state = C_SIZE_LF;
	else if (c == ';')
		in->chunk_state = C_EXTENSION;
	else
		return malformed(in, "chunk without a usable size");
	return 0;
}

/* One byte of what stands around the data; 1 when it was the last of the message. */
static int chunk_byte(struct http_in *in, char c)
{
	if (in->chunk_state == C_SIZE)
		return chunk_size(in, c);
	if (in->chunk_state == C_SIZE_LF || in->chunk_state == C_DATA_LF || in->chunk_state == C_TRAILER_LF ||
	    in->chunk_state == C_END_LF) {
		if (c != '\n')
			return malformed(in, "line of a chunk does not end in CR LF");
		if (in->chunk_state == C_END_LF)
			return 1;
		if (in->chunk_state == C_SIZE_LF) {
			in->chunk_state = in->chunk_left ? C_DATA : C_TRAILER;
		} else if (in->chunk_state == C_DATA_LF) {
			in->chunk_state = C_SIZE;
			in->chunk_digits = 0;
		} else {
			in->chunk_state = C_TRAILER;
		}
		in->line_bytes = 0;
		return 0;
	}
	if (in->chunk_state == C_DATA_CR) {
		if (c != '\r')
			return malformed(in, "chunk longer than its size");
		in->chunk_state = C_DATA_LF;
		return 0;
	}
	/* extension or trailer: not used, only bounded */
	if (c == '\r') {
		in->chunk_state = in->chunk_state == C_EXTENSION ? C_SIZE_LF : in->line_bytes ? C_TRAILER_LF : C_END_LF;
		return 0;
	}
	if ((unsigned char)c < 0x20 && c != '\t')
		return malformed(in, "control character in a chunk extension or trailer");
	in->line_bytes = 1;
	return count_header(in, 1);
}

static enum http_verdict read_chunks(struct http_in *in, const char *data, size_t n, size_t *used)
{
	size_t at = 0;

	while (at < n) {
		int rc;
		if (in->chunk_state == C_DATA) {
			size_t k = n - at < in->chunk_left ? n - at : (size_t)in->chunk_left;
			if (count_body(in, data + at, k))
				return HTTP_BAD;
			at += k;
			in->chunk_left -= k;
			if (!in->chunk_left)
				in->chunk_state = C_DATA_CR;
			continue;
		}
		rc = chunk_byte(in, data[at++]);
		if (rc < 0)
			return HTTP_BAD;
		if (rc > 0) {
			*used += at;
			return HTTP_DONE;
		}
	}
	*used += at;
	return HTTP_MORE;
}

/* --- the message --- */

void http_in_init(struct http_in *in, struct req *r, size_t header_max, size_t body_max)
{
	*in = (struct http_in){ .req = r, .header_max = header_max, .body_max = body_max };
	buf_init(&in->kept_target, header_max);
	buf_init(&in->kept_name, header_max);
	buf_init(&in->kept_value, header_max);
	buf_init(&in->kept_body, body_max);
	buf_init(&in->upgrade, 2 * header_max); /* the limit on headers comes first */
}

static void shrink(struct buf *b)
{
	if (b->cap > KEEP_BYTES)
		buf_free(b);
	buf_clear(b);
}

void http_in_reset(struct http_in *in)
{
	struct buf t = in->kept_target, n = in->kept_name, v = in->kept_value, b = in->kept_body, u = in->upgrade;

	shrink(&t);
	shrink(&n);
	shrink(&v);
	shrink(&b);
	shrink(&u);
	*in = (struct http_in){ .req = in->req, .header_max = in->header_max, .body_max = in->body_max,
				.kept_target = t, .kept_name = n, .kept_value = v, .kept_body = b, .upgrade = u };
}

void http_in_free(struct http_in *in)
{
	buf_free(&in->kept_target);
	buf_free(&in->kept_name);
	buf_free(&in->kept_value);
	buf_free(&in->kept_body);
	buf_free(&in->upgrade);
}

static enum http_verdict refused(struct http_in *in, enum http_errno e)
{
	if (in->status)
		return HTTP_BAD;
	if (e == HPE_HEADER_OVERFLOW) {
		in->over_header = true;
		bad(in, 431, 4000, "request line and headers are too large");
	} else if (e == HPE_INVALID_METHOD) {
		bad(in, 405, 4005, "the method is no oneM2M operation");
	} else if (e == HPE_INVALID_VERSION) {
		bad(in, 505, 4000, "HTTP/1.1 is spoken here");
	} else {
		malformed(in, http_errno_description(e));
	}
	return HTTP_BAD;
}

/* All of the input is used and more is to come: nothing may point into it any longer. */
static enum http_verdict more(struct http_in *in)
{
	keep(&in->target, &in->kept_target);
	keep(&in->name, &in->kept_name);
	keep(&in->value, &in->kept_value);
	keep(&in->body, &in->kept_body);
	return HTTP_MORE;
}

enum http_verdict http_in_feed(struct http_in *in, http_parser *p, const char *data, size_t n, size_t *used)
{
	enum http_verdict v = HTTP_DONE;

	*used = 0;
	if (!n) /* the library would take it for the end of the connection */
		return HTTP_MORE;
	if (!in->headers_done || !in->chunked) {
		enum http_errno e;

		p->data = in;
		if (in->line_state < L_DONE)
			look_at_line(in, data, n);
		in->from = data;
		in->to = data + n;
		in->value_open = in->value_touched;
		in->value_touched = false;
		*used = http_parser_execute(p, &settings, data, n);
		e = HTTP_PARSER_ERRNO(p);
		if (e == HPE_PAUSED)
			http_parser_pause(p, 0);
		else if (e != HPE_OK || in->status)
			return refused(in, e);
		else
			return more(in);
	}
	if (in->chunked)
		v = read_chunks(in, data + *used, n - *used, used);
	if (v == HTTP_MORE)
		return more(in);
	if (in->kept_target.failed || in->kept_body.failed || in->kept_name.failed || in->kept_value.failed || in->upgrade.failed)
		bad(in, 500, 5000, "no memory for the request");
	if (in->status)
		return HTTP_BAD;
	return v;
}

void http_in_finish(struct http_in *in, const struct json_limits *limits)
{
	http_map_target(in->req, in->target);
	keep(&in->body, &in->kept_body); /* outlives the input, as the request does */
	http_map_finish(in->req, slice_str(in->method), in->body, limits);
}
