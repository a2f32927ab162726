/* SPDX-License-Identifier: Apache-2.0 */
/* What DTLS needs before a session: the exchange of cookies, stateless; and how datagrams lie in a buffer. */
#include "tls/tls_int.h"

bool tls_datagram(struct slice *rest, struct slice *one)
{
	size_t n;

	if (rest->n < 2)
		return false;
	n = (size_t)(unsigned char)rest->p[0] << 8 | (unsigned char)rest->p[1];
	if (rest->n - 2 < n)
		return false;
	*one = slice_of(rest->p + 2, n);
	*rest = slice_skip(*rest, 2 + n);
	return true;
}

void datagram_add(struct buf *b, const void *p, size_t n)
{
	const char size[2] = { (char)(n >> 8), (char)n };

	if (!buf_room(b, n + 2))
		return;
	buf_add(b, size, 2);
	buf_add(b, p, n);
}

static ssize_t push_one(gnutls_transport_ptr_t out, const void *p, size_t n)
{
	datagram_add(out, p, n);
	return (ssize_t)n;
}

/* A handshake record of epoch 0 that begins with a ClientHello that is not cut into fragments: who cannot send that in one datagram
 * cannot be told from who floods. */
static bool is_hello(const unsigned char *p, size_t n)
{
	return n > 25 && p[0] == 22 && p[1] == 0xfe && !p[3] && !p[4] && p[13] == 1 && !p[19] && !p[20] && !p[21];
}

enum tls_hello tls_hello(struct tls_setup *s, struct slice address, const char *p, size_t n, struct tls_accept *accept, struct buf *out)
{
	gnutls_dtls_prestate_st pre = { 0 };
	void *const from = (void *)(uintptr_t)address.p, *const msg = (void *)(uintptr_t)p;

	if (!s->cookie.data || !is_hello((const unsigned char *)p, n))
		return TLS_HELLO_IGNORE;
	if (gnutls_dtls_cookie_verify(&s->cookie, from, address.n, msg, n, &pre) == 0) {
		*accept = (struct tls_accept){ pre.record_seq, pre.hsk_read_seq, pre.hsk_write_seq };
		return TLS_HELLO_GOOD;
	}
	return gnutls_dtls_cookie_send(&s->cookie, from, address.n, &pre, out, push_one) >= 0 && !out->failed ? TLS_HELLO_ASK
													     : TLS_HELLO_IGNORE;
}

void tls_accept(struct tls *t, const struct tls_accept *accept)
{
	gnutls_dtls_prestate_st pre = { .record_seq = accept->record, .hsk_read_seq = accept->read, .hsk_write_seq = accept->written };

	gnutls_dtls_prestate_set(t->session, &pre);
}
