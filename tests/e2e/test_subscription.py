# SPDX-License-Identifier: Apache-2.0
"""Subscriptions over real sockets, beyond the basics of test_core_subscription.py: policies over time, failing targets,
restarts, blocking updates, verification, targets that leave."""

import http.client
import threading

import pytest

from harness import Receiver, always, never, rule, wait_until


def con(got):
    return got.sgn["nev"]["rep"]["m2m:cin"]["con"]


def children(**more):
    return dict({"enc": {"net": [3], "chty": [4]}}, **more)


@pytest.fixture
def box(ae):
    return ae.container()


def test_schedule_and_pending(ae, box, receiver):
    """CORE-193"""
    subs = {"drop": {}, "newest": {"pn": 1}, "all": {"pn": 2}, "now": {"nec": 2}}
    sch = {}
    for name, attrs in subs.items():
        sub = ae.made(box, 23, children(nu=["%s/%s" % (receiver.url, name)], **attrs))
        ae.create(sub, 18, {"se": {"sce": [never()]}}).expect(2001)
        sch[name] = sub + "/notificationSchedule"
    for n in range(3):
        ae.instance(box, n)
    assert [(g.path, con(g)) for g in (receiver.get(), receiver.get(), receiver.get())] == [("/now", 0), ("/now", 1), ("/now", 2)]
    for name in ("drop", "newest", "all"):
        ae.update(sch[name], 18, {"se": {"sce": [always()]}}).expect(2004)
    kept = [receiver.get() for _ in range(4)]
    assert [con(g) for g in kept if g.path == "/newest"] == [2]
    assert [con(g) for g in kept if g.path == "/all"] == [0, 1, 2]
    ae.instance(box, "open")
    got = {receiver.get().path for _ in range(4)}
    assert got == {"/drop", "/newest", "/all", "/now"}
    receiver.nothing_more()


def test_event_category(ae, box, receiver):
    """CORE-193: nec travels as Event Category; latestNotify makes it 4 (TS-0004 7.5.1.2.2 steps 2.2, 2.3)"""
    ae.made(box, 23, children(nu=[receiver.url + "/a"], nec=100))
    ae.instance(box, 1)
    assert receiver.get().headers["x-m2m-ec"] == "100"
    ae.made(box, 23, children(nu=[receiver.url + "/b"], ln=True, enc={"net": [3], "chty": [3]}))
    ae.container(box)
    assert receiver.get().headers["x-m2m-ec"] == "4"


def test_latest_replaces_what_waits(ae, box, receiver):
    """latestNotify: while one is on its way, of those that come only the newest is sent (TS-0001 9.6.8)"""
    go, came = threading.Event(), threading.Event()

    def answer(got):
        came.set()
        go.wait(20)
    receiver.answer = answer
    ae.made(box, 23, children(nu=[receiver.url], ln=True))
    ae.instance(box, "first")
    assert came.wait(20)
    for n in range(5):
        ae.instance(box, n)
    go.set()
    assert con(receiver.get()) == "first"
    assert con(receiver.get()) == 4
    ae.instance(box, "end")
    assert con(receiver.get()) == "end"


def test_failing_target_is_retried_in_order(new_server, receiver):
    """CORE-187: one target that fails keeps its order and delays nobody"""
    s = new_server({"notify.retry_first": "50ms", "notify.retry_most": "200ms"})
    me = s.register()
    box = me.container()
    tries = []

    def answer(got):
        if got.path == "/bad":
            tries.append(con(got))
            return 5000 if len(tries) <= 2 else 2000
    receiver.answer = answer
    me.made(box, 23, children(nu=[receiver.url + "/bad"]))
    me.made(box, 23, children(nu=[receiver.url + "/good"]))
    for n in range(2):
        me.instance(box, n)
    wait_until(lambda: len(tries) == 4)
    assert tries == [0, 0, 0, 1]
    got = [receiver.get() for _ in range(6)]
    assert [con(g) for g in got if g.path == "/good"] == [0, 1]
    assert s.metrics()["notifications_failed"] == 2
    assert s.metrics()["notifications_dropped"] == 0


def test_restart_goes_on(new_server, receiver):
    """CORE-190: a batch begun before a restart is completed after it, in order"""
    s = new_server()
    me = s.register()
    box = me.container()
    me.made(box, 23, children(nu=[receiver.url], bn={"num": 4, "dur": "PT1H"}))
    for n in range(2):
        me.instance(box, n)
    s.restart()
    for n in range(2, 4):
        me.instance(box, n)
    notes = receiver.get().content["m2m:agn"]["m2m:sgn"]
    assert [n["nev"]["rep"]["m2m:cin"]["con"] for n in notes] == [0, 1, 2, 3]
    receiver.nothing_more()


def test_counter_is_exact_under_load(ae, box, receiver):
    """CORE-189: never more than exc, however many events there are"""
    sub = ae.made(box, 23, children(nu=[receiver.url + "/n"], exc=3, su=receiver.url + "/su"))
    for n in range(20):
        ae.instance(box, n)
    got = [receiver.get() for _ in range(4)]
    assert [g.path for g in got] == ["/n", "/n", "/n", "/su"]
    assert [con(g) for g in got[:3]] == [0, 1, 2]
    ae.retrieve(sub).expect(4004)
    receiver.nothing_more()


def target(server, receiver, who, **attrs):
    """An AE reached at the receiver that lets `who` notify it."""
    t = server.register(rr=True, poa=[receiver.url + "/poa"], **attrs)
    _, acp = t.policy([rule(who, 16), rule(t.origin, 63)])
    t.update(t.at, 2, {"acpi": [acp]}).expect(2004)
    return t


def test_blocking_update(server, ae, box, receiver):
    """CORE-199, CORE-200"""
    judge = target(server, receiver, ae.origin)
    answers = {"ok": 2000, "off": 5103, "no": 4005}
    receiver.answer = lambda got: 2000 if "vrq" in got.sgn else answers[got.sgn["nev"]["rep"]["m2m:cnt"]["lbl"][0]]
    ae.made(box, 23, {"nu": [judge.origin], "enc": {"net": [7], "atr": ["lbl"]}})
    assert receiver.get().sgn["vrq"] is True
    ae.update(box, 3, {"lbl": ["ok"]}).expect(2004)
    assert receiver.get().sgn["nev"] == {"rep": {"m2m:cnt": {"lbl": ["ok"]}}, "net": 7}
    ae.update(box, 3, {"lbl": ["off"]}).expect(5107)
    ae.update(box, 3, {"lbl": ["no"]}).expect(4127)
    assert ae.retrieve(box)["lbl"] == ["ok"]
    ae.update(box, 3, {"mni": 3}).expect(2004)
    receiver.get(), receiver.get()
    receiver.nothing_more()


def test_blocked_updates_queue(server, ae, box, receiver):
    """CORE-199: Updates and Deletes of the resource wait for the decision; others do not"""
    judge = target(server, receiver, ae.origin)
    go, asked = threading.Event(), threading.Event()

    def answer(got):
        if "vrq" not in got.sgn:
            asked.set()
            go.wait(20)
    receiver.answer = answer
    ae.made(box, 23, {"nu": [judge.origin], "enc": {"net": [7]}})
    done = []

    def do(what, f):
        r = f()
        done.append((what, r.rsc))
        ae.client.close()
    first = threading.Thread(target=do, args=("update", lambda: ae.update(box, 3, {"lbl": ["one"]})))
    first.start()
    assert asked.wait(20)
    second = threading.Thread(target=do, args=("delete", lambda: ae.delete(box)))
    second.start()
    elsewhere = ae.container()
    ae.update(elsewhere, 3, {"lbl": ["free"]}).expect(2004)
    ae.instance(box, "creates pass")
    assert "lbl" not in ae.retrieve(box)
    assert done == []
    go.set()
    first.join(20)
    second.join(20)
    assert sorted(done) == [("delete", 2002), ("update", 2004)]  # 2004: the Update came before the Delete
    ae.retrieve(box).expect(4004)


def test_verification(server, ae, box, receiver):
    """CORE-177, CORE-178"""
    t = target(server, receiver, ae.origin)
    receiver.answer = lambda got: 2000
    ae.create(box, 23, {"rn": "s", "nu": [t.origin, ae.origin, receiver.url + "/url"]}).expect(2001)
    got = receiver.get()
    assert got.path == "/poa" and got.sgn["vrq"] is True and got.sgn["cr"] == ae.origin
    assert got.sgn["sur"] == "%s/%s/s" % (server.cse_id, box)
    receiver.nothing_more()
    receiver.answer = lambda got: 4000
    ae.create(box, 23, {"rn": "s2", "nu": [t.at]}).expect(5204)
    ae.retrieve(box + "/s2").expect(4004)
    closed = server.register(rr=True, poa=[receiver.url + "/closed"])
    ae.create(box, 23, {"rn": "s3", "nu": [closed.origin]}).expect(5204)


def test_leaving_target(server, admin, ae, box, receiver):
    """CORE-196: by the policy named for the target"""
    guest = server.register()
    maker_rsc = {"tra": False}
    me = server.register(rr=True, poa=[receiver.url + "/maker"])
    mine = me.container()
    receiver.answer = lambda got: (2000, {"m2m:sgn": {"sur": got.sgn["sur"], "tra": maker_rsc["tra"]}})
    for action, rsc, left in ((2, 4103, True), (4, 4103, True), (3, 4103, True), (1, 2002, False)):
        sub = me.made(mine, 23, {"nu": [receiver.url + "/n", me.origin]})
        policy = admin.made(server.base, 26, {"acn": action, "plbl": "t"})
        me.create(sub, 25, {"ntu": [me.origin], "npi": policy}).expect(2001)
        guest.delete(sub + "/ntsr").expect(4103)
        me.delete(sub + "/ntsr").expect(rsc)
        assert (me.origin in me.retrieve(sub)["nu"]) is left
        if action in (3, 4):
            got = receiver.get()
            assert got.sgn["trr"] is True and got.sgn["ntt"] == me.origin
        if action == 3:
            maker_rsc["tra"] = True
            me.delete(sub + "/ntsr").expect(2002)
            assert me.retrieve(sub)["nu"] == [receiver.url + "/n"]
            receiver.get()
    receiver.nothing_more()


def test_notify_reaches_the_ae(server, ae, receiver):
    """CORE-203, AUTHZ-135: passed on with the sender's From; its answer comes back"""
    t = target(server, receiver, ae.origin)
    receiver.answer = lambda got: (2000, {"m2m:sgn": {"sur": "answer"}})
    r = ae.notify(t.at, {"m2m:sgn": {"sur": "/x/y"}}).expect(2000)
    assert r.content == {"m2m:sgn": {"sur": "answer"}}
    got = receiver.get()
    assert got.origin == ae.origin and got.content == {"m2m:sgn": {"sur": "/x/y"}}
    server.register().notify(t.at, {"m2m:sgn": {"sur": "/x/y"}}).expect(4103)
    receiver.nothing_more()


def test_verification_received(server, ae):
    """CORE-179, AUTHZ-134"""
    host, creator = server.register(), server.register()
    vrq = {"m2m:sgn": {"vrq": True, "sur": "/x/y", "cr": creator.origin}}
    host.notify(ae.at, vrq).expect(4101)
    rules = [rule(creator.origin, 16), rule(ae.origin, 63)]
    at, acp = ae.policy(rules)
    ae.update(ae.at, 2, {"acpi": [acp]}).expect(2004)
    host.notify(ae.at, vrq).expect(5205)
    ae.update(at, 1, {"pv": {"acr": rules + [rule(host.origin, 16)]}}).expect(2004)
    host.notify(ae.at, vrq).expect(2000)


def test_many_targets_and_events(ae, box, receiver):
    """CORE-187: every target gets every event once, in order"""
    ae.made(box, 23, children(nu=["%s/%d" % (receiver.url, i) for i in range(8)]))
    for n in range(10):
        ae.instance(box, n)
    got = {}
    for _ in range(80):
        g = receiver.get()
        got.setdefault(g.path, []).append(con(g))
    assert len(got) == 8 and all(v == list(range(10)) for v in got.values()), got
    receiver.nothing_more()


def test_empty_container_until_rset(ae, box, receiver):
    """CORE-153: nothing comes: the answer at rset is what there is, and the event is told once"""
    ae.made(box, 23, {"nu": [receiver.url], "enc": {"net": [5]}})
    r = ae.retrieve(box, {"rcn": 4}, headers={"X-M2M-RST": "300"}).expect(2000)
    assert "m2m:cin" not in r.res
    assert receiver.get().sgn["nev"]["net"] == 5
    ae.retrieve(box).expect(2000)  # rcn 1 is no such attempt
    ae.instance(box, 1)
    ae.retrieve(box, {"rcn": 4}, headers={"X-M2M-RST": "20000"}).expect(2000)
    ae.update(box, 3, {"lbl": ["x"]}).expect(2004)
    receiver.nothing_more()


def test_no_notification_is_lost(new_server, receiver):
    """architecture 7: kill -9 under load; what was acknowledged is notified at least once, and in order of first arrival"""
    s = new_server({"notify.retry_first": "50ms"})
    me = s.register()
    box = me.container()
    me.made(box, 23, children(nu=[receiver.url]))
    acknowledged, n = [], 0
    for _ in range(4):
        killer = threading.Timer(0.4, s.kill)
        killer.start()
        try:
            while True:
                n += 1
                me.create(box, 4, {"con": n}).expect(2001)
                acknowledged.append(n)
        except (OSError, http.client.HTTPException):
            pass
        killer.join()
        s.start()
    me.instance(box, "end")
    got = []
    while not got or got[-1] != "end":
        got.append(con(receiver.get(30)))
    missing = set(acknowledged) - set(got)
    assert not missing, "%d of %d lost" % (len(missing), len(acknowledged))
    first = list(dict.fromkeys(got[:-1]))
    assert first == sorted(first)
    assert len(acknowledged) > 20
