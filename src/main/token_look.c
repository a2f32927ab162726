/* SPDX-License-Identifier: Apache-2.0 */
/* `reeve token inspect` and `verify`: what stands in a token, and whether it counts. */
#include <stdlib.h>

#include "codec/base64.h"
#include "codec/text.h"
#include "core/keys.h"
#include "main/commands.h"
#include "main/token.h"

static void print(struct buf *b)
{
	if (b->n)
		fwrite(b->p, 1, b->n, stdout);
	buf_free(b);
}

static void put_time(struct buf *b, const char *name, usec t)
{
	char text[TEXT_TIMESTAMP_MAX];
	buf_printf(b, "  %-12s %.*s\n", name, (int)text_timestamp_write(t, text), text);
}

/* Text from a token, without what could move the cursor of a terminal. */
static void put_text(struct buf *b, const char *name, struct slice s)
{
	if (!s.p)
		return;
	buf_printf(b, "  %-12s ", name);
	for (size_t i = 0; i < s.n; i++)
		buf_char(b, (unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f ? '?' : s.p[i]);
	buf_char(b, '\n');
}

static void put_claims(struct buf *b, const struct token_claims *c)
{
	put_text(b, "token", c->id);
	put_text(b, "issuer", c->issuer);
	put_text(b, "holder", c->holder);
	put_time(b, "from", c->not_before);
	put_time(b, "until", c->not_after);
	for (size_t i = 0; i < c->n_audience; i++)
		put_text(b, "audience", c->audience[i]);
	put_text(b, "version", c->version);
	put_text(b, "name", c->name);
	put_text(b, "permissions", c->permissions);
	put_text(b, "extension", c->extension);
}

/* --- inspect --- */

/* A part of a token, decoded; p == NULL: it is not base64url. */
static struct slice part(struct token_asked *q, struct slice text)
{
	uint8_t *p = arena_alloc(&q->a, base64url_size(text.n) + 1);

	if (!p || !base64url_decode(text, p))
		return (struct slice){ NULL, 0 };
	return slice_of((char *)p, base64url_size(text.n));
}

int token_inspect(struct token_asked *q)
{
	struct slice text = token_input(q, q->operand), rest = text, header, payload, why = { NULL, 0 };
	struct token_claims claims;
	const char *said = "";
	struct jose t;
	struct buf b;

	if (!text.p)
		return EXIT_UNREACHABLE;
	if (jose_parse(&q->a, text, &jose_default_limits, &t, &said) != RC_OK)
		return token_refused(q, "it is no token: %s", said);
	header = part(q, slice_cut(&rest, '.'));
	payload = t.encrypted ? (struct slice){ NULL, 0 } : part(q, slice_cut(&rest, '.'));
	buf_init(&b, 1 << 20);
	if (q->json) {
		buf_lit(&b, "{\"verified\":false,\"header\":");
		buf_slice(&b, header);
		if (payload.p) {
			buf_lit(&b, ",\"claims\":");
			buf_json(&b, payload);
		}
		buf_lit(&b, "}\n");
		print(&b);
		return EXIT_OK;
	}
	buf_lit(&b, "NOT VERIFIED: anybody could have written this. reeve token verify tells whether it counts.\n");
	put_text(&b, "protection", t.encrypted ? S("encrypted (JWE)") : S("signed (JWS)"));
	put_text(&b, "header", header);
	if (t.encrypted)
		put_text(&b, "claims", S("can be read with the key only"));
	else if (token_claims_read(&q->a, &q->home, payload, &token_default_limits, &claims, &why) == RC_OK)
		put_claims(&b, &claims);
	else {
		put_text(&b, "payload", payload);
		put_text(&b, "no claims", why);
	}
	print(&b);
	return EXIT_OK;
}

/* --- verify --- */

static int tell(struct token_asked *q, enum token_fault f, struct slice why, const struct token *t)
{
	struct buf b;

	if (f && !why.n)
		why = slice_str(token_fault_text(f));
	buf_init(&b, 1 << 20);
	if (q->json) {
		buf_printf(&b, "{\"verified\":%s,\"verdict\":\"%s\"", t ? "true" : "false", token_fault_name(f));
		if (f) {
			buf_lit(&b, ",\"why\":");
			buf_json(&b, why);
		}
		if (t) {
			buf_lit(&b, ",\"claims\":");
			token_claims_write_jwt(&b, token_claims(t));
			buf_lit(&b, ",\"unused\":");
			buf_json(&b, token_unused(t));
		}
		buf_lit(&b, "}\n");
	} else {
		buf_printf(&b, "%s: %s%s%.*s\n", f ? "REFUSED" : "RIGHT", token_fault_name(f), f ? ": " : "", SF(why));
		if (t) {
			put_claims(&b, token_claims(t));
			if (token_unused(t).n)
				put_text(&b, "not used", token_unused(t));
		}
	}
	print(&b);
	return f ? EXIT_REFUSED : EXIT_OK;
}

static int judge(struct token_asked *q, const struct issuers *is, struct slice text)
{
	struct policy_options policies = { .home = &q->home };
	struct token_limits limits = token_default_limits;
	struct token_open_options o = { .issuers = is, .policies = &policies, .limits = &limits };
	struct token_facts facts = { .now = clock_wall(), .cse = q->home.abs };
	struct slice why = { NULL, 0 };
	struct token *t = NULL;
	enum ident_kind kind;
	enum ident_form form;
	enum token_fault f;
	int status;

	if (q->at && !text_timestamp(slice_str(q->at), &facts.now))
		return token_refused(q, "--at %s: expected YYYYMMDDThhmmss", q->at);
	if (q->holder && (ident_parse(&q->a, &q->home, slice_str(q->holder), &kind, &form, &facts.who) != RC_OK || kind == ID_NONE))
		return token_refused(q, "--holder %s: expected an AE-ID or CSE-ID", q->holder);
	limits.jose.token = q->s.c.limits.token;
	if ((f = token_open(&o, &q->a, text, &t, &why)) == TOKEN_GOOD) {
		if (!q->holder)
			facts.who = token_claims(t)->holder;
		f = token_check(t, token_claims(t)->holder, &facts);
	}
	status = tell(q, f, why, t);
	token_put(t);
	return status;
}

int token_verify(struct token_asked *q)
{
	char why[ISSUERS_WHY_MAX] = "";
	struct issuers *is = NULL;
	struct secenv *se = NULL;
	struct slice text;
	enum reeve_rc rc;
	int status = EXIT_UNREACHABLE;

	if (!q->s.c.authz.issuers)
		return usage_error("token", "verify needs the file of issuers: --authz.issuers FILE, or a configuration that names it");
	rc = keys_open(&q->s.c, false, &se, why);
	if (rc == RC_OK || (rc == RC_NOTFOUND && !q->s.c.keys.file))
		rc = issuers_open(q->s.c.authz.issuers, &q->home, se, &is, why);
	if (rc != RC_OK)
		token_refused(q, "%s", why);
	else if ((text = token_input(q, q->operand)).p)
		status = judge(q, is, text);
	issuers_put(is);
	if (se)
		secenv_close(se);
	return status;
}
