# SPDX-License-Identifier: Apache-2.0
"""reeve token: what it makes is read by python3-jwcrypto and the jose command, and what those make it judges as a CSE does."""

import json
import subprocess

import pytest
from jwcrypto import jwe, jwk, jws

from harness.server import binary
from harness.tokens import Issuer, encrypt, permit, rule, write_issuers

HOLDER = "//reeve.local/reeve/Cpump"


def run(*args, text=None, status=0):
    done = subprocess.run([binary(), *args], input=text, capture_output=True, text=True)
    assert done.returncode == status, done
    return done.stdout if status == 0 or done.stdout else done.stderr


@pytest.fixture
def keys(tmp_path):
    """--keys.file of a file with a signature key and a shared one."""
    where = ["--keys.file", str(tmp_path / "keys")]
    run("key", "generate", "--alg", "ES256", "--kid", "das-1", *where)
    secret = jwk.JWK.generate(kty="oct", size=128, kid="wrap-1")
    run("key", "import", "-", "--alg", "A128KW", *where, text=secret.export())
    cse = jwk.JWK.generate(kty="EC", crv="P-256", kid="cse")
    run("key", "import", "-", "--alg", "ECDH-ES+A128KW", *where, text=cse.export())
    return where, secret, cse


def issue(where, *args):
    return run("token", "issue", "--holder", HOLDER, "--issuer", "//reeve.local/Sdas1", "--id", "t1@das.example", *args, *where).strip()


def public(where, kid="das-1"):
    return run("key", "export", kid, *where)


def test_signed(keys, tmp_path):
    """E2E-120, E2E-121, AUTHZ-163: headers and claims as TS-0003 7.3.2.6.2 has them; verified by two others"""
    where = keys[0]
    t = issue(where, "--sign", "das-1", "--permit", "cse/a=retrieve,update", "--role", "nurse@das.example", "--audience", "//reeve.local/reeve",
              "--from", "20260301T080000", "--until", "20260301T200000", "--name", "ward 9", "--extension", "shift=day")
    seen = jws.JWS()
    seen.deserialize(t, jwk.JWK.from_json(public(where)))
    assert json.loads(seen.objects["protected"]) == {"alg": "ES256", "kid": "das-1", "typ": "JWT"}
    assert json.loads(seen.payload) == {
        "tkvr": "1", "jti": "t1@das.example", "iss": "//reeve.local/Sdas1", "azp": HOLDER, "nbf": 1772352000, "exp": 1772395200,
        "tknm": "ward 9", "aud": ["//reeve.local/reeve"], "tkex": "shift=day",
        "tkps": {"pm": [permit("cse/a", rule(HOLDER, 6)), {"rids": ["nurse@das.example"]}]}}
    (tmp_path / "pub.jwk").write_text(public(where))
    done = subprocess.run(["jose", "jws", "ver", "-i", "-", "-k", str(tmp_path / "pub.jwk"), "-O", "-"], input=t, capture_output=True, text=True)
    assert done.returncode == 0 and json.loads(done.stdout)["jti"] == "t1@das.example"


def test_encrypted_and_nested(keys):
    """E2E-120"""
    where, secret, cse = keys
    t = jwe.JWE()
    t.deserialize(issue(where, "--encrypt", "wrap-1", "--enc", "A256GCM"), secret)
    head = json.loads(t.objects["protected"])
    assert head["typ"] == "JWT" and "cty" not in head and head["enc"] == "A256GCM" and json.loads(t.payload)["azp"] == HOLDER
    t = jwe.JWE()
    t.deserialize(issue(where, "--sign", "das-1", "--encrypt", "cse"), cse)
    head = json.loads(t.objects["protected"])
    assert head["typ"] == head["cty"] == "JWT" and head["enc"] == "A128GCM"
    inner = jws.JWS()
    inner.deserialize(t.payload.decode(), jwk.JWK.from_json(public(where)))
    assert json.loads(inner.objects["protected"]) == {"alg": "ES256", "kid": "das-1", "typ": "JWT"}


@pytest.mark.parametrize("args,text", [
    (["--holder", "Cpump"], "azp"), (["--id", "x"], "jti"), (["--lifetime", "0"], "--lifetime"), (["--until", "20200101T000000"], "before it begins"),
    (["--permit", "cse/a=fly"], "--permit"), (["--permissions", "{}x"], "claims"), (["--permissions", '{"pm":5}'], "tkps"), (["--role", "nurse"], "tkps"),
    (["--sign", "other"], "no key"), (["--sign", "wrap-1"], ""), (["--from", "today"], "--from"),
])
def test_what_no_cse_would_read_is_not_issued(keys, args, text):
    out = run("token", "issue", "--holder", HOLDER, "--issuer", "//reeve.local/Sdas1", "--id", "t1@das.example", "--sign", "das-1", *args, *keys[0], status=1)
    assert text in out and "eyJ" not in out


def test_inspect(tmp_path):
    """Without keys, and it says that nothing is verified"""
    das = Issuer()
    out = run("token", "inspect", text=das.token(HOLDER, tknm="a\x1b[2Jb"))
    assert out.startswith("NOT VERIFIED") and HOLDER in out and "ES256" in out and "\x1b" not in out
    (tmp_path / "t").write_text(das.token(HOLDER) + "\n")
    assert json.loads(run("token", "inspect", "--json", str(tmp_path / "t")))["verified"] is False
    shared = jwk.JWK.generate(kty="oct", size=128)
    assert "with the key only" in run("token", "inspect", text=encrypt({"azp": HOLDER}, shared, alg="A128KW"))
    assert "no token" in run("token", "inspect", text="nothing", status=1)


def test_verify(tmp_path):
    """As a CSE would, telling the first rule that fails"""
    das = Issuer()
    where = ["--authz.issuers", write_issuers(tmp_path / "i.json", das.entry()), "--store.data", str(tmp_path)]
    good = das.token(HOLDER, aud=["//reeve.local/re*"])
    assert run("token", "verify", *where, text=good).startswith("RIGHT")
    assert json.loads(run("token", "verify", "--json", *where, "--holder", "Cpump", text=good))["claims"]["azp"] == HOLDER
    for text, args, verdict in ((good, ["--holder", "Cother"], "holder"), (good, ["--cse.id", "/other"], "audience"), (good, ["--at", "20200101T000000"], "early"),
                                (good, ["--at", "20990101T000000"], "expired"), (good[:-4] + "AAAA", [], "forged"), ("x", [], "shape"),
                                (das.token(HOLDER, iss="//reeve.local/Sx"), [], "issuer"), (das.token(HOLDER, jti="x@y.example"), [], "name"),
                                (das.sign(das.claims(HOLDER), kid="z"), [], "no-key"), (das.token(HOLDER, exp=None), [], "claims")):
        assert json.loads(run("token", "verify", "--json", *where, *args, text=text, status=1))["verdict"] == verdict
        assert run("token", "verify", *where, *args, text=text, status=1).startswith("REFUSED: " + verdict)


MISTAKES = [
    ('{"issuers":{}}', "issuers must be a list"), ('{"issuers":[],"x":1}', 'there is no member "x"'), ("[", ""),
    ([{"id": "nobody"}], "issuers[0]: id"), ([{"id": "//a.example/Sx"}], "domains"), ([{"id": "//a.example/Sx", "domains": ["A.example"]}], "lower case"),
    ([{"id": "//a.example/Sx", "domains": ["a.example"]}], "keys"), ([{"id": "//a.example/Sx", "domains": ["a.example"], "classes": ["open"]}], "classes"),
    ([{"id": "//a.example/Sx", "domains": ["a.example"], "algorithms": ["none"], "keys": []}], "algorithms"),
    ([{"id": "//a.example/Sx", "domains": ["a.example"], "keys": [{"kid": "k"}]}], "issuers[0].keys[0]"),
    ([{"id": "//a.example/Sx", "domains": ["a.example"], "keys": [{"kid": "k", "sealed": "k"}]}], "sealed"),
    ([{"id": "//a.example/Sx", "domains": ["a.example"], "keys": [{"kid": "k", "pem": "nowhere.pem"}]}], "nowhere.pem"),
    ([{"id": "//a.example/Sx", "domains": ["a.example"], "keys": [{"kid": "k", "alg": "HS256", "jwk": {"kty": "oct", "k": "AAAA"}}]}], "holds a secret"),
]


@pytest.mark.parametrize("issuers,text", MISTAKES, ids=[t or "syntax" for _, t in MISTAKES])
def test_issuers_are_checked(tmp_path, issuers, text):
    """reeve check config tells place and reason"""
    path = tmp_path / "i.json"
    path.write_text(issuers if isinstance(issuers, str) else json.dumps({"issuers": issuers}))
    out = run("check", "config", "--authz.issuers", str(path), "--store.data", str(tmp_path), status=1)
    assert str(path) in out and text in out


def test_issuers_and_their_keys(keys, tmp_path):
    """What two issuers may not share; PEM files beside the file; keys for algorithms that are not listed"""
    where = keys[0]
    das, rsa = Issuer(), Issuer("//reeve.local/Srsa", "rsa.example", "rsa-1", kty="RSA")
    path = tmp_path / "i.json"

    def check(*entries, status=0):
        write_issuers(path, *entries)
        return run("check", "config", "--authz.issuers", str(path), *where, status=status)
    (tmp_path / "rsa.pem").write_bytes(rsa.key.export_to_pem())
    pem = rsa.entry(keys=[{"kid": "rsa-1", "alg": "RS256", "pem": "rsa.pem"}])
    assert "is right" in check(das.entry(), pem)
    (tmp_path / "rsa.pem").write_bytes(rsa.key.export_to_pem(private_key=True, password=None))
    assert "private key" in check(das.entry(), pem, status=1)
    shared = {"kid": "wrap-1", "sealed": "wrap-1"}
    assert "shared secret of another issuer" in check(das.entry(keys=[shared]), rsa.entry(keys=[shared]), status=1)
    own = {"kid": "cse", "sealed": "cse"}
    assert "is right" in check(das.entry(keys=das.entry()["keys"] + [own]), rsa.entry(keys=rsa.entry()["keys"] + [own]))
    clash = dict(rsa.entry()["keys"][0], kid="cse")
    assert "means another key" in check(das.entry(keys=das.entry()["keys"] + [own]), rsa.entry(keys=[clash]), status=1)
    assert "algorithms does not list" in check(das.entry(algorithms=["RS256"]), status=1)
    assert "stands twice" in check(das.entry(), das.entry(), status=1)
    public_only = json.loads(keys[2].export_public())
    assert "cannot decrypt" in check(das.entry(keys=[{"kid": "k", "alg": "ECDH-ES+A128KW", "jwk": public_only}]), status=1)
