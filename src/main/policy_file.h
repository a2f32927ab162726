/* SPDX-License-Identifier: Apache-2.0 */
/* What the commands about policies share: policies from files, and the place of the store. */
#ifndef REEVE_MAIN_POLICY_FILE_H
#define REEVE_MAIN_POLICY_FILE_H

#include "authz/explain.h"
#include "main/settings.h"

/* The whole of a file into a; false when it cannot be read or is too long, told on standard error with the name of the command. */
bool policy_file_text(struct arena *a, const char *command, const char *path, struct slice *out);
/* An accessControlPolicy: {"m2m:acp":{...}}, the inside of it, or privileges alone ({"acr":[...]}). Its name is rn, or the path. */
bool policy_file_read(struct arena *a, const char *command, const char *path, struct explain_policy *p);

/* Where the store is when nobody says: the places where `reeve up`, `make run` and the service keep it. */
void policy_find_data(struct settings *s);
/* The names of the CSE by its configuration; abs from a. */
struct ident_home policy_home(const struct config *c, struct arena *a);

#endif
