# SPDX-License-Identifier: Apache-2.0
"""Polling channels over real sockets, beyond test_core_delivery.py: several polls, order, expiry, limits, lost polls."""

import http.client
import threading

import pytest

from harness import Entity, Client, rule, wait_until


class Poller:
    def __init__(self, server, sender):
        self.server = server
        self.ae = server.register()
        _, acp = self.ae.policy([rule([sender.origin], 16), rule(self.ae.origin, 63)])
        self.ae.update(self.ae.at, 2, {"acpi": [acp]}).expect(2004)
        self.pcu = self.ae.made(self.ae.at, 15) + "/pcu"

    def poll(self, wait=20000):
        c = Client(self.server.address, self.server.port)
        try:
            return Entity(c, self.ae.origin).retrieve(self.pcu, headers={"X-M2M-RET": str(wait)})
        finally:
            c.close()

    def answer(self, rqp, rsc=2000, content=None):
        rsp = {"rsc": rsc, "rqi": rqp["rqi"], "rvi": "3"}
        if content:
            rsp["pc"] = content
        return self.ae.notify(self.pcu, {"m2m:rsp": rsp})


class Background:
    """A call in a thread of its own; its result in .result()."""

    def __init__(self, f):
        self.value = None

        def run():
            self.value = f()
        self.thread = threading.Thread(target=run, daemon=True)
        self.thread.start()

    def pending(self):
        return self.thread.is_alive()

    def result(self):
        self.thread.join(30)
        assert not self.thread.is_alive(), "no answer"
        return self.value


def send(server, sender, poller, n, wait=20000):
    def f():
        c = Client(server.address, server.port)
        try:
            return Entity(c, sender.origin).notify(poller.ae.at, {"m2m:sgn": {"sur": "/x/%s" % n}}, headers={"X-M2M-RET": str(wait)})
        finally:
            c.close()
    return Background(f)


@pytest.fixture
def poller(server, ae):
    return Poller(server, ae)


def test_answers_in_any_order(server, ae, poller):
    """CORE-204, CORE-209, CORE-210: each poll takes one request; answers are matched by rqi"""
    senders, taken = [], []
    for n in range(3):
        senders.append(send(server, ae, poller, n))
        taken.append(poller.poll().expect(2000).res)
        assert taken[-1]["pc"] == {"m2m:sgn": {"sur": "/x/%d" % n}}
        assert taken[-1]["op"] == 5 and taken[-1]["fr"] == ae.origin and taken[-1]["rqi"]
    assert len({t["rqi"] for t in taken}) == 3
    for n in (2, 0, 1):
        poller.answer(taken[n], 2000, {"m2m:sgn": {"sur": "re%d" % n}}).expect(2000)
        assert senders[n].result().expect(2000).content == {"m2m:sgn": {"sur": "re%d" % n}}
    poller.answer(taken[0]).expect(4004)


def test_polls_are_served_in_order(server, ae, poller):
    """CORE-209: waiting polls get one request each"""
    polls = [Background(poller.poll) for _ in range(3)]
    senders = [send(server, ae, poller, n) for n in range(3)]
    rqps = [p.result().expect(2000).res for p in polls]
    assert {r["pc"]["m2m:sgn"]["sur"] for r in rqps} == {"/x/0", "/x/1", "/x/2"}
    for r in rqps:
        poller.answer(r).expect(2000)
    for s in senders:
        s.result().expect(2000)


def test_errors_come_back(server, ae, poller):
    """CORE-210: whatever the AE answers is what the sender gets"""
    s = send(server, ae, poller, "bad")
    poller.answer(poller.poll().expect(2000).res, 4000).expect(2000)
    s.result().expect(4000)


def test_expiry(server, ae, poller):
    """CORE-209: a poll and a request end with their rqet (4008), and neither stays behind"""
    poller.poll(100).expect(4008)
    send(server, ae, poller, "late", 100).result().expect(4008)
    poller.poll(100).expect(4008)
    s = send(server, ae, poller, "next")
    r = poller.poll().expect(2000).res
    assert r["pc"]["m2m:sgn"]["sur"] == "/x/next"
    poller.answer(r).expect(2000)
    s.result().expect(2000)


def test_lost_poll(server, ae, poller):
    """CORE-209: a client that went away while polling costs at most one request, never the channel"""
    c = http.client.HTTPConnection(server.address, server.port, timeout=30)
    c.request("GET", "/" + poller.pcu, headers={"X-M2M-Origin": poller.ae.origin, "X-M2M-RI": "gone", "X-M2M-RVI": "3", "X-M2M-RET": "500"})
    c.close()
    senders = [send(server, ae, poller, n, 3000) for n in range(2)]
    got = 0
    while poller_takes_one(poller):
        got += 1
    assert got >= 1
    assert sorted(x.result().rsc for x in senders) == [2000] * got + [4008] * (2 - got)
    last = send(server, ae, poller, "last")
    assert poller_takes_one(poller, 20000)
    last.result().expect(2000)


def poller_takes_one(poller, wait=2000):
    r = poller.poll(wait)
    if r.rsc == 4008:
        return False
    return poller.answer(r.expect(2000).res).expect(2000)


def test_limit(new_server):
    """limits.polled bounds what waits in one channel"""
    s = new_server({"limits.polled": "2"})
    a = s.register()
    p = Poller(s, a)
    waiting = [send(s, a, p, n, 3000) for n in range(4)]
    rscs = sorted(w.result().rsc for w in waiting)
    assert rscs == [4008, 4008, 5103, 5103]
    assert s.metrics()["limit_polled"] == 2


def test_deleted_channel(server, ae, poller):
    """CORE-203, CORE-204: without its channel and without poa the AE cannot be reached"""
    poller.ae.delete(poller.pcu.rsplit("/", 1)[0]).expect(2002)
    ae.notify(poller.ae.at, {"m2m:sgn": {"sur": "/x/y"}}).expect(5103)
    poller.ae.retrieve(poller.pcu).expect(4004)


def test_notifications_through_the_channel(server, ae):
    """CORE-204: a subscription's target that polls; in order, one at a time, repeated until it answers"""
    me = Poller(server, ae)
    box = me.ae.container()
    me.ae.made(box, 23, {"nu": [me.ae.origin], "enc": {"net": [3]}})
    for n in range(3):
        me.ae.instance(box, n)
    for n in range(3):
        r = me.poll().expect(2000).res
        assert r["fr"] == server.cse_id
        assert r["pc"]["m2m:sgn"]["nev"]["rep"]["m2m:cin"]["con"] == n
        me.answer(r).expect(2000)


def test_what_waits_survives_a_kill(new_server):
    """A notification, the result of a non-blocking request, and a Notify that was acknowledged wait in the channel again after kill -9, also
    when they had been fetched and not been answered; what somebody waited for on a connection went with the connection"""
    s = new_server({"notify.retry_first": "50 ms", "notify.retry_most": "200 ms"})
    a = s.register()
    p = Poller(s, a)
    _, pol = a.policy([rule(p.ae.origin, 63), rule(a.origin, 63)])
    cnt = a.container(acpi=[pol])
    p.ae.made(cnt, 23, {"nu": [p.ae.origin], "enc": {"net": [3]}, "nct": 1})
    settled = lambda: s.metrics()["outbox"] == 0  # noqa: E731
    wait_until(settled)
    a.instance(cnt, "noticed")
    done = p.ae.create(p.ae.at, 3, {}, query={"rt": 2}, rqi="mine").expect(1002).content["m2m:uri"]
    notified = a.notify(p.ae.at, {"m2m:sgn": {"sur": "/told"}}, query={"rt": 1}).expect(1001).content["m2m:uri"]

    def unanswered():
        try:
            return Entity(Client(s.address, s.port), a.origin).notify(p.ae.at, {"m2m:sgn": {"sur": "/lost"}})
        except Exception:
            return "the connection ended"
    lost = Background(unanswered)
    wait_until(lambda: p.ae.retrieve(done)["rs"] == 1 and s.metrics()["parked"] == 2)

    def kind(rqp):
        content = rqp["pc"]
        if "m2m:rsp" in content:
            return content["m2m:rsp"]["rqi"]
        sgn = content["m2m:sgn"]
        return sgn["nev"]["rep"]["m2m:cin"]["con"] if "nev" in sgn else sgn["sur"]

    fetched = {kind(p.poll(5000).expect(2000).res) for _ in range(2)}  # and not answered
    assert len(fetched) == 2
    s.kill()
    assert lost.result() == "the connection ended"
    s.start()
    got = {}
    for _ in range(3):
        rqp = p.poll(10000).expect(2000).res
        got[kind(rqp)] = rqp
    assert set(got) == {"noticed", "mine", "/told"}
    for rqp in got.values():
        p.answer(rqp).expect(2000)
    wait_until(lambda: a.retrieve(notified)["rs"] == 1)
    assert a.retrieve(notified)["ors"]["rsc"] == 2000
    wait_until(settled)
    p.poll(200).expect(4008)
