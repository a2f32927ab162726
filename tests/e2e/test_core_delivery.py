# SPDX-License-Identifier: Apache-2.0
"""Notify to AEs, polling channels, groups — the basics: catalogue 11, 13, 17.13, 17.14. test_polling.py and test_group.py go deeper."""

import socket
import threading

import pytest

from harness import Receiver, rule, unique
from harness.server import free_port

NOTE = {"m2m:sgn": {"sur": "cse/x", "nev": {"net": 1, "rep": {"m2m:cnt": {"rn": "n"}}}}}


def open_to(server, who, ops=63, **attrs):
    """An AE that lets `who` do `ops` on it."""
    a = server.register(**attrs)
    _, pol = a.policy([rule(a.origin, 63), rule(who, ops)])
    a.update(a.at, 2, {"acpi": [pol]}).expect(2004)
    return a


def test_notify_is_sent_on(server, ae, receiver):
    """CORE-203"""
    target = open_to(server, ae.origin, rr=True, poa=[receiver.url + "/poa"])
    ae.notify(target.at, NOTE).expect(2000)
    got = receiver.get()
    assert got.path.startswith("/poa") and got.content == NOTE
    receiver.nothing_more()


def test_points_of_access_in_order(server, ae, receiver):
    """CORE-203: until one works"""
    dead = "http://127.0.0.1:%d/" % free_port()
    target = open_to(server, ae.origin, rr=True, poa=[dead, receiver.url + "/second", receiver.url + "/third"])
    ae.notify(target.at, NOTE).expect(2000)
    assert receiver.get().path.startswith("/second")
    receiver.nothing_more()


def test_nobody_there(server, ae):
    """CORE-203"""
    dead = "http://127.0.0.1:%d/" % free_port()
    for attrs in ({}, {"poa": [dead]}):
        ae.notify(open_to(server, ae.origin, rr=True, **attrs).at, NOTE).expect(5103)


class Silent:
    """Accepts connections and never answers."""

    def __enter__(self):
        self.socket = socket.create_server(("127.0.0.1", free_port()), backlog=16)
        self.url = "http://127.0.0.1:%d/" % self.socket.getsockname()[1]
        return self

    def __exit__(self, *exc):
        self.socket.close()


def test_no_answer_in_time(servers, receiver):
    """CORE-040: 4008, unless another point of access answers"""
    s = servers(**{"notify.timeout": "300ms"})
    ae = s.register()
    with Silent() as silent:
        ae.notify(open_to(s, ae.origin, rr=True, poa=[silent.url]).at, NOTE).expect(4008)
        ae.notify(open_to(s, ae.origin, rr=True, poa=[silent.url, receiver.url]).at, NOTE).expect(2000)
        assert receiver.get().content == NOTE


def test_notify_through_a_group(server, ae, receiver):
    """CORE-219, CORE-220, CORE-221: each member AE is notified; who has not answered at rset is left out"""
    with Silent() as silent:
        there = open_to(server, ae.origin, rr=True, poa=[receiver.url])
        shut = server.register(rr=True, poa=[receiver.url])
        mute = open_to(server, ae.origin, rr=True, poa=[silent.url])
        group = ae.made(ae.at, 9, {"mnm": 3, "mid": [there.at, mute.at, shut.at]})
        r = ae.notify(group + "/fopt", NOTE, headers={"X-M2M-RST": "900"}).expect(2000)
        assert [(m["fr"], m["rsc"]) for m in r.content["m2m:agr"]["m2m:rsp"]] == [(there.at, 2000), (shut.at, 4103)]
        got = receiver.get()
        assert got.content == NOTE and got.origin.endswith(ae.origin)
        receiver.nothing_more()
        group = ae.made(ae.at, 9, {"mnm": 1, "mid": [mute.at]})
        ae.notify(group + "/fopt", NOTE, headers={"X-M2M-RST": "400"}).expect(5209)


def test_notify_without_right(server, ae, receiver):
    """AUTHZ-135: and it is not sent on"""
    target = open_to(server, ae.origin, 63 - 16, rr=True, poa=[receiver.url])
    ae.notify(target.at, NOTE).expect(4103)
    target.notify(target.at, {"m2m:sgn": {"sur": "own"}}).expect(2000)
    assert receiver.get().sgn["sur"] == "own"
    receiver.nothing_more()


def test_notify_to_the_base(server, admin):
    """CORE-205: Content that fits no procedure is refused"""
    admin.notify(server.base, {"m2m:cnt": {}}).refused()


def test_notify_to_what_is_not_notified(ae):
    """Notify is for <AE>, <CSEBase>, pcu and fopt"""
    ae.notify(ae.container(), NOTE).refused()


# --- polling channel

def test_channel_of_another(server, ae, other):
    """CORE-206, AUTHZ-122"""
    _, pol = ae.policy([rule("all", 63)])
    ae.update(ae.at, 2, {"acpi": [pol]}).expect(2004)
    other.create(ae.at, 15, {"rn": "p"}).expect(4103)
    pch = ae.made(ae.at, 15, {})
    other.retrieve(pch).expect(4103)
    other.update(pch, 15, {"lbl": ["x"]}).expect(4103)
    other.delete(pch).expect(4103)
    ae.retrieve(pch).expect(2000)
    ae.update(pch, 15, {"lbl": ["x"]}).expect(2004)
    ae.delete(pch).expect(2002)


def test_one_channel(ae):
    """CORE-207"""
    ae.made(ae.at, 15, {})
    ae.create(ae.at, 15, {"rn": "second"}).refused()
    ae.retrieve(ae.at + "/second").expect(4004)


def test_polling_by_another(ae, other):
    """CORE-208, AUTHZ-123"""
    pch = ae.made(ae.at, 15, {})
    other.retrieve(pch + "/pcu").expect(4103)
    other.notify(pch + "/pcu", {"m2m:rsp": {"rsc": 2000, "rqi": "x"}}).expect(4103)
    for who in (ae, other):
        who.update(pch + "/pcu", 15, {"lbl": ["x"]}).expect(4005)
        who.delete(pch + "/pcu").expect(4005)


def test_nothing_to_poll(ae):
    """CORE-209: until rqet, then 4008"""
    pch = ae.made(ae.at, 15, {})
    ae.retrieve(pch + "/pcu", headers={"X-M2M-RET": "700"}).expect(4008)


def test_poll(server, ae):
    """CORE-204, CORE-209, CORE-210"""
    target = open_to(server, ae.origin, rr=False)
    pch = target.made(target.at, 15, {})
    answers = []
    t = threading.Thread(target=lambda: answers.append(ae.notify(target.at, NOTE)))
    t.start()
    rqp = target.retrieve(pch + "/pcu", headers={"X-M2M-RET": "20000"}).expect(2000).content["m2m:rqp"]
    assert rqp["op"] == 5 and rqp["pc"] == NOTE and rqp["fr"].endswith(ae.origin)
    target.notify(pch + "/pcu", {"m2m:rsp": {"rsc": 2000, "rqi": rqp["rqi"], "fr": target.origin}}).expect(2000)
    t.join(20)
    assert len(answers) == 1
    answers[0].expect(2000)


def test_poll_answered_with_an_error(server, ae):
    """CORE-210: the response is handed to the origin of the request as it is"""
    target = open_to(server, ae.origin, rr=False)
    pch = target.made(target.at, 15, {})
    answers = []
    t = threading.Thread(target=lambda: answers.append(ae.notify(target.at, NOTE)))
    t.start()
    rqp = target.retrieve(pch + "/pcu", headers={"X-M2M-RET": "20000"}).expect(2000).content["m2m:rqp"]
    target.notify(pch + "/pcu", {"m2m:rsp": {"rsc": 4005, "rqi": rqp["rqi"]}}).expect(2000)
    t.join(20)
    answers[0].expect(4005)


# --- group

@pytest.fixture
def members(ae):
    return [ae.container(rn=unique("m"), lbl=[str(i)]) for i in range(3)]


def responses(r):
    """The member responses of an aggregated response."""
    assert r.root == "m2m:agr", r
    return r.res["m2m:rsp"] if "m2m:rsp" in r.res else r.res["rsp"]


def test_members_within_the_maximum(ae, members):
    """CORE-211"""
    ae.create(ae.at, 9, {"rn": "g", "mnm": 2, "mid": members}).expect(6010)
    ae.retrieve(ae.at + "/g").expect(4004)
    ae.create(ae.at, 9, {"rn": "g", "mnm": 3, "mid": members + members[:1]}).expect(6010)  # counted before duplicates go
    grp = ae.made(ae.at, 9, {"mnm": 4, "mid": members + members[:1]})
    r = ae.retrieve(grp)
    assert sorted(r["mid"]) == sorted(members) and r["cnm"] == 3
    before = r.content
    ae.update(grp, 9, {"mnm": 2}).expect(6010)
    ae.update(grp, 9, {"mid": members + [ae.at, "cse"]}).expect(6010)
    assert ae.retrieve(grp).content == before


def test_member_of_the_wrong_type(ae, members):
    """CORE-212"""
    odd = ae.made(ae.at, 9, {"mnm": 1, "mid": []})
    attrs = {"mnm": 9, "mid": members + [odd], "mt": 3}
    r = ae.create(ae.at, 9, dict(attrs, csy=1)).expect(2001)
    assert sorted(r["mid"]) == sorted(members) and r["cnm"] == 3 and r["mtv"] is True and r["mt"] == 3
    ae.create(ae.at, 9, dict(attrs, csy=2, rn="g2")).expect(4110)
    ae.retrieve(ae.at + "/g2").expect(4004)
    r = ae.create(ae.at, 9, dict(attrs, csy=3)).expect(2001)
    assert r["mt"] == 0 and r["cnm"] == 4 and r["mtv"] is True


def test_unreadable_member_type(ae, other):
    """CORE-213, AUTHZ-129"""
    hidden = ae.container()
    other.create(other.at, 9, {"rn": "g", "mnm": 1, "mid": [hidden], "mt": 3}).expect(5105)
    other.retrieve(other.at + "/g").expect(4004)
    grp = other.made(other.at, 9, {"mnm": 1, "mid": [], "mt": 3})
    other.update(grp, 9, {"mid": [hidden]}).expect(5105)
    assert other.retrieve(grp)["cnm"] == 0


def test_fixed_attributes(ae, members):
    """CORE-215"""
    grp = ae.made(ae.at, 9, {"mnm": 3, "mid": members})
    ae.update(grp, 9, {"mt": 3}).expect(4000)
    ae.update(grp, 9, {"csy": 2}).expect(4000)


def test_no_members(ae):
    """CORE-216"""
    grp = ae.made(ae.at, 9, {"mnm": 3, "mid": []})
    ae.retrieve(grp + "/fopt").expect(4109)


def test_fan_out(ae, members):
    """CORE-219, CORE-220"""
    grp = ae.made(ae.at, 9, {"mnm": 3, "mid": members})
    got = responses(ae.retrieve(grp + "/fopt").expect(2000))
    assert len(got) == 3
    for r in got:
        assert r["rsc"] == 2000
        assert r["pc"]["m2m:cnt"]["rn"] == r["fr"].rpartition("/")[2]
    got = responses(ae.create(grp + "/fopt", 4, {"con": "all"}).expect(2000))
    assert [r["rsc"] for r in got] == [2001] * 3
    got = responses(ae.retrieve(grp + "/fopt/la").expect(2000))
    assert [r["pc"]["m2m:cin"]["con"] for r in got] == ["all"] * 3
    got = responses(ae.update(grp + "/fopt", 3, {"lbl": ["u"]}).expect(2000))
    assert [r["rsc"] for r in got] == [2004] * 3
    assert all(ae.retrieve(m)["lbl"] == ["u"] for m in members)
    got = responses(ae.retrieve(grp + "/fopt/none").expect(2000))
    assert [r["rsc"] for r in got] == [4004] * 3
    got = responses(ae.delete(grp + "/fopt").expect(2000))
    assert [r["rsc"] for r in got] == [2002] * 3
    for m in members:
        ae.retrieve(m).expect(4004)


def test_fan_out_privileges(ae, other, members):
    """CORE-218, AUTHZ-125, AUTHZ-126, AUTHZ-127, AUTHZ-128"""
    _, mine = ae.policy([rule(ae.origin, 63)])
    _, both = ae.policy([rule([ae.origin, other.origin], 63)])
    grp = ae.made(ae.at, 9, {"mnm": 3, "mid": members, "acpi": [both]})
    assert [r["rsc"] for r in responses(other.retrieve(grp + "/fopt").expect(2000))] == [4103] * 3
    ae.update(members[0], 3, {"acpi": [both]}).expect(2004)
    assert sorted(r["rsc"] for r in responses(other.retrieve(grp + "/fopt").expect(2000))) == [2000, 4103, 4103]
    ae.update(grp, 9, {"macp": [mine]}).expect(2004)
    other.retrieve(grp + "/fopt").expect(4103)
    other.retrieve(grp).expect(2000)
    ae.update(grp, 9, {"macp": [both], "gn": "x"}).expect(2004)
    ae.update(grp, 9, {"acpi": [mine]}).expect(2004)
    other.retrieve(grp).expect(4103)
    other.retrieve(grp + "/fopt").expect(2000)


def test_fan_out_needs_the_right_of_the_operation(ae, other, members):
    """CORE-218, AUTHZ-125: the bit of the operation"""
    _, reader = ae.policy([rule(ae.origin, 63), rule(other.origin, 2)])
    grp = ae.made(ae.at, 9, {"mnm": 3, "mid": members, "macp": [reader]})
    other.retrieve(grp + "/fopt").expect(2000)
    other.update(grp + "/fopt", 3, {"lbl": ["x"]}).expect(4103)
    other.delete(grp + "/fopt").expect(4103)
    other.create(grp + "/fopt", 4, {"con": "x"}).expect(4103)


def test_group_of_groups(ae, members):
    """CORE-222, CORE-223: fopt as a member; a loop ends"""
    inner = ae.made(ae.at, 9, {"mnm": 3, "mid": members[:2]})
    outer = ae.made(ae.at, 9, {"mnm": 3, "mid": [inner + "/fopt", members[2]]})
    got = responses(ae.retrieve(outer + "/fopt").expect(2000))
    assert len(got) == 2
    ae.update(inner, 9, {"mid": [members[0], outer + "/fopt"]}).expect(2004)
    r = ae.retrieve(outer + "/fopt").expect(2000)
    assert b"4104" in r.body


def test_group_request_identifier_twice(ae, members):
    """CORE-223"""
    gid = unique("gid")
    ae.retrieve(members[0], headers={"X-M2M-GID": gid}).expect(2000)
    ae.retrieve(members[0], headers={"X-M2M-GID": gid}).expect(4104)
    ae.retrieve(members[1], headers={"X-M2M-GID": gid}).expect(2000)
    ae.delete(members[0], headers={"X-M2M-GID": gid}).expect(4104)
    ae.retrieve(members[0]).expect(2000)


def test_notification_to_an_ae_by_its_id(server, ae):
    """CORE-203: a subscription target that is an AE-ID is reached at its poa"""
    r = Receiver()
    try:
        watcher = server.register(rr=True, poa=[r.url + "/here"])
        cnt = watcher.container()
        watcher.made(cnt, 23, {"nu": [watcher.origin]})
        watcher.update(cnt, 3, {"lbl": ["x"]}).expect(2004)
        got = r.get()
        assert got.path.startswith("/here") and got.sgn["nev"]["net"] == 1
    finally:
        r.close()
