/* SPDX-License-Identifier: Apache-2.0 */
/* Entries of the outbox: their bytes, and how they get into the store. */
#include "core/notify/outbox.h"

#include "core/core.h"
#include "core/notify/notify_int.h"
#include "core/writer.h"

struct entry_head {
	usec when;
	uint32_t targets_len;
	uint8_t kind, flags, ec, version;
};
enum { ENTRY_VERSION = 1 };

static void put_be(char *p, uint64_t v)
{
	for (int i = 7; i >= 0; i--, v >>= 8)
		p[i] = (char)(v & 0xff);
}

static uint64_t get_be(const char *p)
{
	uint64_t v = 0;
	for (int i = 0; i < 8; i++)
		v = v << 8 | (unsigned char)p[i];
	return v;
}

void outbox_key(uint64_t seq, struct res_key sub, char out[OUTBOX_KEY_LEN])
{
	put_be(out, seq);
	put_be(out + 8, sub.parent);
	put_be(out + 16, sub.n);
}

bool outbox_view(struct slice key, struct slice value, struct outbox_entry *out)
{
	struct entry_head h;

	if (key.n != OUTBOX_KEY_LEN || value.n < sizeof(h))
		return false;
	memcpy(&h, value.p, sizeof(h));
	if (h.version != ENTRY_VERSION || h.targets_len > value.n - sizeof(h))
		return false;
	*out = (struct outbox_entry){
		.seq = get_be(key.p),
		.size = key.n + value.n,
		.sub = { get_be(key.p + 8), get_be(key.p + 16) },
		.when = h.when,
		.kind = h.kind,
		.flags = h.flags,
		.ec = h.ec,
		.targets = slice_of(value.p + sizeof(h), h.targets_len),
		.sgn = slice_of(value.p + sizeof(h) + h.targets_len, value.n - sizeof(h) - h.targets_len),
	};
	return true;
}

enum reeve_rc outbox_put(struct exec *x, struct outbox_entry *e)
{
	struct entry_head h = { .when = e->when, .targets_len = (uint32_t)e->targets.n, .kind = e->kind, .flags = e->flags,
				.ec = e->ec, .version = ENTRY_VERSION };
	char key[OUTBOX_KEY_LEN], *p;
	enum reeve_rc rc;
	void *room;

	if (e->targets.n > UINT32_MAX)
		return RC_LIMIT;
	e->seq = x->seq->next++;
	outbox_key(e->seq, e->sub, key);
	rc = st_reserve(x->tx, ST_OUTBOX, slice_of(key, sizeof(key)), sizeof(h) + e->targets.n + e->sgn.n, &room);
	if (rc != RC_OK)
		return rc;
	p = room;
	memcpy(p, &h, sizeof(h));
	if (e->targets.n)
		memcpy(p + sizeof(h), e->targets.p, e->targets.n);
	if (e->sgn.n)
		memcpy(p + sizeof(h) + e->targets.n, e->sgn.p, e->sgn.n);
	writer_outbox_changed(x);
	return RC_OK;
}
