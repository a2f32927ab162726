/* SPDX-License-Identifier: Apache-2.0 */
/* Development credentials of `reeve up`: what a newcomer needs to try security associations, made at the first start.
 *
 *   DATA/dev/ca.pem, ca.key   a CA that may certify names below the service provider's domain only
 *   DATA/dev/cse.pem          its certificate for this CSE; the key is in the sealed file, as "dev-cse"
 *   DATA/dev/Cdevice.psk      hexadecimal key of 12-Cdevice@DOMAIN, which stands for the AE Cdevice
 *   DATA/dev/Cadmin.psk       the same of 12-Cadmin@DOMAIN, who may administer credentials too
 *
 * Everything is readable by the owner only. Never overwritten: who removes the folder gets new ones at the next start. */
#ifndef REEVE_MAIN_DEVELOP_H
#define REEVE_MAIN_DEVELOP_H

#include "main/settings.h"

/* The listeners of `reeve up`: all bindings on loopback. Before the command line. */
void develop_defaults(struct settings *s);
/* After it: as far as http.port is from its default, so far are the other ports that nobody chose; one that is taken is left to the
 * system. */
void develop_ports(struct settings *s);
/* Make what is absent, and have s use it; s with certificates of its own is left alone. Before core_start. RC_BUSY: another process has
 * the store. Else `why`. */
REEVE_MUST_CHECK enum reeve_rc develop_credentials(struct settings *s, char why[256]);
/* "DATA/dev/NAME" of a file that is there, in memory of s; NULL: it is not. */
const char *develop_file(struct settings *s, const char *name);

#endif
