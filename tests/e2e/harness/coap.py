# SPDX-License-Identifier: Apache-2.0
"""A small CoAP of the tests' own (RFC 7252, 7959), written from the RFCs: messages to bytes and back, and a client over one UDP socket.

What a test passes is what is sent; `Coap.request` does blocks, separate responses, acknowledgements and retransmission by itself."""

import itertools
import json
import os
import random
import socket
import struct
import threading
import time

CON, NON, ACK, RST = range(4)
GET, POST, PUT, DELETE = 1, 2, 3, 4
LOCATION_PATH, URI_PATH, CONTENT_FORMAT, URI_QUERY, ACCEPT, BLOCK2, BLOCK1 = 8, 11, 12, 15, 17, 23, 27
OT, RTURI, TY, RVI, ASRI, FR, RQI, RQET, RSET, OET, EC, RSC, GID, CTO, CTS, ATI, VSI, GTM, AUS = (
    259, 263, 267, 271, 275, 279, 283, 291, 295, 299, 303, 307, 311, 319, 323, 327, 331, 335, 339)

_random = random.Random(os.urandom(8))


def code(text):
    """"2.05" -> the byte."""
    return int(text[0]) << 5 | int(text[2:])


def uint(n):
    return n.to_bytes((n.bit_length() + 7) // 8, "big")


def number(value):
    return int.from_bytes(value, "big")


def _extended(n):
    return (n, b"") if n < 13 else (13, bytes([n - 13])) if n < 269 else (14, struct.pack(">H", n - 269))


def option_bytes(delta, value):
    d, dx = _extended(delta)
    n, nx = _extended(len(value))
    return bytes([d << 4 | n]) + dx + nx + value


class Message:
    def __init__(self, type=CON, code=0, mid=0, token=b"", options=(), payload=b""):
        self.type, self.code, self.mid, self.token, self.payload = type, code, mid, token, payload
        self.options = [(n, v.encode() if isinstance(v, str) else uint(v) if isinstance(v, int) else v) for n, v in options]

    def encode(self):
        out = bytes([1 << 6 | self.type << 4 | len(self.token), self.code]) + struct.pack(">H", self.mid) + self.token
        before = 0
        for n, v in sorted(self.options, key=lambda o: o[0]):
            out += option_bytes(n - before, v)
            before = n
        return out + (b"\xff" + self.payload if self.payload else b"")

    @staticmethod
    def decode(data):
        assert len(data) >= 4 and data[0] >> 6 == 1, data
        m = Message(data[0] >> 4 & 3, data[1], struct.unpack(">H", data[2:4])[0])
        tkl = data[0] & 15
        assert tkl <= 8 and len(data) >= 4 + tkl, data
        m.token, at, n = data[4:4 + tkl], 4 + tkl, 0
        while at < len(data) and data[at] != 0xff:
            d, size = data[at] >> 4, data[at] & 15
            at += 1
            parts = []
            for x in (d, size):
                assert x != 15, data
                if x == 13:
                    x, at = 13 + data[at], at + 1
                elif x == 14:
                    x, at = 269 + struct.unpack(">H", data[at:at + 2])[0], at + 2
                parts.append(x)
            n += parts[0]
            assert at + parts[1] <= len(data), data
            m.options.append((n, data[at:at + parts[1]]))
            at += parts[1]
        if at < len(data):
            assert at + 1 < len(data), "a payload marker without payload"
            m.payload = data[at + 1:]
        assert m.code or len(data) == 4, "an empty message is not empty"
        return m

    def all(self, n):
        return [v for k, v in self.options if k == n]

    def one(self, n):
        v = self.all(n)
        assert len(v) <= 1, "option %d stands twice: %r" % (n, self)
        return v[0] if v else None

    @property
    def rsc(self):
        v = self.one(RSC)
        return number(v) if v is not None else None

    @property
    def content(self):
        import cbor2
        kind = self.one(CONTENT_FORMAT)
        if not self.payload or kind is None:
            return None
        return cbor2.loads(self.payload) if number(kind) in (60, 10010) else json.loads(self.payload)

    def __repr__(self):
        return "<CoAP %s %d.%02d mid %d %r %r>" % (("CON", "NON", "ACK", "RST")[self.type], self.code >> 5, self.code & 31, self.mid,
                                                    self.options, self.payload[:200])


def block(value):
    n = number(value)
    return n >> 4, bool(n & 8), 16 << (n & 7)


def block_value(num, more, size):
    return uint(num << 4 | bool(more) << 3 | (size // 16).bit_length() - 1)


def path_of(to):
    """oneM2M address -> Uri-Path (TS-0008 6.2.2.3)."""
    if to.startswith("//"):
        return ["_"] + to[2:].split("/")
    if to.startswith("/"):
        return ["~"] + to[1:].split("/")
    return to.split("/")


class Coap:
    """One socket. Not for several threads at a time."""

    def __init__(self, address, port, timeout=30.0):
        self.s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
        self.s.connect((address, port))
        self.timeout = timeout
        self.mids = itertools.count(_random.randrange(60000))
        self.kept = []

    def close(self):
        self.s.close()

    def mid(self):
        return next(self.mids) & 0xffff

    def send(self, m):
        self.s.send(m.encode() if isinstance(m, Message) else m)

    def receive(self, timeout=None):
        """The next message, whatever it is."""
        self.s.settimeout(self.timeout if timeout is None else timeout)
        return Message.decode(self.s.recv(65536))

    def silent(self):
        """Nothing came in answer to what was sent before: a ping is answered after it."""
        ping = Message(CON, 0, self.mid())
        self.send(ping)
        m = self.receive()
        assert m.type == RST and m.mid == ping.mid, "unexpected %r" % m

    def exchange(self, m, acknowledge=True):
        """Send a request, give its response; retransmitted as a CON should be."""
        until, wait, acked = time.monotonic() + self.timeout, 2.0, False
        self.send(m)
        while True:
            try:
                got = self.receive(min(wait, max(0.01, until - time.monotonic())))
            except socket.timeout:
                assert time.monotonic() < until, "no answer to %r" % m
                if not acked and m.type == CON:
                    self.send(m)
                    wait *= 2
                continue
            if got.type in (ACK, RST) and got.mid == m.mid and not got.code:
                assert got.type == ACK, "reset: %r" % m
                acked = True
                continue
            if got.type == CON and acknowledge:
                self.send(Message(ACK, 0, got.mid))
            if got.token == m.token and got.code:
                assert got.type != ACK or got.mid == m.mid, got
                got.separate = got.type != ACK
                return got

    def request(self, method, options, payload=b"", type=CON, size=1024, token=None):
        """A whole request in blocks of `size`, and its whole response."""
        token = token if token is not None else os.urandom(4)
        options = list(options)
        at = 0
        got = None
        while got is None or (at < len(payload)):
            part, more = payload[at:at + size], at + size < len(payload)
            b = [(BLOCK1, block_value(at // size, more, size))] if len(payload) > size else []
            if size < 1024:
                b.append((BLOCK2, block_value(0, False, size)))
            got = self.exchange(Message(type, method, self.mid(), token, options + b, part))
            if got.code != code("2.31"):
                break
            assert more and block(got.one(BLOCK1))[0] == at // size, got
            at += size
        body, first = got.payload, got
        while got.one(BLOCK2) is not None and block(got.one(BLOCK2))[1]:
            num, _, size = block(got.one(BLOCK2))
            got = self.exchange(Message(type, method, self.mid(), token, options + [(BLOCK2, block_value(num + 1, False, size))]))
            assert got.code == first.code and block(got.one(BLOCK2))[0] == num + 1, got
            assert [o for o in got.options if o[0] != BLOCK2] == [o for o in first.options if o[0] not in (BLOCK1, BLOCK2)], got
            body += got.payload
        first.payload = body
        return first


class Clients:
    """A Coap of each thread, to one server."""

    def __init__(self, address, port):
        self.address, self.port, self.local = address, port, threading.local()

    def get(self):
        if getattr(self.local, "c", None) is None:
            self.local.c = Coap(self.address, self.port)
        return self.local.c


class CoapReceiver:
    """Somebody who is notified: keeps whole requests in a queue. answer(request) may return an rsc, (rsc, content), None for 2000, or a
    list of bytes to send as they are; `drop` datagrams are ignored first; separate: answers come in messages of their own."""

    def __init__(self, answer=None, drop=0, separate=False, size=1024):
        import queue
        from .server import free_port
        self.answer, self.drop, self.separate, self.size = answer, drop, separate, size
        self.queue, self.datagrams = queue.Queue(), []
        self.s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.s.bind(("127.0.0.1", free_port(socket.SOCK_DGRAM)))
        self.port = self.s.getsockname()[1]
        self.url = "coap://127.0.0.1:%d" % self.port
        self.parts, self.large, self.mid = {}, {}, _random.randrange(60000)
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while True:
            try:
                data, who = self.s.recvfrom(65536)
            except OSError:
                return
            if not data:
                return
            m = Message.decode(data)
            self.datagrams.append(m)
            if self.drop:
                self.drop -= 1
            elif m.type in (CON, NON) and m.code:
                self.serve(m, who)

    def reply(self, m, who, answer_code, options, payload=b""):
        if self.separate:
            self.s.sendto(Message(ACK, 0, m.mid).encode(), who)
            self.mid += 1
            self.s.sendto(Message(CON, answer_code, self.mid, m.token, options, payload).encode(), who)
        else:
            self.s.sendto(Message(ACK, answer_code, m.mid, m.token, options, payload).encode(), who)

    def serve(self, m, who):
        b1, b2 = m.one(BLOCK1), m.one(BLOCK2)
        key = (who, m.token)
        if b2 is not None and block(b2)[0]:
            return self.block2(m, who, self.large[key], block(b2)[0])
        echo = []
        if b1 is not None:
            num, more, size = block(b1)
            assert num * size == len(self.parts.setdefault(key, b"")), m
            self.parts[key] += m.payload
            if more:
                return self.reply(m, who, code("2.31"), [(BLOCK1, block_value(num, True, min(size, self.size)))])
            m.payload, echo = self.parts.pop(key), [(BLOCK1, b1)]
        m.source = who
        self.queue.put(m)
        a = self.answer(m) if self.answer else None
        if isinstance(a, list):
            for data in a:
                self.s.sendto(data, who)
            return None
        rsc, content = a if isinstance(a, tuple) else (a or 2000, None)
        from .facts import COAP
        payload = json.dumps(content).encode() if content is not None else b""
        options = echo + [(RSC, rsc), (RQI, m.one(RQI) or b"")] + ([(CONTENT_FORMAT, 50)] if payload else [])
        if len(payload) > self.size:
            self.large[key] = (code(COAP[rsc][-1 if m.code == POST else 0]), options, payload)
            return self.block2(m, who, self.large[key], 0)
        return self.reply(m, who, code(COAP[rsc][-1 if m.code == POST else 0]), options, payload)

    def block2(self, m, who, large, num):
        answer_code, options, payload = large
        part = payload[num * self.size:(num + 1) * self.size]
        more = (num + 1) * self.size < len(payload)
        return self.reply(m, who, answer_code, options + [(BLOCK2, block_value(num, more, self.size))], part)

    def get(self, timeout=20.0):
        import queue
        try:
            return self.queue.get(timeout=timeout)
        except queue.Empty:
            raise AssertionError("no notification within %g s" % timeout) from None

    def close(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as w:
            w.sendto(b"", ("127.0.0.1", self.port))
        self.thread.join(5)
        self.s.close()


class DtlsPipe:
    """A DTLS session of `openssl s_client` as if it were a socket. It has a socket of sequenced packets for standard input and output, so
    what is written at once is one record, and what is read at once was one."""

    def __init__(self, port, *args):
        import subprocess
        self.ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.p = subprocess.Popen(["openssl", "s_client", "-dtls1_2", "-quiet", "-connect", "127.0.0.1:%d" % port, *map(str, args)],
                                  stdin=theirs, stdout=theirs, stderr=subprocess.PIPE)
        theirs.close()
        self.settimeout, self.send, self.recv = self.ours.settimeout, self.ours.send, self.ours.recv

    def ended(self, timeout=30):
        """What openssl said when the session ended without our doing."""
        self.p.wait(timeout)
        return self.p.stderr.read().decode(errors="replace")

    def close(self):
        self.ours.close()
        self.p.terminate()
        self.p.wait(10)
        self.p.stderr.close()


class Coaps(Coap):
    """Coap over a DTLS session of OpenSSL, which reads 1024 bytes of a record at a time: so, smaller blocks."""

    def request(self, method, options, payload=b"", type=CON, size=512, token=None):
        return super().request(method, options, payload, type, size, token)

    def __init__(self, port, *args, timeout=30.0):
        self.s, self.timeout = DtlsPipe(port, *args), timeout
        self.mids = itertools.count(_random.randrange(60000))
