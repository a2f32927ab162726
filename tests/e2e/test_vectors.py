# SPDX-License-Identifier: Apache-2.0
"""Every vector of tests/vectors over every carrier, and the same outcome over all of them (CORE-274).

The requirements a vector proves are named in its file.
"""

import pytest

from harness.carrier import CARRIERS, carriers
from harness.vectors import Run, load

VECTORS = load()
_outcomes = {}


def outcome(vector, name, servers):
    """What came of the vector over this carrier; None when the carrier cannot take it. A failure is raised each time it is asked for."""
    key = vector.id, name
    if key not in _outcomes:
        server = servers(**vector.server)
        carrier = carriers(server.client)[name]
        try:
            _outcomes[key] = Run(vector, carrier, server).run() if carrier.can(vector.req) else None
        except AssertionError as e:
            _outcomes[key] = e
        assert server.alive(), "the server ended: %s" % server.errors()[-4000:]
    if isinstance(_outcomes[key], AssertionError):
        raise AssertionError("%s over %s: %s" % (vector, name, _outcomes[key]))
    return _outcomes[key]


@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize("vector", VECTORS, ids=repr)
def test_vector(servers, vector, carrier):
    outcome(vector, carrier, servers)


@pytest.mark.parametrize("vector", VECTORS, ids=repr)
def test_same_over_all_carriers(servers, vector):
    """CORE-274"""
    seen = {name: outcome(vector, name, servers) for name in CARRIERS}
    seen = {name: o for name, o in seen.items() if o is not None}
    first = next(iter(seen))
    for name, o in seen.items():
        assert o == seen[first], "%s: %s and %s left different things behind" % (vector, first, name)
