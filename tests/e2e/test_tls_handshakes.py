# SPDX-License-Identifier: Apache-2.0
"""(D)TLS handshakes between src/tls (tests/peers/tls_echo.c) and independent peers: OpenSSL and GnuTLS's own tools.

The peers decide what is right here: both ends must come to the same keys, over the suites of TS-0003 10.2.
"""
import os
import re
import subprocess

import pytest

from harness.certs import Authority, dns
from harness.server import free_port
from harness.tls import PSK, Echo, Process, Server, echoed, gnutls_cli, s_client, s_server, talk

CSE, PEER = "in-cse1.m2m.example.com", "mn-cse7.in-cse1.m2m.example.com"
KPSA_ID = "pump-01@issuer.example.org"
ONLY_PSK = "NORMAL:-VERS-ALL:+VERS-{}:-KX-ALL:+PSK:-CIPHER-ALL:+{}:-MAC-ALL:+{}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("tls")


@pytest.fixture(scope="module")
def ca(folder):
    return Authority(folder, "Test CA", permitted=[dns("m2m.example.com")])


@pytest.fixture(scope="module")
def own(ca):
    return ca.issue([dns(CSE)])


@pytest.fixture(scope="module")
def peer(ca):
    return ca.issue([dns(PEER)])


@pytest.fixture
def echo():
    """echo(...) starts a listener that ends with the test, in order and without a report of a sanitizer."""
    running = []

    def start(*args, **kw):
        running.append(Echo(*args, **kw))
        return running[-1]

    yield start
    for e in running:
        e.stop()


def psk(identity=KPSA_ID, key=PSK):
    return "-psk_identity", identity, "-psk", key


def listener(own, ca, *more):
    return ["--own", f"{own.chain}:{own.key_file}", "--anchor", f"cse:{ca.file}", *more]


def certificate(leaf, ca):
    return "-cert", leaf.chain, "-key", leaf.key_file, "-CAfile", ca.file


def exported(said):
    return re.search(r"Keying material: ([0-9A-F]+)", said).group(1)


# --- the standard's suites, both ways of proving

@pytest.mark.parametrize("udp,cipher,version", [(False, "PSK-AES128-CBC-SHA256", "TLS 1.2"), (True, "PSK-AES128-CCM8", "DTLS 1.2")])
@pytest.mark.parametrize("label", ["EXPORTER-oneM2M-Bootstrap", "EXPORTER-oneM2M-Connection", "EXPORTER-oneM2M-ESCertKE"])
def test_psk(echo, udp, cipher, version, label):
    """SEC-004, SEC-005, SEC-009, SEC-010: the suites. SEC-031: identity and key as they are. SEC-133, SEC-134: OpenSSL, without a
    context, exports what we do; another session something else."""
    e = echo("--psk", f"{KPSA_ID}={PSK}", "--label", label, *(["--udp"] if udp else []))
    keys = []
    for _ in range(2):
        said = s_client(e.port, "-dtls1_2" if udp else "-tls1_2", "-cipher", cipher, *psk(), "-keymatexport", label, "-keymatexportlen", "48")
        assert echoed(said), said
        opened = e.wait("open")
        assert (opened["version"], opened["suite"], opened["credential"]) == (version, cipher, "12-" + KPSA_ID)
        assert opened["export"] == exported(said) and len(opened["export"]) == 96
        keys.append(opened["export"])
    assert keys[0] != keys[1]


@pytest.mark.parametrize("udp,cipher", [(False, "ECDHE-ECDSA-AES128-SHA256"), (True, "ECDHE-ECDSA-AES128-CCM8")])
def test_certificates(echo, own, peer, ca, udp, cipher):
    """SEC-011, SEC-012: the suites of certificates, mutual; OpenSSL verifies ours, we theirs (SEC-045)."""
    e = echo(*listener(own, ca), *(["--udp"] if udp else []))
    said = s_client(e.port, "-dtls1_2" if udp else "-tls1_2", "-cipher", cipher, *certificate(peer, ca), "-verify_return_error",
                    "-verify_hostname", CSE, "-servername", CSE)
    assert echoed(said) and "Verify return code: 0" in said, said
    opened = e.wait("open")
    assert (opened["suite"], opened["type"], opened["credential"], opened["server_name"]) == (cipher, 32, "32-" + PEER, CSE)


def raw_key(folder, name):
    key, public = folder / f"{name}.key", folder / f"{name}.pub"
    if not key.exists():
        subprocess.run(["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", key], check=True)
        subprocess.run(["openssl", "pkey", "-in", key, "-pubout", "-out", public], check=True)
    return key, public


def key_id(public, bits=256):
    """RFC 6920, by OpenSSL's digest and not ours."""
    import base64
    der = subprocess.run(["openssl", "pkey", "-pubin", "-in", public, "-outform", "DER"], check=True, capture_output=True).stdout
    digest = subprocess.run(["openssl", "dgst", "-sha256", "-binary"], input=der, check=True, capture_output=True).stdout
    text = base64.urlsafe_b64encode(digest[:bits // 8]).decode().rstrip("=")
    return f"ni:///sha-256{'' if bits == 256 else f'-{bits}'};{text}"


RAW = "NORMAL:-VERS-ALL:+VERS-{}:-CTYPE-ALL:+CTYPE-RAWPK:-KX-ALL:+ECDHE-ECDSA:-CIPHER-ALL:+{}:-MAC-ALL:+{}"


@pytest.mark.parametrize("udp", [False, True])
def test_raw_public_keys(echo, folder, udp):
    """SEC-081: RFC 7250 both ways with GnuTLS's own client; SEC-049: named by the identifier of the key."""
    ours, _ = raw_key(folder, "ours")
    theirs, public = raw_key(folder, "theirs")
    e = echo("--raw", ours, "--accept-raw", *(["--udp"] if udp else []))
    said = gnutls_cli(e.port, RAW.format(*(("DTLS1.2", "AES-128-CCM-8", "AEAD") if udp else ("TLS1.2", "AES-128-CBC", "SHA256"))), "--rawpkkeyfile",
                      theirs, "--rawpkfile", public, "--no-ca-verification", "--insecure", *(["--udp"] if udp else []))
    assert echoed(said), said
    opened = e.wait("open")
    assert (opened["type"], opened["credential"]) == (30, "30-" + key_id(public))
    assert opened["suite"] == ("ECDHE-ECDSA-AES128-CCM8" if udp else "ECDHE-ECDSA-AES128-SHA256")


def test_gnutls_psk(echo):
    """The other library: TLS and DTLS with a PSK (SEC-009, SEC-010)."""
    for udp, priority in [(False, ONLY_PSK.format("TLS1.2", "AES-128-CBC", "SHA256")), (True, ONLY_PSK.format("DTLS1.2", "AES-128-CCM-8", "AEAD"))]:
        e = echo("--psk", f"{KPSA_ID}={PSK}", *(["--udp"] if udp else []))
        said = gnutls_cli(e.port, priority, "--pskusername", KPSA_ID, "--pskkey", PSK, *(["--udp"] if udp else []))
        assert echoed(said), said
        assert e.wait("open")["credential"] == "12-" + KPSA_ID


def test_long_identity_and_key(echo):
    """SEC-041: 128 octets of identity, 64 of key; and not one more."""
    identity, key = "a" * 109 + "@issuer.example.org", "5a" * 64
    assert len(identity) == 128
    e = echo("--psk", f"{identity}={key}")
    assert echoed(s_client(e.port, "-tls1_2", "-cipher", "PSK-AES128-CBC-SHA256", *psk(identity, key)))
    assert e.wait("open")["credential"] == "12-" + identity
    assert not echoed(s_client(e.port, "-tls1_2", "-cipher", "PSK-AES128-CBC-SHA256", *psk("b" + identity, key)))


# --- versions

def alert(said):
    """The number of the alert that OpenSSL reports."""
    m = re.search(r"SSL alert number (\d+)", said)
    return int(m.group(1)) if m else None


def test_old_versions_are_refused(echo):
    """SEC-006, SEC-007: protocol_version (70) for TLS 1.1 and DTLS 1.0."""
    e = echo("--psk", f"{KPSA_ID}={PSK}")
    u = echo("--psk", f"{KPSA_ID}={PSK}", "--udp")
    for port, version in [(e.port, "-tls1_1"), (u.port, "-dtls1")]:
        said = s_client(port, version, "-cipher", "ALL:PSK:@SECLEVEL=0", *psk())
        assert not echoed(said) and alert(said) == 70, said
    assert e.wait("failed")["done"] == 0 and u.wait("failed")["done"] == 0


def test_both_versions_get_12(echo, own, peer, ca):
    """SEC-008: who offers TLS 1.3 and 1.2 gets 1.2, whether or not 1.3 is on; who offers 1.3 alone gets it where it is on."""
    for more in ([], ["--tls13"]):
        e = echo(*listener(own, ca, "--psk", f"{KPSA_ID}={PSK}", *more))
        said = s_client(e.port, *certificate(peer, ca))
        assert echoed(said) and e.wait("open")["version"] == "TLS 1.2", said
        said = s_client(e.port, "-tls1_3", *certificate(peer, ca))
        if more:
            assert echoed(said) and e.wait("open")["version"] == "TLS 1.3", said
        else:
            assert not echoed(said) and alert(said) == 70, said


def test_tls13_psk(echo):
    """TLS 1.3 with a PSK whose identity stands in the ClientHello; a wrong key and an unknown identity end alike (SEC-039)."""
    e = echo("--psk", f"{KPSA_ID}={PSK}", "--tls13")
    cipher = "-tls1_3", "-ciphersuites", "TLS_AES_128_GCM_SHA256"
    said = s_client(e.port, *cipher, *psk())
    assert echoed(said), said
    opened = e.wait("open")
    assert (opened["version"], opened["suite"], opened["credential"]) == ("TLS 1.3", "TLS_AES_128_GCM_SHA256", "12-" + KPSA_ID)
    alerts = set()
    for who in (psk(key="77" * 32), psk("nobody@issuer.example.org")):
        said = s_client(e.port, *cipher, *who)
        assert not echoed(said)
        alerts.add(alert(said))
    assert len(alerts) == 1 and alerts != {None}


# --- refused

def test_wrong_key_and_unknown_identity_are_alike(echo):
    """SEC-038, SEC-039: both fail at the same place with the same alert, and nothing is bound."""
    for udp, version, cipher in [(False, "-tls1_2", "PSK-AES128-CBC-SHA256"), (True, "-dtls1_2", "PSK-AES128-CCM8")]:
        e = echo("--psk", f"{KPSA_ID}={PSK}", *(["--udp"] if udp else []))
        if udp:
            continue  # a wrong Finished is dropped there without a word (RFC 6347 4.1.2.7): the handshake never ends
        said = [s_client(e.port, version, "-cipher", cipher, *who) for who in (psk(key="77" * 32), psk("nobody@issuer.example.org"))]
        assert not echoed(said[0]) and not echoed(said[1])
        assert alert(said[0]) == alert(said[1]) == 20
        for event in (e.wait("failed"), e.wait("failed")):
            assert event["done"] == 0
        assert PSK not in "".join(e.seen).lower()  # SEC-139


def test_no_common_suite(echo, own, ca):
    """SEC-014: handshake_failure (40), nothing is left of it. RSA, SHA-1, other curves, AES-256 are out."""
    e = echo(*listener(own, ca, "--psk", f"{KPSA_ID}={PSK}"))
    for cipher in ("ECDHE-RSA-AES128-SHA256", "ECDHE-ECDSA-AES128-SHA", "PSK-AES128-CBC-SHA", "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-AES128-GCM-SHA256"):
        said = s_client(e.port, "-tls1_2", "-cipher", cipher, *psk())
        assert not echoed(said) and alert(said) == 40, said
    said = s_client(e.port, "-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA256", "-groups", "P-384")
    assert not echoed(said) and alert(said) == 40, said
    assert [e.wait("failed")["done"] for _ in range(6)] == [0] * 6


def test_client_certificate_is_required(echo, own, ca, folder):
    """SEC-043: none, and one of a stranger: the handshake fails."""
    e = echo(*listener(own, ca))
    said = s_client(e.port, "-tls1_2", "-CAfile", ca.file)
    assert not echoed(said) and alert(said) is not None, said
    stranger = Authority(folder, "Test CA", permitted=[dns("m2m.example.com")]).issue([dns(PEER)])
    said = s_client(e.port, "-tls1_2", *certificate(stranger, ca))
    assert not echoed(said) and alert(said) == 42, said
    assert e.wait("failed")["done"] == e.wait("failed")["done"] == 0


def test_no_permission(echo):
    """What the layer above does not permit is told before the client believes in success: access_denied (49)."""
    e = echo("--psk", f"{KPSA_ID}={PSK}")
    e.tell("deny")
    said = s_client(e.port, "-tls1_2", "-cipher", "PSK-AES128-CBC-SHA256", *psk())
    assert not echoed(said) and alert(said) == 49, said
    e.tell("permit")
    assert echoed(s_client(e.port, "-tls1_2", "-cipher", "PSK-AES128-CBC-SHA256", *psk()))


def test_no_tls(echo):
    """What is no TLS at all ends the connection; what comes in pieces is put together."""
    import socket
    e = echo("--psk", f"{KPSA_ID}={PSK}")
    with socket.create_connection(("127.0.0.1", e.port), 30) as s:
        s.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        while s.recv(4096):
            pass
    assert "no TLS" in e.wait("failed")["why"]


# --- names

def test_sni_selects(echo, ca, own, peer):
    """SEC-016, SEC-017, SEC-018: the certificate that SNI asks for; another name is refused with unrecognized_name (112)."""
    maf = ca.issue([dns("maf.m2m.example.com")])
    e = echo(*listener(own, ca, "--own", f"{maf.chain}:{maf.key_file}", "--serve-name", "also.m2m.example.com"))
    for name, subject in [(CSE, own), ("maf.m2m.example.com", maf), ("MAF.m2m.example.com", maf), ("also.m2m.example.com", own)]:
        said = s_client(e.port, "-tls1_2", *certificate(peer, ca), "-servername", name, "-showcerts")
        assert echoed(said) and subject.file.read_text().split("\n")[1] in said, said
        assert e.wait("open")["server_name"] == name
    said = s_client(e.port, "-tls1_2", *certificate(peer, ca), "-servername", "other.m2m.example.com")
    assert not echoed(said) and alert(said) == 112, said
    assert echoed(s_client(e.port, "-tls1_2", *certificate(peer, ca), "-noservername"))


# --- preference and resumption

def test_forward_secrecy(echo):
    """SEC-015: ECDHE_PSK is preferred where it is on, whatever the client would rather have, and not spoken where it is off."""
    offer = "-tls1_2", "-cipher", "PSK-AES128-CBC-SHA256:ECDHE-PSK-AES128-CBC-SHA256", *psk()
    for more, suite in [(["--forward-secrecy"], "ECDHE-PSK-AES128-CBC-SHA256"), ([], "PSK-AES128-CBC-SHA256")]:
        e = echo("--psk", f"{KPSA_ID}={PSK}", *more)
        assert echoed(s_client(e.port, *offer))
        assert e.wait("open")["suite"] == suite


@pytest.mark.parametrize("how", ["psk", "certificate"])
def test_resumption(echo, tmp_path, own, peer, ca, how):
    """A session is resumed where that is on, names the same credential, and is not when the credential is no longer good."""
    e = echo(*listener(own, ca, "--psk", f"{KPSA_ID}={PSK}", "--resumption", "600"))
    plain = echo(*listener(own, ca, "--psk", f"{KPSA_ID}={PSK}"))
    who = psk() + ("-cipher", "PSK-AES128-CBC-SHA256") if how == "psk" else certificate(peer, ca) + ("-cipher", "ECDHE-ECDSA-AES128-SHA256")
    named = "12-" + KPSA_ID if how == "psk" else "32-" + PEER
    kept = tmp_path / "session"
    again = "-tls1_2", *who, "-sess_in", kept
    for server, resumed in [(e, 1), (plain, 0)]:
        assert echoed(s_client(server.port, "-tls1_2", *who, "-sess_out", kept))
        server.wait("open")
        said = s_client(server.port, *again)
        assert echoed(said) and ("Reused, " in said) == bool(resumed), said
        opened = server.wait("open")
        assert (opened["resumed"], opened["credential"]) == (resumed, named)
    assert echoed(s_client(e.port, "-tls1_2", *who, "-sess_out", kept))
    e.tell("deny")
    said = s_client(e.port, *again)
    assert not echoed(said) and alert(said) == 49, said
    e.tell("permit")
    said = s_client(e.port, *again)  # it was forgotten
    assert echoed(said) and "Reused" not in said


# --- a key that must be fetched first

@pytest.mark.parametrize("version,cipher", [("-tls1_2", ("-cipher", "PSK-AES128-CBC-SHA256")), ("-tls1_2", ("-cipher", "ECDHE-PSK-AES128-CBC-SHA256")),
                                            ("-tls1_3", ("-ciphersuites", "TLS_AES_128_GCM_SHA256")), ("-dtls1_2", ("-cipher", "PSK-AES128-CCM8"))])
def test_held(echo, version, cipher):
    """OpenSSL's client waits while its key is fetched; others are served meanwhile; the key comes, and the handshake goes on."""
    e = echo("--psk", f"{KPSA_ID}={PSK}", "--forward-secrecy", "--tls13", *(["--udp"] if version == "-dtls1_2" else []))
    e.tell("hold")
    p = Process("openssl", "s_client", "-connect", f"127.0.0.1:{e.port}", version, *cipher, *psk(), merge=True)
    e.wait("held")
    e.tell("release")
    assert talk(p)
    assert e.wait("open")["credential"] == "12-" + KPSA_ID
    p.end()


def test_held_too_long(echo):
    """A key that does not come: the handshake fails in its time, and the answer that comes later finds nobody."""
    e = echo("--psk", f"{KPSA_ID}={PSK}", "--hold-time", "200")
    e.tell("hold")
    said = s_client(e.port, "-tls1_2", "-cipher", "PSK-AES128-CBC-SHA256", *psk())
    assert not echoed(said) and alert(said) == 80, said
    assert e.wait("failed")["holding"] == 0
    e.tell("release")


# --- our client

@pytest.fixture
def opposite():
    """Servers that end with the test."""
    running = []

    def start(make, *args):
        running.append(make(*args))
        return running[-1]

    yield start
    for server in running:
        server.process.kill()
        server.process.wait()


def meet(server, port, *args):
    """Our client's end of a connection: what it says of it after an answer, or of its failure."""
    c = Echo("--connect", port, *args)
    opened = c.wait("open", "failed", "gone")
    if opened["event"] == "open":
        server.send("answer\n")
        c.wait("answer")
    c.stop()
    return opened


@pytest.mark.parametrize("udp", [False, True])
def test_client_psk(opposite, udp):
    """SEC-013: our client with OpenSSL's server, by PSK. SEC-016: SNI. SEC-031: identity and key; another key fails."""
    server = opposite(s_server, "-dtls1_2" if udp else "-tls1_2", "-nocert", "-psk", PSK, "-psk_identity", KPSA_ID, "-tlsextdebug", "-cipher",
                      "PSK-AES128-CCM8" if udp else "PSK")
    how = "--server-name", CSE, *(["--udp"] if udp else [])
    opened = meet(server, server.port, "--psk", f"{KPSA_ID}={PSK}", *how)
    assert opened["suite"] == ("PSK-AES128-CCM8" if udp else "PSK-AES128-CBC-SHA256"), opened
    assert (opened["type"], opened["credential"]) == (12, "12-" + KPSA_ID)
    while "hello" not in server.seen:
        assert server.line() is not None
    assert any('"server name"' in line for line in server.seen) and "".join(re.findall(r"- .{50}(.*)", "\n".join(server.seen))).find(CSE) >= 0, server.seen
    assert not any("doesn't match" in line or "did not expect" in line for line in server.seen), server.seen
    if not udp:
        assert meet(server, server.port, "--psk", f"{KPSA_ID}={'77' * 32}", *how)["event"] == "failed"


@pytest.mark.parametrize("udp", [False, True])
def test_client_certificate(opposite, own, peer, ca, folder, udp):
    """SEC-013, SEC-044, SEC-068: mutual certificates with OpenSSL's server, which must have the name that is wanted, of the flavour, by
    the anchor; else the client aborts."""
    def server_with(leaf):
        return opposite(s_server, "-dtls1_2" if udp else "-tls1_2", "-cert", leaf.chain, "-key", leaf.key_file, "-CAfile", ca.file, "-Verify", "3",
                        "-verify_return_error", "-cipher", "ECDHE-ECDSA-AES128-CCM8" if udp else "ECDHE")

    how = ["--own", f"{peer.chain}:{peer.key_file}", "--server-name", CSE, *(["--udp"] if udp else [])]
    server = server_with(own)
    opened = meet(server, server.port, *how, "--anchor", f"cse:{ca.file}", "--flavour", "cse", "--expect", CSE)
    assert opened["suite"] == ("ECDHE-ECDSA-AES128-CCM8" if udp else "ECDHE-ECDSA-AES128-SHA256"), opened
    assert opened["credential"] == "32-" + CSE
    other = Authority(folder, "Other CA", permitted=[dns("m2m.example.com")])
    for wrong in (["--anchor", f"cse:{ca.file}", "--flavour", "cse", "--expect", "in-cse2.m2m.example.com"],
                  ["--anchor", f"fqdn:{ca.file}", "--flavour", "cse", "--expect", CSE],
                  ["--anchor", f"cse:{other.file}", "--flavour", "cse", "--expect", CSE]):
        server = server_with(own)
        failed = meet(server, server.port, *how, *wrong)
        assert failed["event"] == "failed" and failed["why"] and "alert" not in failed["why"], failed


def gnutls_serv(*args):
    port = free_port()
    server = Server("gnutls-serv", "--echo", "-p", port, *args, ready="listening on IPv4")
    server.port = port
    return server


def test_client_raw_public_key(opposite, folder, own, peer, ca):
    """SEC-081: RFC 7250 with GnuTLS's server. SEC-082: another key, SEC-085: a certificate where a key is expected: aborted."""
    ours, public = raw_key(folder, "ours")
    theirs, their_public = raw_key(folder, "theirs")
    server = opposite(gnutls_serv, "--priority", RAW.format("TLS1.2", "AES-128-CBC", "SHA256"), "--rawpkkeyfile", theirs, "--rawpkfile", their_public,
                      "--require-client-cert", "--noticket")
    for bits in (256, 128, 120):
        opened = meet(server, server.port, "--raw", ours, "--accept-raw", "--public-key", key_id(their_public, bits))
        assert (opened["event"], opened["credential"]) == ("open", "30-" + key_id(their_public)), opened
    failed = meet(server, server.port, "--raw", ours, "--accept-raw", "--public-key", key_id(public))
    assert failed["event"] == "failed" and "not the one that is trusted" in failed["why"]
    x509 = opposite(gnutls_serv, "--x509certfile", own.chain, "--x509keyfile", own.key_file, "--x509cafile", ca.file, "--noticket",
                    "--priority", "NORMAL:-VERS-ALL:+VERS-TLS1.2")
    failed = meet(x509, x509.port, "--raw", ours, "--accept-raw", "--public-key", key_id(their_public))
    assert failed["event"] == "failed", failed


def test_key_log_is_off(echo, tmp_path):
    """SEC-139: what GnuTLS would write for SSLKEYLOGFILE is not written."""
    log = tmp_path / "keys"
    e = echo("--psk", f"{KPSA_ID}={PSK}", env={**os.environ, "SSLKEYLOGFILE": str(log)})
    assert echoed(s_client(e.port, "-tls1_2", "-cipher", "PSK-AES128-CBC-SHA256", *psk()))
    assert not log.exists()
