/* SPDX-License-Identifier: Apache-2.0 */
/* Clock, randomness, hashing and code names: one small function each. */
#include "base/clock.h"
#include "base/hash.h"
#include "base/rand.h"
#include "base/rc.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

const char *rc_name(enum reeve_rc rc)
{
	static const char *const names[] = {
		"ok", "again", "not found", "exists", "syntax", "invalid", "limit", "no memory", "unsupported",
		"refused", "input/output error", "full", "version", "busy", "undo", "not permitted", "not authentic",
	};
	return (size_t)rc < sizeof(names) / sizeof(names[0]) ? names[rc] : "unknown";
}

static usec now(clockid_t id)
{
	struct timespec ts;
	clock_gettime(id, &ts);
	return (usec)ts.tv_sec * USEC_S + ts.tv_nsec / 1000;
}

usec clock_wall(void) { return now(CLOCK_REALTIME); }
usec clock_mono(void) { return now(CLOCK_MONOTONIC); }

void rand_bytes(void *p, size_t n)
{
	char *q = p;
	while (n) {
		ssize_t got = getrandom(q, n, 0);
		if (got < 0)
			abort();
		q += got;
		n -= (size_t)got;
	}
}

uint64_t rand_u64(void)
{
	uint64_t v;
	rand_bytes(&v, sizeof(v));
	return v;
}

#define ROTL(x, b) (((x) << (b)) | ((x) >> (64 - (b))))
#define SIPROUND                                              \
	do {                                                  \
		v0 += v1; v1 = ROTL(v1, 13); v1 ^= v0;        \
		v0 = ROTL(v0, 32);                            \
		v2 += v3; v3 = ROTL(v3, 16); v3 ^= v2;        \
		v0 += v3; v3 = ROTL(v3, 21); v3 ^= v0;        \
		v2 += v1; v1 = ROTL(v1, 17); v1 ^= v2;        \
		v2 = ROTL(v2, 32);                            \
	} while (0)

static uint64_t siphash13(uint64_t k0, uint64_t k1, const void *data, size_t n)
{
	const unsigned char *p = n ? data : (const void *)"";
	uint64_t v0 = k0 ^ 0x736f6d6570736575u, v1 = k1 ^ 0x646f72616e646f6du;
	uint64_t v2 = k0 ^ 0x6c7967656e657261u, v3 = k1 ^ 0x7465646279746573u;
	uint64_t m, last = (uint64_t)n << 56;
	size_t left = n & 7;

	for (const unsigned char *end = p + (n - left); p != end; p += 8) {
		memcpy(&m, p, 8);
		v3 ^= m;
		SIPROUND;
		v0 ^= m;
	}
	for (size_t i = 0; i < left; i++)
		last |= (uint64_t)p[i] << (8 * i);
	v3 ^= last;
	SIPROUND;
	v0 ^= last;
	v2 ^= 0xff;
	SIPROUND;
	SIPROUND;
	SIPROUND;
	return v0 ^ v1 ^ v2 ^ v3;
}

static uint64_t process_key[2];
static pthread_once_t process_key_once = PTHREAD_ONCE_INIT;

static void make_process_key(void) { rand_bytes(process_key, sizeof(process_key)); }

uint64_t hash_mem(const void *p, size_t n)
{
	pthread_once(&process_key_once, make_process_key);
	return siphash13(process_key[0], process_key[1], p, n);
}

uint64_t hash_stable(const void *p, size_t n)
{
	return siphash13(0x5245455645u, 0x6c6162656c73u, p, n);
}
