/* SPDX-License-Identifier: Apache-2.0 */
/* The defaults of every option: safe for a machine that is reachable, useful without a file.
 *
 * They are stated here once. The table of main/config_file.c names the options and describes them; the commented
 * default file, the flags and the manual page take their values from this function. Limits are chosen so that what a
 * stranger can make the process hold is bounded by a few hundred megabytes even with every connection busy. */
#include "core/config.h"

#include "authz/audit.h"
#include "authz/pdp.h"
#include "base/log.h"

#define KIB ((size_t)1024)
#define MIB (KIB * 1024)
#define MINUTE (60 * USEC_S)
#define HOUR (60 * MINUTE)

static void default_limits(struct limits *l)
{
	*l = (struct limits){
		.body = 1 * MIB,
		.header = 16 * KIB,
		.response = 8 * MIB,
		.request_memory = 4 * MIB,
		.json = { .depth = 32, .tokens = 65536 },
		.connections = 20000,
		.write_queue = 10000,
		.parked = 10000,
		.parked_per_originator = 2000,
		.fanout_members = 1000,
		.fanout_depth = 4,
		.results = 1000,
		.discovery_visits = 100000,
		.name = 128,
		.policies_cached = 4096,
		.outbox = 100000,
		.outbox_per_sub = 10000,
		.outbox_bytes = 256 << 20,
		.unread = 256 << 20,
		.polled = 1000,
		.token = 16 * KIB,
		.tokens_cached = 10000,
		.token_memory = 64 * MIB,
		.token_fetches = 1000,
		.claims = 32,
		.claim_bytes = 16 * KIB,
		.depth = 128,
		.subscriptions = 1000,
		.targets = 1000,
		.idle = 300 * USEC_S,
		.header_time = 10 * USEC_S,
		.body_time = 30 * USEC_S,
	};
}

void config_defaults(struct config *c)
{
	*c = (struct config){
		.cse_id = S("/reeve"),
		.base_name = S("cse"),
		.sp_id = S("//reeve.local"),
		.type = CSE_IN,
		.data = "/var/lib/reeve",
		.store_max = (uint64_t)64 * 1024 * MIB,
		.journal = 32 * MIB,
		.registrar = { .lifetime = 24 * HOUR, .retry_first = 1 * USEC_S, .retry_most = 5 * MINUTE, .deregister = false },
		.http = { .address = "127.0.0.1", .port = 8080, .open = false },
		.https = { .port = 8443 },
		.coap = { .port = 5683 },
		.coaps = { .port = 5684 },
		.ws = { .serve = true, .connections_each = 4, .requests = 64, .ping = 30 * USEC_S },
		.mqtt = { .qos = 1, .keepalive = 60 * USEC_S, .retry_first = 1 * USEC_S, .retry_most = 60 * USEC_S },
		.tls = {
			.psk = true,
			.certificate = true,
			.raw = true,
			.tls13 = true,
			.forward_secrecy = true,
			.depth = 4,
			.handshakes = 1000,
			.held = 100,
			.sessions = 20000,
			.handshake_time = 10 * USEC_S,
			.hold_time = 8 * USEC_S,
			.resumption = 1 * HOUR,
		},
		.base = { .registree = ACOP_RETRIEVE | ACOP_DISCOVERY, .everyone = 0, .create_all = false },
		.authz = { .fetch = 5 * USEC_S, .unknown_kept = 3 * USEC_S },
		.dynamic = {
			.direct = true,
			.indirect = true,
			.inherit = true,
			.timeout = 5 * USEC_S,
			.refusal_kept = 3 * USEC_S,
			.lifetime = 1 * HOUR,
			.lifetime_most = 24 * HOUR,
			.consultations = 1000,
			.consultations_each = 16,
			.grants = 100000,
			.grants_each = 1000,
		},
		.profile = { .cache_time = 10 * USEC_S, .refusal_time = 5 * USEC_S, .timeout = 2 * USEC_S },
		.roles = { .cache = 10000, .cache_time = 60 * USEC_S, .refusal_time = 5 * USEC_S, .timeout = 2 * USEC_S, .fetches = 64 },
		.das_tokens = 100000,
		.expiry_scan = 1 * USEC_S,
		.nonblocking = true,
		.request_lifetime = 1 * HOUR,
		.request_expiry = 30 * USEC_S,
		.verify_subscriptions = true,
		.batch_duration = 60 * USEC_S,
		.notify = {
			.timeout = 5 * USEC_S,
			.retry_first = 500 * USEC_MS,
			.retry_most = 60 * USEC_S,
			.give_up = 24 * HOUR,
			.per_target = 4,
		},
		.distributed = { .hops = 4, .waiting = 1000, .timeout = 5 * USEC_S },
		.log_level = LOG_INFO,
		.audit = { .events = AUDIT_ALL, .rotate = 64 * MIB, .keep = 16, .sync = true, .checkpoint = 1 * HOUR },
	};
	default_limits(&c->limits);
}
