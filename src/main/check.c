/* SPDX-License-Identifier: Apache-2.0 */
/* `reeve check`: is a configuration right, is a store sound? (The audit log: check_audit.c, a certificate:
 * check_cert.c.) */
#include <stdio.h>
#include <stdlib.h>

#include "authz/issuers.h"
#include "authz/locate.h"
#include "base/log.h"
#include "core/association/association.h"
#include "core/core.h"
#include "core/keys.h"
#include "main/check.h"
#include "main/commands.h"
#include "main/settings.h"
#include "main/store_check.h"

static const char *help =
	"Check a configuration file, a store, an audit log or a certificate.\n"
	"\n"
	"usage: reeve check config [FILE] [--SECTION.KEY VALUE]...\n"
	"       reeve check config --print-default\n"
	"       reeve check config --print [FILE] [--SECTION.KEY VALUE]...\n"
	"       reeve check store [FOLDER] [--config FILE]\n"
	"       reeve check audit [FILE] [--head FILE | --no-head] [--known NUMBER:SUM] [--quiet]\n"
	"       reeve check cert FILE [--as FLAVOUR] [--name NAME] [--anchor FLAVOUR:FILE]... [--crl FILE]... [--crl-required]\n"
	"                        [--at TIME] [--json] [--config FILE]\n"
	"\n"
	"config reads FILE (or the file of the system, /etc/reeve/reeve.conf) as `reeve cse` would, and tells every mistake with its\n"
	"line. --print shows the values in force, --print-default the commented file with all options.\n"
	"store reads the whole store, also while a CSE is running on it: every resource, its parent, its name, its counters.\n"
	"audit reads the audit log and the full files before it, line by line: was one changed, removed, added or moved? --head names\n"
	"the file of the last sum, --known a sum that was carried away (a checkpoint in the log of the process).\n"
	"cert tells of a certificate and its chain (PEM, leaf first) whether a peer that shows it would be taken, and as whom: each step\n"
	"with ok, or what is wrong. Anchors and revocation lists are those given, and of [tls] in the configuration. --as wants a\n"
	"flavour (device, cse, ae, node, fqdn) instead of taking what the anchors say, --name this name exactly, --at is another time\n"
	"than now (20261231T235959).\n"
	"\n"
	"Exit status: 0 all is well, 1 something is wrong, 2 the command line is wrong, 3 it cannot be read.\n";

struct asked { const char *operand; bool print, print_default, mdoc; };

static bool take(void *ctx, int argc, char **argv, int *i)
{
	struct asked *q = ctx;
	const char *a = argv[*i];

	(void)argc;
	if (!strcmp(a, "--print"))
		q->print = true;
	else if (!strcmp(a, "--print-default"))
		q->print_default = true;
	else if (!strcmp(a, "--print-mdoc")) /* for reeve.conf(5) */
		q->mdoc = true;
	else if (a[0] != '-' && !q->operand)
		q->operand = a;
	else
		return false;
	++*i;
	return true;
}

static void print_buf(struct buf *b)
{
	if (b->n)
		fwrite(b->p, 1, b->n, stdout);
	buf_free(b);
}

/* "section.key = value" and where it comes from. */
static void print_values(const struct settings *s)
{
	static const char *const from[] = { "default", "file", "flag" };
	for (size_t i = 0; i < n_options; i++) {
		struct buf v;
		buf_init(&v, 65536);
		option_write(&options[i], &s->c, &v);
		printf("%s.%s = %.*s\t# %s\n", options[i].section, options[i].key, SF(buf_view(&v)), from[s->from[i]]);
		buf_free(&v);
	}
}

/* The sealed keys and the issuers that count. */
static bool check_trust(const struct config *c, const struct ident_home *home)
{
	char why[ISSUERS_WHY_MAX] = "";
	struct issuers *is = NULL;
	struct secenv *se = NULL;
	enum reeve_rc rc;

	rc = keys_open(c, false, &se, why);
	if (rc == RC_NOTFOUND && !c->keys.file)
		rc = RC_OK;
	if (rc == RC_OK && c->authz.issuers)
		rc = issuers_open(c->authz.issuers, home, se, &is, why);
	if (rc == RC_OK)
		rc = associations_check(c, se, why);
	issuers_put(is);
	if (se)
		secenv_close(se);
	if (rc != RC_OK)
		fprintf(stderr, "reeve check: %s\n", why[0] ? why : rc_name(rc));
	return rc == RC_OK;
}

/* Files the configuration names; `secrets`: sealed keys and whose tokens count, too. */
static bool check_files(const struct config *c, bool secrets)
{
	struct ident_home home = { .sp_id = c->sp_id, .cse_id = c->cse_id, .base_name = c->base_name };
	struct locate *l = NULL;
	char why[256] = "", abs[512];
	enum reeve_rc rc;

	snprintf(abs, sizeof(abs), "%.*s%.*s", SF(c->sp_id), SF(c->cse_id));
	home.abs = slice_str(abs);
	if (secrets && !check_trust(c, &home))
		return false;
	if (!c->countries && !c->positions)
		return true;
	rc = locate_open(c->countries, c->positions, &home, &l, why);
	locate_free(l);
	if (rc != RC_OK)
		fprintf(stderr, "reeve check: %s\n", why);
	return rc == RC_OK;
}

static int check_config(int argc, char **argv)
{
	struct asked q = { 0 };
	struct settings s;
	const char *file = NULL;
	struct buf b;
	int status;

	settings_init(&s);
	for (int i = 0; i < argc; i++) /* a FILE is the same as --config FILE, and is read before flags */
		if (argv[i][0] != '-' && (i == 0 || strncmp(argv[i - 1], "--", 2) || !strncmp(argv[i - 1], "--print", 7)))
			file = argv[i];
	if (file && settings_read(&s, file, stderr) != RC_OK) {
		fprintf(stderr, "reeve check: %u mistake%s in %s\n", s.errors, s.errors == 1 ? "" : "s", file);
		settings_free(&s);
		return s.errors ? EXIT_REFUSED : EXIT_UNREACHABLE;
	}
	status = settings_arguments(&s, "check config", !file, argc, argv, take, &q);
	buf_init(&b, 1 << 20);
	if (q.print_default || q.mdoc) {
		struct settings d;
		settings_init(&d);
		(q.mdoc ? settings_print_mdoc : settings_print_file)(&d.c, &b);
		settings_free(&d);
	} else if (q.print) {
		print_values(&s);
	}
	print_buf(&b);
	if (status == EXIT_OK && !check_files(&s.c, !q.print))
		status = EXIT_REFUSED;
	if (status == EXIT_OK && !q.print_default && !q.mdoc && !q.print) {
		printf("configuration is right: CSE %.*s%.*s, data in %s%s\n", SF(s.c.sp_id), SF(s.c.cse_id), s.c.data,
		       s.c.http.open ? ", OPEN: Originators are believed" : "");
	} else if (status == EXIT_USAGE && s.errors) {
		status = EXIT_REFUSED;
	}
	settings_free(&s);
	return status;
}

static int check_store(int argc, char **argv)
{
	struct asked q = { 0 };
	struct settings s;
	struct store_findings found;
	char why[256] = "";
	enum reeve_rc rc;
	int status;

	settings_init(&s);
	status = settings_arguments(&s, "check store", true, argc, argv, take, &q);
	if (status == EXIT_OK) {
		if (q.operand)
			s.c.data = q.operand;
		rc = store_check(&s.c, &found, stdout, why);
		if (rc != RC_OK) {
			fprintf(stderr, "reeve check: %s\n", why[0] ? why : rc_name(rc));
			status = EXIT_UNREACHABLE;
		} else {
			status = found.wrong ? EXIT_REFUSED : EXIT_OK;
		}
	}
	settings_free(&s);
	return status;
}

int cmd_check(int argc, char **argv)
{
	for (int i = 0; i < argc; i++)
		if (wants_help(argv[i])) {
			fputs(help, stdout);
			return EXIT_OK;
		}
	log_setup(LOG_WARN, false);
	if (argc >= 1 && !strcmp(argv[0], "config"))
		return check_config(argc - 1, argv + 1);
	if (argc >= 1 && !strcmp(argv[0], "store"))
		return check_store(argc - 1, argv + 1);
	if (argc >= 1 && !strcmp(argv[0], "audit"))
		return check_audit(argc - 1, argv + 1);
	if (argc >= 1 && !strcmp(argv[0], "cert"))
		return check_cert(argc - 1, argv + 1);
	if (argc >= 1)
		return usage_error("check", "\"%s\" cannot be checked: config, store, audit or cert", argv[0]);
	fputs(help, stderr);
	return EXIT_USAGE;
}
