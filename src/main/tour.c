/* SPDX-License-Identifier: Apache-2.0 */
/* Twice five commands that work as printed. A test takes them from the output and runs them.
 *
 * First plain curl, with every header a request needs: somebody who reads them knows how the HTTP binding looks. Then the same behind
 * TLS with the key of develop.h. */
#include "main/tour.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "binding/coap/coap.h"
#include "binding/http/http.h"
#include "main/develop.h"

static const struct { const char *title, *method, *path, *type, *body; } steps[] = {
	{ "Register an application: it becomes the AE Ctour.", "POST", "", ";ty=2",
	  "{\"m2m:ae\": {\"rn\": \"tour\", \"api\": \"Ntour\", \"rr\": false, \"srv\": [\"3\"]}}" },
	{ "Create a container, which keeps the last 1000 readings.", "POST", "/tour", ";ty=3",
	  "{\"m2m:cnt\": {\"rn\": \"temperature\", \"lbl\": [\"unit:celsius\"], \"mni\": 1000}}" },
	{ "Put a reading into it. Again and again, if you like.", "POST", "/tour/temperature", ";ty=4",
	  "{\"m2m:cin\": {\"con\": \"21.5\"}}" },
	{ "Subscribe to new readings.", "POST", "/tour/temperature", ";ty=23",
	  "{\"m2m:sub\": {\"rn\": \"watch\", \"nu\": [\"http://127.0.0.1:9999\"], \"enc\": {\"net\": [3]}}}" },
	{ "Discover what has this label.", NULL, "?fu=1&lbl=unit:celsius", NULL, NULL },
};

/* What the tours name. */
struct place {
	const char *bold, *plain;
	char self[PATH_MAX], data[PATH_MAX], url[512];
};

static const char *url_at(char out[512], const char *scheme, const char *address, uint16_t port)
{
	const bool v6 = strchr(address, ':') != NULL;

	snprintf(out, 512, "%s://%s%s%s:%u", scheme, v6 ? "[" : "", address, v6 ? "]" : "", port);
	return out;
}

static void print_addresses(const struct config *c, const struct listeners *l)
{
	char url[512];

	printf("  Bindings ");
	if (l->http)
		printf(" %s", url_at(url, "http", c->http.address, http_server_port(l->http)));
	if (l->https)
		printf(" %s", url_at(url, "https", c->https.address, http_server_port(l->https)));
	if (l->coap)
		printf(" %s", url_at(url, "coap", c->coap.address, coap_server_port(l->coap)));
	if (l->coaps)
		printf(" %s", url_at(url, "coaps", c->coaps.address, coap_server_port(l->coaps)));
	if (c->ws.serve && (l->http || l->https))
		printf("\n            WebSocket at the ports of http and https");
	putchar('\n');
}

static void print_clear(const struct config *c, const struct place *p)
{
	printf("\nA tour, to be pasted into another terminal:\n");
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		printf("\n%s# %zu. %s%s\n", p->bold, i + 1, steps[i].title, p->plain);
		printf("curl -sw '\\n'%s%s '%s/%.*s%s' -H 'X-M2M-Origin: Ctour' -H 'X-M2M-RI: tour%zu' -H 'X-M2M-RVI: 3'",
		       steps[i].method ? " -X " : "", steps[i].method ? steps[i].method : "", p->url, SF(c->base_name),
		       steps[i].path, i + 1);
		if (steps[i].body)
			printf(" \\\n  -H 'Content-Type: application/json%s' \\\n  -d '%s'", steps[i].type, steps[i].body);
		putchar('\n');
	}
	printf("\nThe subscription's notifications go to port 9999. To see them, run this in a third terminal, then step 3 again:\n"
	       "%s ae listen --port 9999\n", p->self);
}

static const struct { const char *title, *verb, *path, *rest; } proven[] = {
	{ "Register the AE that the key stands for.", "create", "", " ae --name device api=Ndevice rr=false srv=3" },
	{ "Create a container.", "create", "/device", " cnt --name temperature mni=1000" },
	{ "Put a reading into it.", "create", "/device/temperature", " cin con=21.5" },
	{ "Retrieve the latest one.", "retrieve", "/device/temperature/la", "" },
};

/* Everybody who has no key is left outside; who has one is only himself. */
static void print_proven(struct settings *s, const struct place *p, const char *psk, const char *url)
{
	const struct slice domain = slice_skip(s->c.sp_id, 2);

	printf("\nThe same with proof: at %s nobody is believed without a credential. That of the device is a symmetric key,\n"
	       "%s, made for this machine:\n", url, psk);
	for (size_t i = 0; i < sizeof(proven) / sizeof(proven[0]); i++)
		printf("\n%s# %zu. %s%s\n%s ae %s %.*s%s%s \\\n  --cse %s --from Cdevice --psk 'Cdevice@%.*s:%s'\n", p->bold, i + 1,
		       proven[i].title, p->plain, p->self, proven[i].verb, SF(s->c.base_name), proven[i].path, proven[i].rest, url,
		       SF(domain), psk);
	printf("\n%s# 5. Who has credentials?%s\n%s credential list --data '%s'\n", p->bold, p->plain, p->self, p->data);
	printf("\nTake the device's away, and step 4 is refused at once; the second line gives the same key back:\n"
	       "%s credential revoke 12-Cdevice@%.*s --data '%s'\n%s credential rotate 12-Cdevice@%.*s --data '%s' --file '%s'\n",
	       p->self, SF(domain), p->data, p->self, SF(domain), p->data, psk);
}

void tour_print(struct settings *s, const struct listeners *l)
{
	const struct config *c = &s->c;
	const char *psk = develop_file(s, "Cdevice.psk");
	char url[512], file[PATH_MAX];
	struct place p = { .bold = isatty(STDOUT_FILENO) ? "\033[1m" : "", .plain = isatty(STDOUT_FILENO) ? "\033[0m" : "" };
	const ssize_t n = readlink("/proc/self/exe", p.self, sizeof(p.self) - 1);

	p.self[n > 0 ? n : 0] = '\0';
	if (!realpath(c->data, p.data))
		snprintf(p.data, sizeof(p.data), "%s", c->data);
	if (l->http)
		url_at(p.url, "http", c->http.address, http_server_port(l->http));
	printf("\n%sReeve %s: the CSE %.*s is up", p.bold, REEVE_VERSION, SF(c->cse_id));
	if (l->http)
		printf(" at %s/%.*s", p.url, SF(c->base_name));
	printf("%s\n  Data      %s (the next start finds it again)\n", p.plain, p.data);
	print_addresses(c, l);
	printf("  Open      at http and coap an application is believed to be who it says it is, without proof\n"
	       "  Admin     the Originator %.*s may do everything on %.*s\n"
	       "  Ctrl-C    ends it\n", SF(c->admin.n ? c->admin : S("(none)")), SF(c->base_name));
	if (l->http)
		print_clear(c, &p);
	if (l->https && psk && realpath(psk, file))
		print_proven(s, &p, file, url_at(url, "https", c->https.address, http_server_port(l->https)));
	putchar('\n');
	fflush(stdout);
}
