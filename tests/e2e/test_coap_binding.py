# SPDX-License-Identifier: Apache-2.0
"""CoAP listener (TS-0008; catalogue 16.2, 17.21), message by message. All vectors run over CoAP as well (test_vectors.py); here is what
they cannot say: options, message types, repetitions, blocks, and hostile input."""

import json
import os
import re
import subprocess

import pytest

from harness import coap, rule, unique, wait_until
from harness.coap import ACK, CON, DELETE, GET, NON, POST, PUT, RST, Coap, Message, block_value, code
from harness.server import Server, free_port


@pytest.fixture
def c(server):
    one = Coap("127.0.0.1", server.settings["coap.port"])
    yield one
    one.close()


def options(ae, to, rqi="r1", *more, query=()):
    o = [(coap.URI_PATH, p) for p in coap.path_of(to)] + [(coap.URI_QUERY, q) for q in query]
    return o + [(coap.FR, ae.origin), (coap.RQI, rqi), (coap.RVI, "3")] + list(more)


def instance(ae, to, con="x", rqi="r1", *more):
    return options(ae, to, rqi, (coap.TY, 4), (coap.CONTENT_FORMAT, 50), *more), json.dumps({"m2m:cin": {"con": con}}).encode()


def count(ae, to):
    return ae.retrieve(to).expect(2000)["cni"]


# --- mapping

def test_methods(c, ae):
    """CORE-287, CORE-288, CORE-292"""
    body = json.dumps({"m2m:cnt": {"rn": "m"}}).encode()
    got = c.request(POST, options(ae, ae.at, "a", (coap.TY, 3), (coap.CONTENT_FORMAT, 50)), body)
    assert (got.code, got.rsc) == (code("2.01"), 2001) and got.one(coap.RQI) == b"a" and got.one(coap.RVI) == b"3"
    got = c.request(GET, options(ae, ae.at + "/m"))
    assert (got.code, got.rsc) == (code("2.05"), 2000) and got.content["m2m:cnt"]["rn"] == "m"
    got = c.request(PUT, options(ae, ae.at + "/m", "b", (coap.CONTENT_FORMAT, 50)), json.dumps({"m2m:cnt": {"lbl": ["l"]}}).encode())
    assert (got.code, got.rsc) == (code("2.04"), 2004)
    got = c.request(DELETE, options(ae, ae.at + "/m"))
    assert (got.code, got.rsc) == (code("2.02"), 2002)
    got = c.request(POST, options(ae, ae.at + "/m", "c", (coap.CONTENT_FORMAT, 50)), b'{"m2m:sgn":{}}')  # without ty: Notify
    assert got.rsc == 4004 and got.code == code("4.04")
    got = c.request(POST, options(ae, ae.at, "d", query=["op=2"]))
    assert got.rsc == 2000 and got.code == code("2.05")
    for query in (["op=9"], ["op="], ["op=1", "op=1"]):
        assert c.request(POST, options(ae, ae.at, "e", query=query)).rsc == 4000
    assert c.request(GET, options(ae, ae.at, "f", query=["op=4"])).rsc == 4000
    got = c.request(5, options(ae, ae.at, "g"))  # FETCH
    assert (got.code, got.rsc) == (code("4.05"), 4005)


@pytest.mark.parametrize("rt,rsc", [(1, 1001), (2, 1002)])
def test_non_blocking(c, ae, rt, rsc):
    """CORE-287: POST with op; CORE-293: 2.01 with the path of <request>"""
    got = c.request(POST, options(ae, ae.at, "n%d" % rt, query=["op=2", "rt=%d" % rt]))
    assert got.rsc == rsc and got.code == code("2.01")
    uri = got.content["m2m:uri"]
    assert "/".join(v.decode() for v in got.all(coap.LOCATION_PATH)) == uri
    request = c.request(GET, options(ae, uri))
    assert request.rsc == 2000 and request.content["m2m:req"]["op"] == 2




def test_location(c, server, ae):
    """CORE-293: when the address is asked for"""
    opt, body = instance(ae, ae.container())
    assert not c.request(POST, opt, body).all(coap.LOCATION_PATH)
    got = c.request(POST, opt + [(coap.URI_QUERY, "rcn=2")], body)
    where = "/".join(v.decode() for v in got.all(coap.LOCATION_PATH))
    assert got.rsc == 2001 and c.request(GET, options(ae, where)).content["m2m:cin"]["con"] == "x"


def test_addresses(c, server, ae):
    """CORE-289"""
    for to in (ae.at, "/reeve/" + ae.at, "//reeve.local/reeve/" + ae.at, ae.ri, "/reeve/" + ae.ri, "-/" + ae.name):
        assert c.request(GET, options(ae, to)).content["m2m:ae"]["ri"] == ae.ri, to
    assert [p for p in coap.path_of("/reeve/x")][0] == "~" and coap.path_of("//sp/x")[0] == "_"
    assert c.request(GET, options(ae, "a") + [(coap.URI_PATH, "b/c")]).rsc == 4000
    assert c.request(GET, [o for o in options(ae, "x") if o[0] != coap.URI_PATH]).rsc == 4000


@pytest.mark.parametrize("number,value", [(2049, b"x"), (1, b"tag"), (5, b""), (9, b"o"), (coap.TY, b"\0\0\3"), (coap.FR, b"C" * 256),
                                          (coap.ACCEPT, b"\0\0\0\x32"), (65535, b"")])
def test_critical_options(c, ae, number, value):
    """CORE-290: 4.02 (RFC 7252 5.4.1)"""
    got = c.request(GET, [o for o in options(ae, ae.at, "u") if o[0] != number] + [(number, value)])
    assert got.code == code("4.02") and str(number) in json.loads(got.payload)["m2m:dbg"] and got.one(coap.RQI) == b"u"


def test_options_twice(c, ae):
    """CORE-290: what may stand once and stands twice is not understood (RFC 7252 5.4.5)"""
    for o in ((coap.FR, ae.origin), (coap.RQI, "r1"), (coap.RVI, "3"), (7, 5683)):
        opts = options(ae, ae.at) + [o] + ([o] if o[0] == 7 else [])
        assert c.request(GET, opts).code == code("4.02"), o


def test_elective_options(c, ae):
    """CORE-290: those that are unknown make no difference, nor does Observe: it is no use of this binding"""
    plain = c.request(GET, options(ae, ae.at))
    got = c.request(GET, options(ae, ae.at) + [(6, 0), (2048, b"x" * 300), (60, 77), (258, 2), (65000, b"")])
    assert got.rsc == 2000 and got.one(6) is None and got.content == plain.content


def test_proxy(c, ae):
    assert c.request(GET, options(ae, ae.at) + [(35, "coap://other/x")]).code == code("5.05")
    assert c.request(GET, options(ae, ae.at) + [(39, "http")]).code == code("5.05")


def test_options_of_requests(c, server, ae, other):
    """CORE-290: From, Request Identifier, Event Category, times, Group Request Identifier"""
    assert c.request(GET, [o for o in options(ae, ae.at) if o[0] != coap.FR]).rsc >= 4000
    assert c.request(GET, options(other, ae.at)).rsc == 4103
    got = c.request(GET, [o for o in options(ae, ae.at) if o[0] != coap.RQI])
    assert got.rsc == 4000 and "RQI" in got.content["m2m:dbg"]
    assert c.request(GET, options(ae, ae.at, "r", (coap.RQET, "20200101T000000"))).rsc == 4008
    assert c.request(GET, options(ae, ae.at, "r", (coap.OT, "yesterday"))).rsc == 4000
    assert c.request(GET, options(ae, ae.at, "r", (coap.EC, 5))).rsc == 4000
    assert c.request(GET, options(ae, ae.at, "r", (coap.EC, 3))).rsc == 2000
    got = c.request(GET, options(ae, ae.at, "r", (coap.RSET, "20991231T000000")))
    assert got.rsc == 2000 and c.request(GET, options(ae, ae.at, "r", (coap.GID, "\x01"))).rsc == 4000


def test_query(c, ae):
    """CORE-290: fields as over HTTP; '+' joins, and is data when it is escaped"""
    made = ae.made(ae.at, 3, {"lbl": ["a+b", "c"]})
    for query, found in ((["fu=1", "lbl=a%2Bb"], 1), (["fu=1", "lbl=a+b"], 0), (["fu=1", "lbl=a+c"], 1), (["fu=1", "lbl=c", "ty=3"], 1)):
        got = c.request(GET, options(ae, ae.at, "q", query=query))
        assert len([u for u in got.content["m2m:uril"] if u == made]) == found, query
    for bad in (["rcn"], ["rcn=1", "rcn=4"], ["nosuch=1"], ["lbl=%zz"]):
        assert c.request(GET, options(ae, ae.at, "q", query=bad)).rsc == 4000, bad


@pytest.mark.parametrize("format,kind", [(50, "json"), (60, "cbor"), (10001, "json"), (10010, "cbor"), (10003, "json"), (10013, "cbor")])
def test_content_formats(c, ae, format, kind):
    """CORE-291"""
    import cbor2
    to, content = ae.container(), {"m2m:cin": {"con": "x"}}
    body = cbor2.dumps(content) if kind == "cbor" else json.dumps(content).encode()
    assert c.request(POST, options(ae, to, "f", (coap.TY, 4), (coap.CONTENT_FORMAT, format)), body).rsc == 2001
    got = c.request(GET, options(ae, to, "f", (coap.ACCEPT, format)))
    want = {50: 50, 60: 60}.get(format, 10010 if kind == "cbor" else 10001)
    assert got.rsc == 2000 and coap.number(got.one(coap.CONTENT_FORMAT)) == want
    assert (cbor2.loads if kind == "cbor" else json.loads)(got.payload)["m2m:cnt"]["cni"] == 1


def test_formats_that_are_not_understood(c, ae):
    """CORE-291: Accept with an unsupported id: 4.06"""
    for accept in (41, 0, 10014, 65535):
        got = c.request(GET, options(ae, ae.at, "f", (coap.ACCEPT, accept)))
        assert (got.code, got.rsc) == (code("4.06"), 5207), accept
    for format in (41, 0, 40):
        got = c.request(POST, options(ae, ae.at, "f", (coap.TY, 3), (coap.CONTENT_FORMAT, format)), b'{"m2m:cnt":{}}')
        assert (got.code, got.rsc) == (code("4.15"), 4015), format


def test_answers_are_not_kept_on_the_way(c, ae):
    """TS-0008 6.4: Max-Age 0, no ETag"""
    got = c.request(GET, options(ae, ae.at))
    assert got.one(14) == b"" and got.one(4) is None


# --- messages

def test_at_once_and_later(c, ae):
    """CORE-294: what is answered at once is in the acknowledgement, the rest comes apart, confirmable"""
    got = c.exchange(Message(CON, GET, c.mid(), b"tk", options(ae, ae.at)))
    assert got.type == ACK
    opt, body = instance(ae, ae.container())
    m = Message(CON, POST, c.mid(), b"12345678", opt, body)
    c.send(m)
    first, then = c.receive(), c.receive()
    assert (first.type, first.code, first.mid) == (ACK, 0, m.mid)
    assert then.type == CON and then.token == m.token and then.rsc == 2001 and then.mid != m.mid
    c.send(Message(ACK, 0, then.mid))


def test_repeated_request_runs_once(c, server, ae):
    """CORE-294"""
    to = ae.container()
    opt, body = instance(ae, to)
    m = Message(CON, POST, c.mid(), b"t", opt, body)
    before = server.metrics()["coap_repeated"]
    got = c.exchange(m)
    assert got.rsc == 2001
    for _ in range(3):
        c.send(m)
        again = c.receive()
        assert (again.type, again.code, again.mid) == (ACK, 0, m.mid)
    c.silent()
    assert count(ae, to) == 1 and server.metrics()["coap_repeated"] == before + 3
    again = Message(CON, POST, c.mid(), b"t", opt, body)  # another message
    assert c.exchange(again).rsc == 2001 and count(ae, to) == 2


def test_repeated_answer_is_the_same(c, ae):
    """CORE-294: and when it was answered at once, it is answered with the same bytes"""
    m = Message(CON, POST, c.mid(), b"t", options(ae, ae.at, "r", (coap.TY, 3), (coap.CONTENT_FORMAT, 50), (2049, b"")), b"{}")
    c.send(m)
    first = c.s.recv(65536)
    c.send(m)
    assert c.s.recv(65536) == first and Message.decode(first).code == code("4.02")


def test_message_ids_are_each_peers(server, ae):
    """CORE-294: the same message id from another peer is another message"""
    to, clients = ae.container(), [Coap("127.0.0.1", server.settings["coap.port"]) for _ in range(3)]
    opt, body = instance(ae, to)
    for c in clients:
        assert c.exchange(Message(CON, POST, 4711, b"t", opt, body)).rsc == 2001
        c.close()
    assert count(ae, to) == 3


def test_unconfirmed(c, ae):
    """CORE-294: NON requests are executed too, once, and the answer is NON"""
    to = ae.container()
    opt, body = instance(ae, to)
    m = Message(NON, POST, c.mid(), b"t", opt, body)
    got = c.exchange(m)
    assert got.type == NON and got.rsc == 2001
    c.send(m)
    c.silent()
    assert count(ae, to) == 1
    got = c.exchange(Message(NON, GET, c.mid(), b"u", options(ae, to)))
    assert got.type == NON and got.content["m2m:cnt"]["cni"] == 1


def test_answer_is_sent_until_acknowledged(c, server, ae):
    """CORE-294 (RFC 7252 4.2): the separate answer, and a reset ends it"""
    opt, body = instance(ae, ae.container())
    got = c.exchange(Message(CON, POST, c.mid(), b"t", opt, body), acknowledge=False)
    again = c.receive(10)
    assert again.type == CON and again.mid == got.mid and again.encode() == got.encode()
    c.send(Message(RST, 0, got.mid))
    c.silent()


def test_many_unacknowledged_answers(server, ae):
    """A peer that acknowledges nothing: after some, answers come unconfirmed, and none is lost."""
    c, to = Coap("127.0.0.1", server.settings["coap.port"]), ae.container()
    types = []
    for _ in range(24):
        opt, body = instance(ae, to)
        types.append(c.exchange(Message(CON, POST, c.mid(), os.urandom(4), opt, body), acknowledge=False).type)
    assert types[:16] == [CON] * 16 and types[16:] == [NON] * 8
    assert server.metrics()["limit_coap_unacked"] >= 8
    c.close()


def test_waiting_retrieve_runs_once(c, server, ae):
    """CORE-294: a polling channel gives a request out once, whatever is repeated"""
    a = server.register(rr=True)
    pch = a.made(a.at, 15, {})
    _, pol = a.policy([rule(a.origin, 63), rule(ae.origin, 63)])
    a.update(a.at, 2, {"acpi": [pol]}).expect(2004)
    m = Message(CON, GET, c.mid(), b"poll", options(a, pch + "/pcu", "p"))
    c.send(m)
    assert c.receive().code == 0
    c.send(m)
    got = c.receive()
    assert (got.type, got.code, got.mid) == (ACK, 0, m.mid)
    n = Coap("127.0.0.1", server.settings["coap.port"])
    n.send(Message(NON, POST, n.mid(), b"n", options(ae, a.at, "note", (coap.CONTENT_FORMAT, 50)),
                   b'{"m2m:sgn":{"sur":"cse/x","nev":{"net":1,"rep":{"m2m:cnt":{"rn":"n"}}}}}'))
    got = c.receive()
    assert got.type == CON and got.token == b"poll" and "m2m:rqp" in got.content
    c.send(Message(ACK, 0, got.mid))
    c.silent()
    n.close()


# --- blocks

@pytest.mark.parametrize("size", [16, 64, 1024])
def test_blocks(c, ae, size):
    """CORE-295"""
    to, con = ae.container(), "0123456789" * (300 if size < 1024 else 3000)
    opt, body = instance(ae, to, con)
    got = c.request(POST, opt, body, size=size)
    assert got.rsc == 2001 and (len(body) <= size or coap.block(got.one(coap.BLOCK1))[1] is False)
    got = c.request(GET, options(ae, to + "/la"), size=size)
    assert got.content["m2m:cin"]["con"] == con and coap.block(got.one(coap.BLOCK2)) == (0, True, size)
    assert count(ae, to) == 1


def test_transfers_beside_each_other(c, ae):
    """CORE-295: two requests to one target, block by block in turn, are two"""
    to = ae.container()
    one, two = instance(ae, to, "1" * 3000, "one"), instance(ae, to, "2" * 3000, "two")
    for n in range(3):
        for opt, body in (one, two):
            b = (coap.BLOCK1, block_value(n, (n + 1) * 1024 < len(body), 1024))
            got = c.exchange(Message(CON, POST, c.mid(), bytes([n]), opt + [b], body[n * 1024:(n + 1) * 1024]))
            assert got.code == code("2.31") if n < 2 else got.rsc == 2001, got
    got = c.request(GET, options(ae, to, "g", query=["rcn=8"]))
    assert sorted({x["con"] for x in got.content["m2m:cnt"]["m2m:cin"]}) == ["1" * 3000, "2" * 3000]


def test_blocks_of_others(c, server, ae):
    """A request is put together from blocks of one peer: another one, with the same options and token, neither ends nor spoils it"""
    to, other = ae.container(), Coap("127.0.0.1", server.settings["coap.port"])
    opt, body = instance(ae, to, "x" * 3000)

    def block(who, n, part=None):
        part = body[n * 1024:(n + 1) * 1024] if part is None else part
        return who.exchange(Message(CON, POST, who.mid(), b"b", opt + [(coap.BLOCK1, block_value(n, (n + 1) * 1024 < len(body), 1024))], part))

    try:
        assert block(c, 0).code == code("2.31")
        assert block(other, 1).code == code("4.08")
        assert block(other, 0, b"y" * 1024).code == code("2.31")
        assert block(c, 1).code == code("2.31") and block(c, 2).rsc == 2001
        assert ae.retrieve(to + "/la")["con"] == "x" * 3000 and count(ae, to) == 1
    finally:
        other.close()


def test_blocks_that_do_not_fit(c, server, ae):
    """CORE-295: repeated ones count once, missing ones are told (4.08), wrong ones refused"""
    to = ae.container()
    opt, body = instance(ae, to, "x" * 3000)

    def block(n, size=1024, more=None, part=None):
        more = (n + 1) * size < len(body) if more is None else more
        return c.exchange(Message(CON, POST, c.mid(), b"b", opt + [(coap.BLOCK1, block_value(n, more, size))],
                                  body[n * size:(n + 1) * size] if part is None else part)).code

    assert block(1) == code("4.08")  # nothing before it
    assert block(0) == code("2.31")
    assert block(2) == code("4.08")
    assert block(0) == code("2.31") and block(1) == code("2.31") and block(1) == code("2.31")
    assert block(0, part=b"short", more=True) == code("4.00")
    assert block(0, size=512) == code("2.31") and block(1) == code("4.08")  # it began anew
    assert count(ae, to) == 0
    assert [block(n) for n in range(3)] == [code("2.31"), code("2.31"), code("2.01")]
    assert count(ae, to) == 1
    for bad in (b"\x0f", b"\0\0\0\0"):
        assert c.exchange(Message(CON, POST, c.mid(), b"b", opt + [(coap.BLOCK1, bad)], b"x")).code == code("4.02")


def test_last_block_again(c, ae):
    """CORE-294, CORE-295: the acknowledgement of the last block was lost"""
    to = ae.container()
    opt, body = instance(ae, to, "x" * 1500)
    assert c.exchange(Message(CON, POST, c.mid(), b"b", opt + [(coap.BLOCK1, block_value(0, True, 1024))], body[:1024])).code
    last = Message(CON, POST, c.mid(), b"b", opt + [(coap.BLOCK1, block_value(1, False, 1024))], body[1024:])
    assert c.exchange(last).rsc == 2001
    c.send(last)
    again = c.receive()
    assert (again.type, again.code) == (ACK, 0) and count(ae, to) == 1


def test_answer_in_blocks_is_one_answer(c, ae):
    """CORE-295: later blocks are those of the answer that was given, though it has changed; what is not there is told"""
    to = ae.container()
    ae.instance(to, "a" * 3000)
    o = options(ae, to + "/la", "same")
    first = c.exchange(Message(CON, GET, c.mid(), b"g", o))
    ae.instance(to, "b" * 3000)
    then = c.exchange(Message(CON, GET, c.mid(), b"g", o + [(coap.BLOCK2, block_value(1, False, 1024))]))
    assert b"a" * 100 in first.payload and set(then.payload) == {ord("a")}
    assert c.exchange(Message(CON, GET, c.mid(), b"g", o + [(coap.BLOCK2, block_value(9, False, 1024))])).code == code("4.00")
    o = options(ae, to + "/la", "other")
    assert c.exchange(Message(CON, GET, c.mid(), b"g", o + [(coap.BLOCK2, block_value(1, False, 1024))])).code == code("4.08")


def test_too_large(new_server):
    """CORE-295: limits.body"""
    server = new_server({"limits.body": "4 KiB"})
    ae, c = server.register(), Coap("127.0.0.1", server.settings["coap.port"])
    opt, body = instance(ae, ae.container(), "x" * 8000)
    got = c.request(POST, opt, body)
    assert got.code == code("4.13") and server.metrics()["limit_body"] == 1
    opt, body = instance(ae, ae.at, "x" * 4500)
    assert c.exchange(Message(CON, POST, c.mid(), b"", opt, body)).code == code("4.13")
    c.close()


def test_transfers_are_bounded_and_abandoned_ones_end(new_server):
    """CORE-295: of one peer four; limits.body_time without a block"""
    server = new_server({"limits.body_time": "1s"})
    ae, c = server.register(), Coap("127.0.0.1", server.settings["coap.port"])
    to = ae.container()

    def first(rqi):
        opt, body = instance(ae, to, "x" * 2000, rqi)
        got = c.exchange(Message(CON, POST, c.mid(), b"b", opt + [(coap.BLOCK1, block_value(0, True, 1024))], body[:1024]))
        assert got.code == code("2.31")

    def second(rqi):
        opt, body = instance(ae, to, "x" * 2000, rqi)
        m = Message(CON, POST, c.mid(), b"b", opt + [(coap.BLOCK1, block_value(1, False, 1024))], body[1024:])
        return c.exchange(m).code

    for n in range(5):
        first("r%d" % n)
    assert server.metrics()["limit_coap_transfers"] == 1
    assert second("r0") == code("4.08") and second("r1") == code("2.01")
    wait_until(lambda: server.metrics()["coap_abandoned"] >= 2)
    assert second("r4") == code("4.08")
    c.close()


# --- what is no message, or a hostile one

HOSTILE = [b"", b"\x40", b"\x40\x01\x00", b"\x00\x01\x00\x01", b"\x80\x01\x00\x01", b"\xc0\x01\x00\x01", b"\x49\x01\x00\x01" + b"t" * 9,
           b"\x4f\x01\x00\x01" + b"t" * 15, b"\x44\x01\x00\x01tok", b"\x40\x01\x00\x01\xff", b"\x40\x01\x00\x01\xf0", b"\x40\x01\x00\x01\x0f",
           b"\x40\x01\x00\x01\xd0", b"\x40\x01\x00\x01\xe0\xff", b"\x40\x01\x00\x01\xe0\xff\xff", b"\x40\x01\x00\x01\xbe\xff\xffx",
           b"\x40\x01\x00\x01\xe0\xff\xff\xe0\xff\xff", b"\x40\x00\x00\x01x", b"\x41\x00\x00\x01t", b"\x40\x20\x00\x01", b"\x40\xe1\x00\x01",
           b"\x40\xff\x00\x01", b"\x40\x45\x00\x01", b"\x60\x01\x00\x01", b"\x60\x45\x00\x01", b"\x70\x00\x00\x01", b"\x70\x45\x00\x01",
           b"\x50\x45\x00\x01\xff", b"\x50\x00\x00\x01", b"\x40\x01" + b"\x10" * 8000]


@pytest.mark.parametrize("data", HOSTILE, ids=lambda d: d[:8].hex() or "empty")
def test_no_message(c, ae, data):
    """RFC 7252 4.2, 4.3: a confirmable message with a format error is reset, all else is ignored; and it goes on"""
    c.send(data)
    if len(data) > 8000:  # each option once, without a value
        assert c.receive().code == code("4.02")
    elif len(data) >= 4 and data[0] >> 6 == 1 and data[0] >> 4 & 3 == CON:
        got = c.receive()
        assert got.type == RST and got.mid == int.from_bytes(data[2:4], "big"), got
    c.silent()
    assert c.request(GET, options(ae, ae.at)).rsc == 2000


def test_random_messages(c, server, ae):
    """Bytes changed at random in a good message: the process lives, and answers what is good"""
    good = Message(CON, GET, 1, b"tttt", options(ae, ae.at, "r", (coap.ACCEPT, 50), (coap.BLOCK2, 6))).encode()
    for _ in range(3000):
        data = bytearray(good)
        for _ in range(coap._random.randrange(1, 4)):
            data[coap._random.randrange(len(data))] = coap._random.randrange(256)
        data[0] = data[0] & 0xcf | 0x10  # unconfirmed: nothing has to be read here
        c.send(bytes(data[:coap._random.randrange(4, len(data) + 1)]))
    c.close()
    assert Coap("127.0.0.1", server.settings["coap.port"]).request(GET, options(ae, ae.at)).rsc == 2000


def test_small_question_small_answer(c):
    """Who is nobody gets no large answer: little use for hitting others with forged addresses"""
    m = Message(CON, GET, c.mid(), b"", [(coap.URI_PATH, "cse")])
    c.send(m)
    assert len(c.s.recv(65536)) < 250


def test_requests_of_one_peer_are_bounded(new_server):
    """32 under way; more are refused 5.03 and counted"""
    server = new_server()
    a, c = server.register(rr=True), Coap("127.0.0.1", server.settings["coap.port"])
    silent = coap.CoapReceiver(answer=lambda m: [])
    b = server.register(rr=True, poa=[silent.url])
    _, pol = b.policy([rule(b.origin, 63), rule(a.origin, 63)])
    b.update(b.at, 2, {"acpi": [pol]}).expect(2004)
    for n in range(40):
        c.send(Message(CON, POST, c.mid(), bytes([n]), options(a, b.at, "w%d" % n, (coap.CONTENT_FORMAT, 50)), b'{"m2m:sgn":{"sur":"x"}}'))
    got = [c.receive() for _ in range(40)]
    assert [g.code for g in got].count(code("5.03")) == 8
    assert server.metrics()["limit_coap_running"] == 8
    c.close()
    silent.close()


# --- settings

def test_open_only_when_written(tmp_path):
    """As http.open: a flag alone does not open it to the network"""
    conf = tmp_path / "c.conf"
    conf.write_text("[store]\ndata = %s\n[http]\naddress =\n[coap]\naddress = 0.0.0.0\n" % (tmp_path / "d"))
    from harness.server import binary
    r = subprocess.run([binary(), "cse", "--config", str(conf), "--coap.open", "true"], capture_output=True, text=True, timeout=30)
    assert r.returncode == 2 and "coap.open" in r.stderr


# --- another implementation

def test_messages_as_libcoap_reads_them(server, ae):
    """CORE-290: options and payload of an answer, as coap-client shows them"""
    args = ["coap-client-notls", "-m", "get", "-v", "7", "-B", "3"]
    for n, v in ((coap.FR, ae.origin), (coap.RQI, "lib"), (coap.RVI, "3")):
        args += ["-O", "%d,%s" % (n, v)]
    r = subprocess.run(args + ["coap://127.0.0.1:%d/%s" % (server.settings["coap.port"], ae.at)], capture_output=True, text=True, timeout=30)
    text = r.stdout + r.stderr
    m = re.search(r"v:1 t:ACK c:2\.05 .*\[ (.*) \] :: '(.*)'", text)
    assert m, text
    assert "Content-Format:application/json" in m[1] and "Max-Age:0" in m[1] and "271:\\x33" in m[1] and "283:\\x6C\\x69\\x62" in m[1]
    assert "307:\\x07\\xD0" in m[1], m[1]
    assert '"rn":"%s"' % ae.name in m[2].replace("\\", "")
