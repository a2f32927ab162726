# SPDX-License-Identifier: Apache-2.0
"""CSEs inside security associations with each other (Mcc): real processes, by each kind of credential, over each carrier that protects.
AEs speak plain HTTP on loopback, so that nothing but the CSEs' own associations can be what lets something through."""

import pytest

from harness import Entity, rule, unique, wait_until
from harness.certs import Authority, dns
from harness.https import PSK
from harness.mcc import System, add, change, psk, registered

OTHER = PSK[::-1]
KINDS = ["psk", "certificate", "raw"]
WAYS = [(c, k) for c in ("https", "coaps", "wss") for k in KINDS]
IDS = ["-".join(w) for w in WAYS]


@pytest.fixture
def system(tmp_path):
    made = []

    def start(*args, **settings):
        made.append(System(tmp_path, *args, **settings))
        return made[-1]
    yield start
    for s in made:
        s.stop()


@pytest.fixture(scope="module", params=WAYS, ids=IDS)
def pair(request, tmp_path_factory):
    """An IN-CSE and two MN-CSEs below it."""
    s = System(tmp_path_factory.mktemp("mcc"), *request.param)
    for node in ("mn1", "mn2"):
        setattr(s, node, s.mn(node))
        s.trust(getattr(s, node))
    registered(s.mn1), registered(s.mn2)
    yield s
    s.stop()


def open_to(ae, *others):
    """A container of ae that the others, and ae, may use."""
    return ae.container(acpi=[ae.policy([rule([ae.origin, *others], 63)])[1]])


def at(server, ae):
    return "%s/%s" % (server.cse_id, ae.origin)


def announced(ae, cnt):
    """Where the copies are."""
    def there():
        return [u for u in ae.retrieve(cnt).expect(2000).res.get("at", []) if u.count("/") > 1]
    wait_until(there)
    return there()


# --- what holds between them

def test_registered(pair):
    """SEC-001, SEC-023, SEC-026, SEC-035, SEC-045, SEC-049: the registree is the client of SA1, and its credential says which CSE it is: both
    have a <remoteCSE> for the other, and AEs of either get through (the tests below). SA2 needs nothing else."""
    assert pair.mn1.admin().retrieve("mn1base/in1").expect(2000)["csi"] == "/in1"
    m = pair.in_.metrics()
    assert m["tls_done"] >= 2 and m["associations"] >= 2


def test_in_clear_nobody_is_a_cse(pair):
    """SEC-107, SEC-109, AUTHZ-240: the same CSEs, outside an association."""
    for server in (pair.in_, pair.mn1):
        for cse in ("/in1", "/mn1", "/mn3"):
            e = Entity(server.client, cse)
            e.retrieve(server.base).expect(4107)
            e.create(server.base, 16, {"rn": unique("r"), "cb": cse + "/x", "rr": True, "srv": ["3"]}).expect(4107)
        Entity(server.client, "/mn1/Cx").retrieve(server.base).expect(4106)


def test_forwarding(pair):
    """CORE-131, CORE-132, SEC-024, SEC-106: up over SA1, down over SA2, from one MN-CSE through the IN-CSE to the other."""
    for near, far in ((pair.mn1, pair.in_), (pair.in_, pair.mn1), (pair.mn1, pair.mn2)):
        me, stranger, other = near.register(), near.register(), far.register()
        to = "%s/%s" % (far.cse_id, open_to(other, at(near, me)))
        me.create(to, 4, {"con": "hello"}).expect(2001)
        assert me.retrieve(to + "/la").expect(2000)["con"] == "hello"
        stranger.retrieve(to).expect(4103)


def test_announcement(pair):
    """A copy at the IN-CSE goes there over SA1, one at the MN-CSE over SA2; so do its changes and its end."""
    for near, far in ((pair.mn1, pair.in_), (pair.in_, pair.mn1)):
        ae, reader = near.register(), far.register()
        policies = [ae.policy([rule([ae.origin], 63)])[1], "%s/%s" % (far.cse_id, reader.policy([rule([reader.origin], 2)])[1])]
        cnt = ae.container(acpi=policies, at=[far.cse_id], lbl=["one"])
        copy, = announced(ae, cnt)
        assert reader.retrieve(copy).expect(2000)["lbl"] == ["one"]
        ae.update(cnt, 3, {"lbl": ["two"]}).expect(2004)
        wait_until(lambda: reader.retrieve(copy)["lbl"] == ["two"])
        ae.delete(cnt).expect(2002)
        wait_until(lambda: reader.retrieve(copy).rsc == 4004)


def test_notification(pair, receiver):
    """SEC-024: an AE of the MN-CSE is told by the IN-CSE, over SA2 to the MN-CSE's point of access (wss: the connection that it opened)."""
    target = pair.mn1.register(poa=[receiver.url], rr=True)
    me = at(pair.mn1, target)
    target.update(target.at, 2, {"acpi": [target.policy([rule([target.origin], 63), rule(["/in1"], 16)])[1]]}).expect(2004)
    owner = pair.in_.register()
    cnt = open_to(owner, me)
    target.create("/in1/" + cnt, 23, {"nu": [me], "enc": {"net": [3]}}).expect(2001)
    owner.instance(cnt, "news")
    got = receiver.get()
    assert got.origin == "/in1" and got.sgn["nev"]["rep"]["m2m:cin"]["con"] == "news"


def test_group(pair):
    """A group at the IN-CSE with members at all three; at the MN-CSE with one above."""
    for home, who in ((pair.in_, pair.mn1), (pair.mn1, pair.in_)):
        me = home.register()
        origin = at(home, me)
        members = []
        for node in (pair.in_, pair.mn1, pair.mn2):
            ae = node.register()
            members.append("%s/%s" % (node.cse_id, open_to(ae, origin, me.origin) if node is home else open_to(ae, origin)))
        grp = me.made(me.at, 9, {"mnm": 5, "mid": members})
        r = me.create(grp + "/fopt", 4, {"con": "all"}).expect(2000)
        assert [m["rsc"] for m in r.content["m2m:agr"]["m2m:rsp"]] == [2001] * 3, r


# --- until it works

CARRIERS = pytest.mark.parametrize("carrier", ["https", "coaps", "wss"])


def turned_away(server, times=2):
    """It tries again and again, and is not registered."""
    tries = server.metrics()["tls_client_begun"] + times
    wait_until(lambda: server.metrics()["tls_client_begun"] >= tries)
    registered(server, False)


@CARRIERS
def test_wrong_key_first(system, carrier):
    """SEC-038: with another key nothing is bound; when it is mended the next try gets through, without a restart."""
    s = system(carrier, "psk")
    mn = s.mn()
    s.trust(mn, secret=OTHER, at_in=False)
    s.trust(mn, at_mn=False)
    turned_away(mn)
    assert s.in_.metrics()["associations"] == 0 and s.in_.metrics()["tls_failed"] > 0
    change(mn, psk("mn1"), secret=PSK)
    registered(mn)


@CARRIERS
def test_registrar_is_not_there_yet(system, carrier):
    s = system(carrier, "certificate", started=False)
    mn = s.mn()
    wait_until(lambda: "at /in1 failed" in mn.errors())
    registered(mn, False)
    s.in_.start()
    registered(mn)


# --- who is none

@CARRIERS
def test_certificate_of_another_cse(system, carrier):
    """SEC-040, SEC-045, SEC-103: who shows the certificate of /mn2 is not /mn1."""
    s = system(carrier)
    mn = s.mn("mn1", leaf=s.leaf("mn2"))
    wait_until(lambda: "at /in1 failed (4106)" in mn.errors())
    registered(mn, False)
    assert s.in_.metrics()["tls_failed"] == 0


def test_key_of_another_cse(system):
    """SEC-040: the key of /mn2 does not register /mn1."""
    s = system("https", "psk")
    mn = s.mn("mn1")
    add(s.in_, id=psk("mn1"), cse="/mn2", secret=PSK)
    s.trust(mn, at_in=False)
    wait_until(lambda: "at /in1 failed (4106)" in mn.errors())
    registered(mn, False)


@CARRIERS
def test_certificate_under_another_anchor(system, carrier):
    """SEC-070, SEC-044: the right name, but of a CA that the other end does not know: refused by the registrar, and by the registree"""
    s = system(carrier)
    stranger = Authority(s.folder, "nobody's CA", permitted=[dns("reeve.local")])
    mn = s.mn("mn1", leaf=stranger.issue([dns(s.domain("mn1"))]))
    turned_away(mn)
    assert s.in_.metrics()["tls_failed"] > 0 and s.in_.metrics()["associations"] == 0
    other = s.mn("mn2", **{"tls.anchors": "cse:%s" % stranger.file})
    wait_until(lambda: other.metrics()["tls_client_failed"] >= 2)
    registered(other, False)


@CARRIERS
def test_registrar_is_another_cse(system, carrier):
    """SEC-037: a credential that is known as that of another CSE makes no association with this one: nothing is said in it."""
    s = system(carrier, "psk")
    mn = s.mn("mn1")
    s.trust(mn, at_mn=False)
    add(mn, id=psk("mn1"), cse="/in9", secret=PSK)
    wait_until(lambda: "somebody else's" in mn.errors())
    turned_away(mn)
    assert s.in_.metrics()["requests_create"] == 0
    change(mn, psk("mn1"), cse="/in1")
    registered(mn)


@pytest.mark.parametrize("carrier,kind", [("https", "psk"), ("https", "raw"), ("coaps", "psk"), ("wss", "raw")])
def test_unknown_credential(system, carrier, kind):
    """SEC-039, SEC-053, SEC-109: the registrar has never heard of it; as soon as it has, the CSE is registered."""
    s = system(carrier, kind)
    mn = s.mn()
    s.trust(mn, at_in=False)
    turned_away(mn)
    assert s.in_.metrics()["associations"] == 0
    s.trust(mn, at_mn=False)
    registered(mn)


def test_without_credential(system):
    """SEC-001, SEC-107, SEC-109, AUTHZ-240: a CSE that comes in clear is told that it needs an association."""
    s = system("https", "certificate")
    mn = s.mn(**{"registrar.poa": "http://127.0.0.1:%d" % s.in_.port})
    wait_until(lambda: "at /in1 failed (4107)" in mn.errors())
    registered(mn, False)


# --- credentials end and change while CSEs run

def across(s, mn):
    """(an AE at the IN-CSE, one at the MN-CSE, a container of the first for the second, the other way round)"""
    above, below = s.in_.register(), mn.register()
    return above, below, "/in1/" + open_to(above, at(mn, below)), "%s/%s" % (mn.cse_id, open_to(below, at(s.in_, above)))


@pytest.mark.parametrize("carrier,kind", WAYS, ids=IDS)
def test_revoked(system, carrier, kind):
    """Revoked at the registrar: the association that is open ends, SA2 is not opened any more, attempts to register are refused. Good again: all
    is as before."""
    s = system(carrier, kind)
    mn = s.mn()
    s.trust(mn)
    registered(mn)
    above, below, up, down = across(s, mn)
    below.create(up, 4, {"con": "x"}).expect(2001)
    above.create(down, 4, {"con": "x"}).expect(2001)
    if kind == "certificate":
        add(s.in_, id=s.credential_id("mn1"), cse="/mn1")
    change(s.in_, s.credential_id("mn1"), revoked=True)
    wait_until(lambda: s.in_.metrics()["associations"] == 0)
    assert s.in_.metrics()["associations_ended"] >= 1
    below.create(up, 4, {"con": "x"}).expect(5103)
    above.create(down, 4, {"con": "x"}).expect(5103)
    mn.restart()
    turned_away(mn)
    assert s.in_.metrics()["associations"] == 0
    change(s.in_, s.credential_id("mn1"), revoked=False, **({"secret": PSK} if kind == "psk" else {}))
    registered(mn)
    below.create(up, 4, {"con": "x"}).expect(2001)
    above.create(down, 4, {"con": "x"}).expect(2001)


@CARRIERS
def test_rotated(system, carrier):
    """A new key at one end stops both directions, at both ends it lets both through again; nobody is restarted. With the old key nobody gets in."""
    s = system(carrier, "psk")
    mn = s.mn()
    s.trust(mn)
    registered(mn)
    above, below, up, down = across(s, mn)
    for first, second, key in ((s.in_, mn, OTHER), (mn, s.in_, PSK)):
        change(first, psk("mn1"), secret=key)
        below.create(up, 4, {"con": "x"}).expect(5103)
        above.create(down, 4, {"con": "x"}).expect(5103)
        change(second, psk("mn1"), secret=key)
        wait_until(lambda: below.create(up, 4, {"con": "x"}).rsc == 2001)
        wait_until(lambda: above.create(down, 4, {"con": "x"}).rsc == 2001)


# --- AEs that move from one CSE to another

def test_moved(system):
    """CORE-125, AUTHZ-238, AUTHZ-239: the IN-CSE tells each CSE over its association, and is believed without any policy; who refers to the AE's old
    place refers to the new one. The same by somebody else is refused."""
    s = system("https", "certificate")
    mn1, mn2 = s.mn("mn1"), s.mn("mn2")
    registered(mn1), registered(mn2)
    stem = mn1.register("S", trps=True).origin
    old, new = "/mn1/" + stem, "/mn2/" + stem
    watchers = []
    for server in (s.in_, mn1, mn2):
        ae = server.register()
        watchers.append((ae, ae.policy([rule([old, "/" + stem], 2)])[0]))
    owner, _ = watchers[0]
    grp = owner.made(owner.at, 9, {"mnm": 5, "mid": [old, "/mn1/other"]})
    impostor = mn2.register()
    impostor.notify("/mn1/mn1base", {"m2m:sgn": {"aerp": True, "tid1": old, "tid2": new, "sur": "/in1/x"}}).expect(4103)
    Entity(mn1.client, "/in1").notify("mn1base", {"m2m:sgn": {"aerp": True, "tid1": old, "tid2": new, "sur": "/in1/x"}}).expect(4107)
    assert mn2.register(stem, trps=True).origin == stem
    for ae, acp in watchers:
        wait_until(lambda: ae.retrieve(acp)["pv"]["acr"][0]["acor"] == [new, "/" + stem])
    assert owner.retrieve(grp)["mid"] == [new, "/mn1/other"]
    wait_until(lambda: Entity(mn1.client, stem).retrieve(stem)["regs"] == 2)
