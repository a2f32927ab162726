# SPDX-License-Identifier: Apache-2.0
"""Carriers: a request primitive goes in, the response primitive comes out, whatever the binding and serialization between.

A request primitive is a dict with the short names of TS-0004 (op, to, fr, rqi, rvi, ty, rcn, fc, pc ...), a response primitive one with rsc,
rqi, rvi, pc, cnst, cnot, rset. What a primitive does not say but a binding has to choose is in two more members: "serial" (of the
content) and "accept" (of the answer), names of serializations.

A new binding is a class with `can` and `send`, and an entry in CARRIERS for each serialization.
"""

from .client import path_of, query_of

MEDIA = {"json": "application/json", "cbor": "application/cbor", "xml": "application/xml"}


class Carrier:
    """One binding with one serialization, to one server."""

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
        r = self.server.client.primitive(self.METHOD[op], request["to"], request.get("fr"), ty=request.get("ty"), content=pc,
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


CARRIERS = {"http-json": (Http, "json"), "http-cbor": (Http, "cbor")}


def carrier(name, server):
    kind, serial = CARRIERS[name]
    return kind(server, serial)
