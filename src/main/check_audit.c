/* SPDX-License-Identifier: Apache-2.0 */
/* `reeve check audit`: is the audit log whole, and does it reach as far as it should? */
#include <stdio.h>

#include "authz/audit_check.h"
#include "core/audit_log.h"
#include "main/check.h"
#include "main/commands.h"
#include "main/settings.h"

enum { SHOWN_MAX = 50 };

struct asked {
	const char *file, *head, *known;
	bool no_head, quiet;
	unsigned shown;
};

static bool take(void *ctx, int argc, char **argv, int *i)
{
	struct asked *q = ctx;
	const char *a = argv[*i], *value = *i + 1 < argc ? argv[*i + 1] : NULL;

	if (!strcmp(a, "--no-head") || !strcmp(a, "--quiet")) {
		*(a[2] == 'n' ? &q->no_head : &q->quiet) = true;
	} else if (value && (!strcmp(a, "--head") || !strcmp(a, "--known"))) {
		*(a[2] == 'h' ? &q->head : &q->known) = value;
		++*i;
	} else if (a[0] != '-' && !q->file) {
		q->file = a;
	} else {
		return false;
	}
	++*i;
	return true;
}

static void tell(void *ctx, bool problem, const char *text)
{
	struct asked *q = ctx;

	if ((problem || !q->quiet) && q->shown++ < SHOWN_MAX)
		printf("%s  %s\n", problem ? "PROBLEM" : "note   ", text);
}

/* Where the log and its head are. */
static void find(const struct settings *s, const struct asked *q, char path[4096], char head[4096])
{
	if (q->file)
		snprintf(path, 4096, "%s", q->file);
	else
		audit_log_path(&s->c, path, 4096);
	if (q->head)
		snprintf(head, 4096, "%s", q->head);
	else if (!q->file && s->c.audit.head)
		snprintf(head, 4096, "%s", s->c.audit.head);
	else
		snprintf(head, 4096, "%.4000s.head", path);
}

static int judge(const struct asked *q, struct audit_check *c, const char *path, const char *head)
{
	char why[256];
	enum reeve_rc rc = q->no_head ? RC_OK : audit_check_head(c, head);

	if (rc == RC_NOTFOUND && !q->known) {
		fprintf(stderr, "reeve check: there is no %s: whether lines are missing at the end cannot be told; --head FILE, --known "
				"NUMBER:SUM or --no-head\n", head);
		return EXIT_UNREACHABLE;
	}
	if (rc == RC_SYNTAX) {
		tell((void *)q, true, "the head is none: it was changed, or a crash of the machine tore it");
		c->problems++;
	}
	if (audit_check_files(c, path, why) != RC_OK) {
		fprintf(stderr, "reeve check: %s\n", why);
		return EXIT_UNREACHABLE;
	}
	if (q->shown > SHOWN_MAX)
		printf("... %u more\n", q->shown - SHOWN_MAX);
	printf("%s: %u file%s, lines %llu to %llu, sum %.64s: ", path, c->files, c->files == 1 ? "" : "s", (unsigned long long)c->first,
	       (unsigned long long)c->last, c->lines ? c->sum : "-");
	if (!c->problems)
		puts("the chain is whole");
	else
		printf("%llu problem%s\n", (unsigned long long)c->problems, c->problems == 1 ? "" : "s");
	return c->problems ? EXIT_REFUSED : EXIT_OK;
}

int check_audit(int argc, char **argv)
{
	struct asked q = { 0 };
	struct audit_check c = { .tell = tell, .ctx = &q };
	struct audit_secret *secret = NULL;
	char path[4096], head[4096], why[256] = "no memory";
	struct settings s;
	int status;

	settings_init(&s);
	status = settings_arguments(&s, "check audit", true, argc, argv, take, &q);
	find(&s, &q, path, head);
	if (status == EXIT_OK && q.known && !audit_check_known(&c, slice_str(q.known)))
		status = usage_error("check audit", "--known %s: expected NUMBER:SUM, as a checkpoint in the log of the process has them",
				     q.known);
	if (status == EXIT_OK && audit_secret_open(&s.c, &secret, why) != RC_OK) {
		fprintf(stderr, "reeve check: %s\n", why);
		status = EXIT_UNREACHABLE;
	}
	c.key = audit_secret_key(secret);
	if (status == EXIT_OK)
		status = judge(&q, &c, path, head);
	audit_secret_close(secret);
	settings_free(&s);
	return status;
}
