/* SPDX-License-Identifier: Apache-2.0 */
/* `reeve explain`: why a request was denied (by the id of the decision), or what would be decided about one, judged by the
 * policies of a store as they are now or by policy files alone. */
#include "authz/explain.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

#include "authz/decisions.h"
#include "base/log.h"
#include "core/would.h"
#include "main/ae.h"
#include "main/commands.h"
#include "main/policy_file.h"
#include "main/settings.h"

static const char *help =
	"Why was a request denied, or what would be decided about one? Shows every policy and rule that was tried.\n"
	"\n"
	"usage: reeve explain DECISION-ID [--store.data FOLDER]\n"
	"       reeve explain --from ORIGINATOR --to ADDRESS --op OPERATION [--store.data FOLDER]\n"
	"       reeve explain --from ORIGINATOR --op OPERATION --policy FILE...\n"
	"\n"
	"The first reads the log of denials; the id stands in the debug text of the 4103 answer. The second judges by the\n"
	"store as it is now, also while a CSE is running on it. The third needs no store: FILE holds an\n"
	"accessControlPolicy as JSON, as `reeve ae retrieve --json` prints it.\n"
	"\n"
	"  --op OPERATION     create, retrieve, update, delete, notify or discovery\n"
	"  --type T           create: the type of the new child; name or number\n"
	"  --time T           when; YYYYMMDDThhmmss in UTC [now]\n"
	"  --ip ADDRESS       the source address of the request [not known]\n"
	"  --authenticated    the Originator was authenticated by this CSE\n"
	"  --json             as JSON\n"
	"With --policy also:\n"
	"  --target-type T    type of the target; of an accessControlPolicy selfPrivileges decide [container]\n"
	"  --role R           a role the Originator has, verified; several\n"
	"  --position LAT,LON  where the Originator is\n"
	"  --country CC       the same, as country\n"
	"\n"
	"Options of the configuration file are taken too: --config FILE, --cse.id, --cse.sp, ... Without --store.data the folder\n"
	"is $REEVE_DATA, or the first there is of ./reeve-data, ./build/data and /var/lib/reeve.\n"
	"\n"
	"Exit status: 0 permitted, or the decision was found; 1 denied, or not found; 2 the command line is wrong;\n"
	"3 the store cannot be read.\n";

enum { FILES_MAX = 64, ROLES_MAX = 32 };

struct asked {
	struct settings s;
	const char *id;
	struct would w;
	bool op_given, json, bad;
	const char *files[FILES_MAX]; size_t n_files;
	struct slice roles[ROLES_MAX]; size_t n_roles;
	int32_t target_ty;
	bool position_known;
	double latitude, longitude;
	char country[3];
};

static bool wrong(struct asked *q, const char *flag, const char *value, const char *expected)
{
	usage_error("explain", "%s %s: expected %s", flag, value, expected);
	q->bad = true;
	return true;
}

static bool take_op(struct asked *q, const char *flag, const char *value)
{
	static const struct { const char *name, *letter; enum op op; bool discovery; } ops[] = {
		{ "create", "C", OP_CREATE, false }, { "retrieve", "R", OP_RETRIEVE, false }, { "update", "U", OP_UPDATE, false },
		{ "delete", "D", OP_DELETE, false }, { "notify", "N", OP_NOTIFY, false }, { "discovery", "disc", OP_RETRIEVE, true },
		{ "discover", "disc", OP_RETRIEVE, true },
	};
	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++)
		if (slice_ieq(slice_str(value), slice_str(ops[i].name)) || slice_ieq(slice_str(value), slice_str(ops[i].letter))) {
			q->w.op = ops[i].op;
			q->w.discovery = ops[i].discovery;
			q->op_given = true;
			return true;
		}
	return wrong(q, flag, value, "create, retrieve, update, delete, notify or discovery");
}

static bool take_type(struct asked *q, const char *flag, const char *value, int32_t *out)
{
	const struct model_res *m = ae_type(slice_str(value));
	if (!m)
		return wrong(q, flag, value, "a resource type");
	*out = m->ty;
	return true;
}

static bool take_ip(struct asked *q, const char *flag, const char *value)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	q->w.ip_known = true;
	if (inet_pton(AF_INET6, value, q->w.ip) == 1)
		return true;
	memcpy(q->w.ip, mapped, sizeof(mapped));
	return inet_pton(AF_INET, value, q->w.ip + 12) == 1 || wrong(q, flag, value, "a numeric address");
}

static bool take_position(struct asked *q, const char *flag, const char *value)
{
	char *end;
	q->position_known = true;
	q->latitude = strtod(value, &end);
	if (*end != ',')
		return wrong(q, flag, value, "LATITUDE,LONGITUDE in degrees");
	q->longitude = strtod(end + 1, &end);
	return (!*end && q->latitude >= -90 && q->latitude <= 90 && q->longitude >= -180 && q->longitude <= 180) ||
	       wrong(q, flag, value, "LATITUDE,LONGITUDE in degrees");
}

static bool take_country(struct asked *q, const char *flag, const char *value)
{
	if (strlen(value) != 2)
		return wrong(q, flag, value, "two letters");
	snprintf(q->country, sizeof(q->country), "%s", value);
	return true;
}

/* What is no option of the configuration. */
static bool take(void *ctx, int argc, char **argv, int *i)
{
	struct asked *q = ctx;
	const char *flag = argv[*i], *value;

	if (flag[0] != '-') {
		if (q->id)
			return false;
		q->id = flag;
		++*i;
		return true;
	}
	if (!strcmp(flag, "--json") || !strcmp(flag, "--authenticated")) {
		*(flag[2] == 'j' ? &q->json : &q->w.authenticated) = true;
		++*i;
		return true;
	}
	value = *i + 1 < argc ? argv[*i + 1] : NULL;
	if (!value)
		return false;
	*i += 2;
	if (!strcmp(flag, "--from"))
		q->w.from = slice_str(value);
	else if (!strcmp(flag, "--to"))
		q->w.to = slice_str(value);
	else if (!strcmp(flag, "--op"))
		return take_op(q, flag, value);
	else if (!strcmp(flag, "--type"))
		return take_type(q, flag, value, &q->w.ty);
	else if (!strcmp(flag, "--target-type"))
		return take_type(q, flag, value, &q->target_ty);
	else if (!strcmp(flag, "--time"))
		return text_timestamp(slice_str(value), &q->w.when) || wrong(q, flag, value, "YYYYMMDDThhmmss");
	else if (!strcmp(flag, "--ip"))
		return take_ip(q, flag, value);
	else if (!strcmp(flag, "--position"))
		return take_position(q, flag, value);
	else if (!strcmp(flag, "--country"))
		return take_country(q, flag, value);
	else if (!strcmp(flag, "--policy") && q->n_files < FILES_MAX)
		q->files[q->n_files++] = value;
	else if (!strcmp(flag, "--role") && q->n_roles < ROLES_MAX)
		q->roles[q->n_roles++] = slice_str(value);
	else {
		*i -= 2;
		return false;
	}
	return true;
}

static void show(const struct asked *q, struct slice line)
{
	struct buf b;
	buf_init(&b, 16 << 20);
	if (q->json) {
		buf_slice(&b, line);
		if (!b.n || b.p[b.n - 1] != '\n')
			buf_char(&b, '\n');
	} else {
		decision_write_text(&b, line);
	}
	if (b.n)
		fwrite(b.p, 1, b.n, stdout);
	buf_free(&b);
}

/* --- a decision that was made --- */

static int explain_id(const struct asked *q)
{
	char path[4096];
	struct buf line;
	enum reeve_rc rc;

	if (q->s.c.decisions)
		snprintf(path, sizeof(path), "%s", q->s.c.decisions);
	else
		snprintf(path, sizeof(path), "%s/decisions.log", q->s.c.data);
	buf_init(&line, 1 << 20);
	rc = decisions_find(path, slice_str(q->id), &line);
	if (rc == RC_OK)
		show(q, buf_view(&line));
	else if (rc == RC_NOTFOUND)
		fprintf(stderr, "reeve explain: no decision \"%s\" in %s; --store.data names the folder of the store\n", q->id, path);
	else
		fprintf(stderr, "reeve explain: %s: %s\n", path, rc_name(rc));
	buf_free(&line);
	return rc == RC_OK ? EXIT_OK : rc == RC_NOTFOUND ? EXIT_REFUSED : EXIT_UNREACHABLE;
}

/* --- a decision that would be made, by the store --- */

static int explain_live(struct asked *q)
{
	char why[256];
	struct buf json;
	bool permitted;
	enum reeve_rc rc;
	int status;

	if (!q->w.to.p)
		return usage_error("explain", "--to is missing: the address of the target, or --policy FILE to judge without a store");
	buf_init(&json, 16 << 20);
	rc = core_would(&q->s.c, &q->w, &json, &permitted, why);
	if (rc == RC_OK) {
		show(q, buf_view(&json));
		status = permitted ? EXIT_OK : EXIT_REFUSED;
	} else if (rc == RC_REFUSED) {
		printf("REFUSED before access is decided\n  %s\n", why);
		status = EXIT_REFUSED;
	} else {
		fprintf(stderr, "reeve explain: %s\n", why);
		status = EXIT_UNREACHABLE;
	}
	buf_free(&json);
	return status;
}

/* --- by files --- */

static unsigned op_bit(const struct would *w)
{
	switch (w->op) {
	case OP_CREATE: return ACOP_CREATE;
	case OP_UPDATE: return ACOP_UPDATE;
	case OP_DELETE: return ACOP_DELETE;
	case OP_NOTIFY: return ACOP_NOTIFY;
	default: return w->discovery ? ACOP_DISCOVERY : ACOP_RETRIEVE;
	}
}

static int explain_files(struct asked *q)
{
	struct arena *a = &q->s.memory;
	const struct config *c = &q->s.c;
	const struct ident_home home = policy_home(c, a);
	const struct policy_options o = { .home = &home, .domain_wildcards = c->domain_wildcards, .positions = true, .countries = true };
	struct explain_policy policies[FILES_MAX];
	struct facts f = {
		.who = q->w.from, .authenticated = q->w.authenticated, .op = op_bit(&q->w), .target_ty = q->target_ty,
		.child_ty = q->w.op == OP_CREATE ? q->w.ty : 0, .target_mgd = -1, .ip_known = q->w.ip_known,
		.position_known = q->position_known, .latitude = q->latitude, .longitude = q->longitude,
		.roles = q->roles, .n_roles = q->n_roles,
	};
	struct buf json;
	bool permitted = false;
	enum reeve_rc rc;

	memcpy(f.ip, q->w.ip, sizeof(f.ip));
	memcpy(f.country, q->country, sizeof(f.country));
	text_time_of(q->w.when, &f.time);
	for (size_t i = 0; i < q->n_files; i++)
		if (!policy_file_read(a, "explain", q->files[i], &policies[i]))
			return EXIT_UNREACHABLE;
	buf_init(&json, 16 << 20);
	rc = explain_offline(&o, a, policies, q->n_files, &f, &json, &permitted);
	if (rc == RC_OK)
		show(q, buf_view(&json));
	else
		fprintf(stderr, "reeve explain: the policy would be refused: %.*s\n", SF(buf_view(&json)));
	buf_free(&json);
	return rc == RC_OK && permitted ? EXIT_OK : EXIT_REFUSED;
}

int cmd_explain(int argc, char **argv)
{
	struct asked q = { .target_ty = TYPE_CONTAINER, .w = { .when = clock_wall(), .ty = TYPE_CONTAINER } };
	int status;

	if (told_help(help, argc, argv, &status))
		return status;
	log_setup(LOG_WARN, false);
	settings_init(&q.s);
	status = settings_arguments(&q.s, "explain", true, argc, argv, take, &q);
	policy_find_data(&q.s);
	if (status != EXIT_OK || q.bad)
		status = EXIT_USAGE;
	else if (q.id && !q.w.from.p && !q.op_given)
		status = explain_id(&q);
	else if (q.id)
		status = usage_error("explain", "either the id of a decision, or --from and --op");
	else if (!q.w.from.p || !q.op_given)
		status = usage_error("explain", "--from and --op are needed");
	else
		status = q.n_files ? explain_files(&q) : explain_live(&q);
	settings_free(&q.s);
	return status;
}
