# SPDX-License-Identifier: Apache-2.0
"""A client of the HTTP binding (TS-0009), small and without opinion: what a test passes is what is sent.

Every answer to a primitive is checked for what must be true of all of them: X-M2M-RSC, the request's identifier in X-M2M-RI
(CORE-016, CORE-282), the HTTP status that belongs to the rsc, and Content-Type and Content-Length with a body (CORE-283).
"""

import http.client
import itertools
import json
import os
import threading
import urllib.parse

import cbor2

from .facts import ROOT, STATUS

_rqi = itertools.count(1)

JSON = "application/json"
CBOR = "application/cbor"


def path_of(to):
    """oneM2M address -> path of the request line (TS-0009 6.2.2.1)."""
    if to.startswith("//"):
        return "/_/" + to[2:]
    if to.startswith("/"):
        return "/~" + to
    return "/" + to


def _text(value):
    if value is True:
        return "true"
    if value is False:
        return "false"
    return urllib.parse.quote(str(value), safe="")


def query_of(fields):
    """dict or list of pairs -> query string; the members of a list are joined with "+" (TS-0009 6.2.2.2)."""
    out = []
    for name, value in fields.items() if isinstance(fields, dict) else fields:
        if isinstance(value, (list, tuple)):
            out.append(name + "=" + "+".join(_text(v) for v in value))
        else:
            out.append(name + "=" + _text(value))
    return "&".join(out)


class Response:
    """An answer: status, headers (lower-case names), body, rsc, rqi, content (decoded)."""

    def __init__(self, status, headers, body, what=""):
        self.status = status
        self.headers = headers
        self.body = body
        self.what = what
        rsc = headers.get("x-m2m-rsc")
        self.rsc = int(rsc) if rsc is not None and rsc.isdigit() else None
        self.rqi = headers.get("x-m2m-ri")
        self.content = None
        kind = headers.get("content-type", "").split(";")[0].strip()
        if body and (kind == JSON or kind.endswith("+json")):
            self.content = json.loads(body, object_pairs_hook=_no_duplicates)
        elif body and (kind == CBOR or kind.endswith("+cbor")):
            self.content = cbor2.loads(body)

    def __repr__(self):
        return "<%s -> HTTP %s rsc %s %r>" % (self.what, self.status, self.rsc, self.body[:400])

    def expect(self, rsc):
        """The answer has this rsc (and so this HTTP status); returned for chaining."""
        assert self.rsc == rsc, "expected rsc %s, got %r" % (rsc, self)
        if rsc // 1000 in (4, 5, 6):
            assert self.content is None or set(self.content) <= {"m2m:dbg", "tqf"}, "refusal with content: %r" % self
        return self

    def refused(self):
        """Some refusal of the originator's making, the code being free."""
        assert self.rsc is not None and self.rsc // 1000 == 4, "expected a refusal, got %r" % self
        return self

    @property
    def root(self):
        """Name of the one root member of the content."""
        assert isinstance(self.content, dict) and len(self.content) == 1, "no single root member: %r" % self
        return next(iter(self.content))

    @property
    def res(self):
        """What the one root member holds: the attributes of a resource."""
        return self.content[self.root]

    def __getitem__(self, attr):
        return self.res[attr]

    def __contains__(self, attr):
        return attr in self.res


def _no_duplicates(pairs):
    d = dict(pairs)
    assert len(d) == len(pairs), "duplicate member names in an answer: %r" % pairs
    return d


class Client:
    """Sends to one server, with a connection of its own per thread."""

    def __init__(self, address, port, timeout=30.0):
        self.address, self.port, self.timeout = address, port, timeout
        self._local = threading.local()

    def _connection(self):
        c = getattr(self._local, "c", None)
        if c is None:
            c = self._local.c = http.client.HTTPConnection(self.address, self.port, timeout=self.timeout)
        return c

    def close(self):
        c = getattr(self._local, "c", None)
        if c is not None:
            c.close()
            self._local.c = None

    def send(self, method, target, headers=(), body=None):
        """One HTTP exchange as it is; headers a list of pairs."""
        c = self._connection()
        try:
            c.putrequest(method, target, skip_accept_encoding=True)
            for name, value in headers:
                c.putheader(name, value)
            if body is not None:
                c.putheader("Content-Length", str(len(body)))
            c.endheaders(body)
            r = c.getresponse()
            data = r.read()
        except Exception:
            self.close()
            raise
        got = {}
        for name, value in r.getheaders():
            assert name.lower() not in got, "header twice in an answer: %s" % name
            got[name.lower()] = value
        return Response(r.status, got, data, "%s %s" % (method, target))

    def primitive(self, method, to, origin, *, query=None, ty=None, content=None, body=None, rqi="", rvi="3", rcn=None,
                  media=JSON, accept=None, headers=(), target=None, check=True):
        """A request primitive. Pass origin, rqi or rvi as None to leave the header out; body for content as it is sent."""
        if rqi == "":
            rqi = "r%x-%d" % (os.getpid(), next(_rqi))
        fields = list(query.items() if isinstance(query, dict) else query or [])
        if rcn is not None:
            fields.append(("rcn", rcn))
        target = target if target is not None else path_of(to)
        if fields:
            target += "?" + query_of(fields)
        h = []
        if origin is not None:
            h.append(("X-M2M-Origin", origin))
        if rqi is not None:
            h.append(("X-M2M-RI", rqi))
        if rvi is not None:
            h.append(("X-M2M-RVI", rvi))
        if content is not None and body is None:
            body = cbor2.dumps(content) if media.endswith("cbor") else json.dumps(content, ensure_ascii=False).encode()
        if body is not None or ty is not None:
            h.append(("Content-Type", media + (";ty=%s" % ty if ty is not None else "")))
        if accept is not None:
            h.append(("Accept", accept))
        h.extend(headers.items() if isinstance(headers, dict) else headers)
        if method in ("POST", "PUT") and body is None:
            body = b""
        r = self.send(method, target, h, body)
        if check:
            self.check(r, rqi)
        return r

    @staticmethod
    def check(r, rqi):
        """What holds for every answer to a primitive: CORE-016, CORE-282, CORE-283."""
        assert r.rsc is not None, "no X-M2M-RSC: %r" % r
        if rqi is not None:
            assert r.rqi == rqi, "X-M2M-RI %r instead of %r: %r" % (r.rqi, rqi, r)
        assert r.rsc in STATUS, "unknown rsc: %r" % r
        assert r.status == STATUS[r.rsc], "rsc %d goes with HTTP %s: %r" % (r.rsc, STATUS[r.rsc], r)
        assert "content-length" in r.headers, "no Content-Length: %r" % r
        if r.body:
            assert r.headers.get("content-type"), "body without Content-Type: %r" % r


class Entity:
    """An originator: an AE, or anybody a test pretends to be. Keyword arguments go to Client.primitive."""

    def __init__(self, client, origin, at=None, name=None):
        self.client, self.origin = client, origin
        self.at = at        # structured address of its <AE>
        self.name = name    # resource name of its <AE>
        self.ri = origin    # ri of its <AE>: the AE-ID-Stem (TS-0001 9.6.5)

    def _do(self, method, to, kw):
        kw.setdefault("origin", self.origin)
        return self.client.primitive(method, to, **kw)

    def create(self, to, ty, attrs=None, **kw):
        """Create of a resource of type `ty` (number) below `to`."""
        if attrs is not None:
            kw["content"] = {ROOT[ty]: attrs}
        return self._do("POST", to, dict(kw, ty=ty))

    def retrieve(self, to, query=None, **kw):
        return self._do("GET", to, dict(kw, query=query))

    def update(self, to, ty, attrs=None, **kw):
        if attrs is not None:
            kw["content"] = {ROOT[ty]: attrs}
        return self._do("PUT", to, kw)

    def delete(self, to, **kw):
        return self._do("DELETE", to, kw)

    def notify(self, to, content, **kw):
        return self._do("POST", to, dict(kw, content=content))

    def discover(self, to, query=None, **kw):
        q = list(query.items() if isinstance(query, dict) else query or [])
        return self._do("GET", to, dict(kw, query=[("fu", 1)] + q))

    def found(self, to, query=None, **kw):
        """Addresses a discovery gives, in order."""
        r = self.discover(to, query, **kw).expect(2000)
        assert r.root == "m2m:uril", r
        assert isinstance(r.res, list), r
        return r.res

    # --- shorthands that must succeed; each gives the structured address of the new resource
    def made(self, to, ty, attrs=None, **kw):
        from .make import unique
        attrs = dict(attrs or {})
        attrs.setdefault("rn", unique("t%d" % ty))
        self.create(to, ty, attrs, **kw).expect(2001)
        return to + "/" + attrs["rn"]

    def container(self, to=None, **attrs):
        return self.made(to or self.at, 3, attrs)

    def instance(self, to, con="x", **attrs):
        return self.made(to, 4, dict(attrs, con=con))

    def policy(self, rules, self_rules=None, to=None, **attrs):
        """An <accessControlPolicy> below the own <AE>; by default only its maker may change it. Gives (address, ri)."""
        from .make import acp, rule, unique
        a = acp(rules, self_rules if self_rules is not None else [rule(self.origin, 63)], **attrs)
        a.setdefault("rn", unique("acp"))
        r = self.create(to or self.at, 1, a).expect(2001)
        return (to or self.at) + "/" + a["rn"], r["ri"]
