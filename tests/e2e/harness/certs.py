# SPDX-License-Identifier: Apache-2.0
"""Certificates for tests, made with python3-cryptography: a right one of each flavour, and whatever is wrong with one.

    ca = Authority(folder, permitted=[dns("m2m.example.com")])
    leaf = ca.issue([dns("mn-cse7.in-cse1.m2m.example.com")])
    leaf.chain      # path: PEM, leaf first, with the CAs between it and the anchor
    leaf.key_file   # path: PKCS#8 PEM
    ca.file         # path: the CA's certificate
"""
import datetime
import itertools

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID, ObjectIdentifier

DAY = datetime.timedelta(days=1)
_count = itertools.count(1)


def dns(name):
    return x509.DNSName(name)


def uri(text):
    return x509.UniformResourceIdentifier(text)


def utf8(text):
    """DER UTF8String, short form of the length."""
    raw = text.encode()
    assert len(raw) < 128
    return bytes([0x0C, len(raw)]) + raw


def other(oid, text):
    return x509.OtherName(ObjectIdentifier(oid), utf8(text))


def registered(oid):
    return x509.RegisteredID(ObjectIdentifier(oid))


def app_id(text):
    """App-ID beside the AE-ID (docs/deviations.md)."""
    return x509.DirectoryName(x509.Name([x509.NameAttribute(NameOID.USER_ID, text)]))


def usage(**more):
    bits = dict.fromkeys(["digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
                          "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"], False)
    return x509.KeyUsage(**{**bits, **more})


def now():
    return datetime.datetime.utcnow().replace(microsecond=0)


def pem(cert):
    return cert.public_bytes(serialization.Encoding.PEM)


class Leaf:
    def __init__(self, folder, cert, key, between):
        n = next(_count)
        self.cert, self.key = cert, key
        self.file, self.chain, self.key_file = (folder / f"{n}.{end}" for end in ("pem", "chain.pem", "key"))
        self.file.write_bytes(pem(cert))
        self.chain.write_bytes(pem(cert) + b"".join(map(pem, between)))
        self.key_file.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                                    serialization.NoEncryption()))
        self.key_file.chmod(0o600)


def build(subject, issuer, issuer_key, key, extensions, hash=None, start=None, end=None):
    b = (x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
         .serial_number(x509.random_serial_number()).not_valid_before(start or now() - DAY).not_valid_after(end or now() + 30 * DAY))
    for extension, critical in extensions:
        b = b.add_extension(extension, critical)
    return b.sign(issuer_key, hash or hashes.SHA256())


def named(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


class Authority:
    """A CA: a root, or below another one."""

    def __init__(self, folder, name=None, above=None, permitted=None, excluded=None, key=None, ca=True, depth=None, hash=None, sign=True, **times):
        self.folder, self.above = folder, above
        self.name = named(name or f"CA {next(_count)}")
        self.key = key or ec.generate_private_key(ec.SECP256R1())
        extensions = [(x509.BasicConstraints(ca, depth if ca else None), True)]
        if sign is not None:
            extensions.append((usage(digital_signature=True, key_cert_sign=sign, crl_sign=sign), True))
        if permitted or excluded:
            extensions.append((x509.NameConstraints(permitted, excluded), True))
        self.cert = build(self.name, above.name if above else self.name, above.key if above else self.key, self.key, extensions, hash, **times)
        self.file = folder / f"ca{next(_count)}.pem"
        self.file.write_bytes(pem(self.cert))

    def between(self):
        """The CAs from this one up, without the root."""
        return [self.cert] + self.above.between() if self.above else []

    def issue(self, names, cn="leaf", key=None, use=None, more=(), critical=False, hash=None, **times):
        """names: list of general names, or None: no subjectAltName; use: a KeyUsage, or False: none."""
        key = key or ec.generate_private_key(ec.SECP256R1())
        extensions = [(x509.BasicConstraints(False, None), True)]
        if use is not False:
            extensions.append((use or usage(digital_signature=True), True))
        if names is not None:
            extensions.append((x509.SubjectAlternativeName(names), critical))
        cert = build(named(cn), self.name, self.key, key, extensions + list(more), hash, **times)
        return Leaf(self.folder, cert, key, self.between())

    def crl(self, revoked=(), start=None, end=None):
        """File with the list of revoked leaves."""
        b = x509.CertificateRevocationListBuilder().issuer_name(self.name).last_update(start or now() - DAY).next_update(end or now() + DAY)
        for leaf in revoked:
            b = b.add_revoked_certificate(x509.RevokedCertificateBuilder().serial_number(leaf.cert.serial_number)
                                          .revocation_date(now() - DAY).build())
        path = self.folder / f"{next(_count)}.crl"
        path.write_bytes(pem(b.sign(self.key, hashes.SHA256())))
        return path
