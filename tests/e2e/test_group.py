# SPDX-License-Identifier: Apache-2.0
"""<group> and <fanOutPoint>: catalogue 11 and 17.14."""

import pytest

from harness import rule, unique


def group(ae, mid, **attrs):
    return ae.made(ae.at, 9, dict({"mnm": 20, "mid": mid}, **attrs))


def answers(r):
    """The member responses of an aggregate, in order."""
    r.expect(2000)
    assert r.root == "m2m:agr" and set(r.res) == {"m2m:rsp"}
    for one in r.res["m2m:rsp"]:
        assert {"rsc", "rqi", "fr"} <= set(one), one
    return r.res["m2m:rsp"]


def codes(r):
    return {one["fr"]: one["rsc"] for one in answers(r)}


@pytest.fixture
def kids(ae):
    return [ae.container(rn=n) for n in ("a", "b", "c")]


# --- the group itself

def test_group_representation(ae, kids):
    """Attributes the CSE adds"""
    g = ae.retrieve(group(ae, kids[:2])).expect(2000)
    assert g.root == "m2m:grp"
    assert (g["mt"], g["csy"], g["cnm"], g["mnm"], g["mid"]) == (0, 1, 2, 20, kids[:2])


def test_number_of_members(ae, kids):
    """CORE-211"""
    ae.create(ae.at, 9, {"mnm": 2, "mid": kids}).expect(6010)
    g = ae.made(ae.at, 9, {"mnm": 4, "mid": [kids[0], kids[1], kids[0]]})
    assert ae.retrieve(g)["mid"] == kids[:2] and ae.retrieve(g)["cnm"] == 2
    ae.update(g, 9, {"mnm": 1}).expect(6010)
    ae.update(g, 9, {"mid": kids + ["x", "y"]}).expect(6010)
    assert ae.retrieve(g)["mid"] == kids[:2]
    assert ae.update(g, 9, {"mid": kids + kids[:1]}).expect(2004)["cnm"] == 3
    ae.update(g, 9, {"mnm": 3}).expect(2004)


def test_same_member_spelt_otherwise(ae, kids):
    """CORE-211: duplicates by what they lead to"""
    ri = ae.retrieve(kids[0])["ri"]
    assert ae.retrieve(group(ae, [kids[0], ri, kids[0].replace("cse/", "-/", 1)]))["mid"] == [kids[0]]


@pytest.mark.parametrize("csy,want", [(1, "dropped"), (2, 4110), (3, "mixed")])
def test_members_of_the_wrong_type(ae, kids, csy, want):
    """CORE-212"""
    _, acp = ae.policy([rule(ae.origin, 63)])
    r = ae.create(ae.at, 9, {"mnm": 9, "mt": 3, "csy": csy, "mid": [kids[0], acp, kids[1], ae.at + "/none"]})
    if want == 4110:
        r.expect(4110)
        return
    r.expect(2001)
    assert r["mtv"] is True
    if want == "dropped":
        assert (r["mid"], r["mt"], r["cnm"]) == ([kids[0], kids[1]], 3, 2)
    else:
        assert (len(r["mid"]), r["mt"], r["cnm"]) == (4, 0, 4)


def test_members_of_the_wrong_type_in_update(ae, kids):
    """CORE-212"""
    _, acp = ae.policy([rule(ae.origin, 63)])
    g = group(ae, kids[:1], mt=3, csy=2)
    ae.update(g, 9, {"mid": [kids[0], acp]}).expect(4110)
    assert ae.retrieve(g)["mid"] == kids[:1]
    g = group(ae, kids[:1], mt=3)
    assert ae.update(g, 9, {"mid": [acp, kids[1]]}).expect(2004)["mid"] == [kids[1]]


def test_type_that_cannot_be_read(ae, other, kids):
    """CORE-213, AUTHZ-129"""
    other.create(other.at, 9, {"mnm": 3, "mt": 3, "mid": [kids[0]]}).expect(5105)
    other.create(other.at, 9, {"mnm": 3, "mid": [kids[0]]}).expect(2001)  # mixed: nothing is read
    g = group(other, [], mt=3)
    other.update(g, 9, {"mid": [kids[0]]}).expect(5105)


def test_fixed_attributes(ae):
    """CORE-215"""
    g = group(ae, [])
    ae.update(g, 9, {"mt": 3}).expect(4000)
    ae.update(g, 9, {"csy": 2}).expect(4000)
    ae.update(g, 9, {"cnm": 2}).expect(4000)


# --- fan-out

def test_aggregate(ae, other, kids):
    """CORE-219, CORE-220, AUTHZ-127: each member answers for itself, to the one who asked"""
    _, show = ae.policy([rule(ae.origin, 63), rule(other.origin, 2)])
    seen = ae.container(rn="seen", acpi=[show])
    g = group(ae, [seen, kids[0], ae.at + "/none"], acpi=[show])
    assert codes(ae.retrieve(g + "/fopt")) == {seen: 2000, kids[0]: 2000, ae.at + "/none": 4004}
    r = other.retrieve(g + "/fopt")
    assert codes(r) == {seen: 2000, kids[0]: 4103, ae.at + "/none": 4004}
    assert [x["pc"] for x in answers(r) if x["fr"] == seen] == [ae.retrieve(seen).content]


def test_all_deny(ae, other, kids):
    """CORE-220, AUTHZ-128"""
    _, fan = ae.policy([rule(ae.origin, 63), rule(other.origin, 2)])
    g = group(ae, kids, acpi=[fan])
    assert set(codes(other.retrieve(g + "/fopt")).values()) == {4103}


def test_operations(ae, kids):
    """CORE-219, CORE-220: Create, Update, the rest of the path, Delete"""
    g = group(ae, kids[:2])
    r = ae.create(g + "/fopt", 4, {"con": "hello"})
    assert codes(r) == {kids[0]: 2001, kids[1]: 2001}
    for k in kids[:2]:
        assert ae.retrieve(k + "/la")["con"] == "hello"
    assert ae.retrieve(kids[2])["cni"] == 0
    assert [x["pc"]["m2m:cin"]["con"] for x in answers(ae.retrieve(g + "/fopt/la"))] == ["hello"] * 2
    assert set(codes(ae.update(g + "/fopt", 3, {"mni": 5})).values()) == {2004}
    assert ae.retrieve(kids[1])["mni"] == 5
    assert set(codes(ae.create(g + "/fopt", 3, {"rn": "deep"})).values()) == {2001}
    assert set(codes(ae.create(g + "/fopt", 3, {"rn": "deep"})).values()) == {4105}
    assert set(codes(ae.create(g + "/fopt/deep", 3, {"rn": "deeper"})).values()) == {2001}
    ae.retrieve(kids[0] + "/deep/deeper").expect(2000)
    assert set(codes(ae.delete(g + "/fopt/deep")).values()) == {2002}
    assert ae.retrieve(g)["mid"] == kids[:2]


def test_parameters_go_along(ae, kids):
    """CORE-219: rcn, fc, ty"""
    g = group(ae, kids)
    ae.container(kids[0], rn="x", lbl=["hit"])
    r = answers(ae.retrieve(g + "/fopt", {"fu": 1, "lbl": "hit"}))
    assert [x["pc"] for x in r] == [{"m2m:uril": [kids[0] + "/x"]}, {"m2m:uril": []}, {"m2m:uril": []}]
    r = answers(ae.create(g + "/fopt", 3, {"rn": "y"}, rcn=0))
    assert all("pc" not in x for x in r)


def test_refusals(ae, other, kids):
    """CORE-216, CORE-217"""
    ae.retrieve(group(ae, []) + "/fopt").expect(4109)
    g = group(ae, kids, mt=3)
    ae.create(g + "/fopt", 9, {"mnm": 1, "mid": []}).expect(4108)
    assert set(codes(ae.create(g + "/fopt", 3, {"rn": "n"})).values()) == {2001}
    ae.retrieve(kids[0] + "/fopt").expect(4004)


def test_who_may_fan_out(ae, other, kids):
    """CORE-218, AUTHZ-125, AUTHZ-126"""
    _, theirs = ae.policy([rule(other.origin, 2)])
    _, nobody = ae.policy([rule(ae.origin, 63)])
    other.retrieve(group(ae, kids) + "/fopt").expect(4103)
    other.retrieve(group(ae, kids, acpi=[nobody]) + "/fopt").expect(4103)
    answers(other.retrieve(group(ae, kids, acpi=[theirs]) + "/fopt"))
    answers(other.retrieve(group(ae, kids, acpi=[nobody], macp=[theirs]) + "/fopt"))
    g = group(ae, kids, acpi=[theirs], macp=[nobody])
    other.retrieve(g).expect(2000)
    other.retrieve(g + "/fopt").expect(4103)
    other.update(group(ae, kids, macp=[theirs]) + "/fopt", 3, {"mni": 1}).expect(4103)
    assert "mni" not in ae.retrieve(kids[0])


def test_deleted_members_leave(ae, kids):
    """TS-0004 7.4.14.3.5"""
    _, mine = ae.policy([rule(ae.origin, 63)])
    g = group(ae, kids[:2] + [kids[2] + "/la", ae.at + "/none"])
    ae.instance(kids[2], "1")
    assert codes(ae.delete(g + "/fopt")) == {kids[0]: 2002, kids[1]: 2002, kids[2] + "/la": 2002, ae.at + "/none": 4004}
    assert ae.retrieve(g)["mid"] == [kids[2] + "/la", ae.at + "/none"]
    assert ae.retrieve(g)["cnm"] == 2
    ae.retrieve(kids[0]).expect(4004)


def test_target_members(ae, kids):
    """CORE-224"""
    g = group(ae, kids)
    assert list(codes(ae.retrieve(g + "/fopt", {"grtm": [kids[1]]}))) == [kids[1]]
    ae.retrieve(g + "/fopt", {"grtm": [kids[1], ae.at]}).expect(4000)
    high = group(ae, [g + "/fopt", ae.at])
    r = answers(ae.retrieve(high + "/fopt", {"grtm": [kids[2]]}))
    assert [x["fr"] for x in r] == [g + "/fopt"]
    assert [x["fr"] for x in r[0]["pc"]["m2m:agr"]["m2m:rsp"]] == [kids[2]]


# --- groups of groups

def test_sub_group(ae, kids):
    """CORE-219, CORE-222"""
    low = group(ae, kids[:2])
    high = group(ae, [low + "/fopt", kids[2]])
    r = answers(ae.create(high + "/fopt", 4, {"con": "1"}))
    assert [x["rsc"] for x in r] == [2000, 2001]
    assert [x["rsc"] for x in r[0]["pc"]["m2m:agr"]["m2m:rsp"]] == [2001, 2001]
    assert [ae.retrieve(k)["cni"] for k in kids] == [1, 1, 1]


def test_loop_ends(ae, kids):
    """CORE-223"""
    one = group(ae, [kids[0]])
    two = group(ae, [one + "/fopt", kids[1]])
    ae.update(one, 9, {"mid": [kids[0], two + "/fopt"]}).expect(2004)
    ae.create(one + "/fopt", 4, {"con": "1"}).expect(2000)
    assert [ae.retrieve(k)["cni"] for k in kids] == [1, 1, 0]


def test_group_request_identifier(ae, kids):
    """CORE-223: the same gid at the same target; CORE-222: it is passed on"""
    low = group(ae, kids[:1])
    high = group(ae, [low + "/fopt"])
    gid = [("X-M2M-GID", unique("gid"))]
    answers(ae.retrieve(high + "/fopt", headers=gid))
    for to in (high + "/fopt", low + "/fopt", kids[0]):
        ae.retrieve(to, headers=gid).expect(4104)
    ae.retrieve(kids[1], headers=gid).expect(2000)
    ae.retrieve(kids[1], headers=gid).expect(4104)
    answers(ae.retrieve(high + "/fopt", headers=[("X-M2M-GID", unique("gid"))]))


def test_non_blocking(ae, kids):
    """CORE-228: when all answers are there the <request> is completed and has the aggregate"""
    from harness import wait_until
    g = group(ae, kids)
    r = ae.create(g + "/fopt", 4, {"con": "1"}, query={"rt": 1}).expect(1001)
    req = r.content["m2m:uri"]
    wait_until(lambda: ae.retrieve(req)["rs"] == 1)
    got = ae.retrieve(req)["ors"]
    assert got["rsc"] == 2000
    assert [x["rsc"] for x in got["pc"]["m2m:agr"]["m2m:rsp"]] == [2001] * 3


def test_limit_of_members(servers):
    """limits.fanout_members: counted together over sub-groups"""
    s = servers(**{"limits.fanout-members": 5})
    ae = s.register()
    a, b, c = (ae.container(rn=n) for n in "abc")
    large = group(ae, list("123456"))
    ae.retrieve(large + "/fopt").expect(5000)
    assert set(codes(ae.retrieve(large + "/fopt", {"grtm": ["1", "2"]})).values()) == {4004}
    low = group(ae, [a, b, c])
    r = answers(ae.retrieve(group(ae, [low + "/fopt", a, b]) + "/fopt"))
    assert [x["rsc"] for x in r] == [5000, 2000, 2000]
