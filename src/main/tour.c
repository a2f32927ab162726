/* SPDX-License-Identifier: Apache-2.0 */
/* Five commands that work as printed. A test takes them from the output and runs them.
 *
 * Plain curl, with every header a request needs: somebody who reads them knows how the HTTP binding looks. */
#include "main/tour.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

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

void tour_print(const struct config *c, uint16_t port)
{
	const bool v6 = strchr(c->http.address, ':') != NULL;
	const char *bold = isatty(STDOUT_FILENO) ? "\033[1m" : "", *plain = isatty(STDOUT_FILENO) ? "\033[0m" : "";
	char url[512], self[512], data[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	self[n > 0 ? n : 0] = '\0';
	snprintf(url, sizeof(url), v6 ? "http://[%s]:%u/%.*s" : "http://%s:%u/%.*s", c->http.address, port, SF(c->base_name));
	printf("\n%sReeve %s: the CSE %.*s is up at %s%s\n"
	       "  Data      %s (the next start finds it again)\n"
	       "  Open      on this address an application is believed to be who it says it is, without proof\n"
	       "  Admin     the Originator %.*s may do everything on %.*s\n"
	       "  Ctrl-C    ends it\n"
	       "\nA tour, to be pasted into another terminal:\n",
	       bold, REEVE_VERSION, SF(c->cse_id), url, plain, realpath(c->data, data) ? data : c->data,
	       SF(c->admin.n ? c->admin : S("(none)")), SF(c->base_name));
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		printf("\n%s# %zu. %s%s\n", bold, i + 1, steps[i].title, plain);
		printf("curl -sw '\\n'%s%s '%s%s' -H 'X-M2M-Origin: Ctour' -H 'X-M2M-RI: tour%zu' -H 'X-M2M-RVI: 3'",
		       steps[i].method ? " -X " : "", steps[i].method ? steps[i].method : "", url, steps[i].path, i + 1);
		if (steps[i].body)
			printf(" \\\n  -H 'Content-Type: application/json%s' \\\n  -d '%s'", steps[i].type, steps[i].body);
		putchar('\n');
	}
	printf("\nThe subscription's notifications go to port 9999. To see them, run this in a third terminal, then step 3 again:\n"
	       "%s ae listen --port 9999\n\n", self);
	fflush(stdout);
}
