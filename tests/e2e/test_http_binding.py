# SPDX-License-Identifier: Apache-2.0
"""HTTP binding: catalogue 16.1 and 17.20."""

import json

import pytest

from harness import stamp, unique
from harness.client import path_of
from harness.raw import Raw, message


def test_methods(server, ae):
    """CORE-275"""
    cnt = ae.container()
    assert ae.client.primitive("POST", cnt, ae.origin, ty=3, content={"m2m:cnt": {"rn": "k"}}).rsc == 2001
    assert ae.client.primitive("GET", cnt + "/k", ae.origin).rsc == 2000
    assert ae.client.primitive("PUT", cnt + "/k", ae.origin, content={"m2m:cnt": {"lbl": ["x"]}}).rsc == 2004
    assert ae.client.primitive("DELETE", cnt + "/k", ae.origin).rsc == 2002
    # without ty the same POST is a Notify: nothing is created
    r = ae.client.primitive("POST", cnt, ae.origin, content={"m2m:cnt": {"rn": "k"}})
    r.refused()
    ae.retrieve(cnt + "/k").expect(4004)


@pytest.mark.parametrize("method", ["PATCH", "OPTIONS", "TRACE", "PROPFIND", "get", "LINK", "HEAD"])
def test_other_methods(server, ae, method):
    """CORE-275: no operation: refused, nothing happens (answered or closed, but the server lives)"""
    cnt = ae.container()
    with Raw(server) as c:
        c.send(message(method, "/" + cnt, origin=ae.origin))
        if method == "HEAD":
            c.s.settimeout(5)
            data = c.s.recv(65536)
            assert data.startswith(b"HTTP/1.1 4") or data.startswith(b"HTTP/1.1 5") or data == b""
        else:
            a = c.answer()
            assert a is None or a.status in (400, 405, 501)
    ae.retrieve(cnt).expect(2000)


@pytest.mark.parametrize("content_type", ["application/json;ty=3", "application/json; ty=3", "application/json ;ty=3", "application/json;TY=3",
                                          "application/json;charset=utf-8;ty=3", "application/vnd.onem2m-res+json;ty=3", 'application/json;ty="3"'])
def test_type_in_content_type(ae, content_type):
    """CORE-275, CORE-280: parameter of the media type, by the rules of RFC 7231"""
    name = unique()
    r = ae.client.primitive("POST", ae.at, ae.origin, body=b'{"m2m:cnt":{"rn":"%s"}}' % name.encode(), media=content_type)
    r.expect(2001)


def test_paths(server, ae):
    """CORE-276"""
    cnt = ae.container()
    want = ae.retrieve(cnt).content
    for target in ("/" + cnt, "/~%s/%s" % (server.cse_id, cnt), "/_/%s%s/%s" % (server.sp_id[2:], server.cse_id, cnt)):
        assert ae.retrieve(cnt, target=target).expect(2000).content == want
    assert path_of("//sp.example/c/x") == "/_/sp.example/c/x"
    ae.retrieve(cnt, target="/~" + cnt).expect(4004)
    ae.retrieve(cnt, target="//" + cnt).refused()
    ae.retrieve(cnt, target="/_" + cnt).refused()


def test_absolute_form(server, ae):
    """CORE-276: the request-target towards a proxy (RFC 7230 5.3.2)"""
    cnt = ae.container(lbl=["abs"])
    r = ae.retrieve(cnt, target="http://127.0.0.1:%d/%s" % (server.port, cnt)).expect(2000)
    assert r["lbl"] == ["abs"]


def test_percent_encoding(ae):
    """CORE-276: of path segments"""
    cnt = ae.container(rn="a.b")
    assert ae.retrieve(cnt, target="/" + cnt.replace("a.b", "%61%2Eb")).expect(2000)["rn"] == "a.b"
    for bad in ("%", "%6", "%zz", "%00", "a%00.b"):
        r = ae.retrieve(cnt, target="/" + ae.at + "/" + bad)
        r.refused()


@pytest.mark.parametrize("query", ["rcn=1", "rcn=1&", "rcn=%31", "rt=3&rcn=1", "rp=60000", "drt=1", ""])
def test_query_parameters(ae, query):
    """CORE-277"""
    cnt = ae.container()
    target = "/" + cnt + ("?" + query if query is not None else "")
    r = ae.retrieve(cnt, target=target)
    r.expect(2000)


@pytest.mark.parametrize("query", ["rcn=1&rcn=4", "rcn", "rcn=", "rt=3&rt=1", "=1", "rcn=1=2", "drt=9", "rp=x", "da=maybe", "rcn=%", "rcn=%zz",
                                   "fu=1&fu=2", "lim=1&lim=2", "lvl=1&lvl=2"])
def test_bad_query_parameters(ae, query):
    """CORE-277: single values given twice or malformed"""
    ae.retrieve(ae.at, target="/" + ae.at + "?" + query).expect(4000)


def test_lists_in_the_query(ae):
    """CORE-277: ty=2+3 gives two types, %2B is a plus sign"""
    ae.container(rn="c")
    grp = ae.made(ae.at, 9, {"rn": "g", "mnm": 1, "mid": []})
    ae.made(ae.at, 15, {"rn": "p"})
    r = ae.client.primitive("GET", ae.at, ae.origin, target="/" + ae.at + "?fu=1&ty=3+9").expect(2000)
    assert set(r.res) == {ae.at + "/c", grp}
    ae.container(rn="plus", lbl=["a+b"])
    r = ae.client.primitive("GET", ae.at, ae.origin, target="/" + ae.at + "?fu=1&lbl=a%2Bb").expect(2000)
    assert r.res == [ae.at + "/plus"]
    r = ae.client.primitive("GET", ae.at, ae.origin, target="/" + ae.at + "?fu=1&lbl=a+b").expect(2000)
    assert r.res == []


def test_attribute_list(ae):
    """CORE-279"""
    cnt = ae.container(lbl=["x"], mni=3)
    r = ae.client.primitive("GET", cnt, ae.origin, target="/" + cnt + "?atrl=lbl+mni").expect(2000)
    assert r.content == {"m2m:cnt": {"lbl": ["x"], "mni": 3}}
    r = ae.client.primitive("GET", cnt, ae.origin, target="/" + cnt + "?atrl=lbl").expect(2000)
    assert r.content == {"m2m:cnt": {"lbl": ["x"]}}


@pytest.mark.parametrize("spell", [str.upper, str.lower, str.title])
def test_header_names(server, ae, spell):
    """CORE-280"""
    with Raw(server) as c:
        lines = ["GET /%s HTTP/1.1" % ae.at, spell("Host") + ": x", spell("X-M2M-Origin") + ": " + ae.origin, spell("X-M2M-RI") + ":  r1 ",
                 spell("X-M2M-RVI") + ":3", spell("X-Unknown") + ": whatever", spell("X-M2M-Unknown") + ": y", "", ""]
        a = c.send("\r\n".join(lines).encode()).answer()
    assert a.rsc == 2000 and a.headers["x-m2m-ri"] == "r1"


def test_headers_to_parameters(ae):
    """CORE-281: those whose effect shows; others are accepted"""
    r = ae.retrieve(ae.at, headers={
        "X-M2M-OT": stamp(), "X-M2M-RST": stamp(60), "X-M2M-RET": stamp(50), "X-M2M-OET": stamp(-60), "X-M2M-EC": "3", "X-M2M-VSI": "vendor",
        "X-M2M-GID": unique("gid"),
    })
    r.expect(2000)
    assert r.headers["x-m2m-rst"] and r.headers["x-m2m-rvi"] == "3"
    if "x-m2m-ot" in r.headers:
        assert r.headers["x-m2m-ot"][8] == "T"


@pytest.mark.parametrize("name,value", [("X-M2M-OT", "yesterday"), ("X-M2M-EC", "x"), ("X-M2M-EC", "5"), ("X-M2M-EC", "99"), ("X-M2M-EC", "1000")])
def test_bad_headers(ae, name, value):
    """CORE-281"""
    ae.retrieve(ae.at, headers={name: value}).expect(4000)


@pytest.mark.parametrize("name,first,second", [("X-M2M-Origin", "self", "Cother"), ("X-M2M-RI", "a", "b"), ("X-M2M-RVI", "3", "2a"),
                                               ("X-M2M-RET", "60000", "1"), ("X-M2M-RTU", "http://127.0.0.1:9/a", "http://127.0.0.1:9/b&http://127.0.0.1:9/c"),
                                               ("Content-Type", "application/json", "application/cbor")])
def test_contradicting_headers(server, ae, name, first, second):
    """CORE-281: a single-valued parameter given twice is refused: two readers would see two requests"""
    first = ae.origin if first == "self" else first
    head = {"Host": "x", "X-M2M-Origin": ae.origin, "X-M2M-RI": "r", "X-M2M-RVI": "3"}
    head.pop(name, None)
    lines = ["GET /%s HTTP/1.1" % ae.at] + ["%s: %s" % h for h in head.items()] + ["%s: %s" % (name, first), "%s: %s" % (name, second), "", ""]
    with Raw(server) as c:
        a = c.send("\r\n".join(lines).encode()).answer()
    assert a.rsc == 4000


def test_missing_request_identifier(server, ae):
    """X-M2M-RI is mandatory (04:6.4.1)"""
    r = ae.retrieve(ae.at, rqi=None)
    r.expect(4000)


def test_every_answer_says_its_code(server, ae, other):
    """CORE-282: Client.check looks at each answer of this suite; here one of each status that is easily had"""
    seen = {ae.retrieve(ae.at).rsc, ae.retrieve(ae.at + "/x").rsc, other.retrieve(ae.container()).rsc, ae.retrieve(ae.at, rcn=2).rsc,
            ae.retrieve(ae.at, accept="application/xml").rsc, ae.update(server.base, 5, {"lbl": ["x"]}).rsc, ae.retrieve(ae.at, rvi="9").rsc,
            ae.create(ae.at, 3, {}, media="application/xml").rsc, ae.retrieve(ae.at, headers={"X-M2M-RET": stamp(-5)}).rsc}
    assert seen == {2000, 4004, 4103, 4000, 5207, 4005, 4001, 4015, 4008}


def test_reason_phrase_and_version(server, ae):
    """09:6.3: HTTP/1.1, no reason phrase needed"""
    with Raw(server) as c:
        c.send(message("GET", "/" + ae.at, origin=ae.origin))
        line = b""
        while b"\r\n" not in line:
            line += c.s.recv(1)
    assert line.startswith(b"HTTP/1.1 200")


def test_content_headers(ae):
    """CORE-283: with a body, and without one"""
    r = ae.retrieve(ae.at)
    assert int(r.headers["content-length"]) == len(r.body)
    assert r.headers["content-type"].split(";")[0] in ("application/json", "application/vnd.onem2m-res+json")
    r = ae.delete(ae.container())
    assert r.headers["content-length"] == "0" and "content-type" not in r.headers


def test_content_location(server, ae):
    """CORE-284: with rcn 2 and 3 the Content has the URI"""
    for rcn in (2, 3):
        r = ae.create(ae.at, 3, {"rn": unique()}, rcn=rcn).expect(2001)
        uri = r.content["m2m:uri"] if rcn == 2 else r.content["m2m:rce"]["uri"]
        where = r.headers["content-location"]
        assert where.endswith(uri)
        assert ae.retrieve(uri, target=where if where.startswith("/") else path_of(where)).expect(2000)["ty"] == 3
    r = ae.create(ae.at, 3, {}, query={"rt": 1})
    if r.rsc == 1001:
        assert r.content["m2m:uri"]


def test_etag(ae):
    """CORE-285: when there is an ETag, conditions on it work"""
    cnt = ae.container()
    tag = ae.retrieve(cnt).expect(2000).headers.get("etag")
    if tag is None:
        return
    r = ae.client.primitive("GET", cnt, ae.origin, headers={"If-None-Match": tag}, check=False)
    assert r.status == 304
    ae.update(cnt, 3, {"lbl": ["x"]}).expect(2004)
    assert ae.retrieve(cnt, headers={"If-None-Match": tag}).expect(2000)["lbl"] == ["x"]
    r = ae.client.primitive("PUT", cnt, ae.origin, headers={"If-Match": tag}, content={"m2m:cnt": {"lbl": ["y"]}}, check=False)
    assert r.status == 412
    assert ae.retrieve(cnt)["lbl"] == ["x"]


def test_connection_is_kept(server, ae):
    """Several requests on one connection, an error between them"""
    with Raw(server) as c:
        for _ in range(3):
            assert c.send(message("GET", "/" + ae.at, origin=ae.origin)).answer().rsc == 2000
            assert c.send(message("GET", "/" + ae.at + "/none", origin=ae.origin)).answer().rsc == 4004
        a = c.send(message("GET", "/" + ae.at, [("Connection", "close")], origin=ae.origin)).answer()
        assert a.rsc == 2000
        assert c.closed()


def test_http_1_0(server, ae):
    """An HTTP/1.0 client is answered and the connection closed"""
    with Raw(server) as c:
        a = c.send(message("GET", "/" + ae.at, origin=ae.origin, version="HTTP/1.0")).answer()
        assert a is None or a.rsc == 2000
        assert c.closed()


def test_expect_continue(server, ae):
    """RFC 7231 5.1.1: a client that waits for 100 gets it, or its final answer"""
    body = b'{"m2m:cnt":{"rn":"%s"}}' % unique().encode()
    head = message("POST", "/" + ae.at, [("Content-Type", "application/json;ty=3"), ("Content-Length", str(len(body))), ("Expect", "100-continue")],
                   origin=ae.origin)
    with Raw(server) as c:
        c.send(head)
        first = b""
        while b"\r\n\r\n" not in first:
            got = c.s.recv(4096)
            assert got, "closed"
            first += got
        assert first.startswith((b"HTTP/1.1 100", b"HTTP/1.1 417"))
        if first.startswith(b"HTTP/1.1 100"):
            c.buf = first.split(b"\r\n\r\n", 1)[1]
            assert c.send(body).answer().rsc == 2001


def test_chunked_body(server, ae):
    """RFC 7230 4.1"""
    body = json.dumps({"m2m:cnt": {"rn": "chunked", "lbl": ["x"]}}).encode()
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in (body[:5], body[5:6], body[6:])) + b"0\r\n\r\n"
    with Raw(server) as c:
        c.send(message("POST", "/" + ae.at, [("Content-Type", "application/json;ty=3"), ("Transfer-Encoding", "chunked")], origin=ae.origin) + chunks)
        assert c.answer().rsc == 2001
        assert c.send(message("GET", "/" + ae.at + "/chunked", origin=ae.origin)).answer().rsc == 2000


def test_notification_as_http(server, ae, receiver):
    """CORE-281 in the other direction: what the CSE sends"""
    cnt = ae.container()
    ae.made(cnt, 23, {"nu": [receiver.url + "/path?a=b"]})
    ae.update(cnt, 3, {"lbl": ["x"]}).expect(2004)
    got = receiver.get()
    assert got.method == "POST" and got.path == "/path?a=b"
    assert got.origin == server.cse_id and got.rqi and got.headers["x-m2m-rvi"] == "3"
    assert "ty=" not in got.headers["content-type"]
    assert got.headers["host"].startswith("127.0.0.1")


def test_operator_pages(server):
    """/healthz and /metrics need no Originator"""
    assert server.health()[0] == 200
    m = server.metrics()
    assert m["connections_opened"] >= 1 and m["requests_create"] >= 0
