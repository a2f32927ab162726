/* SPDX-License-Identifier: Apache-2.0 */
/* wslay keeps what it writes in queues; they are emptied into `out` at once, so it never holds back anything.
 *
 * What the library leaves to us: sizes (without its buffering it does not add up fragments), a close frame whose body is one byte, the kind
 * of message, and the code of what is no frame at all, which it would answer with a close frame without one. */
#include "binding/ws/frames.h"

#include "base/rand.h"

enum { KEEP_BYTES = 16384, REASON_MOST = 123, OUT_MOST = 1 << 30 };

/* --- what wslay asks for --- */

static ssize_t give_input(wslay_event_context_ptr ws, uint8_t *room, size_t n, int flags, void *ctx)
{
	struct ws_frames *f = ctx;
	size_t k = n < f->input.n ? n : f->input.n;

	(void)flags;
	if (!k) {
		wslay_event_set_error(ws, WSLAY_ERR_WOULDBLOCK);
		return -1;
	}
	memcpy(room, f->input.p, k);
	f->input = slice_skip(f->input, k);
	return (ssize_t)k;
}

static ssize_t take_output(wslay_event_context_ptr ws, const uint8_t *p, size_t n, int flags, void *ctx)
{
	struct ws_frames *f = ctx;

	(void)flags;
	buf_add(&f->out, p, n);
	if (!f->out.failed)
		return (ssize_t)n;
	wslay_event_set_error(ws, WSLAY_ERR_CALLBACK_FAILURE);
	return -1;
}

/* A mask that cannot be foreseen (RFC 6455 5.3). */
static int make_mask(wslay_event_context_ptr ws, uint8_t *room, size_t n, void *ctx)
{
	(void)ws;
	(void)ctx;
	rand_bytes(room, n);
	return 0;
}

/* --- ends --- */

/* Empty wslay's queues into out. */
static void flush(struct ws_frames *f)
{
	if (f->state == WS_CLOSED)
		return;
	if (wslay_event_send(f->ws) != 0 || f->out.failed) {
		f->state = WS_CLOSED;
		f->code = f->code ? f->code : WS_INTERNAL;
		return;
	}
	if (wslay_event_get_close_received(f->ws)) {
		f->state = WS_CLOSED;
		f->code = f->code ? f->code : wslay_event_get_status_code_received(f->ws);
	} else if (wslay_event_get_close_sent(f->ws)) {
		f->state = WS_CLOSING;
	}
}

/* A close frame by hand: the library's queue may hold another one already. */
static void fail(struct ws_frames *f, uint16_t code, const char *reason)
{
	size_t n = strlen(reason);
	uint8_t mask[4] = { 0 };
	uint8_t body[2 + REASON_MOST] = { (uint8_t)(code >> 8), (uint8_t)code };

	if (f->state == WS_CLOSED)
		return;
	n = n < REASON_MOST ? n : REASON_MOST;
	memcpy(body + 2, reason, n);
	if (f->state == WS_OPEN && !wslay_event_get_close_sent(f->ws)) {
		buf_char(&f->out, (char)(0x80 | WSLAY_CONNECTION_CLOSE));
		buf_char(&f->out, (char)((f->client ? 0x80 : 0) | (n + 2)));
		if (f->client) {
			make_mask(f->ws, mask, sizeof(mask), f);
			buf_add(&f->out, mask, sizeof(mask));
		}
		for (size_t i = 0; i < n + 2; i++)
			buf_char(&f->out, (char)(body[i] ^ mask[i % 4]));
	}
	f->state = WS_CLOSED;
	f->code = code;
	f->refused = true;
	wslay_event_shutdown_read(f->ws);
}

/* --- frames --- */

static void frame_begins(wslay_event_context_ptr ws, const struct wslay_event_on_frame_recv_start_arg *frame, void *ctx)
{
	struct ws_frames *f = ctx;

	(void)ws;
	f->current = frame->opcode;
	if (frame->opcode == WSLAY_CONNECTION_CLOSE && frame->payload_length == 1) {
		fail(f, WS_PROTOCOL, "a close frame has a code of two bytes, or no body");
		return;
	}
	if (wslay_is_ctrl_frame(frame->opcode))
		return;
	if (frame->opcode != WSLAY_CONTINUATION_FRAME) {
		buf_clear(&f->in);
		f->begun = true;
		if (frame->opcode != f->opcode) {
			fail(f, WS_UNSUPPORTED, f->opcode == WSLAY_TEXT_FRAME ? "this subprotocol has text messages"
									      : "this subprotocol has binary messages");
			return;
		}
	}
	if (frame->payload_length > f->max - f->in.n) {
		f->over = true;
		fail(f, WS_TOO_BIG, "the message is larger than limits.header and limits.body together");
	}
}

static void frame_goes_on(wslay_event_context_ptr ws, const struct wslay_event_on_frame_recv_chunk_arg *chunk, void *ctx)
{
	struct ws_frames *f = ctx;

	(void)ws;
	if (f->state == WS_CLOSED || wslay_is_ctrl_frame(f->current))
		return;
	buf_add(&f->in, chunk->data, chunk->data_length);
	if (f->in.failed)
		fail(f, WS_INTERNAL, "out of memory");
}

static void whole(wslay_event_context_ptr ws, const struct wslay_event_on_msg_recv_arg *message, void *ctx)
{
	struct ws_frames *f = ctx;

	(void)ws;
	if (f->state == WS_CLOSED || wslay_is_ctrl_frame(message->opcode))
		return;
	f->begun = false;
	f->message(f->owner, buf_view(&f->in));
	if (f->in.cap > KEEP_BYTES)
		buf_free(&f->in);
	buf_clear(&f->in);
}

/* --- the interface --- */

enum reeve_rc ws_frames_init(struct ws_frames *f, bool client, bool binary, size_t max, void (*message)(void *owner, struct slice text),
			     void *owner)
{
	static const struct wslay_event_callbacks callbacks = {
		.recv_callback = give_input,
		.send_callback = take_output,
		.genmask_callback = make_mask,
		.on_frame_recv_start_callback = frame_begins,
		.on_frame_recv_chunk_callback = frame_goes_on,
		.on_msg_recv_callback = whole,
	};
	int rc;

	*f = (struct ws_frames){ .message = message, .owner = owner, .max = max, .client = client,
				 .opcode = binary ? WSLAY_BINARY_FRAME : WSLAY_TEXT_FRAME };
	buf_init(&f->in, max);
	buf_init(&f->out, OUT_MOST);
	rc = client ? wslay_event_context_client_init(&f->ws, &callbacks, f) : wslay_event_context_server_init(&f->ws, &callbacks, f);
	if (rc != 0) {
		f->ws = NULL;
		return RC_NOMEM;
	}
	wslay_event_config_set_no_buffering(f->ws, 1);
	return RC_OK;
}

void ws_frames_free(struct ws_frames *f)
{
	if (f->ws)
		wslay_event_context_free(f->ws);
	f->ws = NULL;
	buf_free(&f->in);
	buf_free(&f->out);
}

/* The code that wslay chose for what it refused: it tells only what was sent. */
static void refused(struct ws_frames *f)
{
	flush(f);
	f->code = wslay_event_get_status_code_sent(f->ws);
	f->state = WS_CLOSED;
	f->refused = true;
	f->over = f->code == WS_TOO_BIG;
}

void ws_frames_read(struct ws_frames *f, const char *p, size_t n)
{
	int rc;

	if (f->state == WS_CLOSED)
		return;
	f->input = slice_of(p, n);
	rc = wslay_event_recv(f->ws);
	f->input = (struct slice){ NULL, 0 };
	if (f->state == WS_CLOSED)
		return;
	if (rc == WSLAY_ERR_NOMEM)
		fail(f, WS_INTERNAL, "out of memory");
	else if (rc != 0)
		fail(f, WS_PROTOCOL, "this is no frame");
	else if (!wslay_event_get_read_enabled(f->ws) && !wslay_event_get_close_received(f->ws))
		refused(f);
	else
		flush(f);
}

bool ws_frames_partial(const struct ws_frames *f) { return f->begun; }

enum reeve_rc ws_frames_send(struct ws_frames *f, struct slice text)
{
	const struct wslay_event_msg m = { .opcode = f->opcode, .msg = (const uint8_t *)text.p, .msg_length = text.n };
	int rc;

	if (f->state != WS_OPEN)
		return RC_IO;
	rc = wslay_event_queue_msg(f->ws, &m);
	if (rc != 0)
		return rc == WSLAY_ERR_NOMEM ? RC_NOMEM : RC_IO;
	flush(f);
	return f->out.failed ? RC_NOMEM : RC_OK;
}

void ws_frames_ping(struct ws_frames *f)
{
	const struct wslay_event_msg m = { .opcode = WSLAY_PING };

	if (f->state == WS_OPEN && wslay_event_queue_msg(f->ws, &m) == 0)
		flush(f);
}

void ws_frames_close(struct ws_frames *f, uint16_t code, const char *reason)
{
	size_t n = strlen(reason);

	if (f->state != WS_OPEN)
		return;
	if (wslay_event_queue_close(f->ws, code, (const uint8_t *)reason, n < REASON_MOST ? n : REASON_MOST - 1) != 0) {
		fail(f, WS_INTERNAL, "out of memory");
		return;
	}
	f->code = code;
	flush(f);
}
