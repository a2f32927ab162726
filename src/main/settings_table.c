/* SPDX-License-Identifier: Apache-2.0 */
/* The table of options. One row is one option everywhere; see settings.h. Texts are sentences an operator can act on. */
#include "main/settings.h"

#define AT(field) offsetof(struct config, field)
#define DAY (86400 * UINT64_C(1000000))
#define SECONDS(n) ((n) * UINT64_C(1000000))
#define GIB (UINT64_C(1) << 30)

const struct option_section option_sections[] = {
	{ "cse", "Who this CSE is. Applications and other CSEs store these names: choose before the first start." },
	{ "store", "Where resources are kept." },
	{ "keys", "Long-term secrets, in a sealed file; see reeve-key(1)." },
	{ "registrar", "The CSE that this one registers with, in the direction of the infrastructure; an IN-CSE has none. What is "
		       "addressed to CSEs that are not registered here goes there." },
	{ "http", "The HTTP listener (TS-0009), in clear." },
	{ "https", "The HTTP listener behind TLS: every peer proves who he is, see [tls] and reeve-credential(1)." },
	{ "coap", "The CoAP listener (TS-0008), in clear." },
	{ "coaps", "The CoAP listener behind DTLS, as for [https]." },
	{ "ws", "WebSocket (TS-0020), on the listeners of [http] and [https]." },
	{ "mqtt", "The MQTT broker through which this CSE is reached (TS-0010)." },
	{ "tls", "Security associations by TLS and DTLS: what this CSE shows and whom it trusts (docs/security-associations.md)." },
	{ "server", "The process." },
	{ "access", "Who may do what before any accessControlPolicy of yours says so. Lists take patterns in which * stands "
		    "for any text; an empty allow list allows everybody the deny list does not name." },
	{ "authz", "Tokens and roles beyond accessControlPolicies: whose count. Nobody's do unless a file says so." },
	{ "dynamic", "Asking a Dynamic Authorization System (DAS) about requests that the local rules deny. Nothing is asked unless a "
		     "<dynamicAuthorizationConsultation> resource says so." },
	{ "das", "Being a Dynamic Authorization System for CSEs that ask: see reeve-das(1)." },
	{ "profile", "The service subscription (<m2mServiceSubscriptionProfile> at the IN-CSE): which AEs may register, and which "
		     "roles they may use. See docs/registration.md." },
	{ "roles", "Role-IDs that requests claim. Who assigns roles, and where else they are kept, is told by the file of issuers." },
	{ "resources", "How resources and requests live and end." },
	{ "notify", "How notifications are delivered." },
	{ "distributed", "Distributed authorization: decisions, policies and facts asked of other CSEs, or given to them (docs/"
			 "distributed-authorization.md)." },
	{ "log", "What is written down. The log goes to standard error." },
	{ "audit", "The audit log: what was decided and changed that somebody may have to answer for, in a chain that shows "
		   "tampering. `reeve check audit` checks it." },
	{ "limits", "Ceilings. Meeting one refuses the request in question, is counted in /metrics, and harms no other "
		    "request. The defaults fit a machine with 1 GiB of memory." },
};
const size_t n_option_sections = sizeof(option_sections) / sizeof(option_sections[0]);

const struct option options[] = {
	{ "cse", "id", OPT_CSE_ID, AT(cse_id), 0, 0, "CSE-ID: a slash and a name, unique at the service provider." },
	{ "cse", "name", OPT_NAME, AT(base_name), 0, 0,
	  "Resource name of the <CSEBase>, the first part of every structured address." },
	{ "cse", "sp", OPT_SP_ID, AT(sp_id), 0, 0,
	  "M2M-SP-ID: two slashes and a domain name of the service provider, in lower case." },
	{ "cse", "type", OPT_CSE_TYPE, AT(type), 0, 0,
	  "Type of this CSE: IN (infrastructure), MN (middle node) or ASN (application service node)." },
	{ "cse", "poa", OPT_LIST, AT(poa), 0, 0,
	  "Points of access that <CSEBase> tells others, as URLs. Empty: that of the listener." },

	{ "store", "data", OPT_PATH, AT(data), 0, 0,
	  "Folder of the store and of the log of denials. Created when absent, readable by the owner only. One process at "
	  "a time may use it." },
	{ "store", "max", OPT_BYTES64, AT(store_max), 1 << 20, (uint64_t)1 << 46,
	  "The store never grows beyond this. It is address space, not memory; the disk may be full earlier." },
	{ "store", "journal", OPT_BYTES, AT(journal), 0, 1 << 30,
	  "Disk space of the journal, which makes a change durable by one flush instead of two. It is made in the background at the "
	  "first start, and "
	  "not on a disk with little room. 0: none." },
	{ "store", "sync", OPT_BOOL_NOT, AT(no_sync), 0, 0,
	  "Answer a change only when it is on the disk. With false, a crash loses acknowledged changes: for measurements only." },

	{ "keys", "file", OPT_PATH, AT(keys.file), 0, 0,
	  "The sealed key file, readable by the owner only. Empty: keys in the folder of the store." },
	{ "keys", "seal", OPT_PATH, AT(keys.seal), 0, 0,
	  "File with its sealing key, readable by the owner only; best on another disk, or given by the service manager. Empty: "
	  "the name of the sealed file with .seal." },

	{ "registrar", "id", OPT_ORIGINATOR, AT(registrar.cse_id), 0, 0,
	  "CSE-ID of the Registrar CSE, for instance /in1. Empty: this CSE registers nowhere." },
	{ "registrar", "poa", OPT_LIST, AT(registrar.poa), 0, 0,
	  "Points of access of the Registrar CSE, as URLs (http://in.example:8080); the next one is tried when one does not answer." },
	{ "registrar", "name", OPT_TEXT, AT(registrar.base_name), 0, 0,
	  "Resource name of the registrar's <CSEBase>. Empty: it is addressed by its CSE-ID alone, and asked for its name." },
	{ "registrar", "lifetime", OPT_SPAN, AT(registrar.lifetime), SECONDS(1), 366 * DAY,
	  "Lifetime to ask for; the registration is renewed when half of what was granted is over." },
	{ "registrar", "retry_first", OPT_SPAN, AT(registrar.retry_first), SECONDS(1) / 1000, SECONDS(3600),
	  "Pause before the second attempt to register; it doubles from attempt to attempt." },
	{ "registrar", "retry_most", OPT_SPAN, AT(registrar.retry_most), SECONDS(1) / 1000, DAY,
	  "Longest pause between two attempts." },
	{ "registrar", "credential", OPT_TEXT, AT(registrar.credential), 0, 0,
	  "Credential-ID of the symmetric key for the security association with it (12-name@issuer). Empty: by certificate or raw "
	  "public key over "
	  "an address with TLS; none over others." },
	{ "registrar", "domain", OPT_TEXT, AT(registrar.domain), 0, 0,
	  "Public domain name that its certificate must have. Empty: made of its CSE-ID and the M2M-SP-ID." },
	{ "registrar", "public_key", OPT_TEXT, AT(registrar.public_key), 0, 0,
	  "Identifier of its raw public key (ni:///sha-256;...), instead of a certificate." },
	{ "registrar", "deregister", OPT_BOOL, AT(registrar.deregister), 0, 0,
	  "Take the registration back when the process ends. With false it stays, and what others send is answered as unreachable." },

	{ "http", "address", OPT_ADDRESS, AT(http.address), 0, 0,
	  "Numeric address to listen on. Plain HTTP is not protected: who comes from another machine is refused (4107) unless http.open "
	  "is set. Leave it on loopback; for others there is [https]. Empty: no such listener." },
	{ "http", "port", OPT_PORT, AT(http.port), 0, 65535, "Port to listen on; 0 lets the system choose one." },
	{ "http", "open", OPT_BOOL, AT(http.open), 0, 0,
	  "Believe every Originator (From) without a security association. Anybody who reaches the listener can then act as "
	  "anybody else: right for trying things out on loopback. Without it, an AE is believed only on this machine (else 4107) "
	  "and after it has registered here (else 4106), and a CSE never (4107). On an address other than loopback it takes effect "
	  "only when it is written in this file, or with --http.open-anywhere." },

	{ "https", "address", OPT_ADDRESS, AT(https.address), 0, 0, "Numeric address to listen on. Empty: no such listener." },
	{ "https", "port", OPT_PORT, AT(https.port), 0, 65535, "Port to listen on; 0 lets the system choose one." },

	{ "coap", "address", OPT_ADDRESS, AT(coap.address), 0, 0, "Numeric address to listen on. Empty: no such listener." },
	{ "coap", "port", OPT_PORT, AT(coap.port), 0, 65535, "UDP port to listen on; 0 lets the system choose one." },
	{ "coap", "open", OPT_BOOL, AT(coap.open), 0, 0, "As http.open, for this listener; on loopback only, or when it is written in "
	  "this file." },

	{ "coaps", "address", OPT_ADDRESS, AT(coaps.address), 0, 0, "Numeric address to listen on. Empty: no such listener." },
	{ "coaps", "port", OPT_PORT, AT(coaps.port), 0, 65535, "UDP port to listen on; 0 lets the system choose one." },

	{ "ws", "serve", OPT_BOOL, AT(ws.serve), 0, 0, "Accept WebSocket connections." },
	{ "ws", "origins", OPT_LIST, AT(ws.origins), 0, 0, "Web pages that may connect, by their origins: https://console.example.com, "
	  "http://127.0.0.1:3000. A browser lets any page try, also with the certificate of who reads it, and says which one it is; "
	  "pages that are not in this list are refused." },
	{ "ws", "connections_each", OPT_UNSIGNED, AT(ws.connections_each), 1, 1000, "Connections of one AE or CSE at a time; a further "
	  "one ends the oldest." },
	{ "ws", "requests", OPT_UNSIGNED, AT(ws.requests), 1, 10000, "Requests of one connection under way at a time, in each direction; "
	  "further ones wait." },
	{ "ws", "ping", OPT_SPAN, AT(ws.ping), SECONDS(1), DAY, "A silent connection is asked for a sign of life; when none comes for "
	  "so long again, it ends." },

	{ "mqtt", "broker", OPT_PATH, AT(mqtt.broker), 0, 0,
	  "Address of the broker: mqtt://host[:1883][/prefix], or mqtts://host[:8883][/prefix]. Empty: this CSE does not speak MQTT." },
	{ "mqtt", "trusted", OPT_BOOL, AT(mqtt.trusted), 0, 0,
	  "The broker authenticates its clients and lets each publish only under its own name (TS-0010 7.3): who stands in a topic is "
	  "authenticated." },
	{ "mqtt", "open", OPT_BOOL, AT(mqtt.open), 0, 0, "As http.open, for what comes through the broker." },
	{ "mqtt", "credential", OPT_TEXT, AT(mqtt.credential), 0, 0,
	  "Credential-ID of the symmetric key to show the broker. Empty: the certificate of [tls], when there is one." },
	{ "mqtt", "ca", OPT_PATH, AT(mqtt.ca), 0, 0, "PEM file with the trust anchors for the broker's certificate." },
	{ "mqtt", "qos", OPT_UNSIGNED, AT(mqtt.qos), 0, 1, "Quality of service of what is published." },
	{ "mqtt", "keepalive", OPT_SPAN, AT(mqtt.keepalive), SECONDS(5), SECONDS(65535), "Longest silence towards the broker." },
	{ "mqtt", "retry_first", OPT_SPAN, AT(mqtt.retry_first), SECONDS(1) / 1000, SECONDS(3600),
	  "Pause before the second attempt to connect; it doubles from attempt to attempt." },
	{ "mqtt", "retry_most", OPT_SPAN, AT(mqtt.retry_most), SECONDS(1) / 1000, DAY, "Longest pause between two attempts." },

	{ "tls", "domain", OPT_TEXT, AT(tls.domain), 0, 0,
	  "Public domain name of this CSE (TS-0001 6.5.1.1). Empty: its CSE-ID before the domain of the M2M-SP-ID." },
	{ "tls", "certificates", OPT_LIST, AT(tls.certificates), 0, 0,
	  "Certificates to show, each as KEY:FILE: key identifier in the sealed key file, PEM chain with the leaf first. Which one is "
	  "shown is chosen "
	  "by the name that the client asks for (SNI); the first is shown when it asks for none." },
	{ "tls", "raw_key", OPT_TEXT, AT(tls.raw_key), 0, 0, "Key identifier of the key to show as a raw public key. Empty: none." },
	{ "tls", "anchors", OPT_LIST, AT(tls.anchors), 0, 0,
	  "Trust anchors, each as FLAVOUR:FILE. FLAVOUR is device, cse, ae, node or fqdn: an anchor counts for certificates of its "
	  "flavour only, and "
	  "the anchors of the operating system never do." },
	{ "tls", "crls", OPT_LIST, AT(tls.crls), 0, 0, "PEM files with revocation lists. SIGHUP reads them again." },
	{ "tls", "crl_required", OPT_BOOL, AT(tls.crl_required), 0, 0, "Refuse a chain when one of its CAs has no current revocation "
	  "list." },
	{ "tls", "psk", OPT_BOOL, AT(tls.psk), 0, 0, "Suites with symmetric keys." },
	{ "tls", "certificate", OPT_BOOL, AT(tls.certificate), 0, 0, "Suites with certificates." },
	{ "tls", "raw", OPT_BOOL, AT(tls.raw), 0, 0, "Suites with raw public keys (RFC 7250)." },
	{ "tls", "tls13", OPT_BOOL, AT(tls.tls13), 0, 0,
	  "Serve peers that speak TLS 1.3 alone. Who offers 1.2 as well gets 1.2, as TS-0003 10.2.1 asks." },
	{ "tls", "forward_secrecy", OPT_BOOL, AT(tls.forward_secrecy), 0, 0, "Offer ECDHE_PSK too, and prefer it to PSK alone." },
	{ "tls", "depth", OPT_UNSIGNED, AT(tls.depth), 1, 16, "Certificates in a chain, at most." },
	{ "tls", "handshakes", OPT_UNSIGNED, AT(tls.handshakes), 1, 1000000, "Handshakes under way at a time, all listeners." },
	{ "tls", "held", OPT_UNSIGNED, AT(tls.held), 0, 1000000, "Handshakes that wait for a key to be fetched, at a time." },
	{ "tls", "sessions", OPT_UNSIGNED, AT(tls.sessions), 1, 1000000, "DTLS associations at a time." },
	{ "tls", "handshake_time", OPT_SPAN, AT(tls.handshake_time), SECONDS(1) / 10, SECONDS(600), "A handshake must be complete." },
	{ "tls", "hold_time", OPT_SPAN, AT(tls.hold_time), SECONDS(1) / 10, SECONDS(600), "Longest wait of a handshake for its key." },
	{ "tls", "resumption", OPT_SPAN, AT(tls.resumption), 0, 7 * DAY, "A session may be resumed for so long; 0: never." },

	{ "server", "threads", OPT_UNSIGNED, AT(threads), 0, 256, "Threads that serve connections; 0: one per processor." },

	{ "access", "admin", OPT_ORIGINATOR, AT(admin), 0, 0,
	  "Originator with all rights on the <CSEBase> by its base policy, for instance Cadmin. Empty: nobody has." },
	{ "access", "administrators", OPT_LIST, AT(administrators), 0, 0,
	  "Credential-IDs whose holders may administer the credentials of this CSE (reeve-credential(1)), besides those marked so." },
	{ "access", "registree", OPT_OPERATIONS, AT(base.registree), 0, 0,
	  "What registered AEs and CSEs may do on the <CSEBase>: create, retrieve, update, delete, notify, discovery, or none." },
	{ "access", "everyone", OPT_OPERATIONS, AT(base.everyone), 0, 0,
	  "What every Originator may do on the <CSEBase>, registered or not. Registration itself needs no right." },
	{ "access", "create_all", OPT_BOOL, AT(base.create_all), 0, 0,
	  "Registered AEs and CSEs may create resources directly under the <CSEBase>, not only under their own." },
	{ "access", "allow_ae", OPT_LIST, AT(allow_ae), 0, 0, "AE-IDs that may register." },
	{ "access", "deny_ae", OPT_LIST, AT(deny_ae), 0, 0, "AE-IDs that may not register; stronger than allow_ae." },
	{ "access", "allow_app", OPT_LIST, AT(allow_app), 0, 0, "App-IDs whose AEs may register." },
	{ "access", "deny_app", OPT_LIST, AT(deny_app), 0, 0, "App-IDs whose AEs may not register." },
	{ "access", "allow_cse", OPT_LIST, AT(allow_cse), 0, 0, "CSE-IDs that may register." },
	{ "access", "deny_cse", OPT_LIST, AT(deny_cse), 0, 0, "CSE-IDs that may not register." },
	{ "access", "domain_wildcards", OPT_BOOL, AT(domain_wildcards), 0, 0,
	  "A * may stand in a domain entry of accessControlOriginators. The standard does not say so: off, such an entry "
	  "matches nothing." },
	{ "access", "countries", OPT_PATH, AT(countries), 0, 0,
	  "File with one network and its country per line (192.0.2.0/24,FI), for location rules by country. Without it an "
	  "accessControlPolicy with such a rule is refused." },
	{ "access", "positions", OPT_PATH, AT(positions), 0, 0,
	  "File with one Originator and its position per line (C-pump,60.17,24.94), for location rules by circle." },
	{ "access", "local_authenticated", OPT_BOOL, AT(local_authenticated), 0, 0,
	  "AEs that are registered here count as authenticated for the rules of policies even over an open listener." },

	{ "authz", "issuers", OPT_PATH, AT(authz.issuers), 0, 0,
	  "JSON file of the issuers of tokens and roles that count here: their keys, algorithms, domains and DAS addresses "
	  "(docs/tokens.md). Read again on SIGHUP. Empty: nobody's count." },
	{ "authz", "fetch", OPT_SPAN, AT(authz.fetch), SECONDS(1) / 100, SECONDS(3600),
	  "How long a DAS may take to deliver the tokens of a request's Token-IDs; less when the request expires earlier." },
	{ "authz", "unknown_kept", OPT_SPAN, AT(authz.unknown_kept), 0, SECONDS(3600),
	  "A Token-ID that led to no token is not asked for again for so long." },

	{ "dynamic", "direct", OPT_BOOL, AT(dynamic.direct), 0, 0,
	  "Ask the DAS while the request waits, and apply what it grants." },
	{ "dynamic", "indirect", OPT_BOOL, AT(dynamic.indirect), 0, 0,
	  "Tell an Originator that asks for it (Token Request Indicator) where it may get a token." },
	{ "dynamic", "dac", OPT_LIST, AT(dynamic.dac), 0, 0,
	  "Addresses of <dynamicAuthorizationConsultation> resources: dynamicAuthorizationConsultationIDs of the <CSEBase>." },
	{ "dynamic", "das", OPT_LIST, AT(dynamic.das), 0, 0,
	  "Addresses of DASs that may be asked and whose grants count, as patterns in which * stands for any text. Whoever may create a "
	  "<dynamicAuthorizationConsultation> can name any address in it; only the addresses listed here, and those of configured "
	  "token issuers, are used." },
	{ "dynamic", "inherit", OPT_BOOL, AT(dynamic.inherit), 0, 0,
	  "A resource without dynamicAuthorizationConsultationIDs of its own uses those of its nearest ancestor that has them." },
	{ "dynamic", "asri_on_success", OPT_BOOL, AT(dynamic.asri_on_success), 0, 0,
	  "Pass on the DAS's wish for an authorization signature also with a successful answer, as TS-0003 has it; TS-0004 allows "
	  "it with errors only." },
	{ "dynamic", "timeout", OPT_SPAN, AT(dynamic.timeout), SECONDS(1) / 100, SECONDS(3600),
	  "How long a request waits for a DAS; less when the request expires earlier." },
	{ "dynamic", "refusal_kept", OPT_SPAN, AT(dynamic.refusal_kept), 0, SECONDS(3600),
	  "After a DAS granted nothing the same question is not asked again for so long." },
	{ "dynamic", "lifetime", OPT_SPAN, AT(dynamic.lifetime), SECONDS(1), 36600 * DAY,
	  "How long a grant lasts when the DAS does not say." },
	{ "dynamic", "lifetime_most", OPT_SPAN, AT(dynamic.lifetime_most), SECONDS(1), 36600 * DAY,
	  "How long a grant lasts at most, whatever the DAS says." },
	{ "dynamic", "consultations", OPT_UNSIGNED, AT(dynamic.consultations), 1, 1000000,
	  "Questions to DASs under way at a time. Further requests are denied as if the DAS had granted nothing." },
	{ "dynamic", "consultations_each", OPT_UNSIGNED, AT(dynamic.consultations_each), 1, 1000000,
	  "The same, for one Originator." },
	{ "dynamic", "grants", OPT_UNSIGNED, AT(dynamic.grants), 1, 10000000,
	  "Dynamic policies kept at a time. What a DAS grants beyond is not applied." },
	{ "dynamic", "grants_each", OPT_UNSIGNED, AT(dynamic.grants_each), 1, 10000000, "The same, for one Originator." },

	{ "das", "policy", OPT_PATH, AT(das_policy), 0, 0,
	  "Policy file of the DAS in this CSE: who gets which privileges, roles and tokens, for how long. Empty: there is no DAS." },
	{ "das", "tokens", OPT_UNSIGNED, AT(das_tokens), 1, 100000000,
	  "Tokens that the DAS keeps at a time. When there are so many, what needs a token is refused (5000) until some have expired." },

	{ "profile", "required", OPT_BOOL, AT(profile.required), 0, 0,
	  "No AE but the administrator registers without a service subscription: an IN-CSE has an <m2mServiceSubscriptionProfile>, other "
	  "CSEs ask the IN-CSE for theirs. With false, access.allow_ae and the like decide as long as there is none." },
	{ "profile", "at", OPT_ORIGINATOR, AT(profile.at), 0, 0,
	  "CSE-ID of the IN-CSE that an MN- or ASN-CSE asks for its service subscription, for instance /in1. Empty: nobody is asked; with "
	  "profile.required the Registrar CSE is." },
	{ "profile", "open", OPT_BOOL, AT(profile.open), 0, 0,
	  "When the IN-CSE does not answer, AEs register as if there were no service subscription, and may use any role. With "
	  "false they do not register (4128), and their roles do not count." },
	{ "profile", "cache_time", OPT_SPAN, AT(profile.cache_time), SECONDS(1) / 100, DAY,
	  "How long the answer of the IN-CSE is used: a rule that was changed there still works so long. At the IN-CSE itself it "
	  "counts at once." },
	{ "profile", "refusal_time", OPT_SPAN, AT(profile.refusal_time), SECONDS(1) / 100, DAY,
	  "How long the IN-CSE is not asked again after it had no subscription for this CSE, or did not answer." },
	{ "profile", "timeout", OPT_SPAN, AT(profile.timeout), SECONDS(1) / 100, SECONDS(3600),
	  "How long the IN-CSE may take for one answer." },

	{ "roles", "allowed", OPT_LIST, AT(roles.allowed), 0, 0,
	  "Which Originator may use which Role-IDs, as ORIGINATOR=ROLE; a * in either stands for any text. Empty: whoever holds "
	  "a role may use it. An AE that registered under a service subscription uses those of its rules only, besides." },
	{ "roles", "cache", OPT_UNSIGNED, AT(roles.cache), 1, 10000000,
	  "How many answers of role repositories are kept, one for each holder and repository." },
	{ "roles", "cache_time", OPT_SPAN, AT(roles.cache_time), SECONDS(1) / 100, DAY,
	  "How long a role from a repository may be used before it is asked again: a role that was taken away there works so long." },
	{ "roles", "refusal_time", OPT_SPAN, AT(roles.refusal_time), SECONDS(1) / 100, DAY,
	  "How long a repository is not asked again about a role it did not have, or did not answer for." },
	{ "roles", "timeout", OPT_SPAN, AT(roles.timeout), SECONDS(1) / 100, SECONDS(3600),
	  "How long a repository may take for one answer." },
	{ "roles", "fetches", OPT_UNSIGNED, AT(roles.fetches), 1, 100000,
	  "Questions to repositories under way; what comes beyond does without." },
	{ "resources", "expiry_scan", OPT_SPAN, AT(expiry_scan), SECONDS(1) / 100, DAY,
	  "Longest pause between two looks at what expires." },
	{ "resources", "nonblocking", OPT_BOOL, AT(nonblocking), 0, 0,
	  "Keep a <request> resource for a non-blocking request. With false, nonBlockingRequestSynch is refused (5206), and of "
	  "nonBlockingRequestAsynch only the notification tells the result." },
	{ "resources", "request_lifetime", OPT_SPAN, AT(request_lifetime), SECONDS(1), 366 * DAY,
	  "How long the <request> resource of a non-blocking request is kept." },
	{ "resources", "request_expiry", OPT_SPAN, AT(request_expiry), SECONDS(1) / 10, DAY,
	  "How long a request without Request Expiration Timestamp may wait." },
	{ "resources", "max_lifetime", OPT_SPAN, AT(max_lifetime), 0, 36600 * DAY,
	  "Longest lifetime of a resource, and that of one created without expirationTime; 0: as long as its parent." },
	{ "resources", "max_instances", OPT_U64, AT(max_instances), 0, UINT64_MAX / 2,
	  "Ceiling of maxNrOfInstances of a container, also for one that asks for none; 0: no ceiling." },
	{ "resources", "max_container_bytes", OPT_BYTES64, AT(max_container_bytes), 0, UINT64_MAX / 2,
	  "Ceiling of maxByteSize of a container; 0: no ceiling." },
	{ "resources", "verify_subscriptions", OPT_BOOL, AT(verify_subscriptions), 0, 0,
	  "Ask a notification target that is not the subscriber whether it wants the notifications before the "
	  "subscription is created." },

	{ "notify", "batch_duration", OPT_SPAN, AT(batch_duration), SECONDS(1) / 100, 366 * DAY,
	  "Longest time a batch waits when the subscription's batchNotify does not say." },
	{ "notify", "timeout", OPT_SPAN, AT(notify.timeout), SECONDS(1) / 100, SECONDS(3600),
	  "How long a target may take to answer." },
	{ "notify", "retry_first", OPT_SPAN, AT(notify.retry_first), SECONDS(1) / 1000, SECONDS(3600),
	  "Pause before the second attempt; it doubles from attempt to attempt." },
	{ "notify", "retry_most", OPT_SPAN, AT(notify.retry_most), SECONDS(1) / 1000, DAY,
	  "Longest pause between two attempts." },
	{ "notify", "give_up", OPT_SPAN, AT(notify.give_up), SECONDS(1), 366 * DAY,
	  "A notification that could not be delivered for so long is dropped, and counted." },
	{ "notify", "per_target", OPT_UNSIGNED, AT(notify.per_target), 1, 1000, "Connections to one target at a time." },

	{ "distributed", "pdp", OPT_LIST, AT(distributed.point[0]), 0, 0,
	  "Names of <authorizationDecision> resources below the <CSEBase> at which decisions are given to others. One that is not named "
	  "here is data without a meaning." },
	{ "distributed", "prp", OPT_LIST, AT(distributed.point[1]), 0, 0,
	  "The same for <authorizationPolicy>, at which others get the policies of a target." },
	{ "distributed", "pip", OPT_LIST, AT(distributed.point[2]), 0, 0,
	  "The same for <authorizationInformation>, at which others get the roles and tokens of an Originator." },
	{ "distributed", "points", OPT_LIST, AT(distributed.points), 0, 0,
	  "Points that policies here may name (adri, apri, airi), as patterns in which * stands for any text. Whoever may write a policy "
	  "can name any: a URL is asked only when it is listed here, and only points that are listed are told the tokens of a request." },
	{ "distributed", "policies", OPT_LIST, AT(distributed.policies), 0, 0,
	  "For targets at other CSEs: a pattern of their SP-relative addresses, in which * stands for any text, a blank, and the "
	  "address of an <accessControlPolicy> here (/gw7/base/* cse/acpGw7). All that fit count." },
	{ "distributed", "ask_pdp", OPT_LIST, AT(distributed.ask[0]), 0, 0,
	  "<authorizationDecision> resources elsewhere that are asked in turn about targets for which there is no policy here." },
	{ "distributed", "ask_prp", OPT_LIST, AT(distributed.ask[1]), 0, 0,
	  "<authorizationPolicy> resources elsewhere that are asked for policies that are not here." },
	{ "distributed", "ask_pip", OPT_LIST, AT(distributed.ask[2]), 0, 0,
	  "<authorizationInformation> resources elsewhere that are asked for roles and tokens that are not here." },
	{ "distributed", "authenticated", OPT_LIST, AT(distributed.authenticated), 0, 0,
	  "Requesters (absolute identifiers, patterns) that have authenticated whom they ask about, so that rules with "
	  "accessControlAuthenticationFlag can match. The request cannot say it: name only CSEs that authenticate everybody. The "
	  "requester itself must be authenticated." },
	{ "distributed", "hops", OPT_UNSIGNED, AT(distributed.hops), 1, 16,
	  "A question that was passed on so many times is not passed on again." },
	{ "distributed", "timeout", OPT_SPAN, AT(distributed.timeout), SECONDS(1) / 100, SECONDS(3600),
	  "How long one address may take to answer before the next one is asked." },
	{ "distributed", "cache", OPT_SPAN, AT(distributed.cache), 0, SECONDS(3600),
	  "How long an answer is used again for the same question; 0: never. Changed rights are seen so much later." },
	{ "distributed", "waiting", OPT_UNSIGNED, AT(distributed.waiting), 1, 100000,
	  "Questions under way at a time, of which one Originator has at most a fourth; who needs one more is denied." },

	{ "log", "level", OPT_LOG_LEVEL, AT(log_level), 0, 0,
	  "Least weight of what is logged: debug, info, warning or error." },
	{ "log", "format", OPT_LOG_FORMAT, AT(log_json), 0, 0, "text, or json with one object per line." },
	{ "log", "decisions", OPT_PATH, AT(decisions), 0, 0,
	  "File of denied requests, read by `reeve explain`. Empty: decisions.log in the folder of the store." },

	{ "audit", "file", OPT_PATH, AT(audit.file), 0, 0,
	  "The audit log. Empty: audit.log in the folder of the store. Files that are full stay beside it, with a number behind "
	  "their name." },
	{ "audit", "head", OPT_PATH, AT(audit.head), 0, 0,
	  "File with the number and sum of the last line, so that a missing end shows. Best kept where whoever could change the log "
	  "cannot write. Empty: the log's name with .head." },
	{ "audit", "key", OPT_TEXT, AT(audit.key), 0, 0,
	  "Name of an HS256 key in the file of keys (`reeve key generate --alg HS256`): the chain cannot be made again without it. Choose "
	  "before the first line is written. Empty: no key." },
	{ "audit", "events", OPT_EVENTS, AT(audit.events), 0, 0,
	  "What is written: all, none, or some of denied, permitted (by other than a policy that names the Originator), registration, "
	  "policy, links, role, token, consultation, credential, admin, process (start and stop)." },
	{ "audit", "rotate", OPT_BYTES, AT(audit.rotate), 64 * 1024, 64 * GIB,
	  "A file of this size is full, and the next begins." },
	{ "audit", "keep", OPT_UNSIGNED, AT(audit.keep), 0, 1000000,
	  "Full files that are kept; older ones are removed, so carry them away before. 0: all, until the disk is full." },
	{ "audit", "sync", OPT_BOOL, AT(audit.sync), 0, 0,
	  "A change that is told is answered when its line is on the disk, too; a power failure loses no line of it. With false, and "
	  "for denials always, the lines of the last second may be lost. A killed process loses none." },
	{ "audit", "checkpoint", OPT_SPAN, AT(audit.checkpoint), 0, 366 * DAY,
	  "How often a line is written also when nothing happens, and the sum told to the log of the process; 0: never." },

	{ "limits", "body", OPT_BYTES, AT(limits.body), 1024, GIB, "Body of a request." },
	{ "limits", "header", OPT_BYTES, AT(limits.header), 1024, GIB, "Request line and headers of a request." },
	{ "limits", "response", OPT_BYTES, AT(limits.response), 1024, GIB, "Body of an answer." },
	{ "limits", "request_memory", OPT_BYTES, AT(limits.request_memory), 65536, GIB,
	  "Memory of one request while it is worked on, its body not counted." },
	{ "limits", "json_depth", OPT_U32, AT(limits.json.depth), 4, 1000, "Nesting of arrays and objects in content." },
	{ "limits", "json_tokens", OPT_U32, AT(limits.json.tokens), 64, 16 << 20, "Values and names in content." },
	{ "limits", "connections", OPT_UNSIGNED, AT(limits.connections), 1, 1000000, "Connections open at a time." },
	{ "limits", "write_queue", OPT_UNSIGNED, AT(limits.write_queue), 1, 1000000,
	  "Requests waiting to change something; more are refused as overload (5xxx)." },
	{ "limits", "parked", OPT_UNSIGNED, AT(limits.parked), 1, 1000000,
	  "Requests waiting for their time or for somebody else: oet, polling channels, blocking notifications, verification." },
	{ "limits", "parked_per_originator", OPT_UNSIGNED, AT(limits.parked_per_originator), 1, 1000000,
	  "The same of one Originator." },
	{ "limits", "fanout_members", OPT_UNSIGNED, AT(limits.fanout_members), 1, 1000000,
	  "Members a group request goes to." },
	{ "limits", "fanout_depth", OPT_UNSIGNED, AT(limits.fanout_depth), 1, 16,
	  "Groups within groups that a request goes through." },
	{ "limits", "results", OPT_UNSIGNED, AT(limits.results), 1, 1000000,
	  "Resources in one answer; the rest is had with the offset of Filter Criteria." },
	{ "limits", "discovery_visits", OPT_UNSIGNED, AT(limits.discovery_visits), 1, 1000000000,
	  "Resources looked at for one discovery." },
	{ "limits", "name", OPT_UNSIGNED, AT(limits.name), 1, 400, "Bytes of a resource name." },
	{ "limits", "policies_cached", OPT_UNSIGNED, AT(limits.policies_cached), 16, 1000000,
	  "Compiled policies kept per thread." },
	{ "limits", "outbox", OPT_UNSIGNED, AT(limits.outbox), 1, 100000000,
	  "Notifications waiting to be delivered, of all subscriptions." },
	{ "limits", "outbox_per_sub", OPT_UNSIGNED, AT(limits.outbox_per_sub), 1, 100000000,
	  "The same, of one subscription." },
	{ "limits", "outbox_bytes", OPT_BYTES, AT(limits.outbox_bytes), 65536, 1024 * GIB,
	  "Their size in the store, of all subscriptions." },
	{ "limits", "unread", OPT_BYTES, AT(limits.unread), 65536, 1024 * GIB,
	  "Answers that clients are slow to read, of all connections; over it, the connection of the next such answer is closed." },
	{ "limits", "polled", OPT_UNSIGNED, AT(limits.polled), 1, 1000000, "Requests waiting in one polling channel." },
	{ "limits", "token", OPT_BYTES, AT(limits.token), 1024, 1 << 20, "One token." },
	{ "limits", "tokens_cached", OPT_UNSIGNED, AT(limits.tokens_cached), 0, 10000000,
	  "Verified tokens that are kept for the next request that brings them." },
	{ "limits", "token_memory", OPT_BYTES, AT(limits.token_memory), 0, 64 * GIB, "Memory of these tokens." },
	{ "limits", "token_fetches", OPT_UNSIGNED, AT(limits.token_fetches), 1, 1000000,
	  "Token-IDs that DASs are being asked for at a time; further ones count as unknown." },
	{ "limits", "claims", OPT_UNSIGNED, AT(limits.claims), 1, 10000,
	  "Role IDs, tokens, token identifiers and signatures in one request, all together." },
	{ "limits", "claim_bytes", OPT_BYTES, AT(limits.claim_bytes), 256, GIB, "The same, in bytes." },
	{ "limits", "depth", OPT_UNSIGNED, AT(limits.depth), 2, 1000,
	  "Levels of the resource tree below the <CSEBase>, instances not counted." },
	{ "limits", "subscriptions", OPT_UNSIGNED, AT(limits.subscriptions), 1, 1000000, "Subscriptions of one resource." },
	{ "limits", "targets", OPT_UNSIGNED, AT(limits.targets), 1, 1000000, "Notification targets of one subscription." },
	{ "limits", "idle", OPT_SPAN, AT(limits.idle), SECONDS(1) / 10, DAY,
	  "A connection without traffic is closed after so long." },
	{ "limits", "header_time", OPT_SPAN, AT(limits.header_time), SECONDS(1) / 10, SECONDS(3600),
	  "The header of a request must be complete so soon after its first byte." },
	{ "limits", "body_time", OPT_SPAN, AT(limits.body_time), SECONDS(1) / 10, SECONDS(36000),
	  "The body must be complete so soon after the header." },
};
const size_t n_options = sizeof(options) / sizeof(options[0]);
_Static_assert(sizeof(options) / sizeof(options[0]) <= OPTIONS_MAX, "settings.from is too small");
