/* SPDX-License-Identifier: Apache-2.0 */
/* reeve cse, reeve up: configuration, start, wait for a signal, stop. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "admin/pages.h"
#include "base/log.h"
#include "binding/http/http.h"
#include "main/commands.h"
#include "main/settings.h"

static void usage(const char *command)
{
	struct settings s;
	struct buf b;

	printf("usage: reeve %s [--config FILE] [--SECTION.KEY VALUE]...\n\n", command);
	settings_init(&s);
	buf_init(&b, 1 << 20);
	settings_print_flags(&s.c, &b);
	fwrite(b.p, 1, b.n, stdout);
	buf_free(&b);
	settings_free(&s);
}

/* As many descriptors as connections are configured, as far as the system allows. */
static void raise_descriptors(const struct config *c)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) != 0)
		return;
	rlim_t want = (rlim_t)c->limits.connections + 256;
	if (r.rlim_cur >= want)
		return;
	r.rlim_cur = want < r.rlim_max ? want : r.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &r) != 0 || r.rlim_cur < want)
		log_warn("main", "only %llu open files are allowed: fewer connections than limits.connections",
			 (unsigned long long)r.rlim_cur);
}

static void tour(const struct config *c, uint16_t port)
{
	char url[64];

	snprintf(url, sizeof(url), "http://%s:%u", c->http.address, port);
	printf("\nReeve %s is ready at %s, CSE-ID %.*s, <CSEBase> named %.*s.\n"
	       "Data: %s (a second start finds it again). Stop with Ctrl-C.\n"
	       "This CSE is OPEN: whoever reaches %s is believed to be the Originator it claims to be.\n\n"
	       "A tour; paste the lines into another terminal:\n\n",
	       REEVE_VERSION, url, SF(c->cse_id), SF(c->base_name), c->data, url);
	printf("# 1. register an application (AE)\n"
	       "curl -s -X POST %s/%.*s -H 'X-M2M-Origin: Ctour' -H 'X-M2M-RI: 1' -H 'X-M2M-RVI: 3' -H 'Content-Type: application/json;ty=2' "
	       "-d '{\"m2m:ae\":{\"rn\":\"tour\",\"api\":\"N.example.tour\",\"rr\":false,\"srv\":[\"3\"]}}'\n\n",
	       url, SF(c->base_name));
	printf("# 2. create a container\n"
	       "curl -s -X POST %s/%.*s/tour -H 'X-M2M-Origin: Ctour' -H 'X-M2M-RI: 2' -H 'X-M2M-RVI: 3' -H 'Content-Type: application/json;ty=3' "
	       "-d '{\"m2m:cnt\":{\"rn\":\"temperature\",\"lbl\":[\"unit:celsius\"],\"mni\":1000}}'\n\n",
	       url, SF(c->base_name));
	printf("# 3. put a reading\n"
	       "curl -s -X POST %s/%.*s/tour/temperature -H 'X-M2M-Origin: Ctour' -H 'X-M2M-RI: 3' -H 'X-M2M-RVI: 3' "
	       "-H 'Content-Type: application/json;ty=4' -d '{\"m2m:cin\":{\"con\":\"21.5\"}}'\n\n",
	       url, SF(c->base_name));
	printf("# 4. subscribe to further readings\n"
	       "curl -s -X POST %s/%.*s/tour/temperature -H 'X-M2M-Origin: Ctour' -H 'X-M2M-RI: 4' -H 'X-M2M-RVI: 3' "
	       "-H 'Content-Type: application/json;ty=23' "
	       "-d '{\"m2m:sub\":{\"rn\":\"watch\",\"nu\":[\"http://127.0.0.1:9999\"],\"enc\":{\"net\":[3]}}}'\n\n",
	       url, SF(c->base_name));
	printf("# 5. discover by label\n"
	       "curl -s '%s/%.*s?fu=1&lbl=unit:celsius' -H 'X-M2M-Origin: Ctour' -H 'X-M2M-RI: 5' -H 'X-M2M-RVI: 3'\n\n",
	       url, SF(c->base_name));
	fflush(stdout);
}

static int serve(struct settings *s, const char *command, bool with_tour)
{
	struct http_server *http = NULL;
	struct core *core = NULL;
	char why[256] = "";
	sigset_t set;
	int sig;

	/* before any thread starts, so that all inherit the mask and only we are told */
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	log_setup((enum log_level)s->c.log_level, s->c.log_json);
	raise_descriptors(&s->c);
	if (core_start(&s->c, &core, why) != RC_OK) {
		fprintf(stderr, "reeve %s: %s\n", command, why);
		return EXIT_UNREACHABLE;
	}
	http_sender_register(core);
	if (http_listen(core, s->c.http.address, s->c.http.port, &http, why) != RC_OK) {
		fprintf(stderr, "reeve %s: %s\n", command, why);
		return EXIT_UNREACHABLE;
	}
	http_server_pages(http, admin_page);
	log_info("main", "CSE %.*s%.*s ready: http://%s:%u, data in %s", SF(s->c.sp_id), SF(s->c.cse_id), s->c.http.address,
		 http_server_port(http), s->c.data);
	if (s->c.http.open)
		log_warn("main", "open: an Originator is believed without a security association on %s:%u", s->c.http.address,
			 http_server_port(http));
	if (with_tour)
		tour(&s->c, http_server_port(http));
	sigwait(&set, &sig);
	log_info("main", "stopping");
	http_server_stop(http);
	core_stop(core);
	http_server_free(http);
	return EXIT_OK;
}

static int run(const char *command, bool up, int argc, char **argv)
{
	struct settings s;
	int status = EXIT_OK;

	settings_init(&s);
	if (up) {
		s.c.http.open = true;
		s.c.admin = S("Cadmin");
	}
	for (int i = 0; i < argc && status == EXIT_OK;) {
		enum reeve_rc rc;
		if (wants_help(argv[i])) {
			usage(command);
			settings_free(&s);
			return EXIT_OK;
		}
		if (!strcmp(argv[i], "--config") && i + 1 < argc) {
			rc = settings_read(&s, argv[i + 1], stderr);
			i += 2;
		} else {
			rc = settings_flag(&s, argc, argv, &i, stderr);
			if (rc == RC_NOTFOUND) {
				usage_error(command, "unknown option \"%s\"", argv[i]);
				status = EXIT_USAGE;
			}
		}
		if (rc != RC_OK)
			status = EXIT_USAGE;
	}
	if (status == EXIT_OK && settings_check(&s, stderr) != RC_OK)
		status = EXIT_USAGE;
	if (status == EXIT_OK)
		status = serve(&s, command, up);
	settings_free(&s);
	return status;
}

int cmd_cse(int argc, char **argv) { return run("cse", false, argc, argv); }
int cmd_up(int argc, char **argv) { return run("up", true, argc, argv); }
