# SPDX-License-Identifier: Apache-2.0
"""Create: catalogue 4.1 and 17.3. Attributes one by one are in test_core_table.py."""

import pytest

from harness import ROOT, TYPES, enumeration, rule, stamp, unique, wait_until
from harness.facts import BY_TY
from harness.times import parse

IMPLEMENTED = {1, 2, 3, 4, 9, 15, 23}


def supported(server):
    return set(server.register().retrieve(server.base).expect(2000)["srt"])


@pytest.mark.parametrize("ty", [t["ty"] for t in TYPES.values() if t.get("in_cse_only")])
@pytest.mark.parametrize("cse_type", ["MN", "ASN"])
def test_types_of_an_in_cse(servers, cse_type, ty):
    """CORE-041"""
    s = servers(**{"cse.type": cse_type})
    root = ROOT.get(ty, "m2m:x")
    s.admin().create(s.base, ty, None, content={root: {"rn": "n"}}).expect(4005)


def test_supported_types_are_told(server):
    """srt lists what is implemented (catalogue 9.1)"""
    assert supported(server) >= IMPLEMENTED | {5}


@pytest.mark.parametrize("ty", [t for t in enumeration("m2m:resourceType")])
def test_valid_type_that_is_not_implemented(server, admin, ty):
    """CORE-042: every resource type of the release, below <CSEBase>, where admin may create"""
    if ty in supported(server):
        return
    t = BY_TY.get(ty, {})
    refused = t.get("ops", {}).get("C")
    if isinstance(refused, int) or ty in (6, 43, 44, 16):
        return  # another refusal comes first: over Mca, by type (see the tests of these)
    name = unique("n")
    admin.create(server.base, ty, None, content={ROOT.get(ty, "m2m:fwr"): {"rn": name}}).expect(5001)
    admin.retrieve(server.base + "/" + name).expect(4004)


MINIMAL = {
    1: {"pv": {"acr": []}, "pvs": {"acr": [{"acor": ["all"], "acop": 63}]}},
    2: {"api": "Ntest", "rr": False, "srv": ["3"]},
    3: {},
    4: {"con": "x"},
    9: {"mnm": 2, "mid": []},
    15: {},
    23: {"nu": ["http://127.0.0.1:9/none"]},
}
PARENTS = {"acp": 1, "ae": 2, "cnt": 3, "cin": 4, "grp": 9, "pch": 15, "sub": 23}


def allowed(parent_ty, child_ty):
    names = {c["type"] for c in BY_TY[parent_ty]["children"]}
    return BY_TY[child_ty]["name"] in names


@pytest.fixture(scope="module")
def family(server):
    """One resource of each type, all of one AE."""
    a = server.register()
    cnt = a.container()
    out = {"ae": a.at, "cnt": cnt, "cin": a.instance(cnt), "acp": a.policy([], [rule(a.origin, 63)])[0]}
    out["grp"] = a.made(a.at, 9, MINIMAL[9])
    out["pch"] = a.made(a.at, 15, {})
    out["sub"] = a.made(cnt, 23, MINIMAL[23])
    return a, out


@pytest.mark.parametrize("child", sorted(MINIMAL))
@pytest.mark.parametrize("parent", sorted(PARENTS))
def test_child_types(family, parent, child):
    """CORE-043, CORE-170, AUTHZ-036: every implemented type below every other"""
    a, places = family
    if child == 15 and parent == "ae":
        return  # there is one already
    name = unique("c")
    r = a.create(places[parent], child, dict(MINIMAL[child], rn=name))
    if allowed(PARENTS[parent], child):
        r.expect(2001)
        return
    r.expect(5203 if child == 23 else 4108)
    a.retrieve(places[parent] + "/" + name).expect(4004)


def test_cse_base_is_no_child(server, admin, ae):
    """CORE-071: ty=5 in a Create"""
    ae.create(ae.at, 5, None, content={"m2m:cb": {}}).expect(4108)
    admin.create(server.base, 5, None, content={"m2m:cb": {}}).expect(4108)


def test_content_of_another_type(ae):
    """CORE-044"""
    for body in (None, b"", b"{}", b"[]", b"null", b'"x"', b"5", b'{"m2m:ae":{"rn":"n"}}', b'{"cnt":{"rn":"n"}}', b'{"m2m:cnt":[]}',
                 b'{"m2m:cnt":null}', b'{"m2m:cnt":"x"}', b'{"m2m:cnt":{"rn":"n"},"m2m:ae":{}}', b'{"m2m:container":{"rn":"n"}}',
                 b'{"rn":"n"}', b'{"M2M:cnt":{"rn":"n"}}', b'{"m2m:cntA":{"rn":"n"}}'):
        ae.create(ae.at, 3, None, body=body).expect(4000)
    ae.retrieve(ae.at + "/n").expect(4004)


@pytest.mark.parametrize("et", ["20000101T000000", "19700101T000000", "20240229T120000,999999"])
def test_expiration_in_the_past(ae, et):
    """CORE-045"""
    ae.create(ae.at, 3, {"rn": "n", "et": et}).expect(4000)
    ae.retrieve(ae.at + "/n").expect(4004)


@pytest.mark.parametrize("value", ["Cother", "", "self"])
@pytest.mark.parametrize("ty", [3, 9])
def test_creator_with_a_value(ae, ty, value):
    """CORE-046, AUTHZ-113"""
    value = ae.origin if value == "self" else value
    ae.create(ae.at, ty, dict(MINIMAL[ty], rn="n", cr=value)).expect(4000)
    ae.retrieve(ae.at + "/n").expect(4004)


@pytest.mark.parametrize("value", [None, "Cx"])
@pytest.mark.parametrize("ty", [1, 15])
def test_creator_on_a_type_without(ae, ty, value):
    """CORE-046, AUTHZ-035"""
    ae.create(ae.at, ty, dict(MINIMAL[ty], rn="n", cr=value)).expect(4000)
    ae.retrieve(ae.at + "/n").expect(4004)


def test_creator_on_an_ae(server):
    """CORE-046"""
    for value in (None, "Cx"):
        server.entity("C").create(server.base, 2, dict(MINIMAL[2], rn=unique(), cr=value)).expect(4000)


@pytest.mark.parametrize("ty", [3, 9])
def test_creator(ae, ty):
    """CORE-047, AUTHZ-113"""
    r = ae.create(ae.at, ty, dict(MINIMAL[ty], rn="asked", cr=None)).expect(2001)
    assert r["cr"] == ae.origin
    assert ae.retrieve(ae.at + "/asked")["cr"] == ae.origin
    r = ae.create(ae.at, ty, dict(MINIMAL[ty], rn="not")).expect(2001)
    assert "cr" not in r.res
    assert "cr" not in ae.retrieve(ae.at + "/not").res


def test_creator_of_an_instance(ae):
    """CORE-047"""
    cnt = ae.container()
    assert ae.create(cnt, 4, {"con": "x", "cr": None}).expect(2001)["cr"] == ae.origin
    assert "cr" not in ae.create(cnt, 4, {"con": "x"}).expect(2001).res


@pytest.mark.parametrize("name", ["foo", "Mni", "MNI", "con", "api", "", " mni", "mni ", "m2m:mni", "hld", "cstn"])
def test_unknown_attribute(ae, name):
    """CORE-048"""
    ae.create(ae.at, 3, {"rn": "n", name: 1}).expect(4000)
    ae.retrieve(ae.at + "/n").expect(4004)


def test_unknown_attribute_beside_good_ones(ae):
    """CORE-048"""
    ae.create(ae.at, 3, {"rn": "n", "lbl": ["a"], "mni": 5, "zzz": None}).expect(4000)
    ae.retrieve(ae.at + "/n").expect(4004)


BAD_VALUES = [
    (3, "lbl", []), (3, "lbl", [""]), (3, "mni", -1), (3, "mni", 1e400), (3, "mni", 10**40), (3, "acpi", [""]), (3, "or", ""), (3, "or", "a b"),
    (9, "mnm", 0), (9, "mnm", -3), (9, "mt", 33), (9, "mt", 99999), (9, "csy", 0), (9, "csy", 4), (9, "macp", []),
    (23, "nct", 0), (23, "nct", 6), (23, "pn", 3), (23, "exc", 0), (23, "exc", -1), (23, "enc", {"net": [9]}), (23, "enc", {"net": ["1"]}),
    (23, "enc", {"foo": 1}), (23, "enc", {"crb": "x"}), (23, "bn", {"num": -1}), (23, "bn", {"dur": "x"}), (23, "rl", {"mnn": 1}),
    (23, "rl", {"tww": "PT1S"}), (23, "rl", {"mnn": 1, "tww": "1s"}), (23, "nec", 1), (23, "nec", 5), (23, "nec", 99), (23, "nec", 1000),
    (23, "nsp", 0),
]


@pytest.mark.parametrize("ty,name,value", BAD_VALUES, ids=["%s-%s-%r" % (t, n, v) for t, n, v in BAD_VALUES])
def test_bad_value(ae, ty, name, value):
    """CORE-051: right JSON type, wrong value"""
    body = None
    attrs = dict(MINIMAL[ty], rn="n")
    attrs[name] = value
    if value == 1e400:
        body = b'{"m2m:cnt":{"rn":"n","mni":1e400}}'
    parent = ae.container() if ty == 23 else ae.at
    ae.create(parent, ty, attrs if body is None else None, body=body).expect(4000)
    ae.retrieve(parent + "/n").expect(4004)


@pytest.mark.parametrize("rcn", [1, 3, 9])
def test_expiration_time_is_set(ae, rcn):
    """CORE-052: absent: the CSE sets one and reports it"""
    r = ae.create(ae.at, 3, {"rn": unique()}, rcn=rcn).expect(2001)
    cnt = r.content["m2m:rce"]["m2m:cnt"] if rcn == 3 else r.res
    parent = ae.retrieve(ae.at)["et"]
    assert parse(stamp()) < parse(cnt["et"]) <= parse(parent)
    assert ae.retrieve(cnt["ri"])["et"] == cnt["et"]


@pytest.mark.parametrize("rcn", [1, 3, 9])
def test_expiration_time_is_reduced(ae, rcn):
    """CORE-052: later than the parent's: reduced, and the value reported"""
    parent_et = stamp(1000)
    top = ae.container(et=parent_et)
    r = ae.create(top, 3, {"rn": unique(), "et": stamp(5000)}, rcn=rcn).expect(2001)
    cnt = r.content["m2m:rce"]["m2m:cnt"] if rcn == 3 else r.res
    assert parse(cnt["et"]) <= parse(parent_et)
    assert ae.retrieve(cnt["ri"])["et"] == cnt["et"]
    assert parse(ae.create(top, 3, {}).expect(2001)["et"]) <= parse(parent_et)
    assert parse(ae.create(top, 4, {"con": "x", "et": stamp(5000)}).expect(2001)["et"]) <= parse(parent_et)


def test_expiration_time_earlier_than_parent_is_kept(ae):
    """CORE-052"""
    top = ae.container(et=stamp(1000))
    et = stamp(500)
    assert ae.create(top, 3, {"et": et}).expect(2001)["et"] == et
    assert "et" not in ae.create(top, 3, {"et": et}, rcn=9).expect(2001).res


@pytest.mark.parametrize("ty", sorted(set(MINIMAL) - {2}))
def test_times_and_state_tag(ae, ty):
    """CORE-053"""
    before = stamp()
    parent = ae.container() if ty in (4, 23) else ae.at
    r = ae.create(parent, ty, MINIMAL[ty]).expect(2001)
    assert r["ct"] == r["lt"]
    assert parse(before) <= parse(r["ct"]).replace(microsecond=999999)
    assert parse(r["ct"]) <= parse(stamp(1))
    assert ("st" in r.res) == (ty in (3, 4))
    if ty == 3:
        assert r["st"] == 0


def test_defaults(ae):
    """CORE-054: multiplicity 1: default of the model; 0..1: absent"""
    r = ae.create(ae.at, 9, MINIMAL[9]).expect(2001)
    assert r["mt"] == 0 and r["csy"] == 1 and r["cnm"] == 0
    for sn in ("spty", "gn", "macp", "nar", "lbl", "acpi", "ssi", "cr", "at", "aa", "daci"):
        assert sn not in r.res
    r = ae.create(ae.at, 3, {}).expect(2001)
    for sn in ("mni", "mbs", "mia", "disr", "or", "li", "lbl", "acpi", "cr", "at", "aa", "daci"):
        assert sn not in r.res
    r = ae.create(ae.container(), 23, MINIMAL[23]).expect(2001)
    assert r["nct"] == 1
    for sn in ("enc", "exc", "bn", "rl", "pn", "nsp", "ln", "nec", "su", "gpi", "nfu", "acrs", "psn", "lbl", "acpi"):
        assert sn not in r.res
    r = ae.create(ae.container(), 4, {"con": "x"}).expect(2001)
    for sn in ("cnf", "or", "conr", "cr", "lbl"):
        assert sn not in r.res


def test_expiry(server, ae):
    """CORE-055: with all descendants, and the counters of the parent follow"""
    top = ae.container()
    keep = ae.instance(top, "keep!")
    gone = ae.instance(top, "gone", et=stamp(2))
    branch = ae.container(top, et=stamp(2))
    leaf = ae.container(branch)
    leaf_ri = ae.retrieve(leaf).expect(2000)["ri"]
    c = ae.retrieve(top)
    assert (c["cni"], c["cbs"]) == (2, 9)
    wait_until(lambda: ae.retrieve(gone).rsc == 4004)
    wait_until(lambda: ae.retrieve(branch).rsc == 4004)
    wait_until(lambda: ae.retrieve(leaf).rsc == 4004)
    wait_until(lambda: ae.retrieve(leaf_ri).rsc == 4004)
    ae.retrieve(keep).expect(2000)
    wait_until(lambda: ae.retrieve(top)["cni"] == 1)
    assert ae.retrieve(top)["cbs"] == 5
    assert ae.retrieve(top + "/la")["con"] == "keep!"
    assert ae.found(top, {"ty": 3}) == []


def test_expiry_of_an_ae(server):
    """CORE-055: an AE whose time has passed is no longer registered, and its name is free"""
    a = server.register(et=stamp(2))
    cnt = a.container()
    b = server.register()
    wait_until(lambda: a.retrieve(a.at).rsc == 4106)
    b.retrieve(cnt).expect(4004)
    b.retrieve(a.at).expect(4004)


def test_expiry_survives_a_restart(new_server):
    """CORE-055: what expires while the server is down is gone when it is back"""
    s = new_server()
    a = s.register()
    gone = a.container(et=stamp(1))
    keep = a.container(et=stamp(3600))
    s.stop()
    s.start()
    wait_until(lambda: a.retrieve(gone).rsc == 4004)
    a.retrieve(keep).expect(2000)
