# SPDX-License-Identifier: Apache-2.0
"""Role IDs, tokens and the other claims of a request on the wire: bounds, secrets, and `reeve ae`. Their forms: tests/vectors/reception.vec;
headers and query byte by byte: tests/unit/test_http_map.c."""

import subprocess

import pytest

from harness import Receiver
from harness.server import binary

TOKEN = "eyJhbGciOiJub25lIn0.eyJzZWNyZXQiOjF9.c2VjcmV0"


def test_bounds(servers):
    """limits.claims and limits.claim_bytes: 4000, counted, and no harm to others"""
    s = servers(**{"limits.claims": "3", "limits.claim_bytes": "300"})
    a = s.register()
    before = s.metrics()["limit_claims"]
    a.retrieve(a.at, {"rids": ["a@x.y", "b@x.y"], "tids": ["c@x.y", "d@x.y"]}).expect(4000)
    a.retrieve(a.at, headers={"Authorization": "+".join([TOKEN] * 4)}).expect(4000)
    a.retrieve(a.at, headers={"Authorization": "x." * 150 + "y"}).expect(4000)
    assert s.metrics()["limit_claims"] == before + 3
    assert a.retrieve(a.at, {"rids": ["a@x.y", "b@x.y", "c@x.y"]}).rsc != 4000
    a.retrieve(a.at).expect(2000)


@pytest.mark.parametrize("query", ["rids=", "tids=", "ltids=+", "rids=a%40x.y&tids="])
def test_empty_lists(server, ae, query):
    """A list needs an entry; an empty one beside others is still one (TS-0004 8.2.2)"""
    server.client.primitive("GET", ae.at, ae.origin, target="/" + ae.at + "?" + query).expect(4000)


def test_no_secret_is_told(server, ae, other):
    """What stands in a token or signature reaches neither answer nor log"""
    for headers in ({"Authorization": TOKEN + "+%%%"}, {"Authorization": TOKEN + "+"}, {"X-M2M-AS": "secret!c2VjcmV0"}):
        r = other.retrieve(ae.at, headers=headers)
        assert r.rsc >= 4000 and "secret" not in str(r.content) and "c2VjcmV0" not in str(r.content)
    log = server.err_path.read_text()
    assert "c2VjcmV0" not in log and "eyJzZWNyZXQiOjF9" not in log


@pytest.fixture
def fake():
    r = Receiver()
    yield r
    r.close()


def shell(receiver, *args):
    return subprocess.run([binary(), "ae", "retrieve", "cse/x", "--from", "C1", "--cse", receiver.url, *args], capture_output=True, text=True,
                          timeout=60)


def test_shell_sends_claims(fake, tmp_path):
    """`reeve ae` puts each claim where TS-0009 6.2.2.2, 6.4.19 and 6.4.24 have it; a token may come from a file"""
    (tmp_path / "token").write_text("eyJ.f.g\n")
    done = shell(fake, "--role", "a@x.y", "--role", "b@x.y", "--token-id", "t@x.y", "--local-token", "L1", "--tqi", "--asi", "--auri",
                 "--token", "eyJ.x.y", "--token", "@%s" % (tmp_path / "token"), "--signature", "q83v", "--signature", "AA==")
    assert done.returncode == 0, done.stderr
    got = fake.get()
    query = sorted(got.path.split("?")[1].split("&"))
    assert query == ["asi=true", "auri=true", "ltids=L1", "rids=a%40x.y+b%40x.y", "tids=t%40x.y", "tqi=true"]
    assert got.headers["authorization"] == "eyJ.x.y+eyJ.f.g" and got.headers["x-m2m-as"] == "q83v+AA=="
    assert shell(fake, "--token", "@%s" % (tmp_path / "none")).returncode == 2
    assert shell(fake, "--token", "a\r\nX-M2M-Origin: Cevil").returncode == 2
    assert shell(fake, "--role", "a b").returncode == 2
    fake.nothing_more()
