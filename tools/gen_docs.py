#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Write what is said of the options from the program's own table: packaging/reeve.conf and the OPTIONS of man/reeve.conf.5.

usage: gen_docs.py [PROGRAM]      build/reeve by default; a test (tests/e2e/test_cli.py) tells when this was forgotten
"""
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
BEGIN, END = ".Sh OPTIONS\n", ".Sh SEE ALSO\n"


def said(program, flag):
    return subprocess.run([program, "check", "config", flag], capture_output=True, text=True, check=True).stdout


def manual(program):
    page = (ROOT / "man" / "reeve.conf.5").read_text()
    return page[:page.index(BEGIN) + len(BEGIN)] + said(program, "--print-mdoc") + page[page.index(END):]


def main():
    program = sys.argv[1] if len(sys.argv) > 1 else str(ROOT / "build" / "reeve")
    (ROOT / "packaging" / "reeve.conf").write_text(said(program, "--print-default"))
    (ROOT / "man" / "reeve.conf.5").write_text(manual(program))


if __name__ == "__main__":
    main()
