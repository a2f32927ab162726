# SPDX-License-Identifier: Apache-2.0
"""Requests that wait for a DAS, a token or a decision point while everything they are about goes: connection, AE, target, policy, links,
issuers, the process. What may be answered is anybody's guess; what must hold is that nothing breaks (meant for builds with sanitizers)
and that the store is in order afterwards. REEVE_RACE_SECONDS makes it longer."""

import http.client
import os
import random
import signal
import socket
import subprocess
import threading
import time

from harness import Client, Entity, absolute, rule, unique
from harness.das import NOTHING, SETTINGS, Das, dres, granted
from harness.server import binary
from harness.tokens import Issuer, permit, write_issuers

SECONDS = float(os.environ.get("REEVE_RACE_SECONDS", "4"))


class Storm:
    """One run of a server and those who trouble it."""

    def __init__(self, s, das, issuer, path):
        self.s, self.das, self.issuer, self.path, self.over = s, das, issuer, path, threading.Event()
        das.answer = self.answer

    def answer(self, q):
        time.sleep(random.choice((0, 0, 0.005, 0.03, 0.1)))
        who = (q.content["m2m:seci"].get("dreq") or {}).get("or", "//x.example/Sx")
        pick = random.randrange(6)
        if pick < 2:
            return granted([rule(who, 63)], str(random.choice((300, 5000))))
        if pick < 4:
            ids = (q.content["m2m:seci"].get("dreq") or {}).get("tids")
            claims = self.issuer.claims(who, [permit("cse", rule("all", 63))])
            return dres(tkns=[self.issuer.sign(dict(claims, jti=ids[0]) if ids else claims)])
        return NOTHING if pick == 4 else {"m2m:seci": {"sit": 8, "dars": {"tids": ["t@das.example"], "signature": ["YQ"]}}}

    def one(self, seed):
        """An owner, its resources, and somebody who wants them, again and again."""
        pick, s = random.Random(seed), self.s
        c = Client(s.address, s.port)
        while not self.over.is_set():
            owner, ae = Entity(c, "C"), Entity(c, "C" + unique("a").replace("-", ""))
            at = []
            for e in (owner, ae):
                r = e.create("cse", 2, {"rn": unique("ae"), "api": "Nx", "rr": False, "srv": ["3"]})
                e.origin = r["aei"]
                at.append("cse/" + r["rn"])
            dac = at[0] + "/" + owner.create(at[0], 34, {"dae": True, "dap": [self.das.url]})["rn"]
            own = {"acr": [rule(owner.origin, 63)]}
            acp = at[0] + "/" + owner.create(at[0], 1, {"pv": own, "pvs": own})["rn"]
            cnt = at[0] + "/" + owner.create(at[0], 3, {"daci": [dac], "acpi": [acp]})["rn"]
            far = at[0] + "/" + owner.create(at[0], 1, {"pv": {"acr": []}, "pvs": own, "adri": [self.das.url]})["rn"]
            there = at[0] + "/" + owner.create(at[0], 3, {"acpi": [far]})["rn"]
            token = self.issuer.token(absolute(s, ae.origin), [permit([cnt], rule("all", 63))], exp=time.time() + pick.choice((0.2, 60)))
            socks = [self.raw(pick, ae.origin, pick.choice((cnt, there)), token) for _ in range(6)]
            gone = [lambda: owner.delete(cnt), lambda: owner.delete(dac), lambda: owner.delete(acp), lambda: ae.delete(at[1]),
                    lambda: owner.update(dac, 34, {"dae": False}), lambda: owner.update(cnt, 3, {"daci": None}),
                    lambda: owner.delete(at[0]), lambda: owner.update(cnt, 3, {"acpi": None})]
            for go in pick.sample(gone, 3):
                go()
            for k in socks:
                if pick.random() < 0.5:
                    k.settimeout(5)
                    try:
                        k.recv(65536)
                    except OSError:
                        pass
                k.close()

    def raw(self, pick, origin, to, token):
        k = socket.create_connection((self.s.address, self.s.port))
        h = "Host: x\r\nX-M2M-Origin: %s\r\nX-M2M-RI: r%d\r\nX-M2M-RVI: 3\r\n" % (origin, pick.randrange(9))
        h += pick.choice(("", "Authorization: %s\r\n" % token, "X-M2M-RET: 30\r\n", "X-M2M-OET: 40\r\n", "X-M2M-AURI: true\r\n"))
        q = pick.choice(("", "?tids=t%d@das.example" % pick.randrange(3), "?rt=1", "?rids=x@das.example", "?tqi=true"))
        body = b'{"m2m:cnt":{"lbl":["x"]}}'
        k.sendall(pick.choice((("GET /%s%s HTTP/1.1\r\n%s\r\n" % (to, q, h)).encode(), ("DELETE /%s%s HTTP/1.1\r\n%s\r\n" % (to, q, h)).encode(),
                               ("PUT /%s%s HTTP/1.1\r\n%sContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
                                % (to, q, h, len(body))).encode() + body)))
        return k

    def trouble(self, seed):
        """Again and again: the server may go, and everything may be refused."""
        while not self.over.is_set():
            try:
                self.one(seed)
            except (OSError, http.client.HTTPException, KeyError, TypeError, ValueError, AssertionError):
                seed += 1
                self.over.wait(0.01)

    def run(self, seconds):
        threads = [threading.Thread(target=self.trouble, args=(random.randrange(1 << 30),), daemon=True) for _ in range(4)]
        for t in threads:
            t.start()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(0.2)
            assert self.s.process.poll() is None, self.s.errors()[-4000:]
            write_issuers(self.path, self.issuer.entry(das=[self.das.url], roles=True))
            self.s.process.send_signal(signal.SIGHUP)
        self.s.stop()  # in the middle of it
        self.over.set()
        for t in threads:
            t.join(10)


def test_storm(new_server, tmp_path):
    """Stop, start and check, until the time is over."""
    das, issuer, path = Das(), Issuer(domain="das.example"), tmp_path / "issuers.json"
    write_issuers(path, issuer.entry(das=[das.url], roles=True))
    s = new_server(dict(SETTINGS, **{"authz.issuers": str(path), "dynamic.timeout": "1 s", "distributed.timeout": "100 ms",
                                     "limits.tokens_cached": "8", "dynamic.refusal_kept": "20 ms"}))
    end, runs = time.monotonic() + SECONDS, 0
    try:
        while time.monotonic() < end or not runs:
            Storm(s, das, issuer, path).run(min(2.0, SECONDS / 2))
            runs += 1
            out = subprocess.run([binary(), "check", "store", str(s.folder / "data")], capture_output=True, text=True)
            assert out.returncode == 0 and "no faults" in out.stdout, out
            s.start()
    finally:
        das.close()
