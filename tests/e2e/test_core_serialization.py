# SPDX-License-Identifier: Apache-2.0
"""Serialization: catalogue 15 and 17.19. JSON that is none is in test_hostile.py, JSON types of attributes in test_core_table.py."""

import json

import cbor2
import pytest

from harness import ROOT, unique

JSON_MEDIA = ["application/json", "application/vnd.onem2m-res+json", "application/json; charset=utf-8", "APPLICATION/JSON"]
CBOR_MEDIA = ["application/cbor", "application/vnd.onem2m-res+cbor"]


def test_one_root_with_prefix(ae):
    """CORE-268"""
    cnt = ae.container()
    for r in (ae.retrieve(cnt), ae.create(cnt, 3, {}), ae.update(cnt, 3, {"lbl": ["x"]})):
        assert list(r.content) == ["m2m:cnt"]
        assert not any(":" in k for k in r.res)


def test_members_in_any_order(ae):
    """CORE-268"""
    for body in (b'{"m2m:cnt":{"rn":"%s","lbl":["a"],"mni":1}}', b'{"m2m:cnt":{"mni":1,"lbl":["a"],"rn":"%s"}}',
                 b' \n{ "m2m:cnt" :\t{ "lbl" : [ "a" ] , "rn":"%s",\r\n"mni":1 } } '):
        name = unique()
        ae.create(ae.at, 3, None, body=body % name.encode()).expect(2001)
        r = ae.retrieve(ae.at + "/" + name)
        assert (r["lbl"], r["mni"]) == (["a"], 1)


@pytest.mark.parametrize("body", [
    b'{"m2m:cnt":{"rn":"n","rn":"n"}}', b'{"m2m:cnt":{"rn":"n","lbl":["a"],"lbl":["b"]}}', b'{"m2m:cnt":{"rn":"n"},"m2m:cnt":{}}',
    b'{"m2m:cnt":{"rn":"n","\\u0072n":"m"}}', b'{"m2m:cnt":{"rn":"n","\\u006cbl":["a"],"lbl":["b"]}}',
])
def test_member_names_are_unique(ae, body):
    """CORE-268"""
    ae.create(ae.at, 3, None, body=body).expect(4000)
    ae.retrieve(ae.at + "/n").expect(4004)


def test_json_types(ae):
    """CORE-269"""
    cnt = ae.container(lbl=["one"], mni=3, disr=False)
    ae.instance(cnt)
    raw = ae.retrieve(cnt).body.decode().replace(" ", "")
    assert '"lbl":["one"]' in raw and '"mni":3' in raw and '"disr":false' in raw and '"ty":3' in raw and '"cni":1' in raw
    _, pol = ae.policy([{"acor": ["all"], "acop": 63}])
    raw = ae.retrieve(pol).body.decode().replace(" ", "")
    assert '"acr":[{"' in raw and '"acor":["all"]' in raw and '"acop":63' in raw
    grp = ae.made(ae.at, 9, {"mnm": 1, "mid": []})
    assert '"mid":[]' in ae.retrieve(grp).body.decode().replace(" ", "")
    raw = ae.retrieve(cnt, {"rcn": 8}).body.decode().replace(" ", "")
    assert '"m2m:cin":[{' in raw


def test_null_in_an_update(ae):
    """CORE-269"""
    cnt = ae.container(lbl=["x"])
    ae.update(cnt, 3, None, body=b'{"m2m:cnt":{"lbl": null }}').expect(2004)
    assert "lbl" not in ae.retrieve(cnt)


@pytest.mark.parametrize("text", ['äöü', '日本語', '𝄞', 'a"b\\c', 'tab\tnew\nline', '</script>', '\u2028', ' ', 'x' * 1000, '\u007f'])
def test_text_survives(ae, text):
    """CORE-269, CORE-274: strings come back as the same characters, in both serializations"""
    cnt = ae.container()
    ae.create(cnt, 4, {"con": text}).expect(2001)
    assert ae.retrieve(cnt + "/la")["con"] == text
    assert ae.retrieve(cnt + "/la", accept="application/cbor")["con"] == text
    ae.create(cnt, 4, {"con": text}, media="application/cbor").expect(2001)
    assert ae.retrieve(cnt + "/la")["con"] == text


def test_escapes(ae):
    """CORE-269: escaped and plain spelling are one string"""
    cnt = ae.container()
    ae.create(cnt, 4, None, body=b'{"m2m:cin":{"con":"\\u00e4\\ud834\\udd1e\\/\\n"}}').expect(2001)
    assert ae.retrieve(cnt + "/la")["con"] == "ä𝄞/\n"


@pytest.mark.parametrize("media", JSON_MEDIA)
def test_json_media_types(ae, media):
    """CORE-273"""
    ae.create(ae.at, 3, {"rn": unique()}, media=media).expect(2001)


@pytest.mark.parametrize("media", CBOR_MEDIA)
def test_cbor_media_types(ae, media):
    """CORE-273, CORE-272"""
    ae.create(ae.at, 3, {"rn": "c", "lbl": ["x"], "mni": 300}, media=media).expect(2001)
    r = ae.retrieve(ae.at + "/c")
    assert (r["lbl"], r["mni"]) == (["x"], 300)


@pytest.mark.parametrize("accept,kind", [
    ("application/json", "json"), ("application/cbor", "cbor"), ("application/vnd.onem2m-res+json", "json"),
    ("application/vnd.onem2m-res+cbor", "cbor"), ("*/*", "json"), ("application/*", "json"), ("application/xml, application/cbor", "cbor"),
    ("application/xml;q=0.9, application/json;q=0.5", "json"), ("application/cbor;q=0.1, application/json;q=0.9", "json"),
    ("application/cbor;q=0.9, application/json;q=0.1", "cbor"), ("text/html, */*", "json"),
])
def test_accept(ae, accept, kind):
    """CORE-273, CORE-283"""
    r = ae.retrieve(ae.at, accept=accept).expect(2000)
    assert r.headers["content-type"].split(";")[0].endswith(kind)
    assert r["aei"] == ae.origin


def test_answer_follows_the_request(ae):
    """CORE-283: without Accept the answer to CBOR is CBOR"""
    r = ae.create(ae.at, 3, {}, media="application/cbor").expect(2001)
    assert r.headers["content-type"].split(";")[0].endswith("cbor")


SAMPLES = [
    (3, {"lbl": ["a", "ä:ö"], "mni": 0, "mbs": 2**40, "disr": True}),
    (1, {"pv": {"acr": [{"acor": ["all", "Cx"], "acop": 63, "acco": [{"actw": ["* * 0-5 * * * *"]}], "acaf": False}]},
         "pvs": {"acr": [{"acor": ["all"], "acop": 63}]}}),
    (9, {"mnm": 65536, "mid": ["cse"], "gn": "g"}),
    (4, {"con": {"a": [1, -1, 1.5, True, None, "x", 2**32, -2**31, {"b": []}]}, "cnf": "application/json:0"}),
    (4, {"con": "text", "lbl": ["x"]}),
    (23, {"nu": ["http://127.0.0.1:9/x"], "enc": {"net": [1, 3], "atr": ["lbl"]}, "exc": 5}),
]


@pytest.mark.parametrize("ty,attrs", SAMPLES)
def test_written_in_one_read_in_the_other(ae, ty, attrs):
    """CORE-274, CORE-272"""
    parent = ae.container() if ty in (4, 23) else ae.at
    for media in ("application/json", "application/cbor"):
        name = unique("s")
        ae.create(parent, ty, dict(attrs, rn=name), media=media).expect(2001)
        as_json = ae.retrieve(parent + "/" + name, accept="application/json").expect(2000)
        as_cbor = ae.retrieve(parent + "/" + name, accept="application/cbor").expect(2000)
        assert as_json.content == as_cbor.content
        assert as_json.root == ROOT[ty]
        for k, v in attrs.items():
            assert as_json[k] == v


def major_types(data):
    """Major types used in a CBOR item, read without a library."""
    seen = set()

    def item(at):
        major, low = data[at] >> 5, data[at] & 31
        seen.add(major)
        at += 1
        if low < 24:
            n = low
        elif low <= 27:
            size = 1 << (low - 24)
            n = int.from_bytes(data[at:at + size], "big")
            at += size
        else:
            raise AssertionError("indefinite length on output")
        if major in (2, 3):
            return at + n
        if major in (4, 5):
            for _ in range(n * (2 if major == 5 else 1)):
                at = item(at)
        return at
    assert item(0) == len(data), "something behind the item"
    return seen


def test_cbor_text_is_major_type_3(ae):
    """CORE-272"""
    cnt = ae.container(lbl=["x"], mni=5)
    ae.instance(cnt, {"f": 1.25, "n": None, "b": True})
    for at in (cnt, cnt + "/la", ae.at):
        assert 2 not in major_types(ae.retrieve(at, accept="application/cbor").expect(2000).body)


def test_cbor_forms_on_input(ae):
    """CORE-272: indefinite lengths, longer forms of numbers, byte strings as in the examples of the standard (X3)"""
    # {_ "m2m:cnt": {_ "rn": (_ "ab", "cd"), "mni": 5 in four bytes}}
    body = b"\xbf\x67m2m:cnt\xbf\x62rn\x7f\x62ab\x62cd\xff\x63mni\x1a\x00\x00\x00\x05\xff\xff"
    ae.create(ae.at, 3, None, body=body, media="application/cbor").expect(2001)
    assert ae.retrieve(ae.at + "/abcd")["mni"] == 5
    body = b"\xa1\x67m2m:cnt\xa1\x62rn\x42bs"
    ae.create(ae.at, 3, None, body=body, media="application/cbor").expect(2001)
    ae.retrieve(ae.at + "/bs").expect(2000)


BAD_CBOR = {
    "empty": b"", "truncated": cbor2.dumps({"m2m:cnt": {"rn": "n"}})[:-1], "rest": cbor2.dumps({"m2m:cnt": {"rn": "n"}}) + b"\x00",
    "no map": cbor2.dumps(["m2m:cnt"]), "number as key": cbor2.dumps({"m2m:cnt": {1: "n"}}),
    "twice": b"\xa1\x67m2m:cnt\xa2\x62rn\x61n\x62rn\x61n", "bad utf-8": b"\xa1\x67m2m:cnt\xa1\x62rn\x62\xff\xfe",
    "reserved": b"\xa1\x67m2m:cnt\x1c", "break alone": b"\xff", "open": b"\xbf\x67m2m:cnt", "nan": cbor2.dumps({"m2m:cnt": {"mni": float("nan")}}),
    "infinite": cbor2.dumps({"m2m:cnt": {"mni": float("inf")}}), "undefined": b"\xa1\x67m2m:cnt\xa1\x63mni\xf7",
    "huge length": b"\xa1\x67m2m:cnt\xa1\x62rn\x7b\xff\xff\xff\xff\xff\xff\xff\xff", "huge map": b"\xbb\xff\xff\xff\xff\xff\xff\xff\xff",
    "huge array": b"\xa1\x67m2m:cnt\xa1\x63lbl\x9b\x7f\xff\xff\xff\xff\xff\xff\xff", "json": b'{"m2m:cnt":{"rn":"n"}}',
    "wrong type": cbor2.dumps({"m2m:cnt": {"rn": "n", "mni": "5"}}), "binary": cbor2.dumps({"m2m:cnt": {"rn": b"\xff"}}),
    "big number": cbor2.dumps({"m2m:cnt": {"rn": "n", "mni": 2**64}}), "deep": b"\x81" * 5000 + b"\x00",
    "deep in content": b"\xa1\x67m2m:cnt\xa1\x62rn" + b"\x81" * 200 + b"\x00", "nul": cbor2.dumps({"m2m:cnt": {"rn": "n\0"}}),
}


@pytest.mark.parametrize("name", sorted(BAD_CBOR))
def test_bad_cbor(ae, name):
    """CORE-272: content that is no CBOR, or violates the schema after decoding"""
    ae.create(ae.at, 3, None, body=BAD_CBOR[name], media="application/cbor").expect(4000)
    ae.retrieve(ae.at + "/n").expect(4004)


def test_errors_in_cbor(ae):
    """CORE-272: refusals too"""
    r = ae.retrieve(ae.at + "/none", accept="application/cbor").expect(4004)
    if r.body:
        assert r.headers["content-type"].split(";")[0].endswith("cbor")
        assert isinstance(r.content["m2m:dbg"], str)


@pytest.mark.parametrize("number", ["0", "5", "9007199254740993", "1E0"])
def test_numbers_are_kept_exactly(ae, number):
    """CORE-269: con is not forced through floating point"""
    cnt = ae.container()
    ae.create(cnt, 4, None, body=b'{"m2m:cin":{"con":%s}}' % number.encode()).expect(2001)
    assert json.loads(ae.retrieve(cnt + "/la").body)["m2m:cin"]["con"] == json.loads(number)
