/* SPDX-License-Identifier: Apache-2.0 */
/* Keys that come out of an association (TS-0003 10.3.1): 48 octets of the TLS exporter, the identifier first, then the key. */
#include "secenv/secret.h"
#include "tls/derive.h"

enum reeve_rc derive_exported(struct tls *t, enum exported what, enum key_alg alg, char id[EXPORTED_ID_HEX + 1], struct key_ref **key)
{
	static const struct slice labels[] = {
		[EXPORT_BOOTSTRAP] = { "EXPORTER-oneM2M-Bootstrap", 25 },
		[EXPORT_CONNECTION] = { "EXPORTER-oneM2M-Connection", 26 },
		[EXPORT_ESCERTKE] = { "EXPORTER-oneM2M-ESCertKE", 24 },
	};
	uint8_t octets[EXPORTED_ID + EXPORTED_KEY];
	char why[KEY_WHY_MAX];
	enum reeve_rc rc;

	*key = NULL;
	rc = tls_export(t, labels[what], octets, sizeof(octets));
	if (rc == RC_OK) {
		for (size_t i = 0; i < EXPORTED_ID; i++)
			snprintf(id + 2 * i, 3, "%02x", octets[i]);
		const struct key_spec spec = { .kid = slice_of(id, EXPORTED_ID_HEX), .alg = alg };
		rc = secenv_import(NULL, KEY_BYTES, slice_of((const char *)octets + EXPORTED_ID, EXPORTED_KEY), &spec, key, why);
	}
	secret_wipe(octets, sizeof(octets));
	return rc;
}
