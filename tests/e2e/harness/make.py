# SPDX-License-Identifier: Apache-2.0
"""Names and representations that tests need all the time."""

import itertools
import os
import uuid

_count = itertools.count(1)
_run = uuid.uuid4().hex[:6]

CREATE, RETRIEVE, UPDATE, DELETE, NOTIFY, DISCOVER, ALL = 1, 2, 4, 8, 16, 32, 63


def unique(prefix="x"):
    """A resource name no other test uses."""
    return "%s-%s-%x-%d" % (prefix, _run, os.getpid(), next(_count))


def rule(who, operations, **members):
    """One accessControlRule; members: acco, acod, acaf."""
    r = {"acor": [who] if isinstance(who, str) else list(who), "acop": operations}
    r.update(members)
    return r


def allow(*rules):
    return {"acr": list(rules)}


def acp(rules, self_rules, **attrs):
    """Attributes of an <accessControlPolicy>."""
    a = {"pv": allow(*rules), "pvs": allow(*self_rules)}
    a.update(attrs)
    return a


def always():
    return "* * * * * * *"


def never():
    return "* * * * * * 2001"


def sp_relative(server, stem):
    """AE-ID-Stem in SP-relative form (TS-0001 7.2)."""
    return "/" + stem if stem.startswith("S") else "%s/%s" % (server.cse_id, stem)


def absolute(server, stem):
    return server.sp_id + sp_relative(server, stem)
