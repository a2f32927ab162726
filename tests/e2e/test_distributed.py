# SPDX-License-Identifier: Apache-2.0
"""Distributed authorization: catalogue 7, 9.10. Decision, policy and information points at a second CSE and in Python."""

import concurrent.futures
import json
import os
import pathlib
import random
import socket
import subprocess
import threading

import pytest

from harness import Receiver, free_port, rule, stamp, unique, wait_until
from harness import tokens
from harness.server import binary
from harness.make import ALL, CREATE, DELETE, DISCOVER, NOTIFY, RETRIEVE, UPDATE, allow

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


def test_facts_that_are_missing(servers, new_server):
    """AUTHZ-216: MISSING_ATTRIBUTE only where it would have made a difference"""
    s = make_points(new_server)
    a = s.register()
    _, pol = a.policy([
        rule("CIp", RETRIEVE, acco=[{"acip": {"ipv4": ["10.0.0.0/8"]}}]),
        rule("CIp", UPDATE, acco=[{"acip": {"ipv4": ["10.0.0.0/8"]}, "actw": [NEVER]}, {"actw": [NEVER]}]),
        rule("CChild", CREATE, acod=[{"chty": [3]}]), rule("nurse@roles.example", RETRIEVE),
        rule("CThen", RETRIEVE, acco=[{"actw": ["* * * * * * 2020"]}])])
    cnt = a.container(acpi=[pol])
    for fr, op, more, expected in (
            ("CIp", 2, {}, (None, MISSING)), ("CIp", 2, {"oip": {"ip4": "10.1.2.3"}}, (PERMIT, OK)),
            ("CIp", 2, {"oip": {"ip4": "11.1.2.3"}}, (DENY, OK)), ("CIp", 2, {"oip": {"ip6": "::1"}}, (DENY, OK)),
            ("CIp", 3, {}, (DENY, OK)), ("CIp", 4, {}, (DENY, OK)),
            ("CChild", 1, {}, (None, MISSING)), ("CChild", 1, {"rrt": 3}, (PERMIT, OK)), ("CChild", 1, {"rrt": 4}, (DENY, OK)),
            ("CAny", 2, {}, (DENY, OK)), ("CAny", 2, {"rids": ["nurse@roles.example"]}, (None, MISSING)),
            ("CAny", 2, {"rids": ["doctor@roles.example"]}, (DENY, OK)),
            ("CThen", 2, {}, (DENY, OK)), ("CThen", 2, {"rtm": "20200505T050505"}, (PERMIT, OK)),
            ("CThen", 2, {"rtm": "20210505T050505"}, (DENY, OK))):
        assert asks(s, a, cnt, fr, op, **more) == expected, (fr, op, more)


def test_who_vouches(new_server):
    """rq_authn is not in the question: only a requester the operator names stands for it, when it is authenticated itself"""
    s = make_points(new_server, {"distributed.authenticated": "//reeve.local/reeve/CTrusted*", "access.local_authenticated": "true"})
    good, bad = s.register("CTrusted1"), s.register("CNot1")
    _, pol = good.policy([rule("CWho", RETRIEVE, acaf=True)])
    cnt = good.container(acpi=[pol])
    assert asks(s, good, cnt, "CWho") == (PERMIT, OK)
    assert asks(s, bad, cnt, "CWho") == (DENY, OK)
    s = make_points(new_server, {"distributed.authenticated": "*"})
    good = s.register()
    _, pol = good.policy([rule("CWho", RETRIEVE, acaf=True)])
    assert asks(s, good, good.container(acpi=[pol]), "CWho") == (DENY, OK)


# --- the PEP


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


YES, NO = {"dec": PERMIT, "sus": OK}, {"dec": DENY, "sus": OK}


def test_a_decision_is_asked(server, ae, other, point):
    """AUTHZ-221, and what the question says (TS-0003 table 7.5.2-1)"""
    p = point(YES)
    cnt = delegated(ae, "adri", [p.url + "/pdp"])
    other.retrieve(cnt).expect(2000)
    q = p.seen.pop()
    assert q.pop("oip") == {"ip4": "127.0.0.1"} and q.pop("rtm")
    to, fr = server.cse_id + "/" + cnt, absolute(server, other.origin)
    assert q == {"to": to, "fr": fr, "op": 2}
    name = other.instance(cnt)
    assert {k: p.seen[-1].get(k) for k in ("to", "op", "rrt")} == {"to": to, "op": 1, "rrt": CIN}
    other.update(cnt, CNT, {"lbl": ["x"]}).expect(2004)
    assert p.seen[-1]["op"] == 3
    other.retrieve(name).expect(2000)
    assert p.seen[-1]["to"].endswith(cnt.split("/")[-1] + "/" + name.split("/")[-1])
    other.retrieve(cnt + "/la").expect(2000)
    other.delete(cnt).expect(2002)
    assert p.seen[-1]["op"] == 4


@pytest.mark.parametrize("say", [
    NO, {"sus": OK}, {"dec": PERMIT}, {"dec": PERMIT, "sus": MISSING}, {"dec": PERMIT, "sus": SYNTAX}, {"dec": PERMIT, "sus": FAILED},
    {"dec": 3, "sus": OK}, {"dec": "1", "sus": OK}, {"dec": 1.0, "sus": OK}, {"dec": PERMIT, "sus": 6}, {"dec": [1], "sus": [1]}, {},
    (2004, None), (2004, {"m2m:aupy": YES}), (2004, {"m2m:auds": [YES]}), (2004, {"m2m:auds": YES, "x": 1}), (2004, [YES])])
def test_anything_else_denies(server, ae, other, point, say):
    """AUTHZ-221: and the next address is not asked"""
    p, second = point(say), point(YES)
    cnt = delegated(ae, "adri", [p.url, second.url])
    other.retrieve(cnt).expect(4103)
    other.create(cnt, CIN, {"con": "x"}).expect(4103)
    assert len(p.seen) == 2 and not second.seen


@pytest.mark.parametrize("say", [{"sus": NOT_APPLICABLE}, (4103, None), (5000, None), (2000, {"m2m:auds": YES}), (2004 + 97, None)])
def test_the_next_one_is_asked(server, ae, other, point, say):
    """AUTHZ-220"""
    p, second = point(say), point(YES)
    dead = "http://127.0.0.1:%d" % free_port()
    other.retrieve(delegated(ae, "adri", [dead, p.url, "/nowhere/base/pdp", "nosuchthing", second.url])).expect(2000)
    assert len(p.seen) == 1 and len(second.seen) == 1
    second.say = say
    other.retrieve(delegated(ae, "adri", [dead, p.url, second.url])).expect(4103)


def test_silence_is_no_permission(servers, point):
    """AUTHZ-220: a point that does not answer in time"""
    s = servers(**{"distributed.timeout": "300ms"})
    a, b = s.register(), s.register()
    hold = threading.Event()
    slow, good = point(lambda q: hold.wait(30) and YES), point(YES)
    try:
        b.retrieve(delegated(a, "adri", [slow.url])).expect(4103)
        b.retrieve(delegated(a, "adri", [slow.url, good.url])).expect(2000)
        assert good.seen
        # a request that expires earlier does not wait longer
        b.retrieve(delegated(a, "adri", [slow.url] * 10), headers={"X-M2M-RET": "400"}).refused()
    finally:
        hold.set()


def test_local_rules_come_first(server, ae, other, point):
    """AUTHZ-059: who is permitted here is not asked about; AUTHZ-054: nor is who is denied by selfPrivileges"""
    p = point(YES)
    acp = ae.made(ae.at, ACP, {"pv": allow(), "pvs": allow(rule(ae.origin, ALL)), "adri": [p.url]})
    _, mine = ae.policy([rule(other.origin, RETRIEVE)])
    cnt = ae.container(acpi=[acp, mine])
    other.retrieve(cnt).expect(2000)
    assert not p.seen
    other.update(cnt, CNT, {"lbl": ["y"]}).expect(2004)
    assert len(p.seen) == 1
    other.retrieve(acp).expect(4103)
    other.update(cnt, CNT, {"acpi": [mine]}).expect(4103)
    other.retrieve(ae.container()).expect(4103)
    assert len(p.seen) == 1


def test_discovery_and_children_ask_nobody(server, ae, other, point):
    """What is one resource among others is not asked about: it is not shown."""
    p = point(YES)
    cnt = delegated(ae, "adri", [p.url])
    assert cnt not in other.found(server.base, {"ty": 3})
    assert not p.seen


def test_subscription_needs_two_rights(server, ae, other, point, receiver):
    """AUTHZ-124"""
    p = point(lambda q: YES if q["op"] == 1 or q["op"] == right else NO)
    cnt = delegated(ae, "adri", [p.url])
    for right, rsc in ((0, 4103), (2, 2001)):
        other.create(cnt, SUB, {"rn": unique(), "nu": [receiver.url]}).expect(rsc)
    assert {q["op"] for q in p.seen} == {1, 2}


def test_each_kind_of_request_waits(server, ae, other, point):
    """AUTHZ-221: blocking, not blocking, in a group, over a list of members' policies"""
    p = point(YES)
    cnt = delegated(ae, "adri", [p.url])
    r = other.retrieve(cnt, query={"rt": 1}).expect(1001)
    wait_until(lambda: other.retrieve(r["m2m:uri"] if "m2m:uri" in r else r.res).res.get("rs") == 1)
    acp = ae.made(ae.at, ACP, {"pv": allow(), "pvs": allow(rule(ae.origin, ALL)), "adri": [p.url]})
    _, open_acp = ae.policy([rule("all", ALL)])
    member = ae.container(acpi=[open_acp])
    group = ae.made(ae.at, 9, {"mnm": 2, "mid": [member], "macp": [acp]})
    assert [m["rsc"] for m in other.retrieve(group + "/fopt").expect(2000).content["m2m:agr"]["m2m:rsp"]] == [2000]
    p.say = NO
    other.retrieve(group + "/fopt").expect(4103)
    r = other.create(cnt, CIN, {"con": "x"}, query={"rt": 1}).expect(1001)
    wait_until(lambda: other.retrieve(r.res).res.get("rs") == 1)
    assert other.retrieve(r.res).res["ors"]["rsc"] == 4103


def test_the_story(server, ae, other, point):
    """reeve explain tells whom this CSE asked and what it heard"""
    p = point(NO)
    r = other.retrieve(delegated(ae, "adri", [p.url])).expect(4103)
    decision = r.content["m2m:dbg"].split("decision ")[1].split(";")[0]
    line = [json.loads(x) for x in (server.folder / "data" / "decisions.log").read_text().splitlines() if decision in x][0]
    assert line["rights"] == [{"asked": "decision", "at": p.url, "why": "deny"}]


# --- rules from a PRP


def rules(*lists, **more):
    return dict({"ps": {"pv": [allow(*r) for r in lists]}, "ca": 1, "sus": OK}, **more)


def test_rules_from_a_retrieval_point(server, ae, other, point):
    """AUTHZ-220 for apri: rules are fetched, and applied here"""
    p = point(rules([rule(other.origin, RETRIEVE)], [rule("all", CREATE, acod=[{"chty": [CIN]}])]), "m2m:aupy")
    cnt = delegated(ae, "apri", [p.url])
    other.retrieve(cnt).expect(2000)
    assert p.seen == [{"to": server.cse_id + "/" + cnt}]
    other.create(cnt, CIN, {"con": "x"}).expect(2001)
    other.create(cnt, CNT, {}).expect(4103)
    other.delete(cnt).expect(4103)
    ae.retrieve(cnt).expect(4103)


@pytest.mark.parametrize("say", [
    {"sus": OK}, {"sus": OK, "ca": 1}, {"sus": OK, "ca": 1, "ps": {}}, {"sus": OK, "ca": 1, "ps": {"pv": []}},
    {"sus": OK, "ca": 1, "ps": {"pv": [{"acr": [{"acor": ["all"]}]}]}}, {"sus": OK, "ca": 1, "ps": {"pv": [{"acr": [{"acop": 63}]}]}},
    {"sus": OK, "ca": 1, "ps": {"pv": [{"acr": [{"acor": ["all"], "acop": 63, "new": 1}]}]}},
    {"sus": OK, "ca": 2, "ps": {"pv": [allow(rule("all", ALL))]}}, {"sus": FAILED, "ca": 1, "ps": {"pv": [allow(rule("all", ALL))]}},
    {"ca": 1, "ps": {"pv": [allow(rule("all", ALL))]}}, {"sus": OK, "ca": 1, "ps": {"pv": [allow(rule("all", ALL))] * 65}},
    {"sus": OK, "ca": 1, "ps": [allow(rule("all", ALL))]}, {"sus": OK, "ca": 1, "ps": {"pv": allow(rule("all", ALL))}},
    (2004, None), (2004, {"m2m:auds": YES}), (4000, None)])
def test_rules_that_are_none_permit_nothing(server, ae, other, point, say):
    """AUTHZ-221 for apri"""
    p = point(say, "m2m:aupy")
    other.retrieve(delegated(ae, "apri", [p.url])).expect(4103)
    assert p.seen


def test_a_broken_policy_harms_no_other(server, ae, other, point):
    p = point({"sus": OK, "ps": {"pv": [{"acr": [{"acop": 63}]}, allow(rule(other.origin, RETRIEVE))]}}, "m2m:aupy")
    other.retrieve(delegated(ae, "apri", [p.url])).expect(2000)


# --- two CSEs


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


def test_decision_at_another_cse(chain, new_server):
    """AUTHZ-215, AUTHZ-220: mode a, with policies of the operator of the decision point"""
    [b] = chain(1, lambda i: {"distributed.policies": ["/gw7/gwbase/*/open-* base0/acpOpen", "/gw7/gwbase/*/o* base0/acpMore"]})
    a = new_server({"cse.id": "/gw7", "cse.name": "gwbase"})
    mine, guest = a.register(), a.register()
    b.boss.made(b.base, ACP, {"rn": "acpOpen", "pv": allow(rule(absolute(a, guest.origin), RETRIEVE), rule(guest.origin, DELETE)),
                              "pvs": allow(rule(b.boss.origin, ALL))})
    cnt = delegated(mine, "adri", [url(b, "pdp")], rn=unique("open"))
    guest.retrieve(cnt).expect(2000)
    guest.retrieve(cnt + "/la").expect(4004)
    guest.update(cnt, CNT, {"lbl": ["x"]}).expect(4103)
    guest.delete(cnt).expect(4103)  # a stem in a policy is an AE of the CSE where the policy is
    mine.retrieve(cnt).expect(4103)
    guest.retrieve(delegated(mine, "adri", [url(b, "pdp")], rn=unique("closed"))).expect(4103)
    b.boss.made(b.base, ACP, {"rn": "acpMore", "pv": allow(rule("all", UPDATE)), "pvs": allow(rule(b.boss.origin, ALL))})
    guest.update(cnt, CNT, {"lbl": ["x"]}).expect(2004)


def test_registered_cses(new_server):
    """AUTHZ-220: points addressed as resources, through the registration of a gateway at its infrastructure node"""
    b = make_points(new_server, {"cse.id": "/in1", "cse.name": "inbase", "http.open": "true",
                                 "distributed.policies": "/gw7/gwbase/* inbase/acpGw7"})
    a = new_server({"cse.id": "/gw7", "cse.name": "gwbase", "cse.type": "MN", "http.open": "true", "registrar.id": "/in1",
                    "registrar.poa": "http://127.0.0.1:%d" % b.port, "registrar.retry_first": "20ms"})
    wait_until(lambda: a.metrics().get("registered") == 1)
    mine, guest = a.register(), a.register()
    b.boss.made(b.base, ACP, {"rn": "acpGw7", "pv": allow(rule("/gw7/" + guest.origin, RETRIEVE)), "pvs": allow(rule(b.boss.origin, ALL))})
    for attribute, at in (("adri", "/in1/inbase/pdp"), ("apri", "//reeve.local/in1/inbase/prp")):
        cnt = delegated(mine, attribute, ["/in1/inbase/nothing", at])
        guest.retrieve(cnt).expect(2000)
        guest.delete(cnt).expect(4103)
    assert b.metrics()["points_asked"] == 4
    b.boss.update("inbase/acpGw7", ACP, {"pv": allow()}).expect(2004)
    guest.retrieve(cnt).expect(4103)


@pytest.mark.parametrize("first", ["pdp", "prp"])
def test_from_point_to_point(chain, new_server, first):
    """AUTHZ-215: modes b, c and d: who has no policy asks the next one"""
    b = chain(3, lambda i: {"distributed.ask_pdp": []} if first == "prp" else {"distributed.ask_prp": []})
    c = b[2]
    owner, guest = c.register(), c.register()
    _, pol = owner.policy([rule(guest.origin, RETRIEVE), rule("Cother*", UPDATE)])
    to = c.cse_id + "/" + owner.container(acpi=[pol])
    assert asks(b[0], b[0].register(), to, absolute(c, guest.origin)) == (PERMIT, OK)
    assert asks(b[0], b[0].register(), to, absolute(c, guest.origin), 3) == (DENY, OK)
    assert asks(b[0], b[0].register(), to, absolute(c, "Cother1"), 3) == (PERMIT, OK)
    assert asks(b[0], b[0].register(), to, absolute(b[0], "Cother1"), 3) == (DENY, OK)
    assert asks(b[0], b[0].register(), to + "x", absolute(c, guest.origin)) == (None, NOT_APPLICABLE)
    for s in b:
        assert s.metrics()["points_asked"] >= 5
    b[1].kill()
    assert asks(b[0], b[0].register(), to, absolute(c, guest.origin)) == (None, FAILED)


def test_questions_do_not_go_round(new_server, chain):
    """A hop limit ends a circle (section 7.1)."""
    ports = [free_port(), free_port()]

    def of(i):
        there = "http://127.0.0.1:%d/base%d/" % (ports[1 - i], 1 - i)
        return {"http.port": ports[i], "distributed.ask_pdp": there + "pdp", "distributed.ask_prp": there + "prp",
                "distributed.ask_pip": there + "pip", "distributed.hops": 3}

    a, b = chain(2, of)
    e = a.register()
    assert asks(a, e, "/x/y/z", "//sp/Sone") == (None, NOT_APPLICABLE)
    assert ask(e, a.base + "/prp", {"to": "/x/y/z"}, AUPY) == {"sus": NOT_APPLICABLE}
    assert ask(e, a.base + "/pip", {"fr": "//sp/Sone"}, AUIF) == {"sus": NOT_APPLICABLE}
    assert 6 < a.metrics()["points_asked"] + b.metrics()["points_asked"] < 60


def test_the_cse_writes_nothing_for_others(server, ae, other):
    """A policy that names an unbound resource of this CSE does not make it be written to."""
    boss, name = server.admin(), unique()
    boss.create(server.base, AUDS, {"rn": name}).expect(2001)
    other.retrieve(delegated(ae, "adri", [server.base + "/" + name, ae.at, server.base])).expect(4103)
    assert not SPECIFIC & set(boss.retrieve(server.base + "/" + name).res)


def test_a_point_here(servers):
    """Points of the same CSE are asked without a detour."""
    s = servers(**{"distributed.pdp": "own", "distributed.prp": "ownrules"})
    boss, a, b = s.admin(), s.register(), s.register()
    boss.create(s.base, AUDS, {"rn": "own"}).expect(2001)
    boss.create(s.base, AUPY, {"rn": "ownrules"}).expect(2001)
    # what it decides about here is decided by policies that are here: there is none that says more
    b.retrieve(delegated(a, "adri", [s.base + "/own"])).expect(4103)
    b.retrieve(delegated(a, "apri", [s.cse_id + "/" + s.base + "/ownrules"])).expect(4103)
    assert s.metrics()["points_asked"] == 2


# --- policies given away


def test_rules_are_given_with_absolute_names(points):
    """AUTHZ-215: ps, ca and sus; who is meant here is meant elsewhere"""
    s = points
    a, b = s.register(), s.register()
    group = a.made(a.at, 9, {"mnm": 3, "mid": [b.at]})
    entries = ["all", a.origin, "C98*", "S12", "/in9/C1", "/in*/C*", "//other.sp", "//*.sp", "r@x.y", group, "no/such/group", "*x"]
    _, pol = a.policy([rule(entries, 63, acaf=True, acod=[{"ty": 3, "chty": [4]}]), rule(b.origin, 2)])
    cnt = a.container(acpi=[pol])
    r = ask(b, s.base + "/prp", {"to": s.cse_id + "/" + cnt}, AUPY)
    assert set(r) == {"ps", "ca", "sus"} and (r["ca"], r["sus"]) == (1, OK)
    sp = s.sp_id
    assert r["ps"] == {"pv": [{"acr": [
        {"acor": ["all", absolute(s, a.origin), absolute(s, "C98*"), sp + "/S12", sp + "/in9/C1", sp + "/in*/C*", "//other.sp", "r@x.y",
                  absolute(s, b.origin)], "acop": 63, "acaf": True, "acod": [{"ty": 3, "chty": [4]}]},
        {"acor": [absolute(s, b.origin)], "acop": 2}]}]}
    assert ask(b, s.base + "/prp", {"to": a.container()}, AUPY)["ps"] == {"pv": [allow(rule(absolute(s, a.origin), 63))]}
    acp = a.retrieve(pol)["ri"]
    assert ask(b, s.base + "/prp", {"to": acp}, AUPY)["ps"] == {"pv": [allow(rule(absolute(s, a.origin), 63))]}


# --- nothing stays, nobody sees the other's


def specific(s, name):
    return SPECIFIC & set(s.boss.retrieve(s.base + "/" + name).expect(2000).res)


def test_nothing_is_left(points):
    """AUTHZ-217"""
    s = points
    a = s.register()
    ask(a, s.base + "/pdp", question("cse", a.origin, 2, rids=["r@x.y"], rtm="20260101T000000"))
    ask(a, s.base + "/prp", {"to": "cse"}, AUPY)
    ask(a, s.base + "/pip", {"fr": a.origin}, AUIF)
    for name in ("pdp", "prp", "pip"):
        assert not specific(s, name)
        assert s.boss.retrieve(s.base + "/" + name, query={"rcn": 6}).expect(2000).res.get("ch", []) == []
    boss = s.boss.retrieve(s.base + "/pdp").res
    assert boss["lt"] == boss["ct"]


def test_leftovers_go(new_server):
    """AUTHZ-217: what was stored before the resource was bound is removed by the first question"""
    s = new_server({})
    boss = s.admin()
    boss.create(s.base, AUDS, {"rn": "pdp", "to": "/x", "fr": "CAE1", "rids": ["a@b.c"], "lbl": ["kept"]}).expect(2001)
    boss.create(s.base, AUPY, {"rn": "prp", "to": "/x"}).expect(2001)
    s.settings.update({"distributed.pdp": "pdp", "distributed.prp": "prp"})
    s.restart()
    s.boss = boss
    assert specific(s, "pdp") == {"to", "fr", "rids"}
    assert asks(s, boss, "cse", boss.origin, 1, rrt=3) == (PERMIT, OK)
    assert not specific(s, "pdp") and boss.retrieve("cse/pdp")["lbl"] == ["kept"]
    boss.update("cse/prp", AUPY, {"to": None}).expect(4000)
    assert specific(s, "prp") == {"to"}
    ask(boss, "cse/prp", {"to": "cse"}, AUPY)
    assert not specific(s, "prp")
    boss.create(s.base, AUDS, {"rn": "other", "to": "/x"}).expect(2001)
    boss.delete("cse/pdp").expect(2002)
    boss.create(s.base, AUDS, {"rn": "pdp", "to": "/x"}).expect(4000)


def test_no_result_content(points):
    a = points.register()
    r = a.update(points.base + "/pdp", AUDS, question("cse", a.origin), rcn=0).expect(2004)
    assert not r.body


def test_a_hundred_at_a_time(chain):
    """AUTHZ-222: at a point that has to wait for another one, and at one that knows itself"""
    b, c = chain(2, lambda i: {"distributed.ask_prp": []})
    owner = c.register()
    _, pol = owner.policy([rule("Ceven*", RETRIEVE), rule("Codd*", UPDATE)])
    to = c.cse_id + "/" + owner.container(acpi=[pol])
    e = b.register()

    def one(i):
        fr = absolute(c, ("Ceven%d" if i % 2 == 0 else "Codd%d") % i)
        s, who = (b, e) if i % 3 else (c, owner)
        return asks(s, who, to, fr, 2 if i % 4 < 2 else 3)

    with concurrent.futures.ThreadPoolExecutor(50) as pool:
        got = list(pool.map(one, range(200)))
    assert got == [(PERMIT if (i % 2 == 0) == (i % 4 < 2) else DENY, OK) for i in range(200)]


def test_identical_questions_are_one(server, ae, other, point):
    """Who asks the same at the same time waits for the same answer, and everybody gets it."""
    go, begun = threading.Event(), threading.Event()

    def answer(q):
        begun.set()
        go.wait(20)
        return YES if q["fr"].endswith(other.origin) else NO

    p = point(answer)
    cnt = delegated(ae, "adri", [p.url])
    third = server.register()
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        before = server.metrics()["enquiries_shared"]
        asked = [pool.submit((other if i % 2 else third).retrieve, cnt) for i in range(16)]
        begun.wait(10)
        wait_until(lambda: server.metrics()["enquiries_shared"] == before + 14)
        go.set()
        assert [f.result().rsc for f in asked] == [4103 if i % 2 == 0 else 2000 for i in range(16)]
    assert sorted(q["fr"].endswith(other.origin) for q in p.seen) == [False, True]


def test_answers_may_be_kept(servers, point):
    """distributed.cache"""
    s = servers(**{"distributed.cache": "1h"})
    a, b = s.register(), s.register()
    p = point(YES)
    cnt = delegated(a, "adri", [p.url])
    for _ in range(3):
        b.retrieve(cnt).expect(2000)
    assert len(p.seen) == 1
    a.retrieve(cnt).expect(2000)
    b.update(cnt, CNT, {"lbl": ["x"]}).expect(2004)
    assert len(p.seen) == 3
    p.say = {"sus": FAILED}
    cnt = delegated(a, "adri", [p.url])
    b.retrieve(cnt).expect(4103)
    b.retrieve(cnt).expect(4103)
    assert len(p.seen) == 5  # failures are not kept


def test_too_many_questions(servers, point):
    """distributed.waiting"""
    s = servers(**{"distributed.waiting": 1})
    a, b = s.register(), s.register()
    go, begun = threading.Event(), threading.Event()
    p = point(lambda q: (begun.set(), go.wait(20)) and YES)
    one, two = delegated(a, "adri", [p.url]), delegated(a, "adri", [p.url])
    t = threading.Thread(target=lambda: b.retrieve(one).expect(2000))
    t.start()
    begun.wait(10)
    b.retrieve(two).expect(4103)
    assert s.metrics()["limit_enquiries"] == 1
    go.set()
    t.join()
    b.retrieve(two).expect(2000)


def test_one_originator_does_not_use_up_all(servers, point):
    """distributed.waiting: a fourth each"""
    s = servers(**{"distributed.waiting": 8})
    a, b, c = s.register(), s.register(), s.register()
    go = threading.Event()
    p, good = point(lambda q: go.wait(20) and YES), point(YES)
    slow = [delegated(a, "adri", [p.url]) for _ in range(4)]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(b.retrieve, at) for at in slow]
        done, _ = concurrent.futures.wait(asked, return_when=concurrent.futures.FIRST_COMPLETED, timeout=20)
        wait_until(lambda: s.metrics()["limit_enquiries"] == 2)
        c.retrieve(delegated(a, "adri", [good.url])).expect(2000)
        go.set()
        assert sorted(f.result().rsc for f in asked) == [2000, 2000, 4103, 4103]


def test_the_end_while_asking(new_server, point):
    """The server ends, and its clients leave, while it waits for a decision point."""
    s = new_server({})
    a, b = s.register(), s.register()
    go, begun = threading.Event(), threading.Event()
    p = point(lambda q: (begun.set(), go.wait(20)) and YES)
    cnt = delegated(a, "adri", [p.url])
    k = socket.create_connection(("127.0.0.1", s.port))
    k.sendall(("GET /%s HTTP/1.1\r\nHost: x\r\nX-M2M-Origin: %s\r\nX-M2M-RI: 1\r\nX-M2M-RVI: 3\r\n\r\n" % (cnt, b.origin)).encode())
    begun.wait(10)
    k.close()
    begun.clear()
    with socket.create_connection(("127.0.0.1", s.port)) as k:
        k.sendall(("GET /%s HTTP/1.1\r\nHost: x\r\nX-M2M-Origin: %s\r\nX-M2M-RI: 1\r\nX-M2M-RVI: 3\r\n\r\n" % (cnt, a.origin)).encode())
        begun.wait(10)
        s.stop()
    go.set()


# --- roles of information points

NURSE, DOCTOR = "nurse@roles.example", "doctor@roles.example"


@pytest.fixture
def authority(tmp_path):
    """Settings with an Authorization Authority at /points."""
    path = tmp_path / "issuers.json"
    path.write_text(json.dumps({"issuers": [{"id": "//reeve.local/points/Cauth", "domains": ["roles.example"], "roles": True}]}))
    return {"authz.issuers": str(path), "http.open": "true", "roles.allowed": "*=*", "access.create_all": "true"}


def role(holder, rlid=NURSE, **more):
    return dict({"rlid": rlid, "tkis": "//reeve.local/points/Cauth", "tkhd": holder, "tknb": stamp(-60), "tkna": stamp(3600)}, **more)


def test_roles_from_an_information_point(new_server, authority, point):
    """AUTHZ-215 (auif), airi beside rules (Q-25): a claimed role is looked for where the policy says, and tested as one that is here"""
    s = new_server(authority)
    a, b = s.register(), s.register()
    who = absolute(s, b.origin)
    p = point({"sus": OK, "m2m:rol": [role(who)]}, "m2m:auif")
    acp = a.made(a.at, ACP, {"pv": allow(rule(NURSE, RETRIEVE), rule(a.origin, ALL)), "pvs": allow(rule(a.origin, ALL)), "airi": [p.url]})
    cnt = a.container(acpi=[acp])
    b.retrieve(cnt).expect(4103)
    a.retrieve(cnt, {"rids": NURSE}).expect(2000)
    assert not p.seen  # nothing claimed, or nothing needed
    b.retrieve(cnt, {"rids": NURSE}).expect(2000)
    assert p.seen == [{"fr": who, "rids": [NURSE]}]
    b.delete(cnt, query={"rids": NURSE}).expect(4103)
    b.retrieve(cnt, {"rids": DOCTOR}).expect(4103)
    for bad in ({"m2m:rol": [role(absolute(s, a.origin))]}, {"m2m:rol": [role(who, DOCTOR)]}, {"m2m:rol": [role(who, tkna=stamp(-5))]},
                {"m2m:rol": [role(who, tknb=stamp(60))]}, {"m2m:rol": [role(who, tkis="//reeve.local/reeve/Cauth")]},
                {"m2m:rol": [role(b.origin)]}, {"m2m:rol": [role(who, tkis="Cauth")]}, {"m2m:rol": []}, {"m2m:rol": NURSE}, {},
                {"m2m:rol": [{"rlid": NURSE}]}, {"sus": FAILED, "m2m:rol": [role(who)]}, {"sus": NOT_APPLICABLE, "m2m:rol": [role(who)]}):
        p.say = dict({"sus": OK}, **bad)
        b.retrieve(cnt, {"rids": NURSE}).expect(4103)
    p.say = {"sus": OK, "m2m:rol": role(who)}
    b.retrieve(cnt, {"rids": NURSE}).expect(2000)


def test_rules_and_roles_from_elsewhere(new_server, authority, point):
    """apri and airi of one policy"""
    s = new_server(authority)
    a, b = s.register(), s.register()
    prp, pip = point(rules([rule(NURSE, RETRIEVE)]), "m2m:aupy"), point({"sus": OK, "m2m:rol": [role(absolute(s, b.origin))]}, "m2m:auif")
    acp = a.made(a.at, ACP, {"pv": allow(), "pvs": allow(rule(a.origin, ALL)), "apri": [prp.url], "airi": [pip.url]})
    cnt = a.container(acpi=[acp])
    b.retrieve(cnt).expect(4103)
    assert not pip.seen
    b.retrieve(cnt, {"rids": NURSE}).expect(2000)
    b.delete(cnt, query={"rids": NURSE}).expect(4103)


def test_roles_at_a_decision_point(chain, authority):
    """AUTHZ-215, 216: modes e and f: roles that are here, at another point, at the one behind that; and nowhere"""
    pip, nothing = authority, {"distributed.ask_prp": [], "distributed.ask_pdp": []}
    b = chain(3, lambda i: dict(pip, **nothing, **({"cse.id": "/points"} if i == 2 else {})))
    authority_there = b[2].register("Cauth")
    owner = b[0].register()
    _, pol = owner.policy([rule(NURSE, RETRIEVE), rule(DOCTOR, UPDATE)])
    cnt, one, two = owner.container(acpi=[pol]), "//reeve.local/gw7/Cone", "//reeve.local/gw7/Ctwo"
    assert asks(b[0], owner, cnt, one, rids=[NURSE]) == (None, MISSING)
    authority_there.create("base2", ROLE, role(one, tkis="Cauth")).expect(2001)
    assert asks(b[0], owner, cnt, one, rids=[NURSE]) == (PERMIT, OK)
    assert asks(b[0], owner, cnt, one, 3, rids=[NURSE]) == (DENY, OK)
    assert asks(b[0], owner, cnt, one) == (DENY, OK)
    assert asks(b[0], owner, cnt, two, rids=[NURSE]) == (None, MISSING)
    b[0].boss.create("base0", ROLE, role(two)).expect(2001)
    assert asks(b[0], owner, cnt, two, rids=[NURSE]) == (PERMIT, OK)
    # what an information point says, in its own words
    r = ask(owner, "base0/pip", {"fr": one, "rids": [NURSE]}, AUIF)
    assert set(r) == {"sus", "m2m:rol"} and r["sus"] == OK and len(r["m2m:rol"]) == 1
    assert r["m2m:rol"][0]["tkhd"] == one and r["m2m:rol"][0]["tkis"] == "//reeve.local/points/Cauth" and set(r["m2m:rol"][0]) == set(role(one))
    assert ask(owner, "base0/pip", {"fr": two}, AUIF)["m2m:rol"][0]["rlid"] == NURSE
    assert ask(owner, "base0/pip", {"fr": two, "rids": [DOCTOR]}, AUIF) == {"sus": NOT_APPLICABLE}
    assert not any(specific(s, "pip") for s in b[:1])
    assert [c for c in b[0].boss.retrieve("base0/pip", query={"rcn": 6}).res.get("ch", [])] == []


def test_information_children_go(new_server):
    """AUTHZ-217: roles that were put below an information point before it was bound go with the first question"""
    s = new_server({"access.create_all": "true"})
    boss = s.admin()
    boss.create(s.base, AUIF, {"rn": "pip"}).expect(2001)
    boss.create("cse/pip", ROLE, role("CAE1", rn="left")).expect(2001)
    s.settings["distributed.pip"] = "pip"
    s.restart()
    boss.retrieve("cse/pip/left").expect(2000)
    assert ask(boss, "cse/pip", {"fr": "CAE1"}, AUIF) == {"sus": NOT_APPLICABLE}
    boss.retrieve("cse/pip/left").expect(4004)


def test_tokens_are_given_to_who_names_them(new_server):
    """AUTHZ-215 (auif): a <token> only by its Token-ID, and only its holder's"""
    s = make_points(new_server, {"access.create_all": "true"})
    a = s.register()
    text = "eyJhbGciOiJFUzI1NiJ9.e30.c2lnbmF0dXJl"
    r = s.boss.create(s.base, TOKEN, {"tkid": "t1@das.example", "tkob": text, "tkhd": a.origin})
    if r.rsc != 2001:
        pytest.skip("tokens that cannot be opened are not stored here: %r" % r)
    assert ask(a, s.base + "/pip", {"fr": a.origin}, AUIF) == {"sus": NOT_APPLICABLE}
    assert ask(a, s.base + "/pip", {"fr": "Cother", "tids": ["t1@das.example"]}, AUIF) == {"sus": NOT_APPLICABLE}
    r = ask(a, s.base + "/pip", {"fr": a.origin, "tids": ["t1@das.example"]}, AUIF)
    assert r == {"sus": OK, "m2m:tk": [{"tkid": "t1@das.example", "tkob": text, "tkhd": absolute(s, a.origin)}]}
def test_tokens_from_an_information_point(new_server, tmp_path, point):
    """AUTHZ-215: a decision point has a token that is only named fetched, and tests it as one that a request brings (made by jwcrypto)"""
    das = tokens.Issuer()
    held = {}
    pip = point(lambda q: {"sus": OK, "m2m:tk": [{"tkid": t, "tkob": held[t]} for t in q["tids"]]}, "m2m:auif")
    s = make_points(new_server, {"authz.issuers": tokens.write_issuers(tmp_path / "issuers.json", das.entry()),
                                 "distributed.ask_pip": pip.url})
    a, b = s.register(), s.register()
    cnt = a.container()
    ri = s.cse_id + "/" + a.retrieve(cnt)["ri"]
    who = absolute(s, b.origin)

    def decided(holder=who, op=2, named=None, **changes):
        claims = das.claims(holder, [tokens.permit(ri, rule("all", RETRIEVE))], **changes)
        held[named or claims["jti"]] = das.sign(claims)
        return asks(s, a, cnt, who, op, tids=[named or claims["jti"]])

    assert decided() == (PERMIT, OK)
    assert decided(op=3) == (DENY, OK)
    # AUTHZ-216: tokens that do not count, and one that cannot be had
    assert decided(holder=absolute(s, a.origin)) == (None, SYNTAX)
    assert decided(exp=1) == (None, SYNTAX)
    assert decided(iss="//reeve.local/Sother") == (None, SYNTAX)
    pip.say = (4103, None)
    assert decided() == (None, MISSING)
    good = das.token(who, [tokens.permit(ri, rule("all", RETRIEVE))])
    assert asks(s, a, cnt, who, tkns=[good]) == (PERMIT, OK)
    assert asks(s, a, cnt, who, 3, tkns=[good]) == (DENY, OK)
    assert asks(s, a, cnt, who, tkns=[good[:-8] + "AAAAAAAA"]) == (None, SYNTAX)
    assert asks(s, a, cnt, a.origin, tkns=[good[:-8] + "AAAAAAAA"]) == (PERMIT, OK)  # Q-9: not needed, not looked at


# --- the same decision wherever it is made


def random_rules(rnd, here):
    """Rules over a small world, so that many of them match. No target type: a decision point elsewhere cannot know it."""
    who = ["all", "CA", "CB", "CA*", "C*", "S1", "//reeve.local", "//other.sp", "/in9/C1", here + "/CA", here + "/CB", "//*/gw7/C*", "r@x.y", "*A"]
    out = []
    for _ in range(rnd.randrange(1, 4)):
        r = {"acor": rnd.sample(who, rnd.randrange(1, 3)), "acop": rnd.randrange(1, 64)}
        if rnd.random() < 0.4:
            r["acco"] = [rnd.choice([{"acip": {"ipv4": [rnd.choice(["127.0.0.0/8", "10.0.0.0/8"])]}},
                                     {"actw": [rnd.choice(["* * * * * * *", NEVER])]},
                                     {"acip": {"ipv6": ["::/0"]}, "actw": ["* * * * * * *"]}]) for _ in range(rnd.randrange(1, 3))]
        if rnd.random() < 0.3:
            r["acod"] = [{"chty": rnd.sample([3, 4, 9], rnd.randrange(1, 3))}]
        if rnd.random() < 0.2:
            r["acaf"] = rnd.random() < 0.5
        out.append(r)
    return out


def test_remote_is_local(new_server, chain):
    """AUTHZ-215: 300 random policies and requests, decided here, by a decision point elsewhere, and by rules from elsewhere"""
    rnd = random.Random(7)
    [b] = chain(1, lambda i: {"distributed.policies": ["/gw7/gwbase/a/c%02d* base0/p%d" % (i, i) for i in range(30)]})
    a = new_server({"cse.id": "/gw7", "cse.name": "gwbase"})
    owner = a.register(name="a")
    guests = [a.register("CA"), a.register("CB"), a.register("S1")]
    permitted = 0
    for i in range(30):
        rules_here = random_rules(rnd, "/gw7")
        there = json.loads(json.dumps(rules_here))
        for r in there:  # a stem means an AE of the CSE where the policy is
            r["acor"] = ["/gw7/" + x if x.startswith("C") else x for x in r["acor"]]
        b.boss.made(b.base, ACP, {"rn": "p%d" % i, "pv": allow(*there), "pvs": allow(rule(b.boss.origin, ALL))})
        _, pol = owner.policy(rules_here)
        local = owner.made(owner.at, CNT, {"rn": "local%d" % i, "acpi": [pol]})
        decided = delegated(owner, "adri", [url(b, "pdp")], rn="c%02dd" % i)
        fetched = delegated(owner, "apri", [url(b, "prp")], rn="c%02dr" % i)
        for _ in range(10):
            e = rnd.choice(guests)
            ask_for = rnd.choice([
                lambda at: e.retrieve(at), lambda at: e.update(at, CNT, {"lbl": ["x"]}), lambda at: e.create(at, CIN, {"con": "x"}),
                lambda at: e.create(at, CNT, {}), lambda at: e.retrieve(at + "/la"), lambda at: e.notify(at, {"m2m:sgn": {"sur": "x"}})])
            got = [ask_for(at).rsc for at in (local, decided, fetched)]
            assert got[0] == got[1] == got[2], (i, e.origin, rules_here, got)
            permitted += got[0] != 4103
    assert 60 < permitted < 240


def test_the_walkthrough(tmp_path):
    """docs/distributed-authorization.md, step by step"""
    page = (pathlib.Path(__file__).resolve().parents[2] / "docs" / "distributed-authorization.md").read_text()
    conf, commands = page.split("## Two CSEs")[1].split("```\n")[1:4:2]
    ports = {"8081": str(free_port()), "8082": str(free_port())}
    for here, there in ports.items():
        conf, commands = conf.replace(here, there), commands.replace(here, there)
    left, right = zip(*((line[:40].strip(), line[40:].strip()) for line in conf.splitlines()))
    (tmp_path / "in1.conf").write_text("\n".join(left))
    (tmp_path / "gw7.conf").write_text("\n".join(right))
    (tmp_path / "reeve").symlink_to(binary())
    running, steps = [], []
    for line in commands.splitlines():
        if line.endswith("&"):
            running.append(subprocess.Popen(line[:-1].split(), cwd=tmp_path, executable=binary(), stderr=subprocess.DEVNULL))
        else:
            steps.append(line)
    try:
        def ready(port):
            try:
                with socket.create_connection(("127.0.0.1", int(port)), timeout=1) as k:
                    k.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                    return b"reeve_registered 1" in k.makefile("rb").read()
            except OSError:
                return False

        wait_until(lambda: ready(ports["8082"]))
        *setup, permitted, denied = steps

        def shell(lines):
            return subprocess.run(["sh", "-e"], input="\n".join(lines), cwd=tmp_path, text=True, capture_output=True, timeout=60,
                                  env=dict(os.environ, PATH="%s:%s" % (tmp_path, os.environ["PATH"])))

        done = shell(setup + [permitted])
        assert done.returncode == 0 and "flow" in done.stdout, done
        done = shell(setup[:3] + [denied])
        assert done.returncode == 1 and "4103" in done.stdout + done.stderr, done
        told = shell(["reeve explain --config gw7.conf " + (done.stdout + done.stderr).split("decision ")[1].split(";")[0]])
        assert "/in1/inbase/pdp" in told.stdout, told
    finally:
        for p in running:
            p.terminate()
        assert [p.wait(30) for p in running] == [0, 0]
