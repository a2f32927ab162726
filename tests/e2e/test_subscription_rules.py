# SPDX-License-Identifier: Apache-2.0
"""Registration under a service subscription (catalogue authorization 8): rules at the IN-CSE, and other CSEs that ask it for theirs."""

import json
import threading

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
    """AUTHZ-226, CORE-120, SEC-115: with profile.required nobody but the administrator registers; by default the lists alone decide"""
    s = new_server({"profile.required": "true"})
    register(s, "C", 4128)
    register(s, "Cx", 4128)
    register(s, None, 4128)
    Subscription(s, rules=[ALL])
    register(s, "C")
    register(new_server(), "C")


@pytest.mark.parametrize("csi", ["/other", "//other.example/reeve"])
def test_no_node_for_this_cse(new_server, csi):
    """AUTHZ-226, CORE-120, SEC-115: the rules of other CSEs are theirs"""
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
    """AUTHZ-227, CORE-121, SEC-120: no link, an empty list, links to nothing and to something else; a rule that allows nothing"""
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
    """AUTHZ-228, CORE-121, SEC-114: App-ID by one rule and stem by another is not enough"""
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
    """AUTHZ-229, SEC-118"""
    u = unique()
    cse.subscription.allow(aai=["*"], aae=[p.replace("~", u) for p in patterns])
    register(cse, stem.replace("~", u), expect)


# --- assigned stems

@pytest.mark.parametrize("patterns,wish,starts", [
    (["*"], "C", "C"), (["*"], "S", "S"), (["*"], None, "C"), (["S*"], None, "S"), (["S*"], "S", "S"), (["S*"], "C", None), (["C*"], "S", None),
    (["C12*X"], "C", "C12"), (["C12*X"], None, "C12"), (["C12*X"], "S", None), (["*-end"], "S", "S"), (["Sa*", "Cb*"], "C", "Cb"),
    (["Sa*", "Cb*"], None, "Cb"), (["C12*/x"], "C", None), (["/x*"], None, None), (["C"], "C", None)])
def test_assigned_stems(cse, patterns, wish, starts):
    """AUTHZ-234, SEC-111: a stem of the kind that was wished for, and that the rule allows"""
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


# --- a CSE that asks the IN-CSE: one that is no Reeve

class InCSE:
    """What a peer answers: what `at` has for an address (without query), which is JSON, a status, or "" for silence. Everything else is the
    registration of the CSE under test."""

    def __init__(self):
        self.at, self.asked, self.gate = {}, [], None
        self.peer = PeerCSE(self.answer)

    def answer(self, m):
        address, _, query = m.target.partition("?")
        if m.method == "POST":
            return reply(2001, b"", 201)
        if m.method != "GET" or (address == "/~/in1" and not query):
            return reply(2000)
        self.asked.append(m)
        if self.gate:
            self.gate.wait()
        got = self.at.get(address, 4004)
        if callable(got):
            got = got(query)
        return got if got == "" else reply(got, b"", 404) if isinstance(got, int) else reply(2000, json.dumps(got).encode())

    def subscribe(self, *rules, csi="/mn1"):
        """One node, which links these rules (attributes, or what else the peer answers)."""
        self.at = {"/~/in1": {"m2m:uril": ["base/sub/node"]},
                   "/~/in1/base/sub/node": {"m2m:svsn": {"ni": "urn:n", "csi": csi, "rlk": ["/in1/r%d" % i for i in range(len(rules))]}}}
        for i, r in enumerate(rules):
            self.at["/~/in1/r%d" % i] = {"m2m:asar": r} if isinstance(r, dict) else r


SHORT = {"http.open": "true", "cse.id": "/mn1", "cse.name": "mnbase", "cse.type": "MN", "registrar.id": "/in1", "registrar.retry_first": "20ms",
         "profile.at": "/in1", "profile.cache_time": "1h", "profile.refusal_time": "10ms", "profile.timeout": "1s"}


@pytest.fixture
def far():
    made = InCSE()
    yield made
    made.peer.close()


def mn_server(new_server, far, **settings):
    s = new_server(dict(SHORT, **{"registrar.poa": far.peer.url}, **settings))
    wait_until(lambda: s.metrics().get("registered") == 1)
    return s


def test_what_is_asked(new_server, far):
    """AUTHZ-226, AUTHZ-227, CORE-120, CORE-121: Discovery of the node, Retrieve of it and of its rules, as this CSE; then the answer is kept"""
    s = mn_server(new_server, far)
    far.subscribe({"aai": ["Na"], "aae": ["C1*"]}, {"aai": ["Nb"], "aae": ["C2*"]})
    far.at["/~/in1/base/sub/node"]["m2m:svsn"]["rlk"] = ["base/r0", "//reeve.local/in1/r1"]
    far.at["/~/in1/base/r0"], far.at["/_/reeve.local/in1/r1"] = far.at["/~/in1/r0"], far.at["/~/in1/r1"]
    register(s, "C1" + unique(), api="Na")
    assert [(m.method, m["X-M2M-Origin"]) for m in far.asked] == [("GET", "/mn1")] * 4
    where, _, query = far.asked[0].target.partition("?")
    assert where == "/~/in1" and {"fu=1", "ty=20", "csi=/mn1"} <= {q.replace("%2F", "/") for q in query.split("&")}
    assert {m.target for m in far.asked[1:]} == {"/~/in1/base/sub/node", "/~/in1/base/r0", "/_/reeve.local/in1/r1"}
    register(s, "C1" + unique(), 4126, "Nb")
    assert register(s, "C", api="Nb").startswith("C2")
    register(s, None, 4126, "Nc")
    register(s, None, api="Na")
    assert len(far.asked) == 4




def test_absolute_cse_id(new_server, far):
    """The node may have the CSE-ID in either form"""
    s = mn_server(new_server, far)
    far.subscribe(ALL, csi="//reeve.local/mn1")
    found = far.at["/~/in1"]
    far.at["/~/in1"] = lambda query: found if "reeve.local" in query else {"m2m:uril": []}
    register(s, "C")
    assert len(far.asked) == 4


@pytest.mark.parametrize("how", ["no node", "another's", "refused", "no list", "nonsense"])
@pytest.mark.parametrize("open_", ["false", "true"])
def test_no_subscription_there(new_server, far, how, open_):
    """AUTHZ-226, CORE-120: the IN-CSE has answered, so profile.open changes nothing; asked again when refusal_time is over"""
    s = mn_server(new_server, far, **{"profile.open": open_})
    if how == "another's":
        far.subscribe(ALL, csi="/mn2")
    else:
        far.at = {"/~/in1": {"no node": {"m2m:uril": []}, "refused": 4103, "no list": {"m2m:uril": {}}, "nonsense": [1]}[how]}
    register(s, "C", 4128)
    far.subscribe(ALL)
    wait_until(lambda: s.entity("C").create(s.base, 2, AE).rsc == 2001)


@pytest.mark.parametrize("how", ["silence", "discovery", "node", "rule", "gone"])
@pytest.mark.parametrize("open_", [False, True])
def test_no_answer(new_server, far, how, open_):
    """AUTHZ-226, CORE-120: not all of it could be had: nobody registers, or the lists decide"""
    s = mn_server(new_server, far, **{"profile.open": str(open_).lower(), "profile.timeout": "200ms", "access.deny_app": "Nbad"})
    far.subscribe({"aai": ["Nfine"], "aae": ["*"]}, ALL)
    lost = {"silence": "/~/in1", "discovery": "/~/in1", "node": "/~/in1/base/sub/node", "rule": "/~/in1/r1"}
    if how == "gone":
        far.peer.close()
    else:
        far.at[lost[how]] = 5103 if how != "silence" else ""
    register(s, "C", 2001 if open_ else 4128, "Nfine")
    register(s, "C" + unique(), 2001 if open_ else 4128, "Nfine")
    register(s, "C", 4126 if open_ else 4128, "Nbad")


def test_who_asks_and_who_is_asked(new_server, far):
    """profile.required alone asks the Registrar CSE; without either option nobody is asked; the administrator never waits"""
    s = mn_server(new_server, far, **{"profile.at": "", "profile.required": "true"})
    register(s, "Cadmin")
    assert far.asked == []
    far.subscribe(ALL)
    register(s, "C")
    assert far.asked


def test_nobody_is_asked(new_server, far):
    s = mn_server(new_server, far, **{"profile.at": ""})
    register(s, "C")
    assert far.asked == []


def test_many_wait_for_one_answer(new_server, far):
    """And one whose time is over does not: 4008"""
    s = mn_server(new_server, far)
    far.subscribe(ALL)
    far.gate = threading.Event()
    got = []

    def one():
        got.append(s.entity("C").create(s.base, 2, AE).rsc)

    threads = [threading.Thread(target=one) for _ in range(8)]
    for t in threads:
        t.start()
    wait_until(lambda: len(far.asked) == 1)
    s.entity("C").create(s.base, 2, AE, headers=[("X-M2M-RET", "200")]).expect(4008)
    far.gate.set()
    for t in threads:
        t.join()
    assert got == [2001] * 8 and s.metrics()["profile_fetches"] == 1


def test_end_while_one_waits(new_server, far):
    """The process ends as it should, and lets nobody in"""
    s = mn_server(new_server, far, **{"profile.timeout": "1h"})
    far.gate = threading.Event()
    got = []

    def one():
        try:
            got.append(s.entity("C").create(s.base, 2, AE).rsc)
        except OSError:
            got.append(None)

    t = threading.Thread(target=one)
    t.start()
    wait_until(lambda: len(far.asked) == 1)
    s.stop()
    t.join()
    far.gate.set()
    assert got[0] != 2001


def test_too_much(new_server, far):
    """Rules beyond what is taken allow nothing, and break nothing"""
    s = mn_server(new_server, far)
    far.subscribe(*[{"aai": ["N%d" % i], "aae": ["*"]} for i in range(80)])
    register(s, "C", api="N0")
    register(s, "C", api="N63")
    register(s, "C", 4126, "N64")


def test_more_than_fits(new_server, far):
    """An answer that is larger than what is kept of one is none"""
    s = mn_server(new_server, far)
    far.subscribe(*[{"aai": ["N*"] + ["N" + "x" * 200] * 400, "aae": ["*"]} for _ in range(8)])
    register(s, "C", 4128)


@pytest.mark.parametrize("answer", [{"m2m:asar": {"aai": "*", "aae": "*"}}, {"m2m:asar": [ALL]}, {"m2m:ae": ALL}, {"m2m:asar": {"aai": [1, {}], "aae": [None]}},
                                    {"m2m:asar": {"aai": ["*"], "aae": ["*"], "apci": 1}}])
def test_rules_that_are_none(new_server, far, answer):
    """What cannot be read allows nothing"""
    s = mn_server(new_server, far)
    far.subscribe(None, ALL)
    far.at["/~/in1/r0"], far.at["/~/in1/r1"] = answer, {"m2m:asar": {"aai": ["Nx"], "aae": ["*"]}}
    register(s, "C", 4126)
    register(s, "C", api="Nx")


def test_non_blocking(new_server, far):
    """The registration waits behind its acknowledgement"""
    s = mn_server(new_server, far)
    far.subscribe({"aai": ["Na"], "aae": ["*"]})
    stem = "C" + unique()
    s.entity(stem).create(s.base, 2, dict(AE, api="Na"), query={"rt": 1}).expect(1001)
    wait_until(lambda: s.entity(stem).retrieve(stem).rsc == 2000)
    assert len(far.asked) == 3


def test_roles_of_a_registree(new_server, far, tmp_path):
    """AUTHZ-150: asked for when a role would make the difference; no answer, no role"""
    nurse, doctor = "nurse@hospital.example", "doctor@hospital.example"
    (tmp_path / "i.json").write_text(json.dumps({"issuers": [{"id": "Cauthority", "domains": ["hospital.example"], "roles": True}]}))
    s = mn_server(new_server, far, **{"access.create_all": "true", "authz.issuers": str(tmp_path / "i.json"), "profile.cache_time": "20ms"})
    far.subscribe({"aai": ["*"], "aae": ["*"], "ari": [nurse]})
    authority, owner, user = s.register("Cauthority"), s.register(), s.register()
    for r in (nurse, doctor):
        authority.create(s.base, 31, {"rlid": r, "tkis": "Cauthority", "tkhd": user.origin, "tknb": stamp(-60), "tkna": stamp(600)}).expect(2001)
    _, acp = owner.policy([rule([nurse, doctor], 63), rule(owner.origin, 63)])
    cnt = owner.container(acpi=[acp])
    user.retrieve(cnt, {"rids": nurse}).expect(2000)
    user.retrieve(cnt, {"rids": doctor}).expect(4103)
    assert user.found(s.base, {"rids": nurse, "ty": 3, "lim": 5})
    far.at["/~/in1/r0"]["m2m:asar"]["ari"] = [doctor]
    wait_until(lambda: user.retrieve(cnt, {"rids": doctor}).rsc == 2000)
    user.retrieve(cnt, {"rids": nurse}).expect(4103)
    n = len(far.asked)
    owner.retrieve(cnt, {"rids": nurse}).expect(2000)  # needs no role: nobody is asked
    user.retrieve(cnt, {"rids": "x@hospital.example"}).expect(4103)  # nor for one that he has not
    assert len(far.asked) == n
    far.at["/~/in1"] = 5103
    wait_until(lambda: user.retrieve(cnt, {"rids": doctor}).rsc == 4103)


# --- and one that is

def test_in_and_mn(new_server):
    """A node for the MN-CSE at the IN-CSE, readable for it; a change there counts here when the answer is not kept any longer"""
    infra = new_server({"http.open": "true", "cse.id": "/in1", "cse.name": "inbase"})
    _, acp = infra.admin().policy([rule(["/mn1", "Cadmin"], 63)], to=infra.base)
    sub = Subscription(infra, "/mn1", acpi=[acp])
    s = new_server(dict(SHORT, **{"registrar.poa": "http://127.0.0.1:%d" % infra.port, "profile.cache_time": "20ms"}))
    wait_until(lambda: s.metrics().get("registered") == 1)
    register(s, "C", 4126)
    register(infra, "C", 4128)
    sub.allow(aai=["Na"], aae=["Cmn*"])
    wait_until(lambda: s.entity("C").create(s.base, 2, dict(AE, api="Na")).rsc == 2001)
    register(s, "Cmn" + unique(), 2001, "Na")
    register(s, "C", 4126, "Nb")
    sub.admin.update(sub.node, NODE, {"acpi": None}).expect(2004)  # the MN-CSE may not see it any more
    wait_until(lambda: s.entity("C").create(s.base, 2, dict(AE, api="Na")).rsc == 4128)
