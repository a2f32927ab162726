# SPDX-License-Identifier: Apache-2.0
"""Clients that do not behave: broken HTTP, broken JSON, too much of everything, and peers that stall or vanish.

Each test ends by asking the server something: it must still be there for others.
"""

import json
import resource
import socket
import threading
import time

import pytest

from harness import rule, unique, wait_until
from harness.raw import Raw, message


@pytest.fixture(autouse=True)
def still_there(request):
    """After each test the shared server answers as before."""
    yield
    if "server" in request.fixturenames:
        server = request.getfixturevalue("server")
        assert server.health()[0] == 200
        a = server.register()
        a.retrieve(a.at).expect(2000)


def ask(server, data):
    """Answer to these bytes on a connection of their own; None: closed without one."""
    with Raw(server) as c:
        c.send(data)
        return c.answer()


def refused(server, data, statuses=(400,)):
    """Answered with one of these statuses, or not at all, and the connection is of no more use."""
    with Raw(server) as c:
        try:
            c.send(data)
        except (BrokenPipeError, ConnectionResetError):
            return
        a = c.answer()
        assert a is None or a.status in statuses, a
        assert c.closed(), "the connection stayed open"


# --- HTTP

def test_split_at_every_byte(server, ae):
    """A request in two pieces, cut at every place"""
    body = json.dumps({"m2m:cin": {"con": "split"}}).encode()
    cnt = ae.container(mni=5)
    data = message("POST", "/" + cnt, [("Content-Type", "application/json;ty=4")], body, ae.origin)
    with Raw(server) as c:
        for at in range(1, len(data)):
            c.send(data[:at])
            if at % 8 == 0:
                time.sleep(0.001)  # let the first piece arrive alone
            assert c.send(data[at:]).answer().rsc == 2001, "cut at %d" % at


def test_byte_by_byte(server, ae):
    """A request in pieces of one byte"""
    data = message("GET", "/" + ae.at, origin=ae.origin)
    with Raw(server) as c:
        for b in data:
            c.send(bytes([b]))
        assert c.answer().rsc == 2000


def test_pipelined(server, ae):
    """Many requests without waiting: answered in order, changes too"""
    cnt = ae.container()
    data, n = b"", 60
    for i in range(n):
        if i % 3 == 0:
            body = json.dumps({"m2m:cin": {"con": i}}).encode()
            data += message("POST", "/" + cnt, [("Content-Type", "application/json;ty=4")], body, ae.origin, rqi="p%d" % i)
        else:
            data += message("GET", "/" + cnt + "/la", origin=ae.origin, rqi="p%d" % i)
    with Raw(server) as c:
        c.send(data)
        for i in range(n):
            a = c.answer()
            assert a.headers["x-m2m-ri"] == "p%d" % i
            assert a.rsc == (2001 if i % 3 == 0 else 2000)
            got = json.loads(a.body)["m2m:cin"]["con"]
            assert got == i - i % 3


def test_pipelined_and_split(server, ae):
    """The same stream in odd pieces"""
    data = b"".join(message("GET", "/" + ae.at, origin=ae.origin, rqi="q%d" % i) for i in range(20))
    with Raw(server) as c:
        for at in range(0, len(data), 37):
            c.send(data[at:at + 37])
        for i in range(20):
            assert c.answer().headers["x-m2m-ri"] == "q%d" % i


GARBAGE = [b"\x00" * 100, b"\xff" * 100, b"\r\n\r\n\r\nGARBAGE\r\n\r\n", b"GET\r\n\r\n", b"GET /\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET / HTTQ/1.1\r\n\r\n",
           b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"a" * 200, b"SSH-2.0-OpenSSH_9.2\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
           b"GET / HTTP/1.1\r\nHost: x\r\n broken: folded\r\n\r\n", b"GET / HTTP/1.1\r\nHost: x\r\nNoColon\r\n\r\n",
           b"GET / HTTP/1.1\r\nHost: x\r\n: no name\r\n\r\n", b"GET / HTTP/1.1\r\nHost: x\r\nBad Name: x\r\n\r\n",
           b"GET / HTTP/1.1\r\nHost: x\r\nX: a\x00b\r\n\r\n", b"GET  /  HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /\x00 HTTP/1.1\r\nHost: x\r\n\r\n",
           b"GET http:// HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /a b HTTP/1.1\r\nHost: x\r\n\r\n"]


@pytest.mark.parametrize("data", GARBAGE, ids=range(len(GARBAGE)))
def test_garbage(server, data):
    """What is no HTTP is answered with 400 (505 for a version) or the connection is closed"""
    with Raw(server, timeout=20) as c:
        c.send(data)
        c.s.shutdown(socket.SHUT_WR)
        a = c.answer()
        assert a is None or a.status in (400, 405, 501, 505), a


@pytest.mark.parametrize("method", ["PATCH", "FOO", "G" * 5000, "GE T", "gET", "POSTPOST", "\x01"])
def test_unknown_method(server, ae, method):
    """Refused"""
    with Raw(server) as c:
        c.send(message(method, "/" + ae.at, origin=ae.origin))
        a = c.answer()
        assert a is None or a.status in (400, 405, 431, 501), a


@pytest.mark.parametrize("extra", [
    [("Content-Length", "5"), ("Content-Length", "6")], [("Content-Length", "-1")], [("Content-Length", "x")], [("Content-Length", "")],
    [("Content-Length", "5, 6")], [("Content-Length", "0x5")], [("Content-Length", "99999999999999999999999")],
    [("Transfer-Encoding", "chunked"), ("Content-Length", "5")], [("Transfer-Encoding", "gzip")], [("Transfer-Encoding", "chunked, gzip")],
    [("Transfer-Encoding", "xchunked")], [("Content-Length", "+5")], [("Content-Length", "5 5")],
], ids=repr)
def test_conflicting_lengths(server, ae, extra):
    """Request smuggling: two opinions about where the message ends are no request"""
    cnt = ae.container()
    data = message("POST", "/" + cnt, [("Content-Type", "application/json;ty=3")] + extra, origin=ae.origin)
    refused(server, data + b"0\r\n\r\nGET /" + cnt.encode() + b" HTTP/1.1\r\n\r\n", (400, 411, 413, 501))
    assert ae.retrieve(cnt, {"rcn": 6}).res["rrf"] == []


@pytest.mark.parametrize("chunks", [
    b"x\r\n", b"-5\r\nhello\r\n0\r\n\r\n", b"ffffffffffffffffff\r\n", b"7fffffffffffffff\r\n", b"\r\n",
    b"5\r\nhelloXX0\r\n\r\n", b"5 5\r\nhello\r\n0\r\n\r\n",
])
def test_broken_chunks(server, ae, chunks):
    """Chunk sizes that are none, or do not hold"""
    data = message("POST", "/" + ae.at, [("Content-Type", "application/json;ty=3"), ("Transfer-Encoding", "chunked")], origin=ae.origin)
    refused(server, data + chunks, (400, 413))


def test_empty_header_values(server, ae):
    """A header without value"""
    head = "GET /%s HTTP/1.1\r\nHost: x\r\nX-M2M-Origin: %s\r\nX-M2M-RI: r\r\nX-M2M-RVI: 3\r\n" % (ae.at, ae.origin)
    for extra in ("X-Unknown:\r\n", "X-M2M-VSI:\r\n", "Accept:\r\n"):
        a = ask(server, (head + extra + "\r\n").encode())
        assert a.status < 500, (extra, a)
    for extra in ("X-M2M-RET:\r\n", "X-M2M-OET: \r\n", "X-M2M-EC:\r\n"):
        assert ask(server, (head + extra + "\r\n").encode()).rsc == 4000, extra


@pytest.mark.parametrize("n", [100, 1000, 8000, 70000])
def test_long_identifiers(server, ae, n):
    """Identifiers of any length get an answer"""
    x = "a" * n
    for target, origin, rqi in (("/" + ae.at + "/" + x, ae.origin, "r"), ("/" + x, ae.origin, "r"), ("/~/" + x + "/b", ae.origin, "r"),
                                ("/" + ae.at, "C" + x, "r"), ("/" + ae.at, ae.origin, x), ("/" + ae.at + "?lbl=" + x + "&fu=1", ae.origin, "r"),
                                ("/" + "a/" * (n // 2), ae.origin, "r")):
        with Raw(server) as c:
            try:
                c.send(message("GET", target, origin=origin, rqi=rqi))
            except (BrokenPipeError, ConnectionResetError):
                continue
            a = c.answer()
            assert a is None or a.rsc in (2000, 4004, 4106, 4000) or a.status in (400, 414, 431), a


def test_long_names(ae):
    """A resource name longer than the limit is refused, at the limit accepted"""
    ae.create(ae.at, 3, {"rn": "n" * 128}).expect(2001)
    for n in (129, 500, 20000):
        ae.create(ae.at, 3, {"rn": "n" * n}).expect(4000)


def test_long_stem(server):
    """AE-ID-Stems are bounded"""
    name = unique("ae")
    r = server.entity("C" + "x" * 5000).create(server.base, 2, {"rn": name, "api": "Ntest", "rr": False, "srv": ["3"]})
    r.expect(4000)


def test_deep_tree(ae):
    """A tree as deep as addresses reach; it is deleted at once"""
    at = ae.container()
    top = at
    for i in range(60):
        at = ae.container(at, rn="d")
    ae.retrieve(at).expect(2000)
    ae.retrieve(top, {"rcn": 6}).expect(2000)
    ae.retrieve(top, {"rcn": 4}).expect(2000)
    assert len(ae.found(top)) == 60
    ae.delete(top).expect(2002)
    ae.retrieve(at).expect(4004)


def test_deep_tree_by_short_addresses(ae):
    """Deeper than any structured address: by ri, until the server says stop or 300 levels"""
    ri = ae.retrieve(ae.container())["ri"]
    top = ri
    for _ in range(300):
        r = ae.create(ri, 3, {"rn": "d"})
        if r.rsc != 2001:
            r.refused()
            break
        ri = r["ri"]
    assert ae.retrieve(top, {"rcn": 6}).rsc // 1000 in (2, 5)  # all of it, or more than one answer may hold
    ae.discover(top).expect(2000)
    ae.retrieve(ri).expect(2000)
    ae.delete(top).expect(2002)
    ae.retrieve(ri).expect(4004)


# --- clients that stop

def test_clients_that_vanish(server, ae):
    """Closed or reset at every stage, also while an answer is due"""
    body = b'{"m2m:cin":{"con":"v"}}'
    cnt = ae.container(mni=3)
    data = message("POST", "/" + cnt, [("Content-Type", "application/json;ty=4")], body, ae.origin)
    for at in range(0, len(data) + 1, 7):
        for linger in (None, b"\x01\x00\x00\x00\x00\x00\x00\x00"):
            s = socket.create_connection((server.address, server.port))
            if linger:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            s.sendall(data[:at])
            s.close()
    for _ in range(50):
        s = socket.create_connection((server.address, server.port))
        s.sendall(data * 5)
        s.close()


def test_half_closed(server, ae):
    """A client that closes its sending side still gets its answer"""
    with Raw(server) as c:
        c.send(message("GET", "/" + ae.at, origin=ae.origin))
        c.s.shutdown(socket.SHUT_WR)
        assert c.answer().rsc == 2000


def test_client_that_does_not_read(server, ae):
    """Answers pile up in the socket; others are served, and when it reads at last it gets what it asked for"""
    cnt = ae.container()
    ae.create(cnt, 4, {"con": "x" * 200000}).expect(2001)
    with Raw(server, timeout=60) as c:
        n = 60  # more than the socket buffers hold
        sender = threading.Thread(target=lambda: c.send(b"".join(message("GET", "/" + cnt + "/la", origin=ae.origin, rqi="s%d" % i) for i in range(n))))
        sender.start()
        for _ in range(20):
            ae.retrieve(cnt).expect(2000)
        for i in range(n):
            a = c.answer()
            assert a.rsc == 2000 and a.headers["x-m2m-ri"] == "s%d" % i
        sender.join(30)


def test_many_idle_connections(server, ae):
    """Thousands of connections that say nothing do not keep others from being served"""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    want = 10000
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, want + 500)), hard))
    n = min(want, min(hard, max(soft, want + 500)) // 2 - 200)
    idle = []
    try:
        for i in range(n):
            s = socket.socket()
            s.connect((server.address, server.port))
            if i % 3 == 0:
                s.sendall(b"GET /cse HTTP/1.1\r\nHost:")
            idle.append(s)
        with Raw(server) as c:
            assert c.send(message("GET", "/" + ae.at, origin=ae.origin)).answer().rsc == 2000
        cnt = ae.container()
        ae.instance(cnt)
    finally:
        for s in idle:
            s.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert n >= 2000


# --- JSON

def create(ae, body, media="application/json"):
    return ae.create(ae.at, 3, None, body=body, media=media)


BAD_JSON = {
    "empty": b"", "blank": b"   ", "open": b"{", "open string": b'{"m2m:cnt":{"rn":"n', "open array": b'{"m2m:cnt":{"lbl":["a"', "rest": b'{"m2m:cnt":{"rn":"n"}}x',
    "two": b'{"m2m:cnt":{"rn":"n"}}{"m2m:cnt":{"rn":"m"}}', "trailing comma": b'{"m2m:cnt":{"rn":"n",}}', "trailing comma in array": b'{"m2m:cnt":{"lbl":["a",]}}',
    "no comma": b'{"m2m:cnt":{"rn":"n" "mni":1}}', "no colon": b'{"m2m:cnt" {"rn":"n"}}', "single quotes": b"{'m2m:cnt':{'rn':'n'}}",
    "unquoted": b'{m2m:{rn:"n"}}', "comment": b'{"m2m:cnt":{"rn":"n"/*x*/}}', "nan": b'{"m2m:cnt":{"mni":NaN}}', "infinity": b'{"m2m:cnt":{"mni":Infinity}}',
    "plus": b'{"m2m:cnt":{"mni":+1}}', "leading zero": b'{"m2m:cnt":{"mni":01}}', "dot first": b'{"m2m:cnt":{"mni":.5}}', "dot last": b'{"m2m:cnt":{"mni":5.}}',
    "hex": b'{"m2m:cnt":{"mni":0x5}}', "minus": b'{"m2m:cnt":{"mni":-}}', "exponent": b'{"m2m:cnt":{"mni":1e}}', "True": b'{"m2m:cnt":{"disr":True}}',
    "control character": b'{"m2m:cnt":{"rn":"n","lbl":["a\x01b"]}}', "newline": b'{"m2m:cnt":{"lbl":["a\nb"]}}', "raw tab": b'{"m2m:cnt":{"lbl":["a\tb"]}}',
    "raw nul": b'{"m2m:cnt":{"lbl":["a\x00b"]}}', "nul behind": b'{"m2m:cnt":{"rn":"n"}}\x00', "escaped nul": b'{"m2m:cnt":{"lbl":["a\\u0000b"]}}',
    "bad escape": b'{"m2m:cnt":{"lbl":["\\x41"]}}', "short escape": b'{"m2m:cnt":{"lbl":["\\u12"]}}', "no hex": b'{"m2m:cnt":{"lbl":["\\uzzzz"]}}',
    "lone high surrogate": b'{"m2m:cnt":{"lbl":["\\ud800"]}}', "lone low surrogate": b'{"m2m:cnt":{"lbl":["\\udc00"]}}',
    "surrogate and text": b'{"m2m:cnt":{"lbl":["\\ud800\\u0041"]}}', "bad utf-8": b'{"m2m:cnt":{"lbl":["\xff\xfe"]}}', "latin-1": b'{"m2m:cnt":{"lbl":["\xe4"]}}',
    "overlong": b'{"m2m:cnt":{"lbl":["\xc0\xaf"]}}', "overlong nul": b'{"m2m:cnt":{"lbl":["\xc0\x80"]}}', "surrogate in utf-8": b'{"m2m:cnt":{"lbl":["\xed\xa0\x80"]}}',
    "beyond unicode": b'{"m2m:cnt":{"lbl":["\xf4\x90\x80\x80"]}}', "cut utf-8": b'{"m2m:cnt":{"lbl":["\xe2\x82"]}}', "bom": b'\xef\xbb\xbf{"m2m:cnt":{"rn":"n"}}',
    "utf-16": '{"m2m:cnt":{"rn":"n"}}'.encode("utf-16"), "duplicate": b'{"m2m:cnt":{"rn":"n","rn":"m"}}', "duplicate root": b'{"m2m:cnt":{},"m2m:cnt":{}}',
    "duplicate deep": b'{"m2m:cnt":{"rn":"n","lbl":[],"x":{"a":1,"a":2}}}', "huge number": b'{"m2m:cnt":{"mni":1' + b"0" * 5000 + b"}}",
    "huge exponent": b'{"m2m:cnt":{"mni":1e999999999999}}', "tiny exponent": b'{"m2m:cnt":{"mni":1e-999999999}}', "long fraction": b'{"m2m:cnt":{"mni":0.' + b"9" * 5000 + b"}}",
    "deep arrays": b'{"m2m:cnt":{"lbl":' + b"[" * 10000 + b"]" * 10000 + b"}}", "deep objects": b'{"m2m:cnt":' + b'{"a":' * 10000 + b"1" + b"}" * 10000 + b"}",
    "open deep": b"[" * 100000, "separators": b'{"m2m:cnt"\xc2\xa0:{}}', "form feed": b'{"m2m:cnt":\x0c{}}',
}


@pytest.mark.parametrize("name", sorted(BAD_JSON))
def test_bad_json(server, ae, name):
    """CORE-268, CORE-044: refused with 4000, and nothing is created"""
    create(ae, BAD_JSON[name]).expect(4000)
    assert ae.retrieve(ae.at, {"rcn": 6}).expect(2000).res["rrf"] == []


def test_depth_of_content(server, ae):
    """Nesting at the limit of 32 is accepted, one more is refused — in JSON and in CBOR"""
    import cbor2
    cnt = ae.container()

    def nested(n):
        v = "x"
        for _ in range(n):
            v = [v]
        return v
    # the root object, the instance, then the arrays
    for media in ("application/json", "application/cbor"):
        ae.create(cnt, 4, {"con": nested(29)}, media=media).expect(2001)
        ae.create(cnt, 4, {"con": nested(40)}, media=media).expect(4000)
        ae.create(cnt, 4, {"con": nested(400)}, media=media).expect(4000)
    assert ae.retrieve(cnt)["cni"] == 2
    assert cbor2.loads(ae.retrieve(cnt + "/la", accept="application/cbor").body)["m2m:cin"]["con"] == nested(29)


def test_many_members(server, ae):
    """Many attributes, labels, rules: bounded or stored, never harmful"""
    create(ae, json.dumps({"m2m:cnt": {"a%d" % i: i for i in range(20000)}}).encode()).expect(4000)
    create(ae, json.dumps({"m2m:cnt": {"rn": "many", "lbl": ["l%d" % i for i in range(2000)]}}).encode())
    ae.create(ae.at, 1, {"pv": {"acr": [rule("C%d" % i, 63) for i in range(1000)]}, "pvs": {"acr": [rule("all", 63)]}})
    ae.create(ae.at, 9, {"mnm": 5000, "mid": ["cse/x%d" % i for i in range(3000)]})


def test_colliding_names(server, ae):
    """Member names chosen alike do not make parsing slow: 50,000 of them in one object are refused within the timeout of the client"""
    body = b'{"m2m:cin":{"con":{' + b",".join(b'"k%08d":0' % i for i in range(50000)) + b"}}}"
    cnt = ae.container()
    r = ae.create(cnt, 4, None, body=body)
    assert r.rsc in (2001, 4000), r


# --- limits: each set small in a server of its own; meeting one is refused, counted, and harms nobody

def counted(server, name, act):
    """The counter reeve_<name> goes up by what act() does."""
    before = server.metrics()[name]
    act()
    wait_until(lambda: server.metrics()[name] > before, message="counter %s did not move" % name)


@pytest.fixture
def small(servers):
    def get(**settings):
        return servers(**{k.replace("__", "."): v for k, v in settings.items()})
    return get


def test_limit_body(small):
    """limits.body"""
    s = small(limits__body=2048)
    a = s.register()
    cnt = a.container()
    a.create(cnt, 4, {"con": "x" * 1900}).expect(2001)

    def over():
        data = message("POST", "/" + cnt, [("Content-Type", "application/json;ty=4")], b'{"m2m:cin":{"con":"%s"}}' % (b"x" * 4000), a.origin)
        with Raw(s) as c:
            try:
                c.send(data)
                r = c.answer()
            except (BrokenPipeError, ConnectionResetError):
                return
            assert r is None or r.status == 413, r
    counted(s, "limit_body", over)

    def chunked():
        head = message("POST", "/" + cnt, [("Content-Type", "application/json;ty=4"), ("Transfer-Encoding", "chunked")], origin=a.origin)
        with Raw(s) as c:
            try:
                c.send(head)
                for _ in range(10):
                    c.send(b"400\r\n" + b"x" * 1024 + b"\r\n")
                r = c.answer()
            except (BrokenPipeError, ConnectionResetError):
                return
            assert r is None or r.status == 413, r
    counted(s, "limit_body", chunked)
    assert a.retrieve(cnt)["cni"] == 1


def test_limit_header(small):
    """limits.header: one long line, and many lines"""
    s = small(limits__header=2048)
    a = s.register()

    def over(headers):
        def act():
            with Raw(s) as c:
                try:
                    c.send(message("GET", "/" + a.at, headers, origin=a.origin))
                    r = c.answer()
                except (BrokenPipeError, ConnectionResetError):
                    return
                assert r is None or r.status in (400, 431), r
        return act
    counted(s, "limit_header", over([("X-Long", "x" * 4000)]))
    counted(s, "limit_header", over([("X-%d" % i, "x") for i in range(400)]))
    a.retrieve(a.at, headers={"X-Fine": "x" * 800}).expect(2000)


def test_limit_json(small):
    """limits.json_depth, limits.json_tokens"""
    s = small(limits__json_depth=8, limits__json_tokens=100)
    a = s.register()
    cnt = a.container()
    counted(s, "limit_json", lambda: a.create(cnt, 4, {"con": [[[[[[[[[1]]]]]]]]]}).expect(4000))
    counted(s, "limit_json", lambda: a.create(cnt, 4, {"con": list(range(200))}).expect(4000))
    counted(s, "limit_json", lambda: a.create(cnt, 4, {"con": [[[[[[[[[1]]]]]]]]]}, media="application/cbor").expect(4000))
    a.create(cnt, 4, {"con": [[1, 2]]}).expect(2001)


def test_limit_connections(new_server):
    """limits.connections"""
    s = new_server({"limits.connections": 20})
    s.client.close()
    held = []

    def fill():
        for _ in range(40):
            c = socket.create_connection((s.address, s.port))
            held.append(c)
    try:
        fill()
        def turned_away(c):
            """503, and then the end."""
            c.settimeout(0.3)
            got = b""
            try:
                while True:
                    data = c.recv(4096)
                    if not data:
                        return got == b"" or got.startswith(b"HTTP/1.1 503")
                    got += data
            except ConnectionResetError:
                return True
            except TimeoutError:
                return False
        assert sum(turned_away(c) for c in held) in (20, 21)  # the last look at /healthz may still count
    finally:
        for c in held:
            c.close()
    wait_until(s.health)
    assert wait_until(lambda: s.health() and s.metrics()["limit_connections"] >= 20)


def test_limit_results(small):
    """limits.results: the answer is cut and says so, and the rest can be had"""
    s = small(limits__results=10)
    a = s.register()
    top = a.container()
    want = {a.container(top) for _ in range(25)}
    got, query, before = [], {}, s.metrics()["limit_results"]
    for _ in range(10):
        r = a.discover(top, query).expect(2000)
        assert len(r.res) <= 10
        got += r.res
        if r.headers.get("x-m2m-cts") != "1":
            break
        query["ofst"] = r.headers["x-m2m-cto"]
    assert set(got) == want and len(got) == 25
    assert s.metrics()["limit_results"] > before


def test_limit_visits(small):
    """limits.discovery_visits: an expensive discovery ends, marked as partial"""
    s = small(limits__discovery_visits=20)
    a = s.register()
    top = a.container()
    for _ in range(40):
        a.container(top)
    r = a.discover(top, {"mni": 5}).expect(2000)
    assert r.res == [] and r.headers["x-m2m-cts"] == "1"
    assert s.metrics()["limit_results"] >= 1


def test_limit_response(small):
    """limits.response: too much for one answer"""
    s = small(limits__response=8192)
    a = s.register()
    cnt = a.container()
    for _ in range(10):
        a.instance(cnt, "x" * 2000)

    before = s.metrics()
    r = a.retrieve(cnt, {"rcn": 4})
    if r.rsc == 2000:  # cut at whole children
        assert r.headers["x-m2m-cts"] == "1" and len(r.body) <= 8192
        assert s.metrics()["limit_results"] > before["limit_results"]
    else:
        assert r.rsc // 1000 == 5, r
        assert s.metrics()["limit_response"] > before["limit_response"]
    a.retrieve(cnt).expect(2000)
    a.retrieve(cnt + "/la").expect(2000)


def test_limit_memory(small):
    """limits.request_memory"""
    s = small(limits__request_memory=65536)
    a = s.register()
    cnt = a.container()
    body = b'{"m2m:cin":{"con":[' + b",".join(b"[1]" for _ in range(20000)) + b"]}}"

    def over():
        r = a.create(cnt, 4, None, body=body)
        assert r.rsc // 1000 in (4, 5), r
    before = s.metrics()
    over()
    after = s.metrics()
    assert after["limit_memory"] + after["limit_json"] > before["limit_memory"] + before["limit_json"]
    a.instance(cnt)


def test_limit_name(small):
    """limits.name"""
    s = small(limits__name=16)
    a = s.register(name="short")
    a.create(a.at, 3, {"rn": "n" * 16}).expect(2001)
    a.create(a.at, 3, {"rn": "n" * 17}).expect(4000)


def test_limit_fanout(new_server):
    """limits.fanout_members"""
    s = new_server({"limits.fanout_members": 4})
    a = s.register()
    members = [a.container() for _ in range(4)]
    big = a.made(a.at, 9, {"mnm": 10, "mid": members})
    a.retrieve(big + "/fopt").expect(2000)
    s.stop()
    s.settings["limits.fanout_members"] = 3
    s.start()

    def over():
        r = a.update(big + "/fopt", 3, {"lbl": ["x"]})
        assert r.rsc // 1000 in (4, 5), r
    counted(s, "limit_fanout", over)
    assert not any("lbl" in a.retrieve(m) for m in members)


def test_limit_parked(small):
    """limits.parked: waiting polls"""
    s = small(limits__parked=2)
    a = [s.register() for _ in range(4)]
    channels = [x.made(x.at, 15, {}) for x in a]
    answers = []
    threads = [threading.Thread(target=lambda x=x, c=c: answers.append(x.retrieve(c + "/pcu", headers={"X-M2M-RET": "3000"}).rsc))
               for x, c in zip(a, channels)]
    before = s.metrics()["limit_parked"]
    for t in threads:
        t.start()
    for t in threads:
        t.join(30)
    assert answers.count(4008) == 2 and len(answers) == 4, answers
    assert all(x // 1000 in (4, 5) for x in answers)
    assert s.metrics()["limit_parked"] == before + 2


def test_limit_polled(small):
    """limits.polled: requests waiting in one channel"""
    s = small(limits__polled=2)
    sender, target = s.register(), s.register()
    _, pol = target.policy([rule("all", 63)])
    target.update(target.at, 2, {"acpi": [pol]}).expect(2004)
    target.made(target.at, 15, {})
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(sender.notify(target.at, {"m2m:sgn": {"sur": "x"}}, headers={"X-M2M-RET": "3000"}).rsc))
               for _ in range(4)]
    before = s.metrics()["limit_polled"]
    for t in threads:
        t.start()
    for t in threads:
        t.join(30)
    assert len(answers) == 4 and all(x // 1000 in (4, 5) for x in answers), answers
    assert s.metrics()["limit_polled"] == before + 2


def test_limit_outbox(small):
    """limits.outbox_per_sub: notifications that nobody takes"""
    s = small(limits__outbox_per_sub=3, notify__retry_first="1h", notify__retry_most="1h")
    a = s.register()
    cnt = a.container()
    a.made(cnt, 23, {"nu": ["http://127.0.0.1:9/none"], "enc": {"net": [3]}})
    before = s.metrics()["limit_outbox"]
    for i in range(10):
        a.instance(cnt, str(i))
    wait_until(lambda: s.metrics()["limit_outbox"] >= before + 6)
    a.retrieve(cnt).expect(2000)


def test_timeouts(small):
    """limits.idle, limits.header_time, limits.body_time: slow and silent clients are let go"""
    s = small(limits__idle="1s", limits__header_time="1s", limits__body_time="1s")
    a = s.register()
    before = s.metrics()
    with Raw(s) as silent, Raw(s) as header, Raw(s) as body:
        header.send(b"GET /cse HTTP/1.1\r\nHost: x\r\n")
        body.send(message("POST", "/" + a.at, [("Content-Type", "application/json;ty=3"), ("Content-Length", "100")], origin=a.origin) + b'{"m2m')
        for c in (silent, header, body):
            r = c.answer()
            assert r is None or r.status == 408, r
            assert c.closed()
    after = s.metrics()
    assert after["timeout_idle"] > before["timeout_idle"]
    assert after["timeout_header"] >= before["timeout_header"] + 2


def test_slow_drip(small):
    """A client that sends a byte now and then does not keep its connection by that"""
    s = small(limits__idle="1s", limits__header_time="1s", limits__body_time="1s")
    with Raw(s) as c:
        deadline = time.monotonic() + 10
        c.send(b"GET /")
        try:
            while time.monotonic() < deadline:
                c.send(b"x")
                c.s.settimeout(0.1)
                try:
                    if c.s.recv(100) == b"":
                        break
                except TimeoutError:
                    continue
        except (BrokenPipeError, ConnectionResetError):
            pass
        assert time.monotonic() < deadline, "held for ten seconds"


def test_limit_write_queue(small):
    """limits.write_queue: overload is refused with 5xxx, counted, and what was accepted is done"""
    s = small(limits__write_queue=1)
    a = s.register()
    cnt = a.container()
    before = s.metrics()["limit_write_queue"]
    answers = []

    def work():
        with Raw(s) as c:
            body = b'{"m2m:cin":{"con":"x"}}'
            c.send(message("POST", "/" + cnt, [("Content-Type", "application/json;ty=4")], body, a.origin) * 30)
            for _ in range(30):
                answers.append(c.answer().rsc)
    threads = [threading.Thread(target=work) for _ in range(16)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(60)
    assert len(answers) == 480
    refused_n = sum(1 for x in answers if x // 1000 == 5)
    assert set(answers) <= {2001} | {x for x in answers if x // 1000 == 5}
    assert a.retrieve(cnt)["cni"] == answers.count(2001)
    assert s.metrics()["limit_write_queue"] == before + refused_n
