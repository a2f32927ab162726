# SPDX-License-Identifier: Apache-2.0
"""Receiver of notifications: an HTTP server with a queue. Tests wait for what must come, with a limit, and never sleep."""

import json
import queue
import socketserver
import sys
import threading
from http.server import BaseHTTPRequestHandler

import cbor2


class Got:
    """One received request."""

    def __init__(self, path, headers, body):
        self.path, self.headers, self.body = path, headers, body
        kind = headers.get("content-type", "").split(";")[0].strip()
        self.content = None
        if body:
            self.content = cbor2.loads(body) if kind.endswith("cbor") else json.loads(body)
        self.origin = headers.get("x-m2m-origin")
        self.rqi = headers.get("x-m2m-ri")

    @property
    def sgn(self):
        assert self.content and set(self.content) == {"m2m:sgn"}, "no single notification: %r" % self.content
        return self.content["m2m:sgn"]

    def __repr__(self):
        return "<notification %s %r>" % (self.path, self.content)


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], OSError):  # who asked has gone: a test of that
            super().handle_error(request, client_address)


class Answering:
    """An HTTP server whose requests are read whole, as `read` makes them, kept in a queue, and answered by `respond`, each in a thread
    of its own."""

    def __init__(self, port=0):
        from .server import free_port
        self.queue = queue.Queue()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 60

            def handle_any(self):
                n = int(self.headers.get("Content-Length") or 0)
                got = outer.read(self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, self.rfile.read(n))
                outer.queue.put(got)
                outer.respond(self, got)

            do_POST = do_PUT = do_GET = do_DELETE = handle_any

            def log_message(self, *a):
                pass

        self.server = _Server(("127.0.0.1", port or free_port()), Handler)
        self.port = self.server.server_address[1]
        self.url = "http://127.0.0.1:%d" % self.port
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(5)


class Receiver(Answering):
    """answer(got) may return rsc, or (rsc, content), or None for 2000; it runs in the server's thread and may block."""

    def __init__(self, port=0, answer=None):
        self.answer = answer
        super().__init__(port)

    @staticmethod
    def read(method, path, headers, body):
        got = Got(path, headers, body)
        got.method = method
        return got

    def respond(self, http, got):
        from .facts import STATUS
        a = self.answer(got) if self.answer else None
        rsc, content = a if isinstance(a, tuple) else (a, None)
        rsc = rsc or 2000
        body = json.dumps(content).encode() if content is not None else b""
        http.send_response(STATUS.get(rsc, 500))
        http.send_header("X-M2M-RSC", str(rsc))
        if got.rqi is not None:
            http.send_header("X-M2M-RI", got.rqi)
        if body:
            http.send_header("Content-Type", "application/json")
        http.send_header("Content-Length", str(len(body)))
        http.end_headers()
        http.wfile.write(body)

    def get(self, timeout=15.0):
        """The next notification; fails when none comes."""
        try:
            return self.queue.get(timeout=timeout)
        except queue.Empty:
            raise AssertionError("no notification within %g s" % timeout) from None

    def nothing_more(self):
        """Nothing is waiting. Only meaningful after an event that would have come later has been received."""
        assert self.queue.empty(), "unexpected %r" % self.queue.get_nowait()
