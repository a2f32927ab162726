# SPDX-License-Identifier: Apache-2.0
"""Distributed authorization: catalogue 7, 9.10. Decision, policy and information points at a second CSE and in Python."""

import json
import threading

import pytest

from harness import Receiver, Server, rule, unique
from harness.make import ALL, CREATE, DELETE, DISCOVER, NOTIFY, RETRIEVE, UPDATE, allow

ACP, CNT, CIN, SUB, AUDS, AUPY, AUIF, ROLE, TOKEN = 1, 3, 4, 23, 35, 36, 37, 31, 32
OK, NOT_APPLICABLE, MISSING, SYNTAX, FAILED = 1, 2, 3, 4, 5
PERMIT, DENY = 1, 2
SPECIFIC = {"dec", "sus", "to", "fr", "op", "rrt", "fu", "rids", "tids", "tkns", "rtm", "olo", "oip", "ps", "ca"}


@pytest.fixture
def points(new_server):
    """A CSE with bound points that everybody may ask."""
    return make_points(new_server)


def make_points(new_server, settings=None):
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


# --- the resource types


@pytest.mark.parametrize("ty", [AUDS, AUPY, AUIF])
def test_only_below_the_base(points, ty):
    """AUTHZ-211"""
    a = points.register()
    a.create(a.at, ty, {"rn": unique()}).expect(4108)
    points.boss.create(points.base, ty, {"rn": unique()}).expect(2001)


@pytest.mark.parametrize("ty,attrs", [(AUDS, {"dec": 1}), (AUDS, {"sus": 1}), (AUPY, {"sus": 1}), (AUPY, {"ca": 1}),
                                      (AUPY, {"ps": {"pv": []}}), (AUIF, {"sus": 1})])
def test_answers_are_not_written(points, ty, attrs):
    """AUTHZ-212"""
    boss, name = points.boss, unique()
    boss.create(points.base, ty, dict(attrs, rn=name)).expect(4000)
    boss.create(points.base, ty, {"rn": name}).expect(2001)
    boss.update(points.base + "/" + name, ty, attrs).expect(4000)


def test_unbound_is_data(points):
    """AUTHZ-219"""
    boss, name = points.boss, unique()
    at = points.base + "/" + name
    boss.create(points.base, AUDS, {"rn": name, "to": "/x/y", "fu": {"fu": 1}}).expect(2001)
    boss.update(at, AUDS, {"fr": "CAE1", "op": 2}).expect(2004)
    r = boss.retrieve(at).expect(2000)
    assert (r["to"], r["fr"], r["op"], r["fu"]) == ("/x/y", "CAE1", 2, {"fu": 1}) and "sus" not in r and "dec" not in r
    for fu in (0, 4, "1", {"fu": 1, "lim": 2}, {"lim": 2}, []):
        boss.update(at, AUDS, {"fu": fu}).expect(4000)


@pytest.mark.parametrize("attrs", [
    {"fr": "CAE1", "op": 2}, {"to": "cse/x", "op": 2}, {"to": "cse/x", "fr": "CAE1"}, {"to": "cse/x", "fr": "CAE1", "op": None},
    {"to": "cse/x", "fr": "CAE1", "op": 2, "lbl": ["a"]}, {"to": "cse/x", "fr": "CAE1", "op": 2, "et": "20990101T000000"}, {"lbl": ["a"]},
    {"to": "cse/x", "fr": "CAE1", "op": 6}, {"to": "cse/x", "fr": "CAE1", "op": "2"}, {"to": "cse/x", "fr": "no id at all", "op": 2},
    {"to": "cse/x", "fr": "CAE1", "op": 2, "fu": 4}, {"to": "cse/x", "fr": "CAE1", "op": 2, "rtm": "now"},
    {"to": "cse/x", "fr": "CAE1", "op": 2, "oip": {}}, {"to": "cse/x", "fr": "CAE1", "op": 2, "oip": {"ip4": "1.2.3"}},
    {"to": "cse/x", "fr": "CAE1", "op": 2, "oip": {"ip4": "1.2.3.4", "ip6": "::1"}},
    {"to": "cse/x", "fr": "CAE1", "op": 2, "olo": {"accr": [91, 0, 0]}},
    {"to": "cse/x", "fr": "CAE1", "op": 2, "rids": ["no role"]}, {"to": "cse/x", "fr": "CAE1", "op": 2, "dec": 1}, {"ps": {}}])
def test_a_decision_is_asked_for_properly(points, attrs):
    """AUTHZ-213"""
    points.boss.update(points.base + "/pdp", AUDS, attrs).expect(4000)
    assert not SPECIFIC & set(points.boss.retrieve(points.base + "/pdp").res)


@pytest.mark.parametrize("ty,at,attrs", [
    (AUPY, "prp", {"lbl": ["a"]}), (AUPY, "prp", {"to": "cse/x", "lbl": ["a"]}), (AUPY, "prp", {"to": None}), (AUPY, "prp", {"to": 5}),
    (AUIF, "pip", {"rids": ["a@b.c"]}), (AUIF, "pip", {"fr": "CAE1", "lbl": ["a"]}), (AUIF, "pip", {"fr": "CAE1", "sus": 1}),
    (AUIF, "pip", {"fr": "//", "rids": ["a@b.c"]}), (AUIF, "pip", {"fr": "CAE1", "et": "20990101T000000"})])
def test_policies_and_information_are_asked_for_properly(points, ty, at, attrs):
    """AUTHZ-214"""
    points.boss.update(points.base + "/" + at, ty, attrs).expect(4000)


def test_who_may_not_update_may_not_ask(points):
    """AUTHZ-218"""
    boss, name = points.boss, "pdp"
    closed, _ = boss.policy([rule(boss.origin, ALL)], to=points.base)
    a = points.register()
    cnt = a.container()
    asked = points.metrics()["points_asked"]
    a.update(points.base + "/" + name, AUDS, question(cnt, a.origin)).expect(2004)
    boss.update(points.base + "/pdp", AUDS, {"acpi": [closed]}).expect(4000)
    boss.delete(points.base + "/pdp").expect(2002)
    boss.create(points.base, AUDS, {"rn": name, "acpi": [closed]}).expect(2001)
    a.update(points.base + "/pdp", AUDS, question(cnt, a.origin)).expect(4103)
    assert points.metrics()["points_asked"] == asked + 1


# --- the PDP, about its own resources


def test_decisions_about_own_resources(points):
    """AUTHZ-215: the same as if the Originator came itself"""
    s = points
    a, b = s.register(), s.register()
    _, pol = a.policy([rule(a.origin, ALL), rule(b.origin, RETRIEVE | DISCOVER), rule(absolute(s, "CX*"), CREATE)])
    cnt = a.container(acpi=[pol])
    assert asks(s, b, s.cse_id + "/" + cnt, absolute(s, a.origin), 4) == (PERMIT, OK)
    assert asks(s, b, s.cse_id + "/" + cnt, absolute(s, b.origin), 4) == (DENY, OK)
    assert asks(s, b, cnt, b.origin, 2) == (PERMIT, OK)
    assert asks(s, b, cnt, b.origin, 2, fu=1) == (PERMIT, OK)
    assert asks(s, b, cnt, absolute(s, "CX1"), 2, fu={"fu": 1}) == (DENY, OK)
    assert asks(s, b, cnt, absolute(s, "CX1"), 1, rrt=3) == (PERMIT, OK)
    assert asks(s, b, cnt + "/la", b.origin, 2) == (PERMIT, OK)
    # the default policy: the creator only
    own = a.container()
    assert asks(s, b, own, a.origin, 3) == (PERMIT, OK) and asks(s, b, own, b.origin, 2) == (DENY, OK)
    # a policy is decided by its selfPrivileges
    assert asks(s, b, a.at + "/" + a.retrieve(pol)["rn"], a.origin, 3) == (PERMIT, OK)
    assert asks(s, b, a.at + "/" + a.retrieve(pol)["rn"], b.origin, 2) == (DENY, OK)


def test_nothing_applies(points):
    """AUTHZ-216: NOT_APPLICABLE"""
    s = points
    a = s.register()
    assert asks(s, a, "cse/nothing/here", a.origin) == (None, NOT_APPLICABLE)
    assert asks(s, a, "/elsewhere/base/x", a.origin) == (None, NOT_APPLICABLE)
    assert ask(a, s.base + "/prp", {"to": "/elsewhere/base/x"}, AUPY) == {"sus": NOT_APPLICABLE}
    assert ask(a, s.base + "/pip", {"fr": a.origin, "rids": ["x@y.z"]}, AUIF) == {"sus": NOT_APPLICABLE}
    _, pol = a.policy([])
    acp = a.made(a.at, ACP, {"pv": allow(), "pvs": allow(rule(a.origin, ALL)), "adri": ["/elsewhere/base/pdp"]})
    assert asks(s, a, a.container(acpi=[acp]), a.origin) == (None, NOT_APPLICABLE)
    assert asks(s, a, a.container(acpi=[pol]), a.origin) == (DENY, OK)
