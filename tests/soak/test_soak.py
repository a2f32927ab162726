# SPDX-License-Identifier: Apache-2.0
"""The long tests, run by `make soak`: a thousand kills under load, ten million requests in the memory of the first thousand.

KILLS=1000 and REQUESTS=10000000 by default; smaller numbers for a look.
"""
import os
import pathlib
import random
import re
import subprocess
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

from harness import Entity, Receiver, Server, wait_until  # noqa: E402
from harness.server import binary  # noqa: E402

KILLS = int(os.environ.get("KILLS", "1000"))
REQUESTS = int(os.environ.get("REQUESTS", "10000000"))


class Writers:
    """Threads that create instances until the server is gone, and note what was acknowledged: most wait for it to be done, some do not."""

    def __init__(self, server, origin, container, run, threads=8):
        self.acknowledged, self.tried, self.lock = set(), set(), threading.Lock()
        self.threads = [threading.Thread(target=self.work, args=(server, origin, container, f"{run}-{i}")) for i in range(threads)]
        for t in self.threads:
            t.start()

    def work(self, server, origin, container, name):
        e, n = Entity(server.client, origin), 0
        while True:
            con, n = f"{name}-{n}", n + 1
            with self.lock:
                self.tried.add(con)
            try:
                r = e.create(container, 4, {"con": con}, rcn=0, query={"rt": 1} if n % 8 == 0 else None)
            except Exception:
                return  # the server is gone
            if r.rsc in (2001, 1001):
                with self.lock:
                    self.acknowledged.add(con)

    def join(self):
        for t in self.threads:
            t.join(60)
            assert not t.is_alive()


def contents(who, cnt):
    out, query = [], {"rcn": 8, "lim": 1000}
    while True:
        r = who.retrieve(cnt, query).expect(2000)
        out += [i["con"] for i in r.res.get("m2m:cin", [])]
        if r.headers.get("x-m2m-cts") != "1":
            return out
        query["ofst"] = r.headers["x-m2m-cto"]


def test_kills():
    """Over KILLS kill -9 under load: no acknowledged write is lost, no notification of one is lost, nothing is half there, and
    what was promised (non-blocking) is done."""
    delivered, lock = set(), threading.Lock()

    def note(got):
        event = got.content.get("m2m:sgn", {}).get("nev", {}) if got.content else {}
        instance = event.get("rep", {}).get("m2m:cin")
        if instance:
            with lock:
                delivered.add(instance["con"])

    receiver = Receiver(answer=note)
    server = Server({"notify.retry_first": "50 ms", "notify.retry_most": "1 s"}).start()
    try:
        a = server.register()
        acknowledged = set()
        for run in range(KILLS):
            container = a.container(mni=100000)
            a.made(container, 23, {"nu": [receiver.url], "nct": 1, "enc": {"net": [3]}})
            load = Writers(server, a.origin, container, run)
            enough = 10 + random.randrange(150)
            wait_until(lambda: len(load.acknowledged) >= enough, timeout=120)
            server.kill()
            load.join()
            server.start()
            wait_until(lambda: server.metrics()["pending"] == 0, timeout=120)
            there = contents(a, container)
            assert len(there) == len(set(there)), f"run {run}: an instance twice"
            assert load.acknowledged <= set(there), f"run {run}: an acknowledged instance is gone"
            assert set(there) <= load.tried, f"run {run}: an instance nobody asked for"
            c = a.retrieve(container).expect(2000)
            assert c["cni"] == len(there) and c["cbs"] == sum(map(len, there)), f"run {run}: counters"
            acknowledged |= set(there)
            wait_until(lambda: set(there) <= delivered, timeout=120)
            a.delete(container).expect(2002)
            while not receiver.queue.empty():
                receiver.queue.get_nowait()
        assert acknowledged <= delivered
        server.stop()
        check = subprocess.run([binary(), "check", "store", str(server.settings["store.data"])], capture_output=True, text=True)
        assert check.returncode == 0, check.stdout + check.stderr
    finally:
        receiver.close()
        if server.process:
            server.kill()
        server.remove()


def private_memory(pid):
    """Bytes of memory that is the process's own (not the store's pages, which are the file cache's)."""
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return 1024 * int(re.search(r"^Anonymous: +(\d+) kB", text, re.M).group(1))


def test_memory_does_not_grow():
    """REQUESTS requests of every kind, in the memory of the first thousandth of them."""
    server = Server({"limits.connections": 200}).start()
    try:
        a = server.register()
        container = a.container(mni=100)
        share, warm = REQUESTS // 8, max(2000, REQUESTS // 1000 // 8)
        barrier, failures, sizes = threading.Barrier(9), [], []

        def work():
            e = Entity(server.client, a.origin)
            for n in range(warm + share):
                if n == warm:
                    barrier.wait()  # the memory is looked at while all stand still
                    barrier.wait()
                kind = n % 10
                r = e.create(container, 4, {"con": "x" * (n % 200)}, rcn=0) if kind < 3 else \
                    e.retrieve(container + "/la") if kind < 6 else \
                    e.found(a.at, {"ty": 3}) and None if kind == 6 else \
                    e.update(container, 3, {"lbl": [str(n % 7)]}, rcn=0) if kind == 7 else \
                    e.retrieve(container + "/none") if kind == 8 else e.retrieve(container)
                if r is not None and r.rsc // 1000 not in (2, 4):
                    failures.append(r)
                    return

        threads = [threading.Thread(target=work) for _ in range(8)]
        for t in threads:
            t.start()
        barrier.wait()
        sizes.append(private_memory(server.process.pid))
        barrier.wait()
        for t in threads:
            t.join()
        assert not failures, failures[0]
        sizes.append(private_memory(server.process.pid))
        assert sizes[1] - sizes[0] < 2 << 20, "from %d to %d bytes" % tuple(sizes)
        server.stop()
    finally:
        if server.process:
            server.kill()
        server.remove()
