# SPDX-License-Identifier: Apache-2.0
"""Every vector of tests/vectors over every carrier, and the same outcome over all of them (CORE-274).

The requirements a vector proves are named in its file.
"""

import pytest

from harness.carrier import CARRIERS, carrier
from harness.vectors import Run, load

VECTORS = load()
WAYS = {v: [name for name, (kind, _) in CARRIERS.items() if kind.can(v.req) and not (v.clear and kind.protected)] for v in VECTORS}
_outcomes = {}


def outcome(vector, name, servers):
    """What came of the vector over this carrier. A failure is raised each time it is asked for."""
    key = vector.id, name
    if key not in _outcomes:
        server = servers(mqtt=True, https=True, **vector.server)
        try:
            other = next(n for n in CARRIERS if n != name)
            _outcomes[key] = Run(vector, carrier(name, server), carrier(other, server), server).run()
        except AssertionError as e:
            _outcomes[key] = e
        assert server.alive(), "the server ended: %s" % server.errors()[-4000:]
    if isinstance(_outcomes[key], AssertionError):
        raise AssertionError("%s over %s: %s" % (vector, name, _outcomes[key]))
    return _outcomes[key]


def test_every_vector_runs():
    assert len(VECTORS) > 700 and not [v for v in VECTORS if not WAYS[v]]


@pytest.mark.parametrize("vector,name", [(v, name) for v in VECTORS for name in WAYS[v]], ids=repr)
def test_vector(servers, vector, name):
    outcome(vector, name, servers)


@pytest.mark.parametrize("vector", VECTORS, ids=repr)
def test_same_over_all_carriers(servers, vector):
    """CORE-274"""
    first, *others = WAYS[vector]
    for name in others:
        assert outcome(vector, name, servers) == outcome(vector, first, servers), \
            "%s: %s and %s left different things behind" % (vector, first, name)
