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
#include <time.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "../unit/store_util.h"
#include "../unit/tree_util.h"
#include "failio.h"

enum { COMMITS = 60, SECTOR = 512, JOURNAL = 1 << 20 };

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

static size_t journal; /* bytes; 0: none */

static void open_again(struct test_store *t, bool power_lost)
{
	struct store_options o = { .path = t->path, .readers = 4, .journal = journal, .power_lost = power_lost };
	enum reeve_rc rc = store_open(&o, &t->s, t->why);

	if (rc != RC_OK)
		print_error("%s\n", t->why);
	assert_ok(rc);
	assert_ok(st_reader_new(t->s, &t->reader));
}

static void open_synced(struct test_store *t) { open_again(t, false); }

/* One transaction: a few instances below the container, its counters, and as many outbox entries. Sometimes the oldest instances go.
 * Returns
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

static void killed(struct test_store *t)
{
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

static void killed_at_any_time(void **state)
{
	journal = 0;
	killed(*state);
}

static void killed_with_a_journal(void **state)
{
	journal = JOURNAL;
	killed(*state);
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

static void store_file_name(const struct test_store *t, int f, char out[128])
{
	static const char *const names[FAILIO_FILES] = { "data.mdb", "journal.0", "journal.1" };
	snprintf(out, 128, "%s/%s", t->path, names[f]);
}

/* The journal's files are made in the background: commit until it is in use, which shows in its head. */
static void await_journal(struct test_store *t)
{
	static const struct timespec pause = { 0, 1000000 };
	struct test_tree tree;
	char file[128], mark[9] = "";
	int fd;

	for (int f = 1; !mark[0]; f = 3 - f) {
		nanosleep(&pause, NULL);
		test_tree_begin(&tree, t);
		work(&tree);
		store_file_name(t, f, file);
		fd = open(file, O_RDONLY);
		if (fd < 0)
			continue;
		(void)!read(fd, mark, 8);
		close(fd);
	}
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

/* Of each file: what was synced before the moment, and of the rest some sectors. */
static void power_is_lost_at(const struct image base[FAILIO_FILES], const struct failio_op *ops, size_t moment, uint64_t least,
				struct test_store *t)
{
	static const unsigned shares[] = { 0, 1, 4, 7, 8 };
	unsigned share = shares[pick(5)];

	for (int f = 0; f < FAILIO_FILES; f++) {
		struct image m = { NULL, base[f].n };
		size_t synced = 0;
		char file[128];
		int fd;

		if (!base[f].n)
			continue;
		m.p = malloc(m.n);
		memcpy(m.p, base[f].p, base[f].n);
		for (size_t i = 0; i < moment; i++)
			if (ops[i].sync && ops[i].file == f)
				synced = i;
		for (size_t i = 0; i < moment; i++) {
			if (ops[i].sync || ops[i].file != f)
				continue;
			if (i < synced || ops[i].durable)
				apply(&m, ops[i].at, ops[i].data, ops[i].n);
			else
				apply_some(&m, &ops[i], share);
		}
		store_file_name(t, f, file);
		fd = open(file, O_WRONLY | O_CREAT | O_TRUNC, 0600);
		assert_int_equal(write(fd, m.p, m.n), m.n);
		close(fd);
		free(m.p);
	}
	open_again(t, true);
	assert_true(inspect(t) >= least);
	test_store_close(t);
}

static void power_is_lost(struct test_store *t, struct test_store *copy, int commits, unsigned images)
{
	struct { size_t op; uint64_t made; } *acks = calloc((size_t)commits, sizeof(*acks));
	struct image base[FAILIO_FILES] = { { NULL, 0 } };
	const struct failio_op *ops;
	struct test_tree tree;
	char file[128];
	size_t n;

	test_store_close(copy);
	test_store_close(t);
	open_synced(t);
	test_tree_begin(&tree, t);
	work(&tree);
	if (journal)
		await_journal(t);
	for (int f = 0; f < (journal ? FAILIO_FILES : 1); f++) {
		store_file_name(t, f, file);
		base[f] = load(file);
	}
	failio_record(true);
	for (int i = 0; i < commits; i++) {
		test_tree_begin(&tree, t);
		acks[i].made = work(&tree);
		failio_recorded(&acks[i].op);
	}
	failio_record(false);
	ops = failio_recorded(&n);
	assert_true(n > (size_t)commits * 3);
	for (unsigned i = 0, most = rounds(images); i < most; i++) {
		size_t moment = pick((unsigned)n + 1);
		uint64_t least = 1;
		for (int a = 0; a < commits && acks[a].op <= moment; a++)
			least = acks[a].made;
		power_is_lost_at(base, ops, moment, least, copy);
	}
	for (int f = 0; f < FAILIO_FILES; f++)
		free(base[f].p);
	free(acks);
}

static void power_is_lost_at_any_time(void **state)
{
	struct test_store *copy = NULL;

	journal = 0;
	assert_int_equal(test_store_setup((void **)&copy), 0);
	power_is_lost(*state, copy, COMMITS, 150);
	test_store_teardown((void **)&copy);
}

/* Long enough for several checkpoints. */
static void power_is_lost_with_a_journal(void **state)
{
	struct test_store *copy = NULL;

	journal = JOURNAL;
	assert_int_equal(test_store_setup((void **)&copy), 0);
	power_is_lost(*state, copy, 5 * COMMITS, 50);
	test_store_teardown((void **)&copy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		store_test(killed_at_any_time),
		store_test(killed_with_a_journal),
		store_test(power_is_lost_at_any_time),
		store_test(power_is_lost_with_a_journal),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
