# SPDX-License-Identifier: Apache-2.0
"""`reeve check cert`: the profiles of certificates, with certificates that others made (python3-cryptography, openssl): what is right in
every flavour, and each bad one of docs/requirements/security-frameworks.md 10.4."""
import json
import subprocess

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier

from harness.certs import DAY, Authority, app_id, dns, now, other, pem, registered, uri, usage
from harness.server import binary

CSE, AE, NODE = "mn-cse7.in-cse1.m2m.example.com", "//m2m.example.com/Smeter9", "urn:gsma:imei:90420156-025763-0;svn=42"
DEVICE, FQDN = "0.2.481.1.100.3030.10011", "maf.example.org"


def run(file, *args):
    done = subprocess.run([binary(), "check", "cert", str(file), *map(str, args)], capture_output=True, text=True, timeout=60)
    assert "Sanitizer" not in done.stderr and "runtime error" not in done.stderr, done.stderr
    return done


def check(file, *args):
    done = run(file, "--json", *args)
    assert done.returncode in (0, 1), done.stderr
    said = json.loads(done.stdout)
    assert said["accepted"] == (done.returncode == 0) == all(s["ok"] for s in said["steps"])
    return said


def accepted(leaf, *args):
    said = check(getattr(leaf, "chain", leaf), *args)
    assert said["accepted"], said
    return said


def refused(leaf, *args):
    """The first step that is wrong, with its text."""
    said = check(getattr(leaf, "chain", leaf), *args)
    assert not said["accepted"] and "credential" not in said, said
    return next((s["step"], s["text"]) for s in said["steps"] if not s["ok"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("certs")


@pytest.fixture(scope="module")
def ca(folder):
    return Authority(folder, "Test CA")


@pytest.fixture(scope="module")
def ae_ca(folder):
    return Authority(folder, "AE CA", permitted=[uri("m2m.example.com")])


def anchor(flavour, ca):
    return "--anchor", f"{flavour}:{ca.file}"


# --- right ones

def test_each_flavour(ca, ae_ca):
    """SEC-054, SEC-060, SEC-062 to SEC-065: what each flavour is called, and under which name."""
    for flavour, leaf, by, type_id, name in [
        ("cse", ca.issue([dns(CSE)]), ca, 32, CSE),
        ("ae", ae_ca.issue([uri("https:" + AE)]), ae_ca, 33, AE),
        ("ae", ae_ca.issue([uri("coaps://m2m.example.com/mn-cse7/Cpump01")]), ae_ca, 33, "//m2m.example.com/mn-cse7/Cpump01"),
        ("node", ca.issue([uri(NODE)]), ca, 34, NODE),
        ("node", ca.issue([registered("0.2.481.1.7")]), ca, 34, "0.2.481.1.7"),
        ("device", ca.issue([other("0.2.481.1", "100.3030.10011")]), ca, 31, DEVICE),
        ("device", ca.issue([registered(DEVICE)]), ca, 31, DEVICE),
    ]:
        for how in ((), ("--as", flavour), ("--name", name), ("--as", flavour, "--name", name)):
            said = accepted(leaf, *anchor(flavour, by), *how)
            assert said["flavour"] == flavour and said["name"] == name and said["credential"] == f"{type_id}-{name}"
        end = min(leaf.cert.not_valid_after, by.cert.not_valid_after)
        assert said["expires"].startswith(end.strftime("%Y%m%dT%H%M%S"))
        assert refused(leaf, *anchor(flavour, by), "--name", name + "x")[0] == "name"


def test_domain_name_of_a_server(ca):
    """SEC-063: an FQDN certificate names a MAF or MEF; it is no credential, and nothing that a client may show."""
    for name in (dns(FQDN), uri(FQDN), uri("https://" + FQDN)):
        leaf = ca.issue([name])
        said = accepted(leaf, *anchor("fqdn", ca), "--as", "fqdn", "--name", FQDN)
        assert said["name"] == FQDN and "credential" not in said
        assert refused(leaf, *anchor("fqdn", ca), "--as", "fqdn", "--name", "mef.example.org")[0] == "name"
        assert refused(leaf, *anchor("fqdn", ca))[0] == "name"


def test_case_of_domain_names(ca, ae_ca):
    """A domain name has no case; it is written in lower case, so that a credential has one spelling."""
    assert accepted(ca.issue([dns(CSE.upper())]), *anchor("cse", ca), "--name", CSE)["credential"] == "32-" + CSE
    leaf = ae_ca.issue([uri("https://M2M.Example.com/Smeter9")])
    assert accepted(leaf, *anchor("ae", ae_ca), "--name", AE)["credential"] == "33-" + AE


def test_openssl_recipe(folder):
    """The commands of docs/requirements/security-frameworks.md 10.4."""
    def sh(*args):
        subprocess.run(["openssl", *map(str, args)], check=True, capture_output=True, cwd=folder)
    (folder / "o.cnf").write_text("[req]\ndistinguished_name=dn\nx509_extensions=v3\nprompt=no\n[dn]\nCN=Test CA\n[v3]\nbasicConstraints=critical,"
                                  "CA:TRUE,pathlen:0\nkeyUsage=critical,digitalSignature,keyCertSign,cRLSign\nnameConstraints=critical,"
                                  "permitted;DNS:m2m.example.com,permitted;DNS:example.org,permitted;URI:m2m.example.com\n")
    sh("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-sha256", "-days", "30", "-config", "o.cnf",
       "-keyout", "o.key", "-out", "o.pem")
    for i, (flavour, san, name) in enumerate([
            ("cse", "DNS:" + CSE, CSE), ("fqdn", "DNS:" + FQDN, FQDN), ("ae", "URI:https:" + AE, AE),
            ("device", "otherName:0.2.481.1;UTF8:100.3030.10011", DEVICE), ("device", "RID:" + DEVICE, DEVICE),
            ("ae", f"URI:https:{AE},dirName:app", AE)]):
        sh("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-sha256", "-subj", "/CN=leaf", "-keyout", "l.key",
           "-out", "l.csr")
        (folder / "l.ext").write_text(f"basicConstraints=CA:FALSE\nkeyUsage=critical,digitalSignature\nsubjectAltName={san}\n"
                                      "[app]\nUID=Nk836-t071\n")
        sh("x509", "-req", "-in", "l.csr", "-CA", "o.pem", "-CAkey", "o.key", "-CAcreateserial", "-days", "20", "-sha256", "-extfile", "l.ext",
           "-out", f"l{i}.pem")
        said = accepted(folder / f"l{i}.pem", "--anchor", f"{flavour}:{folder}/o.pem", "--as", flavour)
        assert said["name"] == name and said.get("appId") == ("Nk836-t071" if i == 5 else None)


# --- keys and signatures

def test_keys(folder, ca):
    """SEC-055, SEC-056: keys that are not on P-256."""
    for key, says in ((rsa.generate_private_key(65537, 2048), "not an elliptic curve key"), (ec.generate_private_key(ec.SECP384R1()), "not on P-256"),
                      (ec.generate_private_key(ec.SECP256K1()), "not on P-256")):
        step, text = refused(ca.issue([dns(CSE)], key=key), *anchor("cse", ca))
        assert step == "key" and says in text


def test_compressed_point(folder, ca):
    """SEC-057"""
    (folder / "c.key").write_bytes(ca.issue([dns(CSE)]).key_file.read_bytes())
    def sh(*args):
        subprocess.run(["openssl", *map(str, args)], check=True, capture_output=True, cwd=folder)
    sh("ec", "-in", "c.key", "-conv_form", "compressed", "-out", "c2.key")
    sh("req", "-new", "-key", "c2.key", "-subj", "/CN=leaf", "-out", "c.csr")
    (folder / "ca.key").write_bytes(ca.key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    (folder / "c.ext").write_text(f"basicConstraints=CA:FALSE\nkeyUsage=critical,digitalSignature\nsubjectAltName=DNS:{CSE}\n")
    sh("x509", "-req", "-in", "c.csr", "-CA", ca.file, "-CAkey", "ca.key", "-CAcreateserial", "-days", "20", "-sha256", "-extfile", "c.ext",
       "-out", "c.pem")
    step, text = refused(folder / "c.pem", *anchor("cse", ca))
    assert step == "key" and "compressed" in text


def test_explicit_curve(folder, ca):
    """P-256 spelt out in parameters is no named curve."""
    def sh(*args):
        subprocess.run(["openssl", *map(str, args)], check=True, capture_output=True, cwd=folder)
    sh("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-param_enc", "explicit", "-out", "e.key")
    sh("req", "-new", "-x509", "-key", "e.key", "-subj", "/CN=leaf", "-addext", f"subjectAltName=DNS:{CSE}", "-out", "e.pem")
    step, text = refused(folder / "e.pem", *anchor("cse", ca))
    assert step == "key" and "not on P-256" in text


def test_signatures(folder, ca):
    """SEC-058: other hashes, keys of CAs on other curves or of RSA; as anchors they are refused when they are read."""
    for hash in (hashes.SHA384(), hashes.SHA512(), hashes.SHA1()):
        step, text = refused(ca.issue([dns(CSE)], hash=hash), *anchor("cse", ca))
        assert step == "signature" and "only ECDSA with SHA-256" in text
    for key in (rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP384R1())):
        below = Authority(folder, above=ca, key=key)
        said = check(below.issue([dns(CSE)]).chain, *anchor("cse", ca))
        assert "authorities" in {s["step"] for s in said["steps"] if not s["ok"]}
        done = run(ca.file, "--anchor", f"cse:{Authority(folder, key=key).file}")
        assert done.returncode == 3 and "cannot be a trust anchor" in done.stderr and "P-256" in done.stderr + "P-256" * (key.key_size == 2048)
    between = Authority(folder, above=ca, hash=hashes.SHA384())
    step, text = refused(between.issue([dns(CSE)]), *anchor("cse", ca))
    assert step == "authorities" and "CA certificate 1" in text and "SHA-256" in text


def test_key_usage(ca):
    """SEC-059"""
    for use, says in ((False, "has no keyUsage"), (usage(key_agreement=True), "lacks digitalSignature")):
        step, text = refused(ca.issue([dns(CSE)], use=use), *anchor("cse", ca))
        assert step == "key usage" and says in text
    accepted(ca.issue([dns(CSE)], use=usage(digital_signature=True, key_agreement=True)), *anchor("cse", ca))
    for purpose, fits in ((ExtendedKeyUsageOID.CODE_SIGNING, False), (ExtendedKeyUsageOID.CLIENT_AUTH, True), (ExtendedKeyUsageOID.SERVER_AUTH, True)):
        leaf = ca.issue([dns(CSE)], more=[(x509.ExtendedKeyUsage([purpose]), False)])
        assert check(leaf.chain, *anchor("cse", ca))["accepted"] == fits


# --- names

@pytest.mark.parametrize("wanted", [AE[:-1], AE + "0", AE + "/", AE.replace("S", "s"), AE.replace("meter", "Meter"), AE.replace("example", "exbmple"),
                                    "/Smeter9", "Smeter9", "https:" + AE, AE.replace("9", "%39"), "//m2m.example.com", ""])
def test_ae_id_is_exact(ae_ca, wanted):
    """SEC-061"""
    leaf = ae_ca.issue([uri("https:" + AE)])
    if wanted:
        assert refused(leaf, *anchor("ae", ae_ca), "--as", "ae", "--name", wanted)[0] == "name"
    else:
        accepted(leaf, *anchor("ae", ae_ca), "--as", "ae")


@pytest.mark.parametrize("text", ["https:" + AE + "/", "https:" + AE + "?a", "https:" + AE + "#a", "https://m2m.example.com:443/Smeter9", "/Smeter9",
                                  "https://u@m2m.example.com/Smeter9", "https://m2m.example.com/mn-cse7/Smeter9", "https://m2m.example.com/Cpump01",
                                  "https://m2m.example.com/", "https://m2m.example.com", "https://m2m.example.com/S", "https://m2m.example.com/Sme%74er9",
                                  "https://m2m.example.com/a/b/Cpump01", "https:///Smeter9", "mailto:" + AE, "1s:" + AE, "https:///m2m.example.com/Sx"])
def test_what_is_no_ae_id(folder, ae_ca, text):
    """SEC-060: a URI that is no absolute AE-ID. (mailto: is a scheme like any other, before exactly an AE-ID.)"""
    step, _ = (refused if not text.startswith("mailto") else lambda *a: ("name", accepted(*a)))(ae_ca.issue([uri(text)]), *anchor("ae", ae_ca), "--as", "ae")
    assert step == "name"


@pytest.mark.parametrize("flavour,name", [("cse", dns("*.m2m.example.com")), ("fqdn", dns("*.example.org")), ("node", uri("urn:gsma:imei:*")),
                                          ("ae", uri("https://m2m.example.com/S*")), ("ae", uri("https://*.example.com/Smeter9")),
                                          ("cse", dns("mn-*.m2m.example.com")), ("fqdn", uri("https://*.example.org"))])
def test_wildcards(ca, ae_ca, flavour, name):
    """SEC-066: also beside a right name."""
    by, right = (ae_ca if flavour == "ae" else ca), {"cse": dns(CSE), "fqdn": dns(FQDN), "node": uri(NODE), "ae": uri("https:" + AE)}[flavour]
    for names in ([name], [right, name], [name, right]):
        step, text = refused(by.issue(names), *anchor(flavour, by), "--as", flavour)
        assert step == "name" and "wildcard" in text
    assert "wildcard" in refused(by.issue([right, name]), *anchor(flavour, by), "--as", flavour)[1]


def test_common_name_does_not_count(ca):
    """SEC-067"""
    step, text = refused(ca.issue(None, cn=CSE), *anchor("cse", ca), "--as", "cse", "--name", CSE)
    assert step == "name" and "no subjectAltName" in text
    assert refused(ca.issue([dns("other.example.com")], cn=CSE), *anchor("cse", ca), "--name", CSE)[0] == "name"
    assert refused(ca.issue([x509.DirectoryName(ca.name)], cn=CSE), *anchor("cse", ca), "--as", "cse")[0] == "name"


def test_one_letter(ca):
    """SEC-062, SEC-064, SEC-065: a name that differs by one letter."""
    for flavour, name, wanted in (("cse", dns(CSE), CSE.replace("7", "8")), ("node", uri(NODE), NODE.replace("42", "43")), ("node", uri(NODE), NODE.upper()),
                                  ("device", registered(DEVICE), DEVICE + ".1"), ("device", registered(DEVICE), DEVICE[:-1])):
        assert refused(ca.issue([name]), *anchor(flavour, ca), "--name", wanted)[0] == "name"
    assert refused(ca.issue([dns(CSE)]), *anchor("cse", ca), "--name", "in-cse1.m2m.example.com")[0] == "name"


def test_several_names(ca, ae_ca):
    """Who shows two names is not known by either; who looks for one of them finds it. Devices may have several (10.1.1.4.1)."""
    two = ca.issue([dns(CSE), dns("b.m2m.example.com")])
    assert "2 names" in refused(two, *anchor("cse", ca))[1]
    assert accepted(two, *anchor("cse", ca), "--as", "cse", "--name", "b.m2m.example.com")["name"] == "b.m2m.example.com"
    accepted(ca.issue([dns(CSE), dns(CSE.upper())]), *anchor("cse", ca))
    assert accepted(ca.issue([dns(CSE), uri("https://x.example/"), x509.RFC822Name("a@b.c")]), *anchor("cse", ca))["name"] == CSE
    devices = ca.issue([registered(DEVICE), other("0.2.481.1", "7.7")])
    assert accepted(devices, *anchor("device", ca))["name"] == DEVICE
    assert accepted(devices, *anchor("device", ca), "--name", "0.2.481.1.7.7")["name"] == "0.2.481.1.7.7"


@pytest.mark.parametrize("value", ["", "100..1", ".100", "100.", "a", "100.030", "100 1", "1" * 120])
def test_device_identifiers(ca, value):
    """SEC-065: the rest of the arcs is numbers with dots."""
    if value == "1" * 120:
        accepted(ca.issue([other("0.2.481.1", value)]), *anchor("device", ca))
    else:
        assert refused(ca.issue([other("0.2.481.1", value)]), *anchor("device", ca), "--as", "device")[0] == "name"


def test_app_id(ae_ca):
    """The App-ID beside the AE-ID, as this project writes it."""
    assert accepted(ae_ca.issue([uri("https:" + AE), app_id("Nk836-t071")]), *anchor("ae", ae_ca))["appId"] == "Nk836-t071"
    assert "appId" not in accepted(ae_ca.issue([uri("https:" + AE)]), *anchor("ae", ae_ca))
    for bad in ([app_id("a b")], [app_id("N/a")], [app_id("Na"), app_id("Nb")]):
        assert refused(ae_ca.issue([uri("https:" + AE)] + bad), *anchor("ae", ae_ca))[0] == "App-ID"


# --- the path

def test_path(folder, ca):
    """SEC-069: through CAs between, in any order that the chain has; not without them, not by names alone."""
    low = Authority(folder, above=Authority(folder, above=ca))
    leaf = low.issue([dns(CSE)])
    accepted(leaf, *anchor("cse", ca))
    accepted(leaf.file, *anchor("cse", low))  # an anchor need not be self-signed
    step, text = refused(leaf.file, *anchor("cse", ca))
    assert step == "path" and "no trust anchor of flavour cse" in text
    forged = Authority(folder, "Test CA")
    step, text = refused(forged.issue([dns(CSE)]), *anchor("cse", ca))
    assert step == "path"
    shuffled = folder / "shuffled.pem"
    shuffled.write_bytes(b"".join(pem(c) for c in [leaf.cert] + list(reversed(low.between())) + [ca.cert]))
    accepted(shuffled, *anchor("cse", ca))


def test_signature_of_another(folder, ca):
    """SEC-069: one bit of the certificate changed."""
    leaf = ca.issue([dns(CSE)])
    der = bytearray(leaf.cert.public_bytes(serialization.Encoding.DER))
    accepted_file, changed = folder / "ok.der", folder / "changed.der"
    accepted_file.write_bytes(der)
    accepted(accepted_file, *anchor("cse", ca))
    at = der.index(CSE.encode())
    der[at] ^= 1
    changed.write_bytes(der)
    step, text = refused(changed, *anchor("cse", ca))
    assert step == "path" and "signature" in text


def test_anchors_are_of_one_flavour(ca, ae_ca, folder):
    """SEC-070: the right name below the anchor of another flavour, or of another peer's CA."""
    leaf, other_ca = ca.issue([dns(CSE)]), Authority(folder)
    for flavour in ("device", "ae", "node", "fqdn"):
        refused(leaf, *anchor(flavour, ca))
        step, text = refused(leaf, *anchor(flavour, ca), *anchor("cse", other_ca), "--as", "cse")
        assert step == "path" and f"it does to one for {flavour}" in text
        refused(leaf, *anchor(flavour, ca), *anchor("cse", other_ca))
    step, text = refused(leaf, *anchor("node", ca), "--as", "cse")
    assert step == "name" and "no trust anchors of flavour cse" in text
    accepted(leaf, *anchor("node", ca), *anchor("cse", ca))
    both = ca.issue([dns(CSE), uri(NODE)])  # what it proves is what its anchor is for
    assert accepted(both, *anchor("node", ca), *anchor("cse", other_ca))["credential"] == "34-" + NODE
    assert accepted(both, *anchor("node", other_ca), *anchor("cse", ca))["credential"] == "32-" + CSE


def test_roots_of_the_system(folder, monkeypatch, ca):
    """SEC-071: what OpenSSL would trust by itself does not count."""
    leaf, other_ca = ca.issue([dns(CSE)]), Authority(folder)
    monkeypatch.setenv("SSL_CERT_FILE", str(ca.file))
    subprocess.run(["openssl", "verify", str(leaf.file)], check=True, capture_output=True)
    assert refused(leaf, *anchor("cse", other_ca))[0] == "path"


def test_validity(folder, ca):
    """SEC-072: of every certificate on the path, the anchor included."""
    old, new = dict(start=now() - 3 * DAY, end=now() - DAY), dict(start=now() + DAY, end=now() + 3 * DAY)
    for times, says in ((old, "has expired on"), (new, "is valid from")):
        step, text = refused(ca.issue([dns(CSE)], **times), *anchor("cse", ca))
        assert step == "validity" and says in text and "the certificate" in text
        step, text = refused(Authority(folder, above=ca, **times).issue([dns(CSE)]), *anchor("cse", ca))
        assert step == "validity" and says in text and "CA certificate 1" in text
        by = Authority(folder, **times)
        assert refused(by.issue([dns(CSE)]), *anchor("cse", by))[0] == "validity"
    gone = ca.issue([dns(CSE)], start=now() - DAY / 2, end=now() - DAY / 4)
    accepted(gone, *anchor("cse", ca), "--at", (now() - DAY / 3).strftime("%Y%m%dT%H%M%S"))


def test_expiry_of_what_is_proven(folder, ca):
    """The earliest end in the chain."""
    below = Authority(folder, above=ca, end=now() + 5 * DAY)
    leaf = below.issue([dns(CSE)])
    assert accepted(leaf, *anchor("cse", ca))["expires"].startswith(below.cert.not_valid_after.strftime("%Y%m%dT%H%M%S"))


def test_authorities(folder, ca):
    """SEC-073: who signs must be a CA, may sign, and not deeper than its own certificate says."""
    for how in (dict(ca=False), dict(sign=False), dict(ca=False, sign=False)):
        below = Authority(folder, above=ca, **how)
        step, text = refused(below.issue([dns(CSE)]), *anchor("cse", ca))
        assert step == "path", text
    shallow = Authority(folder, depth=0)
    accepted(shallow.issue([dns(CSE)]), *anchor("cse", shallow))
    step, text = refused(Authority(folder, above=shallow).issue([dns(CSE)]), *anchor("cse", shallow))
    assert step == "path" and "path length" in text
    for use in (None, usage(digital_signature=True, key_cert_sign=True)):  # a right leaf that signs
        leaf = ca.issue([dns(CSE)], use=use)
        by_leaf = folder / "by_leaf.pem"
        fake = Authority(folder, above=ca)
        fake.key, fake.name = leaf.key, leaf.cert.subject
        by_leaf.write_bytes(pem(fake.issue([dns("x.m2m.example.com")], cn="below").cert) + pem(leaf.cert))
        step, text = refused(by_leaf, *anchor("cse", ca))
        assert step == "path" and "is no CA" in text


def test_depth(folder, ca, tmp_path):
    """SEC-086"""
    by = ca
    for _ in range(3):
        by = Authority(folder, above=by)
    leaf = by.issue([dns(CSE)])  # four certificates
    conf = tmp_path / "reeve.conf"
    conf.write_text(f"[tls]\nanchors = cse:{ca.file}\ndepth = 4\n")
    accepted(leaf, "--config", conf)
    conf.write_text(f"[tls]\nanchors = cse:{ca.file}\ndepth = 3\n")
    step, text = refused(leaf, "--config", conf)
    assert step == "chain" and "at most 3" in text


def test_unknown_critical_extension(ca):
    """SEC-069: RFC 5280 4.2"""
    alien = x509.UnrecognizedExtension(ObjectIdentifier("1.2.3.4"), b"\x05\x00")
    assert refused(ca.issue([dns(CSE)], more=[(alien, True)]), *anchor("cse", ca))[0] == "path"
    accepted(ca.issue([dns(CSE)], more=[(alien, False)]), *anchor("cse", ca))


# --- name constraints

def test_domain_name_constraints(folder):
    """SEC-074: permitted and excluded, of the anchor and of a CA between."""
    by = Authority(folder, permitted=[dns("m2m.example.com"), dns("example.org")], excluded=[dns("bad.m2m.example.com")])
    accepted(by.issue([dns(CSE)]), *anchor("cse", by))
    for name in ("cse.example.net", "m2m.example.com.evil.net", "evilm2m.example.com", "x.bad.m2m.example.com"):
        step, text = refused(by.issue([dns(name)]), *anchor("cse", by))
        assert step == "name constraints", text
        below = Authority(folder, above=by)
        assert refused(below.issue([dns(name)]), *anchor("cse", by))[0] == "name constraints"
    between = Authority(folder, above=Authority(folder, permitted=[dns("in-cse1.m2m.example.com")], above=(root := Authority(folder))))
    accepted(between.issue([dns(CSE)]), *anchor("cse", root))
    assert refused(between.issue([dns("x.m2m.example.com")]), *anchor("cse", root))[0] == "name constraints"
    assert refused(by.issue([dns(CSE), dns("x.net")]), *anchor("cse", by), "--as", "cse", "--name", CSE)[0] == "name constraints"
    accepted(by.issue([dns(CSE)], cn="x.net"), *anchor("cse", by))  # SEC-067: nor is the common name constrained


def test_hosts_of_ae_ids(folder, ae_ca):
    """SEC-075: the host of a URI; a CA may also permit hosts as domain names, which no library would hold against a URI."""
    assert refused(ae_ca.issue([uri("https://m2m.example.net/Smeter9")]), *anchor("ae", ae_ca))[0] == "name constraints"
    assert refused(ae_ca.issue([uri("https://x.m2m.example.com/Smeter9")]), *anchor("ae", ae_ca))[0] == "name constraints"
    sub = Authority(folder, permitted=[uri(".example.com")])
    accepted(sub.issue([uri("https:" + AE)]), *anchor("ae", sub))
    assert refused(sub.issue([uri("https://example.com/Sa")]), *anchor("ae", sub))[0] == "name constraints"
    dom = Authority(folder, permitted=[dns("m2m.example.com")], excluded=[dns("bad.m2m.example.com")])
    for right in ("https:" + AE, "https://a.m2m.example.com/Sa", AE):
        accepted(dom.issue([uri(right)]), *anchor("ae", dom))
    accepted(dom.issue([uri("https:" + AE)], cn="x.net"), *anchor("ae", dom))  # SEC-067: the common name is not even constrained
    for wrong in ("https://m2m.example.net/Sa", "https://evilm2m.example.com/Sa", "//bad.m2m.example.com/Sa", "https://x.bad.m2m.example.com/Sa"):
        assert refused(dom.issue([uri(wrong)]), *anchor("ae", dom))[0] == "name constraints"
    below = Authority(folder, above=dom, permitted=[uri("m2m.example.net")])
    assert refused(below.issue([uri("https://m2m.example.net/Sa")]), *anchor("ae", dom))[0] == "name constraints"


def test_uri_without_scheme(ae_ca):
    """A-04: below a constraint of URIs a URI needs a scheme (RFC 5280 4.2.1.10)."""
    step, text = refused(ae_ca.issue([uri(AE)]), *anchor("ae", ae_ca))
    assert step == "name constraints" and "https://host" in text


def test_ae_authorities_are_constrained(folder, ca, ae_ca):
    """SEC-076: the CA that issues AE-ID certificates, not one above it; constraints of something else or of what is excluded do not do."""
    leaf = uri("https:" + AE)
    for by, root in ((ca, ca), (Authority(folder, above=ae_ca), ae_ca), (other_kind := Authority(folder, permitted=[x509.RFC822Name("a.b")]), other_kind),
                     (excluding := Authority(folder, excluded=[uri("example.net")]), excluding)):
        step, text = refused(by.issue([leaf]), *anchor("ae", root))
        assert step == "name constraints" and "must have name constraints" in text
    below = Authority(folder, above=ca, permitted=[uri("m2m.example.com")])
    accepted(below.issue([leaf]), *anchor("ae", ca))


def test_object_identifier_constraints(folder, ca):
    """SEC-077: subtrees of device identifiers, which OpenSSL does not know; without them, all devices."""
    accepted(ca.issue([registered(DEVICE)]), *anchor("device", ca))
    forms = ([other("0.2.481.1", "100")], [registered("0.2.481.1.100")], [other("0.2.481.1.100", "")], [other("0.2.481.1", "100.3030.10011")])
    for permitted in forms:
        by = Authority(folder, permitted=permitted)
        for right in (registered(DEVICE), other("0.2.481.1", "100.3030.10011")):
            accepted(by.issue([right]), *anchor("device", by))
            accepted(Authority(folder, above=by).issue([right]), *anchor("device", by))
        for wrong in (registered("0.2.481.1.101.3030"), other("0.2.481.1", "1000.3030"), other("0.2.481", "1"), other("0.2.482.1", "100.3030.10011")):
            step, text = refused(by.issue([wrong]), *anchor("device", by))
            assert step == "name constraints" and "object identifier" in text
    by = Authority(folder, excluded=[other("0.2.481.1", "100")], permitted=[registered("0.2.481.1")])
    assert refused(by.issue([registered(DEVICE)]), *anchor("device", by))[0] == "name constraints"
    accepted(by.issue([registered("0.2.481.1.101")]), *anchor("device", by))
    assert refused(by.issue([registered("0.2.481.1.101"), other("0.2.481.1", "100.1")]), *anchor("device", by))[0] == "name constraints"
    # what stands beside such a constraint is looked at all the same
    by = Authority(folder, permitted=[other("0.2.481.1", "100"), dns("m2m.example.com")])
    accepted(by.issue([registered(DEVICE), dns(CSE)]), *anchor("device", by))
    for names in ([registered(DEVICE), dns("x.net")], [other("0.2.481.1", "100.1"), dns("x.net")]):
        assert refused(by.issue(names), *anchor("device", by))[0] == "name constraints"
    unreadable = Authority(folder, excluded=[x509.OtherName(ObjectIdentifier("0.2.481.1"), b"\x05\x00")])
    assert refused(unreadable.issue([registered(DEVICE)]), *anchor("device", unreadable))[0] == "name constraints"


# --- revocation

def test_revocation(folder, ca):
    """SEC-078, SEC-079: revoked; no list, an old one, one of somebody else where lists are required."""
    by = Authority(folder)
    bad, good = by.issue([dns(FQDN)]), by.issue([dns(FQDN)])
    args = (*anchor("fqdn", by), "--as", "fqdn")
    crl, old, alien = by.crl([bad]), by.crl([bad], start=now() - 3 * DAY, end=now() - DAY), ca.crl()
    forged = Authority(folder, "forged")
    forged.name = by.name
    for required in ((), ("--crl-required",)):
        step, text = refused(bad, *args, "--crl", crl, *required)
        assert step == "revocation" and "was revoked" in text
        said = accepted(good, *args, "--crl", crl, *required)
        assert "revocation" in {s["step"] for s in said["steps"]}
        refused(good, *args, "--crl", forged.crl(), *required)
    for lists in ((), ("--crl", alien), ("--crl", old)):
        assert refused(good, *args, *lists, "--crl-required")[0] == "revocation"
        accepted(good, *args, *lists)
    refused(bad, *args, "--crl", old)  # an old list is better than none
    # every CA of the path needs one
    below = Authority(folder, above=by)
    leaf = below.issue([dns(FQDN)])
    assert refused(leaf, *args, "--crl", crl, "--crl-required")[0] == "revocation"
    accepted(leaf, *args, "--crl", crl, "--crl", below.crl(), "--crl-required")
    assert refused(leaf, *args, "--crl", by.crl([below]), "--crl", below.crl())[0] == "revocation"
    accepted(leaf.file, "--anchor", f"fqdn:{below.file}", "--as", "fqdn", "--crl", below.crl(), "--crl-required")  # not of the anchor itself


# --- what is no chain

def test_raw_public_key(folder, ca):
    """SEC-085"""
    path = folder / "raw.pub"
    path.write_bytes(ca.key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo))
    step, text = refused(path, *anchor("cse", ca))
    assert step == "chain" and "raw public key" in text


def test_rubbish(folder, ca):
    leaf = ca.issue([dns(CSE)]).cert.public_bytes(serialization.Encoding.DER)
    for raw in (b"", b"x", leaf[:-1], leaf + b"\0", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"):
        path = folder / "rubbish"
        path.write_bytes(raw)
        assert refused(path, *anchor("cse", ca))[0] == "chain"


@pytest.mark.parametrize("args,says,status", [
    ([], "needs the file", 2), (["x.pem", "--as", "tree"], "expected device, cse, ae, node or fqdn", 2),
    (["x.pem", "--anchor", "tree:x"], "expected FLAVOUR:FILE", 2), (["x.pem", "--anchor", "cse"], "expected FLAVOUR:FILE", 2),
    (["x.pem", "--at", "noon"], "expected YYYYMMDDThhmmss", 2), (["/nonexistent"], "/nonexistent: cannot be read", 3),
    (["x.pem", "--anchor", "cse:/nonexistent"], "/nonexistent: cannot be read", 3), (["x.pem", "--crl", "/nonexistent"], "/nonexistent: cannot be read", 3),
    (["x.pem", "y.pem"], "not expected here", 2),
])
def test_usage(args, says, status):
    done = subprocess.run([binary(), "check", "cert", *args], capture_output=True, text=True)
    assert done.returncode == status and says in done.stderr, done.stderr


def test_text(ca):
    """For people: every step, and the end."""
    leaf = ca.issue([dns(CSE)])
    done = run(leaf.chain, *anchor("cse", ca))
    assert done.returncode == 0 and f"32-{CSE}" in done.stdout and "accepted until" in done.stdout and "WRONG" not in done.stdout
    done = run(ca.issue([dns(CSE)], use=False, hash=hashes.SHA384()).chain, *anchor("cse", ca))
    assert done.returncode == 1 and done.stdout.count("WRONG") == 2 and done.stdout.endswith("refused\n")
