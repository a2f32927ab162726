# SPDX-License-Identifier: Apache-2.0
"""Groups and policies that name what is at other CSEs."""


import json
import threading

import pytest

from harness import Entity, PeerCSE, Server, free_port, reply, unique, wait_until
from test_cse_forward import csr


@pytest.fixture(scope="module")
def node():
    with Server({"http.open": "true", "cse.id": "/in1", "cse.name": "inbase", "resources.request_expiry": "3s"}) as s:
        yield s


@pytest.fixture
def peer(node):
    p = PeerCSE()
    p.csi = "/" + unique("mn")
    Entity(node.client, p.csi).create("inbase", 16, csr(p.csi, p.port)).expect(2001)
    yield p
    p.close()


def group(ae, members, **attrs):
    return ae.made(ae.at, 9, dict({"mnm": 20, "mid": members}, **attrs))


def answers(r):
    return {a["fr"]: a for a in r.expect(2000)["m2m:rsp"]}


def test_members_here_and_there(node, peer):
    """Each member gets a request of its own, From being the Originator; the answers stand in one (CORE-219)."""
    ae = node.register()
    here, far = ae.container(), [peer.csi + "/base/a", peer.csi + "/base/b"]
    g = group(ae, [here] + far)
    peer.answer = lambda m: reply(2000, b'{"m2m:cnt":{"rn":"there"}}') if m.target.startswith("/~%s/base/a" % peer.csi) else \
        reply(4103, b'{"m2m:dbg":"no"}', 403)
    got = answers(ae.retrieve(g + "/fopt", rqi="g1"))
    assert got[here]["pc"]["m2m:cnt"]["rn"] == here.split("/")[-1]
    assert got[far[0]]["rsc"] == 2000 and got[far[0]]["pc"] == {"m2m:cnt": {"rn": "there"}}
    assert got[far[1]]["rsc"] == 4103 and got[far[1]]["pc"] == {"m2m:dbg": "no"}
    seen = [peer.next(), peer.next()]
    assert sorted(m.target for m in seen) == sorted("/~" + f for f in far)
    for m in seen:
        assert m["X-M2M-Origin"] == "/in1/" + ae.origin and m["X-M2M-GID"]
    assert seen[0]["X-M2M-GID"] == seen[1]["X-M2M-GID"]
    # further down, with parameters, and to some members only
    ae.retrieve(g + "/fopt/x/la", query=[("rcn", 1), ("grtm", [far[0]])]).expect(2000)
    assert peer.next().target == "/~%s/base/a/x/la?rcn=1" % peer.csi
    peer.nothing()


@pytest.mark.parametrize("op", ["create", "update", "delete", "notify"])
def test_changes(node, peer, op):
    ae = node.register()
    here, far = ae.container(), peer.csi + "/base/c"
    g = group(ae, [here, far])
    peer.answer = lambda m: {"POST": reply(2001, b'{"m2m:cin":{"ri":"9"}}', 201) if (m["Content-Type"] or "").endswith("ty=4") else reply(2000),
                             "PUT": reply(2004), "DELETE": reply(2002)}[m.method]
    if op == "create":
        got = answers(ae.create(g + "/fopt", 4, {"con": "1"}))
        assert got[here]["rsc"] == got[far]["rsc"] == 2001 and got[far]["pc"] == {"m2m:cin": {"ri": "9"}}
    elif op == "update":
        got = answers(ae.update(g + "/fopt", 3, {"lbl": ["x"]}))
        assert got[here]["rsc"] == got[far]["rsc"] == 2004
    elif op == "delete":
        got = answers(ae.delete(g + "/fopt"))
        assert got[here]["rsc"] == got[far]["rsc"] == 2002
        assert ae.retrieve(g)["mid"] == []
    else:
        g = group(ae, [peer.csi + "/C1", peer.csi + "/C2"])
        got = answers(ae.notify(g + "/fopt", {"m2m:sgn": {"sur": "x"}}))
        assert [a["rsc"] for a in got.values()] == [2000, 2000]


def test_those_who_do_not_answer(node, peer):
    """CORE-221: left out at the Result Expiration Timestamp; 5209 when nobody answered. One that cannot be reached is told."""
    ae = node.register()
    here, silent = ae.container(), peer.csi + "/base/s"
    peer.answer = lambda m: ""
    g = group(ae, [here, silent, "/nowhere/x"])
    got = answers(ae.retrieve(g + "/fopt", headers=[("X-M2M-RST", "300")]))
    assert sorted(got) == sorted([here, "/nowhere/x"]) and got["/nowhere/x"]["rsc"] == 4004
    ae.retrieve(group(ae, [silent]) + "/fopt", headers=[("X-M2M-RST", "300")]).expect(5209)
    dead = "/" + unique("mn")
    Entity(node.client, dead).create("inbase", 16, csr(dead, free_port())).expect(2001)
    assert answers(ae.retrieve(group(ae, [dead + "/x"]) + "/fopt"))[dead + "/x"]["rsc"] == 5103


def test_nonblocking(node, peer):
    ae = node.register()
    here, far = ae.container(), peer.csi + "/base/c"
    g = group(ae, [here, far])
    peer.answer = lambda m: reply(2004)
    at = ae.update(g + "/fopt", 3, {"lbl": ["y"]}, query=[("rt", 1)]).expect(1001).res
    wait_until(lambda: ae.retrieve(at)["rs"] == 1)
    assert {a["fr"]: a["rsc"] for a in ae.retrieve(at)["ors"]["pc"]["m2m:agr"]["m2m:rsp"]} == {here: 2004, far: 2004}
    assert ae.retrieve(here)["lbl"] == ["y"]


def test_notifications_through_a_group(node, peer, receiver):
    """CORE-225 with a member elsewhere: its CSE notifies the group, which gathers; AUTHZ-130: nobody else may."""
    ae = node.register()
    g = group(ae, [peer.csi + "/base/c"], nar={"num": 2})
    peer.answer = lambda m: reply(2001, b'{"m2m:sub":{"ri":"9"}}', 201)
    got = answers(ae.create(g + "/fopt", 23, {"nu": [receiver.url], "nfu": receiver.url, "enc": {"net": [3]}}))
    assert got[peer.csi + "/base/c"]["rsc"] == 2001
    sub = json.loads(peer.next().body)["m2m:sub"]
    assert sub["nu"] == [sub["gpi"]] and sub["gpi"].startswith("/in1/") and sub["nfu"] == receiver.url
    sgn = {"m2m:sgn": {"sur": peer.csi + "/base/c/s", "nfu": receiver.url, "nev": {"net": 3}}}
    for who in ("/stranger", peer.csi + "/C1", peer.csi + "x"):
        Entity(node.client, who).notify(sub["gpi"], sgn).expect(4103)
    ae.notify(sub["gpi"], sgn).expect(4103)
    out = []
    t = threading.Thread(target=lambda: out.append(Entity(node.client, peer.csi).notify(sub["gpi"], sgn)))
    t.start()
    Entity(node.client, peer.csi).notify(sub["gpi"], sgn).expect(2000)
    t.join()
    assert out[0].rsc == 2000 and len(receiver.get().content["m2m:agn"]["m2m:sgn"]) == 2


def test_circle_of_groups(node):
    """A group there that has a member here again: the group request identifier ends it (CORE-223)."""
    def back(m):
        r = node.client.send(m.method, m.target.replace("/~%s/g" % peer.csi, "/~/in1/" + g + "/fopt"),
                             [h for h in m.headers if h[0].lower() not in ("host", "content-length", "accept", "x-m2m-origin")]
                             + [("X-M2M-Origin", peer.csi)])
        came.append(r)
        return reply(r.rsc, r.body, r.status)

    came = []
    peer = PeerCSE(back)
    peer.csi = "/" + unique("mn")
    Entity(node.client, peer.csi).create("inbase", 16, csr(peer.csi, peer.port)).expect(2001)
    ae = node.register()
    g = group(ae, [peer.csi + "/g"], acpi=[ae.policy([{"acor": [peer.csi, ae.origin], "acop": 63}])[1]])
    got = answers(Entity(ae.client, ae.origin).retrieve(g + "/fopt"))
    assert came[0].rsc == 4104 and len(came) == 1 and got[peer.csi + "/g"]["rsc"] == 4104
    peer.close()


def test_policies_name_cses(node):
    """AUTHZ-074: a group whose member is a <remoteCSE> stands for that CSE. AUTHZ-070: wildcards in CSE-IDs, with a domain and without."""
    ae = node.register()
    csi = "/" + unique("mn")
    e = Entity(node.client, csi)
    e.create("inbase", 16, csr(csi, free_port())).expect(2001)
    for members in (["inbase/" + csi[1:]], [e.retrieve("inbase/" + csi[1:])["ri"]]):
        g = group(ae, members)
        cnt = ae.container(acpi=[ae.policy([{"acor": [g], "acop": 2}])[1]])
        e.retrieve(cnt).expect(2000)
        Entity(node.client, csi + "x").retrieve(cnt).expect(4103)
        Entity(node.client, csi + "/C1").retrieve(cnt).expect(4103)
    for pattern, yes, no in [("/cse*", ["/cse1", "/cse"], ["//other.example/cse1", "/xcse1"]),
                             ("//*/cse*", ["/cse1", "//other.example/cse1"], ["/xcse1", "//other.example/xcse"])]:
        cnt = ae.container(acpi=[ae.policy([{"acor": [pattern], "acop": 2}])[1]])
        for who in yes:
            Entity(node.client, who).retrieve(cnt).expect(2000)
        for who in no:
            Entity(node.client, who).retrieve(cnt).expect(4103)
