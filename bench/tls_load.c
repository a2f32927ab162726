/* SPDX-License-Identifier: Apache-2.0 */
/* A client that loads an HTTP server, in clear or with TLS by a pre-shared key. GnuTLS alone, nothing of ours: it measures others, too.
 *
 *   tls_load handshakes HOST-ADDRESS PORT SECONDS CONNECTIONS  one connection per request: connect, handshake, ask, close
 *   tls_load requests   ...                                    connections are kept
 *   tls_load idle       ...                                    open CONNECTIONS, print "open", and keep them until standard input ends
 *
 * Environment: PSK_IDENTITY and PSK_KEY (hexadecimal digits; without them: in clear), PRIORITY (GnuTLS's), REQUEST (the whole text).
 * Prints what was done per second. Any answer but 200 ends it. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <gnutls/gnutls.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum mode { HANDSHAKES, REQUESTS, IDLE };
enum step { CONNECTING, SHAKING, SENDING, READING, RESTING };
enum { ROOM = 16384 };

struct link {
	int fd;
	gnutls_session_t tls;
	enum step step;
	size_t sent, got, whole; /* whole: bytes of the answer, 0 not known yet */
	char room[ROOM];
};

static enum mode mode;
static struct sockaddr_in to;
static const char *request;
static size_t request_bytes;
static gnutls_psk_client_credentials_t key;
static gnutls_priority_t priority;
static int poller;
static unsigned long done;
static unsigned open_links;

static void die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void watch(struct link *k, bool add, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.ptr = k };

	if (epoll_ctl(poller, add ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, k->fd, &e) < 0)
		die("epoll: %s", strerror(errno));
}

static void begin(struct link *k)
{
	int one = 1;

	k->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (k->fd < 0)
		die("socket: %s", strerror(errno));
	setsockopt(k->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(k->fd, (struct sockaddr *)&to, sizeof(to)) < 0 && errno != EINPROGRESS)
		die("connect: %s", strerror(errno));
	k->step = CONNECTING;
	k->sent = k->got = k->whole = 0;
	if (key) {
		if (gnutls_init(&k->tls, GNUTLS_CLIENT | GNUTLS_NONBLOCK | GNUTLS_NO_TICKETS) < 0 || gnutls_priority_set(k->tls,
						priority) < 0 ||
		    gnutls_credentials_set(k->tls, GNUTLS_CRD_PSK, key) < 0)
			die("gnutls: no session");
		gnutls_transport_set_int(k->tls, k->fd);
	}
	watch(k, true, EPOLLOUT);
}

static void end(struct link *k)
{
	if (k->tls) {
		gnutls_bye(k->tls, GNUTLS_SHUT_WR);
		gnutls_deinit(k->tls);
		k->tls = NULL;
	}
	close(k->fd);
}

static ssize_t put(struct link *k, const char *p, size_t n)
{
	ssize_t r = k->tls ? gnutls_record_send(k->tls, p, n) : send(k->fd, p, n, MSG_NOSIGNAL);

	if (r >= 0)
		return r;
	if (k->tls ? gnutls_error_is_fatal((int)r) == 0 : errno == EAGAIN)
		return 0;
	die("write: %s", k->tls ? gnutls_strerror((int)r) : strerror(errno));
	return -1;
}

/* -1: nothing now */
static ssize_t get(struct link *k, char *p, size_t n)
{
	ssize_t r = k->tls ? gnutls_record_recv(k->tls, p, n) : recv(k->fd, p, n, 0);

	if (r > 0)
		return r;
	if (r == 0 || (k->tls && r == GNUTLS_E_PREMATURE_TERMINATION))
		return 0;
	if (k->tls ? gnutls_error_is_fatal((int)r) == 0 : errno == EAGAIN)
		return -1;
	die("read: %s", k->tls ? gnutls_strerror((int)r) : strerror(errno));
	return -1;
}

/* Bytes of the whole answer, once its head is there. Without a length it goes on to the end of the connection. */
static size_t whole(const struct link *k)
{
	const char *end_of_head = memmem(k->room, k->got, "\r\n\r\n", 4), *length;

	if (!end_of_head)
		return 0;
	if (k->got < 12 || memcmp(k->room + 9, "200", 3))
		die("answer: %.*s", (int)(k->got < 60 ? k->got : 60), k->room);
	length = memmem(k->room, (size_t)(end_of_head - k->room), "Content-Length: ", 16);
	if (!length)
		return SIZE_MAX;
	return (size_t)(end_of_head + 4 - k->room) + strtoul(length + 16, NULL, 10);
}

static void answered(struct link *k)
{
	done++;
	if (mode == HANDSHAKES) {
		end(k);
		begin(k);
		return;
	}
	k->sent = k->got = k->whole = 0;
	k->step = mode == IDLE ? RESTING : SENDING;
	if (mode == IDLE)
		open_links++;
	else
		watch(k, false, EPOLLOUT | EPOLLIN);
}

static void read_on(struct link *k)
{
	for (;;) {
		char scratch[ROOM];
		const bool full = k->got >= ROOM - 1;
		ssize_t n = get(k, full ? scratch : k->room + k->got, full ? sizeof(scratch) : ROOM - 1 - k->got);
		if (n < 0)
			return;
		if (n == 0 && k->whole != SIZE_MAX)
			die("the connection ended in an answer");
		k->got += (size_t)n;
		if (!k->whole)
			k->whole = whole(k);
		if ((k->whole && k->got >= k->whole) || n == 0) {
			answered(k);
			return;
		}
	}
}

static void go_on(struct link *k)
{
	if (k->step == CONNECTING)
		k->step = key ? SHAKING : SENDING;
	if (k->step == SHAKING) {
		int r = gnutls_handshake(k->tls);
		if (r == GNUTLS_E_AGAIN || r == GNUTLS_E_INTERRUPTED) {
			watch(k, false, gnutls_record_get_direction(k->tls) ? EPOLLOUT : EPOLLIN);
			return;
		}
		if (r < 0)
			die("handshake: %s", gnutls_strerror(r));
		k->step = SENDING;
	}
	if (k->step == SENDING) {
		ssize_t n = put(k, request + k->sent, request_bytes - k->sent);
		k->sent += (size_t)n;
		if (k->sent < request_bytes) {
			watch(k, false, EPOLLOUT);
			return;
		}
		k->step = READING;
		watch(k, false, EPOLLIN);
	}
	if (k->step == READING)
		read_on(k);
}

static void set_key(const char *identity, const char *hex)
{
	gnutls_datum_t d = { (unsigned char *)(uintptr_t)hex, (unsigned)strlen(hex) };
	const char *p = getenv("PRIORITY");

	if (gnutls_psk_allocate_client_credentials(&key) < 0 || gnutls_psk_set_client_credentials(key, identity, &d,
					GNUTLS_PSK_KEY_HEX) < 0 ||
	    gnutls_priority_init(&priority, p ? p : "NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+ECDHE-PSK:+PSK", NULL) < 0)
		die("the key or the priority cannot be used");
}

int main(int argc, char **argv)
{
	struct rlimit files = { 65536, 65536 };
	unsigned n = argc == 6 ? (unsigned)strtoul(argv[5], NULL, 10) : 0;
	double seconds, from, until;
	struct link *links;

	if (!n || !(request = getenv("REQUEST")))
		die("usage: REQUEST=... tls_load handshakes|requests|idle ADDRESS PORT SECONDS CONNECTIONS");
	mode = argv[1][0] == 'h' ? HANDSHAKES : argv[1][0] == 'i' ? IDLE : REQUESTS;
	request_bytes = strlen(request);
	to.sin_family = AF_INET;
	to.sin_port = htons((uint16_t)strtoul(argv[3], NULL, 10));
	if (inet_pton(AF_INET, argv[2], &to.sin_addr) != 1)
		die("%s is no address", argv[2]);
	seconds = strtod(argv[4], NULL);
	if (getenv("PSK_IDENTITY") && getenv("PSK_KEY"))
		set_key(getenv("PSK_IDENTITY"), getenv("PSK_KEY"));
	setrlimit(RLIMIT_NOFILE, &files);
	links = calloc(n, sizeof(*links));
	poller = epoll_create1(EPOLL_CLOEXEC);
	from = now();
	until = from + seconds;
	for (unsigned i = 0, begun = 0; now() < until && (mode != IDLE || open_links < n); i++) {
		struct epoll_event e[64];
		int m;
		for (unsigned k = 0; k < 64 && begun < n && (mode != IDLE || begun - open_links < 256); k++)
			begin(&links[begun++]);
		m = epoll_wait(poller, e, 64, 100);
		for (int k = 0; k < m; k++)
			go_on(e[k].data.ptr);
	}
	if (mode == IDLE) {
		printf("%s\n", open_links == n ? "open" : "short");
		fflush(stdout);
		while (getchar() != EOF)
			;
		return open_links != n;
	}
	printf("%.1f\n", (double)done / (now() - from));
	return 0;
}
