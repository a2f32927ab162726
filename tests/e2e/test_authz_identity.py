# SPDX-License-Identifier: Apache-2.0
"""Request validity and identity: catalogue 9.1. AUTHZ-001 to 003, 010 to 014 and 020 are in test_core_reception.py."""

import pytest

from harness import rule

NOTE = {"m2m:sgn": {"sur": "cse/x"}}
PARAMETERS = [({"sqi": "true"}, {})]


@pytest.mark.parametrize("query,headers", PARAMETERS)
def test_unsupported_authorization_parameters(ae, query, headers):
    """AUTHZ-018: a parameter of a feature that is not there: 5001 in all five operations, nothing happens"""
    cnt = ae.container(lbl=["old"])
    before = ae.retrieve(cnt).content
    ae.retrieve(cnt, query, headers=headers).expect(5001)
    ae.create(cnt, 3, {"rn": "n"}, query=query, headers=headers).expect(5001)
    ae.update(cnt, 3, {"lbl": ["new"]}, query=query, headers=headers).expect(5001)
    ae.delete(cnt, query=query, headers=headers).expect(5001)
    ae.notify(ae.at, NOTE, query=query, headers=headers).expect(5001)
    assert ae.retrieve(cnt).content == before
    ae.retrieve(cnt + "/n").expect(4004)


@pytest.mark.parametrize("value", ["true", "false", "1", "0"])
def test_signature_indicator_is_ignored(ae, value):
    """AUTHZ-019"""
    cnt = ae.container()
    assert ae.retrieve(cnt, {"asi": value}).expect(2000).content == ae.retrieve(cnt).content
    ae.create(cnt, 3, {"rn": "n"}, query={"asi": value}).expect(2001)
    ae.update(cnt, 3, {"lbl": ["x"]}, query={"asi": value}).expect(2004)
    ae.delete(cnt, query={"asi": value}).expect(2002)


@pytest.mark.parametrize("query,headers", [({"asi": "true"}, {}), ({"auri": "true"}, {}), ({}, {"X-M2M-AS": "q83vEjRWeJA="})])
def test_signatures_in_a_notify(server, receiver, query, headers):
    """AUTHZ-022"""
    a = server.register(rr=True, poa=[receiver.url])
    a.notify(a.at, NOTE, query=query, headers=headers).expect(4000)
    a.notify(a.at, {"m2m:sgn": {"sur": "after"}}).expect(2000)
    assert receiver.get().sgn["sur"] == "after"
    receiver.nothing_more()


@pytest.mark.parametrize("body", [
    {"PV": {"acr": []}, "pvs": {"acr": [{"acor": ["all"], "acop": 63}]}}, {"pv": {"ACR": []}, "pvs": {"acr": [{"acor": ["all"], "acop": 63}]}},
    {"pv": {"acr": [{"ACOR": ["all"], "acop": 63}]}, "pvs": {"acr": [{"acor": ["all"], "acop": 63}]}},
    {"pv": {"acr": [{"acor": ["all"], "Acop": 63}]}, "pvs": {"acr": [{"acor": ["all"], "acop": 63}]}},
])
def test_names_are_case_sensitive(ae, body):
    """AUTHZ-023"""
    ae.create(ae.at, 1, dict(body, rn="n")).expect(4000)
    ae.retrieve(ae.at + "/n").expect(4004)


@pytest.mark.parametrize("query", [{"TIDS": "t@x.example"}, {"Asi": "true"}, {"RCN": 1}])
def test_parameter_names_are_case_sensitive(ae, query):
    """AUTHZ-023: another spelling is no parameter of that name, and not ignored"""
    ae.retrieve(ae.at, query).expect(4000)


def test_authentication_flag_without_association(server, ae, other):
    """AUTHZ-028, AUTHZ-098, AUTHZ-099: over an open listener nobody is authenticated, unless the operator says so"""
    _, strict = ae.policy([rule(other.origin, 63, acaf=True), rule(ae.origin, 63)])
    other.retrieve(ae.container(acpi=[strict])).expect(4103)
    for lax in ({"acaf": False}, {}):
        _, pol = ae.policy([rule(other.origin, 63, **lax), rule(ae.origin, 63)])
        other.retrieve(ae.container(acpi=[pol])).expect(2000)


def test_authentication_by_configuration(servers):
    """AUTHZ-028"""
    s = servers(**{"access.local_authenticated": "true"})
    a, b = s.register(), s.register()
    _, strict = a.policy([rule(b.origin, 63, acaf=True), rule(a.origin, 63)])
    b.retrieve(a.container(acpi=[strict])).expect(2000)


def test_open_listener(servers):
    """http.open: an Originator is believed that neither is registered nor has an association — and still needs a privilege. A
    registered AE writes its stem all the same (AUTHZ-003)."""
    s = servers(**{"http.open": "true"})
    a = s.register()
    _, pol = a.policy([rule(["all"], 2)])
    shown, hidden = a.container(acpi=[pol]), a.container()
    for who in ("Cnobody-at-all", "Snobody-at-all", "/other-cse", "/other-cse/Cx"):
        s.entity(who).retrieve(shown).expect(2000)
        s.entity(who).retrieve(hidden).expect(4103)
    s.entity(s.cse_id).retrieve(shown).expect(4107)
    s.entity("%s/%s" % (s.cse_id, a.origin)).retrieve(shown).expect(4000)
    s.entity("nonsense").retrieve(shown).expect(4000)
