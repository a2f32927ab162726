# SPDX-License-Identifier: Apache-2.0
"""A CSE that asks others: decisions, rules and roles from points at a second CSE and in Python (catalogue 7.5, 9.10)."""

import concurrent.futures
import json
import os
import pathlib
import random
import socket
import subprocess
import threading

import pytest

from harness import free_port, rule, stamp, unique, wait_until
from harness.make import ALL, CREATE, DELETE, RETRIEVE, UPDATE, allow
from harness.points import (ACP, CIN, CNT, DOCTOR, FAILED, MISSING, NEVER, NO, NOT_APPLICABLE, NURSE, OK, PERMIT,
                            SUB, SYNTAX, YES, absolute, asks, authority, chain, delegated, make_points, point,
                            points, question, role, rules, url)  # noqa: F401
from harness.server import binary

# --- the PEP


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


# --- questions under way and answers kept


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
