/* SPDX-License-Identifier: Apache-2.0 */
/* Where the keys are, see keys.h. */
#include "core/keys.h"

#include <stdio.h>

#include "core/config.h"

enum reeve_rc keys_open(const struct config *c, bool create, struct secenv **out, char why[KEY_WHY_MAX])
{
	char path[4096];
	const struct secenv_options o = { .file = c->keys.file ? c->keys.file : path, .key_file = c->keys.seal, .create = create };

	*out = NULL;
	if (snprintf(path, sizeof(path), "%s/keys", c->data) >= (int)sizeof(path)) {
		snprintf(why, KEY_WHY_MAX, "store.data is too long");
		return RC_LIMIT;
	}
	return secenv_open(&o, out, why);
}
