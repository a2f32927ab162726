# SPDX-License-Identifier: Apache-2.0
"""docs/security-associations.md: its commands are run as printed, and give what is printed (test_authorization_page.py tells how). The
ports of the page are others here; HASH stands for that of a key."""

import pathlib
import re
import socket

import pytest
import test_authorization_page as page

from harness.server import free_port

PAGE = (pathlib.Path(__file__).resolve().parents[2] / "docs" / "security-associations.md").read_text()
CHAPTERS = dict(re.findall(r"<!-- run: (\w+) -->\n(.*?)<!-- end -->", PAGE, re.S))


class Shell(page.Shell):
    def __init__(self, folder):
        super().__init__(folder)
        # those of `reeve up` move together
        self.ports = {"8443": self.port + 363, "5684": self.port - 2396, "8080": self.port, "8081": free_port(), "8444": free_port(socket.SOCK_STREAM)}

    def own(self, text):
        return re.sub(r"\b(8443|5684|8080|8081|8444)\b", lambda m: str(self.ports[m.group()]), text)

    def serve(self, command):
        if "--config" in command:
            conf = (self.folder / command.split()[-1]).read_text()
            was, self.port = self.port, int(re.search(r"\[http\]\nport = (\d+)", conf).group(1))
            super().serve(command)
            self.port = was
        else:
            super().serve(command)

    def run(self, command, expected):
        super().run(self.own(command), [self.own(line) for line in expected])

    def pattern(self, line):
        return super().pattern(line).replace("HASH", "[A-Za-z0-9_-]{43}")


@pytest.mark.parametrize("name", CHAPTERS)
def test_as_printed(name, tmp_path):
    shell = Shell(tmp_path)
    try:
        for command, expected in page.steps(CHAPTERS[name]):
            if re.match(r"reeve (up|cse)", command):
                shell.serve(command)
            else:
                shell.run(command, expected)
    finally:
        shell.end()
