# SPDX-License-Identifier: Apache-2.0
"""Vectors: declarative cases in tests/vectors/*.vec (README.md there tells the form), and what it takes to run one."""

import itertools
import json
import pathlib
import re
import tempfile
import zlib

from .make import unique
from .times import parse, stamp

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "vectors"
_MARK = re.compile(r"\$(any|time|ri|name|int|str)(\d*)")
_TIME = re.compile(r"\d{8}T\d{6}(,\d{1,6})?")


def _no_duplicates(pairs):
    d = dict(pairs)
    assert len(d) == len(pairs), "a member stands twice in a vector: %r" % [k for k, _ in pairs]
    return d


_folder = None


def settings(given):
    """Settings of a server; a text that begins with "@" is the content of a file."""
    global _folder
    out = {}
    for name, value in given.items():
        if isinstance(value, str) and value.startswith("@"):
            _folder = _folder or tempfile.TemporaryDirectory(prefix="reeve-vectors-")
            path = pathlib.Path(_folder.name) / ("%s-%08x" % (name, zlib.crc32(value.encode())))
            path.write_text(value[1:])
            value = str(path)
        out[name] = value
    return out


class Vector:
    def __init__(self, file, let, case, change=None, given=None):
        unknown = set(case) - {"name", "ids", "before", "req", "rsp", "after", "server", "changes", "vary", "with", "clear"}
        assert not unknown and case["ids"], (file, case["name"], unknown)
        self.file, self.name, self.let = file, case["name"], let
        self.before, self.req, self.rsp = case.get("before", []), dict(case["req"], **(change or {})), case["rsp"]
        if change is not None:
            self.name += " " + json.dumps(change, ensure_ascii=False)
        if given is not None:
            self.name += " with " + json.dumps(given, ensure_ascii=False)
        self.given = given or {}
        self.clear = case.get("clear", False)
        self.after, self.server, self.changes = case.get("after", []), settings(case.get("server", {})), case.get("changes")
        self.id = "%s::%s" % (file, self.name)

    def __repr__(self):
        return self.id


def load():
    out = []
    for path in sorted(FOLDER.glob("*.vec")):
        d = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_no_duplicates)
        for case in d["cases"]:
            out.extend(Vector(path.name, d.get("let", {}), case, change, given)
                       for change in case.get("vary", [None]) for given in case.get("with", [None]))
    assert len({v.id for v in out}) == len(out), "two vectors of one file have the same name"
    return out


def policy(text):
    """Short form of privileges: "{a.id} 63; all 2 | {a.id} 4": privileges | selfPrivileges (default: a has all)."""
    def rules(part):
        out = []
        for one in filter(None, (x.strip() for x in part.split(";"))):
            who, _, ops = one.rpartition(" ")
            out.append({"acor": who.split(), "acop": int(ops)})
        return {"acr": out}
    pv, _, pvs = text.partition("|")
    return {"pv": rules(pv), "pvs": rules(pvs or "{a.id} 63")}


class Env:
    """Names of one run of one vector: what {x} stands for, and what placeholders were bound to."""

    def __init__(self, server, given):
        self.given = given  # {name: text} of the case's own, filled in when used
        self.at = {"base": server.base, "cse": server.cse_id, "sp": server.sp_id, "admin": server.base + "/admin",
                   "admin.id": server.settings["access.admin"], "u": unique("v")}
        self.bound = {}

    def add(self, name, address, ri):
        self.at[name], self.at[name + ".ri"], self.at[name + ".rn"] = address, ri, address.rpartition("/")[2]

    def text(self, s):
        def one(m):
            name = m.group(1)
            if name[0] in "+-":
                return stamp(int(name))
            if name in self.given:
                return self.text(self.given[name])
            if name in self.at:
                return self.at[name]
            assert "$" + name in self.bound, "unknown name {%s}" % name
            return self.bound["$" + name]
        return re.sub(r"\{([a-z0-9._+-]+)\}", one, s)

    def fill(self, v):
        """A value with every {x} replaced."""
        if isinstance(v, str):
            return self.text(v)
        if isinstance(v, list):
            return [self.fill(x) for x in v]
        if isinstance(v, dict):
            return {self.text(k): self.fill(x) for k, x in v.items()}
        return v


class Mismatch(AssertionError):
    pass


class Matcher:
    """Compares what came with what was expected; both whole, to the last member."""

    def __init__(self, env, let):
        self.env, self.let = env, let

    def mark(self, m, got, at):
        kind = m.group(1)
        ok = {
            "any": lambda: got is not None,
            "time": lambda: isinstance(got, str) and _TIME.fullmatch(got) and parse(got),
            "ri": lambda: isinstance(got, str) and re.fullmatch(r"[A-Za-z0-9._~-]+", got),
            "name": lambda: isinstance(got, str) and re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", got),
            "int": lambda: isinstance(got, int) and not isinstance(got, bool),
            "str": lambda: isinstance(got, str),
        }[kind]()
        if not ok:
            raise Mismatch("%s: %r is no %s" % (at, got, kind))
        if m.group(2):
            bound = self.env.bound
            if bound.setdefault(m.group(0), got) != got:
                raise Mismatch("%s: %r, but %s was %r" % (at, got, m.group(0), bound[m.group(0)]))
            if kind == "ri" and sum(v == got for k, v in bound.items() if k.startswith("$ri")) > 1:
                raise Mismatch("%s: %r is the identifier of something else" % (at, got))

    def some_order(self, want, got, at):
        if len(want) != len(got):
            raise Mismatch("%s: %d elements instead of %d: %r" % (at, len(got), len(want), got))
        rest = list(got)
        for w in want:
            for i, g in enumerate(rest):
                saved = dict(self.env.bound)
                try:
                    self.match(w, g, at)
                    del rest[i]
                    break
                except Mismatch:
                    self.env.bound = saved
            else:
                raise Mismatch("%s: nothing like %r in %r" % (at, w, rest))

    def match(self, want, got, at="pc"):
        if isinstance(want, str):
            m = _MARK.fullmatch(want)
            if m:
                self.mark(m, got, at)
                return
            want = self.env.text(want)
        if isinstance(want, dict) and isinstance(got, dict):
            want = dict(self.let[want["$"]], **{k: v for k, v in want.items() if k != "$"}) if "$" in want else dict(want)
            more = want.pop("...", False)
            want = {k: v for k, v in want.items() if v != "$absent"}
            if set(want) - set(got) or (set(got) - set(want) and not more):
                raise Mismatch("%s: missing %s, unexpected %s in %r" % (at, sorted(set(want) - set(got)), sorted(set(got) - set(want)), got))
            for k, v in want.items():
                self.match(v, got[k], at + "." + k)
        elif isinstance(want, list) and isinstance(got, list):
            if want[:1] == ["$set"]:
                self.some_order(want[1:], got, at)
                return
            if len(want) != len(got):
                raise Mismatch("%s: %d elements instead of %d: %r" % (at, len(got), len(want), got))
            for i, (w, g) in enumerate(zip(want, got)):
                self.match(w, g, "%s[%d]" % (at, i))
        elif type(want) is not type(got) or want != got:
            raise Mismatch("%s: %r instead of %r" % (at, got, want))


_rqi = itertools.count(1)  # unique, as the standard wants them: what comes twice over MQTT is carried out once


class Run:
    """One vector over one carrier."""

    def __init__(self, vector, carrier, reader, server):
        """reader: another carrier, over which the state is read as well."""
        self.v, self.carrier, self.reader, self.env = vector, carrier, reader, Env(server, vector.given)
        self.matcher = Matcher(self.env, vector.let)
        server.admin()
        for name in ("a", "b"):
            e = server.register(name=unique(name))
            self.env.add(name, e.at, e.origin)
            self.env.at[name + ".id"] = e.origin
        base = self.send({"op": 2, "to": server.base})
        self.env.at["base.ri"] = base["pc"]["m2m:cb"]["ri"]

    def send(self, request, carrier=None):
        p = {"fr": self.env.at["a.id"], "rvi": "3", "rqi": "v%d" % next(_rqi)}
        p.update(self.env.fill(request))
        p = {k: v for k, v in p.items() if v is not None or k in ("pc",)}
        got = (carrier or self.carrier).send(p)
        if "rqi" in p:
            assert got.get("rqi") == p["rqi"], "Request Identifier %r instead of %r" % (got.get("rqi"), p["rqi"])
        if "rvi" in p:
            assert got.get("rvi") == p["rvi"], "rvi of the answer: %r" % got
        if got.get("cnst") == 2:  # full: may be said, and need not be (TS-0001 8.1.3)
            del got["cnst"]
        return {k: v for k, v in got.items() if k not in ("rqi", "rvi")}

    def prepare(self):
        for step in self.v.before:
            if isinstance(step, dict):
                got = self.send(step)
                assert got["rsc"] < 3000, "a step before the vector was refused: %r -> %r" % (step, got)
                continue
            name, ty, parent, attrs, *who = step
            from .facts import ROOT
            if isinstance(attrs, str):
                attrs = policy(self.env.text(attrs))
            got = self.send({"op": 1, "to": "{%s}" % parent, "ty": ty, "rcn": 3, "fr": "{%s.id}" % (who[0] if who else "a"),
                             "pc": {ROOT[ty]: dict({"rn": name}, **attrs)}})
            assert got["rsc"] == 2001, "a create before the vector was refused: %r -> %r" % (step, got)
            rce = dict(got["pc"]["m2m:rce"])
            self.env.add(name, rce.pop("uri"), rce[ROOT[ty]]["ri"])

    def state(self, carrier=None):
        """All that a and b may see of what is below them."""
        out = {}
        for who in ("a", "b"):
            for root in ("a", "b"):
                got = self.send({"op": 2, "to": "{%s}" % root, "fr": "{%s.id}" % who, "rcn": 4}, carrier)
                out[who + " sees " + root] = got.get("pc") if got["rsc"] == 2000 else got["rsc"]
        return out

    def normal(self, value):
        """The same with what differs from run to run replaced."""
        names = {}
        for k, v in [*sorted(self.env.at.items()), *sorted(self.env.bound.items())]:
            if not isinstance(v, str):
                continue
            names.setdefault(v, "{%s}" % k)

        def walk(v):
            if isinstance(v, dict):
                if isinstance(v.get("ri"), str):
                    names.setdefault(v["ri"], "{ri %d}" % len(names))
                return {k: "" if k in ("m2m:dbg", "rqi") else walk(x) for k, x in sorted(v.items(), key=lambda kv: (kv[0] != "ri", kv[0]))}
            if isinstance(v, list):
                return [walk(x) for x in v]
            if isinstance(v, str):
                if _TIME.fullmatch(v):
                    return "{time}"
                if names.get(v):
                    return names[v]
                for text, name in sorted(names.items(), key=lambda kv: -len(kv[0])):
                    if len(text) > 3:  # as part of an address
                        v = v.replace(text, name)
                return v
            return v
        return walk(value)

    def check_after(self):
        for at, want, *who in self.v.after:
            by = who[0] if who else "{a.id}"
            got = self.send({"op": 2, "to": at, "fr": by})
            if isinstance(want, int):
                assert got["rsc"] == want, "afterwards %s: %r instead of %d" % (at, got, want)
                continue
            assert got["rsc"] == 2000, "afterwards %s: %r" % (at, got)
            (attrs,) = got["pc"].values()
            self.matcher.match(dict(want, **{"...": True}), attrs, "afterwards " + at)
            missing = [k for k, v in want.items() if v == "$absent" and k in attrs]
            assert not missing, "afterwards %s has %s" % (at, missing)

    def run(self):
        """What came of it, for comparison between carriers."""
        v = self.v
        self.prepare()
        before = self.state()
        got = self.send(v.req)
        want = dict(v.rsp)
        told = got
        if want["rsc"] >= 4000 and "pc" not in want:  # a refusal may carry debug text, whose wording is free, and nothing else
            assert set(got.get("pc") or {"m2m:dbg": ""}) == {"m2m:dbg"}, "a refusal with content: %r" % got
            told = {k: x for k, x in got.items() if k != "pc"}
        self.matcher.match(want, told, "response")
        after = self.state()
        changes = v.changes if v.changes is not None else want["rsc"] < 4000 and v.req["op"] != 2
        if not changes:
            assert after == before, "the request changed something: %r, before %r" % (after, before)
        assert self.state(self.reader) == after, "over %s the state looks otherwise" % self.reader
        self.check_after()
        return {"response": self.normal(told), "state": self.normal(after)}
