# SPDX-License-Identifier: Apache-2.0
"""The MQTT binding (TS-0010) through a real broker, mosquitto, with mosquitto_pub and mosquitto_sub as peers from elsewhere.

What requests mean is tested by the vectors, which run over MQTT as well; here is what only this binding has."""

import itertools
import json
import pathlib
import re
import shutil
import signal
import subprocess
import threading
import time

import cbor2
import pytest

from harness import Server, rule, unique
from harness.certs import Authority, dns
from harness.mqtt import Broker, MqttClient, context
from harness.server import binary, free_port
from harness.times import stamp
from test_subscription_rules import ALL, Subscription

_rqi = itertools.count(1)
KEY = "00112233445566778899aabbccddeeff0123456789abcdef0123456789abcdef"


@pytest.fixture(scope="module")
def cse():
    s = Server(mqtt=True)
    try:
        s.start()
        yield s
        s.stop()
    finally:
        s.remove()


@pytest.fixture
def client(cse):
    with MqttClient(cse.broker.port) as c:
        c.subscribe("/oneM2M/resp/#")
        yield c


class Node:
    """An entity with its topics. `at`: its level; `broker`: a Broker or port; further arguments as of MqttClient."""

    def __init__(self, port, at, cse="reeve", kind="req", prefix="", **kw):
        self.at, self.cse, self.kind, self.prefix = at, cse, kind, prefix
        self.client = MqttClient(port, **kw)
        self.client.subscribe("%s/oneM2M/%s/%s/#" % (prefix, kind.replace("req", "resp"), at))

    def topic(self, serial="json"):
        return "%s/oneM2M/%s/%s/%s/%s" % (self.prefix, self.kind, self.at, self.cse, serial)

    def ask(self, serial="json", qos=1, raw=None, topic=None, **p):
        """The response primitive; its topic is checked (CORE-296)."""
        p = {"rqi": "m%d" % next(_rqi), "rvi": "3", **p}
        code = {"json": json, "cbor": cbor2}[serial]
        sent = topic or self.topic(serial)
        self.client.publish(sent, raw if raw is not None else code.dumps(p), qos)
        want = sent.replace("/oneM2M/%s/" % self.kind, "/oneM2M/%s/" % self.kind.replace("req", "resp"))

        def fits(topic, payload):
            return topic.rpartition("/")[0] == want.rpartition("/")[0] and (raw is not None or self.read(topic, payload).get("rqi") == p["rqi"])
        got, payload = self.client.message(fits)
        if serial in ("json", "cbor") and topic is None:
            assert got == want
        return self.read(got, payload)

    @staticmethod
    def read(topic, payload):
        return cbor2.loads(payload) if topic.endswith("/cbor") else json.loads(payload)

    def close(self):
        self.client.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


def wait(what, told=lambda: ""):
    """Until it is so."""
    deadline = time.monotonic() + 60
    while not what():
        assert time.monotonic() < deadline, told()
        time.sleep(0.02)


def node(server, ae, **kw):
    return Node(server.broker.port, "reeve:" + ae.origin if ae.origin[0] == "C" else ae.origin, **kw)


def publish(port, topic, payload, *more):
    subprocess.run(["mosquitto_pub", "-h", "127.0.0.1", "-p", str(port), "-q", "1", "-t", topic, "-m", payload, *map(str, more)], check=True, timeout=60)


# --- the binding

def test_a_foreign_client_asks(cse):
    """mosquitto_sub and mosquitto_pub. CORE-296, CORE-298, CORE-302"""
    ae = cse.register()
    name = unique("sub")
    sub = subprocess.Popen(["mosquitto_sub", "-h", "127.0.0.1", "-p", str(cse.broker.port), "-t", "/oneM2M/resp/reeve:%s/#" % ae.origin,
                            "-C", "1", "-F", "%t %p", "-i", name], stdout=subprocess.PIPE, text=True)
    cse.broker.wait_log("Sending SUBACK to " + name)
    publish(cse.broker.port, "/oneM2M/req/reeve:%s/reeve/json" % ae.origin,
            json.dumps({"op": 1, "to": "cse/" + ae.name, "fr": ae.origin, "rqi": "r1", "rvi": "3", "ty": 3, "pc": {"m2m:cnt": {"rn": "c"}}}))
    rest, _ = sub.communicate(timeout=60)
    line = next(x for x in rest.splitlines() if x.startswith("/oneM2M"))
    topic, _, payload = line.partition(" ")
    assert topic == "/oneM2M/resp/reeve:%s/reeve/json" % ae.origin
    got = json.loads(payload)
    assert (got["rsc"], got["rqi"], got["pc"]["m2m:cnt"]["rn"]) == (2001, "r1", "c")
    assert ae.retrieve(ae.at + "/c").rsc == 2000


def test_the_connection(cse):
    """CORE-300: client identifier, clean session false, no will."""
    text = cse.broker.wait_log("as C::reeve (")
    line = re.search(r"as C::reeve \((.*)\)", text).group(1).split(", ")
    assert line[1] == "c0" and line[2].startswith("k"), line
    assert "No will message specified" in text and "Will message specified" not in text


def test_quality_of_service(cse, new_server):
    """CORE-301: taken with QoS 0 and 1, sent as configured."""
    with node(cse, cse.register()) as n:
        for qos in (0, 1):
            assert n.ask(qos=qos, op=2, to="cse", fr=n.at[6:])["rsc"] == 2000
    assert re.search(r"Received PUBLISH from C::reeve \(d0, q1, r0", cse.broker.log())
    s = new_server({"mqtt.qos": 0}, mqtt=True)
    with node(s, s.register()) as n:
        assert n.ask(op=2, to="cse", fr=n.at[6:])["rsc"] == 2000
    text = s.broker.log()
    assert re.search(r"Received PUBLISH from C::reeve \(d0, q0, r0", text) and "from C::reeve (d0, q1" not in text


@pytest.mark.parametrize("serial", ["json", "cbor"])
def test_parameters_are_needed(cse, serial):
    """CORE-302"""
    with node(cse, cse.register()) as n:
        fr = n.at[6:]
        whole = {"op": 2, "to": "cse", "fr": fr}
        assert n.ask(serial, **whole)["rsc"] == 2000
        for missing in ("op", "to", "fr"):
            got = n.ask(serial, **{k: v for k, v in whole.items() if k != missing})
            assert got["rsc"] == 4000, got
        code = {"json": json, "cbor": cbor2}[serial]
        got = n.ask(serial, raw=code.dumps(whole))
        assert got["rsc"] == 4000 and "rqi" in got["pc"]["m2m:dbg"]
        assert n.ask(serial, op=2, to="cse", fr=fr, nonsense=1)["rsc"] == 4000
        for raw in (b"", b"[]", b"\xff", b"{\"op\":2", b"x" * 1000):
            got = n.ask(serial, raw=raw)
            assert got["rsc"] == 4000 and got["rqi"] == "" and got["pc"]["m2m:dbg"], raw
        got = n.ask(serial, raw=code.dumps({"m2m:rqp": dict(whole, rqi="1")}))
        assert got["rsc"] == 4000 and "m2m:rqp" in got["pc"]["m2m:dbg"]


def test_other_serializations(cse):
    """XML, and a type that is none: 4015."""
    with node(cse, cse.register()) as n:
        for kind in ("xml", "toml"):
            got = n.ask(raw=b"<m2m:rqp/>", topic=n.topic(kind))
            assert got["rsc"] == 4015, got


def test_registration_topics(cse):
    """CORE-299: the first registration, before there is an id; without trust in the broker as any other."""
    with Node(cse.broker.port, "12-pump@issuer.example.org", kind="reg_req") as n:
        got = n.ask(op=1, to="cse", ty=2, pc={"m2m:ae": {"rn": unique("ae"), "api": "Ntest", "rr": False, "srv": ["3"]}})
        assert got["rsc"] == 2001 and got["pc"]["m2m:ae"]["aei"].startswith("C")


def test_ids_in_topics(cse):
    """CORE-297: the receiver also under its absolute id; another receiver's topics are not ours."""
    ae = cse.register()
    for me in ("reeve", ":reeve.local:reeve"):
        with node(cse, ae, cse=me) as n:
            assert n.ask(op=2, to="cse", fr=ae.origin)["rsc"] == 2000
    with node(cse, ae) as n:
        n.client.subscribe("/oneM2M/resp/#")
        other = json.dumps({"op": 2, "to": "cse", "fr": ae.origin, "rqi": "other", "rvi": "3"})
        n.client.publish("/oneM2M/req/%s/other/json" % n.at, other)
        assert n.ask(op=2, to="cse", fr=ae.origin)["rsc"] == 2000
        n.client.sync()
        assert not [m for m in n.client.messages if b"other" in m[1]]


def test_expired_while_it_waited(new_server):
    """CORE-303: what the broker kept while the CSE was away is executed, unless it has expired."""
    s = new_server(mqtt=True)
    ae = s.register()
    with node(s, ae) as n:
        s.stop()
        for name, more in (("late", {"rqet": stamp(-1)}), ("good", {"rqet": stamp(600)})):
            n.client.publish(n.topic(), json.dumps({"op": 1, "to": ae.at, "fr": ae.origin, "rqi": name, "rvi": "3", "ty": 3,
                                                    "pc": {"m2m:cnt": {"rn": name}}, **more}))
        s.start()
        codes = {}
        for _ in range(2):
            _, payload = n.client.message()
            got = json.loads(payload)
            codes[got["rqi"]] = got["rsc"]
        assert codes == {"late": 4008, "good": 2001}
        assert ae.retrieve(ae.at + "/late").rsc == 4004 and ae.retrieve(ae.at + "/good").rsc == 2000
        assert "session resumed" in s.errors()


def test_a_broker_that_dies(new_server):
    """It is connected to again, and subscribed to: the new one knows nothing of us."""
    s = new_server({"mqtt.retry_first": "50ms", "mqtt.retry_most": "200ms"}, mqtt=True)
    ae = s.register()
    with node(s, ae) as n:
        assert n.ask(op=2, to="cse", fr=ae.origin)["rsc"] == 2000
    for _ in range(2):
        s.broker.kill()
        (s.broker.dir / "log").unlink()
        s.broker.start()
        s.broker.wait_log("Sending SUBACK to C::", 6)
        with node(s, ae) as n:
            assert n.ask(op=2, to="cse", fr=ae.origin)["rsc"] == 2000
    assert ae.retrieve("cse").rsc == 2000


def test_without_a_broker(new_server):
    """The CSE works while its broker is away, and ends in order."""
    s = new_server({"mqtt.broker": "mqtt://127.0.0.1:%d" % free_port(), "mqtt.retry_first": "10ms"})
    assert s.register().origin
    wait_error(s, "not connected to")
    assert "refused" in s.errors()


def test_oversized(new_server):
    """A primitive beyond limits.header and limits.body is answered 4000; so is content beyond limits.body."""
    s = new_server({"limits.body": "4 KiB", "limits.header": "4 KiB"}, mqtt=True)
    ae = s.register()
    with node(s, ae) as n:
        for size, text in ((5000, "limits.body"), (100000, "limits.header and limits.body"), (3000000, "limits.header and limits.body")):
            raw = json.dumps({"op": 5, "to": "cse", "fr": ae.origin, "rqi": "x", "rvi": "3", "pc": {"m2m:sgn": {"x": "y" * size}}})
            got = n.ask(raw=raw)
            assert got["rsc"] == 4000 and text in got["pc"]["m2m:dbg"], got
        assert s.metrics()["limit_body"] == 2
        got = n.ask(op=2, to="cse", fr=ae.origin, vsi="v" * 5000)
        assert got["rsc"] == 4000 and "limits.header" in got["pc"]["m2m:dbg"]
        assert n.ask(op=2, to="cse", fr=ae.origin)["rsc"] == 2000


def test_malformed_topics(cse, client):
    """Topics that are none are passed over, and nothing comes of them."""
    ae = cse.register()
    before = cse.metrics()["mqtt_ignored"]
    request = json.dumps({"op": 4, "to": ae.at, "fr": ae.origin, "rqi": "mt", "rvi": "3"})
    bad = ["/oneM2M/req/x/reeve", "/oneM2M/req/x/reeve/json/more", "/oneM2M/resp/reeve/x/json", "/oneM2M/resp/reeve/x/y/json", "/oneM2M/req//reeve/json"]
    for topic in bad:
        client.publish(topic, request)
    with node(cse, ae) as n:
        assert n.ask(op=2, to=ae.at, fr=ae.origin)["rsc"] == 2000
    client.sync()
    assert not [m for m in client.messages if json.loads(m[1]).get("rqi") == "mt" and m[0] not in bad]
    assert cse.metrics()["mqtt_ignored"] == before + len(bad)


def test_retained(cse, client):
    """A retained request is not executed, not with the first connection and not with the next."""
    ae = cse.register()
    topic = "/oneM2M/req/reeve:%s/reeve/json" % ae.origin
    name = unique("r")
    client.publish(topic, json.dumps({"op": 1, "to": ae.at, "fr": ae.origin, "rqi": name, "rvi": "3", "ty": 3, "pc": {"m2m:cnt": {"rn": name}}}),
                   retain=True)
    client.message(lambda t, p: json.loads(p).get("rqi") == name)  # to who is connected it comes as an ordinary message
    assert ae.delete(ae.at + "/" + name).rsc == 2002
    cse.restart()
    with node(cse, ae) as n:
        assert n.ask(op=2, to=ae.at, fr=ae.origin)["rsc"] == 2000
    assert cse.metrics()["mqtt_ignored"] == 1
    assert ae.retrieve(ae.at + "/" + name).rsc == 4004
    client.publish(topic, b"", retain=True)


def test_delivered_twice(cse):
    """QoS 1: what is delivered again, with DUP or without, is executed once and answered again."""
    ae = cse.register()
    before = cse.metrics()["mqtt_repeated"]
    with node(cse, ae) as n:
        raw = json.dumps({"op": 1, "to": ae.at, "fr": ae.origin, "rqi": unique("d"), "rvi": "3", "ty": 3, "pc": {"m2m:cnt": {"rn": "once"}}})
        first = n.ask(raw=raw)
        assert first["rsc"] == 2001
        n.client.publish(n.topic(), raw, dup=True)
        _, again = n.client.message()
        assert json.loads(again) == first
        got = n.ask(raw=raw.replace('"rqi": "', '"rqi": "x'))
        assert got["rsc"] == 4105  # another request
        assert cse.metrics()["mqtt_repeated"] == before + 1
        raw = json.dumps({"op": 2, "to": ae.at, "fr": ae.origin, "rqi": "same", "rvi": "3"})
        assert [n.ask(raw=raw)["rsc"] for _ in range(2)] == [2000, 2000]


# --- notifications and points of access

def test_notification_uri_is_a_topic(cse, client):
    """CORE-304: the path is the whole topic, of any form; delivered when the broker has it."""
    ae = cse.register()
    topic = "plant/7/" + unique("pump")
    client.subscribe("plant/7/#")
    nu = cse.broker.url(path="/plant/7/" + topic.rpartition("/")[2].replace("p", "%70"))
    ae.create(ae.at, 23, {"nu": [nu], "enc": {"net": [3]}}).expect(2001)
    ae.create(ae.at, 3, {"rn": "c"}).expect(2001)
    got, payload = client.message(lambda t, p: t == topic)
    p = json.loads(payload)
    assert p["op"] == 5 and p["fr"] == "/reeve" and p["to"] == nu and p["rqi"]
    assert p["pc"]["m2m:sgn"]["nev"]["rep"]["m2m:cnt"]["rn"] == "c"


def answer(c, payload, topic, **more):
    p = Node.read(topic, payload)
    code = cbor2 if topic.endswith("/cbor") else json
    c.publish(topic.replace("/oneM2M/req/", "/oneM2M/resp/"), code.dumps({"rsc": 2000, "rqi": p["rqi"], "rvi": "3", **more}))
    return p


@pytest.mark.parametrize("prefix,serial", [("", "json"), ("abc/def", "json"), ("", "cbor")])
def test_point_of_access(cse, prefix, serial):
    """CORE-304, CORE-296, CORE-297: the path of a point of access stands before the topics; the AE answers; its refusal is heard."""
    ae = cse.register(poa=[cse.broker.url(path="/" + prefix if prefix else "")], rr=True, csz=[serial])
    me = "reeve:" + ae.origin
    with MqttClient(cse.broker.port) as c:
        c.subscribe("%s/oneM2M/req/+/%s/#" % (prefix, me))
        topic = "%s/oneM2M/req/reeve/%s/%s" % (prefix, me, serial)
        before = cse.metrics()["notifications_sent"]
        ae.create(ae.at, 23, {"rn": "s", "nu": [ae.origin], "enc": {"net": [3]}}).expect(2001)
        ae.create(ae.at, 3, {"rn": "c"}).expect(2001)
        got, payload = c.message(lambda t, p: t == topic)
        p = answer(c, payload, got)
        assert p["op"] == 5 and p["pc"]["m2m:sgn"]["nev"]["rep"]["m2m:cnt"]["rn"] == "c"
        # whose answer it is decides: nobody else's counts
        wait(lambda: cse.metrics()["notifications_sent"] > before)
        before, ignored = (cse.metrics()[n] for n in ("notifications_sent", "mqtt_ignored"))
        ae.create(ae.at, 3, {"rn": "d"}).expect(2001)
        got, payload = c.message(lambda t, p: t == topic)
        answer(c, payload, got.replace(me, "somebody"))
        wait(lambda: cse.metrics()["mqtt_ignored"] > ignored)
        assert cse.metrics()["notifications_sent"] == before
        answer(c, payload, got)
        wait(lambda: cse.metrics()["notifications_sent"] > before)


def test_not_in_another_name(cse, client):
    """A subscriber does not publish with the rights of the CSE: topics of others, answers, registrations, the broker's own."""
    ae = cse.register()
    client.subscribe("/oneM2M/#")
    client.subscribe("$CONTROL/#")
    paths = ("//oneM2M/req/Cvictim/other/json", "//oneM2M/resp/Cvictim/reeve/json", "//oneM2M/reg_req/12-x@y.z/other/json",
             "/oneM2M/req/Cvictim/other/json", "/$CONTROL/dynamic-security/v1", "/x/oneM2M/req/Cvictim/other/json", "/a+b", "")
    before = cse.metrics()["notifications_failed"]
    for path in paths:
        ae.create(ae.at, 23, {"nu": [cse.broker.url(path=path)], "enc": {"net": [3]}}).expect(2001)
    ae.create(ae.at, 3, {"rn": "c"}).expect(2001)
    wait(lambda: cse.metrics()["notifications_failed"] >= before + len(paths))
    client.sync()
    assert not [m for m in client.messages if b"m2m:sgn" in m[1]]


def test_forwarding(new_server):
    """A CSE behind a broker: requests go on to it, answers come back, also what it refuses."""
    with Broker() as b:
        other = new_server({"cse.id": "/other", "cse.name": "base", "cse.type": "MN", "mqtt.broker": b.url(), "mqtt.open": True})
        b.wait_log("Sending SUBACK to C::other", 6)
        s = new_server({"mqtt.broker": b.url(), "http.open": True, "mqtt.open": True})
        b.wait_log("Sending SUBACK to C::reeve", 6)
        csr = s.entity("/other")
        csr.create("cse", 16, {"rn": "other", "cb": "/other/base", "csi": "/other", "rr": True, "poa": [b.url()], "srv": ["3"], "cst": 2}).expect(2001)
        ae = s.register()
        far = other.register()
        r = ae.retrieve("/other/base/" + far.name)
        assert r.rsc == 4103, r
        r = ae.retrieve("/other/base/nothing")
        assert r.rsc == 4004, r
        text = b.log()
        assert "/oneM2M/req/reeve/other/json" in text and "/oneM2M/resp/reeve/other/json" in text


def test_end_while_an_answer_is_awaited(new_server):
    """A request that was forwarded to the broker before SIGTERM gets the answer that comes after it."""
    with Broker() as b, MqttClient(b.port) as c:
        c.subscribe("/oneM2M/req/+/other/#")
        s = new_server({"mqtt.broker": b.url(), "http.open": True, "mqtt.open": True})
        b.wait_log("Sending SUBACK to C::reeve", 6)
        s.entity("/other").create("cse", 16, {"rn": "other", "cb": "/other/base", "csi": "/other", "rr": True, "poa": [b.url()], "srv": ["3"],
                                              "cst": 2}).expect(2001)
        ae, got = s.register(), []
        asking = threading.Thread(target=lambda: got.append(ae.retrieve("/other/base/x")))
        asking.start()
        topic, payload = c.message(lambda t, p: b"/other/base/x" in p)
        s.process.send_signal(signal.SIGTERM)
        wait(lambda: "main: stopping" in s.errors())
        answer(c, payload, topic, pc={"m2m:cnt": {"rn": "x"}})
        asking.join(60)
        assert got and got[0].rsc == 2000 and got[0]["rn"] == "x", got
        assert s.process.wait(60) == 0
        s.process = None


# --- trust in the broker

@pytest.fixture(scope="module")
def trusting():
    s = Server({"mqtt.trusted": True}, mqtt=True)
    try:
        s.start()
        yield s
        s.stop()
    finally:
        s.remove()


def test_trusted_originator(trusting):
    """SEC-102, CORE-019: From has to be who stands in the topic."""
    ae, other = trusting.register(), trusting.register()
    with node(trusting, ae) as n:
        assert n.ask(op=2, to=ae.at, fr=ae.origin)["rsc"] == 2000
        got = n.ask(op=2, to=other.at, fr=other.origin)
        assert got["rsc"] == 4106, got
        for fr in ("C*", "#", "+", "*", "/reeve/" + ae.origin, "reeve:" + ae.origin, "/reeve", "//reeve.local/reeve"):
            assert n.ask(op=4, to=ae.at, fr=fr)["rsc"] in (4000, 4106), fr
        assert n.ask(op=2, to=ae.at)["rsc"] == 4000
    assert ae.retrieve(ae.at).rsc == 2000
    for at in ("reeve", ":reeve.local:reeve", "reeve:", "::", "x y"):
        with Node(trusting.broker.port, at) as n:
            assert n.ask(op=2, to=ae.at, fr=ae.origin)["rsc"] == 4106, at
            assert n.ask(op=2, to="cse", fr="/reeve")["rsc"] == 4106, at


def test_trusted_cse(trusting):
    """A CSE in the topic speaks for itself and for those behind it. SEC-106, SEC-104"""
    with Node(trusting.broker.port, "mn1") as n:
        got = n.ask(op=1, to="cse", ty=16, fr="/mn1", pc={"m2m:csr": {"rn": "mn1", "cb": "/mn1/base", "csi": "/mn1", "rr": False, "srv": ["3"], "cst": 2}})
        assert got["rsc"] == 2001, got
        assert n.ask(op=2, to="cse/mn1", fr="/mn1")["rsc"] == 2000
        owner = trusting.register()
        open_to = owner.container(acpi=[owner.policy([rule([owner.origin], 63), rule(["/mn1/Cx"], 2)])[1]])
        assert n.ask(op=2, to=open_to, fr="/mn1/Cx")["rsc"] == 2000
        assert n.ask(op=2, to=open_to, fr="/mn1/Cy")["rsc"] == 4103
        assert n.ask(op=2, to="cse", fr="Cx")["rsc"] == 4106
        assert n.ask(op=2, to="cse", fr="/reeve")["rsc"] == 4106


def test_trusted_credential(new_server):
    """SEC-124, CORE-299: the Credential-ID of a registration topic is that of the association: the application rules go by it. Other
    requests do not go there."""
    s = new_server({"mqtt.trusted": True}, mqtt=True)
    known = "12-known@issuer.example.org"
    Subscription(s).allow(apci=[known], **ALL)
    ae = {"m2m:ae": {"rn": unique("ae"), "api": "Ntest", "rr": False, "srv": ["3"]}}
    for at, rsc in (("12-other@issuer.example.org", 4126), ("Cx", 4107), ("99-x", 4107), ("12-", 4107), ("pump@issuer", 4107), (known, 2001)):
        with Node(s.broker.port, at, kind="reg_req") as n:
            got = n.ask(op=1, to="cse", ty=2, pc=ae)
            assert got["rsc"] == rsc, (at, got)
            if rsc == 2001:
                assert n.ask(op=2, to="cse", fr=got["pc"]["m2m:ae"]["aei"])["rsc"] == 4106


def test_trusted_certificate(new_server):
    """SEC-045, SEC-046, SEC-102: who has the certificate of an AE or CSE, the broker says, registers that one and nobody else; and nobody,
    when it is revoked."""
    s = new_server({"mqtt.trusted": True}, mqtt=True)
    ae = {"m2m:ae": {"api": "Ntest", "rr": False, "srv": ["3"]}}
    csr = {"m2m:csr": {"rn": "mn1", "cb": "/mn1/base", "csi": "/mn1", "rr": False, "srv": ["3"], "cst": 2}}

    def register(at, fr, ty=2, pc=ae):
        with Node(s.broker.port, at, kind="reg_req") as n:
            return n.ask(op=1, to="cse", ty=ty, fr=fr, pc=pc)["rsc"]

    own = "33-::reeve.local:reeve:Cown"
    assert register(own, "Cother") == 4106
    assert register("33-::other.example:Sown", "Sown") == 4106
    assert register("33-nonsense", "Cown") == 4107
    assert register(own, "Cown") == 2001
    assert register("32-mn1.reeve.local", "Cx") == 4106
    assert register("32-mn1.reeve.local", "/mn2", 16, {"m2m:csr": {**csr["m2m:csr"], "rn": "mn2", "csi": "/mn2"}}) == 4106
    assert register("32-mn1.example.org", "/mn1", 16, csr) == 4107
    assert register("32-mn1.reeve.local", "/mn1", 16, csr) == 2001
    for change in ("add", "revoke"):
        subprocess.run([binary(), "credential", change, "33-//reeve.local/reeve/Clost", "--config", str(s.folder / "reeve.conf")], check=True,
                       capture_output=True, timeout=60)
    assert register("33-::reeve.local:reeve:Clost", "Clost") == 4107


# --- TLS

def tls_keys(folder, *more):
    folder.mkdir(mode=0o700)
    subprocess.run([binary(), "key", "import", *map(str, more), "--store.data", str(folder)], check=True, capture_output=True, timeout=60)


def wait_error(s, text):
    wait(lambda: text in s.errors(), s.errors)


@pytest.fixture
def pki(tmp_path):
    """A broker with a certificate for localhost that wants one of its clients, and those."""
    ca = Authority(tmp_path)
    return ca, ca.issue([dns("localhost")], cn="localhost"), ca.issue([dns("reeve.reeve.local")], cn="reeve")


def certified(leaf, ca, *more):
    key = leaf.key_file.read_text()
    files = {"key": key, "cert": leaf.chain.read_text(), "ca": ca.file.read_text()}
    return Broker(["allow_anonymous true", *more], files, listener=["certfile {dir}/cert", "keyfile {dir}/key", "cafile {dir}/ca"])


def test_tls_with_certificates(pki, new_server, tmp_path):
    """SEC-021, SEC-004: both sides show one; ours is signed for by a key that stays in the sealed file."""
    ca, leaf, own = pki
    with certified(leaf, ca, "require_certificate true", "use_identity_as_username true") as b:
        data = tmp_path / "data"
        tls_keys(data, own.key_file, "--alg", "TLS-ES256", "--kid", "cse")
        s = new_server({"store.data": str(data), "mqtt.broker": b.url("mqtts", "localhost"), "mqtt.ca": str(ca.file), "mqtt.trusted": True,
                        "tls.certificates": "cse:%s" % own.chain})
        text = b.wait_log("Sending SUBACK to C::reeve", 6)
        assert re.search(r"as C::reeve \(.*u'reeve'\)", text), text
        ae = s.register()
        client = ca.issue([dns("x.example")], cn="reeve:" + ae.origin)
        with Node(b.port, "reeve:" + ae.origin, context=context(ca.file, client.chain, client.key_file), server_name="localhost") as n:
            assert n.ask(op=2, to="cse", fr=ae.origin)["rsc"] == 2000


@pytest.mark.parametrize("wrong", ["anchor", "name", "address", "expired"])
def test_a_broker_that_is_not_believed(pki, new_server, tmp_path, wrong):
    """SEC-021: other anchors, another name, an address that is not in the certificate, one whose time is over."""
    import datetime
    ca, leaf, _ = pki
    more, host = {}, "localhost"
    anchors = ca
    if wrong == "anchor":
        anchors = Authority(tmp_path)
    elif wrong == "name":
        leaf = ca.issue([dns("other.example")], cn="localhost")
    elif wrong == "address":
        host = "127.0.0.1"
    else:
        past = datetime.datetime.utcnow() - datetime.timedelta(days=3)
        leaf = ca.issue([dns("localhost")], start=past - datetime.timedelta(days=3), end=past)
    with certified(leaf, ca) as b:
        s = new_server({"mqtt.broker": b.url("mqtts", host), "mqtt.ca": str(anchors.file), "mqtt.retry_first": "10ms", **more})
        wait_error(s, {"anchor": "certificate", "name": "ostname mismatch", "address": "IP address mismatch", "expired": "expired"}[wrong])
        assert "connected to mqtts://%s:%d, " % (host, b.port) not in s.errors()
        assert "as C::reeve" not in b.log()


def documented():
    """The configuration and access list of docs/mqtt.md."""
    text = (pathlib.Path(__file__).resolve().parents[2] / "docs" / "mqtt.md").read_text()
    blocks = re.findall(r"```conf\n# (\S+)\n(.*?)```", text, re.S)
    return {name: body for name, body in blocks}


@pytest.fixture
def documented_broker():
    files = documented()
    lines = files["mosquitto.conf"].replace("/etc/mosquitto/", "{dir}/").splitlines()
    lines = [x for x in lines if x and not x.startswith(("#", "listener"))]
    at_listener = [x for x in lines if x.startswith(("psk_hint", "use_identity"))]
    people = ["reeve", "Spump", "Sthief", "pump-01@issuer.example.org"]
    b = Broker([x for x in lines if x not in at_listener], {"psk": "".join("%s:%s\n" % (who, KEY) for who in people), "acl": files["acl"]},
               listener=at_listener)
    with b:
        yield b


def psk_publish(b, who, topic, payload, key=KEY):
    return subprocess.run(["mosquitto_pub", "-h", "127.0.0.1", "-p", str(b.port), "--psk", key, "--psk-identity", who, "-q", "1", "-t", topic,
                           "-m", payload if isinstance(payload, str) else json.dumps(payload)], capture_output=True, timeout=60)


def test_psk_and_access_list(documented_broker, new_server, tmp_path):
    """SEC-021, SEC-124: the broker of docs/mqtt.md. Each may publish under its own name, and is who it says; nobody under another's."""
    b = documented_broker
    data = tmp_path / "data"
    (tmp_path / "hex").write_text(KEY)
    tls_keys(data, tmp_path / "hex", "--form", "hex", "--alg", "TLS-PSK", "--kid", "12-reeve")
    s = new_server({"store.data": str(data), "mqtt.broker": b.url("mqtts"), "mqtt.trusted": True, "mqtt.credential": "12-reeve"})
    b.wait_log("Sending SUBACK to C::reeve", 6)
    assert "refuses a subscription" not in s.errors()
    sub = subprocess.Popen(["stdbuf", "-oL", "mosquitto_sub", "-h", "127.0.0.1", "-p", str(b.port), "--psk", KEY, "--psk-identity", "Spump",
                            "-F", "%t %p", "-t", "/oneM2M/resp/Spump/#", "-i", "listening"], stdout=subprocess.PIPE, text=True)
    try:
        b.wait_log("Sending SUBACK to listening")

        def answered():
            return json.loads(sub.stdout.readline().partition(" ")[2])

        psk_publish(b, "Spump", "/oneM2M/req/Spump/reeve/json",
                    {"op": 1, "to": "cse", "fr": "Spump", "rqi": "1", "rvi": "3", "ty": 2, "pc": {"m2m:ae": {"rn": "pump", "api": "Ntest", "rr": False, "srv": ["3"]}}})
        got = answered()
        assert got["rsc"] == 2001, got
        # a thief: under the pump's name the broker does not take it, under his own the CSE does not
        delete = {"op": 4, "to": "cse/pump", "fr": "Spump", "rqi": "2", "rvi": "3"}
        psk_publish(b, "Sthief", "/oneM2M/req/Spump/reeve/json", delete)
        b.wait_log("Denied PUBLISH from")
        psk_publish(b, "Sthief", "/oneM2M/req/Sthief/reeve/json", dict(delete, rqi="3"))
        psk_publish(b, "Spump", "/oneM2M/req/Spump/reeve/json", {"op": 2, "to": "cse/pump", "fr": "Spump", "rqi": "4", "rvi": "3"})
        got = answered()
        assert (got["rsc"], got["rqi"]) == (2000, "4")
        assert psk_publish(b, "Spump", "x", "y", key=KEY[::-1]).returncode != 0
        log = b.log()
        assert re.search(r"/oneM2M/resp/Sthief/reeve/json", log)
    finally:
        sub.kill()
        sub.wait()
    # the registration topic of a credential
    psk_publish(b, "pump-01@issuer.example.org", "/oneM2M/reg_req/12-pump-01@issuer.example.org/reeve/json",
                {"op": 1, "to": "cse", "rqi": "5", "rvi": "3", "ty": 2, "pc": {"m2m:ae": {"rn": "late", "api": "Ntest", "rr": False, "srv": ["3"]}}})
    b.wait_log("/oneM2M/reg_resp/12-pump-01@issuer.example.org/reeve/json")
    psk_publish(b, "Sthief", "/oneM2M/reg_req/12-pump-01@issuer.example.org/reeve/json", "{}")
    b.wait_log("Denied PUBLISH from", 2)
    assert KEY[:16] not in s.errors().lower()


def test_a_wrong_key(documented_broker, new_server, tmp_path):
    """SEC-021"""
    data = tmp_path / "data"
    (tmp_path / "hex").write_text(KEY[::-1])
    tls_keys(data, tmp_path / "hex", "--form", "hex", "--alg", "TLS-PSK", "--kid", "12-reeve")
    s = new_server({"store.data": str(data), "mqtt.broker": documented_broker.url("mqtts"), "mqtt.trusted": True, "mqtt.credential": "12-reeve",
                    "mqtt.retry_first": "10ms"})
    wait_error(s, "not connected to")
    assert "as C::reeve" not in documented_broker.log()


# --- configuration

@pytest.mark.parametrize("options,text", [
    (["--mqtt.broker", "http://x"], "mqtt.broker is no address"), (["--mqtt.broker", "mqtt://"], "mqtt.broker is no address"),
    (["--mqtt.broker", "mqtt://x:0"], "mqtt.broker is no address"), (["--mqtt.broker", "mqtt://x/a+b"], "mqtt.broker is no address"),
    (["--mqtt.broker", "mqtt://broker.example", "--mqtt.trusted", "true"], "mqtt.trusted"),
    (["--mqtt.broker", "mqtt://broker.example", "--mqtt.open", "true"], "mqtt.open"),
    (["--mqtt.broker", "mqtts://broker.example"], "mqtt.ca"),
    (["--mqtt.retry_first", "20s", "--mqtt.retry_most", "10s"], "mqtt.retry_first"),
])
def test_options(options, text):
    done = subprocess.run([binary(), "cse", *options], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and text in done.stderr, done.stderr


assert shutil.which("mosquitto_pub"), "mosquitto-clients is not installed"
