# SPDX-License-Identifier: Apache-2.0
"""Authorization points of this CSE: what their resources are, what may be asked, what is answered, and what is left (catalogue 7, 9.10)."""

import concurrent.futures
import json

import pytest

from harness import free_port, rule, unique
from harness import tokens
from harness.make import ALL, CREATE, DISCOVER, RETRIEVE, UPDATE, allow
from harness.points import (ACP, AUDS, AUIF, AUPY, DENY, DOCTOR, FAILED, MISSING, NEVER, NOT_APPLICABLE, NURSE, OK,
                            PERMIT, ROLE, SPECIFIC, SYNTAX, TOKEN, absolute, ask, asks, authority, chain, delegated,
                            make_points, point, points, question, role, specific, url)  # noqa: F401

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


def test_a_stem_belongs_to_who_says_it(new_server):
    """AUTHZ-068: "Cone" in a question of another CSE is its own AE, not one of the same name here"""
    s = make_points(new_server, {"http.open": "true"})
    a, there = s.register("Cone"), s.entity("/gw9")
    _, pol = a.policy([rule("Cone", RETRIEVE), rule("/gw9/Cone", UPDATE)])
    cnt = a.container(acpi=[pol])
    assert asks(s, a, cnt, "Cone") == (PERMIT, OK) and asks(s, a, cnt, "Cone", 3) == (DENY, OK)
    assert asks(s, there, cnt, "Cone") == (DENY, OK) and asks(s, there, cnt, "Cone", 3) == (PERMIT, OK)
    assert asks(s, there, cnt, absolute(s, "Cone")) == (PERMIT, OK)


def test_what_was_decided_for_others_is_on_record(points):
    """Each decision is in the audit log: about whom, for whom, and how"""
    s = points
    a, b = s.register(), s.register()
    cnt = a.container()
    asks(s, b, cnt, a.origin, 4)
    asks(s, b, cnt, b.origin, 2, oip={"ip4": "192.0.2.7"})
    asks(s, b, "/elsewhere/x", b.origin)
    lines = [json.loads(x) for x in (s.folder / "data" / "audit.log").read_text().splitlines()]
    lines = [x for x in lines if x.get("ground") == "decision for another CSE"]
    to = s.cse_id + "/" + cnt
    assert [(x["event"], x["action"], x["who"], x["target"], x["detail"]) for x in lines] == [
        ("permitted", "delete", absolute(s, a.origin), to, absolute(s, b.origin)),
        ("denied", "retrieve", absolute(s, b.origin), to, absolute(s, b.origin))]
    assert lines[1]["address"] == "192.0.2.7"


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


# --- from point to point


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


# --- roles and tokens


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
    s.boss.create(s.base, TOKEN, {"tkid": "t1@das.example", "tkob": text, "tkhd": a.origin}).expect(2001)
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
