# SPDX-License-Identifier: Apache-2.0
"""Discovery where the ways to find things meet: indices, places in the tree, changes. Conditions: test_core_filter.py."""

import pytest

from harness import rule, unique


def test_labels_follow_changes(ae):
    """CORE-090: what the label index knows is what the resource has now"""
    a, b = ae.container(rn="a", lbl=["one"]), ae.container(rn="b", lbl=["two"])
    assert ae.found(ae.at, {"lbl": "one"}) == [a]
    ae.update(a, 3, {"lbl": ["two", "three"]}).expect(2004)
    assert ae.found(ae.at, {"lbl": "one"}) == []
    assert ae.found(ae.at, {"lbl": "two"}) == [a, b]
    ae.update(a, 3, {"lbl": None}).expect(2004)
    assert ae.found(ae.at, {"lbl": "two"}) == [b]
    ae.delete(b).expect(2002)
    assert ae.found(ae.at, {"lbl": "two"}) == []


def test_removed_subtree(ae):
    """CORE-082: nothing of a deleted subtree, whichever way it is looked for"""
    top = ae.container(rn="top", lbl=["t"])
    mid = ae.container(top, rn="mid", lbl=["t"])
    ae.instance(mid, "1", rn="i", lbl=["t"])
    queries = ({}, {"lbl": "t"}, {"ty": 3}, {"ty": 4}, {"clbl": "t"}, {"rn": "*"})
    for q in queries:
        assert ae.found(ae.at, q)
    ae.delete(top).expect(2002)
    for q in queries:
        assert ae.found(ae.at, q) == [], q


def test_odd_labels(ae):
    """CORE-090: labels are compared as they are"""
    odd = ["a b", "ü", "x:y:z", "\"quoted\"", "back\\slash", "100%", "a+b", "a&b=c"]
    cnt = ae.container(lbl=odd)
    for label in odd:
        if "+" not in label:
            assert ae.found(ae.at, {"lbl": label}) == [cnt], label
    assert ae.found(ae.at, {"lbl": "a"}) == []
    assert ae.found(ae.at, {"lbl": "A b"}) == []


def test_others_with_the_same_label(server):
    """CORE-082: only below the target, however many elsewhere have the label"""
    label = unique("shared")
    people = [server.register() for _ in range(3)]
    mine = [p.container(rn="c", lbl=[label]) for p in people]
    for p in people:
        for _ in range(5):
            p.container(lbl=[label])
    for p, c in zip(people, mine):
        assert len(p.found(p.at, {"lbl": label})) == 6
        assert all(x.startswith(p.at + "/") for x in p.found(server.base, {"lbl": label}))


@pytest.mark.parametrize("query", [{"lbl": "l"}, {"ty": 3}, {"ty": [3, 4]}, {"lbl": ["l", "m"]}, {"clbl": "l"}, {}, {"fo": 2, "lbl": "l", "ty": 4}])
def test_pages(ae, query):
    """CORE-078, CORE-095: pages of a discovery are disjoint, in one order, and together the whole"""
    for i in range(4):
        top = ae.container(rn="t%d" % i, lbl=["m"])
        for k in range(3):
            ae.container(top, rn="c%d" % k, lbl=["l"])
            ae.instance(top, "x", rn="i%d" % k, lbl=["l"])
    whole = ae.found(ae.at, query)
    assert len(whole) >= 4
    got, ofst = [], 1
    while True:
        r = ae.discover(ae.at, dict(query, lim=3, ofst=ofst)).expect(2000)
        got += r.res
        if r.headers.get("x-m2m-cts") != "1":
            break
        ofst = int(r.headers["x-m2m-cto"])
    assert got == whole


def test_content_of_references(ae):
    """CORE-081: names and types"""
    cnt = ae.container(rn="c")
    inst = ae.instance(cnt, "x", rn="i")
    grp = ae.made(ae.at, 9, {"rn": "g", "mnm": 1, "mid": []})
    refs = ae.discover(ae.at, {"rcn": 6}).expect(2000).res["rrf"]
    assert sorted(refs, key=lambda r: r["nm"]) == [{"nm": "c", "typ": 3, "val": cnt}, {"nm": "g", "typ": 9, "val": grp},
                                                   {"nm": "i", "typ": 4, "val": inst}]


def test_limit_counts_what_may_be_seen(ae, other):
    """AUTHZ-141"""
    _, show = ae.policy([rule(ae.origin, 63), rule(other.origin, 34)])
    top = ae.container(acpi=[show])
    for i in range(6):
        ae.container(top, rn="dark%d" % i, lbl=["x"])
        ae.container(top, rn="lit%d" % i, lbl=["x"], acpi=[show])
    for query in ({"lbl": "x"}, {"ty": 3}, {"rn": "*"}):
        r = other.discover(top, dict(query, lim=4)).expect(2000)
        assert r.res == [top + "/lit%d" % i for i in range(4)]
        assert r.headers["x-m2m-cto"] == "5"
    r = other.retrieve(top, {"rcn": 6, "lim": 4}).expect(2000)
    assert [x["nm"] for x in r.res["rrf"]] == ["lit%d" % i for i in range(4)]
    assert r.headers["x-m2m-cto"] == "5"


def test_policy_changes_count_at_once(ae, other):
    """CORE-083: a revoked right is not remembered"""
    acp, ri = ae.policy([rule(ae.origin, 63), rule(other.origin, 32)])
    cnt = ae.container(acpi=[ri], lbl=["x"])
    assert other.found(ae.at, {"lbl": "x"}) == [cnt]
    ae.update(acp, 1, {"pv": {"acr": [rule(ae.origin, 63)]}}).expect(2004)
    assert other.found(ae.at, {"lbl": "x"}) == []


def test_unknown_type_and_attribute(ae):
    """CORE-090: types nothing has; attributes of other types"""
    ae.container(rn="c")
    assert ae.found(ae.at, {"ty": 28}) == []
    ae.discover(ae.at, {"ty": 4711}).expect(4000)
    assert ae.found(ae.at, {"poa": "x"}) == []
    for reserved in ("ct", "lt", "st", "et", "cs", "cnf"):
        ae.discover(ae.at, {reserved: "1"}).expect(4000)
