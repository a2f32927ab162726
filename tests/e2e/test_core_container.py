# SPDX-License-Identifier: Apache-2.0
"""<container>, <contentInstance>, <latest>, <oldest>: catalogue 9.3 and 17.10."""

import pytest

from harness import stamp, wait_until
from harness.times import parse


def counters(ae, cnt):
    r = ae.retrieve(cnt).expect(2000)
    return r["cni"], r["cbs"]


def contents(ae, cnt):
    return [i["con"] for i in ae.retrieve(cnt, {"rcn": 8}).expect(2000).res.get("m2m:cin", [])]


@pytest.mark.parametrize("attr", ["mni", "mbs", "mia"])
@pytest.mark.parametrize("value", [-1, 1.5, "5", True, [5], None, 10**30])
def test_bad_limits(ae, attr, value):
    """CORE-140"""
    ae.create(ae.at, 3, {"rn": "n", attr: value}).expect(4000)
    ae.retrieve(ae.at + "/n").expect(4004)


def test_limits_by_policy(servers):
    """CORE-140, CORE-054: the CSE lowers and sets, and says so"""
    s = servers(**{"resources.max_instances": 5, "resources.max_container_bytes": 1000})
    a = s.register()
    r = a.create(a.at, 3, {"mni": 10, "mbs": 5000}).expect(2001)
    assert (r["mni"], r["mbs"]) == (5, 1000)
    r = a.create(a.at, 3, {"mni": 10, "mbs": 5000}, rcn=9).expect(2001)
    assert (r["mni"], r["mbs"]) == (5, 1000)
    r = a.create(a.at, 3, {"mni": 3, "mbs": 500}).expect(2001)
    assert (r["mni"], r["mbs"]) == (3, 500)
    cnt = a.container()
    assert a.retrieve(cnt)["mni"] == 5
    for i in range(7):
        a.instance(cnt, str(i))
    assert counters(a, cnt) == (5, 5)
    assert contents(a, cnt) == ["2", "3", "4", "5", "6"]
    r = a.update(cnt, 3, {"mni": 50}).expect(2004)
    assert r["mni"] == 5


def test_content_larger_than_the_container(ae):
    """CORE-141"""
    cnt = ae.container(mbs=10)
    ae.instance(cnt, "12345")
    before = ae.retrieve(cnt, {"rcn": 4}).content
    ae.create(cnt, 4, {"con": "x" * 11}).expect(5207)
    assert ae.retrieve(cnt, {"rcn": 4}).content == before
    ae.create(cnt, 4, {"con": "x" * 10}).expect(2001)
    ae.create(ae.container(mbs=0), 4, {"con": "x"}).expect(5207)


@pytest.mark.parametrize("con,size", [("", 0), ("a", 1), ("äöü", 6), ("€", 3), ("日本", 6), ("𝄞", 4), ("a\nb", 3), ('"\\', 2), ("\t", 1)])
def test_content_size(ae, con, size):
    """CORE-142: bytes of the content (UTF-8)"""
    cnt = ae.container()
    r = ae.create(cnt, 4, {"con": con}).expect(2001)
    assert r["con"] == con and r["cs"] == size
    assert counters(ae, cnt) == (1, size)


def test_counters(ae):
    """CORE-142: after each Create and Delete"""
    cnt = ae.container()
    total, alive = 0, []
    for n in (3, 0, 7, 1):
        alive.append((ae.instance(cnt, "x" * n), n))
        total += n
        assert counters(ae, cnt) == (len(alive), total)
    for address, n in alive[:]:
        ae.delete(address).expect(2002)
        alive.remove((address, n))
        total -= n
        assert counters(ae, cnt) == (len(alive), total)


def test_other_children_do_not_count(ae):
    """CORE-142: instances only"""
    cnt = ae.container()
    ae.container(cnt)
    ae.made(cnt, 23, {"nu": ["http://127.0.0.1:9/x"]})
    assert counters(ae, cnt) == (0, 0)


def test_number_of_instances(ae):
    """CORE-143: the oldest goes"""
    cnt = ae.container(mni=3)
    for i in range(6):
        ae.instance(cnt, str(i), rn="i%d" % i)
        assert counters(ae, cnt)[0] == min(i + 1, 3)
    assert contents(ae, cnt) == ["3", "4", "5"]
    ae.retrieve(cnt + "/i2").expect(4004)
    ae.retrieve(cnt + "/i3").expect(2000)


def test_bytes_of_instances(ae):
    """CORE-143: oldest ones go until it fits"""
    cnt = ae.container(mbs=10)
    for con in ("aaaa", "bbb", "cc"):
        ae.instance(cnt, con)
    assert counters(ae, cnt) == (3, 9)
    ae.instance(cnt, "d")
    assert counters(ae, cnt) == (4, 10)
    ae.instance(cnt, "eeeee")
    assert contents(ae, cnt) == ["cc", "d", "eeeee"]
    assert counters(ae, cnt) == (3, 8)
    ae.instance(cnt, "x" * 10)
    assert contents(ae, cnt) == ["x" * 10]


def test_limits_lowered_by_update(ae):
    """CORE-143: what no longer fits goes at once"""
    cnt = ae.container()
    for i in range(5):
        ae.instance(cnt, str(i))
    ae.update(cnt, 3, {"mni": 2}).expect(2004)
    assert counters(ae, cnt) == (2, 2)
    assert contents(ae, cnt) == ["3", "4"]
    ae.update(cnt, 3, {"mbs": 1}).expect(2004)
    assert contents(ae, cnt) == ["4"]


def test_no_instances_wanted(ae):
    """CORE-143: mni 0 holds nothing: refused as content that does not fit is (CORE-141)"""
    cnt = ae.container(mni=0)
    ae.create(cnt, 4, {"con": "x"}).expect(5207)
    assert counters(ae, cnt) == (0, 0)


def test_removal_by_limits_is_silent(ae, receiver):
    """CORE-144"""
    cnt = ae.container(mni=1)
    ae.made(cnt, 23, {"nu": [receiver.url], "enc": {"net": [4]}})
    for con in ("1", "2", "3"):
        ae.instance(cnt, con)
    ae.delete(cnt + "/la").expect(2002)
    assert receiver.get().sgn["nev"]["rep"]["m2m:cin"]["con"] == "3"
    receiver.nothing_more()


def test_maximum_age(ae):
    """CORE-145"""
    cnt = ae.container(mia=100)
    for et in (None, stamp(5000)):
        attrs = {"con": "x"} if et is None else {"con": "x", "et": et}
        r = ae.create(cnt, 4, attrs).expect(2001)
        assert 0 < (parse(r["et"]) - parse(r["ct"])).total_seconds() <= 100
    r = ae.create(cnt, 4, {"con": "x", "et": stamp(50)}).expect(2001)
    assert (parse(r["et"]) - parse(r["ct"])).total_seconds() <= 51


def test_maximum_age_passes(ae):
    """CORE-145, CORE-142: and then it is gone, and the counters say so"""
    cnt = ae.container(mia=1)
    inst = ae.instance(cnt, "x")
    wait_until(lambda: ae.retrieve(inst).rsc == 4004)
    wait_until(lambda: counters(ae, cnt) == (0, 0))
    ae.retrieve(cnt + "/la").expect(4004)


def test_state_tag(ae):
    """CORE-146"""
    cnt = ae.container()
    assert ae.retrieve(cnt)["st"] == 0
    for n in range(1, 4):
        assert ae.create(cnt, 4, {"con": "x"}).expect(2001)["st"] == n
        assert ae.retrieve(cnt)["st"] == n
    ae.update(cnt, 3, {"lbl": ["x"]}).expect(2004)
    assert ae.create(cnt, 4, {"con": "x"}).expect(2001)["st"] == 5


def test_instances_are_immutable(ae):
    """CORE-147"""
    inst = ae.instance(ae.container())
    before = ae.retrieve(inst).content
    for attrs in ({"con": "y"}, {"lbl": ["x"]}, {"et": stamp(100)}, {}):
        ae.update(inst, 4, attrs).expect(4005)
    assert ae.retrieve(inst).content == before


def test_disabled_retrieval(ae):
    """CORE-148"""
    cnt = ae.container()
    inst = ae.instance(cnt, "x")
    ae.update(cnt, 3, {"disr": True}).expect(2004)
    assert ae.retrieve(cnt).expect(2000)["disr"] is True
    for at in (inst, cnt + "/la", cnt + "/ol"):
        ae.retrieve(at).expect(4005)
        ae.delete(at).expect(4005)
    ae.create(cnt, 4, {"con": "y"}).expect(2001)
    assert counters(ae, cnt) == (2, 2)


def test_retrieval_enabled_again(ae):
    """CORE-149: true to false deletes all instances; absent to false does not"""
    cnt = ae.container()
    ae.instance(cnt, "1")
    ae.update(cnt, 3, {"disr": False}).expect(2004)
    assert counters(ae, cnt) == (1, 1)
    ae.update(cnt, 3, {"disr": True}).expect(2004)
    ae.instance(cnt, "2")
    ae.update(cnt, 3, {"disr": False}).expect(2004)
    assert counters(ae, cnt) == (0, 0)
    ae.retrieve(cnt + "/la").expect(4004)
    ae.instance(cnt, "3")
    assert ae.retrieve(cnt + "/la").expect(2000)["con"] == "3"


def test_latest_and_oldest(ae):
    """CORE-150"""
    cnt = ae.container()
    for v in ("la", "ol"):
        ae.retrieve(cnt + "/" + v).expect(4004)
        ae.delete(cnt + "/" + v).expect(4004)
    first, last = ae.instance(cnt, "first"), None
    for i in range(3):
        last = ae.instance(cnt, str(i))
    assert ae.retrieve(cnt + "/la").expect(2000).content == ae.retrieve(last).content
    assert ae.retrieve(cnt + "/ol").expect(2000).content == ae.retrieve(first).content
    assert ae.retrieve(cnt + "/la").root == "m2m:cin"


def test_latest_and_oldest_are_not_updated(ae):
    """CORE-151"""
    cnt = ae.container()
    for _ in range(2):
        for v in ("la", "ol"):
            ae.update(cnt + "/" + v, 4, {"con": "y"}).expect(4005)
        ae.instance(cnt, "x")
    assert ae.retrieve(cnt + "/la")["con"] == "x"


def test_delete_of_latest_and_oldest(ae):
    """CORE-151"""
    cnt = ae.container()
    for con in ("1", "22", "333", "4444"):
        ae.instance(cnt, con)
    ae.delete(cnt + "/la").expect(2002)
    assert ae.retrieve(cnt + "/la")["con"] == "333"
    assert counters(ae, cnt) == (3, 6)
    ae.delete(cnt + "/ol").expect(2002)
    assert ae.retrieve(cnt + "/ol")["con"] == "22"
    assert counters(ae, cnt) == (2, 5)
    ae.delete(cnt + "/ol").expect(2002)
    ae.delete(cnt + "/la").expect(2002)
    assert counters(ae, cnt) == (0, 0)
    ae.retrieve(cnt + "/la").expect(4004)


@pytest.mark.parametrize("cnf", ["text/plain", "text/plain:", "text/plain:3", "text/plain:x", "text/plain:-1", ":0", "text:0", "text/plain:0:6",
                                 "text/plain:0:x", "text/plain:0:", "text/plain:0:1:1", "", "0", "text/plain:00", "text plain:0"])
def test_bad_content_info(ae, cnf):
    """CORE-152"""
    cnt = ae.container()
    ae.create(cnt, 4, {"con": "x", "cnf": cnf}).expect(4000)
    assert counters(ae, cnt) == (0, 0)


@pytest.mark.parametrize("cnf", ["text/plain:0", "application/json:0", "application/octet-stream:2", "text/plain:1", "text/plain:0:0",
                                 "application/jose:0:1", "application/vnd.onem2m-res+json:0:5"])
def test_good_content_info(ae, cnf):
    """CORE-152"""
    assert ae.create(ae.container(), 4, {"con": "eA==", "cnf": cnf}).expect(2001)["cnf"] == cnf


@pytest.mark.parametrize("con", ["x", 5, 1.5, True, {"a": [1, {"b": None}]}, [1, 2, 3], -0.001, {"a": "b" * 5000}, "x" * 20000])
def test_any_content(ae, con):
    """con is xs:anyType: it comes back as it was"""
    cnt = ae.container()
    ae.create(cnt, 4, {"con": con}).expect(2001)
    got = ae.retrieve(cnt + "/la").expect(2000)["con"]
    assert got == con and type(got) is type(con)


def test_content_references(ae):
    """names in conr are unique (catalogue 9.3)"""
    cnt = ae.container()
    good = {"urir": [{"nm": "a", "uri": "http://x/a"}, {"nm": "b", "uri": "http://x/b"}]}
    assert ae.create(cnt, 4, {"con": "x", "conr": good}).expect(2001)["conr"] == good
    bad = {"urir": [{"nm": "a", "uri": "http://x/a"}, {"nm": "a", "uri": "http://x/b"}]}
    ae.create(cnt, 4, {"con": "x", "conr": bad}).expect(4000)


def test_retrieve_of_an_empty_container_waits(ae, receiver):
    """CORE-153: a subscription for event 5 is told, and the Retrieve waits for the instance it brings"""
    cnt = ae.container()
    ae.made(cnt, 23, {"nu": [receiver.url], "enc": {"net": [5]}})

    def bring(got):
        ae.create(cnt, 4, {"con": "fresh"}).expect(2001)
    receiver.answer = bring
    r = ae.retrieve(cnt, {"rcn": 4}, headers={"X-M2M-RST": stamp(20)}).expect(2000)
    assert [i["con"] for i in r.res["m2m:cin"]] == ["fresh"]
    assert receiver.get().sgn["nev"]["net"] == 5


def test_many_instances_in_order(ae):
    """CORE-150: newest and oldest by creation"""
    cnt = ae.container()
    for i in range(60):
        ae.create(cnt, 4, {"con": i}).expect(2001)
        assert ae.retrieve(cnt + "/la")["con"] == i
    assert ae.retrieve(cnt + "/ol")["con"] == 0
    assert contents(ae, cnt) == list(range(60))
