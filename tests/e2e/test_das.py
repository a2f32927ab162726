# SPDX-License-Identifier: Apache-2.0
"""The DAS (`reeve das`), seen from outside: what it answers a CSE, an Originator, and whom it answers not; listing and revoking.

The peer is plain HTTP and python3-jwcrypto: the tokens are verified by somebody else's code.
"""

import json
import subprocess
import time

import pytest
from jwcrypto import jwk, jws

from harness import PeerCSE, reply
from harness.server import Server, binary

GW, DAS = "//iot.example/gw7", "//iot.example/Sdas1"
TABLET = GW + "/Ctablet2"
BED = "/gw7/cse/ward9/bed1"


def policy(**more):
    p = {
        "issuer": DAS, "domain": "das.iot.example", "sign": "das-1",
        "cses": [{"id": "/gw7"}, {"id": "/gw8"}],
        "rules": [
            {"name": "ward 9", "for": [{"acor": ["/gw7/Ctablet*"], "acop": 2}], "at": ["/gw7/cse/ward9/**"],
             "give": {"token": True, "operations": 2, "lifetime": 600}},
            {"name": "lamps", "for": [{"acor": ["/gw7/C*"], "acop": 4}], "at": ["/gw7/cse/lamp/*"], "via": ["direct"],
             "give": {"privileges": True, "operations": 6, "lifetime": 60}},
            {"name": "nurses", "for": [{"acor": ["/gw7/Cnurse"], "acop": 2}], "at": ["/gw7/cse/pharmacy/**"],
             "give": {"token": True, "roles": ["nurse@das.iot.example", "night@das.iot.example"]}},
        ],
    }
    p.update(more)
    return p


def run(*args, **kw):
    return subprocess.run([binary(), *args], capture_output=True, text=True, timeout=60, **kw)


class DasServer(Server):
    def __init__(self, the_policy=None, settings=None):
        super().__init__(role="das")
        self.settings.update({"cse.id": "/das1", "cse.name": "das", "cse.sp": "//iot.example", "http.open": "true",
                              "access.everyone": "notify", "das.policy": str(self.folder / "policy.json"),
                              "keys.file": str(self.folder / "keys")})
        self.settings.update(settings or {})
        self.keys = ["--keys.file", str(self.folder / "keys")]
        self.cse_id, self.sp_id, self.base = "/das1", "//iot.example", "das"
        (self.folder / "policy.json").write_text(json.dumps(the_policy or policy()))
        made = run("key", "generate", "--kid", "das-1", "--alg", "ES256", *self.keys)
        assert made.returncode == 0, made.stderr
        out = run("key", "export", "das-1", *self.keys)
        assert out.returncode == 0, out.stderr
        self.public = jwk.JWK.from_json(out.stdout)

    def ask(self, fr, **dreq):
        """Notify with a Dynamic Authorization Request; the answer."""
        return self.client.primitive("POST", "das", fr, content={"m2m:seci": {"sit": 1, "dreq": dreq}})

    def claims(self, token):
        t = jws.JWS()
        t.deserialize(token, self.public)
        header = json.loads(t.objects["protected"]) if "protected" in t.objects else t.jose_header
        return header, json.loads(t.payload)


@pytest.fixture(scope="module")
def das():
    d = DasServer().start()
    yield d
    try:
        d.stop()
    finally:
        d.remove()


def granted(answer):
    assert answer.rsc == 2000, answer.what
    assert answer.content["m2m:seci"]["sit"] == 2
    return answer.content["m2m:seci"]["dres"]


def test_direct_token(das):
    before = int(time.time())
    dres = granted(das.ask("/gw7", op=2, trt=3, trid=BED, **{"or": TABLET}))
    assert set(dres) == {"tkns"} and len(dres["tkns"]) == 1
    header, claims = das.claims(dres["tkns"][0])
    assert header == {"typ": "JWT", "alg": "ES256", "kid": "das-1"}
    assert claims["iss"] == DAS and claims["azp"] == TABLET and claims["aud"] == [GW]
    assert claims["jti"].endswith("@das.iot.example")
    assert before - 2 <= claims["nbf"] <= time.time() and claims["exp"] - claims["nbf"] == 600
    assert claims["tkps"]["pm"] == [{"ris": ["//iot.example" + BED], "pv": {"acr": [{"acor": [TABLET], "acop": 2}]}}]


def test_direct_privileges(das):
    dres = granted(das.ask("/gw7", op=3, trt=3, trid="/gw7/cse/lamp/1", asi=True, **{"or": GW + "/Cswitch"}))
    assert set(dres) == {"dai", "asri"} and dres["asri"] is True
    assert dres["dai"]["gp"] == {"acr": [{"acor": [GW + "/Cswitch"], "acop": 6}]}
    left = time.mktime(time.strptime(dres["dai"]["pl"][:15], "%Y%m%dT%H%M%S")) - time.mktime(time.gmtime())
    assert 50 < left <= 61


@pytest.mark.parametrize("change", [{"op": 4}, {"trid": "/gw7/cse/other"}, {"or": GW + "/Cphone"},
                                    {"or": "//iot.example/gw8/Ctablet2"}])
def test_nothing_is_no_content(das, change):
    dreq = {"or": TABLET, "op": 2, "trt": 3, "trid": BED}
    dreq.update(change)
    answer = das.ask("/gw7", **dreq)
    assert answer.rsc == 2000 and not answer.body


def test_who_may_ask(das):
    dreq = {"or": TABLET, "op": 2, "trt": 3, "trid": BED}
    assert das.ask("/gw9", **dreq).rsc == 4103
    assert das.ask("/gw7/Cphone", **dreq).rsc == 4103
    # a CSE asks about what it hosts, not about what another does
    assert das.ask("/gw8", **dreq).rsc == 4103
    assert das.ask("/gw7", **dict(dreq, trid="/gw8/cse/ward9/bed1")).rsc == 4103
    assert das.ask("/gw8", **dict(dreq, trid="/gw8/cse/x")).rsc == 2000


def test_roles_that_open_the_door(das):
    dreq = {"or": GW + "/Cnurse", "op": 2, "trt": 3, "trid": "/gw7/cse/pharmacy/x"}
    _, claims = das.claims(granted(das.ask("/gw7", rfa=["night@das.iot.example"], **dreq))["tkns"][0])
    assert claims["tkps"]["pm"] == [{"rids": ["night@das.iot.example"]}]
    _, claims = das.claims(granted(das.ask("/gw7", **dreq))["tkns"][0])
    assert claims["tkps"]["pm"] == [{"rids": ["nurse@das.iot.example", "night@das.iot.example"]}]
    assert not das.ask("/gw7", rfa=["chief@das.iot.example"], **dreq).body


def test_proposed_lifetime_shortens(das):
    dreq = {"or": TABLET, "op": 2, "trt": 3, "trid": BED}
    _, claims = das.claims(granted(das.ask("/gw7", ppl="30000", **dreq))["tkns"][0])
    assert 29 <= claims["exp"] - claims["nbf"] <= 30
    _, claims = das.claims(granted(das.ask("/gw7", ppl="90000000", **dreq))["tkns"][0])
    assert claims["exp"] - claims["nbf"] == 600


def test_indirect(das):
    """The Originator asks for himself, with what the CSE told him (tqf)."""
    dres = granted(das.ask("/gw7/Ctablet2", op=2, trt=3, trid=BED, **{"or": TABLET}))
    _, claims = das.claims(dres["tkns"][0])
    assert claims["azp"] == TABLET and claims["aud"] == [GW]
    # privileges are given to CSEs only
    assert not das.ask("/gw7/Cswitch", op=3, trt=3, trid="/gw7/cse/lamp/1", **{"or": GW + "/Cswitch"}).body


def test_tokens_by_id(das):
    dreq = {"or": TABLET, "op": 2, "trt": 3, "trid": BED}
    token = granted(das.ask("/gw7", **dreq))["tkns"][0]
    tid = das.claims(token)[1]["jti"]
    assert granted(das.ask("/gw7", tids=[tid], **dreq))["tkns"] == [token]
    assert granted(das.ask("/gw7", tids=["t-00@das.iot.example", tid], **dreq))["tkns"] == [token]
    assert not das.ask("/gw8", tids=[tid], **dict(dreq, trid="/gw8/cse/x")).body
    assert granted(das.ask("/gw7/Ctablet2", tids=[tid], **dreq))["tkns"] == [token]
    assert not das.ask("/gw7/Cphone", tids=[tid], **dict(dreq, **{"or": GW + "/Cphone"})).body
    assert not das.ask("/gw7", tids=["t-1234@das.iot.example"], **dreq).body


@pytest.mark.parametrize("dreq", [{}, {"or": 1}, {"or": "x y", "op": 2}, {"or": TABLET}, {"or": TABLET, "op": 0}, {"or": TABLET, "op": 6},
                                  {"or": TABLET, "op": 2, "trt": "3"}, {"or": TABLET, "op": 2, "trid": 7},
                                  {"or": TABLET, "op": 2, "oip": {}}, {"or": TABLET, "op": 2, "oip": {"ip4": "1.2.3.4", "ip6": "::1"}},
                                  {"or": TABLET, "op": 2, "oip": {"ip4": "1.2.3"}}, {"or": TABLET, "op": 2, "tids": "x"},
                                  {"or": TABLET, "op": 2, "tids": [1]}, {"or": TABLET, "op": 2, "rfa": ["r@x"] * 65},
                                  {"or": TABLET, "op": 2, "ppl": "soon"}, {"or": TABLET, "op": 2, "asi": 1}])
def test_malformed(das, dreq):
    assert das.ask("/gw7", **dreq).rsc == 4000


def test_seci_shape(das):
    post = lambda body: das.client.primitive("POST", "das", "/gw7", content=body).rsc  # noqa: E731
    assert post({"m2m:seci": {}}) == 4000
    assert post({"m2m:seci": {"sit": 9}}) == 4000
    assert post({"m2m:seci": {"sit": 1}}) == 4000
    assert post({"m2m:seci": {"sit": 5, "epo": "x"}}) == 5001


def test_nobody_reads(das):
    granted(das.ask("/gw7", op=2, trt=3, trid=BED, **{"or": TABLET}))
    for who in ("/gw7", TABLET[len("//iot.example"):], "Cstranger"):
        assert das.client.primitive("GET", "das", who, query={"rcn": 4}).rsc == 4103
        found = das.client.primitive("GET", "das", who, query={"fu": 1, "ty": 32})
        assert found.rsc == 4103 or not found.content.get("m2m:uril")


def test_list_show_revoke(das):
    dreq = {"or": GW + "/Ctablet77", "op": 2, "trt": 3, "trid": BED}
    token = granted(das.ask("/gw7", **dreq))["tkns"][0]
    tid = das.claims(token)[1]["jti"]
    at = ["--das", "http://127.0.0.1:%d" % das.port, "--from", "Cadmin"]
    listed = run("das", "list", "--holder", GW + "/Ctablet77", *at)
    assert listed.returncode == 0, listed.stderr
    assert tid in listed.stdout and GW in listed.stdout and token not in listed.stdout
    as_json = run("das", "list", "--json", *at)
    assert token not in as_json.stdout
    assert tid in [t["tkid"] for t in json.loads(as_json.stdout)]
    shown = run("das", "show", tid, *at)
    assert shown.returncode == 0 and "ward 9" in shown.stdout and token not in shown.stdout
    revoked = run("das", "revoke", tid, *at)
    assert revoked.returncode == 0 and tid in revoked.stdout, revoked.stderr
    assert not das.ask("/gw7", tids=[tid], **dreq).body
    again = run("das", "revoke", tid, *at)
    assert again.returncode == 1 and "no token" in again.stderr
    assert run("das", "list", "--das", "http://127.0.0.1:%d" % das.port, "--from", "Cstranger").returncode == 1


def test_restart_keeps_tokens():
    d = DasServer().start()
    try:
        dreq = {"or": TABLET, "op": 2, "trt": 3, "trid": BED}
        token = granted(d.ask("/gw7", **dreq))["tkns"][0]
        tid = d.claims(token)[1]["jti"]
        d.stop()
        d.start()
        assert granted(d.ask("/gw7", tids=[tid], **dreq))["tkns"] == [token]
        for line in d.err_path.read_text().splitlines():
            assert token.split(".")[2] not in line
    finally:
        d.stop()
        d.remove()


def seci7(d, fr, **darq):
    return d.client.primitive("POST", "das", fr, content={"m2m:seci": {"sit": 7, "darq": darq}})


def test_relationship(das):
    """AUTHZ-208's other side: what the DAS was given it tells, to CSEs the token is for."""
    dreq = {"or": TABLET, "op": 2, "trt": 3, "trid": BED}
    tid = das.claims(granted(das.ask("/gw7", **dreq))["tkns"][0])[1]["jti"]
    asked = seci7(das, "/gw7", tids=[tid], asri=True)
    assert asked.content == {"m2m:seci": {"sit": 8, "dars": {"tids": [tid]}}}
    # not for another's token, nor through a CSE it is not for
    assert seci7(das, "/gw7", tids=[tid], aus=["AAAA"], **{"or": GW + "/Cphone"}).rsc == 4004
    assert seci7(das, "/gw8", tids=[tid], aus=["AAAA"], **{"or": TABLET}).rsc == 4004
    assert seci7(das, "/gw7", tids=[tid], aus=["q83vEjRWeJA"], **{"or": TABLET}).rsc == 2000
    asked = seci7(das, "/gw7", tids=[tid], asri=True)
    assert asked.content["m2m:seci"]["dars"] == {"tids": [tid], "signature": ["q83vEjRWeJA"]}
    assert "signature" not in seci7(das, "/gw8", tids=[tid], asri=True).content["m2m:seci"]["dars"]
    assert seci7(das, "/gw7", tids=[tid, "t-0@das.iot.example"], asri=True).content["m2m:seci"]["dars"].get("signature") is None
    # AUTHZ-210
    assert seci7(das, "/gw7", asri=True).rsc == 4000
    assert seci7(das, "/gw7", tids=[tid]).rsc == 4000
    assert seci7(das, "/gw7", tids=[tid], aus=["a", "b"], **{"or": TABLET}).rsc == 4000
    assert seci7(das, "/gw9", tids=[tid], asri=True).rsc == 4103
    # the AE itself, for its own
    assert seci7(das, "/gw7/Ctablet2", tids=[tid], aus=["bmV3"]).rsc == 2000
    assert seci7(das, "/gw7", tids=[tid], asri=True).content["m2m:seci"]["dars"]["signature"] == ["bmV3"]
    assert seci7(das, "/gw7/Cphone", tids=[tid], aus=["bmV3"]).rsc == 4004


@pytest.mark.parametrize("uri,path", [
    ("cse/tok-1", "/~/gw7/cse/tok-1"), ("/gw7/cse/tok-1", "/~/gw7/cse/tok-1"), ("//iot.example/gw7/cse/tok-1", None),
    ("/gw8/cse/tok-1", None), ("//other.example/gw7/cse/tok-1", None), ("/das1/das/tok-1", None), ("/gw77/tok-1", None), ("/", None),
])
def test_indirect_update(uri, path):
    """AUTHZ-205: the DAS has the holder changed at the CSE of the token, and nowhere else, whatever address that CSE tells"""
    peer = PeerCSE(lambda m: reply(body=json.dumps({"m2m:uril": [uri]}).encode()) if m.method == "GET" else reply(rsc=2004))
    d = DasServer(policy(cses=[{"id": "/gw7", "poa": peer.url, "base": "/gw7/cse"}, {"id": "/gw8", "poa": peer.url}])).start()
    try:
        tid = d.claims(granted(d.ask("/gw7", op=2, trt=3, trid=BED, **{"or": TABLET}))["tkns"][0])[1]["jti"]
        assert seci7(d, "/gw7/Ctablet2", tids=[tid], aus=["c2lnbg"]).rsc == 2000
        assert seci7(d, "/gw7/Cthief", tids=[tid], aus=["c2lnbB"]).rsc == 4004
        answer = seci7(d, "/gw7/Cnew", tids=[tid], aus=["c2lnbg"])
        asked = peer.next()
        assert asked.method == "GET" and asked["X-M2M-Origin"] == "/Sdas1" and "tkid=" in asked.target
        if not path and "iot" not in uri:
            assert answer.rsc == 4004 and peer.got.empty()
            return
        assert answer.rsc == 2000, answer.what
        change = peer.next()
        assert change.method == "PUT" and change["X-M2M-Origin"] == "/Sdas1"
        assert change.target in (path, "/_/iot.example/gw7/cse/tok-1")
        assert json.loads(change.body) == {"m2m:tk": {"tkhd": GW + "/Cnew"}}
    finally:
        d.stop()
        d.remove()


def test_keeps_so_many_tokens():
    """das.tokens: <acp-base> and <acp-das> count, too; privileges need no token"""
    d = DasServer(settings={"das.tokens": 4}).start()
    try:
        dreq = {"or": TABLET, "op": 2, "trt": 3, "trid": BED}
        answers = [d.ask("/gw7", **dreq).rsc for _ in range(4)]
        assert answers == [2000, 2000, 5000, 5000]
        granted(d.ask("/gw7", op=3, trt=3, trid="/gw7/cse/lamp/1", **{"or": GW + "/Cswitch"}))
    finally:
        d.stop()
        d.remove()


def test_check(tmp_path):
    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    good.write_text(json.dumps(policy()))
    rules = policy()["rules"]
    rules[1]["give"]["operations"] = 99
    bad.write_text(json.dumps(policy(rules=rules)))
    assert run("das", "check", str(good)).returncode == 0
    said = run("das", "check", str(bad))
    assert said.returncode == 1 and "rules[1].give.operations" in said.stderr


def test_does_not_start_without_its_key(tmp_path):
    d = DasServer(policy(sign="other"))
    try:
        d.start(wait=False)
        assert d.process.wait(30) == 3
        assert "other" in d.errors() and "reeve key generate" in d.errors()
    finally:
        d.process = None
        d.remove()
