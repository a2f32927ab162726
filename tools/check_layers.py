#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Layers: a file may include headers of its own folder and of folders below it, never above (docs/architecture.md, section 5).

usage: check_layers.py
Also: a header x_int.h is private to its folder and its tests; every header compiles alone is left to the compiler.
Prints what is wrong and "N includes, N problems" last; exit status 1 when there are problems.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
ORDER = ["base", "loop", "codec", "secenv", "jose", "tls", "store", "resource", "authz", "core", "das", "binding", "admin", "main"]
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)
# Reached through an interface although it lies above: {(from folder, header): why}
EXCEPTIONS = {}


def main():
    problems = looked = 0
    for path in sorted((ROOT / "src").rglob("*.[ch]")):
        rel = path.relative_to(ROOT / "src")
        own = rel.parts[0]
        if own not in ORDER:
            print(f"src/{rel}: folder {own} is in no layer")
            problems += 1
            continue
        for name in INCLUDE.findall(path.read_text()):
            looked += 1
            to = name.split("/")[0] if "/" in name else own
            where = f"src/{rel}: includes {name}"
            if to not in ORDER:
                print(f"{where}: folder {to} is in no layer")
            elif ORDER.index(to) > ORDER.index(own) and (own, name) not in EXCEPTIONS:
                print(f"{where}: {own} is below {to}")
            elif name.endswith("_int.h") and to != own:
                print(f"{where}: it is private to {to}")
            elif not (ROOT / "src" / name).is_file():
                print(f"{where}: no such file; write the path from src/")
            else:
                continue
            problems += 1
    print(f"{looked} includes, {problems} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
