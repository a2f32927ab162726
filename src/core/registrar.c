/* SPDX-License-Identifier: Apache-2.0 */
#include "core/registrar.h"

void registrar_descendants_changed(struct exec *x) { (void)x; }
