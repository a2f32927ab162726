# SPDX-License-Identifier: Apache-2.0
"""HTTP behind TLS. The other end is never ours: Python's ssl and curl, openssl, gnutls-cli; only `reeve ae` is, where it is the subject."""

import re
import socket
import ssl
import subprocess

import pytest

from harness import Entity, wait_until
from harness.https import PSK, Pki, SecureReceiver, connect, context, credential, forget, raw_key_id, secure
from harness.raw import Raw, message
from harness.server import binary


@pytest.fixture(scope="module")
def pki(tmp_path_factory):
    return Pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="module")
def cse(pki, servers_of_module, tmp_path_factory):
    return servers_of_module(pki.settings(tmp_path_factory.mktemp("cse")))


@pytest.fixture(scope="module")
def servers_of_module():
    from harness import Server
    from harness.server import stop_all
    made = []

    def start(settings):
        made.append(Server(settings).start())
        return made[-1]
    yield start
    stop_all(made)


class Secure(Raw):
    """Bytes inside an association."""

    def __init__(self, server, pki, leaf, **kw):
        self.s, self.buf = connect(server, pki, leaf, **kw), b""


def port(server):
    return server.settings["https.port"]


def requests(server):
    m = server.metrics()
    return sum(m["answers_%dxxx" % n] for n in (2, 4, 5))


# --- who gets in

def test_certificate(cse, pki):
    """SEC-001, SEC-004, SEC-011: an AE is served inside its association, with TLS 1.2 and the mandatory suite; SEC-102: as itself only."""
    a = secure(cse, pki, "Cone")
    a.create("cse", 2, {"rn": "one", "api": "Ntest", "rr": False, "srv": ["3"]}).expect(2001)
    assert a.retrieve("cse/one").expect(2000)["aei"] == "Cone"
    sock = a.client._connection().sock
    assert sock.version() == "TLSv1.2" and sock.cipher()[0] == "ECDHE-ECDSA-AES128-SHA256"
    Entity(a.client, "Ctwo").retrieve("cse/one").expect(4106)
    a.client.close()


def curl(cse, pki, leaf, *more, url=None):
    args = ["curl", "-s", "-i", "--max-time", "20", "--cacert", pki.cse_ca.file, "--connect-to", "%s:%d:127.0.0.1:%d" % (pki.domain, port(cse), port(cse))]
    if leaf:
        args += ["--cert", leaf.chain, "--key", leaf.key_file]
    return subprocess.run([*map(str, args), *more, url or "https://%s:%d/cse" % (pki.domain, port(cse))], capture_output=True, text=True, timeout=60)


def test_curl(cse, pki):
    done = curl(cse, pki, pki.ae("Ccurl"), "-H", "X-M2M-Origin: Ccurl", "-H", "X-M2M-RI: 7", "-H", "X-M2M-RVI: 3")
    assert done.returncode == 0 and re.search(r"X-M2M-RI: 7\r?\n", done.stdout), done


def test_without_a_certificate(cse, pki):
    """SEC-020, SEC-043: who proves nothing never reaches HTTP; not even a page is shown."""
    before, failed = requests(cse), cse.metrics()["tls_failed"]
    done = curl(cse, pki, None, url="https://%s:%d/healthz" % (pki.domain, port(cse)))
    assert done.returncode != 0 and not done.stdout, done
    with pytest.raises((ssl.SSLError, ConnectionError)):
        with connect(cse, pki) as s:
            s.sendall(message(origin="Cone"))
            assert not s.recv(100)
            raise ConnectionError
    wait_until(lambda: cse.metrics()["tls_failed"] >= failed + 2)
    assert requests(cse) == before


def test_certificates_of_a_stranger(cse, pki):
    """SEC-070: a chain to another anchor proves nothing, as little as one that is out of date."""
    before = requests(cse)
    from harness.certs import DAY, now, uri
    for leaf in (pki.stranger_ca.issue([uri("https://reeve.local/reeve/Cone")]), pki.cse_ca.issue([uri("https://reeve.local/reeve/Cone")]),
                 pki.ae("Cone", start=now() - 9 * DAY, end=now() - DAY)):
        with pytest.raises((ssl.SSLError, ConnectionError)):
            with connect(cse, pki, leaf) as s:
                s.sendall(message(origin="Cone"))
                assert not s.recv(100)
                raise ConnectionError
    assert requests(cse) == before


def s_client(cse, *args, data, seconds=15):
    """What comes back through `openssl s_client`; it ends when the server ends the connection."""
    done = subprocess.run(["openssl", "s_client", "-connect", "127.0.0.1:%d" % port(cse), "-quiet", "-ign_eof", *args], input=data,
                          capture_output=True, timeout=seconds)
    return done.stdout, done.stderr.decode(errors="replace")


def test_psk_by_openssl(cse):
    """SEC-009: the mandatory suite with a pre-shared key; SEC-038, SEC-039: another key and another identity look the same."""
    credential(cse, {"id": "12-pump@issuer.example", "ae": ["//reeve.local/reeve/Cpump"], "secret": PSK})
    ask = message(origin="Cpump", headers=[("Connection", "close")])
    ways = ("-tls1_2", "-cipher", "PSK-AES128-CBC-SHA256")
    out, err = s_client(cse, *ways, "-psk_identity", "pump@issuer.example", "-psk", PSK, data=ask)
    assert b"X-M2M-RI: raw" in out and out.startswith(b"HTTP/1.1 "), (out, err)
    wrong = [s_client(cse, *ways, "-psk_identity", who, "-psk", key, data=ask)
             for who, key in (("pump@issuer.example", PSK.replace("0", "f")), ("nobody@issuer.example", PSK))]
    alerts = [re.findall(r"alert [a-z ]+|alert number \d+", err) for _, err in wrong]
    assert not wrong[0][0] and not wrong[1][0] and alerts[0] and alerts[0] == alerts[1], wrong


def test_raw_public_key_by_gnutls(pki, new_server, tmp_path):
    """SEC-081: a raw public key in both directions"""
    s = new_server(pki.settings(tmp_path, **{"tls.raw_key": "own"}))
    leaf = pki.ae_ca.issue([])
    credential(s, {"id": "30-" + raw_key_id(leaf), "ae": ["//reeve.local/reeve/Craw"]})
    public = tmp_path / "public.pem"
    subprocess.run(["openssl", "pkey", "-in", leaf.key_file, "-pubout", "-out", public], check=True)
    done = subprocess.run(["gnutls-cli", "127.0.0.1", "-p", str(port(s)), "--no-ca-verification", "--rawpkkeyfile", leaf.key_file, "--rawpkfile", public,
                           "--priority", "NORMAL:-VERS-ALL:+VERS-TLS1.2:-CTYPE-ALL:+CTYPE-CLI-RAWPK:+CTYPE-SRV-RAWPK"],
                          input=message(origin="Craw", headers=[("Connection", "close")]), capture_output=True, timeout=60)
    assert b"X-M2M-RI: raw" in done.stdout, done


# --- what is not TLS, and TLS where it does not belong

def test_plain_http_to_the_tls_port(cse):
    before = cse.metrics()["no_tls"]
    with socket.create_connection(("127.0.0.1", port(cse)), timeout=15) as s:
        s.sendall(message())
        got = b""
        while more := s.recv(65536):
            got += more
    assert got.startswith(b"HTTP/1.1 400 ") and b"https://" in got
    assert cse.metrics()["no_tls"] == before + 1


GARBAGE = [b"\0" * 100, b"\xff" * 70000, b"\x80\x2e\x01\x03\x01", b"\x16\x03\x01\xff\xff" + b"A" * 70000, b"\x16" * 20000,
           b"\x15\x03\x03\x00\x02\x02\x28", b"\x16\x03\x03\x00\x04\x01\x00\x00\x00"]


@pytest.mark.parametrize("data", GARBAGE, ids=range(len(GARBAGE)))
def test_garbage(cse, data):
    before = requests(cse)
    with socket.create_connection(("127.0.0.1", port(cse)), timeout=15) as s:
        try:
            s.sendall(data)
            s.shutdown(socket.SHUT_WR)
            while s.recv(65536):
                pass
        except OSError:
            pass  # the server was faster
    assert requests(cse) == before and cse.alive()


def test_tls_to_the_plain_port(cse, pki):
    with socket.create_connection(("127.0.0.1", cse.port), timeout=15) as raw, pytest.raises(ssl.SSLError):
        context(pki).wrap_socket(raw, server_hostname=pki.domain)
    with socket.create_connection(("127.0.0.1", cse.port), timeout=15) as s:
        s.sendall(bytes.fromhex("16030100ba010000b60303") + b"\0" * 200)
        assert b"this is TLS" in s.recv(65536)


def test_renegotiation(cse, pki):
    """It is refused, and the association goes on."""
    leaf = pki.ae("Cagain")
    with subprocess.Popen(["openssl", "s_client", "-connect", "127.0.0.1:%d" % port(cse), "-tls1_2", "-cert", leaf.chain, "-key", leaf.key_file,
                           "-CAfile", pki.cse_ca.file, "-servername", pki.domain], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT) as p:
        p.stdin.write(b"R\n")
        p.stdin.flush()
        out, _ = p.communicate(timeout=30)
    assert b"RENEGOTIATING" in out and (b"no renegotiation" in out or b"handshake failure" in out), out[-2000:]


# --- bounds

def test_slow_handshakes(pki, new_server, tmp_path):
    """tls.handshake_time ends a handshake that does not come to its end, tls.handshakes bounds how many there are."""
    s = new_server(pki.settings(tmp_path, **{"tls.handshake_time": "1 s", "tls.handshakes": "3"}))
    slow = [socket.create_connection(("127.0.0.1", port(s)), timeout=15) for _ in range(3)]
    for c in slow:
        c.sendall(b"\x16\x03\x01")
    wait_until(lambda: s.metrics()["connections_opened"] >= 4)
    one_more = socket.create_connection(("127.0.0.1", port(s)), timeout=15)
    assert one_more.recv(100) == b"" and s.metrics()["limit_handshakes"] == 1
    for c in slow:
        while c.recv(100):  # an alert may come
            pass
        c.close()
    one_more.close()
    later = secure(s, pki, "Clater")
    later.retrieve("cse").expect(2000)
    later.client.close()


def test_cut_and_ended(cse, pki):
    """A request is carried out when all of it has come, whether the client then ends in order; what is cut is not."""
    a = secure(cse, pki, "Ccut")
    a.create("cse", 2, {"rn": "cut", "api": "Ntest", "rr": False, "srv": ["3"]}).expect(2001)
    body = b'{"m2m:cnt":{"rn":"%s"}}'
    for name, whole in ((b"whole", True), (b"half", False)):
        bad = cse.metrics()["bad_http"]
        whole_body = body % name
        ask = message("POST", "/cse/cut", [("Content-Type", "application/json;ty=3")], whole_body, origin="Ccut")
        c = Secure(cse, pki, pki.ae("Ccut"))
        c.send(ask if whole else ask[:-5])
        if whole:
            assert c.answer().rsc == 2001
        raw = c.s.detach()
        socket.socket(fileno=raw).close()  # no close_notify
        wait_until(lambda: whole or cse.metrics()["bad_http"] == bad + 1)
        a.retrieve("cse/cut/" + name.decode()).expect(2000 if whole else 4004)
    a.client.close()


# --- HTTP inside is HTTP

def test_split_at_every_byte(cse, pki):
    """One byte in a record, and the same request in two records at each place."""
    ask = message(origin="Csplit")
    with Secure(cse, pki, pki.ae("Csplit")) as c:
        for one in ask:
            c.send(bytes([one]))
        first = c.answer().rsc
        for at in range(1, len(ask)):
            assert c.send(ask[:at]).send(ask[at:]).answer().rsc == first


def test_pipelined(cse, pki):
    with Secure(cse, pki, pki.ae("Cpipe")) as c:
        c.send(b"".join(message(origin="Cpipe", rqi="p%d" % i) for i in range(500)))
        assert [c.answer().headers["x-m2m-ri"] for _ in range(500)] == ["p%d" % i for i in range(500)]


def test_large_answers_to_a_slow_reader(cse, pki):
    a = secure(cse, pki, "Clarge")
    a.create("cse", 2, {"rn": "large", "api": "Ntest", "rr": False, "srv": ["3"]}).expect(2001)
    a.create("cse/large", 3, {"rn": "c"}).expect(2001)
    text = "x" * 600000
    a.create("cse/large/c", 4, {"rn": "i", "con": text}).expect(2001)
    with Secure(cse, pki, pki.ae("Clarge")) as c:
        c.send(b"".join(message("GET", "/cse/large/c/i", origin="Clarge", rqi="l%d" % i) for i in range(10)))
        for i in range(10):
            got = c.answer()
            assert got.headers["x-m2m-ri"] == "l%d" % i and text.encode() in got.body
    a.client.close()


def test_garbage_inside(cse, pki):
    for data in (b"\0" * 100, b"GET /\r\n\r\n", b"\x16\x03\x01\x02\x00" * 10, message() + b"\xff" * 100):
        with Secure(cse, pki, pki.ae("Cgarbage")) as c:
            c.send(data)
            answers = [c.answer() for _ in range(2 if data.startswith(b"GET /cse") else 1)]
            assert answers[-1].status in (400, 405, 505) and c.closed()


# --- the end of an association

def test_credential_goes(cse):
    """A credential that is taken away ends its associations: the connection closes, and no new one is made."""
    credential(cse, {"id": "12-gone@issuer.example", "ae": ["//reeve.local/reeve/Cgone"], "secret": PSK})
    args = ["openssl", "s_client", "-connect", "127.0.0.1:%d" % port(cse), "-quiet", "-tls1_2", "-psk_identity", "gone@issuer.example", "-psk", PSK]
    before = cse.metrics()["associations_ended"]
    with subprocess.Popen(args, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as p:
        p.stdin.write(message(origin="Cgone"))
        p.stdin.flush()
        while b"X-M2M-RI" not in (line := p.stdout.readline()):
            assert line
        forget(cse, "12-gone@issuer.example")
        p.communicate(timeout=30)  # it ends because the server does
    assert cse.metrics()["associations_ended"] == before + 1
    out, _ = s_client(cse, "-tls1_2", "-psk_identity", "gone@issuer.example", "-psk", PSK, data=message(origin="Cgone"))
    assert not out


# --- outgoing

def subscribed(a, name, url):
    a.create("cse", 2, {"rn": name, "api": "Ntest", "rr": True, "srv": ["3"], "poa": [url]}).expect(2001)
    a.create("cse/" + name, 3, {"rn": "c"}).expect(2001)
    a.create("cse/%s/c" % name, 23, {"rn": "s", "nu": ["cse/" + name], "enc": {"net": [3]}}).expect(2001)


def test_notification_by_https(cse, pki):
    """SEC-024, SEC-026, SEC-044: what an AE is told goes to its point of access with the certificates of its own association, roles swapped."""
    r = SecureReceiver(pki, pki.ae("Ctold"))
    try:
        a = secure(cse, pki, "Ctold")
        subscribed(a, "told", r.url)
        for i in range(3):
            a.create("cse/told/c", 4, {"con": str(i)}).expect(2001)
            assert r.get().sgn["nev"]["rep"]["m2m:cin"]["con"] == str(i)
        a.client.close()
    finally:
        r.close()


def test_notification_to_an_impostor(cse, pki):
    """SEC-028, SEC-044, SEC-068: another AE's certificate at the point of access: the handshake ends, and nothing is told."""
    r = SecureReceiver(pki, pki.ae("Cimpostor"))
    try:
        a = secure(cse, pki, "Cvictim")
        subscribed(a, "victim", r.url)
        a.create("cse/victim/c", 4, {"con": "secret"}).expect(2001)
        wait_until(lambda: "no security association with //reeve.local/reeve/Cvictim" in cse.errors())
        r.nothing_more()
        a.client.close()
    finally:
        r.close()


def test_https_without_a_credential(server, cse, pki):
    """SEC-025: who registered in clear has no association that could be turned round: its https:// address is not used, and the log says why."""
    r = SecureReceiver(pki, pki.ae("Cclear"))
    try:
        a = cse.register()
        a.update(a.at, 2, {"poa": [r.url], "rr": True}).expect(2004)
        c = a.container()
        a.create(c, 23, {"rn": "s", "nu": [a.at], "enc": {"net": [3]}}).expect(2001)
        a.instance(c)
        wait_until(lambda: "no credential for a security association with //reeve.local/reeve/" + a.origin in cse.errors())
        r.nothing_more()
    finally:
        r.close()


def test_registrar_is_named(pki, new_server, tmp_path):
    """SEC-016: the client names the registrar's public domain name; SEC-037, SEC-068: a registrar that is another CSE is none."""
    right, wrong = SecureReceiver(pki, pki.other_cse("in1")), SecureReceiver(pki, pki.other_cse("in2"))
    right.answer = wrong.answer = lambda got: 4000
    try:
        mn = {"cse.id": "/mn", "cse.name": "mn", "cse.type": "MN", "registrar.id": "/in1", "registrar.domain": "in1." + pki.domain}
        for r in (right, wrong):
            (tmp_path / str(r.port)).mkdir()
            s = new_server(pki.settings(tmp_path / str(r.port), pki.other_cse("mn"), **mn, **{"registrar.poa": r.url}))
            assert r.named.get(timeout=30) == "in1." + pki.domain
            if r is right:
                assert r.get().method in ("GET", "POST")
            else:
                wait_until(lambda: "no security association with //reeve.local/in1" in s.errors())
                r.nothing_more()
    finally:
        right.close()
        wrong.close()


# --- the client of the commands

def ae(*args):
    return subprocess.run([binary(), "ae", *map(str, args)], capture_output=True, text=True, timeout=60)


def test_reeve_ae(cse, pki, tmp_path):
    url = "https://127.0.0.1:%d" % port(cse)
    leaf = pki.ae("Cshell")
    by_cert = ("--cse", url, "--cert", leaf.chain, "--key", leaf.key_file, "--anchor", pki.cse_ca.file, "--server-name", pki.domain, "--from", "Cshell")
    done = ae("create", "cse", "ae", "--name", "shell", "api=Ntest", "rr=false", 'srv:=["3"]', *by_cert)
    assert done.returncode == 0, done
    assert ae("retrieve", "cse/shell", *by_cert).returncode == 0
    done = ae("retrieve", "cse/shell", *(x if x != pki.domain else "in9.example.org" for x in by_cert))
    assert done.returncode == 3 and "no security association" in done.stderr
    # a raw public key is not among what this listener takes, a symmetric key is
    credential(cse, {"id": "12-shell@issuer.example", "ae": ["//reeve.local/reeve/Cshell2"], "secret": PSK})
    secret = tmp_path / "secret"
    secret.write_text(PSK + "\n")
    by_psk = ("--cse", url, "--psk", "shell@issuer.example:%s" % secret, "--from", "Cshell2")
    done = ae("retrieve", "cse", *by_psk)
    assert done.returncode == 3 and "chmod 600" in done.stderr
    secret.chmod(0o600)
    assert ae("retrieve", "cse", *by_psk).returncode == 0
    secret.write_text(PSK.replace("0", "1"))
    done = ae("retrieve", "cse", *by_psk)
    assert done.returncode == 3 and "no security association" in done.stderr and PSK.replace("0", "1") not in done.stderr
    for more in ((), ("--cert", leaf.chain), ("--psk", "nothing")):
        assert ae("retrieve", "cse", "--cse", url, "--from", "Cshell", *more).returncode != 0
