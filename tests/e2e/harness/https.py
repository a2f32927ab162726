# SPDX-License-Identifier: Apache-2.0
"""Security associations for tests: CAs, certificates, keys in the sealed file of a server, and clients that are not ours.

    pki = Pki(folder)                       # one CA for CSEs, one for AEs
    server = new_server(pki.https(folder))  # settings with [https] and [tls]
    ae = secure(server, pki, "Cpump")       # an Entity whose association is that of Cpump's certificate
"""

import base64
import hashlib
import json
import pathlib
import queue
import socket
import ssl
import subprocess
from urllib.parse import quote

from cryptography.hazmat.primitives import serialization

from .certs import Authority, dns, uri
from .client import Client, Entity
from .receiver import Receiver
from .server import binary, free_port

PSK = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"


class Pki:
    """Certificates below //SP, whose CSE is CSE (its public domain name is made of both)."""

    def __init__(self, folder, sp="reeve.local", cse="reeve"):
        self.folder, self.sp, self.cse = pathlib.Path(folder), sp, cse
        self.domain = "%s.%s" % (cse, sp)
        self.cse_ca = Authority(self.folder, "CSE CA", permitted=[dns(sp)])
        self.ae_ca = Authority(self.folder, "AE CA", permitted=[uri(sp)])
        self.stranger_ca = Authority(self.folder, "nobody's CA", permitted=[dns(sp), uri(sp)])
        self.own = self.cse_ca.issue([dns(self.domain)])
        self.leaves = {}

    def ae(self, ae_id, **kw):
        """The certificate of an AE: "Cpump" (of this CSE), "Spump", "/other/Cpump"."""
        if ae_id not in self.leaves or kw:
            path = ae_id if ae_id[0] == "/" else "/" + ae_id if ae_id[0] == "S" else "/%s/%s" % (self.cse, ae_id)
            leaf = self.ae_ca.issue([uri("https://" + self.sp + path)], **kw)
            if kw:
                return leaf
            self.leaves[ae_id] = leaf
        return self.leaves[ae_id]

    def other_cse(self, cse):
        return self.cse_ca.issue([dns("%s.%s" % (cse, self.domain))])

    def settings(self, folder, leaf=None, keys=None, **more):
        """Settings of a CSE with a listener of HTTPS; its key is put into the sealed file `keys`, by default one in `folder`."""
        leaf = leaf or self.own
        keys = pathlib.Path(keys or pathlib.Path(folder) / "keys")
        key_tool(keys, "import", leaf.key_file, "--alg", "TLS-ES256", "--kid", "own")
        return dict({"keys.file": str(keys), "https.address": "127.0.0.1", "https.port": free_port(), "http.address": "127.0.0.1",
                     "tls.certificates": "own:%s" % leaf.chain,
                     "tls.anchors": "cse:%s, ae:%s" % (self.cse_ca.file, self.ae_ca.file)}, **more)


def key_tool(keys, *args, data=None):
    done = subprocess.run([binary(), "key", *map(str, args), "--keys.file", str(keys)], input=data, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def raw_key_id(leaf):
    """The identifier of a public key (RFC 6920), made without our code."""
    spki = leaf.key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return "ni:///sha-256;" + base64.urlsafe_b64encode(hashlib.sha256(spki).digest()).rstrip(b"=").decode()


def context(pki, leaf=None):
    """Of Python's ssl (OpenSSL), TLS 1.2 with the suite that TS-0003 10.2.3 makes mandatory."""
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    c.load_verify_locations(str(pki.cse_ca.file))
    c.maximum_version = ssl.TLSVersion.TLSv1_2
    c.set_ciphers("ECDHE-ECDSA-AES128-SHA256")
    if leaf:
        c.load_cert_chain(str(leaf.chain), str(leaf.key_file))
    return c


def connect(server, pki, leaf=None, name=None, timeout=15.0, ctx=None):
    """A TLS socket to the listener of HTTPS."""
    raw = socket.create_connection((server.address, server.settings["https.port"]), timeout=timeout)
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        return (ctx or context(pki, leaf)).wrap_socket(raw, server_hostname=name or pki.domain)
    except BaseException:
        raw.close()
        raise


class SecureClient(Client):
    """Client over HTTPS, as whoever the certificate says."""

    def __init__(self, server, pki, leaf, timeout=30.0):
        super().__init__(server.address, server.settings["https.port"], timeout)
        self.server, self.pki, self.leaf = server, pki, leaf

    def _connection(self):
        c = getattr(self._local, "c", None)
        if c is None:
            c = self._local.c = super()._connection()
            c.sock = connect(self.server, self.pki, self.leaf, timeout=self.timeout)
        return c

    def send(self, *args, **kw):
        r = super().send(*args, **kw)
        if r.headers.get("connection") == "close":
            self.close()  # http.client would connect again, in clear
        return r


def secure(server, pki, ae_id):
    return Entity(SecureClient(server, pki, pki.ae(ae_id)), ae_id)


def credential(server, row):
    """Add a row to the table of credentials, by the Unix domain socket of the running CSE."""
    body = json.dumps(row).encode()
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(15)
        s.connect(str(pathlib.Path(server.settings["store.data"]) / "control"))
        s.sendall(b"POST /credentials HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
                  % len(body) + body)
        answer = b""
        while more := s.recv(65536):
            answer += more
    assert answer.startswith(b"HTTP/1.1 20"), answer


def forget(server, credential_id):
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(15)
        s.connect(str(pathlib.Path(server.settings["store.data"]) / "control"))
        s.sendall(b"DELETE /credentials/%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % quote(credential_id, safe="").encode())
        answer = s.recv(65536)
    assert answer.startswith(b"HTTP/1.1 20"), answer


class SecureReceiver(Receiver):
    """A receiver of notifications behind TLS that wants a certificate of a CSE. `named`: what clients asked for by SNI, in order."""

    def __init__(self, pki, leaf, **kw):
        self.context, self.named = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), queue.Queue()
        self.context.maximum_version = ssl.TLSVersion.TLSv1_2
        self.context.verify_mode = ssl.CERT_REQUIRED
        self.context.load_verify_locations(str(pki.cse_ca.file))
        self.context.load_cert_chain(str(leaf.chain), str(leaf.key_file))
        self.context.sni_callback = lambda s, name, c: self.named.put(name)
        super().__init__(**kw)
        plain = self.server.get_request

        def get_request():
            s, address = plain()
            s.settimeout(15)
            try:
                return self.context.wrap_socket(s, server_side=True), address
            except OSError:
                s.close()
                raise

        self.server.get_request = get_request
        self.url = self.url.replace("http:", "https:")
