# SPDX-License-Identifier: Apache-2.0
"""Children in answers (rcn 4, 5, 6, 8) with filters and hidden parts. Forms and paging: test_core_rcn.py."""

import pytest

from harness import rule


@pytest.fixture
def tree(ae):
    top = ae.container(rn="top")
    for name in ("a", "b"):
        kid = ae.container(top, rn=name, lbl=[name])
        ae.container(kid, rn=name + "1", lbl=["leaf"])
        ae.instance(kid, "1", rn=name + "i", lbl=["leaf"])
    return top


def refs(r):
    return [x["nm"] for x in r.expect(2000).res["rrf"]]


def test_filter_of_references(ae, tree):
    """CORE-074: the filter applies to what is listed, not to the target"""
    assert refs(ae.retrieve(tree, {"rcn": 6, "ty": 4})) == ["ai", "bi"]
    assert refs(ae.retrieve(tree, {"rcn": 6, "lbl": "a"})) == ["a"]
    assert refs(ae.retrieve(tree, {"rcn": 6, "lbl": "leaf", "ty": 3})) == ["a1", "b1"]
    assert refs(ae.retrieve(tree, {"rcn": 6, "lvl": 1, "lbl": "leaf"})) == []
    r = ae.retrieve(tree, {"rcn": 5, "ty": 4}).expect(2000)
    assert r["rn"] == "top" and [x["nm"] for x in r["ch"]] == ["ai", "bi"]


def test_filter_of_nested_children(ae, tree):
    """CORE-074: what matches hangs under the nearest ancestor that is shown"""
    r = ae.retrieve(tree, {"rcn": 8, "ty": 4}).expect(2000)
    assert [x["rn"] for x in r["m2m:cin"]] == ["ai", "bi"] and set(r.res) == {"m2m:cin"}
    r = ae.retrieve(tree, {"rcn": 4, "lbl": ["a", "leaf"]}).expect(2000)
    assert [x["rn"] for x in r["m2m:cnt"]] == ["a", "b1"]
    assert [x["rn"] for x in r["m2m:cnt"][0]["m2m:cnt"]] == ["a1"]
    assert [x["rn"] for x in r["m2m:cin"]] == ["bi"]


def test_wildcard_is_none_outside_discovery(ae, tree):
    """CORE-091"""
    assert refs(ae.retrieve(tree, {"rcn": 6, "rn": "a*"})) == []
    assert refs(ae.retrieve(tree, {"rcn": 6, "rn": "ai"})) == ["ai"]


def test_hidden_parent(ae, other, tree):
    """AUTHZ-140, CORE-080: a child without Retrieve hides itself, not what is below it"""
    _, show = ae.policy([rule(ae.origin, 63), rule(other.origin, 2)])
    top = ae.container(rn="open", acpi=[show])
    dark = ae.container(top, rn="dark")
    lit = ae.container(dark, rn="lit", acpi=[show])
    ae.instance(dark, "secret", rn="hidden")
    ae.instance(lit, "public", rn="shown")
    r = other.retrieve(top, {"rcn": 6}).expect(2000)
    assert {x["val"] for x in r.res["rrf"]} == {lit, lit + "/shown"}
    r = other.retrieve(top, {"rcn": 4}).expect(2000)
    assert [x["rn"] for x in r["m2m:cnt"]] == ["lit"]
    assert [x["con"] for x in r["m2m:cnt"][0]["m2m:cin"]] == ["public"]
    assert b"secret" not in r.body and b'"dark"' not in r.body


def test_polling_channel_of_another(ae, other):
    """AUTHZ-122: who may read an <AE> does not see its <pollingChannel> by way of it"""
    _, show = ae.policy([rule(ae.origin, 63), rule(other.origin, 34)])
    ae.update(ae.at, 2, {"acpi": [show]}).expect(2004)
    ae.made(ae.at, 15, {"rn": "pch"})
    ae.container(rn="seen", acpi=[show])
    other.retrieve(ae.at + "/pch").expect(4103)
    for rcn in (4, 5, 6, 8):
        r = other.retrieve(ae.at, {"rcn": rcn}).expect(2000)
        assert b'"seen"' in r.body and b'"pch"' not in r.body
        assert b'"pch"' in ae.retrieve(ae.at, {"rcn": rcn}).expect(2000).body


def test_delete_shows_what_it_removes(ae, tree):
    """Delete with rcn 4"""
    want = ae.retrieve(tree, {"rcn": 4}).expect(2000).content
    assert ae.delete(tree, rcn=4).expect(2002).content == want
    ae.retrieve(tree + "/a/a1").expect(4004)


@pytest.mark.parametrize("query", [{"rcn": 6, "ofst": 0}, {"rcn": 6, "lim": -1}, {"rcn": 6, "fo": 3}, {"rcn": 4, "cfs": 1}, {"rcn": 2}, {"rcn": 3},
                                   {"rcn": 9}, {"rcn": 11}, {"rcn": "x"}, {"rcn": 6, "fu": 3}])
def test_malformed(ae, tree, query):
    """Refused, not ignored"""
    ae.retrieve(tree, query).expect(4000)


@pytest.mark.parametrize("query", [{"rcn": 6, "smf": "SELECT"}, {"fu": 3, "smf": "SELECT"}])
def test_not_supported(ae, tree, query):
    """CORE-032"""
    ae.retrieve(tree, query).expect(5001)


def test_instances_that_may_not_be_retrieved(ae):
    """CORE-148: not by way of their container either"""
    cnt = ae.container(disr=True)
    ae.container(cnt, rn="sub")
    ae.instance(cnt, "secret")
    for rcn in (4, 8):
        r = ae.retrieve(cnt, {"rcn": rcn}).expect(2000)
        assert [x["rn"] for x in r["m2m:cnt"]] == ["sub"] and b"secret" not in r.body
