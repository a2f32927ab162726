/* SPDX-License-Identifier: Apache-2.0 */
/* The store and the tree alone, in one thread: durable Creates beside raw append + fdatasync of as many bytes, Retrieves from a snapshot,
 * opening, and removing a large subtree.
 * usage: bench_store FOLDER CONTAINERS RESOURCES SECONDS -> one "name value" per line */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "resource/tree.h"

enum { BATCH = 64, LOAD_BATCH = 20000, MOST = 64, ROUNDS = 5 };
static const char attrs[] = "\"st\":1,\"cs\":4,\"con\":\"21.5\",\"cr\":\"Csensor0123456789\"";

static struct store *s;
static struct tree_seq seq;
static struct res_key containers[MOST];
static const char *folder;
static unsigned n_containers; /* the Creates go to them in turns */

static void must(enum reeve_rc rc, const char *what)
{
	if (rc == RC_OK)
		return;
	fprintf(stderr, "%s: %s\n", what, rc_name(rc));
	exit(1);
}

static struct res_new fresh(uint16_t ty)
{
	usec now = clock_wall();
	return (struct res_new){ .h = { .ty = ty, .ct = now, .lt = now, .et = now + 86400 * 365 * USEC_S, .cs = 4 } };
}

static double rate(uint64_t n, usec span) { return (double)n * (double)USEC_S / (double)(span ? span : 1); }

static void open_store(bool no_sync)
{
	struct store_options o = { .path = folder, .readers = 8, .no_sync = no_sync };
	char why[256];

	if (store_open(&o, &s, why) != RC_OK) {
		fprintf(stderr, "%s\n", why);
		exit(1);
	}
}

static void furnish(void)
{
	struct res_new nw = fresh(5);
	struct res base, r;
	struct st_tx *tx;

	must(st_begin(s, &tx), "begin");
	must(tree_seq_load(tx, &seq), "seq");
	nw.name = S("cse");
	nw.ri = S("id-in");
	nw.h.et = USEC_NEVER;
	must(tree_insert(tx, &seq, NULL, &nw, &base), "base");
	for (unsigned i = 0; i < n_containers; i++) {
		nw = fresh(3);
		must(tree_get(tx, (struct res_key){ 0, RES_ROOT }, &base), "base");
		must(tree_insert(tx, &seq, &base, &nw, &r), "container");
		containers[i] = r.key;
	}
	must(tree_seq_save(tx, &seq), "seq");
	must(st_commit(tx), "commit");
}

/* One transaction with n Creates of a contentInstance, as the CSE does each: read the parent, insert, touch the parent. */
static void create(unsigned n)
{
	static unsigned turn;
	struct res parent, r;
	struct st_tx *tx;

	must(st_begin(s, &tx), "begin");
	for (unsigned i = 0; i < n; i++) {
		struct res_new nw = fresh(4);
		must(tree_get(tx, containers[turn++ % n_containers], &parent), "parent");
		nw.h.et = parent.h.et;
		nw.attrs = S(attrs);
		must(tree_insert(tx, &seq, &parent, &nw, &r), "insert");
		parent.h.cni++;
		parent.h.cbs += nw.h.cs;
		parent.h.st++;
		parent.h.lt = nw.h.lt;
		must(tree_touch(tx, &parent), "touch");
	}
	must(tree_seq_save(tx, &seq), "seq");
	must(st_commit(tx), "commit");
}

static size_t record_bytes(void)
{
	struct st_tx *tx;
	struct res r;
	size_t n;

	must(st_reader_new(s, &tx), "reader");
	must(st_renew(tx), "renew");
	must(tree_latest(tx, containers[0].n, 0, &r), "latest");
	n = RES_KEY_LEN + sizeof(r.h) + r.text.n;
	st_release(tx);
	st_reader_free(tx);
	return n;
}

static double append_for(usec span, size_t bytes, int fd)
{
	static char records[BATCH * 4096];
	uint64_t n = 0;
	usec begin = clock_mono(), now = begin;

	for (; now - begin < span; now = clock_mono(), n += BATCH)
		if (write(fd, records, BATCH * bytes) != (ssize_t)(BATCH * bytes) || fdatasync(fd) < 0)
			must(RC_IO, "append");
	return rate(n, now - begin);
}

static double create_for(usec span)
{
	uint64_t n = 0;
	usec begin = clock_mono(), now = begin;

	for (; now - begin < span; now = clock_mono(), n += BATCH)
		create(BATCH);
	return rate(n, now - begin);
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

/* Both sides in turns; the median of the ratios. */
static void creates(const char *name, usec span)
{
	double append[ROUNDS], made[ROUNDS], ratio[ROUNDS];
	size_t bytes = record_bytes();
	char file[4096];
	int fd;

	snprintf(file, sizeof(file), "%s/append.bin", folder);
	fd = open(file, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
	for (int i = 0; i < ROUNDS; i++) {
		append[i] = append_for(span / ROUNDS, bytes, fd);
		made[i] = create_for(span / ROUNDS);
		ratio[i] = made[i] / append[i];
	}
	close(fd);
	unlink(file);
	qsort(append, ROUNDS, sizeof(double), by_size);
	qsort(made, ROUNDS, sizeof(double), by_size);
	qsort(ratio, ROUNDS, sizeof(double), by_size);
	printf("%s_append_per_s %.0f\n%s_create_per_s %.0f\n%s_ratio %.2f\n", name, append[ROUNDS / 2], name, made[ROUNDS / 2], name,
	       ratio[ROUNDS / 2]);
}

static void retrieves(uint64_t resources)
{
	uint64_t n = 2000000, random = 88172645463325252u;
	struct st_tx *tx;
	struct res r;
	struct buf b;
	usec begin;

	buf_init(&b, 1 << 20);
	must(st_reader_new(s, &tx), "reader");
	begin = clock_mono();
	for (uint64_t i = 0; i < n; i++) {
		must(st_renew(tx), "renew");
		st_release(tx);
	}
	printf("renew_ns %.0f\n", 1e9 / rate(n, clock_mono() - begin));
	must(st_renew(tx), "renew");
	begin = clock_mono();
	for (uint64_t i = 0; i < n; i++) {
		uint64_t ordinal;
		random ^= random << 13;
		random ^= random >> 7;
		random ^= random << 17;
		ordinal = RES_ROOT + 1 + n_containers + random % resources;
		must(tree_get(tx, (struct res_key){ containers[(ordinal - RES_ROOT - 1 - n_containers) % n_containers].n, RES_INSTANCE | ordinal },
			      &r), "get");
		buf_clear(&b);
		res_render_rooted(&b, &r);
	}
	printf("get_render_per_s %.0f\n", rate(n, clock_mono() - begin));
	st_release(tx);
	begin = clock_mono();
	for (uint64_t i = 0; i < n / 4; i++) {
		must(st_renew(tx), "renew");
		must(tree_latest(tx, containers[i % n_containers].n, 0, &r), "latest");
		if (!tree_alive(tx, &r, 0))
			must(RC_NOTFOUND, "alive");
		buf_clear(&b);
		res_render_rooted(&b, &r);
		st_release(tx);
	}
	printf("renew_latest_render_per_s %.0f\n", rate(n / 4, clock_mono() - begin));
	st_reader_free(tx);
	buf_free(&b);
}

static void reopening(void)
{
	usec begin;
	struct st_tx *tx;
	struct res r;

	store_close(s);
	begin = clock_mono();
	open_store(false);
	must(st_reader_new(s, &tx), "reader");
	must(st_renew(tx), "renew");
	must(tree_latest(tx, containers[0].n, 0, &r), "latest");
	printf("open_ms %.2f\n", (double)(clock_mono() - begin) / 1000);
	st_release(tx);
	st_reader_free(tx);
}

/* Everything below one container, in portions as the writer does. */
static void sweeping(void)
{
	uint64_t before, left;
	struct store_stat st;
	struct st_tx *tx;
	struct res r;
	bool more = true;
	usec begin = clock_mono(), longest = 0;

	store_stat(s, &st);
	before = st.entries[ST_RES];
	while (more) {
		usec one = clock_mono();
		must(st_begin(s, &tx), "begin");
		if (st_entries(tx, ST_TRASH) == 0) {
			for (unsigned i = 0; i < (n_containers + 7) / 8; i++) {
				must(tree_get(tx, containers[i], &r), "get");
				must(tree_remove(tx, &r), "remove");
			}
		}
		must(tree_sweep(tx, 2000, NULL, NULL, &more), "sweep");
		one = clock_mono() - one;
		longest = one > longest ? one : longest;
		must(st_commit(tx), "commit");
	}
	store_stat(s, &st);
	left = st.entries[ST_RES];
	printf("swept %llu\nsweep_per_s %.0f\nsweep_2000_longest_ms %.1f\n", (unsigned long long)(before - left),
	       rate(before - left, clock_mono() - begin), (double)longest / 1000);
}

int main(int argc, char **argv)
{
	uint64_t n, resources, seconds, made = 0;
	struct store_stat st;
	usec begin;

	if (argc != 5 || !slice_u64(slice_str(argv[2]), &n) || !slice_u64(slice_str(argv[3]), &resources) ||
	    !slice_u64(slice_str(argv[4]), &seconds) || n < 1 || n > MOST || resources < MOST) {
		fputs("usage: bench_store FOLDER CONTAINERS RESOURCES SECONDS\n", stderr);
		return 2;
	}
	n_containers = (unsigned)n;
	folder = argv[1];
	open_store(false);
	furnish();
	create(BATCH);
	made += BATCH;
	creates("empty", (usec)seconds * USEC_S);
	store_close(s);
	open_store(true);
	begin = clock_mono();
	for (; made < resources; made += LOAD_BATCH)
		create(LOAD_BATCH);
	printf("load_per_s %.0f\n", rate(made, clock_mono() - begin));
	store_close(s);
	open_store(false);
	creates("full", (usec)seconds * USEC_S);
	retrieves(resources);
	reopening();
	store_stat(s, &st);
	printf("resources %llu\nbytes_each %.0f\n", (unsigned long long)st.entries[ST_RES], (double)st.bytes_used / (double)st.entries[ST_RES]);
	sweeping();
	store_close(s);
	return 0;
}
