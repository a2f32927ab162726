/* SPDX-License-Identifier: Apache-2.0 */
/* Yardstick for durable Creates: append records to a file, fdatasync after each batch. Nothing a store does can be cheaper.
 * usage: bench_append FOLDER BATCH BYTES SECONDS  -> records per second */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/slice.h"

int main(int argc, char **argv)
{
	uint64_t batch, bytes, seconds, n = 0;
	char path[4096], *records;
	usec begin, now;
	int fd;

	if (argc != 5 || !slice_u64(slice_str(argv[2]), &batch) || !slice_u64(slice_str(argv[3]), &bytes) ||
	    !slice_u64(slice_str(argv[4]), &seconds) || !batch || batch > 100000 || !bytes || bytes > 1 << 20) {
		fputs("usage: bench_append FOLDER BATCH BYTES SECONDS\n", stderr);
		return 2;
	}
	snprintf(path, sizeof(path), "%s/append.bin", argv[1]);
	fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
	records = malloc(batch * bytes);
	if (fd < 0 || !records) {
		perror(path);
		return 1;
	}
	memset(records, 'x', batch * bytes);
	begin = now = clock_mono();
	while (now - begin < (usec)seconds * USEC_S) {
		if (write(fd, records, batch * bytes) != (ssize_t)(batch * bytes) || fdatasync(fd) != 0) {
			perror(path);
			return 1;
		}
		n += batch;
		now = clock_mono();
	}
	printf("%.0f\n", (double)n * (double)USEC_S / (double)(now - begin));
	close(fd);
	unlink(path);
	free(records);
	return 0;
}
