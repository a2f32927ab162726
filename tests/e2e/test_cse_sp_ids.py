# SPDX-License-Identifier: Apache-2.0
"""AE-IDs of the service provider (S-type) at an MN-CSE: what it asks of the IN-CSE (a peer that is no Reeve), and what an IN-CSE makes of it."""

import json
import threading

import pytest

from harness import Entity, PeerCSE, reply, stamp, unique, wait_until
from test_cse_registrar import below, registered, seen
from test_subscription_rules import AE, Subscription

AE_ANNC = 10002


class InCSE(PeerCSE):
    """Answers registration of the CSE, and what the test says about <AEAnnc>."""

    def __init__(self, *answers):
        self.answers, self.asked = list(answers), []
        super().__init__(self.tell)

    def tell(self, m):
        if b"m2m:aeA" in m.body:
            self.asked.append((m.line.rsplit(" ", 1)[0], m["X-M2M-Origin"], m["Content-Type"], json.loads(m.body)["m2m:aeA"]))
            a = self.answers.pop(0)
            return a() if callable(a) else a
        return reply(2000, b"{}") if m.method == "GET" else reply(2001 if m.method == "POST" else 2004)


def made(stem):
    return reply(2001, json.dumps({"m2m:aeA": {"ri": stem}}).encode(), 201)


@pytest.fixture
def far(request):
    p = InCSE()
    yield p
    p.close()


def mn(new_server, far, **more):
    s = new_server(below(far.port, **dict({"notify.retry_first": "20ms", "notify.retry_most": "50ms"}, **more)))
    registered(s)
    return s


def register(s, origin, rsc=2001, **attrs):
    r = s.entity(origin).create(s.base, 2, dict(AE, **attrs))
    assert r.rsc == rsc, r
    return r


# --- what is asked

def test_stem_of_the_in_cse(new_server, far):
    """CORE-123, AUTHZ-235, SEC-112: Create below our <remoteCSE> there, From and lnk with S; what the IN-CSE chose is the AE's, and there is no <AE>
    before it has answered. SEC-121: the label, without a credential."""
    s = mn(new_server, far)
    asked, go = threading.Event(), threading.Event()

    def answer():
        asked.set()
        assert go.wait(20)
        return made("S77")

    far.answers = [answer]
    got = []
    t = threading.Thread(target=lambda: got.append(register(s, "S", rn="mine", api="Nx")))
    t.start()
    assert asked.wait(20)
    assert s.admin().retrieve(s.base + "/mine").rsc == 4004
    go.set()
    t.join()
    (line, origin, kind, content), = far.asked
    et = content.pop("et")
    assert (line, origin, kind) == ("POST /~/in1/-/mn1", "/mn1/S", "application/json;ty=10002") and len(et) >= 15
    assert content == {"lnk": "/mn1/S", "api": "Nx", "lbl": ["Credential-ID:"]}
    assert (got[0]["aei"], got[0]["ri"]) == ("S77", "S77")
    s.entity("S77").retrieve("S77").expect(2000)
    register(s, "S77", 4117)  # without asking
    assert len(far.asked) == 1


def test_stem_of_the_ae(new_server, far):
    """CORE-123, AUTHZ-235: Update of the <AEAnnc>, Create where there is none"""
    s = mn(new_server, far)
    far.answers = [reply(2004), reply(4004, b"", 404), made("Sme2")]
    assert register(s, "Sme1")["ri"] == "Sme1"
    assert register(s, "Sme2", trps=True)["ri"] == "Sme2"
    assert [(a[0], a[1]) for a in far.asked] == [("PUT /~/in1/Sme1", "/mn1/Sme1"), ("PUT /~/in1/Sme2", "/mn1/Sme2"),
                                                ("POST /~/in1/-/mn1", "/mn1/Sme2")]
    assert [a[3]["lnk"] for a in far.asked] == ["/mn1/Sme1", "/mn1/Sme2", "/mn1/Sme2"]
    assert all(a[3]["lbl"] == ["Credential-ID:"] for a in far.asked) and far.asked[1][3]["trps"] is True and "trps" not in far.asked[0][3]


@pytest.mark.parametrize("answer,rsc", [(reply(4126, b"", 403), 4126), (reply(4128, b"", 403), 4128), (reply(4103, b"", 403), 4103), (made("C1"), 5000),
                                        (made(""), 5000), (made("/other/S1/x"), 5000), (reply(2001, b"[]", 201), 5000), (reply(2000), 5000)])
def test_refusal(new_server, far, answer, rsc):
    """AUTHZ-235: the registration fails with that of the IN-CSE, or when its answer makes no sense"""
    s = mn(new_server, far)
    far.answers = [answer]
    register(s, "S", rsc, rn="mine")
    assert s.admin().retrieve(s.base + "/mine").rsc == 4004 and len(far.asked) == 1


def test_another_stem_than_asked_for(new_server, far):
    s = mn(new_server, far)
    far.answers = [reply(4004, b"", 404), made("Sother")]
    register(s, "Sme", 5000)


def test_silence(new_server, far):
    """AUTHZ-235: no answer, no registration; nor without a registration of our own"""
    s = mn(new_server, far, **{"profile.timeout": "200ms"})
    far.answers = [""]
    register(s, "S", 4008)
    lone = new_server(below(1))
    register(lone, "S", 5103)
    register(lone, "C")


@pytest.mark.parametrize("attrs,rsc", [({"api": "X"}, 4000), ({"rr": 1}, 4000), ({"rn": "in1"}, 4105)])
def test_nobody_is_asked_in_vain(new_server, far, attrs, rsc):
    s = mn(new_server, far)
    register(s, "S", rsc, **attrs)
    assert far.asked == []


def test_refused_after_all(new_server, far):
    """What was confirmed and cannot be created is taken back"""
    s = mn(new_server, far)
    far.answers = [lambda: (register(s, "C", rn="mine"), made("S5"))[1], reply(2004)]
    register(s, "S", 4105, rn="mine")
    assert far.asked[1][:2] == ("PUT /~/in1/S5", "/mn1/S5") and far.asked[1][3] == {"lnk": "INACTIVE"}


def test_deregistration(new_server, far):
    """CORE-124: lnk INACTIVE, and no Delete; by its expiry too"""
    s = mn(new_server, far, **{"resources.expiry_scan": "100ms"})
    far.answers = [made("S1"), reply(2004)]
    register(s, "S")
    s.entity("S1").delete("S1").expect(2002)
    wait_until(lambda: len(far.asked) == 2)
    assert far.asked[1] == ("PUT /~/in1/S1", "/mn1", "application/json", {"lnk": "INACTIVE"})
    far.answers = [made("S2"), reply(2004)]
    register(s, "S", et=stamp(1))
    wait_until(lambda: len(far.asked) == 4)
    assert far.asked[3][0] == "PUT /~/in1/S2" and far.asked[3][3] == {"lnk": "INACTIVE"}


def test_back_before_it_was_told(new_server, far):
    """CORE-124: what could not be said of the leaving is not said after the AE has come back"""
    s = mn(new_server, far)
    far.answers = [made("S1")] + [reply(5103, b"", 500)] * 1000
    register(s, "S")
    s.entity("S1").delete("S1").expect(2002)
    wait_until(lambda: len(far.asked) >= 3)

    def back():
        return reply(2004) if far.asked[-1][3]["lnk"] != "INACTIVE" else reply(5103, b"", 500)

    far.answers = [back] * 1000
    register(s, "S1")
    there = [a[3]["lnk"] for a in far.asked].index("/mn1/S1")
    wait_until(lambda: s.metrics()["outbox"] == 0)
    assert "INACTIVE" not in [a[3]["lnk"] for a in far.asked[there + 2:]]


# --- both ends

class Pair:
    def __init__(self, new_server, **more):
        self.in_ = new_server(dict({"cse.id": "/in1", "cse.name": "inbase", "http.open": "true"}, **more))
        self.mn = self.add(new_server, "mn1")

    def add(self, new_server, node):
        s = new_server(below(self.in_.port, node, **{"notify.retry_first": "20ms", "notify.retry_most": "50ms"}))
        registered(s)
        return s

    def annc(self, stem, as_="/mn1"):
        return seen(self.in_, stem, as_)


@pytest.fixture
def pair(new_server):
    return Pair(new_server)


def test_life(pair):
    """CORE-123, CORE-124, AUTHZ-235: the <AEAnnc> has the stem as its id; it stays when the AE goes, and is used again"""
    stem = register(pair.mn, "S", api="Nx")["aei"]
    a = pair.annc(stem)
    assert (a["ri"], a["ty"], a["lnk"], a["api"], a["lbl"]) == (stem, AE_ANNC, "/mn1/" + stem, "Nx", ["Credential-ID:"])
    at = Entity(pair.in_.client, "/mn1").retrieve("inbase/mn1", {"rcn": 6}).expect(2000)
    assert any(stem in u or a["rn"] in u for u in at.body.decode().split('"'))
    pair.mn.entity(stem).delete(stem).expect(2002)
    wait_until(lambda: pair.annc(stem)["lnk"] == "INACTIVE")
    assert register(pair.mn, stem, api="Nx")["ri"] == stem
    assert pair.annc(stem)["lnk"] == "/mn1/" + stem and pair.annc(stem)["ct"] == a["ct"]
    mine = "S" + unique("me")
    assert register(pair.mn, mine)["ri"] == mine and pair.annc(mine)["lnk"] == "/mn1/" + mine


def test_labels(pair):
    """SEC-121: the entry for the credential is replaced, other labels stay"""
    mn1 = Entity(pair.in_.client, "/mn1")
    stem = register(pair.mn, "S")["aei"]
    mn1.update(stem, AE_ANNC, {"lbl": ["x", "Credential-ID:"]}).expect(2004)
    again = Entity(pair.in_.client, "/mn1/" + stem)
    again.update(stem, AE_ANNC, {"lnk": "/mn1/" + stem, "lbl": ["Credential-ID:10-new"]}).expect(2004)
    assert sorted(pair.annc(stem)["lbl"]) == ["Credential-ID:10-new", "x"]
    for bad in (["y"], ["Credential-ID:a", "Credential-ID:b"]):
        again.update(stem, AE_ANNC, {"lnk": "/mn1/" + stem, "lbl": bad}).expect(4000)


RULES = [{"apci": ["10-k*"], "aai": ["Na"], "aae": ["S1*"]}, {"aai": ["Nb"], "aae": ["S2*"]}]


def create(pair, cse, wish, api, credential, **more):
    e = Entity(pair.in_.client, cse + "/" + wish)
    content = {"lnk": cse + "/" + wish, "api": api, "lbl": ["Credential-ID:" + credential], "et": "20990101T000000"}
    return e.create("inbase" + cse, AE_ANNC, None, content={"m2m:aeA": dict(content, **more)})


def test_what_the_in_cse_verifies(pair, new_server):
    """AUTHZ-236, SEC-122: App-ID, stem, Credential-ID in the label, and the registrar, together"""
    sub = Subscription(pair.in_, "/mn1", RULES)
    pair.add(new_server, "mn2")
    r = create(pair, "/mn1", "S", "Na", "10-k1").expect(2001)
    assert r["ri"].startswith("S1") and r["lnk"] == "/mn1/" + r["ri"]
    assert create(pair, "/mn1", "S", "Nb", "").expect(2001)["ri"].startswith("S2")
    assert create(pair, "/mn1", "S17", "Na", "10-k2").expect(2001)["ri"] == "S17"
    create(pair, "/mn1", "S17", "Na", "10-k2").expect(4117)
    create(pair, "/mn1", "S27", "Na", "10-k1").expect(4126)
    create(pair, "/mn1", "S18", "Nb", "10-k1").expect(4126)
    create(pair, "/mn1", "S18", "Na", "11-k1").expect(4126)
    create(pair, "/mn1", "S18", "Na", "").expect(4126)
    create(pair, "/mn1", "S", "Nc", "10-k1").expect(4126)
    create(pair, "/mn2", "S", "Na", "10-k1").expect(4128)
    # the same of an Update
    e = Entity(pair.in_.client, "/mn1/S17")
    e.update("S17", AE_ANNC, {"lnk": "/mn1/S17", "lbl": ["Credential-ID:10-k3"]}).expect(2004)
    e.update("S17", AE_ANNC, {"lnk": "/mn1/S17", "lbl": ["Credential-ID:12-x"]}).expect(4126)
    e.update("S17", AE_ANNC, {"lnk": "/mn1/S17", "api": "Nb"}).expect(4126)
    Entity(pair.in_.client, "/mn1").update("S17", AE_ANNC, {"lbl": ["Credential-ID:12-x"]}).expect(4126)
    sub.link()
    e.update("S17", AE_ANNC, {"lnk": "/mn1/S17", "lbl": ["Credential-ID:10-k3"]}).expect(4126)
    assert pair.annc("S17")["lbl"] == ["Credential-ID:10-k3"]
    e.update("S17", AE_ANNC, {"lnk": "INACTIVE"}).expect(2004)


@pytest.mark.parametrize("more", [{"lnk": "/mn2/S"}, {"lnk": "/mn1/Sx"}, {"lnk": "/mn1/"}, {"lnk": "S"}, {"lbl": ["x"]}, {"api": "x"}, {"lnk": "/mn1/x/S"},
                                  {"lnk": "INACTIVE"}])
def test_malformed(pair, more):
    """AUTHZ-236: lnk is of the registrar and the stem, one label, an App-ID"""
    create(pair, "/mn1", "S", more.get("api", "Na"), "", **{k: v for k, v in more.items() if k != "api"}).expect(4000)


def test_by_rules_of_both(pair, new_server):
    """SEC-122, AUTHZ-235: an MN-CSE without rules of its own: the IN-CSE's refusal"""
    Subscription(pair.in_, "/mn1", RULES)
    assert register(pair.mn, "S", api="Nb")["aei"].startswith("S2")
    register(pair.mn, "S", 4126, api="Na")
    register(pair.mn, "S1x", 4126, api="Nb")


def test_another_registrar(pair, new_server):
    """AUTHZ-236: what is registered at one CSE is not taken over by another, unless the AE moves (trps); when it left, it may come"""
    mn2 = pair.add(new_server, "mn2")
    stem = register(pair.mn, "S")["aei"]
    register(mn2, stem, 4117)
    Entity(pair.in_.client, "/mn2").update(stem, AE_ANNC, {"lnk": "INACTIVE"}).expect(4103)
    Entity(pair.in_.client, "/mn2/" + stem).update(stem, AE_ANNC, {"lnk": "INACTIVE"}).expect(4103)
    Entity(pair.in_.client, "/mn2").delete(stem).expect(4103)
    assert pair.annc(stem)["lnk"] == "/mn1/" + stem
    pair.mn.entity(stem).delete(stem).expect(2002)
    wait_until(lambda: pair.annc(stem)["lnk"] == "INACTIVE")
    register(mn2, stem)
    assert pair.annc(stem)["lnk"] == "/mn2/" + stem
    # back, without leaving
    register(pair.mn, stem, trps=True)
    assert pair.annc(stem)["lnk"] == "/mn1/" + stem


def test_at_the_in_cse(pair):
    """An <AEAnnc> is no registration of the AE here: it does not speak here as if it were; when it left the other CSE, it may come"""
    stem = register(pair.mn, "S")["aei"]
    Entity(pair.in_.client, "/" + stem).retrieve("inbase/nothing").expect(4004)
    register(pair.in_, stem, 4117)
    pair.mn.entity(stem).delete(stem).expect(2002)
    wait_until(lambda: pair.annc(stem)["lnk"] == "INACTIVE")
    assert register(pair.in_, stem)["ri"] == stem


def test_notification_follows(pair, new_server, receiver):
    """CORE-123: who is named by an S-type AE-ID is where its <AEAnnc> says"""
    stem = register(pair.mn, "S", rr=True, poa=[receiver.url])["aei"]
    ae = pair.mn.entity(stem)
    ae.update(stem, 2, {"acpi": [ae.policy([{"acor": ["all"], "acop": 16}], to=stem)[1]]}).expect(2004)
    admin = pair.in_.admin()
    cnt = "inbase/" + admin.create("inbase", 3, {"rn": unique("c")}).expect(2001)["rn"]
    admin.create(cnt, 23, {"nu": ["/" + stem], "enc": {"net": [3]}, "nct": 1}).expect(2001)
    admin.instance(cnt, "news")
    assert "news" in str(receiver.get().content)
