# SPDX-License-Identifier: Apache-2.0
"""Peers of (D)TLS: our own `tls_echo` (tests/peers), and openssl and gnutls-cli as clients and servers.

    echo = Echo("--psk", "a@b.example=" + PSK)
    said = s_client(echo.port, "-tls1_2", ...)     # text that the client printed; it sent "ping" and waited for it to come back
    echo.wait("open")["credential"]
    echo.stop()
"""
import json
import pathlib
import queue
import subprocess
import threading

from .server import REPORT, binary, free_port

PSK = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
PATIENCE = 60


def program():
    return str(pathlib.Path(binary()).resolve().parent / "tests" / "peers" / "tls_echo")


class Process:
    """A program whose lines are read by a thread of ours, so that every wait has an end."""

    def __init__(self, *args, env=None, merge=False):
        self.process = subprocess.Popen([str(a) for a in args], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env,
                                        stderr=subprocess.STDOUT if merge else subprocess.PIPE)
        self.lines = queue.Queue()
        self.seen = []
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(line.decode(errors="replace").rstrip("\r\n"))
        self.lines.put(None)

    def line(self):
        """The next one; None: there are no more."""
        got = self.lines.get(timeout=PATIENCE)
        if got is not None:
            self.seen.append(got)
        else:
            self.lines.put(None)
        return got

    def send(self, text):
        try:
            self.process.stdin.write(text.encode())
            self.process.stdin.flush()
        except OSError:
            pass  # it has ended: what it said tells why

    def end(self):
        """Close its input and wait; kill what does not end. Returns all that it said."""
        try:
            self.process.stdin.close()
        except OSError:
            pass
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        finally:
            self.reader.join(PATIENCE)
        while self.line() is not None:
            pass
        return "\n".join(self.seen)


class Echo(Process):
    def __init__(self, *args, env=None, **kw):
        super().__init__(program(), *args, env=env)
        self.first = None  # read to see whether it listens, and to be read again
        first = self.line()
        if first is None:
            raise AssertionError(self.process.stderr.read().decode())
        first = json.loads(first)
        if first["event"] == "listening":
            self.port = first["port"]
        else:
            self.first = json.dumps(first)

    def wait(self, *events):
        """The next event that is one of these."""
        while True:
            line, self.first = self.first or self.line(), None
            assert line is not None, f"no {events}: {self.seen} {self.process.stderr.read().decode()}"
            said = json.loads(line)
            if said["event"] in events:
                return said

    def tell(self, command):
        self.send(command + "\n")
        return self.wait(command)

    def stop(self):
        self.end()
        errors = self.process.stderr.read().decode()
        assert self.process.returncode == 0 and not REPORT.search(errors), errors


def talk(process):
    """Send a line and wait until it comes back or the program ends. True: it came back."""
    process.send("ping\n")
    while True:
        line = process.line()
        if line is None or line == "ping":
            return line is not None


def s_client(port, *args):
    """What `openssl s_client` printed, "ping" among it when it was sent back."""
    p = Process("openssl", "s_client", "-connect", f"127.0.0.1:{port}", *args, merge=True)
    talk(p)
    return p.end()


def gnutls_cli(port, priority, *args):
    p = Process("gnutls-cli", "-p", port, "127.0.0.1", "--priority", priority, *args, merge=True)
    talk(p)
    return p.end()


def echoed(said):
    return "ping" in said.split("\n")


class Server(Process):
    """openssl s_server or gnutls-serv that echoes; ready when it says `ready`."""

    def __init__(self, *args, ready, port=None):
        super().__init__(*args, merge=True)
        while True:
            line = self.line()
            assert line is not None, self.seen
            if ready in line:
                return


def s_server(*args):
    port = free_port()
    server = Server("openssl", "s_server", "-accept", f"127.0.0.1:{port}", *args, ready="ACCEPT")
    server.port = port
    return server
