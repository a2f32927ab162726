# SPDX-License-Identifier: Apache-2.0
"""Bytes on a socket, for what no HTTP client would send."""

import socket
import time


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body
        rsc = headers.get("x-m2m-rsc")
        self.rsc = int(rsc) if rsc and rsc.isdigit() else None

    def __repr__(self):
        return "<HTTP %s rsc %s %r>" % (self.status, self.rsc, self.body[:200])


class Raw:
    """One connection."""

    def __init__(self, server, timeout=15.0):
        self.s = socket.create_connection((server.address, server.port), timeout=timeout)
        self.s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buf = b""

    def send(self, data):
        self.s.sendall(data)
        return self

    def _more(self):
        data = self.s.recv(65536)
        self.buf += data
        return bool(data)

    def answer(self):
        """The next answer; None when the server closed without one."""
        while b"\r\n\r\n" not in self.buf:
            try:
                if not self._more():
                    assert not self.buf, "closed in the middle of an answer: %r" % self.buf
                    return None
            except ConnectionResetError:
                return None
        head, _, self.buf = self.buf.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        assert lines[0].startswith("HTTP/1.1 "), lines[0]
        status = int(lines[0].split(" ")[1])
        headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            assert name.lower() not in headers, "header twice: %s" % name
            headers[name.lower()] = value.strip()
        n = int(headers.get("content-length", 0))
        while len(self.buf) < n:
            assert self._more(), "closed in the middle of a body"
        body, self.buf = self.buf[:n], self.buf[n:]
        return Answer(status, headers, body)

    def closed(self, timeout=15.0):
        """The server closes the connection, without anything more to say."""
        deadline = time.monotonic() + timeout
        self.s.settimeout(timeout)
        while time.monotonic() < deadline:
            try:
                if not self._more():
                    return not self.buf
            except ConnectionResetError:
                return True
            except TimeoutError:
                return False
        return False

    def close(self):
        self.s.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


def message(method="GET", target="/cse", headers=(), body=b"", origin="Cadmin", rqi="raw", version="HTTP/1.1", host="t"):
    """A well-formed request as bytes; tests then spoil it."""
    lines = ["%s %s %s" % (method, target, version)]
    if host is not None:
        lines.append("Host: " + host)
    if origin is not None:
        lines.append("X-M2M-Origin: " + origin)
    if rqi is not None:
        lines.append("X-M2M-RI: " + rqi)
    lines.append("X-M2M-RVI: 3")
    lines.extend("%s: %s" % h for h in headers)
    if body:
        lines.append("Content-Length: %d" % len(body))
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body
