# SPDX-License-Identifier: Apache-2.0
"""Carriers: a request primitive goes in, the response primitive comes out, whatever the binding and serialization between.

A request primitive is a dict with the short names of TS-0004 (op, to, fr, rqi, rvi, ty, rcn, fc, pc ...), a response primitive one with rsc,
rqi, rvi, pc, cnst, cnot, rset. What a primitive does not say but a binding has to choose is in two more members: "serial" (of the
content) and "accept" (of the answer), names of serializations.

A new binding is a class with `can` and `send`, and an entry in CARRIERS for each serialization.
"""

import itertools
import json
import queue
import re

import cbor2

from . import coap
from .client import path_of, query_of
from .facts import COAP
from .https import SecureClient
from .mqtt import MqttClient
from .ws import WsClient

MEDIA = {"json": "application/json", "cbor": "application/cbor", "xml": "application/xml"}


class Carrier:
    """One binding with one serialization, to one server."""

    protected = False  # everybody has a security association

    def __init__(self, server, serial):
        self.server, self.serial = server, serial

    def __repr__(self):
        return "%s with %s" % (type(self).__name__, self.serial)

    @staticmethod
    def can(request):
        """Can this binding say what the request says?"""
        return True

    def send(self, request):
        """The response primitive."""
        raise NotImplementedError


class Http(Carrier):
    """TS-0009."""

    METHOD = {1: "POST", 2: "GET", 3: "PUT", 4: "DELETE", 5: "POST"}
    HEADERS = {"gid": "X-M2M-GID", "ot": "X-M2M-OT", "rset": "X-M2M-RST", "rqet": "X-M2M-RET", "oet": "X-M2M-OET", "ec": "X-M2M-EC",
               "vsi": "X-M2M-VSI"}
    QUERY = {"rcn", "rp", "da", "drt", "rids", "tids", "ltids", "tqi", "asi", "auri", "sqi", "grtm"}
    OTHER = {"op", "to", "fr", "rqi", "rvi", "ty", "pc", "fc", "rt", "serial", "accept", "tkns", "aus"}

    @staticmethod
    def can(request):
        return request["op"] != 1 or "ty" in request  # POST without ty is Notify

    def client(self, request):
        return self.server.client

    def query(self, request):
        q = [(n, request[n]) for n in request if n in self.QUERY]
        for name, value in request.get("fc", {}).items():
            if name in ("atr", "catr", "patr"):
                prefix = {"atr": "", "catr": "c.", "patr": "p."}[name]
                q.extend((prefix + one["nm"], one["val"]) for one in value)
            else:
                q.append((name, value))
        if "rt" in request:
            q.append(("rt", request["rt"]["rtv"]))
        return q

    def send(self, request):
        unknown = set(request) - self.QUERY - self.OTHER - set(self.HEADERS)
        assert not unknown, "parameters the HTTP carrier does not know: %s" % unknown
        op, pc, q = request["op"], request.get("pc"), self.query(request)
        headers = [(self.HEADERS[n], str(request[n])) for n in request if n in self.HEADERS]
        if "nu" in request.get("rt", {}):
            headers.append(("X-M2M-RTU", "&".join(request["rt"]["nu"])))
        for name, header in (("tkns", "Authorization"), ("aus", "X-M2M-AS")):
            if name in request:
                headers.append((header, "+".join(request[name])))
        if op == 2 and pc is not None:  # partial Retrieve
            q.append(("atrl", pc["m2m:atrl"]))
            pc = None
        target = path_of(request["to"])
        if "#" in target:
            path, _, attr = target.partition("#")
            target = path
            q.append(("atrl", [attr]))
        if q:
            target += "?" + query_of(q)
        r = self.client(request).primitive(self.METHOD[op], request["to"], request.get("fr"), ty=request.get("ty"), content=pc,
                                         rqi=request.get("rqi"), rvi=request.get("rvi"), target=target, headers=headers,
                                         media=MEDIA[request.get("serial", self.serial)], accept=MEDIA[request.get("accept", self.serial)])
        if r.content is not None and "accept" not in request:
            assert r.headers["content-type"].split(";")[0] == MEDIA[self.serial], "the answer has another serialization: %r" % r
        return self.response(r)

    @staticmethod
    def response(r):
        p = {"rsc": r.rsc, "rqi": r.rqi}
        for name, header, kind in (("rvi", "x-m2m-rvi", str), ("rset", "x-m2m-rst", str), ("cnst", "x-m2m-cts", int),
                                   ("cnot", "x-m2m-cto", int)):
            if header in r.headers:
                p[name] = kind(r.headers[header])
        if r.body:
            p["pc"] = r.content
        return p


class Https(Http):
    """TS-0009 behind TLS: each AE has an association of its own, by an AE-ID certificate. Who is no AE of ours has none."""

    protected = True
    KEPT = 8  # associations at a time

    def __init__(self, server, serial):
        super().__init__(server, serial)
        self.clients = {}

    @staticmethod
    def can(request):
        return Http.can(request) and re.fullmatch(r"\{[a-z0-9]+\.id\}", str(request.get("fr", "{a.id}"))) is not None

    def client(self, request):
        who = request["fr"]
        if who not in self.clients:
            while len(self.clients) >= self.KEPT:
                self.clients.pop(next(iter(self.clients))).close()
            self.clients[who] = SecureClient(self.server, self.server.pki, self.server.pki.ae(who))
        return self.clients[who]

    def close(self):
        for c in self.clients.values():
            c.close()
        self.clients.clear()


class Coap(Carrier):
    """TS-0008. The codes of answers are checked against the table, and that there is a Request Identifier (CORE-292, CORE-290)."""

    METHOD = {1: coap.POST, 2: coap.GET, 3: coap.PUT, 4: coap.DELETE, 5: coap.POST}
    OPTIONS = {"fr": coap.FR, "rqi": coap.RQI, "rvi": coap.RVI, "gid": coap.GID, "ot": coap.OT, "rset": coap.RSET, "rqet": coap.RQET,
               "oet": coap.OET, "ec": coap.EC, "vsi": coap.VSI, "ty": coap.TY}
    FORMAT = {"json": 50, "cbor": 60, "xml": 41}

    @staticmethod
    def can(request):
        texts = [request.get(n) for n in ("fr", "rqi", "rvi", "gid", "ot", "rset", "rqet", "oet", "vsi")]
        texts += ["&".join(request.get("rt", {}).get("nu", [])), "+".join(request.get("aus", []))]
        numbers = [request.get("ty", 0), request.get("ec", 0)]
        return (Http.can(request) and all(isinstance(n, int) and 0 <= n < 65536 for n in numbers)
                and all(t is None or len(str(t).encode()) <= 255 for t in texts))

    @staticmethod
    def text(value):
        """'+' and '%' have a meaning in values of Uri-Query; nothing else is escaped."""
        if isinstance(value, bool):
            return "true" if value else "false"
        return str(value).replace("%", "%25").replace("+", "%2B")

    def query(self, request):
        fields = [(n, v) for n, v in Http.query(self, request) if n != "grtm"]
        if request.get("rt", {}).get("rtv") in (1, 2, 4):
            fields.append(("op", request["op"]))
        if "tkns" in request:
            fields.append(("tkns", request["tkns"]))
        return [n + "=" + ("+".join(self.text(x) for x in v) if isinstance(v, (list, tuple)) else self.text(v)) for n, v in fields]

    QUERY = Http.QUERY

    def send(self, request):
        unknown = set(request) - Http.QUERY - Http.OTHER - set(self.OPTIONS)
        assert not unknown, "parameters the CoAP carrier does not know: %s" % unknown
        op, pc, to = request["op"], request.get("pc"), request["to"]
        query = self.query(request)
        if op == 2 and pc is not None:  # partial Retrieve
            query.append("atrl=" + "+".join(pc["m2m:atrl"]))
            pc = None
        if "#" in to:
            to, _, attr = to.partition("#")
            query.append("atrl=" + attr)
        options = [(coap.URI_PATH, p) for p in coap.path_of(to)] + [(coap.URI_QUERY, q) for q in query]
        options += [(self.OPTIONS[n], request[n] if n in ("ty", "ec") else str(request[n])) for n in self.OPTIONS if n in request]
        if "nu" in request.get("rt", {}):
            options.append((coap.RTURI, "&".join(request["rt"]["nu"])))
        if "aus" in request:
            options.append((coap.AUS, "+".join(request["aus"])))
        if "grtm" in request:
            options.append((coap.GTM, "+".join(self.text(x) for x in request["grtm"])))
        serial = request.get("serial", self.serial)
        payload = b""
        if pc is not None:
            payload = cbor2.dumps(pc) if serial == "cbor" else json.dumps(pc, ensure_ascii=False).encode()
            options.append((coap.CONTENT_FORMAT, self.FORMAT[serial]))
        options.append((coap.ACCEPT, self.FORMAT[request.get("accept", self.serial)]))
        method = coap.POST if request.get("rt", {}).get("rtv") in (1, 2, 4) else self.METHOD[op]
        m = self.server.coap.get().request(method, options, payload)
        return self.response(m, op, None if "accept" in request else self.FORMAT[self.serial])

    @staticmethod
    def response(m, op, serial):
        assert m.rsc in COAP and "%d.%02d" % (m.code >> 5, m.code & 31) in COAP[m.rsc], "the code does not belong to the rsc: %r" % m
        if m.rsc == 2000:
            assert m.code == coap.code("2.04" if op == 5 else "2.05"), m
        rqi = m.one(coap.RQI)
        p = {"rsc": m.rsc, "rqi": rqi.decode() if rqi is not None else None}
        for name, option, kind in (("rvi", coap.RVI, bytes.decode), ("rset", coap.RSET, bytes.decode), ("cnst", coap.CTS, coap.number),
                                   ("cnot", coap.CTO, coap.number)):
            v = m.one(option)
            if v is not None:
                p[name] = kind(v)
        if m.payload:
            assert serial is None or coap.number(m.one(coap.CONTENT_FORMAT)) == serial, "the answer has another serialization: %r" % m
            p["pc"] = m.content
        return p


class Ws(Carrier):
    """TS-0020: the whole primitive as a message (CORE-306); one connection per server."""

    def __init__(self, server, serial):
        super().__init__(server, serial)
        key = "ws_" + serial
        c = getattr(server, key, None)
        if not c or c.ended.is_set():
            c = WsClient("ws://%s:%d/" % (server.address, server.port), "oneM2M." + serial)
            setattr(server, key, c)
        self.connection = c

    @staticmethod
    def can(request):
        return "serial" not in request and "accept" not in request  # the subprotocol says both

    def send(self, request):
        p = {k: v for k, v in request.items() if k != "pc" or v is not None}
        q = self.connection.waiting[p.get("rqi", "")] = queue.Queue()
        self.connection.send(p)
        got = self.connection.end(q)
        out = {k: got[k] for k in ("rsc", "rqi", "rvi", "rset", "cnst", "cnot", "pc") if k in got}
        if "tqf" in got:  # the content of an answer in other bindings (TS-0009 6.5)
            out["pc"] = {"tqf": got["tqf"]}
        return out


class Mqtt(Carrier):
    """TS-0010: the whole primitive on the topic of its Originator and this CSE, through a broker (CORE-296, CORE-302)."""

    def __init__(self, server, serial):
        super().__init__(server, serial)
        self.client = getattr(server, "mqtt_client", None)
        if not self.client:
            self.client = server.mqtt_client = MqttClient(server.broker.port)
            self.client.subscribe("/oneM2M/resp/#")

    @staticmethod
    def can(request):
        return "serial" not in request and "accept" not in request  # the type of the topic says both

    def encode(self, p):
        return cbor2.dumps(p) if self.serial == "cbor" else json.dumps(p, ensure_ascii=False).encode()

    def decode(self, raw):
        return cbor2.loads(raw) if self.serial == "cbor" else json.loads(raw)

    def send(self, request):
        p = {k: v for k, v in request.items() if k != "pc" or v is not None}
        fr, me = p.get("fr", ""), self.server.cse_id[1:]
        originator = level(fr, me) if fr else "nobody%d" % next(_nobody)
        self.client.publish("/oneM2M/req/%s/%s/%s" % (originator, me, self.serial), self.encode(p))
        answer = "/oneM2M/resp/%s/%s/%s" % (originator, me, self.serial)
        _, raw = self.client.message(lambda topic, raw: topic == answer and self.decode(raw).get("rqi") == p.get("rqi", ""))
        return self.response(self.decode(raw))

    @staticmethod
    def response(got):
        """The members that other bindings have as well; tqf is their content (TS-0009 6.5)."""
        p = {k: got[k] for k in ("rsc", "rqi", "rvi", "rset", "cnst", "cnot", "pc") if k in got}
        if "tqf" in got:
            p["pc"] = {"tqf": got["tqf"]}
        return p


_nobody = itertools.count(1)


def level(entity, cse):
    """An id as a level of a topic (TS-0010 6.4.2; CORE-297): `cse` is the Registrar of a C-type AE-ID-Stem."""
    if entity.startswith("//"):
        return ":" + entity[2:].replace("/", ":")
    if entity.startswith("/"):
        return entity[1:].replace("/", ":")
    return cse + ":" + entity if entity.startswith("C") else entity


CARRIERS = {"http-json": (Http, "json"), "http-cbor": (Http, "cbor"), "https-json": (Https, "json"), "https-cbor": (Https, "cbor"), "coap-json": (Coap, "json"), "coap-cbor": (Coap, "cbor"),
            "ws-json": (Ws, "json"), "ws-cbor": (Ws, "cbor"), "mqtt-json": (Mqtt, "json"), "mqtt-cbor": (Mqtt, "cbor")}


def carrier(name, server):
    kind, serial = CARRIERS[name]
    return kind(server, serial)
