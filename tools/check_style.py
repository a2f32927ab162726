#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Style that a program can check: licence lines, banned functions, lengths, blanks.

usage: check_style.py [--list]     --list: the files that are looked at
Prints file:line: what, and "N files, N problems" last; exit status 1 when there are problems.

A line that has to be an exception says so at its end:  /* style: WHY */  or  # style: WHY
"""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
LINE_MAX, FILE_MAX, FUNCTION_MAX = 140, 900, 90
TEST_LINE_MAX = 210  # with their tables
TEST_FUNCTION_MAX = 140
BANNED = re.compile(r"(?<![\w.>])(strcpy|strcat|sprintf|vsprintf|gets|atoi|atol|atof|strtok|gmtime|localtime|ctime|asctime|rand|srand|"
                    r"random|system|popen|alloca|mktemp|tmpnam)\s*\(")
COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.S)
STRING = re.compile(r'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'')
TEXT = {".c", ".h", ".py", ".sh", ".build", ".md", ".conf", ".in", ".1", ".5", ".mjs", ".js", ""}
LICENSED = {".c", ".h", ".py", ".sh", ".1", ".5", ".in"}
EXTRA_LICENSED = {"Makefile", "run"}


def blank(match):
    """Comments and strings become blanks, so that words in them are not taken for code; lines stay where they are."""
    return re.sub(r"[^\n]", " ", match.group(0))


def names():
    """What git would take, or everything when this is no checkout."""
    try:
        out = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True)
        return out.stdout.splitlines()
    except (OSError, subprocess.CalledProcessError):
        found = (str(p.relative_to(ROOT)) for p in ROOT.rglob("*") if p.is_file())
        return [n for n in found if not re.match(r"(build[^/]*|\.git)/", n) and "__pycache__" not in n]


def files():
    for name in sorted(names()):
        path = ROOT / name
        if path.is_file() and path.suffix in TEXT and not name.startswith(("docs/requirements/", "model/", "fuzz/corpus/")):
            yield name, path


def functions(code):
    """(first line, length) of each function body: from a '{' in column 0 to the '}' in column 0."""
    start = None
    for n, line in enumerate(code.split("\n"), 1):
        if line.startswith("{"):
            start = n
        elif line.startswith("}") and start is not None:
            yield start, n - start
            start = None


def check_c(code, lines, longest, tell):
    for n, line in enumerate(code.split("\n"), 1):
        m = BANNED.search(line)
        if m and "style:" not in lines[n - 1]:
            tell(n, f"{m.group(1)} is banned")
    for n, length in functions(code):
        if length > longest:
            tell(n, f"a function of {length} lines; {longest} at most")


def check(name, path, tell):
    raw = path.read_bytes()
    if b"\0" in raw:
        return
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        tell(1, "is not UTF-8")
        return
    lines = text.split("\n")
    widest = LINE_MAX if name.startswith("src/") else TEST_LINE_MAX
    code_file = path.suffix in {".c", ".h"}
    if (path.suffix in LICENSED or path.name in EXTRA_LICENSED) and "SPDX-License-Identifier: Apache-2.0" not in "\n".join(lines[:3]):
        tell(1, "no SPDX line among the first three")
    if text and not text.endswith("\n"):
        tell(len(lines), "no newline at the end")
    if text.endswith("\n\n"):
        tell(len(lines), "blank lines at the end")
    if (code_file or path.suffix == ".py") and len(lines) > FILE_MAX + 1:
        tell(FILE_MAX, f"{len(lines)} lines; {FILE_MAX} at most")
    for n, line in enumerate(lines, 1):
        if line != line.rstrip():
            tell(n, "blanks at the end")
        if "\r" in line:
            tell(n, "a carriage return")
        if path.suffix == ".py" and "\t" in line:
            tell(n, "a tab; Python is indented with blanks")
        if code_file and re.match(r" {4,}\S", line) and not line.lstrip().startswith("*"):
            tell(n, "indented with blanks; C is indented with tabs")
        if code_file and len(line.expandtabs(8)) > widest and "style:" not in line:
            tell(n, f"{len(line.expandtabs(8))} columns; {widest} at most")
    if code_file:
        code = COMMENT.sub(blank, STRING.sub(blank, text))
        check_c(code, lines, FUNCTION_MAX if name.startswith("src/") else TEST_FUNCTION_MAX, tell)


def main():
    problems = looked = 0

    for name, path in files():
        if "--list" in sys.argv[1:]:
            print(name)
        looked += 1

        def tell(line, what):
            nonlocal problems
            problems += 1
            print(f"{name}:{line}: {what}")

        check(name, path, tell)
    print(f"{looked} files, {problems} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
