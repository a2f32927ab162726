# SPDX-License-Identifier: Apache-2.0
"""Attempts to get what one should not have, by what roles, tokens, grants and other CSEs' answers have to do with each other."""

import json
import threading

import pytest

from harness import absolute, rule, stamp, unique, wait_until
from harness.das import NOTHING, SETTINGS, Das, World, dres, granted
from harness.tokens import Issuer, permit, write_issuers

NURSE = "nurse@hospital.example"


@pytest.fixture
def das():
    d = Das()
    yield d
    d.close()


@pytest.fixture
def issuer():
    return Issuer(domain="das.example")


# --- the members of a group


@pytest.fixture
def ward(new_server, issuer, tmp_path):
    authority = {"id": "Cauthority", "domains": ["hospital.example"], "roles": True}
    s = new_server({"authz.issuers": write_issuers(tmp_path / "issuers.json", authority, issuer.entry()), "access.create_all": "true"})
    by = s.register("Cauthority")
    s.owner, s.nurse = s.register(), s.register()
    by.create(s.base, 31, {"rlid": NURSE, "tkis": by.origin, "tkhd": s.nurse.origin, "tknb": stamp(-60), "tkna": stamp(3600)}).expect(2001)
    return s


def test_members_have_a_story_of_their_own(ward, issuer):
    """AUTHZ-173: a role permits the group, a token its members; what is told of a member ends with it"""
    s = ward
    _, acp = s.owner.policy([rule(NURSE, 63), rule(s.owner.origin, 63)])
    members = [s.owner.container() for _ in range(6)]
    grp = s.owner.made(s.owner.at, 9, {"mnm": 9, "mid": members, "acpi": [acp]})
    token = issuer.token(absolute(s, s.nurse.origin), [permit(members[1:5], rule("all", 2 | 4))])
    want = [4103, 2000, 2000, 2000, 2000, 4103]
    for _ in range(3):
        r = s.nurse.retrieve(grp + "/fopt", {"rids": NURSE}, headers={"Authorization": token}).expect(2000)
        assert [m["rsc"] for m in r.content["m2m:agr"]["m2m:rsp"]] == want
        r = s.nurse.update(grp + "/fopt", 3, {"lbl": ["x"]}, query={"rids": NURSE}, headers={"Authorization": token}).expect(2000)
        assert [m["rsc"] for m in r.content["m2m:agr"]["m2m:rsp"]] == [4103, 2004, 2004, 2004, 2004, 4103]
    lines = [json.loads(x) for x in (s.folder / "data" / "decisions.log").read_text().splitlines()]
    assert len(lines) == 12 and all("rights" in x for x in lines)
