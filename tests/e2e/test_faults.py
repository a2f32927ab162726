# SPDX-License-Identifier: Apache-2.0
"""Crashes and failing disks: what was acknowledged stays, what was not may be gone, and nothing is half there."""

import itertools
import os
import pathlib
import random
import subprocess
import threading

import pytest

from harness import Entity, Server, stamp, unique, wait_until


def all_contents(who, cnt):
    """Every instance of a container, through as many pages as it takes."""
    out, query = [], {"rcn": 8, "lim": 500}
    while True:
        r = who.retrieve(cnt, query).expect(2000)
        out += r.res.get("m2m:cin", [])
        if r.headers.get("x-m2m-cts") != "1":
            return out
        query["ofst"] = r.headers["x-m2m-cto"]


class Load:
    """Threads that create instances with numbers nobody else uses, and note what was acknowledged."""

    numbers = itertools.count(1)

    def __init__(self, server, containers, who, threads=6):
        self.number = next(Load.numbers)
        self.acknowledged, self.tried = [], []
        self.stop = False
        self.server, self.who, self.containers = server, who, containers
        self.threads = [threading.Thread(target=self.work, args=(i,)) for i in range(threads)]
        for t in self.threads:
            t.start()

    def work(self, n):
        e = Entity(self.server.client, self.who.origin)
        cnt = self.containers[n % len(self.containers)]
        count = 0
        while not self.stop:
            con = "%d/%d/%d" % (self.number, n, count)
            count += 1
            self.tried.append((cnt, con))
            try:
                r = e.create(cnt, 4, {"con": con}, rcn=0)
            except Exception:
                return  # the server is gone
            if r.rsc == 2001:
                self.acknowledged.append((cnt, con))

    def join(self):
        self.stop = True
        for t in self.threads:
            t.join(30)
            assert not t.is_alive()


def check_containers(who, containers, acknowledged, tried):
    for cnt in containers:
        inst = all_contents(who, cnt)
        cons = [i["con"] for i in inst]
        assert len(cons) == len(set(cons)), "an instance twice"
        assert set(cons) >= {con for c, con in acknowledged if c == cnt}, "an acknowledged instance is gone"
        assert set(cons) <= {con for c, con in tried if c == cnt}
        r = who.retrieve(cnt).expect(2000)
        assert r["cni"] == len(cons)
        assert r["cbs"] == sum(len(c) for c in cons) == sum(i["cs"] for i in inst)
        assert r["st"] == len(cons)
        assert sorted(i["st"] for i in inst) == list(range(1, len(cons) + 1))
        if cons:
            assert who.retrieve(cnt + "/la")["st"] == len(cons)
        ids = [i["ri"] for i in inst]
        assert len(set(ids)) == len(ids)


def test_kill_under_load(new_server):
    """kill -9 in the middle of writing, several times over the same store"""
    s = new_server()
    a = s.register()
    containers = [a.container() for _ in range(3)]
    acknowledged, tried = [], []
    for round_ in range(6):
        load = Load(s, containers, a)
        wait_until(lambda: len(load.acknowledged) > 60 + random.randrange(300), timeout=60)
        s.kill()
        load.join()
        acknowledged += load.acknowledged
        tried += load.tried
        s.start()
        check_containers(a, containers, acknowledged, tried)
        assert a.create(containers[0], 4, {"con": "after %d" % round_}).expect(2001)["con"] == "after %d" % round_
        acknowledged.append((containers[0], "after %d" % round_))
        tried.append((containers[0], "after %d" % round_))
    assert len(acknowledged) > 400


def test_kill_under_mixed_load(new_server):
    """kill -9 while resources come, change and go: each is there as a whole or not at all, and addresses agree with the tree"""
    s = new_server()
    a = s.register()
    state, lock = {}, threading.Lock()

    def work(n):
        e = Entity(s.client, a.origin)
        for i in range(100000):
            name = "w%d-%d" % (n, i)
            try:
                with lock:
                    state[name] = "maybe"
                if e.create(a.at, 3, {"rn": name, "lbl": ["v0"]}, rcn=0).rsc == 2001:
                    with lock:
                        state[name] = "v0"
                if i % 3 == 1:
                    with lock:
                        state[name] = ("v0", "v1")
                    if e.update(a.at + "/" + name, 3, {"lbl": ["v1"]}, rcn=0).rsc == 2004:
                        with lock:
                            state[name] = "v1"
                if i % 3 == 2:
                    with lock:
                        state[name] = "maybe"
                    if e.delete(a.at + "/" + name).rsc == 2002:
                        with lock:
                            state[name] = "gone"
            except Exception:
                return  # the server is gone
    for _ in range(3):
        state.clear()
        threads = [threading.Thread(target=work, args=(random.randrange(10**9),)) for _ in range(4)]
        for t in threads:
            t.start()
        wait_until(lambda: len(state) > 120, timeout=60)
        s.kill()
        for t in threads:
            t.join(30)
        s.start()
        found = set(a.found(a.at, {"ty": 3, "lvl": 1, "lim": 1000}))
        for name, want in state.items():
            r = a.retrieve(a.at + "/" + name)
            if want == "gone":
                assert r.rsc == 4004, name
            elif want == "maybe":
                assert r.rsc in (2000, 4004), name
            else:
                assert r.rsc == 2000 and r["lbl"][0] in ((want,) if isinstance(want, str) else want), (name, want, r)
            if r.rsc == 2000:
                label = r["lbl"][0]
                assert (a.at + "/" + name) in a.found(a.at, {"lbl": label, "rn": name}), "the label index disagrees"
                assert len(found) >= 1000 or (a.at + "/" + name) in found
                a.delete(a.at + "/" + name).expect(2002)


def test_expiry_and_kill(new_server):
    """What expires around a crash is gone afterwards, once"""
    s = new_server()
    a = s.register()
    cnt = a.container()
    for i in range(30):
        a.instance(cnt, "x", et=stamp(1 + i % 3))
    keep = a.instance(cnt, "keep")
    s.kill()
    s.start()
    wait_until(lambda: a.retrieve(cnt)["cni"] == 1, timeout=20)
    assert a.retrieve(cnt)["cbs"] == 4
    a.retrieve(keep).expect(2000)


def test_clean_stop_under_load(new_server):
    """SIGTERM: what was acknowledged is there, the exit status is 0"""
    s = new_server()
    a = s.register()
    containers = [a.container()]
    load = Load(s, containers, a)
    wait_until(lambda: len(load.acknowledged) > 100, timeout=60)
    s.stop()
    load.join()
    s.start()
    check_containers(a, containers, load.acknowledged, load.tried)


# --- the disk

@pytest.fixture(scope="session")
def shim(tmp_path_factory):
    source = pathlib.Path(__file__).resolve().parents[1] / "fault" / "failio.c"
    out = tmp_path_factory.mktemp("shim") / "failio.so"
    subprocess.run(["cc", "-D_GNU_SOURCE", "-shared", "-fPIC", "-O1", "-o", str(out), str(source), "-ldl"], check=True)
    return str(out)


class Disk:
    """A server on a disk that does what a test says: full, no sync, no write, no meta page (how LMDB alone commits), no sync of data.mdb."""

    RULES = {"0": "", "F": "write ENOSPC 0 -1\njournal ENOSPC 0 -1\n", "S": "sync EIO 0 -1\njournalsync EIO 0 -1\n",
             "W": "write EIO 0 -1\njournal EIO 0 -1\n", "M": "meta EIO 0 -1\n", "D": "sync EIO 0 -1\n"}

    def __init__(self, shim, folder, new_server, settings):
        self.control = folder / "fault"
        self.control.write_text("")
        self.said = 0
        env = {"LD_PRELOAD": shim, "FAILIO": str(self.control),
               "ASAN_OPTIONS": "abort_on_error=0:exitcode=99:detect_leaks=1:verify_asan_link_order=0"}
        self.server = new_server(settings, env=env)

    def say(self, state):
        new = self.control.with_suffix(".new")
        new.write_text(self.RULES[state])
        self.said += 1
        os.utime(new, ns=(self.said * 10**9, self.said * 10**9))  # the clock of files is too coarse to tell two states apart
        new.replace(self.control)


WITH, WITHOUT = {"store.journal": "1MiB"}, {"store.journal": 0}


@pytest.mark.parametrize("journal, state", [(WITHOUT, "F"), (WITHOUT, "S"), (WITHOUT, "W"), (WITHOUT, "M"), (WITH, "F"), (WITH, "S"), (WITH, "W")])
def test_failing_disk(shim, tmp_path, new_server, journal, state):
    """Full, failing to make durable, failing to write: changes are refused with 5xxx and did not happen, reading goes on, /healthz
    says why, and when the disk is well again so is the server"""
    disk = Disk(shim, tmp_path, new_server, journal)
    s = disk.server
    a = s.register()
    cnt = a.container(lbl=["before"])
    a.instance(cnt, "before")
    before = a.retrieve(cnt).content
    failures = s.metrics()["commit_failures"]
    disk.say(state)
    for r in (a.create(cnt, 4, {"con": "lost"}), a.update(cnt, 3, {"lbl": ["lost"]}), a.delete(cnt), a.create(a.at, 3, {"rn": "lost"}),
              s.entity("C").create(s.base, 2, {"api": "Ntest", "rr": False, "srv": ["3"]})):
        assert r.rsc // 1000 == 5, r
    assert a.retrieve(cnt).expect(2000).content == before
    assert a.retrieve(cnt + "/la")["con"] == "before"
    a.retrieve(a.at + "/lost").expect(4004)
    assert a.found(a.at, {"ty": 3}) == [cnt]
    status, text = s.health()
    assert status == 503
    assert ("space" if state == "F" else "") in text and len(text) > 5
    assert s.metrics()["commit_failures"] > failures
    disk.say("0")
    wait_until(lambda: a.create(cnt, 4, {"con": "after"}).rsc == 2001, timeout=20)
    wait_until(lambda: s.health()[0] == 200)
    assert a.retrieve(cnt + "/la")["con"] == "after"
    s.restart()
    assert [i["con"] for i in all_contents(a, cnt)][0] == "before"
    assert a.retrieve(cnt + "/la")["con"] == "after"
    a.retrieve(a.at + "/lost").expect(4004)


@pytest.mark.parametrize("journal, state", [(WITHOUT, "F"), (WITHOUT, "S"), (WITH, "F"), (WITH, "S")])
def test_kill_while_the_disk_fails(shim, tmp_path, new_server, journal, state):
    """Refused is refused, also after a crash"""
    disk = Disk(shim, tmp_path, new_server, journal)
    s = disk.server
    a = s.register()
    cnt = a.container()
    a.instance(cnt, "acknowledged")
    disk.say(state)
    for i in range(5):
        assert a.create(cnt, 4, {"con": "refused %d" % i}).rsc // 1000 == 5
    s.kill()
    disk.say("0")
    s.start()
    assert a.retrieve(cnt + "/ol")["con"] == "acknowledged"
    a.instance(cnt, "more")


@pytest.mark.parametrize("journal, states", [(WITHOUT, "FSMF"), (WITH, "FSDWDF")])
def test_failing_disk_under_load(shim, tmp_path, new_server, journal, states):
    """The disk fails and recovers several times under load: acknowledged once and only once, refused never"""
    disk = Disk(shim, tmp_path, new_server, journal)
    s = disk.server
    a = s.register()
    containers = [a.container() for _ in range(2)]
    load = Load(s, containers, a)
    for state in states:
        n = len(load.acknowledged)
        wait_until(lambda: len(load.acknowledged) > n + 50, timeout=60)
        failures = s.metrics()["commit_failures"]
        disk.say(state)
        wait_until(lambda: s.metrics()["commit_failures"] > failures, timeout=20)
        disk.say("0")
    n = len(load.acknowledged)
    wait_until(lambda: len(load.acknowledged) > n + 50, timeout=60)
    load.join()
    check_containers(a, containers, load.acknowledged, load.acknowledged)
    s.restart()
    check_containers(a, containers, load.acknowledged, load.acknowledged)


def test_full_store(new_server):
    """store.max: creates are refused, the rest goes on, and room is had again by deleting"""
    s = new_server({"store.max": "4MiB"})
    a = s.register()
    cnt = a.container()
    n = 0
    while True:
        r = a.create(cnt, 4, {"con": "x" * 50000}, rcn=0)
        if r.rsc != 2001:
            break
        n += 1
        assert n < 200, "store.max has no effect"
    assert r.rsc // 1000 == 5 and n > 5
    assert a.retrieve(cnt).expect(2000)["cni"] == n
    assert s.health()[0] == 503
    a.delete(cnt).expect(2002)
    cnt = wait_until(lambda: (a.create(a.at, 3, {"rn": unique()}).rsc == 2001) and a.container(), timeout=20)
    wait_until(lambda: a.create(cnt, 4, {"con": "x" * 50000}, rcn=0).rsc == 2001, timeout=20)
    wait_until(lambda: s.health()[0] == 200)


# --- opening the store

def fails_to_start(s, timeout=20):
    """The server ends by itself with a message; gives (exit status, message)."""
    s.start(wait=False)
    p, s.process = s.process, None
    try:
        code = p.wait(timeout)
    except subprocess.TimeoutExpired:
        p.kill()
        p.wait()
        raise AssertionError("started") from None
    return code, s.errors()


def test_store_opened_twice(new_server):
    """The second process says who has it and ends; the first one is not disturbed"""
    first = new_server()
    a = first.register()
    second = Server({"store.data": first.settings["store.data"]})
    try:
        code, text = fails_to_start(second)
        assert code not in (0, None) and code > 0
        assert "in use" in text and str(first.process.pid) in text and len(text.splitlines()) < 20
    finally:
        second.remove()
    a.retrieve(a.at).expect(2000)
    a.container()


def test_port_taken(new_server):
    """A listener that cannot be had is an error with the address in it"""
    first = new_server()
    second = Server({"http.port": first.port})
    try:
        code, text = fails_to_start(second)
        assert code > 0 and str(first.port) in text
    finally:
        second.remove()
    assert first.health()[0] == 200


def test_newer_store_is_refused():
    """A store of a newer schema is left alone"""
    s = Server()
    try:
        with_store = s.start()
        a = with_store.register()
        s.stop()
        path = pathlib.Path(s.settings["store.data"]) / "data.mdb"
        data = path.read_bytes()
        mark = b"schema" + bytes([4, 3, 2, 1]) + (1).to_bytes(4, "little")
        assert mark in data, "where is the schema mark?"
        newer = data.replace(mark, mark[:-4] + (99).to_bytes(4, "little"))
        path.write_bytes(newer)
        code, text = fails_to_start(s)
        assert code > 0 and "99" in text and "schema" in text
        assert path.read_bytes() == newer, "it was changed"
        path.write_bytes(data)
        s.start()
        a.retrieve(a.at).expect(2000)
        s.stop()
    finally:
        s.remove()


@pytest.mark.parametrize("what", ["garbage", "short", "unwritable", "file"])
def test_broken_store_is_refused(what):
    """What is no store, or cannot be used, is an error with the path in it, not a crash"""
    s = Server()
    folder = pathlib.Path(s.settings["store.data"])
    try:
        if what == "file":
            folder.write_text("I am no folder")
        else:
            folder.mkdir(mode=0o700)
        if what == "garbage":
            (folder / "data.mdb").write_bytes(os.urandom(65536))
        elif what == "short":
            (folder / "data.mdb").write_bytes(b"short")
        elif what == "unwritable":
            (folder / "lock").mkdir()
        code, text = fails_to_start(s)
        assert code > 0 and str(folder) in text
        assert len(text.splitlines()) < 20
    finally:
        s.remove()


def test_missing_folder_is_made(new_server):
    """The folder of the store is made, for the owner alone"""
    s = new_server()
    mode = os.stat(s.settings["store.data"]).st_mode & 0o777
    assert mode == 0o700


def test_configuration_mistakes():
    """A configuration with a mistake is refused with the line and what would be right"""
    for key, value in (("http.port", "x"), ("http.prot", "1"), ("cse.id", "noslash"), ("limits.body", "-1"), ("cse.type", "XX")):
        s = Server({key: value})
        try:
            code, text = fails_to_start(s)
            assert code > 0 and key.partition(".")[2] in text, (key, text)
        finally:
            s.remove()
