# SPDX-License-Identifier: Apache-2.0
"""Bugs a review found, one test each: it failed before the bug was mended."""

import socket
import threading

import pytest

from harness import Entity, Receiver, Server, allow, now, rule, stamp, unique, wait_until
from harness.raw import Raw, message


def reference(r):
    assert r.rsc in (1001, 1002), r
    return r.content["m2m:uri"]


# --- <request>

def test_request_takes_only_its_own_policy_along(new_server):
    """The Originator may point acpi of his <request> at any policy: when the <request> expires, that one must stay"""
    s = new_server()
    a = s.register()
    uri = reference(a.create(a.at, 3, {"rn": "c"}, query={"rt": 1, "rp": 3000}))
    own = a.retrieve(uri)["acpi"]
    base = a.retrieve(s.base)["acpi"]
    a.update(uri, 17, {"acpi": base}).expect(2004)
    wait_until(lambda: a.retrieve(uri).rsc == 4004, timeout=20)
    a.retrieve(s.base).expect(2000)
    assert s.admin().retrieve(base[0]).expect(2000)["rn"] == "acp-base"
    wait_until(lambda: a.retrieve(own[0]).rsc == 4004, timeout=20)


# --- addresses

def test_attribute_address_is_for_retrieve_only(ae):
    """To with "#attribute" does not stand for the whole resource"""
    cnt = ae.container(lbl=["x"])
    ae.delete(cnt + "#lbl").expect(4000)
    ae.update(cnt + "#lbl", 3, {"lbl": ["y"]}).expect(4000)
    ae.create(cnt + "#lbl", 4, {"con": "x"}).expect(4000)
    r = ae.retrieve(cnt).expect(2000)
    assert r["lbl"] == ["x"] and r["cni"] == 0
    assert ae.retrieve(cnt + "#lbl").expect(2000)["lbl"] == ["x"]


# --- waiting

def test_expires_before_its_time(ae):
    """rqet before oet: the request ends at rqet, not at oet (CORE-025)"""
    end = stamp(12)
    ae.create(ae.at, 3, {"rn": "never"}, headers={"X-M2M-RET": "1500", "X-M2M-OET": end}).expect(4008)
    assert stamp() < end
    ae.retrieve(ae.at + "/never").expect(4004)


# --- what is refused has not happened

def test_refused_for_its_answer(new_server):
    """An answer that does not fit limits.response: 5000, and nothing was created or changed"""
    s = new_server({"limits.response": 4096})
    a = s.register()
    big = ["l" * 3000, "m" * 3000]
    a.create(a.at, 3, {"rn": "big", "lbl": big}).expect(5000)
    a.retrieve(a.at + "/big").expect(4004)
    cnt = a.container()
    a.update(cnt, 3, {"lbl": big}).expect(5000)
    assert "lbl" not in a.retrieve(cnt).expect(2000)
    a.create(a.at, 3, {"rn": "big", "lbl": big}, rcn=0).expect(2001)
    a.delete(a.at + "/big", rcn=1).expect(5000)
    assert a.retrieve(a.at + "/big#rn").expect(2000)["rn"] == "big"


# --- access

def test_acpi_update_tells_nothing(ae, other):
    """AUTHZ-115: without the right, 4103 comes before what the content would be told"""
    cnt = ae.container()
    other.update(cnt, 3, {"acpi": ["nowhere"]}).expect(4103)
    other.update(cnt, 9, {"acpi": ["nowhere"]}).expect(4103)
    other.update(cnt, 3, {"acpi": ["nowhere"], "lbl": ["x"]}).expect(4103)


def test_blocking_subscription_holds_for_groups(server, receiver):
    """CORE-171: an Update that comes through a fanOutPoint does not pass a blocking subscription by"""
    receiver.answer = lambda got: 2000 if "vrq" in (got.content or {}).get("m2m:sgn", {}) else 4103
    watcher = server.register(rr=True, poa=[receiver.url])
    a = server.register()
    policy, ri = watcher.policy([rule([watcher.origin], 63), rule([a.origin, server.cse_id], 16)])
    watcher.update(watcher.at, 2, {"acpi": [ri]}).expect(2004)
    cnt = a.container()
    a.create(cnt, 23, {"rn": "block", "nu": [watcher.origin], "enc": {"net": [7]}}).expect(2001)
    a.update(cnt, 3, {"lbl": ["direct"]}).expect(4127)
    grp = a.made(a.at, 9, {"mnm": 3, "mid": [cnt]})
    r = a.update(grp + "/fopt", 3, {"lbl": ["through"]}).expect(2000)
    assert r["m2m:rsp"][0]["rsc"] // 1000 in (4, 5), r
    assert "lbl" not in a.retrieve(cnt).expect(2000)
    _, loose = a.policy([rule([a.origin], 3)])  # no right but to change acpi
    a.update(cnt, 3, {"acpi": [loose]}).expect(4127)
    assert "acpi" not in a.retrieve(cnt).expect(2000)


def test_blocking_subscription_holds_for_policies(server, receiver):
    """CORE-171: whoever may change acpi by selfPrivileges alone is asked about as well"""
    answers = [2000]
    receiver.answer = lambda got: answers[-1]
    watcher = server.register(rr=True, poa=[receiver.url])
    a, keeper = server.register(), server.register()
    _, ri = watcher.policy([rule([watcher.origin], 63), rule([a.origin, server.cse_id], 16)])
    watcher.update(watcher.at, 2, {"acpi": [ri]}).expect(2004)
    _, loose = a.policy([rule([a.origin], 63)], [rule([keeper.origin], 4)])
    cnt = a.container(acpi=[loose])
    a.create(cnt, 23, {"rn": "block", "nu": [watcher.origin], "enc": {"net": [7]}}).expect(2001)
    answers.append(4005)
    keeper.update(cnt, 3, {"acpi": [ri]}).expect(4127)
    assert a.retrieve(cnt)["acpi"] == [loose]


# --- neighbours

def test_large_subscriptions_silence_nobody(server, receiver):
    """Subscriptions that need much memory must not keep others of the same resource from being told"""
    a = server.register()
    cnt = a.container()
    a.create(cnt, 23, {"rn": "mine", "nu": [receiver.url], "enc": {"net": [3], "chty": [4]}}).expect(2001)
    urls = ["http://127.0.0.1:9/%s-%d" % ("x" * 90, i) for i in range(1000)]
    for i in range(120):
        a.create(cnt, 23, {"rn": "large%d" % i, "nu": urls, "enc": {"net": [2]}}, rcn=0).expect(2001)
    a.create(cnt, 23, {"rn": "late", "nu": [receiver.url], "enc": {"net": [3], "chty": [4]}}).expect(2001)
    a.instance(cnt, "hello")
    for _ in range(2):
        assert receiver.get().sgn["nev"]["rep"]["m2m:cin"]["con"] == "hello"


# --- the end (with AddressSanitizer: nothing is used after it was freed, nothing is left)

def test_stop_with_everything_under_way(new_server):
    """SIGTERM while requests wait for their time, for a long poll, for a target's decision, a verification and an instance, and while
    notifications and results are on their way"""
    gate = threading.Event()

    def hang(got):
        gate.wait(30)
        return 2000
    r = Receiver(answer=hang)
    s = new_server({"resources.request_expiry": "60s"})
    w = s.register(rr=True, poa=[r.url])
    a = s.register()
    _, ri = w.policy([rule([w.origin], 63), rule([a.origin, s.cse_id], 16)])
    w.update(w.at, 2, {"acpi": [ri]}).expect(2004)
    cnt, blocked = a.container(), a.container()
    a.create(a.at, 15, {"rn": "pch"}).expect(2001)
    a.create(cnt, 23, {"rn": "sub", "nu": [r.url], "enc": {"net": [1, 3]}}).expect(2001)
    a.create(cnt, 23, {"rn": "empty", "nu": [r.url], "enc": {"net": [5]}}).expect(2001)
    r.answer = None
    a.create(blocked, 23, {"rn": "sub", "nu": [w.origin], "enc": {"net": [7]}}).expect(2001)
    r.answer = hang

    def ask(method, to, **kw):
        def go():
            try:
                Entity(s.client, a.origin)._do(method, to, kw)
            except OSError:
                pass
            except Exception as e:  # a connection that is closed without an answer
                assert "closed" in str(e) or "Remote" in type(e).__name__, e
        t = threading.Thread(target=go)
        t.start()
        return t
    threads = [ask("GET", a.at + "/pch/pcu") for _ in range(3)]
    threads.append(ask("PUT", blocked, content={"m2m:cnt": {"lbl": ["x"]}}))
    threads.append(ask("PUT", blocked, content={"m2m:cnt": {"lbl": ["y"]}}))
    threads.append(ask("GET", cnt, query={"rcn": 4}, headers={"X-M2M-RST": "60000"}))
    threads.append(ask("POST", cnt, ty=23, content={"m2m:sub": {"rn": "v", "nu": [w.origin]}}))
    threads.append(ask("POST", w.at, content={"m2m:sgn": {"sur": "x"}}))
    threads.append(ask("PUT", cnt, content={"m2m:cnt": {"lbl": ["later"]}}, headers={"X-M2M-OET": "60000"}))
    for i in range(5):
        reference(a.update(cnt, 3, {"lbl": ["l%d" % i]}, query={"rt": 1}, headers={"X-M2M-OET": "60000"}))
        reference(a.update(cnt, 3, {"lbl": ["n%d" % i]}, query={"rt": 2}, headers={"X-M2M-RTU": r.url}))
        reference(a.update(blocked, 3, {"lbl": ["b%d" % i]}, query={"rt": 1}))
    wait_until(lambda: r.queue.qsize() >= 5)
    s.stop()
    gate.set()
    for t in threads:
        t.join(30)
    r.close()


def test_stop_under_nonblocking_load(new_server):
    """SIGTERM in the middle of a stream of non-blocking requests and changes: exit status 0, nothing used after it was freed"""
    for _ in range(3):
        s = new_server()
        a = s.register()
        cnt = a.container()
        count = [0]

        def load():
            e = Entity(s.client, a.origin)
            try:
                while True:
                    e.create(cnt, 4, {"con": "x"}, query={"rt": 1})
                    e.notify(a.at, {"m2m:sgn": {"sur": "x"}}, query={"rt": 1})
                    count[0] += 1
            except Exception:
                pass
        threads = [threading.Thread(target=load) for _ in range(8)]
        for t in threads:
            t.start()
        wait_until(lambda: count[0] > 100)
        s.stop()
        for t in threads:
            t.join(30)


def test_number_of_subscriptions_and_targets(new_server):
    """limits.subscriptions, limits.targets: each subscription and each target costs something with every event"""
    s = new_server({"limits.subscriptions": 3, "limits.targets": 2})
    a = s.register()
    cnt = a.container()
    urls = ["http://127.0.0.1:9/%d" % i for i in range(3)]
    a.create(cnt, 23, {"rn": "s", "nu": urls}).expect(5000)
    for i in range(3):
        a.create(cnt, 23, {"rn": "s%d" % i, "nu": urls[:2]}).expect(2001)
    a.create(cnt, 23, {"rn": "s3", "nu": urls[:1]}).expect(5000)
    a.update(cnt + "/s1", 23, {"nu": urls}).expect(5000)
    a.delete(cnt + "/s1").expect(2002)
    a.create(cnt, 23, {"rn": "s3", "nu": urls[:1]}).expect(2001)
    assert s.metrics()["limit_subscriptions"] == 3


def test_long_lists_are_compared_in_one_pass(new_server):
    """The writer serves everybody: lists of thousands of targets must not be compared each with each (minutes, once)"""
    s = new_server({"limits.targets": 100000, "access.create_all": True})
    a = s.register()
    sub = a.made(a.container(), 23, {"nu": ["http://127.0.0.1:9/"]})
    a.create(s.base, 26, {"rn": "p", "acn": 1, "plbl": "x"}).expect(2001)
    for name in ("x", "y"):
        a.create(sub, 25, {"ntu": ["cse/%s%d" % (name, i) for i in range(6000)], "npi": s.base + "/p"}, rcn=0).expect(2001)
    a.create(sub, 25, {"ntu": ["cse/z", "cse/y5999"], "npi": s.base + "/p"}).expect(4105)
    a.create(sub, 25, {"ntu": [a.at], "npi": s.base + "/p"}).expect(2001)
    a.create(sub, 25, {"ntu": [a.origin], "npi": s.base + "/p"}).expect(4105)
    cnt = a.container(lbl=["v%d" % i for i in range(8000)])
    a.update(cnt, 3, {"lbl": ["w%d" % i for i in range(7000)] + ["v7"]}, rcn=0).expect(2004)
    assert a.found(a.at, {"lbl": "w6999"}) == a.found(a.at, {"lbl": "v7"}) == [cnt]
    assert a.found(a.at, {"lbl": "v8"}) == []
    names = [{"nm": "n%d" % i, "uri": "u"} for i in range(3000)]
    a.create(cnt, 4, {"con": "x", "conr": {"urir": names}}, rcn=0).expect(2001)
    a.create(cnt, 4, {"con": "x", "conr": {"urir": names + [{"nm": "n7", "uri": "v"}]}}, rcn=0).expect(4000)


def test_depth_of_the_tree(new_server):
    """limits.depth: every walk up or down a branch is bounded; who nests without end is told"""
    s = new_server({"limits.depth": 5})
    a = s.register()
    at = a.at                       # level 1
    for _ in range(3):
        at = a.container(at)        # 2, 3, 4
    a.create(at, 3, {"rn": "five"}).expect(2001)
    a.create(at + "/five", 3, {"rn": "six"}).expect(4000)
    a.create(at + "/five", 23, {"rn": "sub", "nu": ["http://127.0.0.1:9/"]}).expect(4000)
    a.create(at + "/five", 4, {"con": "an instance ends a branch"}).expect(2001)
    s2 = new_server()
    a = s2.register()
    ri = a.retrieve(a.container())["ri"]
    for _ in range(1100):
        r = a.create(ri, 3, rcn=1, attrs={})
        if r.rsc != 2001:
            break
        ri = r["ri"]
    r.expect(4000)
    a.retrieve(ri).expect(2000)
    a.create(ri, 4, {"con": "x"}).expect(2001)


# --- non-blocking requests

def test_result_comes_whatever_memory_is_left(new_server):
    """A <request> does not stay PENDING because its own request has used up its memory"""
    s = new_server({"limits.request_memory": 65536})
    a = s.register()
    for n in range(100, 2400, 150):
        r = a.create(a.at, 3, {"rn": "c%d" % n, "lbl": ["label-%07d" % i for i in range(n)]}, query={"rt": 1})
        if r.rsc == 5000:
            continue
        uri = reference(r)
        wait_until(lambda: a.retrieve(uri).expect(2000)["rs"] == 1, timeout=10)
        rsc = a.retrieve(uri)["ors"]["rsc"]
        assert a.retrieve(a.at + "/c%d" % n).rsc == (2000 if rsc == 2001 else 4004), rsc


@pytest.mark.parametrize("body", [b'{"m2m:cnt":{', b'{"m2m:cnt":{}},"org":"Cvictim","rs":1', b'"\xff"', b"nonsense", b'{"m2m:cnt":{"rn":"a","rn":"b"}}'])
@pytest.mark.parametrize("ty", [3, None])
def test_content_that_is_no_json(ae, body, ty):
    """What a non-blocking request carries becomes an attribute of its <request> only when it is JSON"""
    r = ae._do("POST", ae.at, {"ty": ty, "body": body, "query": {"rt": 1}})
    if r.rsc == 4000:
        return
    uri = reference(r)
    r = wait_until(lambda: (lambda x: x if x["rs"] != 3 else None)(ae.retrieve(uri).expect(2000)))
    assert r["org"] == ae.origin and r["ors"]["rsc"] == 4000
