# SPDX-License-Identifier: Apache-2.0
"""`reeve key`: keys in and out by the shell, what OpenSSL and jwcrypto say of them, and who may read the files."""
import base64
import json
import shutil
import stat
import subprocess

import pytest
from jwcrypto import jwk

from harness.server import binary

SECRET = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T"


class Keys:
    def __init__(self, folder):
        self.folder = folder

    def run(self, *args, stdin="", status=0):
        done = subprocess.run([binary(), "key", *map(str, args), "--store.data", str(self.folder)], input=stdin, capture_output=True,
                              text=True, timeout=60)
        assert done.returncode == status, (args, done.returncode, done.stdout, done.stderr)
        assert status == 0 or done.stderr.startswith("reeve key"), done.stderr
        return done.stdout if status == 0 else done.stderr

    def json(self, *args, **kw):
        return json.loads(self.run(*args, "--json", **kw))


@pytest.fixture
def keys(tmp_path):
    return Keys(tmp_path)


def openssl(*args, stdin=b""):
    return subprocess.run(["openssl", *map(str, args)], input=stdin, capture_output=True, check=True, timeout=60).stdout


def test_life_of_a_key(keys, tmp_path):
    made = keys.json("generate", "--alg", "HS256", "--kid", "das-1", "--label", "issuer \"das\"")
    assert (made["kid"], made["alg"], made["kty"], made["bits"], made["secret"]) == ("das-1", "HS256", "oct", 256, True)
    assert made["label"] == 'issuer "das"' and "thumbprint" not in made
    assert 'a key "das-1" already' in keys.run("generate", "--alg", "HS256", "--kid", "das-1", status=1)
    other = keys.json("generate", "--alg", "ES256")
    assert other["kid"] == other["thumbprint"]
    assert sorted(k["kid"] for k in keys.json("list")) == sorted(["das-1", other["kid"]])
    assert "das-1" in keys.run("list") and "HS256" in keys.run("show", "das-1")
    assert keys.json("show", "das-1") == made
    keys.run("delete", "das-1")
    assert "no such key" in keys.run("delete", "das-1", status=1)
    assert "no such key" in keys.run("show", "das-1", status=1)
    assert [k["kid"] for k in keys.json("list")] == [other["kid"]]


def test_names_like_flags(keys):
    for name in ("-x", "--json"):
        keys.run("generate", "--alg", "HS256", "--kid", name)
        assert keys.json("show", "--kid", name)["kid"] == name
    assert keys.json("show", "-x")["kid"] == "-x"
    keys.run("delete", "--kid", "--json")
    keys.run("delete", "-x")
    assert keys.json("list") == []


def test_nothing_there(keys, tmp_path):
    """Only generate and import make the files."""
    assert str(tmp_path) in keys.run("list", status=3)
    assert list(tmp_path.iterdir()) == []
    keys.run("generate", "--alg", "HS256")
    keys.run("delete", keys.json("list")[0]["kid"])
    assert keys.json("list") == [] and keys.run("list") == ""


def test_secrets_are_never_printed(keys, tmp_path):
    """SE-024: no verb prints a secret, as text or as JSON, and none is in the files."""
    raw = base64.urlsafe_b64decode(SECRET + "=" * (-len(SECRET) % 4))
    jwk = json.dumps({"kty": "oct", "k": SECRET, "kid": "s"})
    printed = keys.run("import", "-", "--alg", "HS256", stdin=jwk)
    for form in ((), ("--json",)):
        for verb in (["list"], ["show", "s"]):
            printed += keys.run(*verb, *form)
        printed += keys.run("export", "s", *form, status=1)
    printed += keys.run("import", "-", "--alg", "A128KW", "--kid", "t", stdin=jwk, status=1)
    printed += keys.run("import", "-", "--alg", "HS256", "--kid", "t", stdin=jwk + "}", status=1)
    for text in (SECRET, raw.hex(), base64.b64encode(raw).decode(), SECRET[:12]):
        assert text not in printed
    private = keys.run("generate", "--alg", "ES256", "--kid", "p") + keys.run("export", "p") + keys.run("export", "p", "--form", "pem")
    assert "PRIVATE" not in private and '"d"' not in private
    for f in tmp_path.iterdir():
        assert raw not in f.read_bytes() and SECRET.encode() not in f.read_bytes()
        assert stat.S_IMODE(f.stat().st_mode) == 0o600, f


@pytest.mark.parametrize("name", ["keys", "keys.seal"])
def test_files_of_others(keys, tmp_path, name):
    keys.run("generate", "--alg", "HS256")
    (tmp_path / name).chmod(0o640)
    assert "chmod 600" in keys.run("list", status=3)
    assert "chmod 600" in keys.run("generate", "--alg", "HS256", status=3)
    (tmp_path / name).chmod(0o600)
    assert len(keys.json("list")) == 1


def test_sealing_key_elsewhere(keys, tmp_path):
    """The file of keys alone is worth nothing."""
    apart = tmp_path / "apart"
    keys.run("generate", "--alg", "HS256", "--kid", "k", "--keys.seal", apart)
    assert apart.exists() and not (tmp_path / "keys.seal").exists()
    assert len(keys.json("list", "--keys.seal", apart)) == 1
    assert "keys.seal" in keys.run("list", status=3)
    assert "is sealed with it" in keys.run("generate", "--alg", "HS256", status=3)
    (tmp_path / "keys.seal").write_text("00" * 32 + "\n")
    (tmp_path / "keys.seal").chmod(0o600)
    assert "another key" in keys.run("list", status=3)
    moved = tmp_path / "moved"
    shutil.copy(tmp_path / "keys", moved)
    assert len(keys.json("list", "--keys.file", moved, "--keys.seal", apart)) == 1


def test_many_at_once(keys):
    """Ten processes add a key each at the same time, to a file that is not there yet: none is lost."""
    running = [subprocess.Popen([binary(), "key", "generate", "--alg", "HS256", "--kid", f"k{i}", "--store.data", str(keys.folder)],
                                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) for i in range(10)]
    for p in running:
        assert p.wait(60) == 0, p.stderr.read()
        p.stderr.close()
    assert [k["kid"] for k in keys.json("list")] == sorted(f"k{i}" for i in range(10))


# --- what OpenSSL says

def make_pem(tmp_path, kind):
    path = tmp_path / "private.pem"
    args = ["-algorithm", "EC", "-pkeyopt", f"ec_paramgen_curve:{kind}"] if kind != "RSA" else ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"]
    openssl("genpkey", *args, "-out", path)
    return path


@pytest.mark.parametrize("kind,alg", [("P-256", "ES256"), ("P-384", "ES384"), ("P-521", "ES512"), ("RSA", "RS256"), ("P-256", "ECDH-ES+A128KW"),
                                      ("RSA", "RSA-OAEP-256")])
def test_pem(keys, tmp_path, kind, alg):
    """Private key (PKCS#8 and the older form), public key, certificate: each time the same public key, and only the first has a secret."""
    private = make_pem(tmp_path, kind)
    public = openssl("pkey", "-in", private, "-pubout")
    old, certificate = tmp_path / "old.pem", tmp_path / "certificate.pem"
    openssl("pkey", "-in", private, "-traditional", "-out", old)
    openssl("req", "-x509", "-key", private, "-subj", "/CN=x", "-out", certificate)
    (tmp_path / "public.pem").write_bytes(public)
    prints = set()
    for name, secret in (("private", True), ("old", True), ("public", False), ("certificate", False)):
        made = keys.json("import", tmp_path / f"{name}.pem", "--alg", alg, "--kid", name)
        assert made["secret"] == secret
        prints.add(made["thumbprint"])
        assert keys.run("export", name, "--form", "pem").encode() == public
    assert len(prints) == 1


def test_signature_by_openssl(keys, tmp_path):
    """A certificate's key verifies what openssl signed, and openssl verifies what we signed."""
    private = make_pem(tmp_path, "RSA")
    keys.run("import", private, "--alg", "RS256", "--kid", "k")
    token = keys.run("sign", "k", stdin="payload").strip()
    head, body, signature = token.split(".")
    (tmp_path / "signature").write_bytes(base64.urlsafe_b64decode(signature + "=="))
    (tmp_path / "public.pem").write_bytes(openssl("pkey", "-in", private, "-pubout"))
    assert b"OK" in openssl("dgst", "-sha256", "-verify", tmp_path / "public.pem", "-signature", tmp_path / "signature",
                            stdin=f"{head}.{body}".encode())
    theirs = base64.urlsafe_b64encode(openssl("dgst", "-sha256", "-sign", private, stdin=f"{head}.{body}".encode())).decode().rstrip("=")
    assert theirs == signature  # RSASSA-PKCS1-v1_5 is deterministic
    assert keys.run("verify", "k", stdin=token) == "payload"


def test_what_is_not_taken(keys, tmp_path):
    private = make_pem(tmp_path, "P-256")
    cases = {
        "encrypted.pem": (openssl("pkey", "-in", private, "-aes256", "-passout", "pass:x"), "ES256", "passphrase"),
        "curve.pem": (openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:secp256k1"), "ES256", "curve"),
        "ed.pem": (openssl("genpkey", "-algorithm", "ED25519"), "ES256", "neither RSA nor EC"),
        "short.pem": (openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"), "RS256", "2048"),
        "pss.pem": (openssl("genpkey", "-algorithm", "RSA-PSS", "-pkeyopt", "rsa_keygen_bits:2048"), "RS256", "neither RSA nor EC"),
        "other.pem": (private.read_bytes(), "RS256", "needs an RSA key"),
        "mac.pem": (private.read_bytes(), "HS256", "needs a symmetric key"),
        "cut.pem": (private.read_bytes()[:100], "ES256", "no PRIVATE KEY"),
        "empty": (b"", "HS256", "empty"),
        "noise": (b"\0\xff" * 20, "HS256", "hexadecimal"),
    }
    for name, (data, alg, says) in cases.items():
        (tmp_path / name).write_bytes(data)
        assert says in keys.run("import", tmp_path / name, "--alg", alg, "--kid", "k", status=1), name
    assert "what the key is for" in keys.run("import", private, "--kid", "k", status=1)
    assert "cannot be opened" in keys.run("import", tmp_path / "absent", "--alg", "ES256", status=3)
    assert keys.json("list") == []


@pytest.mark.parametrize("alg,spec", [("ES256", dict(kty="EC", crv="P-256")), ("ES512", dict(kty="EC", crv="P-521")),
                                      ("RS256", dict(kty="RSA", size=2048))])
def test_thumbprint_by_jwcrypto(keys, alg, spec):
    """RFC 7638; and the exported JWK is the public part and nothing else."""
    key = jwk.JWK.generate(**spec)
    made = keys.json("import", "-", "--alg", alg, stdin=key.export())
    assert made["kid"] == made["thumbprint"] == key.thumbprint()
    exported = json.loads(keys.run("export", "--kid", made["kid"]))
    assert exported == dict(json.loads(key.export_public()), kid=key.thumbprint(), alg=alg, use="sig")


def test_hex(keys, tmp_path):
    """The same key as hexadecimal digits and as JWK."""
    raw = bytes(range(32))
    (tmp_path / "hex").write_text(raw.hex() + "\n")
    keys.run("import", tmp_path / "hex", "--alg", "HS256", "--kid", "a")
    keys.run("import", "-", "--alg", "HS256", "--kid", "b",
             stdin=json.dumps({"kty": "oct", "k": base64.urlsafe_b64encode(raw).decode().rstrip("=")}))
    assert keys.run("verify", "b", stdin=keys.run("sign", "a", stdin="x")) == "x"
    head, _, signature = keys.run("sign", "a", stdin="x").strip().split(".")
    assert "not authentic" in keys.run("verify", "b", stdin=f"{head}.eQ.{signature}", status=1)
