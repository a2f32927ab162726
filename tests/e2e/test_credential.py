# SPDX-License-Identifier: Apache-2.0
"""The table of credentials in a CSE that runs: what is added, revoked and rotated counts at once, for peers that are OpenSSL's; who is
refused; what stays after the end of the process. The same table from the shell, with and without a CSE."""

import json
import os
import select
import subprocess
import time

import pytest
from harness.server import Server, binary, free_port

PSK = "00112233445566778899aabbccddeeff"
OTHER = "ffeeddccbbaa99887766554433221100"


class Peer:
    """An open HTTPS connection of `openssl s_client`, by a symmetric key."""

    def __init__(self, server, identity, key=PSK, options=("-tls1_2", "-cipher", "PSK-AES128-CBC-SHA256")):
        self.p = subprocess.Popen(
            ["openssl", "s_client", "-connect", "127.0.0.1:%d" % server.https, *options, "-psk", key, "-psk_identity", identity, "-quiet"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.data = b""

    def more(self):
        """False: the connection has ended."""
        assert select.select([self.p.stdout], [], [], 20)[0], "neither bytes nor an end"
        got = os.read(self.p.stdout.fileno(), 65536)
        self.data += got
        return bool(got)

    def request(self, method, path, body=None, **headers):
        """(HTTP status, X-M2M-RSC or None, content), or None when there is no association."""
        text = json.dumps(body) if body is not None else ""
        head = "%s %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n" % (method, path, len(text))
        head += "".join("%s: %s\r\n" % (k.replace("_", "-"), v) for k, v in headers.items())
        try:
            self.p.stdin.write((head + "\r\n" + text).encode())
            self.p.stdin.flush()
        except BrokenPipeError:
            return None
        while b"\r\n\r\n" not in self.data:
            if not self.more():
                return None
        head, _, self.data = self.data.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        fields = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines[1:])}
        while len(self.data) < int(fields.get("content-length", 0)):
            assert self.more()
        size = int(fields.get("content-length", 0))
        content, self.data = self.data[:size], self.data[size:]
        rsc = fields.get("x-m2m-rsc")
        return int(lines[0].split()[1]), rsc and int(rsc), json.loads(content) if content.strip().startswith(b"{") else content

    def m2m(self, method, path, fr, body=None, ty=None):
        more = {"Content_Type": "application/json" + (";ty=%d" % ty if ty else "")} if body is not None else {}
        got = self.request(method, path, body, X_M2M_RI="r1", X_M2M_RVI="3", **({"X_M2M_Origin": fr} if fr is not None else {}), **more)
        return got and got[1]

    def register(self, fr):
        return self.m2m("POST", "/cse", fr, {"m2m:ae": {"api": "Na", "rr": False, "srv": ["3"]}}, 2)

    def ended(self):
        while self.more():
            pass
        return True

    def close(self):
        self.p.kill()
        self.p.wait()
        self.p.stdin.close()
        self.p.stdout.close()


@pytest.fixture
def cse():
    port = free_port()
    with Server({"https.address": "127.0.0.1", "https.port": port}) as s:
        s.https = port
        yield s


def reeve(server, *args, stdin=None, status=0):
    r = subprocess.run([binary(), "credential", *args, "--config", str(server.folder / "reeve.conf")], input=stdin, capture_output=True,
                       text=True, timeout=60, env=server.env)
    assert r.returncode == status, (r.returncode, r.stdout, r.stderr)
    return r.stdout + r.stderr


def add(server, name, *args, key=PSK):
    return reeve(server, "add", "--psk", name + "@issuer.example", "--file", "-", *args, stdin=key + "\n")


@pytest.fixture
def peers(cse):
    made = []

    def peer(name, key=PSK, **more):
        made.append(Peer(cse, name + "@issuer.example", key, **more))
        return made[-1]

    yield peer
    for p in made:
        p.close()


def good(peer):
    """Does the association stand?"""
    return peer.request("GET", "/healthz") is not None


def test_added_and_used_at_once(cse, peers):
    assert not good(peers("pump"))  # SEC-039: nobody knows it
    add(cse, "pump", "--as-ae", "Cpump")
    assert not good(peers("pump", OTHER))  # SEC-038
    p = peers("pump")
    assert p.register("Cpump") == 2001
    assert p.m2m("GET", "/Cpump", "Cpump") == 2000
    assert p.m2m("GET", "/Cpump", "Cother") == 4106  # SEC-102
    assert p.m2m("GET", "/Cpump", "/reeve/Cpump") == 4000  # SEC-101
    assert p.m2m("GET", "/Cpump", None) == 4000  # SEC-100


def test_binding_of_registrations(cse, peers):
    add(cse, "one")
    add(cse, "two")
    one, two = peers("one"), peers("two")
    assert one.m2m("GET", "/cse", "Cone") == 4106
    assert one.register("Cone") == 2001
    assert one.m2m("GET", "/Cone", "Cone") == 2000  # SEC-036
    assert two.m2m("GET", "/Cone", "Cone") == 4106  # SEC-102
    assert one.register("Cother") == 4106  # SEC-051
    assert one.register("C") == 4117
    assert json.loads(reeve(cse, "show", "12-one@issuer.example", "--json"))["registered"] == ["//reeve.local/reeve/Cone"]
    cse.restart()
    one, two = peers("one"), peers("two")
    assert one.m2m("GET", "/Cone", "Cone") == 2000
    assert two.m2m("GET", "/Cone", "Cone") == 4106
    cse.kill()
    cse.start()
    one, two = peers("one"), peers("two")
    assert one.m2m("GET", "/Cone", "Cone") == 2000
    assert two.m2m("GET", "/Cone", "Cone") == 4106
    assert one.m2m("DELETE", "/Cone", "Cone") == 2002
    assert two.register("Cone") == 2001


def test_cse_credentials(cse, peers):
    add(cse, "mn", "--as-cse", "/mn")
    p = peers("mn")
    csr = {"m2m:csr": {"cb": "/other/b", "csi": "/other", "rr": False, "srv": ["3"]}}
    assert p.m2m("POST", "/cse", "/other", csr, 16) == 4106  # SEC-040
    assert p.register("Cx") == 4106 and p.register("") == 4106  # SEC-052
    assert p.m2m("GET", "/cse", "C123") == 4106  # SEC-104


def test_revoked(cse, peers):
    add(cse, "pump", "--as-ae", "Cpump")
    add(cse, "valve", "--as-ae", "Cvalve")
    p, other = peers("pump"), peers("valve")
    assert p.register("Cpump") == 2001 and other.register("Cvalve") == 2001
    assert "REVOKED" in reeve(cse, "revoke", "12-pump@issuer.example")
    assert p.ended()
    assert not good(peers("pump"))
    assert other.m2m("GET", "/Cvalve", "Cvalve") == 2000
    cse.kill()
    cse.start()
    assert not good(peers("pump"))
    reeve(cse, "rotate", "12-pump@issuer.example", "--file", "-", stdin=OTHER)
    assert not good(peers("pump"))
    assert peers("pump", OTHER).m2m("GET", "/Cpump", "Cpump") == 2000


def test_rotated(cse, peers):
    add(cse, "pump")
    p = peers("pump")
    assert p.register("Cpump") == 2001
    text = reeve(cse, "rotate", "12-pump@issuer.example")
    assert p.ended()
    assert not good(peers("pump"))
    secret = text.split("secret ")[1].split()[0]
    assert peers("pump", secret).m2m("GET", "/Cpump", "Cpump") == 2000
    # it came out once
    assert secret not in reeve(cse, "show", "12-pump@issuer.example", "--json") + reeve(cse, "list", "--json")
    assert secret not in cse.errors() and PSK not in cse.errors()  # SEC-042, SEC-139
    assert secret not in (cse.folder / "data" / "audit.log").read_text()


def test_no_resumption_after_a_rotation(cse, peers, tmp_path):
    add(cse, "pump")
    session = str(tmp_path / "session")
    options = ["openssl", "s_client", "-connect", "127.0.0.1:%d" % cse.https, "-tls1_2", "-cipher", "PSK-AES128-CBC-SHA256", "-psk", PSK,
               "-psk_identity", "pump@issuer.example"]

    def shake(*more):
        return subprocess.run(options + list(more), input="", capture_output=True, text=True, timeout=20).stdout

    shake("-sess_out", session)
    assert "Reused, " in shake("-sess_in", session)
    reeve(cse, "rotate", "12-pump@issuer.example")
    assert "Reused" not in shake("-sess_in", session)


def test_expired(cse, peers):
    soon = time.strftime("%Y%m%dT%H%M%S", time.gmtime(time.time() + 4))
    add(cse, "pump", "--expires", soon)
    p = peers("pump")
    assert good(p)
    assert p.ended()  # SEC-029
    assert not good(peers("pump"))  # SEC-030


def test_pages(cse, peers):
    add(cse, "boss", "--admin")
    add(cse, "pump")
    p, boss = peers("pump"), peers("boss")
    row = {"id": "12-new@issuer.example", "ae": ["Cnew"], "secret": PSK}
    # without the right, and in clear
    for method, path in [("GET", "/credentials"), ("POST", "/credentials"), ("GET", "/credentials/12-pump@issuer.example"),
                         ("PATCH", "/credentials/12-pump@issuer.example"), ("DELETE", "/credentials/12-boss@issuer.example")]:
        assert p.request(method, path, row if method == "POST" else {})[0] == 403
        clear = ["curl", "-sS", "--max-time", "10", "-X", method, "-d", "{}", "-w", "%{http_code}", "http://127.0.0.1:%d" % cse.port + path]
        assert subprocess.run(clear, capture_output=True, text=True).stdout.endswith("403")
    assert boss.request("POST", "/credentials", row)[0] == 201
    assert boss.request("POST", "/credentials", row)[0] == 409
    assert boss.request("GET", "/credentials/12-new%40issuer.example")[2]["ae"] == ["//reeve.local/reeve/Cnew"]
    n = peers("new")
    assert n.register("Cnew") == 2001
    assert "secret" not in json.dumps(boss.request("GET", "/credentials")[2])
    # SEC-032, SEC-033, SEC-051, SEC-125, told with what to change
    for bad, tells in [({"id": "12-new"}, "NAME@DOMAIN"), ({"id": "77-x"}, "Credential-ID"), ({"id": "12-a@b.c"}, "secret"),
                       ({"id": "12-a@b.c", "secret": "00"}, "16"), ({"id": "12-a@b.c", "secret": "xx" * 16}, "hex"),
                       ({"id": "12-a@b.c", "secret": PSK, "ae": ["C1", "C2"]}, "several"), ({"id": "34-n", "secret": PSK}, "symmetric"),
                       ({"id": "34-n", "colour": "red"}, "colour"), ([], "object"), ({"id": "34-n", "ae": ["/x/y/z"]}, "AE-ID"),
                       ({"id": "34-n", "cse": "mn"}, "CSE-ID")]:
        status, _, said = boss.request("POST", "/credentials", bad)
        assert status == 400 and tells in said["error"], (bad, said)
    assert boss.request("PATCH", "/credentials/12-no@issuer.example", {"revoked": True})[0] == 404
    assert boss.request("PATCH", "/credentials/12-new@issuer.example", {"id": "12-x@y.z"})[0] == 400
    assert boss.request("GET", "/credentials/nonsense")[0] == 404
    assert boss.request("PUT", "/credentials", {})[0] == 405
    # who it stands for changes: the open connection does not go on as the one of before
    assert boss.request("PATCH", "/credentials/12-new@issuer.example", {"ae": ["Cnewer"]})[0] == 200
    assert n.ended()
    assert boss.request("PATCH", "/credentials/12-boss@issuer.example", {"admin": False})[0] == 200
    assert boss.request("GET", "/credentials")[0] == 403
    who = [json.loads(line) for line in (cse.folder / "data" / "audit.log").read_text().splitlines()]
    told = [(e.get("action"), e.get("who"), e.get("target")) for e in who if e["event"] == "credential"]
    assert ("add", "12-boss@issuer.example", "12-new@issuer.example") in told
    assert ("add", "uid:%d" % os.getuid(), "12-boss@issuer.example") in told


def test_administrator_from_the_shell(cse, tmp_path):
    add(cse, "boss", "--admin")
    add(cse, "pump")
    key = tmp_path / "key"
    key.write_text(PSK)
    key.chmod(0o600)
    there = ["--cse", "https://127.0.0.1:%d" % cse.https, "--my-psk"]

    def far(*args, who="boss", status=0):
        r = subprocess.run([binary(), "credential", *args, *there, "%s@issuer.example:%s" % (who, key)], capture_output=True, text=True,
                           timeout=60, env=cse.env)
        assert r.returncode == status, (r.returncode, r.stdout, r.stderr)
        return r.stdout + r.stderr

    assert "secret " in far("add", "--psk", "far@issuer.example", "--as-ae", "Cfar")
    assert "12-far@issuer.example" in far("list")
    assert "may not administer" in far("list", who="pump", status=1)
    assert "security association" in far("list", who="nobody", status=3)


def test_without_a_cse(cse):
    add(cse, "pump", "--as-ae", "Cpump")
    cse.stop()
    assert "12-pump@issuer.example" in reeve(cse, "list")
    assert "there already" in reeve(cse, "add", "--psk", "pump@issuer.example", status=1)
    reeve(cse, "revoke", "12-pump@issuer.example")
    assert "secret" in reeve(cse, "add", "--psk", "--as-ae", "Cvalve")
    store = subprocess.run([binary(), "check", "store", "--config", str(cse.folder / "reeve.conf")], capture_output=True, text=True)
    assert store.returncode == 0, store.stdout
    audit = subprocess.run([binary(), "check", "audit", "--config", str(cse.folder / "reeve.conf")], capture_output=True, text=True)
    assert audit.returncode == 0, audit.stdout + audit.stderr
    cse.start()
    text = reeve(cse, "list")
    assert "REVOKED" in text and "12-Cvalve@reeve.local" in text
    assert "no credential" in reeve(cse, "show", "12-no@issuer.example", status=1)
    reeve(cse, "delete", "12-pump@issuer.example")
    assert "12-pump" not in reeve(cse, "list")


def test_the_socket_is_ours(cse):
    path = cse.folder / "data" / "control"
    assert path.is_socket() and path.stat().st_mode & 0o777 == 0o600
    if os.getuid() == 0:
        r = subprocess.run(["curl", "-sS", "--max-time", "10", "--unix-socket", str(path), "http://x/credentials"], capture_output=True, text=True,
                           user=65534)
        assert r.returncode != 0
    mine = subprocess.run(["curl", "-sS", "--max-time", "10", "--unix-socket", str(path), "http://x/credentials"], capture_output=True, text=True)
    assert json.loads(mine.stdout) == {"credentials": []}
    cse.stop()
    assert not path.exists()


def test_configuration_without_suites(cse):
    """SEC-013"""
    for flags in (["--tls.psk", "false"], ["--tls.psk", "false", "--tls.certificate", "false", "--tls.raw", "false"]):
        for command in (["check", "config"], ["cse"]):
            r = subprocess.run([binary(), *command, *flags, "--https.address", "127.0.0.1", "--https.port", "0", "--store.data",
                                str(cse.folder / "none")], capture_output=True, text=True, timeout=30)
            assert r.returncode != 0 and "suite" in r.stderr, r.stderr
