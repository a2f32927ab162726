/* SPDX-License-Identifier: Apache-2.0 */
/* MQTT (TS-0010) through a broker, on libmosquitto's own loop: one connection for all requests of the command and for notifications.
 *
 * Who asks stands in the topic: the id in --from, or before there is one the Credential-ID (6.4.4). Notifications come to the topic of
 * requests to that id. Behind TLS it is the broker who is authenticated and who authenticates us; libmosquitto wants OpenSSL for that. */
#include <errno.h>
#include <mosquitto.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "binding/mqtt/topic.h"
#include "main/client_int.h"
#include "secenv/key_ssl.h"
#include "secenv/secret.h"

enum { KEEPALIVE = 60, STEP_MS = 1000, TOPIC_MAX = MQTT_TOPIC_MAX + 1 };

/* OpenSSL's names (TS-0003 10.2.2, 10.2.3). */
static const char psk_suites[] = "ECDHE-PSK-AES128-CBC-SHA256:PSK-AES128-GCM-SHA256:PSK-AES128-CBC-SHA256";
static const char certificate_suites[] = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES128-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
					 "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384";

struct client_link {
	struct client *client;
	struct mosquitto *mosq;
	SSL_CTX *tls;
	bool up;
	int refused;             /* code of CONNACK */
	int verified;            /* what is wrong with the broker's certificate: X509_V_OK, or why */
	int subscribed;          /* message that the broker has acknowledged; -1: it refused */
	char trouble[160];       /* the last that libmosquitto complained of */
	/* the request under way */
	const char *rqi;         /* NULL: none, or it is answered */
	struct client_answer *out;
	char answers[TOPIC_MAX]; /* the topic of its answer, subscribed to */
};

/* --- TLS --- */

static struct client_link *link_of(const SSL *ssl) { return SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)); }
static const struct tls_flags *flags_of(const SSL *ssl) { return &link_of(ssl)->client->tls; }

static unsigned show_psk(SSL *ssl, const char *hint, char *identity, unsigned identity_max, unsigned char *key, unsigned key_max)
{
	const struct tls_flags *f = flags_of(ssl);
	const struct slice name = f->want.psk_identity;
	uint8_t lent[KEY_LENT_MAX];
	size_t n = 0;

	if (name.n >= identity_max || key_lend(f->psk_key, lent, &n) != RC_OK || n > key_max) {
		n = 0;
	} else {
		memcpy(identity, name.p, name.n);
		identity[name.n] = '\0';
		memcpy(key, lent, n);
	}
	secret_wipe(lent, sizeof(lent));
	return (unsigned)n;
}

/* libmosquitto puts what it connects to into SNI: the name that is meant takes its place. */
static void on_info(const SSL *ssl, int where, int value)
{
	const struct tls_flags *f = flags_of(ssl);
	char name[256];

	snprintf(name, sizeof(name), "%.*s", SF(f->want.server_name));
	if (where == SSL_CB_HANDSHAKE_START && !SSL_is_init_finished(ssl))
		SSL_set_tlsext_host_name((SSL *)(uintptr_t)ssl, (*name ? name : NULL));
}

/* libmosquitto says no more than that it failed. */
static int on_verify(int good, X509_STORE_CTX *x)
{
	if (!good)
		link_of(X509_STORE_CTX_get_ex_data(x, SSL_get_ex_data_X509_STORE_CTX_idx()))->verified = X509_STORE_CTX_get_error(x);
	return good;
}

static enum reeve_rc trust_and_show(SSL_CTX *ctx, struct tls_flags *f, char why[CLIENT_WHY_MAX])
{
	char name[256];

	snprintf(name, sizeof(name), "%.*s", SF(f->want.server_name));
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, on_verify);
	X509_VERIFY_PARAM_set_hostflags(SSL_CTX_get0_param(ctx), X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	if (!X509_VERIFY_PARAM_set1_host(SSL_CTX_get0_param(ctx), name, 0) || !SSL_CTX_load_verify_file(ctx, f->anchors.file)) {
		snprintf(why, CLIENT_WHY_MAX, "--anchor %.150s holds no certificates in PEM", f->anchors.file);
		return RC_IO;
	}
	if (!SSL_CTX_use_certificate_chain_file(ctx, f->cert) || key_ssl_use(f->own_key, ctx) != RC_OK) {
		snprintf(why, CLIENT_WHY_MAX, "--cert %.150s holds no chain of certificates in PEM, or --key is not its key", f->cert);
		return RC_IO;
	}
	return RC_OK;
}

static enum reeve_rc secure(struct client_link *k, struct client *c, char why[CLIENT_WHY_MAX])
{
	enum reeve_rc rc;

	if (c->tls.raw_key || c->tls.server_public_key) {
		snprintf(why, CLIENT_WHY_MAX, "raw public keys do not go with mqtts: --psk, or --cert with --key and --anchor");
		return RC_INVALID;
	}
	if ((rc = tls_flags_read(&c->tls, c->host, why)) != RC_OK)
		return rc;
	if (!(k->tls = SSL_CTX_new(TLS_client_method()))) {
		snprintf(why, CLIENT_WHY_MAX, "out of memory");
		return RC_NOMEM;
	}
	SSL_CTX_set_app_data(k->tls, k);
	SSL_CTX_set_min_proto_version(k->tls, TLS1_2_VERSION);
	SSL_CTX_set_max_proto_version(k->tls, TLS1_2_VERSION);
	SSL_CTX_set_options(k->tls, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
	SSL_CTX_set_info_callback(k->tls, on_info);
	SSL_CTX_set_mode(k->tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	if (c->tls.psk)
		SSL_CTX_set_psk_client_callback(k->tls, show_psk);
	else
		rc = trust_and_show(k->tls, &c->tls, why);
	SSL_CTX_set_cipher_list(k->tls, c->tls.psk ? psk_suites : certificate_suites);
	mosquitto_void_option(k->mosq, MOSQ_OPT_SSL_CTX, k->tls);
	mosquitto_int_option(k->mosq, MOSQ_OPT_SSL_CTX_WITH_DEFAULTS, 0); /* they would add to it */
	return rc;
}

/* --- events of libmosquitto --- */

static void on_connect(struct mosquitto *m, void *ctx, int rc)
{
	struct client_link *k = ctx;

	k->refused = rc;
	k->up = rc == 0;
}

static void on_subscribe(struct mosquitto *m, void *ctx, int mid, int n, const int *granted)
{
	((struct client_link *)ctx)->subscribed = n == 1 && granted[0] <= 2 ? mid : -1;
}

static void on_log(struct mosquitto *m, void *ctx, int level, const char *text)
{
	struct client_link *k = ctx;

	if (level == MOSQ_LOG_ERR)
		snprintf(k->trouble, sizeof(k->trouble), "%s", text);
}

/* A request has its answer in the topic with the same levels. */
static void reply(struct client_link *k, const char *topic, struct slice text)
{
	struct mqtt_topic t;
	struct buf b;

	if (!text.n || !mqtt_topic_read(slice_str(topic), &t) || t.kind != MQTT_REQ)
		return;
	t.kind = MQTT_RESP;
	buf_init(&b, TOPIC_MAX);
	mqtt_topic_write(&b, &t);
	buf_char(&b, '\0');
	if (!b.failed && mosquitto_publish(k->mosq, NULL, b.p, (int)text.n, text.p, 1, false) != MOSQ_ERR_SUCCESS)
		snprintf(k->trouble, sizeof(k->trouble), "an answer could not be published");
	buf_free(&b);
}

static void on_message(struct mosquitto *m, void *ctx, const struct mosquitto_message *msg)
{
	struct client_link *k = ctx;
	const char *rqi = !strcmp(msg->topic, k->answers) ? k->rqi : NULL;
	struct buf b;

	if (msg->retain)
		return; /* of another time */
	buf_init(&b, 1 << 20);
	if (client_primitive_came(k->client, slice_of(msg->payload, msg->payloadlen > 0 ? (size_t)msg->payloadlen : 0), rqi, k->out, &b))
		k->rqi = NULL;
	if (!b.failed)
		reply(k, msg->topic, buf_view(&b));
	buf_free(&b);
}

/* --- the connection --- */

/* libmosquitto takes for progress when the broker ends the connection before the handshake is over. */
static bool closed_silently(const struct client_link *k)
{
	int fd = mosquitto_socket(k->mosq);
	char c;

	return !k->up && fd >= 0 && recv(fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

static void tell_failure(const struct client_link *k, int rc, char why[CLIENT_WHY_MAX])
{
	const char *text = *k->trouble ? k->trouble : rc == MOSQ_ERR_ERRNO ? strerror(errno) : mosquitto_strerror(rc);

	if (k->refused)
		snprintf(why, CLIENT_WHY_MAX, "the broker refused: %s", mosquitto_connack_string(k->refused));
	else if (k->verified != X509_V_OK)
		snprintf(why, CLIENT_WHY_MAX, "no security association: %s", X509_verify_cert_error_string(k->verified));
	else if (k->tls && !k->up && rc != MOSQ_ERR_ERRNO && rc != MOSQ_ERR_EAI)
		snprintf(why, CLIENT_WHY_MAX, "no security association: %s; does the broker know the credential?", text);
	else
		snprintf(why, CLIENT_WHY_MAX, "%s", text);
}

/* Let libmosquitto work for a while: until something comes, or `until`. */
static enum reeve_rc step(struct client_link *k, usec until, char why[CLIENT_WHY_MAX])
{
	const usec left = until - clock_mono();
	int rc, ms = left <= 0 ? 0 : left / USEC_MS < STEP_MS ? (int)(left / USEC_MS) + 1 : STEP_MS;

	if (until && left <= 0) {
		snprintf(why, CLIENT_WHY_MAX,
			 k->up ? "no answer in time: is the CSE %s at this broker?" : "the broker does not answer in time",
			 k->client->cse_id);
		return RC_IO;
	}
	rc = closed_silently(k) ? MOSQ_ERR_CONN_LOST : mosquitto_loop(k->mosq, ms, 1);
	if (rc != MOSQ_ERR_SUCCESS)
		tell_failure(k, rc, why);
	ERR_clear_error();
	return rc == MOSQ_ERR_SUCCESS ? RC_OK : RC_IO;
}

static void end(struct client *c)
{
	struct client_link *k = c->link;

	if (k->up && mosquitto_disconnect(k->mosq) == MOSQ_ERR_SUCCESS)
		mosquitto_loop(k->mosq, 0, 1);
	mosquitto_destroy(k->mosq);
	SSL_CTX_free(k->tls);
	free(k);
	c->link = NULL;
	mosquitto_lib_cleanup();
}

static enum reeve_rc begin(struct client *c, usec until, char why[CLIENT_WHY_MAX])
{
	struct client_link *k;
	enum reeve_rc rc = RC_OK;
	int problem;

	if (c->link)
		return RC_OK;
	mosquitto_lib_init();
	if (!(k = c->link = calloc(1, sizeof(*k))) || !(k->mosq = mosquitto_new(NULL, true, k))) {
		snprintf(why, CLIENT_WHY_MAX, "out of memory");
		free(k);
		c->link = NULL;
		mosquitto_lib_cleanup();
		return RC_NOMEM;
	}
	k->client = c;
	mosquitto_connect_callback_set(k->mosq, on_connect);
	mosquitto_subscribe_callback_set(k->mosq, on_subscribe);
	mosquitto_message_callback_set(k->mosq, on_message);
	mosquitto_log_callback_set(k->mosq, on_log);
	if (c->binding->tls)
		rc = secure(k, c, why);
	if (rc == RC_OK && (problem = mosquitto_connect(k->mosq, c->host, (int)strtol(c->port, NULL, 10), KEEPALIVE)) != MOSQ_ERR_SUCCESS) {
		tell_failure(k, problem, why);
		rc = RC_IO;
	}
	while (rc == RC_OK && !k->up)
		rc = step(k, until, why);
	if (rc != RC_OK)
		end(c);
	return rc;
}

/* Subscribe, and wait until the broker has done it: what comes then is not missed. */
static enum reeve_rc subscribe(struct client_link *k, const char *filter, usec until, char why[CLIENT_WHY_MAX])
{
	enum reeve_rc rc = RC_OK;
	int mid = 0;

	k->subscribed = 0;
	if (mosquitto_subscribe(k->mosq, &mid, filter, 1) != MOSQ_ERR_SUCCESS) {
		snprintf(why, CLIENT_WHY_MAX, "cannot subscribe to %.150s", filter);
		return RC_IO;
	}
	while (rc == RC_OK && k->subscribed != mid && k->subscribed >= 0)
		rc = step(k, until, why);
	if (rc == RC_OK && k->subscribed < 0) {
		snprintf(why, CLIENT_WHY_MAX, "the broker does not let us read %.150s: look at its access control", filter);
		rc = RC_IO;
	}
	return rc;
}

/* --- topics --- */

/* An id as a level: "/cse/C1" is "cse:C1", "//sp/cse" is ":sp:cse", "C1" of the CSE /cse is "cse:C1", "S1" is "S1". */
static void level(struct buf *b, const struct client *c, struct slice id)
{
	const size_t from = b->n;

	if (slice_starts(id, S("C"))) {
		level(b, c, slice_str(c->cse_id));
		buf_char(b, ':');
	}
	buf_slice(b, slice_starts(id, S("/")) ? slice_skip(id, 1) : id);
	for (size_t i = from; i < b->n; i++)
		if (b->p[i] == '/')
			b->p[i] = ':';
}

/* Who we are in a topic. reg: by credential, as there is no id yet. */
static enum reeve_rc own_level(struct buf *b, const struct client *c, bool *reg, char why[CLIENT_WHY_MAX])
{
	const char *colon = c->tls.psk ? strchr(c->tls.psk, ':') : NULL;

	*reg = !c->from.n || slice_eq(c->from, S("C")) || slice_eq(c->from, S("S"));
	if (!*reg)
		level(b, c, c->from);
	else if (c->credential)
		for (const char *p = c->credential; *p; p++)
			buf_char(b, *p == '/' ? ':' : *p);
	else if (colon)
		buf_printf(b, "12-%.*s", (int)(colon - c->tls.psk), c->tls.psk);
	else {
		snprintf(why, CLIENT_WHY_MAX, "who asks? --from, or before there is an id --credential-id");
		return RC_INVALID;
	}
	return RC_OK;
}

/* The topics of a request and its answer, each with a NUL. */
static enum reeve_rc topics(const struct client *c, struct buf *ask, struct buf *answer, char why[CLIENT_WHY_MAX])
{
	struct mqtt_topic t = { .prefix = slice_str(c->prefix), .type = S("json") };
	struct buf us, cse;
	enum reeve_rc rc;
	bool reg;

	buf_init(&us, TOPIC_MAX);
	buf_init(&cse, TOPIC_MAX);
	level(&cse, c, slice_str(c->cse_id));
	rc = own_level(&us, c, &reg, why);
	t.originator = buf_view(&us);
	t.receiver = buf_view(&cse);
	t.kind = reg ? MQTT_REG_REQ : MQTT_REQ;
	mqtt_topic_write(ask, &t);
	t.kind = reg ? MQTT_REG_RESP : MQTT_RESP;
	mqtt_topic_write(answer, &t);
	buf_char(ask, '\0');
	buf_char(answer, '\0');
	if (rc == RC_OK && (us.failed || cse.failed || ask->failed || answer->failed || strpbrk(ask->p, "+#"))) {
		snprintf(why, CLIENT_WHY_MAX, "--from, --cse-id and --credential-id make no topic: too long, or with + or #");
		rc = RC_INVALID;
	}
	buf_free(&us);
	buf_free(&cse);
	return rc;
}

/* --- requests --- */

static enum reeve_rc converse(struct client_link *k, const char *topic, const char *answers, struct slice text, usec until,
			      char why[CLIENT_WHY_MAX])
{
	enum reeve_rc rc = RC_OK;

	if (strcmp(k->answers, answers) != 0) {
		snprintf(k->answers, sizeof(k->answers), "%s", answers);
		rc = subscribe(k, answers, until, why);
	}
	if (rc == RC_OK && mosquitto_publish(k->mosq, NULL, topic, (int)text.n, text.p, 1, false) != MOSQ_ERR_SUCCESS) {
		snprintf(why, CLIENT_WHY_MAX, "the request could not be published");
		rc = RC_IO;
	}
	while (rc == RC_OK && k->rqi)
		rc = step(k, until, why);
	return rc;
}

static enum reeve_rc call(struct client *c, const struct client_request *q, struct client_answer *out, char why[CLIENT_WHY_MAX])
{
	const usec until = clock_mono() + c->timeout;
	char rqi[CLIENT_RQI_LEN + 1];
	struct buf text, ask, answer;
	enum reeve_rc rc;

	buf_init(&text, 64 << 20);
	buf_init(&ask, TOPIC_MAX);
	buf_init(&answer, TOPIC_MAX);
	rc = client_primitive_text(c, q, &text, rqi, why);
	if (rc == RC_OK)
		rc = topics(c, &ask, &answer, why);
	if (rc == RC_OK)
		rc = begin(c, until, why);
	if (rc == RC_OK) {
		c->link->rqi = rqi;
		c->link->out = out;
		rc = converse(c->link, ask.p, answer.p, buf_view(&text), until, why);
		c->link->rqi = NULL;
	}
	buf_free(&text);
	buf_free(&ask);
	buf_free(&answer);
	return rc;
}

/* --- notifications --- */

/* The topic in which the CSE asks us, as URL; any CSE may. */
static enum reeve_rc listen_here(struct client *c, struct buf *target, char why[CLIENT_WHY_MAX])
{
	const usec until = clock_mono() + c->timeout;
	const bool v6 = strchr(c->host, ':') != NULL;
	struct mqtt_topic t = { .prefix = slice_str(c->prefix), .kind = MQTT_REQ, .type = S("json") };
	struct buf us, cse, topic;
	enum reeve_rc rc;
	bool reg;

	buf_init(&us, TOPIC_MAX);
	buf_init(&cse, TOPIC_MAX);
	buf_init(&topic, TOPIC_MAX);
	level(&cse, c, slice_str(c->cse_id));
	rc = own_level(&us, c, &reg, why);
	if (rc == RC_OK && reg) {
		snprintf(why, CLIENT_WHY_MAX, "--from is needed: notifications come to a topic of who asks");
		rc = RC_INVALID;
	}
	t.receiver = buf_view(&us);
	t.originator = buf_view(&cse);
	buf_printf(target, "%s://%s%s%s:%s/", c->binding->scheme, v6 ? "[" : "", c->host, v6 ? "]" : "", c->port);
	mqtt_topic_write(target, &t);
	t.originator = S("+");
	mqtt_topic_write(&topic, &t);
	buf_char(&topic, '\0');
	if (rc == RC_OK && (topic.failed || target->failed || us.failed)) {
		snprintf(why, CLIENT_WHY_MAX, "--from and --cse-id are too long for a topic");
		rc = RC_INVALID;
	}
	if (rc == RC_OK)
		rc = begin(c, until, why);
	if (rc == RC_OK)
		rc = subscribe(c->link, topic.p, until, why);
	buf_free(&us);
	buf_free(&cse);
	buf_free(&topic);
	return rc;
}

static int listening(const struct client *c) { return mosquitto_socket(c->link->mosq); }

static enum reeve_rc hear(struct client *c, char why[CLIENT_WHY_MAX]) { return step(c->link, 0, why); }

const struct client_protocol client_over_mqtt = { .call = call, .close = end, .listen = listen_here, .listening = listening, .hear = hear };
