# SPDX-License-Identifier: Apache-2.0
"""docs/cse-to-cse.md: its two configurations start, and its commands do what it says."""

import pathlib
import re
import shlex
import subprocess

from harness import free_port, wait_until
from harness.server import Server, binary

PAGE = (pathlib.Path(__file__).resolve().parents[2] / "docs" / "cse-to-cse.md").read_text()


def blocks():
    return re.findall(r"^```\n(.*?)^```$", PAGE, re.M | re.S)


def settings(text):
    out, section = {}, ""
    for line in text.splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif " = " in line:
            name, value = line.split(" = ", 1)
            out[section + "." + name] = value
    return out


def test_page(new_server):
    ports = {"8080": str(free_port()), "8081": str(free_port())}

    def own(text):
        return re.sub("808[01]", lambda m: ports[m.group()], text)

    confs = [own(b) for b in blocks() if b.startswith("[cse]")]
    commands = [c for b in blocks() if b.startswith("reeve ae") for c in own(b).replace("\\\n", "").splitlines() if c]
    assert len(confs) == 2 and len(commands) >= 7
    nodes = []
    for conf, port in zip(confs, ports.values()):
        s = Server({k: v for k, v in settings(conf).items() if k != "store.data"} | {"http.port": port})
        s.port = s.client.port = int(port)
        nodes.append(s.start())
    try:
        wait_until(lambda: nodes[1].metrics().get("registered") == 1)
        answers = {}
        for c in commands:
            done = subprocess.run([binary()] + shlex.split(c)[1:], capture_output=True, text=True, timeout=30)
            assert done.returncode == 0, (c, done)
            answers[c] = done.stdout
        assert "21.5" in next(a for c, a in answers.items() if "flow/la" in c)
        assert "/in1/" in next(a for c, a in answers.items() if "at:=" in c)
        assert "inbase/" in next(a for c, a in answers.items() if "discover" in c)
    finally:
        for s in reversed(nodes):
            s.stop()
            s.remove()
