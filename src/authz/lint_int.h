/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of lint: time windows (lint_time.c), rules that contain each other (lint_cover.c), findings (lint.c). */
#ifndef REEVE_AUTHZ_LINT_INT_H
#define REEVE_AUTHZ_LINT_INT_H

#include "authz/lint.h"
#include "authz/policy_int.h"

/* Is there a moment in the window: from `now` on, only before, or none at all (30 February)? */
enum window_life { WINDOW_NEVER, WINDOW_OVER, WINDOW_OPEN };
enum window_life lint_window(const struct text_schedule *w, usec now);
/* Can this context be met from now on? By what the CSE can know, too: places need a source of places. */
enum window_life lint_context(const struct policy_options *o, const struct context *c, usec now, const char **why);

/* Everything that a meets, b meets. */
bool lint_context_within(const struct context *a, const struct context *b);
/* Whoever entry e of another rule stands for, r stands for as well. */
bool lint_entry_within(const struct survey_entry *e, const struct survey_rule *r);
/* r permits under all circumstances under which i permits, as far as conditions go (acaf, acco; acod for Create). */
bool lint_conditions_within(const struct survey_rule *i, const struct survey_rule *r, unsigned ops);
/* i has conditions of a kind (acaf, acco, acod) of which r has none. */
bool lint_has_more_conditions(const struct survey_rule *i, const struct survey_rule *r);

#endif
