# SPDX-License-Identifier: Apache-2.0
"""Registration under a service subscription (catalogue authorization 8): rules at the IN-CSE, and other CSEs that ask it for theirs."""

import json

import pytest

from harness import Entity, PeerCSE, Server, absolute, reply, rule, stamp, unique, wait_until

AE = {"api": "Ntest", "rr": False, "srv": ["3"]}
PROFILE, RULE, NODE = 11, 19, 20
ALL = {"aai": ["*"], "aae": ["*"]}


class Subscription:
    """What the service provider keeps at the IN-CSE, made by the administrator."""

    def __init__(self, server, csi=None, rules=(), **acp):
        self.server, self.admin = server, server.admin()
        self.more = acp
        self.profile = self.make(server.base, PROFILE, {})
        self.rules = [self.rule(**r) for r in rules]
        self.node = self.add_node(csi or server.cse_id, self.rules)

    def make(self, parent, ty, attrs, expect=2001):
        name = unique("s")
        self.admin.create(parent, ty, dict(attrs, rn=name, **self.more)).expect(expect)
        return parent + "/" + name

    def rule(self, **attrs):
        return self.make(self.server.base, RULE, attrs)

    def add_node(self, csi, links):
        return self.make(self.profile, NODE, {"ni": "urn:node:1", "csi": csi, "rlk": links})

    def link(self, *rules):
        self.admin.update(self.node, NODE, {"rlk": list(rules)}).expect(2004)

    def allow(self, **attrs):
        """One rule is linked, with these attributes."""
        self.link(self.rule(**attrs))


def register(server, stem, expect=2001, api="Ntest", to=None):
    r = server.entity(stem).create(to or server.base, 2, dict(AE, api=api)).expect(expect)
    return r["aei"] if expect == 2001 else r


@pytest.fixture(scope="module")
def shared():
    with Server() as s:
        s.subscription = Subscription(s)
        yield s


@pytest.fixture
def cse(shared):
    yield shared
    shared.subscription.link()


# --- the resources

@pytest.mark.parametrize("kind", ["MN", "ASN"])
def test_only_at_an_in_cse(new_server, kind):
    """AUTHZ-223"""
    s = new_server({"cse.type": kind})
    for ty, attrs in ((PROFILE, {}), (RULE, ALL), (NODE, {"ni": "urn:n"})):
        s.admin().create(s.base, ty, dict(attrs, rn=unique())).expect(4005)


def test_node(cse):
    """AUTHZ-224, CORE-251: rules without the CSE they are for"""
    sub = cse.subscription
    bare = sub.make(sub.profile, NODE, {"ni": "urn:n"})
    r = sub.rule(**ALL)
    for links in ([], [r]):
        sub.admin.create(sub.profile, NODE, {"ni": "urn:n", "rlk": links}).expect(4000)
        sub.admin.update(bare, NODE, {"rlk": links}).expect(4000)
    assert "rlk" not in sub.admin.retrieve(bare).expect(2000).res
    sub.admin.update(sub.node, NODE, {"csi": "/other"}).expect(4000)
    for csi in ("no", "Cx", "//reeve.local", "/a/b", "//reeve.local/reeve/Cx"):
        sub.admin.create(sub.profile, NODE, {"ni": "urn:n", "csi": csi}).expect(4000)
    sub.admin.create(cse.base, NODE, {"ni": "urn:n"}).expect(4108)
    sub.admin.create(sub.profile, NODE, {"csi": "/x"}).expect(4000)


@pytest.mark.parametrize("pattern,good", [("*", True), ("R1*", True), ("N", True), ("*x", True), ("r1*", False), ("X", False), ("", False)])
def test_app_id_patterns(cse, pattern, good):
    """AUTHZ-225, CORE-252: also beside good ones, and in Update"""
    sub = cse.subscription
    sub.admin.create(cse.base, RULE, {"aai": ["N1", pattern]}).expect(2001 if good else 4000)
    r = sub.rule(aai=["N1"])
    sub.admin.update(r, RULE, {"aai": ["N1", pattern]}).expect(2004 if good else 4000)
    assert sub.admin.retrieve(r).expect(2000)["aai"] == (["N1", pattern] if good else ["N1"])


# --- is there a subscription?

def test_without_a_profile(new_server):
    """AUTHZ-226, CORE-120: with profile.required nobody but the administrator registers; by default the lists alone decide"""
    s = new_server({"profile.required": "true"})
    register(s, "C", 4128)
    register(s, "Cx", 4128)
    register(s, None, 4128)
    Subscription(s, rules=[ALL])
    register(s, "C")
    register(new_server(), "C")


@pytest.mark.parametrize("csi", ["/other", "//other.example/reeve"])
def test_no_node_for_this_cse(new_server, csi):
    """AUTHZ-226, CORE-120: the rules of other CSEs are theirs"""
    s = new_server()
    sub = Subscription(s, csi, [ALL])
    register(s, "C", 4128)
    register(s, "Cx", 4128)
    node = sub.add_node(absolute_cse(s), sub.rules)
    register(s, "C")
    sub.admin.delete(node).expect(2002)
    register(s, "C", 4128)
    sub.admin.delete(sub.profile).expect(2002)
    register(s, "C")


def absolute_cse(s):
    return s.sp_id + s.cse_id


def test_expired(new_server):
    """AUTHZ-226, AUTHZ-227: a rule, and a node, whose time is over"""
    s = new_server()
    sub = Subscription(s)
    sub.allow(et=stamp(2), **ALL)
    register(s, "C")
    wait_until(lambda: s.entity("C").create(s.base, 2, AE).rsc == 4126)
    sub.link(sub.rule(**ALL))
    sub.admin.update(sub.node, NODE, {"et": stamp(2)}).expect(2004)
    wait_until(lambda: s.entity("C").create(s.base, 2, AE).rsc == 4128)


# --- rules

def test_no_rule(cse):
    """AUTHZ-227, CORE-121: no link, an empty list, links to nothing and to something else; a rule that allows nothing"""
    sub = cse.subscription
    register(cse, "C", 4126)
    sub.link("cse/nothing", sub.profile, cse.base)
    register(cse, "C", 4126)
    sub.admin.update(sub.node, NODE, {"rlk": None}).expect(2004)
    register(cse, "C", 4126)
    for attrs in ({"aai": ["*"]}, {"aae": ["*"]}, {}):
        sub.allow(**attrs)
        register(cse, "C", 4126)
        register(cse, "C" + unique(), 4126)


def test_a_change_counts_at_once(cse):
    """AUTHZ-227: of a rule, of the links, and when a rule goes; who is registered stays"""
    sub = cse.subscription
    r = sub.rule(aai=["Nother"], aae=["*"])
    sub.link(r)
    register(cse, "C", 4126)
    sub.admin.update(r, RULE, {"aai": ["N*"]}).expect(2004)
    mine = register(cse, "C")
    sub.admin.update(r, RULE, {"aae": ["S*"]}).expect(2004)
    register(cse, "C", 4126)
    sub.admin.update(r, RULE, {"aae": ["*"]}).expect(2004)
    register(cse, "C")
    sub.admin.delete(r).expect(2002)
    register(cse, "C", 4126)
    cse.entity(mine).retrieve(mine).expect(2000)


def test_one_rule_has_to_allow_all(cse):
    """AUTHZ-228, CORE-121: App-ID by one rule and stem by another is not enough"""
    sub = cse.subscription
    sub.link(sub.rule(aai=["Na"], aae=["Ca*"]), sub.rule(aai=["Nb"], aae=["Cb*", "Cc*"]))
    for stem, api, expect in (("Ca", "Na", 2001), ("Cb", "Nb", 2001), ("Cc", "Nb", 2001), ("Ca", "Nb", 4126), ("Cb", "Na", 4126), ("Cd", "Na", 4126)):
        register(cse, stem + unique(), expect, api)
    assert register(cse, "C", api="Nb").startswith("Cb")
    assert register(cse, "C", api="Na").startswith("Ca")


def test_credentials(cse):
    """AUTHZ-228, AUTHZ-229: a rule for credentials, be it any, is not for registrations without a security association"""
    sub = cse.subscription
    for creds in (["*"], ["10-key"]):
        sub.allow(apci=creds, **ALL)
        register(cse, "C", 4126)
    sub.link(sub.rule(apci=["*"], **ALL), sub.rule(aai=["Nplain"], aae=["*"]))
    register(cse, "C", 4126)
    register(cse, "C", api="Nplain")


@pytest.mark.parametrize("patterns,api,expect", [
    (["*"], "Nx", 2001), (["N123*X"], "N123abcX", 2001), (["N123*X"], "N123X", 2001), (["N123*X"], "N123abcY", 4126), (["N123*X"], "N12X", 4126),
    (["R1*"], "N1", 4126), (["Nx"], "Nx", 2001), (["Nx"], "Nxx", 4126), (["Ny", "N*z*"], "Nazb", 2001), (["*b"], "Rab", 2001), (["*"], "rX", 2001),
    (["R*"], "rX", 4126)])
def test_app_ids(cse, patterns, api, expect):
    """AUTHZ-229: an r, which this release tolerates, is allowed by * only"""
    cse.subscription.allow(aai=patterns, aae=["*"])
    register(cse, "C", expect, api)


@pytest.mark.parametrize("patterns,stem,expect", [
    (["*"], "C~", 2001), (["*"], "S~", 2001), (["S*"], "S~", 2001), (["S*"], "C~", 4126), (["C*"], "C~", 2001), (["C*"], "S~", 4126),
    (["C123*X"], "C123~X", 2001), (["C123*X"], "C123~", 4126), (["C~"], "C~", 2001), (["C~"], "C~1", 4126), (["*a*"], "C~xax", 2001)])
def test_stems(cse, patterns, stem, expect):
    """AUTHZ-229"""
    u = unique()
    cse.subscription.allow(aai=["*"], aae=[p.replace("~", u) for p in patterns])
    register(cse, stem.replace("~", u), expect)


# --- assigned stems

@pytest.mark.parametrize("patterns,wish,starts", [
    (["*"], "C", "C"), (["*"], "S", "S"), (["*"], None, "C"), (["S*"], None, "S"), (["S*"], "S", "S"), (["S*"], "C", None), (["C*"], "S", None),
    (["C12*X"], "C", "C12"), (["C12*X"], None, "C12"), (["C12*X"], "S", None), (["*-end"], "S", "S"), (["Sa*", "Cb*"], "C", "Cb"),
    (["Sa*", "Cb*"], None, "Cb"), (["C12*/x"], "C", None), (["/x*"], None, None), (["C"], "C", None)])
def test_assigned_stems(cse, patterns, wish, starts):
    """AUTHZ-234: a stem of the kind that was wished for, and that the rule allows"""
    cse.subscription.allow(aai=["*"], aae=patterns)
    got = [register(cse, wish, 2001 if starts else 4126) for _ in range(3)]
    if starts:
        assert len(set(got)) == 3 and all(g.startswith(starts) for g in got)
        end = patterns[-1].rpartition("*")[2]
        assert all(g.endswith(end) for g in got)


def test_assigned_from_a_list(cse):
    """AUTHZ-234: stems that are listed are given out, each once"""
    u = unique()
    cse.subscription.allow(aai=["*"], aae=["C%s-%d" % (u, i) for i in range(3)] + ["S" + u])
    got = [register(cse, None) for _ in range(4)]
    assert got == ["C%s-0" % u, "C%s-1" % u, "C%s-2" % u, "S" + u]
    register(cse, None, 4126)
    register(cse, got[1], 4117)
    e = cse.entity(got[1])
    e.delete(got[1]).expect(2002)
    assert register(cse, "C") == got[1]


def test_order_of_refusals(cse):
    """AUTHZ-232, AUTHZ-227: whether a stem is in use is told to whom it is allowed only"""
    sub = cse.subscription
    sub.allow(aai=["*"], aae=["*"])
    mine = register(cse, "C")
    register(cse, mine, 4117)
    sub.allow(aai=["*"], aae=["S*"])
    register(cse, mine, 4126)


def test_the_lists_beside_rules(new_server):
    """What the operator denies, no rule allows; what a rule assigns, the lists have to admit"""
    s = new_server({"access.deny_ae": "Cbad*", "access.deny_app": "Nbad*"})
    sub = Subscription(s, rules=[ALL])
    register(s, "Cbad1", 4126)
    register(s, "Cgood1", 4126, "Nbad")
    register(s, "Cgood1")
    sub.allow(aai=["*"], aae=["Cbad*"])
    register(s, "C", 4126)
    sub.allow(aai=["*"], aae=["Cbad*", "Cfine*"])
    assert register(s, "C").startswith("Cfine")


def test_survives_a_restart(new_server):
    s = new_server()
    sub = Subscription(s)
    sub.allow(aai=["Na"], aae=["*"])
    s.restart()
    register(s, "C", 4126, "Nb")
    register(s, "C", 2001, "Na")


# --- roles

def test_roles(tmp_path):
    """AUTHZ-150: an AE uses the roles that a rule which allows it lists; a change counts at once"""
    nurse, doctor = "nurse@hospital.example", "doctor@hospital.example"
    (tmp_path / "i.json").write_text(json.dumps({"issuers": [{"id": "Cauthority", "domains": ["hospital.example"], "roles": True}]}))
    with Server({"access.create_all": "true", "authz.issuers": str(tmp_path / "i.json")}) as s:
        authority, owner, user, other = s.register("Cauthority"), s.register(), s.register("Cuser", api="Nuser"), s.register("Cother")
        for who in (user, other):
            for r in (nurse, doctor):
                authority.create(s.base, 31, {"rlid": r, "tkis": "Cauthority", "tkhd": who.origin, "tknb": stamp(-60), "tkna": stamp(600)}).expect(2001)
        _, acp = owner.policy([rule([nurse, doctor], 63), rule(owner.origin, 63)])
        cnt = owner.container(acpi=[acp])

        def may(who, role):
            got = who.retrieve(cnt, {"rids": role}).rsc
            assert got in (2000, 4103)
            return got == 2000

        assert may(user, nurse) and may(user, doctor)  # there is no subscription
        sub = Subscription(s)
        assert not may(user, nurse)
        r = sub.rule(aai=["Nuser"], aae=["Cu*"], ari=[nurse])
        sub.link(r, sub.rule(aai=["Nelse"], aae=["*"], ari=[doctor]), sub.rule(aai=["*"], aae=["Cx*"], ari=[doctor]))
        assert may(user, nurse) and not may(user, doctor)
        assert not may(other, nurse)
        sub.admin.update(r, RULE, {"ari": [doctor]}).expect(2004)
        assert may(user, doctor) and not may(user, nurse)
        sub.admin.update(r, RULE, {"ari": None}).expect(2004)
        assert not may(user, doctor)
        sub.admin.update(r, RULE, {"apci": ["*"], "ari": [nurse]}).expect(2004)
        assert not may(user, nurse)
