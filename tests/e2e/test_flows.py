# SPDX-License-Identifier: Apache-2.0
"""Authorization beyond the plain policy between four separate processes: an AE (this test), the Hosting CSE, the DAS, a second CSE.

    AE --HTTP--> gw7 (Hosting CSE) --Notify--> das1 (reeve das)
                  \\--Update, Retrieve--> in1 (decision point, role repository)
"""

import json

import pytest

from harness import Receiver
from harness.make import rule
from harness.peer_cse import PeerCSE, reply
from harness.server import Server, stop_all
from test_cse_forward import registered
from test_das import DasServer, policy, run

CNT, AE_T, ACP, TOKEN, DAC, AUDS, ROLE = 3, 2, 1, 32, 34, 35, 31
ALL = 63


class World:
    def __init__(self):
        rules = policy()["rules"]
        rules.append({"name": "phones", "for": [{"acor": ["/gw7/Cphone"], "acop": 2}], "at": ["/gw7/cse/**"], "via": ["indirect"],
                      "give": {"token": True, "operations": 2}})
        self.das = DasServer(policy(rules=rules)).start()
        self.das_url = "http://127.0.0.1:%d/das" % self.das.port
        self.in1 = Server({"cse.id": "/in1", "cse.name": "inbase", "cse.sp": "//iot.example", "http.open": "true",
                           "distributed.pdp": "pdp", "distributed.policies": "/gw7/cse/door* inbase/doors"}).start()
        self.gw = Server({"cse.id": "/gw7", "cse.name": "cse", "cse.sp": "//iot.example", "cse.type": "MN", "http.open": "true",
                          "registrar.id": "/in1", "registrar.poa": "http://127.0.0.1:%d" % self.in1.port,
                          "dynamic.das": self.das_url, "dynamic.refusal_kept": "0 s"})
        issuers = self.gw.folder / "issuers.json"
        issuers.write_text(json.dumps({"issuers": [{
            "id": "//iot.example/Sdas1", "classes": ["signed"], "algorithms": ["ES256"], "domains": ["das.iot.example"],
            "das": [self.das_url], "roles": True,
            "keys": [{"kid": "das-1", "alg": "ES256", "jwk": json.loads(self.das.public.export_public())}]}]}))
        self.gw.settings["authz.issuers"] = str(issuers)
        self.gw.start()
        self.owner = self.gw.register("Cowner", "owner")
        self.dac = self.gw.admin().made(self.gw.base, DAC, {"rn": "dac", "dae": True, "dap": [self.das_url]})

    def container(self, path):
        """cse/a/b, made by the owner, who links the consultation; nobody else has a right."""
        at = self.gw.base
        for name in path.split("/"):
            if self.owner.retrieve(at + "/" + name).rsc == 4004:
                self.gw.admin().create(at, CNT, {"rn": name, "daci": [self.dac]}).expect(2001)
            at += "/" + name
        return at

    def end(self):
        stop_all((self.gw, self.in1, self.das))


@pytest.fixture(scope="module")
def world():
    w = World()
    try:
        yield w
    finally:
        w.end()


def test_privileges_for_a_while(world):
    """A denied request becomes a permitted one without its Originator's doing: the CSE asks the DAS (AUTHZ-184, 191, 194)."""
    lamp, switch = world.container("lamp/1"), world.gw.register("Cswitch")
    assert switch.retrieve(lamp).rsc == 4103  # the rule of the DAS is about Update
    switch.update(lamp, CNT, {"mni": 3}).expect(2004)
    switch.retrieve(lamp).expect(2000)  # and gives Retrieve with it
    other = world.gw.register("Cother")
    assert other.delete(lamp).rsc == 4103


def test_token_by_consultation(world):
    """The DAS answers with a token; the CSE verifies it and applies it to this and later requests (AUTHZ-175, 193, 194)."""
    bed, tablet = world.container("ward9/bed1"), world.gw.register("Ctablet2")
    tablet.retrieve(bed).expect(2000)
    tablet.retrieve(bed).expect(2000)
    assert tablet.delete(bed).rsc == 4103


def authorization(*tokens):
    return {"headers": {"Authorization": "+".join(tokens)}}


def test_indirect(world):
    """4103 tells where to ask; the Originator asks the DAS for himself, repeats with the token, and then with the short name it got
    (AUTHZ-178, AUTHZ-179, AUTHZ-197 to AUTHZ-199: the code is 4103; AUTHZ-200)."""
    room, phone = world.container("room"), world.gw.register("Cphone")
    refused = phone.retrieve(room, query={"tqi": "true"})
    assert refused.rsc == 4103 and set(refused.content) == {"tqf"}
    where = refused.content["tqf"]["dasi"][0]
    assert where["uri"] == world.das_url and where["dreq"]["or"] == "//iot.example/gw7/Cphone"
    answer = world.das.ask("/gw7/Cphone", **where["dreq"])
    token = answer.content["m2m:seci"]["dres"]["tkns"][0]
    got = phone.retrieve(room, **authorization(token))
    assert got.rsc == 2000
    short, tid = got.headers["x-m2m-ati"].split(":", 1)
    assert tid == world.das.claims(token)[1]["jti"]
    phone.retrieve(room, query={"ltids": short}).expect(2000)
    # by its id: this CSE has it; and not for anybody else (T-23)
    phone.retrieve(room, query={"tids": tid}).expect(2000)
    assert world.gw.register("Cthief").retrieve(room, query={"tids": tid}).rsc == 4103
    assert world.gw.register("Cthief2").retrieve(room, **authorization(token)).rsc == 4103
    assert phone.update(room, CNT, {"mni": 3}, **authorization(token)).rsc == 4103


def test_token_by_id_from_the_das(world):
    """The Originator has only the Token-ID: the CSE fetches the token (AUTHZ-201); what was revoked it does not get."""
    room = world.container("room2")
    phone = world.gw.register("Cphone") if world.gw.admin().retrieve("Cphone").rsc == 4004 else \
        type(world.owner)(world.gw.client, "Cphone")
    ids = []
    for _ in range(2):
        token = world.das.ask("/gw7/Cphone", op=2, trt=3, trid="/gw7/cse/room2",
                              **{"or": "//iot.example/gw7/Cphone"}).content["m2m:seci"]["dres"]["tkns"][0]
        ids.append(world.das.claims(token)[1]["jti"])
    at = ["--das", "http://127.0.0.1:%d" % world.das.port, "--from", "Cadmin"]
    assert run("das", "revoke", ids[1], *at).returncode == 0
    phone.retrieve(room, query={"tids": ids[0]}).expect(2000)
    assert phone.retrieve(room, query={"tids": ids[1]}).rsc == 4103


def test_decision_elsewhere(world):
    """The Hosting CSE asks the second CSE, whose policy for the door decides (AUTHZ-215, 220)."""
    boss = world.in1.admin()
    mine = {"acr": [rule("Cadmin", ALL)]}
    boss.create("inbase", ACP, {"rn": "askers", "pv": {"acr": [rule("/gw7", 4), rule("Cadmin", ALL)]}, "pvs": mine}).expect(2001)
    boss.create("inbase", ACP, {"rn": "doors", "pv": {"acr": [rule("/gw7/Cvisitor", 2)]}, "pvs": mine}).expect(2001)
    boss.create("inbase", AUDS, {"rn": "pdp", "acpi": ["inbase/askers"]}).expect(2001)
    admin = world.gw.admin()
    admin.create("cse", ACP, {"rn": "delegates", "pv": {"acr": []}, "pvs": mine, "adri": ["/in1/inbase/pdp"]}).expect(2001)
    admin.create("cse", CNT, {"rn": "door", "acpi": ["cse/delegates"]}).expect(2001)
    world.gw.register("Cvisitor").retrieve("cse/door").expect(2000)
    assert world.gw.register("Cburglar").retrieve("cse/door").rsc == 4103


@pytest.mark.parametrize("listed", [False, True])
def test_points_that_policies_name(new_server, tmp_path, listed):
    """A policy cannot make the CSE send to any URL, nor tell others' tokens to a point, unless the operator lists them."""
    keys = ["--keys.file", str(tmp_path / "keys")]
    assert run("key", "generate", "--kid", "k", "--alg", "ES256", *keys).returncode == 0
    issuers = tmp_path / "issuers.json"
    issuers.write_text(json.dumps({"issuers": [{"id": "//iot.example/Sdas1", "domains": ["das.iot.example"], "keys": [
        {"kid": "k", "alg": "ES256", "jwk": json.loads(run("key", "export", "k", *keys).stdout)}]}]}))
    url, peer = Receiver(), PeerCSE(lambda m: reply(2004, b'{"m2m:auds":{"sus":1,"dec":2}}'))
    s = new_server({"cse.id": "/in1", "cse.name": "inbase", "cse.sp": "//iot.example", "http.open": "true",
                    "distributed.points": "*" if listed else "/elsewhere/*", "authz.issuers": str(issuers)})
    try:
        _, csi = registered(s, peer)
        admin, ae = s.admin(), s.register("Cvisitor")
        for name, adri in (("byurl", url.url), ("bycse", csi + "/pdp")):
            admin.create("inbase", ACP, {"rn": "acp-" + name, "pv": {"acr": []}, "pvs": {"acr": [rule("Cadmin", ALL)]}, "adri": [adri]}
                         ).expect(2001)
            admin.create("inbase", CNT, {"rn": name, "acpi": ["inbase/acp-" + name]}).expect(2001)
        token = run("token", "issue", "--holder", "//iot.example/in1/Cvisitor", "--issuer", "//iot.example/Sdas1", "--id", "@das.iot.example",
                    "--sign", "k", "--permit", "inbase/other=retrieve", *keys).stdout.strip()
        assert ae.retrieve("inbase/byurl").rsc == 4103
        assert (not url.queue.empty()) == listed
        assert ae.retrieve("inbase/bycse", **authorization(token)).rsc == 4103
        asked = json.loads(peer.next().body)["m2m:auds"]
        assert asked["fr"] == "//iot.example/in1/Cvisitor" and ("tkns" in asked) == listed
    finally:
        url.close()
        peer.close()


def test_the_story_is_told(world):
    """`reeve explain` shows the consultation of a request that was denied all the same."""
    cellar, guest = world.container("cellar"), world.gw.register("Cguest")
    refused = guest.retrieve(cellar)
    assert refused.rsc == 4103
    decision = refused.content["m2m:dbg"].split("decision ")[1][:12]
    told = run("explain", decision, "--store.data", str(world.gw.folder / "data"))
    assert told.returncode in (0, 1), told.stderr
    assert world.das_url in told.stdout and "granted nothing" in told.stdout


def test_a_das_that_is_down_denies(world):
    """AUTHZ-195: fail closed, and alive again afterwards."""
    attic, tablet = world.container("ward9/attic"), type(world.owner)(world.gw.client, "Ctablet2")
    world.das.stop()
    try:
        assert tablet.retrieve(attic).rsc == 4103
    finally:
        world.das.start()
    tablet.retrieve(attic).expect(2000)
