# SPDX-License-Identifier: Apache-2.0
"""CSEs that know each other through security associations alone (Mcc): an IN-CSE and the CSEs registered there, over each carrier that can
protect, with each kind of credential. Their AEs use plain HTTP on loopback, where no CSE is believed (SEC-107).

    s = System(folder, "https", "psk")
    mn = s.mn("mn1"); s.trust(mn)            # with the credentials of both in place, in either order
"""

import http.client
import json
import pathlib
import socket
from urllib.parse import quote

from .certs import Authority, dns
from .https import PSK, key_tool, raw_key_id
from .server import Server, free_port, stop_all
from .times import wait_until

SP = "reeve.local"
FAST = {"registrar.retry_first": "20ms", "registrar.retry_most": "100ms", "notify.retry_first": "20ms", "notify.retry_most": "100ms",
        "tls.handshake_time": "2 s"}


def control(server, method, path, body=None):
    """(HTTP status, content) of the socket that administers credentials."""
    c = http.client.HTTPConnection("control", timeout=15)
    c.sock = socket.socket(socket.AF_UNIX)
    c.sock.settimeout(15)
    c.sock.connect(str(pathlib.Path(server.settings["store.data"]) / "control"))
    try:
        c.request(method, path, json.dumps(body) if body is not None else None, {"Content-Type": "application/json"} if body is not None else {})
        r = c.getresponse()
        return r.status, json.loads(r.read())
    finally:
        c.close()


def add(server, **row):
    status, said = control(server, "POST", "/credentials", row)
    assert status == 201, said


def change(server, credential, **members):
    status, said = control(server, "PATCH", "/credentials/" + quote(credential, safe=""), members)
    assert status == 200, said


def psk(node):
    return "12-%s@%s" % (node, SP)


class System:
    def __init__(self, folder, carrier="https", kind="certificate", started=True, **settings):
        self.folder, self.carrier, self.kind = pathlib.Path(folder), carrier, kind
        self.ca = Authority(self.folder, "CSE CA", permitted=[dns(SP)])
        self.nodes, self.leaves, self.ports = [], {}, {}
        self.in_ = self.make("in1", "IN", settings, start=started)

    @staticmethod
    def domain(node):
        return "in1." + SP if node == "in1" else "%s.in1.%s" % (node, SP)

    def leaf(self, node):
        if node not in self.leaves:
            self.leaves[node] = self.ca.issue([dns(self.domain(node))])
        return self.leaves[node]

    def url(self, node):
        """Where it listens; the port is the same in each of its lives, so others can know it before the first."""
        if node not in self.ports:
            self.ports[node] = free_port(socket.SOCK_DGRAM if self.carrier == "coaps" else socket.SOCK_STREAM)
        return "%s://127.0.0.1:%d" % (self.carrier, self.ports[node])

    def keys(self, folder, node, leaf=None):
        """Settings for what the node shows of itself."""
        if self.kind == "psk":
            return {}
        leaf, file = leaf or self.leaf(node), folder / "keys"
        key_tool(file, "import", leaf.key_file, "--alg", "TLS-ES256", "--kid", "own")
        own = {"keys.file": str(file)}
        if self.kind == "raw":
            return dict(own, **{"tls.raw_key": "own"})
        return dict(own, **{"tls.certificates": "own:%s" % leaf.chain, "tls.anchors": "cse:%s" % self.ca.file})

    def make(self, node, kind, more=None, leaf=None, start=True):
        """leaf: what it shows instead of its own certificate."""
        folder = self.folder / ("%s-%d" % (node, len(self.nodes)))
        folder.mkdir()
        url = self.url(node)
        listener = "coaps" if self.carrier == "coaps" else "https"
        s = dict(FAST, **{"cse.id": "/" + node, "cse.name": node + "base", "cse.type": kind, "cse.poa": url, "tls.domain": self.domain(node),
                          listener + ".address": "127.0.0.1", listener + ".port": self.ports[node], "store.data": str(folder / "data")})
        if self.carrier == "wss" and kind != "IN":
            s["cse.poa"] = "wss://127.0.0.1:1"  # nobody can use it: what comes down takes the connection that went up
        s.update(self.keys(folder, node, leaf))
        s.update(more or {})
        server = Server(s, folder=folder)
        self.nodes.append(server)
        return server.start() if start else server

    def mn(self, node="mn1", **more):
        """A CSE below the IN-CSE, for which neither knows the other's credentials yet, but by certificates."""
        s = {"registrar.id": "/in1", "registrar.poa": self.url("in1")}
        if self.kind == "psk":
            s["registrar.credential"] = psk(node)
        elif self.kind == "raw":
            s["registrar.public_key"] = raw_key_id(self.leaf("in1"))
        s.update(more)
        return self.make(node, "MN", s, s.pop("leaf", None))

    def credential_id(self, node):
        return psk(node) if self.kind == "psk" else "30-" + raw_key_id(self.leaf(node)) if self.kind == "raw" else "32-" + self.domain(node)

    def trust(self, mn, secret=PSK, at_mn=True, at_in=True):
        """What each side has to be told of the other."""
        node = mn.cse_id[1:]
        if self.kind == "psk":
            if at_in:
                add(self.in_, id=psk(node), cse=mn.cse_id, secret=secret)
            if at_mn:
                add(mn, id=psk(node), cse="/in1", secret=secret)
        elif self.kind == "raw" and at_in:
            add(self.in_, id=self.credential_id(node), cse=mn.cse_id)

    def stop(self):
        stop_all(reversed(self.nodes))


def registered(server, yes=True):
    wait_until(lambda: server.metrics().get("registered") == (1 if yes else 0))
