/* SPDX-License-Identifier: Apache-2.0 */
/* Nanoseconds per access decision, median of many samples of 1,000 decisions.
 *
 *   bench_pdp [samples]     prints one JSON object: case -> nanoseconds
 *
 * "deny" tries all 100 rules of 10 policies; "permit_last" finds its match in the last one, behind a full set of
 * contexts. Every rule has the operation asked for, so that none is passed over by its mask alone; every second rule
 * names the Originator, so that its contexts are evaluated. */
#include "authz/policy.h"
#include "base/hash.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { POLICIES = 10, RULES = 10, ROLES = 10, INNER = 1000, SAMPLES = 501 };

static const struct ident_home home = {
	.sp_id = { "//sp.example", 12 }, .cse_id = { "/gw7", 4 }, .base_name = { "base", 4 }, .abs = { "//sp.example/gw7", 16 },
};

/* Rule k of policy i: contexts never met, of a kind that changes with k; the last of all is met when `last`. */
static void add_rule(struct buf *b, int i, int k, bool last)
{
	static const char met[] = "{\"actw\":[\"* * 12 * * 0 *\"],\"acip\":{\"ipv4\":[\"10.128.0.0/9\"]},"
				  "\"aclr\":{\"accc\":[\"DE\"]}}";
	static const char *const contexts[] = {
		"{\"actw\":[\"* 0-29 8-17 * * 1-5 *\",\"* * 3,5 * * * 2024-2030/2\"]}",
		"{\"acip\":{\"ipv4\":[\"192.0.2.0/24\",\"198.51.100.7\"],\"ipv6\":[\"2001:db8:7::/48\"]}}",
		"{\"aclr\":{\"accr\":[48.8566,2.3522,1500]}}",
		"{\"aclr\":{\"accc\":[\"FR\",\"BE\"]},\"actw\":[\"* * * * * * *\"]}",
		"{\"actw\":[\"* * * * * * *\"],\"acip\":{\"ipv4\":[\"10.0.0.0/9\"]}},{\"actw\":[\"* * 3 * * * *\"]}",
	};

	buf_printf(b, "%s{\"acor\":[\"Cother%d\",\"%s\",\"/in%d/C*\"],\"acop\":63,\"acco\":[", k ? "," : "", i,
		   k % 2 ? "CAE1" : "Cnobody", k);
	buf_slice(b, slice_str(last ? met : contexts[(i + k) % 5]));
	buf_lit(b, "]}");
}

/* The same where rules name roles, of one domain and of one length: an Originator with ten of them is told apart late. The last rule is met
 * when `last`. */
static void add_role_rule(struct buf *b, int i, int k, bool last)
{
	buf_printf(b, "%s{\"acor\":[\"Cother%d\",\"role-%03d@hospital.example\",\"role-%03d@hospital.example\"],\"acop\":63}", k ? "," : "", i,
		   last ? 9 : 100 + (10 * i + k) % 50, 200 + 10 * i + k);
}

static struct policy *make(int i, bool match, bool roles)
{
	const struct policy_options o = { .home = &home, .positions = true, .countries = true };
	struct policy *p = NULL;
	struct buf b;

	buf_init(&b, 1 << 20);
	buf_lit(&b, "{\"acr\":[");
	for (int k = 0; k < RULES; k++)
		(roles ? add_role_rule : add_rule)(&b, i, k, match && i == POLICIES - 1 && k == RULES - 1);
	buf_lit(&b, "]}");
	if (policy_compile(&o, S("bench"), buf_view(&b), S(""), NULL, NULL, &p))
		exit(1);
	buf_free(&b);
	return p;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return x < y ? -1 : x > y;
}

static double now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static double measure(const struct policy *const *p, size_t n, const struct facts *f, bool want, int samples)
{
	double *v = calloc((size_t)samples, sizeof(*v)), median;

	if (!v)
		exit(1);
	for (int s = 0; s < samples; s++) {
		double begin = now_ns();
		for (int i = 0; i < INNER; i++) {
			__asm__ volatile("" ::: "memory"); /* each decision is made anew */
			if (pdp_decide(p, n, POLICY_PV, f, NULL, NULL, NULL) != want)
				exit(2);
		}
		v[s] = (now_ns() - begin) / INNER;
	}
	qsort(v, (size_t)samples, sizeof(*v), by_value);
	median = v[samples / 2];
	free(v);
	return median;
}

/* Ten verified roles and the rules of five tokens: a policy that names another role, then one rule of each token; the last permits. */
static double roles_and_tokens(struct facts f, int samples)
{
	static const char *const role[] = { "r0@a.example", "r1@a.example", "r2@a.example", "r3@a.example", "r4@a.example",
					    "r5@a.example", "r6@a.example", "r7@a.example", "r8@a.example", "r9@a.example" };
	const struct policy_options o = { .home = &home };
	const struct policy *p[6];
	struct slice roles[10];
	char text[256];
	double ns;

	for (int i = 0; i < 10; i++)
		roles[i] = slice_str(role[i]);
	f.roles = roles;
	f.n_roles = 10;
	for (int i = 0; i < 6; i++) {
		struct policy *one;
		snprintf(text, sizeof(text), "{\"acr\":[{\"acor\":[\"%s\",\"Cother%d\"],\"acop\":63}]}",
			 i == 5 ? "r9@a.example" : "r10@a.example", i);
		if (policy_compile(&o, S("token"), slice_str(text), S(""), NULL, NULL, &one))
			exit(1);
		p[i] = one;
	}
	ns = measure(p, 6, &f, true, samples);
	for (int i = 0; i < 6; i++)
		policy_free((struct policy *)p[i]);
	return ns;
}

int main(int argc, char **argv)
{
	int samples = argc > 1 ? (int)strtol(argv[1], NULL, 10) : SAMPLES;
	const struct policy *deny[POLICIES], *permit[POLICIES], *no_role[POLICIES], *role[POLICIES];
	struct slice names[ROLES];
	char text[ROLES][32];
	struct facts f = { .who = S("//sp.example/gw7/CAE1"), .op = ACOP_RETRIEVE, .target_ty = 3, .target_mgd = -1,
			   .time = { .hour = 12, .mday = 1, .month = 3, .wday = 0, .year = 2026 }, .ip_known = true,
			   .ip = { [10] = 0xff, 0xff, 10, 200, 0, 1 }, .position_known = true, .latitude = 50, .longitude = 8,
			   .country = "DE" };

	struct facts with_roles;

	if (samples < 1)
		samples = 1;
	f.who_hash = hash_slice(f.who);
	for (int i = 0; i < POLICIES; i++) {
		deny[i] = make(i, false, false);
		permit[i] = make(i, true, false);
		no_role[i] = make(i, false, true);
		role[i] = make(i, true, true);
	}
	for (int i = 0; i < ROLES; i++)
		names[i] = slice_of(text[i], (size_t)snprintf(text[i], sizeof(text[i]), "role-%03d@hospital.example", i));
	with_roles = f;
	with_roles.roles = names;
	with_roles.n_roles = ROLES;
	printf("{\"pdp_deny_10x10_ns\":%.0f,\"pdp_permit_last_10x10_ns\":%.0f,\"pdp_deny_1x10_ns\":%.0f,"
	       "\"pdp_deny_10_roles_ns\":%.0f,\"pdp_permit_last_10_roles_ns\":%.0f,\"pdp_10_roles_5_tokens_ns\":%.0f}\n",
	       measure(deny, POLICIES, &f, false, samples), measure(permit, POLICIES, &f, true, samples),
	       measure(deny, 1, &f, false, samples), measure(no_role, POLICIES, &with_roles, false, samples),
	       measure(role, POLICIES, &with_roles, true, samples), roles_and_tokens(f, samples));
	for (int i = 0; i < POLICIES; i++) {
		policy_free((struct policy *)deny[i]);
		policy_free((struct policy *)permit[i]);
		policy_free((struct policy *)no_role[i]);
		policy_free((struct policy *)role[i]);
	}
	return 0;
}
