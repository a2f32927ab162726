/* SPDX-License-Identifier: Apache-2.0 */
/* What the generated file defines and model.c reads. Nobody else includes this. */
#ifndef REEVE_CODEC_MODEL_TABLES_H
#define REEVE_CODEC_MODEL_TABLES_H

#include "codec/model.h"

/* Short names of attributes and types in one table with open addressing: slot (key * multiplier) >> (64 - bits),
 * never more than MODEL_NAME_PROBES slots further on. key is the name's bytes, first byte lowest. */
enum { MODEL_NAME_BITS = 11, MODEL_NAME_PROBES = 4, MODEL_NONE = 255 };

struct model_name {
	uint64_t key;
	int16_t attr; /* number of the attribute name, into model_res.index; -1 */
	int16_t res;  /* into model_resources: type with this root; -1 */
};

extern const uint64_t model_name_multiplier;
extern const struct model_name model_names[1 << MODEL_NAME_BITS];

extern const struct model_type *const model_types; /* by name, ascending */
extern const unsigned model_n_types;
extern const struct model_res model_resources[];
extern const unsigned model_n_resources;
/* By type number less 0, 10000, 20000: index into model_resources or MODEL_NONE. */
extern const uint8_t model_ty_ordinary[128], model_ty_announced[128], model_ty_virtual[128];
extern const int32_t model_type_numbers[]; /* ascending */
extern const unsigned model_n_type_numbers;
extern const struct model_code model_codes[]; /* ascending */
extern const unsigned model_n_codes;

#endif
