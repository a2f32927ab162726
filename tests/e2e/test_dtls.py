# SPDX-License-Identifier: Apache-2.0
"""DTLS 1.2 of the CSE against clients that others wrote (openssl s_client, gnutls-cli), directly and through a relay that loses, doubles and
holds back datagrams. What is spoken inside is the shortest CoAP there is: a ping, and the reset that answers it (RFC 7252 4.3)."""
import contextlib
import os
import select
import socket
import subprocess
import threading
import time

import pytest

from harness.certs import Authority, dns, uri
from harness.server import Server, binary, free_port

PING, PONG = b"\x40\x00\x12\x34", b"\x70\x00\x12\x34"
SUITE = "ECDHE-ECDSA-AES128-CCM8"
GNUTLS = "NONE:+VERS-DTLS1.2:+ECDHE-ECDSA:+AES-128-CCM-8:+AEAD:+SIGN-ECDSA-SHA256:+GROUP-SECP256R1:+COMP-NULL:+CTYPE-X509"


class Listener:
    """A CSE that shows a CSE-ID certificate and takes AE-ID certificates."""

    def __init__(self, folder, **settings):
        self.cse_ca = Authority(folder, "CSE CA", permitted=[dns("reeve.local")])
        self.ae_ca = Authority(folder, "AE CA", permitted=[uri("reeve.local")])
        own = self.cse_ca.issue([dns("reeve.reeve.local")])
        self.keys = folder / "keys"
        subprocess.run([binary(), "key", "import", str(own.key_file), "--alg", "TLS-ES256", "--kid", "own", "--keys.file", str(self.keys)],
                       check=True, capture_output=True)
        self.port = free_port(socket.SOCK_DGRAM)
        self.ae = self.ae_ca.issue([uri("https://reeve.local/Smeter9")])
        self.server = Server({"keys.file": self.keys, "tls.certificates": f"own:{own.chain}", "tls.anchors": f"ae:{self.ae_ca.file}",
                              "coaps.address": "127.0.0.1", "coaps.port": self.port,
                              **{k.replace("__", "."): v for k, v in settings.items()}}).start()


@pytest.fixture(scope="module")
def listener(tmp_path_factory):
    x = Listener(tmp_path_factory.mktemp("dtls"))
    yield x
    try:
        x.server.stop()
    finally:
        x.server.remove()


class Peer:
    """A command whose standard input goes into the association, and what comes out of it."""

    def __init__(self, *args):
        self.p = subprocess.Popen(list(map(str, args)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.out = b""

    def read(self):
        more = os.read(self.p.stdout.fileno(), 65536)
        assert more, ("it has ended", self.out[-3000:])
        self.out += more

    def until(self, what, seconds=30.0):
        end = time.monotonic() + seconds
        while what not in self.out:
            assert select.select([self.p.stdout], [], [], max(0, end - time.monotonic()))[0], (what, self.out[-3000:])
            self.read()
        at = self.out.index(what) + len(what)
        self.out, before = self.out[at:], self.out[:at]
        return before

    def send(self, raw):
        self.p.stdin.write(raw)
        self.p.stdin.flush()

    def end(self):
        self.p.terminate()
        self.p.wait(10)
        self.p.stdin.close()
        self.p.stdout.close()


@contextlib.contextmanager
def openssl(listener, port=None, leaf=None, *more):
    leaf = leaf or listener.ae
    args = ["-cert", leaf.chain, "-key", leaf.key_file] if leaf != "none" else []
    x = Peer("openssl", "s_client", "-dtls1_2", "-connect", f"127.0.0.1:{port or listener.port}", "-cipher", SUITE + ":@SECLEVEL=0", "-CAfile",
             listener.cse_ca.file, "-verify_return_error", "-verify_hostname", "reeve.reeve.local", "-timeout", "-mtu", 1200, *args, *more)
    try:
        yield x
    finally:
        x.end()


def ping(x):
    """Sent again when it is not answered, as CoAP does."""
    x.send(PING)
    while PONG not in x.out:
        if select.select([x.p.stdout], [], [], 2)[0]:
            x.read()
        else:
            x.send(PING)
    x.until(PONG)


def test_openssl(listener):
    """SEC-012: TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8 over DTLS 1.2, both certificates checked."""
    with openssl(listener) as x:
        assert b"Cipher is " + SUITE.encode() in x.until(b"Verify return code: 0 (ok)")
        for _ in range(3):
            ping(x)


def test_gnutls(listener):
    x = Peer("gnutls-cli", "--udp", "--sni-hostname", "reeve.reeve.local", "--verify-hostname", "reeve.reeve.local", "--x509cafile", listener.cse_ca.file,
             "--x509certfile", listener.ae.chain, "--x509keyfile", listener.ae.key_file, "--priority", GNUTLS, "-p", listener.port, "127.0.0.1")
    try:
        x.until(b"Handshake was completed")
        x.send(PING + b"\n")  # a line, whose end makes it no ping: it is answered all the same, or the next one is
        x.until(b"\x70\x00\x12\x34")
    finally:
        x.end()


def test_no_certificate(listener):
    """SEC-043: nobody comes in without; SEC-070: nor with the certificate of another flavour's anchor."""
    for leaf in ("none", listener.cse_ca.issue([dns("a.reeve.local")]), Authority(listener.keys.parent).issue([uri("https://reeve.local/Smeter9")])):
        with openssl(listener, None, leaf) as x:
            assert b"alert" in x.until(b"alert")
    with openssl(listener) as x:  # others are not disturbed
        ping(x)


def test_resumption(listener, tmp_path):
    """A session that is resumed has no ClientKeyExchange: what is looked at in the handshake must not wait for one."""
    saved = tmp_path / "session"
    with openssl(listener, None, None, "-sess_out", saved, "-no_ticket") as x:
        x.until(b"Verify return code: 0 (ok)")
        ping(x)
    with openssl(listener, None, None, "-sess_in", saved, "-no_ticket") as x:
        assert b"Reused" in x.until(b"Cipher is")
        ping(x)


# --- a network that is no good

class Relay:
    """Between one client and the listener. `fate(direction, number)` says what becomes of a datagram: "pass", "lose", "twice", "late" (behind
    the next one of its direction)."""

    def __init__(self, to, fate):
        self.front, self.back = socket.socket(socket.AF_INET, socket.SOCK_DGRAM), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.front.bind(("127.0.0.1", 0))
        self.back.connect(("127.0.0.1", to))
        self.port, self.fate, self.client = self.front.getsockname()[1], fate, None
        self.count, self.waiting, self.done = {"up": 0, "down": 0}, {"up": [], "down": []}, threading.Event()
        self.seen = {"up": [], "down": []}
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def put(self, way, raw):
        try:
            if way == "up":
                self.back.send(raw)
            elif self.client:
                self.front.sendto(raw, self.client)
        except OSError:
            pass  # nobody is there just now

    def run(self):
        while not self.done.is_set():
            for s in select.select([self.front, self.back], [], [], 0.2)[0]:
                way = "up" if s is self.front else "down"
                try:
                    raw, sender = s.recvfrom(65536)
                except OSError:
                    continue
                if way == "up":
                    self.client = sender
                self.seen[way].append(raw)
                what, late = self.fate(way, self.count[way]), self.waiting[way]
                self.count[way] += 1
                self.waiting[way] = [raw] if what == "late" else []
                for one in ([raw] * {"pass": 1, "twice": 2}.get(what, 0)) + (late if what != "late" else []):
                    self.put(way, one)
                if what == "late":
                    for one in late:
                        self.put(way, one)

    def close(self):
        self.done.set()
        self.thread.join()
        self.front.close()
        self.back.close()


@contextlib.contextmanager
def relay(to, fate):
    r = Relay(to, fate)
    try:
        yield r
    finally:
        r.close()


@pytest.mark.parametrize("fate,way,number", [(f, "up", n) for f in ("lose", "late", "twice") for n in (0, 1, 2)] +
                         [("lose", "down", n) for n in (0, 1, 2, 4, 6, 7)] + [(f, "down", n) for f in ("late", "twice") for n in (1, 6)])
def test_one_datagram(listener, fate, way, number):
    """Each datagram of the handshake is lost once, comes behind the next one, comes twice: it is completed by retransmission."""
    with relay(listener.port, lambda w, n: fate if (w, n) == (way, number) else "pass") as r, openssl(listener, r.port) as x:
        x.until(b"Verify return code: 0 (ok)")
        ping(x)


def test_everything_twice(listener):
    """What was said is heard once (RFC 6347 4.1.2.6)."""
    with relay(listener.port, lambda w, n: "twice") as r, openssl(listener, r.port) as x:
        x.until(b"Verify return code: 0 (ok)")
        before = r.count["down"]
        ping(x)
        ping(x)
        assert r.count["down"] == before + 2


def test_replayed_handshake(listener):
    """All that the client ever sent comes once more, from its own address: the session stays."""
    with relay(listener.port, lambda w, n: "pass") as r, openssl(listener, r.port) as x:
        x.until(b"Verify return code: 0 (ok)")
        ping(x)
        for raw in list(r.seen["up"]):
            r.put("up", raw)
        ping(x)


def test_client_is_restarted(listener):
    """RFC 6347 4.2.8: it begins anew from the address of its old session, of which the listener was not told that it ended."""
    state = {"deaf": False}
    with relay(listener.port, lambda w, n: "lose" if state["deaf"] else "pass") as r:
        with openssl(listener, r.port) as x:
            x.until(b"Verify return code: 0 (ok)")
            ping(x)
            state["deaf"] = True
        state["deaf"] = False
        with openssl(listener, r.port) as x:
            x.until(b"Verify return code: 0 (ok)")
            ping(x)


def test_hellos_without_cookie(listener):
    """RFC 6347 4.2.1: a client that never sends its cookie costs nothing and is answered with less than it sent."""
    with relay(listener.port, lambda w, n: "lose" if w == "down" else "pass") as r, openssl(listener, r.port):
        while len(r.seen["down"]) < 1:
            time.sleep(0.01)
        hello = r.seen["up"][0]
        with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as s:
            s.connect(("127.0.0.1", listener.port))
            s.settimeout(10)
            for _ in range(50):
                s.send(hello)
                answer = s.recv(2048)
                assert answer[13] == 3 and len(answer) < len(hello)  # HelloVerifyRequest
            for raw in (b"", b"\0" * 100, hello[:59], hello[:-1], bytes([22, 254, 253]) + b"\xff" * 2000, os.urandom(1200)):
                s.send(raw)
            s.send(hello)
            assert s.recv(2048)[13] == 3  # and nothing came for the rubbish
    with openssl(listener) as x:
        ping(x)
