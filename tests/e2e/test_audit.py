# SPDX-License-Identifier: Apache-2.0
"""The audit log of a running CSE, and `reeve check audit`. The chain is computed here again with hashlib: the format is
documented (docs/operations.md) so that others can check it."""

import hashlib
import hmac
import http.client
import json
import pathlib
import re
import signal
import subprocess
import threading

import pytest

from harness import Client, Server, rule, wait_until
from harness.server import binary

ZERO = "0" * 64


def lines_of(path):
    return pathlib.Path(path).read_bytes().split(b"\n")[:-1]


def chain(lines, prev=ZERO, seq=0):
    """Every line follows the one before; gives the events."""
    events = []
    for line in lines:
        body, mark, rest = line.rpartition(b',"hash":"')
        assert mark and rest.endswith(b'"}'), line
        e = json.loads(line)
        assert hashlib.sha256(body).hexdigest() == rest[:-2].decode() == e["hash"], line
        assert e["prev"] == prev, line
        assert e["seq"] == seq + 1, line
        prev, seq = e["hash"], e["seq"]
        events.append(e)
    return events


def log_of(server):
    return pathlib.Path(server.settings["store.data"]) / "audit.log"


def check(path, *more):
    return subprocess.run([binary(), "check", "audit", str(path), *more], capture_output=True, text=True, timeout=60)


def whole(path, *more):
    done = check(path, *more)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "the chain is whole" in done.stdout
    return done.stdout


def broken(path, words, *more):
    done = check(path, *more)
    assert done.returncode == 1, done.stdout + done.stderr
    assert words in done.stdout, done.stdout


def events(server, kind):
    return [e for e in chain(lines_of(log_of(server))) if e["event"] == kind]


@pytest.fixture
def audited(new_server):
    return new_server()


def test_what_is_written(audited):
    """Each event that exists today, in the order in which it happened, and nothing secret."""
    s = audited
    ae = s.register(name="pump", api="Npump")
    other = s.register()
    acp_at, acp = ae.policy([rule(ae.origin, 63)])
    cnt = ae.container(acpi=[acp])
    denied = other.retrieve(cnt).expect(4103)
    ae.update(acp_at, 1, {"pv": {"acr": [rule(ae.origin, 63), rule(other.origin, 2)]}}).expect(2004)
    other.retrieve(cnt).expect(2000)
    ae.instance(cnt, con="a secret payload")
    _, more = ae.policy([rule(ae.origin, 63)])
    ae.update(cnt, 3, {"acpi": [acp, more]}).expect(2004)
    ae.delete(acp_at).expect(2002)
    ae.delete(ae.at).expect(2002)
    s.restart()
    text = log_of(s).read_text()
    assert "a secret payload" not in text
    log = chain(lines_of(log_of(s)))
    seen = [(e["event"], e.get("action")) for e in log]
    assert seen[:2] == [("file", None), ("process", "start")]
    want = [("registration", "create"), ("registration", "create"), ("policy", "create"), ("denied", "retrieve"), ("policy", "change"),
            ("policy", "create"), ("links", "change"), ("policy", "delete"), ("registration", "delete")]
    assert [x for x in seen if x[0] != "process"][1:len(want) + 1] == want
    assert seen[-2:] == [("process", "stop"), ("process", "start")]
    reg = log[2]
    assert reg["who"] == "//reeve.local/reeve/" + ae.origin and reg["detail"] == "Npump" and reg["address"] == "127.0.0.1"
    deny = next(e for e in log if e["event"] == "denied")
    assert deny["who"].endswith("/" + other.origin) and deny["decision"] in denied.content["m2m:dbg"]
    link = next(e for e in log if e["event"] == "links")
    assert json.loads(link["detail"]) == [acp, more]
    # the policy below the removed AE goes with it, by the CSE's own hand
    wait_until(lambda: [e for e in events(s, "policy") if e.get("target") == more and e["action"] == "delete"])
    whole(log_of(s))


def test_what_an_operator_does(audited):
    audited.process.send_signal(signal.SIGHUP)
    wait_until(lambda: [e["action"] for e in events(audited, "admin")] == ["reload"])


def test_a_refused_change_is_no_event(audited):
    """What was not committed did not happen."""
    s = audited
    ae = s.register()
    ae.create(ae.at, 1, {"pv": {"acr": []}, "pvs": {"acr": []}}).expect(4000)
    ae.create(ae.at, 1, {"rn": "p", "pv": {"acr": []}, "pvs": {"acr": [rule(ae.origin, 63)]}}).expect(2001)
    ae.create(ae.at, 1, {"rn": "p", "pv": {"acr": []}, "pvs": {"acr": [rule(ae.origin, 63)]}}).expect(4105)
    assert len(events(s, "policy")) == 1


def test_only_what_is_wanted(new_server):
    s = new_server({"audit.events": "policy, process"})
    ae = s.register()
    ae.policy([rule(ae.origin, 63)])
    s.register().retrieve(ae.container()).expect(4103)
    assert {e["event"] for e in chain(lines_of(log_of(s)))} == {"file", "process", "policy"}
    none = new_server({"audit.events": "none"})
    none.register()
    assert not log_of(none).exists()


def test_killed_under_load(new_server):
    """kill -9 again and again: what was acknowledged is in the log, the chain is whole, and its end is known."""
    s = new_server({"audit.rotate": "64 KiB"})
    acknowledged = []

    def work():
        client = Client(s.address, s.port)
        try:
            ae = s.register(client=client)
            while True:
                acknowledged.append(ae.policy([rule(ae.origin, 63)])[1])
                ae.retrieve("cse")
        except (OSError, AssertionError, http.client.HTTPException):
            pass
        finally:
            client.close()

    for _ in range(4):
        before = len(acknowledged)
        threads = [threading.Thread(target=work) for _ in range(4)]
        for t in threads:
            t.start()
        wait_until(lambda: len(acknowledged) > before + 150)
        s.kill()
        for t in threads:
            t.join()
        s.start()
    s.stop()
    log = log_of(s)
    full = sorted((p for p in log.parent.glob("audit.log.*") if p.suffix[1:].isdigit()), key=lambda p: int(p.suffix[1:]))
    assert len(full) > 1
    lines = [line for p in full + [log] for line in lines_of(p)]
    made = {e["target"] for e in map(json.loads, lines) if e["event"] == "policy"}
    assert not set(acknowledged) - made
    whole(log)
    s.start()


def test_a_torn_line(audited):
    s = audited
    s.kill()
    with open(log_of(s), "ab") as f:
        f.write(b'{"seq":99,"when":"2026')
    assert "torn" in whole(log_of(s))
    s.start()
    s.stop()
    out = whole(log_of(s))
    assert "torn by a crash" in out and "the process was killed" in out
    recovered = [json.loads(x) for x in lines_of(log_of(s)) if b'"recovered"' in x]
    assert recovered[0]["torn"] == 22 and recovered[0]["fragment"] == hashlib.sha256(b'{"seq":99,"when":"2026').hexdigest()
    s.start()


def test_tampering_is_told(audited, tmp_path):
    """T-64: edited and verified."""
    s = audited
    ae = s.register()
    for _ in range(3):
        ae.policy([rule(ae.origin, 63)])
    s.stop()
    lines = lines_of(log_of(s))
    head = tmp_path / "head"
    head.write_bytes(log_of(s).with_suffix(".log.head").read_bytes())
    log = tmp_path / "log"

    def put(v):
        log.write_bytes(b"".join(x + b"\n" for x in v))

    put(lines)
    whole(log, "--head", str(head))
    for change, words in [
        (lines[:3] + lines[4:], "log:4: number 5 follows 3: lines are missing"),
        (lines[:3] + [lines[4], lines[3]] + lines[5:], "lines are"),
        (lines[:-1], "lines are missing at the end"),
        (lines[:4] + [lines[4].replace(b"create", b"delete")] + lines[5:], "log:5: was changed"),
        (lines + [lines[-1]], "out of order, or written twice"),
        (lines[1:], "a file begins without its first line"),
    ]:
        put(change)
        broken(log, words, "--head", str(head))
    # written anew from the third line on, by somebody who knows the format: only the head tells
    prev, forged = json.loads(lines[1])["hash"], lines[:2]
    for n, line in enumerate(lines[3:], 3):
        body = re.sub(rb'"seq":\d+', b'"seq":%d' % n, line.rpartition(b',"hash":"')[0])
        body = re.sub(rb'"prev":"\w+"', b'"prev":"%s"' % prev.encode(), body)
        prev = hashlib.sha256(body).hexdigest()
        forged.append(body + b',"hash":"%s"}' % prev.encode())
    put(forged)
    chain(lines_of(log))
    broken(log, "lines are missing at the end", "--head", str(head))
    # and a checkpoint that was carried away
    last = json.loads(lines[-1])
    broken(log, "lines are missing at the end", "--no-head", "--known", "%d:%s" % (last["seq"], last["hash"]))
    whole(log, "--no-head")
    assert check(log).returncode == 3
    assert "expected NUMBER:SUM" in check(log, "--known", "x").stderr


def test_the_end_is_told_to_the_log_of_the_process(audited):
    """The sum at the end stands in another place as well."""
    s = audited
    s.stop()
    m = re.search(r"audit: closed: line (\d+), sum (\w{64})", s.errors())
    last = json.loads(lines_of(log_of(s))[-1])
    assert (int(m[1]), m[2]) == (last["seq"], last["hash"])
    assert json.loads(log_of(s).with_suffix(".log.head").read_text()) == {"seq": last["seq"], "sum": last["hash"]}
    s.start()


def test_a_chain_with_a_key(tmp_path):
    """With a key of the sealed file the sums are HMACs, which Python computes as well; without it nobody can say that all is well."""
    key = bytes(range(32))
    s = Server({"audit.key": "audit", "keys.file": str(tmp_path / "keys"), "keys.seal": str(tmp_path / "seal")})
    (tmp_path / "hex").write_text(key.hex())
    config = str(s.write_config())
    done = subprocess.run([binary(), "key", "import", str(tmp_path / "hex"), "--alg", "HS256", "--kid", "audit", "--config", config],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    with s:
        ae = s.register()
        ae.policy([rule(ae.origin, 63)])
        s.stop()
        for line in lines_of(log_of(s)):
            body, mark, rest = line.rpartition(b',"mac":"')
            assert mark and hmac.new(key, body, "sha256").hexdigest() == rest[:-2].decode(), line
        whole(log_of(s), "--config", config)
        broken(log_of(s), "no line of this chain")
        # written anew without the key
        log_of(s).write_bytes(b"")
        with Server() as plain:
            plain.register()
            plain.stop()
            log_of(s).write_bytes(log_of(plain).read_bytes())
            log_of(s).with_suffix(".log.head").write_bytes(log_of(plain).with_suffix(".log.head").read_bytes())
        whole(log_of(s))
        broken(log_of(s), "no line of this chain", "--config", config)
    missing = Server({"audit.key": "none", "keys.file": str(tmp_path / "keys"), "keys.seal": str(tmp_path / "seal")})
    try:
        missing.start(wait=False)
        assert missing.process.wait(30) == 3
        assert 'there is no HS256 key "none"' in missing.errors()
        missing.process = None
    finally:
        missing.remove()


def test_an_end_removed_stays_visible(audited):
    """The process goes on from the head, not from what is left."""
    s = audited
    ae = s.register()
    ae.policy([rule(ae.origin, 63)])
    s.stop()
    lines = lines_of(log_of(s))
    log_of(s).write_bytes(b"".join(x + b"\n" for x in lines[:-2]))
    s.start()
    assert "lines were removed or changed" in s.errors()
    s.stop()
    broken(log_of(s), "lines are missing in between")
    s.start()


def test_while_it_runs(audited):
    s = audited
    ae = s.register()
    ae.policy([rule(ae.origin, 63)])
    whole(log_of(s))
    done = subprocess.run([binary(), "check", "audit", "--config", str(s.write_config())], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and "the chain is whole" in done.stdout


def test_a_place_that_cannot_be_written(tmp_path):
    s = Server({"audit.file": "/nonexistent/audit.log"})
    try:
        s.start(wait=False)
        assert s.process.wait(30) == 3
        assert "the audit log /nonexistent/audit.log cannot be written" in s.errors()
        s.process = None
    finally:
        s.remove()


def test_a_request_for_many_policies_is_one_commit(audited):
    """A burst of denials and changes from many at a time keeps the order of the chain."""
    s = audited
    ae = s.register()
    cnt = ae.container()
    others = [s.register(client=Client(s.address, s.port)) for _ in range(4)]

    def hammer(e):
        for _ in range(30):
            e.retrieve(cnt).expect(4103)
            e.policy([rule(e.origin, 63)])
        e.client.close()

    threads = [threading.Thread(target=hammer, args=(e,)) for e in others]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(events(s, "denied")) == 120 and len(events(s, "policy")) == 120
    assert len({e["decision"] for e in events(s, "denied")}) == 120
    s.stop()
    whole(log_of(s))
    s.start()
