/* SPDX-License-Identifier: Apache-2.0 */
/* Read by pieces, so that what has no length (a pipe) is read as a file is, and no more than a piece beyond the ceiling. */
#include "base/file.h"

#include <errno.h>
#include <stdio.h>

static enum reeve_rc failed(char why[FILE_WHY_MAX])
{
	snprintf(why, FILE_WHY_MAX, "cannot be read: %s", strerror(errno));
	return RC_IO;
}

static enum reeve_rc read_all(FILE *f, size_t max, struct buf *out, char why[FILE_WHY_MAX])
{
	char piece[16384];
	size_t n;

	errno = 0;
	while ((n = fread(piece, 1, sizeof(piece), f)) > 0) {
		if (n > max - out->n) {
			snprintf(why, FILE_WHY_MAX, "is longer than %zu bytes", max);
			return RC_IO;
		}
		buf_add(out, piece, n);
		if (out->failed) {
			snprintf(why, FILE_WHY_MAX, "no memory is left for it");
			return RC_NOMEM;
		}
	}
	return ferror(f) ? failed(why) : RC_OK;
}

enum reeve_rc file_read(const char *path, size_t max, struct buf *out, char why[FILE_WHY_MAX])
{
	FILE *f = path ? fopen(path, "re") : stdin;
	enum reeve_rc rc;

	buf_init(out, max);
	why[0] = '\0';
	if (!f)
		return failed(why);
	rc = read_all(f, max, out, why);
	if (path)
		fclose(f);
	return rc;
}
