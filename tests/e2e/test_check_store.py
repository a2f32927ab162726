# SPDX-License-Identifier: Apache-2.0
"""`reeve check store` on stores that are damaged, table by table: what is missing and what is too much. The damage is done with the
Python binding of LMDB, entry by entry, and mended again."""

import struct
import subprocess

import lmdb
import pytest

from harness import stamp, wait_until
from harness.server import binary


class Store:
    """The tables of a store that nobody serves."""

    def __init__(self, folder):
        self.folder = str(folder)
        self.env = lmdb.open(self.folder, max_dbs=32, map_size=1 << 30)
        self.dbs = {name: self.env.open_db(name.encode()) for name in ("meta", "res", "name", "type", "label", "due", "outbox", "trash", "pending", "role", "node")}

    def close(self):
        self.env.close()

    def entries(self, table):
        with self.env.begin() as tx:
            return list(tx.cursor(self.dbs[table]))

    def put(self, table, key, value):
        with self.env.begin(write=True) as tx:
            tx.put(key, value, db=self.dbs[table])

    def delete(self, table, key):
        with self.env.begin(write=True) as tx:
            assert tx.delete(key, db=self.dbs[table])

    def check(self):
        """What `reeve check store` says."""
        self.env.close()
        done = subprocess.run([binary(), "check", "store", self.folder], capture_output=True, text=True)
        self.__init__(self.folder)
        assert done.returncode in (0, 1), done.stderr
        assert (done.returncode == 0) == ("no faults" in done.stdout), done.stdout
        return "" if done.returncode == 0 else done.stdout


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """A store with something in every table."""
    from harness import Server
    s = Server({"notify.retry_first": "1 h", "notify.retry_most": "1 h"}).start()
    a = s.register()
    cnt = a.container(lbl=["one", "two"], et=stamp(90000))
    a.instance(cnt, rn="named", lbl=["three"], et=stamp(80000))
    a.instance(cnt)
    a.made(a.container(), 3, {"et": stamp(70000)})
    a.made(cnt, 23, {"nu": ["http://127.0.0.1:9/"], "enc": {"net": [3]}})
    a.instance(cnt)
    a.create(cnt, 3, {}, query={"rt": 1}, headers={"X-M2M-OET": "80000000"}).expect(1001)
    done = a.create(cnt, 3, {}, query={"rt": 1}).expect(1001).content["m2m:uri"]
    wait_until(lambda: a.retrieve(done)["rs"] == 1)
    admin = s.admin()
    for n in range(2):
        admin.create(s.base, 31, {"rlid": "nurse@hospital.example", "tkis": "Cadmin", "tkhd": "C%d" % n, "tknb": stamp(0), "tkna": stamp(9000)}
                     ).expect(2001)
    at = admin.made(s.base, 11, {"rn": "profile"})
    admin.create(at, 20, {"ni": "urn:oid:1.2.3", "csi": "/reeve"}).expect(2001)
    s.stop()
    store = Store(s.settings["store.data"])
    assert store.check() == ""
    for table in ("name", "type", "label", "due", "outbox", "pending", "role", "node"):
        assert store.entries(table), table
    yield store
    store.close()
    s.remove()


@pytest.mark.parametrize("table", ["name", "type", "label", "due", "pending", "role", "node"])
def test_missing_entries(filled, table):
    """Each entry of each index that is taken away is missed"""
    for key, value in filled.entries(table):
        filled.delete(table, key)
        assert "faults" in filled.check(), (table, key)
        filled.put(table, key, value)
    assert filled.check() == ""


@pytest.mark.parametrize("table", ["name", "type", "label", "due", "outbox", "trash", "pending", "role", "node"])
def test_damaged_keys_and_values(filled, table):
    """A key of another length, and a value that is none"""
    for key, value in ((b"k", b""), (b"k" * 9, b"v"), (b"\0" * 8, b"short"), (b"\0" * 16, b"short"), (b"\0" * 24, b"short")):
        filled.put(table, key, value)
        assert filled.check(), (table, key)
        filled.delete(table, key)
    assert filled.check() == ""


def replaced(b, at, new):
    return b[:at] + new + b[at + len(new):]


@pytest.mark.parametrize("table", ["name", "type", "label", "due"])
def test_entries_that_lead_nowhere(filled, table):
    """An entry for a resource that is not there, or is another"""
    key, value = filled.entries(table)[-1]
    nobody = struct.pack(">Q", 999999)
    wrong = {
        "name": (key, replaced(value, len(value) - 8, nobody)),
        "type": (replaced(key, 10, nobody), value),
        "label": (replaced(key, 16, nobody), value),
        "due": (replaced(key, 8, nobody), replaced(value, 8, nobody)),
    }[table]
    if table == "name":
        filled.put(table, *wrong)
        assert "leads to no resource" in filled.check()
        filled.put(table, key, value)
    else:
        filled.put(table, *wrong)
        assert "stands in the %s index" % table in filled.check()
        filled.delete(table, wrong[0])
    if table in ("type", "label"):  # the right resource under the wrong head of the key
        other = replaced(key, 0, b"\x00\x63" if table == "type" else b"12345678")
        filled.put(table, other, value)
        assert "stands in the %s index" % table in filled.check()
        filled.delete(table, other)
    if table == "due":  # too early: it would be gone before its time
        early = replaced(key, 0, struct.pack(">Q", 1700000000000000))
        filled.put(table, early, value)
        assert "stands in the due index" in filled.check()
        filled.delete(table, early)
    assert filled.check() == ""


def test_records_without_parent(filled):
    """A parent that is gone is a fault, unless what hangs below is on its way out: then the trash says so"""
    with_children = {key[:8] for key, _ in filled.entries("res")}
    key, value = next((k, v) for k, v in filled.entries("res")[1:] if k[8:] in with_children)
    filled.delete("res", key)
    assert "its parent is not there" in filled.check()
    filled.put("trash", key[8:], key)
    assert "its parent is not there" not in filled.check()
    filled.put("res", key, value)
    assert "stands in the trash and is there" in filled.check()
    filled.delete("trash", key[8:])
    floor = struct.pack(">Q", (1 << 63) + 1)
    filled.put("trash", key[8:], key + floor)  # no instance is before it
    assert filled.check() == ""
    filled.delete("trash", key[8:])
    nobody = struct.pack(">Q", 999999)
    filled.put("trash", nobody, key[:8] + nobody + floor)
    assert "has dropped instances and is not there" in filled.check()
    filled.delete("trash", nobody)
    assert filled.check() == ""


def test_counter_of_ordinals(filled):
    """An ordinal that was given must not be given again"""
    old = dict(filled.entries("meta"))[b"seq"]
    for new in (struct.pack(">Q", 5), b"short"):
        filled.put("meta", b"seq", new)
        assert filled.check(), new
    filled.put("meta", b"seq", old)
    assert filled.check() == ""


def test_acknowledged_requests(filled):
    """A request that is acknowledged and completed, and one whose image is damaged"""
    (key, value), = filled.entries("pending")
    filled.put("pending", key, value[:-1])
    assert "the acknowledged request is damaged" in filled.check()
    filled.put("pending", key, value)
    completed = next(k for k, v in filled.entries("res") if b'"ty":17' in v and b'"rs":1,' in v)
    filled.put("pending", completed[8:], value)
    assert "completed already" in filled.check()
    filled.delete("pending", completed[8:])
    assert filled.check() == ""
