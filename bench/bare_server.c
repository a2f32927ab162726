/* SPDX-License-Identifier: Apache-2.0 */
/* Yardstick for the HTTP binding: what libuv and http_parser do when there is nothing to decide.
 *
 *   bare_server PORT THREADS ANSWERFILE
 *
 * Each thread has a loop and a listening socket of its own (SO_REUSEPORT on loopback). Every request, whatever it asks, is parsed and
 * answered with the bytes of ANSWERFILE, which is a whole HTTP response (record one from the server under test), so that both
 * servers move the same bytes. Connections are kept; what is read at once is answered at once. No limits, no timeouts: not for use. */
#include <http_parser.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

enum { READ_BYTES = 65536, ANSWERS_MOST = 256 };

struct lane {
	uv_loop_t uv;
	uv_tcp_t listener;
	char input[READ_BYTES];
};

struct conn {
	uv_tcp_t tcp;
	struct lane *lane;
	http_parser parser;
	unsigned due; /* answers */
};

static struct { char *p; size_t n; } answer;

static void closed(uv_handle_t *h) { free(h); }

static void written(uv_write_t *w, int status) { free(w); }

static int on_complete(http_parser *p)
{
	((struct conn *)p->data)->due++;
	return 0;
}

static const http_parser_settings settings = { .on_message_complete = on_complete };

static void answer_all(struct conn *c)
{
	while (c->due) {
		uv_buf_t b[ANSWERS_MOST];
		unsigned n = c->due < ANSWERS_MOST ? c->due : ANSWERS_MOST;
		ssize_t sent;

		for (unsigned i = 0; i < n; i++)
			b[i] = uv_buf_init(answer.p, (unsigned)answer.n);
		c->due -= n;
		sent = uv_try_write((uv_stream_t *)&c->tcp, b, n);
		if (sent == (ssize_t)(n * answer.n))
			continue;
		/* the rest: the text is the same for all and lives for ever */
		size_t done = sent > 0 ? (size_t)sent : 0, whole = done / answer.n;
		uv_write_t *w = malloc(sizeof(*w));
		if (!w)
			abort();
		b[whole].base += done % answer.n;
		b[whole].len -= done % answer.n;
		if (uv_write(w, (uv_stream_t *)&c->tcp, b + whole, n - (unsigned)whole, written))
			free(w);
	}
}

static void allocate(uv_handle_t *h, size_t hint, uv_buf_t *b)
{
	*b = uv_buf_init(((struct conn *)h)->lane->input, READ_BYTES);
}

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *b)
{
	struct conn *c = (struct conn *)s;

	if (n == 0)
		return;
	if (n < 0 || http_parser_execute(&c->parser, &settings, b->base, (size_t)n) != (size_t)n) {
		if (!uv_is_closing((uv_handle_t *)s))
			uv_close((uv_handle_t *)s, closed);
		return;
	}
	answer_all(c);
}

static void accepted(uv_stream_t *s, int status)
{
	struct lane *l = s->data;
	struct conn *c = status ? NULL : calloc(1, sizeof(*c));

	if (!c)
		return;
	c->lane = l;
	uv_tcp_init(&l->uv, &c->tcp);
	http_parser_init(&c->parser, HTTP_REQUEST);
	c->parser.data = c;
	if (uv_accept(s, (uv_stream_t *)&c->tcp) || uv_tcp_nodelay(&c->tcp, 1) || uv_read_start((uv_stream_t *)&c->tcp, allocate, on_read))
		uv_close((uv_handle_t *)&c->tcp, closed);
}

static void *serve(void *arg)
{
	uv_run(&((struct lane *)arg)->uv, UV_RUN_DEFAULT);
	return NULL;
}

static void lane_open(struct lane *l, unsigned long port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) ||
	    bind(fd, (struct sockaddr *)&a, sizeof(a)) || uv_loop_init(&l->uv) || uv_tcp_init(&l->uv, &l->listener) ||
	    uv_tcp_open(&l->listener, fd) || uv_listen((uv_stream_t *)&l->listener, 1024, accepted)) {
		perror("bare_server");
		exit(1);
	}
	l->listener.data = l;
}

static void load_answer(const char *path)
{
	FILE *f = fopen(path, "rb");
	size_t room = 1 << 20;

	answer.p = malloc(room);
	if (!f || !answer.p || !(answer.n = fread(answer.p, 1, room, f))) {
		perror(path);
		exit(1);
	}
	fclose(f);
}

int main(int argc, char **argv)
{
	unsigned long threads;
	pthread_t t;

	if (argc != 4 || !(threads = strtoul(argv[2], NULL, 10)) || threads > 256) {
		fprintf(stderr, "usage: bare_server PORT THREADS ANSWERFILE\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	load_answer(argv[3]);
	for (unsigned long i = 0; i < threads; i++) {
		struct lane *l = calloc(1, sizeof(*l));
		if (!l)
			return 1;
		lane_open(l, strtoul(argv[1], NULL, 10));
		if (i + 1 == threads)
			serve(l);
		else if (pthread_create(&t, NULL, serve, l))
			return 1;
	}
	return 0;
}
