/* SPDX-License-Identifier: Apache-2.0 */
/* The Secure Environment over a sealed file.
 *
 * In memory there is a set of keys, sorted, under a lock that readers share. A change is made by one thread at a time, and by one process
 * at a time (path.lock): it reads the file anew, so that what others changed is kept, changes the set, replaces the file, and only then
 * lets readers see the set. Keys that stay keep their handles, known by their uid.
 *
 * Encryptions under a stored GCM key are counted in the file ahead of time, GRANT at once: a process that ends without having used its
 * share loses it, which is on the safe side. */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "secenv/sealed_int.h"

enum { GRANT = 65536, KEY_FILE_MAX = 256 };

struct secenv {
	atomic_uint refs;         /* the owner and each stored key */
	char *file;
	struct sealing sealing;
	pthread_rwlock_t lock;    /* of keys */
	struct key_set keys;
	pthread_mutex_t change;   /* held by who changes keys or file, and of what follows */
	char seen[SEALED_NONCE];  /* nonce of the file that `keys` is */
	bool closed;
};

struct secenv *secenv_get(struct secenv *se)
{
	atomic_fetch_add_explicit(&se->refs, 1, memory_order_relaxed);
	return se;
}

void secenv_put(struct secenv *se)
{
	if (atomic_fetch_sub_explicit(&se->refs, 1, memory_order_acq_rel) != 1)
		return;
	key_put(se->sealing.key);
	pthread_rwlock_destroy(&se->lock);
	pthread_mutex_destroy(&se->change);
	free(se->file);
	free(se);
}

/* se->change is held. Take `set` as what there is; what is in it no more is good for nothing any more. */
static void publish(struct secenv *se, struct key_set *set)
{
	struct key_set old;

	pthread_rwlock_wrlock(&se->lock);
	old = se->keys;
	se->keys = *set;
	pthread_rwlock_unlock(&se->lock);
	*set = (struct key_set){ 0 };
	for (size_t i = 0; i < old.n; i++) {
		const ptrdiff_t at = key_set_find(&se->keys, old.of[i].key->info.kid);
		if (at < 0 || se->keys.of[at].key != old.of[i].key)
			atomic_store(&old.of[i].key->gone, true);
	}
	key_set_free(&old);
}

/* se->change is held. What the file holds; RC_AGAIN when it is the one seen last and !anyway. */
static enum reeve_rc read_set(struct secenv *se, bool anyway, struct key_set *set, char *why)
{
	char detail[KEY_WHY_MAX];
	struct buf file;
	enum reeve_rc rc;

	buf_init(&file, SEALED_MAX);
	rc = disk_read(se->file, SEALED_MAX, &file, why);
	if (rc == RC_OK && !anyway && slice_eq(sealed_nonce(buf_view(&file)), slice_of(se->seen, sizeof(se->seen))))
		rc = RC_AGAIN;
	if (rc == RC_OK) {
		rc = sealed_read(&se->sealing, buf_view(&file), &se->keys, se, set, detail);
		if (rc == RC_OK)
			memcpy(se->seen, sealed_nonce(buf_view(&file)).p, sizeof(se->seen));
		else
			(void)key_why(why, rc, "%.120s: %.120s", se->file, detail);
	}
	buf_free(&file);
	return rc;
}

static enum reeve_rc write_set(struct secenv *se, const struct key_set *set, char *why)
{
	struct buf file;
	enum reeve_rc rc;

	buf_init(&file, SEALED_MAX);
	rc = sealed_write(&se->sealing, set, &file, why);
	if (rc == RC_OK)
		rc = disk_replace(se->file, buf_view(&file), why);
	if (rc == RC_OK)
		memcpy(se->seen, sealed_nonce(buf_view(&file)).p, sizeof(se->seen));
	buf_free(&file);
	return rc;
}

/* --- changes --- */

typedef enum reeve_rc (*change_fn)(struct key_set *set, void *ctx, char *why);

static enum reeve_rc change_locked(struct secenv *se, change_fn fn, void *ctx, char *why)
{
	struct key_set set = { 0 };
	enum reeve_rc rc = read_set(se, true, &set, why);

	if (rc == RC_OK)
		rc = fn(&set, ctx, why);
	if (rc == RC_OK)
		rc = write_set(se, &set, why);
	if (rc == RC_OK)
		publish(se, &set);
	key_set_free(&set);
	return rc;
}

/* se->change is held. */
static enum reeve_rc change(struct secenv *se, change_fn fn, void *ctx, char *why)
{
	const int fd = se->closed ? -1 : disk_lock(se->file, why);
	enum reeve_rc rc;

	if (se->closed)
		return key_why(why, RC_DENIED, "the secure environment is closed");
	if (fd < 0)
		return RC_IO;
	rc = change_locked(se, fn, ctx, why);
	close(fd);
	return rc;
}

struct addition { struct key_ref *key; bool replace; };

static enum reeve_rc add(struct key_set *set, void *ctx, char *why)
{
	const struct addition *ad = ctx;
	struct key_ref *key = ad->key;
	const ptrdiff_t at = ad->replace ? key_set_find(set, key->info.kid) : -1;
	enum reeve_rc rc;

	if (at >= 0)
		key_set_remove(set, (size_t)at);
	rc = key_set_add(set, key, 0);
	if (rc == RC_OK)
		(void)key_get(key);
	return rc == RC_OK ? rc : key_why(why, rc, rc == RC_EXISTS ? "there is a key \"%.*s\" already" : "out of memory: %.*s",
					  SF(key->info.kid));
}

/* Store a key that nobody else has yet; takes it. */
static enum reeve_rc keep(struct secenv *se, struct key_ref *key, bool replace, const char *how, struct key_ref **out, char *why)
{
	struct addition ad = { key, replace };
	enum reeve_rc rc;

	key->home = secenv_get(se);
	atomic_store(&key->granted, 0);
	pthread_mutex_lock(&se->change);
	rc = change(se, add, &ad, why);
	pthread_mutex_unlock(&se->change);
	if (rc == RC_OK)
		log_info("secenv", "key %.*s %s for %.*s", SF(key->info.kid), how, SF(key->alg->name));
	if (rc == RC_OK && out)
		*out = key;
	else
		key_put(key);
	return rc;
}

enum reeve_rc secenv_generate(struct secenv *se, const struct key_spec *spec, struct key_ref **out, char why[KEY_WHY_MAX])
{
	struct key_ref *key;
	enum reeve_rc rc = key_generate(spec, &key, why);

	if (rc != RC_OK)
		return rc;
	if (se)
		return keep(se, key, spec->replace, "generated", out, why);
	*out = key;
	return RC_OK;
}

enum reeve_rc secenv_import(struct secenv *se, enum key_form form, struct slice material, const struct key_spec *spec,
			    struct key_ref **out, char why[KEY_WHY_MAX])
{
	struct key_ref *key;
	enum reeve_rc rc = key_import(form, material, spec, &key, why);

	if (rc != RC_OK)
		return rc;
	if (se)
		return keep(se, key, spec->replace, "imported", out, why);
	*out = key;
	return RC_OK;
}

static enum reeve_rc removal(struct key_set *set, void *ctx, char *why)
{
	const struct slice *kid = ctx;
	const ptrdiff_t at = key_set_find(set, *kid);

	if (at < 0)
		return key_why(why, RC_NOTFOUND, "there is no such key");
	key_set_remove(set, (size_t)at);
	return RC_OK;
}

enum reeve_rc secenv_delete(struct secenv *se, struct slice kid, char why[KEY_WHY_MAX])
{
	enum reeve_rc rc;

	pthread_mutex_lock(&se->change);
	rc = change(se, removal, &kid, why);
	pthread_mutex_unlock(&se->change);
	if (rc == RC_OK)
		log_info("secenv", "key %.*s deleted", SF(kid));
	return rc;
}

/* --- counted encryptions --- */

struct grant { struct key_ref *key; uint64_t from, to; };

static enum reeve_rc grant(struct key_set *set, void *ctx, char *why)
{
	struct grant *g = ctx;
	const ptrdiff_t at = key_set_find(set, g->key->info.kid);
	struct stored *s = at >= 0 ? &set->of[at] : NULL;

	if (!s || s->key != g->key)
		return key_why(why, RC_DENIED, "the key was deleted");
	if (s->uses >= KEY_GCM_USES)
		return key_why(why, RC_LIMIT, "the key is used up");
	g->from = s->uses;
	s->uses = g->to = s->uses + GRANT < KEY_GCM_USES ? s->uses + GRANT : KEY_GCM_USES;
	return RC_OK;
}

enum reeve_rc secenv_grant(struct key_ref *key)
{
	char why[KEY_WHY_MAX];
	struct grant g = { .key = key };
	enum reeve_rc rc = RC_OK;

	pthread_mutex_lock(&key->home->change);
	uint_least64_t n = atomic_load(&key->uses);
	if (n >= atomic_load(&key->granted)) { /* nobody else got some meanwhile */
		rc = change(key->home, grant, &g, why);
		if (rc == RC_OK) {
			atomic_store(&key->uses, g.from + 1);
			atomic_store_explicit(&key->granted, g.to, memory_order_release);
		} else {
			log_warn("secenv", "key %.*s cannot encrypt: %s", SF(key->info.kid), why);
		}
	} else {
		atomic_fetch_add(&key->uses, 1);
	}
	pthread_mutex_unlock(&key->home->change);
	return rc;
}

/* --- opened --- */

static enum reeve_rc sealing_from_text(struct slice text, const char *path, struct sealing *out, char *why)
{
	const struct key_spec spec = { .alg = ALG_A256GCM };
	struct key_ref *key;
	char detail[KEY_WHY_MAX];
	enum reeve_rc rc = key_import(KEY_HEX, text, &spec, &key, detail);

	if (rc != RC_OK)
		return key_why(why, RC_SYNTAX, "%s: must hold %d hexadecimal digits", path, 2 * SEALING_KEY);
	rc = sealing_from(key->oct, out);
	key_put(key);
	return rc == RC_OK ? rc : key_why(why, rc, "%s: cannot be used: %s", path, rc_name(rc));
}

static enum reeve_rc make_key_file(const char *path, char *why)
{
	static const char digits[] = "0123456789abcdef";
	const struct key_spec spec = { .alg = ALG_A256GCM };
	char text[2 * SEALING_KEY + 1];
	struct key_ref *key;
	enum reeve_rc rc = key_generate(&spec, &key, why);

	if (rc != RC_OK)
		return rc;
	for (size_t i = 0; i < SEALING_KEY; i++) {
		text[2 * i] = digits[key->oct[i] >> 4];
		text[2 * i + 1] = digits[key->oct[i] & 15];
	}
	text[2 * SEALING_KEY] = '\n';
	rc = disk_create(path, slice_of(text, sizeof(text)), why);
	secret_wipe(text, sizeof(text));
	key_put(key);
	return rc;
}

static enum reeve_rc read_key_file(const char *path, struct sealing *out, char *why)
{
	struct buf text;
	enum reeve_rc rc;

	buf_init(&text, KEY_FILE_MAX);
	rc = disk_read(path, KEY_FILE_MAX, &text, why);
	if (rc == RC_OK)
		rc = sealing_from_text(buf_view(&text), path, out, why);
	if (text.p)
		secret_wipe(text.p, text.cap);
	buf_free(&text);
	return rc;
}

/* What is absent is made, but never a new sealing key beside a file that needs the old one. */
static enum reeve_rc make_absent(struct secenv *se, const char *key_file, char *why)
{
	const bool have_key = access(key_file, F_OK) == 0, have_file = access(se->file, F_OK) == 0;
	enum reeve_rc rc = RC_OK;

	if (have_file && !have_key)
		return key_why(why, RC_NOTFOUND, "%.100s: not there, but %.100s is sealed with it", key_file, se->file);
	if (!have_key)
		rc = make_key_file(key_file, why);
	if (rc == RC_OK)
		rc = read_key_file(key_file, &se->sealing, why);
	return rc == RC_OK && !have_file ? write_set(se, &(struct key_set){ 0 }, why) : rc;
}

static enum reeve_rc open_files(struct secenv *se, const struct secenv_options *o, const char *key_file, char *why)
{
	struct key_set set;
	enum reeve_rc rc;

	if (o->create) {
		const int fd = disk_lock(se->file, why);
		if (fd < 0)
			return RC_IO;
		rc = make_absent(se, key_file, why);
		close(fd);
	} else {
		rc = read_key_file(key_file, &se->sealing, why);
	}
	if (rc == RC_OK)
		rc = read_set(se, true, &set, why);
	if (rc == RC_OK)
		publish(se, &set);
	return rc;
}

enum reeve_rc secenv_open(const struct secenv_options *o, struct secenv **out, char why[KEY_WHY_MAX])
{
	struct secenv *se = calloc(1, sizeof(*se));
	char *key_file = NULL;
	enum reeve_rc rc = RC_NOMEM;

	*out = NULL;
	if (!se || pthread_rwlock_init(&se->lock, NULL)) {
		free(se);
		return key_why(why, RC_NOMEM, "out of memory");
	}
	atomic_init(&se->refs, 1);
	pthread_mutex_init(&se->change, NULL);
	se->file = strdup(o->file);
	if (asprintf(&key_file, "%s%s", o->key_file ? o->key_file : o->file, o->key_file ? "" : ".seal") < 0)
		key_file = NULL;
	if (se->file && key_file)
		rc = open_files(se, o, key_file, why);
	else
		(void)key_why(why, RC_NOMEM, "out of memory");
	free(key_file);
	if (rc == RC_OK)
		*out = se;
	else
		secenv_close(se);
	return rc;
}

void secenv_close(struct secenv *se)
{
	struct key_set keys;

	if (!se)
		return;
	pthread_mutex_lock(&se->change);
	se->closed = true;
	pthread_rwlock_wrlock(&se->lock);
	keys = se->keys;
	se->keys = (struct key_set){ 0 };
	pthread_rwlock_unlock(&se->lock);
	pthread_mutex_unlock(&se->change);
	key_set_free(&keys);
	secenv_put(se);
}

enum reeve_rc secenv_refresh(struct secenv *se, char why[KEY_WHY_MAX])
{
	struct key_set set = { 0 };
	enum reeve_rc rc;

	pthread_mutex_lock(&se->change);
	rc = read_set(se, false, &set, why);
	if (rc == RC_OK)
		publish(se, &set);
	pthread_mutex_unlock(&se->change);
	return rc == RC_AGAIN ? RC_OK : rc;
}

/* --- looked at --- */

struct key_ref *secenv_find(struct secenv *se, struct slice kid)
{
	struct key_ref *key = NULL;
	ptrdiff_t at;

	pthread_rwlock_rdlock(&se->lock);
	at = key_set_find(&se->keys, kid);
	if (at >= 0)
		key = key_get(se->keys.of[at].key);
	pthread_rwlock_unlock(&se->lock);
	return key;
}

void secenv_list(struct secenv *se, void (*each)(void *ctx, const struct key_info *info), void *ctx)
{
	pthread_rwlock_rdlock(&se->lock);
	for (size_t i = 0; i < se->keys.n; i++)
		each(ctx, &se->keys.of[i].key->info);
	pthread_rwlock_unlock(&se->lock);
}
