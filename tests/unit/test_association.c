/* SPDX-License-Identifier: Apache-2.0 */
/* From what a peer has proven to who it is: rows, certificates, rules, the registrar; what it may then say; and the end of it. The peers are
 * made by hand, as a handshake would have left them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "core/association/administer.h"
#include "core/association/association_int.h"
#include "core/keys.h"
#include "core/trust.h"
#include "core/writer.h"
#include "notify_util.h"

#define HERE "//reeve.local/reeve"

static char why[TLS_WHY_MAX];

/* --- rows --- */

struct row_job { struct write_job job; const char *text; sem_t done; };

static enum reeve_rc put_row(struct write_job *j, struct exec *x)
{
	struct row_job *g = (struct row_job *)j;
	struct credential cr = { 0 };
	struct arena a;
	enum reeve_rc rc;

	arena_init(&a, NULL, 0, 1 << 20);
	rc = credential_read(&a, slice_str(g->text), &cr, why);
	if (rc == RC_OK)
		rc = credential_check(&cr, why);
	if (rc == RC_OK)
		rc = credential_put(x->tx, &cr);
	arena_reset(&a);
	return rc;
}

static void row_put(struct write_job *j, enum reeve_rc rc)
{
	if (rc != RC_OK)
		abort();
	sem_post(&((struct row_job *)j)->done);
}

static void row(struct cse *t, const char *text)
{
	struct row_job g = { .job = { .run = put_row, .done = row_put, .home = &t->core->loops[0] }, .text = text };

	sem_init(&g.done, 0, 0);
	assert_int_equal(writer_submit(t->core->writer, &g.job), RC_OK);
	while (sem_wait(&g.done) != 0)
		;
	sem_destroy(&g.done);
}

/* --- peers --- */

static struct tls_peer peer_of(enum credential_type type, const char *name)
{
	static char room[8][CREDENTIAL_ID_MAX];
	static unsigned turn;
	char *p = room[turn++ % 8];
	const int n = snprintf(p, CREDENTIAL_ID_MAX, "%d-%s", (int)type, name);

	return (struct tls_peer){ .type = type, .credential = slice_of(p, (size_t)n), .name = slice_of(p + 3, (size_t)n - 3) };
}

static sem_t over;
static void at_end(void *owner) { sem_post(owner); }

static struct association *meet(struct cse *t, struct tls_peer p)
{
	return association_new(t->core, &p, &t->core->loops[0], at_end, &over, why);
}

static struct peer who(struct association *a)
{
	struct peer p = { 0 };

	association_peer(a, &p);
	return p;
}

static void part(struct association *a)
{
	association_leave(a);
	association_put(a);
}

/* What the peer asks, and how it is answered. */
static int ask(struct cse *t, struct association *a, enum op op, const char *fr, const char *to, int ty, const char *pc)
{
	struct call *k = call_new(t, op, fr, to, ty, pc);

	association_peer(a, &k->r.peer);
	return call_end(call_go(k), NULL);
}

static int enrol(struct cse *t, struct association *a, const char *fr)
{
	return ask(t, a, OP_CREATE, fr, "cse", 2, "{\"m2m:ae\":{\"api\":\"Na\",\"rr\":false,\"srv\":[\"3\"]}}");
}

static int read_ae(struct cse *t, struct association *a, const char *fr) { return ask(t, a, OP_RETRIEVE, fr, fr, 0, NULL); }

static void expect_cse(struct cse *t, struct tls_peer p, const char *cse)
{
	struct association *a = meet(t, p);

	if (!a)
		fail_msg("%.*s: %s", SF(p.credential), why);
	assert_true(who(a).association && slice_eq(who(a).cse_id, slice_str(cse)) && !who(a).n_ae_ids);
	part(a);
}

static void expect_nobody(struct cse *t, struct tls_peer p, const char *tells)
{
	if (meet(t, p))
		fail_msg("%.*s is somebody", SF(p.credential));
	if (!strstr(why, tells))
		fail_msg("%.*s: \"%s\"", SF(p.credential), why);
}

static void again(struct cse *t)
{
	core_stop(t->core);
	cse_start(t);
}

static void make_keys(struct cse *t)
{
	struct secenv *se;
	char text[KEY_WHY_MAX];

	assert_int_equal(keys_open(&t->cfg, true, &se, text), RC_OK);
	secenv_close(se);
}

static void import(struct cse *t, const char *kid, struct slice hex)
{
	const struct key_spec spec = { .kid = slice_str(kid), .alg = ALG_TLS_PSK };
	char text[KEY_WHY_MAX];

	assert_int_equal(secenv_import(trust_keys(t->core), KEY_HEX, hex, &spec, NULL, text), RC_OK);
}

static void key(struct cse *t, const char *kid) { import(t, kid, S("000102030405060708090a0b0c0d0e0f")); }
static void other_key(struct cse *t, const char *kid) { import(t, kid, S("000102030405060708090a0b0c0d0e10")); }

/* --- tests --- */

static void cses(void **state)
{
	struct cse *t = *state;

	/* SEC-045: by the public domain name, below ours (we are an IN-CSE) or the service provider's */
	expect_cse(t, peer_of(CREDENTIAL_CSE, "mn-cse7.reeve.reeve.local"), "//reeve.local/mn-cse7");
	expect_cse(t, peer_of(CREDENTIAL_CSE, "mn-cse7.reeve.local"), "//reeve.local/mn-cse7");
	expect_nobody(t, peer_of(CREDENTIAL_CSE, "mn-cse7.example.org"), "below neither");
	expect_nobody(t, peer_of(CREDENTIAL_CSE, "a.b.reeve.local"), "below neither");
	expect_nobody(t, peer_of(CREDENTIAL_CSE, "reeve.local"), "below neither");
	expect_nobody(t, peer_of(CREDENTIAL_CSE, "reeve.reeve.local"), "below neither"); /* ourselves */
	/* a row says otherwise */
	row(t, "{\"id\":\"32-mn-cse7.example.org\",\"cse\":\"//reeve.local/other\"}");
	expect_cse(t, peer_of(CREDENTIAL_CSE, "mn-cse7.example.org"), "//reeve.local/other");
	/* SEC-035 */
	row(t, "{\"id\":\"12-x@y.example\",\"cse\":\"//reeve.local/x\"}");
	expect_cse(t, peer_of(CREDENTIAL_PSK, "x@y.example"), "//reeve.local/x");
}

static void cse_is_no_ae(void **state)
{
	struct cse *t = *state;
	struct association *a;

	t->cfg.http.open = false;
	row(t, "{\"id\":\"12-x@y.example\",\"cse\":\"//reeve.local/x\"}");
	a = meet(t, peer_of(CREDENTIAL_PSK, "x@y.example"));
	/* SEC-052 */
	assert_int_equal(enrol(t, a, ""), 4106);
	assert_int_equal(enrol(t, a, "C"), 4106);
	assert_int_equal(enrol(t, a, "Cx"), 4106);
	/* SEC-040 */
	assert_int_equal(ask(t, a, OP_CREATE, "/y", "cse", 16, "{\"m2m:csr\":{\"cb\":\"/y/b\",\"csi\":\"/y\",\"rr\":false,\"srv\":[\"3\"]}}"), 4106);
	part(a);
	a = meet(t, peer_of(CREDENTIAL_AE, HERE "/Cme"));
	assert_int_equal(ask(t, a, OP_CREATE, "/y", "cse", 16, "{\"m2m:csr\":{\"cb\":\"/y/b\",\"csi\":\"/y\",\"rr\":false,\"srv\":[\"3\"]}}"), 4000);
	part(a);
}

static void ae_by_certificate(void **state)
{
	struct cse *t = *state;
	struct tls_peer p = peer_of(CREDENTIAL_AE, HERE "/Cme");
	struct association *a = meet(t, p), *b;

	/* SEC-046 */
	assert_int_equal(who(a).n_ae_ids, 1);
	assert_true(slice_eq(who(a).ae_ids[0], S(HERE "/Cme")));
	assert_int_equal(enrol(t, a, "Cyou"), 4106);
	/* who names none gets the one that is proven */
	assert_int_equal(enrol(t, a, "S"), 4117);
	assert_int_equal(enrol(t, a, "C"), 2001);
	assert_int_equal(read_ae(t, a, "Cme"), 2000);
	assert_int_equal(enrol(t, a, "C"), 4117);
	assert_int_equal(enrol(t, a, "Cme"), 4117); /* SEC-113 */
	/* SEC-102: another one does not get in by that name */
	b = meet(t, peer_of(CREDENTIAL_AE, HERE "/Cother"));
	assert_int_equal(read_ae(t, b, "Cme"), 4106);
	part(b);
	part(a);
	/* SEC-116 */
	p.app_id = S("Nb");
	a = meet(t, p);
	assert_int_equal(ask(t, a, OP_DELETE, "Cme", "Cme", 0, NULL), 2002);
	assert_int_equal(enrol(t, a, "Cme"), 4126);
	part(a);
	expect_nobody(t, peer_of(CREDENTIAL_AE, "Cme"), "no absolute AE-ID");
	expect_nobody(t, peer_of(CREDENTIAL_AE, "//reeve.local"), "no absolute AE-ID");
}

static void ae_by_key(void **state)
{
	struct cse *t = *state;
	struct association *a, *b;

	t->cfg.http.open = false;
	row(t, "{\"id\":\"12-pump@issuer.example\"}");
	row(t, "{\"id\":\"12-valve@issuer.example\"}");
	a = meet(t, peer_of(CREDENTIAL_PSK, "pump@issuer.example"));
	assert_true(slice_eq(who(a).credential, S("12-pump@issuer.example")) && !who(a).n_ae_ids);
	assert_int_equal(read_ae(t, a, "Cpump"), 4106);
	assert_int_equal(enrol(t, a, "Cpump"), 2001);
	/* SEC-036: from then on the credential is this AE's */
	assert_int_equal(read_ae(t, a, "Cpump"), 2000);
	/* SEC-051 */
	assert_int_equal(enrol(t, a, "Cpump2"), 4106);
	assert_int_equal(enrol(t, a, "C"), 4117);
	b = meet(t, peer_of(CREDENTIAL_PSK, "valve@issuer.example"));
	assert_int_equal(read_ae(t, b, "Cpump"), 4106); /* SEC-102 */
	assert_int_equal(enrol(t, b, "Cpump"), 4117);
	/* with its registration it is free again, for the other one too */
	assert_int_equal(ask(t, a, OP_DELETE, "Cpump", "Cpump", 0, NULL), 2002);
	assert_int_equal(read_ae(t, a, "Cpump"), 4106);
	assert_int_equal(enrol(t, b, "Cpump"), 2001);
	assert_int_equal(enrol(t, a, "Cpump2"), 2001);
	part(a);
	part(b);
}

static void ae_by_row(void **state)
{
	struct cse *t = *state;
	struct association *a;

	row(t, "{\"id\":\"34-node1\",\"ae\":[\"" HERE "/C1\",\"" HERE "/C2\"]}");
	a = meet(t, peer_of(CREDENTIAL_NODE, "node1"));
	/* SEC-047, SEC-050: each of the list, and no other */
	assert_int_equal(enrol(t, a, "C1"), 2001);
	assert_int_equal(enrol(t, a, "C3"), 4106);
	assert_int_equal(enrol(t, a, "C"), 2001); /* C2 is left */
	assert_int_equal(read_ae(t, a, "C1"), 2000);
	assert_int_equal(read_ae(t, a, "C2"), 2000);
	assert_int_equal(enrol(t, a, "C"), 4117);
	part(a);
	/* SEC-048: a device's is 31- and the hardware id, and whom the row says */
	row(t, "{\"id\":\"31-0.2.481.1.100.3030.10011\",\"ae\":[\"" HERE "/C5\"]}");
	a = meet(t, peer_of(CREDENTIAL_DEVICE, "0.2.481.1.100.3030.10011"));
	assert_true(slice_eq(who(a).credential, S("31-0.2.481.1.100.3030.10011")));
	assert_int_equal(enrol(t, a, "C6"), 4106);
	assert_int_equal(enrol(t, a, "C5"), 2001);
	part(a);
	expect_nobody(t, peer_of(CREDENTIAL_DEVICE, "0.2.481.1.100.3030.10012"), "not known here");
}

static void unknown(void **state)
{
	struct cse *t = *state;
	struct association *a;

	/* SEC-047, SEC-048, SEC-049, SEC-053: neither a row nor a rule */
	expect_nobody(t, peer_of(CREDENTIAL_DEVICE, "urn:x"), "not known here");
	expect_nobody(t, peer_of(CREDENTIAL_NODE, "n"), "not known here");
	expect_nobody(t, peer_of(CREDENTIAL_RAW, "ni:///sha-256;x"), "not known here");
	must(call(t, OP_CREATE, ME, "cse", 19, "{\"m2m:asar\":{\"rn\":\"r\",\"apci\":[\"30-*\"],\"aai\":[\"Na\"],\"aae\":[\"C*\"]}}"), 2001);
	must(call(t, OP_CREATE, ME, "cse", 11, "{\"m2m:mssp\":{\"rn\":\"p\"}}"), 2001);
	must(call(t, OP_CREATE, ME, "cse/p", 20, "{\"m2m:svsn\":{\"rn\":\"n\",\"ni\":\"x\",\"csi\":\"/reeve\",\"rlk\":[\"cse/r\"]}}"), 2001);
	expect_nobody(t, peer_of(CREDENTIAL_DEVICE, "urn:x"), "not known here");
	a = meet(t, peer_of(CREDENTIAL_RAW, "ni:///sha-256;x"));
	assert_non_null(a);
	assert_int_equal(enrol(t, a, "Cx"), 2001);
	assert_int_equal(read_ae(t, a, "Cx"), 2000);
	part(a);
}

static void bad_rows(void **state)
{
	struct cse *t = *state;

	row(t, "{\"id\":\"12-a@b.c\",\"revoked\":true}");
	row(t, "{\"id\":\"12-b@b.c\",\"expires\":\"20200101T000000\"}");
	row(t, "{\"id\":\"33-" HERE "/Cme\",\"revoked\":true}");
	row(t, "{\"id\":\"32-mn.reeve.local\",\"revoked\":true}");
	expect_nobody(t, peer_of(CREDENTIAL_PSK, "a@b.c"), "revoked");
	expect_nobody(t, peer_of(CREDENTIAL_PSK, "b@b.c"), "expired"); /* SEC-030 */
	expect_nobody(t, peer_of(CREDENTIAL_AE, HERE "/Cme"), "revoked");
	expect_nobody(t, peer_of(CREDENTIAL_CSE, "mn.reeve.local"), "revoked");
}

/* The handshake had begun before its credential was deleted, or had another key. */
static void overtaken(void **state)
{
	struct cse *t = *state;
	struct tls_peer p = peer_of(CREDENTIAL_PSK, "a@b.c");
	struct association *a;
	char text[KEY_WHY_MAX];

	make_keys(t);
	again(t);
	expect_nobody(t, p, "no longer");
	row(t, "{\"id\":\"12-a@b.c\"}");
	key(t, "12-a@b.c");
	assert_non_null(p.key = secenv_find(trust_keys(t->core), S("12-a@b.c")));
	a = meet(t, p);
	assert_non_null(a);
	part(a);
	assert_int_equal(secenv_delete(trust_keys(t->core), S("12-a@b.c"), text), RC_OK);
	expect_nobody(t, p, "replaced during the handshake");
	other_key(t, "12-a@b.c");
	expect_nobody(t, p, "replaced during the handshake");
	key_put(p.key);
	assert_non_null(p.key = secenv_find(trust_keys(t->core), S("12-a@b.c")));
	a = meet(t, p);
	assert_non_null(a);
	part(a);
	key_put(p.key);
}

/* The handshake was judged by anchors and revocation lists that were read again meanwhile. */
static void overtaken_by_lists(void **state)
{
	struct cse *t = *state;
	struct tls_peer p = peer_of(CREDENTIAL_CSE, "mn-cse7.reeve.local");
	struct tls_setup *old;

	t->cfg.https.address = "127.0.0.1"; /* there are setups, then */
	assert_int_equal(associations_reload(t->core, why), RC_OK);
	p.setup = old = association_setup(t->core, false, false);
	expect_cse(t, p, "//reeve.local/mn-cse7");
	assert_int_equal(associations_reload(t->core, why), RC_OK);
	expect_nobody(t, p, "replaced during the handshake");
	tls_setup_put(old);
	p.setup = old = association_setup(t->core, false, true); /* as good */
	expect_cse(t, p, "//reeve.local/mn-cse7");
	tls_setup_put(old);
}

/* What a row says, and what it leaves to the credential. */
static void rows(void **state)
{
	struct cse *t = *state;
	struct peer open = { .open = true };
	struct association *a;
	struct identity is;
	struct tls_peer p = peer_of(CREDENTIAL_PSK, "a@b.c");
	struct st_tx *tx;
	struct arena m;

	arena_init(&m, NULL, 0, 1 << 20);
	row(t, "{\"id\":\"33-" HERE "/Cme\"}");
	a = meet(t, peer_of(CREDENTIAL_AE, HERE "/Cme"));
	assert_true(a && who(a).n_ae_ids == 1 && slice_eq(who(a).ae_ids[0], S(HERE "/Cme"))); /* SEC-046 */
	association_peer(a, &open);
	assert_false(open.open); /* an open listener believes nobody against what was proven */
	part(a);
	row(t, "{\"id\":\"12-a@b.c\",\"expires\":\"20990101T000000\"}");
	assert_non_null(tx = snapshot_begin(t->core->associations));
	assert_true(identify(t->core, tx, &m, &p, &is, why) && is.expires > clock_wall()); /* SEC-029 */
	snapshot_end(t->core->associations);
	/* who is nobody yet may register, and do nothing else */
	a = meet(t, p);
	assert_int_equal(ask(t, a, OP_CREATE, "Cx", "cse", 3, "{\"m2m:cnt\":{}}"), 4106);
	part(a);
	arena_reset(&m);
}

static int administered(struct cse *t, const char *who_asks)
{
	const struct administration ad = { .cfg = &t->cfg, .home = &t->core->home, .store = t->core->store, .core = t->core };
	struct administer_call call = { .method = "GET", .path = S("/credentials"), .who = slice_str(who_asks) };

	buf_init(&call.out, 1 << 20);
	administer(&ad, &call);
	buf_free(&call.out);
	return call.status;
}

/* A request that was sent before its credential was revoked may be looked at afterwards. */
static void administrators(void **state)
{
	static struct slice listed[] = { S("12-old@b.c"), S("12-new@b.c"), S("33-" HERE "/Cadmin") };
	struct cse *t = *state;

	t->cfg.administrators = (struct config_list){ listed, 3 };
	row(t, "{\"id\":\"12-old@b.c\",\"revoked\":true}");
	row(t, "{\"id\":\"12-new@b.c\"}");
	row(t, "{\"id\":\"12-marked@b.c\",\"admin\":true,\"expires\":\"20200101T000000\"}");
	assert_int_equal(administered(t, "12-old@b.c"), 403);
	assert_int_equal(administered(t, "12-marked@b.c"), 403);
	assert_int_equal(administered(t, "12-other@b.c"), 403);
	assert_int_equal(administered(t, "12-new@b.c"), 200);
	assert_int_equal(administered(t, "33-" HERE "/Cadmin"), 200);
}

static void wait_over(void)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += WAIT_S;
	assert_int_equal(sem_timedwait(&over, &until), 0);
}

static void ends(void **state)
{
	struct cse *t = *state;
	struct association *a, *b, *c;
	struct tls_peer soon = peer_of(CREDENTIAL_PSK, "soon@b.c");
	int n;

	sem_init(&over, 0, 0);
	row(t, "{\"id\":\"12-a@b.c\"}");
	row(t, "{\"id\":\"12-b@b.c\"}");
	row(t, "{\"id\":\"12-soon@b.c\"}");
	a = meet(t, peer_of(CREDENTIAL_PSK, "a@b.c"));
	b = meet(t, peer_of(CREDENTIAL_PSK, "b@b.c"));
	soon.expires = clock_wall() + 100 * USEC_MS;
	c = meet(t, soon);
	assert_int_equal(associations_count(t->core), 3);
	wait_over(); /* SEC-029 */
	sem_getvalue(&over, &n);
	assert_int_equal(n, 0);
	associations_end(t->core, S("12-b@b.c"));
	associations_end(t->core, S("12-b@b.c"));
	wait_over();
	must(call(t, OP_RETRIEVE, ME, "cse", 0, NULL), 2000); /* the loop has been through all messages */
	sem_getvalue(&over, &n);
	assert_int_equal(n, 0); /* others go on */
	/* what has left is not told */
	part(a);
	associations_end(t->core, S("12-a@b.c"));
	assert_true(slice_eq(who(b).credential, S("12-b@b.c"))); /* a request may still hold it */
	part(b);
	part(c);
	assert_int_equal(associations_count(t->core), 0);
	must(call(t, OP_RETRIEVE, ME, "cse", 0, NULL), 2000); /* the loop has been through all messages */
	sem_getvalue(&over, &n);
	assert_int_equal(n, 0);
}

/* --- whom to go to --- */

static void wants(void **state)
{
	struct cse *t = *state;
	struct tls_want w;
	struct association *a;
	struct arena m;

	arena_init(&m, NULL, 0, 1 << 20);
	make_keys(t);
	t->cfg.registrar.cse_id = S("/in");
	t->cfg.registrar.credential = S("12-up@b.c");
	t->cfg.type = CSE_MN;
	again(t);
	key(t, "12-x@b.c");
	key(t, "12-ae@b.c");
	key(t, "12-up@b.c");
	row(t, "{\"id\":\"12-x@b.c\",\"cse\":\"//reeve.local/x\"}");
	row(t, "{\"id\":\"12-ae@b.c\"}");
	row(t, "{\"id\":\"30-ni:///sha-256;k\",\"cse\":\"//reeve.local/y\",\"domain\":\"y.example\"}");
	/* SEC-026 */
	assert_int_equal(association_want(t->core, S("//reeve.local/x"), &m, &w), RC_OK);
	assert_true(slice_eq(w.psk_identity, S("x@b.c")) && w.psk && slice_eq(w.server_name, S("x.reeve.local"))); /* SEC-016 */
	association_want_done(&w);
	assert_int_equal(association_want(t->core, S("//reeve.local/y"), &m, &w), RC_OK);
	assert_true(!w.psk && slice_eq(w.public_key, S("ni:///sha-256;k")) && slice_eq(w.server_name, S("y.example")));
	assert_int_equal(association_want(t->core, S("//reeve.local/z"), &m, &w), RC_NOTFOUND);
	/* an AE by the credential it registered under, and not before that: SEC-025 */
	assert_int_equal(association_want(t->core, S(HERE "/C1"), &m, &w), RC_NOTFOUND);
	a = meet(t, peer_of(CREDENTIAL_PSK, "ae@b.c"));
	assert_int_equal(enrol(t, a, "C1"), 2001);
	part(a);
	assert_int_equal(association_want(t->core, S(HERE "/C1"), &m, &w), RC_OK);
	assert_true(slice_eq(w.psk_identity, S("ae@b.c")) && w.psk && !w.server_name.n);
	association_want_done(&w);
	row(t, "{\"id\":\"12-ae@b.c\",\"revoked\":true}");
	assert_int_equal(association_want(t->core, S(HERE "/C1"), &m, &w), RC_NOTFOUND);
	/* the registrar, both ways */
	assert_int_equal(association_want(t->core, S("//reeve.local/in"), &m, &w), RC_OK);
	assert_true(slice_eq(w.psk_identity, S("up@b.c")) && w.psk);
	association_want_done(&w);
	expect_cse(t, peer_of(CREDENTIAL_PSK, "up@b.c"), "//reeve.local/in");
	expect_nobody(t, peer_of(CREDENTIAL_DEVICE, "urn:x"), "not known here"); /* nor the registrar */
	arena_reset(&m);
}

/* --- a source of keys --- */

static struct key_source maf;
static bool serves(void *ctx, struct slice fqdn) { return slice_eq(fqdn, slice_str(ctx)); }
static enum reeve_rc find(void *ctx, struct slice identity, struct tls_hold *ticket, struct key_ref **out, usec *expires)
{
	(void)ctx, (void)identity, (void)ticket, (void)out;
	*expires = 0;
	return RC_AGAIN;
}

static void sources(void **state)
{
	struct cse *t = *state;
	struct association *a;

	maf = (struct key_source){ .type = CREDENTIAL_PSK_MAF, .ctx = "maf.example", .serves = serves, .find = find };
	association_key_source(t->core, &maf);
	a = meet(t, peer_of(CREDENTIAL_PSK, "00ff@maf.example"));
	assert_true(slice_eq(who(a).credential, S("11-00ff@maf.example")));
	part(a);
	row(t, "{\"id\":\"11-00ee@maf.example\",\"revoked\":true}");
	expect_nobody(t, peer_of(CREDENTIAL_PSK, "00ee@maf.example"), "revoked");
}

/* --- configuration --- */

static void suites(void **state)
{
	struct config c;

	(void)state;
	config_defaults(&c);
	assert_int_equal(associations_check(&c, NULL, why), RC_OK);
	c.https.address = "127.0.0.1";
	assert_int_equal(associations_check(&c, NULL, why), RC_OK);
	/* SEC-013 */
	c.tls.psk = false;
	assert_int_equal(associations_check(&c, NULL, why), RC_INVALID);
	assert_non_null(strstr(why, "no suite is left"));
	c.tls.certificate = c.tls.raw = false;
	assert_int_equal(associations_check(&c, NULL, why), RC_INVALID);
	assert_non_null(strstr(why, "all off"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cse_test(cses), cse_test(cse_is_no_ae), cse_test(ae_by_certificate), cse_test(ae_by_key), cse_test(ae_by_row), cse_test(unknown),
		cse_test(bad_rows), cse_test(rows), cse_test(administrators), cse_test(overtaken), cse_test(overtaken_by_lists),
		cse_test(ends), cse_test(wants), cse_test(sources), cmocka_unit_test(suites),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
