# SPDX-License-Identifier: Apache-2.0
"""Attempts to get what one should not have, by what roles, tokens, grants and other CSEs' answers have to do with each other."""

import concurrent.futures
import json
import signal
import socket
import threading
import time

import pytest

from harness import Client, Entity, absolute, rule, stamp, unique, wait_until
from harness.das import NOTHING, SETTINGS, Reply, World, dres
from harness.tokens import Issuer, permit, write_issuers

NURSE = "nurse@hospital.example"


@pytest.fixture
def issuer():
    return Issuer(domain="das.example")


# --- the members of a group


@pytest.fixture
def ward(new_server, issuer, tmp_path):
    authority = {"id": "Cauthority", "domains": ["hospital.example"], "roles": True}
    s = new_server({"authz.issuers": write_issuers(tmp_path / "issuers.json", authority, issuer.entry()), "access.create_all": "true"})
    by = s.register("Cauthority")
    s.owner, s.nurse = s.register(), s.register()
    by.create(s.base, 31, {"rlid": NURSE, "tkis": by.origin, "tkhd": s.nurse.origin, "tknb": stamp(-60), "tkna": stamp(3600)}).expect(2001)
    return s


def test_members_have_a_story_of_their_own(ward, issuer):
    """AUTHZ-173: a role permits the group, a token its members; what is told of a member ends with it"""
    s = ward
    _, acp = s.owner.policy([rule(NURSE, 63), rule(s.owner.origin, 63)])
    members = [s.owner.container() for _ in range(6)]
    grp = s.owner.made(s.owner.at, 9, {"mnm": 9, "mid": members, "acpi": [acp]})
    token = issuer.token(absolute(s, s.nurse.origin), [permit(members[1:5], rule("all", 2 | 4))])
    want = [4103, 2000, 2000, 2000, 2000, 4103]
    for _ in range(3):
        r = s.nurse.retrieve(grp + "/fopt", {"rids": NURSE}, headers={"Authorization": token}).expect(2000)
        assert [m["rsc"] for m in r.content["m2m:agr"]["m2m:rsp"]] == want
        r = s.nurse.update(grp + "/fopt", 3, {"lbl": ["x"]}, query={"rids": NURSE}, headers={"Authorization": token}).expect(2000)
        assert [m["rsc"] for m in r.content["m2m:agr"]["m2m:rsp"]] == [4103, 2004, 2004, 2004, 2004, 4103]
    lines = [json.loads(x) for x in (s.folder / "data" / "decisions.log").read_text().splitlines()]
    assert len(lines) == 12 and all("rights" in x for x in lines)


# --- rights that end while a request waits


@pytest.fixture
def trusting(new_server, das, issuer, tmp_path):
    """A World whose CSE knows the DAS as an issuer."""
    path = tmp_path / "issuers.json"
    s = new_server(dict(SETTINGS, **{"authz.issuers": write_issuers(path, issuer.entry(das=[das.url]))}))
    w = World(s, das)
    w.issuers = path
    return w


def pass_on(issuer, w, **changes):
    return dres(tkns=[issuer.token(w.who, [permit(w.cnt, rule("all", 2 | 4))], **dict({"aud": ["//reeve.local/reeve"]}, **changes))])


@pytest.mark.parametrize("change", [False, True])
def test_token_that_expires_while_the_request_waits(trusting, das, issuer, change):
    """AUTHZ-176: it was good when the request came, and is not when it is executed"""
    w = trusting
    das.answer = lambda q: pass_on(issuer, w, exp=int(time.time()) + 3)
    w.ae.retrieve(w.cnt).expect(2000)
    das.answer = NOTHING
    late = {"X-M2M-OET": "3500"}
    (w.ae.update(w.cnt, 3, {"lbl": ["late"]}, headers=late) if change else w.ae.retrieve(w.cnt, headers=late)).expect(4103)
    assert "lbl" not in w.owner.retrieve(w.cnt).expect(2000)


def reload(s):
    said = "are read again"
    had = s.errors().count(said)
    s.process.send_signal(signal.SIGHUP)
    wait_until(lambda: s.errors().count(said) > had)


@pytest.mark.parametrize("how", ["tkns", "tids", "ltids"])
@pytest.mark.parametrize("change", [False, True])
def test_token_that_is_revoked_while_the_request_waits(trusting, das, issuer, how, change):
    """AUTHZ-168: its issuer is taken out of the file"""
    w, s = trusting, trusting.server
    das.answer = NOTHING
    claims = issuer.claims(w.who, [permit(w.cnt, rule("all", 2 | 4))])
    token = issuer.sign(claims)
    lti = w.ae.retrieve(w.cnt, headers={"Authorization": token}).expect(2000).headers["x-m2m-ati"].split(":")[0]
    query = {"tkns": {}, "tids": {"tids": claims["jti"]}, "ltids": {"ltids": lti}}[how]
    h = {"X-M2M-OET": "2500", **({"Authorization": token} if how == "tkns" else {})}
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        f = pool.submit(lambda: w.ae.update(w.cnt, 3, {"lbl": ["late"]}, query=query, headers=h) if change
                        else w.ae.retrieve(w.cnt, query, headers=h))
        wait_until(lambda: s.metrics()["parked"] == 1)
        write_issuers(w.issuers)
        reload(s)
        f.result().expect(4103)
    assert "lbl" not in w.owner.retrieve(w.cnt).expect(2000)


@pytest.mark.parametrize("what", ["policy", "token"])
def test_grant_for_a_registration_that_is_gone(trusting, das, issuer, what):
    """AUTHZ-191, AUTHZ-175 (Q-41): who registers under a name meanwhile does not get what was granted to the one before"""
    w, s = trusting, trusting.server
    held = threading.Event()

    def answer(q):
        held.wait(30)
        return w.grants(2) if what == "policy" else pass_on(issuer, w)
    das.answer = answer
    try:
        with socket.create_connection(("127.0.0.1", s.port)) as c:
            c.sendall(("GET /%s HTTP/1.1\r\nHost: x\r\nX-M2M-Origin: %s\r\nX-M2M-RI: gone\r\nX-M2M-RVI: 3\r\n\r\n"
                       % (w.cnt, w.ae.origin)).encode())
            das.asked()
            w.ae.delete(w.ae.at).expect(2002)
            again = s.entity(w.ae.origin)
            again.create(s.base, 2, {"rn": unique("ae"), "api": "Ntest", "rr": False, "srv": ["3"]}).expect(2001)
            das.answer = NOTHING
            held.set()
            c.settimeout(15)
            assert b"4103" in c.recv(4096)
    finally:
        held.set()
    again.retrieve(w.cnt).expect(4103)
    assert s.metrics()["grants"] == 0
    das.answer = lambda q: w.grants(2) if what == "policy" else pass_on(issuer, w)
    again.retrieve(w.cnt).expect(2000)
    das.answer = NOTHING
    again.retrieve(w.cnt).expect(2000)


def test_token_under_another_name(trusting, das, issuer):
    """AUTHZ-177: a <token> that could not be opened when it came, and is not the token that its tkid says"""
    w, s = trusting, trusting.server
    das.answer = NOTHING
    claims = issuer.claims(w.who, [permit(w.cnt, rule("all", 2))])
    alias = issuer.token_id()
    write_issuers(w.issuers)
    reload(s)
    s.admin().create(s.base, 32, {"tkid": alias, "tkob": issuer.sign(claims)}).expect(2001)
    s.admin().create(s.base, 32, {"tkid": claims["jti"], "tkob": issuer.sign(claims)}).expect(2001)
    write_issuers(w.issuers, issuer.entry(das=[das.url]))
    reload(s)
    w.ae.retrieve(w.cnt, {"tids": alias}).expect(4103)
    w.ae.retrieve(w.cnt, {"tids": claims["jti"]}).expect(2000)


def test_decisions_about_tokens_are_not_kept(new_server, das, issuer, tmp_path):
    """AUTHZ-180: distributed.cache keeps nothing that came with a token"""
    path = write_issuers(tmp_path / "issuers.json", issuer.entry())
    s = new_server({"distributed.cache": "1h", "authz.issuers": path})
    a, b = s.register(), s.register()
    acp = a.made(a.at, 1, {"pv": {"acr": []}, "pvs": {"acr": [rule(a.origin, 63)]}, "adri": [das.url]})
    cnt, other = a.container(acpi=[acp]), a.container()
    das.answer = Reply({"m2m:auds": {"dec": 1, "sus": 1}}, rsc=2004)
    token = issuer.token(absolute(s, b.origin), [permit(other, rule("all", 2))])
    for _ in range(2):
        b.retrieve(cnt, headers={"Authorization": token}).expect(2000)
        assert das.asked().content["m2m:auds"]["tkns"] == [token]
    for n in range(2):
        b.retrieve(cnt).expect(2000)
    das.asked()
    das.not_asked()


# --- who may say what


def test_token_by_its_id_from_another_issuer(trusting, das, issuer):
    """AUTHZ-168, AUTHZ-193: of two issuers that share a domain neither delivers the other's tokens, unless it may (delegates)"""
    w, s = trusting, trusting.server
    other = Issuer("//reeve.local/Sother", "das.example", "other-1")
    tokens = []

    def give(claims):
        tokens.append(other.sign(claims))
        das.answer = lambda q: dres(tkns=[tokens[-1]]) if "tids" in q.dreq else NOTHING
        return w.ae.retrieve(w.cnt, {"tids": claims["jti"]})
    for delegates, want in ((None, 4103), ([other.id], 2000)):
        write_issuers(w.issuers, issuer.entry(das=[das.url], delegates=delegates), other.entry())
        reload(s)
        give(other.claims(w.who, [permit(w.cnt, rule("all", 2))])).expect(want)


def test_token_by_its_id_is_asked_for_each(trusting, das, issuer):
    """AUTHZ-201: two who name one token at the same time do not share the question, for the DAS may answer them differently"""
    w, s = trusting, trusting.server
    claims = issuer.claims(w.who, [permit(w.cnt, rule("all", 2))])
    token, held = issuer.sign(claims), threading.Event()
    das.answer = lambda q: held.wait(30) and (dres(tkns=[token]) if q.dreq["or"] == w.who else NOTHING)
    thief = s.register()
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        try:
            one = pool.submit(lambda: Entity(Client(s.address, s.port), thief.origin).retrieve(w.cnt, {"tids": claims["jti"]}))
            assert das.asked().dreq["or"] == absolute(s, thief.origin)
            two = pool.submit(lambda: Entity(Client(s.address, s.port), w.ae.origin).retrieve(w.cnt, {"tids": claims["jti"]}))
            assert das.asked().dreq["or"] == w.who
        finally:
            held.set()
        one.result().expect(4103)
        two.result().expect(2000)


def test_das_is_not_asked_for_its_own_tokens(trusting, das, issuer):
    """AUTHZ-203"""
    w, s = trusting, trusting.server
    das.answer = NOTHING
    me = s.register("Sdas1")
    me.retrieve(w.cnt, {"tids": issuer.token_id()}).expect(4103)
    das.not_asked()
    w.ae.retrieve(w.cnt, {"tids": issuer.token_id()}).expect(4103)
    das.asked()


def test_issuer_of_tokens_gives_no_roles(ward, issuer):
    """AUTHZ-147: an issuer that is no Authority (roles), in its own domain"""
    s = ward
    _, acp = s.owner.policy([rule("guest@das.example", 63), rule(s.owner.origin, 63)])
    cnt = s.owner.container(acpi=[acp])
    by = s.register("Sdas1")
    by.create(s.base, 31, {"rlid": "guest@das.example", "tkis": "Sdas1", "tkhd": s.nurse.origin, "tknb": stamp(-60),
                           "tkna": stamp(3600)}).expect(2001)
    s.nurse.retrieve(cnt, {"rids": "guest@das.example"}).expect(4103)
    token = issuer.token(absolute(s, s.nurse.origin), [permit(cnt, rids=["guest@das.example"])])
    s.nurse.retrieve(cnt, headers={"Authorization": token}).expect(2000)
