# SPDX-License-Identifier: Apache-2.0
"""MQTT for tests: a real broker (mosquitto), and a client that says exactly what it is told to (MQTT 3.1.1, over a socket).

    with Broker() as b:
        c = MqttClient(b.port)
        c.subscribe("/oneM2M/resp/reeve:Cx/#")
        c.publish("/oneM2M/req/reeve:Cx/reeve/json", payload, qos=1)
        topic, payload = c.message()
"""

import collections
import itertools
import os
import pathlib
import shutil
import socket
import ssl
import struct
import subprocess
import tempfile
import threading
import time

from .server import free_port

_ids = itertools.count(1)


class Broker:
    """mosquitto in a folder of its own. `lines`: configuration besides the listener; `files`: name -> text, beside it ({dir} in both)."""

    def __init__(self, lines=("allow_anonymous true",), files=None, port=None, listener=()):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="reeve-mqtt-"))
        os.chmod(self.dir, 0o755)
        self.port = port or free_port()
        for name, text in (files or {}).items():
            (self.dir / name).write_text(text.replace("{dir}", str(self.dir)))
            os.chmod(self.dir / name, 0o644)
        conf = ["listener %d 127.0.0.1" % self.port, *listener, *lines, "log_dest file %s/log" % self.dir, "log_type all",
                "set_tcp_nodelay true", "max_inflight_messages 1000", "max_queued_messages 10000"]
        if os.geteuid() == 0:
            conf.append("user root")
        (self.dir / "conf").write_text("\n".join(conf).replace("{dir}", str(self.dir)) + "\n")
        self.process = None
        self.start()

    def url(self, scheme="mqtt", host="127.0.0.1", path=""):
        return "%s://%s:%d%s" % (scheme, host, self.port, path)

    def start(self):
        path = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
        self.process = subprocess.Popen([path, "-c", str(self.dir / "conf")], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 5).close()
                return self
            except OSError:
                assert self.process.poll() is None, "mosquitto ended: %s" % self.log()
                assert time.monotonic() < deadline, "mosquitto does not listen: %s" % self.log()
                time.sleep(0.02)

    def log(self):
        try:
            return (self.dir / "log").read_text(errors="replace")
        except OSError:
            return ""

    def wait_log(self, text, count=1, timeout=30):
        """Until the broker has written `text` so often; what it wrote."""
        deadline = time.monotonic() + timeout
        while self.log().count(text) < count:
            assert time.monotonic() < deadline, "%r is not in the broker's log:\n%s" % (text, self.log()[-4000:])
            time.sleep(0.02)
        return self.log()

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait()
            self.process = None

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process = None

    def close(self):
        self.stop()
        shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


def _text(s):
    raw = s.encode() if isinstance(s, str) else s
    return struct.pack("!H", len(raw)) + raw


class MqttClient:
    """Connects at once. Messages wait in order until message() takes them; what a client has to acknowledge it does."""

    def __init__(self, port, client_id=None, clean=True, context=None, server_name=None, user=None, keepalive=0):
        self.sock = socket.create_connection(("127.0.0.1", port), 20)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if context:
            self.sock = context.wrap_socket(self.sock, server_hostname=server_name)
        self.sock.settimeout(60)
        self.mid = itertools.count(1)
        self.messages = collections.deque()
        self.acks = {}
        self.closed = None
        self.lock, self.changed = threading.Lock(), threading.Condition()
        flags = (2 if clean else 0) | (0x80 if user else 0)
        body = _text("MQTT") + bytes([4, flags]) + struct.pack("!H", keepalive) + _text(client_id or "test-%d-%d" % (os.getpid(), next(_ids)))
        self._send(0x10, body + (_text(user) if user else b""))
        kind, data = self._read()
        assert kind == 0x20, "no CONNACK"
        self.session, self.code = data[0] & 1, data[1]
        if self.code:
            self.sock.close()
            raise ConnectionRefusedError("CONNACK %d" % self.code)
        threading.Thread(target=self._run, daemon=True).start()

    def _send(self, first, body):
        n, head = len(body), bytes([first])
        while True:
            head += bytes([n % 128 | (128 if n > 127 else 0)])
            n //= 128
            if not n:
                break
        with self.lock:
            self.sock.sendall(head + body)

    def _exact(self, n):
        out = b""
        while len(out) < n:
            part = self.sock.recv(n - len(out))
            if not part:
                raise ConnectionError("the broker closed the connection")
            out += part
        return out

    def _read(self):
        first, n, shift = self._exact(1)[0], 0, 0
        while True:
            c = self._exact(1)[0]
            n |= (c & 127) << shift
            shift += 7
            if c < 128:
                return first, self._exact(n)

    def _run(self):
        try:
            self.sock.settimeout(None)
            while True:
                first, data = self._read()
                with self.changed:
                    if first & 0xf0 == 0x30:
                        n = struct.unpack("!H", data[:2])[0]
                        topic, rest, qos = data[2:2 + n].decode(), data[2 + n:], first >> 1 & 3
                        if qos:
                            self._send(0x40, rest[:2])
                            rest = rest[2:]
                        self.messages.append((topic, rest, first & 1))
                    elif first in (0x40, 0x90, 0xb0):
                        self.acks[struct.unpack("!H", data[:2])[0]] = data[2:]
                    self.changed.notify_all()
        except (OSError, ConnectionError, ValueError) as e:
            with self.changed:
                self.closed = e
                self.changed.notify_all()

    def _wait(self, what, timeout, text):
        with self.changed:
            self.changed.wait_for(lambda: what() or self.closed, timeout)
            if not what():
                raise AssertionError("%s: %s" % (text, self.closed or "nothing came in time"))

    def subscribe(self, topic, qos=1):
        mid = next(self.mid)
        self._send(0x82, struct.pack("!H", mid) + _text(topic) + bytes([qos]))
        self._wait(lambda: mid in self.acks, 30, "SUBACK")
        return self.acks[mid][0]

    def publish(self, topic, payload, qos=1, retain=False, dup=False, mid=None, wait=True):
        """The packet identifier, when the broker has acknowledged it."""
        if isinstance(payload, str):
            payload = payload.encode()
        mid = mid or next(self.mid)
        self.acks.pop(mid, None)
        self._send(0x30 | (8 if dup else 0) | qos << 1 | (1 if retain else 0), _text(topic) + (struct.pack("!H", mid) if qos else b"") + payload)
        if qos and wait:
            self._wait(lambda: mid in self.acks, 30, "PUBACK")
        return mid

    def message(self, fits=lambda topic, payload: True, timeout=30):
        """(topic, payload) of the first message that fits."""
        found = []

        def look():
            for i, (topic, payload, _) in enumerate(self.messages):
                if fits(topic, payload):
                    found[:] = [(topic, payload)]
                    del self.messages[i]
                    return True
            return False
        self._wait(lambda: found or look(), timeout, "no such message")
        return found[0]

    def sync(self):
        """Until all that was sent before to us by the broker has come: a message of our own comes round."""
        topic = "sync/%d/%d" % (os.getpid(), next(_ids))
        self.subscribe(topic)
        self.publish(topic, b"x")
        self.message(lambda t, p: t == topic)

    def close(self):
        try:
            self._send(0xe0, b"")
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


def context(ca, chain=None, key=None):
    c = ssl.create_default_context(cafile=str(ca))
    if chain:
        c.load_cert_chain(str(chain), str(key))
    return c
