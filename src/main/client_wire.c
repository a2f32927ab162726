/* SPDX-License-Identifier: Apache-2.0 */
/* Blocking sockets with an end to every wait, and TLS or DTLS between.
 *
 * The session (tls/tls.h) wants a loop for its timer, and has one that never runs: every wait here has an end of its own, and the timer of
 * DTLS is looked at while waiting. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "main/client_int.h"

enum reeve_rc wait_for(int fd, short events, usec until, char why[CLIENT_WHY_MAX])
{
	for (;;) {
		struct pollfd p = { .fd = fd, .events = events };
		usec left = until - clock_mono();
		int n = poll(&p, 1, left > 0 ? (int)(left / USEC_MS) + 1 : 0);
		if (n > 0)
			return RC_OK;
		if (n < 0 && errno == EINTR)
			continue;
		snprintf(why, CLIENT_WHY_MAX, "%s", n == 0 ? "no answer in time" : strerror(errno));
		return n == 0 ? RC_AGAIN : RC_IO;
	}
}

static int try_connect(const struct addrinfo *a, usec until, char why[CLIENT_WHY_MAX])
{
	int fd = socket(a->ai_family, a->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, a->ai_protocol), err = 0;
	socklen_t len = sizeof(err);

	if (fd < 0) {
		snprintf(why, CLIENT_WHY_MAX, "%s", strerror(errno));
		return -1;
	}
	if (connect(fd, a->ai_addr, a->ai_addrlen) == 0)
		return fd;
	if (errno == EINPROGRESS) {
		if (wait_for(fd, POLLOUT, until, why) == RC_OK && getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) == 0) {
			if (err == 0)
				return fd;
			snprintf(why, CLIENT_WHY_MAX, "%s", strerror(err));
		}
	} else {
		snprintf(why, CLIENT_WHY_MAX, "%s", strerror(errno));
	}
	close(fd);
	return -1;
}

/* Through the descriptor of its folder: a path may be longer than an address of a socket. */
static int dial_socket(const char *path, usec until, char why[CLIENT_WHY_MAX])
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	const struct addrinfo a = { .ai_family = AF_UNIX, .ai_socktype = SOCK_STREAM, .ai_addr = (struct sockaddr *)&sa,
				    .ai_addrlen = sizeof(sa) };
	const char *name = strrchr(path, '/');
	char *folder = strndup(path, name ? (size_t)(name - path) : 0);
	const int dir = folder ? open(*folder ? folder : ".", O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
	int fd = -1;

	free(folder);
	if (dir < 0) {
		snprintf(why, CLIENT_WHY_MAX, "%s", strerror(errno));
		return -1;
	}
	if (snprintf(sa.sun_path, sizeof(sa.sun_path), "/proc/self/fd/%d/%s", dir, name ? name + 1 : path) < (int)sizeof(sa.sun_path))
		fd = try_connect(&a, until, why);
	close(dir);
	return fd;
}

static int dial(const struct client *c, bool datagram, usec until, char why[CLIENT_WHY_MAX])
{
	if (c->socket)
		return dial_socket(c->socket, until, why);
	const struct addrinfo hints = { .ai_socktype = datagram ? SOCK_DGRAM : SOCK_STREAM };
	struct addrinfo *list = NULL;
	int fd = -1, n = getaddrinfo(c->host, c->port, &hints, &list);

	if (n) {
		snprintf(why, CLIENT_WHY_MAX, "%.150s: %s", c->host, gai_strerror(n));
		return -1;
	}
	for (const struct addrinfo *a = list; a && fd < 0; a = a->ai_next)
		fd = try_connect(a, until, why);
	freeaddrinfo(list);
	return fd;
}


/* --- as they are --- */

static enum reeve_rc send_raw(struct wire *w, struct slice s, char why[CLIENT_WHY_MAX])
{
	while (s.n) {
		ssize_t n = send(w->fd, s.p, s.n, MSG_NOSIGNAL);

		if (n >= 0)
			s = slice_skip(s, (size_t)n);
		else if (errno == EPIPE || errno == ECONNRESET)
			return RC_OK; /* the peer may have answered before it read everything: look */
		else if (errno != EAGAIN && errno != EINTR) {
			snprintf(why, CLIENT_WHY_MAX, "%s", strerror(errno));
			return RC_IO;
		} else if (wait_for(w->fd, POLLOUT, w->until, why) != RC_OK)
			return RC_IO;
	}
	return RC_OK;
}

static enum reeve_rc receive_raw(struct wire *w, char *room, size_t max, usec until, size_t *n, char why[CLIENT_WHY_MAX])
{
	enum reeve_rc rc = RC_OK;
	ssize_t got;

	*n = 0;
	while ((got = recv(w->fd, room, max, 0)) < 0) {
		if (errno != EAGAIN && errno != EINTR) {
			snprintf(why, CLIENT_WHY_MAX, "%s", strerror(errno));
			return RC_IO;
		}
		if ((rc = wait_for(w->fd, POLLIN, until, why)) != RC_OK)
			return rc;
	}
	*n = (size_t)got;
	return RC_OK;
}

/* --- through the session --- */

/* Send what the session has to say. */
static enum reeve_rc flush(struct wire *w, char why[CLIENT_WHY_MAX])
{
	struct slice rest = buf_view(&w->out), one;
	enum reeve_rc rc = w->out.failed ? RC_NOMEM : RC_OK;

	if (!w->datagram && rc == RC_OK)
		rc = send_raw(w, rest, why);
	while (w->datagram && rc == RC_OK && tls_datagram(&rest, &one))
		rc = send_raw(w, one, why);
	buf_clear(&w->out);
	return rc;
}

static enum reeve_rc judge(struct wire *w, enum tls_state state, char why[CLIENT_WHY_MAX])
{
	char unsent[CLIENT_WHY_MAX];
	enum reeve_rc rc = flush(w, state == TLS_FAILED ? unsent : why);

	if (state != TLS_FAILED)
		return rc;
	snprintf(why, CLIENT_WHY_MAX, "no security association: %.200s", tls_why(w->tls));
	return RC_IO;
}

/* Take what comes next into the session, or let its timer have its turn. */
static enum reeve_rc more(struct wire *w, char *room, size_t max, char why[CLIENT_WHY_MAX])
{
	const int ms = w->datagram ? tls_timer(w->tls) : -1;
	const bool open = tls_state(w->tls) == TLS_OPEN;
	const usec due = ms < 0 ? w->until : clock_mono() + ms * USEC_MS;
	enum reeve_rc rc;
	size_t n;

	rc = receive_raw(w, room, max, due < w->until ? due : w->until, &n, why);
	if (rc == RC_AGAIN && due < w->until)
		return judge(w, tls_timeout(w->tls, &w->out), why);
	if (rc != RC_OK)
		return rc;
	if (n == 0 && !w->datagram) {
		snprintf(why, CLIENT_WHY_MAX, "the connection was cut%s", open ? "" : " while the security association was made");
		return RC_IO;
	}
	return n ? judge(w, tls_input(w->tls, room, n, &w->out), why) : RC_OK;
}

enum reeve_rc wire_send(struct wire *w, struct slice s, char why[CLIENT_WHY_MAX])
{
	enum reeve_rc rc = RC_OK;

	if (!w->tls)
		return send_raw(w, s, why);
	while (s.n && rc == RC_OK) {
		size_t n = s.n < TLS_RECORD_MAX || w->datagram ? s.n : TLS_RECORD_MAX;

		rc = tls_write(w->tls, s.p, n, &w->out);
		if (rc == RC_OK)
			rc = flush(w, why);
		else
			snprintf(why, CLIENT_WHY_MAX,
				 rc == RC_LIMIT ? "the message is too long for a datagram" : "the association has ended");
		s = slice_skip(s, n);
	}
	return rc;
}

enum reeve_rc wire_receive(struct wire *w, char *room, size_t max, size_t *n, char why[CLIENT_WHY_MAX])
{
	char records[16384];
	enum reeve_rc rc = RC_OK;

	if (!w->tls)
		return receive_raw(w, room, max, w->until, n, why);
	while ((*n = tls_read(w->tls, room, max)) == 0 && tls_state(w->tls) == TLS_OPEN && rc == RC_OK)
		rc = more(w, records, sizeof(records), why);
	return rc;
}

static enum reeve_rc shake_hands(struct wire *w, struct client *c, char why[CLIENT_WHY_MAX])
{
	char room[16384];
	enum reeve_rc rc = RC_OK;

	if (!c->tls.setup && (rc = tls_flags_use(&c->tls, c->host, w->datagram, why)) != RC_OK)
		return rc;
	if (!(w->loop = calloc(1, sizeof(*w->loop))) || loop_init(w->loop, 0) != RC_OK) {
		free(w->loop);
		w->loop = NULL;
		snprintf(why, CLIENT_WHY_MAX, "out of memory");
		return RC_NOMEM;
	}
	w->tls = tls_new(c->tls.setup, w->loop, &c->tls.want, NULL, NULL);
	if (!w->tls) {
		snprintf(why, CLIENT_WHY_MAX, "the credential does not do for TLS, or memory is out");
		return RC_NOMEM;
	}
	rc = judge(w, tls_input(w->tls, NULL, 0, &w->out), why);
	while (rc == RC_OK && tls_state(w->tls) == TLS_HANDSHAKE)
		rc = more(w, room, sizeof(room), why);
	if (rc == RC_AGAIN)
		snprintf(why, CLIENT_WHY_MAX,
			 "no security association in time: is there a listener with %s, and does it know the credential?",
			 w->datagram ? "DTLS" : "TLS");
	return rc;
}

enum reeve_rc wire_open(struct wire *w, struct client *c, bool datagram, char why[CLIENT_WHY_MAX])
{
	*w = (struct wire){ .fd = -1, .datagram = datagram, .until = clock_mono() + c->timeout };
	buf_init(&w->out, 1 << 20);
	w->fd = dial(c, datagram, w->until, why);
	if (w->fd < 0)
		return RC_IO;
	return !c->socket && c->binding->tls ? shake_hands(w, c, why) : RC_OK;
}

void wire_close(struct wire *w)
{
	char unheard[CLIENT_WHY_MAX];

	if (w->tls && tls_state(w->tls) == TLS_OPEN) {
		tls_bye(w->tls, &w->out);
		if (flush(w, unheard) != RC_OK)
			w->until = 0; /* it was a courtesy */
	}
	tls_free(w->tls);
	if (w->loop)
		loop_close(w->loop);
	free(w->loop);
	buf_free(&w->out);
	if (w->fd >= 0)
		close(w->fd);
	*w = (struct wire){ .fd = -1 };
}

int client_socket(const char *address, uint16_t *port, bool datagram, char why[CLIENT_WHY_MAX])
{
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(*port) };
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(*port) };
	const bool is6 = inet_pton(AF_INET6, address, &v6.sin6_addr) == 1;
	struct sockaddr *sa = is6 ? (struct sockaddr *)&v6 : (struct sockaddr *)&v4;
	socklen_t len = is6 ? sizeof(v6) : sizeof(v4);
	const int yes = 1;
	int fd;

	if (!is6 && inet_pton(AF_INET, address, &v4.sin_addr) != 1) {
		snprintf(why, CLIENT_WHY_MAX, "--listen %.100s: write a numeric address of this machine", address);
		return -1;
	}
	fd = socket(sa->sa_family, (datagram ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, 0);
	if (fd < 0 || (!datagram && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) < 0) || bind(fd, sa, len) < 0 ||
	    getsockname(fd, sa, &len) < 0) {
		snprintf(why, CLIENT_WHY_MAX, "cannot listen on %.100s: %s", address, strerror(errno));
		if (fd >= 0)
			close(fd);
		return -1;
	}
	*port = ntohs(is6 ? v6.sin6_port : v4.sin_port);
	return fd;
}
