/* SPDX-License-Identifier: Apache-2.0 */
/* What `reeve check` checks, one file each; arguments are those behind the word. The exit status. */
#ifndef REEVE_MAIN_CHECK_H
#define REEVE_MAIN_CHECK_H

int check_audit(int argc, char **argv);
int check_cert(int argc, char **argv);

#endif
