/* SPDX-License-Identifier: Apache-2.0 */
/* The audit log: written, torn, rotated, tampered with in every way there is, and each time told by its checker. */
#include "authz_support.h"

#include <dirent.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "authz/audit_check.h"
#include "authz/audit_int.h"
#include "base/log.h"

static char folder[64], path[96], head[104];

static int make_folder(void **state)
{
	snprintf(folder, sizeof(folder), "/tmp/reeve-audit-XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof(path), "%s/audit.log", folder);
	snprintf(head, sizeof(head), "%s.head", path);
	return 0;
}

static int drop_folder(void **state)
{
	DIR *d = opendir(folder);
	struct dirent *e;
	char name[400];

	while (d && (e = readdir(d))) {
		snprintf(name, sizeof(name), "%s/%s", folder, e->d_name);
		unlink(name);
	}
	if (d)
		closedir(d);
	return rmdir(folder);
}

/* --- helpers --- */

static struct audit_options options(void)
{
	return (struct audit_options){ .path = path, .rotate_bytes = 1 << 20, .events = AUDIT_ALL };
}

static struct audit *open_with(const struct audit_options *o)
{
	struct audit *a = NULL;
	char why[256] = "";

	if (audit_open(o, &a, why) != RC_OK)
		fail_msg("%s", why);
	return a;
}

static void event(struct audit *a, const char *who)
{
	audit_event(a, &(struct audit_what){ .kind = AUDIT_DENIED, .action = "update", .when = 1772366400 * USEC_S, .who = SLICE(who),
					     .target = S("cnt4"), .decision = S("abcabcabcabc"), .ground = S("policy") });
}

static void process(struct audit *a, const char *action)
{
	audit_event(a, &(struct audit_what){ .kind = AUDIT_PROCESS, .action = action, .when = 1772366400 * USEC_S });
}

struct told { struct buf notes, problems; };

static void tell(void *ctx, bool problem, const char *text)
{
	struct told *t = ctx;
	buf_printf(problem ? &t->problems : &t->notes, "%s\n", text);
}

static void told_init(struct told *t)
{
	buf_init(&t->notes, 1 << 20);
	buf_init(&t->problems, 1 << 20);
}

static void told_free(struct told *t)
{
	buf_free(&t->notes);
	buf_free(&t->problems);
}

static bool has(const struct buf *b, const char *text) { return b->n && memmem(b->p, b->n, text, strlen(text)); }

/* Check the files; the words of what was told are in *t. */
static struct audit_check check_files(const struct audit_key *key, struct told *t)
{
	struct audit_check c = { .key = key, .tell = tell, .ctx = t };
	char why[256];

	told_init(t);
	assert_int_equal(audit_check_head(&c, head), RC_OK);
	assert_int_equal(audit_check_files(&c, path, why), RC_OK);
	return c;
}

static void expect_whole(const struct audit_key *key, uint64_t last)
{
	struct told t;
	struct audit_check c = check_files(key, &t);

	if (c.problems)
		fail_msg("%.*s", SF(buf_view(&t.problems)));
	assert_int_equal(c.last, last);
	told_free(&t);
}

static void expect_problem(const char *words)
{
	struct told t;
	struct audit_check c = check_files(NULL, &t);

	if (!c.problems || !has(&t.problems, words))
		fail_msg("\"%s\" is not in: %.*s", words, SF(buf_view(&t.problems)));
	told_free(&t);
}

static void expect_note(const char *words)
{
	struct told t;
	struct audit_check c = check_files(NULL, &t);

	if (c.problems || !has(&t.notes, words))
		fail_msg("\"%s\" is not in: %.*s / %.*s", words, SF(buf_view(&t.notes)), SF(buf_view(&t.problems)));
	told_free(&t);
}

static struct buf load(const char *name)
{
	FILE *f = fopen(name, "re");
	struct buf b;

	buf_init(&b, 64 << 20);
	assert_non_null(f);
	for (int c; (c = getc(f)) != EOF;)
		buf_char(&b, (char)c);
	fclose(f);
	return b;
}

static void save(const char *name, struct slice s)
{
	FILE *f = fopen(name, "we");
	assert_non_null(f);
	assert_int_equal(fwrite(s.p, 1, s.n, f), s.n);
	fclose(f);
}

static void append(const char *text)
{
	FILE *f = fopen(path, "ae");
	fputs(text, f);
	fclose(f);
}

/* Problems of a text, checked in memory against a head. */
static uint64_t problems_of(struct slice text, uint64_t seq, const char sum[AUDIT_HEX])
{
	struct told t;
	struct audit_check c = { .tell = tell, .ctx = &t, .n_known = 1 };
	struct audit_chain *ch = audit_chain_new(&c);

	told_init(&t);
	c.known[0].seq = seq;
	c.known[0].where = "the head";
	memcpy(c.known[0].sum, sum, AUDIT_HEX);
	audit_chain_file(ch, "text");
	while (text.p) {
		struct slice line = slice_cut(&text, '\n');
		audit_chain_line(ch, line, text.p != NULL);
	}
	audit_chain_end(ch);
	audit_chain_free(ch);
	told_free(&t);
	return c.problems;
}

/* A log with a bit of everything: two runs, a torn line between them. */
static struct buf sample(uint64_t *seq, char sum[65])
{
	struct audit_options o = options();
	struct audit *a = open_with(&o);

	process(a, "start");
	event(a, "//sp.example/gw7/CAE1");
	audit_close(a);
	append("{\"seq\":4,\"when\":\"2026");
	a = open_with(&o);
	process(a, "start");
	for (int i = 0; i < 4; i++)
		event(a, "//sp.example/gw7/CAE2");
	process(a, "stop");
	audit_head(a, seq, sum);
	audit_close(a);
	return load(path);
}

/* --- whole --- */

static void written(void **state)
{
	uint64_t seq;
	char sum[65];
	struct buf b = sample(&seq, sum), h = load(head);
	struct stat st;

	assert_int_equal(seq, 10);
	expect_whole(NULL, 10);
	expect_note("was torn by a crash");
	expect_note("the process was killed");
	assert_true(has(&b, "{\"seq\":3,\"when\":\"20260301T120000\",\"event\":\"denied\",\"action\":\"update\",\"who\":\"//sp.example/gw7/CAE1\","
			    "\"target\":\"cnt4\",\"decision\":\"abcabcabcabc\",\"ground\":\"policy\",\"prev\":\""));
	assert_true(has(&h, sum));
	assert_int_equal(problems_of(buf_view(&b), seq, sum), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07, 0);
	buf_free(&b);
	buf_free(&h);
}

static void wanted_only(void **state)
{
	struct audit_options o = options();
	struct audit *a;

	o.events = 1u << AUDIT_POLICY;
	a = open_with(&o);
	assert_true(audit_wants(a, AUDIT_POLICY));
	assert_false(audit_wants(a, AUDIT_DENIED));
	assert_false(audit_wants(NULL, AUDIT_POLICY));
	event(a, "C1");
	audit_event(NULL, &(struct audit_what){ .kind = AUDIT_POLICY });
	audit_close(a);
	audit_close(NULL);
	expect_whole(NULL, 1);
}

static void hostile_text(void **state)
{
	char big[5000];
	uint8_t ip[16] = { [10] = 0xff, [11] = 0xff, [12] = 192, 0, 2, 7 };
	struct audit_options o = options();
	struct audit *a = open_with(&o);
	struct buf b;

	memset(big, 'y', sizeof(big));
	audit_event(a, &(struct audit_what){ .kind = AUDIT_LINKS, .who = S("a\n\",\"hash\":\"\\\xff\x1b[2J"), .detail = slice_of(big, sizeof(big)),
					     .target = slice_of(big, sizeof(big)), .ground = slice_of(big, sizeof(big)), .ip = ip });
	audit_close(a);
	expect_whole(NULL, 2);
	b = load(path);
	assert_true(has(&b, "\"who\":\"a?\\\",\\\"hash\\\":\\\"\\\\??[2J\""));
	assert_true(has(&b, "yyy...\""));
	assert_true(has(&b, "\"address\":\"192.0.2.7\""));
	assert_true(b.n < 3000);
	buf_free(&b);
}

/* --- tampering --- */

static void any_byte_changed(void **state)
{
	uint64_t seq;
	char sum[65];
	struct buf b = sample(&seq, sum);

	for (size_t i = 0; i < b.n; i++) {
		b.p[i] ^= 1;
		if (!problems_of(buf_view(&b), seq, sum))
			fail_msg("byte %zu can be changed: %.*s", i, (int)(b.n - i < 60 ? b.n - i : 60), b.p + i);
		b.p[i] ^= 1;
	}
	buf_free(&b);
}

static void any_end_cut(void **state)
{
	uint64_t seq;
	char sum[65];
	struct buf b = sample(&seq, sum);

	for (size_t n = 0; n < b.n; n++)
		if (!problems_of(slice_of(b.p, n), seq, sum))
			fail_msg("%zu bytes can be cut off", b.n - n);
	buf_free(&b);
}

enum { LINES_MAX = 32 };

static size_t lines_of(const struct buf *b, struct slice v[LINES_MAX])
{
	struct slice rest = buf_view(b);
	size_t n = 0;

	while (rest.n)
		v[n++] = slice_cut(&rest, '\n');
	return n;
}

static void expect_told(const struct slice *v, size_t n, uint64_t seq, const char *sum, const char *what, size_t i)
{
	struct buf b;

	buf_init(&b, 1 << 20);
	for (size_t k = 0; k < n; k++) {
		buf_slice(&b, v[k]);
		buf_char(&b, '\n');
	}
	if (!problems_of(buf_view(&b), seq, sum))
		fail_msg("line %zu %s, and nobody sees", i, what);
	buf_free(&b);
}

static void any_line_moved(void **state)
{
	struct slice v[LINES_MAX], w[LINES_MAX + 1];
	uint64_t seq;
	char sum[65];
	struct buf b = sample(&seq, sum);
	size_t n = lines_of(&b, v);

	assert_int_equal(n, 11);
	for (size_t i = 0; i < n; i++) {
		memcpy(w, v, i * sizeof(*v));
		memcpy(w + i, v + i + 1, (n - i - 1) * sizeof(*v));
		expect_told(w, n - 1, seq, sum, "can be removed", i);
		memcpy(w, v, (i + 1) * sizeof(*v));
		memcpy(w + i + 1, v + i, (n - i) * sizeof(*v));
		expect_told(w, n + 1, seq, sum, "can be repeated", i);
		for (size_t k = i + 1; k < n; k++) {
			memcpy(w, v, n * sizeof(*v));
			w[i] = v[k];
			w[k] = v[i];
			expect_told(w, n, seq, sum, "can change places", i);
		}
	}
	buf_free(&b);
}

static void written_by_hand(void **state)
{
	struct audit_options o = options();
	uint64_t seq;
	char sum[65];
	struct buf b = sample(&seq, sum), forged;

	/* a line with a right sum that follows nothing */
	buf_init(&forged, 1 << 16);
	buf_slice(&forged, buf_view(&b));
	assert_true(audit_line_write(&forged, seq + 1, S("\"when\":\"20260301T120000\",\"event\":\"policy\""), audit_zero, NULL, sum));
	save(path, buf_view(&forged));
	expect_problem("does not follow the line before it");
	/* what is no line at all; the next start must not make good of it */
	save(path, buf_view(&b));
	append("{\"seq\":11,\"when\":\"20260301T120000\",\"event\":\"denied\"}\n");
	expect_problem("audit.log:12: was changed, or is no line of this chain");
	audit_close(open_with(&o));
	expect_note("was torn by a crash"); /* kept as what it is, not as a line */
	buf_free(&forged);
	buf_free(&b);
}

static void end_removed_and_gone_on(void **state)
{
	struct audit_options o = options();
	struct slice v[LINES_MAX];
	uint64_t seq;
	char sum[65];
	struct buf b = sample(&seq, sum);
	size_t n = lines_of(&b, v);
	struct audit *a;

	b.n = (size_t)(v[n - 2].p - b.p); /* two lines less, and the process starts again */
	save(path, buf_view(&b));
	expect_problem("lines are missing at the end");
	a = open_with(&o);
	process(a, "start");
	audit_close(a);
	expect_problem("number 11 follows 8: lines are missing in between");
	/* the whole log removed */
	assert_int_equal(unlink(path), 0);
	a = open_with(&o);
	process(a, "start");
	audit_close(a);
	expect_problem("the first file begins with number 12");
	/* another log in its place */
	unlink(head);
	unlink(path);
	audit_close(open_with(&o));
	save(head, S("{\"seq\":1,\"sum\":\"0000000000000000000000000000000000000000000000000000000000000001\"}\n"));
	expect_problem("lines were written anew");
	audit_close(open_with(&o));
	save(head, S("nonsense"));
	audit_close(open_with(&o)); /* is no reason not to start */
	buf_free(&b);
}

static void foreign_file(void **state)
{
	struct audit_options o = options();
	struct audit *a;

	append("this is\nno audit log\n");
	a = open_with(&o); /* set aside */
	event(a, "C1");
	audit_close(a);
	expect_whole(NULL, 2);
}

/* --- rotation --- */

static void rotated(void **state)
{
	struct audit_options o = options();
	struct audit *a;
	char name[128];
	struct told t;
	struct audit_check c;

	o.rotate_bytes = 2000;
	a = open_with(&o);
	for (int i = 0; i < 40; i++)
		event(a, "//sp.example/gw7/CAE1");
	audit_close(a);
	c = check_files(NULL, &t);
	assert_int_equal(c.problems, 0);
	assert_int_equal(c.first, 1);
	assert_true(c.files > 4);
	assert_int_equal(c.lines, 40 + c.files);
	told_free(&t);
	/* one file less in the middle ends what can be checked; a line less in one is told */
	snprintf(name, sizeof(name), "%s.2", path);
	struct buf b = load(name);
	b.n -= 200;
	save(name, buf_view(&b));
	expect_problem("ends in half a line, and another file follows");
	b.n = 0;
	save(name, buf_view(&b));
	expect_problem("file 3 follows file 1");
	unlink(name);
	expect_note("are not here");
	buf_free(&b);
}

static void killed_between_files(void **state)
{
	struct audit_options o = options();
	struct audit *a = open_with(&o);
	char name[128];

	event(a, "C1");
	audit_close(a);
	snprintf(name, sizeof(name), "%s.1", path);
	assert_int_equal(rename(path, name), 0);
	save(head, S("{\"seq\":1,\"sum\":\"0000000000000000000000000000000000000000000000000000000000000001\"}\n")); /* behind: not heeded */
	a = open_with(&o);
	event(a, "C2");
	audit_close(a);
	expect_whole(NULL, 4);
}

static void old_files_go(void **state)
{
	struct audit_options o = options();
	struct audit *a;
	struct told t;
	struct audit_check c;

	o.rotate_bytes = 2000;
	o.keep = 2;
	a = open_with(&o);
	for (int i = 0; i < 60; i++)
		event(a, "//sp.example/gw7/CAE1");
	audit_close(a);
	c = check_files(NULL, &t);
	assert_int_equal(c.problems, 0);
	assert_int_equal(c.files, 3);
	assert_true(has(&t.notes, "are not here"));
	told_free(&t);
}

/* --- disks --- */

/* The file may not grow beyond n bytes: what a full disk does to a write. */
static void limit_files(rlim_t n)
{
	struct rlimit r;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &r), 0);
	r.rlim_cur = n;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &r), 0);
}

static void full_disk(void **state)
{
	struct audit_options o = options();
	struct audit *a = open_with(&o);
	struct stat st;

	signal(SIGXFSZ, SIG_IGN);
	event(a, "C1");
	assert_int_equal(stat(path, &st), 0);
	limit_files((rlim_t)st.st_size + 100); /* half a line fits */
	event(a, "C2");
	event(a, "C3");
	limit_files(RLIM_INFINITY);
	assert_int_equal(audit_lost(a), 2);
	event(a, "C4");
	audit_close(a);
	expect_note("2 events before it could not be written");
	expect_whole(NULL, 4); /* file, C1, lost, C4: nothing half */
}

/* A file of the name that the full one should get is never overwritten. */
static void name_taken(void **state)
{
	struct audit_options o = options();
	struct audit *a;
	char name[128];
	struct buf b;

	o.rotate_bytes = 1000;
	a = open_with(&o);
	snprintf(name, sizeof(name), "%s.1", path);
	save(name, S("precious"));
	for (int i = 0; i < 20; i++)
		event(a, "C1");
	assert_int_equal(audit_lost(a), 0);
	audit_close(a);
	b = load(name);
	assert_true(slice_eq(buf_view(&b), S("precious")));
	buf_free(&b);
	b = load(path);
	assert_true(b.n > 5000); /* it grew on */
	buf_free(&b);
	expect_whole(NULL, 21);
}

/* --- keys --- */

static bool key_works = true;

static bool hmac(void *ctx, const void *p, size_t n, uint8_t out[32])
{
	unsigned len = 32;
	return key_works && HMAC(EVP_sha256(), ctx, (int)strlen(ctx), p, n, out, &len) && len == 32;
}

static void keyed(void **state)
{
	const struct audit_key right = { hmac, (void *)"secret" }, wrong = { hmac, (void *)"guess" };
	struct audit_options o = options();
	struct audit *a;
	struct told t;
	struct audit_check c;

	o.key = &right;
	a = open_with(&o);
	event(a, "C1");
	key_works = false;
	event(a, "C2");
	event(a, "C3");
	assert_int_equal(audit_lost(a), 2);
	key_works = true;
	event(a, "C4");
	audit_close(a);
	a = open_with(&o);
	audit_close(a);
	c = check_files(&right, &t);
	assert_int_equal(c.problems, 0);
	assert_int_equal(c.last, 4);
	assert_true(has(&t.notes, "2 events before it could not be written"));
	told_free(&t);
	c = check_files(&wrong, &t);
	assert_true(c.problems > 0);
	told_free(&t);
	c = check_files(NULL, &t); /* one who has no key cannot tell, and does not say that all is well */
	assert_true(c.problems > 0);
	told_free(&t);
	/* the whole log made anew without the key */
	unlink(path);
	unlink(head);
	o.key = NULL;
	audit_close(open_with(&o));
	c = check_files(&right, &t);
	assert_true(c.problems > 0);
	told_free(&t);
}

/* --- threads, checkpoints, commits --- */

static void *many(void *arg)
{
	for (int i = 0; i < 200; i++)
		event(arg, "//sp.example/gw7/CAE1");
	return NULL;
}

static void threads(void **state)
{
	struct audit_options o = options();
	struct audit *a;
	pthread_t t[6];
	struct told told;
	struct audit_check c;

	o.rotate_bytes = 20000;
	o.sync_commit = true;
	a = open_with(&o);
	for (int i = 0; i < 6; i++)
		assert_int_equal(pthread_create(&t[i], NULL, many, a), 0);
	for (int i = 0; i < 20; i++)
		audit_commit(a);
	for (int i = 0; i < 6; i++)
		pthread_join(t[i], NULL);
	audit_close(a);
	c = check_files(NULL, &told);
	assert_int_equal(c.problems, 0);
	assert_int_equal(c.lines, 1200 + c.files);
	told_free(&told);
}

static void together(void **state)
{
	struct audit_options o = options();
	struct audit *a;
	struct buf lines;

	o.checkpoint = 1; /* due at once */
	a = open_with(&o);
	buf_init(&lines, 1 << 16);
	for (int i = 0; i < 10; i++)
		audit_write(&lines, &(struct audit_what){ .kind = AUDIT_POLICY, .action = "create" });
	audit_add(a, buf_view(&lines));
	audit_add(a, S(""));
	audit_close(a);
	struct buf b = load(path);
	assert_true(has(&b, "\"event\":\"checkpoint\""));
	expect_whole(NULL, 12);
	buf_free(&b);
	buf_free(&lines);
}

static void known_lines(void **state)
{
	struct told t;
	struct audit_check c = { .tell = tell, .ctx = &t };
	char text[100], sum[65], why[256];
	uint64_t seq;
	struct buf b = sample(&seq, sum);

	told_init(&t);
	assert_false(audit_check_known(&c, S("5")));
	assert_false(audit_check_known(&c, S("5:abc")));
	assert_false(audit_check_known(&c, S("0:0000000000000000000000000000000000000000000000000000000000000000")));
	snprintf(text, sizeof(text), "%llu:%s", (unsigned long long)seq, sum);
	assert_true(audit_check_known(&c, SLICE(text)));
	assert_int_equal(audit_check_files(&c, path, why), RC_OK);
	assert_int_equal(c.problems, 0);
	assert_true(audit_check_known(&c, S("5:0000000000000000000000000000000000000000000000000000000000000000")));
	assert_int_equal(audit_check_files(&c, path, why), RC_OK);
	assert_int_equal(c.problems, 1);
	assert_int_equal(audit_check_files(&c, "/nonexistent/audit.log", why), RC_IO);
	told_free(&t);
	buf_free(&b);
}

#define T(f) cmocka_unit_test_setup_teardown(f, make_folder, drop_folder)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(written), T(wanted_only), T(hostile_text), T(any_byte_changed), T(any_end_cut), T(any_line_moved), T(written_by_hand),
		T(end_removed_and_gone_on), T(foreign_file), T(rotated), T(killed_between_files), T(old_files_go), T(full_disk), T(name_taken), T(keyed), T(threads),
		T(together), T(known_lines),
	};
	log_setup(LOG_ERROR, false);
	return cmocka_run_group_tests_name("audit", tests, NULL, NULL);
}
