# SPDX-License-Identifier: Apache-2.0
"""`reeve policy test|lint|who-can|what-can`. What they say is held against what the running CSE answers over HTTP."""

import itertools
import json
import pathlib
import random
import subprocess

import pytest

from harness import absolute, acp, allow, never, rule, unique
from harness.server import binary

OK, FOUND, USAGE, UNREACHABLE = 0, 1, 2, 3
OPS = ["create", "retrieve", "update", "delete", "notify", "discovery"]


def policy(*args, expect=OK):
    done = subprocess.run([binary(), "policy", *map(str, args)], capture_output=True, text=True, timeout=120)
    assert done.returncode == expect, (args, done.returncode, done.stdout, done.stderr)
    return done


def of(server, *more):
    return ("--config", str(server.write_config()), *more)


# --- test

def write(tmp_path, name, content):
    path = tmp_path / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return str(path)


PLANT = {"m2m:acp": {"rn": "acp-plant", "pv": allow(
    rule(["Cpump1", "Cpump2"], 1, acod=[{"chty": [4]}]),
    rule("all", 2, acaf=True),
    rule("Ctablet", 4, acco=[{"actw": ["* * 8-16 * * 1-5 *"], "acip": {"ipv4": ["192.0.2.0/24"]}}]),
    rule("nurse@roles.example", 8),
    rule("Ctruck", 2, acco=[{"aclr": {"accr": [60, 25, 1000]}}, {"aclr": {"accc": ["FI"]}}]),
), "pvs": allow(rule("Cadmin", 63))}}


def test_cases_as_expected(tmp_path):
    write(tmp_path, "acp.json", PLANT)
    cases = write(tmp_path, "cases.json", {
        "policies": ["acp.json"],
        "defaults": {"time": "20260302T100000"},
        "cases": [
            {"name": "pumps report", "from": ["Cpump1", "Cpump2"], "op": "create", "type": "contentInstance", "expect": "permit"},
            {"name": "and make nothing else", "from": "Cpump1", "op": "C", "type": "cnt", "expect": "deny"},
            {"from": "Canybody", "op": "retrieve", "authenticated": True, "expect": "permit"},
            {"from": "Canybody", "op": ["create", "update", "delete"], "type": 4, "authenticated": True, "expect": "deny"},
            {"from": "Canybody", "op": "retrieve", "expect": "deny"},
            {"from": "Ctablet", "op": "update", "ip": "192.0.2.7", "expect": "permit"},
            {"from": "Ctablet", "op": "update", "ip": "198.51.100.7", "expect": "deny"},
            {"from": "Ctablet", "op": "update", "ip": "192.0.2.7", "time": "20260301T100000", "expect": "deny"},
            {"from": "Ctablet", "op": "delete", "roles": "nurse@roles.example", "expect": "permit"},
            {"from": "Ctruck", "op": "retrieve", "position": [60.001, 25], "expect": "permit"},
            {"from": "Ctruck", "op": "retrieve", "position": [61, 25], "expect": "deny"},
            {"from": "Ctruck", "op": "retrieve", "country": "FI", "expect": "permit"},
            {"from": "Cadmin", "op": "update", "target_type": "accessControlPolicy", "expect": "permit"},
            {"from": "Ctablet", "op": "update", "target_type": 1, "ip": "192.0.2.7", "expect": "deny"},
        ]})
    out = policy("test", cases).stdout
    assert "pumps report: Cpump2 create" in out
    assert out.endswith("17 cases, 0 surprises\n"), out
    assert policy("test", cases, "--quiet").stdout == "17 cases, 0 surprises\n"
    assert policy("test", cases, "--tap").stdout.splitlines()[:3] == ["TAP version 13", "1..17", "ok 1 - pumps report: Cpump1 create"]


def test_the_example():
    folder = pathlib.Path(__file__).resolve().parents[2] / "examples" / "policies"
    assert policy("test", folder / "cases.json").stdout.endswith("20 cases, 0 surprises\n")
    assert policy("lint", "--policy", folder / "acp-plant.json", "--strict").stdout == "0 errors, 0 warnings, 0 notes\n"


def test_a_surprise_is_told_with_its_story(tmp_path):
    pol = write(tmp_path, "acp.json", PLANT)
    cases = write(tmp_path, "cases.json", {"cases": [
        {"name": "good", "from": "Cpump1", "op": "create", "type": 4, "expect": "permit"},
        {"name": "the tablet\x1b[2J", "from": "Ctablet", "op": "update", "ip": "192.0.2.7", "time": "20260301T100000", "expect": "permit"},
        {"name": "who reads", "from": "Cx", "op": "retrieve", "authenticated": True, "expect": "deny"},
    ]})
    out = policy("test", cases, "--policy", pol, expect=FOUND).stdout
    assert "SURPRISE  the tablet?[2J\n  expected permit, got deny\n" in out
    assert "2026-03-01T10:00:00Z (Sunday) is outside" in out  # the first test that failed
    assert "+ rule 1 permits" in out                              # the rule that matched
    assert "3 cases, 2 surprises" in out
    got = json.loads(policy("test", cases, "--policy", pol, "--json", expect=FOUND).stdout)
    assert [c["ok"] for c in got["cases"]] == [True, False, False] and got["surprises"] == 2
    assert got["cases"][1]["decision"]["policies"][0]["rules"][2]["test"] == "time"
    tap = policy("test", cases, "--policy", pol, "--tap", expect=FOUND).stdout
    assert "not ok 2 - the tablet" in tap and all(x[0] in "#on1T" for x in tap.splitlines())


def test_policies_by_name(tmp_path):
    one = write(tmp_path, "one.json", {"m2m:acp": {"rn": "one", "pv": allow(rule("Ca", 2)), "pvs": allow(rule("Ca", 63))}})
    two = write(tmp_path, "two.json", allow(rule("Cb", 2)))
    cases = write(tmp_path, "cases.json", {"cases": [
        {"from": ["Ca", "Cb"], "op": "R", "expect": "permit"},
        {"from": "Cb", "op": "R", "policies": "one", "expect": "deny"},
        {"from": "Cb", "op": "R", "policies": ["one", two], "expect": "permit"},
    ]})
    policy("test", cases, "--policy", one, "--policy", two)
    policy("test", cases, "--policy", one, expect=FOUND)
    assert "names a policy that is in none of the files" in policy("test", cases, "--policy", one, expect=FOUND).stdout


@pytest.mark.parametrize("cases,words", [
    ("{", "cases.json: "), ("[]", "expected an object"), ({"cases": {}}, "expected an object"),
    ({"cases": [], "case": []}, "expected an object"),
    ({"cases": [{"from": "C1", "op": "retrieve", "expect": "permit", "authenticatd": True}]}, '"authenticatd" is no member of a case'),
    ({"cases": [{"op": "retrieve", "expect": "permit"}]}, "cases[0].from: expected an Originator"),
    ({"cases": [{"from": "C1", "expect": "permit"}]}, "cases[0].op: expected"),
    ({"cases": [{"from": "C1", "op": "fly", "expect": "permit"}]}, "cases[0].op: expected create, retrieve"),
    ({"cases": [{"from": "C1", "op": "R"}]}, "cases[0].expect: expected permit, deny or refuse"),
    ({"cases": [{"from": "C1", "op": "R", "expect": "maybe"}]}, "cases[0].expect"),
    ({"cases": [{"from": "C1", "op": ["R", "C"], "expect": "deny"}]}, "cases[0].type: expected the type"),
    ({"cases": [{"from": "C1", "op": "C", "type": "fridge", "expect": "deny"}]}, "cases[0].type"),
    ({"defaults": {"ip": "1.2.3"}, "cases": []}, "defaults[0].ip: expected a numeric address"),
    ({"defaults": {"position": [91, 0]}, "cases": []}, "defaults[0].position"),
    ({"defaults": {"country": "fi"}, "cases": []}, "defaults[0].country"),
    ({"defaults": {"time": "noon"}, "cases": []}, "defaults[0].time"),
])
def test_a_mistake_in_the_file_is_told(tmp_path, cases, words):
    path = write(tmp_path, "cases.json", cases)
    assert words in policy("test", path, "--policy", write(tmp_path, "p.json", PLANT), expect=UNREACHABLE).stderr


def test_what_cannot_be_read(tmp_path):
    assert "cannot be read" in policy("test", tmp_path / "none", expect=UNREACHABLE).stderr
    cases = write(tmp_path, "c.json", {"cases": []})
    bad = write(tmp_path, "bad.json", {"m2m:acp": {"pv": allow(rule("C1", 2, acco=[{"actw": ["noon"]}]))}})
    assert "would be refused" in policy("test", cases, "--policy", bad, expect=UNREACHABLE).stderr
    for args in (["test"], ["test", "a", "b"], ["test", "a", "--what"], ["lint", "x"], ["who-can", "retrieve"], ["who-can", "fly", "cse"],
                 ["what-can"], ["what-can", "C1", "--limit", "many"], ["who-can", "create", "cse", "--type", "fridge"], ["sing"]):
        policy(*args, expect=USAGE)
    assert "usage: reeve policy test" in policy("--help").stdout


# --- agreement with the CSE

def random_rule(rnd, who):
    members = {}
    if rnd.random() < 0.15:
        members["acaf"] = True
    if rnd.random() < 0.3:
        members["acco"] = [rnd.choice([{"acip": {"ipv4": ["127.0.0.0/8"]}}, {"acip": {"ipv4": ["192.0.2.1"]}}, {"actw": ["* * * * * * *"]},
                                       {"actw": [never()]}])]
    if rnd.random() < 0.2:
        members["acod"] = [{"chty": rnd.sample([3, 4, 9, 23], 2)}]
    entries = rnd.sample(who + ["all", "C*", "Cnobody", "//reeve.local", "/reeve/C*"], rnd.randint(1, 2))
    return rule(entries, rnd.randint(1, 63), **members)


def live(e, op, to):
    """permit or deny, as the CSE answers."""
    if op == "create":
        r = e.create(to, 4, {"con": "x"})
    elif op == "retrieve":
        r = e.retrieve(to)
    elif op == "update":
        r = e.update(to, 3, {"lbl": [unique("l")]})
    elif op == "delete":
        r = e.delete(to)
    else:
        r = e.discover(to)
    if op == "discovery":
        return "permit" if r.rsc == 2000 and r.res else "deny"
    assert r.rsc in (2000, 2001, 2002, 2004, 4103), r
    return "deny" if r.rsc == 4103 else "permit"


def test_cases_agree_with_the_cse(new_server, tmp_path):
    """A few hundred random cases: the file, the snapshot of the store, who-can and the CSE itself say the same."""
    rnd = random.Random(7)
    s = new_server()
    adm = s.admin()
    who = [s.register() for _ in range(3)]
    names = [e.origin for e in who]
    cases, asked = [], []
    for n in range(25):
        rules = [random_rule(rnd, names) for _ in range(rnd.randint(1, 3))]
        at, ri = adm.policy(rules, to="cse")
        for op in ("create", "retrieve", "update", "delete"):
            to = adm.made("cse", 3, {"acpi": [ri]})
            for e in who:
                if op == "delete":
                    to = adm.made("cse", 3, {"acpi": [ri]})
                cases.append({"from": e.origin, "op": op, "to": to, "type": 4, "ip": "127.0.0.1", "policies": at, "target_type": 3})
                asked.append((e, op, to))
                write(tmp_path, at.replace("/", "-") + ".json", {"m2m:acp": dict(acp(rules, [rule("Cadmin", 63)]), rn=at)})
    assert len(cases) == 300
    # the snapshot first: the requests change things
    file = write(tmp_path, "cases.json", {"cases": [dict(c, expect="permit") for c in cases]})
    run = subprocess.run([binary(), "policy", "test", file, "--json", *of(s, "--store.data", s.settings["store.data"])],
                         capture_output=True, text=True, timeout=300)
    said = [c["got"] for c in json.loads(run.stdout)["cases"]]
    files = itertools.chain.from_iterable(("--policy", str(p)) for p in tmp_path.glob("cse-*.json"))
    by_files = [dict(c, expect=said[i]) for i, c in enumerate(cases)]
    policy("test", write(tmp_path, "by_files.json", {"cases": by_files}), *files, *of(s))
    grants = {}
    for e, op, to in asked:
        if (op, to) not in grants:
            grants[op, to] = json.loads(policy("who-can", op, to, "--type", "cin", "--json", *of(s)).stdout)["grants"]
    for (e, op, to), word in zip(asked, said):
        mine = [g for g in grants[op, to] if g["who"] == absolute(s, e.origin)]
        free = [g for g in mine if not g["conditions"]["acaf"] and not g["conditions"].get("acco")]
        assert not (word == "permit" and not mine), (e.origin, op, to)
        assert not (word == "deny" and free), (e.origin, op, to, free)
    for i, (e, op, to) in enumerate(asked):
        assert live(e, op, to) == said[i], (cases[i], said[i])
    assert said.count("permit") > 50 and said.count("deny") > 50


def test_cases_by_the_store(server, ae, other, tmp_path):
    """From the store beside the running CSE: real addresses, real groups, and requests that do not get so far."""
    grp = ae.made(ae.at, 9, {"mnm": 3, "mid": [other.at]})
    _, pol = ae.policy([rule(grp, 2), rule(ae.origin, 63), rule("nurse@roles.example", 4)])
    cnt = ae.container(acpi=[pol])
    cases = write(tmp_path, "cases.json", {"defaults": {"to": cnt}, "cases": [
        {"from": other.origin, "op": "retrieve", "expect": "permit"},
        {"from": other.origin, "op": "update", "expect": "deny"},
        {"from": other.origin, "op": "update", "roles": ["nurse@roles.example"], "expect": "permit"},
        {"from": other.origin, "op": "retrieve", "to": cnt + "/none", "expect": "refuse"},
        {"from": "Csomebody", "op": "retrieve", "expect": "deny"},
        {"from": ae.origin, "op": "update", "to": ae.at, "expect": "permit"},
    ]})
    policy("test", cases, *of(server))
    wrong = write(tmp_path, "wrong.json", {"cases": [{"from": other.origin, "op": "R", "to": cnt + "/none", "expect": "deny"},
                                                     {"from": other.origin, "op": "R", "expect": "deny"}]})
    out = policy("test", wrong, *of(server), expect=FOUND).stdout
    assert "expected deny, got refuse: 4004" in out and '"to" is missing' in out
    assert "--store.data names the folder" in policy("test", cases, "--store.data", tmp_path / "none", expect=UNREACHABLE).stderr


# --- lint by files

def lint(tmp_path, rules, self_rules=None, *more):
    path = write(tmp_path, unique("acp") + ".json", {"m2m:acp": dict(acp(rules, self_rules if self_rules is not None else [rule("Cadmin", 63)]),
                                                                     rn="p")})
    done = subprocess.run([binary(), "policy", "lint", "--policy", path, "--json", *more], capture_output=True, text=True, timeout=60)
    got = json.loads(done.stdout)
    assert done.returncode == (FOUND if got["errors"] or got["warnings"] else OK), done
    return got["findings"]


def found(findings, code, **members):
    return [f for f in findings if f["code"] == code and all(f.get(k) == v for k, v in members.items())]


GOOD = [rule(["Cpump1"], 1, acod=[{"chty": [4]}]), rule("Ctablet", 6), rule("all", 2, acaf=True)]


def test_good_policies_have_no_findings(tmp_path):
    assert lint(tmp_path, GOOD) == []


@pytest.mark.parametrize("code,bad,good", [
    ("wide", [rule("all", 4, acaf=True)], [rule("all", 34, acaf=True)]),
    ("wide", [rule("//reeve.local", 8)], [rule("//reeve.local", 2)]),
    ("wide", [rule("/reeve/*", 1)], [rule("/reeve/Cpump*", 1)]),
    ("wide", [rule("C*", 4)], [rule("Cp*", 4)]),
    ("no-acaf", [rule("all", 4)], [rule("all", 4, acaf=True)]),
    ("no-acaf", [rule("all", 2)], [rule("Ca", 2)]),
    ("no-acaf", [rule("C*", 8)], [rule("C*", 8, acaf=True)]),
    ("never", [rule("Ca", 2, acco=[{"actw": ["* * * 30 2 * *"]}])], [rule("Ca", 2, acco=[{"actw": ["* * * 29 2 * *"]}])]),
    ("never", [rule("Ca", 2, acco=[{"actw": ["* * * 31 4,6,9,11 * *"]}])], [rule("Ca", 2, acco=[{"actw": ["* * * 31 4,5 * *"]}])]),
    ("never", [rule("Ca", 2, acco=[{"actw": ["* * * 29 2 * 2101-2103"]}])], [rule("Ca", 2, acco=[{"actw": ["* * * 29 2 * 2101-2104"]}])]),
    ("never", [rule("Ca", 2, acco=[{"actw": ["* * * 1 1 2 2040"]}])], [rule("Ca", 2, acco=[{"actw": ["* * * 1 1 0 2040"]}])]),
    ("never", [rule([], 2)], [rule("Ca", 2)]),
    ("over", [rule("Ca", 2, acco=[{"actw": ["* * * * * * 2001-2003"]}])], [rule("Ca", 2, acco=[{"actw": ["* * * * * * 2001-2999"]}])]),
    ("nobody", [rule(["Ca", "//*.example"], 2)], [rule(["Ca", "//an.example"], 2)]),
    ("nobody", [rule(["Ca", "cse/grp"], 2)], [rule("Ca", 2)]),
    ("covered", [rule("Ca", 2), rule("Ca", 6)], [rule("Ca", 2), rule("Ca", 4)]),
    ("covered", [rule("Ca", 6), rule("Ca", 6)], [rule("Ca", 6), rule("Cb", 6)]),
    ("covered", [rule("Cpump1", 6), rule("Cpump*", 6)], [rule("Cpump1", 6), rule("Ctablet*", 6)]),
    ("covered", [rule("Cp*p", 6), rule("C*p", 6)], [rule("C*p", 6, acco=[{"acip": {"ipv4": ["10.0.0.0/8"]}}]), rule("Cp*p", 6)]),
    ("covered", [rule("/other/Ca", 2), rule("//reeve.local", 2)], [rule("//else.where/other/Ca", 2), rule("//reeve.local", 2)]),
    ("covered", [rule("a@b.example", 2), rule(["a@b.example", "c@b.example"], 2)], [rule("a@b.example", 2), rule("c@b.example", 2)]),
    ("covered", [rule("Ca", 2, acco=[{"acip": {"ipv4": ["10.1.0.0/16"]}}]), rule("Ca", 2, acco=[{"acip": {"ipv4": ["10.0.0.0/8"]}}])],
     [rule("Ca", 2, acco=[{"acip": {"ipv4": ["10.1.0.0/16"]}}]), rule("Ca", 2, acco=[{"acip": {"ipv4": ["11.0.0.0/8"]}}])]),
    ("no-effect", [rule("Ca", 2, acco=[{"actw": ["* * 8 * * * *"]}]), rule("Ca", 2)],
     [rule("Ca", 2, acco=[{"actw": ["* * 8 * * * *"]}]), rule("Ca", 4)]),
    ("no-effect", [rule("Ca", 2, acaf=True), rule(["Ca", "Cb"], 2)], [rule("Ca", 2, acaf=True), rule("Cb", 2)]),
    ("no-effect", [rule(["Ca", "Cb"], 6, acaf=True), rule("Ca", 2)], [rule(["Ca", "Cb"], 6, acaf=True), rule("Cc", 2)]),
    ("no-effect", [rule("Ca", 1, acod=[{"chty": [4]}]), rule("Ca", 1)], [rule("Ca", 1, acod=[{"chty": [4]}]), rule("Ca", 2)]),
    ("no-effect", [rule("Ca", 2, acco=[{"actw": ["* * 8 * * * *"]}, {"actw": ["* * 8-9 * * * *"]}])],
     [rule("Ca", 2, acco=[{"actw": ["* * 8 * * * *"]}, {"actw": ["* * 9 * * * *"]}])]),
    ("empty", [], [rule("Ca", 2)]),
    ("locks-out", [rule("Ca", 2, acco=[{"actw": ["* * * 30 2 * *"]}])], [rule("Ca", 2, acco=[{"actw": ["* * * 30 2 * *"]}]), rule("Cb", 2)]),
])
def test_lint_finding(tmp_path, code, bad, good):
    assert found(lint(tmp_path, bad), code), code
    assert not found(lint(tmp_path, good), code), code


def test_lint_self_privileges(tmp_path):
    assert found(lint(tmp_path, GOOD, [rule("Cadmin", 2)]), "locked", part="pvs")
    assert found(lint(tmp_path, GOOD, [rule("//*.example", 63)]), "locked")
    assert not found(lint(tmp_path, GOOD, [rule("Cadmin", 4)]), "locked")
    worst = found(lint(tmp_path, GOOD, [rule("all", 4)]), "wide", part="pvs")
    assert worst and worst[0]["severity"] == "error"
    assert found(lint(tmp_path, GOOD, [rule("all", 4, acaf=True)]), "wide")[0]["severity"] == "warning"


def test_lint_says_where_and_what_to_do(tmp_path):
    f = found(lint(tmp_path, [rule("Ca", 4), rule("Ca", 6)]), "covered")[0]
    assert (f["policy"], f["part"], f["rule"]) == ("p", "pv", 0)
    assert f["why"] == "contributes nothing: rule 1 permits all of it" and f["remedy"] == "remove it"
    assert [x["rule"] for x in found(lint(tmp_path, [rule("Ca", 6), rule("Ca", 6)]), "covered")] == [1]  # of two alike, the later
    path = write(tmp_path, "n.json", {"m2m:acp": dict(acp([rule("all", 2)], [rule("Cadmin", 63)]), rn="p")})
    assert "note     no-acaf: p pv rule 0: " in policy("lint", "--policy", path).stdout
    policy("lint", "--policy", path, "--strict", expect=FOUND)


# --- lint by a store

def test_lint_of_a_store(new_server):
    s = new_server()
    adm = s.admin()
    clean = json.loads(policy("lint", "--json", *of(s)).stdout)
    assert clean["errors"] == clean["warnings"] == 0, clean
    ae, member = s.register(), s.register()
    grp = adm.made("cse", 9, {"mnm": 3, "mid": [member.at]})
    hollow = adm.made("cse", 9, {"mnm": 3, "mid": []})
    good_at, good = adm.policy([rule([ae.origin, "Cadmin"], 63), rule(grp, 2), rule("/far/Caway", 2)], to="cse")
    ghost_at, ghost = adm.policy([rule("Cghost", 63)], to="cse")
    unused_at, _ = adm.policy([rule(ae.origin, 2)], [rule("Cghost", 63)], to="cse")
    group_at, _ = adm.policy([rule(hollow, 2), rule("cse/none", 2), rule("Czz*", 2)], to="cse")
    macp_at, macp = adm.policy([rule("Cadmin", 63)], to="cse")
    adm.made("cse", 9, {"mnm": 1, "mid": [], "macp": [macp]})
    fine, shut = adm.made("cse", 3, {"acpi": [good]}), adm.made("cse", 3, {"acpi": [ghost]})
    for _ in range(3):
        adm.made("cse", 3, {"acpi": [ghost]})
    temp_at, temp = adm.policy([rule("Cadmin", 63)], to="cse")
    cut = adm.made("cse", 3, {"acpi": [good, temp]})
    adm.delete(temp_at).expect(2002)
    got = json.loads(policy("lint", "--json", *of(s), expect=FOUND).stdout)["findings"]
    assert found(got, "ghost", resource=ghost_at, rule=0) and found(got, "never", resource=ghost_at)
    assert not [f for f in got if f.get("resource") == good_at], got
    assert found(got, "unused", resource=unused_at) and found(got, "unused", resource=group_at)
    assert not found(got, "unused", resource=ghost_at) and not found(got, "unused", resource=macp_at)
    assert found(got, "locked", resource=unused_at) and not found(got, "locked", resource=ghost_at)
    assert len(found(got, "nobody", resource=group_at)) == 2
    assert found(got, "ghost", resource=group_at, rule=2)[0]["severity"] == "note"
    shuts = found(got, "locks-out", resource=shut)
    assert len(shuts) == 1 and "(and 3 more with the same links)" in shuts[0]["why"]  # told once for all alike
    assert not found(got, "locks-out", resource=fine) and not found(got, "locks-out", resource=cut)
    assert found(got, "dangling", resource=cut) and not found(got, "dangling", resource=fine)
    adm.made("cse", 3, {"acpi": [good, "/other-cse/acp"]})
    assert found(json.loads(policy("lint", "--json", *of(s), expect=FOUND).stdout)["findings"], "away")


def test_lint_of_what_the_configuration_makes(new_server):
    s = new_server({"access.create_all": "true", "access.everyone": "delete"})
    got = json.loads(policy("lint", "--json", *of(s), expect=FOUND).stdout)["findings"]
    assert len(found(got, "wide", resource="cse/acp-base")) == 3
    assert all("configuration" in f["remedy"] for f in got)


# --- who-can, what-can

def who_can(server, op, to, *more):
    got = json.loads(policy("who-can", op, to, "--json", *of(server, *more)).stdout)
    return got


def test_who_can(new_server):
    s = new_server()
    adm = s.admin()
    a, b = s.register(), s.register()
    grp = adm.made("cse", 9, {"mnm": 3, "mid": [b.at]})
    _, pol = adm.policy([rule(a.origin, 3), rule(grp, 2, acaf=True), rule("nurse@roles.example", 2), rule("//far.example", 2),
                         rule(["Cghost", "C*"], 2, acco=[{"actw": ["* * 8 * * * *"]}]), rule("all", 32),
                         rule(b.origin, 1, acod=[{"chty": [3]}])], to="cse")
    cnt = adm.made("cse", 3, {"acpi": [pol]})
    got = who_can(s, "retrieve", cnt)
    assert got["target"] == cnt and got["policies"] == [pol] and got["more"] == 0

    def of_who(grants, who):
        return [(g["form"], g["rule"], g["registered"]) for g in grants if g["who"] == who]

    A, B = absolute(s, a.origin), absolute(s, b.origin)
    assert of_who(got["grants"], A) == [("named", 0, True), ("pattern", 4, True)]
    assert of_who(got["grants"], B) == [("group", 1, True), ("pattern", 4, True)]
    assert of_who(got["grants"], absolute(s, "Cghost")) == [("named", 4, False)]
    assert of_who(got["grants"], "nurse@roles.example") == [("role", 2, False)]
    assert of_who(got["grants"], "//far.example") == [("domain", 3, False)]
    assert of_who(got["grants"], "C*") == [("pattern", 4, False)]
    assert [g["conditions"] for g in got["grants"] if g["rule"] == 1] == [{"acaf": True}]
    assert got["grants"][-1]["conditions"]["acco"] == [{"actw": ["* * 8 * * * *"]}]
    everybody = who_can(s, "discovery", cnt)["grants"]
    assert everybody[0]["form"] == "all" and {A, B} < {g["who"] for g in everybody}
    assert [g["who"] for g in who_can(s, "create", cnt)["grants"]] == [A, B]
    assert [g["who"] for g in who_can(s, "create", cnt, "--type", "cin")["grants"]] == [A]
    assert [g["who"] for g in who_can(s, "create", cnt, "--type", "container")["grants"]] == [A, B]
    # pages
    one = who_can(s, "retrieve", cnt, "--limit", "2")
    two = who_can(s, "retrieve", cnt, "--limit", "1000", "--offset", "2")
    assert one["grants"] + two["grants"] == got["grants"] and one["more"] == len(two["grants"])
    # the creator, a rule of the type, the policy itself, an address that is none
    own = a.container()
    alone = who_can(s, "delete", own)
    assert [g["who"] for g in alone["grants"]] == [A] and "creator" in alone["grants"][0]["ground"]
    pch = a.made(a.at, 15, {})
    assert [g["who"] for g in who_can(s, "retrieve", pch)["grants"]] == [A]
    assert [g["who"] for g in who_can(s, "update", pol)["grants"]] == [absolute(s, "Cadmin")]
    assert "no such resource" in policy("who-can", "retrieve", "cse/none", *of(s), expect=FOUND).stderr
    text = policy("who-can", "retrieve", cnt, *of(s)).stdout
    assert 'group "%s", policy %s rule 1 if authenticated' % (grp, pol) in text and "(not registered here)" in text


def test_what_can(new_server):
    s = new_server()
    adm = s.admin()
    a = s.register()
    A = a.origin
    p1_at, p1 = adm.policy([rule(A, 2), rule(A, 4, acaf=True)], [rule(A, 4), rule("Cadmin", 63)], to="cse")
    _, p2 = adm.policy([rule("nurse@roles.example", 8)], to="cse")
    _, p3 = adm.policy([rule("Cother", 63)], to="cse")
    both = [adm.made("cse", 3, {"acpi": [p1, p2]}) for _ in range(15)]
    adm.made("cse", 3, {"acpi": [p3]})
    own = a.container()

    def what(*more):
        got = json.loads(policy("what-can", A, "--json", *of(s, *more)).stdout)
        return {(x["ground"], tuple(x["policies"])): x for x in got["sets"]}

    sets = what()
    mine = sets["policies", (p1, p2)]
    assert mine["always"] == ["retrieve"] and mine["conditional"] == ["update"] and mine["resources"] == 15
    assert mine["addresses"] == both[:10]
    assert what("--limit", "0")["policies", (p1, p2)]["addresses"] == both
    assert what("--role", "nurse@roles.example")["policies", (p1, p2)]["always"] == ["retrieve", "delete"]
    assert sets["selfPrivileges of the policy itself", (p1,)]["addresses"] == [p1_at]
    creator = sets["created by it, and not linked to a policy", ()]
    assert set(creator["addresses"]) == {a.at, own} and creator["always"] == OPS
    assert not [k for k in sets if p3 in k[1]]
    # what it says is what the CSE does
    for op in ("retrieve", "update", "delete"):
        assert live(a, op, both[0]) == ("permit" if op in mine["always"] else "deny")
    text = policy("what-can", A, *of(s)).stdout
    assert "15 resources, policies %s, %s: retrieve; on conditions update" % (p1, p2) in text and "... 5 more: --limit 0" in text
    assert "nothing." in policy("what-can", "//far.example/cse/Cx", *of(s)).stdout
    assert "is no identifier" in policy("what-can", "a b", *of(s), expect=USAGE).stderr


def test_a_large_tree_costs_a_set_once(new_server):
    """Ten thousand resources under one policy: one judgement, one line."""
    s = new_server()
    adm = s.admin()
    _, pol = adm.policy([rule("Cx", 2), rule("Cadmin", 63)], to="cse")
    top = adm.made("cse", 3, {"acpi": [pol]})
    for _ in range(300):
        adm.made(top, 3, {"acpi": [pol]})
    got = json.loads(policy("what-can", "Cx", "--json", "--limit", "3", *of(s)).stdout)
    mine = [x for x in got["sets"] if x["policies"] == [pol]]
    assert [(x["resources"], len(x["addresses"])) for x in mine] == [(301, 3)]
