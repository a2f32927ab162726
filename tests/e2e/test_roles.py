# SPDX-License-Identifier: Apache-2.0
"""Roles (catalogue 9.6): <role> resources here and in a repository that is no Reeve, and what a claimed Role-ID permits."""

import json
import os
import subprocess

import pytest

from harness import Entity, PeerCSE, Server, absolute, reply, rule, stamp, unique, wait_until
from harness.server import binary

NURSE, DOCTOR, FAR = "nurse@hospital.example", "doctor@hospital.example", "guest@far.example"
ISSUERS = {"issuers": [
    {"id": "Cauthority", "domains": ["hospital.example"], "roles": True},
    {"id": "Cbutcher", "domains": ["meat.example"], "roles": True},
    {"id": "/far/Cauthority", "domains": ["far.example"], "roles": True, "repositories": ["/far/base"]},
    {"id": "/none/Cauthority", "domains": ["none.example"], "roles": True, "repositories": ["/none/base"]},
]}
OPTIONS = {"http.open": "true", "access.create_all": "true", "roles.allowed": "C*=*@*.example,/far/*=*", "roles.refusal_time": "200ms",
           "roles.timeout": "1s", "resources.request_expiry": "5s"}


def hospital_server(tmp_path, **settings):
    (tmp_path / "issuers.json").write_text(json.dumps(ISSUERS))
    return Server(dict(OPTIONS, **{"authz.issuers": str(tmp_path / "issuers.json")}, **settings))


@pytest.fixture(scope="module")
def hospital(tmp_path_factory):
    with hospital_server(tmp_path_factory.mktemp("hospital")) as s:
        s.authority = s.register("Cauthority")
        s.butcher = s.register("Cbutcher")
        yield s


@pytest.fixture
def owner(hospital):
    return hospital.register()


@pytest.fixture
def nurse(hospital):
    return hospital.register()


def assign(s, holder, role=NURSE, by=None, issuer=None, span=(-60, 3600), expect=2001, **more):
    """A <role> for `holder` (an Entity or a name); gives the answer."""
    by = by or s.authority
    attrs = {"rn": unique("role"), "rlid": role, "tkis": issuer or by.origin, "tkhd": getattr(holder, "origin", holder),
             "tknb": stamp(span[0]), "tkna": stamp(span[1]), **more}
    return by.create(s.base, 31, attrs).expect(expect)


def ward(owner, *who, operations=63):
    """A container that `who` (entries of acor) may use."""
    _, acp = owner.policy([rule(list(who), operations), rule(owner.origin, 63)])
    return owner.container(acpi=[acp])


def may(entity, to, role, expect):
    return entity.retrieve(to, {"rids": role}).expect(expect)


# --- what it takes for a claim to count

def test_a_role_permits(hospital, owner, nurse):
    """AUTHZ-078, AUTHZ-145, T-25: the Role-ID in acor is for who has a <role> and says so; a claim alone, or a <role> alone, is nothing"""
    cnt = ward(owner, NURSE)
    may(nurse, cnt, NURSE, 4103)
    assign(hospital, nurse)
    nurse.retrieve(cnt).expect(4103)
    may(nurse, cnt, DOCTOR, 4103)
    may(nurse, cnt, NURSE, 2000)
    may(nurse, cnt, [DOCTOR, "x@unknown.example", NURSE], 2000)
    may(owner, cnt, NURSE, 2000)


def test_all_operations(hospital, owner, nurse):
    """AUTHZ-078: Role IDs in all five operations, and in Discovery"""
    assign(hospital, nurse)
    q = {"rids": NURSE}
    _, acp = owner.policy([rule(NURSE, 63), rule(owner.origin, 63)])
    owner.update(owner.at, 2, {"acpi": [acp]}).expect(2004)
    cnt = owner.container(acpi=[acp], lbl=["ward"])
    nurse.create(cnt, 4, {"con": "1"}).expect(4103)
    nurse.create(cnt, 4, {"con": "1"}, query=q).expect(2001)
    nurse.retrieve(cnt + "/la", q).expect(2000)
    nurse.update(cnt, 3, {"lbl": ["ward", "x"]}, query=q).expect(2004)
    assert nurse.found(owner.at, {"lbl": "ward"}) == []
    assert nurse.found(owner.at, {"lbl": "ward", "rids": NURSE}) == [cnt]
    assert nurse.notify(owner.at, {"m2m:sgn": {"sur": "x"}}).rsc == 4103
    assert nurse.notify(owner.at, {"m2m:sgn": {"sur": "x"}}, query=q).rsc != 4103
    nurse.delete(cnt, query=q).expect(2002)


def test_holder(hospital, owner, nurse):
    """AUTHZ-146: only the holder, in whichever form it is spelt"""
    other = hospital.register()
    assign(hospital, other)
    cnt = ward(owner, NURSE)
    may(nurse, cnt, NURSE, 4103)
    may(other, cnt, NURSE, 2000)
    assign(hospital, absolute(hospital, nurse.origin))
    may(nurse, cnt, NURSE, 2000)


def test_issuer(hospital, owner, nurse):
    """AUTHZ-147: an issuer that is no authority; one for other domains; somebody else in the authority's name"""
    cnt = ward(owner, NURSE)
    quack = hospital.register()
    assign(hospital, nurse, by=quack)
    may(nurse, cnt, NURSE, 4103)
    assign(hospital, nurse, by=hospital.butcher)
    may(nurse, cnt, NURSE, 4103)
    assign(hospital, nurse, by=quack, issuer="Cauthority")
    may(nurse, cnt, NURSE, 4103)
    assign(hospital, nurse, by=nurse, issuer="Cauthority")
    may(nurse, cnt, NURSE, 4103)
    assign(hospital, nurse, by=hospital.admin(), issuer="Cauthority")  # the administrator may
    may(nurse, cnt, NURSE, 2000)


@pytest.mark.parametrize("span", [(3600, 7200), (-7200, -3600)])
def test_validity(hospital, owner, nurse, span):
    """AUTHZ-148: before notBefore, after notAfter"""
    cnt = ward(owner, NURSE)
    assign(hospital, nurse, span=span)
    may(nurse, cnt, NURSE, 4103)
    assign(hospital, nurse)
    may(nurse, cnt, NURSE, 2000)


def test_validity_ends(hospital, owner, nurse):
    """AUTHZ-148: a role that was usable ends with its notAfter, without anything being changed"""
    cnt = ward(owner, NURSE)
    assign(hospital, nurse, span=(-60, 2))
    may(nurse, cnt, NURSE, 2000)
    wait_until(lambda: nurse.retrieve(cnt, {"rids": NURSE}).rsc == 4103)


def test_unusable_roles_do_no_harm(hospital, owner, nurse):
    """AUTHZ-149: beside a rule that permits, claims that are nothing are nothing"""
    cnt = ward(owner, NURSE, nurse.origin)
    before = hospital.metrics()["role_fetches"]
    may(nurse, cnt, [NURSE, DOCTOR, "a@none.example", "b@unknown.example"], 2000)
    assert hospital.metrics()["role_fetches"] == before


def test_allowed_roles(hospital, owner):
    """AUTHZ-150: roles.allowed says C*=*@*.example: another domain is not usable, whoever issued it"""
    s = hospital
    nurse = s.register()
    cnt = ward(owner, "x@hospital.test")
    assign(s, nurse, role="x@hospital.test")
    may(nurse, cnt, "x@hospital.test", 4103)


def test_allowed_by_originator(tmp_path):
    """AUTHZ-150: patterns of Originators"""
    with hospital_server(tmp_path, **{"roles.allowed": "Ca*=%s,//reeve.local/reeve/Cb*=*,/reeve/Cc*=doctor*" % NURSE}) as s:
        s.authority = s.register("Cauthority")
        owner = s.register("Cowner")
        cnt = ward(owner, NURSE, DOCTOR)
        for stem, role, expect in (("Ca", NURSE, 2000), ("Ca", DOCTOR, 4103), ("Cb", DOCTOR, 2000), ("Cc", DOCTOR, 2000),
                                   ("Cc", NURSE, 4103), ("Cd", NURSE, 4103)):
            e = s.register(stem + unique("n"))
            assign(s, e, role=role)
            may(e, cnt, role, expect)


def test_self_privileges(hospital, owner, nurse):
    """A role counts for selfPrivileges, too (AUTHZ-054 leaves nothing else)"""
    assign(hospital, nurse)
    at, _ = owner.policy([], [rule(NURSE, 63), rule(owner.origin, 63)])
    nurse.retrieve(at).expect(4103)
    may(nurse, at, NURSE, 2000)
    nurse.update(at, 1, {"lbl": ["x"]}, query={"rids": NURSE}).expect(2004)


def test_a_role_is_taken_away(hospital, owner, nurse):
    """Deleted, expired, and its entry of the index with it"""
    cnt = ward(owner, NURSE)
    r = assign(hospital, nurse)
    may(nurse, cnt, NURSE, 2000)
    hospital.authority.delete(hospital.base + "/" + r["rn"]).expect(2002)
    may(nurse, cnt, NURSE, 4103)
    assign(hospital, nurse, et=stamp(2))
    may(nurse, cnt, NURSE, 2000)
    wait_until(lambda: nurse.retrieve(cnt, {"rids": NURSE}).rsc == 4103)


def test_roles_survive_a_restart(tmp_path):
    with hospital_server(tmp_path) as s:
        s.authority = s.register("Cauthority")
        nurse, cnt = s.register("Cnurse"), ward(s.register("Cowner"), NURSE)
        assign(s, nurse)
        s.restart()
        may(nurse, cnt, NURSE, 2000)


def test_group(hospital, owner, nurse):
    """The roles of a group request are those of its members' requests"""
    assign(hospital, nurse)
    _, acp = owner.policy([rule(NURSE, 63), rule(owner.origin, 63)])
    grp = owner.made(owner.at, 9, {"mnm": 5, "mid": [owner.container(acpi=[acp]), owner.container(acpi=[acp]), owner.container()], "acpi": [acp]})
    nurse.retrieve(grp + "/fopt").expect(4103)
    got = nurse.retrieve(grp + "/fopt", {"rids": NURSE}).expect(2000).content["m2m:agr"]["m2m:rsp"]
    assert [r["rsc"] for r in got] == [2000, 2000, 4103]
    got = nurse.update(grp + "/fopt", 3, {"lbl": ["x"]}, query={"rids": NURSE}).expect(2000).content["m2m:agr"]["m2m:rsp"]
    assert [r["rsc"] for r in got] == [2004, 2004, 4103]


def test_nonblocking(hospital, owner, nurse):
    """The <request> shows the claims to the two it belongs to, and to nobody else (TS-0004 7.3.2.2)"""
    assign(hospital, nurse)
    cnt = ward(owner, NURSE)
    ref = nurse.retrieve(cnt, {"rids": [NURSE, DOCTOR], "rt": 1}).expect(1001).content["m2m:uri"]
    wait_until(lambda: nurse.retrieve(ref).expect(2000)["rs"] == 1)
    got = nurse.retrieve(ref).expect(2000)
    assert got["mi"]["rids"] == [NURSE, DOCTOR] and got["ors"]["rsc"] == 2000
    for somebody in (owner, hospital.admin(), hospital.authority):
        somebody.retrieve(ref).expect(4103)
        somebody.retrieve(ref, {"atrl": "mi"}).expect(4103)
        assert ref not in somebody.found(hospital.base, {"ty": 17})
        assert "m2m:req" not in str(somebody.retrieve(hospital.base, {"rcn": 8}).content)


def test_why(hospital, owner, nurse):
    """`reeve explain` tells what became of each claim"""
    assign(hospital, nurse, by=hospital.register())
    assign(hospital, nurse, role=DOCTOR)
    cnt = ward(owner, NURSE)
    r = may(nurse, cnt, [NURSE, DOCTOR, "a@hospital.example"], 4103)
    lines = [json.loads(x) for x in (hospital.folder / "data" / "decisions.log").read_text().splitlines()]
    told = next(x for x in reversed(lines) if x["id"] in r.content["m2m:dbg"])["rights"]
    told = {x["role"]: x for x in told}
    assert told[NURSE]["is"] == "not used" and "authz.issuers" in told[NURSE]["because"] and told[NURSE]["at"]
    assert told[DOCTOR]["is"] == "used" and told[DOCTOR]["by"]
    assert told["a@hospital.example"]["is"] == "not used"


# --- the repository is another CSE

class Repository(PeerCSE):
    """A CSE /far whose base has <role> resources: {name: attributes}. Answers Discovery by tkhd and Retrieve, as TS-0009 has them."""

    def __init__(self):
        self.roles = {}
        self.silent = False
        super().__init__(self.serve)

    def serve(self, m):
        if self.silent:
            return ""
        path, _, query = m.target.partition("?")
        fields = [f.split("=") for f in query.split("&") if f]
        if fields:
            want = [v.replace("%2F", "/") for n, v in fields if n == "tkhd"]
            return reply(body=json.dumps({"m2m:uril": ["base/" + n for n, a in self.roles.items() if a["tkhd"] in want]}).encode())
        name = path.rpartition("/")[2]
        if name not in self.roles:
            return reply(4004, status=404)
        return reply(body=json.dumps({"m2m:rol": dict(self.roles[name], rn=name, ty=31)}).encode())

    def add(self, holder, role=FAR, issuer="Cauthority", span=(-60, 3600)):
        name = unique("r")
        self.roles[name] = {"rlid": role, "tkis": issuer, "tkhd": holder, "tknb": stamp(span[0]), "tkna": stamp(span[1])}
        return name

    def asked(self):
        """What came since, as (method, target)."""
        out = []
        while not self.got.empty():
            out.append(self.got.get_nowait())
        return out


@pytest.fixture(scope="module")
def far(hospital):
    r = Repository()
    Entity(hospital.client, "/far").create("cse", 16, {"rn": "far", "cb": "/far/base", "rr": True, "srv": ["3"], "poa": [r.url]}).expect(2001)
    yield r
    r.close()


@pytest.fixture
def repository(far):
    far.silent = False
    far.roles.clear()
    far.asked()
    return far


def test_role_from_a_repository(hospital, owner, repository):
    """AUTHZ-145, AUTHZ-151: fetched from the repository of its domain with the CSE's own CSE-ID; and kept for a while"""
    guest = hospital.register()
    cnt = ward(owner, FAR)
    repository.add(absolute(hospital, guest.origin))
    may(guest, cnt, FAR, 2000)
    got = repository.asked()
    assert len(got) == 2 and all(m["X-M2M-Origin"] == "/reeve" and m.method == "GET" for m in got)
    assert got[0].target.startswith("/~/far/base?") and "fu=1" in got[0].target and "ty=31" in got[0].target
    assert got[1].target.startswith("/~/far/base/r-")
    may(guest, cnt, FAR, 2000)
    guest.create(cnt, 4, {"con": "1"}, query={"rids": FAR}).expect(2001)
    assert repository.asked() == []


@pytest.mark.parametrize("form", ["//reeve.local/reeve/%s", "/reeve/%s"])
def test_holder_forms(hospital, owner, repository, form):
    guest = hospital.register()
    repository.add(form % guest.origin)
    may(guest, ward(owner, FAR), FAR, 2000)


@pytest.mark.parametrize("change", [dict(issuer="Cquack"), dict(issuer="//reeve.local/reeve/Cauthority"), dict(span=(-7200, -3600)),
                                    dict(span=(3600, 7200)), dict(role="x@far.example")])
def test_what_a_repository_has_is_verified(hospital, owner, repository, change):
    """AUTHZ-147, AUTHZ-148 for fetched roles: names are those of the repository's CSE"""
    guest = hospital.register()
    repository.add(absolute(hospital, guest.origin), **change)
    may(guest, ward(owner, FAR), FAR, 4103)
    assert repository.asked()


def test_a_repository_that_lies(hospital, owner, repository):
    """AUTHZ-146: the holder is compared here, whatever the Discovery gave"""
    guest = hospital.register()
    repository.roles["r-x"] = {"rlid": FAR, "tkis": "Cauthority", "tkhd": "/reeve/Csomebody", "tknb": stamp(-60), "tkna": stamp(60)}
    for body in ({"m2m:uril": ["base/r-x"]}, {"m2m:uril": 7}, {"m2m:uril": [7, "", "x" * 5000, "//"]}, {"m2m:uril": ["base/r-x"] * 500}, []):
        repository.answer = lambda m, b=body: reply(body=json.dumps(b).encode()) if "?" in m.target else Repository.serve(repository, m)
        may(hospital.register(), ward(owner, FAR), FAR, 4103)
        repository.answer = lambda m: reply(body=b"\x00{") if "?" in m.target else None
        may(hospital.register(), ward(owner, FAR), FAR, 4103)
    repository.answer = repository.serve
    repository.add(absolute(hospital, guest.origin))
    may(guest, ward(owner, FAR), FAR, 2000)


def test_asked_only_when_it_could_help(hospital, owner, repository):
    """AUTHZ-149: what local rules permit asks nobody; what no role permits neither"""
    guest = hospital.register()
    may(guest, ward(owner, guest.origin), FAR, 2000)
    may(guest, ward(owner, NURSE), FAR, 4103)
    guest.create(ward(owner, FAR, operations=2), 4, {"con": "1"}, query={"rids": FAR}).expect(4103)
    assert repository.asked() == []


@pytest.mark.parametrize("role", [FAR, "guest@none.example"])
def test_repository_cannot_be_reached(hospital, owner, repository, role):
    """AUTHZ-152: the role is not usable, the request goes its way; one that does not answer, one nobody knows a way to"""
    repository.silent = True
    guest = hospital.register()
    may(guest, ward(owner, role), role, 4103)
    may(guest, ward(owner, role, guest.origin), role, 2000)


def test_the_request_expires_meanwhile(hospital, owner, repository):
    """AUTHZ-020: while a repository is asked"""
    repository.silent = True
    guest = hospital.register()
    guest.retrieve(ward(owner, FAR), {"rids": FAR}, headers={"X-M2M-RET": "300"}).expect(4008)


def test_a_new_role_is_seen_soon(hospital, owner, repository):
    """That there is none is kept for roles.refusal_time only"""
    guest = hospital.register()
    cnt = ward(owner, FAR)
    may(guest, cnt, FAR, 4103)
    repository.add(absolute(hospital, guest.origin))
    wait_until(lambda: guest.retrieve(cnt, {"rids": FAR}).rsc == 2000)


def test_changes_wait_and_happen_once(hospital, owner, repository):
    """A change that waits for its role: nothing before, once after; also non-blocking, and with a group request identifier"""
    guest = hospital.register()
    cnt = ward(owner, FAR)
    repository.add(absolute(hospital, guest.origin))
    guest.create(cnt, 4, {"con": "1"}, query={"rids": FAR}, headers={"X-M2M-GID": unique("g")}).expect(2001)
    assert owner.retrieve(cnt)["cni"] == 1
    other = hospital.register()
    repository.add(absolute(hospital, other.origin))
    ref = other.create(cnt, 4, {"con": "2"}, query={"rids": FAR, "rt": 1}).expect(1001).content["m2m:uri"]
    wait_until(lambda: other.retrieve(ref).expect(2000)["rs"] == 1)
    assert other.retrieve(ref)["ors"]["rsc"] == 2001 and owner.retrieve(cnt)["cni"] == 2


def test_discovery_and_groups_ask_before(hospital, owner, repository):
    """Requests about many resources: the repository is asked before the first is looked at"""
    guest, other = hospital.register(), hospital.register()
    _, acp = owner.policy([rule(FAR, 63), rule(owner.origin, 63)])
    cnt = owner.container(acpi=[acp], lbl=["far"])
    for g in (guest, other):
        repository.add(absolute(hospital, g.origin))
    assert guest.found(owner.at, {"lbl": "far", "rids": FAR}) == [cnt]
    _, open_acp = owner.policy([rule("all", 63)])
    grp = owner.made(owner.at, 9, {"mnm": 5, "mid": [cnt], "macp": [open_acp]})
    got = other.update(grp + "/fopt", 3, {"lbl": ["far", "x"]}, query={"rids": FAR}).expect(2000).content["m2m:agr"]["m2m:rsp"]
    assert [r["rsc"] for r in got] == [2004]


def test_one_question_for_many(hospital, owner, repository):
    """Requests that wait for the same share the answer"""
    import threading
    guest = hospital.register()
    cnt = ward(owner, FAR)
    repository.add(absolute(hospital, guest.origin))
    begun = threading.Event()
    def slowly(m):
        begun.wait(15)
        return Repository.serve(repository, m)
    repository.answer = slowly
    codes = []
    threads = [threading.Thread(target=lambda: codes.append(Entity(hospital.client, guest.origin).retrieve(cnt, {"rids": FAR}).rsc)) for _ in range(8)]
    before = hospital.metrics()["role_fetches"]
    for t in threads:
        t.start()
    wait_until(lambda: hospital.metrics()["role_fetches"] == before + 1)
    begun.set()
    for t in threads:
        t.join(30)
    repository.answer = repository.serve
    assert codes == [2000] * 8
    assert hospital.metrics()["role_fetches"] == before + 1 and len(repository.asked()) == 2


# --- reeve role (its everyday use is run from docs/authorization.md)

def test_shell(hospital, nurse):
    def role(*args, status=0):
        done = subprocess.run([binary(), "role", *args, "--cse", "http://127.0.0.1:%d" % hospital.port], capture_output=True, text=True, timeout=60,
                              env=dict(os.environ, REEVE_FROM="Cauthority"))
        assert done.returncode == status, (done.stdout, done.stderr)
        return done.stdout + done.stderr

    name = unique("shell")
    role("assign", NURSE, nurse.origin, "--for", "30min", "--title", "Nurse", "--name", name)
    made = hospital.authority.retrieve("cse/" + name).expect(2000)
    assert (made["rlid"], made["tkis"], made["tkhd"], made["rlnm"]) == (NURSE, "Cauthority", nurse.origin, "Nurse")
    assert stamp(1700) < made["tkna"] < stamp(1900) and stamp(-60) < made["tknb"] <= stamp() and made["tkna"] < made["et"] < stamp(1900)
    answer = json.loads(role("assign", DOCTOR, nurse.origin, "--json"))
    assert answer["m2m:rce"]["m2m:rol"]["rlid"] == DOCTOR
    assert json.loads(role("show", "cse/" + name, "--json"))["m2m:rol"]["rlid"] == NURSE
    assert [r["m2m:rol"]["rlid"] for r in json.loads(role("list", "--holder", nurse.origin, "--json"))] == [NURSE, DOCTOR]
    assert [r["address"] for r in json.loads(role("list", "--holder", nurse.origin, "--role", NURSE, "--json"))] == ["cse/" + name]
    assert json.loads(role("list", "--role", "nobody@hospital.example", "--json")) == []
    role("revoke", "cse/" + name)
    hospital.authority.retrieve("cse/" + name).expect(4004)
    role("revoke", DOCTOR, nurse.origin)
    assert "has no role" in role("revoke", DOCTOR, nurse.origin, status=1)
    assert "4000" in role("assign", "nurse", nurse.origin, status=1)
    assert "4004" in role("show", "cse/" + name, status=1)
    assert "no <role>" in role("show", "cse/" + hospital.authority.name, status=1)
    for bad in (["assign", NURSE], ["show"], ["hire", NURSE], ["assign", NURSE, "C1", "--for", "soon"], ["list", "--from", ""], ["list", "--nope", "1"]):
        assert "reeve role" in role(*bad, status=2)


def test_a_role_that_ends_while_the_request_waits(hospital, owner, nurse):
    """AUTHZ-148: what was true when a request came is not true at its Operation Execution Time"""
    cnt = ward(owner, NURSE)
    assign(hospital, nurse, span=(-60, 2))
    nurse.retrieve(cnt, {"rids": NURSE}, headers={"X-M2M-OET": stamp(3)}).expect(4103)


def test_a_repository_that_is_a_reeve(tmp_path):
    """AUTHZ-145, AUTHZ-151: a <role> there that the CSE may see"""
    (tmp_path / "issuers.json").write_text(json.dumps(ISSUERS))
    role = "guest@far.example"
    with Server({"http.open": "true", "cse.id": "/far", "cse.name": "base"}) as far, \
            Server(dict(OPTIONS, **{"authz.issuers": str(tmp_path / "issuers.json"), "cse.id": "/mn1", "cse.name": "mnbase", "cse.type": "MN",
                                    "roles.allowed": "*=*", "registrar.id": "/far", "registrar.poa": "http://127.0.0.1:%d" % far.port})) as s:
        wait_until(lambda: s.metrics().get("registered") == 1)
        admin = far.admin()
        _, acp = admin.policy([rule(["/mn1", "Cadmin"], 63)], to=far.base)
        owner, guest = s.register(), s.register()
        cnt = ward(owner, role)
        admin.create(far.base, 31, {"rlid": role, "tkis": "Cauthority", "tkhd": absolute(s, guest.origin), "tknb": stamp(-60),
                                    "tkna": stamp(600), "acpi": [acp]}).expect(2001)
        may(guest, cnt, role, 2000)
