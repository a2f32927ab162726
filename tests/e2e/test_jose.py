# SPDX-License-Identifier: Apache-2.0
"""JWS and JWE against two other implementations, both directions, every algorithm each of them has: python3-jwcrypto and the
`jose` command. What `reeve key` makes they must take apart, what they make it must take apart."""
import json
import pathlib
import subprocess

import pytest
from jwcrypto import jwe, jwk, jws
from jwcrypto.common import json_encode

from harness.server import binary

PAYLOAD = '{"iss":"das","text":"Grüße, \\u0000 und so weiter"}'.encode()

JWS = {
    "HS256": dict(kty="oct", size=256), "HS384": dict(kty="oct", size=384), "HS512": dict(kty="oct", size=512),
    "RS256": dict(kty="RSA", size=2048), "RS384": dict(kty="RSA", size=2048), "RS512": dict(kty="RSA", size=3072),
    "ES256": dict(kty="EC", crv="P-256"), "ES384": dict(kty="EC", crv="P-384"), "ES512": dict(kty="EC", crv="P-521"),
}
ENC = {"A128GCM": 128, "A192GCM": 192, "A256GCM": 256, "A128CBC-HS256": 256, "A192CBC-HS384": 384, "A256CBC-HS512": 512}
WRAP = {
    "A128KW": dict(kty="oct", size=128), "A192KW": dict(kty="oct", size=192), "A256KW": dict(kty="oct", size=256),
    "RSA-OAEP-256": dict(kty="RSA", size=2048),
    "ECDH-ES": dict(kty="EC", crv="P-256"), "ECDH-ES+A128KW": dict(kty="EC", crv="P-256"),
    "ECDH-ES+A192KW": dict(kty="EC", crv="P-384"), "ECDH-ES+A256KW": dict(kty="EC", crv="P-521"),
}
JWE = [("dir", enc, dict(kty="oct", size=size)) for enc, size in ENC.items()] + \
      [(alg, enc, key) for alg, key in WRAP.items() for enc in ENC]


class Ring:
    """Keys of `reeve key` in a folder, each made by jwcrypto and known here too."""

    def __init__(self, folder):
        self.folder, self.keys = folder, {}

    def run(self, *args, stdin=b"", status=0):
        done = subprocess.run([binary(), "key", *args, "--store.data", str(self.folder)], input=stdin, capture_output=True, timeout=60)
        assert done.returncode == status, (args, done.returncode, done.stderr)
        return done.stdout

    def key(self, alg, spec):
        """The name of a key for alg; a new one the first time."""
        name = f"{alg}/{spec.get('size', spec.get('crv'))}"
        if name not in self.keys:
            key = jwk.JWK.generate(**spec, kid=name)
            self.run("import", "-", "--alg", alg, stdin=key.export().encode())
            self.keys[name] = key
        return name, self.keys[name]


@pytest.fixture(scope="module")
def ring(tmp_path_factory):
    return Ring(tmp_path_factory.mktemp("keys"))


def public(key):
    return key if key["kty"] == "oct" else jwk.JWK.from_json(key.export_public())


def jose(folder, key, *args, stdin):
    path = pathlib.Path(folder) / "peer.jwk"
    path.write_text(key.export() if isinstance(key, jwk.JWK) else json.dumps(key))
    done = subprocess.run(["jose", *args, "-k", str(path)], input=stdin, capture_output=True, timeout=60)
    assert done.returncode == 0, (args, done.stderr)
    return done.stdout


@pytest.mark.parametrize("alg", JWS)
def test_jws_with_jwcrypto(ring, alg):
    """E2E-100; ECDSA is r||s, or jwcrypto would not verify it."""
    name, key = ring.key(alg, JWS[alg])
    token = ring.run("sign", name, "--typ", "JWT", stdin=PAYLOAD).decode().strip()
    theirs = jws.JWS()
    theirs.allowed_algs = [alg]
    theirs.deserialize(token, public(key))
    assert theirs.payload == PAYLOAD
    assert json.loads(theirs.objects["protected"]) == {"alg": alg, "kid": name, "typ": "JWT"}
    theirs = jws.JWS(PAYLOAD)
    theirs.allowed_algs = [alg]
    theirs.add_signature(key, alg, json_encode({"alg": alg, "kid": name}))
    token = theirs.serialize(compact=True)
    assert ring.run("verify", name, stdin=token.encode()) == PAYLOAD
    head, body, signature = token.split(".")
    assert ring.run("verify", name, stdin=f"{head}.{body[:-2]}AA.{signature}".encode(), status=1) == b""


@pytest.mark.parametrize("alg", JWS)
def test_jws_with_jose(ring, tmp_path, alg):
    """E2E-100"""
    name, key = ring.key(alg, JWS[alg])
    token = ring.run("sign", name, stdin=PAYLOAD)
    assert jose(tmp_path, public(key), "jws", "ver", "-i-", "-O-", stdin=token.strip()) == PAYLOAD
    template = json.dumps({"protected": {"alg": alg, "kid": name}})
    token = jose(tmp_path, key, "jws", "sig", "-I-", "-c", "-s", template, stdin=PAYLOAD)
    assert ring.run("verify", name, stdin=token) == PAYLOAD


@pytest.mark.parametrize("alg,enc,spec", JWE, ids=lambda v: v if isinstance(v, str) else "")
def test_jwe_with_jwcrypto(ring, alg, enc, spec):
    """E2E-099"""
    name, key = ring.key(enc if alg == "dir" else alg, spec)
    token = ring.run("encrypt", name, "--enc", enc, stdin=PAYLOAD).decode().strip()
    theirs = jwe.JWE(algs=[alg, enc])
    theirs.deserialize(token, key)
    assert theirs.payload == PAYLOAD
    header = json.loads(theirs.objects["protected"])
    assert (header["alg"], header["enc"], header["kid"]) == (alg, enc, name)
    assert ("epk" in header) == alg.startswith("ECDH") and set(header.get("epk", [])) <= {"kty", "crv", "x", "y"}
    theirs = jwe.JWE(PAYLOAD, json_encode({"alg": alg, "enc": enc, "kid": name}), algs=[alg, enc])
    theirs.add_recipient(public(key))
    token = theirs.serialize(compact=True)
    assert ring.run("decrypt", name, stdin=token.encode()) == PAYLOAD
    assert ring.run("decrypt", name, stdin=(token[:-2] + ("A" if token[-2] != "A" else "Q") + token[-1]).encode(), status=1) == b""


@pytest.mark.parametrize("alg,enc,spec", [row for row in JWE if row[0] != "RSA-OAEP-256"], ids=lambda v: v if isinstance(v, str) else "")
def test_jwe_with_jose(ring, tmp_path, alg, enc, spec):
    """E2E-099; the command has no RSA-OAEP-256."""
    name, key = ring.key(enc if alg == "dir" else alg, spec)
    token = ring.run("encrypt", name, "--enc", enc, stdin=PAYLOAD)
    assert jose(tmp_path, key, "jwe", "dec", "-i-", "-O-", stdin=token.strip()) == PAYLOAD
    template = json.dumps({"protected": {"alg": alg, "enc": enc, "kid": name}})
    token = jose(tmp_path, public(key), "jwe", "enc", "-I-", "-c", "-i", template, stdin=PAYLOAD)
    assert ring.run("decrypt", name, stdin=token) == PAYLOAD


def test_apu_apv(ring):
    """Who the two are goes into the key that they agree upon."""
    name, key = ring.key("ECDH-ES", WRAP["ECDH-ES"])
    for more in ({"apu": "QWxpY2U", "apv": "Qm9i"}, {"apu": "QWxpY2U"}, {"apv": "Qm9i"}):
        theirs = jwe.JWE(PAYLOAD, json_encode(dict(more, alg="ECDH-ES", enc="A128GCM")), algs=["ECDH-ES", "A128GCM"])
        theirs.add_recipient(public(key))
        assert ring.run("decrypt", name, stdin=theirs.serialize(compact=True).encode()) == PAYLOAD


def test_nested(ring):
    """A JWS inside a JWE, made here and opened there, and the other way round."""
    sign, sign_key = ring.key("ES256", JWS["ES256"])
    seal, seal_key = ring.key("ECDH-ES+A128KW", WRAP["ECDH-ES+A128KW"])
    token = ring.run("encrypt", seal, stdin=ring.run("sign", sign, "--typ", "JWT", stdin=PAYLOAD).strip()).decode().strip()
    outer = jwe.JWE(algs=["ECDH-ES+A128KW", "A128GCM"])
    outer.deserialize(token, seal_key)
    inner = jws.JWS()
    inner.deserialize(outer.payload.decode(), public(sign_key))
    assert inner.payload == PAYLOAD
    assert ring.run("verify", sign, stdin=ring.run("decrypt", seal, stdin=token.encode())) == PAYLOAD


def test_compressed_is_refused(ring):
    """zip is no extension we take: what it unfolds to has no bound."""
    name, key = ring.key("A128GCM", dict(kty="oct", size=128))
    theirs = jwe.JWE(b"x" * 100, json_encode({"alg": "dir", "enc": "A128GCM", "zip": "DEF"}))
    theirs.add_recipient(key)
    assert ring.run("decrypt", name, stdin=theirs.serialize(compact=True).encode(), status=1) == b""


def test_other_algorithms_are_refused(ring):
    """Algorithms of the same key kind that are not in the profile: PS256 with a key for RS256, RSA-OAEP with one for RSA-OAEP-256."""
    name, key = ring.key("RS256", JWS["RS256"])
    theirs = jws.JWS(PAYLOAD)
    theirs.add_signature(key, "PS256", json_encode({"alg": "PS256"}))
    assert ring.run("verify", name, stdin=theirs.serialize(compact=True).encode(), status=1) == b""
    name, key = ring.key("RSA-OAEP-256", WRAP["RSA-OAEP-256"])
    theirs = jwe.JWE(PAYLOAD, json_encode({"alg": "RSA-OAEP", "enc": "A128GCM"}))
    theirs.add_recipient(public(key))
    assert ring.run("decrypt", name, stdin=theirs.serialize(compact=True).encode(), status=1) == b""
