# SPDX-License-Identifier: Apache-2.0
"""The decision: catalogue 9.3. One policy, one container, one Originator, one answer."""

import datetime

import pytest

from harness import Server, absolute, always, never, now, rule, sp_relative, unique


@pytest.fixture
def guarded(ae):
    """guarded(rules...) -> a container under a policy with these rules (and one for its maker, by another policy)."""
    _, own = ae.policy([rule(ae.origin, 63)])

    def make(*rules, **attrs):
        _, pol = ae.policy(list(rules))
        return ae.container(acpi=[own, pol], **attrs)
    return make


def may(who, cnt):
    """Does the Retrieve pass? Any answer but 2000 and 4103 fails the test."""
    r = who.retrieve(cnt)
    assert r.rsc in (2000, 4103), r
    return r.rsc == 2000


def test_one_rule_of_one_policy(ae, other):
    """AUTHZ-059, AUTHZ-061"""
    pols = [ae.policy([rule("Cnobody", 63)])[1] for _ in range(4)]
    cnt = ae.container(acpi=pols)
    other.retrieve(cnt).expect(4103)
    yes = ae.policy([rule("Cnobody", 63), rule(other.origin, 1), rule(other.origin, 2)])[1]
    for at in range(5):
        other.retrieve(ae.container(acpi=pols[:at] + [yes] + pols[at:])).expect(2000)


def test_parts_do_not_combine(guarded, other):
    """AUTHZ-060: originator of one rule, operation of another"""
    assert not may(other, guarded(rule(other.origin, 4), rule("Cnobody", 2)))
    assert not may(other, guarded(rule(other.origin, 2, acco=[{"actw": [never()]}]), rule("Cnobody", 2, acco=[{"actw": [always()]}])))
    assert not may(other, guarded(rule(other.origin, 2, acaf=True), rule("Cnobody", 2)))
    assert may(other, guarded(rule(other.origin, 6)))


def test_all(guarded, other):
    """AUTHZ-063"""
    assert may(other, guarded(rule("all", 2)))
    assert not may(other, guarded(rule("ALL", 2)))
    assert not may(other, guarded(rule("al*", 2)))


def test_nobody(guarded, other):
    """AUTHZ-061: a rule without originators grants nothing"""
    assert not may(other, guarded(rule([], 63)))


@pytest.mark.parametrize("entry,match", [("//reeve.local", True), ("//REEVE.local", True), ("//other.example", False), ("//sub.reeve.local", False),
                                         ("//local", False), ("//reeve.loca", False), ("//reeve.local/", False)])
def test_domain(guarded, other, entry, match):
    """AUTHZ-064"""
    assert may(other, guarded(rule(entry, 2))) is match


def test_cse_id_is_not_its_aes(server, guarded, other):
    """AUTHZ-065"""
    for entry in (server.cse_id, server.sp_id + server.cse_id):
        assert not may(other, guarded(rule(entry, 2)))


@pytest.mark.parametrize("stem", ["C", "S"])
def test_spellings_of_an_ae_id(server, guarded, stem):
    """AUTHZ-066"""
    who = server.register(stem=stem)
    for entry in (who.origin, sp_relative(server, who.origin), absolute(server, who.origin)):
        assert may(who, guarded(rule(entry, 2))), entry
        for near in (entry + "x", entry[:-1]):
            assert not may(who, guarded(rule(near, 2))), near


def test_ae_ids_elsewhere(server, guarded):
    """AUTHZ-067, AUTHZ-068: the registrar is part of a C-type AE-ID and not of an S-type one; the domain of both"""
    c, s = server.register(stem="C"), server.register(stem="S")
    assert not may(c, guarded(rule("/other/" + c.origin, 2)))
    assert not may(c, guarded(rule("//other.example%s/%s" % (server.cse_id, c.origin), 2)))
    assert not may(c, guarded(rule("/" + c.origin, 2)))
    assert not may(s, guarded(rule("%s/%s" % (server.cse_id, s.origin), 2)))
    assert not may(s, guarded(rule("//other.example/" + s.origin, 2)))
    assert may(s, guarded(rule("%s/%s" % (server.sp_id, s.origin), 2)))


def test_wildcards(server, guarded):
    """AUTHZ-069: any run of characters within one segment"""
    name = unique("w").replace(".", "-")
    c, s = server.register(stem="C" + name), server.register(stem="S" + name)
    table = [
        ("C*", True, False), ("S*", False, True), ("C%s*" % name, True, False),
        ("/*", False, True), ("/S*", False, True), ("%s/*" % server.cse_id, True, False), ("%s/C*" % server.cse_id, True, False),
        ("/*/C*", True, False), ("/r*e/C*", True, False), ("//reeve.local/*", False, True), ("//reeve.local/*/*", True, False),
        ("//*/reeve/C*", True, False), ("//*/S*", False, True), ("//*/*", False, True), ("/reeve*", False, False), ("/reeve/", False, False),
        ("C*%s" % name[-3:], True, False), ("C*-*", True, False),
    ]
    for entry, for_c, for_s in table:
        cnt = guarded(rule(entry, 2))
        assert may(c, cnt) is for_c, ("C", entry)
        assert may(s, cnt) is for_s, ("S", entry)


def test_wildcards_in_domains(servers, guarded, other):
    """AUTHZ-072, and the switch that allows them"""
    for entry in ("//*", "//reeve.*", "//*.local"):
        assert not may(other, guarded(rule(entry, 2))), entry
    s = servers(**{"access.domain_wildcards": "true"})
    a, b = s.register(), s.register()
    for entry, want in (("//*", True), ("//reeve.*", True), ("//*.local", True), ("//other.*", False)):
        _, pol = a.policy([rule(entry, 2)])
        assert may(b, a.container(acpi=[pol])) is want, entry


def test_groups(server, ae, guarded, other):
    """AUTHZ-073, AUTHZ-075, AUTHZ-077: by any address of the group; changes count at once"""
    third = server.register()
    grp = ae.made(ae.at, 9, {"mnm": 5, "mid": [other.ri]})
    ri = ae.retrieve(grp)["ri"]
    for entry in (grp, ri, "%s/%s" % (server.cse_id, grp), "%s%s/%s" % (server.sp_id, server.cse_id, ri)):
        cnt = guarded(rule(entry, 2))
        assert may(other, cnt), entry
        assert not may(third, cnt), entry
    ae.update(grp, 9, {"mid": [third.at]}).expect(2004)
    assert not may(other, cnt) and may(third, cnt)
    ae.update(grp, 9, {"mid": []}).expect(2004)
    assert not may(other, cnt) and not may(third, cnt)
    ae.update(grp, 9, {"mid": ["%s/%s" % (server.cse_id, other.ri)]}).expect(2004)
    assert may(other, cnt) and not may(third, cnt)
    ae.delete(grp).expect(2002)
    assert not may(other, cnt)


def test_many_originators(server, ae, guarded, other):
    """AUTHZ-066, AUTHZ-073: long lists, in a rule and as a group: the first, the last, one in the middle, and a stranger"""
    crowd = ["C%s" % unique("crowd") for _ in range(40)]
    there = {i: server.register(stem=crowd[i]) for i in (0, 17, 39)}
    grp = ae.made(ae.at, 9, {"mnm": 50, "mid": ["%s/%s" % (server.cse_id, c) for c in crowd]})
    for cnt in (guarded(rule(crowd, 2)), guarded(rule(grp, 2)), guarded(rule(crowd[:9] + [there[39].origin], 2), rule(crowd[9:], 2))):
        assert all(may(who, cnt) for who in there.values())
        assert not may(other, cnt)


def test_missing_group(ae, guarded, other):
    """AUTHZ-076, AUTHZ-062: the entry does not match; other entries and rules decide"""
    assert not may(other, guarded(rule("cse/no-such-group", 2)))
    assert not may(other, guarded(rule("/elsewhere/cse/group", 2)))
    assert may(other, guarded(rule(["cse/no-such-group", other.origin], 2)))
    assert may(other, guarded(rule("cse/no-such-group", 2), rule(other.origin, 2)))
    assert not may(other, guarded(rule(ae.container(), 2)))  # exists and is no group


def test_no_wildcards_in_groups_and_roles(ae, guarded, other):
    """AUTHZ-071"""
    grp = ae.made(ae.at, 9, {"rn": "grp1", "mnm": 5, "mid": [other.ri]})
    assert may(other, guarded(rule(grp, 2)))
    assert not may(other, guarded(rule(ae.at + "/grp*", 2)))
    assert not may(other, guarded(rule("*@roles.example", 2)))


@pytest.mark.parametrize("entry", ["nurse@roles.example", "http://example.org/who", "Xabc", "x", "///", "/", "//", "a/b/c/d", "Ntest"])
def test_entries_that_match_nobody(guarded, other, entry):
    """AUTHZ-079: kept, and without effect"""
    cnt = guarded(rule(entry, 63))
    assert not may(other, cnt)


BITS = {"create": 1, "retrieve": 2, "update": 4, "delete": 8, "discover": 32}


def attempt(who, what, cnt):
    if what == "create":
        return who.create(cnt, 3, {}).rsc == 2001
    if what == "retrieve":
        return may(who, cnt)
    if what == "update":
        return who.update(cnt, 3, {"lbl": ["x"]}).rsc == 2004
    if what == "delete":
        return who.delete(cnt).rsc == 2002
    return cnt in who.found(cnt.rpartition("/")[0], {"ty": 3})


@pytest.mark.parametrize("acop", [1, 2, 4, 8, 16, 32, 3, 12, 34, 31, 61, 62, 63])
def test_operations(guarded, other, acop):
    """AUTHZ-039, AUTHZ-080, AUTHZ-081, AUTHZ-082"""
    cnt = guarded(rule(other.origin, acop))
    for what, bit in sorted(BITS.items(), key=lambda x: x[1] == 8):
        assert attempt(other, what, cnt) is bool(acop & bit), what


def test_conditional_retrieve_needs_retrieve(guarded, other):
    """AUTHZ-082: fu 2"""
    other.retrieve(guarded(rule(other.origin, 32), lbl=["x"]), {"fu": 2, "lbl": "x"}).expect(4103)
    other.retrieve(guarded(rule(other.origin, 2), lbl=["x"]), {"fu": 2, "lbl": "x"}).expect(2000)


def test_partial_retrieve_needs_retrieve(guarded, other):
    """AUTHZ-083"""
    other.retrieve(guarded(rule(other.origin, 61)), {"atrl": ["ri"]}).expect(4103)
    other.retrieve(guarded(rule(other.origin, 2)), {"atrl": ["ri"]}).expect(2000)


def test_adding_and_removing_attributes_needs_update_only(guarded, other):
    """AUTHZ-084"""
    cnt = guarded(rule(other.origin, 4), lbl=["x"])
    other.update(cnt, 3, {"mni": 5, "lbl": None}, rcn=0).expect(2004)
    other.update(guarded(rule(other.origin, 59), lbl=["x"]), 3, {"lbl": None}).expect(4103)


def test_notify_needs_notify(server, ae, receiver):
    """AUTHZ-080"""
    for acop, rsc in ((16, 2000), (47, 4103)):
        target = server.register(rr=True, poa=[receiver.url])
        _, pol = target.policy([rule(ae.origin, acop)])
        target.update(target.at, 2, {"acpi": [pol]}).expect(2004)
        ae.notify(target.at, {"m2m:sgn": {"sur": "x"}}).expect(rsc)


# --- contexts

IP_YES, IP_NO = {"ipv4": ["127.0.0.0/8"]}, {"ipv4": ["192.0.2.0/24"]}


@pytest.mark.parametrize("acco,match", [
    ([{"actw": [always()]}], True), ([{"actw": [never()]}], False), ([{"actw": [never(), always()]}], True),
    ([{"actw": [never()]}, {"actw": [always()]}], True), ([{"actw": [never()]}, {"actw": [never()]}], False),
    ([{"actw": [always()], "acip": IP_YES}], True), ([{"actw": [always()], "acip": IP_NO}], False), ([{"actw": [never()], "acip": IP_YES}], False),
    ([{"actw": [never()], "acip": IP_YES}, {"actw": [always()], "acip": IP_NO}], False),
    ([{"actw": [never()], "acip": IP_YES}, {"actw": [always()], "acip": IP_NO}, {"acip": IP_YES}], True),
])
def test_contexts(guarded, other, acco, match):
    """AUTHZ-085 (no acco: the tests above), AUTHZ-086, AUTHZ-087"""
    assert may(other, guarded(rule(other.origin, 2, acco=acco))) is match


def fields(t, **other):
    """A window that names each field of the time t (but seconds), except the ones given."""
    f = {"second": "*", "minute": t.minute, "hour": t.hour, "mday": t.day, "month": t.month, "wday": (t.weekday() + 1) % 7, "year": t.year}
    f.update(other)
    return " ".join(str(f[k]) for k in ("second", "minute", "hour", "mday", "month", "wday", "year"))


def around(**other):
    """Windows for now and for the next minute, so that a minute that ends meanwhile does no harm."""
    t = now()
    return [fields(t, **other), fields(t + datetime.timedelta(minutes=1), **other)]


def test_window_of_now(guarded, other):
    """AUTHZ-088, AUTHZ-089"""
    assert may(other, guarded(rule(other.origin, 2, acco=[{"actw": around()}])))


@pytest.mark.parametrize("field", ["minute", "hour", "mday", "month", "wday", "year"])
def test_each_field_must_match(guarded, other, field):
    """AUTHZ-089: day of month and day of week are both required, unlike cron"""
    t = now()
    wrong = {"minute": (t.minute + 30) % 60, "hour": (t.hour + 12) % 24, "mday": (t.day + 13) % 28 + 1, "month": (t.month + 5) % 12 + 1,
             "wday": (t.weekday() + 4) % 7, "year": t.year + 5}[field]
    assert not may(other, guarded(rule(other.origin, 2, acco=[{"actw": around(**{field: wrong})}])))


def window_of_hours(hours):
    return ["* * %s * * * *" % hours]


def test_field_forms(guarded, other):
    """AUTHZ-090: lists, ranges, ranges with step, steps, by the hour; the hour may end meanwhile, so the next one is treated alike"""
    t = now()
    here = {t.hour, (t + datetime.timedelta(minutes=2)).hour}
    far = (t.hour + 12) % 24
    forms = {
        "0-23": range(24), "0-11": range(12), "12-23": range(12, 24), "*/1": range(24), "0-23/1": range(24),
        "%d" % far: [far], ",".join(str(h) for h in here): here, "%d,%d" % (far, t.hour): [far, t.hour],
        ",".join(str(h) for h in range(24) if h not in here): set(range(24)) - here,
        "0-5,18-23": list(range(6)) + list(range(18, 24)), "6-17,%d" % far: list(range(6, 18)) + [far],
    }
    for text, hours in forms.items():
        inside = here & set(hours)
        if inside and inside != here:
            continue  # an hour is about to end
        got = may(other, guarded(rule(other.origin, 2, acco=[{"actw": window_of_hours(text)}])))
        assert got is bool(inside), text


def test_steps(guarded, other):
    """AUTHZ-090: */2 and 1-59/2 split the minutes: exactly one holds at any time"""
    even = guarded(rule(other.origin, 2, acco=[{"actw": ["* */2 * * * * *"]}]))
    odd = guarded(rule(other.origin, 2, acco=[{"actw": ["* 1-59/2 * * * * *"]}]))
    for _ in range(3):
        before = now().minute
        got = (may(other, even), may(other, odd))
        if now().minute == before:
            assert got == (before % 2 == 0, before % 2 == 1)
            return
    raise AssertionError("a minute ended three times in a row")


def test_windows_are_utc():
    """AUTHZ-088: whatever the time zone of the machine"""
    with Server(env={"TZ": "XXX-11:30"}) as s:
        a, b = s.register(), s.register()
        _, pol = a.policy([rule(b.origin, 2, acco=[{"actw": around()}])])
        assert may(b, a.container(acpi=[pol]))
        local = now() + datetime.timedelta(hours=11, minutes=30)
        _, pol = a.policy([rule(b.origin, 2, acco=[{"actw": [fields(local), fields(local + datetime.timedelta(minutes=1))]}])])
        assert not may(b, a.container(acpi=[pol]))


@pytest.mark.parametrize("acip,match", [
    ({"ipv4": ["127.0.0.1"]}, True), ({"ipv4": ["127.0.0.2"]}, False), ({"ipv4": ["127.0.0.0/8"]}, True), ({"ipv4": ["127.0.0.0/31"]}, True),
    ({"ipv4": ["127.0.0.2/31"]}, False), ({"ipv4": ["0.0.0.0/0"]}, True), ({"ipv4": ["127.0.0.1/32"]}, True), ({"ipv4": ["10.0.0.0/8", "127.0.0.1"]}, True),
    ({"ipv6": ["::1"]}, False), ({"ipv6": ["::1"], "ipv4": ["127.0.0.1"]}, True), ({"ipv6": ["2001:db8::/32"]}, False),
])
def test_ipv4_addresses(guarded, other, acip, match):
    """AUTHZ-091"""
    assert may(other, guarded(rule(other.origin, 2, acco=[{"acip": acip}]))) is match


def test_ipv6_addresses():
    """AUTHZ-091"""
    import socket
    try:
        with socket.socket(socket.AF_INET6) as s:
            s.bind(("::1", 0))
    except OSError:
        pytest.skip("no IPv6 loopback on this machine")
    with Server(address="::1") as s:
        a, b = s.register(), s.register()
        for acip, match in (({"ipv6": ["::1"]}, True), ({"ipv6": ["::/127"]}, True), ({"ipv6": ["::2/127"]}, False), ({"ipv6": ["::1/128"]}, True),
                            ({"ipv6": ["2001:db8::/32"]}, False), ({"ipv6": ["::/0"]}, True), ({"ipv4": ["127.0.0.1"]}, False)):
            _, pol = a.policy([rule(b.origin, 2, acco=[{"acip": acip}])])
            assert may(b, a.container(acpi=[pol])) is match, acip


# --- object details

@pytest.mark.parametrize("acod,match", [
    ([{"chty": [3]}], True), ([{"chty": [4]}], False), ([{"chty": [4, 3]}], True), ([{"ty": 3, "chty": [3]}], True), ([{"ty": 2, "chty": [3]}], False),
    ([{"ty": 3, "chty": [4]}], False), ([{"ty": 2, "chty": [3]}, {"ty": 3, "chty": [4]}], False), ([{"ty": 2, "chty": [3]}, {"ty": 3, "chty": [3]}], True),
    ([{"spty": {"cnd": "org.example.lamp"}, "chty": [3]}], False), ([{"ty": 3, "spty": {"mgd": 1001}, "chty": [3]}], False),
    ([{"ty": 28, "spty": {"cnd": "org.example.lamp"}, "chty": [3]}], False),
])
def test_object_details(guarded, other, acod, match):
    """AUTHZ-100, AUTHZ-101, AUTHZ-102, AUTHZ-103, AUTHZ-104: about Create alone"""
    cnt = guarded(rule(other.origin, 63, acod=acod))
    other.create(cnt, 3, {"rn": "n"}).expect(2001 if match else 4103)
    assert may(other, cnt)
    other.update(cnt, 3, {"lbl": ["x"]}).expect(2004)
    assert other.found(cnt.rpartition("/")[0], {"ty": 3, "lbl": "x"}) == [cnt]
    other.delete(cnt).expect(2002)


def test_object_details_do_not_follow_the_child(ae, guarded, other):
    """AUTHZ-105"""
    cnt = guarded(rule(other.origin, 63, acod=[{"chty": [3]}]))
    kid = other.made(cnt, 3, {})
    other.create(kid, 4, {"con": "mine"}).expect(2001)
    other.create(cnt, 4, {"con": "not"}).expect(4103)


def test_remote_policies_contribute_nothing(server, ae, other):
    """AUTHZ-106"""
    _, pol = ae.policy([rule([ae.origin, other.origin], 63)])
    for remote in ("/elsewhere/acp1", "//other.example/elsewhere/acp1"):
        r = other.retrieve(ae.container(acpi=[remote, pol]))
        r.expect(2000)
        other.retrieve(ae.container(acpi=[remote])).expect(4103)


def test_policy_by_any_address(server, ae, other):
    """Q-7: a policy is named by any of its addresses"""
    pol, ri = ae.policy([rule([ae.origin, other.origin], 63)])
    for form in (pol, ri, "%s/%s" % (server.cse_id, pol), "%s%s/%s" % (server.sp_id, server.cse_id, ri), "-" + pol[len(server.base):]):
        other.retrieve(ae.container(acpi=[form])).expect(2000)


def test_policy_must_exist(server, ae):
    """Q-7: local and missing, or no policy"""
    for acpi in (["cse/no-such-policy"], ["no-such-id"], [ae.container()], ["%s/%s" % (server.cse_id, "nothing")]):
        ae.create(ae.at, 3, {"rn": "n", "acpi": acpi}).expect(4000)
        ae.retrieve(ae.at + "/n").expect(4004)
        cnt = ae.container()
        ae.update(cnt, 3, {"acpi": acpi}).expect(4000)
        assert "acpi" not in ae.retrieve(cnt)
