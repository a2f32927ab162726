/* SPDX-License-Identifier: Apache-2.0 */
/* The sealed file's bytes: read and written here, moved to and from the disk by sealed_disk.c.
 *
 *   head   "REEVEKEY", version u32, check of the sealing key 8    authenticated
 *          nonce 12
 *   body   records                                              AES-256-GCM
 *   tag    16
 *
 * The cipher's key and the check are HMAC-SHA-512(sealing key, label). Numbers are big-endian. A record is
 *
 *   uid 16, created u64, uses u64, kid u8+, label u8+, algorithm name u8+, kind u8, material u16+     (n+: length and bytes)
 *
 * in strictly rising order of kid. kind: 0 the key's bytes, 1 a private key in DER, 2 a SubjectPublicKeyInfo. */
#ifndef REEVE_SECENV_SEALED_INT_H
#define REEVE_SECENV_SEALED_INT_H

#include "secenv/key_int.h"

enum { SEALED_HEAD = 32, SEALED_NONCE = 12, SEALED_TAG = 16, SEALED_MAX = 1 << 20, SEALED_CHECK = 8, SEALING_KEY = 32 };

/* A key that is stored. */
struct stored { struct key_ref *key; uint64_t uses; /* encryptions that some process may have done */ };

/* Sorted by kid; owns one handle of each. */
struct key_set { struct stored *of; size_t n; };
void key_set_free(struct key_set *s);
/* Index of kid; when it is not there, ~ of where it belongs. */
ptrdiff_t key_set_find(const struct key_set *s, struct slice kid);
/* Takes the handle, but not when it fails. RC_EXISTS, RC_NOMEM. */
REEVE_MUST_CHECK enum reeve_rc key_set_add(struct key_set *s, struct key_ref *key, uint64_t uses);
/* Gives the handle back. */
void key_set_remove(struct key_set *s, size_t i);

/* The key that seals, and what tells it. */
struct sealing { struct key_ref *key; uint8_t check[SEALED_CHECK]; };
REEVE_MUST_CHECK enum reeve_rc sealing_from(const uint8_t key[SEALING_KEY], struct sealing *out);

/* The records. A key that `old` has already is taken from there, others are made with `home`. */
REEVE_MUST_CHECK enum reeve_rc sealed_parse(struct slice plain, const struct key_set *old, struct secenv *home, struct key_set *out,
					    char *why);
/* The nonce of a file, new with every change; p == NULL when it is too short to have one. */
struct slice sealed_nonce(struct slice file);
/* The whole file. */
REEVE_MUST_CHECK enum reeve_rc sealed_read(const struct sealing *s, struct slice file, const struct key_set *old, struct secenv *home,
					   struct key_set *out, char *why);
REEVE_MUST_CHECK enum reeve_rc sealed_write(const struct sealing *s, const struct key_set *set, struct buf *out, char *why);

/* --- on the disk (sealed_disk.c) --- */

/* A regular file of ours that nobody else may read or change, at most max bytes; appended to out. */
REEVE_MUST_CHECK enum reeve_rc disk_read(const char *path, size_t max, struct buf *out, char *why);
/* Replace path by these bytes, mode 0600, through path.new: after a crash there is the old file or the new one. */
REEVE_MUST_CHECK enum reeve_rc disk_replace(const char *path, struct slice bytes, char *why);
/* The same, but only when there is no such file; RC_EXISTS. */
REEVE_MUST_CHECK enum reeve_rc disk_create(const char *path, struct slice bytes, char *why);
/* Wait until no other process changes path (path.lock). A descriptor to be closed, or -1. */
int disk_lock(const char *path, char *why);

#endif
