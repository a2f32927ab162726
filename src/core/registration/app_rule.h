/* SPDX-License-Identifier: Apache-2.0 */
/* One <serviceSubscribedAppRule> (TS-0001 9.6.29): which credentials it is for, and which App-IDs, AE-ID-Stems and Role-IDs it allows to
 * them. What is not listed is not allowed. No I/O; a rule may come from here or from the IN-CSE. */
#ifndef REEVE_CORE_APP_RULE_H
#define REEVE_CORE_APP_RULE_H

#include "codec/json.h"
#include "core/config.h"

struct app_rule {
	bool unsecured;          /* applicableCredIDs is absent: for registrations without a security association */
	struct config_list creds, apps, stems, roles; /* patterns, but for roles */
};

/* Who wants to register, or is registered. */
struct applicant {
	bool association;
	struct slice credential; /* Credential-ID of the association; empty: not known */
	struct slice app;        /* App-ID */
};

/* From the object of an m2m:asar; everything is copied to a. */
REEVE_MUST_CHECK enum reeve_rc app_rule_read(struct arena *a, const struct json *j, uint32_t obj, struct app_rule *out);
REEVE_MUST_CHECK enum reeve_rc app_rule_copy(struct arena *a, const struct app_rule *rule, struct app_rule *out);

/* Is the rule for this credential, and does it allow this App-ID? */
bool app_rule_applies(const struct app_rule *rule, const struct applicant *who);

enum { STEM_RANDOM = 12 };
/* An AE-ID-Stem of a kind ('C', 'S') that `pattern` matches, with `random` where it is free: in place of the first *. Written to out.
 * 0: the pattern has no such stem, or it is longer than cap. */
size_t stem_from(struct slice pattern, char kind, const char random[STEM_RANDOM], char *out, size_t cap);

#endif
