# SPDX-License-Identifier: Apache-2.0
"""Tokens that a DAS gives in its answer, authorization signatures, and the indirect flow (catalogue 5.3, 5.4, 9.8).

Tokens are made, and questions for the DAS alone are opened, by python3-jwcrypto."""

import json

import pytest
from jwcrypto import jwe, jwk

from harness import rule, stamp, unique
from harness.das import NOTHING, SETTINGS, Reply, World, dres, granted
from harness.tokens import Issuer, permit, write_issuers


@pytest.fixture
def world(servers, das):
    return World(servers(**SETTINGS), das)


# --- tokens in the answer


@pytest.fixture
def issuer():
    return Issuer(domain="das.example")


@pytest.fixture
def trusting(new_server, das, issuer, tmp_path):
    """A World whose CSE knows the DAS as an issuer; more entries of the issuers file and settings at will."""
    def go(*more, entry=None, **settings):
        path = write_issuers(tmp_path / "issuers.json", issuer.entry(**dict({"das": [das.url]}, **(entry or {}))), *more)
        return World(new_server(dict({"authz.issuers": path, "dynamic.refusal_kept": "0 s"}, **settings)), das)
    return go


def gives(issuer, w, operations=2, holder=None, **changes):
    """dres with one token for the Originator, for this CSE and its container."""
    pm = [permit(w.cnt, rule("all", operations))]
    return dres(tkns=[issuer.token(holder or w.who, pm, **dict({"aud": ["//reeve.local/reeve"]}, **changes))])


def test_token(trusting, das, issuer):
    """AUTHZ-193, AUTHZ-194, AUTHZ-175: it is kept for its holder, and needs no name"""
    w = trusting()
    das.answer = lambda q: gives(issuer, w)
    w.ae.retrieve(w.cnt).expect(2000)
    das.asked()
    w.ae.retrieve(w.cnt).expect(2000)
    das.not_asked()
    das.answer = NOTHING
    w.ae.update(w.cnt, 3, {"lbl": ["x"]}).expect(4103)
    das.asked()
    w.server.register().retrieve(w.cnt).expect(4103)
    das.asked()


def test_grants_are_audited(trusting, das, issuer):
    """Who was granted what, for which resource, and by whom."""
    w = trusting()
    das.answer = lambda q: gives(issuer, w) if q.dreq["op"] == 2 else w.grants(4)
    w.ae.retrieve(w.cnt).expect(2000)
    w.ae.update(w.cnt, 3, {"lbl": ["x"]}).expect(2004)
    lines = [json.loads(x) for x in (w.server.folder / "data" / "audit.log").read_text().splitlines()]
    told = {x["action"]: x for x in lines if x["event"] == "consultation"}
    assert set(told) == {"create", "grant", "token"}
    for x in (told["grant"], told["token"]):
        assert x["who"] == w.who and x["detail"] == das.url
    assert told["grant"]["target"] == w.ri and told["token"]["ground"].endswith("@das.example")


def test_token_of_a_change(trusting, das, issuer):
    """AUTHZ-194: Create waits for it as Retrieve does"""
    w = trusting()
    das.answer = lambda q: gives(issuer, w, 1)
    w.ae.create(w.cnt, 4, {"con": "x"}).expect(2001)
    das.asked()
    w.ae.create(w.cnt, 4, {"con": "x"}).expect(2001)
    das.not_asked()


SPOILT = {
    "holder": {"azp": "//reeve.local/reeve/Csomebody"}, "audience": {"aud": ["//reeve.local/other"]}, "expired": {"exp": 1000000000},
    "early": {"nbf": 4000000000}, "issuer": {"iss": "//reeve.local/Sother"}, "name": {"jti": "t@other.example"}, "no claims": {"exp": None},
}


@pytest.mark.parametrize("name", SPOILT)
def test_token_that_does_not_count(trusting, das, issuer, name):
    """AUTHZ-193: issuer, audience, holder, time"""
    w = trusting()
    das.answer = lambda q: gives(issuer, w, **SPOILT[name])
    w.ae.retrieve(w.cnt).expect(4103)
    das.asked()
    line = [json.loads(x) for x in (w.server.folder / "data" / "decisions.log").read_text().splitlines()][-1]
    assert any("does not count" in x.get("it", "") for x in line["rights"]), line["rights"]


def test_forged_token(trusting, das, issuer):
    """AUTHZ-193, AUTHZ-180: another key; and its text is told nowhere"""
    w = trusting()
    stranger = Issuer(domain="das.example")
    answer = gives(stranger, w)
    das.answer = answer
    w.ae.retrieve(w.cnt).expect(4103)
    (token,) = answer["m2m:seci"]["dres"]["tkns"]
    for f in ("data/decisions.log", "stderr.log"):
        assert token not in (w.server.folder / f).read_text()
        assert token.split(".")[2] not in (w.server.folder / f).read_text()


def test_token_of_another_issuer(trusting, das, issuer):
    """AUTHZ-193: good for whoever shows it, but not from this DAS; unless the operator says that it may deliver for the other"""
    other = Issuer(name="//reeve.local/Sother", domain="other.example", kid="other-1")
    w = trusting(other.entry())
    das.answer = lambda q: gives(other, w)
    w.ae.retrieve(w.cnt).expect(4103)
    das.asked()
    w = trusting(other.entry(), entry={"delegates": [other.id]})
    w.ae.retrieve(w.cnt).expect(2000)


def test_token_from_a_system_without_issuer(trusting, das, issuer):
    """AUTHZ-193: there is no issuer it could be compared with"""
    w = trusting(entry={"das": ["http://127.0.0.1:9/elsewhere"]}, **{"dynamic.das": das.url})
    das.answer = lambda q: gives(issuer, w)
    w.ae.retrieve(w.cnt).expect(4103)
    das.asked()


def test_policy_and_tokens_together(trusting, das, issuer):
    """AUTHZ-193: a bad token beside a policy, a bad policy beside a token"""
    w = trusting()
    das.answer = lambda q: w.grants(2, tkns=gives(issuer, w, exp=1000000000)["m2m:seci"]["dres"]["tkns"])
    w.ae.retrieve(w.cnt).expect(2000)
    das.answer = lambda q: granted([{"acor": ["all"]}], tkns=gives(issuer, w, 4)["m2m:seci"]["dres"]["tkns"])
    w.ae.update(w.cnt, 3, {"lbl": ["x"]}).expect(2004)


def test_issuer_is_not_asked_about_itself(new_server, das, issuer, tmp_path):
    """AUTHZ-203: the Originator is the issuer whose DAS would be asked"""
    path = tmp_path / "issuers.json"
    write_issuers(path, dict(issuer.entry(das=[das.url]), id="//reeve.local/reeve/Cdas"))
    s = new_server({"authz.issuers": str(path), "dynamic.refusal_kept": "0 s"})
    w = World(s, das)
    das.answer = lambda q: granted([rule("all", 63)])
    me = s.entity("Cdas")
    me.create(s.base, 2, {"rn": unique("ae"), "api": "Ntest", "rr": False, "srv": ["3"]}).expect(2001)
    me.retrieve(w.cnt).expect(4103)
    das.not_asked()
    w.ae.retrieve(w.cnt).expect(2000)


def test_roles_of_its_own(trusting, das, issuer):
    """AUTHZ-186: a DAS is told the Role-IDs of its domains, and nobody else's"""
    other = Issuer(name="//reeve.local/Sother", domain="other.example", kid="other-1")
    w = trusting(other.entry(das=["http://127.0.0.1:9/other"]))
    das.answer = NOTHING
    never = {"acco": [{"actw": ["* * * * * * 2001"]}]}
    _, pol = w.owner.policy([rule([w.owner.origin, "nurse@das.example", "guard@other.example", "x@127.0.0.1"], 63),
                             rule("writer@das.example", 4), rule("night@das.example", 63, **never)])
    w.owner.update(w.cnt, 3, {"acpi": [pol]}).expect(2004)
    w.ae.retrieve(w.cnt).expect(4103)
    assert das.asked().dreq["rfa"] == ["nurse@das.example"]
    w.ae.update(w.cnt, 3, {"lbl": ["x"]}).expect(4103)
    assert das.asked().dreq["rfa"] == ["nurse@das.example", "writer@das.example"]


# --- authorization signatures


def test_asi_and_asri(world, das):
    """AUTHZ-187, AUTHZ-196: asi goes to the DAS; its asri goes to the Originator of a request that is refused"""
    das.answer = lambda q: Reply(granted([rule("//reeve.local/reeve/Cother", 2)], asri=True))
    r = world.ae.retrieve(world.cnt, query={"asi": True}).expect(4103)
    assert das.asked().dreq["asi"] is True
    assert r.headers.get("x-m2m-asri") == "true"
    das.answer = lambda q: Reply(granted([rule("//reeve.local/reeve/Cother", 2)]), headers=[("X-M2M-ASRI", "true")])
    r = world.ae.update(world.cnt, 3, {"lbl": ["x"]}).expect(4103)
    assert "asi" not in das.asked().dreq
    assert r.headers.get("x-m2m-asri") == "true"
    das.answer = NOTHING
    assert "x-m2m-asri" not in world.ae.retrieve(world.cnt, query={"asi": False}).expect(4103).headers
    assert "asi" not in das.asked().dreq


def test_asri_with_success(new_server, das):
    """AUTHZ-196 (Q-12): only where the operator wants it"""
    for on in ("false", "true"):
        w = World(new_server(dict(SETTINGS, **{"dynamic.asri_on_success": on})), das)
        das.answer = lambda q: w.grants(2 | 4, asri=True)
        for r in (w.ae.retrieve(w.cnt).expect(2000), ):
            assert r.headers.get("x-m2m-asri") == ("true" if on == "true" else None)
        assert "x-m2m-asri" not in w.ae.retrieve(w.cnt).expect(2000).headers
        v = World(w.server, das)
        das.answer = lambda q: v.grants(4, asri=True)
        assert v.ae.update(v.cnt, 3, {"lbl": ["x"]}).expect(2004).headers.get("x-m2m-asri") == ("true" if on == "true" else None)


def test_claims_in_question(world, das):
    """AUTHZ-185: Role-IDs the request brings, believed or not"""
    das.answer = NOTHING
    world.ae.retrieve(world.cnt, query={"rids": ["a@x.example", "b@x.example"]}).expect(4103)
    assert das.asked().dreq["orid"] == ["a@x.example", "b@x.example"]


def test_grant_to_a_role(new_server, das, tmp_path):
    """AUTHZ-194: a dynamic policy is a policy: the roles that were verified for the request count in it"""
    path = write_issuers(tmp_path / "issuers.json", {"id": "Cauthority", "domains": ["hospital.example"], "roles": True})
    s = new_server(dict(SETTINGS, **{"authz.issuers": path, "access.create_all": "true", "roles.allowed": "C*=*"}))
    w, authority = World(s, das), s.register("Cauthority")
    authority.create(s.base, 31, {"rlid": "nurse@hospital.example", "tkis": "Cauthority", "tkhd": w.ae.origin, "tknb": stamp(-60),
                                  "tkna": stamp(3600)}).expect(2001)
    das.answer = granted([rule("nurse@hospital.example", 2)])
    w.ae.retrieve(w.cnt, query={"rids": ["nurse@hospital.example"]}).expect(2000)
    das.answer = NOTHING
    w.ae.retrieve(w.cnt).expect(4103)


# --- indirect


def tqf(r):
    """Token Request Information of a refusal over HTTP (TS-0009 6.5)."""
    r.expect(4103)
    assert r.headers["content-type"] == "application/json"
    assert set(r.content) == {"tqf"}, r
    return r.res


def test_where_to_ask(new_server, das):
    """AUTHZ-197, AUTHZ-198, AUTHZ-199, AUTHZ-200: the same question, in the refusal, for who asks for it"""
    w = World(new_server(dict(SETTINGS, **{"dynamic.direct": "false"})), das)
    got = tqf(w.ae.retrieve(w.cnt, query={"tqi": True}))
    assert set(got) == {"dasi"} and len(got["dasi"]) == 1
    (d,) = got["dasi"]
    assert set(d) == {"uri", "dreq"} and d["uri"] == das.url
    assert d["dreq"]["or"] == w.who and d["dreq"]["op"] == 2 and d["dreq"]["trt"] == 3 and d["dreq"]["trid"] == w.server.cse_id + "/" + w.cnt
    assert tqf(w.ae.update(w.cnt, 3, {"lbl": ["x"]}, query={"tqi": 1}))["dasi"][0]["dreq"]["op"] == 3
    for q in ({}, {"tqi": False}, {"tqi": 0}):
        assert set(w.ae.retrieve(w.cnt, query=q).expect(4103).content) == {"m2m:dbg"}
    assert b"tqf" not in w.owner.retrieve(w.cnt, query={"tqi": True}).expect(2000).body
    bare = w.owner.container()
    assert set(w.ae.retrieve(bare, query={"tqi": True}).expect(4103).content) == {"m2m:dbg"}
    das.not_asked()


def test_indicator_in_all_operations(new_server, das):
    """AUTHZ-021, AUTHZ-197, CORE-286"""
    w = World(new_server(dict(SETTINGS, **{"dynamic.direct": "false", "access.registree": "retrieve, notify, discovery"})), das)
    w.owner.update(w.owner.at, 2, {"daci": [w.dac]}).expect(2004)
    q = {"tqi": True}
    note = {"m2m:sgn": {"sur": "x"}}
    for n, r in enumerate((w.ae.create(w.cnt, 3, {}, query=q), w.ae.retrieve(w.cnt, q), w.ae.update(w.cnt, 3, {"lbl": ["x"]}, query=q),
                           w.ae.delete(w.cnt, query=q), w.ae.notify(w.owner.at, note, query=q))):
        assert tqf(r)["dasi"][0]["dreq"]["op"] == n + 1
    mine = w.ae.container()
    w.ae.create(mine, 3, {}, query=q).expect(2001)
    w.ae.retrieve(mine, q).expect(2000)
    w.ae.update(mine, 3, {"lbl": ["x"]}, query=q).expect(2004)
    w.ae.delete(mine, query=q).expect(2002)
    w.ae.notify(w.server.base, note, query=q).expect(2000)


def test_where_to_ask_after_asking(world, das):
    """AUTHZ-197: a system that was asked in vain may still give a token to the Originator itself"""
    das.answer = NOTHING
    assert tqf(world.ae.retrieve(world.cnt, query={"tqi": True}))["dasi"][0]["uri"] == das.url
    das.asked()


def test_indirect_switched_off(new_server, das):
    """AUTHZ-197: dynamic.indirect"""
    w = World(new_server(dict(SETTINGS, **{"dynamic.indirect": "false"})), das)
    das.answer = NOTHING
    assert set(w.ae.retrieve(w.cnt, query={"tqi": True}).expect(4103).content) == {"m2m:dbg"}


def test_several_places_to_ask(new_server, das):
    """AUTHZ-198"""
    w = World(new_server(dict(SETTINGS, **{"dynamic.direct": "false"})), das)
    more = w.owner.made(w.owner.at, 34, {"dae": True, "dap": ["http://127.0.0.1:9/b"]})
    off = w.owner.made(w.owner.at, 34, {"dae": False, "dap": ["http://127.0.0.1:9/c"]})
    w.owner.update(w.cnt, 3, {"daci": [more, off, w.dac]}).expect(2004)
    assert [d["uri"] for d in tqf(w.ae.retrieve(w.cnt, query={"tqi": True}))["dasi"]] == ["http://127.0.0.1:9/b", das.url]


@pytest.mark.parametrize("alg", ["ECDH-ES+A128KW", "RSA-OAEP-256"])
def test_secured_question(trusting, das, issuer, alg):
    """AUTHZ-198: with the DAS's key for encryption only the DAS reads which roles would do"""
    key = jwk.JWK.generate(kty="RSA", size=2048, kid="das-enc") if alg.startswith("RSA") else jwk.JWK.generate(kty="EC", crv="P-256", kid="das-enc")
    das_key = {"kid": "das-enc", "alg": alg, "jwk": json.loads(key.export_public())}
    w = trusting(entry={"das_key": das_key}, **{"dynamic.direct": "false"})
    _, pol = w.owner.policy([rule([w.owner.origin, "nurse@das.example"], 63)])
    w.owner.update(w.cnt, 3, {"acpi": [pol]}).expect(2004)
    r = w.ae.retrieve(w.cnt, query={"tqi": True})
    (d,) = tqf(r)["dasi"]
    assert set(d) == {"uri", "sdr"} and b"nurse" not in r.body
    t = jwe.JWE()
    t.allowed_algs = [alg, "A256GCM"]
    t.deserialize(d["sdr"], key)
    header = json.loads(t.objects["protected"])
    assert header["typ"] == "JWT" and header["kid"] == "das-enc" and "cty" not in header
    dreq = json.loads(t.payload)
    assert dreq["or"] == w.who and dreq["rfa"] == ["nurse@das.example"] and dreq["op"] == 2
