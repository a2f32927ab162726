# SPDX-License-Identifier: Apache-2.0
"""Another CSE, as far as messages go: keeps what arrives byte by byte, and answers what the test says. Nothing of Reeve is in it."""

import queue
import socket
import threading

from .server import free_port


class Message:
    """A request as it came: line, headers in order (as written), body."""

    def __init__(self, line, headers, body):
        self.line, self.headers, self.body = line, headers, body
        self.method, self.target, self.version = line.split(" ")

    def __getitem__(self, name):
        """The value of a header that stands there at most once; None when it does not."""
        got = [v for n, v in self.headers if n.lower() == name.lower()]
        assert len(got) <= 1, "header twice: %s in %r" % (name, self)
        return got[0] if got else None

    def __repr__(self):
        return "<%s %r %r>" % (self.line, self.headers, self.body[:200])


def reply(rsc=2000, body=b"", status=200, headers=()):
    """Bytes of an answer; {ri} in a header is the identifier of the request."""
    lines = ["HTTP/1.1 %d X" % status, "X-M2M-RSC: %d" % rsc, "X-M2M-RI: {ri}", "X-M2M-RVI: 3"]
    lines += ["%s: %s" % h for h in headers]
    if body:
        lines.append("Content-Type: application/json")
    lines.append("Content-Length: %d" % len(body))
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


class PeerCSE:
    """answer(message) gives the bytes of the answer (see reply), None for reply(), "" for silence, or (bytes,) to close the
    connection after them. It may block."""

    def __init__(self, answer=None, port=0):
        self.got = queue.Queue()
        self.answer = answer or (lambda m: None)
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.port = port or free_port()
        self.socket.bind(("127.0.0.1", self.port))
        self.socket.listen(64)
        self.url = "http://127.0.0.1:%d" % self.port
        self.open = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                c, _ = self.socket.accept()
            except OSError:
                return
            self.open.append(c)
            threading.Thread(target=self._serve, args=(c,), daemon=True).start()

    @staticmethod
    def _read(f):
        line = f.readline().decode().rstrip("\r\n")
        if not line:
            return None
        headers = []
        while True:
            h = f.readline().decode().rstrip("\r\n")
            if not h:
                break
            name, _, value = h.partition(":")
            headers.append((name, value.strip()))
        n = int(dict((a.lower(), b) for a, b in headers).get("content-length", 0))
        return Message(line, headers, f.read(n))

    def _serve(self, c):
        try:
            with c, c.makefile("rb") as f:
                while True:
                    m = self._read(f)
                    if m is None:
                        return
                    self.got.put(m)
                    a = self.answer(m)
                    if a == "":
                        f.read(1)  # until the other side gives up
                        return
                    if isinstance(a, tuple):  # the last word on this connection
                        c.sendall(a[0])
                        return
                    a = reply() if a is None else a
                    c.sendall(a.replace(b"{ri}", (m["X-M2M-RI"] or "").encode()))
        except (OSError, ValueError):
            pass

    def next(self, timeout=15.0):
        try:
            return self.got.get(timeout=timeout)
        except queue.Empty:
            raise AssertionError("no request within %g s" % timeout) from None

    def nothing(self):
        """Nothing else came. Only meaningful after something that would have come later."""
        assert self.got.empty(), "unexpected %r" % self.got.get_nowait()

    def close(self):
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.socket.close()
        for c in self.open:
            try:
                c.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
