/* SPDX-License-Identifier: Apache-2.0 */
/* The implemented resource types: one row each. */
#include "core/types.h"

extern const struct type_hooks type_authorization_decision, type_authorization_policy, type_authorization_information;
extern const struct type_hooks type_acp, type_ae, type_container, type_content_instance, type_cse_base, type_dac, type_group,
	type_polling_channel, type_request, type_schedule, type_subscription, type_notification_target_mgmt_policy_ref,
	type_notification_target_policy, type_policy_deletion_rules;

static const struct type_hooks *const rows[] = {
	&type_acp, &type_ae, &type_authorization_decision, &type_authorization_policy, &type_authorization_information,
	 &type_container, &type_content_instance, &type_cse_base, &type_dac, &type_group,
	&type_polling_channel, &type_request, &type_schedule, &type_subscription, &type_notification_target_mgmt_policy_ref,
	&type_notification_target_policy, &type_policy_deletion_rules,
};

const struct type_hooks *type_hooks(int32_t ty)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i]->ty == ty)
			return rows[i];
	return NULL;
}

void types_supported(struct buf *b, const struct config *cfg)
{
	bool first = true;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (rows[i] == &type_request && !cfg->nonblocking)
			continue;
		if (!first)
			buf_char(b, ',');
		first = false;
		buf_i64(b, rows[i]->ty);
	}
}
