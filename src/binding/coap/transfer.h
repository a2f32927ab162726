/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies larger than a message (RFC 7959): requests that arrive in blocks (Block1), answers that are fetched in blocks (Block2).
 *
 * A transfer is known by its peer and by everything that stays the same from block to block: method and options but those of blocks and
 * sizes. oneM2M's Request Identifier is among them, so two requests are never mixed. Bounded: of one peer and in all; the one not used for
 * longest goes. No I/O; time is passed in. */
#ifndef REEVE_BINDING_COAP_TRANSFER_H
#define REEVE_BINDING_COAP_TRANSFER_H

#include "binding/coap/endpoint.h"

enum { COAP_TRANSFERS_EACH = 4, COAP_TRANSFERS_MOST = 64 };

struct coap_transfer {
	struct coap_transfer *newer, *older;
	struct coap_peer *peer;
	uint64_t key, used;          /* ms */
	bool out;                    /* an answer */
	uint8_t code;                /* of the answer, and its options */
	struct buf options, body;
};

struct coap_transfers {
	struct coap_transfer ring;   /* .newer: not used for longest */
	unsigned n;
	uint64_t span;               /* ms without use, then a transfer is abandoned */
	size_t body_max;             /* of a request */
	struct metrics *metrics;
};

void coap_transfers_init(struct coap_transfers *t, uint64_t span, size_t body_max, struct metrics *m);
/* All, or all of one peer. */
void coap_transfers_drop(struct coap_transfers *t, const struct coap_peer *p);
/* Those that were abandoned. When to look again; 0: nothing is there. */
uint64_t coap_transfers_expire(struct coap_transfers *t, uint64_t now);

/* What stays the same between the messages of a transfer. */
uint64_t coap_transfer_key(const struct coap_message *m);

/* A message with Block1. 0: it was the last one: *body (the caller's to free) is whole. Otherwise the code to answer with: 2.31 go on,
 * 4.00, 4.08 begin again, 4.13 too large. */
uint8_t coap_transfer_in(struct coap_transfers *t, struct coap_peer *p, const struct coap_message *m, const struct coap_block *block,
			 uint64_t now, struct buf *body);
/* Keep an answer of which the first block leaves now: takes the memory of `options` and `body`. */
void coap_transfer_keep(struct coap_transfers *t, struct coap_peer *p, uint64_t key, uint8_t code, struct buf *options, struct buf *body,
			uint64_t now);
/* The answer that a message with Block2 goes on with. NULL: it is not there (any more). */
struct coap_transfer *coap_transfer_out(struct coap_transfers *t, struct coap_peer *p, const struct coap_message *m, uint64_t now);
/* One block of a body; false: it lies behind the end. */
bool coap_transfer_slice(struct slice body, struct coap_block *block, struct slice *part);

#endif
