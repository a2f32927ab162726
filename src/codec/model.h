/* SPDX-License-Identifier: Apache-2.0 */
/* The data model of the standard as constant tables, generated from the files in model/ by tools/gen_model.py.
 *
 * Code walks these tables; it never switches on type numbers where a table can say it. */
#ifndef REEVE_CODEC_MODEL_H
#define REEVE_CODEC_MODEL_H

#include "codec/json.h"

/* m2m:resourceType, as far as code has to name a type. */
enum {
	TYPE_ACP = 1, TYPE_AE, TYPE_CONTAINER, TYPE_CONTENT_INSTANCE, TYPE_CSEBASE,
	TYPE_GROUP = 9,
	TYPE_SERVICE_PROFILE = 11, /* m2mServiceSubscriptionProfile; its parts are serviceSubscribedNode and serviceSubscribedAppRule */
	TYPE_MGMT_OBJ = 13, TYPE_NODE, TYPE_POLLING_CHANNEL, TYPE_REMOTE_CSE, TYPE_REQUEST, TYPE_SCHEDULE,
	TYPE_SERVICE_RULE, TYPE_SERVICE_NODE,
	TYPE_SUBSCRIPTION = 23, TYPE_SEMANTIC_DESCRIPTOR,
	TYPE_TARGET_POLICY_REF, TYPE_TARGET_POLICY, TYPE_DELETION_RULES, /* notificationTargetMgmtPolicyRef ... policyDeletionRules */
	TYPE_FLEX_CONTAINER, TYPE_TIME_SERIES, TYPE_TIME_SERIES_INSTANCE,
	TYPE_ROLE, TYPE_TOKEN,
	TYPE_DAC = 34, TYPE_AUTHORIZATION_DECISION, TYPE_AUTHORIZATION_POLICY, TYPE_AUTHORIZATION_INFORMATION,
	TYPE_AE_ANNC = 10002, TYPE_CSEBASE_ANNC = 10005,
};

/* How a simple value looks on the wire and what is checked. */
enum model_base {
	MB_STRING,     /* any string */
	MB_TOKEN,      /* string without leading, trailing or doubled blanks, no control characters */
	MB_URI,        /* non-empty string without blanks and control characters */
	MB_NHURI,      /* the same, may be empty */
	MB_NCNAME,
	MB_NAME,       /* resource name, TS-0004 6.2.3 */
	MB_ID,         /* M2M-SP-ID, CSE-ID, AE-ID or resource identifier */
	MB_LABEL,      /* "key" or "key:value" */
	MB_POA,
	MB_ROLE_ID,    /* name@fqdn; token identifiers too */
	MB_CONTENT_INFO,
	MB_SCHEDULE,   /* seven fields, TS-0004 7.4.9.1 */
	MB_IPV4, MB_IPV6, MB_COUNTRY,
	MB_TIMESTAMP,  /* YYYYMMDDThhmmss[,ffffff] */
	MB_ABSREL,     /* timestamp string, or milliseconds as number or as string of digits */
	MB_DURATION,   /* xs:duration */
	MB_BASE64,
	MB_BOOL,
	MB_NONNEG, MB_POSITIVE, MB_INT, MB_UINT16, MB_UINT32, MB_LONG,
	MB_FLOAT,
	MB_ENUM,       /* number among `enumeration` */
	MB_BITS,       /* sum of bits, 1..63 */
	MB_STRENUM,    /* string among `strings` */
	MB_EVENTCAT,   /* 2..4 of m2m:stdEventCats or 100..999 */
	MB_COMPLEX,    /* object with `members` */
	MB_CONTENT,    /* object with exactly one member (primitiveContent, representation) */
	MB_ANY,        /* anything but null */
	MB_SIMPLE,     /* string, number or boolean */
	MB_JWS, MB_JWE, MB_JWT, /* compact serialization: three parts, five parts, either */
};

struct model_type {
	const char *name;     /* "m2m:labels" */
	enum model_base base;
	bool list;            /* JSON array of base */
	uint8_t min_items;    /* for lists; 0 = may be empty */
	uint8_t max_items;    /* 0 = no limit beyond configuration */
	bool choice;          /* complex: exactly one member */
	bool zero;            /* MB_EVENTCAT: 0 (default) too */
	uint16_t n;           /* entries of the table below that applies */
	const struct model_member *members; /* MB_COMPLEX */
	const int32_t *enumeration;         /* MB_ENUM, ascending */
	const char *const *strings;         /* MB_STRENUM */
};

struct model_member {
	const char *sn;
	const struct model_type *type;
	bool required;
	bool many;            /* maxOccurs > 1: JSON array of type */
};

enum model_opt { MODEL_NP, MODEL_O, MODEL_M };

struct model_attr {
	const char *sn, *name;
	const struct model_type *type;
	bool many;            /* maxOccurs > 1 and type is not itself a list */
	bool single;          /* multiplicity 1 or 1(L): cannot be removed */
	uint8_t create, update; /* enum model_opt */
	uint8_t annc;         /* 'N' not, 'O' optionally, 'M' always announced */
	char kind;            /* u universal, c common, s specific */
	const char *def;      /* default in words of the model; NULL */
};

struct model_child {
	int32_t ty;
	const char *fixed_name; /* NULL when free */
	bool many;
};

struct model_res {
	int32_t ty;           /* type number; of virtual types that of m2m:memberType; 0 for types without */
	const char *name;     /* "container" */
	const char *sn;       /* "cnt" */
	const char *root;     /* "m2m:cnt" */
	bool virtual_, announced, in_cse_only;
	bool acpi;            /* has accessControlPolicyIDs */
	bool state_tag;       /* has stateTag */
	bool creator;         /* has creator */
	bool custom;          /* further attributes are named by a specialization (mgmtObj, flexContainer) */
	int16_t refuse[6];    /* by operation 1..5: 0, or the rsc that refuses it */
	uint16_t n_attrs, n_children;
	const struct model_attr *attrs;
	const struct model_child *children;
	const uint8_t *index; /* private to model_attr */
	const char *clause;   /* TS-0004 */
};

struct model_code {
	uint16_t rsc, http;
	const char *name;
	const char *coap;     /* "4.00"; NULL */
};

/* NULL when there is none. */
const struct model_res *model_by_ty(int64_t ty);
const struct model_res *model_by_root(struct slice root);     /* "m2m:cnt" */
const struct model_attr *model_attr(const struct model_res *m, struct slice sn);
/* True when sn is the short name of an attribute of any type. */
bool model_is_attr(struct slice sn);
bool model_child_allowed(const struct model_res *parent, int64_t ty);
/* True for a number of m2m:resourceType, whether implemented or not. */
bool model_is_type(int64_t ty);
const struct model_code *model_code(int rsc);
const struct model_type *model_type(const char *name);

/* Check the value at i against a type (and, for many, an array of it). On RC_INVALID *why names the place
 * ("pv.acr[0].acop") and what was expected, from arena a. Null is never valid here. */
REEVE_MUST_CHECK enum reeve_rc model_check(const struct model_type *t, bool many, const struct json *j, uint32_t i,
					   struct arena *a, struct slice *why);
/* What a text of the type (not a list) must be, in words; NULL: it is. */
const char *model_text_fault(const struct model_type *t, struct slice s);

#endif
