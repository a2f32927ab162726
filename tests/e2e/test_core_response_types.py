# SPDX-License-Identifier: Apache-2.0
"""Response types and <request>: catalogue 7 and 17.7."""

import pytest

from harness import stamp, unique, wait_until


def reference(r, rsc=1001):
    r.expect(rsc)
    uri = r.content["m2m:uri"]
    assert not uri.startswith("/")
    return uri


def completed(who, uri):
    """The <request> once it is no longer pending."""
    def ask():
        r = who.retrieve(uri).expect(2000)
        return r if r["rs"] != 3 else None
    return wait_until(ask)


def test_blocking_is_the_default(ae):
    """CORE-101"""
    cnt = ae.container()
    assert ae.retrieve(cnt).expect(2000).content == ae.retrieve(cnt, {"rt": 3}).expect(2000).content


@pytest.mark.parametrize("rt", ["0", "6", "x", "-1", "33"])
def test_bad_response_type(ae, rt):
    """rt outside m2m:responseType"""
    cnt = ae.container()
    ae.delete(cnt, query={"rt": rt}).expect(4000)
    ae.retrieve(cnt).expect(2000)


def test_no_response_is_not_for_everybody(ae):
    """rt 5 is used in 3GPP interworking procedures only: a value bound to an unsupported feature (CORE-032)"""
    cnt = ae.container()
    ae.delete(cnt, query={"rt": 5}).expect(5001)
    ae.retrieve(cnt).expect(2000)


def test_request_is_supported(server, ae):
    """CORE-102: what the tests below rest on"""
    assert 17 in ae.retrieve(server.base)["srt"]


def test_nonblocking_synchronous_create(server, ae):
    """CORE-102, CORE-106, CORE-107"""
    before = stamp()
    uri = reference(ae.create(ae.at, 3, {"rn": "nb", "lbl": ["x"]}, query={"rt": 1, "rcn": 1}, rqi="nb-1"))
    r = completed(ae, uri)
    assert r.root == "m2m:req" and r["ty"] == 17
    assert r["pi"] == ae.retrieve(server.base)["ri"]
    assert r["op"] == 1 and r["tg"].endswith(ae.at) and r["org"] == ae.origin and r["rid"] == "nb-1"
    assert r["pc"] == {"m2m:cnt": {"rn": "nb", "lbl": ["x"]}}
    assert r["mi"]["rcn"] == 1
    assert r["lbl"] == [ae.origin]
    assert r["ct"] >= before
    assert r["rs"] == 1
    assert r["ors"]["rsc"] == 2001 and r["ors"]["rqi"] == "nb-1"
    assert r["ors"]["pc"] == ae.retrieve(ae.at + "/nb").content


def test_nonblocking_synchronous_pending(ae):
    """CORE-106: initial values, seen while the operation waits for its time"""
    uri = reference(ae.create(ae.at, 3, {"rn": "later"}, query={"rt": 1}, rqi="nb-2", headers={"X-M2M-OET": stamp(3)}))
    r = ae.retrieve(uri).expect(2000)
    assert r["rs"] == 3
    assert r["ors"]["rsc"] == 1000 and r["ors"]["rqi"] == "nb-2"
    assert r["ct"] == r["lt"]
    ae.retrieve(ae.at + "/later").expect(4004)
    r = completed(ae, uri)
    assert r["rs"] == 1 and r["ors"]["rsc"] == 2001
    ae.retrieve(ae.at + "/later").expect(2000)


def test_nonblocking_synchronous_other_operations(ae):
    """CORE-102, CORE-107: Retrieve, Update, Delete, and a refused one"""
    cnt = ae.container(rn="c")
    want = ae.retrieve(cnt).content
    r = completed(ae, reference(ae.retrieve(cnt, {"rt": 1})))
    assert (r["op"], r["rs"], r["ors"]["rsc"]) == (2, 1, 2000)
    assert r["ors"]["pc"] == want
    r = completed(ae, reference(ae.update(cnt, 3, {"lbl": ["u"]}, query={"rt": 1})))
    assert (r["op"], r["rs"], r["ors"]["rsc"]) == (3, 1, 2004)
    assert ae.retrieve(cnt)["lbl"] == ["u"]
    r = completed(ae, reference(ae.delete(cnt, query={"rt": 1})))
    assert (r["op"], r["rs"], r["ors"]["rsc"]) == (4, 1, 2002)
    ae.retrieve(cnt).expect(4004)
    r = completed(ae, reference(ae.retrieve(cnt, {"rt": 1})))
    assert r["ors"]["rsc"] == 4004


def test_nonblocking_denied(ae, other):
    """CORE-107, AUTHZ-014: the decision is the same, its outcome is in the <request>"""
    cnt = ae.container()
    r = completed(other, reference(other.delete(cnt, query={"rt": 1})))
    assert r["ors"]["rsc"] == 4103
    ae.retrieve(cnt).expect(2000)


def test_nonblocking_asynchronous(server, receiver):
    """CORE-104, CORE-105: without nu the originator is notified"""
    a = server.register(rr=True, poa=[receiver.url])
    uri = reference(a.create(a.at, 3, {"rn": "as"}, query={"rt": 2}, rqi="as-1"), 1002)
    got = receiver.get()
    rsp = got.content["m2m:rsp"]
    assert rsp["rsc"] == 2001 and rsp["rqi"] == "as-1"
    assert rsp["pc"]["m2m:cnt"]["rn"] == "as"
    assert got.origin == server.cse_id
    r = completed(a, uri)
    assert r["rs"] == 1 and r["ors"]["rsc"] == 2001
    receiver.nothing_more()


def test_asynchronous_to_each_target(server, ae, receiver):
    """CORE-105, CORE-281: nu with entries: each once"""
    targets = [receiver.url + "/one", receiver.url + "/two"]
    uri = reference(ae.create(ae.at, 3, {}, query={"rt": 2}, headers={"X-M2M-RTU": "&".join(targets)}), 1002)
    got = [receiver.get(), receiver.get()]
    assert {g.path for g in got} == {"/one", "/two"}
    for g in got:
        assert g.content["m2m:rsp"]["rsc"] == 2001
    assert completed(ae, uri)["rs"] == 1
    reference(ae.retrieve(ae.at, {"rt": 2}, headers={"X-M2M-RTU": receiver.url + "/end"}), 1002)
    assert receiver.get().path == "/end"
    receiver.nothing_more()


def test_asynchronous_to_nobody(server, receiver):
    """CORE-105: nu empty: nobody"""
    a = server.register(rr=True, poa=[receiver.url + "/poa"])
    uri = reference(a.create(a.at, 3, {}, query={"rt": 2}, headers={"X-M2M-RTU": ""}), 1002)
    assert completed(a, uri)["rs"] == 1
    reference(a.retrieve(a.at, {"rt": 2}, headers={"X-M2M-RTU": receiver.url + "/end"}), 1002)
    assert receiver.get().path == "/end"
    receiver.nothing_more()


def test_without_request_resource(servers, receiver):
    """CORE-103, CORE-104: a CSE that does not support <request>"""
    s = servers(**{"resources.nonblocking": "false"})
    a = s.register(rr=True, poa=[receiver.url])
    assert 17 not in a.retrieve(s.base)["srt"]
    a.create(a.at, 3, {"rn": "sync"}, query={"rt": 1}).expect(5206)
    cnt = a.container()
    a.delete(cnt, query={"rt": 1}).expect(5206)
    a.retrieve(cnt, {"rt": 1}).expect(5206)
    r = a.create(a.at, 3, {"rn": "async"}, query={"rt": 2}, rqi="as-2").expect(1002)
    assert not r.content
    rsp = receiver.get().content["m2m:rsp"]
    assert rsp["rsc"] == 2001 and rsp["rqi"] == "as-2" and rsp["pc"]["m2m:cnt"]["rn"] == "async"
    a.retrieve(a.at + "/async").expect(2000)
    assert not a.retrieve(a.at + "/missing", {"rt": 2}).expect(1002).content
    assert receiver.get().content["m2m:rsp"]["rsc"] == 4004
    assert not a.delete(cnt, query={"rt": 2}, headers={"X-M2M-OET": stamp(1)}).expect(1002).content
    assert receiver.get().content["m2m:rsp"]["rsc"] == 2002
    a.retrieve(cnt).expect(4004)
    receiver.nothing_more()
    # what 5206 refused did not happen later either
    a.retrieve(a.at + "/sync").expect(4004)
    assert all(c["typ"] != 17 for c in a.retrieve(s.base, {"rcn": 6}).expect(2000).content["m2m:rrl"]["rrf"])


def test_access_to_the_request(server, ae, other, admin):
    """CORE-108, AUTHZ-121"""
    uri = reference(ae.create(ae.at, 3, {}, query={"rt": 1}))
    completed(ae, uri)
    for who in (other, admin):
        who.retrieve(uri).expect(4103)
        who.update(uri, 17, {"lbl": ["x"]}).refused()
        who.delete(uri).expect(4103)
    acpi = ae.retrieve(uri)["acpi"]
    pol = ae.update(acpi[0], 1, {"pv": {"acr": [{"acor": [ae.origin, other.origin], "acop": 10}]}}).expect(2004)
    assert pol.root == "m2m:acp"
    other.retrieve(uri).expect(2000)
    ae.delete(uri).expect(2002)
    ae.retrieve(uri).expect(4004)


def test_request_is_not_created_directly(server, admin):
    """CORE-109"""
    admin.create(server.base, 17, None, content={"m2m:req": {"op": 1}}).expect(4005)
    admin.create(server.base, 17, None, content={"m2m:req": {}}).expect(4005)


def test_request_is_addressed_blocking(ae):
    """CORE-110"""
    uri = reference(ae.create(ae.at, 3, {}, query={"rt": 1}))
    completed(ae, uri)
    for rt in (1, 2):
        ae.retrieve(uri, {"rt": rt}).expect(4000)
        ae.update(uri, 17, {"acpi": ["x"]}, query={"rt": rt}).expect(4000)
        ae.delete(uri, query={"rt": rt}).expect(4000)
    assert ae.retrieve(uri, {"rt": 4}).expect(2000).root == "m2m:req"
    ae.delete(uri, query={"rt": 4}).expect(2002)


def test_cancel(ae):
    """CORE-111: Delete of a pending one cancels the operation"""
    uri = reference(ae.create(ae.at, 3, {"rn": "never"}, query={"rt": 1}, headers={"X-M2M-OET": stamp(2, fraction=True)}))
    assert ae.retrieve(uri)["rs"] == 3
    ae.delete(uri).expect(2002)
    ae.retrieve(uri).expect(4004)
    marker = ae.create(ae.at, 3, {"rn": "marker"}, headers={"X-M2M-OET": stamp(2.5, fraction=True)})
    marker.expect(2001)
    ae.retrieve(ae.at + "/never").expect(4004)


def test_flex_blocking(ae):
    """CORE-112: without targets: a blocking result or a reference"""
    cnt = ae.container(lbl=["flex"])
    r = ae.retrieve(cnt, {"rt": 4})
    if r.rsc == 1001:
        r = completed(ae, reference(r))
        assert r["ors"]["pc"]["m2m:cnt"]["lbl"] == ["flex"]
    else:
        assert r.expect(2000)["lbl"] == ["flex"]


def test_flex_blocking_with_targets(ae, receiver):
    """CORE-112: with targets a notification is possible as well"""
    cnt = ae.container(lbl=["flex"])
    r = ae.retrieve(cnt, {"rt": 4}, headers={"X-M2M-RTU": receiver.url + "/t"})
    if r.rsc == 1002:
        assert receiver.get().content["m2m:rsp"]["rsc"] == 2000
    elif r.rsc == 1001:
        assert completed(ae, reference(r))["rs"] == 1
    else:
        assert r.expect(2000)["lbl"] == ["flex"]


def test_result_persistence(ae):
    """CORE-114: after rp the result is gone"""
    uri = reference(ae.create(ae.at, 3, {}, query={"rt": 1, "rp": "1500"}))
    completed(ae, uri)
    wait_until(lambda: ae.retrieve(uri).rsc == 4004)
    uri = reference(ae.create(ae.at, 3, {}, query={"rt": 1, "rp": stamp(2)}))
    wait_until(lambda: ae.retrieve(uri).rsc == 4004)


def test_request_survives_a_restart(new_server):
    """CORE-107: a completed one can be retrieved after a restart"""
    s = new_server()
    a = s.register()
    uri = reference(a.create(a.at, 3, {"rn": unique()}, query={"rt": 1}))
    completed(a, uri)
    s.restart()
    assert a.retrieve(uri).expect(2000)["ors"]["rsc"] == 2001


def test_nonblocking_bad_request_is_refused_at_once(ae):
    """Checks on reception (catalogue 3, step 1.0) come before the communication method"""
    ae.retrieve(ae.at, {"rt": 1, "rcn": 2}).expect(4000)
    ae.retrieve(ae.at, {"rt": 1}, rvi="9").expect(4001)
    ae.retrieve(ae.at, {"rt": 1}, origin="Cnobody-at-all").expect(4106)
    ae.retrieve(ae.at, {"rt": 1}, headers={"X-M2M-RET": "20000101T000000"}).expect(4008)
