# SPDX-License-Identifier: Apache-2.0
"""Identifiers and addressing: catalogue 17.1."""

import re
import threading

import pytest

from harness import Entity, unique

NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]*$")


def six_forms(server, structured, ri):
    local = [structured, ri]
    return local + ["%s/%s" % (server.cse_id, x) for x in local] + \
        ["%s%s/%s" % (server.sp_id, server.cse_id, x) for x in local]


def test_six_forms_of_one_address(server, ae):
    """CORE-001, CORE-011"""
    cnt = ae.container(lbl=["six"])
    ri = ae.retrieve(cnt).expect(2000)["ri"]
    answers = [ae.retrieve(form).expect(2000).content for form in six_forms(server, cnt, ri)]
    assert all(a == answers[0] for a in answers)
    assert answers[0]["m2m:cnt"]["lbl"] == ["six"]


@pytest.mark.parametrize("n", range(6))
def test_every_form_for_every_operation(server, ae, n):
    """CORE-001, CORE-011: Create, Update and Delete by each of the six forms"""
    cnt = ae.container()
    ri = ae.retrieve(cnt)["ri"]
    form = six_forms(server, cnt, ri)[n]
    child = ae.create(form, 3, {"rn": "kid"}).expect(2001)
    assert child["pi"] == ri
    ae.update(form, 3, {"lbl": ["u"]}).expect(2004)
    assert ae.retrieve(cnt)["lbl"] == ["u"]
    ae.delete(form).expect(2002)
    ae.retrieve(cnt).expect(4004)


def test_cse_base_by_all_forms(server, ae):
    """CORE-001: <CSEBase> itself; its bare CSE-ID in SP-relative and absolute form leads to it as well"""
    base = ae.retrieve(server.base).expect(2000)
    for form in six_forms(server, server.base, base["ri"]):
        assert ae.retrieve(form).expect(2000).content == base.content


def test_case_matters(server, ae):
    """CORE-002"""
    ae.container(rn="Case")
    ae.retrieve(ae.at + "/case").expect(4004)
    ae.retrieve(ae.at + "/CASE").expect(4004)
    ae.create(ae.at, 3, {"rn": "case"}).expect(2001)
    assert ae.retrieve(ae.at + "/Case")["rn"] == "Case"
    assert ae.retrieve(ae.at + "/case")["rn"] == "case"
    c = ae.container(lbl=["MiXed", "mixed:VALUE"])
    assert ae.retrieve(c)["lbl"] == ["MiXed", "mixed:VALUE"]
    assert ae.found(ae.at, {"lbl": "mixed"}) == []
    assert ae.found(ae.at, {"lbl": "MiXed"}) == [c]
    ae.retrieve(c.replace(server.base, server.base.upper(), 1)).expect(4004)


def test_originator_case_matters(server, ae):
    """CORE-002: an Originator in other case is somebody else"""
    swapped = ae.origin.swapcase()
    r = server.entity(ae.origin[0] + swapped[1:]).retrieve(ae.at)
    r.expect(4106)


def test_dash_stands_for_the_base(server, ae):
    """CORE-003"""
    cnt = ae.container()
    dashed = "-" + cnt[len(server.base):]
    assert ae.retrieve(dashed).expect(2000).content == ae.retrieve(cnt).content
    assert ae.retrieve("-").expect(2000).content == ae.retrieve(server.base).content
    assert ae.retrieve("%s/%s" % (server.cse_id, dashed)).expect(2000)["rn"] == ae.retrieve(cnt)["rn"]


def test_virtual_below_unstructured(server, ae):
    """CORE-004"""
    cnt = ae.container()
    ri = ae.retrieve(cnt)["ri"]
    ae.instance(cnt, "first")
    ae.instance(cnt, "last")
    assert ae.retrieve(ri + "/la").expect(2000)["con"] == "last"
    assert ae.retrieve(ri + "/ol").expect(2000)["con"] == "first"
    grp = ae.made(ae.at, 9, {"mnm": 2, "mid": [cnt]})
    gri = ae.retrieve(grp)["ri"]
    agr = ae.retrieve(gri + "/fopt").expect(2000)
    assert agr.root == "m2m:agr" and len(agr.res["rsp" if "rsp" in agr.res else "m2m:rsp"]) == 1
    pch = ae.made(ae.at, 15, {})
    pri = ae.retrieve(pch)["ri"]
    ae.update(pri + "/pcu", 15, {"lbl": ["x"]}).expect(4005)
    ae.retrieve(ri + "/pcu").expect(4004)
    ae.retrieve(gri + "/la").expect(4004)


def test_resource_ids(server, ae):
    """CORE-005, CORE-006"""
    seen = {}
    todo = [(ae.at, ae.ri)]
    cnt = ae.container()
    todo.append((cnt, None))
    for _ in range(3):
        todo.append((ae.instance(cnt), None))
        todo.append((ae.container(cnt), None))
    todo.append((ae.policy([])[0], None))
    for address, _ in todo:
        r = ae.retrieve(address).expect(2000)
        assert "/" not in r["ri"] and r["ri"]
        assert r["ri"] not in seen, "ri twice"
        seen[r["ri"]] = address
        assert ae.retrieve(r["ri"]).expect(2000).content == r.content
        parent = ae.retrieve(address.rpartition("/")[0]).expect(2000)
        assert r["pi"] == parent["ri"]
    base = ae.retrieve(server.base)
    assert base["pi"] == ""
    assert ae.retrieve(ae.at)["pi"] == base["ri"]


BAD_NAMES = ["", "a/b", "/a", "a/", "-a", ".a", "_a", "a b", " a", "a ", "a~b", "a:b", "a#b", "a?b", "a%b", "ä", "a\tb", "a\u0000b",
             "a*", "a+b", "a@b", "~", "-", "..", "a,b", "a\\b", 'a"b', "日本"]


@pytest.mark.parametrize("name", BAD_NAMES, ids=[repr(n) for n in BAD_NAMES])
def test_bad_names(ae, name):
    """CORE-007"""
    before = ae.retrieve(ae.at, {"rcn": 6}).expect(2000).content
    ae.create(ae.at, 3, {"rn": name}).expect(4000)
    assert ae.retrieve(ae.at, {"rcn": 6}).expect(2000).content == before


@pytest.mark.parametrize("name", ["a", "0", "A.b-c_d", "9..", "x--", "Z_"])
def test_good_names(ae, name):
    """CORE-007: what the grammar allows is accepted"""
    assert ae.create(ae.at, 3, {"rn": name}).expect(2001)["rn"] == name
    assert ae.retrieve(ae.at + "/" + name).expect(2000)["rn"] == name


def test_name_taken(ae):
    """CORE-008"""
    cnt = ae.container(rn="taken", lbl=["old"])
    before = ae.retrieve(cnt).content
    ae.create(ae.at, 3, {"rn": "taken", "lbl": ["new"]}).expect(4105)
    ae.create(ae.at, 9, {"rn": "taken", "mnm": 1, "mid": []}).expect(4105)
    ae.create(ae.at, 1, {"rn": "taken", "pv": {"acr": []}, "pvs": {"acr": [{"acor": ["all"], "acop": 63}]}}).expect(4105)
    assert ae.retrieve(cnt).content == before
    ae.create(cnt, 3, {"rn": "taken"}).expect(2001)  # elsewhere it is free


def test_name_of_instance_taken(ae):
    """CORE-008: among instances, and between an instance and a container"""
    cnt = ae.container()
    ae.create(cnt, 4, {"rn": "i", "con": "1"}).expect(2001)
    ae.create(cnt, 4, {"rn": "i", "con": "2"}).expect(4105)
    ae.create(cnt, 3, {"rn": "i"}).expect(4105)
    assert ae.retrieve(cnt + "/i")["con"] == "1"
    assert ae.retrieve(cnt)["cni"] == 1


@pytest.mark.parametrize("name", ["la", "ol"])
def test_name_of_virtual_sibling_taken(ae, name):
    """CORE-008: the virtual children of a container are siblings too"""
    cnt = ae.container()
    ae.create(cnt, 3, {"rn": name}).expect(4105)
    ae.create(cnt, 4, {"rn": name, "con": "1"}).expect(4105)
    assert ae.retrieve(cnt)["cni"] == 0
    ae.create(ae.at, 3, {"rn": name}).expect(2001)  # an AE has no such child


def test_name_free_again_after_delete(ae):
    """CORE-008: only existing siblings count"""
    ae.delete(ae.container(rn="again")).expect(2002)
    ae.create(ae.at, 3, {"rn": "again"}).expect(2001)


def test_generated_names(server, ae):
    """CORE-009: no collisions, also when made at the same time"""
    cnt = ae.container()
    names, failures = [], []

    def make(client_ae):
        for _ in range(25):
            r = client_ae.create(cnt, 3, {})
            if r.rsc == 2001:
                names.append(r["rn"])
            else:
                failures.append(r)

    threads = [threading.Thread(target=make, args=(ae,)) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failures
    assert len(set(names)) == 100
    for n in names[:10]:
        assert NAME.match(n)
        assert ae.retrieve(cnt + "/" + n).expect(2000)["rn"] == n


def test_generated_name_of_instances(ae):
    """CORE-009"""
    cnt = ae.container()
    names = [ae.create(cnt, 4, {"con": str(i)}).expect(2001)["rn"] for i in range(20)]
    assert len(set(names)) == 20
    for i, n in enumerate(names):
        assert NAME.match(n)
        assert ae.retrieve(cnt + "/" + n).expect(2000)["con"] == str(i)


def test_transit_addresses(server, ae):
    """CORE-010: no route and IN-CSE: 4004, though the rest of the address exists here"""
    cnt = ae.container()
    ri = ae.retrieve(cnt)["ri"]
    for rest in (cnt, ri):
        ae.retrieve("/elsewhere/" + rest).expect(4004)
        ae.retrieve("//other.example%s/%s" % (server.cse_id, rest)).expect(4004)
        ae.retrieve("%s/elsewhere/%s" % (server.sp_id, rest)).expect(4004)
        ae.delete("/elsewhere/" + rest).expect(4004)
    ae.retrieve(cnt).expect(2000)


def test_addresses_in_content_are_cse_relative(server, ae):
    """CORE-012"""
    cnt = ae.container(lbl=[unique("rel")])
    ae.instance(cnt)
    lbl = ae.retrieve(cnt)["lbl"][0]
    for to in (ae.at, "%s/%s" % (server.cse_id, ae.at), "%s%s/%s" % (server.sp_id, server.cse_id, ae.at)):
        assert ae.found(to, {"lbl": lbl}) == [cnt]
        for ref in ae.retrieve(to, {"rcn": 6}).expect(2000).res["rrf"]:
            assert not ref["val"].startswith("/")
        made = ae.create(to, 3, {"rn": unique()}, rcn=2).expect(2001)
        assert made.content["m2m:uri"].startswith(ae.at + "/")


@pytest.mark.parametrize("origin", ["Cx y", "Cä", "C/x", "C#x", "C%x", "Xabc", "abc", "123", "c-lower", "s-lower", "C,x", "C;x"])
def test_bad_stems(server, origin):
    """CORE-013: From of a Create <AE> that is no AE-ID-Stem and neither C nor S"""
    name = unique("ae")
    server.entity(origin).create(server.base, 2, {"rn": name, "api": "Ntest", "rr": False, "srv": ["3"]}).expect(4000)
    server.register().retrieve(server.base + "/" + name).expect(4004)


@pytest.mark.parametrize("wish", ["C", "S"])
def test_assigned_stems(server, wish):
    """CORE-013, CORE-115"""
    stem = server.register(stem=wish).origin
    assert stem.startswith(wish) and len(stem) > 1
    assert re.match(r"^[CS][A-Za-z0-9._~-]+$", stem)


def test_request_identifier_comes_back(server, ae):
    """CORE-016: whatever the outcome (Client.check looks at each answer of the suite as well)"""
    for rqi in ("1", "a b", "x" * 200, "äö".encode().decode("latin-1"), "{}", "/cse/r-1"):
        assert ae.retrieve(ae.at, rqi=rqi).rqi == rqi
        assert ae.retrieve(ae.at + "/no", rqi=rqi).expect(4004).rqi == rqi
        assert server.entity("Cnobody-here").retrieve(ae.at, rqi=rqi).expect(4106).rqi == rqi
        assert ae.create(ae.at, 3, {"foo": 1}, rqi=rqi).expect(4000).rqi == rqi
        assert ae.retrieve(ae.at, rqi=rqi, origin=None).expect(4000).rqi == rqi


def test_same_request_identifier_of_two_originators(server, ae, other):
    """Two AEs that use one identifier at the same time get each its own answer (the local part of CORE-015)."""
    mine, theirs = ae.container(lbl=["mine"]), other.container(lbl=["theirs"])
    wrong = []

    def ask(who, what, label):
        e = Entity(who.client, who.origin)
        for _ in range(50):
            r = e.retrieve(what, rqi="same")
            if r.rsc != 2000 or r["lbl"] != [label]:
                wrong.append(r)

    threads = [threading.Thread(target=ask, args=a) for a in ((ae, mine, "mine"), (other, theirs, "theirs"))]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong
