# SPDX-License-Identifier: Apache-2.0
"""Basics of <subscription> and notifications: catalogue 10 and 17.12. test_subscription.py goes deeper."""

import pytest

from harness import rule, stamp, unique

NOWHERE = "http://127.0.0.1:9/none"


def subscribe(ae, to, receiver, path="", **attrs):
    return ae.made(to, 23, dict({"nu": [receiver.url + path]}, **attrs))


def marker(ae, receiver):
    """Something that notifies at once: what should have come before has come, or will not."""
    cnt = ae.container(rn=unique("marker"))
    subscribe(ae, cnt, receiver, "/marker", enc={"net": [3]})
    ae.instance(cnt, "marker")
    return receiver.get()


def test_subscriber_may_read(ae, other):
    """CORE-169, AUTHZ-124: Create and Retrieve are needed, neither alone is enough"""
    for ops, rsc in ((1, 4103), (2, 4103), (3, 2001)):
        _, pol = ae.policy([rule(ae.origin, 63), rule(other.origin, ops)])
        cnt = ae.container(acpi=[pol])
        other.create(cnt, 23, {"nu": [NOWHERE], "rn": "s"}).expect(rsc)
        assert ae.retrieve(cnt + "/s").rsc == (4103 if rsc == 2001 else 4004)  # it is other's


def test_second_blocking_subscription(server):
    """CORE-171"""
    me = server.register(rr=True, poa=[NOWHERE])  # its own target: no verification
    cnt = me.container()
    me.made(cnt, 23, {"nu": [NOWHERE]})  # another kind does not count
    me.create(cnt, 23, {"nu": [me.origin], "enc": {"net": [7]}}).expect(2001)
    me.create(cnt, 23, {"nu": [me.origin], "enc": {"net": [7], "atr": ["lbl"]}}).expect(4124)
    me.create(me.container(), 23, {"nu": [me.origin], "enc": {"net": [7]}}).expect(2001)  # another resource


@pytest.mark.parametrize("attrs", [
    {"nu": ["Cone", "Ctwo"], "enc": {"net": [7]}},
    {"nu": [NOWHERE], "enc": {"net": [7]}},
    {"nu": ["self"], "enc": {"net": [7], "crb": "20990101T000000"}},
    {"nu": ["self"], "enc": {"net": [7, 1]}},
    {"nu": ["self"], "enc": {"net": [7]}, "exc": 5},
    {"nu": ["self"], "enc": {"net": [7]}, "bn": {"num": 2}},
    {"nu": ["self"], "enc": {"net": [7]}, "ln": True},
    {"nu": ["self"], "enc": {"net": [8]}},
    {"nu": ["self"], "enc": {"net": [8, 1]}},
    {"nu": ["self"], "enc": {"net": [8], "md": {"num": 1, "dur": "PT1S"}}},
    {"nu": [NOWHERE], "enc": {"net": [1], "md": {"num": 1, "dur": "PT1S"}}},
    {"nu": [NOWHERE], "enc": {"net": [3], "chty": [2]}},
    {"nu": [NOWHERE], "enc": {"net": [1], "om": [{"ops": 2}]}},
    {"nu": [NOWHERE], "enc": {"net": [1]}, "nct": 4},
    {"nu": [NOWHERE], "enc": {"net": [1]}, "nct": 5},
    {"nu": [NOWHERE], "enc": {"net": [2]}, "nct": 2},
    {"nu": [NOWHERE], "enc": {"net": [3]}, "nct": 2},
    {"nu": [NOWHERE], "enc": {"net": [4]}, "nct": 2},
    {"nu": [NOWHERE], "enc": {"net": [1, 3]}, "nct": 2},
    {"nu": ["self"], "enc": {"net": [7]}, "nct": 1},
    {"nu": []},
])
def test_refused_subscriptions(ae, attrs):
    """CORE-172, CORE-173, CORE-174"""
    cnt = ae.container()
    attrs = dict(attrs, rn="s", nu=[ae.origin if n == "self" else n for n in attrs["nu"]])
    ae.create(cnt, 23, attrs).expect(4000)
    ae.retrieve(cnt + "/s").expect(4004)


@pytest.mark.parametrize("change", [
    {"enc": {"net": [7]}}, {"enc": {"net": [1], "md": {"num": 1, "dur": "PT1S"}}}, {"enc": {"net": [3], "chty": [2]}},
    {"enc": {"net": [1], "om": [{"ops": 2}]}}, {"nct": 4}, {"nct": 5}, {"enc": {"net": [2]}, "nct": 2}, {"nu": []}, {"nu": None}, {"su": NOWHERE},
])
def test_refused_updates(ae, change):
    """CORE-172, CORE-173, CORE-174 for Update"""
    cnt = ae.container()
    sub = ae.made(cnt, 23, {"nu": [NOWHERE], "enc": {"net": [1]}})
    before = ae.retrieve(sub).content
    ae.update(sub, 23, change).expect(4000)
    assert ae.retrieve(sub).content == before


@pytest.mark.parametrize("net,nct", [(None, 1), ([1], 1), ([2], 1), ([3], 1), ([4], 1), ([1, 3], 1)])
def test_default_content_type(ae, net, nct):
    """CORE-174"""
    attrs = {"nu": [NOWHERE]}
    if net:
        attrs["enc"] = {"net": net}
    assert ae.create(ae.container(), 23, attrs).expect(2001)["nct"] == nct


def test_creator_is_stored_unasked(ae):
    """CORE-175"""
    assert ae.create(ae.container(), 23, {"nu": [NOWHERE]}).expect(2001)["cr"] == ae.origin
    assert "cr" not in ae.create(ae.container(), 23, {"nu": [ae.origin]}).expect(2001).res


def test_batch_duration_default(ae):
    """CORE-176"""
    bn = ae.create(ae.container(), 23, {"nu": [NOWHERE], "bn": {"num": 5}}).expect(2001)["bn"]
    assert bn["num"] == 5 and bn["dur"].startswith("P")


def test_update_of_the_resource(ae, receiver):
    """CORE-180, CORE-181, CORE-185: default event 1; creation of children is none"""
    cnt = ae.container(lbl=["a"])
    sub = subscribe(ae, cnt, receiver)
    sub_ri = ae.retrieve(sub)["ri"]
    ae.instance(cnt, "no event")
    ae.update(cnt, 3, {"lbl": ["b"]}).expect(2004)
    got = receiver.get()
    assert got.sgn["nev"]["net"] == 1
    assert got.sgn["nev"]["rep"] == ae.retrieve(cnt).content
    assert got.sgn["sur"].endswith((sub, sub_ri))
    assert got.headers["content-type"].startswith("application/")
    receiver.nothing_more()


def test_watched_attributes(ae, receiver):
    """CORE-181: atr"""
    cnt = ae.container(lbl=["a"])
    subscribe(ae, cnt, receiver, enc={"net": [1], "atr": ["mni"]})
    ae.update(cnt, 3, {"lbl": ["b"]}).expect(2004)
    ae.update(cnt, 3, {"mni": 5}).expect(2004)
    assert receiver.get().sgn["nev"]["rep"]["m2m:cnt"]["mni"] == 5
    receiver.nothing_more()


def test_delete_of_the_resource(ae, receiver):
    """CORE-182"""
    cnt = ae.container(lbl=["gone"])
    subscribe(ae, cnt, receiver, enc={"net": [2]})
    full = ae.retrieve(cnt).content
    ae.delete(cnt).expect(2002)
    got = receiver.get()
    assert got.sgn["nev"] == {"net": 2, "rep": full}


def test_expiry_of_the_resource(ae, receiver):
    """CORE-182"""
    cnt = ae.container(et=stamp(2))
    subscribe(ae, cnt, receiver, enc={"net": [2]})
    got = receiver.get()
    assert got.sgn["nev"]["net"] == 2


def test_children(ae, receiver):
    """CORE-183: creation and deletion of direct children, by type; grandchildren never"""
    cnt = ae.container()
    subscribe(ae, cnt, receiver, "/3", enc={"net": [3], "chty": [4]})
    subscribe(ae, cnt, receiver, "/4", enc={"net": [4], "chty": [3]})
    kid = ae.container(cnt, rn="kid")
    ae.instance(kid, "grandchild")
    inst = ae.instance(cnt, "child")
    got = receiver.get()
    assert (got.path, got.sgn["nev"]["net"]) == ("/3", 3)
    assert got.sgn["nev"]["rep"] == ae.retrieve(inst).content
    ae.delete(inst).expect(2002)
    ae.delete(kid + "/la").expect(2002)
    ae.delete(kid).expect(2002)
    got = receiver.get()
    assert (got.path, got.sgn["nev"]["net"]) == ("/4", 4)
    assert got.sgn["nev"]["rep"]["m2m:cnt"]["rn"] == "kid"
    receiver.nothing_more()


def test_further_conditions(ae, receiver):
    """CORE-184: tested on the child"""
    cnt = ae.container()
    subscribe(ae, cnt, receiver, enc={"net": [3], "sza": 5})
    ae.instance(cnt, "tiny")
    ae.instance(cnt, "big enough")
    assert receiver.get().sgn["nev"]["rep"]["m2m:cin"]["con"] == "big enough"
    receiver.nothing_more()


@pytest.mark.parametrize("nct", [1, 2, 3])
def test_content_types(ae, receiver, nct):
    """CORE-185"""
    cnt = ae.container(lbl=["a"], mni=3)
    subscribe(ae, cnt, receiver, nct=nct)
    ae.update(cnt, 3, {"lbl": ["b"]}).expect(2004)
    sgn = receiver.get().sgn
    rep = sgn["nev"]["rep"]
    if nct == 1:
        assert rep == ae.retrieve(cnt).content
    elif nct == 2:
        assert rep["m2m:cnt"]["lbl"] == ["b"]
        assert set(rep["m2m:cnt"]) <= {"lbl", "lt", "st"}
    else:
        assert ae.retrieve(rep["m2m:uri"]).expect(2000)["rn"] == cnt.rpartition("/")[2]
    assert sgn["sur"]


def test_operation_monitor(ae, other, receiver):
    """CORE-186: reported whether permitted or refused"""
    cnt = ae.container()
    subscribe(ae, cnt, receiver, enc={"om": [{"ops": 2, "or": other.origin}]})
    ae.retrieve(cnt).expect(2000)
    other.retrieve(cnt).expect(4103)
    om = receiver.get().sgn["nev"]["om"]
    assert om["op"] == 2 and other.origin in om["or"]
    receiver.nothing_more()


def test_each_target(ae, receiver):
    """CORE-187"""
    cnt = ae.container()
    ae.made(cnt, 23, {"nu": [receiver.url + "/1", receiver.url + "/2"]})
    ae.update(cnt, 3, {"lbl": ["x"]}).expect(2004)
    assert {receiver.get().path, receiver.get().path} == {"/1", "/2"}
    receiver.nothing_more()


def test_serialization_of_a_target(ae, receiver):
    """CORE-188"""
    cnt = ae.container()
    ae.made(cnt, 23, {"nu": [receiver.url + "/c?x=1&ct=cbor"]})
    ae.update(cnt, 3, {"lbl": ["x"]}).expect(2004)
    got = receiver.get()
    assert got.path == "/c?x=1"
    assert got.headers["content-type"].split(";")[0].endswith("cbor")
    assert got.sgn["nev"]["rep"]["m2m:cnt"]["lbl"] == ["x"]


def test_expiration_counter(ae, receiver):
    """CORE-189, CORE-194"""
    cnt = ae.container()
    sub = subscribe(ae, cnt, receiver, exc=2, su=receiver.url + "/bye")
    for n in range(2):
        ae.update(cnt, 3, {"lbl": [str(n)]}).expect(2004)
        assert receiver.get().sgn["nev"]["rep"]["m2m:cnt"]["lbl"] == [str(n)]
    got = receiver.get()
    assert got.path == "/bye" and got.sgn["sud"] is True and got.sgn["sur"]
    ae.retrieve(sub).expect(4004)
    ae.update(cnt, 3, {"lbl": ["more"]}).expect(2004)
    marker(ae, receiver)
    receiver.nothing_more()


def test_batch(ae, receiver):
    """CORE-190"""
    cnt = ae.container()
    subscribe(ae, cnt, receiver, enc={"net": [3]}, bn={"num": 3, "dur": "PT1H"})
    for n in range(3):
        ae.instance(cnt, n)
    got = receiver.get().content["m2m:agn"]
    notes = got["m2m:sgn"] if "m2m:sgn" in got else got["sgn"]
    assert [n["nev"]["rep"]["m2m:cin"]["con"] for n in notes] == [0, 1, 2]
    receiver.nothing_more()


def test_batch_latest(ae, receiver):
    """CORE-191"""
    cnt = ae.container()
    subscribe(ae, cnt, receiver, enc={"net": [3]}, bn={"num": 3, "dur": "PT1H"}, ln=True)
    for n in range(3):
        ae.instance(cnt, n)
    text = receiver.get().body.decode()
    assert '"con":2' in text.replace(" ", "") and '"con":1' not in text.replace(" ", "")
    receiver.nothing_more()


def test_deletion_notice(ae, receiver):
    """CORE-194: Delete, and Delete of the parent"""
    cnt = ae.container()
    sub = subscribe(ae, cnt, receiver, "/n", su=receiver.url + "/su")
    ae.delete(sub).expect(2002)
    got = receiver.get()
    assert got.path == "/su" and got.sgn["sud"] is True
    subscribe(ae, cnt, receiver, "/n", su=receiver.url + "/su2")
    ae.delete(cnt).expect(2002)
    got = receiver.get()
    assert got.path == "/su2" and got.sgn["sud"] is True


def test_no_event_when_refused(ae, other, receiver):
    """CORE-181: a refused Update is no event"""
    cnt = ae.container()
    subscribe(ae, cnt, receiver)
    other.update(cnt, 3, {"lbl": ["x"]}).expect(4103)
    ae.update(cnt, 3, {"lbl": ["x"], "foo": 1}).expect(4000)
    ae.update(cnt, 3, {"lbl": ["last"]}).expect(2004)
    assert receiver.get().sgn["nev"]["rep"]["m2m:cnt"]["lbl"] == ["last"]
    receiver.nothing_more()


def test_self_reference(ae):
    """CORE-196: Create, Retrieve, Update"""
    sub = ae.made(ae.container(), 23, {"nu": [NOWHERE]})
    ae.retrieve(sub + "/ntsr").expect(4005)
    ae.update(sub + "/ntsr", 23, {"lbl": ["x"]}).expect(4005)
    ae.create(sub + "/ntsr", 3, {}).expect(4005)


def test_notification_survives_a_crash(new_server, receiver):
    """A due notification of an acknowledged change is not lost (architecture, 7)"""
    s = new_server({"notify.retry_first": "200ms"})
    a = s.register()
    cnt = a.container()
    port = receiver.port
    receiver.close()
    a.made(cnt, 23, {"nu": ["http://127.0.0.1:%d/late" % port], "enc": {"net": [3]}})
    a.instance(cnt, "survivor")
    s.kill()
    from harness import Receiver
    again = Receiver(port)
    try:
        s.start()
        assert again.get(30).sgn["nev"]["rep"]["m2m:cin"]["con"] == "survivor"
    finally:
        again.close()


def test_rate_limit(ae, receiver):
    """CORE-192: mnn in a window, the rest in the following ones, in order"""
    cnt = ae.container()
    subscribe(ae, cnt, receiver, "/limited", enc={"net": [3]}, rl={"mnn": 2, "tww": "PT3S"})
    for n in range(5):
        ae.instance(cnt, n)
    got = []
    while True:
        if len(got) == 2:
            assert marker(ae, receiver).path == "/marker", "a third one within the window"
        got.append(receiver.get())
        if len(got) == 5:
            break
    assert [g.sgn["nev"]["rep"]["m2m:cin"]["con"] for g in got] == [0, 1, 2, 3, 4]
    receiver.nothing_more()


def test_kept_notifications_go_with_the_subscription(ae, receiver):
    """CORE-195"""
    cnt, other_cnt = ae.container(), ae.container()
    sub = subscribe(ae, cnt, receiver, "/dropped", enc={"net": [3]}, bn={"num": 100, "dur": "PT1S"})
    subscribe(ae, other_cnt, receiver, "/later", enc={"net": [3]}, bn={"num": 100, "dur": "PT2S"})
    ae.instance(cnt, "kept back")
    ae.delete(sub).expect(2002)
    ae.instance(other_cnt, "afterwards")
    assert receiver.get().path == "/later"
    receiver.nothing_more()


def test_one_policy_per_target(ae):
    """CORE-197"""
    sub = ae.made(ae.container(), 23, {"nu": [NOWHERE, NOWHERE + "2"]})
    ae.made(sub, 25, {"ntu": [NOWHERE]})
    ae.create(sub, 25, {"ntu": [NOWHERE + "2", NOWHERE], "rn": "again"}).expect(4105)
    ae.retrieve(sub + "/again").expect(4004)
    ae.made(sub, 25, {"ntu": [NOWHERE + "2"]})


def test_two_deletion_rules(server, admin):
    """CORE-198"""
    pol = admin.made(server.base, 26, {"acn": 1, "plbl": unique("label")})
    for _ in range(2):
        admin.made(pol, 27, {})
    admin.create(pol, 27, {"rn": "third"}).expect(4105)
    admin.retrieve(pol + "/third").expect(4004)
