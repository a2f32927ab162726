# SPDX-License-Identifier: Apache-2.0
"""`reeve up` as a newcomer meets it: both printed tours, typed as printed; Ctrl-C; the second start; the development credentials."""
import http.server
import json
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import threading

import pytest

from harness.server import REPORT, binary, free_port


class Up:
    """A `reeve up` whose output is read until the tours are complete."""

    def __init__(self, folder, port, *more, last=" credential rotate "):
        self.err = open(folder / "stderr.log", "ab+")
        self.process = subprocess.Popen([binary(), "up", "--store.data", str(folder / "data"), "--http.port", str(port), *more],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.err, text=True)
        self.text = ""
        for line in self.process.stdout:
            self.text += line
            if last in line:
                break
        assert "ae listen" in self.text and last in self.text, self.log()

    def log(self):
        self.err.seek(0)
        return self.err.read().decode()

    def interrupt(self):
        self.process.send_signal(signal.SIGINT)
        assert self.process.wait(60) == 0, self.log()
        assert not REPORT.search(self.log()), self.log()
        self.process.stdout.close()
        self.err.close()

    def steps(self, tour=0):
        """The commands, as somebody would paste them."""
        return re.findall(r"^# \d\. .*\n((?:.+\\\n)*.+)$", self.text.split("The same with proof")[tour], re.M)

    def line(self, text):
        """The line of the output that has it."""
        return next(line for line in self.text.splitlines() if text in line)


@pytest.fixture
def up(tmp_path):
    running = []

    def start(*more, **kw):
        running.append(Up(tmp_path, free_port(), *more, **kw))
        return running[-1]

    yield start
    for u in running:
        if u.process.poll() is None:
            u.process.kill()
            u.process.wait()


def shell(command, status=0):
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60)
    assert done.returncode == status, (command, done)
    return done.stdout


def paste(command):
    return json.loads(shell(command))


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


def kept(tmp_path):
    return {f.name: (f.read_bytes(), f.stat().st_mode & 0o777) for f in (tmp_path / "data" / "dev").iterdir()}


def test_tour_with_proof_works_as_printed(up, tmp_path):
    u = up()
    steps = u.steps(1)
    assert len(steps) == 5, u.text
    ae, container, reading, latest, rows = [shell(s) for s in steps]
    assert "Cdevice" in ae and "1000" in container and "21.5" in reading and "21.5" in latest
    assert "12-Cdevice@reeve.local" in rows and "12-Cadmin@reeve.local" in rows and "administrator" in rows
    # the key proves who asks, and nothing but that
    assert "4106" in subprocess.run(["bash", "-c", steps[3].replace("--from Cdevice", "--from Cother")], capture_output=True, text=True).stderr
    shell(u.line(" credential revoke "))
    shell(steps[3], 3)
    shell(u.line(" credential rotate "))
    assert "21.5" in shell(steps[3])

    made = kept(tmp_path)
    assert sorted(made) == ["Cadmin.psk", "Cdevice.psk", "ca.key", "ca.pem", "cse.pem"]
    assert {mode for _, mode in made.values()} == {0o600} and (tmp_path / "data" / "dev").stat().st_mode & 0o777 == 0o700
    assert "development credentials made in" in u.log()
    for secret in ("Cadmin.psk", "Cdevice.psk"):
        assert made[secret][0].decode().strip() not in u.log() + u.text
    u.interrupt()
    again = up()
    assert kept(tmp_path) == made and "stay as they are" in again.log()
    assert "21.5" in shell(again.steps(1)[3])
    again.interrupt()


def test_development_credentials_are_made_again(up, tmp_path):
    """Who removes the folder gets new ones; the old ones are good for nothing. So it goes on after a start that was killed half way, too."""
    u = up()
    shell(u.steps(1)[0])
    old = kept(tmp_path)
    u.interrupt()
    shutil.move(tmp_path / "data" / "dev", tmp_path / "data" / "dev.new")
    u = up()
    new = kept(tmp_path)
    assert all(new[name][0] != old[name][0] for name in old)
    assert "Ndevice" in shell(re.sub(r"create cse ae.* \\\n", "retrieve cse/device \\\\\n", u.steps(1)[0]))
    (tmp_path / "data" / "dev" / "Cdevice.psk").write_bytes(old["Cdevice.psk"][0])
    shell(u.steps(1)[3], 3)
    u.interrupt()


def certificate(folder, dev, name):
    """One of the development CA, by openssl."""
    key, request, cert = (folder / ("leaf." + end) for end in ("key", "csr", "pem"))
    ext = folder / "ext"
    ext.write_text("basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nsubjectAltName=%s\n" % name)
    shell("openssl ecparam -name prime256v1 -genkey -noout -out %s && openssl req -new -key %s -subj /CN=leaf -out %s" % (key, key, request))
    shell("openssl x509 -req -in %s -CA %s/ca.pem -CAkey %s/ca.key -CAcreateserial -days 9 -extfile %s -out %s 2>&1" % (request, dev, dev, ext, cert))
    return cert, key


def test_certificates_of_development(up, tmp_path):
    """The CSE shows what the CA says it is; the CA's word ends at the service provider's domain; an AE that it certifies is served."""
    u = up()
    dev = tmp_path / "data" / "dev"
    port = re.search(r"https://127\.0\.0\.1:(\d+)", u.text).group(1)
    said = shell("openssl s_client -connect 127.0.0.1:%s -servername reeve.reeve.local -verify_hostname reeve.reeve.local -CAfile %s/ca.pem "
                 "-verify_return_error -tls1_2 </dev/null 2>&1 || true" % (port, dev))
    assert "Verification: OK" in said and "Verified peername: reeve.reeve.local" in said, said
    for name, flavour, good in [("DNS:mn.reeve.local", "cse", True), ("URI:https://reeve.local/reeve/Cone", "ae", True),
                                ("DNS:mn.elsewhere.example", "cse", False), ("URI:https://elsewhere.example/reeve/Cone", "ae", False)]:
        cert, key = certificate(tmp_path, dev, name)
        shell("%s check cert %s --as %s --anchor %s:%s/ca.pem" % (binary(), cert, flavour, flavour, dev), 0 if good else 1)
    cert, key = certificate(tmp_path, dev, "URI:https://reeve.local/reeve/Cone")
    got = shell("%s ae create cse ae --name one api=None rr=false srv=3 --from Cone --cse https://127.0.0.1:%s --cert %s --key %s --anchor %s/ca.pem "
                "--server-name reeve.reeve.local" % (binary(), port, cert, key, dev))
    assert "Cone" in got
    u.interrupt()


def test_ports_move_together(up):
    u = up("--coap.port", "0")
    http, https, coaps = (int(re.search(r" %s://127\.0\.0\.1:(\d+)" % scheme, u.line("  Bindings")).group(1)) for scheme in ("http", "https", "coaps"))
    assert (https - http, coaps - http) == (8443 - 8080, 5684 - 8080)
    u.interrupt()


def test_a_port_that_is_taken_is_left(up):
    port = free_port()
    with socket.socket() as s:
        s.bind(("127.0.0.1", port + 363))
        s.listen()
        u = up("--http.port", str(port))
    https = re.search(r" https://127\.0\.0\.1:(\d+)", u.line("  Bindings")).group(1)
    assert int(https) != port + 363 and "port %d is in use" % (port + 363) in u.log()
    assert "Cdevice" in shell(u.steps(1)[0])
    u.interrupt()


def test_keys_of_the_configuration_are_used(up, tmp_path):
    """Who configures [tls] himself gets nothing made, and no tour of it."""
    (tmp_path / "data").mkdir(0o700)
    shell("%s key generate --alg TLS-ES256 --kid mine --store.data %s/data 2>&1" % (binary(), tmp_path))
    u = up("--tls.raw_key", "mine", last="ae listen")
    assert "The same with proof" not in u.text and not (tmp_path / "data" / "dev").exists()
    u.interrupt()
