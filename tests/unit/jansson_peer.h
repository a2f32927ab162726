/* SPDX-License-Identifier: Apache-2.0 */
/* jansson, opened at run time: its functions have names that Reeve uses for its own (json_string, json_equal), so the
 * two cannot be linked together. Only what says "accepted or not" is used. */
#ifndef TESTS_JANSSON_PEER_H
#define TESTS_JANSSON_PEER_H

#include <dlfcn.h>
#include <stdint.h>

#include "base/slice.h"

struct jansson {
	void *(*load)(const char *text, size_t n, size_t flags, void *error);
	void (*free)(void *json);
};

/* json_error_t of jansson 2.11 and later: the code is the last byte of the text. */
struct jansson_error {
	int line, column, position;
	char source[80], text[160];
};

enum jansson_verdict { JANSSON_NO, JANSSON_YES, JANSSON_RANGE };
enum { JANSSON_REJECT_DUPLICATES = 1, JANSSON_DECODE_ANY = 4, JANSSON_NUMERIC_OVERFLOW = 15 };

static inline const struct jansson *jansson_open(void)
{
	static struct jansson peer;
	void *lib = dlopen("libjansson.so.4", RTLD_NOW | RTLD_LOCAL);

	if (!lib)
		return NULL;
	*(void **)&peer.load = dlsym(lib, "json_loadb");
	*(void **)&peer.free = dlsym(lib, "json_delete");
	return peer.load && peer.free ? &peer : NULL;
}

static inline enum jansson_verdict jansson_verdict(const struct jansson *peer, struct slice text)
{
	struct jansson_error error = { .text = "" };
	void *json = peer->load(text.p, text.n, JANSSON_REJECT_DUPLICATES | JANSSON_DECODE_ANY, &error);

	if (!json)
		return error.text[sizeof(error.text) - 1] == JANSSON_NUMERIC_OVERFLOW ? JANSSON_RANGE : JANSSON_NO;
	/* json_decref is a macro around a count that starts at one; true, false and null are static and have none. */
	if (*((size_t *)json + 1) == 1)
		peer->free(json);
	return JANSSON_YES;
}

#endif
