# SPDX-License-Identifier: Apache-2.0
"""WebSocket behind TLS (wss): Python's ssl is the other end. TS-0020 7; docs/requirements/security-frameworks.md 1."""

import ssl

import pytest
import websockets

from harness import Server, allow, rule, unique, wait_until
from harness.certs import uri
from harness.https import Pki, context
from harness.server import stop_all
from harness.ws import WsClient, WsServer

CLOSED = (ssl.SSLError, OSError, websockets.InvalidMessage, websockets.ConnectionClosed)


@pytest.fixture(scope="module")
def pki(tmp_path_factory):
    return Pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="module")
def start():
    made = []

    def one(settings):
        made.append(Server(settings).start())
        return made[-1]
    yield one
    stop_all(made)


@pytest.fixture(scope="module")
def cse(pki, start, tmp_path_factory):
    return start(pki.settings(tmp_path_factory.mktemp("cse"), **{"notify.retry_first": "60 s", "notify.retry_most": "60 s"}))


def connect(cse, pki, leaf, **kw):
    return WsClient("wss://127.0.0.1:%d/" % cse.settings["https.port"], ssl=context(pki, leaf), server_hostname=pki.domain, **kw)


def subscription(c, aei, at):
    name = unique("c")
    c.request({"op": 1, "to": at, "fr": aei, "ty": 3, "pc": {"m2m:cnt": {"rn": name}}}, 2001)
    c.request({"op": 1, "to": at + "/" + name, "fr": aei, "ty": 23, "pc": {"m2m:sub": {"nu": [aei], "nct": 1, "enc": {"net": [3]}}}}, 2001)
    return at + "/" + name


def instance(c, aei, cnt, con):
    c.request({"op": 1, "to": cnt, "fr": aei, "ty": 4, "pc": {"m2m:cin": {"con": con}}}, 2001)


def con_of(request):
    return request["pc"]["m2m:sgn"]["nev"]["rep"]["m2m:cin"]["con"]


@pytest.mark.parametrize("protocol", ["oneM2M.json", "oneM2M.cbor"])
def test_requests_and_notifications(cse, pki, protocol):
    """CORE-310: the association first, then the handshake, then both directions; From is checked against the certificate (SEC-102)."""
    me = "Cwss" + protocol[-4:]
    with connect(cse, pki, pki.ae(me), protocol=protocol) as c:
        aei, at = c.register(stem=me)
        assert aei == me
        instance(c, aei, subscription(c, aei, at), "x")
        assert con_of(c.next()) == "x"
        assert c.request({"op": 2, "to": at, "fr": "Canother"})["rsc"] == 4106


@pytest.mark.parametrize("who", ["nobody", "a stranger"])
def test_without_a_valid_credential(cse, pki, who):
    """SEC-020: who has none never gets to the HTTP upgrade."""
    leaf = None if who == "nobody" else pki.stranger_ca.issue([uri("https://reeve.local/reeve/Cx")])
    before = cse.metrics()
    with pytest.raises(CLOSED):
        connect(cse, pki, leaf)
    after = cse.metrics()
    assert all(after["answers_%dxxx" % n] == before["answers_%dxxx" % n] for n in (2, 4, 5))


def test_kept_until_the_client_comes_back(cse, pki):
    """CORE-309: the association alone tells who has come back: not a request is needed."""
    me = "Cback"
    with connect(cse, pki, pki.ae(me)) as c:
        aei, at = c.register(stem=me)
        cnt = subscription(c, aei, at)
        everybody = {"rn": "acp", "pv": allow(rule("all", 63)), "pvs": allow(rule(aei, 63))}
        c.request({"op": 1, "to": at, "fr": aei, "ty": 1, "pc": {"m2m:acp": everybody}}, 2001)
        c.request({"op": 3, "to": cnt, "fr": aei, "pc": {"m2m:cnt": {"acpi": [at + "/acp"]}}}, 2004)
    failed = cse.metrics()["notifications_failed"]
    with connect(cse, pki, pki.ae("Cwriter")) as other:
        writer, _ = other.register(stem="Cwriter")
        for i in range(3):
            instance(other, writer, cnt, str(i))
        wait_until(lambda: cse.metrics()["notifications_failed"] > failed)
        with connect(cse, pki, pki.ae(me)) as c:
            assert [con_of(c.next()) for _ in range(3)] == ["0", "1", "2"]
        other.ping()
        other.nothing()


def test_the_one_in_clear_gets_nothing(cse, pki):
    """An AE of the association is not attracted by who only calls himself so in clear."""
    me = "Cmine"
    with connect(cse, pki, pki.ae(me)) as c, WsClient("ws://127.0.0.1:%d/" % cse.port) as thief:
        aei, at = c.register(stem=me)
        cnt = subscription(c, aei, at)
        thief.request({"op": 2, "to": at, "fr": aei})
        instance(c, aei, cnt, "x")
        assert con_of(c.next()) == "x"
        thief.ping()
        thief.nothing()


# --- the side that connects

def server_context(pki, leaf):
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    c.maximum_version = ssl.TLSVersion.TLSv1_2
    c.verify_mode = ssl.CERT_REQUIRED
    c.load_verify_locations(str(pki.cse_ca.file))
    c.load_cert_chain(str(leaf.chain), str(leaf.key_file))
    return c


def in_cse(request):
    if request["op"] == 2:
        return {"rsc": 2000, "pc": {"m2m:cb": {"rn": "inbase", "csi": "/in1", "cst": 1, "srv": ["2a", "3"], "ty": 5}}}
    return {1: 2001, 3: 2004, 4: 2002}.get(request["op"], 2000)


def test_a_registrar_behind_wss(pki, new_server, tmp_path):
    """SEC-020, CORE-307, CORE-310: we connect with our certificate to who has the registrar's, and believe him by it, not by an open
    listener. One with the certificate of another CSE is not spoken to."""
    for who, right in (("in1", True), ("in2", False)):
        (tmp_path / who).mkdir()
        with WsServer(in_cse, ssl=server_context(pki, pki.other_cse(who))) as registrar:
            mn = {"cse.id": "/mn", "cse.name": "mn", "cse.type": "MN", "registrar.id": "/in1", "registrar.domain": "in1." + pki.domain,
                  "registrar.poa": registrar.url, "registrar.retry_first": "50 ms", "registrar.retry_most": "100 ms"}
            s = new_server(pki.settings(tmp_path / who, pki.other_cse("mn"), **mn))
            if not right:
                wait_until(lambda: "no connection" in s.errors())
                assert registrar.connections.empty()
                continue
            c = registrar.accept()
            assert c.next()["pc"]["m2m:csr"]["csi"] == "/mn"
            wait_until(lambda: s.metrics().get("registered") == 1)
            assert c.request({"op": 2, "to": "/mn/mn", "fr": "/in1"}, 2000)["pc"]["m2m:cb"]["csi"] == "/mn"
            assert c.request({"op": 2, "to": "/mn/mn", "fr": "Cadmin"})["rsc"] == 4106
