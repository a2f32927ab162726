# SPDX-License-Identifier: Apache-2.0
"""`reeve up` as a newcomer meets it: the printed tour, typed as printed; Ctrl-C; the second start."""
import http.server
import json
import pathlib
import re
import signal
import socket
import subprocess
import threading

import pytest

from harness.server import REPORT, binary, free_port


class Up:
    """A `reeve up` whose output is read until the tour is complete."""

    def __init__(self, folder, port, *more):
        self.err = open(folder / "stderr.log", "ab+")
        self.process = subprocess.Popen([binary(), "up", "--store.data", str(folder / "data"), "--http.port", str(port), *more],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.err, text=True)
        self.text = ""
        for line in self.process.stdout:
            self.text += line
            if "ae listen" in line:
                break
        assert "ae listen" in self.text, self.log()

    def log(self):
        self.err.seek(0)
        return self.err.read().decode()

    def interrupt(self):
        self.process.send_signal(signal.SIGINT)
        assert self.process.wait(60) == 0, self.log()
        assert not REPORT.search(self.log()), self.log()
        self.process.stdout.close()
        self.err.close()

    def steps(self):
        """The commands, as somebody would paste them."""
        return re.findall(r"^# \d\. .*\n((?:.+\\\n)*.+)$", self.text, re.M)


@pytest.fixture
def up(tmp_path):
    running = []

    def start(*more):
        running.append(Up(tmp_path, free_port(), *more))
        return running[-1]

    yield start
    for u in running:
        if u.process.poll() is None:
            u.process.kill()
            u.process.wait()


def paste(command):
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def listen(port):
    """What a process on the subscription's port gets."""
    got, arrived = [], threading.Event()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.send_header("X-M2M-RSC", "2000")
            self.send_header("X-M2M-RI", self.headers["X-M2M-RI"])
            self.send_header("Content-Length", "0")
            self.end_headers()
            arrived.set()

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server, got, arrived


def test_tour_works_as_printed(up, tmp_path):
    u = up()
    steps = u.steps()
    assert len(steps) == 5, u.text
    ae, container, reading, subscription, found = [paste(s) for s in steps]
    assert ae["m2m:ae"]["aei"] == "Ctour"
    assert container["m2m:cnt"]["mni"] == 1000
    assert reading["m2m:cin"]["con"] == "21.5"
    assert subscription["m2m:sub"]["enc"] == {"net": [3]}
    assert found == {"m2m:uril": ["cse/tour/temperature"]}
    # says where the data is and that it is open, in the tour and in the log
    assert str(tmp_path / "data") in u.text and "Open" in u.text
    assert "open" in u.log()

    # the last line of the tour: notifications arrive where the subscription says
    port = int(re.search(r"ae listen --port (\d+)", u.text).group(1))
    with socket.socket() as s:
        taken = s.connect_ex(("127.0.0.1", port)) == 0
    if not taken:
        server, got, arrived = listen(port)
        paste(steps[2])
        assert arrived.wait(60)
        assert got[0]["m2m:sgn"]["nev"]["rep"]["m2m:cin"]["con"] == "21.5"
        server.shutdown()
        server.server_close()

    # Ctrl-C, and a second start on the same folder
    u.interrupt()
    again = up()
    assert paste(again.steps()[4]) == {"m2m:uril": ["cse/tour/temperature"]}
    again.interrupt()


def test_readme_shows_the_tour_as_printed(up):
    u = up()
    port = re.search(r"http://127\.0\.0\.1:(\d+)/cse", u.text).group(1)
    readme = (pathlib.Path(__file__).resolve().parents[2] / "README.md").read_text()
    for title, command in zip(re.findall(r"^# \d\. .*$", u.text, re.M), u.steps()):
        assert f"{title}\n$ {command.replace(port, '8080')}\n" in readme
    u.interrupt()


def test_second_process_on_the_same_data(up, tmp_path):
    u = up()
    second = subprocess.run([binary(), "up", "--store.data", str(tmp_path / "data"), "--http.port", str(free_port())],
                            capture_output=True, text=True, timeout=60)
    assert second.returncode == 3
    assert f"in use by process {u.process.pid}" in second.stderr
    u.interrupt()


def test_port_taken(up, tmp_path):
    u = up()
    port = re.search(r"http://127\.0\.0\.1:(\d+)/cse", u.text).group(1)
    second = subprocess.run([binary(), "up", "--store.data", str(tmp_path / "other"), "--http.port", port],
                            capture_output=True, text=True, timeout=60)
    assert second.returncode == 3
    assert "Address already in use" in second.stderr
    u.interrupt()


def test_terminate_ends_it_too(up):
    u = up()
    u.process.send_signal(signal.SIGTERM)
    assert u.process.wait(60) == 0
