/* SPDX-License-Identifier: Apache-2.0 */
/* <CSEBase> (TS-0004 7.4.3): made at start-up (core.c); no operation but Retrieve and what its children need. */
#include "core/types.h"

const struct type_hooks type_cse_base = { .ty = 5 };
