/* SPDX-License-Identifier: Apache-2.0 */
/* <semanticDescriptor> (TS-0004 7.4.34): a semantic description of its parent, kept and handed out as it came.
 *
 * There is no SPARQL engine (docs/semantics.md says why). So semanticOpExec, a SPARQL Update of the descriptor, is refused: it is
 * never stored, and cannot show in an answer or a notification (CORE-060). Nothing here looks for triples; what is checked of
 * the descriptor is what can be said without reading them: that a text is in it, and with JSON-LD that it is JSON. */
#include "codec/base64.h"
#include "core/types.h"

enum { FORMAT_IRI = 1, FORMAT_OWL_XML = 3, FORMAT_RDF_XML = 4, FORMAT_JSON_LD = 7 }; /* m2m:semanticFormat */

/* The bytes of xs:base64Binary; the model has seen to its alphabet, its length and its padding. */
static enum reeve_rc decode(struct arena *a, struct slice s, struct slice *out)
{
	char *url;
	uint8_t *bytes;

	while (s.n && s.p[s.n - 1] == '=')
		s.n--;
	url = arena_array(a, s.n + 1, 1);
	bytes = arena_array(a, base64url_size(s.n) + 1, 1);
	if (!url || !bytes)
		return RC_NOMEM;
	for (size_t i = 0; i < s.n; i++)
		url[i] = (char)(s.p[i] == '+' ? '-' : s.p[i] == '/' ? '_' : s.p[i]);
	if (!base64url_decode(slice_of(url, s.n), bytes))
		return RC_SYNTAX;
	*out = slice_of((char *)bytes, base64url_size(s.n));
	return RC_OK;
}

static enum reeve_rc check_descriptor(struct req *r, const struct draft *d, uint64_t format)
{
	struct slice text, why;
	struct json j;
	enum reeve_rc rc = decode(d->arena, draft_string(d, S("dsp")), &text);

	if (rc != RC_OK)
		return rc == RC_NOMEM ? rc : req_refuse(r, 4000, "dsp: not base64");
	if (format == FORMAT_OWL_XML || format == FORMAT_RDF_XML) /* may have an encoding of its own */
		return RC_OK;
	if (!slice_utf8(text) || memchr(text.p, 0, text.n))
		return req_refuse(r, 4000, "dsp: not a text (UTF-8), whatever dcrp says");
	if (format != FORMAT_JSON_LD || (rc = json_parse(d->arena, text, &json_default_limits, &j, &why)) == RC_OK)
		return RC_OK;
	return rc == RC_NOMEM ? rc : req_refuse(r, 4000, "dsp: dcrp says JSON-LD, but it is no JSON: %.*s", SF(why));
}

static enum reeve_rc check(struct exec *x, struct req *r, const struct res *parent, const struct res *old, struct draft *d)
{
	uint64_t format = 0;
	bool validate = false;
	enum reeve_rc rc;

	(void)x, (void)parent, (void)old;
	if (draft_given(d, S("soe")) && draft_given(d, S("dsp")))
		return req_refuse(r, 4000, "soe and dsp: a descriptor is replaced or worked on, not both");
	if (draft_given(d, S("soe")))
		return req_refuse(r, 5001, "soe: SPARQL is not supported; send the whole descriptor in dsp");
	if (!draft_u64(d, S("dcrp"), &format) || format == FORMAT_IRI)
		return req_refuse(r, 4000, "dcrp: a descriptor is not an IRI (1)");
	if ((draft_given(d, S("dcrp")) || draft_given(d, S("dsp"))) && (rc = check_descriptor(r, d, format)) != RC_OK)
		return rc;
	/* Nothing is validated, and the policy of the CSE decides (7.4.34.2.1, Recv-6.5 a); the answer tells. */
	if (draft_bool(d, S("vlde"), &validate) && validate && !draft_set(d, S("vlde"), S("false")))
		return RC_NOMEM;
	return RC_OK;
}

const struct type_hooks type_semantic_descriptor = { .ty = TYPE_SEMANTIC_DESCRIPTOR, .check = check };
