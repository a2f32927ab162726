# SPDX-License-Identifier: Apache-2.0
"""<accessControlPolicy>: catalogue 9.2."""

import pytest

from harness import always, allow, rule, stamp, unique, wait_until

ANY = allow(rule("all", 63))


def refused(ae, attrs, rsc=4000):
    ae.create(ae.at, 1, dict(attrs, rn="n")).expect(rsc)
    ae.retrieve(ae.at + "/n").expect(4004)


def test_self_privileges_hold_a_rule(ae):
    """AUTHZ-029, AUTHZ-030, AUTHZ-031, CORE-247"""
    refused(ae, {"pvs": ANY})
    refused(ae, {"pv": ANY})
    refused(ae, {"pv": ANY, "pvs": {"acr": []}})
    refused(ae, {"pv": ANY, "pvs": {}})
    refused(ae, {"pv": ANY, "pvs": None})
    refused(ae, {"pv": None, "pvs": ANY})


@pytest.mark.parametrize("change", [{"pvs": {"acr": []}}, {"pvs": {}}, {"pvs": None}, {"pv": None}, {"lbl": ["x"], "pvs": {"acr": []}}])
def test_self_privileges_keep_a_rule(ae, change):
    """AUTHZ-032, AUTHZ-033, CORE-247, CORE-062"""
    pol, _ = ae.policy([rule("all", 2)])
    before = ae.retrieve(pol).content
    ae.update(pol, 1, change).expect(4000)
    assert ae.retrieve(pol).content == before


@pytest.mark.parametrize("pv", [{"acr": []}, {}])
def test_no_rules(ae, other, pv):
    """AUTHZ-034"""
    r = ae.create(ae.at, 1, {"pv": pv, "pvs": allow(rule(ae.origin, 63))}).expect(2001)
    cnt = ae.container(acpi=[r["ri"]])
    for who in (ae, other):
        who.retrieve(cnt).expect(4103)
        who.delete(cnt).expect(4103)
        who.create(cnt, 3, {}).expect(4103)


@pytest.mark.parametrize("attrs", [{"acpi": ["cse/x"]}, {"daci": ["cse/x"]}, {"cr": None}, {"cr": "Cx"}, {"acpi": []}])
def test_attributes_an_acp_does_not_have(ae, attrs):
    """AUTHZ-035"""
    refused(ae, dict(attrs, pv=ANY, pvs=ANY))


BAD_RULES = {
    "no acor": {"acop": 63}, "no acop": {"acor": ["all"]}, "empty": {}, "acor text": {"acor": "all", "acop": 63},
    "acor number": {"acor": [5], "acop": 63}, "acor null": {"acor": [None], "acop": 63}, "acor blank": {"acor": [""], "acop": 63},
    "acop 0": {"acor": ["all"], "acop": 0}, "acop 64": {"acor": ["all"], "acop": 64}, "acop -1": {"acor": ["all"], "acop": -1},
    "acop text": {"acor": ["all"], "acop": "63"}, "acop float": {"acor": ["all"], "acop": 1.5}, "acop list": {"acor": ["all"], "acop": [1]},
    "acop huge": {"acor": ["all"], "acop": 2**40 + 1},
    "unknown member": {"acor": ["all"], "acop": 63, "foo": 1}, "unknown null": {"acor": ["all"], "acop": 63, "foo": None},
    "long name": {"accessControlOriginators": ["all"], "acop": 63}, "later release": {"acor": ["all"], "acop": 63, "aca": ["lbl"]},
    "acaf text": rule("all", 63, acaf="true"), "acaf number": rule("all", 63, acaf=1),
    "acco object": rule("all", 63, acco={"actw": [always()]}), "acco empty object": rule("all", 63, acco=[{}]),
    "acco unknown": rule("all", 63, acco=[{"foo": 1}]), "acco text": rule("all", 63, acco=["x"]),
    "actw text": rule("all", 63, acco=[{"actw": always()}]), "actw number": rule("all", 63, acco=[{"actw": [5]}]),
    "acip list": rule("all", 63, acco=[{"acip": ["127.0.0.1"]}]), "acip unknown": rule("all", 63, acco=[{"acip": {"ip4": ["127.0.0.1"]}}]),
    "ipv4 text": rule("all", 63, acco=[{"acip": {"ipv4": "127.0.0.1"}}]),
    "acod object": rule("all", 63, acod={"chty": [3]}), "acod no chty": rule("all", 63, acod=[{"ty": 3}]), "acod empty": rule("all", 63, acod=[{}]),
    "acod one of two": rule("all", 63, acod=[{"chty": [3]}, {"ty": 3}]), "chty number": rule("all", 63, acod=[{"chty": 3}]),
    "chty text": rule("all", 63, acod=[{"chty": ["3"]}]), "chty unknown type": rule("all", 63, acod=[{"chty": [9999]}]),
    "chty empty": rule("all", 63, acod=[{"chty": []}]), "acod unknown": rule("all", 63, acod=[{"chty": [3], "foo": 1}]),
    "mgmtObj without spty": rule("all", 63, acod=[{"ty": 13, "chty": [3]}]), "flexContainer without spty": rule("all", 63, acod=[{"ty": 28, "chty": [3]}]),
    "spty both": rule("all", 63, acod=[{"ty": 28, "spty": {"cnd": "x", "mgd": 1001}, "chty": [3]}]),
    "spty none": rule("all", 63, acod=[{"ty": 28, "spty": {}, "chty": [3]}]),
    "spty text": rule("all", 63, acod=[{"ty": 28, "spty": "x", "chty": [3]}]),
}


@pytest.mark.parametrize("where", ["pv", "pvs"])
@pytest.mark.parametrize("name", sorted(BAD_RULES))
def test_bad_rules(ae, name, where):
    """AUTHZ-037, AUTHZ-038, AUTHZ-040, AUTHZ-041, AUTHZ-042, AUTHZ-048, AUTHZ-049; the same beside a good rule, and on Update"""
    bad = BAD_RULES[name]
    good = rule(ae.origin, 63)
    for rules in ([bad], [good, bad], [bad, good]):
        refused(ae, {"pv": allow(*rules) if where == "pv" else ANY, "pvs": allow(*rules) if where == "pvs" else ANY})
    pol, _ = ae.policy([good])
    before = ae.retrieve(pol).content
    ae.update(pol, 1, {where: allow(good, bad)}).expect(4000)
    assert ae.retrieve(pol).content == before


@pytest.mark.parametrize("acr", [{"acor": ["all"], "acop": 63}, "x", [["x"]], [5], None])
def test_rules_are_an_array_of_objects(ae, acr):
    """AUTHZ-049"""
    refused(ae, {"pv": {"acr": acr}, "pvs": ANY})


BAD_WINDOWS = ["", "*", "* * * * * *", "* * * * * * * *", "60 * * * * * *", "* 60 * * * * *", "* * 24 * * * *", "* * * 0 * * *", "* * * 32 * * *",
               "* * * * 0 * *", "* * * * 13 * *", "* * * * * 7 *", "* * * * * * 1999", "* * * * * * 10000", "-1 * * * * * *", "a * * * * * *",
               "1- * * * * * *", "5-1 * * * * * *", "1,,2 * * * * * *", "*/0 * * * * * *", "1-5/0 * * * * * *", "*/ * * * * * *", "1.5 * * * * * *",
               "1-2-3 * * * * * *", ", * * * * * *", "* * * * * MON *", "?" + " *" * 6]


@pytest.mark.parametrize("window", BAD_WINDOWS)
def test_bad_windows(ae, window):
    """AUTHZ-046"""
    refused(ae, {"pv": allow(rule("all", 63, acco=[{"actw": [window]}])), "pvs": ANY})
    refused(ae, {"pv": allow(rule("all", 63, acco=[{"actw": [always(), window]}])), "pvs": ANY})


@pytest.mark.parametrize("window", ["0 0 0 1 1 0 2000", "59 59 23 31 12 6 9999", "*/5 1-10 1,3,5 1-31/2 * 1-5 2020-2030", "0,30 * * * * * *"])
def test_good_windows(ae, window):
    """AUTHZ-046"""
    pol, _ = ae.policy([rule("all", 63, acco=[{"actw": [window]}])])
    assert ae.retrieve(pol)["pv"]["acr"][0]["acco"] == [{"actw": [window]}]


BAD_IPS = [("ipv4", x) for x in ("", "1.2.3", "1.2.3.4.5", "256.1.1.1", "1.2.3.4/33", "1.2.3.4/-1", "1.2.3.4/", "1.2.3.x", "01.2.3.4", "::1", " 1.2.3.4",
                                 "1.2.3.4/8/8", "1..2.3")] + \
          [("ipv6", x) for x in ("", "1.2.3.4", ":::", "1::2::3", "12345::", "::1/129", "::1/", "g::1", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "::1%lo")]


@pytest.mark.parametrize("family,address", BAD_IPS)
def test_bad_addresses(ae, family, address):
    """AUTHZ-047"""
    refused(ae, {"pv": allow(rule("all", 63, acco=[{"acip": {family: [address]}}])), "pvs": ANY})


@pytest.mark.parametrize("family,address", [("ipv4", "0.0.0.0/0"), ("ipv4", "255.255.255.255/32"), ("ipv6", "::/0"), ("ipv6", "2001:db8::1/128"),
                                            ("ipv6", "::ffff:1.2.3.4")])
def test_good_addresses(ae, family, address):
    """AUTHZ-047"""
    ae.policy([rule("all", 63, acco=[{"acip": {family: [address]}}])])


def test_location_without_support(ae):
    """AUTHZ-097"""
    for region in ({"accr": [48.8, 2.3, 100]}, {"accc": ["FR"]}):
        refused(ae, {"pv": allow(rule("all", 63, acco=[{"aclr": region}])), "pvs": ANY}, 5001)
        pol, _ = ae.policy([])
        before = ae.retrieve(pol).content
        ae.update(pol, 1, {"pv": allow(rule("all", 63, acco=[{"aclr": region}]))}).expect(5001)
        assert ae.retrieve(pol).content == before


@pytest.fixture(scope="session")
def located(servers, tmp_path_factory):
    """A server that knows positions and countries."""
    d = tmp_path_factory.mktemp("places")
    (d / "positions").write_text("Cinside,48.8600,2.3500\nCoutside,45.7640,4.8357\nCedge,48.8566,2.3522\n")
    (d / "countries").write_text("127.0.0.0/8,FR\n192.0.2.0/24,DE\n")
    return servers(**{"access.positions": str(d / "positions"), "access.countries": str(d / "countries")})


BAD_REGIONS = [{}, {"accr": [48, 2, 100], "accc": ["FR"]}, {"accr": [48, 2]}, {"accr": [48, 2, 100, 5]}, {"accr": [91, 2, 100]}, {"accr": [-91, 2, 100]},
               {"accr": [48, 181, 100]}, {"accr": [48, -181, 100]}, {"accr": [48, 2, -1]}, {"accr": ["48", "2", "100"]}, {"accr": "48,2,100"},
               {"accr": []}, {"accc": []}, {"accc": ["FRA"]}, {"accc": ["F"]}, {"accc": ["F1"]}, {"accc": [""]}, {"accc": "FR"}, {"accc": [5]},
               {"accc": ["FR", "x"]}, {"foo": 1}]


@pytest.mark.parametrize("region", BAD_REGIONS, ids=repr)
def test_bad_regions(located, region):
    """AUTHZ-043, AUTHZ-044, AUTHZ-045"""
    a = located.register()
    refused(a, {"pv": allow(rule("all", 63, acco=[{"aclr": region}])), "pvs": ANY})


@pytest.mark.parametrize("region", [{"accr": [90, 180, 0]}, {"accr": [-90, -180, 1e7]}, {"accr": [0.0, 0.0, 0.5]}, {"accc": ["FR", "XA", "ZZ"]}], ids=repr)
def test_good_regions(located, region):
    """AUTHZ-044, AUTHZ-045"""
    located.register().policy([rule("all", 63, acco=[{"aclr": region}])])


def test_circle(located):
    """AUTHZ-094"""
    a = located.register()
    _, pol = a.policy([rule("all", 63, acco=[{"aclr": {"accr": [48.8566, 2.3522, 1500]}}]), rule(a.origin, 63)])
    cnt = a.container(acpi=[pol])
    for stem, rsc in (("Cinside", 2000), ("Coutside", 4103), ("Cedge", 2000), ("Cunknown-place", 4103)):
        located.register(stem=stem).retrieve(cnt).expect(rsc)


def test_country(located):
    """AUTHZ-096"""
    a, b = located.register(), located.register()
    for codes, rsc in ((["FR"], 2000), (["DE"], 4103), (["DE", "FR"], 2000), (["XX"], 4103)):
        _, pol = a.policy([rule(b.origin, 63, acco=[{"aclr": {"accc": codes}}]), rule(a.origin, 63)])
        b.retrieve(a.container(acpi=[pol])).expect(rsc)


def test_decision_and_policy_points(ae):
    """AUTHZ-050, AUTHZ-051: distributed authorization excludes rules and itself"""
    refused(ae, {"pv": {"acr": []}, "pvs": ANY, "adri": ["cse/x"], "apri": ["cse/y"]})
    refused(ae, {"pv": ANY, "pvs": ANY, "adri": ["cse/x"]})
    refused(ae, {"pv": ANY, "pvs": ANY, "apri": ["cse/x"]})


def test_access_to_the_policy_itself(ae, other):
    """AUTHZ-052, AUTHZ-053: pvs alone decides; pv and the creator do not count"""
    def pol(self_ops):
        return ae.policy([rule([ae.origin, other.origin], 63)], [rule("Cnobody-else", 63)] + ([rule(other.origin, self_ops)] if self_ops else []))[0]
    p = pol(0)
    for who in (ae, other):
        who.retrieve(p).expect(4103)
        who.update(p, 1, {"lbl": ["x"]}).expect(4103)
        who.delete(p).expect(4103)
        who.create(p, 23, {"nu": ["http://127.0.0.1:9/x"]}).expect(4103)
        assert p not in who.found(ae.at, {"ty": 1})
    p = pol(2)
    other.retrieve(p).expect(2000)
    other.update(p, 1, {"lbl": ["x"]}).expect(4103)
    p = pol(4)
    other.update(p, 1, {"lbl": ["x"]}).expect(2004)
    other.retrieve(p).expect(4103)
    p = pol(3)
    other.create(p, 23, {"nu": ["http://127.0.0.1:9/x"]}).expect(2001)
    other.delete(p).expect(4103)
    p = pol(32)
    assert other.found(ae.at, {"ty": 1}) == [p]
    p = pol(8)
    other.delete(p).expect(2002)


def test_creation_is_decided_by_the_parent(server, admin, ae, other):
    """AUTHZ-055"""
    new = {"pv": ANY, "pvs": ANY}
    other.create(ae.at, 1, dict(new, rn="n")).expect(4103)
    _, pol = ae.policy([rule(ae.origin, 63), rule(other.origin, 1)])
    ae.update(ae.at, 2, {"acpi": [pol]}).expect(2004)
    other.create(ae.at, 1, dict(new, rn="n")).expect(2001)
    ae.create(server.base, 1, dict(new, rn=unique())).expect(4103)
    admin.create(server.base, 1, dict(new, rn=unique())).expect(2001)


def test_deleted_policy(ae, other):
    """AUTHZ-057"""
    pol, ri = ae.policy([rule([ae.origin, other.origin], 63)])
    cnt = ae.container(acpi=[ri])
    other.retrieve(cnt).expect(2000)
    ae.delete(pol).expect(2002)
    other.retrieve(cnt).expect(4103)
    ae.retrieve(cnt).expect(4103)  # the default policy does not come back
    ae.update(cnt, 3, {"acpi": None}).expect(4103)
    assert ae.found(ae.at, {"ty": 3}) == []


def test_expired_policy(ae, other):
    """A policy past its et grants nothing. Whether the decision or the expiry removes it cannot be told from here: NOT_YET.md"""
    pol, ri = ae.policy([rule([ae.origin, other.origin], 63)], et=stamp(2))
    cnt = ae.container(acpi=[ri])
    other.retrieve(cnt).expect(2000)
    et = ae.retrieve(pol)["et"]
    wait_until(lambda: stamp() > et)
    other.retrieve(cnt).expect(4103)
    ae.retrieve(cnt).expect(4103)


def test_changed_policy_counts_at_once(ae, other):
    """AUTHZ-061: the next decision sees the change"""
    pol, ri = ae.policy([rule(ae.origin, 63)])
    cnt = ae.container(acpi=[ri])
    for _ in range(20):
        other.retrieve(cnt).expect(4103)
        ae.update(pol, 1, {"pv": allow(rule([ae.origin, other.origin], 63))}).expect(2004)
        other.retrieve(cnt).expect(2000)
        ae.update(pol, 1, {"pv": allow(rule(ae.origin, 63))}).expect(2004)
