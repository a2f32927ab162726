/* SPDX-License-Identifier: Apache-2.0 */
/* The registration of this CSE at its Registrar CSE (TS-0001 10.2.2.7): made at the start, renewed, told of descendants, taken back at
 * the end if the operator wants that. */
#ifndef REEVE_CORE_REGISTRAR_H
#define REEVE_CORE_REGISTRAR_H

#include "core/core.h"
#include "core/exec.h"

/* Begin to register, when a registrar is configured. Once the transports are there and others can reach us. */
REEVE_MUST_CHECK enum reeve_rc registrar_start(struct core *c);
/* Take the registration back (registrar.deregister), and wait for that, some seconds at most. Not on a loop; before core_stop. */
void registrar_leave(struct core *c);
/* After the loops ended. */
void registrar_free(struct registrar *g);

/* In the writer: who can be reached through this CSE changed; after the commit the registrar is told. */
void registrar_descendants_changed(struct exec *x);
/* On the hub, after commits. */
void registrar_wake(struct core *c);

/* A connection to the registrar stands again, and by a request he knows whose it is: the registration is renewed. On the hub. */
void registrar_renew(struct core *c);

/* The address of our <remoteCSE> there; hub only. */
struct slice registrar_place(const struct core *c);

/* Is there a registration? Any thread. */
bool registrar_registered(const struct core *c);

#endif
