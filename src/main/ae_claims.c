/* SPDX-License-Identifier: Apache-2.0 */
/* `reeve ae`: roles, tokens and signatures that a request relies on, and what an answer tells about rights.
 *
 * Role IDs and token identifiers go into the query, tokens and signatures beside it, values joined by '+'
 * (TS-0009 6.2.2.2, 6.4.19, 6.4.24). A token is a secret and a command line is not: --token @FILE reads it from a file. */
#include <stdio.h>

#include "base/file.h"
#include "main/ae.h"

enum { TOKEN_MOST = 65536 };

static bool visible(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] <= 0x20 || s.p[i] == 0x7f)
			return false;
	return s.n > 0;
}

static struct slice from_file(struct ae *ae, const char *path, char why[256])
{
	char unread[FILE_WHY_MAX];
	struct slice text = { NULL, 0 };
	struct buf b;

	if (file_read(path, TOKEN_MOST, &b, unread) == RC_OK)
		text = slice_trim(arena_dup(&ae->memory, buf_view(&b)), S(" \r\n"));
	buf_free(&b);
	if (!text.n)
		snprintf(why, 256, "--token @%.150s: no token can be read there", path);
	return text;
}

bool ae_claim(struct ae *ae, const char *flag, const char *value, char why[256])
{
	static const char *const flags[AE_CLAIMS] = { "--role", "--token-id", "--local-token", "--token", "--signature" };
	struct slice v = slice_str(value);
	size_t k = 0;

	*why = '\0';
	while (k < AE_CLAIMS && strcmp(flag, flags[k]))
		k++;
	if (k == AE_CLAIMS)
		return false;
	if (k == AE_TOKENS && v.n && v.p[0] == '@' && !(v = from_file(ae, value + 1, why)).n)
		return false;
	if (!visible(v)) {
		snprintf(why, 256, "%s: a value without blanks and control characters", flag);
		return false;
	}
	if (ae->claims[k].n)
		buf_char(&ae->claims[k], '+');
	if (k < AE_TOKENS)
		ae_escape(&ae->claims[k], v);
	else
		buf_slice(&ae->claims[k], v);
	return true;
}

bool ae_claim_flag(struct ae *ae, const char *flag)
{
	static const char *const flags[] = { "--tqi", "--asi", "--auri" };

	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		if (!strcmp(flag, flags[i])) {
			ae_query(ae, flag + 2, S("true"));
			return true;
		}
	return false;
}

void ae_claims_finish(struct ae *ae)
{
	static const char *const names[] = { "rids", "tids", "ltids" };

	for (size_t k = 0; k < AE_TOKENS; k++)
		if (ae->claims[k].n)
			buf_printf(&ae->query, "%s%s=%.*s", ae->query.n ? "&" : "?", names[k], SF(buf_view(&ae->claims[k])));
	ae->client.tokens = buf_view(&ae->claims[AE_TOKENS]);
	ae->client.signatures = buf_view(&ae->claims[AE_SIGNATURES]);
}

/* A list of authorization systems: {"dasi":[{"uri":"http://..."}]} */
static void tell_systems(struct arena *a, struct slice tqf)
{
	struct json j;
	struct slice why;
	uint32_t list;

	if (json_parse(a, tqf, &json_default_limits, &j, &why) != RC_OK || !(list = json_member(&j, 0, S("dasi"))) ||
	    json_kind(&j, list) != J_ARRAY)
		return;
	for (uint32_t i = list + 1; i < j.tok[list].next; i = j.tok[i].next) {
		struct slice uri = json_string(a, &j, json_member(&j, i, S("uri")));
		if (visible(uri))
			fprintf(stderr, "  a token may be had from %.*s\n", SF(uri));
	}
}

bool ae_rights_told(const struct ae *ae, const struct client_answer *a)
{
	struct slice rest = buf_view(&a->tokens), tqf = buf_view(&a->systems);
	struct arena mem;

	if (ae->json)
		return false;
	while (rest.n) {
		struct slice pair = slice_cut(&rest, '+');
		while (pair.n && pair.p[0] == ' ')
			pair = slice_skip(pair, 1);
		while (pair.n && pair.p[pair.n - 1] == ' ')
			pair.n--;
		if (visible(pair)) {
			struct slice local = slice_cut(&pair, ':');
			fprintf(stderr, "reeve: next time, --local-token %.*s is enough for %.*s\n", SF(local), SF(pair));
		}
	}
	if (a->sign)
		fputs("reeve: a signature is asked for: --signature\n", stderr);
	if (!tqf.n)
		return false;
	arena_init(&mem, NULL, 0, 1 << 20);
	tell_systems(&mem, tqf);
	arena_reset(&mem);
	return true;
}
