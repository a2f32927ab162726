/* SPDX-License-Identifier: Apache-2.0 */
/* The log of denials: written, rotated, found, and told in words. */
#include "authz_support.h"

#include <pthread.h>
#include <sys/stat.h>

#include "authz/decisions.h"

static char folder[64], path[96], older[100];

static int make_folder(void **state)
{
	snprintf(folder, sizeof(folder), "/tmp/reeve-decisions-XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof(path), "%s/decisions.log", folder);
	snprintf(older, sizeof(older), "%s.1", path);
	return 0;
}

static int drop_folder(void **state)
{
	unlink(path);
	unlink(older);
	return rmdir(folder);
}

static struct decision what_of(const struct policy *const *p, const struct facts *f)
{
	return (struct decision){ .when = 1772366400 * USEC_S, .request = S("r-17"), .to = S("base/tank"), .target = S("cnt4"),
				  .ground = "policy", .policies = p, .n_policies = 1, .part = POLICY_PV, .facts = f };
}

static bool has(const struct buf *b, const char *text)
{
	return b->n && memmem(b->p, b->n, text, strlen(text));
}

/* The trace of rules against f as text. */
static struct buf told(const char *rules, const struct facts *f)
{
	struct policy *p = compile_with(&located, rules, NULL);
	const struct policy *list = p;
	struct decision d = what_of(&list, f);
	struct buf json, text;

	buf_init(&json, 1 << 20);
	buf_init(&text, 1 << 20);
	decision_write_json(&json, &d, S("abc"), false);
	assert_null(memchr(json.p, '\n', json.n));
	decision_write_text(&text, buf_view(&json));
	buf_free(&json);
	policy_free(p);
	return text;
}

static void expect_words(const char *rules, const struct facts *f, const char *words)
{
	struct buf b = told(rules, f);

	if (!has(&b, words))
		fail_msg("\"%s\" is not in:\n%.*s", words, SF(buf_view(&b)));
	buf_free(&b);
}

#define ALL "{\"acor\":[\"all\"],\"acop\":63"

static void reasons(void **state)
{
	struct facts f = facts_of(NULL, ACOP_UPDATE);

	expect_words("{\"acor\":[\"all\"],\"acop\":34}", &f, "- rule 0 allows retrieve, discovery, not update");
	expect_words(ALL ",\"acaf\":true}", &f, "asks for an Originator authenticated by this CSE");
	expect_words("{\"acor\":[\"CX\",\"base/grp\"],\"acop\":63}", &f,
		     "//sp.example/gw7/CAE1 is not among [\"CX\",\"base/grp\"]; entries that are no identifier and no group known here: 1");
	expect_words("{\"acor\":[\"a@b.c\"],\"acop\":63}", &f, "no role of the Originator has been verified");
	expect_words(ALL ",\"acco\":[{\"actw\":[\"* * 8 * * * *\"]}]}", &f,
		     "context 0: 2026-03-01T12:00:00Z (Sunday) is outside [\"* * 8 * * * *\"]");
	expect_words(ALL ",\"acco\":[{\"acip\":{\"ipv4\":[\"10.0.0.0/8\"]}}]}", &f, "source address (not known) is not in {\"ipv4\":[\"10.0.0.0/8\"]}");
	expect_words(ALL ",\"acco\":[{\"aclr\":{\"accc\":[\"FR\"]}}]}", &f, "country (not known) is not in [\"FR\"]");
	expect_words(ALL ",\"acco\":[{\"aclr\":{\"accr\":[0,0,10]}}]}", &f, "the position of the Originator is not known");
	expect_words("{\"acor\":[\"all\"],\"acop\":99}", &f, "is malformed and matches nothing");
	f.ip_known = f.position_known = true;
	memcpy(f.ip, (uint8_t[16]){ [10] = 0xff, [11] = 0xff, [12] = 11, 1, 1, 1 }, 16);
	memcpy(f.country, "DE", 3);
	f.latitude = 1;
	expect_words(ALL ",\"acco\":[{\"actw\":[\"* * 8 * * * *\"]},{\"acip\":{\"ipv4\":[\"10.0.0.0/8\"]}}]}", &f,
		     "; context 1: source address 11.1.1.1 is not in");
	expect_words(ALL ",\"acco\":[{\"aclr\":{\"accc\":[\"FR\"]}}]}", &f, "country DE is not in [\"FR\"]");
	expect_words(ALL ",\"acco\":[{\"aclr\":{\"accr\":[0,0,10]}}]}", &f, "is 111195 m from the centre of the circle [0,0,10]");
	f.op = ACOP_CREATE;
	f.child_ty = 4;
	f.target_ty = 28;
	f.target_cnd = S("org.example.fan");
	expect_words(ALL ",\"acod\":[{\"ty\":3,\"chty\":[4]}]}", &f,
		     "a child of type 4 under a target of type 28 (org.example.fan) is not in [{\"ty\":3,\"chty\":[4]}]");
	expect_words(ALL "}", &f, "+ rule 0 permits");
	expect_words("", &f, "has no rules");
	expect_words(ALL "}", &f, "to           base/tank");
	expect_words(ALL "}", &f, "operation    create of a child of type 4, target of type 28 org.example.fan");
}

static void hostile_strings(void **state)
{
	static const char evil[] = "x\x1b[2J\n\"\\\xff\xc2\x9b\x7f";
	struct facts f = facts_of(evil, ACOP_UPDATE);
	struct policy *p = compile_with(&plain, "{\"acor\":[\"C1\"],\"acop\":63}", NULL);
	const struct policy *list = p;
	struct decision d = what_of(&list, &f);
	struct buf json, text;
	char big[5000];

	buf_init(&json, 1 << 20);
	buf_init(&text, 1 << 20);
	memset(big, 'y', sizeof(big));
	d.to = SLICE(evil);
	d.request = slice_of(big, sizeof(big));
	decision_write_json(&json, &d, S("abc"), false);
	assert_true(json.n < 4000);
	for (size_t i = 0; i < json.n; i++)
		assert_in_range((unsigned char)json.p[i], 0x20, 0x7e);
	decision_write_text(&text, buf_view(&json));
	assert_true(has(&text, "DENIED"));
	for (size_t i = 0; i < text.n; i++)
		assert_true(text.p[i] == '\n' || (text.p[i] >= 0x20 && text.p[i] < 0x7f));
	buf_clear(&text);
	decision_write_text(&text, S("{\"id\":\"a\\u001b[2J\\u009bz\",\"policies\":[{\"policy\":5}]}"));
	for (size_t i = 0; i < text.n; i++)
		assert_true(text.p[i] == '\n' || (text.p[i] >= 0x20 && text.p[i] < 0x7f));
	buf_clear(&text);
	decision_write_text(&text, S("no json"));
	assert_true(has(&text, "no decision"));
	buf_free(&json);
	buf_free(&text);
	policy_free(p);
}

static void too_many_rules(void **state)
{
	struct facts f = facts_of(NULL, ACOP_UPDATE);
	struct buf rules, text;

	buf_init(&rules, 1 << 20);
	for (int i = 0; i < 5000; i++)
		buf_printf(&rules, "%s{\"acor\":[\"C%d\"],\"acop\":4}", i ? "," : "", i);
	buf_char(&rules, '\0');
	text = told(rules.p, &f);
	assert_true(text.n < 100000);
	assert_true(has(&text, "rules not shown: "));
	buf_free(&rules);
	buf_free(&text);
}

static void logged(void **state)
{
	struct facts f = facts_of(NULL, ACOP_UPDATE);
	struct policy *p = compile_with(&plain, "{\"acor\":[\"CAE2\"],\"acop\":63}", NULL);
	const struct policy *list = p;
	struct decision d = what_of(&list, &f);
	struct decisions *log = NULL;
	char id[2][DECISION_ID_LEN];
	struct stat st;
	struct buf line;

	assert_int_equal(decisions_open("/nonexistent/x/y", 100, &log), RC_IO);
	assert_int_equal(decisions_open(path, 1 << 20, &log), RC_OK);
	decisions_log(log, &d, id[0]);
	decisions_close(log);
	assert_int_equal(decisions_open(path, 1 << 20, &log), RC_OK); /* appends */
	decisions_log(log, &d, id[1]);
	decisions_close(log);
	assert_memory_not_equal(id[0], id[1], DECISION_ID_LEN);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07, 0);
	buf_init(&line, 1 << 20);
	for (int i = 0; i < 2; i++) {
		buf_clear(&line);
		assert_int_equal(decisions_find(path, slice_of(id[i], DECISION_ID_LEN), &line), RC_OK);
		assert_memory_equal(line.p + 7, id[i], DECISION_ID_LEN);
		assert_true(has(&line, "\"permitted\":false,\"request\":\"r-17\""));
		assert_int_equal(line.p[line.n - 1], '}');
	}
	buf_clear(&line);
	assert_int_equal(decisions_find(path, S("aaaaaaaaaaaa"), &line), RC_NOTFOUND);
	assert_int_equal(decisions_find(path, S(""), &line), RC_NOTFOUND);
	assert_int_equal(decisions_find(path, S("a\",\"x\":\"aaaa"), &line), RC_NOTFOUND);
	assert_int_equal(decisions_find("/tmp/reeve-no-such-log", S("aaaaaaaaaaaa"), &line), RC_NOTFOUND);
	assert_int_equal(line.n, 0);
	decisions_log(NULL, &d, id[0]); /* no log: still an id */
	assert_int_not_equal(id[0][0], 0);
	buf_free(&line);
	policy_free(p);
}

static void rotated(void **state)
{
	struct facts f = facts_of(NULL, ACOP_UPDATE);
	struct decision d = what_of(NULL, &f);
	struct decisions *log = NULL;
	char id[30][DECISION_ID_LEN];
	unsigned found = 0;
	struct stat st;
	struct buf line;

	d.n_policies = 0;
	d.ground = "default policy (creator only)";
	assert_int_equal(decisions_open(path, 4000, &log), RC_OK);
	for (int i = 0; i < 30; i++)
		decisions_log(log, &d, id[i]);
	decisions_close(log);
	assert_int_equal(stat(path, &st), 0);
	assert_in_range(st.st_size, 1, 4000);
	assert_int_equal(stat(older, &st), 0);
	assert_in_range(st.st_size, 1, 4000);
	buf_init(&line, 1 << 20);
	for (int i = 0; i < 30; i++) {
		buf_clear(&line);
		enum reeve_rc rc = decisions_find(path, slice_of(id[i], DECISION_ID_LEN), &line);
		if (rc == RC_OK)
			found++;
		else
			assert_int_equal(found, 0); /* only the oldest are gone */
	}
	assert_in_range(found, 10, 29);
	assert_true(has(&line, "default policy (creator only)"));
	buf_free(&line);
}

static void unfinished_line(void **state)
{
	FILE *f = fopen(path, "we");
	struct buf line;

	fputs("{\"id\":\"aaaaaaaaaaaa\",\"cut\":", f);
	fclose(f);
	buf_init(&line, 1 << 20);
	assert_int_equal(decisions_find(path, S("aaaaaaaaaaaa"), &line), RC_NOTFOUND);
	f = fopen(path, "we");
	for (int i = 0; i < (256 << 10) + 1; i++) /* as much as is read at once */
		fputc('x', f);
	fputs("{\"id\":\"aaaaaaaaaaaa\"}\n{\"id\":\"bbbbbbbbbbbb\"}\n", f);
	fclose(f);
	assert_int_equal(decisions_find(path, S("aaaaaaaaaaaa"), &line), RC_NOTFOUND); /* inside a line is no line */
	assert_int_equal(decisions_find(path, S("bbbbbbbbbbbb"), &line), RC_OK);
	buf_free(&line);
}

struct logger { struct decisions *log; char id[50][DECISION_ID_LEN]; };

static void *log_many(void *arg)
{
	struct logger *l = arg;
	struct facts f = facts_of(NULL, ACOP_UPDATE);
	struct decision d = what_of(NULL, &f);

	d.n_policies = 0;
	for (int i = 0; i < 50; i++)
		decisions_log(l->log, &d, l->id[i]);
	return NULL;
}

static void threads(void **state)
{
	struct logger l[4];
	struct decisions *log = NULL;
	pthread_t t[4];
	struct buf line;

	assert_int_equal(decisions_open(path, 1 << 24, &log), RC_OK);
	for (int i = 0; i < 4; i++) {
		l[i].log = log;
		assert_int_equal(pthread_create(&t[i], NULL, log_many, &l[i]), 0);
	}
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	decisions_close(log);
	buf_init(&line, 1 << 20);
	for (int i = 0; i < 4; i++)
		for (int k = 0; k < 50; k++) {
			buf_clear(&line);
			assert_int_equal(decisions_find(path, slice_of(l[i].id[k], DECISION_ID_LEN), &line), RC_OK);
			assert_int_equal(line.p[line.n - 1], '}');
		}
	buf_free(&line);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, drop_folder)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reasons), cmocka_unit_test(hostile_strings), cmocka_unit_test(too_many_rules), IN_FOLDER(logged),
		IN_FOLDER(rotated), IN_FOLDER(unfinished_line), IN_FOLDER(threads),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
