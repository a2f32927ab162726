# SPDX-License-Identifier: Apache-2.0
"""A Dynamic Authorization System as a test needs it: an HTTP server that keeps what it is asked and answers what the test says.

It shares no code with the program: what it reads is what went over the wire, and what it answers is written here by hand, right or wrong."""

import json
import queue

from .make import absolute, rule
from .receiver import Answering

# All systems on this machine may be asked, and every question is put anew.
SETTINGS = {"dynamic.das": "http://127.0.0.1:*", "dynamic.refusal_kept": "0 s", "dynamic.timeout": "5 s"}


class Question:
    """One request as it arrived."""

    def __init__(self, method, path, headers, body):
        self.method, self.path, self.headers, self.body = method, path, headers, body
        self.content = json.loads(body) if body else None
        self.origin = headers.get("x-m2m-origin")

    @property
    def seci(self):
        assert self.content and set(self.content) == {"m2m:seci"}, "no security information: %r" % self.content
        return self.content["m2m:seci"]

    @property
    def dreq(self):
        assert self.seci["sit"] == 1 and set(self.seci) == {"sit", "dreq"}, self.seci
        return self.seci["dreq"]

    @property
    def darq(self):
        assert self.seci["sit"] == 7 and set(self.seci) == {"sit", "darq"}, self.seci
        return self.seci["darq"]

    def __repr__(self):
        return "<%s %s %r>" % (self.method, self.path, self.content)


class Reply:
    """What goes back: content (JSON) or body (bytes as they are); `cut` ends the connection before the whole body is out."""

    def __init__(self, content=None, rsc=2000, body=None, headers=(), status=None, cut=False, kind="application/json"):
        self.rsc, self.headers, self.status, self.cut, self.kind = rsc, list(headers), status, cut, kind
        self.body = body if body is not None else json.dumps(content).encode() if content is not None else b""


NOTHING = Reply()


def dres(**members):
    """{"m2m:seci":{"sit":2,"dres":{...}}}"""
    return {"m2m:seci": {"sit": 2, "dres": members}}


def granted(rules, lifetime=None, **members):
    """dres with a dynamic policy; rules a list of accessControlRules."""
    dai = {"gp": {"acr": list(rules)}}
    if lifetime is not None:
        dai["pl"] = lifetime
    return dres(dai=dai, **members)


class Das(Answering):
    """answer(question) -> Reply, content, or None for a response without content; it runs in a thread of its own and may block."""

    read = Question

    def __init__(self, answer=None, port=0):
        self.answer = answer
        super().__init__(port)
        self.url += "/das"

    def respond(self, http, q):
        a = self.answer(q) if callable(self.answer) else self.answer
        a = a if isinstance(a, Reply) else Reply(a)
        try:
            http.send_response(a.status or (200 if a.rsc < 3000 else 403))
            http.send_header("X-M2M-RSC", str(a.rsc))
            http.send_header("X-M2M-RI", q.headers.get("x-m2m-ri", ""))
            for k, v in a.headers:
                http.send_header(k, v)
            if a.body:
                http.send_header("Content-Type", a.kind)
            http.send_header("Content-Length", str(len(a.body) + (1 if a.cut else 0)))
            http.end_headers()
            http.wfile.write(a.body)
            if a.cut:
                http.wfile.flush()
                http.close_connection = True
        except OSError:
            http.close_connection = True  # nobody waits any more

    def asked(self, timeout=15.0):
        """The next question; fails when none comes."""
        try:
            return self.queue.get(timeout=timeout)
        except queue.Empty:
            raise AssertionError("the DAS was not asked within %g s" % timeout) from None

    def not_asked(self):
        """Nothing has come that was not looked at. Only meaningful after the answer to the request in question."""
        assert self.queue.empty(), "asked: %r" % self.queue.get_nowait()


class World:
    """An owner with a container that is linked to a consultation, and an AE that nobody gave a right."""

    def __init__(self, server, das, link=True, **dac):
        self.server, self.das = server, das
        self.owner, self.ae = server.register(), server.register()
        attrs = {"dae": True, "dap": [das.url]}
        attrs.update(dac)
        self.dac = self.owner.made(self.owner.at, 34, attrs)
        self.cnt = self.owner.container(**({"daci": [self.dac]} if link else {}))
        self.ri = self.owner.retrieve(self.cnt).expect(2000)["ri"]
        self.who = absolute(server, self.ae.origin)

    def grants(self, operations=2, lifetime=None, who=None, **members):
        return granted([rule(who or self.who, operations)], lifetime, **members)
