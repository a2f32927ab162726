/* SPDX-License-Identifier: Apache-2.0 */
/* Those who wait for one answer that is fetched for all of them. A list belongs to one thread, mostly the hub. */
#ifndef REEVE_CORE_WAITERS_H
#define REEVE_CORE_WAITERS_H

#include <stddef.h>

struct waiter {
	void (*done)(struct waiter *w); /* once */
	struct waiter *next, **link;    /* link == NULL: it does not wait */
};

static inline void waiter_join(struct waiter **list, struct waiter *w)
{
	if ((w->next = *list))
		w->next->link = &w->next;
	w->link = list;
	*list = w;
}

/* It waits no longer, if it did; done is not called. */
static inline void waiter_leave(struct waiter *w)
{
	if (!w->link)
		return;
	*w->link = w->next;
	if (w->next)
		w->next->link = w->link;
	w->link = NULL;
}

/* Who is told may leave others, and may wait again for something else. */
static inline void waiters_tell(struct waiter **list)
{
	struct waiter *w;

	while ((w = *list)) {
		waiter_leave(w);
		w->done(w);
	}
}

#endif
