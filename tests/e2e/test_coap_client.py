# SPDX-License-Identifier: Apache-2.0
"""What the CSE sends over CoAP (TS-0008): notifications, requests for AEs, requests between CSEs; to receivers of the tests' own, to
libcoap's server, and to another Reeve."""

import json
import re
import socket
import subprocess

import pytest

from harness import Entity, coap, rule, unique, wait_until
from harness.coap import CON, CoapReceiver, Message, RST, code
from harness.server import Server, free_port


@pytest.fixture
def receivers():
    made = []

    def new(**kw):
        made.append(CoapReceiver(**kw))
        return made[-1]
    yield new
    for r in made:
        r.close()


def subscribe(ae, to, url, **attrs):
    return ae.made(to, 23, dict({"nu": [url], "nct": 1, "enc": {"net": [3]}}, **attrs))


def reachable(server, ae, url, **attrs):
    """An AE with this point of access that `ae` may notify."""
    a = server.register(rr=True, poa=[url] if isinstance(url, str) else url, **attrs)
    _, pol = a.policy([rule(a.origin, 63), rule(ae.origin, 63)])
    a.update(a.at, 2, {"acpi": [pol]}).expect(2004)
    return a


NOTE = {"m2m:sgn": {"sur": "cse/x", "nev": {"net": 1, "rep": {"m2m:cnt": {"rn": "n"}}}}}


def test_notification(server, ae, receivers):
    """CORE-287, CORE-288, CORE-290: POST without ty; To, From, Request Identifier and release in their options"""
    r, to = receivers(), ae.container()
    subscribe(ae, to, r.url + "/my/path?q=a%20b")
    ae.instance(to, "hello")
    m = r.get()
    assert m.type == CON and m.code == coap.POST and m.one(coap.TY) is None
    assert m.all(coap.URI_PATH) == [b"my", b"path"] and m.all(coap.URI_QUERY) == [b"q=a b"]
    assert m.one(coap.FR) == b"/reeve" and m.one(coap.RQI) and m.one(coap.RVI) == b"3"
    assert coap.number(m.one(coap.CONTENT_FORMAT)) == 50
    assert m.content["m2m:sgn"]["nev"]["rep"]["m2m:cin"]["con"] == "hello"


@pytest.mark.parametrize("how", [{}, {"separate": True}, {"drop": 1}, {"separate": True, "drop": 1}], ids=str)
def test_answers_and_losses(server, ae, receivers, how):
    """CORE-294: an answer with or after the acknowledgement; what is lost is sent again, as the same message"""
    r = receivers(**how)
    a = reachable(server, ae, r.url)
    ae.notify(a.at, NOTE).expect(2000)
    got = r.get()
    assert got.content == NOTE
    if "drop" in how:
        assert r.datagrams[0].encode() == r.datagrams[1].encode()
    if "separate" in how:
        wait_until(lambda: any(d.type == coap.ACK for d in r.datagrams))


def test_refusals_and_codes(server, ae, receivers):
    """CORE-292: the option says what the code does not; without it the code counts"""
    r = receivers(answer=lambda m: 4103)
    ae.notify(reachable(server, ae, r.url).at, NOTE).expect(4103)

    def plain(text):
        return lambda m: [Message(coap.ACK, code(text), m.mid, m.token).encode()]
    for text, rsc in (("2.04", 2000), ("4.04", 4004), ("4.06", 5207), ("5.01", 5001), ("4.13", 4000)):
        r = receivers(answer=plain(text))
        assert ae.notify(reachable(server, ae, r.url).at, NOTE).rsc == rsc, text


def test_reset_and_nonsense(server, ae, receivers):
    """A reset, an unknown critical option, an answer with another token: no answer (5103, or the next point of access)"""
    good = receivers()
    r = receivers(answer=lambda m: [Message(RST, 0, m.mid).encode()])
    ae.notify(reachable(server, ae, [r.url, good.url]).at, NOTE).expect(2000)
    assert good.get()
    r = receivers(answer=lambda m: [Message(coap.ACK, code("2.04"), m.mid, m.token, [(2049, b"x")]).encode()])
    ae.notify(reachable(server, ae, [r.url, good.url]).at, NOTE).expect(2000)
    assert good.get()
    r = receivers(answer=lambda m: [Message(coap.ACK, code("4.00"), m.mid, b"other").encode(), b"\x40", b"\x70\x00" + b"\0\0",
                                    Message(CON, code("2.04"), 7, m.token).encode()])
    ae.notify(reachable(server, ae, r.url).at, NOTE).expect(2000)


def test_nobody_there(server, ae, receivers):
    """CORE-203: told at once by the system, so the next point of access gets it"""
    r = receivers()
    dead = "coap://127.0.0.1:%d" % free_port()
    ae.notify(reachable(server, ae, [dead, r.url]).at, NOTE).expect(2000)
    assert r.get().content == NOTE
    for bad in ("coap://", "coap://[::1", "coap://127.0.0.1:0", "coap://127.0.0.1:99999", "coap://no.such.host.invalid"):
        assert ae.notify(reachable(server, ae, [bad, r.url]).at, NOTE).rsc == 2000, bad
        assert r.get().content == NOTE


def test_multicast(server, ae, receivers):
    """Nothing is sent to a group of hosts, in clear as little as over DTLS"""
    r = receivers()
    for bad in ("coap://224.0.1.187", "coaps://224.0.1.187", "coap://[ff02::fd]", "coaps://[ff02::fd]"):
        ae.notify(reachable(server, ae, [bad, r.url]).at, NOTE).expect(2000)
        assert r.get().content == NOTE
        assert ae.notify(reachable(server, ae, bad).at, NOTE).rsc >= 5000, bad
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("224.0.1.187", 0))
        s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton("224.0.1.187") + socket.inet_aton("127.0.0.1"))
        s.setblocking(False)
        a = reachable(server, ae, "coap://224.0.1.187:%d" % s.getsockname()[1])
        assert ae.notify(a.at, NOTE).rsc >= 5000
        with pytest.raises(BlockingIOError):
            s.recv(2000)


def test_name_of_a_host(server, ae, receivers):
    """TS-0008 6.2.2.3: Uri-Host"""
    r = receivers()
    ae.notify(reachable(server, ae, "coap://localhost:%d" % r.port).at, NOTE)
    if r.queue.qsize():  # where localhost is an IPv4 address first
        assert r.get().one(3) == b"localhost"


@pytest.mark.parametrize("how", [{}, {"separate": True}, {"size": 64}, {"size": 256, "separate": True}], ids=str)
def test_blocks(server, ae, receivers, how):
    """CORE-295: a large notification in blocks of the size the receiver wants"""
    r = receivers(**how)
    a = reachable(server, ae, r.url)
    note = {"m2m:sgn": {"sur": "cse/x", "nev": {"net": 1, "rep": {"m2m:cnt": {"rn": "n", "lbl": ["%04d" % n for n in range(900)]}}}}}
    ae.notify(a.at, note).expect(2000)
    assert r.get().content == note


def test_cbor(server, ae, receivers):
    """CORE-291"""
    r = receivers()
    a = reachable(server, ae, r.url, csz=["application/cbor"])
    ae.notify(a.at, NOTE).expect(2000)
    m = r.get()
    assert coap.number(m.one(coap.CONTENT_FORMAT)) == 60 and m.content == NOTE


def test_one_at_a_time(server, ae, receivers):
    """RFC 7252 4.7: while one waits for its acknowledgement, no other is sent to that address"""
    r = receivers(drop=1)
    to = ae.container()
    a = reachable(server, ae, r.url)
    for n in range(4):
        ae.notify(a.at, NOTE)
        assert r.get()
    mids = [d.mid for d in r.datagrams if d.code]
    assert mids[0] == mids[1] and len(set(mids)) == 4, to


def test_as_libcoap_reads_it(server, ae):
    """CORE-290: libcoap's server reads the request as it was meant (and does not know the options, so refuses it: 4.02)"""
    port = free_port()
    p = subprocess.Popen(["coap-server-notls", "-v", "7", "-A", "127.0.0.1", "-p", str(port)], stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, text=True, stdin=subprocess.DEVNULL)
    try:
        a = reachable(server, ae, "coap://127.0.0.1:%d/some/where" % port)
        wait_until(lambda: ae.notify(a.at, NOTE).rsc == 4000, timeout=20)
    finally:
        p.terminate()
        text = p.communicate(timeout=10)[0]
    m = re.search(r"v:1 t:CON c:POST .*\[ (.*) \] :: '(.*)'", text)
    assert m, text
    assert m[1].startswith("Uri-Path:some, Uri-Path:where, Content-Format:application/json") and "271:\\x33" in m[1], m[1]
    assert json.loads(m[2].replace("\\", "")) == NOTE


# --- between CSEs

@pytest.fixture(scope="module")
def pair():
    """An IN-CSE and an MN-CSE that know each other over CoAP alone."""
    in_ = Server({"cse.id": "/in1", "cse.name": "inbase", "http.open": "true", "coap.open": "true"})
    in_.settings["cse.poa"] = "coap://127.0.0.1:%d" % in_.settings["coap.port"]
    in_.start()
    mn = Server({"cse.id": "/mn1", "cse.name": "mnbase", "cse.type": "MN", "http.open": "true", "coap.open": "true",
                 "registrar.id": "/in1", "registrar.poa": in_.settings["cse.poa"], "registrar.retry_first": "20ms",
                 "registrar.retry_most": "100ms"})
    mn.settings["cse.poa"] = "coap://127.0.0.1:%d" % mn.settings["coap.port"]
    mn.start()
    wait_until(lambda: mn.metrics().get("registered") == 1)
    yield in_, mn
    for s in (mn, in_):
        s.stop()
        s.remove()


def test_between_cses(pair):
    """CORE-287 to CORE-295 in both directions: registration, forwarding up and down, large contents, conditions, refusals"""
    in_, mn = pair
    for near, far, here, there in ((mn, in_, "/mn1/", "/in1/"), (in_, mn, "/in1/", "/mn1/")):
        other, ae = near.register(), far.register()
        _, pol = ae.policy([rule(ae.origin, 63), rule(here + other.origin, 63)])
        ae.update(ae.at, 2, {"acpi": [pol]}).expect(2004)
        to = there + ae.at
        r = other.create(to, 3, {"rn": "far", "lbl": ["a b", "c+d", "%41", "ü"]}).expect(2001)
        assert r["rn"] == "far"
        other.create(to + "/far", 4, {"con": "z" * 30000}).expect(2001)
        assert other.retrieve(to + "/far/la").expect(2000)["con"] == "z" * 30000
        other.update(to + "/far", 3, {"mni": 3}).expect(2004)
        for label in ("a b", "c+d", "%41", "ü"):
            assert len(other.found(to, [("lbl", [label])])) == 1, label
        assert not other.found(to, {"lbl": "nothing"})
        assert other.retrieve(to + "/nosuch").rsc == 4004
        assert Entity(near.client, "Cnobody").retrieve(to + "/far").rsc in (4103, 4106, 4107)
        other.delete(to + "/far").expect(2002)
        assert in_.metrics()["bad_coap"] == mn.metrics()["bad_coap"] == 0


def test_announced(pair):
    """An announced resource goes over CoAP as well"""
    in_, mn = pair
    ae = mn.register()
    cnt = ae.made(ae.at, 3, {"at": ["/in1"], "lbl": ["l"]})
    wait_until(lambda: any(u.count("/") > 1 for u in ae.retrieve(cnt).expect(2000).res.get("at", [])))
