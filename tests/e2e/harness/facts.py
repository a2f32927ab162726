# SPDX-License-Identifier: Apache-2.0
"""The data model as the tests see it: model/*.json, read anew (not the tables generated for the server)."""

import json
import pathlib

MODEL = pathlib.Path(__file__).resolve().parents[3] / "model"


def _load(name):
    with open(MODEL / (name + ".json"), encoding="utf-8") as f:
        return json.load(f)


_types = _load("resource_types")["resource_types"]
TYPES = {t["name"]: t for t in _types}
BY_TY = {t["ty"]: t for t in _types if t.get("ty") is not None}
ROOT = {t["ty"]: "m2m:" + t["sn"] for t in _types if t.get("ty") is not None and t.get("sn")}
NAME_OF = {t["ty"]: t["name"] for t in _types if t.get("ty") is not None}

# rsc -> HTTP status (TS-0009 6.3.2). 4128 has none in the standard; the project answers 403 (X17).
STATUS = {c["rsc"]: c["http"] for c in _load("status_codes")["status_codes"]}
STATUS[4128] = 403
# rsc -> CoAP codes (TS-0008 6.2.4): one, or several by the case.
COAP = {c["rsc"]: list(c["coap"].values()) if isinstance(c["coap"], dict) else [c["coap"]] for c in _load("status_codes")["status_codes"]}
COAP[4128], COAP[1000] = ["4.03"], ["2.01", "2.04"]

_complex = {c["type"]: c for c in _load("complex_types")["complex_types"]}
_simple = {c["type"]: c for c in _load("complex_types")["simple_types"]}
_enums = {e["type"]: e for e in _load("enumerations")["enumerations"]}


def attrs_of(name):
    return TYPES[name]["attributes"]


def complex_type(name):
    return _complex.get(name)


def simple_type(name):
    return _simple.get(name)


def enumeration(name):
    return [v["v"] for v in _enums[name]["values"]]


def is_list(attr):
    """True when the attribute is a JSON array on the wire."""
    return attr["card"].endswith("(L)") or attr["type"].startswith("list of") or bool(_simple.get(attr["type"], {}).get("list"))


def json_kind(attr):
    """JSON type of the attribute's value: array, object, boolean, integer, string or any."""
    if is_list(attr):
        return "array"
    t = attr["type"]
    if t in ("xs:boolean",):
        return "boolean"
    if t in ("xs:nonNegativeInteger", "xs:positiveInteger", "xs:integer", "xs:unsignedInt", "xs:unsignedShort", "xs:long",
             "m2m:triggerRecipientID", "m2m:eventCat") or t in _enums:
        return "integer"
    if t in ("xs:anyType",):
        return "any"
    if t in _complex:
        return "object"
    return "string"
