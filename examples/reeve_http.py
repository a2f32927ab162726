# SPDX-License-Identifier: Apache-2.0
"""The few lines of oneM2M over HTTP that both examples need. Only Python's own library."""
import http.client
import json
import urllib.parse
import uuid

AE, CONTAINER, INSTANCE, POLICY, SUBSCRIPTION = 2, 3, 4, 1, 23


class Refused(Exception):
    """The CSE answered with another code than success."""

    def __init__(self, rsc, text):
        super().__init__(f"{rsc}: {text}")
        self.rsc = rsc


class Cse:
    """One application talking to a CSE: `originator` is who it says it is."""

    def __init__(self, url, originator):
        u = urllib.parse.urlsplit(url)
        self.host, self.base, self.originator = u.netloc, u.path.strip("/") or "cse", originator
        self.connection = None

    def request(self, method, to, content=None, ty=None, query=""):
        headers = {"X-M2M-Origin": self.originator, "X-M2M-RI": uuid.uuid4().hex[:12], "X-M2M-RVI": "3", "Accept": "application/json"}
        body = None
        if content is not None:
            body = json.dumps(content)
            headers["Content-Type"] = "application/json" + (f";ty={ty}" if ty else "")
        for attempt in (1, 2):
            fresh = self.connection is None
            if fresh:
                self.connection = http.client.HTTPConnection(self.host, timeout=30)
            try:
                self.connection.request(method, "/" + to + query, body, headers)
                answer = self.connection.getresponse()
                text = answer.read().decode()
                break
            except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
                self.connection = None  # closed while idle: once more on a new one
                if fresh or attempt == 2:
                    raise
        rsc = int(answer.headers.get("X-M2M-RSC", 0))
        parsed = json.loads(text) if text else {}
        if not 2000 <= rsc < 3000:
            raise Refused(rsc, parsed.get("m2m:dbg", text) if isinstance(parsed, dict) else text)
        return parsed

    def create(self, parent, ty, root, **attributes):
        return self.request("POST", parent, {root: attributes}, ty)[root]

    def create_once(self, parent, ty, root, **attributes):
        """The same, content with what is there when the name is taken."""
        try:
            return self.create(parent, ty, root, **attributes)
        except Refused as e:
            if e.rsc not in (4105, 4117):  # CONFLICT, ORIGINATOR_HAS_ALREADY_REGISTERED
                raise
            return self.request("GET", f"{parent}/{attributes['rn']}")[root]

    def register(self, name, **more):
        return self.create_once(self.base, AE, "m2m:ae", rn=name, api="N" + name, rr=False, srv=["3"], **more)
