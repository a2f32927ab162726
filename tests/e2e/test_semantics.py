# SPDX-License-Identifier: Apache-2.0
"""<semanticDescriptor> without an engine: what is kept, what is refused, and that semanticOpExec never shows (docs/semantics.md)."""

import base64
import json
import pathlib
import subprocess

import pytest

from harness import Receiver
from harness.server import binary
from test_cse_announce import Host, host, node  # noqa: F401

IRI, OWL_FUNCTIONAL, OWL_XML, RDF_XML, TURTLE, MANCHESTER, JSON_LD = range(1, 8)
SMD = 24
TRIPLE = "<http://example.org/a> <http://example.org/b> \"ü\" .\n"
UPDATE = "INSERT DATA { <http://example.org/a> <http://example.org/b> <http://example.org/c> }"


def dsp(text):
    return base64.b64encode(text if isinstance(text, bytes) else text.encode()).decode()


def turtle(**attrs):
    return dict({"dcrp": TURTLE, "dsp": dsp(TRIPLE)}, **attrs)


def test_kept_as_it_came(ae):
    cnt = ae.container()
    sent = turtle(rn="d", **{"or": "http://example.org/ontology", "rels": [cnt], "lbl": ["x"]})
    r = ae.create(cnt, SMD, sent).expect(2001)
    assert r.root == "m2m:smd" and r["ty"] == SMD and r["pi"] == ae.retrieve(cnt)["ri"]
    back = ae.retrieve(cnt + "/d").expect(2000).res
    assert {k: back[k] for k in sent} == sent and set(back) - set(sent) == {"ty", "ri", "pi", "ct", "lt", "et"}
    assert ae.found(cnt, {"ty": SMD}) == [cnt + "/d"]
    new = dsp(TRIPLE * 2)
    ae.update(cnt + "/d", SMD, {"dsp": new, "or": None}).expect(2004)
    assert ae.retrieve(cnt + "/d")["dsp"] == new and "or" not in ae.retrieve(cnt + "/d")
    ae.delete(cnt + "/d").expect(2002)
    ae.retrieve(cnt + "/d").expect(4004)


@pytest.mark.parametrize("attrs", [
    {"dsp": None}, {"dcrp": None}, {"dcrp": IRI}, {"dcrp": 0}, {"dcrp": 8}, {"dcrp": "5"},
    {"dsp": "@@@@"}, {"dsp": "QQ"}, {"dsp": "QR=="}, {"dsp": 5}, {"dsp": dsp(b"\xff\xfe")}, {"dsp": dsp(b"a\0b")},
    {"dcrp": JSON_LD}, {"dcrp": JSON_LD, "dsp": dsp('{"@id": "a", "@id": "b"}')}, {"dcrp": JSON_LD, "dsp": dsp("[" * 100000)},
    {"dcrp": JSON_LD, "dsp": ""}, {"svd": True}, {"soe": UPDATE}, {"vlde": "yes"}, {"rels": "x"},
])
def test_not_created(ae, attrs):
    bad = {k: v for k, v in turtle(rn="d", **attrs).items() if v is not None}
    ae.create(ae.at, SMD, bad).expect(4000)
    ae.retrieve(ae.at + "/d").expect(4004)


@pytest.mark.parametrize("attrs", [
    {"dcrp": IRI}, {"dcrp": JSON_LD}, {"dsp": "@@@@"}, {"dsp": dsp(b"\xff")}, {"dsp": None}, {"dcrp": None}, {"svd": True},
    {"soe": UPDATE, "dsp": dsp(TRIPLE)}, {"soe": 5},
])
def test_not_updated(ae, attrs):
    """The outcome counts: another dcrp has to fit the descriptor that is there."""
    ae.create(ae.at, SMD, turtle(rn="d")).expect(2001)
    before = ae.retrieve(ae.at + "/d").content
    ae.update(ae.at + "/d", SMD, dict(attrs, lbl=["new"])).expect(4000)
    assert ae.retrieve(ae.at + "/d").content == before


@pytest.mark.parametrize("form,text", [
    (OWL_FUNCTIONAL, "Ontology()"), (OWL_XML, b"\xff\xfe<\0/\0>\0"), (RDF_XML, "<?xml version='1.0' encoding='ISO-8859-1'?><x>\xfc</x>".encode("latin-1")),
    (MANCHESTER, "Ontology:"), (JSON_LD, json.dumps({"@id": "a", "b": [{"@value": "ü"}]})), (TURTLE, ""), (TURTLE, "x"), (TURTLE, "xy"), (TURTLE, "~~~???>>>"),
])
def test_formats(ae, form, text):
    r = ae.create(ae.at, SMD, {"dcrp": form, "dsp": dsp(text)}).expect(2001)
    assert (r["dcrp"], r["dsp"]) == (form, dsp(text))


def test_semantic_op_exec_never_shows(ae):
    """CORE-060: whatever is asked for, before and after a request that sent it; nor do subscribers see it."""
    receiver = Receiver()
    try:
        cnt = ae.container()
        ae.create(cnt, SMD, turtle(rn="d")).expect(2001)
        d = cnt + "/d"
        for nct, name in ((1, "all"), (2, "modified")):
            ae.create(d, 23, {"rn": name, "nu": [receiver.url], "enc": {"net": [1]}, "nct": nct}).expect(2001)
        for value in (UPDATE, "", None):
            for rcn in (0, 1, 9):
                r = ae.update(d, SMD, {"soe": value, "lbl": ["no"]}, rcn=rcn).expect(5001)
                assert "INSERT" not in r.body.decode()
        shown = [ae.retrieve(at, {"rcn": rcn}).expect(2000) for at in (d, cnt) for rcn in (1, 4, 5, 6, 8)]
        shown += [ae.update(d, SMD, {"lbl": ["yes%d" % rcn]}, rcn=rcn).expect(2004) for rcn in (1, 9)]
        shown.append(ae.retrieve(d, {"atrl": ["soe", "dcrp"]}).expect(2000))
        for r in shown:
            assert b'"soe"' not in r.body and b"INSERT" not in r.body
        ae.retrieve(d, {"atrl": ["soe"]}).expect(4004)
        ae.retrieve(d + "#soe").expect(4004)
        assert ae.found(cnt, {"soe": "*"}) == []
        for _ in range(4):  # two updates, two subscriptions: what was refused told nothing
            body = receiver.get().body
            assert b'"soe"' not in body and b"yes" in body
    finally:
        receiver.close()


def test_nothing_is_validated(ae):
    """vlde is a wish, the policy of the CSE decides, and the answer says what became of it."""
    for wish in (True, False):
        r = ae.create(ae.at, SMD, turtle(vlde=wish)).expect(2001)
        assert r["vlde"] is False and "svd" not in r
    at = ae.at + "/" + r["rn"]
    assert ae.update(at, SMD, {"vlde": True}, rcn=9).expect(2004)["vlde"] is False
    assert ae.retrieve(at)["vlde"] is False and "svd" not in ae.retrieve(at)


def test_below_an_instance(new_server):
    """A descriptor of content goes with the instance, also when that is pushed out."""
    s = new_server()
    ae = s.register()
    cnt = ae.container(mni=2)
    for i in range(2):
        ae.instance(cnt, str(i), rn="i%d" % i)
        ae.create("%s/i%d" % (cnt, i), SMD, turtle(rn="d")).expect(2001)
    ids = [ae.retrieve("%s/i%d/d" % (cnt, i)).expect(2000)["ri"] for i in range(2)]
    assert sorted(ae.found(cnt, {"ty": SMD})) == [cnt + "/i0/d", cnt + "/i1/d"]
    assert ae.found(cnt, {"ty": [4, SMD]}) == [cnt + "/i0/d", cnt + "/i1/d", cnt + "/i0", cnt + "/i1"]
    ae.create(cnt + "/i1/d", 23, {"nu": ["http://127.0.0.1:9/none"]}).expect(2001)
    ae.instance(cnt, "2")
    for at in (ids[0], cnt + "/i0/d"):
        ae.retrieve(at).expect(4004)
    assert ae.found(cnt, {"ty": SMD}) == [cnt + "/i1/d"]
    ae.update(cnt, 3, {"disr": True}).expect(2004)
    ae.update(cnt, 3, {"disr": False}).expect(2004)
    for at in (ids[1], cnt + "/i1/d"):
        ae.retrieve(at).expect(4004)
    assert ae.found(cnt, {"ty": SMD}) == []
    s.stop()
    subprocess.run([binary(), "check", "store", "--config", str(pathlib.Path(s.folder) / "reeve.conf")], check=True)


def test_access(ae, other):
    """It has policies of its own; who may not retrieve it does not see it."""
    cnt = ae.container()
    acpi = ae.policy([{"acor": [other.origin], "acop": 34}])[1]
    ae.create(cnt, SMD, turtle(rn="open", acpi=[acpi])).expect(2001)
    ae.create(cnt, SMD, turtle(rn="shut")).expect(2001)
    other.retrieve(cnt + "/open").expect(2000)
    other.retrieve(cnt + "/shut").expect(4103)
    other.update(cnt + "/open", SMD, {"lbl": ["x"]}).expect(4103)


def test_announced(node, host):  # noqa: F811
    """CORE-232: its OA attributes; soe is none."""
    ae = node.register()
    r = ae.create(ae.at, SMD, turtle(at=[host.csi], aa=["dsp", "dcrp"])).expect(2001)
    host.seen()
    line, kind, content = host.seen()
    assert kind == "application/json;ty=10024"
    assert {k: content["m2m:smdA"][k] for k in ("lnk", "dcrp", "dsp")} == {"lnk": "/mn1/" + r["ri"], "dcrp": TURTLE, "dsp": dsp(TRIPLE)}
    ae.create(ae.at, SMD, turtle(at=[host.csi], aa=["soe"])).expect(4000)


QUERIES = [
    "SELECT ?a WHERE { ?a ?b ?c }",
    "no SPARQL",
    "SELECT * FROM <file:///etc/passwd> { ?a ?b ?c }",
    "SELECT * { SERVICE <http://127.0.0.1:9/> { ?a ?b ?c } }",
    "SELECT * { ?a ?b ?c FILTER(" + "1+" * 1000 + "1) }",
    "SELECT * " + "{" * 1000 + "?a ?b ?c" + "}" * 1000,
    "SELECT * {" + " ".join("{?a%d ?b%d ?c%d}" % (i, i, i) for i in range(50)) + "}",
]


@pytest.mark.parametrize("query", QUERIES, ids=range(len(QUERIES)))
def test_queries_are_not_supported(ae, query):
    """CORE-032: nobody reads them."""
    ae.create(ae.at, SMD, turtle()).expect(2001)
    grp = ae.made(ae.at, 9, {"mnm": 2, "mid": [ae.at]})
    for at in (ae.at, grp + "/sfop"):
        ae.retrieve(at, {"smf": query, "sqi": "true", "rcn": 10}).expect(5001)
        ae.retrieve(at, {"smf": query, "fu": 1}).expect(5001)


def test_semantic_fan_out_point(ae, other):
    """No operation but Retrieve is allowed, and that is not supported; nothing reaches the members. The group says so: no ssi."""
    cnt = ae.container(lbl=["old"])
    grp = ae.made(ae.at, 9, {"mnm": 2, "mid": [cnt]})
    sfop = grp + "/sfop"
    for who in (ae, other):
        who.create(sfop, 3, {"rn": "n"}).expect(4005)
        who.update(sfop, 3, {"lbl": ["new"]}).expect(4005)
        who.delete(sfop).expect(4005)
        who.notify(sfop, {"m2m:sgn": {"sur": cnt}}).expect(4005)
        who.retrieve(sfop).expect(5001)
    assert ae.retrieve(cnt)["lbl"] == ["old"]
    ae.retrieve(cnt + "/n").expect(4004)
    ae.retrieve(sfop + "/x").expect(4004)
    assert "ssi" not in ae.retrieve(grp)
    ae.create(ae.at, 9, {"mnm": 2, "mid": [cnt], "ssi": True}).expect(4000)
    ae.create(grp, 3, {"rn": "sfop"}).refused()
