/* SPDX-License-Identifier: Apache-2.0 */
/* Where an Originator is, from two files of the operator: country by source address, position by identifier.
 *
 * Countries: one "CIDR,CC" per line, IPv4 or IPv6; the narrowest range that holds an address counts. Positions: one
 * "Originator,latitude,longitude" per line, in degrees. Blank lines and what follows '#' are skipped. A loaded table never
 * changes and may be read by all threads; to reload, open another one and exchange the pointer. (AUTHZ-094, 096) */
#ifndef REEVE_AUTHZ_LOCATE_H
#define REEVE_AUTHZ_LOCATE_H

#include "authz/ident.h"
#include "authz/pdp.h"

struct locate;

/* Either path may be NULL. RC_INVALID, RC_IO: why says file, line and reason. */
REEVE_MUST_CHECK enum reeve_rc locate_open(const char *countries, const char *positions, const struct ident_home *home,
					   struct locate **out, char why[256]);
void locate_free(struct locate *l);

/* False when it is not known. */
bool locate_country(const struct locate *l, const uint8_t ip[16], char country[3]);
bool locate_position(const struct locate *l, struct slice who, double *latitude, double *longitude);

/* Fill in country, position_known, latitude and longitude of f from its ip and who; l may be NULL. */
void locate_fill(const struct locate *l, struct facts *f);

#endif
