# SPDX-License-Identifier: Apache-2.0
"""Authorization points: CSEs that have them, one in Python, and the fixtures and shorthands of their tests (import them all)."""

import json

import pytest

from .make import ALL, UPDATE, allow, rule
from .receiver import Receiver
from .server import free_port
from .times import stamp

ACP, CNT, CIN, SUB, AUDS, AUPY, AUIF, ROLE, TOKEN = 1, 3, 4, 23, 35, 36, 37, 31, 32
OK, NOT_APPLICABLE, MISSING, SYNTAX, FAILED = 1, 2, 3, 4, 5
PERMIT, DENY = 1, 2
NEVER = "* * * * * * 2001"
SPECIFIC = {"dec", "sus", "to", "fr", "op", "rrt", "fu", "rids", "tids", "tkns", "rtm", "olo", "oip", "ps", "ca"}


@pytest.fixture
def points(new_server):
    """A CSE with bound points that everybody may ask."""
    return make_points(new_server)


def make_points(new_server, settings=None):
    """The points are called pdp, prp and pip; `boss` is the administrator."""
    s = new_server(dict({"distributed.pdp": "pdp", "distributed.prp": "prp", "distributed.pip": "pip"}, **(settings or {})))
    admin = s.admin()
    anybody, _ = admin.policy([rule("all", UPDATE), rule(admin.origin, ALL)], to=s.base)
    for name, ty in (("pdp", AUDS), ("prp", AUPY), ("pip", AUIF)):
        admin.create(s.base, ty, {"rn": name, "acpi": [anybody]}).expect(2001)
    s.boss = admin
    return s


def question(to, fr, op=2, **more):
    return dict({"to": to, "fr": fr, "op": op}, **more)


def ask(e, point, q, ty=AUDS, **kw):
    return e.update(point, ty, q, **kw).expect(2004).res


def asks(s, e, to, fr, op=2, **more):
    """(dec, sus) of the PDP of s."""
    r = ask(e, s.base + "/pdp", question(to, fr, op, **more))
    assert set(r) <= {"dec", "sus"}, r
    return r.get("dec"), r["sus"]


def absolute(s, stem):
    return "%s%s/%s" % (s.sp_id, s.cse_id, stem)


YES, NO = {"dec": PERMIT, "sus": OK}, {"dec": DENY, "sus": OK}


class Point(Receiver):
    """A decision, policy or information point in Python. `say` is the answer: attributes, or (rsc, content), or a function of the
    question; `seen` are the questions."""

    def __init__(self, say=None, root="m2m:auds"):
        self.say, self.root, self.seen = say, root, []
        super().__init__(answer=self.reply)

    def reply(self, got):
        q = got.content[self.root]
        self.seen.append(q)
        say = self.say(q) if callable(self.say) else self.say
        return say if isinstance(say, tuple) else (2004, {self.root: say})


@pytest.fixture
def point():
    made = []

    def make(say=None, root="m2m:auds"):
        made.append(Point(say, root))
        return made[-1]

    yield make
    for p in made:
        p.close()


def delegated(a, attribute, addresses, kind=CNT, **attrs):
    """A container whose policy has no rules and names points."""
    acp = a.made(a.at, ACP, {"pv": allow(), "pvs": allow(rule(a.origin, ALL)), attribute: addresses})
    return a.made(a.at, kind, dict(attrs, acpi=[acp]))


def url(s, name):
    return "http://127.0.0.1:%d/%s/%s" % (s.port, s.base, name)


@pytest.fixture
def chain(new_server):
    """chain(n, of=settings) starts n CSEs with points of which each asks the next one, and that believe each other."""

    def start(n, of=lambda i: {}):
        ports = [free_port() for _ in range(n)]
        out = []
        for i in range(n):
            settings = {"cse.id": "/p%d" % i, "cse.name": "base%d" % i, "http.open": "true", "http.port": ports[i]}
            for name in ("pdp", "prp", "pip"):
                if i + 1 < n:
                    settings["distributed.ask_" + name] = "http://127.0.0.1:%d/base%d/%s" % (ports[i + 1], i + 1, name)
            out.append(make_points(new_server, dict(settings, **of(i))))
        return out

    return start


def rules(*lists, **more):
    return dict({"ps": {"pv": [allow(*r) for r in lists]}, "ca": 1, "sus": OK}, **more)


def specific(s, name):
    return SPECIFIC & set(s.boss.retrieve(s.base + "/" + name).expect(2000).res)


# --- roles

NURSE, DOCTOR = "nurse@roles.example", "doctor@roles.example"


@pytest.fixture
def authority(tmp_path):
    """Settings with an Authorization Authority at /points."""
    path = tmp_path / "issuers.json"
    path.write_text(json.dumps({"issuers": [{"id": "//reeve.local/points/Cauth", "domains": ["roles.example"], "roles": True}]}))
    return {"authz.issuers": str(path), "http.open": "true", "roles.allowed": "*=*", "access.create_all": "true"}


def role(holder, rlid=NURSE, **more):
    return dict({"rlid": rlid, "tkis": "//reeve.local/points/Cauth", "tkhd": holder, "tknb": stamp(-60), "tkna": stamp(3600)}, **more)
