# SPDX-License-Identifier: Apache-2.0
"""AE registration: catalogue 8.1 and 17.8."""

import pytest

from harness import stamp, unique, wait_until

AE = {"api": "Ntest", "rr": False, "srv": ["3"]}


@pytest.mark.parametrize("origin,first", [(None, "CS"), ("C", "C"), ("S", "S")])
def test_assigned_stem(server, origin, first):
    """CORE-115, SEC-111, SEC-112"""
    name = unique("ae")
    r = server.entity(origin).create(server.base, 2, dict(AE, rn=name)).expect(2001)
    assert r["aei"][0] in first and len(r["aei"]) > 1
    assert r["ri"] == r["aei"]
    a = server.entity(r["aei"])
    assert a.retrieve(server.base + "/" + name).expect(2000)["aei"] == r["aei"]
    assert a.retrieve(r["aei"]).expect(2000)["rn"] == name


def test_stems_are_unique(server):
    """CORE-115"""
    stems = {server.register(stem=w).origin for w in ("C", "S") * 10}
    assert len(stems) == 20


@pytest.mark.parametrize("first", ["C", "S"])
def test_wanted_stem(server, first):
    """CORE-115, CORE-116, AUTHZ-232, SEC-113: a full stem is used when it is free"""
    stem = first + unique("me")
    a = server.register(stem=stem)
    assert a.origin == stem
    assert a.retrieve(a.at).expect(2000)["ri"] == stem
    before = a.retrieve(a.at).content
    server.entity(stem).create(server.base, 2, dict(AE, rn=unique("ae"))).expect(4117)
    assert a.retrieve(a.at).content == before
    a.delete(a.at).expect(2002)
    assert server.register(stem=stem).origin == stem


def test_registered_ae_registers_again(server, ae):
    """CORE-116: under another name too"""
    name = unique("ae")
    ae.create(server.base, 2, dict(AE, rn=name)).expect(4117)
    ae.retrieve(server.base + "/" + name).expect(4004)


def test_registration_is_not_forwarded(server, ae):
    """AUTHZ-017: 4000 where anything else gets 4004, for there is no way to that CSE"""
    for to in ("/elsewhere/base", server.sp_id + "/elsewhere/base", "//other.example/elsewhere/base"):
        for who in (server.entity(None), server.entity("C"), server.entity("C" + unique("me")), ae):
            who.create(to, 2, AE).expect(4000)
        ae.create(to, 16, None, content={"m2m:csr": {"csi": "/third", "cb": "/third/base", "rr": False}}).expect(4000)
        ae.create(to, 3, {}).expect(4004)


@pytest.mark.parametrize("api", ["", "Xtest", "test", "ntest", "1", "R", "N", " Rtest", "-R"])
def test_bad_app_id(server, api):
    """CORE-117, CORE-013, AUTHZ-233"""
    name = unique("ae")
    server.entity("C").create(server.base, 2, dict(AE, rn=name, api=api)).expect(4000)
    server.register().retrieve(server.base + "/" + name).expect(4004)


@pytest.mark.parametrize("api", ["Ntest", "Ra01.com.example.app", "r01.com.example.app", "N0"])
def test_good_app_id(server, api):
    """CORE-117: R, N, and r which this release tolerates"""
    assert server.entity("C").create(server.base, 2, dict(AE, api=api)).expect(2001)["api"] == api


@pytest.mark.parametrize("missing", ["api", "rr", "srv"])
def test_mandatory_attributes(server, missing):
    """CORE-118"""
    attrs = {k: v for k, v in AE.items() if k != missing}
    server.entity("C").create(server.base, 2, attrs).expect(4000)


def test_given_ae_id(server):
    """CORE-118"""
    server.entity("C").create(server.base, 2, dict(AE, aei="C" + unique())).expect(4000)


@pytest.mark.parametrize("srv", [[], ["x"], ["3", "three"], "3", [3]])
def test_bad_release_versions(server, srv):
    """CORE-118, CORE-051"""
    server.entity("C").create(server.base, 2, dict(AE, srv=srv)).expect(4000)


def test_registration_aimed_elsewhere(server):
    """CORE-119"""
    for to in ("/elsewhere/cse", "//other.example/elsewhere/cse"):
        server.entity("C").create(to, 2, dict(AE)).expect(4000)
        server.register().create(to, 16, None, content={"m2m:csr": {"cb": "/x/y", "csi": "/x", "rr": True, "srv": ["3"]}}).expect(4000)


@pytest.fixture(scope="module")
def rules(servers):
    return servers(**{"access.allow_ae": ["Cgood*", "Cadmin", "C"], "access.deny_ae": ["Cgood-not*"], "access.allow_app": ["Nok*", "Nadmin"],
                      "access.deny_app": ["Nok.bad*"]})


@pytest.mark.parametrize("stem,api,rsc", [
    ("Cgood1", "Nok", 2001), ("Cgood-not1", "Nok", 4126), ("Cbad1", "Nok", 4126), ("Cgood2", "Nother", 4126), ("Cgood3", "Nok.bad.x", 4126),
    ("Cgood4", "Nok.fine", 2001),
])
def test_application_rules(rules, stem, api, rsc):
    """CORE-121: no rule admits App-ID and stem"""
    name = unique("ae")
    rules.entity(stem).create(rules.base, 2, dict(AE, rn=name, api=api)).expect(rsc)
    rules.admin().retrieve(rules.base + "/" + name).expect(4103 if rsc == 2001 else 4004)  # there, and not admin's


def test_no_access_decision(server):
    """CORE-122, AUTHZ-231: nobody has Create on <CSEBase> by a policy, and still AEs register; for another type the decision is made"""
    a = server.register()
    a.create(server.base, 3, {"rn": unique()}).expect(4103)
    server.entity("C").create(server.base, 2, dict(AE)).expect(2001)


def test_ae_below_another_resource(server, ae):
    """CORE-043: an <AE> is a child of <CSEBase> only"""
    server.entity("C").create(ae.at, 2, dict(AE)).expect(4108)


def test_update_of_the_point_of_access_releases(new_server, receiver):
    """CORE-126: what waited because nobody was there is sent when poa says where"""
    s = new_server({"notify.retry_first": "1h", "notify.retry_most": "1h"})
    watcher = s.register(rr=True, poa=["http://127.0.0.1:9/dead"])
    a = s.register()
    _, pol = a.policy([{"acor": [a.origin, watcher.origin], "acop": 63}])
    w_pol = watcher.policy([{"acor": ["all"], "acop": 16}, {"acor": [watcher.origin], "acop": 63}])[1]
    watcher.update(watcher.at, 2, {"acpi": [w_pol]}).expect(2004)
    cnt = a.container(acpi=[pol])
    watcher.create(cnt, 23, {"nu": [watcher.origin], "enc": {"net": [3]}, "nct": 1}).expect(2001)
    a.instance(cnt, "waiting")
    wait_until(lambda: s.metrics().get("notifications_failed", 0) >= 1)
    watcher.update(watcher.at, 2, {"poa": [receiver.url + "/alive"]}).expect(2004)
    got = receiver.get()
    assert got.path == "/alive"
    assert got.sgn["nev"]["rep"]["m2m:cin"]["con"] == "waiting"



def test_registration_survives_a_restart(new_server):
    """Registered stays registered"""
    s = new_server()
    a = s.register()
    s.restart()
    a.retrieve(a.at).expect(2000)
    s.entity(a.origin).create(s.base, 2, dict(AE)).expect(4117)


def test_deregistration_takes_policies_and_groups(server, other):
    """CORE-068: everything of the AE goes with it"""
    a = server.register(et=stamp(3600))
    pol, pol_ri = a.policy([])
    grp = a.made(a.at, 9, {"mnm": 1, "mid": []})
    a.delete(a.at).expect(2002)
    for x in (pol, pol_ri, grp, a.ri):
        other.retrieve(x).expect(4004)
