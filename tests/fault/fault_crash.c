/* SPDX-License-Identifier: Apache-2.0 */
/* Crashes. What was acknowledged is there afterwards, and nothing is there by half.
 *
 * kill -9: a child process works on a store and acknowledges each commit on a pipe; it is killed after a random number of them.
 * Power loss: every write to the file is recorded. For each of many moments an image of the disk is made: all that had been
 * synced, and of the rest a random selection of sectors. It must open as a store that holds at least what was acknowledged at that
 * moment. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "../unit/store_util.h"
#include "../unit/tree_util.h"
#include "failio.h"

enum { COMMITS = 60, SECTOR = 512 };

/* FAULT_ROUNDS=1000 for a long run. */
static unsigned rounds(unsigned usual)
{
	const char *given = getenv("FAULT_ROUNDS");
	return given ? (unsigned)strtoul(given, NULL, 10) : usual;
}

static uint64_t random_state = 88172645463325252u;

static unsigned pick(unsigned n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (unsigned)(random_state >> 33) % n;
}

static void open_synced(struct test_store *t)
{
	struct store_options o = { .path = t->path, .readers = 4 };
	enum reeve_rc rc = store_open(&o, &t->s, t->why);

	if (rc != RC_OK)
		print_error("%s\n", t->why);
	assert_ok(rc);
	assert_ok(st_reader_new(t->s, &t->reader));
}

/* One transaction: a few instances below the container, its counters, and as many outbox entries. Sometimes the oldest instances go. Returns
 * how many instances were ever made. */
static uint64_t work(struct test_tree *t)
{
	struct res base, cnt, r;
	struct res_new nw = test_new(4, "");
	char con[3000];
	uint64_t made;
	unsigned n = 1 + pick(6);

	test_base(t, &base);
	if (tree_child(t->tx, RES_ROOT, S("cnt"), &cnt) != RC_OK)
		cnt = test_add(t, &base, 3, "cnt");
	cnt = test_get(t, cnt.key);
	memset(con, 'c', sizeof(con));
	memcpy(con, "\"con\":\"", 7);
	for (unsigned i = 0; i < n; i++) {
		size_t len = 20 + pick(pick(4) ? 200 : sizeof(con) - 20);
		con[len - 1] = '"';
		nw.attrs = slice_of(con, len);
		assert_ok(tree_insert(t->tx, &t->seq, &cnt, &nw, &r));
		con[len - 1] = 'c';
		cnt = test_get(t, cnt.key);
		cnt.h.cni++;
		cnt.h.st++;
		assert_ok(tree_touch(t->tx, &cnt));
		assert_ok(st_put(t->tx, ST_OUTBOX, slice_of((const char *)&cnt.h.st, 8), S("")));
	}
	while (cnt.h.cni > 100 || (cnt.h.cni > 1 && pick(4) == 0)) {
		assert_ok(tree_oldest(t->tx, cnt.key.n, TEST_T0, &r));
		assert_ok(tree_remove(t->tx, &r));
		cnt = test_get(t, cnt.key);
		cnt.h.cni--;
		assert_ok(tree_touch(t->tx, &cnt));
	}
	made = cnt.h.st;
	test_tree_end(t);
	return made;
}

/* The parts agree; returns how many instances were ever made. */
static uint64_t inspect(struct test_store *s)
{
	struct tree_iter it;
	struct res cnt, r;
	uint64_t n = 0, last = 0;

	assert_ok(st_renew(s->reader));
	if (tree_child(s->reader, RES_ROOT, S("cnt"), &cnt) != RC_OK) {
		st_release(s->reader);
		return 0;
	}
	assert_int_equal(st_entries(s->reader, ST_OUTBOX), cnt.h.st);
	assert_ok(tree_children(s->reader, cnt.key.n, TREE_INSTANCES, &it));
	while (tree_next(&it, &r) == RC_OK) {
		struct slice con = res_member(&r, S("con"));
		assert_true(con.n > 2 && con.p[1] == 'c' && con.p[con.n - 2] == 'c');
		assert_true(r.key.n > last);
		last = r.key.n;
		n++;
	}
	tree_end(&it);
	assert_int_equal(n, cnt.h.cni);
	n = cnt.h.st;
	st_release(s->reader);
	return n;
}

/* --- kill -9 --- */

static void child_works(struct test_store *t, int to)
{
	struct test_tree tree;

	open_synced(t);
	for (;;) {
		uint64_t made;
		test_tree_begin(&tree, t);
		made = work(&tree);
		if (write(to, &made, sizeof(made)) != sizeof(made))
			_exit(1);
	}
}

static void killed_at_any_time(void **state)
{
	struct test_store *t = *state;
	uint64_t acknowledged = 0, made;
	unsigned most = rounds(20);

	test_store_close(t);
	for (unsigned round = 0; round < most; round++) {
		unsigned acks = pick(30);
		int p[2], status;
		pid_t child;

		assert_int_equal(pipe(p), 0);
		pick(1); /* another history for each child */
		child = fork();
		if (child == 0) {
			close(p[0]);
			child_works(t, p[1]);
		}
		close(p[1]);
		for (unsigned i = 0; i < acks; i++)
			assert_int_equal(read(p[0], &acknowledged, sizeof(acknowledged)), sizeof(acknowledged));
		kill(child, SIGKILL); /* somewhere in its next transactions */
		waitpid(child, &status, 0);
		assert_true(WIFSIGNALED(status));
		while (read(p[0], &made, sizeof(made)) == sizeof(made))
			acknowledged = made;
		close(p[0]);
		open_synced(t);
		made = inspect(t);
		assert_true(made >= acknowledged);
		acknowledged = made;
		test_store_close(t);
	}
	assert_true(acknowledged > most * 10);
}

/* --- power loss --- */

struct image { char *p; size_t n; };

static struct image load(const char *file)
{
	struct image m;
	struct stat st;
	int fd = open(file, O_RDONLY);

	assert_int_equal(fstat(fd, &st), 0);
	m.n = (size_t)st.st_size;
	m.p = malloc(m.n);
	assert_int_equal(read(fd, m.p, m.n), m.n);
	close(fd);
	return m;
}

static void apply(struct image *m, off_t at, const char *p, size_t n)
{
	size_t end = (size_t)at + n;

	if (end > m->n) {
		m->p = realloc(m->p, end);
		memset(m->p + m->n, 0, end - m->n);
		m->n = end;
	}
	memcpy(m->p + at, p, n);
}

/* A write that was not synced: each of its sectors is on the disk or not. */
static void apply_some(struct image *m, const struct failio_op *op, unsigned of_8)
{
	size_t i = 0;

	while (i < op->n) {
		size_t n = SECTOR - ((size_t)op->at + i) % SECTOR;
		if (n > op->n - i)
			n = op->n - i;
		if (pick(8) < of_8)
			apply(m, op->at + (off_t)i, op->data + i, n);
		i += n;
	}
}

static void power_is_lost_at(struct image base, const struct failio_op *ops, size_t moment, uint64_t least, struct test_store *t)
{
	static const unsigned shares[] = { 0, 1, 4, 7, 8 };
	struct image m = { malloc(base.n), base.n };
	unsigned share = shares[pick(5)];
	size_t synced = 0;
	char file[128];
	int fd;

	memcpy(m.p, base.p, base.n);
	for (size_t i = 0; i < moment; i++)
		if (ops[i].sync)
			synced = i;
	for (size_t i = 0; i < moment; i++) {
		if (ops[i].sync)
			continue;
		if (i < synced || ops[i].durable)
			apply(&m, ops[i].at, ops[i].data, ops[i].n);
		else
			apply_some(&m, &ops[i], share);
	}
	snprintf(file, sizeof(file), "%s/data.mdb", t->path);
	fd = open(file, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_int_equal(write(fd, m.p, m.n), m.n);
	close(fd);
	free(m.p);
	test_store_open(t, 0);
	assert_true(inspect(t) >= least);
	test_store_close(t);
}

static void power_is_lost_at_any_time(void **state)
{
	static struct { size_t op; uint64_t made; } acks[COMMITS];
	struct test_store *t = *state, *copy = NULL;
	const struct failio_op *ops;
	struct test_tree tree;
	struct image base;
	char file[128];
	size_t n;

	assert_int_equal(test_store_setup((void **)&copy), 0);
	test_store_close(copy);
	test_store_close(t);
	open_synced(t);
	test_tree_begin(&tree, t);
	work(&tree);
	snprintf(file, sizeof(file), "%s/data.mdb", t->path);
	base = load(file);
	failio_record(true);
	for (int i = 0; i < COMMITS; i++) {
		test_tree_begin(&tree, t);
		acks[i].made = work(&tree);
		failio_recorded(&acks[i].op);
	}
	failio_record(false);
	ops = failio_recorded(&n);
	assert_true(n > COMMITS * 3);
	for (unsigned i = 0, most = rounds(150); i < most; i++) {
		size_t moment = pick((unsigned)n + 1);
		uint64_t least = 1;
		for (int a = 0; a < COMMITS && acks[a].op <= moment; a++)
			least = acks[a].made;
		power_is_lost_at(base, ops, moment, least, copy);
	}
	free(base.p);
	test_store_teardown((void **)&copy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		store_test(killed_at_any_time),
		store_test(power_is_lost_at_any_time),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
