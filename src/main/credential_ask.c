/* SPDX-License-Identifier: Apache-2.0 */
/* Who does what `reeve credential` is told: a CSE far away over HTTPS, the one on this machine through its control socket, or, when none
 * runs, we ourselves on its store. */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "core/association/administer.h"
#include "core/audit_log.h"
#include "core/keys.h"
#include "main/credential.h"

static void write_path(struct buf *b, struct slice id)
{
	buf_lit(b, "/credentials");
	if (id.n)
		buf_char(b, '/');
	for (size_t i = 0; i < id.n; i++) {
		const unsigned char c = (unsigned char)id.p[i];

		if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || strchr("-._~@:;", c))
			buf_char(b, (char)c);
		else
			buf_printf(b, "%%%02X", c);
	}
}

static enum reeve_rc call(struct credential_args *q, const char *method, struct slice path, struct slice body, int *status,
			  struct buf *answer, char why[256])
{
	struct client_answer a;
	enum reeve_rc rc = client_http(&q->client, method, path, body.n ? "application/json" : NULL, body, &a, why);

	if (rc == RC_OK) {
		*status = a.status;
		buf_slice(answer, buf_view(&a.body));
	}
	client_answer_free(&a);
	return rc;
}

/* --- without a CSE --- */

bool credential_on_store(const struct config *c, struct store *store, const char *method, struct slice path, struct slice body, int *status,
			 struct buf *answer, char why[256])
{
	char who[32];
	struct arena a;
	struct ident_home home = { .sp_id = c->sp_id, .cse_id = c->cse_id, .base_name = c->base_name };
	struct administer_call one = { .method = method, .path = path, .body = body, .root = true };
	struct administration ad = { .cfg = c, .home = &home, .store = store };
	struct audit_secret *secret = NULL;
	enum reeve_rc rc = keys_open(c, strcmp(method, "GET") != 0, &ad.keys, why);

	arena_init(&a, NULL, 0, 65536);
	snprintf(who, sizeof(who), "uid:%u", (unsigned)getuid());
	home.abs = arena_printf(&a, "%.*s%.*s", SF(c->sp_id), SF(c->cse_id));
	if (rc == RC_NOTFOUND && !strcmp(method, "GET"))
		rc = RC_OK;
	if (rc == RC_OK && (rc = audit_secret_open(c, &secret, why)) == RC_OK)
		rc = audit_log_open(c, secret, &ad.audit, why);
	if (rc == RC_OK) {
		one.who = slice_str(who);
		one.out = *answer;
		administer(&ad, &one);
		*answer = one.out;
		*status = one.status;
	}
	audit_close(ad.audit);
	audit_secret_close(secret);
	if (ad.keys)
		secenv_close(ad.keys);
	arena_reset(&a);
	return rc == RC_OK;
}

static bool alone(struct credential_args *q, const char *method, struct slice path, struct slice body, int *status, struct buf *answer,
		  const char *socket_why)
{
	const struct store_options o = { .path = q->s.c.data, .max_bytes = q->s.c.store_max, .readers = 8 };
	struct store *store = NULL;
	char why[256] = "";
	enum reeve_rc rc = store_open(&o, &store, why);
	bool done = false;

	if (rc == RC_OK)
		done = credential_on_store(&q->s.c, store, method, path, body, status, answer, why);
	else if (rc == RC_BUSY)
		snprintf(why, sizeof(why), "a CSE runs on it and does not answer at its control socket: %.150s", socket_why);
	store_close(store);
	if (!done)
		fprintf(stderr, "reeve credential: %s: %s\n", q->s.c.data, why[0] ? why : rc_name(rc));
	return done;
}

bool credential_ask(struct credential_args *q, const char *method, struct slice id, struct slice body, int *status, struct buf *answer)
{
	char why[256] = "", socket[4096];
	struct buf path;
	bool done;

	buf_init(&path, 4096);
	buf_init(answer, 8 << 20);
	write_path(&path, id);
	if (!q->cse && snprintf(socket, sizeof(socket), "%s/control", q->s.c.data) < (int)sizeof(socket))
		q->client.socket = socket;
	done = call(q, method, buf_view(&path), body, status, answer, why) == RC_OK;
	if (!done && q->cse)
		fprintf(stderr, "reeve credential: %s: %s\n", q->cse, why);
	else if (!done)
		done = alone(q, method, buf_view(&path), body, status, answer, why);
	buf_free(&path);
	return done;
}
