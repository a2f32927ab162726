/* SPDX-License-Identifier: Apache-2.0 */
/* The one return code of every fallible function. Zero is success.
 *
 * A return code tells the calling layer what happened to *us*. What the peer is told (response status
 * code and debug text) is recorded in struct req by the layer that refuses; codes never become answers
 * by themselves. */
#ifndef REEVE_BASE_RC_H
#define REEVE_BASE_RC_H

#define REEVE_MUST_CHECK __attribute__((warn_unused_result))

enum reeve_rc {
	RC_OK = 0,
	RC_AGAIN,       /* not complete yet: call again with more input or later */
	RC_NOTFOUND,    /* no such thing */
	RC_EXISTS,      /* there already */
	RC_SYNTAX,      /* input is not in the language */
	RC_INVALID,     /* input is in the language and makes no sense here */
	RC_LIMIT,       /* a configured ceiling was met */
	RC_NOMEM,       /* the machine has no memory for it */
	RC_UNSUPPORTED, /* known to the standard, not to this program */
	RC_REFUSED,     /* a request was refused; the reason is in struct req */
	RC_IO,          /* the operating system failed us; errno or the store has the reason */
	RC_FULL,        /* no room left in the store or on the disk */
	RC_VERSION,     /* stored data is of a version this program does not read */
	RC_BUSY,        /* in use by another process */
	RC_UNDO,        /* as RC_REFUSED, and something was changed before: it must be taken back */
	RC_DENIED,      /* the key or the caller does not permit this */
	RC_FORGED,      /* a signature, tag or seal is not right */
};

/* Name of a code for logs, e.g. "limit"; never NULL. */
const char *rc_name(enum reeve_rc rc);

#endif
