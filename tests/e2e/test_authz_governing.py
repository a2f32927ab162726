# SPDX-License-Identifier: Apache-2.0
"""Which policy governs: defaults, inheritance, changes of acpi; discovery: catalogue 9.4 and 9.5.

AUTHZ-119 is in test_core_rud.py, 121 in test_core_response_types.py, 122, 123, 125 to 129, 135 in test_core_delivery.py, 124 in
test_core_subscription.py, 138 in test_core_filter.py, 140 in test_core_rcn.py.
"""

import pytest

from harness import Server, rule, unique

NOWHERE = "http://127.0.0.1:9/none"


def everything(who, cnt):
    """rsc of each operation on a container, Delete last."""
    return [who.retrieve(cnt).rsc, who.create(cnt, 3, {}).rsc, who.create(cnt, 4, {"con": "x"}).rsc, who.update(cnt, 3, {"lbl": [unique()]}).rsc,
            cnt in who.found(cnt.rpartition("/")[0]), who.delete(cnt).rsc]


def test_default_policy(ae, other):
    """AUTHZ-107: the creating Originator only, with all operations"""
    cnt = ae.container()
    assert everything(other, cnt) == [4103, 4103, 4103, 4103, False, 4103]
    assert everything(ae, cnt) == [2000, 2001, 2001, 2004, True, 2002]


@pytest.mark.parametrize("creator", [{}, {"cr": None}])
def test_creator_is_remembered(ae, other, creator):
    """AUTHZ-108: with and without creator; the creator counts, not the owner of the parent"""
    _, pol = ae.policy([rule([ae.origin, other.origin], 63)])
    top = ae.container(acpi=[pol])
    kid = other.made(top, 3, creator)
    other.retrieve(kid).expect(2000)
    ae.retrieve(kid).expect(4103)
    ae.delete(kid).expect(4103)
    ae.update(kid, 3, {"acpi": [pol]}).expect(4103)
    assert kid not in ae.found(top)


def test_default_policy_survives_a_restart(new_server):
    """AUTHZ-108"""
    s = new_server()
    a, b = s.register(), s.register()
    cnt = a.container()
    s.restart()
    a.retrieve(cnt).expect(2000)
    b.retrieve(cnt).expect(4103)


def test_acpi_ends_the_default_policy(ae, other):
    """AUTHZ-109: at Create and by Update"""
    _, pol = ae.policy([rule(other.origin, 63)])
    cnt = ae.container()
    ae.update(cnt, 3, {"acpi": [pol]}, rcn=0).expect(2004)
    for c in (cnt, ae.container(acpi=[pol])):
        ae.retrieve(c).expect(4103)
        ae.update(c, 3, {"lbl": ["x"]}).expect(4103)
        other.retrieve(c).expect(2000)


def test_instances_follow_their_container(ae, other):
    """AUTHZ-110, AUTHZ-111, AUTHZ-112"""
    _, pol = ae.policy([rule(ae.origin, 63), rule(other.origin, 2)])
    open_cnt, closed = ae.container(acpi=[pol]), ae.container()
    for cnt, rsc in ((open_cnt, 2000), (closed, 4103)):
        inst = ae.instance(cnt)
        for at in (inst, cnt + "/la", cnt + "/ol"):
            other.retrieve(at).expect(rsc)
            other.delete(at).expect(4103)
    inst = ae.instance(open_cnt)
    _, full = ae.policy([rule([ae.origin, other.origin], 63)])
    ae.update(open_cnt, 3, {"acpi": [full]}).expect(2004)
    other.delete(inst).expect(2002)
    other.delete(open_cnt + "/la").expect(2002)


def test_creator_of_an_instance_has_no_right_by_it(ae, other):
    """AUTHZ-110: not even the one who made it"""
    _, pol = ae.policy([rule(ae.origin, 63), rule(other.origin, 1)])
    cnt = ae.container(acpi=[pol])
    inst = other.create(cnt, 4, {"con": "x", "cr": None}, rcn=2).expect(2001).content["m2m:uri"]
    other.retrieve(inst).expect(4103)
    other.delete(inst).expect(4103)
    ae.retrieve(inst).expect(2000)


def test_policies_do_not_reach_down(ae, other):
    """AUTHZ-107: a child with acpi of its own type but none set is under the default policy, whatever the parent allows"""
    _, pol = ae.policy([rule("all", 63)])
    top = ae.container(acpi=[pol])
    kid = ae.container(top)
    other.retrieve(top).expect(2000)
    other.retrieve(kid).expect(4103)


def test_mixed_update_of_acpi(ae):
    """AUTHZ-114"""
    _, pol = ae.policy([rule(ae.origin, 63)])
    for cnt in (ae.container(), ae.container(acpi=[pol])):
        before = ae.retrieve(cnt).content
        ae.update(cnt, 3, {"acpi": [pol], "lbl": ["x"]}).expect(4000)
        ae.update(cnt, 3, {"lbl": ["x"], "acpi": None}).expect(4000)
        assert ae.retrieve(cnt).content == before


@pytest.mark.parametrize("pv,pvs,acpi_rsc,other_rsc", [
    (63, 4, 2004, 2004), (63, 59, 4103, 2004), (59, 4, 2004, 4103), (59, 59, 4103, 4103), (4, 0, 4103, 2004), (0, 63, 2004, 4103),
])
def test_which_privileges_for_which_update(ae, other, pv, pvs, acpi_rsc, other_rsc):
    """AUTHZ-115, AUTHZ-116, CORE-067, T-21"""
    def rules(ops):
        return [rule(ae.origin, 63)] + ([rule(other.origin, ops)] if ops else [])
    _, pol = ae.policy(rules(pv), rules(pvs))
    _, new = ae.policy([rule([ae.origin, other.origin], 63)])
    cnt = ae.container(acpi=[pol])
    other.update(cnt, 3, {"lbl": ["x"]}, rcn=0).expect(other_rsc)
    other.update(cnt, 3, {"acpi": [new]}, rcn=0).expect(acpi_rsc)
    assert ae.retrieve(cnt)["acpi"] == [new if acpi_rsc == 2004 else pol]
    assert ("lbl" in ae.retrieve(cnt)) == (other_rsc == 2004)


def test_one_of_several_policies_suffices_for_acpi(ae, other):
    """AUTHZ-115: the selfPrivileges of a referenced policy — any of them; those of the new one do not count"""
    _, no = ae.policy([rule(ae.origin, 63)], [rule(ae.origin, 63)])
    _, yes = ae.policy([rule(ae.origin, 63)], [rule([ae.origin, other.origin], 4)])
    cnt = ae.container(acpi=[no])
    other.update(cnt, 3, {"acpi": [yes]}, rcn=0).expect(4103)
    ae.update(cnt, 3, {"acpi": [no, yes]}).expect(2004)
    other.update(cnt, 3, {"acpi": [no]}, rcn=0).expect(2004)


def test_unset_acpi(ae, other):
    """AUTHZ-117"""
    cnt = ae.container()
    _, theirs = other.policy([rule(other.origin, 63)])
    other.update(cnt, 3, {"acpi": [theirs]}).expect(4103)
    ae.update(cnt, 3, {"acpi": [theirs]}, rcn=0).expect(2004)
    other.retrieve(cnt).expect(2000)


def test_back_to_the_default_policy(ae, other):
    """AUTHZ-107: acpi null"""
    _, pol = ae.policy([rule("all", 63)])
    cnt = ae.container(acpi=[pol])
    other.retrieve(cnt).expect(2000)
    ae.update(cnt, 3, {"acpi": None}).expect(2004)
    assert "acpi" not in ae.retrieve(cnt)
    other.retrieve(cnt).expect(4103)


def test_empty_acpi(ae):
    """AUTHZ-118"""
    ae.create(ae.at, 3, {"rn": "n", "acpi": []}).expect(4000)
    ae.retrieve(ae.at + "/n").expect(4004)
    cnt = ae.container()
    ae.update(cnt, 3, {"acpi": []}).expect(4000)
    assert "acpi" not in ae.retrieve(cnt)


def test_base_policy(server, admin, ae):
    """AUTHZ-120: there is one; admin has all rights, registrees those of the configuration"""
    acpi = admin.retrieve(server.base).expect(2000)["acpi"]
    assert len(acpi) >= 1
    name = unique()
    admin.create(server.base, 3, {"rn": name}).expect(2001)
    admin.delete(server.base + "/" + name).expect(2002)
    ae.create(server.base, 3, {"rn": name}).expect(4103)
    ae.create(server.base, 9, {"rn": name, "mnm": 1, "mid": []}).expect(4103)
    ae.retrieve(server.base).expect(2000)


@pytest.mark.parametrize("settings,retrieve,create", [
    ({"access.registree": "none"}, 4103, 4103), ({"access.create_all": "true"}, 2000, 2001),
    ({"access.registree": ["create", "retrieve"]}, 2000, 2001),
])
def test_base_policy_by_configuration(settings, retrieve, create):
    """AUTHZ-120"""
    settings = {k: ", ".join(v) if isinstance(v, list) else v for k, v in settings.items()}
    with Server(settings) as s:
        a = s.register()
        a.retrieve(s.base).expect(retrieve)
        a.create(s.base, 3, {"rn": "n"}).expect(create)
        s.admin().retrieve(s.base).expect(2000)


def test_own_ae(ae, other):
    """Table 2.9: <AE> without acpi: the AE itself"""
    ae.update(ae.at, 2, {"apn": "name"}).expect(2004)
    other.retrieve(ae.at).expect(4103)
    other.update(ae.at, 2, {"apn": "x"}).expect(4103)
    other.delete(ae.at).expect(4103)
    other.create(ae.at, 3, {}).expect(4103)


def test_registration_with_a_policy(server, other):
    """AUTHZ-109: acpi at registration governs the <AE> from the start"""
    owner = server.register()
    _, pol = owner.policy([rule(other.origin, 63)])
    a = server.register(acpi=[pol])
    a.retrieve(a.at).expect(4103)
    other.retrieve(a.at).expect(2000)


@pytest.mark.parametrize("ty,attrs", [(9, {"mnm": 1, "mid": []}), (23, {"nu": [NOWHERE]})])
def test_other_types_with_acpi(ae, other, ty, attrs):
    """AUTHZ-107, AUTHZ-109 for group and subscription"""
    parent = ae.at if ty == 9 else ae.container()
    _, pol = ae.policy([rule(ae.origin, 63), rule(other.origin, 2)])
    closed = ae.made(parent, ty, attrs)
    opened = ae.made(parent, ty, dict(attrs, acpi=[pol]))
    other.retrieve(closed).expect(4103)
    other.retrieve(opened).expect(2000)
    other.delete(opened).expect(4103)


def test_visible_results_only_count(ae, other):
    """AUTHZ-141: lim counts what the Originator may see"""
    _, show = ae.policy([rule(ae.origin, 63), rule(other.origin, 32)])
    top = ae.container()
    visible = set()
    for i in range(12):
        at = ae.container(top, **({"acpi": [show]} if i % 3 == 2 else {}))
        if i % 3 == 2:
            visible.add(at)
    r = other.discover(top, {"lim": 4}).expect(2000)
    assert set(r.res) == visible and "x-m2m-cto" not in r.headers
    r = other.discover(top, {"lim": 3}).expect(2000)
    assert len(r.res) == 3 and set(r.res) < visible and r.headers["x-m2m-cts"] == "1"


def test_branches_through_the_dark(ae, other):
    """AUTHZ-136: several levels, and by label (the index must not make a difference)"""
    label = unique("dark")
    _, show = ae.policy([rule(ae.origin, 63), rule(other.origin, 32)])
    at, want = ae.container(lbl=[label]), set()
    top = at
    for i in range(6):
        at = ae.container(at, lbl=[label], **({"acpi": [show]} if i % 2 else {}))
        if i % 2:
            want.add(at)
    assert set(other.found(top)) == want
    assert set(other.found(top, {"lbl": label})) == want
    assert set(other.found(top, {"ty": 3})) == want
    assert len(ae.found(top)) == 6
