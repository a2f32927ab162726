/* SPDX-License-Identifier: Apache-2.0 */
/* `reeve ae`: act as an entity from the shell. One operation, one request (an Update asks for the type first). */
#include "main/ae.h"

#include <stdio.h>
#include <stdlib.h>

#include "main/commands.h"

static const char *help =
	"Act as an entity of a CSE: send one request and show the answer.\n"
	"\n"
	"usage: reeve ae create PARENT TYPE [NAME=VALUE | NAME:=JSON]...\n"
	"       reeve ae retrieve ADDRESS [--rcn N] [--attributes A,B]\n"
	"       reeve ae update ADDRESS [NAME=VALUE | NAME:=JSON]...     NAME:=null removes\n"
	"       reeve ae delete ADDRESS\n"
	"       reeve ae discover ADDRESS [--type T] [--label L] [--limit N] [--offset N]\n"
	"       reeve ae notify ADDRESS --content JSON\n"
	"       reeve ae watch ADDRESS [--events 1,2,3,4]                until Ctrl-C\n"
	"       reeve ae listen [--port N]                               until Ctrl-C\n"
	"\n"
	"An ADDRESS is cse/sensor/temp, an unstructured id, /other-cse/..., or //sp/cse/...\n"
	"A TYPE is a name or number: ae, container, cnt, 3. Attributes have their short names.\n"
	"\n"
	"  --cse URL          of the CSE: http, https, coap, coaps, ws or wss; mqtt or mqtts with its broker\n"
	"                     [http://127.0.0.1:8080, or $REEVE_CSE]\n"
	"  --cse-id ID        mqtt: which CSE at the broker [/reeve]\n"
	"  --credential-id ID mqtt: who registers before it has an id [12- and that of --psk]\n"
	"  --from ORIGINATOR  who asks [$REEVE_FROM]; for a new AE may be C, S, or left out\n"
	"  --name NAME        resource name of what is created\n"
	"  --content JSON     the whole content instead of attributes: {\"m2m:cnt\":{...}}\n"
	"  --rcn N            result content\n"
	"  --attributes A,B   retrieve only these\n"
	"  --type T, --label L, --limit N, --offset N, --level N   what to discover\n"
	"  --filter NAME=VALUE  any other filter condition or parameter of the query\n"
	"  --events N,N       watch: 1 update, 2 delete, 3 child created, 4 child deleted [3,1]\n"
	"  --listen ADDRESS   watch, listen, with http and coap: where notifications can reach us [127.0.0.1]\n"
	"  --port N           watch, listen: the port for them; 0 lets the system choose one [0]\n"
	"  --role R, --token-id T, --local-token L   roles and tokens to rely on; each again for more\n"
	"  --token JWT        the token itself; @FILE reads it from a file\n"
	"  --tqi, --asi, --auri   say that token request information, a demand for signatures can be used; that the\n"
	"                     authorization system has a record of us\n"
	"  --signature S      authorization signature, base64url\n"
	"  --timeout TIME     how long to wait for an answer, in seconds [30]\n"
	"  --release R        release version indicator [3]\n"
	TLS_FLAGS_HELP
	"  --json             print content as it came\n"
	"\n"
	"Exit status: 0 done, 1 the CSE refused, 2 the command line is wrong, 3 nobody answered.\n"
	"\n"
	"  reeve ae create cse ae --from Cpump --name pump api=Ndemo rr=false\n"
	"  reeve ae create cse/pump cnt --from Cpump --name flow mni=1000\n"
	"  reeve ae create cse/pump/flow cin --from Cpump con=21.5\n"
	"  reeve ae retrieve cse/pump/flow/la --from Cpump\n";

static int run(struct ae *ae, enum op op, struct slice address, int64_t ty, struct slice body)
{
	struct client_answer a;
	int status = ae_call(ae, op, address, ty, body, &a) ? ae_answer(ae, &a) : EXIT_UNREACHABLE;

	client_answer_free(&a);
	return status;
}

static int op_create(struct ae *ae)
{
	const struct model_res *m = ae->n_args >= 2 ? ae_type(slice_str(ae->args[1])) : NULL;
	char why[256];
	struct buf body;
	int status;

	if (ae->n_args < 2)
		return usage_error("ae", "create needs the address of the parent and a type");
	if (!m)
		return usage_error("ae", "\"%s\" is no resource type", ae->args[1]);
	buf_init(&body, 16 << 20);
	if (ae->content.p)
		buf_slice(&body, ae->content);
	else if (ae_content(ae, m, slice_str(m->root), ae->args + 2, ae->n_args - 2, &body, why) != RC_OK) {
		buf_free(&body);
		return usage_error("ae", "%s", why);
	}
	status = run(ae, OP_CREATE, slice_str(ae->args[0]), m->ty, buf_view(&body));
	buf_free(&body);
	return status;
}

/* The root name of the resource at `address`, by asking for it. */
static int ask_root(struct ae *ae, struct slice address, struct slice *root)
{
	struct client_answer a;
	struct json j;
	struct slice why_json, s;
	int status = EXIT_OK;

	if (!ae_call(ae, OP_RETRIEVE, address, 0, (struct slice){ NULL, 0 }, &a)) {
		status = EXIT_UNREACHABLE;
	} else if (a.rsc < 2000 || a.rsc >= 3000) {
		status = ae_answer(ae, &a);
		fputs("  asked for its type first; if you may update it but not retrieve it, say --type\n", stderr);
	} else {
		s = arena_dup(&ae->memory, buf_view(&a.body));
		if (!s.p || json_parse(&ae->memory, s, &json_default_limits, &j, &why_json) != RC_OK || j.n < 2 ||
		    json_kind(&j, 1) != J_STRING)
			status = EXIT_UNREACHABLE;
		else
			*root = json_inner(&j, 1);
	}
	client_answer_free(&a);
	return status;
}

static int op_update(struct ae *ae, const struct model_res *m)
{
	struct slice address, root;
	char why[256];
	struct buf body;
	int status;

	if (ae->n_args < 1)
		return usage_error("ae", "update needs an address");
	if (!ae->content.p && ae->n_args < 2)
		return usage_error("ae", "update needs attributes: NAME=VALUE, or NAME:=null to remove one");
	address = slice_str(ae->args[0]);
	buf_init(&body, 16 << 20);
	if (ae->content.p)
		buf_slice(&body, ae->content);
	else {
		root = m ? slice_str(m->root) : S("");
		if (!m && (status = ask_root(ae, address, &root)) != EXIT_OK) {
			buf_free(&body);
			return status;
		}
		if (ae_content(ae, model_by_root(root), root, ae->args + 1, ae->n_args - 1, &body, why) != RC_OK) {
			buf_free(&body);
			return usage_error("ae", "%s", why);
		}
	}
	status = run(ae, OP_UPDATE, address, 0, buf_view(&body));
	buf_free(&body);
	return status;
}

static int op_notify(struct ae *ae)
{
	if (ae->n_args != 1 || !ae->content.p)
		return usage_error("ae", "notify needs an address and --content JSON");
	return run(ae, OP_NOTIFY, slice_str(ae->args[0]), 0, ae->content);
}

static int op_plain(struct ae *ae, enum op op)
{
	if (ae->n_args != 1)
		return usage_error("ae", "%s needs one address", ae->op);
	return run(ae, op, slice_str(ae->args[0]), 0, (struct slice){ NULL, 0 });
}

struct given { const struct model_res *type; const char *discover_type; };

static bool value_flag(struct ae *ae, const char *flag, const char *value, struct given *g, char why[256])
{
	static const struct { const char *flag, *query; } queries[] = {
		{ "--rcn", "rcn" }, { "--label", "lbl" }, { "--limit", "lim" }, { "--offset", "ofst" }, { "--level", "lvl" },
	};
	struct slice v = slice_str(value), rest;
	double t;
	char *end;

	for (size_t i = 0; i < sizeof(queries) / sizeof(queries[0]); i++)
		if (!strcmp(flag, queries[i].flag)) {
			ae_query(ae, queries[i].query, v);
			return true;
		}
	if (ae_claim(ae, flag, value, why) || tls_flag(&ae->client.tls, flag, value))
		return true;
	if (*why)
		return false;
	if (!strcmp(flag, "--cse"))
		return client_url(&ae->client, value, why) == RC_OK;
	if (!strcmp(flag, "--from"))
		ae->client.from = v;
	else if (!strcmp(flag, "--name"))
		ae->name = v;
	else if (!strcmp(flag, "--content"))
		ae->content = v;
	else if (!strcmp(flag, "--listen"))
		ae->client.listen = value;
	else if (!strcmp(flag, "--cse-id"))
		ae->client.cse_id = value;
	else if (!strcmp(flag, "--credential-id"))
		ae->client.credential = value;
	else if (!strcmp(flag, "--events"))
		ae->events = value;
	else if (!strcmp(flag, "--port")) {
		uint64_t port;
		if (!slice_u64(v, &port) || port > 65535) {
			snprintf(why, 256, "--port %.100s: write a number up to 65535", value);
			return false;
		}
		ae->client.listen_port = (uint16_t)port;
	}
	else if (!strcmp(flag, "--release"))
		ae->client.release = value;
	else if (!strcmp(flag, "--attributes")) {
		for (rest = v; rest.p;) /* lists in a query are joined with '+' */
			ae_query(ae, "atrl", slice_cut(&rest, ','));
	} else if (!strcmp(flag, "--type")) {
		g->type = ae_type(v);
		g->discover_type = value;
		if (!g->type)
			snprintf(why, 256, "\"%.100s\" is no resource type", value);
		return g->type != NULL;
	} else if (!strcmp(flag, "--filter")) {
		const ptrdiff_t eq = slice_find(v, '=');
		if (eq <= 0) {
			snprintf(why, 256, "--filter %.100s: write NAME=VALUE", value);
			return false;
		}
		ae_query(ae, arena_dup(&ae->memory, slice_of(v.p, (size_t)eq)).p, slice_skip(v, (size_t)eq + 1));
	} else if (!strcmp(flag, "--timeout")) {
		t = strtod(value, &end);
		if (*end || !(t > 0 && t < 86400)) {
			snprintf(why, 256, "--timeout %.100s: write seconds", value);
			return false;
		}
		ae->client.timeout = (usec)(t * (double)USEC_S);
	} else {
		snprintf(why, 256, "no flag \"%.100s\"", flag);
		return false;
	}
	return true;
}

/* Flags may stand anywhere; what is left are operands. */
static bool take_arguments(struct ae *ae, int argc, char **argv, struct given *g, char why[256])
{
	ae->args = argv; /* compacted in place */
	for (int i = 0; i < argc; i++) {
		if (strncmp(argv[i], "--", 2)) {
			ae->args[ae->n_args++] = argv[i];
			continue;
		}
		if (!strcmp(argv[i], "--json")) {
			ae->json = true;
			continue;
		}
		if (ae_claim_flag(ae, argv[i]))
			continue;
		if (i + 1 >= argc) {
			snprintf(why, 256, "%.100s needs a value, or is no flag", argv[i]);
			return false;
		}
		if (!value_flag(ae, argv[i], argv[i + 1], g, why))
			return false;
		i++;
	}
	return true;
}

static bool clean(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] <= 0x20 || s.p[i] == 0x7f)
			return false;
	return true;
}

static int dispatch(struct ae *ae, struct given *g)
{
	char ty[16];
	if (!strcmp(ae->op, "create"))
		return op_create(ae);
	if (!strcmp(ae->op, "retrieve"))
		return op_plain(ae, OP_RETRIEVE);
	if (!strcmp(ae->op, "update"))
		return op_update(ae, g->type);
	if (!strcmp(ae->op, "delete"))
		return op_plain(ae, OP_DELETE);
	if (!strcmp(ae->op, "discover")) {
		ae_query(ae, "fu", S("1"));
		if (g->type) {
			snprintf(ty, sizeof(ty), "%d", (int)g->type->ty);
			ae_query(ae, "ty", slice_str(ty));
		}
		return op_plain(ae, OP_RETRIEVE);
	}
	if (!strcmp(ae->op, "notify"))
		return op_notify(ae);
	if (!strcmp(ae->op, "watch"))
		return ae_watch(ae);
	if (!strcmp(ae->op, "listen"))
		return ae_listen(ae);
	return usage_error("ae", "no operation \"%s\": create, retrieve, update, delete, discover, notify, watch or listen", ae->op);
}

int cmd_ae(int argc, char **argv)
{
	const char *url = getenv("REEVE_CSE"), *from = getenv("REEVE_FROM");
	struct ae ae = { .client = { .timeout = 30 * USEC_S, .release = "3", .max_answer = 256 << 20, .cse_id = "/reeve",
				     .listen = "127.0.0.1" },
			 .events = "3,1" };
	struct given g = { 0 };
	char why[256] = "";
	int status;

	if (told_help(help, argc, argv, &status))
		return status;
	arena_init(&ae.memory, NULL, 0, 256 << 20);
	buf_init(&ae.query, 65536);
	for (size_t i = 0; i < AE_CLAIMS; i++)
		buf_init(&ae.claims[i], 65536);
	ae.client.from = slice_str(from);
	ae.op = argv[0];
	if (client_url(&ae.client, url && *url ? url : "http://127.0.0.1:8080", why) != RC_OK ||
	    !take_arguments(&ae, argc - 1, argv + 1, &g, why))
		status = usage_error("ae", "%s", why);
	else if (!clean(ae.client.from) || !clean(slice_str(ae.client.release)))
		status = usage_error("ae", "--from and --release take no blanks and no control characters");
	else if (ae.client.cse_id[0] != '/' || !clean(slice_str(ae.client.cse_id)) || !clean(slice_str(ae.client.credential)))
		status = usage_error("ae", "--cse-id is an id like /reeve; it and --credential-id take no blanks");
	else {
		ae_claims_finish(&ae);
		status = dispatch(&ae, &g);
	}
	for (size_t i = 0; i < AE_CLAIMS; i++)
		buf_free(&ae.claims[i]);
	buf_free(&ae.query);
	client_free(&ae.client);
	arena_reset(&ae.memory);
	return status;
}
