/* SPDX-License-Identifier: Apache-2.0 */
/* Load for CoAP servers: one request, sent again and again as a confirmable message over several sockets, each with a few under way.
 *
 *     coap_load ADDRESS PORT SECONDS SOCKETS PIPELINE HEX
 *
 * HEX is the options of a GET; message id and token are new each time. Prints "responses N seconds S rps R lost L bad B": lost are those
 * asked again by sockets that heard nothing for a second, bad the answers that are no 2.xx. */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { SOCKETS_MOST = 256, PIPELINE_MOST = 64, REQUEST_MOST = 2048 };

struct one { int fd; uint16_t mid; uint64_t answered, sent; };

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static size_t unhex(const char *s, unsigned char *out, size_t most)
{
	size_t n = 0;
	unsigned v;

	for (; s[0] && s[1] && n < most && sscanf(s, "%2x", &v) == 1; s += 2)
		out[n++] = (unsigned char)v;
	return n;
}

static void ask(struct one *o, unsigned char *request, size_t n)
{
	o->mid++;
	request[2] = request[4] = (unsigned char)(o->mid >> 8);
	request[3] = request[5] = (unsigned char)o->mid;
	if (send(o->fd, request, n, 0) < 0 && errno != EAGAIN)
		perror("send");
	o->sent++;
}

int main(int argc, char **argv)
{
	static struct one all[SOCKETS_MOST];
	static struct pollfd poll_on[SOCKETS_MOST];
	unsigned char request[REQUEST_MOST] = { 0x42, 1 }, answer[65536]; /* CON GET with a token of two bytes */
	struct sockaddr_in to = { .sin_family = AF_INET };
	uint64_t start, last_look, end, answered = 0, lost = 0, bad = 0;
	unsigned sockets, pipeline;
	size_t n;

	if (argc != 7 || inet_pton(AF_INET, argv[1], &to.sin_addr) != 1) {
		fprintf(stderr, "usage: coap_load ADDRESS PORT SECONDS SOCKETS PIPELINE OPTIONS-IN-HEX\n");
		return 2;
	}
	to.sin_port = htons((uint16_t)strtoul(argv[2], NULL, 10));
	sockets = (unsigned)strtoul(argv[4], NULL, 10);
	pipeline = (unsigned)strtoul(argv[5], NULL, 10);
	if (!sockets || sockets > SOCKETS_MOST || !pipeline || pipeline > PIPELINE_MOST)
		return 2;
	n = 6 + unhex(argv[6], request + 6, sizeof(request) - 6);
	for (unsigned i = 0; i < sockets; i++) {
		all[i].fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
		if (all[i].fd < 0 || connect(all[i].fd, (struct sockaddr *)&to, sizeof(to)) != 0) {
			perror("socket");
			return 1;
		}
		poll_on[i] = (struct pollfd){ .fd = all[i].fd, .events = POLLIN };
	}
	start = last_look = now_ns();
	end = start + (uint64_t)(strtod(argv[3], NULL) * 1e9);
	for (unsigned i = 0; i < sockets; i++)
		for (unsigned k = 0; k < pipeline; k++)
			ask(&all[i], request, n);
	while (now_ns() < end) {
		if (poll(poll_on, sockets, 100) < 0)
			return 1;
		for (unsigned i = 0; i < sockets; i++) {
			ssize_t got;

			while (poll_on[i].revents && (got = recv(all[i].fd, answer, sizeof(answer), 0)) > 0) {
				if (got < 4 || answer[1] == 0)
					continue;
				bad += answer[1] >> 5 != 2;
				answered++;
				all[i].answered++;
				ask(&all[i], request, n);
			}
		}
		if (now_ns() - last_look > 1000000000u) { /* a socket that heard nothing for a second begins anew */
			last_look = now_ns();
			for (unsigned i = 0; i < sockets; i++) {
				for (unsigned k = 0; !all[i].answered && k < pipeline; k++, lost++)
					ask(&all[i], request, n);
				all[i].answered = 0;
			}
		}
	}
	printf("responses %llu seconds %.3f rps %.0f lost %llu bad %llu\n", (unsigned long long)answered, (double)(now_ns() - start) / 1e9,
	       (double)answered * 1e9 / (double)(now_ns() - start), (unsigned long long)lost, (unsigned long long)bad);
	return 0;
}
