/* SPDX-License-Identifier: Apache-2.0 */
/* May this AE register, and by which AE-ID-Stem (TS-0001 10.2.2.2, TS-0004 7.3.2.7; authorization.md 8.3, 8.4)? No policies are asked:
 * the rules of the service subscription decide, and the operator's lists beside them. The administrator (access.admin) needs no
 * subscription: somebody has to make the first one. */
#ifndef REEVE_CORE_ADMISSION_H
#define REEVE_CORE_ADMISSION_H

#include "core/exec.h"
#include "core/registration/app_rule.h"

/* Is there a subscription to register under? 4128. Writer. */
REEVE_MUST_CHECK enum reeve_rc admission_open(struct exec *x, struct req *r);
/* After that: the App-ID and From are allowed, and *stem (in r's arena) is not in use. 4000, 4117, 4126. Writer. */
REEVE_MUST_CHECK enum reeve_rc admission_stem(struct exec *x, struct req *r, struct slice app, struct slice *stem);

/* At the IN-CSE: may the CSE `cse` (canonical id) register this AE by an S-type AE-ID (TS-0001 10.2.2.2, steps 006)? wish is "S" or a stem;
 * *stem, in r's arena, is what it will be; a stem that was wished for may be in use. 4126, 4128. Writer. */
REEVE_MUST_CHECK enum reeve_rc admission_confirm(struct exec *x, struct req *r, struct slice cse, const struct applicant *who,
						 struct slice wish, struct slice *stem);

#endif
