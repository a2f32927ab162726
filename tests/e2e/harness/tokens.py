# SPDX-License-Identifier: Apache-2.0
"""Tokens made by an independent implementation (python3-jwcrypto), and the issuers file that lets them count.

An Issuer has an identifier, a key for each algorithm it uses, and a domain for its Token-IDs. What it makes can be spoilt at every
place: claims, headers, keys, text.
"""

import itertools
import json
import time

from jwcrypto import jwe, jwk, jws
from jwcrypto.common import base64url_encode

_ids = itertools.count(1)


def rule(who, operations, **members):
    return dict({"acor": [who] if isinstance(who, str) else list(who), "acop": operations}, **members)


def permit(ris, *rules, rids=None):
    """One permission."""
    p = {}
    if ris is not None:
        p["ris"] = [ris] if isinstance(ris, str) else list(ris)
    if rules:
        p["pv"] = {"acr": list(rules)}
    if rids is not None:
        p["rids"] = list(rids)
    return p


class Issuer:
    """Signs with ES256 unless told otherwise."""

    def __init__(self, name="//reeve.local/Sdas1", domain="das.example", kid="das-1", kty="EC", **how):
        self.id, self.domain, self.kid = name, domain, kid
        self.alg = {"EC": "ES256", "RSA": "RS256"}[kty]
        self.key = jwk.JWK.generate(kty=kty, kid=kid, **(how or ({"crv": "P-256"} if kty == "EC" else {"size": 2048})))

    def entry(self, **members):
        """Its object in the issuers file."""
        e = {"id": self.id, "domains": [self.domain],
             "keys": [{"kid": self.kid, "alg": self.alg, "jwk": json.loads(self.key.export_public())}]}
        e.update(members)
        return {k: v for k, v in e.items() if v is not None}

    def token_id(self):
        return "t%d-%d@%s" % (next(_ids), time.time_ns() % 1000000, self.domain)

    def claims(self, holder, pm=None, **changes):
        """Claims that are right; a change to None takes the claim away."""
        now = int(time.time())
        c = {"tkvr": "1", "jti": self.token_id(), "iss": self.id, "azp": holder, "nbf": now - 60, "exp": now + 3600}
        if pm is not None:
            c["tkps"] = {"pm": pm}
        c.update(changes)
        return {k: v for k, v in c.items() if v is not None}

    def sign(self, claims, key=None, **header):
        """JWS; header members replace the right ones, None takes them away."""
        h = {"typ": "JWT", "alg": self.alg, "kid": self.kid}
        h.update(header)
        h = {k: v for k, v in h.items() if v is not None}
        body = claims if isinstance(claims, (bytes, str)) else json.dumps(claims)
        t = jws.JWS(body.encode() if isinstance(body, str) else body)
        t.allowed_algs = [h.get("alg")]
        t.add_signature(key or self.key, None, json.dumps(h), None)
        return t.serialize(compact=True)

    def sign_raw(self, claims, **header):
        """With headers that a library would not write."""
        h = json.dumps(dict({"typ": "JWT", "alg": self.alg, "kid": self.kid}, **header))
        t = jws.JWSCore(self.alg, self.key, h, json.dumps(claims).encode(), [self.alg]).sign()
        return ".".join([t["protected"], base64url_encode(t["payload"]), t["signature"]])

    def token(self, holder, pm=None, **changes):
        return self.sign(self.claims(holder, pm, **changes))


def encrypt(payload, key, **header):
    """JWE, A128GCM unless told otherwise."""
    h = {"typ": "JWT", "enc": "A128GCM"}
    h.update(header)
    body = payload if isinstance(payload, str) else json.dumps(payload)
    t = jwe.JWE(body.encode(), json.dumps({k: v for k, v in h.items() if v is not None}))
    t.allowed_algs = [h["alg"], h["enc"]]
    t.add_recipient(key)
    return t.serialize(compact=True)


def write_issuers(path, *entries):
    path.write_text(json.dumps({"issuers": list(entries)}, indent=1))
    return str(path)
