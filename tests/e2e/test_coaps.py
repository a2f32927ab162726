# SPDX-License-Identifier: Apache-2.0
"""CoAP behind DTLS: a client of OpenSSL at the listener, and two CSEs that speak coaps with each other (SEC-005, SEC-012, SEC-019)."""

import json
import signal
import subprocess
import time

import pytest

from harness import Entity, coap, rule, wait_until
from harness.certs import Authority, dns, uri
from harness.https import PSK, credential, forget
from harness.coap import ACK, CON, GET, NON, POST, RST, Coap, Coaps, Message, code
from harness.server import Server, binary, free_port
import socket


def udp_port():
    return free_port(socket.SOCK_DGRAM)


def settings(folder, leaf, **more):
    """Settings of a CSE that shows this certificate; its key is imported."""
    kid = leaf.key_file.stem
    subprocess.run([binary(), "key", "import", leaf.key_file, "--alg", "TLS-ES256", "--kid", kid, "--store.data", folder],
                   check=True, capture_output=True, timeout=30)
    return dict({"keys.file": folder / "keys", "tls.certificates": "%s:%s" % (kid, leaf.chain), "coaps.address": "127.0.0.1",
                 "coaps.port": udp_port()}, **more)


class World:
    def __init__(self, folder):
        self.folder = folder
        self.cse, self.ae = Authority(folder, "CSE CA"), Authority(folder, "AE CA", permitted=[uri("reeve.local")])
        self.server = None

    def start(self):
        leaf = self.leaf = self.cse.issue([dns("reeve.reeve.local")])
        self.server = Server(settings(self.folder, leaf, **{"tls.anchors": "ae:%s" % self.ae.file})).start()
        self.port = self.server.settings["coaps.port"]
        return self

    def client(self, name, authority=None, *more):
        """A client with the certificate of an AE."""
        leaf = (authority or self.ae).issue([uri("coaps://reeve.local/reeve/" + name)])
        return Coaps(self.port, "-cert", leaf.file, "-key", leaf.key_file, "-CAfile", self.cse.file, "-verify_return_error", *more)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    w = World(tmp_path_factory.mktemp("coaps")).start()
    yield w
    w.server.stop()
    w.server.remove()


def options(origin, to, rqi, *more):
    return [(coap.URI_PATH, p) for p in coap.path_of(to)] + [(coap.FR, origin), (coap.RQI, rqi), (coap.RVI, "3"), *more]


def register(c, origin, name):
    body = json.dumps({"m2m:ae": {"rn": name, "api": "Npump", "rr": False, "srv": ["3"]}}).encode()
    return c.request(POST, options(origin, "cse", "reg", (coap.TY, 2), (coap.CONTENT_FORMAT, 50)), body)


def test_requests(world):
    """SEC-005, SEC-012: requests and answers of every size in one session, with the suite of the standard; From is who was authenticated"""
    c = world.client("Cpump1", None, "-cipher", "ECDHE-ECDSA-AES128-CCM8")
    assert register(c, "Cpump1", "pump1").rsc == 2001
    got = c.request(GET, options("Cpump1", "cse/pump1", "r"))
    assert got.rsc == 2000 and got.content["m2m:ae"]["aei"] == "Cpump1"
    body = json.dumps({"m2m:cnt": {"rn": "big", "lbl": ["%05d" % n for n in range(2000)]}}).encode()
    assert c.request(POST, options("Cpump1", "cse/pump1", "b", (coap.TY, 3), (coap.CONTENT_FORMAT, 50)), body).rsc == 2001
    assert len(c.request(GET, options("Cpump1", "cse/pump1/big", "g")).content["m2m:cnt"]["lbl"]) == 2000
    for other in ("Cpump2", "Cadmin"):
        got = c.request(GET, options(other, "cse/pump1", "f"))
        assert got.code == code("4.03") and got.rsc in (4106, 4107), got
    c.close()


def test_message_layer(world):
    """SEC-019 (TS-0008 7): answers leave in the session of their request; repetitions and message ids are the session's own"""
    a, b = world.client("Ca"), world.client("Cb")
    assert register(a, "Ca", "a").rsc == 2001 and register(b, "Cb", "b").rsc == 2001
    body = json.dumps({"m2m:cnt": {}}).encode()
    for c, name in ((a, "a"), (b, "b")):
        m = Message(CON, POST, 777, b"t", options("C" + name, "cse/" + name, "x", (coap.TY, 3), (coap.CONTENT_FORMAT, 50)), body)
        assert c.exchange(m).rsc == 2001
        c.send(m)
        again = c.receive()
        assert (again.type, again.code, again.mid) == (ACK, 0, 777)
        c.silent()
    # the same bytes in clear are nobody's
    plain = Coap("127.0.0.1", world.port, timeout=1)
    plain.send(Message(CON, GET, 1, b"", options("Ca", "cse/a", "x")))
    plain.send(Message(ACK, 0, 2))
    assert a.request(GET, options("Ca", "cse/a", "y")).rsc == 2000
    plain.s.setblocking(False)
    with pytest.raises(BlockingIOError):
        plain.s.recv(100)
    for c in (a, b, plain):
        c.close()


def test_strangers(world):
    """Without a credential that proves anything there is no session, and nothing is answered"""
    stranger = world.client("Cpump1", Authority(world.folder, "nobody's CA"))
    assert "alert" in stranger.s.ended()
    nameless = Coaps(world.port, "-CAfile", world.cse.file)
    assert "alert" in nameless.s.ended()
    assert world.client("Cpump9").exchange(Message(NON, GET, 1, b"z", options("Cpump9", "cse", "x"))).code


def test_hostile_inside(world):
    """RFC 7252 4.2 within a session"""
    c = world.client("Chostile")
    for data in (b"\x40", b"\x40\x01\x00\x01\xff", b"\x49\x01\x00\x01" + b"t" * 9, b"\x80\x01\x00\x01"):
        c.send(data)
        if len(data) >= 4 and data[0] >> 6 == 1:
            assert c.receive().type == RST
        c.silent()
    c.close()


# --- symmetric keys, and their end

def keyed(world, name, key=PSK):
    return Coaps(world.port, "-cipher", "PSK-AES128-CCM8", "-psk_identity", name + "@issuer.example", "-psk", key)


def known(world, name, **more):
    credential(world.server, dict({"id": "12-%s@issuer.example" % name, "ae": ["//reeve.local/reeve/C" + name], "secret": PSK}, **more))


def test_symmetric_key(world):
    """SEC-010: the mandatory suite with a pre-shared key; SEC-102: who that is decides what From may be"""
    known(world, "keyed")
    c = keyed(world, "keyed")
    assert register(c, "Ckeyed", "keyed").rsc == 2001
    assert c.request(GET, options("Ckeyed", "cse/keyed", "a")).content["m2m:ae"]["aei"] == "Ckeyed"
    got = c.request(GET, options("Cother", "cse/keyed", "b"))
    assert got.rsc == 4106 and got.code == code("4.03"), got
    c.close()


def gone(c):
    """It ended by a notice of the listener."""
    c.s.p.wait(30)
    c.close()


def test_revoked_and_expired(world):
    """SEC-029, SEC-030: a credential that is taken away, or whose time is over, ends its association at once, and makes no new one"""
    known(world, "lost")
    known(world, "kept")
    lost, kept = keyed(world, "lost"), keyed(world, "kept")
    assert register(lost, "Clost", "lost").rsc == 2001 and register(kept, "Ckept", "kept").rsc == 2001
    forget(world.server, "12-lost@issuer.example")
    gone(lost)
    assert kept.request(GET, options("Ckept", "cse/kept", "k")).rsc == 2000
    soon = time.strftime("%Y%m%dT%H%M%S", time.gmtime(time.time() + 4))
    known(world, "brief", expires=soon)
    brief = keyed(world, "brief")
    assert register(brief, "Cbrief", "brief").rsc == 2001
    gone(brief)
    kept.close()


def test_new_certificates(tmp_path):
    """SIGHUP: who comes then is shown the new certificate, and what was proven by an old one ends"""
    w = World(tmp_path).start()
    try:
        c = w.client("Cold")
        assert register(c, "Cold", "old").rsc == 2001
        new = w.cse.issue([dns("reeve.reeve.local")], key=w.leaf.key)
        w.leaf.chain.write_bytes(new.chain.read_bytes())
        w.server.process.send_signal(signal.SIGHUP)
        gone(c)
        c = w.client("Cold")
        assert c.request(GET, options("Cold", "cse/old", "n")).rsc == 2000
        c.close()
        leaf = w.ae.issue([uri("coaps://reeve.local/reeve/Cold")])
        said = subprocess.run(["openssl", "s_client", "-dtls1_2", "-connect", "127.0.0.1:%d" % w.port, "-cert", leaf.file, "-key", leaf.key_file],
                              input=b"", capture_output=True, timeout=30).stdout.decode()
        assert new.file.read_text().split("\n")[1:4] == said[said.index("BEGIN CERT"):].split("\n")[1:4]
    finally:
        w.server.stop()
        w.server.remove()


# --- between CSEs

def test_between_cses(tmp_path):
    """SEC-005, SEC-019: registration and requests both ways over coaps, each end with the certificate of a CSE"""
    folders = [tmp_path / n for n in ("a", "b", "c")]
    for f in folders:
        f.mkdir()
    ca = Authority(folders[2], "CSE CA")
    anchors = {"tls.anchors": "cse:%s" % ca.file, "coap.address": ""}
    in_ = settings(folders[0], ca.issue([dns("in1.reeve.local")]), **{"cse.id": "/in1", "cse.name": "inbase", "http.open": "true"}, **anchors)
    in_["cse.poa"] = "coaps://127.0.0.1:%d" % in_["coaps.port"]
    mn = settings(folders[1], ca.issue([dns("mn1.in1.reeve.local")]),
                  **{"cse.id": "/mn1", "cse.name": "mnbase", "cse.type": "MN", "http.open": "true", "registrar.id": "/in1",
                     "registrar.poa": in_["cse.poa"], "registrar.retry_first": "20ms", "registrar.retry_most": "100ms",
                     "tls.domain": "mn1.in1.reeve.local"}, **anchors)
    mn["cse.poa"] = "coaps://127.0.0.1:%d" % mn["coaps.port"]
    with Server(in_) as above, Server(mn) as below:
        wait_until(lambda: below.metrics().get("registered") == 1)
        for near, far, here, there in ((below, above, "/mn1/", "/in1/"), (above, below, "/in1/", "/mn1/")):
            me, ae = near.register(), far.register()
            _, pol = ae.policy([rule(ae.origin, 63), rule(here + me.origin, 63)])
            ae.update(ae.at, 2, {"acpi": [pol]}).expect(2004)
            me.create(there + ae.at, 3, {"rn": "far", "lbl": ["%05d" % n for n in range(2000)]}).expect(2001)
            assert len(me.retrieve(there + ae.at + "/far").expect(2000)["lbl"]) == 2000
            assert Entity(near.client, "Cnobody").retrieve(there + ae.at).rsc >= 4000
