/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this folder know of an algorithm. */
#ifndef REEVE_SECENV_ALG_INT_H
#define REEVE_SECENV_ALG_INT_H

#include "secenv/secenv.h"

enum alg_work { WORK_NONE, WORK_MAC, WORK_SIGN, WORK_WRAP, WORK_AGREE, WORK_CONTENT, WORK_LEND, WORK_DERIVE };

struct alg {
	struct slice name;
	enum alg_work work;
	enum key_kind kind;
	const char *hash, *cipher; /* OpenSSL's names */
	enum key_curve curve;      /* CURVE_NONE: any */
	enum key_alg wrap;         /* ECDH-ES+A*KW: the A*KW */
	size_t size;               /* bytes of a symmetric key: the usual; of HS* and DERIVE also the length of the MAC */
	size_t least, most;        /* how many it may have; 0: exactly size */
};

extern const struct alg alg_table[ALG_COUNT]; /* a row is empty where there is no such algorithm */

#endif
