# SPDX-License-Identifier: Apache-2.0
"""Filter Criteria and discovery: catalogue 6 and 17.6."""

import json

import pytest

from harness import Receiver, rule, stamp, unique, wait_until


def names(addresses):
    return {a.rpartition("/")[2] for a in addresses}


def found(ae, to, query):
    return names(ae.found(to, query))


def test_forms_of_the_answer(ae):
    """CORE-081 (other values of rcn: the matrix in test_core_reception)"""
    cnt = ae.container()
    assert ae.discover(ae.at).expect(2000).content == {"m2m:uril": [cnt]}
    r = ae.discover(ae.at, {"rcn": 6}).expect(2000)
    assert r.content == {"m2m:rrl": {"rrf": [{"nm": cnt.rpartition("/")[2], "typ": 3, "val": cnt}]}}


def test_scope(ae):
    """CORE-082: all descendants, to lvl, never the target"""
    a = ae.container(rn="a", lbl=["x"])
    b = ae.container(a, rn="b", lbl=["x"])
    c = ae.container(b, rn="c", lbl=["x"])
    i = ae.instance(c, "1", rn="i", lbl=["x"])
    assert set(ae.found(ae.at)) == {a, b, c, i}
    assert set(ae.found(a)) == {b, c, i}
    assert ae.found(i) == []
    assert set(ae.found(a, {"lbl": "x"})) == {b, c, i}
    assert set(ae.found(ae.at, {"lvl": 1})) == {a}
    assert set(ae.found(ae.at, {"lvl": 2})) == {a, b}
    assert set(ae.found(ae.at, {"lvl": 4})) == {a, b, c, i}
    assert set(ae.found(ae.at, {"lvl": 2, "lbl": "x"})) == {a, b}
    assert ae.found(a + "/b", {"lvl": 1, "lbl": "x"}) == [c]


def test_discover_privilege(ae, other):
    """CORE-083, AUTHZ-136: hidden ones are left out, their descendants are not"""
    _, show = ae.policy([rule(ae.origin, 63), rule(other.origin, 32)])
    _, hide = ae.policy([rule(ae.origin, 63)])
    top = ae.container(acpi=[hide])
    dark = ae.container(top, rn="dark", acpi=[hide])
    lit = ae.container(dark, rn="lit", acpi=[show])
    inst = ae.instance(lit, "1", rn="inst")
    assert set(ae.found(top)) == {dark, lit, inst}
    assert set(other.found(top)) == {lit, inst}
    assert set(other.found(ae.at, {"ty": 3})) == {lit}
    other.retrieve(lit).expect(4103)


def test_no_match(ae, other):
    """CORE-084, AUTHZ-137: success with an empty list, also for somebody who may see nothing"""
    cnt = ae.container()
    for who in (ae, other):
        assert who.discover(cnt).expect(2000).content == {"m2m:uril": []}
        assert who.discover(ae.at, {"lbl": unique()}).expect(2000).content == {"m2m:uril": []}
        assert who.discover(cnt, {"rcn": 6}).expect(2000).content == {"m2m:rrl": {"rrf": []}}
    assert other.found(ae.at) == []


def test_inactive_ae(server, admin):
    """CORE-085, AUTHZ-138"""
    label = unique("inactive")
    a = server.register(lbl=[label])
    cnt = a.container(lbl=[label])
    assert set(admin.found(server.base, {"lbl": label})) <= {a.at, cnt}
    assert set(a.found(server.base, {"lbl": label})) == {a.at, cnt}
    a.update(a.at, 2, {"regs": 2}).expect(2004)
    assert a.found(server.base, {"lbl": label}) == []
    assert a.found(server.base, {"ty": 2, "lbl": label}) == []
    a.update(a.at, 2, {"regs": 1}).expect(2004)
    assert set(a.found(server.base, {"lbl": label})) == {a.at, cnt}


def test_desired_identifiers(ae):
    """CORE-086"""
    cnt = ae.container()
    inst = ae.instance(cnt)
    ids = [ae.retrieve(x)["ri"] for x in (cnt, inst)]
    assert set(ae.found(ae.at)) == {cnt, inst}
    assert set(ae.found(ae.at, {"drt": 1})) == {cnt, inst}
    assert set(ae.found(ae.at, {"drt": 2})) == set(ids)
    assert {x["val"] for x in ae.discover(ae.at, {"rcn": 6, "drt": 2}).expect(2000).res["rrf"]} == set(ids)
    for bad in ("0", "3", "x"):
        ae.discover(ae.at, {"drt": bad}).expect(4000)


def test_creation_and_modification_times(ae):
    """CORE-087: crb and us exclude the bound, cra and ms include it"""
    a = ae.container(rn="a")
    ct = ae.retrieve(a)["ct"]
    wait_until(lambda: stamp()[:15] > ct[:15])
    b = ae.container(rn="b")
    ct_b = ae.retrieve(b)["ct"]
    assert ct < ct_b
    assert found(ae, ae.at, {"crb": ct}) == set()
    assert found(ae, ae.at, {"crb": ct_b}) == {"a"}
    assert found(ae, ae.at, {"cra": ct_b}) == {"b"}
    assert found(ae, ae.at, {"cra": ct}) == {"a", "b"}
    assert found(ae, ae.at, {"cra": ct, "crb": ct_b}) == {"a"}
    wait_until(lambda: stamp()[:15] > ct_b[:15])
    lt = ae.update(a, 3, {"lbl": ["x"]}).expect(2004)["lt"]
    assert found(ae, ae.at, {"ms": lt}) == {"a"}
    assert found(ae, ae.at, {"us": lt}) == {"b"}
    assert found(ae, ae.at, {"us": ct_b}) == set()
    assert found(ae, ae.at, {"ms": ct_b}) == {"a", "b"}


def test_state_tag_and_expiration(ae):
    """CORE-088: sts and exb exclude the bound, stb and exa include it"""
    et1, et2 = stamp(1000), stamp(2000)
    a = ae.container(rn="a", et=et1)
    ae.container(rn="b", et=et2)
    for n in range(3):
        ae.update(a, 3, {"lbl": [str(n)]}).expect(2004)
    assert found(ae, ae.at, {"sts": 3}) == {"b"}
    assert found(ae, ae.at, {"sts": 4}) == {"a", "b"}
    assert found(ae, ae.at, {"stb": 3}) == {"a"}
    assert found(ae, ae.at, {"stb": 4}) == set()
    assert found(ae, ae.at, {"stb": 0}) == {"a", "b"}
    assert found(ae, ae.at, {"exb": et1}) == set()
    assert found(ae, ae.at, {"exb": et2}) == {"a"}
    assert found(ae, ae.at, {"exa": et2}) == {"b"}
    assert found(ae, ae.at, {"exa": et1}) == {"a", "b"}


def test_state_tag_of_a_type_without(ae):
    """CORE-088: what has no state tag does not match"""
    ae.made(ae.at, 9, {"rn": "g", "mnm": 1, "mid": []})
    ae.container(rn="c")
    assert found(ae, ae.at, {"stb": 0}) == {"c"}


def test_content_size(ae):
    """CORE-089"""
    cnt = ae.container(rn="cnt")
    for n in (1, 5, 10):
        ae.instance(cnt, "x" * n, rn="i%d" % n)
    assert found(ae, ae.at, {"sza": 5}) == {"i5", "i10"}
    assert found(ae, ae.at, {"szb": 5}) == {"i1"}
    assert found(ae, ae.at, {"sza": 0}) == {"i1", "i5", "i10"}
    assert found(ae, ae.at, {"sza": 2, "szb": 10}) == {"i5"}
    assert found(ae, ae.at, {"sza": 11}) == set()


@pytest.fixture(scope="module")
def stock(server):
    """Containers and groups with labels and attributes."""
    a = server.register()
    top = a.container(rn="top")
    a.container(top, rn="red5", lbl=["red", "all"], mni=5)
    a.container(top, rn="blue5", lbl=["blue", "all"], mni=5)
    a.container(top, rn="red7", lbl=["red", "all"], mni=7)
    a.container(top, rn="plain")
    a.instance(top, "{}", rn="json", cnf="application/json:0", lbl=["red"])
    a.instance(top, "x", rn="text", cnf="text/plain:0")
    a.instance(top, "x", rn="html", cnf="text/html:0:0")
    return a, top


@pytest.mark.parametrize("query,want", [
    ({"lbl": "red"}, {"red5", "red7", "json"}),
    ({"lbl": ["red", "blue"]}, {"red5", "red7", "blue5", "json"}),
    ([("lbl", "red"), ("lbl", "blue")], {"red5", "red7", "blue5", "json"}),
    ({"ty": 3}, {"red5", "red7", "blue5", "plain"}),
    ({"ty": [3, 4], "lbl": "red"}, {"red5", "red7", "json"}),
    ([("ty", 3), ("ty", 4)], {"red5", "red7", "blue5", "plain", "json", "text", "html"}),
    ({"mni": 5}, {"red5", "blue5"}),
    ([("mni", 5), ("mni", 7)], {"red5", "blue5", "red7"}),
    ({"mni": [5, 7]}, {"red5", "blue5", "red7"}),
    ({"lbl": "red", "mni": 5}, {"red5"}),
    ({"lbl": "red", "ty": 3, "mni": 7}, {"red7"}),
    ({"lbl": "red", "mni": 5, "fo": 1}, {"red5"}),
    ({"lbl": "red", "mni": 5, "fo": 2}, {"red5", "blue5", "red7", "json"}),
    ({"lbl": "blue", "ty": 4, "fo": 2}, {"blue5", "json", "text", "html"}),
    ({"cty": "application/json"}, {"json"}),
    ({"cty": ["text/plain", "text/html"]}, {"text", "html"}),
    ({"cty": "text"}, set()),
    ({"lbl": "RED"}, set()),
    ({"lbl": "re"}, set()),
    ({"mni": "05"}, set()),
    ({"ty": 23}, set()),
    ({"rn": "red5"}, {"red5"}),
    ({"rn": "red*"}, {"red5", "red7"}),
    ({"rn": "*5"}, {"red5", "blue5"}),
    ({"rn": "*e*5"}, {"red5", "blue5"}),
    ({"rn": "*"}, {"red5", "red7", "blue5", "plain", "json", "text", "html"}),
    ({"rn": "red"}, set()),
    ({"con": "x"}, {"text", "html"}),
])
def test_conditions(stock, query, want):
    """CORE-090, CORE-091, CORE-277, CORE-278"""
    a, top = stock
    assert found(a, top, query) == want


def test_attribute_conditions(ae):
    """CORE-091: exact value; * in discovery only"""
    a = ae.container(rn="a", **{"or": "http://example.org/axb"})
    s = ae.container(rn="s", **{"or": "http://example.org/a*b"})
    assert found(ae, ae.at, {"or": "http://example.org/axb"}) == {"a"}
    assert found(ae, ae.at, {"or": "http://example.org/a*b"}) == {"a", "s"}
    assert found(ae, ae.at, {"or": "http://*/a*"}) == {"a", "s"}
    assert found(ae, ae.at, {"or": "http"}) == set()
    ae.retrieve(a, {"or": "http://example.org/axb"}).expect(2000)
    ae.retrieve(a, {"or": "http://example.org/a*b"}).expect(4004)
    ae.retrieve(a, {"or": "*"}).expect(4004)
    ae.retrieve(s, {"or": "http://example.org/a*b"}).expect(2000)
    ae.delete(a, query={"or": "*"}).expect(4004)
    ae.retrieve(a).expect(2000)


@pytest.fixture(scope="module")
def relatives(server):
    a = server.register()
    top = a.container(rn="top", lbl=["roof"], mni=1)
    one = a.container(top, rn="one", lbl=["first"], mni=11)
    two = a.container(top, rn="two", lbl=["second"], mni=22)
    a.container(one, rn="kid1", lbl=["young"], mni=5)
    a.container(two, rn="kid2", lbl=["old"], mni=6)
    a.instance(two, "x", rn="inst")
    return a, top


@pytest.mark.parametrize("query,want", [
    ({"clbl": "young"}, {"one"}), ({"clbl": ["young", "old"]}, {"one", "two"}), ({"clbl": "first"}, set()),
    ({"c.mni": 6}, {"two"}), ({"c.mni": 7}, set()), ({"c.rn": "kid*"}, {"one", "two"}),
    ({"chty": 4}, {"two"}), ({"chty": 3}, {"one", "two"}), ({"chty": [3, 4]}, {"one", "two"}), ({"chty": 9}, set()),
    ({"palb": "first"}, {"kid1"}), ({"palb": "second"}, {"kid2", "inst"}), ({"palb": "young"}, set()),
    ({"p.mni": 22}, {"kid2", "inst"}), ({"p.mni": 22, "ty": 4}, {"inst"}), ({"p.mni": 1}, {"one", "two"}),
    ({"pty": 3, "ty": 3}, {"one", "two", "kid1", "kid2"}), ({"pty": 2}, set()),
])
def test_conditions_on_relatives(relatives, query, want):
    """CORE-092, CORE-278"""
    a, top = relatives
    assert found(a, top, query) == want


@pytest.fixture(scope="module")
def labelled(server):
    a = server.register()
    top = a.container(rn="top")
    a.container(top, rn="tall", lbl=["size:tall", "floor:3"])
    a.container(top, rn="small", lbl=["size:small", "indoor"])
    a.container(top, rn="mixed", lbl=["size:tall", "size:small"])
    a.container(top, rn="none")
    return a, top


@pytest.mark.parametrize("query,want", [
    ("size", {"tall", "small", "mixed"}), ("indoor", {"small"}), ("NT size", {"none"}), ("NT indoor", {"tall", "mixed", "none"}),
    ("size EQ tall", {"tall", "mixed"}), ("size:tall", {"tall", "mixed"}), ("size NE tall", {"small"}), ("floor EQ 3", {"tall"}),
    ("size IN (tall, huge)", {"tall", "mixed"}), ("size IN (small, tall)", {"tall", "small", "mixed"}), ("size NI (tall)", {"small"}),
    ("size NI (huge, tiny)", {"tall", "small", "mixed"}), ("siz", set()), ("Size", set()),
])
def test_labels_query(labelled, query, want):
    """CORE-093"""
    a, top = labelled
    assert found(a, top, {"lbq": query}) == want


@pytest.mark.parametrize("query", ["size EQ", "size IN tall", "size IN (tall", "EQ tall", "NT"])
def test_malformed_labels_query(labelled, query):
    """CORE-093: refused, not guessed"""
    a, top = labelled
    a.discover(top, {"lbq": query}).refused()


@pytest.fixture(scope="module")
def readings(server):
    a = server.register()
    top = a.container(rn="top")
    docs = {
        "cold": {"t": 3, "unit": "C", "at": {"room": "hall"}, "log": [1, 2]},
        "warm": {"t": 21.5, "unit": "C", "at": {"room": "office"}, "log": [3, 4]},
        "hot": {"t": 80, "unit": "F", "at": {"room": "boiler room"}, "a b": 1},
    }
    for name, doc in docs.items():
        a.instance(top, json.dumps(doc), rn=name, cnf="application/json:0")
    a.instance(top, "t is 80", rn="prose", cnf="text/plain:0")
    return a, top


@pytest.mark.parametrize("query,want", [
    ("$.t EQ 3", {"cold"}), ("$.t NE 3", {"warm", "hot"}), ("$.t GT 21.5", {"hot"}), ("$.t GE 21.5", {"warm", "hot"}),
    ("$.t LT 21.5", {"cold"}), ("$.t LE 21.5", {"cold", "warm"}), ('$.unit EQ "C"', {"cold", "warm"}), ('$.unit NE "C"', {"hot"}),
    ('$.at.room MATCH "room"', {"hot"}), ('$.at.room MATCH "ll"', {"cold"}), ("$.log[1] EQ 4", {"warm"}), ('$."a b" EQ 1', {"hot"}),
    ('$.t GT 10 AND $.unit EQ "C"', {"warm"}), ('$.t LT 10 OR $.unit EQ "F"', {"cold", "hot"}), ("$.nothing EQ 1", set()),
])
def test_content_query(readings, query, want):
    """CORE-094"""
    a, top = readings
    assert found(a, top, {"cfs": 1, "cfq": query}) == want


@pytest.mark.parametrize("query", ["$.t", "$.t EQ", "EQ 3", "$.t IS 3", "$.t EQ 3 AND", "$[ EQ 3", ""])
def test_malformed_content_query(readings, query):
    """CORE-094"""
    a, top = readings
    a.discover(top, {"cfs": 1, "cfq": query}).refused()


def test_limit(stock):
    """CORE-095"""
    a, top = stock
    everything = a.found(top)
    for lim in (1, 3, len(everything)):
        r = a.discover(top, {"lim": lim}).expect(2000)
        assert len(r.res) == lim and set(r.res) <= set(everything)
        assert (r.headers.get("x-m2m-cts") == "1") == (lim < len(everything))
    assert set(a.found(top, {"lim": 1000})) == set(everything)
    assert set(a.found(top, {"lbl": "red", "lim": 2})) <= {top + "/red5", top + "/red7", top + "/json"}
    for bad in ("-1", "x", "1.5"):
        a.discover(top, {"lim": bad}).expect(4000)


def test_limit_and_offset_of_discovery(stock):
    """CORE-078 for discovery: pages together are the whole"""
    a, top = stock
    everything = a.found(top)
    got, query = [], {"lim": 3}
    for _ in range(10):
        r = a.discover(top, query).expect(2000)
        got += r.res
        if "x-m2m-cto" not in r.headers:
            break
        query["ofst"] = r.headers["x-m2m-cto"]
    assert sorted(got) == sorted(everything)


def test_relative_path(relatives):
    """CORE-096"""
    a, top = relatives
    assert a.found(top, {"lbl": "first", "arp": "kid1"}) == [top + "/one/kid1"]
    assert a.found(top, {"lbl": ["first", "second"], "arp": "kid1"}) == [top + "/one/kid1"]
    assert a.found(top, {"lbl": "first", "arp": "nothing"}) == []
    assert set(a.found(top, {"lvl": 1, "ty": 3, "arp": "kid2"})) == {top + "/two/kid2"}


def test_relative_path_to_latest(relatives):
    """CORE-096: virtual resources at the end of the path exist when they lead to something"""
    a, top = relatives
    got = a.found(top, {"lbl": ["first", "second"], "arp": "la"})
    assert got in ([top + "/two/la"], [top + "/two/inst"])


def test_on_demand_discovery(server, ae, other):
    """CORE-097, CORE-098, AUTHZ-139: the AE of a proxy finds what it has not yet; over two real connections"""
    def answer(got):
        idr = got.content["m2m:sgn"]["idr"]
        if idr["or"] != ae.origin:
            return 5208
        assert idr["fc"] == {"fu": 3, "lbl": ["fan"], "ty": [3]}
        seen = proxy.container(lbl=["fan"], acpi=[show])
        hidden = proxy.container(lbl=["fan"])
        named.append(seen)
        return 2000, {"m2m:uril": [hidden, seen]}

    named = []
    receiver = Receiver(answer=answer)
    try:
        proxy = server.register(rr=True, poa=[receiver.url])
        _, show = proxy.policy([rule(proxy.origin, 63), rule("all", 32)])
        query = {"fu": 3, "lbl": "fan", "ty": 3}
        other.retrieve(proxy.at, query).expect(5208)
        assert ae.retrieve(proxy.at, query).expect(2000).content == {"m2m:uril": named}
        assert ae.retrieve(proxy.at, query).expect(2000).content == {"m2m:uril": named}
        receiver.get(), receiver.get()
        receiver.nothing_more()
    finally:
        receiver.close()


@pytest.mark.parametrize("query", [{"fu": 0}, {"fu": 4}, {"fu": "x"}, {"fo": 3}, {"fo": "AND"}, {"crb": "x"}, {"cra": "2020-01-01"}, {"us": ""},
                                   {"ms": "5"}, {"exb": "x"}, {"sts": "-1"}, {"stb": "x"}, {"szb": "x"}, {"sza": "-1"}, {"ty": "x"},
                                   {"cfs": 2, "cfq": "$.a EQ 1"}, {"cfs": 1}, {"zzz": "1"}, {"LBL": "red"}])
def test_malformed_conditions(ae, query):
    """A filter that is none is refused, not ignored"""
    ae.retrieve(ae.at, dict({"fu": 1}, **query)).expect(4000)


def test_discovery_needs_no_right_on_the_target(ae, other):
    """Q-39: the target only has to exist"""
    _, show = ae.policy([rule(ae.origin, 63), rule("all", 32)])
    top = ae.container()
    pub = ae.container(top, acpi=[show])
    other.retrieve(top).expect(4103)
    assert other.found(top) == [pub]
