/* SPDX-License-Identifier: Apache-2.0 */
/* Keys and issuers of the running CSE. What is in use is counted, so an exchange waits for nobody. */
#include "core/trust.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/core.h"
#include "core/keys.h"
#include "core/rights/tokens.h"

struct trust {
	pthread_mutex_t lock;
	struct secenv *keys;
	struct issuers *issuers;
};

static enum reeve_rc read_issuers(struct core *c, struct secenv *keys, struct issuers **out, char why[ISSUERS_WHY_MAX])
{
	*out = NULL;
	return c->cfg->authz.issuers ? issuers_open(c->cfg->authz.issuers, &c->home, keys, out, why) : RC_OK;
}

/* RC_OK with NULL: there are none yet, and none was promised. */
static enum reeve_rc open_keys(struct core *c, struct secenv **out, char why[KEY_WHY_MAX])
{
	enum reeve_rc rc = keys_open(c->cfg, false, out, why);

	return rc == RC_NOTFOUND && !c->cfg->keys.file ? RC_OK : rc;
}

enum reeve_rc trust_open(struct core *c, char why[ISSUERS_WHY_MAX])
{
	struct trust *t = calloc(1, sizeof(*t));
	enum reeve_rc rc;

	if (!t)
		return RC_NOMEM;
	pthread_mutex_init(&t->lock, NULL);
	c->trust = t;
	rc = open_keys(c, &t->keys, why);
	return rc == RC_OK ? read_issuers(c, t->keys, &t->issuers, why) : rc;
}

void trust_close(struct core *c)
{
	struct trust *t = c->trust;

	if (!t)
		return;
	issuers_put(t->issuers);
	if (t->keys)
		secenv_close(t->keys);
	pthread_mutex_destroy(&t->lock);
	free(t);
	c->trust = NULL;
}

enum reeve_rc trust_reload(struct core *c, char why[ISSUERS_WHY_MAX])
{
	struct trust *t = c->trust;
	struct secenv *keys = trust_keys(c);
	struct issuers *fresh, *old;
	enum reeve_rc rc = keys ? secenv_refresh(keys, why) : open_keys(c, &keys, why);

	if (rc == RC_OK)
		rc = read_issuers(c, keys, &fresh, why);
	pthread_mutex_lock(&t->lock);
	t->keys = keys;
	old = t->issuers;
	if (rc == RC_OK)
		t->issuers = fresh;
	pthread_mutex_unlock(&t->lock);
	if (rc != RC_OK)
		return rc;
	issuers_put(old);
	token_cache_clear(tokens_cache(c));
	return RC_OK;
}

struct issuers *trust_issuers(struct core *c)
{
	struct trust *t = c->trust;
	struct issuers *is;

	if (!t)
		return NULL;
	pthread_mutex_lock(&t->lock);
	is = issuers_get(t->issuers);
	pthread_mutex_unlock(&t->lock);
	return is;
}

struct secenv *trust_keys(struct core *c)
{
	struct trust *t = c->trust;
	struct secenv *keys;

	if (!t)
		return NULL;
	pthread_mutex_lock(&t->lock);
	keys = t->keys;
	pthread_mutex_unlock(&t->lock);
	return keys;
}
