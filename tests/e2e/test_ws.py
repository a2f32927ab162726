# SPDX-License-Identifier: Apache-2.0
"""WebSocket binding, listening side (TS-0020; docs/requirements/core.md 16.4, 17.23), against python3-websockets and bytes by hand."""

import json
import threading

import cbor2
import pytest
import websockets

from harness import allow, rule, unique, wait_until
from harness.raw import Raw, message
from harness.ws import BINARY, CLOSE, PING, PONG, RawWs, WsClient, handshake

CONT = 0


def url(server):
    return "ws://%s:%d/" % (server.address, server.port)


@pytest.fixture
def ws(server):
    with WsClient(url(server)) as c:
        yield c


@pytest.fixture(scope="module")
def opened(servers):
    return servers(**{"http.open": "true", "notify.retry_first": "60 s", "notify.retry_most": "60 s"})


def subscription(c, aei, at, nu=None, **attrs):
    """A container below the AE that tells the AE of its instances; gives its address."""
    name = unique("c")
    c.request({"op": 1, "to": at, "fr": aei, "ty": 3, "pc": {"m2m:cnt": {"rn": name}}}, 2001)
    sub = dict({"rn": "s", "nu": nu or [aei], "nct": 1, "enc": {"net": [3]}}, **attrs)
    c.request({"op": 1, "to": at + "/" + name, "fr": aei, "ty": 23, "pc": {"m2m:sub": sub}}, 2001)
    return at + "/" + name


def instance(con):
    return {"m2m:cin": {"con": con}}


def con_of(request):
    return request["pc"]["m2m:sgn"]["nev"]["rep"]["m2m:cin"]["con"]


# --- handshake

@pytest.mark.parametrize("offer,chosen", [(["oneM2M.json"], "oneM2M.json"), (["oneM2M.cbor"], "oneM2M.cbor"),
                                          (["oneM2M.xml", "oneM2M.cbor", "oneM2M.json"], "oneM2M.cbor"),
                                          (["chat", "oneM2M.json"], "oneM2M.json")])
def test_the_first_subprotocol_that_both_speak(server, offer, chosen):
    """CORE-305"""
    with WsClient(url(server), offer) as c:
        assert c.ws.subprotocol == chosen
        assert c.request({"op": 2, "to": "cse", "fr": "Cnobody"})["rsc"] == 4106


@pytest.mark.parametrize("offer", [["oneM2M.xml"], ["chat"], []])
def test_no_subprotocol_in_common(server, offer):
    """CORE-305: an HTTP error."""
    with pytest.raises(websockets.InvalidStatusCode) as e:
        WsClient(url(server), offer)
    assert e.value.status_code == 400


@pytest.mark.parametrize("spoilt,status", [(dict(version="8"), 426), (dict(version=""), 426), (dict(key=""), 400), (dict(key="abc"), 400),
                                           (dict(target="/cse"), 404), (dict(protocol=""), 400)])
def test_handshakes_that_are_none(server, spoilt, status):
    """RFC 6455 4.2.1, 4.4: refused as HTTP, and the connection ends."""
    with Raw(server) as c:
        a = c.send(handshake(**spoilt)).answer()
        assert a.status == status and a.body
        assert status != 426 or a.headers["sec-websocket-version"] == "13"
        assert c.closed()


def test_web_pages(new_server):
    """A browser lets a page of anybody connect to this machine: only those of ws.origins may."""
    server = new_server({"ws.origins": "http://h:3000"})
    with pytest.raises(websockets.InvalidStatusCode) as refused:
        WsClient(url(server), origin="http://evil.example")
    assert refused.value.status_code == 403
    with WsClient(url(server), origin="http://h:3000") as page, WsClient(url(server)) as program:
        page.register()
        program.register()


def test_other_upgrades_are_not_heard(server):
    """RFC 7230 6.7: the request is an ordinary one."""
    with Raw(server) as c:
        a = c.send(message(headers=[("Upgrade", "h2c"), ("Connection", "Upgrade")], origin="Cnobody")).answer()
        assert a.rsc == 4106


def test_not_served(new_server):
    server = new_server({"ws.serve": "false"})
    with Raw(server) as c:
        assert c.send(handshake()).answer().status != 101


def test_requests_right_behind_the_handshake(server):
    """In the same packet, and behind an HTTP request on the same connection."""
    from harness.ws import frame
    with Raw(server) as c:
        c.send(message(origin="Cnobody") + handshake() + frame({"op": 2, "to": "cse", "fr": "Cnobody", "rqi": "early", "rvi": "3"}))
        assert c.answer().rsc == 4106
        assert c.answer().status == 101
        raw = RawWs.__new__(RawWs)
        raw.s, raw.buf = c.s, c.buf
        opcode, body = raw.read()
        assert opcode == 1 and json.loads(body)["rqi"] == "early"


# --- messages

def test_requests_and_answers(ws):
    """CORE-306: JSON in text messages, one primitive each, nothing around it."""
    aei, at = ws.register()
    got = ws.request({"op": 1, "to": at, "fr": aei, "ty": 3, "rcn": 9, "rqi": "x1", "pc": {"m2m:cnt": {"rn": "data", "mni": 10}}}, 2001)
    assert set(got) == {"rsc", "rqi", "rvi", "pc"} and got["rqi"] == "x1" and got["rvi"] == "3"
    assert ws.request({"op": 2, "to": at + "/data", "fr": aei}, 2000)["pc"]["m2m:cnt"]["mni"] == 10
    assert ws.request({"op": 4, "to": at + "/data", "fr": aei}, 2002)
    assert ws.request({"op": 2, "to": at + "/data", "fr": aei}, 4004)


def test_cbor_in_binary_messages(server):
    """CORE-306"""
    with WsClient(url(server), "oneM2M.cbor") as c:
        aei, at = c.register()
        assert c.request({"op": 2, "to": at, "fr": aei}, 2000)["pc"]["m2m:ae"]["aei"] == aei


def test_kind_of_message_fits_the_subprotocol(server):
    """CORE-306; RFC 6455 7.4.1: 1003."""
    with RawWs(server) as c:
        assert c.frame(b"{}", BINARY).failed() == 1003
    with RawWs(server, "oneM2M.cbor") as c:
        assert c.frame(cbor2.dumps({})).read()[0] == CLOSE


@pytest.mark.parametrize("text,rqi", [("{", ""), ("[]", ""), ("{}", ""), ("", ""), ('{"op":2,"rqi":"q"}', "q"), ('{"rqi":"q"}', "q"),
                                      ('{"op":2,"op":2,"rqi":"q"}', ""), ('{"m2m:rqp":{"op":2}}', ""), ('{"op":2,"rsc":2000,"rqi":"q"}', "q")])
def test_what_is_no_primitive_is_told(server, ws, text, rqi):
    """4000 and what to change; the connection goes on."""
    ws.send(text)
    if rqi:
        ws.waiting[rqi] = ws.other
    got = ws.other.get(timeout=10)
    assert got["rsc"] == 4000 and got.get("rqi", "") in (rqi, "") and len(got["pc"]["m2m:dbg"]) > 10
    assert ws.request({"op": 2, "to": "cse", "fr": "Cnobody"})["rsc"] == 4106


def test_answers_in_any_order(new_server):
    """CORE-307: an answer that comes late holds up no other, and is found by rqi."""
    server = new_server({"http.open": "true"})
    with WsClient(url(server)) as c:
        aei, at = c.register()
        c.request({"op": 1, "to": at, "fr": aei, "ty": 15, "pc": {"m2m:pch": {"rn": "pch"}}}, 2001)
        late = c.begin({"op": 2, "to": at + "/pch/pcu", "fr": aei})
        for i in range(20):
            c.request({"op": 2, "to": at, "fr": aei}, 2000)
        assert late.empty()
        c.begin({"op": 5, "to": aei, "fr": aei, "pc": {"m2m:sgn": {"sur": "x", "nev": {"net": 1}}}})
        assert c.end(late)["pc"]["m2m:rqp"]["op"] == 5


def test_more_requests_than_ws_requests(new_server):
    """All are answered, however many are sent at once."""
    server = new_server({"ws.requests": 3, "http.open": "true"})
    with WsClient(url(server)) as c:
        aei, at = c.register()
        waiting = [c.begin({"op": 1, "to": at, "fr": aei, "ty": 3, "pc": {"m2m:cnt": {"rn": "c%d" % i}}}) for i in range(200)]
        assert {c.end(q)["rsc"] for q in waiting} == {2001}


def test_answers_to_us_are_heard_while_requests_wait(new_server):
    """CORE-307: more subscriptions than ws.requests wait for the verification of a target that is this connection."""
    server = new_server({"ws.requests": 2, "http.open": "true"})
    with WsClient(url(server)) as one, WsClient(url(server)) as two:
        aei, at = one.register()
        other, other_at = two.register()
        policy = {"rn": "acp", "pv": allow(rule(other, 63), rule("all", 16)), "pvs": allow(rule(other, 63))}
        two.request({"op": 1, "to": other_at, "fr": other, "ty": 1, "pc": {"m2m:acp": policy}}, 2001)
        two.request({"op": 3, "to": other_at, "fr": other, "pc": {"m2m:ae": {"acpi": [other_at + "/acp"]}}}, 2004)
        waiting = []
        for i in range(10):
            name = unique("c")
            one.request({"op": 1, "to": at, "fr": aei, "ty": 3, "pc": {"m2m:cnt": {"rn": name}}}, 2001)
            sub = {"nu": [other], "enc": {"net": [3]}}
            waiting.append(one.begin({"op": 1, "to": at + "/" + name, "fr": aei, "ty": 23, "pc": {"m2m:sub": sub}}))
        assert {one.end(q)["rsc"] for q in waiting} == {2001}
        assert sum("vrq" in two.next()["pc"]["m2m:sgn"] for _ in range(10)) == 10


# --- frames (RFC 6455; every case with its code in tests/unit/test_ws_frames.c)

def test_fragments_with_a_ping_between(server):
    with RawWs(server) as c:
        c.frame(b'{"op":2,"to":"cse","fr":"Cno', fin=False).frame(b"sign", PING).frame(b"", CONT, fin=False)
        assert c.read() == (PONG, b"sign")
        c.frame(b'body","rqi":"f","rvi":"3"}', CONT)
        assert json.loads(c.read()[1])["rqi"] == "f"


@pytest.mark.parametrize("frame,code", [
    (dict(body=b"{}", masked=False), 1002), (dict(body=b"{}", rsv=4), 1002), (dict(body=b"{}", opcode=3), 1002),
    (dict(body=b"{}", opcode=11), 1002), (dict(body=b"x" * 126, opcode=PING), 1002), (dict(body=b"", opcode=PING, fin=False), 1002),
    (dict(body=b"{}", opcode=CONT), 1002), (dict(body=b"{}", length=16), 1002), (dict(body=b"{}", length=64), 1002),
    (dict(body=b"\xff"), 1007), (dict(body=b"\xc3"), 1007), (dict(body=b"\x03", opcode=CLOSE), 1002),
    (dict(body=b"\x03\xed", opcode=CLOSE), 1002), (dict(body=b"\x03\xe8\xff", opcode=CLOSE), 1007)])
def test_frames_that_fail_the_connection(server, frame, code):
    with RawWs(server) as c:
        before = server.metrics()["bad_websocket"]
        assert c.frame(**frame).failed() == code
        assert server.metrics()["bad_websocket"] == before + 1


def test_a_close_frame_is_answered(server):
    with RawWs(server) as c:
        c.frame(b"\x03\xe8bye", CLOSE)
        opcode, body = c.read()
        assert opcode == CLOSE and body[:2] == b"\x03\xe8"
        assert c.closed()


def test_too_long_a_message(new_server):
    """limits.body: 1009; the length is enough, and fragments are added up."""
    server = new_server({"limits.body": 2048, "limits.header": 2048})
    big = b'{"x":"' + b"x" * 5000 + b'"}'
    with RawWs(server) as c:
        c.send(b"\x81\xff" + (1 << 40).to_bytes(8, "big") + b"\0\0\0\0x")
        assert c.failed() == 1009
    with RawWs(server) as c:
        c.frame(big[:3000], fin=False).frame(big[3000:], CONT)
        assert c.failed() == 1009
    assert server.metrics()["limit_body"] == 2


def test_a_message_that_does_not_end(new_server):
    """limits.body_time"""
    server = new_server({"limits.body_time": "1 s"})
    with RawWs(server) as c:
        c.frame(b"{", fin=False)
        assert c.failed() == 1008
        assert server.metrics()["timeout_header"] == 1


def test_a_silent_connection_is_asked_and_ended(new_server):
    """ws.ping"""
    server = new_server({"ws.ping": "1 s"})
    with RawWs(server) as c, WsClient(url(server)) as lives:
        assert c.read()[0] == PING
        c.frame(b"", PONG)
        assert c.read()[0] == PING
        assert c.read() is None  # no answer this time
        assert server.metrics()["timeout_idle"] == 1
        assert lives.request({"op": 2, "to": "cse", "fr": "Cnobody"})["rsc"] == 4106  # answers pings by itself


def test_who_does_not_read_is_not_read(new_server):
    """Answers that nobody takes stop the reading of requests; limits.unread ends the connection that asks for more."""
    server = new_server({"limits.unread": "512 KiB", "http.open": "true"})
    with WsClient(url(server)) as c, RawWs(server) as lazy:
        aei, at = c.register()
        c.request({"op": 1, "to": at, "fr": aei, "ty": 3, "pc": {"m2m:cnt": {"rn": "big"}}}, 2001)
        c.request({"op": 1, "to": at + "/big", "fr": aei, "ty": 4, "pc": {"m2m:cin": {"rn": "i", "con": "x" * 100000}}}, 2001)
        lazy.s.settimeout(20)
        with pytest.raises(OSError):
            for i in range(100000):
                lazy.frame({"op": 2, "to": at + "/big/i", "fr": aei, "rqi": "q%d" % i, "rvi": "3"})
        assert server.metrics()["limit_unread"] == 1
        assert c.request({"op": 2, "to": at, "fr": aei}, 2000)


def test_the_end_of_the_program_is_told(new_server):
    """RFC 6455 7.4.1: 1001."""
    server = new_server()
    with WsClient(url(server)) as c:
        server.stop()
        assert c.ended.wait(10) and c.code == 1001


def test_a_connection_that_breaks_off(new_server):
    """What is under way is finished or given up; the server goes on (and its memory is looked at when it ends)."""
    server = new_server({"http.open": "true"})
    with WsClient(url(server)) as c:
        aei, at = c.register()
        c.request({"op": 1, "to": at, "fr": aei, "ty": 15, "pc": {"m2m:pch": {"rn": "pch"}}}, 2001)
        for i in range(20):
            with RawWs(server) as raw:
                for k in range(5):
                    raw.frame({"op": 2, "to": at + "/pch/pcu", "fr": aei, "rqi": "p%d" % k, "rvi": "3"})
                    raw.frame({"op": 1, "to": at, "fr": aei, "ty": 3, "rqi": "c%d" % k, "rvi": "3", "pc": {"m2m:cnt": {}}})
        assert c.request({"op": 2, "to": at, "fr": aei}, 2000)


# --- towards the client

def test_notifications_over_the_connection(server, ws):
    """CORE-307, CORE-308: after its registration, and over the connection it registered on, without a point of access."""
    aei, at = ws.register()
    c = subscription(ws, aei, at)
    for i in range(5):
        ws.request({"op": 1, "to": c, "fr": aei, "ty": 4, "pc": instance(str(i))}, 2001)
    got = [ws.next() for _ in range(5)]
    assert [con_of(g) for g in got] == [str(i) for i in range(5)]
    assert all(g["op"] == 5 and g["to"] == aei and g["fr"] == "/reeve" and g["rvi"] == "3" for g in got)


def test_notifications_in_cbor(server):
    """CORE-306, CORE-307"""
    with WsClient(url(server), "oneM2M.cbor") as c:
        aei, at = c.register()
        c.request({"op": 1, "to": subscription(c, aei, at), "fr": aei, "ty": 4, "pc": instance("x")}, 2001)
        assert con_of(c.next()) == "x"


def test_a_point_of_access_ws(server, ws):
    """A ws:// point of access is a server's; its owner has connected, so his connection is used."""
    aei, at = ws.register(poa=["ws://127.0.0.1:1/"])
    ws.request({"op": 1, "to": subscription(ws, aei, at), "fr": aei, "ty": 4, "pc": instance("x")}, 2001)
    assert con_of(ws.next()) == "x"


def test_another_point_of_access_is_used(server, ws, receiver):
    """Who names one is reached there (CORE-203)."""
    aei, at = ws.register(poa=[receiver.url])
    ws.request({"op": 1, "to": subscription(ws, aei, at), "fr": aei, "ty": 4, "pc": instance("x")}, 2001)
    assert receiver.get().sgn["nev"]["net"] == 3
    ws.ping()
    ws.nothing()


def test_kept_until_the_client_comes_back(opened):
    """CORE-308: closing does not deregister. CORE-309: what is due meanwhile is kept, and delivered in order when it has come back,
    without waiting for the next attempt (a minute here)."""
    with WsClient(url(opened)) as c:
        aei, at = c.register()
        cnt = subscription(c, aei, at)
    e, failed = opened.entity(aei), opened.metrics()["notifications_failed"]
    for i in range(3):
        e.instance(cnt, str(i))
    wait_until(lambda: opened.metrics()["notifications_failed"] > failed)
    e.retrieve(at).expect(2000)
    with WsClient(url(opened)) as back:
        back.request({"op": 2, "to": at, "fr": aei}, 2000)
        assert [con_of(back.next()) for _ in range(3)] == ["0", "1", "2"]


def test_kept_over_a_restart(new_server):
    """CORE-309"""
    server = new_server({"http.open": "true", "notify.retry_first": "60 s", "notify.retry_most": "60 s"})
    with WsClient(url(server)) as c:
        aei, at = c.register()
        cnt = subscription(c, aei, at)
    server.entity(aei).instance(cnt, "kept")
    wait_until(lambda: server.metrics()["notifications_failed"] >= 1)
    server.restart()
    with WsClient(url(server)) as back:
        back.request({"op": 2, "to": at, "fr": aei}, 2000)
        assert con_of(back.next()) == "kept"


def test_nobody_attracts_the_notifications_of_another(server, ws):
    """Where the listener is not open, who only calls himself so gets nothing (docs/deviations.md): neither with a request, nor by
    registering when the name is free again."""
    aei, at = ws.register()
    cnt = subscription(ws, aei, at)
    with WsClient(url(server)) as thief:
        thief.request({"op": 2, "to": at, "fr": aei}, 2000)  # believed, as on any plain listener
        ws.request({"op": 1, "to": cnt, "fr": aei, "ty": 4, "pc": instance("mine")}, 2001)
        assert con_of(ws.next()) == "mine"
        thief.ping()
        thief.nothing()


def test_a_former_registree_gets_nothing(server):
    """Who registers anew under a name is another one: connections of the former one are not his."""
    name = "C" + unique("x")
    with WsClient(url(server)) as old, WsClient(url(server)) as new:
        aei, at = old.register(stem=name)
        old.request({"op": 4, "to": at, "fr": aei}, 2002)
        again, at = new.register(stem=name)
        assert again == aei == name
        cnt = subscription(new, aei, at)
        new.request({"op": 1, "to": cnt, "fr": aei, "ty": 4, "pc": instance("new")}, 2001)
        assert con_of(new.next()) == "new"
        old.ping()
        old.nothing()


def test_the_newest_connection_is_used(opened):
    with WsClient(url(opened)) as one, WsClient(url(opened)) as two:
        aei, at = one.register()
        cnt = subscription(one, aei, at)
        two.request({"op": 2, "to": at, "fr": aei}, 2000)
        two.request({"op": 1, "to": cnt, "fr": aei, "ty": 4, "pc": instance("x")}, 2001)
        assert con_of(two.next()) == "x"
        two.close()  # maybe before it has answered
        one.request({"op": 1, "to": cnt, "fr": aei, "ty": 4, "pc": instance("y")}, 2001)
        got = con_of(one.next())
        assert (con_of(one.next()) if got == "x" else got) == "y"


def test_connections_each(new_server):
    """ws.connections_each: a further one ends the oldest."""
    server = new_server({"ws.connections_each": 2, "http.open": "true"})
    with WsClient(url(server)) as one, WsClient(url(server)) as two, WsClient(url(server)) as three:
        aei, at = one.register()
        for c in (two, three):
            c.request({"op": 2, "to": at, "fr": aei}, 2000)
        assert one.ended.wait(10) and one.code == 1008
        assert two.request({"op": 2, "to": at, "fr": aei}, 2000) and three.request({"op": 2, "to": at, "fr": aei}, 2000)


def test_an_answer_that_does_not_come(new_server):
    """It is tried again (notify.timeout)."""
    server = new_server({"notify.timeout": "1 s", "notify.retry_first": "100 ms", "http.open": "true"})
    answers = iter(["", None])
    with WsClient(url(server), answer=lambda request: next(answers)) as c:
        aei, at = c.register()
        c.request({"op": 1, "to": subscription(c, aei, at), "fr": aei, "ty": 4, "pc": instance("x")}, 2001)
        assert con_of(c.next()) == con_of(c.next()) == "x"


def test_many_clients_at_once(opened):
    """Each gets its own, over its own."""
    clients = [WsClient(url(opened)) for _ in range(20)]
    made = [(c, *c.register()) for c in clients]
    made = [(c, aei, subscription(c, aei, at)) for c, aei, at in made]

    def work(c, aei, cnt):
        for q in [c.begin({"op": 1, "to": cnt, "fr": aei, "ty": 4, "pc": instance("%s %d" % (aei, i))}) for i in range(30)]:
            assert c.end(q)["rsc"] == 2001

    threads = [threading.Thread(target=work, args=m) for m in made]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for c, aei, _ in made:
        assert sorted(con_of(c.next()) for _ in range(30)) == sorted("%s %d" % (aei, i) for i in range(30))
        c.close()
