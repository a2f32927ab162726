# SPDX-License-Identifier: Apache-2.0
"""Tokens at the Hosting CSE (catalogue 9.7; TS-0003 7.3.2.4 to 7.3.2.6), made by python3-jwcrypto: what they permit, and every way in which
one does not count. What a token may not do is tried on a resource on which a right one works."""

import base64
import json
import pathlib
import subprocess
import time

import pytest
from jwcrypto import jwk

from harness import Receiver, rule, sp_relative, unique
from harness.server import binary
from harness.tokens import Issuer, encrypt, permit, write_issuers

pytestmark = pytest.mark.xdist_group("tokens")


def key(folder, *args, material=None):
    """reeve key ... on the sealed file of the tests."""
    cmd = [binary(), "key", *args, "--keys.file", str(folder / "keys")]
    return subprocess.run(cmd, input=material, capture_output=True, text=True, check=True).stdout


class World:
    """One server that trusts four issuers, and what they need to make tokens."""

    def __init__(self, folder, new_server, **settings):
        self.das_server = Receiver(answer=lambda got: self.das_answer(got))
        self.das_says = lambda got: None
        self.das = Issuer()
        self.rsa = Issuer("//reeve.local/Srsa", "rsa.example", "rsa-1", kty="RSA")
        self.mac = Issuer("//reeve.local/Smac", "mac.example", "mac-1")
        self.secret = jwk.JWK.generate(kty="oct", size=256, kid="mac-1")
        self.wrap = jwk.JWK.generate(kty="oct", size=128, kid="wrap-1")
        self.cse_key = jwk.JWK.generate(kty="EC", crv="P-256", kid="cse-enc")
        for k, alg in ((self.secret, "HS256"), (self.wrap, "A128KW"), (self.cse_key, "ECDH-ES+A128KW")):
            path = folder / "one.jwk"
            path.write_text(k.export())
            key(folder, "import", str(path), "--alg", alg)
        self.nest = Issuer("//reeve.local/Snest", "nest.example", "nest-1")
        nested = self.nest.entry(classes=["nested", "encrypted"])
        nested["keys"].append({"kid": "cse-enc", "sealed": "cse-enc"})
        self.path = folder / "issuers.json"
        self.entries = [
            self.das.entry(das=[self.das_server.url + "/das"]), self.rsa.entry(),
            {"id": self.mac.id, "domains": ["mac.example"], "classes": ["signed", "encrypted"],
             "keys": [{"kid": "mac-1", "sealed": "mac-1"}, {"kid": "wrap-1", "sealed": "wrap-1"}]}, nested]
        self.server = new_server(dict({"authz.issuers": write_issuers(self.path, *self.entries), "keys.file": str(folder / "keys"),
                                       "authz.unknown_kept": "0 s"}, **settings))

    def das_answer(self, got):
        return self.das_says(got)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    from harness import Server
    made = []

    def start(settings):
        made.append(Server(settings))
        return made[0].start()
    w = World(tmp_path_factory.mktemp("tokens"), start)
    yield w
    w.das_server.close()
    try:
        made[0].stop()
    finally:
        made[0].remove()


@pytest.fixture(autouse=True)
def quiet(request):
    """What earlier tests made the CSE ask is forgotten."""
    if "world" in request.fixturenames:
        queue = request.getfixturevalue("world").das_server.queue
        while not queue.empty():
            queue.get()


@pytest.fixture
def owner(world):
    return world.server.register()


@pytest.fixture
def guest(world):
    g = world.server.register()
    g.abs = world.server.sp_id + sp_relative(world.server, g.origin)
    return g


@pytest.fixture
def cnt(owner):
    return owner.container()


def with_(*tokens):
    return {"headers": [("Authorization", "+".join(tokens))]}


def read(world, cnt, guest, ops=2):
    """Permissions that let guest read cnt."""
    return [permit(world.server.cse_id + "/" + cnt, rule(guest.abs, ops))]


def says(r, text):
    r.expect(4103)
    assert text in r.content["m2m:dbg"], r
    return r


# --- what a token permits


def test_token_permits(world, guest, cnt, owner):
    """AUTHZ-021, AUTHZ-173, AUTHZ-179: its rules join the decision, in every operation; without it nothing changed"""
    def t():
        return with_(world.das.token(guest.abs, read(world, cnt, guest, 63)))
    guest.retrieve(cnt).expect(4103)
    guest.retrieve(cnt, **t()).expect(2000)
    assert guest.update(cnt, 3, {"lbl": ["x"]}, **t()).expect(2004).headers["x-m2m-ati"]
    assert guest.create(cnt, 3, {"rn": "n"}, **t()).expect(2001).headers["x-m2m-ati"]
    assert guest.delete(cnt, **t()).expect(2002).headers["x-m2m-ati"]
    owner.retrieve(cnt).expect(4004)


@pytest.mark.parametrize("ops,wrong", [(2, "update"), (4, "retrieve"), (1, "delete")])
def test_only_what_it_says(world, guest, cnt, ops, wrong):
    """AUTHZ-173: operations of a rule in a token are judged as in a policy"""
    t = world.das.token(guest.abs, read(world, cnt, guest, ops))
    r = getattr(guest, wrong)(*([cnt, 3, {"lbl": []}] if wrong == "update" else [cnt]), **with_(t))
    assert "has no privilege for this operation (" in r.expect(4103).content["m2m:dbg"]
    assert r.headers["x-m2m-ati"], "AUTHZ-179: on refusals, too"


def test_role_of_a_token(world, guest, owner):
    """AUTHZ-173, AUTHZ-078: a role in a token counts where a policy names it, and roles of others' domains do not"""
    _, acp = owner.policy([rule("nurse@das.example", 2), rule("boss@other.example", 4), rule(owner.origin, 63)])
    cnt = owner.container(acpi=[acp])
    t = world.das.token(guest.abs, [permit(None, rids=["nurse@das.example", "boss@other.example"])])
    guest.retrieve(cnt).expect(4103)
    guest.retrieve(cnt, **with_(t)).expect(2000)
    guest.update(cnt, 3, {"lbl": ["x"]}, **with_(t)).expect(4103)


def test_resources_of_a_permission(world, guest, owner):
    """AUTHZ-171: in every spelling the named resource, and nothing else; below it only what has no policies of its own"""
    a, b = owner.container(), owner.container()
    ri = owner.retrieve(a)["ri"]
    inst = owner.instance(a)
    for spelling in (a, ri, world.server.cse_id + "/" + a, world.server.sp_id + world.server.cse_id + "/" + a):
        t = world.das.token(guest.abs, [permit(spelling, rule(guest.abs, 2))])
        guest.retrieve(a, **with_(t)).expect(2000)
        guest.retrieve(ri, **with_(t)).expect(2000)
        guest.retrieve(inst, **with_(t)).expect(2000)
        guest.retrieve(a + "/la", **with_(t)).expect(2000)
        guest.retrieve(b, **with_(t)).expect(4103)
    inner = owner.container(a)
    guest.retrieve(inner, **with_(t)).expect(4103)
    t = world.das.token(guest.abs, [permit(a + "/la", rule(guest.abs, 2))])
    guest.retrieve(a + "/la", **with_(t)).expect(2000)
    guest.retrieve(a, **with_(t)).expect(4103)
    guest.retrieve(inst, **with_(t)).expect(4103)
    guest.retrieve(a + "/ol", **with_(t)).expect(4103)
    owner.instance(b)
    guest.retrieve(b + "/la", **with_(t)).expect(4103)


def test_role_only_for_its_resources(world, guest, owner):
    """AUTHZ-171: ris bounds roles as well"""
    _, acp = owner.policy([rule("nurse@das.example", 2), rule(owner.origin, 63)])
    a, b = owner.container(acpi=[acp]), owner.container(acpi=[acp])
    t = world.das.token(guest.abs, [permit(a, rids=["nurse@das.example"])])
    guest.retrieve(a, **with_(t)).expect(2000)
    guest.retrieve(b, **with_(t)).expect(4103)


def test_rules_without_resources(world, guest, cnt):
    """AUTHZ-172: pv without ris permits nothing, and spoils nothing"""
    loose = {"pv": {"acr": [rule(guest.abs, 63)]}}
    guest.retrieve(cnt, **with_(world.das.token(guest.abs, [loose]))).expect(4103)
    guest.retrieve(cnt, **with_(world.das.token(guest.abs, [loose] + read(world, cnt, guest)))).expect(2000)


def test_originators_in_a_token(world, guest, cnt):
    """Q-35: a rule in a token still needs an originator that fits"""
    t = world.das.token(guest.abs, [permit(cnt, rule("//reeve.local/Ssomebody", 2))])
    guest.retrieve(cnt, **with_(t)).expect(4103)
    t = world.das.token(guest.abs, [permit(cnt, rule("all", 2))])
    guest.retrieve(cnt, **with_(t)).expect(2000)


def test_discovery(world, guest, owner):
    """AUTHZ-081, AUTHZ-173: a token's DISCOVERY privilege shows what it names"""
    label = unique("lbl")
    a = owner.made(owner.at, 3, {"lbl": [label]})
    owner.made(owner.at, 3, {"lbl": [label]})
    assert guest.found(owner.at, [("lbl", label)]) == []
    t = world.das.token(guest.abs, read(world, a, guest, 32))
    assert guest.found(owner.at, [("lbl", label)], **with_(t)) == [a]


def test_group_members(world, guest, owner, cnt):
    """A token goes along to the members of a group (authorization.md 2.13)"""
    other = owner.container()
    grp = owner.made(owner.at, 9, {"mt": 3, "mid": [cnt, other], "mnm": 5})
    t = world.das.token(guest.abs, [permit([grp + "/fopt", cnt], rule(guest.abs, 6))])
    for send in (lambda: guest.retrieve(grp + "/fopt", **with_(t)), lambda: guest.update(grp + "/fopt", 3, {"lbl": ["x"]}, **with_(t))):
        answers = {p["fr"]: p["rsc"] for p in send().expect(2000 if send else 0)["m2m:rsp"]}
        assert sorted(answers.values()) in ([2000, 4103], [2004, 4103]), answers
    assert owner.retrieve(cnt)["lbl"] == ["x"] and "lbl" not in owner.retrieve(other).res


def test_macp_is_not_opened_by_a_token_for_the_group(world, guest, owner, cnt):
    """AUTHZ-126, AUTHZ-171: members are opened by membersAccessControlPolicyIDs, or by a token that names the fan-out"""
    _, pol = owner.policy([rule(owner.origin, 63)])
    grp = owner.made(owner.at, 9, {"mt": 3, "mid": [cnt], "mnm": 5, "macp": [pol]})
    t = world.das.token(guest.abs, [permit(grp, rule(guest.abs, 63))])
    guest.retrieve(grp, **with_(t)).expect(2000)
    guest.retrieve(grp + "/fopt", **with_(t)).expect(4103)


def test_several_tokens_add_up(world, guest, owner):
    """AUTHZ-173: the rules of one and the role of another work together in one decision"""
    cnt = owner.container()
    t1 = world.das.token(guest.abs, [permit(cnt, rule("nurse@rsa.example", 2))])
    t2 = world.rsa.token(guest.abs, [permit(None, rids=["nurse@rsa.example"])])
    guest.retrieve(cnt, **with_(t1)).expect(4103)
    guest.retrieve(cnt, **with_(t1, t2)).expect(2000)


# --- when tokens are looked at


def test_not_needed_not_looked_at(world, owner, cnt):
    """Q-9, AUTHZ-169: what local rules permit is permitted, whatever the token"""
    owner.retrieve(cnt, **with_("a.b.c")).expect(2000)
    owner.update(cnt, 3, {"lbl": ["y"]}, **with_("no token at all.x")).expect(2004)
    assert "x-m2m-ati" not in owner.retrieve(cnt, **with_(world.das.token("//reeve.local/Sx"))).expect(2000).headers


def test_one_bad_token_is_enough(world, guest, cnt):
    """AUTHZ-169, AUTHZ-170, E2E-124: once tokens are needed, one that fails refuses the request, wherever it stands"""
    good = world.das.token(guest.abs, read(world, cnt, guest, 6))
    bad = world.das.token(guest.abs, exp=int(time.time()) - 1)
    says(guest.retrieve(cnt, **with_(good, bad)), "tkns[1]: the token has expired")
    says(guest.retrieve(cnt, **with_(bad, good)), "tkns[0]: the token has expired")
    says(guest.update(cnt, 3, {"lbl": ["z"]}, **with_(good, bad)), "tkns[1]")
    says(guest.retrieve(cnt, [("ltids", "Lnone")], **with_(good)), "ltids[0]")
    guest.retrieve(cnt, **with_(good)).expect(2000)


# --- the protection


CRYPTO = [
    ("RSA", lambda w, h, pm: w.rsa.token(h, pm)),
    ("HMAC", lambda w, h, pm: w.mac.sign(dict(w.mac.claims(h, pm), iss=w.mac.id), key=w.secret, alg="HS256", kid="mac-1")),
    ("encrypted to a shared key", lambda w, h, pm: encrypt(w.mac.claims(h, pm), w.wrap, alg="A128KW", kid="wrap-1")),
    ("nested", lambda w, h, pm: encrypt(w.nest.token(h, pm), w.cse_key, alg="ECDH-ES+A128KW", kid="cse-enc", cty="JWT")),
    ("nested, A256GCM", lambda w, h, pm: encrypt(w.nest.token(h, pm), w.cse_key, alg="ECDH-ES+A128KW", enc="A256GCM", kid="cse-enc", cty="JWT")),
]


@pytest.mark.parametrize("make", [m for _, m in CRYPTO], ids=[n for n, _ in CRYPTO])
def test_protections(world, guest, cnt, make):
    """E2E-120, AUTHZ-156: each class with the keys and algorithms that its issuer is permitted"""
    guest.retrieve(cnt, **with_(make(world, guest.abs, read(world, cnt, guest)))).expect(2000)


def flip(token, part):
    parts = token.split(".")
    p = parts[part]
    parts[part] = p[:5] + ("A" if p[5] != "A" else "B") + p[6:]
    return ".".join(parts)


def unsigned(world, h, **header):
    def b64(o):
        return base64.urlsafe_b64encode(json.dumps(o).encode()).rstrip(b"=").decode()
    return "%s.%s." % (b64(dict({"typ": "JWT", "alg": "none", "kid": "das-1"}, **header)), b64(world.das.claims(h)))


def confused(world, h):
    """HMAC with the public key of the issuer as the secret, in the forms a careless verifier would take."""
    pem = jwk.JWK(kty="oct", k=base64.urlsafe_b64encode(world.das.key.export_to_pem()).rstrip(b"=").decode())
    return world.das.sign(world.das.claims(h), key=pem, alg="HS256")


HOSTILE = [
    # AUTHZ-155: not of the shape of a token
    ("AUTHZ-155 one part", lambda w, h, pm: "abc.", "tkns[0]"),
    ("AUTHZ-155 four parts", lambda w, h, pm: w.das.token(h, pm) + ".x", "tkns[0]"),
    ("AUTHZ-155 padding", lambda w, h, pm: w.das.token(h, pm) + "=", "tkns[0]"),
    ("AUTHZ-155 not base64url", lambda w, h, pm: w.das.token(h, pm).replace(".", ".*", 1), "tkns[0]"),
    ("AUTHZ-155 empty signature", lambda w, h, pm: w.das.token(h, pm).rsplit(".", 1)[0] + ".", "tkns[0]"),
    # AUTHZ-156, E2E-122: class and algorithm as permitted to the issuer
    ("AUTHZ-156 class", lambda w, h, pm: w.nest.token(h, pm), "not permitted"),
    ("AUTHZ-156 class", lambda w, h, pm: encrypt(w.das.claims(h, pm), w.wrap, alg="A128KW", kid="das-1"), "tkns[0]"),
    ("AUTHZ-156 HMAC inside", lambda w, h, pm: encrypt(w.mac.sign(w.mac.claims(h, pm), key=w.secret, alg="HS256", kid="mac-1"), w.cse_key,
                                                       alg="ECDH-ES+A128KW", kid="cse-enc", cty="JWT"), "tkns[0]"),
    ("E2E-122 algorithm", lambda w, h, pm: encrypt(w.nest.token(h, pm), w.cse_key, alg="ECDH-ES+A256KW", kid="cse-enc", cty="JWT"),
     "tkns[0]"),
    ("E2E-122 CBC", lambda w, h, pm: encrypt(w.nest.token(h, pm), w.cse_key, alg="ECDH-ES+A128KW", enc="A128CBC-HS256", kid="cse-enc",
                                             cty="JWT"), "tkns[0]"),
    # AUTHZ-157: signature, MIC, tag; T-22 with what follows
    ("AUTHZ-157 signature", lambda w, h, pm: flip(w.das.token(h, pm), 2), "not right"),
    ("AUTHZ-157 claims", lambda w, h, pm: flip(w.das.token(h, pm, tknm="x" * 40), 1), "not right"),
    ("AUTHZ-157 header", lambda w, h, pm: flip(w.rsa.token(h, pm), 0), "tkns[0]"),
    ("AUTHZ-157 MIC", lambda w, h, pm: flip(w.mac.sign(w.mac.claims(h, pm), key=w.secret, alg="HS256", kid="mac-1"), 2), "not right"),
    ("AUTHZ-157 tag", lambda w, h, pm: flip(encrypt(w.mac.claims(h, pm), w.wrap, alg="A128KW", kid="wrap-1"), 4), "not right"),
    ("AUTHZ-157 wrapped key", lambda w, h, pm: flip(encrypt(w.mac.claims(h, pm), w.wrap, alg="A128KW", kid="wrap-1"), 1),
     "not right"),
    ("AUTHZ-157 another key", lambda w, h, pm: w.das.sign(w.das.claims(h, pm), key=jwk.JWK.generate(kty="EC", crv="P-256")),
     "not right"),
    # AUTHZ-158, E2E-123
    ("AUTHZ-158 none", lambda w, h, pm: unsigned(w, h), "tkns[0]"),
    ("E2E-123 none", lambda w, h, pm: unsigned(w, h, alg="None"), "tkns[0]"),
    # AUTHZ-159, AUTHZ-160, E2E-120: typ and cty
    ("AUTHZ-159 no typ", lambda w, h, pm: w.das.sign(w.das.claims(h, pm), typ=None), "typ"),
    ("AUTHZ-159 typ", lambda w, h, pm: w.das.sign(w.das.claims(h, pm), typ="JOSE"), "typ"),
    ("AUTHZ-159 typ of the JWE", lambda w, h, pm: encrypt(w.mac.claims(h, pm), w.wrap, alg="A128KW", kid="wrap-1", typ=None), "typ"),
    ("AUTHZ-159 typ inside", lambda w, h, pm: encrypt(w.nest.sign(w.nest.claims(h, pm), typ=None), w.cse_key, alg="ECDH-ES+A128KW",
                                                      kid="cse-enc", cty="JWT"), "typ"),
    ("AUTHZ-160 cty of a JWS", lambda w, h, pm: w.das.sign(w.das.claims(h, pm), cty="JWT"), "cty"),
    ("AUTHZ-160 cty of a JWE", lambda w, h, pm: encrypt(w.mac.claims(h, pm), w.wrap, alg="A128KW", kid="wrap-1", cty="json"), "cty"),
    ("AUTHZ-160 nested without", lambda w, h, pm: encrypt(w.nest.token(h, pm), w.cse_key, alg="ECDH-ES+A128KW", kid="cse-enc"),
     "tkns[0]"),
    ("AUTHZ-160 cty inside", lambda w, h, pm: encrypt(w.nest.sign(w.nest.claims(h, pm), cty="JWT"), w.cse_key, alg="ECDH-ES+A128KW",
                                                      kid="cse-enc", cty="JWT"), "cty"),
    # AUTHZ-161
    ("AUTHZ-161 confusion", lambda w, h, pm: confused(w, h), "not permitted"),
    ("AUTHZ-161 another alg", lambda w, h, pm: w.rsa.sign(w.rsa.claims(h, pm), alg="RS512"), "not permitted"),
    # headers
    ("crit", lambda w, h, pm: w.das.sign_raw(w.das.claims(h, pm), crit=["exp"], exp=1), "tkns[0]"),
    ("no kid", lambda w, h, pm: w.das.sign(w.das.claims(h, pm), kid=None), "kid"),
    ("unknown kid", lambda w, h, pm: w.das.sign(w.das.claims(h, pm), kid="das-9"), "kid"),
    # AUTHZ-168: whose it is
    ("AUTHZ-168 kid of another", lambda w, h, pm: w.rsa.sign(dict(w.rsa.claims(h, pm), iss=w.das.id, jti=w.das.token_id())), "issuer"),
    ("AUTHZ-168 unknown issuer", lambda w, h, pm: w.das.token(h, pm, iss="//reeve.local/Sother"), "issuer"),
    ("AUTHZ-168 foreign domain", lambda w, h, pm: w.das.token(h, pm, jti="t@rsa.example"), "domain"),
    ("AUTHZ-168 its shared key", lambda w, h, pm: encrypt(w.das.claims(h, pm), w.wrap, alg="A128KW", kid="wrap-1"), "issuer"),
    # AUTHZ-181
    ("AUTHZ-181 to a certificate", lambda w, h, pm: encrypt(w.nest.claims(h, pm), w.cse_key, alg="ECDH-ES+A128KW", kid="cse-enc"),
     "nest it"),
]


@pytest.mark.parametrize("make,text", [(m, t) for _, m, t in HOSTILE], ids=[n for n, _, _ in HOSTILE])
def test_hostile(world, guest, cnt, make, text):
    """AUTHZ-155 to AUTHZ-161, AUTHZ-168, AUTHZ-170, AUTHZ-181, E2E-120, E2E-122, E2E-123: 4103, with a reason that helps"""
    t = make(world, guest.abs, read(world, cnt, guest))
    r = says(guest.retrieve(cnt, **with_(t)), text)
    assert t.split(".")[1][:12] not in str(r.content) or len(t) < 20
    assert world.server.alive()


# --- claims


def test_missing_claims(world, guest, cnt):
    """AUTHZ-162"""
    for claim in ("tkvr", "jti", "iss", "azp", "nbf", "exp"):
        says(guest.retrieve(cnt, **with_(world.das.token(guest.abs, read(world, cnt, guest), **{claim: None}))), claim)


WRONG = [("tkvr", 1), ("jti", 7), ("jti", "no-domain"), ("jti", "t@DAS.example"), ("azp", ["//reeve.local/Sx"]), ("nbf", "0"), ("exp", "9999999999"),
         ("exp", True), ("exp", -1), ("exp", 1e300), ("exp", 10**30), ("nbf", None and 0 or [0]), ("aud", 5), ("aud", [5]), ("aud", {}),
         ("tkps", []), ("tkps", "x"), ("tkps", {"pm": {}}), ("tkps", {"pm": [{"ris": "x"}]}), ("tkps", {"pm": [{"rids": ["no role"]}]}),
         ("tkps", {"pm": [{"ris": ["cse"], "pv": {"acr": [{"acop": 63}]}}]}), ("tkps", {"px": []}), ("tknm", 1), ("tkex", {})]


@pytest.mark.parametrize("claim,value", WRONG, ids=["%s %r" % (c, v if not isinstance(v, int) or v < 10**20 else "huge") for c, v in WRONG])
def test_wrong_claims(world, guest, cnt, claim, value):
    """AUTHZ-162: of a wrong type"""
    says(guest.retrieve(cnt, **with_(world.das.token(guest.abs, read(world, cnt, guest), **{claim: value}))), claim)


def test_claims_as_text(world, guest, cnt):
    """AUTHZ-162: a claim twice, no JSON, no object"""
    good = json.dumps(world.das.claims(guest.abs, read(world, cnt, guest)))
    for body in (good[:-1] + ',"exp":9999999999}', "[]", "null", "", good[:-1], good + "x", good.replace("{", "{\x01", 1)):
        says(guest.retrieve(cnt, **with_(world.das.sign(body))), "claims")
    guest.retrieve(cnt, **with_(world.das.sign(good[:-1] + ',"iat":1,"sub":{"a":[null]}}'))).expect(2000)


def test_version_alias(world, guest, cnt):
    """AUTHZ-164"""
    pm = read(world, cnt, guest)
    guest.retrieve(cnt, **with_(world.das.token(guest.abs, pm, tkvr=None, vr="1"))).expect(2000)
    guest.retrieve(cnt, **with_(world.das.token(guest.abs, pm, vr="1"))).expect(2000)
    says(guest.retrieve(cnt, **with_(world.das.token(guest.abs, pm, vr="2"))), "tkvr")


def test_holder(world, guest, owner, cnt):
    """AUTHZ-165, AUTHZ-174, E2E-124: what another one's token permits, it permits to him"""
    thief = world.server.register()
    t = world.das.token(guest.abs, [permit(cnt, rule("all", 63))])
    assert "x-m2m-ati" not in says(thief.retrieve(cnt, **with_(t)), "holder").headers
    lti, tkid = guest.retrieve(cnt, **with_(t)).expect(2000).headers["x-m2m-ati"].split(":")
    says(thief.retrieve(cnt, **with_(t)), "holder")
    guest.retrieve(cnt, **with_(t)).expect(2000)
    says(thief.retrieve(cnt, [("ltids", lti)]), "holder")
    says(thief.retrieve(cnt, [("tids", tkid)]), "holder")
    assert "x-m2m-ati" not in thief.retrieve(cnt, **with_(t)).headers


@pytest.mark.parametrize("holder", ["C%s", "/reeve/C%s", "//reeve.local/reeve/C%s/x", "//reeve.local", "nobody"])
def test_holder_is_absolute(world, guest, cnt, holder):
    """AUTHZ-165: one absolute identifier (Q-19)"""
    name = holder % guest.origin[1:] if "%" in holder else holder
    says(guest.retrieve(cnt, **with_(world.das.token(name, read(world, cnt, guest)))), "azp")


def test_holder_in_another_case(world, guest, cnt):
    """AUTHZ-165: canonical forms are compared: the domain without regard to case, the rest exactly"""
    pm = read(world, cnt, guest)
    guest.retrieve(cnt, **with_(world.das.token(guest.abs.replace("reeve.local", "Reeve.LOCAL"), pm))).expect(2000)
    says(guest.retrieve(cnt, **with_(world.das.token(guest.abs.upper().replace("//REEVE.LOCAL", "//reeve.local"), pm))), "holder")


def test_times(world, guest, cnt):
    """AUTHZ-166, AUTHZ-163, E2E-121, E2E-124: from nbf on, until before exp; whole seconds and fractions"""
    now = int(time.time())
    pm = read(world, cnt, guest)
    for changes, text in (({"nbf": now + 600}, "not valid yet"), ({"exp": now}, "expired"), ({"exp": now - 0.5}, "expired"),
                          ({"nbf": now + 600.25, "exp": now + 700}, "not valid yet"), ({"nbf": 0, "exp": 1}, "expired")):
        says(guest.retrieve(cnt, **with_(world.das.token(guest.abs, pm, **changes))), text)
    for changes in ({"nbf": now - 0.000001}, {"exp": now + 100.5}, {"nbf": 0}, {"exp": 253402300799}):
        guest.retrieve(cnt, **with_(world.das.token(guest.abs, pm, **changes))).expect(2000)


def test_expired_while_cached(world, guest, cnt):
    """AUTHZ-176: a cached token ends when it says so"""
    exp = int(time.time()) + 2
    t = world.das.token(guest.abs, read(world, cnt, guest), exp=exp)
    lti, tkid = guest.retrieve(cnt, **with_(t)).expect(2000).headers["x-m2m-ati"].split(":")
    while True:
        r = guest.retrieve(cnt, [("ltids", lti)])
        if time.time() < exp - 0.2:
            r.expect(2000)
        elif r.rsc != 2000:
            break
        assert time.time() < exp + 5, "the token never expires"
    says(guest.retrieve(cnt, **with_(t)), "expired")
    says(guest.retrieve(cnt, [("ltids", lti)]), "ltids[0]")
    says(guest.retrieve(cnt, [("tids", tkid)]), "tids[0]")


AUDIENCES = [(["//reeve.local/reeve"], True), (["//other.example/x", "//reeve.local/reeve"], True), (["//*/reeve"], True), (["//reeve.local/*"], True),
             (["//reeve.local/re*e"], True), (["//REEVE.local/reeve"], True), ("//reeve.local/reeve", True), ([], True), (["//*/*"], True),
             (["//reeve.local/other"], False), (["*"], False), (["/reeve"], False), (["//reeve.local/REEVE"], False), (["//reeve.local/reeve/*"], False),
             (["//reeve.local"], False), (["//*"], False), ([""], False)]


@pytest.mark.parametrize("aud,ok", AUDIENCES, ids=[repr(a) for a, _ in AUDIENCES])
def test_audience(world, guest, cnt, aud, ok):
    """AUTHZ-167, E2E-124"""
    r = guest.retrieve(cnt, **with_(world.das.token(guest.abs, read(world, cnt, guest), aud=aud)))
    r.expect(2000) if ok else says(r, "not meant for this CSE")


def test_large(world, guest, cnt):
    """Bounds: permissions, resources, roles, bytes, nesting"""
    big = [permit("cse/x%d" % i, rule(guest.abs, 2)) for i in range(65)]
    says(guest.retrieve(cnt, **with_(world.das.token(guest.abs, big))), "at most")
    says(guest.retrieve(cnt, **with_(world.das.token(guest.abs, [permit(["x%d" % i for i in range(257)], rule(guest.abs, 2))]))), "at most")
    says(guest.retrieve(cnt, **with_(world.das.token(guest.abs, [permit(None, rids=["r%d@das.example" % i for i in range(257)])]))), "at most")
    deep = world.das.claims(guest.abs, read(world, cnt, guest))
    says(guest.retrieve(cnt, **with_(world.das.sign(json.dumps(dict(deep, x=0)).replace('"x": 0', '"x":' + "[" * 40 + "]" * 40)))), "nested")
    fits = [permit(cnt, rule(guest.abs, 2))] + [permit("cse/x%d" % i, rule("Cabc", 2)) for i in range(63)]
    guest.retrieve(cnt, **with_(world.das.token(guest.abs, fits))).expect(2000)


# --- identifiers


def test_local_token_ids(world, guest, cnt):
    """AUTHZ-178: assigned for what came whole, told once, unique, an NCName; sent alone they do the same; each request may mix them"""
    tokens = [world.das.token(guest.abs, read(world, cnt, guest)) for _ in range(3)]
    pairs = guest.retrieve(cnt, **with_(*tokens)).expect(2000).headers["x-m2m-ati"].split("+")
    ltis = [p.split(":")[0] for p in pairs]
    assert len(set(ltis)) == 3 and all(x[0].isalpha() and x.isalnum() for x in ltis)
    r = guest.retrieve(cnt, [("ltids", ltis[:2])]).expect(2000)
    assert "x-m2m-ati" not in r.headers
    guest.update(cnt, 3, {"lbl": ["x"]}, query=[("ltids", ltis[0])]).expect(4103)
    writer = world.das.token(guest.abs, read(world, cnt, guest, 4))
    r = guest.update(cnt, 3, {"lbl": ["x"]}, query=[("ltids", ltis[0])], **with_(writer)).expect(2004)
    assert len(r.headers["x-m2m-ati"].split("+")) == 1
    assert "x-m2m-ati" not in guest.retrieve(cnt, **with_(tokens[0])).expect(2000).headers, "it is told once"


@pytest.mark.parametrize("query", [("ltids", "Lnobody"), ("tids", "nobody@rsa.example"), ("tids", "nobody@unknown.example")])
def test_unknown_identifiers(world, guest, owner, cnt, query):
    """AUTHZ-177; and where local rules permit, nobody asks (Q-9)"""
    says(guest.retrieve(cnt, [query]), query[0] + "[0]")
    says(guest.delete(cnt, query=[query]), query[0] + "[0]")
    owner.retrieve(cnt, [query]).expect(2000)


def test_relationship_indicator(world, guest, cnt):
    """AUTHZ-202: also with auri the cached token is the Originator's, by his absolute AE-ID, and nobody else's"""
    thief = world.server.register()
    his = world.das.claims(guest.abs, read(world, cnt, guest))
    world.das_says = lambda got: dres(world.das.sign(his))
    auri = [("tids", his["jti"]), ("auri", "true")]
    says(thief.retrieve(cnt, auri), "holder")
    guest.retrieve(cnt, auri).expect(2000)
    world.das_says = lambda got: dres()
    guest.retrieve(cnt, [("tids", his["jti"])]).expect(2000)
    for query in (auri, [("tids", his["jti"])]):
        says(thief.retrieve(cnt, query), "holder")
    t = world.das.token(guest.abs, read(world, cnt, guest))
    lti = guest.retrieve(cnt, [("auri", "true")], **with_(t)).expect(2000).headers["x-m2m-ati"].split(":")[0]
    guest.retrieve(cnt, [("ltids", lti)]).expect(2000)
    says(thief.retrieve(cnt, [("ltids", lti), ("auri", "true")]), "holder")


def test_token_id_of_a_cached_token(world, guest, cnt):
    """A Token-ID whose token is known asks nobody"""
    t = world.das.token(guest.abs, read(world, cnt, guest))
    tkid = guest.retrieve(cnt, **with_(t)).expect(2000).headers["x-m2m-ati"].split(":")[1]
    world.das_says = lambda got: pytest.fail("asked")
    guest.retrieve(cnt, [("tids", tkid)]).expect(2000)
    assert world.das_server.queue.empty()


# --- Token-IDs are fetched


def seci(got):
    assert set(got.content) == {"m2m:seci"} and got.content["m2m:seci"]["sit"] == 1
    return got.content["m2m:seci"]["dreq"]


def dres(*tokens, sit=2):
    return 2000, {"m2m:seci": {"sit": sit, "dres": {"tkns": list(tokens)}}}


@pytest.mark.parametrize("op", ["retrieve", "update"])
def test_fetch(world, guest, cnt, op):
    """AUTHZ-201: the DAS of the domain is asked, once, for all its Token-IDs; afterwards they are known"""
    claims = [world.das.claims(guest.abs, read(world, cnt, guest, 6)) for _ in range(2)]
    world.das_says = lambda got: dres(*[world.das.sign(c) for c in claims])
    ids = [c["jti"] for c in claims]

    def send(**kw):
        return guest.retrieve(cnt, **kw) if op == "retrieve" else guest.update(cnt, 3, {"lbl": ["x"]}, **kw)
    r = send(query=[("tids", ids)]).expect(2000 if op == "retrieve" else 2004)
    assert sorted(p.split(":")[1] for p in r.headers["x-m2m-ati"].split("+")) == sorted(ids)
    got = world.das_server.get()
    assert got.path == "/das" and got.origin == "/reeve" and got.method == "POST"
    d = seci(got)
    assert d["or"] == guest.abs and d["op"] == (2 if op == "retrieve" else 3) and d["trt"] == 3 and sorted(d["tids"]) == sorted(ids)
    assert d["trid"] == world.server.cse_id + "/" + cnt
    send(query=[("tids", ids)]).expect(2000 if op == "retrieve" else 2004)
    world.das_server.nothing_more()


BAD_ANSWERS = [
    ("refusal", lambda w, c: 4103), ("nothing", lambda w, c: 2000), ("another sit", lambda w, c: dres(w.das.sign(c), sit=8)),
    ("no list", lambda w, c: (2000, {"m2m:seci": {"sit": 2, "dres": {"tkns": "x"}}})), ("a wrong one", lambda w, c: dres(w.das.sign(dict(c, jti=w.das.token_id())))),
    ("expired", lambda w, c: dres(w.das.sign(dict(c, exp=1)))), ("forged", lambda w, c: dres(flip(w.das.sign(c), 2))),
    ("of another issuer", lambda w, c: dres(w.rsa.sign(dict(c, iss=w.rsa.id)))),
    ("junk", lambda w, c: (2000, {"m2m:seci": {"sit": 2, "dres": {"tkns": ["x", 5, None, "a.b.c"]}}})),
]


@pytest.mark.parametrize("answer", [a for _, a in BAD_ANSWERS], ids=[n for n, _ in BAD_ANSWERS])
def test_fetch_in_vain(world, guest, cnt, answer):
    """AUTHZ-177, AUTHZ-189: what does not bring the token denies"""
    claims = world.das.claims(guest.abs, read(world, cnt, guest))
    world.das_says = lambda got: answer(world, claims)
    says(guest.retrieve(cnt, [("tids", claims["jti"])]), "tids[0]")
    world.das_server.get()
    world.das_says = lambda got: dres(world.das.sign(claims))
    guest.retrieve(cnt, [("tids", claims["jti"])]).expect(2000)
    world.das_server.get()


def test_fetch_is_not_for_others(world, guest, cnt):
    """A Token-ID fetched for one Originator serves nobody else"""
    claims = world.das.claims(guest.abs, read(world, cnt, guest))
    world.das_says = lambda got: dres(world.das.sign(claims))
    thief = world.server.register()
    says(thief.retrieve(cnt, [("tids", claims["jti"])]), "holder")
    assert seci(world.das_server.get())["or"] != guest.abs
    guest.retrieve(cnt, [("tids", claims["jti"])]).expect(2000)
    world.das_says = lambda got: dres(world.das.sign(dict(claims, jti="other@das.example", azp="//reeve.local/Sx")))
    says(guest.retrieve(cnt, [("tids", "other@das.example")]), "holder")


# --- <token>


def test_token_resource(world, guest, owner, cnt):
    """AUTHZ-153, AUTHZ-154, AUTHZ-155: what it needs, and that it is written once"""
    admin = world.server.admin()
    token = world.das.claims(guest.abs, read(world, cnt, guest))
    text = world.das.sign(token)
    admin.create("cse", 32, {"tkid": token["jti"]}).expect(4000)
    admin.create("cse", 32, {"tkob": text}).expect(4000)
    for bad in ("abc", text + ".x", text.rsplit(".", 1)[0] + ".", "a b.c.d"):
        admin.create("cse", 32, {"tkid": token["jti"], "tkob": bad}).expect(4000)
    at = admin.made("cse", 32, {"tkid": token["jti"], "tkob": text, "tkhd": guest.abs, "vr": "1"})
    assert admin.retrieve(at)["tkob"] == text
    for attr, value in (("tkid", "x@das.example"), ("tkob", text), ("tkhd", guest.abs), ("tkis", world.das.id), ("tknb", "20260101T000000"),
                        ("tkna", "20260101T000000"), ("tknm", "n"), ("tkau", ["//x.example/y"]), ("tkps", {"pm": []}), ("tkex", "x"), ("vr", "2")):
        admin.update(at, 32, {attr: value}).expect(4000)
    admin.update(at, 32, {"lbl": ["fine"]}).expect(2004)
    guest.retrieve(at).expect(4103)
    guest.retrieve(cnt, [("tids", token["jti"])]).expect(2000)
    admin.delete(at).expect(2002)
    assert world.das_server.queue.empty(), "what is here is not fetched"


def test_copy_agrees(world, guest, cnt):
    """A <token> that says something else than its token is refused; what agrees is accepted, in every claim (AUTHZ-163)"""
    admin = world.server.admin()
    c = world.das.claims(guest.abs, read(world, cnt, guest), tknm="n", tkex="e", aud=["//reeve.local/reeve"], nbf=1772352000, exp=4102444800)
    copy = {"tkid": c["jti"], "vr": "1", "tkis": c["iss"], "tkhd": guest.abs, "tknb": "20260301T080000", "tkna": "21000101T000000",
            "tknm": "n", "tkau": ["//reeve.local/reeve"], "tkps": c["tkps"], "tkex": "e"}
    text = world.das.sign(c)
    at = admin.made("cse", 32, dict(copy, tkob=text))
    admin.delete(at).expect(2002)
    for attr, value in (("tkid", "x@das.example"), ("vr", "2"), ("tkis", "//reeve.local/Sx"), ("tkhd", "//reeve.local/Sx"), ("tknb", "20260301T080001"),
                        ("tkna", "21000101T000001"), ("tknm", "m"), ("tkau", ["//reeve.local/other"]), ("tkps", {"pm": []}), ("tkex", "f")):
        r = admin.create("cse", 32, dict(copy, tkob=text, **{attr: value})).expect(4000)
        assert attr in r.content["m2m:dbg"], r


def test_holder_changes_by_the_issuer(world, guest, owner, cnt):
    """AUTHZ-205: the issuer of the token, and nobody else, enters another holder"""
    admin = world.server.admin()
    das = world.server.entity("Sdas1")
    new = world.server.register()
    new_abs = world.server.sp_id + sp_relative(world.server, new.origin)
    c = world.das.claims(guest.abs, [permit(cnt, rule("all", 2))])
    t = world.das.sign(c)
    acp = admin.policy([rule([admin.origin, "Sdas1", "all"], 63)], to="cse")
    at = admin.made("cse", 32, {"tkid": c["jti"], "tkob": t, "tkhd": guest.abs, "acpi": [acp[1]]})
    world.server.register("Sdas1")
    guest.retrieve(cnt, **with_(t)).expect(2000)
    says(new.retrieve(cnt, **with_(t)), "holder")
    guest.update(at, 32, {"tkhd": new_abs}).expect(4000)
    das.update(at, 32, {"tkhd": new_abs, "lbl": ["x"]}).expect(4000)
    das.update(at, 32, {"tkhd": "nobody"}).expect(4000)
    das.update(at, 32, {"tkhd": new_abs}).expect(2004)
    new.retrieve(cnt, **with_(t)).expect(2000)
    new.retrieve(cnt, [("tids", c["jti"])]).expect(2000)
    says(guest.retrieve(cnt, **with_(t)), "holder")
    assert admin.retrieve(at)["tkhd"] == new_abs


def test_token_text_cannot_be_guessed(world, guest):
    """AUTHZ-180: who may find a <token> may not try letters of it in a filter"""
    admin = world.server.admin()
    _, acp = admin.policy([rule("all", 32), rule(admin.origin, 63)], to="cse")
    t = world.das.sign(world.das.claims(guest.abs))
    tkid = world.das.token_id()
    c = world.das.claims(guest.abs, jti=tkid)
    t = world.das.sign(c)
    at = admin.made("cse", 32, {"tkid": tkid, "tkob": t, "acpi": [acp]})
    assert guest.found("cse", [("tkid", tkid)]) == [at]
    assert guest.found("cse", [("tkob", t)]) == [] and guest.found("cse", [("tkob", "eyJ*")]) == []


# --- life


def test_deregistration(world, owner, cnt):
    """Q-41: with its AE go its cached tokens; another AE of that name does not have them"""
    name = "C" + unique("again").replace("-", "")
    a = world.server.entity(name)
    r = a.create("cse", 2, {"api": "Nx", "rr": False, "srv": ["3"]}).expect(2001)
    holder = world.server.sp_id + world.server.cse_id + "/" + name
    t = world.das.token(holder, [permit(cnt, rule("all", 2))])
    lti = a.retrieve(cnt, **with_(t)).expect(2000).headers["x-m2m-ati"].split(":")[0]
    a.retrieve(cnt, [("ltids", lti)]).expect(2000)
    a.delete(r["ri"]).expect(2002)
    a.create("cse", 2, {"api": "Nx", "rr": False, "srv": ["3"]}).expect(2001)
    says(a.retrieve(cnt, [("ltids", lti)]), "ltids[0]")


def test_reload(tmp_path, new_server):
    """SIGHUP: an issuer that is taken out counts no more, also with what is cached; a broken file changes nothing"""
    import signal
    w = World(tmp_path, new_server)
    s = w.server
    a, g = s.register(), s.register()
    cnt, abs_ = a.container(), s.sp_id + sp_relative(s, g.origin)
    t = w.das.token(abs_, [permit(cnt, rule(abs_, 2))])
    g.retrieve(cnt, **with_(t)).expect(2000)

    def hup(said):
        had = s.errors().count(said)
        s.process.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + 15
        while s.errors().count(said) == had:
            assert time.monotonic() < deadline, "SIGHUP was not heard"
            time.sleep(0.01)
    w.path.write_text('{"issuers":[{"id":"//reeve.local/Sdas1","domainz":[]}]}')
    hup("stay as they were")
    assert "domainz" in s.errors() and "issuers[0]" in s.errors()
    g.retrieve(cnt, **with_(t)).expect(2000)
    write_issuers(w.path, *w.entries[1:])
    hup("are read again")
    says(g.retrieve(cnt, **with_(t)), "tkns[0]")
    write_issuers(w.path, *w.entries)
    hup("are read again")
    g.retrieve(cnt, **with_(t)).expect(2000)
    w.das_server.close()


def test_small_cache(tmp_path, new_server):
    """limits.tokens_cached: without a cache everything works, only slower, and no Local-Token-IDs are assigned"""
    w = World(tmp_path, new_server, **{"limits.tokens_cached": 0})
    s = w.server
    a, g = s.register(), s.register()
    cnt, abs_ = a.container(), s.sp_id + sp_relative(s, g.origin)
    claims = w.das.claims(abs_, [permit(cnt, rule(abs_, 6))])
    t = w.das.sign(claims)
    for _ in range(2):
        assert "x-m2m-ati" not in g.retrieve(cnt, **with_(t)).expect(2000).headers
        g.update(cnt, 3, {"lbl": ["x"]}, **with_(t)).expect(2004)
    w.das_says = lambda got: dres(t)
    g.update(cnt, 3, {"lbl": ["y"]}, query=[("tids", claims["jti"])]).expect(2004)
    w.das_server.close()


def test_no_token_is_told(tmp_path, new_server):
    """AUTHZ-180: no part of a token in the log, the log of denials, the audit log, the store, /metrics or an answer"""
    w = World(tmp_path, new_server, **{"log.level": "debug"})
    s = w.server
    a, g = s.register(), s.register()
    cnt, abs_ = a.container(), s.sp_id + sp_relative(s, g.origin)
    claims = w.das.claims(abs_, [permit(cnt, rule(abs_, 2))])
    tokens = [w.das.sign(claims), w.das.token(abs_, exp=1), flip(w.das.token(abs_), 2), w.rsa.token("//reeve.local/Sx")]
    seen = []
    for t in tokens:
        seen.append(g.retrieve(cnt, **with_(t)).body)
        seen.append(g.update(cnt, 3, {"lbl": ["x"]}, **with_(t)).body)
    fetched = w.das.claims(abs_, [permit(cnt, rule(abs_, 2))])
    tokens.append(w.das.sign(fetched))
    w.das_says = lambda got: dres(tokens[-1])
    seen.append(g.retrieve(cnt, [("tids", fetched["jti"])]).expect(2000).body)
    seen.append(s.client.send("GET", "/metrics").body)
    explained = subprocess.run([binary(), "explain", "--store.data", s.settings["store.data"], "--json",
                                json.loads(seen[1])["m2m:dbg"].split("decision ")[1].split(";")[0]], capture_output=True).stdout
    seen.append(explained)
    s.stop()
    for path in pathlib.Path(s.folder).rglob("*"):
        if path.is_file() and path.name != "issuers.json":
            seen.append(path.read_bytes())
    assert claims["jti"].encode() in b"".join(seen), "the story names tokens by their Token-ID"
    for t in tokens:
        for part in t.split(".")[1:]:
            assert not any(part[8:40].encode() in text for text in seen)
    w.das_server.close()
