# SPDX-License-Identifier: Apache-2.0
"""WebSocket for tests (TS-0020): a client and a server on python3-websockets, which know nothing of Reeve, and bytes for what no such
library would send.

    with WsClient(server.ws_url) as c:                       # or protocol="oneM2M.cbor", ssl=context
        c.request({"op": 2, "to": "cse", "fr": "Cx"})        # the response primitive
        c.next()                                             # a request that came the other way; answered by c.answer
"""

import asyncio
import base64
import hashlib
import itertools
import json
import os
import queue
import struct
import threading

import cbor2
import websockets

from .raw import Raw
from .server import free_port

_rqi = itertools.count(1)
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


class _Loop:
    """One event loop in a thread, for all connections of the process."""

    loop = None
    lock = threading.Lock()

    @classmethod
    def run(cls, coroutine, timeout=30.0):
        with cls.lock:
            if cls.loop is None:
                cls.loop = asyncio.new_event_loop()
                threading.Thread(target=cls.loop.run_forever, daemon=True).start()
        return asyncio.run_coroutine_threadsafe(coroutine, cls.loop).result(timeout)


def dumps(primitive, protocol):
    """The message of a primitive; bytes are sent as they are."""
    if isinstance(primitive, (bytes, str)):
        return primitive
    return cbor2.dumps(primitive) if protocol == "oneM2M.cbor" else json.dumps(primitive, ensure_ascii=False)


def loads(message, protocol):
    assert isinstance(message, bytes) == (protocol == "oneM2M.cbor"), "CORE-306: %r on %s" % (message[:100], protocol)
    return cbor2.loads(message) if isinstance(message, bytes) else json.loads(message)


class Connection:
    """One connection, whoever opened it. `answer(request)`: None for 2000, an rsc, a response primitive, or "" for silence."""

    def __init__(self, answer=None):
        self.answer = answer or (lambda request: None)
        self.got, self.waiting, self.other = queue.Queue(), {}, queue.Queue()
        self.ws, self.ended = None, threading.Event()
        self.code = None  # why it ended
        self.tasks = []

    async def respond(self, p):
        a = await asyncio.get_running_loop().run_in_executor(None, self.answer, p)
        if a != "":
            a = {"rsc": a or 2000} if a is None or isinstance(a, int) else a
            try:
                await self.ws.send(dumps(dict({"rqi": p["rqi"], "rvi": "3"}, **a), self.ws.subprotocol))
            except websockets.ConnectionClosed:
                pass

    async def read(self):
        try:
            async for message in self.ws:
                p = loads(message, self.ws.subprotocol)
                if "op" in p:
                    self.got.put(p)
                    self.tasks.append(asyncio.ensure_future(self.respond(p)))
                elif p.get("rqi") in self.waiting:
                    self.waiting.pop(p["rqi"]).put(p)
                else:
                    self.other.put(p)
        except (websockets.ConnectionClosed, OSError):
            pass
        finally:
            self.code = self.ws.close_code
            self.ended.set()
            for q in list(self.waiting.values()):
                q.put(None)

    def send(self, message):
        """A primitive, or a message as it is."""
        _Loop.run(self.ws.send(dumps(message, self.ws.subprotocol)))

    def begin(self, request):
        """Send a request; gives what `end` waits for."""
        request = dict({"rqi": "w%x-%d" % (os.getpid(), next(_rqi)), "rvi": "3"}, **request)
        q = self.waiting[request["rqi"]] = queue.Queue()
        self.send(request)
        return q

    @staticmethod
    def end(q, timeout=30.0):
        try:
            got = q.get(timeout=timeout)
        except queue.Empty:
            raise AssertionError("no answer within %g s" % timeout) from None
        assert got is not None, "the connection ended before the answer"
        return got

    def request(self, request, rsc=None):
        got = self.end(self.begin(request))
        assert rsc is None or got["rsc"] == rsc, "expected rsc %s: %r" % (rsc, got)
        return got

    def next(self, timeout=15.0):
        """The next request from the other side."""
        try:
            return self.got.get(timeout=timeout)
        except queue.Empty:
            raise AssertionError("no request within %g s" % timeout) from None

    def nothing(self):
        """Nothing came. Only meaningful after something that would have come later."""
        assert self.got.empty(), "unexpected %r" % self.got.get_nowait()

    def ping(self):
        """Until the answer to a ping: everything that was sent before it has come."""
        async def there_and_back():
            await (await self.ws.ping())
        _Loop.run(there_and_back())

    def close(self):
        if self.ws:
            _Loop.run(self.ws.close())
            self.ended.wait(10)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


class WsClient(Connection):
    def __init__(self, url, protocol="oneM2M.json", answer=None, **kw):
        super().__init__(answer)
        protocols = [protocol] if isinstance(protocol, str) else protocol

        async def connect():
            self.ws = await websockets.connect(url, subprotocols=protocols, max_size=None, ping_interval=None, **kw)
            self.task = asyncio.ensure_future(self.read())
        _Loop.run(connect())

    def register(self, base="cse", stem="C", **attrs):
        """A fresh AE over this connection; gives its AE-ID-Stem and its address."""
        from .make import unique
        a = dict({"rn": unique("wsae"), "api": "Nws", "rr": True, "srv": ["3"]}, **attrs)
        got = self.request({"op": 1, "to": base, "fr": stem, "ty": 2, "pc": {"m2m:ae": a}}, 2001)
        return got["pc"]["m2m:ae"]["aei"], base + "/" + a["rn"]


class WsServer:
    """Takes connections as they come; `protocols`: which ones it chooses from."""

    def __init__(self, answer=None, protocols=("oneM2M.json",), port=0, **kw):
        self.connections = queue.Queue()
        self.answer, self.port = answer, port or free_port()
        self.scheme = "wss" if "ssl" in kw else "ws"
        self.url = "%s://127.0.0.1:%d" % (self.scheme, self.port)

        async def accepted(ws, path=None):
            c = Connection(self.answer)
            c.ws, c.headers = ws, ws.request_headers
            self.connections.put(c)
            await c.read()

        async def start():
            self.server = await websockets.serve(accepted, "127.0.0.1", self.port, subprotocols=list(protocols), max_size=None,
                                                 ping_interval=None, **kw)
        _Loop.run(start())

    def accept(self, timeout=15.0):
        """The next connection that was opened."""
        try:
            return self.connections.get(timeout=timeout)
        except queue.Empty:
            raise AssertionError("no connection within %g s" % timeout) from None

    def close(self):
        async def stop():
            self.server.close()
            await self.server.wait_closed()
        _Loop.run(stop())

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


class RawWs(Raw):
    """A connection whose frames are written by hand."""

    def __init__(self, server, protocol="oneM2M.json", timeout=15.0):
        super().__init__(server, timeout)
        key = base64.b64encode(os.urandom(16)).decode()
        self.send(handshake(key, protocol))
        a = self.answer()
        want = base64.b64encode(hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()).decode()
        assert a.status == 101 and a.headers["sec-websocket-accept"] == want, a
        assert a.headers["sec-websocket-protocol"] == protocol and "sec-websocket-extensions" not in a.headers

    def frame(self, body, opcode=TEXT, fin=True, rsv=0, masked=True, length=None):
        """length: how it is told; 7, 16 or 64 bits, whatever is needed."""
        self.send(frame(body, opcode, fin, rsv, masked, length))
        return self

    def _take(self, n):
        while len(self.buf) < n:
            assert self._more(), "closed in the middle of a frame: %r" % self.buf
        out, self.buf = self.buf[:n], self.buf[n:]
        return out

    def read(self):
        """(opcode, body) of the next frame; None when the connection ended instead."""
        while len(self.buf) < 2:
            try:
                if not self._more():
                    return None
            except ConnectionResetError:
                return None
        first, second = self._take(2)
        n = second & 0x7f
        assert not second & 0x80, "a server masks nothing (RFC 6455 5.1)"
        if n == 126:
            n, = struct.unpack(">H", self._take(2))
        elif n == 127:
            n, = struct.unpack(">Q", self._take(8))
        return first & 0x0f, self._take(n)

    def failed(self):
        """The code of the close frame that comes next, before the connection ends."""
        opcode, body = self.read()
        assert opcode == CLOSE, (opcode, body)
        assert self.closed(), "the connection stays open behind a close frame"
        return struct.unpack(">H", body[:2])[0]


def handshake(key="ud63env87LQLd4uIV20/oQ==", protocol="oneM2M.json", version="13", target="/", more=""):
    lines = ["GET %s HTTP/1.1" % target, "Host: t", "Upgrade: websocket", "Connection: keep-alive, Upgrade"]
    lines += ["Sec-WebSocket-Key: " + key] if key else []
    lines += ["Sec-WebSocket-Version: " + version] if version else []
    lines += ["Sec-WebSocket-Protocol: " + protocol] if protocol else []
    return ("\r\n".join(lines) + "\r\n" + more + "\r\n").encode()


def frame(body, opcode=TEXT, fin=True, rsv=0, masked=True, length=None):
    body = body if isinstance(body, bytes) else json.dumps(body).encode() if isinstance(body, dict) else body.encode()
    head = bytes([(0x80 if fin else 0) | rsv << 4 | opcode])
    bit = 0x80 if masked else 0
    bits = length or (7 if len(body) < 126 else 16 if len(body) < 65536 else 64)
    head += {7: lambda: bytes([bit | len(body)]), 16: lambda: bytes([bit | 126]) + struct.pack(">H", len(body)),
             64: lambda: bytes([bit | 127]) + struct.pack(">Q", len(body))}[bits]()
    if not masked:
        return head + body
    mask = os.urandom(4)
    return head + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(body))
