/* SPDX-License-Identifier: Apache-2.0 */
/* Policies from files, checked as a CSE would check them before it stores them. */
#include "main/policy_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "codec/model.h"

enum { FILE_MOST = 32 << 20 };

bool policy_file_text(struct arena *a, const char *command, const char *path, struct slice *out)
{
	char why[FILE_WHY_MAX];
	struct buf b;
	const enum reeve_rc rc = file_read(path, FILE_MOST, &b, why);

	*out = rc == RC_OK ? arena_dup(a, buf_view(&b)) : (struct slice){ NULL, 0 };
	if (!out->p)
		fprintf(stderr, "reeve %s: %s: %s\n", command, path, rc == RC_OK ? "no memory is left for it" : why);
	buf_free(&b);
	return out->p;
}

/* What the CSE checks first when a policy is written: the data model. */
static bool check_model(struct arena *a, const char *command, const char *path, const struct json *j, uint32_t i)
{
	struct slice why = S("");
	if (!i || model_check(model_type("m2m:setOfAcrs"), false, j, i, a, &why) == RC_OK)
		return true;
	fprintf(stderr, "reeve %s: %s: the policy would be refused: %.*s\n", command, path, SF(why));
	return false;
}

bool policy_file_read(struct arena *a, const char *command, const char *path, struct explain_policy *p)
{
	struct slice text, why;
	struct json j;
	uint32_t acp, pv, pvs, name;

	if (!policy_file_text(a, command, path, &text))
		return false;
	if (json_parse(a, text, &json_default_limits, &j, &why) != RC_OK) {
		fprintf(stderr, "reeve %s: %s: %.*s\n", command, path, SF(why));
		return false;
	}
	acp = json_member(&j, 0, S("m2m:acp"));
	pv = json_member(&j, acp, S("pv"));
	pvs = json_member(&j, acp, S("pvs"));
	name = json_member(&j, acp, S("rn"));
	*p = (struct explain_policy){ .name = name ? json_string(a, &j, name) : slice_str(path) };
	if (json_member(&j, 0, S("acr"))) {
		const struct slice whole = arena_printf(a, "{\"pv\":%.*s}", SF(text));
		if (!whole.p || json_parse(a, whole, &json_default_limits, &j, &why) != RC_OK)
			return false;
		p->pv = text;
		pv = json_member(&j, 0, S("pv"));
	}
	else if (!pv && !pvs) {
		fprintf(stderr, "reeve %s: %s: neither pv nor pvs nor acr: this is no accessControlPolicy\n", command, path);
		return false;
	}
	if (pv && !p->pv.p)
		p->pv = json_raw(&j, pv);
	if (pvs)
		p->pvs = json_raw(&j, pvs);
	return check_model(a, command, path, &j, pv) && check_model(a, command, path, &j, pvs);
}

void policy_find_data(struct settings *s)
{
	static const char *const places[] = { "reeve-data", "build/data", "/var/lib/reeve" };
	const char *named = getenv("REEVE_DATA");
	char path[4096];

	if (s->from[option_find(S("store.data"))] != FROM_DEFAULT)
		return;
	if (named && *named) {
		s->c.data = named;
		return;
	}
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		snprintf(path, sizeof(path), "%s/decisions.log", places[i]);
		if (access(path, R_OK) == 0) {
			s->c.data = places[i];
			return;
		}
	}
}


struct ident_home policy_home(const struct config *c, struct arena *a)
{
	return (struct ident_home){ .sp_id = c->sp_id, .cse_id = c->cse_id, .base_name = c->base_name,
				    .abs = arena_printf(a, "%.*s%.*s", SF(c->sp_id), SF(c->cse_id)) };
}
