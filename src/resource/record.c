/* SPDX-License-Identifier: Apache-2.0 */
/* Records: reading one in place, keys and their text, rendering.
 *
 * Rendering is the inner part of every Retrieve: one copy of the text and a few numbers behind it. Which of
 * those a type has is looked up in the model once per type and then kept in a table of bits. For instances only lt and et
 * are added: their st and cs never change and are part of the text. */
#include "resource/record.h"

#include <stdatomic.h>

#include "codec/text.h"

static const size_t TEXT_LEAST = sizeof("\"rn\":\"\",\"ri\":\"\"") - 1;

static bool has_at(struct slice s, size_t at, struct slice part)
{
	return at <= s.n && slice_starts(slice_skip(s, at), part);
}

enum reeve_rc res_view(struct res_key key, struct slice value, struct res *out)
{
	const char *p = value.p + sizeof(out->h);
	size_t acps, rest;

	if (value.n < sizeof(out->h))
		return RC_INVALID;
	memcpy(&out->h, value.p, sizeof(out->h));
	rest = value.n - sizeof(out->h);
	acps = (size_t)out->h.n_acps * RES_KEY_LEN;
	if (rest < acps || rest - acps < out->h.creator_len || rest - acps - out->h.creator_len != out->h.text_len)
		return RC_INVALID;
	out->key = key;
	out->acps = slice_of(p, acps);
	out->creator = slice_of(p + acps, out->h.creator_len);
	out->text = slice_of(p + acps + out->h.creator_len, out->h.text_len);
	/* res_rn and res_ri count on the beginning */
	if (out->text.n < TEXT_LEAST + out->h.rn_len + out->h.ri_len || !has_at(out->text, 0, S("\"rn\":\"")) ||
	    !has_at(out->text, 6u + out->h.rn_len, S("\",\"ri\":\"")) ||
	    !has_at(out->text, 14u + out->h.rn_len + out->h.ri_len, S("\"")))
		return RC_INVALID;
	return RC_OK;
}

struct res_key res_acp(const struct res *r, size_t i) { return res_key_read(r->acps.p + i * RES_KEY_LEN); }

/* --- keys --- */

static void put_u64(uint64_t v, char *out)
{
	v = __builtin_bswap64(v);
	memcpy(out, &v, 8);
}

static uint64_t get_u64(const char *in)
{
	uint64_t v;
	memcpy(&v, in, 8);
	return __builtin_bswap64(v);
}
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "keys are written for little-endian machines");

void res_key_write(struct res_key k, char out[RES_KEY_LEN])
{
	put_u64(k.parent, out);
	put_u64(k.n, out + 8);
}

struct res_key res_key_read(const char in[RES_KEY_LEN])
{
	return (struct res_key){ get_u64(in), get_u64(in + 8) };
}

static size_t base32(uint64_t v, char *out)
{
	static const char digits[] = "0123456789abcdefghijklmnopqrstuv";
	size_t n = 1;

	for (uint64_t rest = v >> 5; rest; rest >>= 5)
		n++;
	for (size_t i = n; i-- > 0; v >>= 5)
		out[i] = digits[v & 31];
	return n;
}

size_t res_id_write(struct res_key k, char out[RES_ID_MAX])
{
	size_t n = base32(k.parent, out);

	out[n++] = k.n & RES_INSTANCE ? '_' : '-';
	return n + base32(k.n & ~RES_INSTANCE, out + n);
}

/* Only what base32 writes: no leading zeros, so that each key has one text. */
static bool base32_read(struct slice s, uint64_t *out)
{
	uint64_t v = 0;

	if (s.n == 0 || s.n > 13 || (s.n > 1 && s.p[0] == '0'))
		return false;
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		unsigned d = c >= '0' && c <= '9' ? (unsigned)(c - '0') : c >= 'a' && c <= 'v' ? (unsigned)(c - 'a') + 10 : 32;
		if (d > 31 || v >> 59)
			return false;
		v = v << 5 | d;
	}
	*out = v;
	return true;
}

bool res_id_read(struct slice s, struct res_key *out)
{
	struct res_key k;
	size_t at = 0;

	while (at < s.n && s.p[at] != '-' && s.p[at] != '_')
		at++;
	if (at == s.n || !base32_read(slice_of(s.p, at), &k.parent) || !base32_read(slice_skip(s, at + 1), &k.n) ||
	    k.n & RES_INSTANCE || k.n == 0)
		return false;
	if (s.p[at] == '_')
		k.n |= RES_INSTANCE;
	*out = k;
	return true;
}

/* --- rendering --- */

enum { RENDER_KNOWN = 1, RENDER_ST = 2, RENDER_CNI = 4, RENDER_CBS = 8, TYPES = 256 };

/* What is rendered behind the text of a type, besides lt and et. Announced types keep copies as ordinary attributes. */
static unsigned behind_text(uint16_t ty)
{
	static _Atomic uint8_t known[TYPES];
	const struct model_res *m;
	unsigned bits = ty < TYPES ? atomic_load_explicit(&known[ty], memory_order_relaxed) : RENDER_KNOWN;

	if (bits)
		return bits;
	bits = RENDER_KNOWN;
	m = model_by_ty(ty);
	if (m && !m->announced) {
		bits |= m->state_tag ? RENDER_ST : 0u;
		bits |= model_attr(m, S("cni")) ? RENDER_CNI : 0u;
		bits |= model_attr(m, S("cbs")) ? RENDER_CBS : 0u;
	}
	atomic_store_explicit(&known[ty], (uint8_t)bits, memory_order_relaxed);
	return bits;
}

static char *put_lit(char *p, const char *lit, size_t n)
{
	memcpy(p, lit, n);
	return p + n;
}

static char *put_time(char *p, const char *name, usec t)
{
	p = put_lit(p, name, 7);
	p += text_timestamp_write(t, p);
	*p++ = '"';
	return p;
}

static char *put_number(char *p, uint64_t v)
{
	char tmp[20];
	size_t i = sizeof(tmp);

	do
		tmp[--i] = (char)('0' + v % 10);
	while (v /= 10);
	return put_lit(p, tmp + i, sizeof(tmp) - i);
}

void res_render(struct buf *b, const struct res *r)
{
	enum { BEHIND_MOST = 2 * (8 + TEXT_TIMESTAMP_MAX) + 3 * (7 + 20) };
	unsigned bits = res_is_instance(r) ? 0 : behind_text(r->h.ty);
	char *p = b->cap - b->n >= r->text.n + BEHIND_MOST ? b->p + b->n : buf_room(b, r->text.n + BEHIND_MOST);

	if (!p)
		return;
	p = put_lit(p, r->text.p, r->text.n);
	p = put_time(p, ",\"lt\":\"", r->h.lt);
	if (r->h.et != USEC_NEVER)
		p = put_time(p, ",\"et\":\"", r->h.et);
	if (bits & RENDER_ST)
		p = put_number(put_lit(p, ",\"st\":", 6), r->h.st);
	if (bits & RENDER_CNI)
		p = put_number(put_lit(p, ",\"cni\":", 7), r->h.cni);
	if (bits & RENDER_CBS)
		p = put_number(put_lit(p, ",\"cbs\":", 7), r->h.cbs);
	b->n = (size_t)(p - b->p);
}

void res_render_rooted(struct buf *b, const struct res *r)
{
	const struct model_res *m = res_model(r);

	buf_lit(b, "{\"");
	buf_slice(b, slice_str(m ? m->root : "m2m:unknown"));
	buf_lit(b, "\":{");
	res_render(b, r);
	buf_lit(b, "}}");
}

/* --- members of the text --- */

/* Index behind the string that begins at s.p[i]. The text was checked when it came in; the bound is for damaged ones. */
static size_t skip_string(struct slice s, size_t i)
{
	for (i++; i < s.n && s.p[i] != '"'; i++)
		if (s.p[i] == '\\')
			i++;
	return i < s.n ? i + 1 : s.n;
}

static size_t skip_value(struct slice s, size_t i)
{
	unsigned depth = 0;

	while (i < s.n) {
		char c = s.p[i];
		if (c == '"') {
			i = skip_string(s, i);
			continue;
		}
		if (depth == 0 && c == ',')
			break;
		depth += c == '{' || c == '[';
		depth -= c == '}' || c == ']';
		i++;
	}
	return i;
}

struct slice res_member(const struct res *r, struct slice sn)
{
	struct slice s = r->text;

	for (size_t i = 0; i < s.n && s.p[i] == '"';) {
		size_t key = i + 1, colon = skip_string(s, i), end;
		if (colon >= s.n)
			break;
		end = skip_value(s, colon + 1);
		if (colon - 1 - key == sn.n && memcmp(s.p + key, sn.p, sn.n) == 0)
			return slice_of(s.p + colon + 1, end - colon - 1);
		i = end + 1;
	}
	return (struct slice){ NULL, 0 };
}
