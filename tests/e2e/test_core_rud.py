# SPDX-License-Identifier: Apache-2.0
"""Retrieve, Update, Delete: catalogue 4.2 to 4.4 and 17.4."""

import pytest

from harness import rule, stamp, wait_until
from harness.times import parse


def test_retrieve_gives_all_attributes_and_no_children(ae):
    """CORE-057"""
    attrs = {"lbl": ["a", "b:c"], "mni": 10, "mbs": 1000, "mia": 3600, "or": "http://example.org/o"}
    cnt = ae.container(**attrs)
    ae.container(cnt)
    ae.instance(cnt, "hello")
    r = ae.retrieve(cnt).expect(2000)
    assert r.root == "m2m:cnt"
    for k, v in attrs.items():
        assert r[k] == v
    assert set(r.res) == set(attrs) | {"rn", "ty", "ri", "pi", "et", "ct", "lt", "st", "cni", "cbs"}
    assert (r["cni"], r["cbs"]) == (1, 5)
    assert ae.retrieve(cnt, {"rcn": 1}).expect(2000).content == r.content


@pytest.mark.parametrize("names", [["lbl"], ["ri", "lbl"], ["ty", "pi", "ct", "mni"]])
def test_partial_retrieve(ae, names):
    """CORE-058, CORE-279"""
    cnt = ae.container(lbl=["a"], mni=7)
    full = ae.retrieve(cnt).expect(2000)
    r = ae.retrieve(cnt, {"atrl": names}).expect(2000)
    assert r.content == {"m2m:cnt": {n: full[n] for n in names}}


def test_partial_retrieve_of_what_is_not_there(ae):
    """CORE-059: no such attribute in the type; one of the type that the resource does not have"""
    cnt = ae.container()
    ae.retrieve(cnt, {"atrl": ["nonsense"]}).refused()
    ae.retrieve(cnt, {"atrl": ["con"]}).refused()
    ae.retrieve(cnt, {"atrl": ["lbl"]}).refused()


def test_partial_retrieve_by_fragment(ae):
    """CORE-059: the fragment of To, percent-encoded in the path of HTTP"""
    cnt = ae.container(mni=7)
    r = ae.retrieve(cnt, target="/" + cnt + "%23mni").expect(2000)
    assert r.content == {"m2m:cnt": {"mni": 7}}
    ae.retrieve(cnt, target="/" + cnt + "%23nonsense").refused()


def test_update(ae):
    """CORE-061, CORE-065"""
    cnt = ae.container(lbl=["a"], mni=5, **{"or": "http://example.org/o"})
    old = ae.retrieve(cnt)
    r = ae.update(cnt, 3, {"mni": 6, "mbs": 100, "lbl": None}).expect(2004)
    new = ae.retrieve(cnt)
    assert r.content == new.content
    assert new["mni"] == 6 and new["mbs"] == 100 and new["or"] == "http://example.org/o"
    assert "lbl" not in new.res
    assert new["st"] == old["st"] + 1
    assert parse(new["lt"]) >= parse(old["lt"])
    for k in ("ri", "pi", "rn", "ty", "ct", "et", "cni", "cbs"):
        assert new[k] == old[k]


def test_update_moves_the_time(ae):
    """CORE-065: lt = now, ct stays"""
    cnt = ae.container()
    ct = ae.retrieve(cnt)["ct"]
    wait_until(lambda: parse(stamp()) > parse(ct).replace(microsecond=0) and stamp() != ct[:15])
    lt = ae.update(cnt, 3, {"lbl": ["x"]}).expect(2004)["lt"]
    assert parse(lt) > parse(ct)
    assert ae.retrieve(cnt)["ct"] == ct


def test_null_for_what_is_not_there(ae):
    """CORE-061: removing an optional attribute that is absent changes nothing else"""
    cnt = ae.container(mni=3)
    ae.update(cnt, 3, {"lbl": None, "mbs": None}).expect(2004)
    assert ae.retrieve(cnt)["mni"] == 3


def test_null_for_expiration_time(ae):
    """The CSE chooses a new value (01:9.6.1.3.2)"""
    cnt = ae.container(et=stamp(100))
    r = ae.update(cnt, 3, {"et": None}).expect(2004)
    assert parse(stamp(100)) < parse(r["et"]) <= parse(ae.retrieve(ae.at)["et"])


@pytest.mark.parametrize("change", [
    {"foo": 1}, {"ri": "x"}, {"rn": "x"}, {"ty": 3}, {"cni": 0}, {"st": 9}, {"ct": stamp()}, {"cr": None}, {"cr": "Cx"},
    {"et": "20000101T000000"}, {"et": "nonsense"}, {"mni": -1}, {"mni": "5"}, {"lbl": []}, {"lbl": "x"}, {"disr": "true"},
    {"mbs": 1.5}, {"or": ""},
])
def test_refused_update_changes_nothing(ae, change):
    """CORE-063, CORE-066: also when one of several attributes is bad, wherever it stands"""
    cnt = ae.container(lbl=["old"], mni=5)
    before = ae.retrieve(cnt).content
    good = {"mbs": 4000, "mia": 60}
    ae.update(cnt, 3, change).expect(4000)
    ae.update(cnt, 3, {**{k: v for k, v in good.items() if k not in change}, **change}).expect(4000)
    ae.update(cnt, 3, {**change, **{k: v for k, v in good.items() if k not in change}}).expect(4000)
    assert ae.retrieve(cnt).content == before


def test_update_with_bad_content(ae):
    """CORE-063: no content, another root"""
    cnt = ae.container()
    before = ae.retrieve(cnt).content
    for body in (None, b"", b"{}", b"[]", b'{"m2m:ae":{"lbl":["x"]}}', b'{"m2m:cnt":null}', b'{"m2m:cnt":{"lbl":["x"]},"x":1}'):
        ae.update(cnt, 3, None, body=body).expect(4000)
    assert ae.retrieve(cnt).content == before


def test_expiration_earlier_than_a_childs(ae):
    """CORE-064"""
    top = ae.container(et=stamp(3000))
    ae.container(top, et=stamp(2000))
    before = ae.retrieve(top).content
    ae.update(top, 3, {"et": stamp(1000)}).expect(4000)
    assert ae.retrieve(top).content == before
    ae.update(top, 3, {"et": stamp(2500)}).expect(2004)


def test_changed_expiration_time_counts(ae):
    """CORE-065: earlier: it goes then; later: it stays"""
    sooner = ae.container(et=stamp(3600))
    later = ae.container(et=stamp(2))
    ae.update(later, 3, {"et": stamp(3600)}).expect(2004)
    ae.update(sooner, 3, {"et": stamp(1)}).expect(2004)
    marker = ae.container(et=stamp(2))
    wait_until(lambda: ae.retrieve(sooner).rsc == 4004)
    wait_until(lambda: ae.retrieve(marker).rsc == 4004)
    ae.retrieve(later).expect(2000)


def test_update_of_expiration_beyond_parent(ae):
    """CORE-052 for Update: never later than the parent's"""
    top = ae.container(et=stamp(1000))
    kid = ae.container(top)
    r = ae.update(kid, 3, {"et": stamp(9000)}).expect(2004)
    assert parse(r["et"]) <= parse(ae.retrieve(top)["et"])


def test_update_of_policies_needs_self_privileges(ae, other):
    """CORE-067, AUTHZ-115, AUTHZ-116"""
    _, both = ae.policy([rule(ae.origin, 63), rule(other.origin, 4)], [rule(ae.origin, 4)])
    _, new = ae.policy([rule(ae.origin, 63)], [rule(ae.origin, 63)])
    cnt = ae.container(acpi=[both])
    other.update(cnt, 3, {"lbl": ["by other"]}).expect(2004)
    other.update(cnt, 3, {"acpi": [new]}).expect(4103)
    assert ae.retrieve(cnt)["acpi"] == [both]
    ae.update(cnt, 3, {"acpi": [new]}).expect(2004)
    other.update(cnt, 3, {"lbl": ["again"]}).expect(4103)
    assert ae.retrieve(cnt)["lbl"] == ["by other"]


def test_delete_takes_all_below(ae):
    """CORE-068"""
    top = ae.container()
    mid = ae.container(top)
    low = ae.container(mid)
    inst = ae.instance(low)
    sub = ae.made(mid, 23, {"nu": ["http://127.0.0.1:9/x"]})
    addresses = [top, mid, low, inst, sub]
    ids = [ae.retrieve(a).expect(2000)["ri"] for a in addresses]
    r = ae.delete(top).expect(2002)
    assert not r.body
    for a in addresses + ids:
        ae.retrieve(a).expect(4004)
        ae.update(a, 3, {"lbl": ["x"]}).expect(4004)
        ae.delete(a).expect(4004)
        ae.create(a, 3, {}).expect(4004)
    assert ae.found(ae.at) == []


def test_delete_adjusts_counters(ae):
    """CORE-069"""
    cnt = ae.container()
    insts = [ae.instance(cnt, "x" * n) for n in (1, 2, 3)]
    assert (ae.retrieve(cnt)["cni"], ae.retrieve(cnt)["cbs"]) == (3, 6)
    ae.delete(insts[1]).expect(2002)
    assert (ae.retrieve(cnt)["cni"], ae.retrieve(cnt)["cbs"]) == (2, 4)
    for i in (0, 2):
        ae.delete(insts[i]).expect(2002)
    assert (ae.retrieve(cnt)["cni"], ae.retrieve(cnt)["cbs"]) == (0, 0)


def test_cse_base_stays(server, admin):
    """CORE-071, AUTHZ-119"""
    before = admin.retrieve(server.base).content
    admin.update(server.base, 5, {"lbl": ["x"]}).expect(4005)
    admin.delete(server.base).expect(4005)
    assert admin.retrieve(server.base).content == before


def test_cse_base(server, ae):
    """What <CSEBase> tells about this CSE (catalogue 9.1)"""
    r = ae.retrieve(server.base).expect(2000)
    assert r.root == "m2m:cb"
    assert r["csi"] == server.cse_id and r["rn"] == server.base and r["ty"] == 5 and r["cst"] == 1
    assert set(r["srv"]) <= {"1", "2", "2a", "3"} and "3" in r["srv"]
    assert r["poa"] and all(isinstance(p, str) for p in r["poa"])
    assert set(r["csz"]) == {"json", "cbor"}


def test_ae_deletes_itself(server, other):
    """CORE-068"""
    a = server.register()
    cnt = a.container()
    a.delete(a.at).expect(2002)
    other.retrieve(a.at).expect(4004)
    other.retrieve(cnt).expect(4004)


def test_concurrent_updates_do_not_get_lost(ae):
    """CORE-065: st counts every Update"""
    import threading
    cnt = ae.container()
    bad = []

    def work(n):
        for i in range(20):
            r = ae.update(cnt, 3, {"lbl": ["t%d-%d" % (n, i)]})
            if r.rsc != 2004:
                bad.append(r)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not bad
    assert ae.retrieve(cnt)["st"] == 80
