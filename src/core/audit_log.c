/* SPDX-License-Identifier: Apache-2.0 */
/* Between configuration, Secure Environment and audit log. */
#include "core/audit_log.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/config.h"
#include "core/keys.h"

struct audit_secret {
	struct audit_key key;
	struct key_ref *ref;
};

static bool mac(void *ctx, const void *p, size_t n, uint8_t out[32])
{
	struct audit_secret *s = ctx;
	uint8_t full[KEY_SIGNATURE_MAX];
	size_t length = 0;

	if (key_sign(s->ref, ALG_HS256, slice_of(p, n), full, &length) != RC_OK || length != 32)
		return false;
	memcpy(out, full, 32);
	return true;
}

static enum reeve_rc find_key(const struct config *c, struct audit_secret *s, char why[256])
{
	char reason[KEY_WHY_MAX] = "";
	struct secenv *se = NULL;
	enum reeve_rc rc = keys_open(c, false, &se, reason);

	if (rc != RC_OK) {
		snprintf(why, 256, "audit.key: %.240s", reason[0] ? reason : rc_name(rc));
		return rc;
	}
	s->ref = secenv_find(se, c->audit.key);
	secenv_close(se); /* the handle stays usable */
	if (s->ref && key_info(s->ref)->alg == ALG_HS256 && key_info(s->ref)->secret)
		return RC_OK;
	snprintf(why, 256, "audit.key: there is no HS256 key \"%.*s\"; reeve key generate --alg HS256 --kid %.*s makes one",
		 c->audit.key.n > 60 ? 60 : (int)c->audit.key.n, c->audit.key.p, c->audit.key.n > 60 ? 60 : (int)c->audit.key.n,
		 c->audit.key.p);
	return RC_NOTFOUND;
}

enum reeve_rc audit_secret_open(const struct config *c, struct audit_secret **out, char why[256])
{
	struct audit_secret *s;
	enum reeve_rc rc;

	*out = NULL;
	if (!c->audit.key.n)
		return RC_OK;
	if (!(s = calloc(1, sizeof(*s))))
		return RC_NOMEM;
	s->key = (struct audit_key){ mac, s };
	if ((rc = find_key(c, s, why)) != RC_OK)
		audit_secret_close(s);
	else
		*out = s;
	return rc;
}

void audit_secret_close(struct audit_secret *s)
{
	if (!s)
		return;
	key_put(s->ref);
	free(s);
}

const struct audit_key *audit_secret_key(const struct audit_secret *s) { return s ? &s->key : NULL; }

void audit_log_path(const struct config *c, char *out, size_t n)
{
	if (c->audit.file)
		snprintf(out, n, "%s", c->audit.file);
	else
		snprintf(out, n, "%s/audit.log", c->data);
}

enum reeve_rc audit_log_open(const struct config *c, const struct audit_secret *secret, struct audit **out, char why[256])
{
	char path[4096];
	struct audit_options o = { .path = path, .head = c->audit.head, .rotate_bytes = c->audit.rotate, .keep = c->audit.keep,
				   .events = c->audit.events, .sync_commit = c->audit.sync, .checkpoint = c->audit.checkpoint,
				   .key = audit_secret_key(secret) };

	*out = NULL;
	audit_log_path(c, path, sizeof(path));
	return c->audit.events ? audit_open(&o, out, why) : RC_OK;
}
