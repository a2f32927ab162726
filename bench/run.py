#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The figures of docs/architecture.md section 7, each beside its yardstick in one run on one machine.

usage: bench/run.py [--build DIR] [--seconds N] [--rounds N] [--resources N] [--only NAME...] [--requests N]

Prints one line each, tab-separated: name, figure, target, ok or short; writes the same with the raw rates to
build/bench.json. A ratio is the median of rounds in which the two sides took turns. Load comes from wrk."""

import argparse
import atexit
import concurrent.futures
import http.client
import itertools
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
HEADERS = ["X-M2M-Origin: Cbench", "X-M2M-RI: 1", "X-M2M-RVI: 3"]
CONNECTIONS = 64
PSK = ("bench@issuer.example", "000102030405060708090a0b0c0d0e0f")
SUITE = "NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+PSK:-CIPHER-ALL:+AES-128-CBC:-MAC-ALL:+SHA256"
SUITE_FS = "NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+ECDHE-PSK:-CIPHER-ALL:+AES-128-GCM:+CHACHA20-POLY1305:-GROUP-ALL:+GROUP-SECP256R1"


ports = itertools.count(21000)


def free_port():
    for port in ports:
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise SystemExit("no free port")


class Cse:
    """A `reeve up` with one AE, one policy and one container."""

    def __init__(self, build, folder, **settings):
        self.build, self.folder, self.settings = build, folder, settings
        self.port = free_port()
        self.process = None

    def start(self):
        self.coap_port = free_port()
        args = [str(self.build / "reeve"), "up", "--store.data", str(self.folder), "--http.port", str(self.port), "--log.level", "error",
                "--coap.address", "127.0.0.1", "--coap.port", str(self.coap_port), "--coap.open", "true"]
        for key, value in self.settings.items():
            args += ["--" + key.replace("__", "."), str(value)]
        begin = time.monotonic()
        self.process = subprocess.Popen(args, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        atexit.register(self.process.kill)  # also when the run ends by an error
        while True:
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=5) as s:
                    s.sendall(b"GET /cse HTTP/1.1\r\nHost: x\r\nX-M2M-Origin: Cadmin\r\nX-M2M-RI: 1\r\nX-M2M-RVI: 3\r\n\r\n")
                    if s.recv(4096).startswith(b"HTTP/1.1 200") and self.process.poll() is None:
                        return time.monotonic() - begin
            except OSError:
                pass
            if self.process.poll() is not None:
                raise SystemExit("reeve does not start: " + " ".join(args))
            time.sleep(0.001)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()

    def kill(self):
        self.process.kill()
        self.process.wait()

    def call(self, method, path, ty=None, body=None, origin="Cbench"):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        h = {"X-M2M-Origin": origin, "X-M2M-RI": "1", "X-M2M-RVI": "3"}
        if body is not None:
            h["Content-Type"] = "application/json" + (";ty=%d" % ty if ty else "")
        c.request(method, path, json.dumps(body) if body is not None else None, h)
        r = c.getresponse()
        data = r.read()
        c.close()
        return r.status, data

    def furnish(self):
        rules = {"acr": [{"acor": ["Cbench"], "acop": 63}]}
        for path, ty, body in [
            ("/cse", 2, {"m2m:ae": {"rn": "bench", "api": "N.bench", "rr": False, "srv": ["3"]}}),
            ("/cse/bench", 1, {"m2m:acp": {"rn": "acp", "pv": rules, "pvs": rules}}),
            ("/cse/bench", 3, {"m2m:cnt": {"rn": "data", "acpi": ["cse/bench/acp"]}}),
            ("/cse/bench/data", 4, {"m2m:cin": {"con": "21.5"}}),
        ]:
            status, data = self.call("POST", path, ty, body)
            assert status == 201, data

    def whole_answer(self, path):
        """The bytes of an answer with its head, for the bare server."""
        with socket.create_connection(("127.0.0.1", self.port)) as sock:
            sock.sendall(("GET %s HTTP/1.1\r\nHost: x\r\n%s\r\n\r\n" % (path, "\r\n".join(HEADERS))).encode())
            data = b""
            while b"\r\n\r\n" not in data or len(data) < data.index(b"\r\n\r\n") + 4 + int(
                    re.search(rb"Content-Length: (\d+)", data).group(1)):
                data += sock.recv(65536)
            return data

    def metrics(self):
        text = self.plain("/metrics")
        return {k: int(v) for k, v in re.findall(r"^reeve_(\w+) (\d+)$", text, re.M)}

    def create_many(self, path, n):
        """n contentInstances, pipelined over a few connections."""
        body = b'{"m2m:cin":{"con":"21.5","cnf":"text/plain:0"}}'
        one = ("POST %s HTTP/1.1\r\nHost: x\r\n%s\r\nContent-Type: application/json;ty=4\r\nContent-Length: %d\r\n\r\n"
               % (path + "?rcn=0", "\r\n".join(HEADERS), len(body))).encode() + body

        def some(count):
            with socket.create_connection(("127.0.0.1", self.port)) as sock:
                while count > 0:
                    k = min(100, count)
                    sock.sendall(one * k)
                    seen, tail = 0, b""
                    while seen < k:
                        data = tail + sock.recv(65536)
                        seen += data.count(b"HTTP/1.1 201")
                        assert b"HTTP/1.1 4" not in data and b"HTTP/1.1 5" not in data, data
                        tail = data[-11:]
                    count -= k

        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            list(pool.map(some, [n // 16] * 15 + [n - n // 16 * 15]))

    def plain(self, path):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        c.request("GET", path)
        text = c.getresponse().read().decode()
        c.close()
        return text

    def memory(self):
        """(resident, private) bytes"""
        values = {}
        for line in open("/proc/%d/smaps_rollup" % self.process.pid):
            m = re.match(r"(\w+):\s+(\d+) kB", line)
            if m:
                values[m.group(1)] = int(m.group(2)) * 1024
        return values["Rss"], values["Private_Dirty"]


LUA = """
wrk.method = "%(method)s"
wrk.body = [==[%(body)s]==]
wrk.headers["Content-Type"] = "application/json;ty=%(ty)d"
"""


def wrk(port, path, seconds, body=None, ty=4, connections=CONNECTIONS, headers=()):
    args = ["wrk", "-t1", "-c%d" % connections, "-d%ds" % max(1, round(seconds))]
    for h in HEADERS + list(headers):
        args += ["-H", h]
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as f:
        if body is not None:
            f.write(LUA % {"method": "POST", "body": body, "ty": ty})
            f.flush()
            args += ["-s", f.name]
        out = subprocess.run(args + ["http://127.0.0.1:%d%s" % (port, path)], capture_output=True, text=True, check=True).stdout
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", out)
    if bad:
        raise SystemExit("%s: %s answers that are no success" % (path, bad.group(1)))
    return float(re.search(r"Requests/sec:\s+([\d.]+)", out).group(1))


def coap_options(*options):
    """Options in the order of their numbers, values of less than 13 bytes."""
    out, before = b"", 0
    for number, value in options:
        delta = number - before
        out += bytes([delta << 4 | len(value)]) if delta < 13 else bytes([13 << 4 | len(value), delta - 13]) if delta < 269 else \
            bytes([14 << 4 | len(value)]) + (delta - 269).to_bytes(2, "big")
        out, before = out + value, number
    return out


def paired(rounds, a, b):
    """Both in turn: median ratio a/b, and the median of each."""
    ra, rb = [], []
    for i in range(rounds):
        for f, to in ((a, ra), (b, rb)) if i % 2 == 0 else ((b, rb), (a, ra)):
            to.append(f())
    return statistics.median(x / y for x, y in zip(ra, rb)), statistics.median(ra), statistics.median(rb)


class Bench:
    def __init__(self, args):
        self.args = args
        self.build = pathlib.Path(args.build).resolve()
        self.results = []
        self.tmp = pathlib.Path(tempfile.mkdtemp(prefix="reeve-bench-", dir=self.build))

    def report(self, name, figure, unit, target, ok, **raw):
        text = "%.3g%s" % (figure, unit) if abs(figure) < 1000 else "%.0f%s" % (figure, unit)
        print("\t".join([name, text, target, "ok" if ok else "short"]), flush=True)
        self.results.append(dict(name=name, figure=figure, unit=unit, target=target, ok=bool(ok), **raw))

    def wanted(self, *names):
        return not self.args.only or any(n in self.args.only for n in names)

    def cse(self, name, **settings):
        folder = self.tmp / name
        return Cse(self.build, folder, **settings)

    # --- rates

    def coap(self, c):
        """A RETRIEVE over CoAP beside libcoap's example server that answers the same content."""
        status, content = c.call("GET", "/cse/bench/data")
        assert status == 200
        port, s = free_port(), self.args.seconds
        server = subprocess.Popen(["coap-server-notls", "-A", "127.0.0.1", "-p", str(port), "-d", "4"], stdin=subprocess.DEVNULL,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            file = self.tmp / "content"
            file.write_bytes(content)
            time.sleep(0.3)
            subprocess.run(["coap-client-notls", "-m", "put", "-t", "50", "-f", str(file), "coap://127.0.0.1:%d/data" % port], check=True,
                           stdout=subprocess.DEVNULL)

            def load(port, options):
                out = subprocess.run([str(self.build / "coap_load"), "127.0.0.1", str(port), str(s), "16", "4", options.hex()],
                                     capture_output=True, text=True, check=True).stdout
                got = dict(zip(out.split()[::2], out.split()[1::2]))
                assert got["bad"] == "0" and float(got["rps"]) > 0, out
                return float(got["rps"])

            plain = coap_options((11, b"data"))
            ours = coap_options((11, b"cse"), (11, b"bench"), (11, b"data"), (271, b"3"), (279, b"Cbench"), (283, b"1"))
            r, mine, theirs = paired(self.args.rounds, lambda: load(c.coap_port, ours), lambda: load(port, plain))
        finally:
            server.kill()
            server.wait()
        self.report("coap_retrieve", r, " of libcoap's server", ">= 0.80", r >= 0.80, rate=mine, yardstick=theirs)

    def rates(self):
        s, rounds = self.args.seconds, self.args.rounds
        c = self.cse("rates")
        c.start()
        c.furnish()
        rss, private = c.memory()
        if self.wanted("idle_memory"):
            self.report("idle_memory", rss / 2**20, " MiB", "< 12 MiB", rss < 12 << 20, private=private)
        if self.wanted("retrieve"):
            file = self.tmp / "answer"
            file.write_bytes(c.whole_answer("/cse/bench/data"))
            port = free_port()
            bare = subprocess.Popen([str(self.build / "bare_server"), str(port), "2", str(file)])
            try:
                time.sleep(0.3)
                r, ours, theirs = paired(rounds, lambda: wrk(c.port, "/cse/bench/data", s), lambda: wrk(port, "/", s))
            finally:
                bare.kill()
                bare.wait()
            self.report("retrieve", r, " of a bare server", ">= 0.80", r >= 0.80, rate=ours, yardstick=theirs)
        if self.wanted("coap_retrieve"):
            self.coap(c)
        if self.wanted("latest"):
            r, ours, theirs = paired(rounds, lambda: wrk(c.port, "/cse/bench/data/la", s), lambda: wrk(c.port, "/cse/bench/data", s))
            self.report("latest", r, " of retrieve", ">= 0.80", r >= 0.80, rate=ours, yardstick=theirs)
        if self.wanted("create"):
            self.create(c)
        c.stop()

    def create(self, c):
        s, rounds = self.args.seconds, self.args.rounds
        body = json.dumps({"m2m:cin": {"con": "21.5"}})
        sizes = []

        def ours():
            before = c.metrics()
            rate = wrk(c.port, "/cse/bench/data", s, body)
            after = c.metrics()
            sizes.append((after["written"] - before["written"]) / max(1, after["commits"] - before["commits"]))
            return rate

        def raw():
            batch = max(1, round(sizes[-1])) if sizes else CONNECTIONS
            out = subprocess.run([str(self.build / "bench_append"), str(self.tmp), str(batch), "300", str(max(1, int(s)))],
                                 capture_output=True, text=True, check=True).stdout
            return float(out)

        ours()
        ra, rb = [], []
        for _ in range(rounds):
            ra.append(ours())
            rb.append(raw())
        r = statistics.median(x / y for x, y in zip(ra, rb))
        self.report("create", r, " of append+fdatasync", ">= 0.60", r >= 0.60, rate=statistics.median(ra),
                    yardstick=statistics.median(rb), batch=statistics.median(sizes))

    # --- security associations

    def load(self, mode, port, psk=True, priority=None, connections=CONNECTIONS, path="/cse/bench/data", **popen):
        env = dict(os.environ, REQUEST="GET %s HTTP/1.1\r\nHost: x\r\n%s\r\n\r\n" % (path, "\r\n".join(HEADERS)))
        if psk:
            env.update(PSK_IDENTITY=PSK[0], PSK_KEY=PSK[1])
        if priority:
            env["PRIORITY"] = priority
        seconds = 300 if mode == "idle" else max(1, round(self.args.seconds))
        command = [str(self.build / "tls_load"), mode, "127.0.0.1", str(port), str(seconds), str(connections)]
        if mode == "idle":
            return subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **popen)
        return float(subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout)

    def associations(self):
        """By a pre-shared key, with the suite that TS-0003 asks for and with the one that Reeve prefers."""
        rounds, port = self.args.rounds, free_port()
        secret = self.tmp / "psk.hex"
        secret.write_text(PSK[1])
        c = self.cse("associations", https__address="127.0.0.1", https__port=port, limits__connections=20000)
        c.start()
        c.furnish()
        subprocess.run([str(self.build / "reeve"), "credential", "add", "--psk", PSK[0], "--as-ae", "Cbench", "--file", str(secret), "--data",
                        str(c.folder)], check=True, stdout=subprocess.DEVNULL)
        if self.wanted("psk_handshake"):
            keys, other = self.tmp / "psk.txt", free_port()
            keys.write_text("%s:%s\n" % PSK)
            for name, suites in (("psk_handshake", SUITE), ("psk_handshake_fs", SUITE_FS)):
                serv = subprocess.Popen(["gnutls-serv", "--http", "-q", "-p", str(other), "--pskpasswd", str(keys), "--priority", suites],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                atexit.register(serv.kill)
                time.sleep(0.5)
                r, ours, theirs = paired(rounds, lambda: self.load("handshakes", port, priority=suites),
                                         lambda: self.load("handshakes", other, priority=suites))
                serv.kill()
                serv.wait()
                self.report(name, r, " of gnutls-serv", ">= 0.80", r >= 0.8, rate=ours, yardstick=theirs)
        if self.wanted("tls_retrieve"):
            for name, suites in (("tls_retrieve", SUITE_FS), ("tls_retrieve_cbc", SUITE)):
                r, ours, clear = paired(rounds, lambda: self.load("requests", port, priority=suites), lambda: self.load("requests", c.port, psk=False))
                self.report(name, r, " of the same in clear", ">= 0.60", r >= 0.6, rate=ours, yardstick=clear)
        if self.wanted("idle_associations"):
            before = c.memory()[0]
            clients = [self.load("idle", port, connections=5000) for _ in range(2)]
            for p in clients:
                assert p.stdout.readline() == "open\n", "5,000 associations could not be opened"
            after = c.memory()[0]
            for p in clients:
                p.communicate()
            self.report("idle_associations", after / 2**20, " MiB with 10000", "< 400 MiB", after < 400e6, each=(after - before) / 10000)
        c.stop()

    def decision(self):
        out = subprocess.run([str(self.build / "bench_pdp")], capture_output=True, text=True, check=True).stdout
        cases = json.loads(out)
        ns = max(v for v in cases.values() if isinstance(v, (int, float)))
        self.report("decision", ns / 1000, " us", "< 1 us", ns < 1000, cases=cases)

    def token(self):
        """A request that a cached token permits, beside the same request permitted by a policy; a new token beside its bare signature."""
        if self.wanted("token_cached"):
            s, rounds, holder = self.args.seconds, self.args.rounds, "//reeve.local/reeve/Cbench"
            key = [str(self.build / "reeve"), "key", "--keys.file", str(self.tmp / "keys")]
            subprocess.run(key + ["generate", "--alg", "ES256", "--kid", "das"], check=True, stdout=subprocess.DEVNULL)
            issuers = self.tmp / "issuers.json"
            issuers.write_text(json.dumps({"issuers": [{"id": "//reeve.local/Sdas", "domains": ["das.example"],
                                                        "keys": [{"kid": "das", "sealed": "das"}]}]}))
            c = self.cse("token", authz__issuers=issuers, keys__file=self.tmp / "keys", audit__events="none")
            c.start()
            c.furnish()
            nobody = {"acr": [{"acor": ["Cother"], "acop": 63}]}
            for path, ty, body in (("/cse/bench", 1, {"m2m:acp": {"rn": "none", "pv": nobody, "pvs": nobody}}),
                                   ("/cse/bench", 3, {"m2m:cnt": {"rn": "kept", "acpi": ["cse/bench/none"]}})):
                assert c.call("POST", path, ty, body)[0] == 201
            token = subprocess.run([str(self.build / "reeve"), "token", "issue", "--holder", holder, "--issuer", "//reeve.local/Sdas", "--id",
                                    "@das.example", "--sign", "das", "--permit", "cse/bench/kept=retrieve", "--keys.file", str(self.tmp / "keys")],
                                   check=True, capture_output=True, text=True).stdout.strip()
            r, plain, ours = paired(rounds, lambda: wrk(c.port, "/cse/bench/data", s),
                                    lambda: wrk(c.port, "/cse/bench/kept", s, headers=["Authorization: " + token]))
            c.stop()
            self.report("token_cached", r, " times the request without", "<= 1.3", r <= 1.3, rate=ours, yardstick=plain)
        if self.wanted("token_new"):
            out = subprocess.run([str(self.build / "bench_token")], capture_output=True, text=True, check=True).stdout
            for name, case in json.loads(out).items():
                self.report("token_new_" + name, case["ratio"], " times the bare signature", "<= 2", case["ratio"] <= 2, ns=case["ours"],
                            yardstick=case["bare"])

    def jose(self):
        """A token taken apart through key handles, beside the bare primitives of OpenSSL on the same bytes."""
        out = subprocess.run([str(self.build / "bench_jose")], capture_output=True, text=True, check=True).stdout
        for name, case in json.loads(out).items():
            if self.wanted("jose_" + name):
                r = case["ratio"]
                self.report("jose_" + name, r, " times bare OpenSSL", "<= 2", r <= 2, ns=case["ours"], yardstick=case["bare"], keyed=case["keyed"])

    # --- many resources

    def fill(self, c, n, label):
        """n contentInstances, and 10 containers with a label of their own."""
        for i in range(10):
            status, data = c.call("POST", "/cse/bench", 3, {"m2m:cnt": {"rn": "%s-%d" % (label, i), "lbl": [label], "acpi": ["cse/bench/acp"]}})
            assert status in (201, 409), data
        c.create_many("/cse/bench/data", n - c.metrics()["resources"])

    def many(self):
        s, rounds, n = self.args.seconds, self.args.rounds, self.args.resources
        body = json.dumps({"m2m:cin": {"con": "21.5"}})
        small, large = self.cse("small", store__sync="false"), self.cse("large", store__sync="false")
        for c, count in ((small, n // 100), (large, n)):
            c.start()
            c.furnish()
            self.fill(c, count, "few")
            c.stop()
        for c in (small, large):
            c.settings = {}
        small.start()
        warm = large.start()
        large.stop()
        starts = []
        for _ in range(3):
            starts.append(large.start())
            large.stop()
        large.start()
        if self.wanted("start"):
            ms = statistics.median(starts) * 1000
            self.report("start", ms, " ms to the first answer", "< 200 ms", ms < 200, resources=n, first=warm * 1000)
        for name, query in (("discovery_label", "/cse?fu=1&lbl=few"), ("discovery_type", "/cse?fu=1&ty=3")):
            if self.wanted(name):
                r, at_small, at_large = paired(rounds, lambda: wrk(small.port, query, s), lambda: wrk(large.port, query, s))
                self.report(name, r, " times the cost at %d as at %d" % (n, n // 100), "<= 1.5", r <= 1.5, rate=at_large, yardstick=at_small)
        if self.wanted("create_many"):
            r, at_large, at_small = paired(rounds, lambda: wrk(large.port, "/cse/bench/data", s, body),
                                           lambda: wrk(small.port, "/cse/bench/data", s, body))
            self.report("create_many", r, " of the rate at %d" % (n // 100), ">= 0.80", r >= 0.80, rate=at_large, yardstick=at_small)
        small.stop()
        if self.wanted("memory_many"):
            private = large.memory()[1]
            self.report("memory_many", private / 2**20, " MiB private with %d resources" % n, "< 16 MiB", private < 16 << 20)
        large.stop()

    def subtree(self, c, n):
        assert c.call("POST", "/cse/bench", 3, {"m2m:cnt": {"rn": "d", "acpi": ["cse/bench/acp"]}})[0] == 201
        c.create_many("/cse/bench/d", n)

    def remove(self, c):
        """Delete /cse/bench/d; seconds until its last descendant is gone from the store."""
        begin = time.monotonic()
        assert c.call("DELETE", "/cse/bench/d")[0] == 200
        self.swept(c)
        return time.monotonic() - begin

    def shrink(self, c):
        """The same for all but a few of its instances, by an Update."""
        assert c.call("PUT", "/cse/bench/d", 0, {"m2m:cnt": {"mni": 10}})[0] == 200
        self.swept(c)

    def swept(self, c):
        while c.metrics()["trash"]:
            time.sleep(0.001)

    def disturbance(self, c, act):
        """Milliseconds of Creates elsewhere while act(c) goes on: the longest, and the median."""
        longest, usual = [], []
        for _ in range(3):
            self.subtree(c, 100000)
            running, times = [True], []

            def watch():
                k = http.client.HTTPConnection("127.0.0.1", c.port, timeout=60)
                h = dict(x.split(": ") for x in HEADERS)
                h["Content-Type"] = "application/json;ty=4"
                while running:
                    t = time.monotonic()
                    k.request("POST", "/cse/bench/data", '{"m2m:cin":{"con":"1"}}', h)
                    assert k.getresponse().read()
                    times.append(time.monotonic() - t)

            with concurrent.futures.ThreadPoolExecutor(1) as pool:
                f = pool.submit(watch)
                act(c)
                running.clear()
                f.result()
            longest.append(max(times))
            usual.append(statistics.median(times))
            if act == self.shrink:
                self.remove(c)
        return statistics.median(longest) * 1000, statistics.median(usual) * 1000

    def delete(self):
        small, large = 20000, 200000
        c = self.cse("delete", store__sync="false")
        c.start()
        c.furnish()

        def each(n):
            self.subtree(c, n)
            return self.remove(c) / n

        r, at_large, at_small = paired(3, lambda: each(large), lambda: each(small))
        self.report("delete_subtree", r, " times the time per resource at %d as at %d" % (large, small), "<= 1.5", r <= 1.5,
                    per_resource_us=at_large * 1e6, yardstick_us=at_small * 1e6)
        ms, usual = self.disturbance(c, self.remove)
        self.report("delete_disturbance", ms, " ms the longest Create while 100000 resources go", "< 50 ms", ms < 50, median_ms=usual)
        ms, usual = self.disturbance(c, self.shrink)
        self.report("shrink_disturbance", ms, " ms the longest Create while mni is lowered from 100000 to 10", "< 50 ms", ms < 50,
                    median_ms=usual)
        c.stop()

    def growth(self):
        c = self.cse("growth")
        c.start()
        c.furnish()
        wrk(c.port, "/cse/bench/data", 2)
        before, done = c.memory()[1], 0
        while done < self.args.requests:
            done += wrk(c.port, "/cse/bench/data", 5) * 5
        after = c.memory()[1]
        c.stop()
        grown = (after - before) / 2**20
        self.report("memory_growth", grown, " MiB over %d requests" % done, "< 1 MiB", grown < 1)

    def run(self):
        try:
            if self.wanted("idle_memory", "retrieve", "coap_retrieve", "latest", "create"):
                self.rates()
            if self.wanted("psk_handshake", "tls_retrieve", "idle_associations"):
                self.associations()
            if self.wanted("decision"):
                self.decision()
            if self.wanted("jose_hs256", "jose_es256", "jose_dir_a128gcm"):
                self.jose()
            if self.wanted("token_cached", "token_new"):
                self.token()
            if self.wanted("start", "discovery_label", "discovery_type", "create_many", "memory_many"):
                self.many()
            if self.wanted("delete_subtree", "delete_disturbance", "shrink_disturbance"):
                self.delete()
            if self.wanted("memory_growth"):
                self.growth()
        finally:
            shutil.rmtree(self.tmp, ignore_errors=True)
        (self.build / "bench.json").write_text(json.dumps(self.results, indent=1) + "\n")
        return 0


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--build", default=str(ROOT / "build"))
    ap.add_argument("--seconds", type=float, default=3)
    ap.add_argument("--rounds", type=int, default=5)
    ap.add_argument("--resources", type=int, default=1000000)
    ap.add_argument("--requests", type=int, default=10000000)
    ap.add_argument("--only", nargs="*")
    args = ap.parse_args()
    subprocess.run(["ninja", "-C", args.build, "reeve", "bench_pdp", "bench_jose", "bench_token", "bench_append", "bare_server", "tls_load", "coap_load"], check=True, stdout=subprocess.DEVNULL)
    return Bench(args).run()


if __name__ == "__main__":
    sys.exit(main())
