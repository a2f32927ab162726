/* SPDX-License-Identifier: Apache-2.0 */
/* See control.h. Blocking, with deadlines: at the socket is only who could stop us anyway. */
#include "admin/control.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "binding/http/reader.h"
#include "core/association/administer.h"
#include "secenv/secret.h"

enum { HEADER_MAX = 16384, BODY_MAX = 65536, QUEUE_MAX = 100, ANSWER_MAX = 8 << 20 };
static const usec patience = 5 * USEC_S; /* with one client of the socket */

/* A page that waits. */
struct asked {
	struct loop_msg msg;       /* first: it travels back */
	struct asked *next;
	struct http_page_call *page;
	struct administer_call call;
	char *method, *path, *body, *who;
};

struct control {
	struct core *core;
	struct administration ad;
	pthread_t thread;
	int listener, wake;
	char path[4096];
	pthread_mutex_t lock;
	struct asked *head, **tail;
	unsigned waiting;
	bool stopping;
	/* of the thread */
	struct req req;            /* what the reader of messages fills in beside; not used */
	char input[16384];
};

static void wipe(struct buf *b)
{
	if (b->p)
		secret_wipe(b->p, b->cap);
	buf_free(b);
}

/* --- pages --- */

static void asked_free(struct asked *q)
{
	if (q->body)
		secret_wipe(q->body, q->call.body.n);
	wipe(&q->call.out);
	free(q->method);
	free(q->path);
	free(q->body);
	free(q->who);
	free(q);
}

static bool copy(struct slice s, char **out)
{
	if (!(*out = malloc(s.n + 1)))
		return false;
	if (s.n)
		memcpy(*out, s.p, s.n);
	(*out)[s.n] = '\0';
	return true;
}

static void page_over(struct loop *l, struct loop_msg *m)
{
	struct asked *q = (struct asked *)m;
	struct http_page_call *page = q->page;

	(void)l;
	page->status = q->call.status;
	page->type = "application/json";
	buf_slice(&page->out, buf_view(&q->call.out));
	asked_free(q);
	page->done(page);
}

static struct asked *asked_new(struct http_page_call *page)
{
	struct asked *q = calloc(1, sizeof(*q));

	if (!q)
		return NULL;
	q->page = page;
	buf_init(&q->call.out, ANSWER_MAX);
	if (!copy(slice_str(page->method), &q->method) || !copy(page->path, &q->path) || !copy(page->body, &q->body) ||
	    !copy(page->peer->credential, &q->who)) {
		asked_free(q);
		return NULL;
	}
	q->msg.fn = page_over;
	q->call.method = q->method;
	q->call.path = slice_str(q->path);
	q->call.body = slice_of(q->body, page->body.n);
	q->call.who = slice_str(q->who);
	return q;
}

static bool at_once(struct http_page_call *page, int status, const char *text)
{
	page->status = status;
	page->type = "application/json";
	buf_printf(&page->out, "{\"error\":\"%s\"}\n", text);
	return false;
}

bool control_page(struct http_page_call *page)
{
	struct control *k = page->core->control;
	struct asked *q = NULL;
	bool taken;

	if (!page->peer->association || !page->peer->credential.n)
		return at_once(page, 403, "credentials are administered over HTTPS, by who has the credential of an administrator");
	if (page->body.n > BODY_MAX || !k || !(q = asked_new(page)))
		return at_once(page, page->body.n > BODY_MAX ? 413 : 503, "too long, or not now");
	pthread_mutex_lock(&k->lock);
	taken = !k->stopping && k->waiting < QUEUE_MAX;
	if (taken) {
		*k->tail = q;
		k->tail = &q->next;
		k->waiting++;
	}
	pthread_mutex_unlock(&k->lock);
	if (!taken) {
		asked_free(q);
		return at_once(page, 503, "too many administrators at once");
	}
	eventfd_write(k->wake, 1);
	return true;
}

static struct asked *next_page(struct control *k)
{
	struct asked *q;

	pthread_mutex_lock(&k->lock);
	if ((q = k->head)) {
		if (!(k->head = q->next))
			k->tail = &k->head;
		k->waiting--;
	}
	pthread_mutex_unlock(&k->lock);
	return q;
}

static void answer_pages(struct control *k, bool refuse)
{
	struct asked *q;

	while ((q = next_page(k))) {
		if (refuse)
			q->call.status = 503;
		else
			administer(&k->ad, &q->call);
		loop_post(q->page->home, &q->msg);
	}
}

/* --- the socket --- */

static bool ready(int fd, short events, usec until)
{
	struct pollfd p = { .fd = fd, .events = events };
	const usec left = until - clock_mono();

	return left > 0 && poll(&p, 1, (int)(left / USEC_MS) + 1) == 1;
}

static void send_all(int fd, struct slice s, usec until)
{
	while (s.n) {
		const ssize_t n = send(fd, s.p, s.n, MSG_NOSIGNAL);

		if (n > 0)
			s = slice_skip(s, (size_t)n);
		else if ((errno != EAGAIN && errno != EINTR) || !ready(fd, POLLOUT, until))
			return;
	}
}

/* What was read stays in k->input and in. */
static enum http_verdict read_request(struct control *k, int fd, struct http_in *in, usec until)
{
	enum http_verdict v = HTTP_MORE;
	http_parser parser;
	size_t used;

	http_parser_init(&parser, HTTP_REQUEST);
	while (v == HTTP_MORE) {
		const ssize_t n = recv(fd, k->input, sizeof(k->input), 0);

		if (n > 0)
			v = http_in_feed(in, &parser, k->input, (size_t)n, &used);
		else if (n == 0 || (errno != EAGAIN && errno != EINTR) || !ready(fd, POLLIN, until))
			v = HTTP_BAD;
	}
	return v;
}

static void answer_socket(struct control *k, int fd, const char *who, usec until)
{
	struct administer_call call = { .root = true, .who = slice_str(who), .status = 400 };
	struct buf head;
	struct http_in in;
	struct slice target;

	buf_init(&call.out, ANSWER_MAX);
	buf_init(&head, 1024);
	http_in_init(&in, &k->req, HEADER_MAX, BODY_MAX);
	if (read_request(k, fd, &in, until) == HTTP_DONE) {
		target = in.target;
		call.method = in.method;
		call.path = slice_cut(&target, '?');
		call.body = in.body;
		if (slice_eq(call.path, S("/credentials")) || slice_starts(call.path, S("/credentials/")))
			administer(&k->ad, &call);
		else
			call.status = 404;
	}
	if (in.kept_body.p)
		secret_wipe(in.kept_body.p, in.kept_body.cap);
	buf_printf(&head, "HTTP/1.1 %d \r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n",
		   call.status, call.out.n);
	send_all(fd, buf_view(&head), until);
	send_all(fd, buf_view(&call.out), until);
	wipe(&call.out);
	buf_free(&head);
	http_in_free(&in);
	req_reset(&k->req);
	secret_wipe(k->input, sizeof(k->input));
}

static void serve_socket(struct control *k)
{
	const int fd = accept4(k->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct ucred peer;
	socklen_t n = sizeof(peer);
	char who[32];

	if (fd < 0)
		return;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) == 0 && (peer.uid == 0 || peer.uid == geteuid())) {
		snprintf(who, sizeof(who), "uid:%u", (unsigned)peer.uid);
		answer_socket(k, fd, who, clock_mono() + patience);
	} else {
		log_warn("control", "a process of another user was turned away");
	}
	close(fd);
}

/* Mode 0600 from the first moment; what a killed process left is taken away: the store's lock says that nobody uses it. */
static enum reeve_rc listen_at(struct control *k, const char *folder, char why[256])
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	const int dir = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	mode_t mask;

	k->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (dir < 0 || k->listener < 0 || snprintf(k->path, sizeof(k->path), "%s/control", folder) >= (int)sizeof(k->path))
		goto failed;
	/* the path of the folder may be longer than an address of a socket */
	snprintf(a.sun_path, sizeof(a.sun_path), "/proc/self/fd/%d/control", dir);
	if (unlink(k->path) != 0 && errno != ENOENT)
		goto failed;
	mask = umask(0177);
	const bool bound = bind(k->listener, (struct sockaddr *)&a, sizeof(a)) == 0;
	umask(mask);
	if (!bound || listen(k->listener, 16) != 0)
		goto failed;
	close(dir);
	return RC_OK;
failed:
	snprintf(why, 256, "the control socket %.150s cannot be made: %s", k->path, strerror(errno));
	if (dir >= 0)
		close(dir);
	return RC_IO;
}

/* --- the thread --- */

static void *run(void *ctx)
{
	struct control *k = ctx;
	struct pollfd p[2] = { { .fd = k->wake, .events = POLLIN }, { .fd = k->listener, .events = POLLIN } };
	eventfd_t rung;
	bool stopping = false;

	pthread_setname_np(pthread_self(), "control");
	while (!stopping) {
		if (poll(p, 2, -1) < 0 && errno != EINTR)
			break;
		if (p[0].revents)
			eventfd_read(k->wake, &rung);
		pthread_mutex_lock(&k->lock);
		stopping = k->stopping;
		pthread_mutex_unlock(&k->lock);
		answer_pages(k, stopping);
		if (p[1].revents && !stopping)
			serve_socket(k);
	}
	return NULL;
}

static void control_free(struct control *k)
{
	if (k->listener >= 0)
		close(k->listener);
	if (k->wake >= 0)
		close(k->wake);
	pthread_mutex_destroy(&k->lock);
	req_free(&k->req);
	free(k);
}

enum reeve_rc control_start(struct core *c, char why[256])
{
	struct control *k = aligned_alloc(16, (sizeof(*k) + 15) & ~(size_t)15);
	enum reeve_rc rc;

	if (!k)
		return RC_NOMEM;
	memset(k, 0, sizeof(*k));
	k->core = c;
	k->ad = (struct administration){ .cfg = c->cfg, .home = &c->home, .store = c->store, .core = c };
	k->tail = &k->head;
	k->listener = -1;
	k->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	pthread_mutex_init(&k->lock, NULL);
	req_init(&k->req, NULL, 65536, 0);
	rc = k->wake < 0 ? RC_IO : listen_at(k, c->cfg->data, why);
	if (rc == RC_OK && pthread_create(&k->thread, NULL, run, k) != 0)
		rc = RC_NOMEM;
	if (rc != RC_OK) {
		control_free(k);
		return rc;
	}
	c->control = k;
	return RC_OK;
}

void control_stop(struct core *c)
{
	struct control *k = c->control;

	if (!k)
		return;
	pthread_mutex_lock(&k->lock);
	k->stopping = true;
	pthread_mutex_unlock(&k->lock);
	eventfd_write(k->wake, 1);
	pthread_join(k->thread, NULL);
	unlink(k->path);
	c->control = NULL;
	control_free(k);
}
