# SPDX-License-Identifier: Apache-2.0
"""Announced resources: what the CSE of the original sends (to a peer that is no Reeve), what the other one makes of it, and both together."""

import itertools
import json

import pytest

from harness import Entity, PeerCSE, Server, reply, unique, wait_until
from test_cse_forward import csr
from test_cse_registrar import below, registered

BASE_ANNC, AE_ANNC, CNT_ANNC, CIN_ANNC, ACP_ANNC, GRP_ANNC = 10005, 10002, 10003, 10004, 10001, 10009
FAR = "20990101T000000"


@pytest.fixture(scope="module")
def node():
    with Server({"http.open": "true", "cse.id": "/mn1", "cse.name": "mnbase", "cse.type": "MN", "notify.retry_first": "20ms",
                 "notify.retry_most": "50ms", "notify.timeout": "2s"}) as s:
        yield s


class Host(PeerCSE):
    """A CSE that creates whatever it is asked to."""

    def __init__(self, node):
        self.ids = itertools.count(1)
        self.refuse = []          # answers to the next Creates
        super().__init__(self.make)
        self.csi = "/" + unique("in")
        Entity(node.client, self.csi).create("mnbase", 16, csr(self.csi, self.port)).expect(2001)

    def make(self, m):
        if m.method == "POST":
            if self.refuse:
                return self.refuse.pop(0)
            return reply(2001, b'{"m2m:x":{"ri":"r%d"}}' % next(self.ids), 201)
        return reply({"PUT": 2004, "DELETE": 2002, "GET": 2000}[m.method])

    def seen(self):
        """(line, content without its root) of the next request."""
        m = self.next()
        assert m["X-M2M-Origin"] == "/mn1"
        return m.line, m["Content-Type"], json.loads(m.body) if m.body else None


@pytest.fixture
def host(node):
    h = Host(node)
    yield h
    h.close()


def test_create(node, host):
    """CORE-230: below <CSEBaseAnnc>, which is made when there is none; CORE-232: ty, lnk, et, acpi, MA attributes and the OA ones in aa;
    CORE-233: at has the address of the copy."""
    ae = node.register()
    acpi = ae.policy([{"acor": [ae.origin], "acop": 63}])[1]
    r = ae.create(ae.at, 3, {"lbl": ["a"], "mni": 5, "mbs": 1000, "acpi": [acpi], "at": [host.csi], "aa": ["mni"]}).expect(2001)
    line, kind, content = host.seen()
    assert (line, kind) == ("POST /~%s HTTP/1.1" % host.csi, "application/json;ty=10005")
    assert content["m2m:cbA"]["lnk"] == "/mn1/mnbase" and content["m2m:cbA"]["et"] and content["m2m:cbA"]["acpi"] == ["/mn1/mnbase/acp-base"]
    line, kind, content = host.seen()
    assert (line, kind) == ("POST /~%s/r1 HTTP/1.1" % host.csi, "application/json;ty=10003")
    assert content == {"m2m:cntA": {"lnk": "/mn1/" + r["ri"], "et": r["et"], "lbl": ["a"], "acpi": ["/mn1/" + acpi], "mni": 5}}
    assert r["at"] == [host.csi + "/r2"] and r["aa"] == ["mni"]
    assert ae.retrieve(ae.at + "/" + r["rn"]) ["at"] == r["at"]
    # the second one finds <CSEBaseAnnc>
    r = ae.create(ae.at, 3, {"at": [host.csi]}).expect(2001)
    assert host.seen()[0] == "POST /~%s/r1 HTTP/1.1" % host.csi and r["at"] == [host.csi + "/r3"]
    # and one with an announced parent goes below that
    c = ae.create(ae.at + "/" + r["rn"], 4, {"con": "x", "at": [host.csi], "aa": ["con"]}).expect(2001)
    line, kind, content = host.seen()
    assert line == "POST /~%s/r3 HTTP/1.1" % host.csi and kind == "application/json;ty=10004"
    assert content["m2m:cinA"] == {"lnk": "/mn1/" + c["ri"], "et": c["et"], "con": "x"} and c["at"] == [host.csi + "/r4"]
    plain = ae.create(ae.at + "/" + r["rn"], 4, {"con": "y"}).expect(2001)
    assert set(c.res) == set(plain.res) | {"at", "aa"}  # nothing got lost when at was entered


def test_acpi_of_a_copy(node, host):
    """AUTHZ-132: the original has none: that of its parent, or further up."""
    ae = node.register()
    acpi = ae.policy([{"acor": [ae.origin], "acop": 63}])[1]
    up = ae.container(acpi=[acpi])
    ae.create(up, 3, {"at": [host.csi]}).expect(2001)
    host.seen()
    assert host.seen()[2]["m2m:cntA"]["acpi"] == ["/mn1/" + acpi]
    ae.create(ae.at, 3, {"at": [host.csi]}).expect(2001)
    base = Entity(node.client, "Cadmin").retrieve("mnbase")["acpi"]
    assert host.seen()[2]["m2m:cntA"]["acpi"] == ["/mn1/" + a for a in base]


@pytest.mark.parametrize("points", [{}, {"adri": ["/mn1/x"], "airi": ["/mn1/z"]}, {"apri": ["/mn1/y"], "airi": ["/mn1/z"]}])
def test_policy(node, host, points):
    """AUTHZ-056: an announced <accessControlPolicy> carries pv, pvs, adri, apri, airi."""
    ae = node.register()
    rules = {"acr": [{"acor": [ae.origin], "acop": 63}]}
    pv, pvs = {} if points else rules, rules  # points decide instead of rules
    r = ae.create(ae.at, 1, dict(points, pv=pv, pvs=pvs, at=[host.csi])).expect(2001)
    host.seen()
    line, kind, content = host.seen()
    assert kind == "application/json;ty=10001"
    assert content["m2m:acpA"] == dict(points, lnk="/mn1/" + r["ri"], et=r["et"], pv=pv, pvs=pvs)


def test_address_as_target(node, host):
    """CORE-230: at with an address."""
    ae = node.register()
    r = ae.create(ae.at, 3, {"at": [host.csi + "/base/there"]}).expect(2001)
    assert host.seen()[0] == "POST /~%s/base/there HTTP/1.1" % host.csi and r["at"] == [host.csi + "/r1"]


@pytest.mark.parametrize("where,form", [("ri", "/mn1/%s"), ("ri", "//reeve.local/mn1/%s"), ("ri", "/elsewhere/%s"), ("ri", "//other.example%s"),
                                        ("ri", "/"), ("location", "/~/mn1/%s"), ("location", "/~/elsewhere/%s")])
def test_address_that_is_not_the_hosts(node, host, form, where):
    """CORE-233, CORE-234: a CSE that says it made the copy somewhere else, so that this CSE deletes that in its own name"""
    ae, victim = node.register(), node.register()
    precious = victim.container()
    host.seen() if ae.create(ae.at, 3, {"at": [host.csi]}).expect(2001) else None
    host.seen()
    at = form % (host.csi + "/x" if "other" in form else precious) if "%" in form else form
    body, headers = (json.dumps({"m2m:cntA": {"ri": at}}).encode(), []) if where == "ri" else (b"", [("Content-Location", at)])
    host.refuse = [reply(2001, body, 201, headers)]
    r = ae.create(ae.at, 3, {"at": [host.csi]}).expect(2001)
    assert "at" not in r
    host.seen()
    ae.update(ae.at + "/" + r["rn"], 3, {"lbl": ["x"]}).expect(2004)
    ae.delete(ae.at + "/" + r["rn"]).expect(2002)
    r = ae.create(ae.at, 3, {"at": [host.csi]}).expect(2001)  # what was due before is done
    host.seen()
    ae.delete(ae.at + "/" + r["rn"]).expect(2002)
    assert host.seen()[0].startswith("DELETE /~%s/" % host.csi)
    got = victim.retrieve(precious).expect(2000)
    assert "lbl" not in got


def test_instance_without_parent(node, host):
    """CORE-231."""
    ae = node.register()
    cnt = ae.container()
    ae.create(cnt, 4, {"con": "x", "at": [host.csi]}).expect(4005)
    assert ae.retrieve(cnt)["cni"] == 0
    ae.container(at=[host.csi])
    host.seen()


def test_targets_that_fail(node, host):
    """CORE-233: they are not in at; the resource is created all the same."""
    other = Host(node)
    ae = node.register()
    host.refuse = [reply(4103, b"", 403)]
    r = ae.create(ae.at, 3, {"at": [host.csi, "/nowhere", other.csi]}).expect(2001)
    assert r["at"] == [other.csi + "/r2"]
    host.refuse = [reply(4103, b"", 403)]
    r = ae.create(ae.at, 3, {"at": [host.csi]}).expect(2001)
    assert "at" not in r
    host.refuse = [b"nonsense\r\n\r\n"]
    assert "at" not in ae.create(ae.at, 3, {"at": [host.csi]}).expect(2001)
    for bad in (["/mn1"], ["C1"], ["http://x/y"]):
        ae.create(ae.at, 3, {"at": bad}).expect(4000)
    other.close()


def test_base_gone(node, host):
    """<CSEBaseAnnc> is made anew when it was lost there."""
    ae = node.register()
    ae.container(at=[host.csi])
    host.refuse = [reply(4004, b"", 404)]
    r = ae.create(ae.at, 3, {"at": [host.csi]}).expect(2001)
    lines = [host.seen()[0] for _ in range(5)]
    assert lines[2:] == ["POST /~%s/r1 HTTP/1.1" % host.csi, "POST /~%s HTTP/1.1" % host.csi, "POST /~%s/r3 HTTP/1.1" % host.csi]
    assert r["at"] == [host.csi + "/r4"]


def made(ae, host, **attrs):
    at = ae.container(at=[host.csi], **attrs)
    host.seen(), host.seen()
    return at, ae.retrieve(at)["at"][0]


def test_updates_follow(node, host):
    """CORE-235: MA attributes, and OA ones that are announced; also after a time in which the other CSE was away."""
    ae = node.register()
    cnt, copy = made(ae, host, mni=5, mbs=100, aa=["mni"])
    ae.update(cnt, 3, {"lbl": ["new"]}).expect(2004)
    assert host.seen() == ("PUT /~%s HTTP/1.1" % copy, "application/json", {"m2m:cntA": {"lbl": ["new"]}})
    ae.update(cnt, 3, {"mni": 6, "mbs": 200}).expect(2004)
    assert host.seen()[2] == {"m2m:cntA": {"mni": 6}}
    ae.update(cnt, 3, {"lbl": None}).expect(2004)
    assert host.seen()[2] == {"m2m:cntA": {"lbl": None}}
    ae.update(cnt, 3, {"mbs": 300}).expect(2004)  # not announced
    away = [True, True]
    answer, host.answer = host.answer, lambda m: reply(5000, b"", 500) if away and away.pop() else answer(m)
    ae.update(cnt, 3, {"lbl": ["again"]}).expect(2004)
    assert [host.seen()[2] for _ in range(3)] == [{"m2m:cntA": {"lbl": ["again"]}}] * 3


def test_announced_attributes(node, host):
    """CORE-234: aa gains a name, loses a name; names that may not be announced."""
    ae = node.register()
    cnt, copy = made(ae, host, mni=5)
    ae.update(cnt, 3, {"aa": ["mni"]}).expect(2004)
    assert host.seen()[2] == {"m2m:cntA": {"mni": 5}}
    ae.update(cnt, 3, {"aa": None}).expect(2004)
    assert host.seen()[2] == {"m2m:cntA": {"mni": None}}
    for name in ("cni", "lbl", "nonsense"):
        ae.update(cnt, 3, {"aa": [name]}).expect(4000)
        ae.create(ae.at, 3, {"aa": [name]}).expect(4000)


def test_at_changes(node, host):
    """CORE-236: an entry that goes, at that goes: the copy is deleted. CORE-230: an entry that comes."""
    other = Host(node)
    ae = node.register()
    cnt, copy = made(ae, host)
    r = ae.update(cnt, 3, {"at": [copy, other.csi]}).expect(2004)
    second = other.csi + "/r2"
    assert r["at"] == [copy, second] and other.seen() and other.seen()
    r = ae.update(cnt, 3, {"at": [second]}).expect(2004)
    assert r["at"] == [second] and host.seen()[0] == "DELETE /~%s HTTP/1.1" % copy
    r = ae.update(cnt, 3, {"at": [second, host.csi]}, rcn=9).expect(2004)
    assert len(r["at"]) == 2 and host.seen()[0].startswith("POST")
    ae.update(cnt, 3, {"at": None}).expect(2004)
    assert "at" not in ae.retrieve(cnt)
    assert host.seen()[0].startswith("DELETE") and other.seen()[0] == "DELETE /~%s HTTP/1.1" % second
    other.close()


def test_original_goes(node, host):
    """CORE-070: Delete tries to remove the copies, also those of what is below; failure there is no failure here."""
    ae = node.register()
    cnt, copy = made(ae, host)
    r = ae.create(cnt, 3, {"at": [host.csi]}).expect(2001)
    host.seen()
    host.answer = lambda m: reply(5000, b"", 500)
    ae.delete(cnt).expect(2002)
    assert host.seen()[0].startswith("DELETE")
    host.answer = host.make
    gone = set()
    wait_until(lambda: gone.add(host.seen()[0]) or len(gone) == 2)
    assert gone == {"DELETE /~%s HTTP/1.1" % copy, "DELETE /~%s HTTP/1.1" % r["at"][0]}


def test_nonblocking(node, host):
    ae = node.register()
    at = ae.create(ae.at, 3, {"at": [host.csi]}, query=[("rt", 1)]).expect(1001).res
    wait_until(lambda: ae.retrieve(at)["ors"].get("pc", {}).get("m2m:cnt", {}).get("at") == [host.csi + "/r2"])
    assert ae.retrieve(at)["rs"] == 1


# --- the CSE that has the copies

@pytest.fixture(scope="module")
def far():
    with Server({"http.open": "true", "cse.id": "/in1", "cse.name": "inbase"}) as s:
        yield s


def test_who_may_change_a_copy(far):
    """CORE-237, AUTHZ-131: the CSE of lnk, and nobody else, whatever policies say."""
    csi = "/" + unique("mn")
    e = Entity(far.client, csi)
    base = {"lnk": csi + "/base", "et": FAR}
    e.create("inbase", BASE_ANNC, base).expect(4103)  # not registered
    e.create("inbase", 16, csr(csi, 1)).expect(2001)
    at = "inbase/" + e.create("inbase", BASE_ANNC, base).expect(2001)["rn"]
    ae = far.register()
    acpi = ae.policy([{"acor": ["all"], "acop": 63}])[1]
    e.create(at, CNT_ANNC, {"et": FAR}).expect(4000)
    e.create(at, CNT_ANNC, {"et": FAR, "lnk": "inbase/x"}).expect(4000)
    r = e.create(at, CNT_ANNC, {"et": FAR, "lnk": csi + "/base/c", "acpi": [acpi, csi + "/1-2"]}).expect(2001)
    assert r["ty"] == CNT_ANNC and r["lnk"] == csi + "/base/c"
    copy = at + "/" + r["rn"]
    ae.retrieve(copy).expect(2000)
    for who in (ae, Entity(far.client, csi + "x"), Entity(far.client, csi + "/C1")):
        who.update(copy, CNT_ANNC, {"lbl": ["x"]}).expect(4103)
        who.delete(copy).expect(4103)
    e.update(copy, CNT_ANNC, {"lbl": ["x"], "mni": 3}).expect(2004)
    e.update(copy, CNT_ANNC, {"mni": None}).expect(2004)
    assert ae.retrieve(copy)["lbl"] == ["x"] and copy in ae.found("inbase", {"lbl": "x"})
    # a policy that cannot be looked at grants nothing
    r = e.create(at, CNT_ANNC, {"et": FAR, "lnk": csi + "/base/d", "acpi": [csi + "/1-2"]}).expect(2001)
    ae.retrieve(at + "/" + r["rn"]).expect(4103)
    e.retrieve(at + "/" + r["rn"]).expect(2000)
    e.delete(copy).expect(2002)


def test_original_of_a_copy(far):
    """CORE-238, CORE-079: rcn 7 gives the original, fetched with the Originator's From; elsewhere it is refused."""
    peer = PeerCSE(lambda m: reply(2000, b'{"m2m:cnt":{"rn":"original"}}'))
    csi = "/" + unique("mn")
    e = Entity(far.client, csi)
    e.create("inbase", 16, csr(csi, peer.port)).expect(2001)
    at = "inbase/" + e.create("inbase", BASE_ANNC, {"lnk": csi + "/base", "et": FAR}).expect(2001)["rn"]
    ae = far.register()
    acpi = ae.policy([{"acor": ["all"], "acop": 2}])[1]
    copy = at + "/" + e.create(at, CNT_ANNC, {"et": FAR, "lnk": csi + "/base/c", "acpi": [acpi]}).expect(2001)["rn"]
    assert ae.retrieve(copy, rcn=7).expect(2000).content == {"m2m:cnt": {"rn": "original"}}
    m = peer.next()
    assert m.line == "GET /~%s/base/c HTTP/1.1" % csi and m["X-M2M-Origin"] == "/in1/" + ae.origin
    peer.answer = lambda m: reply(4004, b"", 404)
    ae.retrieve(copy, rcn=7).expect(4004)
    peer.close()
    ae.retrieve(copy, rcn=7).expect(5103)
    ae.retrieve(ae.at, rcn=7).expect(4000)
    Entity(far.client, "/stranger").retrieve(at, rcn=7).expect(4103)


# --- both together

def test_both_ends(new_server):
    """An MN-CSE announces at its registrar; what happens to the originals happens to the copies, also when the registrar was away."""
    in_ = new_server({"http.open": "true", "cse.id": "/in1", "cse.name": "inbase"})
    mn = new_server(below(in_.port, **{"notify.retry_first": "20ms", "notify.retry_most": "100ms"}))
    registered(mn)
    reader = in_.register()
    acpi = "/in1/" + reader.policy([{"acor": ["all"], "acop": 34}])[1]
    ae = mn.register()
    r = ae.create(ae.at, 3, {"rn": "c", "lbl": ["l1"], "acpi": [acpi], "at": ["/in1"], "mni": 7, "aa": ["mni"]}).expect(2001)
    copy = r["at"][0]
    got = reader.retrieve(copy).expect(2000)
    assert got.root == "m2m:cntA" and got["lnk"] == "/mn1/" + r["ri"] and got["lbl"] == ["l1"] and got["mni"] == 7 and got["ty"] == CNT_ANNC
    assert len(reader.found("inbase", {"ty": CNT_ANNC})) == 1
    mn_admin = Entity(mn.client, "Cadmin")
    assert mn_admin.retrieve("mn1base")["srt"].count(CNT_ANNC) == 1
    # the owner is the one that may
    cnt = ae.at + "/c"
    own = Entity(mn.client, ae.origin)
    own.update(cnt, 3, {"acpi": [ae.policy([{"acor": ["all"], "acop": 63}])[1], acpi]}).refused()  # the policy is elsewhere: nobody may
    d = ae.create(ae.at, 3, {"rn": "d", "at": ["/in1"], "lbl": ["l2"]}).expect(2001)
    admin = Entity(in_.client, "/mn1")
    assert admin.retrieve(d["at"][0])["lbl"] == ["l2"]
    in_.kill()
    ae.update(ae.at + "/d", 3, {"lbl": ["l3"]}).expect(2004)
    mn.kill()  # what is due is in the store
    mn.start()
    in_.start()
    wait_until(lambda: admin.retrieve(d["at"][0])["lbl"] == ["l3"])
    ae.delete(ae.at + "/d").expect(2002)
    wait_until(lambda: admin.retrieve(d["at"][0]).rsc == 4004)
