# SPDX-License-Identifier: Apache-2.0
"""Result Content: catalogue 5 and 17.5."""

import pytest

from harness import ROOT, rule, stamp, unique

ASSIGNED = {"ri", "pi", "ty", "ct", "lt", "et", "st", "cni", "cbs"}


def test_create_result_content(ae):
    """CORE-072, CORE-284"""
    sent = {"lbl": ["a"], "mni": 5}
    r = ae.create(ae.at, 3, dict(sent, rn="r0"), rcn=0).expect(2001)
    assert not r.body and "content-type" not in r.headers
    r1 = ae.create(ae.at, 3, dict(sent, rn="r1"), rcn=1).expect(2001)
    assert r1.content == ae.retrieve(ae.at + "/r1").content
    r2 = ae.create(ae.at, 3, dict(sent, rn="r2"), rcn=2).expect(2001)
    assert r2.content == {"m2m:uri": ae.at + "/r2"}
    r3 = ae.create(ae.at, 3, dict(sent, rn="r3"), rcn=3).expect(2001)
    assert r3.content == {"m2m:rce": {"m2m:cnt": ae.retrieve(ae.at + "/r3").res, "uri": ae.at + "/r3"}}
    for r in (r2, r3):
        assert r.headers["content-location"]
    r9 = ae.create(ae.at, 3, dict(sent, rn="r9"), rcn=9).expect(2001)
    assert set(r9.res) == ASSIGNED
    full = ae.retrieve(ae.at + "/r9")
    assert all(full[k] == v for k, v in r9.res.items())
    assert ae.create(ae.at, 3, dict(sent, rn="rd")).expect(2001).content == ae.retrieve(ae.at + "/rd").content


def test_create_modified_attributes_with_generated_name(ae):
    """CORE-072: a name the CSE chose is among what it added"""
    r = ae.create(ae.at, 3, {}, rcn=9).expect(2001)
    assert set(r.res) == ASSIGNED | {"rn"}


def test_created_instance_with_modified_attributes(ae):
    """CORE-072: content is not sent back"""
    r = ae.create(ae.container(), 4, {"rn": "i", "con": "hello"}, rcn=9).expect(2001)
    assert set(r.res) == {"ri", "pi", "ty", "ct", "lt", "et", "st", "cs"}
    assert r["cs"] == 5


def test_update_result_content(ae):
    """CORE-073"""
    cnt = ae.container(lbl=["a"])
    assert not ae.update(cnt, 3, {"mni": 1}, rcn=0).expect(2004).body
    r = ae.update(cnt, 3, {"mni": 2}, rcn=1).expect(2004)
    assert r.content == ae.retrieve(cnt).content
    r = ae.update(cnt, 3, {"mni": 3, "mbs": 100}, rcn=9).expect(2004)
    assert set(r.res) == {"lt", "st"}
    full = ae.retrieve(cnt)
    assert r["lt"] == full["lt"] and r["st"] == full["st"]


def test_update_modified_value(ae):
    """CORE-073: an attribute the CSE set otherwise than asked for"""
    cnt = ae.container(ae.container(et=stamp(1000)))
    r = ae.update(cnt, 3, {"et": stamp(5000)}, rcn=9).expect(2004)
    assert set(r.res) == {"lt", "st", "et"}
    assert r["et"] == ae.retrieve(cnt)["et"]


@pytest.mark.parametrize("rcn", [None, 0, 1, 4, 5, 6, 8])
def test_delete_result_content(ae, rcn):
    """CORE-068, rcn column of Delete"""
    cnt = ae.container(lbl=["bye"])
    ae.container(cnt, rn="kid")
    before = ae.retrieve(cnt)
    want = None if rcn in (None, 0) else ae.retrieve(cnt, {"rcn": rcn}).expect(2000).content
    r = ae.delete(cnt, rcn=rcn).expect(2002)
    if want is None:
        assert not r.body
    else:
        assert r.content == want
    if rcn == 1:
        assert r.content == before.content
    ae.retrieve(cnt).expect(4004)


@pytest.fixture
def tree(ae):
    """top(a(a1(a11), i1, i2), b, s): addresses by name."""
    top = ae.container(rn=unique("top"))
    at = {"top": top, "a": ae.container(top, rn="a")}
    at["b"] = ae.container(top, rn="b")
    at["s"] = ae.made(top, 23, {"rn": "s", "nu": ["http://127.0.0.1:9/x"]})
    at["a1"] = ae.container(at["a"], rn="a1")
    at["i1"] = ae.instance(at["a"], "1", rn="i1")
    at["i2"] = ae.instance(at["a"], "2", rn="i2")
    at["a11"] = ae.container(at["a1"], rn="a11")
    return at


def nested(node):
    """Names of all nested resources with the root member they stand under, depth first, with their depth."""
    out = []

    def walk(attrs, depth):
        for key, value in attrs.items():
            if key.startswith("m2m:"):
                assert isinstance(value, list), "children of one type are an array: %s" % key
                for child in value:
                    out.append((key, child["rn"], depth))
                    walk(child, depth + 1)
    walk(node, 1)
    return out


ALL = {("m2m:cnt", "a", 1), ("m2m:cnt", "b", 1), ("m2m:sub", "s", 1), ("m2m:cnt", "a1", 2), ("m2m:cin", "i1", 2), ("m2m:cin", "i2", 2),
       ("m2m:cnt", "a11", 3)}


def test_nested_children(ae, tree):
    """CORE-074, CORE-075: rcn 4 and 8"""
    r = ae.retrieve(tree["top"], {"rcn": 4}).expect(2000)
    assert r.root == "m2m:cnt"
    assert set(nested(r.res)) == ALL and len(nested(r.res)) == len(ALL)
    full = ae.retrieve(tree["top"]).res
    assert {k: v for k, v in r.res.items() if not k.startswith("m2m:")} == full
    a = next(c for c in r.res["m2m:cnt"] if c["rn"] == "a")
    assert {k: v for k, v in a.items() if not k.startswith("m2m:")} == ae.retrieve(tree["a"]).res
    assert [i["con"] for i in a["m2m:cin"]] == ["1", "2"]
    r8 = ae.retrieve(tree["top"], {"rcn": 8}).expect(2000)
    assert r8.root == "m2m:cnt"
    assert r8.res == {k: v for k, v in r.res.items() if k.startswith("m2m:")}


def check_references(ae, refs, want):
    assert {r["val"] for r in refs} == set(want)
    assert len(refs) == len(want)
    order = [r["val"] for r in refs]
    for r in refs:
        assert set(r) == {"nm", "typ", "val"}
        got = ae.retrieve(r["val"]).expect(2000)
        assert (got["rn"], got["ty"]) == (r["nm"], r["typ"])
        parent = r["val"].rpartition("/")[0]
        if parent in order:
            assert order.index(parent) < order.index(r["val"]), "a child before its parent"


def test_child_references(ae, tree):
    """CORE-074, CORE-075: rcn 5 and 6"""
    want = [a for n, a in tree.items() if n != "top"]
    r = ae.retrieve(tree["top"], {"rcn": 6}).expect(2000)
    assert r.root == "m2m:rrl" and set(r.res) == {"rrf"}
    check_references(ae, r.res["rrf"], want)
    r = ae.retrieve(tree["top"], {"rcn": 5}).expect(2000)
    assert r.root == "m2m:cnt"
    full = ae.retrieve(tree["top"]).res
    assert {k: v for k, v in r.res.items() if k != "ch"} == full
    check_references(ae, r.res["ch"], want)


def test_no_children(ae):
    """CORE-074: nothing below"""
    cnt = ae.container()
    full = ae.retrieve(cnt).res
    assert ae.retrieve(cnt, {"rcn": 4}).expect(2000).res == full
    r = ae.retrieve(cnt, {"rcn": 5}).expect(2000).res
    assert r.pop("ch", []) == [] and r == full
    assert ae.retrieve(cnt, {"rcn": 6}).expect(2000).content == {"m2m:rrl": {"rrf": []}}


def test_virtual_resources_are_left_out(ae, tree):
    """CORE-075"""
    grp = ae.made(ae.at, 9, {"rn": "g", "mnm": 1, "mid": []})
    pch = ae.made(ae.at, 15, {"rn": "p"})
    refs = ae.retrieve(ae.at, {"rcn": 6}).expect(2000).res["rrf"]
    names = {r["nm"] for r in refs}
    assert {"g", "p", "a", "s"} <= names
    assert not names & {"la", "ol", "fopt", "pcu", "ntsr", "sfop"}
    assert ae.found(grp) == [] and ae.found(pch) == []


@pytest.mark.parametrize("rcn", [4, 5, 6, 8])
@pytest.mark.parametrize("lvl", [1, 2, 3, 9])
def test_level(ae, tree, rcn, lvl):
    """CORE-076"""
    r = ae.retrieve(tree["top"], {"rcn": rcn, "lvl": lvl}).expect(2000)
    if rcn in (4, 8):
        assert set(nested(r.res)) == {x for x in ALL if x[2] <= lvl}
    else:
        depth = {n: d for _, n, d in ALL}
        assert {x["nm"] for x in r.res["ch" if rcn == 5 else "rrf"]} == {n for n, d in depth.items() if d <= lvl}


@pytest.mark.parametrize("lvl", ["0", "-1", "x", "1.5"])
def test_bad_level(ae, lvl):
    """lvl is a positive integer"""
    ae.retrieve(ae.at, {"rcn": 6, "lvl": lvl}).expect(4000)


@pytest.fixture(scope="module")
def family(server):
    """Seven direct children, each with two of its own."""
    a = server.register()
    top = a.container()
    for i in range(7):
        kid = a.container(top, rn="d%d" % i)
        a.container(kid, rn="x")
        a.instance(kid, "c", rn="y")
    return a, top


def page_contents(r, rcn):
    """direct child -> set of its descendants' names, from an answer."""
    if rcn in (4, 8):
        return {c["rn"]: {n for _, n, _ in nested(c)} for key, v in r.res.items() if key.startswith("m2m:") for c in v}
    out = {}
    for ref in r.res["ch" if rcn == 5 else "rrf"]:
        parts = ref["val"].split("/")[3:]
        out.setdefault(parts[0], set()).update(parts[1:])
    return out


@pytest.mark.parametrize("rcn", [4, 5, 6, 8])
@pytest.mark.parametrize("lim", [3, 4, 5, 7, 12, 20])
def test_paging(family, rcn, lim):
    """CORE-077, CORE-078, CORE-095: pages hold whole direct children, at most lim resources, and together each child once"""
    a, top = family
    seen = {}
    query = {"rcn": rcn, "lim": lim}
    for _ in range(20):
        r = a.retrieve(top, query).expect(2000)
        page = page_contents(r, rcn)
        assert sum(1 + len(v) for v in page.values()) <= lim
        assert not set(page) & set(seen), "a direct child twice"
        assert all(v == {"x", "y"} for v in page.values()), "a direct child was cut"
        seen.update(page)
        if r.headers.get("x-m2m-cts") != "1":
            assert "x-m2m-cto" not in r.headers
            break
        assert page, "an empty page that promises more"
        assert int(r.headers["x-m2m-cto"]) == len(seen) + 1
        query["ofst"] = r.headers["x-m2m-cto"]
    assert set(seen) == {"d%d" % i for i in range(7)}


def test_full_answer_has_no_offset(family):
    """CORE-077"""
    a, top = family
    for query in ({"rcn": 6}, {"rcn": 4}, {"rcn": 6, "lim": 21}, {"rcn": 8, "lim": 1000}):
        r = a.retrieve(top, query).expect(2000)
        assert "x-m2m-cto" not in r.headers and r.headers.get("x-m2m-cts") in (None, "2")


def test_offset(family):
    """CORE-078: 1 is the first direct child; behind the last there is nothing"""
    a, top = family
    all_of = a.retrieve(top, {"rcn": 6}).content
    assert a.retrieve(top, {"rcn": 6, "ofst": 1}).expect(2000).content == all_of
    second = page_contents(a.retrieve(top, {"rcn": 6, "ofst": 2}).expect(2000), 6)
    assert len(second) == 6
    assert a.retrieve(top, {"rcn": 6, "ofst": 8}).expect(2000).res["rrf"] == []
    for bad in ("0", "-1", "x"):
        a.retrieve(top, {"rcn": 6, "ofst": bad}).expect(4000)


@pytest.mark.parametrize("rcn", [5, 6])
def test_references_unstructured(ae, tree, rcn):
    """CORE-086 for references: drt 2"""
    r = ae.retrieve(tree["top"], {"rcn": rcn, "drt": 2}).expect(2000)
    refs = r.res["ch" if rcn == 5 else "rrf"]
    assert {x["val"] for x in refs} == {ae.retrieve(a)["ri"] for n, a in tree.items() if n != "top"}


def test_original_resource_elsewhere(ae):
    """CORE-079: rcn 7 on what is no announced resource"""
    ae.retrieve(ae.container(), {"rcn": 7}).refused()


def test_children_by_privilege(ae, other):
    """CORE-080, AUTHZ-140, AUTHZ-081, AUTHZ-082: Retrieve governs children, Discover governs discovery"""
    def policy(ops):
        return ae.policy([rule(ae.origin, 63)] + ([rule(other.origin, ops)] if ops else []))[1]
    top = ae.container(acpi=[policy(2 + 32)])
    ae.container(top, rn="readable", acpi=[policy(2)])
    ae.container(top, rn="findable", acpi=[policy(32)])
    ae.container(top, rn="both", acpi=[policy(34)])
    ae.container(top, rn="none", acpi=[policy(0)])
    want = {"readable", "both"}
    assert {x["nm"] for x in other.retrieve(top, {"rcn": 6}).expect(2000).res["rrf"]} == want
    assert {x["nm"] for x in other.retrieve(top, {"rcn": 5}).expect(2000).res["ch"]} == want
    assert {x["rn"] for x in other.retrieve(top, {"rcn": 4}).expect(2000).res["m2m:cnt"]} == want
    assert {x["rn"] for x in other.retrieve(top, {"rcn": 8}).expect(2000).res["m2m:cnt"]} == want
    assert {x["nm"] for x in ae.retrieve(top, {"rcn": 6}).expect(2000).res["rrf"]} == {"readable", "findable", "both", "none"}
    found = {"findable", "both"}
    assert {x.rpartition("/")[2] for x in other.found(top)} == found
    assert {x["nm"] for x in other.discover(top, {"rcn": 6}).expect(2000).res["rrf"]} == found
    for secret in (b'"none"', b'"findable"'):
        assert secret not in other.retrieve(top, {"rcn": 4}).body


def test_root_elements(ae):
    """CORE-074: the root of rcn 4, 5, 8 is that of the target's type"""
    for ty, attrs in ((9, {"mnm": 1, "mid": []}), (3, {}), (15, {})):
        at = ae.made(ae.at, ty, attrs)
        for rcn in (4, 5, 8):
            assert ae.retrieve(at, {"rcn": rcn}).expect(2000).root == ROOT[ty]
