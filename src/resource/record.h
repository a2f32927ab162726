/* SPDX-License-Identifier: Apache-2.0 */
/* How a resource lies in the store.
 *
 * Key: (ordinal of the parent, own ordinal), big-endian. Ordinals are unique in a store and only grow; the top bit
 * (RES_INSTANCE) is set for instances (contentInstance, timeSeriesInstance), so that under one parent the
 * instances follow the other children and `latest` and `oldest` are the ends of a key range. The
 * unstructured resource identifier is the text of the key, except for <AE> (AE-ID-Stem) and <CSEBase>.
 *
 * Value: struct rec_head, then the keys of the linked policies, the creator, and the text: the attributes that
 * never change by themselves as JSON members without braces, always beginning
 *     "rn":"...","ri":"...","ty":3,"pi":"...","ct":"..."
 * so that a Retrieve copies it. Attributes that change with every child (st, lt, et, cni, cbs) live in the head and
 * are rendered behind. A record is in host byte order: stores do not travel between architectures (checked by the
 * schema mark). */
#ifndef REEVE_RESOURCE_RECORD_H
#define REEVE_RESOURCE_RECORD_H

#include "base/buf.h"
#include "base/clock.h"
#include "codec/model.h"

#define RES_INSTANCE (UINT64_C(1) << 63)
enum { RES_ROOT = 1, RES_ID_MAX = 32, RES_KEY_LEN = 16 };

struct res_key {
	uint64_t parent; /* ordinal; 0 for <CSEBase> */
	uint64_t n;      /* own ordinal, with RES_INSTANCE for instances */
};

enum rec_flags {
	REC_ACPI = 1,       /* acpi is set: the default policy is off even when every link dangles */
	REC_NO_RETRIEVE = 4, /* container: disableRetrieval is true */
	REC_REHELD = 8      /* token: its issuer entered another holder */
};
/* Kept by the tree alone; callers hand back whatever they read. */
enum rec_marks {
	TREE_ODD_NAMES = 1, /* a child was given a name that reads like a generated one */
	TREE_TIED = 2       /* a child was inserted that expires with this resource: it has no entry in ST_DUE */
};

struct rec_head {
	uint64_t grandparent;   /* ordinal of the parent's parent: with key.parent the parent's key */
	usec ct, lt, et;
	uint64_t st;
	uint64_t cni, cbs;      /* instances below and the sum of their contentSize */
	uint64_t mni, mbs, mia; /* limits of a container; UINT64_MAX = none; mia in seconds */
	uint64_t cs;            /* contentSize of an instance */
	uint32_t n_subs;        /* <subscription> children */
	uint32_t n_children;    /* other children than instances */
	uint32_t text_len;
	uint16_t ty;
	uint16_t n_acps;        /* linked policies on this CSE that existed when linked */
	uint16_t creator_len, rn_len, ri_len;
	uint8_t flags;
	uint8_t marks;          /* last: tree_touch leaves it as it is */
};
_Static_assert(sizeof(struct rec_head) == 112, "a record has no padding");

/* A record seen in place: valid as long as the slice it was read from. */
struct res {
	struct res_key key;
	struct rec_head h;         /* copied out: the store does not align values */
	struct slice acps;         /* n_acps keys of RES_KEY_LEN bytes */
	struct slice creator;      /* canonical absolute id of the creating Originator; may be empty */
	struct slice text;
};

/* RC_INVALID when the bytes are no record (a damaged store). */
REEVE_MUST_CHECK enum reeve_rc res_view(struct res_key key, struct slice value, struct res *out);
static inline struct slice res_rn(const struct res *r) { return slice_of(r->text.p + 6, r->h.rn_len); }
static inline struct slice res_ri(const struct res *r)
{
	return slice_of(r->text.p + 6 + r->h.rn_len + 8, r->h.ri_len);
}
static inline const struct model_res *res_model(const struct res *r) { return model_by_ty(r->h.ty); }
/* Types whose resources are instances: contentInstance, timeSeriesInstance. */
static inline bool res_ty_is_instance(int32_t ty) { return ty == TYPE_CONTENT_INSTANCE || ty == TYPE_TIME_SERIES_INSTANCE; }
static inline bool res_is_instance(const struct res *r) { return r->key.n & RES_INSTANCE; }
static inline struct res_key res_parent_key(const struct res *r)
{
	return (struct res_key){ r->h.grandparent, r->key.parent };
}
struct res_key res_acp(const struct res *r, size_t i);

void res_key_write(struct res_key k, char out[RES_KEY_LEN]);
struct res_key res_key_read(const char in[RES_KEY_LEN]);
/* Text form of a key: lower-case base 32 of parent, "-" or "_" (instance), base 32 of the ordinal. Returns its length; no NUL. */
size_t res_id_write(struct res_key k, char out[RES_ID_MAX]);
bool res_id_read(struct slice s, struct res_key *out);

/* JSON text of one attribute kept in the text; p == NULL when it is not there. */
struct slice res_member(const struct res *r, struct slice sn);

/* All attributes of r as JSON members without the braces: the text, then lt, et (unless it is USEC_NEVER),
 * and st, cni, cbs where the type has them; instances have their st in the text. */
void res_render(struct buf *b, const struct res *r);
/* {"m2m:cnt":{...}} */
void res_render_rooted(struct buf *b, const struct res *r);

#endif
