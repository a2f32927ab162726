# SPDX-License-Identifier: Apache-2.0
"""The program from the shell: help, configuration, `reeve ae`, `reeve explain`, `reeve check`."""
import json
import os
import pathlib
import re
import signal
import socket
import subprocess

import pytest

from harness import unique, wait_until
from harness.server import binary, free_port

ROOT = pathlib.Path(__file__).resolve().parents[2]
OK, REFUSED, USAGE, UNREACHABLE = 0, 1, 2, 3


def reeve(*args, env=None, cwd=None):
    done = subprocess.run([binary(), *map(str, args)], capture_output=True, text=True, timeout=120, cwd=cwd,
                          env=dict({k: v for k, v in os.environ.items() if not k.startswith("REEVE_")}, **(env or {})))
    assert "Sanitizer" not in done.stderr and "runtime error" not in done.stderr, done.stderr
    return done


def ok(*args, **kw):
    done = reeve(*args, **kw)
    assert done.returncode == OK, done.stderr
    return done.stdout


def bad(status, *args, **kw):
    done = reeve(*args, **kw)
    assert done.returncode == status, (done.returncode, done.stdout, done.stderr)
    return done.stderr


# --- help and usage

COMMANDS = ["up", "cse", "ae", "explain", "credential", "key", "token", "policy", "check"]


def test_help_names_every_command():
    text = ok("--help")
    for command in COMMANDS:
        assert re.search(rf"^  {command}\b", text, re.M)
    assert ok("help") == text
    assert re.fullmatch(r"reeve \d+\.\d+\.\d+\n", ok("--version"))


def test_manual_pages_name_every_flag():
    """What --help says can be done, the manual page says too."""
    for command in ("ae", "explain", "credential", "key", "token", "policy", "check"):
        page = (ROOT / "man" / f"reeve-{command}.1").read_text().replace("\\-", "-")
        for flag in re.findall(r"--([a-z][a-z.-]+)", ok(command, "--help")):
            assert f"-{flag}" in page or flag.split(".")[0] in ("config", "cse", "store", "keys"), (command, flag)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_each_command(command):
    text = ok(command, "--help")
    assert "usage: reeve " + command in text
    assert ok(command, "-h") == text


def test_no_command():
    assert "usage:" in bad(USAGE)


@pytest.mark.parametrize("args,says", [
    (["frobnicate"], 'no command "frobnicate"'),
    (["upp"], 'did you mean "up"'),
    (["cse", "--http.prot", "1"], "--http.port"),
    (["cse", "--store.dta=x"], "--store.data"),
    (["cse", "something"], '"something" is not expected here'),
    (["cse", "--http.port"], "needs a value"),
    (["cse", "--http.port", "eighty"], "expected a number from 0 to 65535"),
    (["cse", "--http.port", "65536"], "expected a number from 0 to 65535"),
    (["cse", "--config"], "--config needs"),
    (["cse", "--config", "/nonexistent/file"], "/nonexistent/file: cannot be read"),
    (["ae"], "usage: reeve ae"),
    (["ae", "frob", "cse"], 'no operation "frob"'),
    (["ae", "retrieve"], "needs one address"),
    (["ae", "create", "cse", "teapot"], '"teapot" is no resource type'),
    (["ae", "create", "cse", "cnt", "lbl"], "write name=value"),
    (["ae", "create", "cse", "cnt", "lbl:=[1,"], "is no JSON"),
    (["ae", "create", "cse", "cnt", "mni=many"], "make no JSON"),
    (["ae", "retrieve", "cse", "--from", "C x"], "no blanks"),
    (["ae", "retrieve", "cse", "--frm", "Cx"], 'no flag "--frm"'),
    (["ae", "retrieve", "cse", "--cse", "ftp://x"], "http://HOST:PORT"),
    (["ae", "watch", "cse", "--events", "3;1"], "numbers with commas"),
    (["ae", "watch", "cse", "--listen", "localhost"], "numeric address"),
    (["explain"], "usage: reeve explain"),
    (["explain", "--from", "Cx"], "--from and --op are needed"),
    (["explain", "--from", "Cx", "--op", "R"], "--to is missing"),
    (["explain", "--from", "Cx", "--op", "fly"], "expected create, retrieve"),
    (["explain", "--from", "Cx", "--op", "R", "--to", "cse", "--time", "noon"], "expected YYYYMMDDThhmmss"),
    (["explain", "--from", "Cx", "--op", "R", "--to", "cse", "--ip", "1.2.3"], "expected a numeric address"),
    (["token"], "usage: reeve token"),
    (["token", "turn"], 'no "turn" for tokens'),
    (["token", "issue", "--holder", "//a.b/Sx"], "issue needs --holder, --issuer, --id"),
    (["token", "issue", "--enc", "none"], "expected A128GCM"),
    (["token", "verify"], "verify needs the file of issuers"),
    (["key"], "usage: reeve key"),
    (["key", "turn"], 'no "turn" for keys'),
    (["key", "show"], "show needs the name of a key"),
    (["key", "list", "x"], "list takes no name"),
    (["key", "generate", "--alg", "dir"], "expected an algorithm"),
    (["key", "generate", "--alg", "none"], "expected an algorithm"),
    (["key", "generate", "--alg", "ES256", "--curve", "P-512"], "expected P-256, P-384 or P-521"),
    (["check"], "usage: reeve check"),
    (["check", "weather"], '"weather" cannot be checked'),
])
def test_usage_errors(args, says):
    assert says in bad(USAGE, *args)


# --- configuration

def config(tmp_path, text):
    path = tmp_path / "reeve.conf"
    path.write_text(text)
    return path


def test_packaged_file_is_the_default():
    """Otherwise: tools/gen_docs.py"""
    assert (ROOT / "packaging" / "reeve.conf").read_text() == ok("check", "config", "--print-default")
    page = (ROOT / "man" / "reeve.conf.5").read_text()
    assert page.split(".Sh OPTIONS\n")[1].split(".Sh SEE ALSO\n")[0] == ok("check", "config", "--print-mdoc")


def test_operations_page_names_every_limit():
    page = (ROOT / "docs" / "operations.md").read_text()
    for key in re.findall(r"--limits\.(\w+)", ok("cse", "--help")):
        assert re.search(rf"\b{key}\b", page), key


def values(text):
    return dict(line.split("\t")[0].split(" = ", 1) if " = " in line.split("\t")[0] else (line.split(" =")[0], "")
                for line in text.splitlines())


def test_default_file_says_what_holds(tmp_path):
    """Every line of the default file, uncommented, is accepted and changes nothing."""
    plain = values(ok("check", "config", "--print", config(tmp_path, "")))
    text = re.sub(r"^#(\w+ =)", r"\1", ok("check", "config", "--print-default"), flags=re.M)
    written = config(tmp_path, text)
    assert values(ok("check", "config", "--print", written)) == plain
    assert len(re.findall(r"^\w+ =", text, re.M)) == len(plain) > 60


SAMPLES = {"cse.id": "/other", "cse.sp": "//sp.example", "cse.name": "base", "cse.type": "MN", "cse.poa": "http://a.example:1, http://b.example:2",
           "store.data": "/x y", "http.address": "::1", "http.open": "true", "access.admin": "Croot", "access.registree": "retrieve",
           "log.level": "debug", "log.format": "json", "http.port": "0", "audit.events": "policy, links", "registrar.name": "inbase",
           "mqtt.qos": "0", "mqtt.broker": "mqtt://127.0.0.1:1883"}


def test_flags_and_file_say_the_same(tmp_path):
    plain = values(ok("check", "config", "--print", config(tmp_path, "")))
    places = tmp_path / "places"
    places.write_text("")
    for name, old in plain.items():
        section, key = name.split(".")
        if name == "registrar.id":
            continue  # does not stand alone: test_registrar_options
        if name in SAMPLES:
            new = SAMPLES[name]
        elif key == "address":
            new = "127.0.0.1"
        elif old in ("true", "false"):
            new = "false" if old == "true" else "true"
        elif re.fullmatch(r"\d+", old):
            new = str(int(old) // 2 + 1) if name != "limits.outbox" else "200000"
        elif m := re.fullmatch(r"(\d+) (KiB|MiB|GiB|s|ms|min|h|d)", old):
            new = f"{int(m[1]) + 1} {m[2]}"
        elif "," in old or old == "none":
            new = "create, delete"
        else:
            new = str(places)
        by_flag = values(ok("check", "config", "--print", "/dev/null", f"--{name}={new}"))
        by_file = values(ok("check", "config", "--print", config(tmp_path, f"[{section}]\n{key} = {new}\n")))
        assert by_flag == by_file, name
        assert by_flag[name] != old, name
        assert {k: v for k, v in by_flag.items() if k != name} == {k: v for k, v in plain.items() if k != name}


def test_registrar_options():
    """Of another CSE, at an address, and of none above an IN-CSE."""
    good = {"cse.type": "MN", "registrar.id": "/in1", "registrar.poa": "http://127.0.0.1:1"}
    for change, why in [({}, None), ({"registrar.id": "/reeve"}, "another CSE"), ({"registrar.id": "Cae"}, "another CSE"),
                        ({"registrar.id": "nonsense"}, "registrar.id"), ({"registrar.poa": ""}, "registrar.poa"),
                        ({"cse.type": "IN"}, "IN-CSE"), ({"cse.type": "IN", "registrar.id": "//other.example/in2"}, None),
                        ({"registrar.name": "a/b"}, "registrar.name"), ({"registrar.retry_first": "1h"}, "retry_first")]:
        got = reeve("check", "config", "/dev/null", *("--%s=%s" % o for o in dict(good, **change).items()))
        assert (got.returncode == OK) == (why is None) and (why or "") in got.stderr, (change, got)


def test_flags_are_stronger_than_the_file(tmp_path):
    path = config(tmp_path, "[http]\nport = 1111\n[access]\ndeny_ae = Ca\ndeny_ae = Cb\n")
    got = values(ok("check", "config", "--print", path, "--http.port", "2222"))
    assert got["http.port"] == "2222" and got["access.deny_ae"] == "Ca, Cb"
    got = values(ok("check", "config", "--print", path, "--access.deny-ae", "Cc", "--access.deny_ae", "Cd"))
    assert got["access.deny_ae"] == "Cc, Cd" and got["http.port"] == "1111"


@pytest.mark.parametrize("text,line,says", [
    ("[http]\nopne = true\n", 2, 'no option "http.opne"; the nearest is open in [http]'),
    ("[store]\nport = 1\n", 2, "the nearest is port in [http]"),
    ("[zoo]\nx = 1\n", 1, 'no section "zoo"; there are cse, store'),
    ("[http\nport = 1\n", 1, "the ] is missing"),
    ("port = 1\n", 1, "before the first [section]"),
    ("[http]\n\n# x\nport\n", 4, "neither [section] nor key = value"),
    ("[http]\nport = 1\nport = 2\n", 3, "http.port is given twice"),
    ("[http]\nport = -1\n", 2, "expected a number from 0 to 65535"),
    ("[http]\naddress = localhost\n", 2, "expected a numeric address"),
    ("[http]\nopen = maybe\n", 2, "expected true or false"),
    ("[cse]\nid = reeve\n", 2, "expected a slash and a name"),
    ("[cse]\nsp = reeve.local\n", 2, "expected two slashes"),
    ("[cse]\nname = a/b\n", 2, "expected a name"),
    ("[cse]\ntype = XN\n", 2, "expected IN, MN or ASN"),
    ("[store]\nmax = 3 parrots\n", 2, "expected a size"),
    ("[store]\nmax = 1 KiB\n", 2, "expected a size like 4096, 64 KiB, 1 MiB, 2 GiB from 1 MiB to"),
    ("[store]\nmax = 99999999999999999999\n", 2, "expected a size"),
    ("[limits]\nidle = 5 fortnights\n", 2, "expected a time"),
    ("[limits]\nidle = 100 d\n", 2, "from 100 ms to 1 d"),
    ("[access]\nregistree = fly\n", 2, "expected none, or some of create"),
    ("[access]\ndeny_ae = a,,b\n", 2, "entries with a comma between"),
    ("[log]\nlevel = loud\n", 2, "expected debug, info, warning or error"),
    ("[log]\nlevel = in\0fo\n", 2, "NUL"),
])
def test_mistakes_in_a_file(tmp_path, text, line, says):
    path = config(tmp_path, text)
    err = bad(REFUSED, "check", "config", path)
    assert f"{path}:{line}: " in err and says in err
    assert "1 mistake in" in err
    # the server refuses the same file in the same words
    assert says in bad(USAGE, "cse", "--config", path)


def test_all_mistakes_are_told(tmp_path):
    err = bad(REFUSED, "check", "config", config(tmp_path, "[http]\nport = x\nopne = 1\n[limits]\nbody = y\n"))
    assert [int(n) for n in re.findall(r"reeve\.conf:(\d+):", err)] == [2, 3, 5]
    assert "3 mistakes" in err


@pytest.mark.parametrize("flags,says", [
    (["--access.admin", "//sp"], "access.admin is no Originator"),
    (["--notify.retry_first", "2 min"], "notify.retry_first is longer"),
    (["--limits.outbox", "10"], "limits.outbox_per_sub is more"),
    (["--store.data", ""], "store.data is empty"),
])
def test_contradictions(flags, says):
    assert says in bad(REFUSED, "check", "config", "/dev/null", *flags)


def test_open_needs_to_be_meant(tmp_path):
    """Beyond loopback: open only when the file says so, or the flag that is for nothing else."""
    away = ["--http.address", "0.0.0.0"]
    assert "not loopback" in bad(USAGE, "cse", *away, "--http.open", "true", "--store.data", tmp_path / "x")
    assert "not loopback" in bad(USAGE, "up", *away, "--store.data", tmp_path / "x")
    assert "not loopback" in bad(USAGE, "up", "--http.address", "::", "--store.data", tmp_path / "x")
    assert not (tmp_path / "x").exists()
    assert "OPEN" in ok("check", "config", config(tmp_path, "[http]\nopen = true\naddress = 0.0.0.0\n"))
    assert "OPEN" in ok("check", "config", "/dev/null", *away, "--http.open-anywhere")
    for loop in ("127.0.0.1", "127.3.2.1", "::1", "::ffff:127.0.0.1"):
        assert "OPEN" in ok("check", "config", "/dev/null", "--http.address", loop, "--http.open")


def test_open_anywhere_is_loud(new_server):
    s = new_server({"http.open": "true"}, address="0.0.0.0")
    wait_until(lambda: "OPEN TO THE NETWORK" in s.err_path.read_text())  # it serves before it says so


def test_missing_location_files(tmp_path):
    err = bad(REFUSED, "check", "config", "/dev/null", "--access.countries", tmp_path / "none")
    assert str(tmp_path / "none") in err


# --- reeve ae

@pytest.fixture
def shell(server):
    """reeve ae against the shared server, as a fresh AE."""
    name = unique("sh")
    who = "C" + name
    env = {"REEVE_CSE": f"http://127.0.0.1:{server.port}", "REEVE_FROM": who}
    ok("ae", "create", "cse", "ae", "--name", name, "api=Nshell", "rr=false", "srv=3", env=env)

    def run(*args, status=OK, **kw):
        done = reeve("ae", *args, env=dict(env, **kw))
        assert done.returncode == status, (done.stdout, done.stderr)
        return done.stdout if status == OK else done.stderr

    run.at, run.who, run.env = f"cse/{name}", who, env
    return run


def test_create_retrieve_update_delete(shell):
    out = shell("create", shell.at, "cnt", "--name", "c", "mni=10", "lbl=a,b b")
    assert re.search(r"^container$", out, re.M)
    assert re.search(r"^ +mni +maxNrOfInstances +10$", out, re.M)
    assert re.search(r"^ +lbl +labels +a, b b$", out, re.M)
    got = json.loads(shell("retrieve", shell.at + "/c", "--json"))["m2m:cnt"]
    assert got["lbl"] == ["a", "b b"] and got["mni"] == 10
    shell("update", shell.at + "/c", "mni:=null", 'lbl:=["x"]')
    got = json.loads(shell("retrieve", shell.at + "/c", "--json"))["m2m:cnt"]
    assert got["lbl"] == ["x"] and "mni" not in got
    shell("create", shell.at + "/c", "contentInstance", "con=21.5")
    assert json.loads(shell("retrieve", shell.at + "/c/la", "--json", "--attributes", "con"))["m2m:cin"] == {"con": "21.5"}
    assert re.search(r"^  contentInstance$", shell("retrieve", shell.at + "/c", "--rcn", "4"), re.M)
    shell("delete", shell.at + "/c")
    err = shell("retrieve", shell.at + "/c", status=REFUSED)
    assert "4004 NOT_FOUND" in err and "no resource at" in err


def test_content_as_it_is(shell):
    shell("create", shell.at, "3", "--content", '{"m2m:cnt":{"rn":"whole","mni":3}}')
    assert json.loads(shell("retrieve", shell.at + "/whole", "--json"))["m2m:cnt"]["mni"] == 3
    shell("update", shell.at + "/whole", "--content", '{"m2m:cnt":{"mni":4}}')
    assert json.loads(shell("retrieve", shell.at + "/whole", "--json"))["m2m:cnt"]["mni"] == 4


def test_discover(shell):
    shell("create", shell.at, "cnt", "--name", "a", "lbl=k")
    shell("create", shell.at, "cnt", "--name", "b", "lbl=k")
    shell("create", shell.at, "grp", "--name", "g", "mnm=2", f"mid={shell.at}/a", "lbl=k")
    assert sorted(shell("discover", shell.at, "--label", "k", "--type", "cnt").split()) == [shell.at + "/a", shell.at + "/b"]
    assert shell("discover", shell.at, "--type", "group").split() == [shell.at + "/g"]
    assert len(shell("discover", shell.at, "--label", "k", "--limit", "2").split()) == 2
    assert shell("discover", shell.at, "--filter", "lbl=nothing such & more").split() == []


def test_refusals_are_told(shell):
    err = shell("retrieve", shell.at, "--from", "Cstranger", status=REFUSED)
    assert re.search(r"4106 |4103 ", err)
    err = shell("create", shell.at, "cnt", "mni=-1", status=REFUSED)
    assert "4000" in err and "mni" in err
    out = reeve("ae", "retrieve", shell.at + "/none", "--json", env=shell.env)
    assert out.returncode == REFUSED and "m2m:dbg" in json.loads(out.stdout)


def test_nobody_there(tmp_path):
    with socket.socket() as s:  # bound and not listening: connections are refused
        s.bind(("127.0.0.1", 0))
        url = "http://127.0.0.1:%d" % s.getsockname()[1]
        assert "Connection refused" in bad(UNREACHABLE, "ae", "retrieve", "cse", "--cse", url, "--from", "Cx")


@pytest.mark.parametrize("answer,says", [
    (b"", "closed before the answer was complete"),
    (b"SSH-2.0-OpenSSH\r\n", "is no HTTP"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab", "closed before the answer was complete"),
])
def test_answers_that_are_none(answer, says):
    with socket.create_server(("127.0.0.1", 0)) as s:
        p = subprocess.Popen([binary(), "ae", "retrieve", "cse", "--from", "Cx", "--cse", "http://127.0.0.1:%d" % s.getsockname()[1]],
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        c, _ = s.accept()
        c.recv(65536)
        c.sendall(answer)
        c.shutdown(socket.SHUT_WR)
        while c.recv(65536):
            pass
        c.close()
        _, err = p.communicate(timeout=60)
        assert p.returncode == UNREACHABLE and says in err


def test_a_server_that_is_no_cse():
    with socket.create_server(("127.0.0.1", 0)) as s:
        p = subprocess.Popen([binary(), "ae", "retrieve", "cse", "--from", "Cx", "--cse", "http://127.0.0.1:%d" % s.getsockname()[1]],
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        c, _ = s.accept()
        c.recv(65536)
        c.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\nno\n")
        _, err = p.communicate(timeout=60)
        c.close()
        assert p.returncode == REFUSED and "is this a CSE?" in err


def test_control_characters_do_not_reach_the_terminal(shell):
    shell("create", shell.at, "cnt", "--name", "c")
    shell("create", shell.at + "/c", "cin", r'con:="\u001b[31mred\u0007"')
    out = shell("retrieve", shell.at + "/c/la")
    assert "\x1b" not in out and "\x07" not in out and "?[31mred?" in out


def watcher(shell, *args):
    p = subprocess.Popen([binary(), "ae", *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                         env=dict(os.environ, **shell.env))
    return p, p.stderr.readline()


def until(stream, pattern):
    text = ""
    for line in stream:
        text += line
        if re.search(pattern, text):
            return text
    raise AssertionError(text)


def test_watch(shell):
    shell("create", shell.at, "cnt", "--name", "w")
    p, first = watcher(shell, "watch", shell.at + "/w", "--events", "1,3")
    assert "watching" in first
    shell("create", shell.at + "/w", "cin", "con=tick")
    assert "child created" in until(p.stdout, "con +content +tick")
    shell("update", shell.at + "/w", "lbl=new")
    assert "updated" in until(p.stdout, "lbl +labels +new")
    assert len(shell("discover", shell.at, "--type", "sub").split()) == 1
    p.send_signal(signal.SIGINT)
    _, err = p.communicate(timeout=60)
    assert p.returncode == OK, err
    assert shell("discover", shell.at, "--type", "sub").split() == []


def test_watch_ends_with_its_subscription(shell):
    shell("create", shell.at, "cnt", "--name", "w")
    p, first = watcher(shell, "watch", shell.at + "/w")
    assert "watching" in first
    shell("delete", shell("discover", shell.at, "--type", "sub").strip())
    out, err = p.communicate(timeout=60)
    assert p.returncode == OK and "the subscription ended" in out, err


def test_watch_of_nothing(shell):
    assert "4004" in shell("watch", shell.at + "/none", status=REFUSED)


def test_listen(shell):
    port = free_port()
    p, first = watcher(shell, "listen", "--port", str(port))
    assert f"http://127.0.0.1:{port}/" in first
    shell("create", shell.at, "cnt", "--name", "l")
    shell("create", shell.at + "/l", "sub", f"nu=http://127.0.0.1:{port}", 'enc:={"net":[3]}')
    shell("create", shell.at + "/l", "cin", "con=tock")
    until(p.stdout, "con +content +tock")
    p.send_signal(signal.SIGTERM)
    p.communicate(timeout=60)
    assert p.returncode == OK


# --- reeve explain

def denied_id(server, stranger, to):
    answer = stranger.retrieve(to).expect(4103)
    return re.search(r"decision ([a-z0-9]{12})", answer.content["m2m:dbg"]).group(1)


def test_explain_a_denial(server, ae, other):
    """The id of a 4103 leads to every rule that was tried."""
    policy, ri = ae.policy([{"acor": [ae.origin], "acop": 63}, {"acor": [other.origin], "acop": 4}])
    at = ae.container(acpi=[ri])
    data = server.settings["store.data"]
    i = denied_id(server, other, at)
    text = ok("explain", i, "--store.data", data)
    assert text.startswith("DENIED") and i in text and at in text and other.origin in text
    assert re.search(r"rule 0 .*is not among", text) and re.search(r"rule 1 allows update, not retrieve", text)
    story = json.loads(ok("explain", i, "--store.data", data, "--json"))
    assert story["id"] == i and story["permitted"] is False and story["to"] == at
    assert ok("explain", i, env={"REEVE_DATA": data}) == text


def test_explain_an_id_that_is_none(server):
    data = server.settings["store.data"]
    assert "no decision" in bad(REFUSED, "explain", "aaaaaaaaaaaa", "--store.data", data)
    assert "no decision" in bad(REFUSED, "explain", "../../etc", "--store.data", data)


def test_explain_what_would_be(server, ae, other):
    """Judged beside the running process, by the policies as they are now."""
    policy, ri = ae.policy([{"acor": [ae.origin], "acop": 63}, {"acor": [other.origin], "acop": 3, "acod": [{"chty": [4]}]}])
    at = ae.container(acpi=[ri])
    inst = ae.instance(at)
    here = ["--store.data", server.settings["store.data"]]

    def would(who, op, to=at, *more):
        done = reeve("explain", "--from", who, "--op", op, "--to", to, *here, *more)
        assert done.returncode == (OK if done.stdout.startswith("PERMITTED") else REFUSED)
        return done.stdout.split()[0]

    assert would(ae.origin, "delete") == "PERMITTED"
    assert would(other.origin, "retrieve") == "PERMITTED"
    assert would(other.origin, "U") == "DENIED"
    assert would(other.origin, "create", at, "--type", "cin") == "PERMITTED"
    assert would(other.origin, "create", at, "--type", "cnt") == "DENIED"
    assert would(other.origin, "retrieve", at + "/la") == "PERMITTED"
    assert would(other.origin, "retrieve", inst) == "PERMITTED"
    assert would(other.origin, "discovery") == "DENIED"
    assert would(other.origin, "retrieve", policy) == "DENIED"
    assert would(ae.origin, "retrieve", at + "/none") == "REFUSED"
    # the same as what really happens
    other.retrieve(at).expect(2000)
    other.update(at, 3, {"lbl": ["x"]}).expect(4103)
    other.create(at, 3, {}).expect(4103)
    # the policy changes: so does the word
    ae.update(policy, 1, {"pv": {"acr": [{"acor": [ae.origin], "acop": 63}]}}).expect(2004)
    assert would(other.origin, "retrieve") == "DENIED"


def test_explain_by_files(tmp_path):
    acp = tmp_path / "acp.json"
    acp.write_text(json.dumps({"m2m:acp": {"rn": "night", "pv": {"acr": [
        {"acor": ["C*"], "acop": 2, "acco": [{"actw": ["* * 0-5,22-23 * * * *"], "acip": {"ipv4": ["10.0.0.0/8"]}}]},
        {"acor": ["nurse@roles.example"], "acop": 4}]}, "pvs": {"acr": [{"acor": ["Cowner"], "acop": 63}]}}}))

    def would(*args):
        done = reeve("explain", "--policy", acp, *args)
        assert done.returncode in (OK, REFUSED), done.stderr
        return done.stdout.split()[0]

    night, day = ["--time", "20260301T230000"], ["--time", "20260301T120000"]
    assert would("--from", "Cx", "--op", "R", *night, "--ip", "10.1.2.3") == "PERMITTED"
    assert would("--from", "Cx", "--op", "R", *day, "--ip", "10.1.2.3") == "DENIED"
    assert would("--from", "Cx", "--op", "R", *night, "--ip", "11.1.2.3") == "DENIED"
    assert would("--from", "Cx", "--op", "U", *night) == "DENIED"
    assert would("--from", "Cx", "--op", "U", "--role", "nurse@roles.example") == "PERMITTED"
    assert would("--from", "Cowner", "--op", "U", "--target-type", "acp") == "PERMITTED"
    assert would("--from", "Cowner", "--op", "U") == "DENIED"
    story = json.loads(reeve("explain", "--policy", acp, "--from", "Cx", "--op", "R", *day, "--ip", "10.1.2.3", "--json").stdout)
    assert story["permitted"] is False


@pytest.mark.parametrize("text,says", [
    ("{", "acp.json"),
    ("{}", "neither pv nor pvs"),
    ('{"acr":[{"acor":["Cx"],"acop":2,"acxx":1}]}', "would be refused"),
    ('{"acr":[{"acor":["Cx"],"acop":64}]}', "would be refused"),
])
def test_explain_a_bad_policy(tmp_path, text, says):
    path = tmp_path / "acp.json"
    path.write_text(text)
    done = reeve("explain", "--policy", path, "--from", "Cx", "--op", "R")
    assert done.returncode != OK and says in done.stderr


# --- reeve check store

def test_check_store(new_server):
    s = new_server()
    a = s.register()
    at = a.container()
    for i in range(20):
        a.instance(at, con="x" * i)
    a.made(at, 23, {"nu": ["http://127.0.0.1:9"], "enc": {"net": [1]}})
    text = ok("check", "store", s.settings["store.data"])  # while it runs
    assert re.search(r"contentInstance +20$", text, re.M) and text.rstrip().endswith("no faults")
    s.stop()
    assert "no faults" in ok("check", "store", s.settings["store.data"])


def test_check_store_finds_damage(new_server):
    s = new_server()
    a = s.register()
    at = a.container()
    a.instance(at, con="needle-in-the-record")
    s.stop()
    path = pathlib.Path(s.settings["store.data"]) / "data.mdb"
    raw = path.read_bytes()
    assert b'"needle-in-the-record"' in raw
    path.write_bytes(raw.replace(b'"needle-in-the-record"', b'"needle-in-the-record\x01'))
    done = reeve("check", "store", s.settings["store.data"])
    assert done.returncode == REFUSED and "its text is damaged" in done.stdout and "1 faults" in done.stdout


def test_check_store_that_is_none(tmp_path):
    assert str(tmp_path) in bad(UNREACHABLE, "check", "store", tmp_path)
    assert "none" in bad(UNREACHABLE, "check", "store", tmp_path / "none")
