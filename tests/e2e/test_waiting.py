# SPDX-License-Identifier: Apache-2.0
"""Requests that wait: who may, how many, and what becomes of them when nobody waits for their answer any more."""

import socket
import struct

import pytest

from harness import Client, Entity, rule, wait_until
from harness.raw import Raw


def later(milliseconds):
    return {"X-M2M-OET": str(milliseconds)}


def asking(server, who, method, to, headers, body="", ty=None):
    """A connection with a request on it that nobody reads the answer of."""
    h = {"Host": "x", "X-M2M-Origin": who.origin, "X-M2M-RI": "waits", "X-M2M-RVI": "3", "Content-Length": len(body), **headers}
    if ty:
        h["Content-Type"] = "application/json;ty=%d" % ty
    c = Raw(server)
    c.send(("%s /%s HTTP/1.1\r\n%s\r\n\r\n%s" % (method, to, "\r\n".join("%s: %s" % x for x in h.items()), body)).encode())
    return c


def reset(c):
    c.s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    c.close()


def half_close(c):
    c.s.shutdown(socket.SHUT_WR)


def test_judged_before_it_waits(server, ae, other):
    """AUTHZ-014, CORE-038: who may not is refused at once, and so is what leads nowhere, however far away oet is"""
    cnt = ae.container()
    ae.instance(cnt)
    far = later(3600000)
    other.create(cnt, 3, {"rn": "no"}, headers=far).expect(4103)
    other.retrieve(cnt, headers=far).expect(4103)
    other.update(cnt, 3, {"lbl": ["no"]}, headers=far).expect(4103)
    other.update(cnt, 3, {"acpi": []}, headers=far).expect(4103)
    other.delete(cnt, headers=far).expect(4103)
    other.retrieve(cnt + "/la", headers=far).expect(4103)
    other.delete(cnt + "/ol", headers=far).expect(4103)
    other.notify(ae.at, {"m2m:sgn": {"sur": "x"}}, headers=far).expect(4103)
    ae.create(cnt + "/none", 3, {}, headers=far).expect(4004)
    ae.create(cnt, 4, {"con": "x"}, headers=later(100)).expect(2001)


def test_judged_again_when_it_is_time(server, ae, other):
    """AUTHZ-014: a right that was taken away meanwhile is not there any more"""
    _, pol = ae.policy([rule(ae.origin, 63), rule(other.origin, 63)])
    cnt = ae.container(acpi=[pol])
    uri = other.create(cnt, 3, {"rn": "no"}, headers=later(1500), query={"rt": 1}).expect(1001).content["m2m:uri"]
    ae.update(pol, 1, {"pv": {"acr": [rule(ae.origin, 63)]}}).expect(2004)
    assert other.retrieve(uri)["rs"] == 3
    wait_until(lambda: other.retrieve(uri).expect(2000)["rs"] == 1)
    assert other.retrieve(uri)["ors"]["rsc"] == 4103


def test_share_of_an_originator(new_server):
    """limits.parked_per_originator: one who has many requests waiting leaves room for the others"""
    s = new_server({"limits.parked": "20", "limits.parked_per_originator": "3"})
    a, b = s.register(), s.register()
    cnt = a.container()
    before = s.metrics()["limit_parked"]
    waiting = [a.create(cnt, 3, {}, query={"rt": 1}, headers=later(60000)).expect(1001).content["m2m:uri"] for _ in range(2)]
    channel = a.made(a.at, 15)
    poll = asking(s, a, "GET", channel + "/pcu", {"X-M2M-RET": "60000"})

    wait_until(lambda: s.metrics()["parked"] == 3)
    r = a.create(cnt, 3, {}, query={"rt": 1}, headers=later(60000)).expect(5000)
    assert "parked_per_originator" in r.content["m2m:dbg"]
    a.retrieve(channel + "/pcu").expect(5000)
    assert s.metrics()["limit_parked"] == before + 2
    b.create(b.at, 3, {}, headers=later(100)).expect(2001)
    a.retrieve(cnt).expect(2000)  # what does not wait is not concerned
    a.delete(waiting[0]).expect(2002)  # cancelled
    poll.close()
    wait_until(lambda: a.create(cnt, 3, {}, headers=later(50)).rsc == 2001)


@pytest.mark.parametrize("leave", [Raw.close, reset, half_close])
def test_requester_goes(new_server, leave):
    """Who goes away leaves nothing behind that waits, and nothing is done for him that was not begun"""
    s = new_server({"limits.parked_per_originator": "3"})
    a = s.register()
    cnt = a.container()
    a.made(cnt, 23, {"nu": ["http://127.0.0.1:9/"], "enc": {"net": [5]}})
    channel = a.made(a.at, 15)
    for _ in range(3):
        waiting = [asking(s, a, "POST", cnt, later(2000), '{"m2m:cnt":{"rn":"never"}}', ty=3),
                   asking(s, a, "GET", channel + "/pcu", {"X-M2M-RET": "60000"}),
                   asking(s, a, "GET", cnt + "?rcn=4", {"X-M2M-RST": "60000"})]
        wait_until(lambda: s.metrics()["parked"] == 3)
        for c in waiting:
            leave(c)
        wait_until(lambda: s.metrics()["parked"] == 0, timeout=1.5)  # oet has not come
    a.create(a.at, 3, {}, headers=later(2500)).expect(2001)
    a.retrieve(cnt + "/never").expect(4004)


@pytest.mark.parametrize("leave", [Raw.close, reset, half_close])
def test_dead_poll_takes_nothing(new_server, leave):
    """CORE-208, CORE-209: a request goes to the poll that is still there"""
    server = new_server()
    a, sender = server.register(), server.register()
    _, pol = a.policy([rule(sender.origin, 16), rule(a.origin, 63)])
    a.update(a.at, 2, {"acpi": [pol]}).expect(2004)
    pcu = a.made(a.at, 15) + "/pcu"
    for n in range(5):
        dead = [asking(server, a, "GET", pcu, {"X-M2M-RET": "60000"}) for _ in range(3)]
        wait_until(lambda: server.metrics()["parked"] == 3)
        for c in dead:
            leave(c)
        wait_until(lambda: server.metrics()["parked"] == 0)  # what is written before that goes into a connection that looks alive
        sent = sender.notify(a.at, {"m2m:sgn": {"sur": "/n%d" % n}}, query={"rt": 1}).expect(1001).content["m2m:uri"]
        rqp = Entity(Client(server.address, server.port), a.origin).retrieve(pcu, headers={"X-M2M-RET": "10000"}).expect(2000).res
        assert rqp["pc"]["m2m:sgn"]["sur"] == "/n%d" % n
        a.notify(pcu, {"m2m:rsp": {"rsc": 2000, "rqi": rqp["rqi"], "rvi": "3"}}).expect(2000)
        wait_until(lambda: sender.retrieve(sent)["rs"] == 1)
