/* SPDX-License-Identifier: Apache-2.0 */
/* The receiver procedure fed with decoded requests: a small CSE, and a list of requests run one after the other in one transaction
 * that is thrown away at the end.
 *
 * Input: requests separated by an empty line; first line "METHOD TARGET [FROM [TY]]", the rest is content. Invariants: every
 * request ends with an answer whose code the model knows; content of an answer is JSON; a refusal carries text and no content;
 * nothing that was refused has changed the store (its entries are counted). */
#include "binding/http/map.h"
#include "core/exec.h"
#include "core/work.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { REQUESTS_MOST = 24 };

static struct config cfg;
static struct core *core;
static struct policy_cache *policies;
static char folder[] = "/tmp/reeve-fuzz-XXXXXX";

static void check(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "broken: %s\n", what);
	abort();
}

/* A few resources to aim at. */
static const char setup[] =
	"POST /cse Cfuzz 2\n{\"m2m:ae\":{\"rn\":\"ae\",\"api\":\"Nfuzz\",\"rr\":true,\"srv\":[\"3\"],\"poa\":[\"http://127.0.0.1:9\"]}}\n\n"
	"POST /cse/ae Cfuzz 1\n{\"m2m:acp\":{\"rn\":\"acp\",\"pv\":{\"acr\":[{\"acor\":[\"Cfuzz\",\"cse/ae/grp\"],\"acop\":63}]},"
	"\"pvs\":{\"acr\":[{\"acor\":[\"Cfuzz\"],\"acop\":63}]}}}\n\n"
	"POST /cse/ae Cfuzz 3\n{\"m2m:cnt\":{\"rn\":\"cnt\",\"mni\":3,\"lbl\":[\"a:b\"],\"acpi\":[\"cse/ae/acp\"]}}\n\n"
	"POST /cse/ae/cnt Cfuzz 4\n{\"m2m:cin\":{\"con\":\"1\"}}\n\n"
	"POST /cse/ae/cnt Cfuzz 23\n{\"m2m:sub\":{\"rn\":\"sub\",\"nu\":[\"Cfuzz\"],\"enc\":{\"net\":[1,2,3,4]}}}\n\n"
	"POST /cse/ae Cfuzz 9\n{\"m2m:grp\":{\"rn\":\"grp\",\"mt\":0,\"mnm\":9,\"mid\":[\"cse/ae\",\"cse/ae/cnt\"]}}\n\n"
	"POST /cse/ae Cfuzz 15\n{\"m2m:pch\":{\"rn\":\"pch\"}}";

static bool take(struct slice *rest, struct slice *line, struct slice *body)
{
	size_t end = 0;

	if (!rest->n)
		return false;
	while (end < rest->n && !(rest->p[end] == '\n' && end + 1 < rest->n && rest->p[end + 1] == '\n'))
		end++;
	*body = slice_of(rest->p, end);
	*rest = slice_skip(*rest, end + 2);
	*line = slice_cut(body, '\n');
	return true;
}

static void fill(struct req *r, struct slice line, struct slice body)
{
	struct slice method = slice_cut(&line, ' '), target = slice_cut(&line, ' '), from = slice_cut(&line, ' ');
	uint64_t ty;

	r->received = clock_wall();
	r->rqi = S("r");
	r->rvi = S("3");
	if (from.n && from.p[0] != '-')
		r->fr = from;
	if (slice_u64(line, &ty)) {
		r->ty = (int64_t)(ty & INT32_MAX);
		r->has |= HAS_TY;
	}
	r->pc_serial = SERIAL_JSON;
	http_map_target(r, target.n ? target : S("/"));
	http_map_finish(r, method, body.p ? body : S(""), &json_default_limits);
	if (r->op == OP_NONE)
		r->op = OP_RETRIEVE;
}

static void check_answer(struct req *r)
{
	struct slice why;
	struct json j;

	check(model_code(r->rsc) != NULL, "a code that is in no table");
	if (r->rsc >= 4000) {
		check(r->dbg.p != NULL, "a refusal without a reason");
	} else if (r->out.n) {
		const struct json_limits any = { .depth = 64, .tokens = UINT32_MAX };
		check(json_parse(&r->arena, buf_view(&r->out), &any, &j, &why) == RC_OK, "an answer that is no JSON");
	}
}

static void one(struct exec *x, struct req *r, struct slice line, struct slice body)
{
	enum reeve_rc rc;

	fill(r, line, body);
	r->peer.open = true;
	rc = check_originator(x, r);
	if (rc == RC_OK)
		rc = check_reception(core, r);
	if (rc == RC_OK) {
		if (r->op == OP_CREATE || r->op == OP_UPDATE)
			check_content(core, r);
		rc = exec_request(x, r);
	}
	check(rc != RC_IO, "the store");
	if (rc == RC_AGAIN)
		return; /* would wait on the hub */
	check_answer(r);
}

static void run(struct slice text, bool keep)
{
	static struct req r;
	static bool made;
	struct tree_seq seq;
	struct st_tx *tx;
	struct slice line, body;

	if (!made)
		req_init(&r, &core->loops[0], cfg.limits.request_memory, cfg.limits.response);
	made = true;
	check(st_begin(core->store, &tx) == RC_OK && tree_seq_load(tx, &seq) == RC_OK, "a transaction");
	struct exec x = { .core = core, .tx = tx, .policies = policies, .seq = &seq, .now = clock_wall(), .write = true };
	for (int i = 0; i < REQUESTS_MOST && take(&text, &line, &body); i++) {
		one(&x, &r, line, body);
		if (keep)
			check(r.rsc == 2001, "the set-up");
		req_reset(&r);
	}
	policy_cache_clear(policies); /* what was compiled may never have been committed */
	if (keep)
		check(tree_seq_save(tx, &seq) == RC_OK && st_commit(tx) == RC_OK, "the set-up is kept");
	else
		st_abort(tx);
}

static void clean(void)
{
	char command[256];

	snprintf(command, sizeof(command), "%s/data.mdb", folder);
	unlink(command);
	static const char *const rest[] = { "lock.mdb", "lock", "decisions.log", "decisions.log.1" };
	for (size_t i = 0; i < sizeof(rest) / sizeof(rest[0]); i++) {
		snprintf(command, sizeof(command), "%s/%s", folder, rest[i]);
		unlink(command);
	}
	rmdir(folder);
}

static void begin(void)
{
	char why[256];

	config_defaults(&cfg);
	check(mkdtemp(folder) != NULL, "a folder");
	cfg.data = folder;
	cfg.no_sync = true;
	cfg.threads = 1;
	cfg.http.open = true;
	cfg.store_max = 1 << 30;
	cfg.limits.response = 1 << 20;
	cfg.limits.request_memory = 1 << 20;
	cfg.limits.discovery_visits = 10000;
	if (core_start(&cfg, &core, why) != RC_OK || core_begin(core, why) != RC_OK) {
		fprintf(stderr, "%s\n", why);
		abort();
	}
	policies = policy_cache_new(64);
	run(slice_of(setup, sizeof(setup) - 1), true);
	atexit(clean);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!core)
		begin();
	/* a copy of its exact size, so that reading past the end is seen */
	char *text = malloc(size ? size : 1);
	check(text != NULL, "memory");
	memcpy(text, data, size);
	run(slice_of(text, size), false);
	free(text);
	return 0;
}
