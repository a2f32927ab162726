# SPDX-License-Identifier: Apache-2.0
"""What was acknowledged is done, whatever happens to the process: non-blocking requests across kill -9."""

import random
import threading
import time

import pytest

from harness import Entity, stamp, wait_until


def completed(who, uri):
    """The <request> once it is no longer pending."""
    def ask():
        r = who.retrieve(uri).expect(2000)
        return r if r["rs"] != 3 else None
    return wait_until(ask, timeout=20, message="a <request> stays PENDING")


def settled(server):
    """Nothing is under way any more."""
    wait_until(lambda: server.metrics()["outbox"] == 0 and server.metrics()["pending"] == 0)


def later(milliseconds):
    return {"X-M2M-OET": str(milliseconds)}


def test_done_after_a_kill(new_server, receiver):
    """CORE-102, CORE-104, CORE-105, CORE-106: each operation, acknowledged before the kill, happens after it, once"""
    s = new_server()
    a = s.register(rr=True, poa=[receiver.url])
    cnt, gone = a.container(), a.container()
    made = a.create(cnt, 3, {"rn": "later"}, query={"rt": 1}, headers=later(1500), rqi="one").expect(1001).content["m2m:uri"]
    updated = a.update(cnt, 3, {"lbl": ["new"]}, query={"rt": 1}, headers=later(1500)).expect(1001).content["m2m:uri"]
    read = a.retrieve(cnt, {"rt": 1, "rcn": 1}, headers=later(1500)).expect(1001).content["m2m:uri"]
    a.delete(gone, query={"rt": 2}, headers=later(1500), rqi="two").expect(1002)
    found = a.retrieve(a.at, {"rt": 1, "fu": 1, "ty": 3, "lbl": "new"}, headers=later(2500)).expect(1001).content["m2m:uri"]
    s.kill()
    s.start()
    assert completed(a, made)["ors"]["rsc"] == 2001
    assert completed(a, made)["ors"]["rqi"] == "one"
    assert completed(a, updated)["ors"]["rsc"] == 2004
    assert completed(a, read)["ors"]["pc"]["m2m:cnt"]["rn"] in cnt
    assert completed(a, found)["ors"]["pc"]["m2m:uril"] == [cnt.removeprefix("/")]
    a.retrieve(gone).expect(4004)
    rsp = receiver.get().content["m2m:rsp"]
    assert rsp["rsc"] == 2002 and rsp["rqi"] == "two"
    r = a.retrieve(cnt, {"rcn": 6, "ty": 3}).expect(2000)
    assert a.retrieve(cnt + "/later").expect(2000) and a.retrieve(cnt)["lbl"] == ["new"]
    settled(s)
    s.kill()  # what is done is not done again
    s.start()
    assert a.retrieve(cnt, {"rcn": 6, "ty": 3}).expect(2000).content == r.content
    receiver.nothing_more()


def test_done_after_a_kill_without_request_resource(new_server, receiver):
    """CORE-104: the same where <request> is not supported"""
    s = new_server({"resources.nonblocking": "false"})
    a = s.register(rr=True, poa=[receiver.url])
    a.create(a.at, 3, {"rn": "later"}, query={"rt": 2}, headers=later(1500), rqi="r").expect(1002)
    s.kill()
    s.start()
    rsp = receiver.get().content["m2m:rsp"]
    assert rsp["rsc"] == 2001 and rsp["rqi"] == "r"
    a.retrieve(a.at + "/later").expect(2000)
    settled(s)
    s.kill()
    s.start()
    receiver.nothing_more()


def test_its_circumstances_are_looked_at_again(new_server):
    """What became of the request, its Originator and its time while the process was away counts (CORE-107)"""
    s = new_server()
    a, b = s.register(), s.register()
    cnt = a.container()
    cancelled = a.create(cnt, 3, {"rn": "cancelled"}, query={"rt": 1}, headers=later(2000)).expect(1001).content["m2m:uri"]
    expired = a.create(cnt, 3, {"rn": "expired"}, query={"rt": 1},
                       headers={"X-M2M-OET": "60000", "X-M2M-RET": "1000"}).expect(1001).content["m2m:uri"]
    marker = a.create(cnt, 3, {"rn": "marker"}, query={"rt": 1}, headers=later(2500)).expect(1001).content["m2m:uri"]
    b.create(b.at, 3, {"rn": "orphan"}, query={"rt": 1}, headers=later(2000)).expect(1001)
    a.delete(cancelled).expect(2002)
    b.delete(b.at).expect(2002)
    s.kill()
    time.sleep(1.1)  # past rqet: it is what the test is about
    s.start()
    assert completed(a, expired)["ors"]["rsc"] == 4008
    assert completed(a, marker)["ors"]["rsc"] == 2001
    for name in ("cancelled", "expired"):
        a.retrieve(cnt + "/" + name).expect(4004)
    a.retrieve(cancelled).expect(4004)


class Asking:
    """Threads that ask for instances without waiting for them, until the server is gone."""

    def __init__(self, server, origin, container, name, receiver=None):
        self.uris, self.tried, self.lock = {}, set(), threading.Lock()
        self.threads = [threading.Thread(target=self.work, args=(server, origin, container, f"{name}-{i}", receiver)) for i in range(4)]
        for t in self.threads:
            t.start()

    def work(self, server, origin, container, name, receiver):
        e, n = Entity(server.client, origin), 0
        while True:
            con, n = f"{name}-{n}", n + 1
            rt = 2 if receiver and n % 2 else 1
            with self.lock:
                self.tried.add(con)
            try:
                r = e.create(container, 4, {"con": con}, query={"rt": rt}, rqi=con,
                             headers={"X-M2M-RTU": receiver.url} if rt == 2 else {})
            except Exception:
                return  # the server is gone
            if r.rsc in (1001, 1002):
                with self.lock:
                    self.uris[con] = (rt, r.content["m2m:uri"])

    def join(self):
        for t in self.threads:
            t.join(60)
            assert not t.is_alive()


@pytest.mark.parametrize("rounds", [5])
def test_kill_under_nonblocking_load(new_server, receiver, rounds):
    """kill -9 in the middle of acknowledging and doing: whatever was acknowledged is done, once, and its result is told"""
    s = new_server({"notify.retry_first": "50 ms", "notify.retry_most": "200 ms"})
    a = s.register()
    told = {}
    for n in range(rounds):
        cnt = a.container(mni=100000)
        load = Asking(s, a.origin, cnt, n, receiver)
        wait_until(lambda: len(load.uris) > 20 + random.randrange(60), timeout=60)
        s.kill()
        load.join()
        s.start()
        for con, (_, uri) in load.uris.items():
            r = completed(a, uri)
            assert r["rs"] == 1 and r["ors"]["rsc"] == 2001 and r["rid"] == con
        wait_until(lambda: s.metrics()["pending"] == 0)  # what is stored is done, even when nobody was told of it
        there, query = [], {"rcn": 8, "lim": 1000}
        while True:
            r = a.retrieve(cnt, query).expect(2000)
            there += [i["con"] for i in r.res.get("m2m:cin", [])]
            if r.headers.get("x-m2m-cts") != "1":
                break
            query["ofst"] = r.headers["x-m2m-cto"]
        assert len(there) == len(set(there)), "done twice"
        assert set(load.uris) <= set(there) <= load.tried
        asynchronous = {con for con, (rt, _) in load.uris.items() if rt == 2}
        while not asynchronous <= set(told):
            rsp = receiver.get().content["m2m:rsp"]
            assert rsp["rsc"] == 2001
            told.setdefault(rsp["rqi"], set()).add(rsp["pc"]["m2m:cin"]["ri"])
        assert all(len(ids) == 1 for ids in told.values()), "two results of one request"
