/* SPDX-License-Identifier: Apache-2.0 */
/* base64url without padding (RFC 7515 2), strict: one text for one sequence of bytes.
 *
 * Refused: '=', blanks, '+' and '/', a length that no bytes have, and bits behind the last byte that are not zero. */
#ifndef REEVE_CODEC_BASE64_H
#define REEVE_CODEC_BASE64_H

#include "base/buf.h"
#include "base/slice.h"

/* Bytes that n characters stand for. */
static inline size_t base64url_size(size_t n) { return n / 4 * 3 + n % 4 * 3 / 4; }

/* Decode into out, which has room for base64url_size(s.n) bytes. False when s is not base64url. Time depends on s.n alone. */
bool base64url_decode(struct slice s, uint8_t *out);
/* Append the text of n bytes. */
void base64url_encode(struct buf *b, const void *p, size_t n);

#endif
