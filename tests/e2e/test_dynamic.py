# SPDX-License-Identifier: Apache-2.0
"""Dynamic authorization: <dynamicAuthorizationConsultation>, direct consultation, dynamic policies, indirect flow (catalogue 5, 9.8).

The DAS is harness/das.py: an HTTP server that knows nothing of the program. Tokens it gives, the indirect flow: test_indirect.py; relationship
update: test_relationship.py."""

import concurrent.futures
import json
import socket
import subprocess
import threading

import pytest

from harness import absolute, free_port, rule, stamp, unique, wait_until
from harness.das import NOTHING, SETTINGS, Das, Reply, World, dres, granted
from harness.server import binary


@pytest.fixture
def dyn(servers):
    return servers(**SETTINGS)


@pytest.fixture
def world(dyn, das):
    return World(dyn, das)


# --- <dynamicAuthorizationConsultation> and daci


GOOD = {"dae": True, "dap": ["http://127.0.0.1:9/das"]}


@pytest.mark.parametrize("attrs", [
    {"dap": GOOD["dap"]}, {"dae": True}, {}, dict(GOOD, dap=[]), dict(GOOD, dap=None), dict(GOOD, dae=None), dict(GOOD, dap="http://x/"),
    dict(GOOD, dap=["no address"]), dict(GOOD, dap=["urn:x"]), dict(GOOD, dap=["http://127.0.0.1:9", ""]), dict(GOOD, dae="true"),
    dict(GOOD, dal="tomorrow"), dict(GOOD, dal=3600), dict(GOOD, foo=1),
])
def test_dac_is_checked(ae, attrs):
    """AUTHZ-182"""
    ae.create(ae.at, 34, GOOD).expect(2001)
    rn = unique("dac")
    ae.create(ae.at, 34, dict(attrs, rn=rn)).expect(4000)
    ae.retrieve(ae.at + "/" + rn).expect(4004)


def test_dac_is_kept(ae):
    """AUTHZ-182: what was sent is there; dap stays mandatory in Update"""
    attrs = dict(GOOD, dal=stamp(3600), dap=["https://das.example:8443/x", "coap://das.example"])
    dac = ae.made(ae.at, 34, attrs)
    got = ae.retrieve(dac).expect(2000)
    assert {k: got[k] for k in attrs} == attrs
    ae.update(dac, 34, {"dap": []}).expect(4000)
    ae.update(dac, 34, {"dap": None}).expect(4000)
    ae.update(dac, 34, {"dae": None}).expect(4000)
    ae.update(dac, 34, {"dae": False, "dal": None}).expect(2004)
    got = ae.retrieve(dac).expect(2000)
    assert got["dae"] is False and "dal" not in got and got["dap"] == attrs["dap"]
    cnt = ae.container()
    ae.create(cnt, 34, GOOD).expect(4108)


@pytest.mark.parametrize("ty,attrs", [(3, {}), (9, {"mnm": 3, "mid": []}), (23, {"nu": ["http://127.0.0.1:9/none"]}), (34, GOOD)])
def test_daci(ae, ty, attrs):
    """AUTHZ-182: links lead to such resources, or to another CSE; they can be changed and taken away"""
    dac = ae.made(ae.at, 34, GOOD)
    res = ae.made(ae.at, ty, dict(attrs, daci=[dac]))
    assert ae.retrieve(res).expect(2000)["daci"] == [dac]
    for bad in ([ae.at], ["cse/nowhere"], "x", [5], [""]):
        ae.update(res, ty, {"daci": bad}).expect(4000)
        ae.create(ae.at, ty, dict(attrs, daci=bad)).expect(4000)
    ae.update(res, ty, {"daci": ["/other/cse/dac"]}).expect(2004)
    ae.update(res, ty, {"daci": None}).expect(2004)
    assert "daci" not in ae.retrieve(res).expect(2000)


def test_daci_of_csebase(new_server):
    """AUTHZ-182: it is the operator's"""
    s = new_server({"dynamic.dac": ["cse/dacA", "cse/dacB"]})
    assert s.admin().retrieve("cse").expect(2000)["daci"] == ["cse/dacA", "cse/dacB"]
    s.admin().update("cse", 5, {"daci": ["cse/x"]}).expect(4005)
    assert "daci" not in new_server().admin().retrieve("cse").expect(2000)


# --- the question


def test_question(world, das):
    """AUTHZ-185, AUTHZ-188"""
    das.answer = NOTHING
    world.ae.retrieve(world.cnt).expect(4103)
    q = das.asked()
    assert q.method == "POST" and q.origin == world.server.cse_id and q.path == "/das"
    assert q.headers["x-m2m-rvi"] == "3" and q.headers["x-m2m-ri"]
    d = q.dreq
    assert d["or"] == world.who and d["trt"] == 3 and d["op"] == 2
    assert d["trid"] == "%s/%s" % (world.server.cse_id, world.cnt)
    assert d["oip"] == {"ip4": "127.0.0.1"}
    assert len(d["rts"]) == 15 and abs(int(d["rts"][:8]) - int(stamp()[:8])) <= 1
    assert set(d) == {"or", "trt", "op", "trid", "oip", "rts"}, d
    das.not_asked()


@pytest.mark.parametrize("op", [1, 2, 3, 4])
def test_operation_in_question(world, das, op):
    """AUTHZ-185: m2m:operation, not the bits of acop; the type of the target, also for what is addressed by a virtual resource"""
    das.answer = NOTHING
    ae, cnt = world.ae, world.cnt
    [None, lambda: ae.create(cnt, 4, {"con": "x"}), lambda: ae.retrieve(cnt), lambda: ae.update(cnt, 3, {"lbl": ["x"]}),
     lambda: ae.delete(cnt)][op]().expect(4103)
    d = das.asked().dreq
    assert (d["op"], d["trt"]) == (op, 3)
    ae.retrieve(cnt + "/la").expect(4103)
    assert das.asked().dreq["trt"] == 3


def test_notify_in_question(world, das):
    """AUTHZ-185: op 5"""
    das.answer = NOTHING
    world.owner.update(world.owner.at, 2, {"daci": [world.dac]}).expect(2004)
    world.ae.notify(world.owner.at, {"m2m:sgn": {"sur": "x"}}).expect(4103)
    assert das.asked().dreq["op"] == 5


def test_other_spelling_of_an_address(dyn, das):
    """An address that only looks like a permitted one (localhost for 127.0.0.1) is not asked, whatever roles would do"""
    das.answer = NOTHING
    host = "localhost"
    w = World(dyn, das, dap=["http://%s:%d/das" % (host, das.port)], dal=stamp(1000))
    never = {"acco": [{"actw": ["* * * * * * 2001"]}]}
    _, pol = w.owner.policy([rule([w.owner.origin, "fits@localhost", "foreign@das.example"], 63), rule("other-op@localhost", 1),
                             rule("other-time@localhost", 63, **never), rule(["too@localhost", "fits@localhost"], 2),
                             rule("authn@localhost", 63, acaf=True)])
    w.owner.update(w.cnt, 3, {"acpi": [pol]}).expect(2004)
    dyn_das = "dynamic.das"
    assert SETTINGS[dyn_das]
    w.ae.retrieve(w.cnt).expect(4103)
    das.not_asked()  # localhost is none of the addresses the operator named


def test_local_permit_asks_nobody(world, das):
    """AUTHZ-184"""
    das.answer = NOTHING
    world.owner.retrieve(world.cnt).expect(2000)
    _, pol = world.owner.policy([rule([world.owner.origin, world.ae.origin], 2)])
    world.owner.update(world.cnt, 3, {"acpi": [pol]}).expect(2004)
    world.ae.retrieve(world.cnt).expect(2000)
    das.not_asked()


# --- who is asked


def test_disabled_or_absent(world, das):
    """AUTHZ-183"""
    das.answer = lambda q: world.grants(63)
    w = world
    w.owner.update(w.dac, 34, {"dae": False}).expect(2004)
    w.ae.retrieve(w.cnt).expect(4103)
    bare = w.owner.container()
    w.ae.retrieve(bare).expect(4103)
    w.owner.update(w.owner.at, 2, {"daci": [w.dac]}).expect(2004)
    w.ae.retrieve(bare).expect(4103)
    das.not_asked()
    w.owner.update(w.dac, 34, {"dae": True}).expect(2004)
    w.ae.retrieve(w.cnt).expect(2000)
    das.asked()
    w.owner.delete(w.dac).expect(2002)
    w.ae.retrieve(bare).expect(4103)
    das.not_asked()


def test_links_are_inherited(world, das, new_server):
    """AUTHZ-183: the nearest ancestor with a valid link; a disabled one is an answer too"""
    w = world
    das.answer = NOTHING
    kid = w.owner.container(w.cnt)
    w.ae.retrieve(kid).expect(4103)
    assert das.asked().dreq["trid"] == "%s/%s" % (w.server.cse_id, kid)
    inst = w.owner.instance(kid, rn=unique("i"))
    w.ae.retrieve(inst).expect(4103)
    assert das.asked().dreq["trt"] == 4
    off = w.owner.made(w.owner.at, 34, {"dae": False, "dap": [das.url]})
    w.owner.update(kid, 3, {"daci": [off]}).expect(2004)
    w.ae.retrieve(kid).expect(4103)
    das.not_asked()
    w.owner.delete(off).expect(2002)
    w.ae.retrieve(kid).expect(4103)
    das.asked()
    s = new_server(dict(SETTINGS, **{"dynamic.inherit": "false"}))
    v = World(s, das)
    kid = v.owner.container(v.cnt)
    v.ae.retrieve(kid).expect(4103)
    das.not_asked()
    v.ae.retrieve(v.cnt).expect(4103)
    das.asked()


def test_system_default(new_server, das):
    """AUTHZ-183: daci of <CSEBase>"""
    das.answer = NOTHING
    s = new_server(dict(SETTINGS, **{"dynamic.dac": "cse/dacAll"}))
    s.admin().create("cse", 34, {"rn": "dacAll", "dae": True, "dap": [das.url]}).expect(2001)
    a, b = s.register(), s.register()
    cnt = a.container()
    b.retrieve(cnt).expect(4103)
    assert das.asked().dreq["or"] == absolute(s, b.origin)


def test_only_systems_the_operator_named(new_server, das):
    """Whoever may create a consultation could otherwise let a system of his own grant everything."""
    s = new_server({"dynamic.refusal_kept": "0 s"})
    w = World(s, das)
    das.answer = lambda q: w.grants(63)
    w.ae.retrieve(w.cnt).expect(4103)
    das.not_asked()
    s = new_server({"dynamic.das": [das.url, "http://127.0.0.1:1/*"]})
    w = World(s, das, dap=["http://127.0.0.1:2/x", das.url])
    das.answer = lambda q: w.grants(2)
    w.ae.retrieve(w.cnt).expect(2000)
    das.asked()
    das.not_asked()


def test_switched_off(new_server, das):
    """AUTHZ-183: dynamic.direct"""
    w = World(new_server(dict(SETTINGS, **{"dynamic.direct": "false"})), das)
    das.answer = lambda q: w.grants(63)
    w.ae.retrieve(w.cnt).expect(4103)
    das.not_asked()


def test_addresses_in_order(dyn, das):
    """AUTHZ-195: an address nobody answers at is passed over"""
    other = Das(lambda q: Reply(rsc=5000, status=500))
    try:
        w = World(dyn, das, dap=["http://127.0.0.1:%d/none" % free_port(), other.url, das.url])
        das.answer = lambda q: w.grants(2)
        w.ae.retrieve(w.cnt).expect(2000)
        other.asked()
        das.asked()
        other.not_asked()
    finally:
        other.close()


def test_several_systems(dyn, das):
    """AUTHZ-185: one after the other until one grants something"""
    second = Das()
    try:
        w = World(dyn, das)
        more = w.owner.made(w.owner.at, 34, {"dae": True, "dap": [second.url]})
        again = w.owner.made(w.owner.at, 34, {"dae": True, "dap": [das.url]})
        w.owner.update(w.cnt, 3, {"daci": [w.dac, again, more]}).expect(2004)
        das.answer = NOTHING
        second.answer = lambda q: w.grants(2)
        w.ae.retrieve(w.cnt).expect(2000)
        assert das.asked().dreq["or"] == second.asked().dreq["or"]
        das.not_asked()
        das.answer, second.answer = (lambda q: w.grants(4)), NOTHING
        w.ae.update(w.cnt, 3, {"lbl": ["x"]}).expect(2004)
        das.asked()
        second.not_asked()
    finally:
        second.close()


def test_never_about_itself(dyn, das):
    """AUTHZ-203: the Originator is the AE that is reached at the address"""
    w = World(dyn, das)
    das.answer = lambda q: granted([rule("all", 63)])
    w.ae.update(w.ae.at, 2, {"poa": ["http://127.0.0.1:9/x", das.url]}).expect(2004)
    w.ae.retrieve(w.cnt).expect(4103)
    das.not_asked()
    w.ae.update(w.ae.at, 2, {"poa": ["http://127.0.0.1:9/x"]}).expect(2004)
    w.ae.retrieve(w.cnt).expect(2000)


def test_policies_decide_for_themselves(world, das):
    """AUTHZ-054: a policy's selfPrivileges, for the policy itself and for changing links to it; nobody is asked"""
    w = world
    das.answer = lambda q: granted([rule("all", 63)])
    w.owner.update(w.owner.at, 2, {"daci": [w.dac]}).expect(2004)
    path, pol = w.owner.policy([rule([w.owner.origin, w.ae.origin], 63)])
    w.owner.update(w.cnt, 3, {"acpi": [pol]}).expect(2004)
    for r in (w.ae.retrieve(path), w.ae.update(path, 1, {"lbl": ["x"]}), w.ae.delete(path), w.ae.update(w.cnt, 3, {"acpi": None})):
        r.expect(4103)
    das.not_asked()


def test_discovery_asks_nobody(world, das):
    """AUTHZ-185: the question has no word for discovery"""
    das.answer = lambda q: granted([rule("all", 63)])
    assert world.cnt not in world.ae.found(world.owner.at)
    das.not_asked()


def test_members_of_a_group_ask_nobody(world, das):
    """AUTHZ-183: a request to a group would become as many questions as it has members"""
    w = world
    das.answer = lambda q: granted([rule("all", 63)])
    grp = w.ae.made(w.ae.at, 9, {"mnm": 5, "mid": [w.cnt]})
    r = w.ae.retrieve(grp + "/fopt").expect(2000)
    assert [m["rsc"] for m in r.res["m2m:rsp"]] == [4103]
    das.not_asked()


# --- what is granted


@pytest.mark.parametrize("op", [1, 2, 3, 4])
def test_grant(world, das, op):
    """AUTHZ-194: the request that was denied is executed; so is the next one, and nothing the grant does not say"""
    w = world
    das.answer = lambda q: w.grants({1: 1, 2: 2, 3: 4, 4: 8}[q.dreq["op"]], "3600000") if q.dreq["op"] == op else NOTHING
    do = {1: lambda: w.ae.create(w.cnt, 4, {"con": "x"}), 2: lambda: w.ae.retrieve(w.cnt), 3: lambda: w.ae.update(w.cnt, 3, {"lbl": ["x"]}),
          4: lambda: w.ae.delete(w.cnt)}
    do[op]().expect({1: 2001, 2: 2000, 3: 2004, 4: 2002}[op])
    das.asked()
    if op == 4:
        return
    do[op]().expect({1: 2001, 2: 2000, 3: 2004}[op])
    das.not_asked()
    for other in {1, 2, 3, 4} - {op}:
        do[other]().expect(4103)
        das.asked()


class Policies:
    """The dynamic policies below an AE, as the events of its <AE> tell them: only the CSE itself may look at one."""

    def __init__(self, w, receiver):
        self.receiver, self.there = receiver, {}
        w.owner.made(w.owner.at, 23, {"nu": [receiver.url], "enc": {"net": [3, 4]}, "nct": 1})

    def event(self):
        e = self.receiver.get().sgn["nev"]
        if "m2m:acp" not in e["rep"]:
            return self.event()
        acp = e["rep"]["m2m:acp"]
        if e["net"] == 3:
            self.there[acp["ri"]] = acp
        else:
            self.there.pop(acp["ri"], None)
        return acp


@pytest.fixture
def policies(receiver):
    return lambda w: Policies(w, receiver)


def test_dynamic_policy(world, das, policies):
    """AUTHZ-191: pv as granted, et as the DAS said, pvs for the CSE with 14; below the nearest ancestor that may have policies"""
    w, s = world, world.server
    rules = [rule([w.who, "//reeve.local/in9/Cx"], 2, acco=[{"actw": ["* * * * * * *"]}]), rule(w.who, 4)]
    das.answer = lambda q: granted(rules, "3600000")
    before, seen = s.metrics()["grants"], policies(w)
    w.ae.retrieve(w.cnt).expect(2000)
    assert s.metrics()["grants"] == before + 1
    acp = seen.event()
    assert acp["pv"] == {"acr": rules}
    assert acp["pvs"] == {"acr": [{"acor": [s.cse_id], "acop": 14}]}
    assert stamp(3590) <= acp["et"] <= stamp(3601)
    assert acp["pi"] == w.owner.ri
    for who in (w.owner, w.ae, s.admin()):
        who.retrieve(w.owner.at + "/" + acp["rn"]).expect(4103)
    w.ae.update(w.cnt, 3, {"lbl": ["x"]}).expect(2004)


def test_grant_hides_nothing(world, das):
    """AUTHZ-192: the visible acpi stays, and so does the default right of the creator"""
    w = world
    das.answer = lambda q: w.grants(63)
    before = w.owner.retrieve(w.cnt).expect(2000).res
    w.ae.retrieve(w.cnt).expect(2000)
    after = w.owner.retrieve(w.cnt).expect(2000).res
    assert before == after and "acpi" not in after
    assert w.ae.retrieve(w.cnt).expect(2000).res == after
    w.owner.update(w.cnt, 3, {"lbl": ["mine"]}).expect(2004)
    # what a grant permits, its holder may do; changing acpi is not among it
    w.ae.update(w.cnt, 3, {"lbl": ["yours"]}).expect(2004)
    w.ae.update(w.cnt, 3, {"acpi": None}).expect(4103)


def test_instances_share_their_containers_grant(world, das):
    """AUTHZ-110, AUTHZ-191: they have no policies of their own, granted ones neither"""
    w = world
    das.answer = lambda q: w.grants(2) if q.dreq["trt"] == 3 else NOTHING
    inst = w.owner.instance(w.cnt, rn=unique("i"))
    w.ae.retrieve(w.cnt + "/la").expect(2000)
    das.asked()
    w.ae.retrieve(inst).expect(2000)
    das.not_asked()


def test_lifetime(new_server, das, policies):
    """AUTHZ-191: pl as a moment and as milliseconds, number and text; at most dynamic.lifetime_most; without pl dynamic.lifetime"""
    s = new_server(dict(SETTINGS, **{"dynamic.lifetime": "100 s", "dynamic.lifetime_most": "2000 s"}))
    w = World(s, das)
    seen = policies(w)
    for pl, seconds in ((None, 100), (500000, 500), ("500000", 500), (stamp(600), 600), ("86400000", 2000), (stamp(86400), 2000)):
        cnt = w.owner.container(daci=[w.dac])
        das.answer = lambda q: w.grants(2, pl)
        w.ae.retrieve(cnt).expect(2000)
        et = seen.event()["et"]
        assert stamp(seconds - 20) <= et <= stamp(seconds + 1), (pl, et)


def test_grant_ends_no_later_than_its_parent(dyn, das, policies):
    """AUTHZ-191: et is clamped"""
    w = World(dyn, das)
    w.owner.update(w.owner.at, 2, {"et": stamp(300)}).expect(4000)  # the container lives longer
    w.owner.update(w.cnt, 3, {"et": stamp(200)}).expect(2004)
    w.owner.update(w.dac, 34, {"et": stamp(200)}).expect(2004)
    w.owner.update(w.owner.at, 2, {"et": stamp(300)}).expect(2004)
    seen = policies(w)
    das.answer = lambda q: w.grants(2, "3600000")
    w.ae.retrieve(w.cnt).expect(2000)
    assert seen.event()["et"] == w.owner.retrieve(w.owner.at).expect(2000)["et"]


def test_grant_ends(world, das):
    """AUTHZ-191, AUTHZ-176: with its et, without anybody's help"""
    w = world
    das.answer = lambda q: w.grants(2, "1500")
    w.ae.retrieve(w.cnt).expect(2000)
    das.answer = NOTHING
    wait_until(lambda: w.ae.retrieve(w.cnt).rsc == 4103)


def test_grant_survives_a_restart(new_server, das):
    """AUTHZ-191: until its et, and no longer; also after kill -9"""
    s = new_server(dict(SETTINGS, **{"resources.expiry_scan": "1 h"}))
    w = World(s, das)
    das.answer = lambda q: w.grants(2, stamp(6))
    w.ae.retrieve(w.cnt).expect(2000)
    das.asked()
    das.answer = NOTHING
    s.restart()
    w.ae.client = w.owner.client = s.client
    w.ae.retrieve(w.cnt).expect(2000)
    s.kill()
    s.start()
    w.ae.retrieve(w.cnt).expect(2000)
    das.not_asked()
    wait_until(lambda: w.ae.retrieve(w.cnt).rsc == 4103)
    w.owner.retrieve(w.cnt).expect(2000)


def checked(s):
    """What `reeve check store` says of the store, which is in order."""
    out = subprocess.run([binary(), "check", "store", str(s.folder / "data")], capture_output=True, text=True)
    assert out.returncode == 0 and "no faults" in out.stdout, out
    return out.stdout


@pytest.mark.parametrize("gone", ["target", "parent", "originator"])
def test_grant_goes_with(new_server, das, policies, gone):
    """AUTHZ-191, AUTHZ-192 (Q-41): the policy with its target; with the registration of the AE it was granted to"""
    s = new_server(SETTINGS)
    w = World(s, das)
    top = w.owner.container()
    cnt = w.owner.container(top, daci=[w.dac])
    seen = policies(w)
    das.answer = lambda q: w.grants(2)
    w.ae.retrieve(cnt).expect(2000)
    seen.event()
    assert len(seen.there) == 1
    das.answer = NOTHING
    s.stop()
    assert "dynamic policies                 1\n" in checked(s)
    s.start()
    for e in (w.ae, w.owner):
        e.client = s.client
    if gone == "originator":
        w.ae.delete(w.ae.at).expect(2002)
        again = s.entity(w.ae.origin)
        again.create(s.base, 2, {"rn": unique("ae"), "api": "Ntest", "rr": False, "srv": ["3"]}).expect(2001)
        again.retrieve(cnt).expect(4103)
    else:
        w.owner.delete(cnt if gone == "target" else top).expect(2002)
    while seen.there:  # fails when nothing more comes; what was on its way when the server ended may come twice
        seen.event()
    s.stop()
    assert "dynamic policies" not in checked(s)
    s.start()


def test_grant_is_the_targets_own(world, das):
    """AUTHZ-191: nothing else is opened, not even below"""
    w = world
    das.answer = lambda q: w.grants(63) if q.dreq["trid"].endswith(w.cnt) else NOTHING
    kid, beside = w.owner.container(w.cnt), w.owner.container()
    w.ae.retrieve(w.cnt).expect(2000)
    w.ae.retrieve(kid).expect(4103)
    w.ae.retrieve(beside).expect(4103)
    w.ae.retrieve(w.owner.at).expect(4103)
    w.server.register().retrieve(w.cnt).expect(4103)


def test_macp_is_not_opened_by_a_grant_for_the_group(world, das):
    """AUTHZ-126: members are opened by membersAccessControlPolicyIDs alone"""
    w = world
    _, pol = w.owner.policy([rule(w.owner.origin, 63)])
    grp = w.owner.made(w.owner.at, 9, {"mnm": 5, "mid": [w.cnt], "macp": [pol], "daci": [w.dac]})
    das.answer = lambda q: w.grants(63)
    w.ae.retrieve(grp).expect(2000)
    das.asked()
    w.ae.retrieve(grp + "/fopt").expect(4103)
    das.not_asked()


# --- answers that grant nothing


BAD = {
    "no content": NOTHING,
    "empty dres": dres(),
    "dai without gp": dres(dai={"pl": "1000"}),
    "gp without rules": dres(dai={"gp": {"acr": []}}),
    "for somebody else": granted([rule("//reeve.local/reeve/Csomebody", 63)]),
    "other operation": granted([rule("all", 1)]),
    "sit 1": {"m2m:seci": {"sit": 1, "dres": {"dai": {"gp": {"acr": [rule("all", 63)]}}}}},
    "sit 8": {"m2m:seci": {"sit": 8, "dres": {"dai": {"gp": {"acr": [rule("all", 63)]}}}}},
    "sit text": {"m2m:seci": {"sit": "2", "dres": {"dai": {"gp": {"acr": [rule("all", 63)]}}}}},
    "no sit": {"m2m:seci": {"dres": {"dai": {"gp": {"acr": [rule("all", 63)]}}}}},
    "no dres": {"m2m:seci": {"sit": 2}},
    "other root": {"m2m:sgn": {"sit": 2, "dres": {"dai": {"gp": {"acr": [rule("all", 63)]}}}}},
    "two roots": {"m2m:seci": {"sit": 2, "dres": {"dai": {"gp": {"acr": [rule("all", 63)]}}}}, "m2m:cnt": {}},
    "list": [granted([rule("all", 63)])],
    "text": "granted",
    "dres list": {"m2m:seci": {"sit": 2, "dres": [{"dai": {"gp": {"acr": [rule("all", 63)]}}}]}},
    "dai list": {"m2m:seci": {"sit": 2, "dres": {"dai": [{"gp": {"acr": [rule("all", 63)]}}]}}},
    "bad rule": granted([{"acor": ["all"], "acop": 64}]),
    "one bad rule among good ones": granted([rule("all", 63), {"acor": ["all"]}]),
    "unknown member in a rule": granted([rule("all", 63, foo=1)]),
    "past moment": granted([rule("all", 63)], stamp(-5)),
    "past span": granted([rule("all", 63)], "-5000"),
    "no time": granted([rule("all", 63)], "soon"),
    "time object": granted([rule("all", 63)], {"x": 1}),
    "endless": granted([rule("all", 63)], "99999999999999999999999"),
    "asri text": granted([rule("all", 63)], asri="yes"),
    "token list is text": granted([rule("all", 63)], tkns="a.b.c"),
    "tokens are numbers": granted([rule("all", 63)], tkns=[1]),
    "too many tokens": granted([rule("all", 63)], tkns=["a.b.c"] * 1000),
    "not JSON": Reply(body=b"{\"m2m:seci\":"),
    "deep": Reply(body=b"[" * 5000 + b"]" * 5000),
    "duplicate sit": Reply(body=b'{"m2m:seci":{"sit":2,"sit":2,"dres":{"dai":{"gp":{"acr":[{"acor":["all"],"acop":63}]}}}}}'),
    "NUL": Reply(body=b"\0" * 100),
    "oversized": Reply(granted([rule(["all"] + ["Cx%d" % i for i in range(20000)], 63)])),
    "cut off": Reply(granted([rule("all", 63)]), cut=True),
    "4000": Reply(granted([rule("all", 63)]), rsc=4000),
    "4103": Reply(granted([rule("all", 63)]), rsc=4103),
    "5000": Reply(granted([rule("all", 63)]), rsc=5000, status=500),
    "1000": Reply(granted([rule("all", 63)]), rsc=1000),
    "rsc huge": Reply(granted([rule("all", 63)]), rsc=99999999999),
}


@pytest.mark.parametrize("name", BAD)
def test_answers_that_grant_nothing(world, das, name):
    """AUTHZ-189, AUTHZ-190, AUTHZ-194, AUTHZ-195"""
    das.answer = BAD[name]
    world.ae.retrieve(world.cnt).expect(4103)
    das.asked()
    # and nothing stays of it
    das.answer = NOTHING
    world.ae.retrieve(world.cnt).expect(4103)
    das.asked()


def test_good_parts_of_an_answer_count(world, das):
    """AUTHZ-193: a bad token does not spoil the policy beside it"""
    das.answer = lambda q: world.grants(2, tkns=["a.b.c", "nonsense"])
    world.ae.retrieve(world.cnt).expect(2000)


def test_unreachable(dyn, das):
    """AUTHZ-195"""
    w = World(dyn, das, dap=["http://127.0.0.1:%d/none" % free_port()])
    w.ae.retrieve(w.cnt).expect(4103)


def test_slow_system(new_server, das):
    """AUTHZ-195: dynamic.timeout"""
    held = threading.Event()
    s = new_server(dict(SETTINGS, **{"dynamic.timeout": "300 ms"}))
    w = World(s, das)
    das.answer = lambda q: held.wait(30) and w.grants(63)
    try:
        w.ae.retrieve(w.cnt).expect(4103)
    finally:
        held.set()


def test_request_expires_meanwhile(new_server, das):
    """AUTHZ-195: rqet, while the system could take an hour; what it grants later still counts for the next request"""
    held = threading.Event()
    w = World(new_server(dict(SETTINGS, **{"dynamic.timeout": "1 h"})), das)
    das.answer = lambda q: held.wait(30) and w.grants(2)
    try:
        w.ae.retrieve(w.cnt, headers={"X-M2M-RET": "400"}).expect(4008)
        w.ae.update(w.cnt, 3, {"lbl": ["x"]}, headers={"X-M2M-RET": "400"}).expect(4008)
    finally:
        held.set()
    wait_until(lambda: w.ae.retrieve(w.cnt).rsc == 2000)


# --- sharing and limits


def test_many_requests_one_question(new_server, das):
    """AUTHZ-185: 200 requests that wait for the same answer"""
    held = threading.Event()
    s = new_server(SETTINGS)
    w = World(s, das)
    das.answer = lambda q: held.wait(30) and w.grants(2)
    with concurrent.futures.ThreadPoolExecutor(200) as pool:
        waiting = [pool.submit(w.ae.retrieve, w.cnt) for _ in range(200)]
        wait_until(lambda: s.metrics()["consultations_shared"] == 199)
        held.set()
        assert {f.result().rsc for f in waiting} == {2000}
    das.asked()
    das.not_asked()
    assert s.metrics()["consultations"] == 1


def test_refusal_is_kept(new_server, das):
    """AUTHZ-190: the same question is not put again at once; another one is"""
    s = new_server(dict(SETTINGS, **{"dynamic.refusal_kept": "1 h"}))
    w = World(s, das)
    das.answer = NOTHING
    for _ in range(3):
        w.ae.retrieve(w.cnt).expect(4103)
    das.asked()
    das.not_asked()
    w.ae.update(w.cnt, 3, {"lbl": ["x"]}).expect(4103)
    assert das.asked().dreq["op"] == 3
    w.server.register().retrieve(w.cnt).expect(4103)
    das.asked()
    das.answer = lambda q: w.grants(2)
    w.ae.retrieve(w.cnt).expect(4103)
    das.not_asked()


def test_refusal_is_forgotten(new_server, das):
    """AUTHZ-190"""
    s = new_server(dict(SETTINGS, **{"dynamic.refusal_kept": "300 ms"}))
    w = World(s, das)
    das.answer = NOTHING
    w.ae.retrieve(w.cnt).expect(4103)
    das.answer = lambda q: w.grants(2)
    wait_until(lambda: w.ae.retrieve(w.cnt).rsc == 2000)


def test_limits(new_server, das):
    """AUTHZ-195: questions under way, of one Originator and in all"""
    held = threading.Event()
    s = new_server(dict(SETTINGS, **{"dynamic.consultations": 3, "dynamic.consultations_each": 2, "dynamic.timeout": "30 s"}))
    w = World(s, das)
    das.answer = lambda q: held.wait(30) and NOTHING
    cnts = [w.owner.container(daci=[w.dac]) for _ in range(4)]
    second, third = s.register(), s.register()
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        try:
            waiting = [pool.submit(w.ae.retrieve, c) for c in cnts[:2]]
            das.asked(), das.asked()
            w.ae.retrieve(cnts[2]).expect(4103)
            waiting.append(pool.submit(second.retrieve, cnts[0]))
            das.asked()
            third.retrieve(cnts[0]).expect(4103)
            assert s.metrics()["limit_consultations"] == 2
        finally:
            held.set()
        assert {f.result().rsc for f in waiting} == {4103}
    das.not_asked()
    third.retrieve(cnts[0]).expect(4103)
    das.asked()


def test_limit_of_grants(new_server, das):
    """AUTHZ-191: dynamic policies kept, of one Originator and in all"""
    s = new_server(dict(SETTINGS, **{"dynamic.grants": 3, "dynamic.grants_each": 2}))
    w = World(s, das)
    das.answer = lambda q: granted([rule(q.dreq["or"], 2)])
    cnts = [w.owner.container(daci=[w.dac]) for _ in range(3)]
    other = s.register()
    assert [w.ae.retrieve(c).rsc for c in cnts] == [2000, 2000, 4103]
    assert [other.retrieve(c).rsc for c in cnts] == [2000, 4103, 4103]
    assert s.metrics()["limit_grants"] == 3
    assert [w.ae.retrieve(c).rsc for c in cnts[:2]] == [2000, 2000]
    w.owner.delete(cnts[0]).expect(2002)
    other.retrieve(cnts[1]).expect(2000)


def test_stop_while_waiting(new_server, das):
    """The end of the server does not wait for a system that does not answer."""
    held = threading.Event()
    s = new_server(dict(SETTINGS, **{"dynamic.timeout": "1 h"}))
    w = World(s, das)
    das.answer = lambda q: held.wait(60) and NOTHING
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        f = pool.submit(w.ae.retrieve, w.cnt)
        try:
            das.asked()
            s.stop()
        finally:
            held.set()
        with pytest.raises(Exception):
            f.result()
    s.start()


def test_requester_goes_away(new_server, das):
    """AUTHZ-195: who does not wait for the answer does no harm; what was granted counts"""
    held = threading.Event()
    s = new_server(SETTINGS)
    w = World(s, das)
    das.answer = lambda q: held.wait(30) and w.grants(2 | 4)
    try:
        for text in ("GET /%s HTTP/1.1\r\n", "PUT /%s HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 23\r\n"):
            with socket.create_connection(("127.0.0.1", s.port)) as c:
                c.sendall((text % w.cnt + "Host: x\r\nX-M2M-Origin: %s\r\nX-M2M-RI: gone\r\nX-M2M-RVI: 3\r\n\r\n" % w.ae.origin).encode()
                          + (b'{"m2m:cnt":{"lbl":[1]}}' if text[0] == "P" else b""))
                das.asked()
    finally:
        held.set()
    das.answer = NOTHING
    wait_until(lambda: w.ae.retrieve(w.cnt).rsc == 2000)


# --- the story


def test_story(world, das):
    """Every denial is told: who was asked, and what it said."""
    das.answer = {"m2m:seci": {"sit": 1, "dreq": {}}}
    r = world.ae.retrieve(world.cnt).expect(4103)
    line = [json.loads(x) for x in (world.server.folder / "data" / "decisions.log").read_text().splitlines()][-1]
    assert line["id"] in r.content["m2m:dbg"]
    (told,) = [x for x in line["rights"] if "das" in x]
    assert told["das"] == das.url and "sit is not 2" in told["it"]
    das.answer = granted([rule("//reeve.local/reeve/Cother", 2)])
    world.ae.retrieve(world.cnt).expect(4103)
    line = [json.loads(x) for x in (world.server.folder / "data" / "decisions.log").read_text().splitlines()][-1]
    assert any("granted dynamic policy" in x.get("it", "") for x in line["rights"])
    assert any(x.get("permits") is False for x in line["rights"])
