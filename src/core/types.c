/* SPDX-License-Identifier: Apache-2.0 */
/* The implemented resource types: one row each. */
#include "core/types.h"

/* One name a line: several people add to it. */
#define TYPES(X) \
	X(acp) \
	X(acp_annc) \
	X(ae) \
	X(ae_annc) \
	X(authorization_decision) \
	X(authorization_information) \
	X(authorization_policy) \
	X(container) \
	X(container_annc) \
	X(content_instance) \
	X(content_instance_annc) \
	X(cse_base) \
	X(cse_base_annc) \
	X(dac) \
	X(group) \
	X(group_annc) \
	X(m2m_service_subscription_profile) \
	X(notification_target_mgmt_policy_ref) \
	X(notification_target_policy) \
	X(policy_deletion_rules) \
	X(polling_channel) \
	X(remote_cse) \
	X(remote_cse_annc) \
	X(request) \
	X(role) \
	X(schedule) \
	X(schedule_annc) \
	X(semantic_descriptor) \
	X(semantic_descriptor_annc) \
	X(service_subscribed_app_rule) \
	X(service_subscribed_node) \
	X(subscription) \
	X(token)

#define TYPE_DECLARE(name) extern const struct type_hooks type_##name;
TYPES(TYPE_DECLARE)
#define TYPE_ROW(name) &type_##name,
static const struct type_hooks *const rows[] = { TYPES(TYPE_ROW) };

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
