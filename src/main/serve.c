/* SPDX-License-Identifier: Apache-2.0 */
/* reeve cse, reeve up, reeve das: configuration, start, wait for a signal, stop.
 *
 * `up` is `cse` with settings for trying things out on this machine: open on loopback, an administrator, data in a folder
 * here, and a tour on the screen. `das` is `cse` with a Dynamic Authorization System in it and nothing for others to do. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "admin/control.h"
#include "authz/audit.h"
#include "base/log.h"
#include "binding/coap/coap.h"
#include "binding/http/http.h"
#include "binding/mqtt/mqtt.h"
#include "binding/ws/ws.h"
#include "core/association/association.h"
#include "core/cse/registrar.h"
#include "core/trust.h"
#include "das/das.h"
#include "main/commands.h"
#include "main/develop.h"
#include "main/listeners.h"
#include "main/settings.h"
#include "main/tour.h"

static void help(const char *command, const struct settings *s, bool up)
{
	struct buf b;

	printf("usage: reeve %s [--config FILE] [--SECTION.KEY VALUE]...\n\n", command);
	puts(up ? "Start a CSE on this machine for trying things out: open on loopback, with the administrator Cadmin, data in\n"
		  "./reeve-data, development credentials in ./reeve-data/dev, every binding, and two printed tours. Ctrl-C ends it;\n"
		  "the next start finds the data again. With another http.port the ports of the other listeners move as far."
		: "Start a Common Services Entity. Ends on SIGINT or SIGTERM, after what was acknowledged is on the disk.");
	printf("\nOptions of the configuration file, as flags, with their defaults. Without --config, %s\n"
	       "is %s.\n", settings_system_file, up ? "not read" : "read when it is there");
	buf_init(&b, 1 << 20);
	settings_print_flags(&s->c, &b);
	if (b.n)
		fwrite(b.p, 1, b.n, stdout);
	buf_free(&b);
}

/* As many descriptors as connections are configured, as far as the system allows. */
static void raise_descriptors(const struct config *c)
{
	const rlim_t want = (rlim_t)c->limits.connections + 256;
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) != 0 || r.rlim_cur >= want)
		return;
	r.rlim_cur = want < r.rlim_max ? want : r.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &r) != 0 || r.rlim_cur < c->limits.connections)
		log_warn("main", "the system allows %llu open files: fewer connections than limits.connections (%u)",
			 (unsigned long long)r.rlim_cur, c->limits.connections);
}

/* The folders above the one of the store. */
static void make_parents(const char *path)
{
	char *p = strdup(path);

	for (char *q = p ? strchr(p + 1, '/') : NULL; q; q = strchr(q + 1, '/')) {
		*q = '\0';
		if (mkdir(p, 0755) != 0 && errno != EEXIST)
			break; /* opening the store tells */
		*q = '/';
	}
	free(p);
}

/* SIGHUP: what is in files of its own is read again. */
static void reload(struct core *core, struct listeners *listeners)
{
	char why[ISSUERS_WHY_MAX] = "";
	enum reeve_rc rc = trust_reload(core, why);

	if (rc == RC_OK)
		rc = associations_reload(core, why);
	coap_server_renew(listeners->coaps);
	if (rc == RC_OK)
		log_info("main", "keys, certificates and issuers are read again");
	else
		log_error("main", "keys, certificates or issuers stay as they were: %s", why[0] ? why : rc_name(rc));
	audit_event(core->audit, &(struct audit_what){ .kind = AUDIT_ADMIN, .action = "reload", .when = clock_wall(), .who = core->home.abs,
						       .detail = slice_str(rc == RC_OK ? "keys and issuers" : rc_name(rc)) });
}

static int serve(struct settings *s, const char *command, bool up)
{
	struct listeners listeners = { .http = NULL };
	struct core *core = NULL;
	struct das_server *das = NULL;
	struct ws *ws = NULL;
	struct mqtt *mqtt = NULL;
	char why[DAS_WHY_MAX] = "";
	sigset_t set;
	int sig;

	/* before any thread starts, so that all inherit the mask and only we are told */
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	log_setup((enum log_level)s->c.log_level, s->c.log_json);
	raise_descriptors(&s->c);
	make_parents(s->c.data);
	if (up)
		develop_ports(s);
	listeners_poa(s);
	if ((up && develop_credentials(s, why) != RC_OK) || core_start(&s->c, &core, why) != RC_OK) {
		fprintf(stderr, "reeve %s: %s\n", command, why);
		return EXIT_UNREACHABLE;
	}
	http_sender_register(core);
	coap_sender_register(core);
	if (ws_register(core, &ws) != RC_OK)
		abort(); /* a few kilobytes */
	if (mqtt_start(core, &mqtt, why) != RC_OK || (s->c.das_policy && das_start(core, s->c.das_policy, &das, why) != RC_OK) ||
	    core_begin(core, why) != RC_OK || listeners_open(&listeners, core, ws, why) != RC_OK || control_start(core, why) != RC_OK) {
		fprintf(stderr, "reeve %s: %s\n", command, why);
		listeners_stop(&listeners);
		core_stop(core);
		das_free(das);
		listeners_free(&listeners);
		return EXIT_UNREACHABLE;
	}
	if (registrar_start(core) != RC_OK)
		log_warn("main", "this CSE does not register at %.*s: out of memory", SF(s->c.registrar.cse_id));
	mqtt_listen(mqtt);
	listeners_tell(&listeners, &s->c);
	log_info("main", "CSE %.*s%.*s ready, data in %s", SF(s->c.sp_id), SF(s->c.cse_id), s->c.data);
	if (up)
		tour_print(s, &listeners);
	while (sigwait(&set, &sig) == 0 && sig == SIGHUP)
		reload(core, &listeners);
	log_info("main", "stopping");
	registrar_leave(core);
	listeners_stop(&listeners);
	mqtt_stop(mqtt); /* behind the listeners: what they wait for may be answered through the broker */
	control_stop(core); /* behind the listeners, whose pages it makes */
	core_stop(core);
	das_free(das);
	listeners_free(&listeners);
	return EXIT_OK;
}

static int run(const char *command, bool up, int argc, char **argv)
{
	struct settings s;
	int status;

	settings_init(&s);
	if (up) {
		s.c.http.open = true;
		s.c.admin = S("Cadmin");
		s.c.data = "reeve-data";
		develop_defaults(&s);
	}
	for (int i = 0; i < argc; i++)
		if (wants_help(argv[i])) {
			help(command, &s, up);
			settings_free(&s);
			return EXIT_OK;
		}
	status = settings_arguments(&s, command, !up, argc, argv, NULL, NULL);
	if (status == EXIT_OK)
		status = serve(&s, command, up);
	settings_free(&s);
	return status;
}

/* A DAS says nothing to strangers but what they are granted: everybody may notify it, nobody may read. */
int serve_das(int argc, char **argv)
{
	struct settings s;
	int status;

	settings_init(&s);
	s.c.cse_id = S("/das");
	s.c.base_name = S("das");
	s.c.data = "reeve-das-data";
	s.c.http.port = 8090;
	s.c.base.everyone = ACOP_NOTIFY;
	s.c.base.registree = ACOP_NOTIFY;
	s.c.base.create_all = false;
	status = settings_arguments(&s, "das", true, argc, argv, NULL, NULL);
	if (status == EXIT_OK && !s.c.das_policy)
		status = usage_error("das", "--das.policy FILE is needed: who gets what");
	if (status == EXIT_OK)
		status = serve(&s, "das", false);
	settings_free(&s);
	return status;
}

int cmd_cse(int argc, char **argv) { return run("cse", false, argc, argv); }
int cmd_up(int argc, char **argv) { return run("up", true, argc, argv); }
