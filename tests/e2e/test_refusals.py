# SPDX-License-Identifier: Apache-2.0
"""Handshakes that a CSE refuses, at its listeners of HTTPS and CoAPS alike: the alert that docs/internals/tls.md names, the reason in the
log, the counter, and not a byte that reaches HTTP or CoAP. The clients are OpenSSL's."""

import re
import socket
import subprocess

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from harness import wait_until
from harness.certs import DAY, Authority, now, uri, usage
from harness.coap import GET, NON, URI_PATH, Coaps, Message
from harness.https import Pki, credential
from harness.raw import message
from harness.server import Server, free_port

PSK = "000102030405060708090a0b0c0d0e0f"
WIRES = ["https", "coaps"]
CERT = {"https": "ECDHE-ECDSA-AES128-SHA256", "coaps": "ECDHE-ECDSA-AES128-CCM8"}
KEYED = {"https": "PSK-AES128-CBC-SHA256", "coaps": "PSK-AES128-CCM8"}
BAD_MAC, HANDSHAKE_FAILURE, BAD_CERTIFICATE, PROTOCOL_VERSION, NO_NAME = 20, 40, 42, 70, 112


class World:
    def __init__(self, folder):
        self.pki = pki = Pki(folder)
        self.revoked = pki.ae("Crevoked")
        settings = pki.settings(folder, **{
            "coaps.address": "127.0.0.1", "coaps.port": free_port(socket.SOCK_DGRAM), "log.level": "debug", "tls.handshake_time": "3 s",
            "tls.crls": str(pki.ae_ca.crl([self.revoked]))})
        self.server = Server(settings).start()
        credential(self.server, {"id": "12-pump@issuer.example", "ae": ["//reeve.local/reeve/Cpump"], "secret": PSK})

    def shake(self, wire, *args, leaf=None, version=True):
        """What OpenSSL says of a handshake, after which it sent a request."""
        port = self.server.settings[wire + ".port"]
        args = [*(("-tls1_2",) if wire == "https" else ("-dtls1_2",)) * version, *args]
        if leaf:
            args += ["-cert", leaf.chain, "-key", leaf.key_file]
        ask = message(origin="Cpump", headers=[("Connection", "close")]) if wire == "https" else b"\x50\x01\x00\x01\xb3cse"
        done = subprocess.run(["openssl", "s_client", "-connect", "127.0.0.1:%d" % port, *["-ign_eof"] * (wire == "https"), *map(str, args)], input=ask, timeout=30,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        return done.stdout.decode(errors="replace")

    def reached(self):
        m = self.server.metrics()
        return sum(m["answers_%dxxx" % n] for n in (2, 4, 5)) + m["coap_requests"] + m["bad_coap"] + m["bad_http"]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    w = World(tmp_path_factory.mktemp("refusals"))
    yield w
    w.server.stop()
    w.server.remove()


def served(world, *args):
    c = Coaps(world.server.settings["coaps.port"], *args)
    assert c.exchange(Message(NON, GET, 1, b"t", [(URI_PATH, "cse")])).code
    c.close()


def refused(world, wire, alert, why, *args, **kw):
    before, failed = world.reached(), world.server.metrics()["tls_failed"]
    at = len(world.server.errors())
    said = world.shake(wire, *args, **kw)
    assert [int(n) for n in re.findall(r"SSL alert number (\d+)", said)] == [alert], said
    wait_until(lambda: world.server.metrics()["tls_failed"] == failed + 1)
    if wire == "coaps":  # the log of HTTPS tells of one in a while
        wait_until(lambda: why in world.server.errors()[at:])
    assert world.reached() == before


def ae(name="Cpump"):
    return [uri("https://reeve.local/reeve/" + name)]


LEAVES = {
    # name: (made by whom of what, what the log says)
    "unknown CA": (lambda p: p.stranger_ca.issue(ae()), "anchor"),
    "CA of another flavour (SEC-070)": (lambda p: p.cse_ca.issue(ae()), ""),
    "expired (SEC-072)": (lambda p: p.ae_ca.issue(ae(), start=now() - 9 * DAY, end=now() - DAY), "expired"),
    "not yet valid (SEC-072)": (lambda p: p.ae_ca.issue(ae(), start=now() + DAY), ""),
    "wrong key usage (SEC-059)": (lambda p: p.ae_ca.issue(ae(), use=usage(key_agreement=True)), "digitalSignature"),
    "P-384 (SEC-056)": (lambda p: p.ae_ca.issue(ae(), key=ec.generate_private_key(ec.SECP384R1())), None),
    "RSA (SEC-055)": (lambda p: p.ae_ca.issue(ae(), key=rsa.generate_private_key(65537, 2048)), None),
    "SHA-512 (SEC-058)": (lambda p: p.ae_ca.issue(ae(), hash=hashes.SHA512()), ""),
    "wildcard (SEC-066)": (lambda p: p.ae_ca.issue([uri("https://*.reeve.local/reeve/Cpump")]), ""),
    "no name (SEC-067)": (lambda p: p.ae_ca.issue(None, cn="https://reeve.local/reeve/Cpump"), ""),
    "host that the CA may not name (SEC-075)": (lambda p: p.ae_ca.issue([uri("https://other.example/reeve/Cpump")]), ""),
}


def test_good(world):
    """So that what is refused below is refused for the one thing that is wrong with it."""
    leaf = world.pki.ae("Cpump")
    by = {"cert": ("-cert", leaf.chain, "-key", leaf.key_file), "psk": ("-psk_identity", "pump@issuer.example", "-psk", PSK)}
    for how, suites in (("cert", CERT), ("psk", KEYED)):
        assert "HTTP/1.1 " in world.shake("https", "-cipher", suites["https"], *by[how])
        served(world, "-cipher", suites["coaps"], *by[how])


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("name", LEAVES)
def test_certificates(world, wire, name):
    """SEC-068: the handshake ends before anything else is said. Keys of another kind than P-256 cannot even sign with what is negotiated: OpenSSL
    shows none, or its certificate is refused."""
    make, why = LEAVES[name]
    leaf = make(world.pki)
    if why is None:
        before, failed = world.reached(), world.server.metrics()["tls_failed"]
        world.shake(wire, "-cipher", CERT[wire], leaf=leaf)
        wait_until(lambda: world.server.metrics()["tls_failed"] == failed + 1)
        assert world.reached() == before
    else:
        refused(world, wire, BAD_CERTIFICATE, why, "-cipher", CERT[wire], leaf=leaf)


@pytest.mark.parametrize("wire", WIRES)
def test_revoked(world, wire):
    """A certificate on its CA's revocation list"""
    refused(world, wire, BAD_CERTIFICATE, "revoked", "-cipher", CERT[wire], leaf=world.revoked)


@pytest.mark.parametrize("wire", WIRES)
def test_no_certificate(world, wire):
    """SEC-043"""
    before, failed = world.reached(), world.server.metrics()["tls_failed"]
    assert re.search(r"SSL alert number", world.shake(wire, "-cipher", CERT[wire]))
    wait_until(lambda: world.server.metrics()["tls_failed"] == failed + 1)
    assert world.reached() == before


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("cipher", ["ECDHE-RSA-AES128-SHA256", "ECDHE-ECDSA-AES128-SHA", "PSK-AES128-CBC-SHA", "ECDHE-ECDSA-AES256-CCM8"])
def test_suites(world, wire, cipher):
    """SEC-014"""
    refused(world, wire, HANDSHAKE_FAILURE, "", "-cipher", cipher, "-psk", PSK, "-psk_identity", "pump@issuer.example", leaf=world.pki.ae("Cpump"))


@pytest.mark.parametrize("wire,old", [("https", "-tls1_1"), ("coaps", "-dtls1")])
def test_versions(world, wire, old):
    """SEC-006, SEC-007"""
    refused(world, wire, PROTOCOL_VERSION, "", old, "-cipher", "ALL:PSK:@SECLEVEL=0", "-psk", PSK, leaf=world.pki.ae("Cpump"), version=False)


def test_both_versions(world):
    """SEC-008: TLS 1.2 for who offers both, though TLS 1.3 is on for who offers that alone."""
    said = world.shake("https", leaf=world.pki.ae("Cpump"), version=False)
    assert "TLSv1.2" in said and "HTTP/1.1 " in said, said
    assert "TLSv1.3" in world.shake("https", "-tls1_3", leaf=world.pki.ae("Cpump"), version=False)


@pytest.mark.parametrize("wire", WIRES)
def test_names(world, wire):
    """SEC-018"""
    refused(world, wire, NO_NAME, "server name", "-cipher", CERT[wire], "-servername", "other.reeve.local", leaf=world.pki.ae("Cpump"))


def test_keys_of_tls(world):
    """SEC-038, SEC-039: a wrong key and an unknown identity end alike."""
    for who, key in (("pump@issuer.example", PSK[::-1]), ("nobody@issuer.example", PSK)):
        refused(world, "https", BAD_MAC, "", "-cipher", KEYED["https"], "-psk_identity", who, "-psk", key)


def test_keys_of_dtls(world):
    """SEC-038, SEC-039 under DTLS: both end at tls.handshake_time and leave nothing behind."""
    ended = []
    why = "handshake took too long"
    for who, key in (("pump@issuer.example", PSK[::-1]), ("nobody@issuer.example", PSK)):
        before, failed = world.reached(), world.server.metrics()["tls_failed"]
        at = len(world.server.errors())
        said = world.shake("coaps", "-cipher", KEYED["coaps"], "-psk_identity", who, "-psk", key)
        wait_until(lambda: world.server.metrics()["tls_failed"] == failed + 1)
        wait_until(lambda: why in world.server.errors()[at:])
        assert world.reached() == before
        ended.append(re.findall(r"alert number \d+", said))
    assert ended[0] == ended[1]
    served(world, "-cipher", KEYED["coaps"], "-psk_identity", "pump@issuer.example", "-psk", PSK)
