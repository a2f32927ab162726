/* SPDX-License-Identifier: Apache-2.0 */
/* The reader of the audit log: any bytes, as a file, and as a head.
 *
 * Invariants: a chain that is called whole is whole - every line of it is written again by the writer's function from what was read,
 * with the same bytes; and changing one byte of it makes it not whole when its end is known. */
#include <stdlib.h>

#include "authz/audit_check.h"
#include "authz/audit_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void tell(void *ctx, bool problem, const char *text)
{
	*(bool *)ctx |= problem;
	check(text[0] != '\0');
}

static struct audit_check read_all(struct slice text, uint64_t seq, const char *sum)
{
	bool problem = false;
	struct audit_check c = { .tell = tell, .ctx = &problem };
	struct audit_chain *ch = audit_chain_new(&c);

	check(ch != NULL);
	if (sum) {
		c.known[0].seq = seq;
		c.known[0].where = "x";
		memcpy(c.known[0].sum, sum, AUDIT_HEX);
		c.n_known = 1;
	}
	audit_chain_file(ch, "file");
	while (text.p) {
		struct slice line = slice_cut(&text, '\n');
		audit_chain_line(ch, line, text.p != NULL);
	}
	audit_chain_end(ch);
	audit_chain_free(ch);
	check(problem == (c.problems > 0));
	return c;
}

static void rewrite(struct slice line)
{
	struct audit_line l;
	struct slice members;
	char sum[AUDIT_HEX];
	struct buf b;

	if (!audit_line_read(line, &l) || !audit_line_right(&l, NULL))
		return;
	buf_init(&b, 2 * AUDIT_LINE_MAX);
	members = slice_skip(l.body, (size_t)slice_find(l.body, ',') + 1);
	members.n -= sizeof(",\"prev\":\"\"") - 1 + AUDIT_HEX;
	check(audit_line_write(&b, l.seq, members, l.prev, NULL, sum) && memcmp(sum, l.sum, AUDIT_HEX) == 0);
	check(b.n == line.n + 1 && memcmp(b.p, line.p, line.n) == 0);
	buf_free(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = malloc(size + 1), sum[AUDIT_HEX];
	struct slice text = slice_of(copy, size), rest = text;
	struct audit_check c, again;
	uint64_t seq;

	if (!copy)
		return 0;
	memcpy(copy, data, size);
	c = read_all(text, 0, NULL);
	while (rest.p)
		rewrite(slice_cut(&rest, '\n'));
	if (!c.problems && c.lines) {
		again = read_all(text, c.last, c.sum);
		check(!again.problems || copy[size - 1] != '\n');
		copy[(c.sum[0] * 131u + c.sum[1]) % size] ^= 4;
		again = read_all(text, c.last, c.sum);
		check(again.problems || copy[size - 1] != '\n');
	}
	(void)audit_head_read(text, &seq, sum);
	free(copy);
	return 0;
}
