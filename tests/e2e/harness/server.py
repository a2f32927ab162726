# SPDX-License-Identifier: Apache-2.0
"""Starting and stopping `reeve cse`. The end of each server is part of the test: exit status 0 and no sanitizer report."""

import http.client
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from .client import Client, Entity
from .coap import Clients

REPORT = re.compile(r"(ERROR: AddressSanitizer|ERROR: LeakSanitizer|WARNING: ThreadSanitizer|runtime error:|SUMMARY: \w+Sanitizer)")
_random = random.Random(os.urandom(8))


def binary():
    root = pathlib.Path(__file__).resolve().parents[3]
    return os.environ.get("REEVE") or str(root / "build" / "reeve")


def free_port(kind=socket.SOCK_STREAM):
    """A port below the ephemeral range that nobody listens on."""
    for _ in range(200):
        port = _random.randrange(20000, 32000)
        with socket.socket(type=kind) as s:
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise AssertionError("no free port")


class Server:
    """One `reeve cse`, or `reeve das` with role="das". `settings` are options as "section.key": value over the ones every test server has.

    `http.open` stays off: registered AEs are believed, everybody else is refused as the standard says (4106, 4107)."""

    def __init__(self, settings=None, env=None, folder=None, wrap=(), address="127.0.0.1", role="cse", mqtt=False, https=False):
        """mqtt: with a broker of its own, self.broker."""
        self.role = role
        self.folder = pathlib.Path(folder or tempfile.mkdtemp(prefix="reeve-e2e-"))
        self.own_folder = folder is None
        self.address = address
        self.env = dict(os.environ, **(env or {}))
        san = "abort_on_error=0:exitcode=99:detect_leaks=1"
        self.env.setdefault("ASAN_OPTIONS", san)
        self.env.setdefault("UBSAN_OPTIONS", "print_stacktrace=1:halt_on_error=1:exitcode=98")
        self.wrap = list(wrap)
        self.port = free_port()
        self.settings = {
            "cse.id": "/reeve", "cse.name": "cse", "cse.sp": "//reeve.local", "cse.type": "IN",
            "store.data": str(self.folder / "data"),
            "http.address": address, "http.port": self.port,
            "coap.address": address, "coap.port": free_port(socket.SOCK_DGRAM),
            "access.admin": "Cadmin",
            "distributed.points": "*",
        }
        self.broker = None
        if mqtt:
            from .mqtt import Broker
            self.broker = Broker()
            self.settings["mqtt.broker"] = self.broker.url()
        self.settings.update(settings or {})
        if https:
            from .https import Pki
            self.pki = Pki(self.folder, self.settings["cse.sp"][2:], self.settings["cse.id"][1:])
            for key, value in self.pki.settings(self.folder, keys=self.settings.get("keys.file")).items():
                self.settings.setdefault(key, value)
        self.port = self.settings["http.port"]
        self.cse_id, self.sp_id = self.settings["cse.id"], self.settings["cse.sp"]
        self.base = self.settings["cse.name"]
        self.process = None
        self.client = Client(address, self.port)
        self.coap = Clients(address, self.settings["coap.port"])
        self.reports = []

    # --- life

    def write_config(self):
        sections = {}
        for key, value in self.settings.items():
            section, _, name = key.partition(".")
            sections.setdefault(section, []).append((name, value))
        text = ""
        for section, entries in sections.items():
            text += "[%s]\n" % section
            for name, value in entries:
                for v in value if isinstance(value, list) else [value]:
                    text += "%s = %s\n" % (name, v)
            text += "\n"
        path = self.folder / "reeve.conf"
        path.write_text(text)
        return path

    def command(self):
        return self.wrap + [binary(), self.role, "--config", str(self.write_config())]

    def start(self, wait=True):
        self.err_path = self.folder / "stderr.log"
        self.err_from = self.err_path.stat().st_size if self.err_path.exists() else 0
        with open(self.err_path, "ab") as err:
            self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=err, stderr=err, env=self.env,
                                            cwd=self.folder)
        if wait:
            self.wait_ready()
            if self.broker:
                self.broker.wait_log("Sending SUBACK to C::", 6)
        return self

    def health(self):
        """(status, text) of /healthz, or None while nobody answers."""
        try:
            c = http.client.HTTPConnection(self.address, self.port, timeout=5)
            try:
                c.request("GET", "/healthz")
                r = c.getresponse()
                return r.status, r.read().decode()
            finally:
                c.close()
        except OSError:
            return None

    def wait_ready(self, timeout=30.0):
        deadline = time.monotonic() + timeout
        while True:
            got = self.health()
            if got and got[0] == 200:
                return
            code = self.process.poll()
            assert code is None, "the server ended with %s while starting:\n%s" % (code, self.errors())
            assert time.monotonic() < deadline, "not ready after %g s (%r):\n%s" % (timeout, got, self.errors())
            time.sleep(0.02)

    def errors(self):
        """What this run wrote to stderr."""
        with open(self.err_path, "rb") as f:
            f.seek(self.err_from)
            return f.read().decode(errors="replace")

    def _check_report(self):
        text = self.errors()
        if REPORT.search(text):
            raise AssertionError("sanitizer report:\n" + text[-20000:])

    def stop(self, timeout=30.0):
        """SIGTERM; the server finishes and says 0."""
        if self.process is None:
            return
        self.client.close()
        p, self.process = self.process, None
        died = p.poll()
        if died is None:
            p.send_signal(signal.SIGTERM)
        try:
            code = p.wait(timeout)
        except subprocess.TimeoutExpired:
            p.kill()
            p.wait()
            raise AssertionError("did not end within %g s of SIGTERM:\n%s" % (timeout, self.errors()[-4000:])) from None
        self._check_report()
        assert died is None, "the server had ended by itself with %s:\n%s" % (died, self.errors()[-4000:])
        assert code == 0, "exit status %s after SIGTERM:\n%s" % (code, self.errors()[-4000:])

    def kill(self):
        """kill -9: nothing is finished."""
        p, self.process = self.process, None
        p.kill()
        p.wait()
        self.client.close()
        self._check_report()

    def restart(self):
        self.stop()
        return self.start()

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def remove(self):
        if self.broker:
            self.broker.close()
        if self.own_folder:
            shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self.start()

    def __exit__(self, *exc):
        try:
            if exc[0] is not None and self.process is not None:
                try:
                    self.stop()
                except AssertionError as e:
                    print(e)  # the test's own failure is the news
            else:
                self.stop()
        finally:
            self.remove()

    # --- what tests ask of it

    def metrics(self):
        """Counters of /metrics: name without "reeve_" (and without "_total") -> number."""
        c = http.client.HTTPConnection(self.address, self.port, timeout=10)
        try:
            c.request("GET", "/metrics")
            r = c.getresponse()
            text = r.read().decode()
            assert r.status == 200
        finally:
            c.close()
        out = {}
        for line in text.splitlines():
            m = re.match(r"reeve_(\w+?)(?:_total)?(?:\{[^}]*\})? ([0-9.eE+-]+)$", line)
            if m:
                out[m.group(1)] = out.get(m.group(1), 0) + float(m.group(2))
        return out

    def entity(self, origin):
        """Somebody who calls himself `origin`, registered or not."""
        return Entity(self.client, origin)

    def register(self, stem=None, name=None, client=None, **attrs):
        """A fresh AE; its origin is the AE-ID-Stem it was given."""
        from .make import unique
        name = name or unique("ae")
        a = {"rn": name, "api": "Ntest", "rr": False, "srv": ["3"]}
        a.update(attrs)
        e = Entity(client or self.client, stem or "C")
        r = e.create(self.base, 2, a).expect(2001)
        return Entity(e.client, r["aei"], self.base + "/" + name, name)

    def admin(self):
        """The AE with all rights on <CSEBase>, registered when it is not yet."""
        name = "admin"
        e = Entity(self.client, self.settings["access.admin"], self.base + "/" + name, name)
        if e.retrieve(self.base).rsc != 2000:
            e.create(self.base, 2, {"rn": name, "api": "Nadmin", "rr": False, "srv": ["3"]}).expect(2001)
        return e


def stop_all(servers):
    """Each is stopped and removed, then what any of them did wrong at its end fails the test."""
    failed = []
    for s in servers:
        try:
            s.stop()
        except AssertionError as e:
            failed.append(str(e))
        finally:
            s.remove()
    assert not failed, "\n".join(failed)
