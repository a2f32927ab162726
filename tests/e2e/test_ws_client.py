# SPDX-License-Identifier: Apache-2.0
"""WebSocket binding, the side that connects (TS-0020): to a registrar and to URLs, against python3-websockets; and trees of CSEs that know
each other over nothing else."""

import json
import queue
import threading

import pytest

from harness import Entity, Server, allow, free_port, rule, unique, wait_until
from harness.peer_cse import PeerCSE
from harness.ws import WsClient, WsServer

FAST = {"http.open": "true", "registrar.retry_first": "20ms", "registrar.retry_most": "100ms", "notify.retry_first": "50 ms"}


def below(url, node="mn1", kind="MN", registrar="/in1", **more):
    s = dict(FAST, **{"cse.id": "/" + node, "cse.name": node + "base", "cse.type": kind, "registrar.id": registrar, "registrar.poa": url,
                      "cse.poa": "ws://127.0.0.1:1/"})  # an address nobody can use: what comes down uses the connection
    s.update(more)
    return s


def in_cse(request):
    """What a registrar says to a registration."""
    if request["op"] == 2:
        return {"rsc": 2000, "pc": {"m2m:cb": {"rn": "inbase", "csi": "/in1", "cst": 1, "srv": ["2a", "3"], "ty": 5}}}
    return {1: 2001, 3: 2004, 4: 2002}.get(request["op"], 2000)


def registered(server):
    wait_until(lambda: server.metrics().get("registered") == 1)


def subscribe(server, nu, **attrs):
    ae = server.register()
    cnt = ae.container()
    ae.create(cnt, 23, dict({"nu": [nu], "nct": 1, "enc": {"net": [3]}}, **attrs)).expect(2001)
    return ae, cnt


def con_of(request):
    return request["pc"]["m2m:sgn"]["nev"]["rep"]["m2m:cin"]["con"]


# --- a registrar that is no Reeve

@pytest.mark.parametrize("protocol", ["oneM2M.json", "oneM2M.cbor"])
def test_registration(new_server, protocol):
    """CORE-129, CORE-306: the registree is the client, the server chooses, and one connection is enough."""
    with WsServer(in_cse, [protocol]) as registrar:
        s = new_server(below(registrar.url))
        c = registrar.accept()
        assert c.ws.subprotocol == protocol and c.ws.path == "/" and c.headers["Host"] == "127.0.0.1:%d" % registrar.port
        assert c.headers["Sec-WebSocket-Protocol"].replace(" ", "") == "oneM2M.json,oneM2M.cbor"
        create = c.next()
        assert (create["op"], create["to"], create["fr"], create["ty"]) == (1, "/in1", "/mn1", 16)
        assert create["pc"]["m2m:csr"]["csi"] == "/mn1"
        assert (c.next()["op"]) == 2
        registered(s)
        assert registrar.connections.empty()


def test_the_registrar_asks_over_the_connection(new_server):
    """CORE-307: requests come the other way, and go through the same checks as any."""
    with WsServer(in_cse) as registrar:
        s = new_server(below(registrar.url))
        c = registrar.accept()
        registered(s)
        assert c.request({"op": 2, "to": "/mn1/mn1base", "fr": "/in1"}, 2000)["pc"]["m2m:cb"]["csi"] == "/mn1"
        assert c.request({"op": 2, "to": "/mn1/mn1base", "fr": "/mn1"})["rsc"] == 4107
        waiting = [c.begin({"op": 2, "to": "/mn1/mn1base", "fr": "/in1"}) for _ in range(50)]
        assert {c.end(q)["rsc"] for q in waiting} == {2000}


def test_not_open_means_not_believed(new_server):
    """In clear nobody is known: a CSE is believed where http.open says so (CORE-018)."""
    with WsServer(in_cse) as registrar:
        new_server(below(registrar.url, **{"http.open": "false"}))
        assert registrar.accept().request({"op": 2, "to": "/mn1/mn1base", "fr": "/in1"})["rsc"] == 4107


def test_opened_again(new_server):
    """The registrar may have something for us: the connection comes back by itself, when he closes and when he was gone."""
    with WsServer(in_cse) as registrar:
        s = new_server(below(registrar.url))
        c = registrar.accept()
        registered(s)
        c.close()
        again = registrar.accept()
        assert again.request({"op": 2, "to": "/mn1/mn1base", "fr": "/in1"}, 2000)
        port = registrar.port
    with WsServer(in_cse, port=port) as registrar:
        assert registrar.accept().request({"op": 2, "to": "/mn1/mn1base", "fr": "/in1"}, 2000)


def test_answers_of_the_registrar_in_any_order(new_server):
    """CORE-307: two requests of different Originators with one identifier; the second is answered first."""
    gate, held = threading.Event(), queue.Queue()

    def answer(request):
        if request["op"] == 2 and request["to"].startswith("/in1/x"):
            held.put(request["to"])
            assert request["to"] != "/in1/x1" or gate.wait(20)
            return {"rsc": 2000, "pc": {"m2m:cnt": {"rn": request["to"][-1]}}}
        return in_cse(request)

    with WsServer(answer) as registrar:
        s = new_server(below(registrar.url))
        registered(s)
        with WsClient("ws://127.0.0.1:%d/" % s.port) as one, WsClient("ws://127.0.0.1:%d/" % s.port) as two:
            (a, _), (b, _) = one.register("mn1base"), two.register("mn1base")
            first = one.begin({"op": 2, "to": "/in1/x1", "fr": a, "rqi": "same"})
            assert held.get(timeout=10) == "/in1/x1"
            assert two.request({"op": 2, "to": "/in1/x2", "fr": b, "rqi": "same"}, 2000)["pc"]["m2m:cnt"]["rn"] == "2"
            assert first.empty()
            gate.set()
            assert one.end(first)["pc"]["m2m:cnt"]["rn"] == "1"


# --- notification targets

def test_a_target_ws(new_server):
    with WsServer() as target:
        s = new_server(FAST)
        ae, cnt = subscribe(s, target.url)
        for i in range(5):
            ae.instance(cnt, str(i))
        c = target.accept()
        assert [con_of(c.next()) for _ in range(5)] == [str(i) for i in range(5)]
        assert target.connections.empty()  # one for all


def test_who_we_called_may_not_call_us(new_server):
    """Anybody can name a URL in a subscription. That we connect to it does not make its owner somebody who is believed, even where
    the listener is open."""
    with WsServer() as target:
        s = new_server(FAST)
        ae, cnt = subscribe(s, target.url)
        ae.instance(cnt)
        c = target.accept()
        c.next()
        assert c.request({"op": 2, "to": "cse", "fr": "Cadmin"})["rsc"] == 4005
        assert c.request({"op": 4, "to": ae.at, "fr": ae.origin})["rsc"] == 4005
        ae.retrieve(ae.at).expect(2000)


def test_a_target_that_is_not_there_yet(new_server):
    port = free_port()
    s = new_server(FAST)
    ae, cnt = subscribe(s, "ws://127.0.0.1:%d/" % port)
    ae.instance(cnt, "kept")
    wait_until(lambda: s.metrics()["notifications_failed"] >= 1)
    with WsServer(port=port) as target:
        assert con_of(target.accept().next()) == "kept"


def test_a_target_that_speaks_something_else(new_server):
    """A web server, and one that chooses no subprotocol of ours: not taken for WebSocket."""
    with WsServer(protocols=("chat",)) as wrong:
        web = PeerCSE()
        s = new_server(FAST)
        for url in ("ws://127.0.0.1:%d/" % web.port, wrong.url):
            failed = s.metrics()["notifications_failed"]
            ae, cnt = subscribe(s, url)
            ae.instance(cnt)
            wait_until(lambda: s.metrics()["notifications_failed"] > failed)
        m = web.next()
        assert m.line == "GET / HTTP/1.1" and m["Upgrade"].lower() == "websocket" and m["Sec-WebSocket-Version"] == "13"
        web.close()


def test_wss_without_a_credential(new_server):
    """SEC-020: no association, no handshake, not even a connection."""
    with WsServer() as target:
        s = new_server(FAST)
        ae, cnt = subscribe(s, target.url.replace("ws:", "wss:"))
        ae.instance(cnt)
        wait_until(lambda: s.metrics()["notifications_failed"] >= 1)
        assert target.connections.empty()


# --- CSEs

class Tree:
    def __init__(self):
        self.nodes = []
        self.in_ = self.start(dict(FAST, **{"cse.id": "/in1", "cse.name": "inbase"}))
        self.mn = self.start(below("ws://127.0.0.1:%d" % self.in_.port))
        registered(self.mn)
        self.asn = self.start(below("ws://127.0.0.1:%d" % self.mn.port, "asn1", "ASN", "/mn1"))
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


def test_requests_up_and_down(tree):
    """CORE-131, CORE-132, CORE-307: IN - MN - ASN, each way, over the connections that the registrees opened."""
    top, bottom = tree.in_.register(), tree.asn.register()
    wait_until(lambda: top.retrieve("/asn1/asn1base").rsc != 4004)  # the MN-CSE has told that it is below it
    for me, server, other in ((top, tree.in_, bottom), (bottom, tree.asn, top)):
        there = tree.asn if other is bottom else tree.in_
        acp = other.policy([rule("%s/%s" % (server.cse_id, me.origin), 63)])[1]
        cnt = other.container(acpi=[acp])
        assert me.create("%s/%s" % (there.cse_id, cnt), 4, {"con": "hello"}).expect(2001)["con"] == "hello"
        assert me.retrieve("%s/%s/la" % (there.cse_id, cnt)).expect(2000)["con"] == "hello"


def test_notifications_across(tree):
    """An AE connected by WebSocket at the IN-CSE is told of what happens at the ASN-CSE."""
    with WsClient("ws://127.0.0.1:%d/" % tree.in_.port) as c:
        aei, at = c.register("inbase")
        acp = {"rn": "acp", "pv": allow(rule("all", 63)), "pvs": allow(rule(aei, 63))}
        c.request({"op": 1, "to": at, "fr": aei, "ty": 1, "pc": {"m2m:acp": acp}}, 2001)
        c.request({"op": 3, "to": at, "fr": aei, "pc": {"m2m:ae": {"acpi": [at + "/acp"]}}}, 2004)
        ae = tree.asn.register()
        cnt = ae.container()
        ae.create(cnt, 23, {"nu": ["/in1/" + aei], "nct": 1, "enc": {"net": [3]}}).expect(2001)
        for i in range(3):
            ae.instance(cnt, str(i))
        assert [con_of(c.next()) for _ in range(3)] == ["0", "1", "2"]


def test_a_registrar_that_comes_back(new_server):
    """kill -9 of the registrar: what is for its registree waits until the connection is there again."""
    a = new_server(dict(FAST, **{"cse.id": "/in1", "cse.name": "inbase", "notify.retry_first": "60 s", "notify.retry_most": "60 s"}))
    b = new_server(below("ws://127.0.0.1:%d" % a.port))
    registered(b)
    target = b.register(name=unique("t"))
    with WsClient("ws://127.0.0.1:%d/" % b.port) as c:
        c.request({"op": 2, "to": target.at, "fr": target.origin}, 2000)
        acp = target.policy([rule("all", 63)])[1]
        target.update(target.at, 2, {"acpi": [acp]}).expect(2004)
        ae = a.register()
        cnt = ae.container()
        ae.create(cnt, 23, {"nu": ["/mn1/" + target.origin], "nct": 1, "enc": {"net": [3]}}).expect(2001)
        a.kill()
        a.start()
        Entity(a.client, ae.origin).instance(cnt, "after")
        assert con_of(c.next(timeout=30)) == "after"
