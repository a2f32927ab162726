# SPDX-License-Identifier: Apache-2.0
"""Registration of CSEs, and requests that pass through: what goes over the wire is read byte by byte by a peer that is no Reeve."""

import json
import threading

import pytest

from harness import Client, Entity, PeerCSE, Receiver, Server, reply, unique, wait_until

OPEN = {"http.open": "true"}


def csr(csi, port=None, /, **attrs):
    a = {"rn": csi.strip("/").replace("/", "-"), "cb": csi + "/base", "rr": True, "srv": ["3"]}
    if port:
        a["poa"] = ["http://127.0.0.1:%d" % port]
    a.update(attrs)
    return {k: v for k, v in a.items() if v is not None}


@pytest.fixture(scope="module")
def node():
    with Server(dict(OPEN, **{"cse.id": "/in1", "cse.name": "inbase", "resources.request_expiry": "3s", "access.deny_cse": "/evil*"})) as s:
        yield s


@pytest.fixture
def peer():
    p = PeerCSE()
    yield p
    p.close()


def registered(node, peer, csi=None, **attrs):
    """(Entity of the CSE, its CSE-ID) registered with the peer as its point of access."""
    csi = csi or "/" + unique("mn")
    e = Entity(node.client, csi)
    e.create("inbase", 16, csr(csi, peer.port if peer else None, **attrs)).expect(2001)
    return e, csi


# --- <remoteCSE>

def test_registration(node, peer):
    """CORE-128, SEC-110: csi is From, whatever was sent. Registration needs no privilege, and gives some: access.registree."""
    csi = "/" + unique("mn")
    e = Entity(node.client, csi)
    e.retrieve("inbase").expect(4103)
    r = e.create("inbase", 16, csr(csi, peer.port, csi="/" + unique("other"))).expect(2001)
    assert r["csi"] == csi
    assert e.retrieve("inbase/" + csi[1:]).expect(2000)["csi"] == csi
    e.retrieve("inbase").expect(2000)
    e.create("inbase", 3, {}).expect(4103)
    # CORE-127: a second registration
    e.create("inbase", 16, csr(csi, peer.port, rn=unique("again"))).expect(4117)
    e.delete("inbase/" + csi[1:]).expect(2002)
    e.retrieve("inbase").expect(4103)
    e.create("inbase", 16, csr(csi, peer.port)).expect(2001)


def test_registration_refused(node, servers, peer):
    """CORE-127, AUTHZ-237, SEC-109: an AE-ID as From; no credential; an ASN-CSE. And the operator's list."""
    ae = node.register()
    ae.create("inbase", 16, csr("/mnx", peer.port)).expect(4005)
    Entity(node.client, "/evil1").create("inbase", 16, csr("/evil1", peer.port)).expect(4103)
    Entity(node.client, "//other.example/mn1").create("inbase", 16, csr("/mn1", peer.port)).expect(4000)
    closed = servers()
    Entity(closed.client, "/mnx").create("cse", 16, csr("/mnx", peer.port)).expect(4107)
    asn = servers(**dict(OPEN, **{"cse.type": "ASN"}))
    Entity(asn.client, "/mnx").create("cse", 16, csr("/mnx", peer.port)).expect(4005)


def test_what_a_cse_may_claim(node, peer):
    _, other = registered(node, peer)
    csi = "/" + unique("mn")
    e = Entity(node.client, csi)
    e.create("inbase", 16, csr(csi, peer.port, cb=other + "/base")).expect(4000)
    for below in ("/in1", csi, other, "C123", "mn"):
        e.create("inbase", 16, csr(csi, peer.port, dcse=[below])).expect(4000)
    # whom the operator does not want does not come by way of another one
    for below in ("/evil1", "//reeve.local/evil2"):
        e.create("inbase", 16, csr(csi, peer.port, dcse=["/fine", below])).expect(4103)
    e.create("inbase", 16, csr(csi, peer.port, dcse=["/fine", "//other.example/evil1"])).expect(2001)
    e.update("inbase" + csi, 16, {"dcse": ["/evil1"]}).expect(4103)
    e.delete("inbase" + csi).expect(2002)
    e.create("inbase", 16, csr(csi, peer.port)).expect(2001)
    e.update("inbase/" + csi[1:], 16, {"dcse": [other]}).expect(4000)
    # AEs neither change nor delete it, whatever their privileges are
    ae = node.register()
    ae.delete("inbase/" + csi[1:]).expect(4103)
    e.update("inbase/" + csi[1:], 16, {"acpi": [ae.policy([{"acor": ["all"], "acop": 63}])[1]]}).expect(2004)
    ae.update("inbase/" + csi[1:], 16, {"rr": False}).expect(4005)
    ae.delete("inbase/" + csi[1:]).expect(4005)


# --- what goes over the wire

def test_request_as_it_arrives(node, peer):
    """CORE-014, AUTHZ-015: From of an AE gets the CSE-ID; CORE-131: the poa of the <remoteCSE> with that csi; all parameters unchanged."""
    _, csi = registered(node, peer)
    ae = node.register()
    peer.answer = lambda m: reply(2000, b'{"m2m:cnt":{"rn":"x"}}')
    r = ae.retrieve(csi + "/base/a%20b", rqi="q1", rcn=4, query=[("ty", [3, 4]), ("lbl", ["a&b", "c+d"]), ("lim", 5), ("cra", "20260101T000000"),
                                                               ("rids", ["r1", "r2"]), ("rt", 3), ("drt", 2)],
                    headers=[("X-M2M-OT", "20260101T000000"), ("X-M2M-RET", "20990101T000000"), ("X-M2M-RST", "20990201T000000"),
                             ("X-M2M-VSI", "vendor"), ("X-M2M-GID", "g1"), ("X-M2M-EC", "4")])
    assert r.rsc == 2000 and r.res == {"rn": "x"} and r.rqi == "q1"
    m = peer.next()
    path, _, query = m.target.partition("?")
    assert (m.method, path, m.version) == ("GET", "/~%s/base/a%%20b" % csi, "HTTP/1.1")
    assert sorted(query.split("&")) == sorted(["rcn=4", "ty=3+4", "lbl=a%26b+c%2Bd", "lim=5", "cra=20260101T000000", "rids=r1+r2", "drt=2"])
    assert m["X-M2M-Origin"] == "/in1/" + ae.origin
    assert m["X-M2M-RI"] == ae.origin + "/q1"
    assert (m["X-M2M-RVI"], m["X-M2M-VSI"], m["X-M2M-GID"], m["X-M2M-EC"]) == ("3", "vendor", "g1", "4")
    assert (m["X-M2M-OT"], m["X-M2M-RET"], m["X-M2M-RST"]) == ("20260101T000000", "20990101T000000", "20990201T000000")
    assert m["Accept"].startswith("application/json") and m["Content-Type"] is None and m.body == b""


@pytest.mark.parametrize("method, ty, content", [
    ("POST", 3, b'{"m2m:cnt":{"rn":"c","lbl":["\xc3\xa4"]}}'), ("PUT", None, b'{"m2m:cnt":{"mni":3}}'), ("DELETE", None, None),
    ("POST", None, b'{"m2m:sgn":{"sur":"x"}}')])
def test_operations(node, peer, method, ty, content):
    _, csi = registered(node, peer)
    ae = node.register()
    for to in (csi + "/base", "//reeve.local" + csi + "/base"):
        r = ae.client.primitive(method, to, ae.origin, ty=ty, body=content)
        m = peer.next()
        assert (m.method, m.target, m.body) == (method, ("/_/" + to[2:]) if to.startswith("//") else "/~" + to, content or b"")
        if content:
            assert m["Content-Type"] == "application/json" + (";ty=3" if ty else "")
        assert r.rsc == 2000


def test_a_cse_keeps_its_identifiers(node, peer):
    """CORE-014: what has a CSE-ID already is left as it is; a request identifier of a CSE, too (TS-0001 7.1.7)."""
    sender, _ = registered(node, None)
    _, csi = registered(node, peer)
    for fr in (sender.origin, sender.origin + "/C17"):
        Entity(node.client, fr).retrieve(csi + "/base", rqi="rq-7").expect(2000)
        m = peer.next()
        assert m["X-M2M-Origin"] == fr and m["X-M2M-RI"] == "rq-7"


def test_same_identifier_twice(node, peer):
    """CORE-015: two AEs with the same request identifier at the same time."""
    _, csi = registered(node, peer)
    both = threading.Barrier(2)

    def answer(m):
        both.wait(10)
        return reply(2000, json.dumps({"m2m:cnt": {"rn": m["X-M2M-Origin"]}}).encode())

    peer.answer = answer
    out = {}

    def ask(ae):
        out[ae.origin] = Entity(Server.entity(node, ae.origin).client, ae.origin).retrieve(csi + "/base", rqi="same")

    aes = [node.register() for _ in range(2)]
    threads = [threading.Thread(target=ask, args=(ae,)) for ae in aes]
    [t.start() for t in threads]
    [t.join() for t in threads]
    for ae in aes:
        assert out[ae.origin].expect(2000)["rn"] == "/in1/" + ae.origin


def test_response_as_it_returns(node, peer):
    """CORE-136: status, content and parameters of the answer, with the identifier the asking entity used."""
    _, csi = registered(node, peer)
    ae = node.register()
    peer.answer = lambda m: reply(2001, b'{"m2m:cnt":{"ri":"3-4"}}', 201, [
        ("X-M2M-RST", "20990101T000000"), ("X-M2M-OT", "20260101T000000"), ("X-M2M-VSI", "their vendor"), ("X-M2M-EC", "3"),
        ("X-M2M-Origin", csi), ("Content-Location", "/base/c%20d")])
    r = ae.create(csi + "/base", 3, {}, rqi="mine").expect(2001)
    assert r.rqi == "mine" and r.content == {"m2m:cnt": {"ri": "3-4"}}
    h = r.headers
    assert (h["x-m2m-rst"], h["x-m2m-ot"], h["x-m2m-vsi"], h["x-m2m-ec"], h["x-m2m-origin"]) == (
        "20990101T000000", "20260101T000000", "their vendor", "3", csi)
    assert h["content-location"] == "/~%s/base/c%%20d" % csi
    peer.answer = lambda m: reply(2000, b'{"m2m:uril":["a"]}', 200, [("X-M2M-CTS", "1"), ("X-M2M-CTO", "7")])
    h = ae.retrieve(csi + "/base").expect(2000).headers
    assert (h["x-m2m-cts"], h["x-m2m-cto"]) == ("1", "7")
    peer.answer = lambda m: reply(4103, b'{"m2m:dbg":"not you"}', 403)
    assert ae.retrieve(csi + "/base").expect(4103).content == {"m2m:dbg": "not you"}
    # in the serialization the Originator wants (TS-0004 7.3.2.6: that wanted from the next hop is our own business)
    peer.answer = lambda m: reply(2000, b'{"m2m:cnt":{"cni":0}}')
    assert ae.retrieve(csi + "/base", accept="application/cbor").expect(2000).res == {"cni": 0}


def test_cbor(node, peer):
    """The next hop gets what its csz says."""
    import cbor2
    _, csi = registered(node, peer, csz=["cbor"])
    ae = node.register()
    ae.create(csi + "/base", 3, {"rn": "c"}).expect(2000)
    m = peer.next()
    assert m["Content-Type"] == "application/cbor;ty=3" and cbor2.loads(m.body) == {"m2m:cnt": {"rn": "c"}}
    assert m["Accept"].startswith("application/cbor")


def test_release_1(node, peer):
    """CORE-135: rvi and vsi do not go to a CSE of release 1."""
    _, csi = registered(node, peer, srv=["1"])
    ae = node.register()
    ae.retrieve(csi + "/base", headers=[("X-M2M-VSI", "v")]).expect(2000)
    m = peer.next()
    assert m["X-M2M-RVI"] is None and m["X-M2M-VSI"] is None
    # CORE-030: a release this CSE does not know is the Hosting CSE's business
    _, csi = registered(node, peer)
    ae.retrieve(csi + "/base", rvi="99").expect(2000)
    assert peer.next()["X-M2M-RVI"] == "99"


# --- ways

def test_descendants(node, peer):
    """CORE-131: dcse; a CSE registered here is not hidden by what another one says of itself."""
    below = "/" + unique("asn")
    e, csi = registered(node, peer, dcse=[below])
    ae = node.register()
    ae.retrieve(below + "/x").expect(2000)
    assert peer.next().target == "/~%s/x" % below
    own = PeerCSE()
    try:
        registered(node, own, below)
        ae.retrieve(below + "/x").expect(2000)
        assert own.next().target == "/~%s/x" % below
        peer.nothing()
    finally:
        own.close()


def test_no_way(node, peer):
    """CORE-133: no match at the IN-CSE. CORE-119: registrations are not forwarded."""
    ae = node.register()
    ae.retrieve("/nowhere/x").expect(4004)
    ae.retrieve("//other.example/in2/x").expect(4004)
    _, csi = registered(node, peer)
    ae.create(csi + "/base", 2, {"api": "Nx", "rr": False, "srv": ["3"]}, origin="C").expect(4000)
    ae.create(csi + "/base", 16, csr("/mn9"), origin="/mn9").expect(4000)
    peer.nothing()


def test_other_domain(node, peer):
    """AUTHZ-016, CORE-014: at the border of the domain From becomes absolute."""
    Entity(node.client, "//other.example/in2").create("inbase", 16, csr("//other.example/in2", peer.port, rn="in2")).expect(2001)
    ae = node.register()
    ae.retrieve("//other.example/in2/base/x").expect(2000)
    m = peer.next()
    assert m.target == "/_/other.example/in2/base/x" and m["X-M2M-Origin"] == "//reeve.local/in1/" + ae.origin
    _, csi = registered(node, None)
    Entity(node.client, csi + "/C5").retrieve("//other.example/in2/base/x").expect(2000)
    assert peer.next()["X-M2M-Origin"] == "//reeve.local" + csi + "/C5"


def test_points_of_access(node, peer):
    """CORE-131: one of its poa; the next one when the first does not answer. CORE-137: none does."""
    from harness import free_port
    dead = free_port()
    _, csi = registered(node, None, poa=["http://127.0.0.1:%d" % dead, peer.url + "/prefix/"])
    ae = node.register()
    ae.retrieve(csi + "/base").expect(2000)
    assert peer.next().target == "/prefix/~%s/base" % csi
    _, csi = registered(node, None, poa=["http://127.0.0.1:%d" % dead])
    ae.retrieve(csi + "/base").expect(5103)
    _, csi = registered(node, None)
    ae.retrieve(csi + "/base").expect(5103)


@pytest.mark.parametrize("name", ["X-M2M-RET", "X-M2M-RST", "X-M2M-OET"])
def test_too_late(node, peer, name):
    """CORE-134: rqet, rset or oet in the past."""
    _, csi = registered(node, peer)
    ae = node.register()
    ae.retrieve(csi + "/base", headers=[(name, "20200101T000000")]).expect(4008)
    ae.retrieve(csi + "/base", headers=[(name, "20990101T000000")]).expect(2000)
    assert peer.next()[name] == "20990101T000000"
    peer.nothing()


def test_silence(node, peer):
    """The Originator hears of it when his time is over, or ours."""
    _, csi = registered(node, peer)
    ae = node.register()
    peer.answer = lambda m: ""
    ae.retrieve(csi + "/base", headers=[("X-M2M-RET", "300")]).expect(4008)
    ae.retrieve(csi + "/base").expect(4008)  # resources.request_expiry


@pytest.mark.parametrize("bytes_", [
    b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 X\r\nContent-Length: 99\r\n\r\n{}", b"HTTP/1.1 200 X\r\nX-M2M-RSC: 2000\r\nContent-Length: -1\r\n\r\n"])
def test_nonsense(node, peer, bytes_):
    _, csi = registered(node, peer)
    ae = node.register()

    peer.answer = lambda m: (bytes_,)
    r = ae.retrieve(csi + "/base")
    assert r.rsc in (4008, 5103), r
    peer.answer = lambda m: reply(2000, b"this is no JSON")
    assert ae.retrieve(csi + "/base").expect(2000).content is None
    peer.answer = lambda m: reply(0, b"", 404)
    ae.retrieve(csi + "/base").expect(4004)
    assert node.alive()


def test_header_of_a_liar(node, peer):
    """What cannot be a header's value does not become one."""
    _, csi = registered(node, peer)
    ae = node.register()
    peer.answer = lambda m: reply(2000, b"", 200, [("X-M2M-RST", "a\tb"), ("X-M2M-CTS", "many"), ("Content-Location", "http://x/%zz")])
    h = ae.retrieve(csi + "/base").expect(2000).headers
    assert "x-m2m-rst" not in h and "x-m2m-cts" not in h and "content-location" not in h


@pytest.mark.parametrize("elsewhere", [False, True])
def test_circle(node, elsewhere):
    """A request that comes back is refused where it was before; nobody waits for ever."""
    def back(m):
        headers = [(n, v) for n, v in m.headers if n.lower() not in ("host", "content-length", "accept")]
        r = node.client.send(m.method, m.target, headers)
        came.append(r)
        return reply(r.rsc, r.body, r.status)

    came = []
    peer = PeerCSE(back)
    try:
        _, csi = registered(node, peer)
        ae = node.register()
        r = Entity(ae.client, "/elsewhere/Cx" if elsewhere else ae.origin).retrieve(csi + "/base/x")
        assert r.rsc == 4000 and len(came) == 1 and came[0].rsc == 4000, (r, came)
        assert not elsewhere or b"under way" in came[0].body
    finally:
        peer.close()


# --- non-blocking

def test_nonblocking_synch(node, peer):
    """CORE-107: FORWARDED after hand-over, FAILED when the next hop refused; CORE-113: what goes on is a blocking request."""
    _, csi = registered(node, peer)
    ae = node.register()
    go = threading.Event()

    def answer(m):
        go.wait(10)
        return reply(2000, b'{"m2m:cnt":{"rn":"x"}}')

    peer.answer = answer
    at = ae.retrieve(csi + "/base", query=[("rt", 1), ("rcn", 1)]).expect(1001).res
    m = peer.next()
    assert m.target == "/~%s/base?rcn=1" % csi and m["X-M2M-RTU"] is None
    wait_until(lambda: ae.retrieve(at)["rs"] == 4)
    ae.delete(at).expect(5220)  # CORE-111
    go.set()
    wait_until(lambda: ae.retrieve(at)["rs"] == 1)
    assert ae.retrieve(at)["ors"]["pc"] == {"m2m:cnt": {"rn": "x"}}
    peer.answer = lambda m: reply(4103, b'{"m2m:dbg":"no"}', 403)
    at = ae.retrieve(csi + "/base", query=[("rt", 1)]).expect(1001).res
    wait_until(lambda: ae.retrieve(at)["rs"] == 2)
    assert ae.retrieve(at)["ors"]["rsc"] == 4103


def test_nonblocking_asynch(node, peer, receiver):
    """CORE-113: the notification targets are ours to serve."""
    _, csi = registered(node, peer)
    ae = node.register()
    peer.answer = lambda m: reply(2000, b'{"m2m:cnt":{"rn":"x"}}')
    ae.retrieve(csi + "/base", query=[("rt", 2)], headers=[("X-M2M-RTU", receiver.url)]).expect(1002)
    m = peer.next()
    assert m["X-M2M-RTU"] is None and "rt=" not in m.target
    assert receiver.get().content["m2m:rsp"]["pc"] == {"m2m:cnt": {"rn": "x"}}
    ae.retrieve(csi + "/base", query=[("rt", 4)], headers=[("X-M2M-RTU", receiver.url)]).expect(2000)
    m = peer.next()
    assert m["X-M2M-RTU"] is None and "rt=" not in m.target


# --- notifications to entities at other CSEs

def test_subscriber_at_another_cse(node, peer):
    """nu of an AE at another CSE: verified there, and notified there, From being this CSE."""
    _, csi = registered(node, peer)
    ae = node.register()
    cnt = ae.container()
    ae.create(cnt, 23, {"nu": [csi + "/C9"], "enc": {"net": [3]}}).expect(2001)
    m = peer.next()
    assert (m.method, m.target) == ("POST", "/~%s/C9" % csi) and json.loads(m.body)["m2m:sgn"]["vrq"] is True
    assert m["X-M2M-Origin"] == "/in1"
    ae.instance(cnt, "hello")
    m = peer.next()
    assert m.target == "/~%s/C9" % csi and json.loads(m.body)["m2m:sgn"]["nev"]["rep"]["m2m:cin"]["con"] == "hello"


def test_new_point_of_access(new_server, peer):
    """What waits for a CSE that could not be reached is sent when it says where it is now (TS-0001 10.2.2.9), not at the next attempt."""
    s = new_server(dict(OPEN, **{"cse.id": "/in1", "cse.name": "inbase", "notify.retry_first": "1h", "notify.retry_most": "1h",
                                 "resources.verify_subscriptions": "false"}))
    from harness import free_port
    e, csi = registered(s, None, poa=["http://127.0.0.1:%d" % free_port()], dcse=["/far"])
    ae = s.register()
    cnt = ae.container()
    for target in (csi + "/C9", "/far/C8"):
        ae.create(cnt, 23, {"nu": [target], "enc": {"net": [3]}}).expect(2001)
    ae.instance(cnt, "hello")
    wait_until(lambda: s.metrics()["notifications_failed"] == 2)
    e.update("inbase/" + csi[1:], 16, {"poa": [peer.url]}).expect(2004)
    # three: the subscription for C9 heard of the other one, too
    assert {peer.next().target for _ in range(3)} == {"/~%s/C9" % csi, "/~/far/C8"}


def test_latest_of_those_that_wait(node):
    """CORE-202: notifications in transit that nobody fetched yet: of one subscription and target that are marked latest, the newest stays"""
    e, csi = registered(node, None, rr=False)
    e.create("inbase/" + csi[1:], 15, {"rn": "pch"}).expect(2001)
    sender = node.register()
    answers = {}

    def send(name, to, sur, ec):
        def f():
            r = Entity(Client(node.address, node.port), sender.origin).notify(
                csi + to, {"m2m:sgn": {"sur": sur, "nev": {"rep": name}}}, headers={"X-M2M-EC": str(ec)} if ec else {})
            answers[name] = r.rsc
        t = threading.Thread(target=f)
        parked = node.metrics()["parked"]
        t.start()
        replaced = {"3": "1", "5": "3"}.get(name)
        wait_until(lambda: replaced in answers if replaced else node.metrics()["parked"] > parked)
        return t

    threads = [send(*a) for a in [("1", "/C1", "/x/s1", 4), ("2", "/C1", "/x/s2", 4), ("3", "/C1", "/x/s1", 4), ("4", "/C2", "/x/s1", 4),
                                  ("plain", "/C1", "/x/s1", None), ("5", "/C1", "/x/s1", 4)]]
    threads[0].join()
    threads[2].join()
    assert answers == {"1": 2000, "3": 2000}  # nobody has to send them again
    seen = []
    for _ in range(4):
        rqp = e.retrieve("inbase/%s/pch/pcu" % csi[1:]).expect(2000).res
        seen.append(rqp["pc"]["m2m:sgn"]["nev"]["rep"])
        e.notify("inbase/%s/pch/pcu" % csi[1:], {"m2m:rsp": {"rsc": 2000, "rqi": rqp["rqi"]}})
    assert seen == ["2", "4", "plain", "5"]
    for t in threads:
        t.join()


def test_polling_cse(node):
    """CORE-137: a CSE that cannot be reached fetches what is for it from its <pollingChannel>."""
    e, csi = registered(node, None, rr=False)
    e.create("inbase/" + csi[1:], 15, {"rn": "pch"}).expect(2001)
    ae = node.register()
    out = {}
    t = threading.Thread(target=lambda: out.update(r=Entity(ae.client, ae.origin).create(csi + "/base", 3, {"rn": "c"}, rqi="p1")))
    t.start()
    rqp = e.retrieve("inbase/%s/pch/pcu" % csi[1:]).expect(2000).res
    assert rqp["op"] == 1 and rqp["to"] == csi + "/base" and rqp["fr"] == "/in1/" + ae.origin and rqp["ty"] == 3
    assert rqp["pc"] == {"m2m:cnt": {"rn": "c"}} and rqp["rqi"] == ae.origin + "/p1"
    e.notify("inbase/%s/pch/pcu" % csi[1:], {"m2m:rsp": {"rsc": 2001, "rqi": rqp["rqi"], "pc": {"m2m:cnt": {"rn": "c"}}, "ot": "a\r\nX: y"}})
    t.join()
    assert out["r"].expect(2001).rqi == "p1" and "x" not in out["r"].headers
