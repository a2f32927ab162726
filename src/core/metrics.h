/* SPDX-License-Identifier: Apache-2.0 */
/* Counters shown by /metrics. Relaxed atomics: each is exact, together they are a moment apart. */
#ifndef REEVE_CORE_METRICS_H
#define REEVE_CORE_METRICS_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/buf.h"

/* name, help. One row, one counter. */
#define METRICS_COUNTERS(X)                                                                   \
	X(requests_create, "Create requests answered")                                        \
	X(requests_retrieve, "Retrieve requests answered")                                    \
	X(requests_update, "Update requests answered")                                        \
	X(requests_delete, "Delete requests answered")                                        \
	X(requests_notify, "Notify requests answered")                                        \
	X(requests_forwarded, "requests passed on to other CSEs")                             \
	X(answers_2xxx, "successful answers")                                                 \
	X(answers_4xxx, "answers that refuse")                                                \
	X(answers_5xxx, "answers that failed")                                                \
	X(denied, "access decisions that denied")                                             \
	X(tokens_verified, "tokens verified, those from the cache not counted")               \
	X(tokens_refused, "tokens that could not be verified")                                \
	X(token_fetches, "Notifies that asked a DAS for tokens")                              \
	X(commits, "transactions committed")                                                  \
	X(commit_failures, "transactions that failed")                                        \
	X(written, "requests executed by the writer")                                         \
	X(notifications_sent, "notifications delivered")                                      \
	X(notifications_failed, "delivery attempts that failed")                              \
	X(notifications_dropped, "notifications given up or dropped by a rule")               \
	X(expired, "resources removed because their time had come")                           \
	X(connections_opened, "connections accepted")                                         \
	X(connections_closed, "connections closed")                                           \
	X(consultations, "questions sent to Dynamic Authorization Systems")                   \
	X(consultations_shared, "requests that waited for a question of another request, or were answered by one just asked") \
	X(consultations_failed, "questions that were not answered, or not so that it makes sense") \
	X(grants, "dynamic policies created")                                                 \
	X(limit_consultations, "requests for which nobody was asked: dynamic.consultations or consultations_each") \
	X(limit_grants, "grants not applied: dynamic.grants or grants_each")                  \
	X(limit_connections, "connections refused: limits.connections")                       \
	X(limit_body, "requests refused: limits.body")                                        \
	X(limit_header, "requests refused: limits.header")                                    \
	X(limit_json, "requests refused: limits.json_depth or json_tokens")                   \
	X(limit_memory, "requests refused: limits.request_memory")                            \
	X(limit_response, "answers refused: limits.response")                                 \
	X(limit_write_queue, "requests refused: limits.write_queue")                          \
	X(limit_parked, "requests refused: limits.parked or parked_per_originator")           \
	X(limit_fanout, "group requests refused: limits.fanout_members or fanout_depth")      \
	X(limit_results, "answers cut: limits.results or discovery_visits")                   \
	X(limit_outbox, "notifications dropped: limits.outbox, outbox_per_sub or outbox_bytes") \
	X(limit_unread, "connections closed: limits.unread")                                  \
	X(limit_depth, "requests refused: limits.depth")                                      \
	X(limit_subscriptions, "requests refused: limits.subscriptions or targets")           \
	X(limit_polled, "requests refused: limits.polled")                                    \
	X(limit_claims, "requests refused: limits.claims or claim_bytes")                     \
	X(points_asked, "questions answered for other CSEs: decisions, policies, information") \
	X(enquiries_sent, "questions to authorization points of other CSEs")                  \
	X(enquiries_shared, "requests that shared a question under way")                      \
	X(enquiries_failed, "authorization points that could not be asked or answered with an error") \
	X(limit_enquiries, "questions not asked: distributed.waiting")                        \
	X(role_fetches, "questions to role repositories")                                     \
	X(limit_role_fetches, "questions to role repositories not asked: roles.fetches")      \
	X(profile_fetches, "questions to the IN-CSE for the service subscription")            \
	X(mqtt_ignored, "messages from brokers that were ignored: other topics, retained requests, answers nobody waits for") \
	X(mqtt_repeated, "requests from the broker that had come before: not executed again") \
	X(limit_mqtt, "messages not published or requests refused: too many wait at a broker") \
	X(timeout_idle, "connections closed: limits.idle")                                    \
	X(timeout_header, "connections closed: limits.header_time or body_time")              \
	X(associations_ended, "security associations ended because their credential was revoked, replaced or expired") \
	X(limit_handshakes, "connections refused: tls.handshakes")                            \
	X(no_tls, "connections to a listener for TLS that did not begin with it")             \
	X(bad_http, "messages that are no HTTP")                                              \
	X(bad_websocket, "WebSocket connections closed for what the peer sent")               \
	X(bad_coap, "datagrams that are no CoAP, or too long")                                \
	X(coap_requests, "CoAP requests that arrived whole")                                  \
	X(coap_repeated, "CoAP messages that had arrived before")                             \
	X(coap_retransmitted, "CoAP messages sent again")                                     \
	X(coap_unacknowledged, "CoAP messages nobody acknowledged")                           \
	X(limit_coap_sessions, "DTLS handshakes turned away: tls.sessions or handshakes")      \
	X(coap_abandoned, "CoAP requests in blocks that did not go on: limits.body_time")     \
	X(limit_coap_peers, "CoAP peers forgotten: limits.connections, tls.sessions or limits.unread") \
	X(limit_coap_running, "CoAP requests refused: too many of one peer under way")        \
	X(limit_coap_unacked, "CoAP answers sent unconfirmed: too many wait for their acknowledgement") \
	X(limit_coap_transfers, "block-wise transfers dropped for others")

struct metrics {
#define METRICS_FIELD(name, help) _Atomic uint64_t name;
	METRICS_COUNTERS(METRICS_FIELD)
#undef METRICS_FIELD
};

#define metrics_inc(m, name) atomic_fetch_add_explicit(&(m)->name, 1, memory_order_relaxed)

/* Prometheus text format, names prefixed with reeve_. */
void metrics_write(const struct metrics *m, struct buf *b);

#endif
