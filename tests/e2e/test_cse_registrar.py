# SPDX-License-Identifier: Apache-2.0
"""A CSE that registers with another one: what it sends (to a peer that is no Reeve), and a tree of three, IN - MN - ASN."""

import json

import pytest

from harness import Entity, PeerCSE, Server, free_port, reply, unique, wait_until

FAST = {"http.open": "true", "registrar.retry_first": "20ms", "registrar.retry_most": "100ms"}


def below(port, node="mn1", kind="MN", registrar="/in1", **more):
    """Settings of a CSE that registers at `registrar`, which listens on `port`."""
    s = dict(FAST, **{"cse.id": "/" + node, "cse.name": node + "base", "cse.type": kind, "registrar.id": registrar,
                      "registrar.poa": "http://127.0.0.1:%d" % port})
    s.update(more)
    return s


def registered(server, yes=True):
    wait_until(lambda: server.metrics().get("registered") == (1 if yes else 0))


def seen(server, to, origin="Cadmin"):
    """Attributes as somebody sees them who may: an open listener believes that he is that."""
    r = Entity(server.client, origin).retrieve(to)
    return r.res if r.rsc == 2000 else {}


class Tree:
    def __init__(self):
        self.nodes = []
        self.in_ = self.start({"cse.id": "/in1", "cse.name": "inbase", "http.open": "true"})
        self.mn = self.start(below(self.in_.port))
        registered(self.mn)
        self.asn = self.start(below(self.mn.port, "asn1", "ASN", "/mn1"))
        registered(self.asn)

    def start(self, settings):
        s = Server(settings).start()
        self.nodes.append(s)
        return s

    def stop(self):
        for s in reversed(self.nodes):
            s.stop()
            s.remove()


@pytest.fixture(scope="module")
def tree():
    t = Tree()
    yield t
    t.stop()


# --- what is sent

def test_requests_of_a_registration(new_server):
    """CORE-129: Create there, then a <remoteCSE> for the registrar here, filled with what its <CSEBase> says."""
    def answer(m):
        if m.method == "GET":
            return reply(2000, b'{"m2m:cb":{"rn":"inbase","csi":"/in1","cst":1,"srv":["2a","3"],"ty":5}}')
        return reply(2001, b"", 201) if m.method == "POST" else reply(2002)

    peer = PeerCSE(answer)
    s = new_server(below(peer.port, **{"cse.poa": "http://192.0.2.1:80", "registrar.deregister": "true"}))
    m = peer.next()
    assert (m.line, m["X-M2M-Origin"], m["Content-Type"], m["X-M2M-RVI"]) == ("POST /~/in1 HTTP/1.1", "/mn1", "application/json;ty=16", "3")
    csr = json.loads(m.body)["m2m:csr"]
    et = csr.pop("et")
    assert csr == {"rn": "mn1", "csi": "/mn1", "cb": "/mn1/mn1base", "cst": 2, "srv": ["2a", "3"], "csz": ["json", "cbor"],
                   "poa": ["http://192.0.2.1:80"], "rr": True} and len(et) >= 15
    m = peer.next()
    assert (m.line, m["X-M2M-Origin"]) == ("GET /~/in1 HTTP/1.1", "/mn1")
    registered(s)
    here = seen(s, "mn1base/in1")
    assert (here["csi"], here["cb"], here["cst"], here["srv"], here["poa"]) == ("/in1", "/in1/inbase", 1, ["2a", "3"], [peer.url])
    assert "dcse" not in here
    s.stop()
    m = peer.next()
    assert (m.line, m["X-M2M-Origin"]) == ("DELETE /~/in1/-/mn1 HTTP/1.1", "/mn1")
    peer.nothing()
    peer.close()


def test_registrar_comes_later(new_server):
    """Until it answers, the registration is tried again and again; after a refusal, too."""
    port = free_port()
    s = new_server(below(port))
    registered(s, False)
    refusals = [reply(4107, b"", 403), reply(5000, b"", 500), b"nonsense\r\n\r\n"]
    peer = PeerCSE(lambda m: reply(2000, b"{}") if m.method == "GET" else refusals.pop() if refusals else reply(2001, b"", 201), port)
    registered(s)
    assert not refusals
    assert seen(s, "mn1base/in1")["srv"] == ["3"]
    peer.close()


def test_renewal(new_server):
    """Before its et; and when it is gone there, it is made again."""
    gone = []

    def answer(m):
        if m.method == "PUT":
            return reply(4004, b"", 404) if gone and gone.pop() else reply(2004)
        return reply(2001, b"", 201) if m.method == "POST" else reply(2000)

    peer = PeerCSE(answer)
    s = new_server(below(peer.port, **{"registrar.lifetime": "1s", "registrar.name": "inbase"}))
    assert [peer.next().line for _ in range(4)] == ["POST /~/in1/inbase HTTP/1.1", "GET /~/in1 HTTP/1.1"] + ["PUT /~/in1/inbase/mn1 HTTP/1.1"] * 2
    gone.append(True)
    while peer.next().method != "POST":
        pass
    # a start with the registration in place renews it
    registered(s)
    s.stop()
    while not peer.got.empty():
        peer.got.get()
    s.start()
    assert peer.next().line == "PUT /~/in1/inbase/mn1 HTTP/1.1"
    peer.close()


def test_registrar_knows_us_already(new_server):
    """CORE-127 from the other side: 4117, for the store here is new."""
    peer = PeerCSE(lambda m: {"POST": reply(4117, b"", 403), "PUT": reply(2004), "GET": reply(2000, b"{}")}[m.method])
    s = new_server(below(peer.port, **{"registrar.name": "inbase"}))
    registered(s)
    assert [peer.next().method for _ in range(3)] == ["POST", "PUT", "GET"]
    peer.close()


# --- three of them

def test_tree(tree):
    """CORE-129 and CORE-130: both ends have a <remoteCSE>; the IN-CSE knows who is behind the MN-CSE."""
    wait_until(lambda: seen(tree.in_, "inbase/mn1", "/mn1").get("dcse") == ["/asn1"])
    at_mn = seen(tree.mn, "mn1base/asn1", "/asn1")
    assert at_mn["csi"] == "/asn1" and at_mn["cb"] == "/asn1/asn1base" and at_mn["cst"] == 3
    assert seen(tree.mn, "mn1base/in1")["cb"] == "/in1/inbase"
    assert seen(tree.asn, "asn1base/mn1")["cb"] == "/mn1/mn1base"


def test_up_and_down(tree):
    """CORE-132: what is not known here goes to the registrar; CORE-131: and down again through dcse. AEs of all three reach each other's
    resources, if a policy lets them."""
    wait_until(lambda: seen(tree.in_, "inbase/mn1", "/mn1").get("dcse") == ["/asn1"])
    nodes = [tree.in_, tree.mn, tree.asn]
    aes = [n.register() for n in nodes]
    everybody = [n.settings["cse.id"] + "/" + a.origin for n, a in zip(nodes, aes)]
    for home, ae in zip(nodes, aes):
        acpi = ae.policy([{"acor": everybody, "acop": 63}])[1]
        cnt = ae.container(acpi=[acpi])
        to = home.settings["cse.id"] + "/" + cnt
        for other in aes:
            if other is ae:
                continue
            r = other.create(to, 4, {"con": other.origin}, rcn=2).expect(2001)
            assert r.headers["content-location"].startswith("/~" + home.settings["cse.id"] + "/")
            assert other.retrieve(to + "/la").expect(2000)["con"] == other.origin
            other.update(to, 3, {"lbl": [unique()]}).expect(2004)
            assert len(other.found(to, {"ty": 4})) >= 1
        stranger = nodes[0].register()
        if home is not nodes[0]:
            stranger.retrieve(to).expect(4103)  # decided there, by the Originator's own identity
    # CORE-133: nobody has it, and the request does not go in circles
    aes[2].retrieve("/nowhere/x").expect(4004)


def test_descendants_come_and_go(tree):
    """CORE-130: registering, updating and deleting a descendant."""
    wait_until(lambda: seen(tree.in_, "inbase/mn1", "/mn1").get("dcse") == ["/asn1"])
    e = Entity(tree.mn.client, "/asn9")
    e.create("mn1base", 16, {"rn": "asn9", "cb": "/asn9/b", "rr": True, "srv": ["3"]}).expect(2001)
    wait_until(lambda: sorted(seen(tree.in_, "inbase/mn1", "/mn1")["dcse"]) == ["/asn1", "/asn9"])
    e.update("mn1base/asn9", 16, {"dcse": ["/asn10"]}).expect(2004)
    wait_until(lambda: sorted(seen(tree.in_, "inbase/mn1", "/mn1")["dcse"]) == ["/asn1", "/asn10", "/asn9"])
    e.delete("mn1base/asn9").expect(2002)
    wait_until(lambda: seen(tree.in_, "inbase/mn1", "/mn1")["dcse"] == ["/asn1"])


def test_notification_across(tree, receiver):
    """An AE of the ASN-CSE subscribes at the IN-CSE; it is notified through both others."""
    wait_until(lambda: seen(tree.in_, "inbase/mn1", "/mn1").get("dcse") == ["/asn1"])
    target = tree.asn.register(poa=[receiver.url], rr=True)
    # the Hosting CSE of the target wants the Notify privilege of the one that sends
    acpi = target.policy([{"acor": ["/in1", "/asn1/" + target.origin], "acop": 63}])[1]
    target.update("asn1base/" + target.name, 2, {"acpi": [acpi]}).expect(2004)
    owner = tree.in_.register()
    cnt = owner.container(acpi=[owner.policy([{"acor": ["/asn1/" + target.origin, owner.origin], "acop": 63}])[1]])
    target.create("/in1/" + cnt, 23, {"nu": ["/asn1/" + target.origin], "enc": {"net": [3]}}).expect(2001)
    owner.instance(cnt, "hello")
    got = receiver.get()
    assert got.origin == "/in1" and got.sgn["nev"]["rep"]["m2m:cin"]["con"] == "hello" and got.sgn["sur"].startswith("/in1/")


def test_nonblocking_across(tree, receiver):
    """The <request> is at the first CSE; the result comes to the Originator."""
    owner = tree.in_.register()
    far = tree.asn.register(poa=[receiver.url], rr=True)
    cnt = owner.container(acpi=[owner.policy([{"acor": ["/asn1/" + far.origin, owner.origin], "acop": 63}])[1]])
    at = far.retrieve("/in1/" + cnt, query=[("rt", 1)]).expect(1001).res
    assert at.startswith("asn1base/")
    wait_until(lambda: far.retrieve(at)["rs"] == 1)
    assert far.retrieve(at)["ors"]["pc"]["m2m:cnt"]["rn"] == cnt.split("/")[-1]
    far.retrieve("/in1/" + cnt, query=[("rt", 2)]).expect(1002)
    assert receiver.get().content["m2m:rsp"]["rsc"] == 2000


def test_a_node_dies(new_server):
    """kill -9 of the registrar and of the registree: both find each other again."""
    a = new_server({"cse.id": "/in1", "cse.name": "inbase", "http.open": "true"})
    b = new_server(below(a.port, **{"registrar.lifetime": "2s"}))
    registered(b)
    b.kill()
    b.start()
    registered(b)
    ae = b.register()
    a.kill()
    ae.retrieve("/in1/inbase").expect(5103)
    registered(b, False)
    a.start()
    registered(b)
    ae.retrieve("/in1/inbase/nothing").expect(4004)


def test_what_came_from_above(new_server):
    """CORE-132, CORE-133: without a match, what an AE or a descendant asks goes up; what comes from the registrar does not go back."""
    peer = PeerCSE(lambda m: {"GET": reply(2000, b"{}"), "POST": reply(2001, b"", 201), "PUT": reply(2004)}[m.method])
    s = new_server(below(peer.port))
    registered(s)
    for _ in range(2):
        peer.next()
    Entity(s.client, "/asn1").create("mn1base", 16, {"rn": "asn1", "cb": "/asn1/b", "rr": True, "srv": ["3"], "dcse": ["/asn2"]}).expect(2001)
    assert peer.next().method == "PUT"  # dcse
    for who in ("/in1", "/in1/C1", "/elsewhere", "/elsewhere/C1"):
        Entity(s.client, who).retrieve("/nowhere/x").expect(4004)
    peer.nothing()
    for who, seen in ((s.register().origin, None), ("/asn1", "/asn1"), ("/asn1/C1", "/asn1/C1"), ("/asn2/C2", "/asn2/C2")):
        Entity(s.client, who).retrieve("/nowhere/x").expect(2000)
        m = peer.next()
        assert m.line == "GET /~/nowhere/x HTTP/1.1" and m["X-M2M-Origin"] == (seen or "/mn1/" + who)
    peer.close()
