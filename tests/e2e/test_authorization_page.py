# SPDX-License-Identifier: Apache-2.0
"""docs/authorization.md, docs/registration.md: their commands are run as printed, and give what is printed.

A block ```console has commands after "$ " (continued after "> ") and what they print. There, ID stands for the last id of a decision, TIME for a
time, TOKEN for what a Token-ID has of its own, and a line "..." for any lines. `reeve up`, `reeve cse` or `reeve das` alone in a block is
a terminal of its own. Port 8090, of the DAS, is another one here. Chapters are between <!-- run: NAME --> and <!-- end -->, and begin in
an empty folder."""

import os
import pathlib
import re
import signal
import subprocess

import pytest

from harness import wait_until
from harness.server import REPORT, binary, free_port

DOCS = pathlib.Path(__file__).resolve().parents[2] / "docs"
PAGE = "".join((DOCS / name).read_text() for name in ("authorization.md", "registration.md"))
CHAPTERS = dict(re.findall(r"<!-- run: (\w+) -->\n(.*?)<!-- end -->", PAGE, re.S))
TIME = r"\d{4}-?\d\d-?\d\d[ T]\d\d:?\d\d:?\d\d(?:,\d+)?"


def steps(chapter):
    """(command, expected lines) in order."""
    out = []
    for block in re.findall(r"^```console\n(.*?)^```$", chapter, re.S | re.M):
        for line in block.splitlines():
            if line.startswith("$ "):
                out.append([line[2:], []])
            elif line.startswith("> ") and not out[-1][1]:
                out[-1][0] += "\n" + line[2:]
            else:
                out[-1][1].append(line)
    return out


class Shell:
    def __init__(self, folder):
        self.folder, self.servers, self.last_id = folder, [], None
        (folder / "bin").mkdir()
        (folder / "bin" / "reeve").symlink_to(os.path.abspath(binary()))
        self.port, self.das_port = free_port(), free_port()
        self.env = dict(os.environ, PATH="%s:%s" % (folder / "bin", os.environ["PATH"]), REEVE_CSE="http://127.0.0.1:%d" % self.port)
        self.env.pop("REEVE_FROM", None)

    def serve(self, command):
        port = self.das_port if command.startswith("reeve das") else self.port
        command = command.replace("8090", str(self.das_port))
        log = open(self.folder / "server.log", "ab+")
        p = subprocess.Popen(["bash", "-c", "exec %s --http.port %d" % (command, port)], cwd=self.folder, env=self.env, stdin=subprocess.DEVNULL,
                             stdout=subprocess.DEVNULL, stderr=log)
        self.servers.append((p, log))
        wait_until(lambda: subprocess.run(["curl", "-sf", "-o", "/dev/null", "http://127.0.0.1:%d/healthz" % port]).returncode == 0
                   or p.poll() is not None)
        assert p.poll() is None, (self.folder / "server.log").read_text()

    def run(self, command, expected):
        command = re.sub(r"\bID\b", self.last_id or "ID", command).replace("8090", str(self.das_port))
        expected = [line.replace("8090", str(self.das_port)) for line in expected]
        done = subprocess.run(["bash", "-c", command], cwd=self.folder, env=self.env, capture_output=True, text=True, timeout=60)
        got = done.stdout + done.stderr
        found = re.search(r"\(decision (\w+);", got)
        if found:
            self.last_id = found.group(1)
        pattern = "".join("(?:.*\n)*?" if line == "..." else self.pattern(line) + "\n" for line in expected)
        assert re.fullmatch(pattern, got), "%s\nprinted\n%s\ninstead of\n%s" % (command, got, "\n".join(expected))

    def pattern(self, line):
        return re.escape(line).replace("TIME", TIME).replace("TOKEN", "[0-9a-f]+").replace(r"ID", self.last_id or "ID")

    def end(self):
        for p, log in self.servers:
            if p.poll() is None:
                p.send_signal(signal.SIGTERM)
            code = p.wait(60)
            log.seek(0)
            text = log.read().decode()
            assert code == 0 and not REPORT.search(text), text


@pytest.mark.parametrize("name", CHAPTERS)
def test_as_printed(name, tmp_path):
    shell = Shell(tmp_path)
    try:
        for command, expected in steps(CHAPTERS[name]):
            if re.match(r"reeve (up|cse|das --)", command):
                shell.serve(command)
            else:
                shell.run(command, expected)
    finally:
        shell.end()
