/* SPDX-License-Identifier: Apache-2.0 */
/* Connections of the HTTP listener, with a core of the test's own that answers at once, later, or for others: every client gets its own
 * answers in its own order, whatever happens to the others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "binding/http/server_int.h"

/* --- a core; everything below runs on the one loop --- */

enum { PARKED_MOST = 2000, BIG = 300000 };

static struct config cfg;
static struct loop loop;
static struct core core;
static struct http_server *server;
static struct req *parked[PARKED_MOST];
static unsigned n_parked;
static _Atomic unsigned submitted, abandoned;

static void answer(struct req *r)
{
	r->rsc = 2000;
	buf_lit(&r->out, "{\"rqi\":");
	buf_json(&r->out, r->rqi);
	buf_char(&r->out, '}');
	r->done(r);
}

static void release_all(void)
{
	unsigned n = n_parked;

	n_parked = 0;
	for (unsigned i = 0; i < n; i++)
		answer(parked[i]);
}

/* In place of the library's. */
void core_submit(struct core *c, struct req *r)
{
	assert_ptr_equal(c, &core);
	submitted++;
	if (slice_eq(r->to, S("later"))) {
		assert_true(n_parked < PARKED_MOST);
		parked[n_parked++] = r;
		return;
	}
	if (slice_eq(r->to, S("release"))) /* answers for others while this one is in the works */
		release_all();
	if (slice_eq(r->to, S("big"))) {
		r->rsc = 2000;
		for (int i = 0; i < BIG; i++)
			buf_char(&r->out, (char)('a' + i % 26));
		r->done(r);
		return;
	}
	answer(r);
}

/* The same: told for each request whose client may be gone. */
void core_abandon(struct core *c, struct req *r)
{
	assert_ptr_equal(c, &core);
	if (!r->gone)
		abandoned++;
	r->gone = true;
}

/* There is no listener with TLS here: tests/e2e/test_https.py. */
struct tls_setup *association_setup(struct core *c, bool client, bool datagram) { return NULL; }
struct association *association_new(struct core *c, const struct tls_peer *p, struct loop *l, void (*end)(void *owner), void *owner,
				    char why[TLS_WHY_MAX])
{
	return NULL;
}
void association_leave(struct association *a) { assert_null(a); }
struct association *association_get(struct association *a) { return a; }
void association_put(struct association *a) { assert_null(a); }
void association_peer(const struct association *a, struct peer *peer) { assert_null(a); }

static struct http_page_call *late; /* a page that is answered later */

static enum http_page_result page(struct http_page_call *call)
{
	if (slice_eq(call->path, S("/slow"))) {
		buf_printf(&call->out, "%s %.*s %.*s", call->method, SF(call->query), SF(call->body));
		__atomic_store_n(&late, call, __ATOMIC_SEQ_CST);
		return PAGE_LATER;
	}
	if (!slice_eq(call->path, S("/page")))
		return PAGE_NONE;
	call->status = 503;
	call->type = "text/x";
	buf_lit(&call->out, "not yet");
	return PAGE_DONE;
}

static int set_up(void **state)
{
	char why[256] = "";

	config_defaults(&cfg);
	cfg.limits.connections = 100;
	memset(&core, 0, sizeof(core));
	core.cfg = &cfg;
	core.loops = &loop;
	core.n_loops = 1;
	n_parked = 0;
	submitted = abandoned = 0;
	assert_int_equal(loop_init(&loop, 0), RC_OK);
	assert_int_equal(loop_start(&loop), RC_OK);
	for (int port = 20000 + (int)(getpid() % 10000); port < 32000; port++)
		if (http_listen(&core, "127.0.0.1", (uint16_t)port, false, &server, why) == RC_OK)
			break;
	assert_non_null(server);
	http_server_pages(server, page);
	return 0;
}

static void end_loop(void)
{
	loop_stop(&loop);
	loop_join(&loop);
	loop_close(&loop);
	http_server_free(server);
	server = NULL;
}

static int tear_down(void **state)
{
	if (server) {
		http_server_stop(server);
		end_loop();
	}
	return 0;
}

/* Run something on the loop and wait until it is done. */
struct errand { struct loop_msg msg; void (*fn)(void); uv_sem_t done; };

static void run_errand(struct loop *l, struct loop_msg *m)
{
	struct errand *e = (struct errand *)m;

	e->fn();
	uv_sem_post(&e->done);
}

static void on_loop(void (*fn)(void))
{
	struct errand e = { .msg = { .fn = run_errand }, .fn = fn };

	uv_sem_init(&e.done, 0);
	loop_post(&loop, &e.msg);
	uv_sem_wait(&e.done);
	uv_sem_destroy(&e.done);
}

/* Until the core has seen n requests. */
static void wait_submitted(unsigned n)
{
	while (submitted < n)
		sched_yield();
}

static void wait_abandoned(unsigned n)
{
	while (abandoned < n)
		sched_yield();
	assert_int_equal(abandoned, n);
}

/* --- clients, blocking --- */

static int dial(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(http_server_port(server)), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	return fd;
}

static void say(int fd, const char *text)
{
	size_t n = strlen(text);

	assert_int_equal(send(fd, text, n, MSG_NOSIGNAL), (ssize_t)n);
}

static void ask(int fd, const char *path, const char *rqi)
{
	char m[512];

	snprintf(m, sizeof(m), "GET /%s HTTP/1.1\r\nHost: x\r\nX-M2M-RI: %s\r\n\r\n", path, rqi);
	say(fd, m);
}

/* One answer: head and body; "" when the server closed. Returns the length of the body. */
static size_t hear(int fd, char *head, size_t size, char *body, size_t room)
{
	size_t n = 0, length;
	char *at;

	head[0] = '\0';
	while (n < 4 || memcmp(head + n - 4, "\r\n\r\n", 4) != 0) {
		ssize_t got = recv(fd, head + n, 1, 0);
		if (got <= 0)
			return 0;
		n++;
		assert_true(n < size);
		head[n] = '\0';
	}
	at = strstr(head, "Content-Length: ");
	if (!at)
		return 0;
	length = strtoul(at + 16, NULL, 10);
	assert_true(length < room);
	for (n = 0; n < length;) {
		ssize_t got = recv(fd, body + n, length - n, 0);
		if (got <= 0)
			fail_msg("the connection ended in the middle of a body");
		n += (size_t)got;
	}
	body[n] = '\0';
	return n;
}

static void expect(int fd, const char *rqi)
{
	char head[1024], body[1024], line[64];

	hear(fd, head, sizeof(head), body, sizeof(body));
	snprintf(line, sizeof(line), "\r\nX-M2M-RI: %s\r\n", rqi);
	if (!strstr(head, line))
		fail_msg("expected the answer to %s, got <%s>", rqi, head);
	snprintf(line, sizeof(line), "{\"rqi\":\"%s\"}", rqi);
	assert_string_equal(body, line);
}

static void expect_end(int fd)
{
	char c;

	assert_true(recv(fd, &c, 1, 0) <= 0);
}

/* --- tests --- */

static void answers_for_others(void **state)
{
	enum { N = 50 };
	int waiting[N], fd = dial();
	char rqi[16];

	for (int i = 0; i < N; i++) {
		waiting[i] = dial();
		snprintf(rqi, sizeof(rqi), "w%d", i);
		/* the second one is parsed when the first is answered */
		ask(waiting[i], "later", rqi);
		ask(waiting[i], "now", "behind");
	}
	wait_submitted(N);
	say(fd, "GET /now HTTP/1.1\r\nHost: x\r\nX-M2M-RI: a\r\n\r\nGET /release HTTP/1.1\r\nHost: x\r\nX-M2M-RI: b\r\n\r\n"
		"GET /now HTTP/1.1\r\nHost: x\r\nX-M2M-RI: c\r\n\r\n");
	expect(fd, "a");
	expect(fd, "b");
	expect(fd, "c");
	for (int i = 0; i < N; i++) {
		snprintf(rqi, sizeof(rqi), "w%d", i);
		expect(waiting[i], rqi);
		expect(waiting[i], "behind");
		close(waiting[i]);
	}
	close(fd);
}

static void order_is_kept(void **state)
{
	int fd = dial();

	ask(fd, "now", "1");
	ask(fd, "later", "2");
	ask(fd, "now", "3");
	ask(fd, "later", "4");
	ask(fd, "now", "5");
	expect(fd, "1");
	wait_submitted(2);
	on_loop(release_all);
	expect(fd, "2");
	expect(fd, "3");
	wait_submitted(4);
	on_loop(release_all);
	expect(fd, "4");
	expect(fd, "5");
	assert_int_equal(submitted, 5);
	close(fd);
}

static void client_vanishes(void **state)
{
	struct linger reset = { .l_onoff = 1 };
	int fd, other = dial();

	for (int i = 0; i < 10; i++) {
		fd = dial();
		ask(fd, "later", "x");
		wait_submitted((unsigned)(2 * i + 1));
		if (i % 2) /* the server is told at once */
			setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
		close(fd);
		ask(other, "now", "y");
		expect(other, "y");
		wait_abandoned((unsigned)(i + 1));
	}
	on_loop(release_all);
	ask(other, "now", "z");
	expect(other, "z");
	close(other);
}

static void half_closed(void **state)
{
	int fd = dial();

	ask(fd, "later", "h");
	wait_submitted(1);
	shutdown(fd, SHUT_WR);
	wait_abandoned(1);
	on_loop(release_all);
	expect(fd, "h"); /* if there is an answer, it is sent */
	expect_end(fd);
	close(fd);
}

static void reader_is_slow(void **state)
{
	enum { N = 60 };
	char head[1024], *body = malloc(BIG + 1), m[64 * N] = "";
	int fd = dial();

	/* more than the sockets hold */
	for (int i = 0; i < N; i++)
		strncat(m, i % 2 ? "GET /now HTTP/1.1\r\nHost: x\r\nX-M2M-RI: n\r\n\r\n" : "GET /big HTTP/1.1\r\nHost: x\r\nX-M2M-RI: b\r\n\r\n",
			sizeof(m) - strlen(m) - 1);
	say(fd, m);
	wait_submitted(1);
	for (int i = 0; i < N; i++) {
		if (i % 2) {
			expect(fd, "n");
			continue;
		}
		assert_int_equal(hear(fd, head, sizeof(head), body, BIG + 1), BIG);
		for (int k = 0; k < BIG; k++)
			if (body[k] != (char)('a' + k % 26))
				fail_msg("byte %d of answer %d is wrong", k, i);
	}
	assert_int_equal(submitted, N);
	free(body);
	close(fd);
}

static void not_for_who_does_not_read(void **state)
{
	int fd = dial(), other = dial();

	/* the answers exceed what sockets hold; requests behind them must not be begun */
	for (int i = 0; i < 100; i++)
		ask(fd, "big", "b");
	wait_submitted(1);
	for (int i = 0; i < 50; i++) {
		ask(other, "now", "o");
		expect(other, "o");
	}
	assert_in_range(submitted, 51, 51 + 60);
	close(fd);
	close(other);
}

/* limits.unread: of all connections together. Who reads is not concerned */
static void too_much_is_unread(void **state)
{
	const size_t most = cfg.limits.unread;
	char head[1024], *body = malloc(BIG + 1);
	uint64_t before = core.metrics.limit_unread, closed = core.metrics.connections_closed;
	int lazy[40], reader = dial();

	cfg.limits.unread = 2 * BIG;
	for (int i = 0; i < 40; i++) {
		lazy[i] = dial();
		for (int k = 0; k < 40; k++) /* more than the sockets hold */
			ask(lazy[i], "big", "b");
	}
	while (core.metrics.limit_unread == before)
		sched_yield();
	ask(reader, "big", "r");
	assert_int_equal(hear(reader, head, sizeof(head), body, BIG + 1), BIG);
	for (int i = 0; i < 40; i++)
		close(lazy[i]);
	while (core.metrics.connections_closed - closed < 40)
		sched_yield();
	cfg.limits.unread = BIG + 4096; /* what they left was given back */
	ask(reader, "big", "r");
	assert_int_equal(hear(reader, head, sizeof(head), body, BIG + 1), BIG);
	cfg.limits.unread = most;
	free(body);
	close(reader);
}

static void refusals(void **state)
{
	static const struct { const char *m, *begin; } table[] = {
		{ "GET /now HTTP/1.1\r\nX-M2M-RI: q\r\n\r\n", "HTTP/1.1 400 \r\nX-M2M-RSC: 4000\r\nX-M2M-RI: q\r\n" },
		{ "BREW /now HTTP/1.1\r\n", "HTTP/1.1 405 \r\nX-M2M-RSC: 4005\r\n" },
		{ "POST /now HTTP/1.1\r\nHost: x\r\nX-M2M-RI: q\r\nContent-Length: 99999999\r\n\r\n", "HTTP/1.1 413 \r\nX-M2M-RSC: 4000\r\nX-M2M-RI: q\r\n" },
		{ "POST /now HTTP/1.1\r\nHost: x\r\nX-M2M-RI: q\r\nExpect: x\r\n\r\n", "HTTP/1.1 417 \r\n" },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		char head[1024], body[1024];
		int fd = dial();

		/* an answer that is due comes first, and the one that refuses is not lost although more was sent */
		ask(fd, "now", "1");
		say(fd, table[i].m);
		for (int k = 0; k < 100; k++)
			send(fd, "more and more and more", 22, MSG_NOSIGNAL);
		expect(fd, "1");
		hear(fd, head, sizeof(head), body, sizeof(body));
		if (strncmp(head, table[i].begin, strlen(table[i].begin)))
			fail_msg("expected <%s>, got <%s>", table[i].begin, head);
		assert_non_null(strstr(head, "\r\nConnection: close\r\n"));
		assert_int_equal(strncmp(body, "{\"m2m:dbg\":", 11), 0);
		expect_end(fd);
		close(fd);
	}
	assert_int_equal(core.metrics.bad_http, 3);
	assert_int_equal(core.metrics.limit_body, 1);
}

static void connections_end(void **state)
{
	char head[1024], body[1024];
	int fd = dial();

	say(fd, "GET /now HTTP/1.1\r\nHost: x\r\nX-M2M-RI: 1\r\nConnection: close\r\n\r\nGET /now HTTP/1.1\r\nHost: x\r\nX-M2M-RI: 2\r\n\r\n");
	hear(fd, head, sizeof(head), body, sizeof(body));
	assert_non_null(strstr(head, "\r\nConnection: close\r\n"));
	expect_end(fd);
	close(fd);
	fd = dial();
	say(fd, "GET /now HTTP/1.0\r\nX-M2M-RI: 1\r\n\r\n");
	expect(fd, "1");
	expect_end(fd);
	close(fd);
	assert_int_equal(submitted, 2);
}

static void pages(void **state)
{
	char head[1024], body[1024];
	int fd = dial();

	say(fd, "GET /page?x HTTP/1.1\r\nHost: x\r\n\r\n");
	hear(fd, head, sizeof(head), body, sizeof(body));
	assert_int_equal(strncmp(head, "HTTP/1.1 503 \r\nContent-Type: text/x\r\n", 37), 0);
	assert_string_equal(body, "not yet");
	/* with an Originator it is a primitive */
	say(fd, "GET /page HTTP/1.1\r\nHost: x\r\nX-M2M-Origin: C1\r\nX-M2M-RI: r\r\n\r\n");
	expect(fd, "r");
	close(fd);
}

static void wait_late(void)
{
	while (!__atomic_load_n(&late, __ATOMIC_SEQ_CST))
		sched_yield();
}

static void end_late(void)
{
	struct http_page_call *call = late;

	late = NULL;
	call->status = 201;
	call->done(call);
}

/* The other side of a page that takes its time: what is pipelined waits, and who goes away is no harm. */
static void late_pages(void **state)
{
	char head[1024], body[1024];
	int fd = dial(), gone = dial();

	say(fd, "PATCH /slow?q HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabcGET /page HTTP/1.1\r\nHost: x\r\n\r\n");
	wait_late();
	on_loop(end_late);
	hear(fd, head, sizeof(head), body, sizeof(body));
	assert_int_equal(strncmp(head, "HTTP/1.1 201 ", 13), 0);
	assert_string_equal(body, "PATCH q abc");
	hear(fd, head, sizeof(head), body, sizeof(body));
	assert_string_equal(body, "not yet");
	say(gone, "DELETE /slow HTTP/1.1\r\nHost: x\r\n\r\n");
	wait_late();
	assert_int_equal(setsockopt(gone, SOL_SOCKET, SO_LINGER, &(struct linger){ 1, 0 }, sizeof(struct linger)), 0);
	close(gone);
	say(fd, "GET /page HTTP/1.1\r\nHost: x\r\n\r\n"); /* behind the reset */
	hear(fd, head, sizeof(head), body, sizeof(body));
	on_loop(end_late);
	say(fd, "GET /page HTTP/1.1\r\nHost: x\r\n\r\n");
	hear(fd, head, sizeof(head), body, sizeof(body));
	assert_string_equal(body, "not yet");
	assert_int_equal(abandoned, 0);
	close(fd);
}

static void too_many_connections(void **state)
{
	enum { MOST = 100 };
	int fd[MOST], more;

	for (int i = 0; i < MOST; i++) {
		fd[i] = dial();
		ask(fd[i], "now", "1"); /* it is accepted */
		expect(fd[i], "1");
	}
	more = dial();
	expect_end(more);
	close(more);
	assert_int_equal(core.metrics.limit_connections, 1);
	for (int i = 0; i < MOST; i++)
		close(fd[i]);
	/* and when they are gone others may come */
	while (atomic_load(&core.shared.connections))
		sched_yield();
	more = dial();
	ask(more, "now", "2");
	expect(more, "2");
	close(more);
}

static void nothing_is_kept_for_the_idle(void **state)
{
	int fd[50];

	for (int i = 0; i < 50; i++) {
		fd[i] = dial();
		ask(fd[i], "now", "1");
		expect(fd[i], "1");
	}
	/* requests came one after the other: one exchange served them all */
	assert_non_null(server->lanes[0].all);
	assert_null(server->lanes[0].all->all_next);
	assert_in_range(sizeof(struct conn), 1, 1024);
	for (int i = 0; i < 50; i++)
		close(fd[i]);
}

static void *stop_server(void *unused)
{
	http_server_stop(server);
	return NULL;
}

static void stopped_while_waiting(void **state)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(http_server_port(server)), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	char head[1024], body[1024];
	int fd = dial(), idle = dial(), refused, rc;
	pthread_t t;

	ask(fd, "later", "1");
	wait_submitted(1);
	assert_int_equal(pthread_create(&t, NULL, stop_server, NULL), 0);
	expect_end(idle);
	do { /* the listener is closed */
		refused = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		rc = connect(refused, (struct sockaddr *)&a, sizeof(a));
		close(refused);
	} while (rc == 0);
	on_loop(release_all);
	hear(fd, head, sizeof(head), body, sizeof(body));
	assert_non_null(strstr(head, "\r\nX-M2M-RI: 1\r\n"));
	assert_non_null(strstr(head, "\r\nConnection: close\r\n"));
	expect_end(fd);
	close(fd);
	close(idle);
	pthread_join(t, NULL);
	end_loop();
}

static void answered_after_the_end(void **state)
{
	int fd = dial();

	ask(fd, "later", "1");
	wait_submitted(1);
	http_server_stop(server); /* does not wait for ever */
	expect_end(fd);
	on_loop(release_all);     /* nobody is there any more */
	close(fd);
	end_loop();
}

static void port_is_ours(void **state)
{
	struct http_server *second = NULL;
	char why[256] = "";

	assert_int_equal(http_listen(&core, "127.0.0.1", http_server_port(server), false, &second, why), RC_IO);
	assert_non_null(strstr(why, "127.0.0.1:"));
	assert_int_equal(http_listen(&core, "somewhere", 1, false, &second, why), RC_IO);
	assert_null(second);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(answers_for_others),
		CASE(order_is_kept),
		CASE(client_vanishes),
		CASE(half_closed),
		CASE(too_much_is_unread),
		CASE(reader_is_slow),
		CASE(not_for_who_does_not_read),
		CASE(refusals),
		CASE(connections_end),
		CASE(pages),
		CASE(late_pages),
		CASE(too_many_connections),
		CASE(nothing_is_kept_for_the_idle),
		CASE(stopped_while_waiting),
		CASE(answered_after_the_end),
		CASE(port_is_ours),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
