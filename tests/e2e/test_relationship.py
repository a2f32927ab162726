# SPDX-License-Identifier: Apache-2.0
"""AE authorization relationship update (catalogue 6, 9.9): an AE with a new AE-ID goes on using its token by a signature its DAS keeps.

Tokens are made by python3-jwcrypto (harness/tokens.py), the DAS is harness/das.py; the signatures are HMACs that only this file knows."""

import base64
import hashlib
import hmac
import time

import pytest

from harness import absolute, free_port, unique
from harness.das import NOTHING, Reply
from harness.tokens import Issuer, permit, rule, write_issuers

SECRET = b"shared by the AE and its DAS"


def sign(token_id, secret=SECRET):
    """AuthorSign of the profile (Q-21): base64url of HMAC-SHA-256 over the Token-ID."""
    return base64.urlsafe_b64encode(hmac.new(secret, token_id.encode(), hashlib.sha256).digest()).decode().rstrip("=")


def dars(*ids, **members):
    return {"m2m:seci": {"sit": 8, "dars": dict({"tids": list(ids)}, **members)}}


def keeps(q):
    """A DAS that keeps a signature for every token."""
    ids = q.darq.get("tids", [])
    return dars(*ids, signature=[sign(t) for t in ids])


class Case:
    """An owner's container, a token for the AE `old`, and the AE `new` that says it is the same."""

    def __init__(self, s, das, issuer):
        self.s, self.das, self.issuer = s, das, issuer
        self.owner, self.old, self.new = s.register(), s.register(), s.register()
        self.cnt = self.owner.container()
        self.claims, self.token = self.make()
        self.id = self.claims["jti"]

    def make(self, **changes):
        holder = absolute(self.s, self.old.origin)
        c = self.issuer.claims(holder, [permit(self.cnt, rule("all", 2 | 4))], **changes)
        return c, self.issuer.sign(c)

    def get(self, who, token=None, aus=None, **kw):
        h = {"Authorization": token or self.token}
        if aus is not None:
            h["X-M2M-AS"] = aus
        return who.retrieve(self.cnt, headers=h, **kw)


@pytest.fixture
def issuer():
    return Issuer(domain="das.example")


@pytest.fixture
def start(new_server, das, issuer, tmp_path):
    def go(addresses=None, **settings):
        path = write_issuers(tmp_path / "issuers.json", issuer.entry(das=addresses or [das.url]))
        return new_server(dict({"authz.issuers": path, "access.registree": "retrieve, notify, discovery", "dynamic.refusal_kept": "0 s"},
                               **settings))
    return go


@pytest.fixture
def case(start, das, issuer):
    return Case(start(), das, issuer)


def wants_signature(r):
    return r.headers.get("x-m2m-asri") == "true"


# --- the update


def test_update(case, das):
    """AUTHZ-204, AUTHZ-206, AUTHZ-207: asked, refused with asri, proven; from then on the token is the new AE's"""
    das.answer = keeps
    case.get(case.old).expect(2000)
    das.not_asked()
    assert wants_signature(case.get(case.new).expect(4103))
    q = das.asked()
    assert q.origin == case.s.cse_id and q.darq == {"tids": [case.id], "asri": True}
    case.get(case.new, aus=sign(case.id)).expect(2000)
    das.not_asked()
    case.get(case.new).expect(2000)
    das.answer = NOTHING
    case.get(case.old).expect(4103)
    das.asked()


def test_update_of_a_change(case, das):
    """AUTHZ-207: a request that changes something, by Token-ID"""
    das.answer = keeps
    case.get(case.old).expect(2000)
    r = case.new.update(case.cnt, 3, {"lbl": ["x"]}, query={"tids": [case.id]}).expect(4103)
    assert wants_signature(r)
    das.asked()
    case.new.update(case.cnt, 3, {"lbl": ["x"]}, query={"tids": [case.id]}, headers={"X-M2M-AS": sign(case.id)}).expect(2004)
    assert case.owner.retrieve(case.cnt)["lbl"] == ["x"]


def test_signature_at_once(case, das):
    """AUTHZ-207: an AE that sends its signature with the first request need not repeat it"""
    das.answer = keeps
    case.get(case.new, aus=sign(case.id)).expect(2000)
    das.asked()
    das.not_asked()


def test_one_of_several_signatures(case, das):
    """AUTHZ-207"""
    das.answer = lambda q: dars(case.id, signature=["YQ", sign(case.id)])
    assert wants_signature(case.get(case.new).expect(4103))
    case.get(case.new, aus="Yg+" + sign(case.id)).expect(2000)


def test_answer_about_several_tokens(case, das):
    """AUTHZ-208: what stands for another token is worth nothing for this one"""
    das.answer = lambda q: dars("t@das.example", case.id, signature=[sign(case.id), "YQ"])
    assert wants_signature(case.get(case.new).expect(4103))
    case.get(case.new, aus=sign(case.id)).expect(4103)
    case.get(case.new, aus="YQ").expect(2000)


@pytest.mark.parametrize("aus", [sign("other"), sign("x", b"other secret"), "YQ", None])
def test_wrong_signature(case, das, aus):
    """AUTHZ-208, T-24: refused, and the holder stays"""
    das.answer = keeps
    case.get(case.new).expect(4103)
    r = case.get(case.new, aus=aus or sign(case.id)[:-1]).expect(4103)
    assert not wants_signature(r)
    case.get(case.old).expect(2000)
    assert wants_signature(case.get(case.new).expect(4103))


NO_SIGNATURE = {
    "no content": lambda q: NOTHING,
    "no signature": lambda q: dars(*q.darq["tids"]),
    "empty signature": lambda q: dars(*q.darq["tids"], signature=[]),
    "empty text": lambda q: dars(*q.darq["tids"], signature=[""]),
    "sit 7": lambda q: {"m2m:seci": {"sit": 7, "dars": keeps(q)["m2m:seci"]["dars"]}},
    "sit 2": lambda q: {"m2m:seci": {"sit": 2, "dres": {}}},
    "neither tids nor tkns": lambda q: {"m2m:seci": {"sit": 8, "dars": {"signature": [sign(q.darq["tids"][0])]}}},
    "another token's": lambda q: dars("t@das.example", signature=[sign(q.darq["tids"][0])]),
    "two, one signature": lambda q: dars("t@das.example", q.darq["tids"][0], signature=[sign(q.darq["tids"][0])]),
    "text": lambda q: dars(*q.darq["tids"], signature=sign(q.darq["tids"][0])),
    "nonsense": lambda q: Reply(body=b"{{{"),
    "refused": lambda q: Reply(keeps(q), rsc=4103),
    "broken": lambda q: Reply(keeps(q), rsc=5000, status=500),
}


@pytest.mark.parametrize("name", NO_SIGNATURE)
def test_no_signature(case, das, name):
    """AUTHZ-208, AUTHZ-210: refused without asri, whatever the AE shows; the holder stays"""
    das.answer = NO_SIGNATURE[name]
    assert not wants_signature(case.get(case.new).expect(4103))
    das.asked()
    case.get(case.new, aus=sign(case.id)).expect(4103)
    case.get(case.old).expect(2000)


def test_unreachable(start, issuer, das):
    """AUTHZ-208"""
    c = Case(start(["http://127.0.0.1:%d/none" % free_port()]), das, issuer)
    assert not wants_signature(c.get(c.new).expect(4103))


@pytest.mark.parametrize("changes", [{"exp": int(time.time()) - 5}, {"nbf": int(time.time()) + 3600}, {"aud": ["//reeve.local/other"]},
                                     {"jti": "t@other.example"}])
def test_only_an_otherwise_good_token(case, das, changes):
    """AUTHZ-204"""
    das.answer = keeps
    _, bad = case.make(**changes)
    assert not wants_signature(case.get(case.new, bad).expect(4103))
    das.not_asked()


def test_not_when_it_is_permitted(case, das):
    """AUTHZ-204: tokens are looked at after a local denial only (Q-9)"""
    das.answer = keeps
    case.owner.retrieve(case.cnt, headers={"Authorization": case.token}).expect(2000)
    das.not_asked()


# --- handing signatures over


def give(case, who, content, **kw):
    return who.notify(case.s.base, {"m2m:seci": content}, **kw)


def test_signatures_go_to_the_das(case, das):
    """AUTHZ-209: with the AE-ID; and come back to nobody"""
    das.answer = keeps
    case.get(case.old).expect(2000)
    r = give(case, case.old, {"sit": 7, "darq": {"tids": [case.id], "aus": [sign(case.id)], "asri": True}}).expect(2000)
    assert not r.body
    q = das.asked()
    assert q.origin == case.s.cse_id
    assert q.darq == {"or": absolute(case.s, case.old.origin), "tids": [case.id], "aus": [sign(case.id)]}
    give(case, case.old, {"sit": 7, "darq": {"tkns": [case.token], "aus": [sign(case.id)]}}).expect(2000)
    assert das.asked().darq == {"or": absolute(case.s, case.old.origin), "tkns": [case.token], "aus": [sign(case.id)]}


def test_signature_of_somebody_else(case, das):
    """AUTHZ-209: only the holder says what stands for a token"""
    das.answer = keeps
    for who in (case.new, case.old):  # nobody knows whose it is
        r = give(case, who, {"sit": 7, "darq": {"tids": [case.id], "aus": [sign(case.id, b"mine")]}}).expect(4103)
        assert "send it whole" in r.content["m2m:dbg"]
    case.get(case.old).expect(2000)
    for darq in ({"tids": [case.id]}, {"tkns": [case.token]}, {"tids": [case.id], "or": absolute(case.s, case.old.origin)}):
        give(case, case.new, {"sit": 7, "darq": dict(darq, aus=[sign(case.id, b"mine")])}).expect(4103)
    das.not_asked()


@pytest.mark.parametrize("darq", [{}, {"aus": ["YQ"]}, {"asri": True}, {"tids": [], "aus": ["YQ"]}, {"tkns": [], "aus": ["YQ"]},
                                  {"tids": ["t@das.example"]}, {"tids": ["t@das.example"], "aus": []}, {"tids": ["no id"], "aus": ["YQ"]},
                                  {"tids": ["t@das.example"], "aus": ["YQ"], "foo": 1}, [], None])
def test_malformed_mapping(case, das, darq):
    """AUTHZ-210: neither tids nor tkns, and other nonsense"""
    content = {"sit": 7, "darq": darq} if darq is not None else {"sit": 7}
    give(case, case.old, content).expect(4000)
    das.not_asked()


def test_no_such_das(case, das):
    """AUTHZ-209"""
    give(case, case.old, {"sit": 7, "darq": {"tids": ["t@other.example"], "aus": ["YQ"]}}).expect(4004)
    das.not_asked()


def test_das_declines(case, das):
    """AUTHZ-209"""
    das.answer = Reply(rsc=4103)
    case.get(case.old).expect(2000)
    give(case, case.old, {"sit": 7, "darq": {"tids": [case.id], "aus": ["YQ"]}}).expect(4103)
    das.asked()


def test_next_address(start, issuer, das):
    """AUTHZ-209: when one cannot be reached"""
    c = Case(start(["http://127.0.0.1:%d/none" % free_port(), das.url]), das, issuer)
    das.answer = NOTHING
    c.get(c.old).expect(2000)
    give(c, c.old, {"sit": 7, "darq": {"tids": [c.id], "aus": ["YQ"]}}).expect(2000)
    das.asked()


def test_secrets_stay_secret(case, das):
    """AUTHZ-180: neither tokens nor signatures are written down"""
    das.answer = keeps
    case.get(case.new, aus="d3Jvbmc").expect(4103)
    case.get(case.new).expect(4103)
    for f in ("data/decisions.log", "stderr.log", "data/audit.log"):
        p = case.s.folder / f
        text = p.read_text() if p.exists() else ""
        assert case.token not in text and sign(case.id) not in text and "d3Jvbmc" not in text, f
    assert unique
