# SPDX-License-Identifier: Apache-2.0
"""What model/resource_types.json says of each attribute of each implemented type, tried one by one.

Create: M left out, NP sent, wrong JSON type, long name. Update: NP sent, null for multiplicity 1, wrong JSON type, long name.
Every refusal leaves no trace.
"""

import pytest

from harness import ROOT, attrs_of, stamp, unique
from harness.facts import TYPES, is_list, json_kind

IMPLEMENTED = ["accessControlPolicy", "AE", "container", "contentInstance", "subscription", "group", "pollingChannel",
               "dynamicAuthorizationConsultation"]
TY = {name: TYPES[name]["ty"] for name in IMPLEMENTED}


def minimal(name):
    """Representation with the M attributes and nothing else."""
    return {
        "accessControlPolicy": {"pv": {"acr": []}, "pvs": {"acr": [{"acor": ["all"], "acop": 63}]}},
        "AE": {"api": "Ntest", "rr": False, "srv": ["3"]},
        "container": {},
        "contentInstance": {"con": "x"},
        "subscription": {"nu": ["http://127.0.0.1:9/none"]},
        "group": {"mnm": 5, "mid": []},
        "pollingChannel": {},
        "dynamicAuthorizationConsultation": {"dae": True, "dap": ["http://127.0.0.1:9/das"]},
    }[name]


def sample(attr):
    """Some value that has the right JSON type at least."""
    special = {"ri": "x1", "pi": "x2", "rn": "x3", "ty": 3, "et": stamp(3600), "ct": stamp(), "lt": stamp(), "aei": "Cx", "li": "cse/x",
               "st": 1, "cni": 1, "cbs": 1, "cs": 1, "cnm": 1, "cr": "Cx", "acpi": ["cse/x"], "lbl": ["l"], "poa": ["http://127.0.0.1:9"]}
    if attr["sn"] in special:
        return special[attr["sn"]]
    return {"array": ["x"], "object": {}, "boolean": True, "integer": 1, "string": "x", "any": "x"}[json_kind(attr)]


def wrong(attr):
    """Values of another JSON type."""
    kind = json_kind(attr)
    if attr["type"] == "m2m:activityPatternElements" or kind == "object":
        return ["x", 5, True, 1.5]
    values = {
        "array": ["x", 5, True, {}] if attr["sn"] != "nfu" else [5, True, {}],  # one address or a list (X7)
        "boolean": ["true", 1, 0, [], {}],
        "integer": ["1", True, 1.5, [1], {}],
        "string": [5, True, ["x"], {}, 1.5],
    }[kind]
    if kind == "array":
        values = values + [[None], [{}], [[]], [True]] + ([[5]] if "resourceType" not in attr["type"] else [["3"]])
    return values


@pytest.fixture(scope="module")
def place(server):
    """name -> (entity, address of the parent, address of a resource of the type)."""
    a = server.register()
    cnt = a.container()
    out = {}
    for name in IMPLEMENTED:
        parent = {"AE": server.base, "contentInstance": cnt, "subscription": cnt}.get(name, a.at)
        entity = a
        if name == "AE":
            out[name] = (server.entity("C"), parent, a.at)
            continue
        attrs = dict(minimal(name), rn=unique("tab"))
        entity.create(parent, TY[name], attrs).expect(2001)
        out[name] = (entity, parent, parent + "/" + attrs["rn"])
    out["owner"] = a
    return out


def cases(keep, values=lambda attr: [None]):
    out = []
    for name in IMPLEMENTED:
        for attr in attrs_of(name):
            if attr.get("sn") and keep(name, attr):
                for v in values(attr):
                    out.append(pytest.param(name, attr, v, id="%s.%s%s" % (TYPES[name]["sn"], attr["sn"], "" if v is None else "=%r" % (v,))))
    return out


def refused_create(place, server, name, attrs, rsc=4000):
    entity, parent, _ = place[name]
    rn = attrs.get("rn") if isinstance(attrs.get("rn"), str) else None
    entity.create(parent, TY[name], attrs).expect(rsc)
    if rn:
        place["owner"].retrieve(parent + "/" + rn).expect(4004)


def pch_parent(server, place, name):
    """A second <pollingChannel> is refused for another reason: give the type a fresh parent."""
    if name != "pollingChannel":
        return place
    a = server.register()
    return dict(place, pollingChannel=(a, a.at, None), owner=a)


@pytest.mark.parametrize("name", IMPLEMENTED)
def test_minimal_representation_is_accepted(server, place, name):
    """The refusals below are not for another reason: what they start from is accepted."""
    entity, parent, _ = pch_parent(server, place, name)[name]
    r = entity.create(parent, TY[name], minimal(name)).expect(2001)
    assert r.root == ROOT[TY[name]]


@pytest.mark.parametrize("name,attr,_", cases(lambda n, a: a["c"] == "M"))
def test_create_without_mandatory_attribute(server, place, name, attr, _):
    """CORE-049, CORE-118, AUTHZ-029, AUTHZ-030"""
    attrs = dict(minimal(name), rn=unique("m"))
    del attrs[attr["sn"]]
    refused_create(pch_parent(server, place, name), server, name, attrs)


@pytest.mark.parametrize("name,attr,_", cases(lambda n, a: a["c"] == "NP"))
def test_create_with_attribute_not_permitted(server, place, name, attr, _):
    """CORE-050, CORE-118"""
    attrs = dict(minimal(name), rn=unique("np"))
    attrs[attr["sn"]] = sample(attr)
    refused_create(pch_parent(server, place, name), server, name, attrs)


@pytest.mark.parametrize("name,attr,value", cases(lambda n, a: a["c"] in "OM" and json_kind(a) != "any", wrong))
def test_create_with_wrong_json_type(server, place, name, attr, value):
    """CORE-051, CORE-269, CORE-270"""
    attrs = dict(minimal(name), rn=unique("w"))
    attrs[attr["sn"]] = value
    refused_create(pch_parent(server, place, name), server, name, attrs)


@pytest.mark.parametrize("name,attr,_", cases(lambda n, a: a["c"] in "OM" and a["sn"] != "cr"))
def test_create_with_null(server, place, name, attr, _):
    """CORE-051: null stands for removal and has no place in a Create (but for creator, CORE-047)"""
    attrs = dict(minimal(name), rn=unique("w"))
    attrs[attr["sn"]] = None
    refused_create(pch_parent(server, place, name), server, name, attrs)


@pytest.mark.parametrize("name,attr,_", cases(lambda n, a: a["c"] in "OM"))
def test_create_with_long_name(server, place, name, attr, _):
    """CORE-267, CORE-048"""
    attrs = dict(minimal(name), rn=unique("l"))
    attrs.pop(attr["sn"], None)
    attrs[attr["n"]] = sample(attr)
    refused_create(pch_parent(server, place, name), server, name, attrs)


UPDATABLE = [n for n in IMPLEMENTED if n != "contentInstance"]


def refused_update(place, name, attrs, rsc=4000):
    _, _, address = place[name]
    owner = place["owner"]
    before = owner.retrieve(address).expect(2000).content
    owner.update(address, TY[name], attrs).expect(rsc)
    assert owner.retrieve(address).content == before, "a refused Update changed something"




@pytest.mark.parametrize("name,attr,_", cases(lambda n, a: n in UPDATABLE and a["u"] == "NP"))
def test_update_of_attribute_not_permitted(server, place, name, attr, _):
    """CORE-063, CORE-050"""
    refused_update(place, name, {attr["sn"]: sample(attr)})


@pytest.mark.parametrize("name,attr,_", cases(lambda n, a: n in UPDATABLE and a["u"] == "O" and a["card"].startswith("1") and a["sn"] != "et"))
def test_update_null_for_multiplicity_one(server, place, name, attr, _):
    """CORE-062, AUTHZ-033 (null for et lets the CSE choose, see test_core_rud)"""
    refused_update(place, name, {attr["sn"]: None})


@pytest.mark.parametrize("name,attr,value", cases(lambda n, a: n in UPDATABLE and a["u"] == "O" and json_kind(a) != "any", wrong))
def test_update_with_wrong_json_type(server, place, name, attr, value):
    """CORE-063, CORE-066, CORE-270"""
    refused_update(place, name, {attr["sn"]: value})


@pytest.mark.parametrize("name,attr,_", cases(lambda n, a: n in UPDATABLE and a["u"] == "O"))
def test_update_with_long_name(server, place, name, attr, _):
    """CORE-267, CORE-063"""
    refused_update(place, name, {attr["n"]: sample(attr)})


@pytest.mark.parametrize("name", IMPLEMENTED)
def test_representation_on_the_wire(server, place, name):
    """CORE-267, CORE-269: what a Retrieve gives has short names of the type's table only, in the JSON types of the model, and
    everything of multiplicity 1"""
    _, _, address = place[name]
    r = place["owner"].retrieve(address).expect(2000)
    table = {a["sn"]: a for a in attrs_of(name)}
    assert set(r.res) <= set(table)
    for sn, value in r.res.items():
        kind = "array" if is_list(table[sn]) else json_kind(table[sn])
        if sn == "nfu" and isinstance(value, str):
            continue
        ok = {"array": list, "object": dict, "boolean": bool, "integer": int, "string": str, "any": object}[kind]
        assert isinstance(value, ok) and not (kind == "integer" and isinstance(value, bool)), (sn, value)
    for a in table.values():
        if a["card"] in ("1", "1(L)") and a["sn"]:
            assert a["sn"] in r.res, "%s is missing" % a["sn"]
    assert r["ty"] == TY[name]
