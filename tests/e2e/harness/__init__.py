# SPDX-License-Identifier: Apache-2.0
"""Tools of the end-to-end tests: a server to start and stop, a client that speaks TS-0009, a receiver of notifications.

Nothing here knows how the server is built; what is checked comes from the catalogue in docs/requirements and model/*.json.
"""

from .client import Client, Entity, Response, path_of
from .facts import ROOT, STATUS, TYPES, attrs_of, complex_type, enumeration
from .make import acp, absolute, always, allow, never, rule, sp_relative, unique
from .peer_cse import PeerCSE, reply
from .receiver import Receiver
from .server import Server, free_port
from .times import now, stamp, wait_until

__all__ = [
    "Client", "Entity", "Response", "path_of", "ROOT", "STATUS", "TYPES", "attrs_of", "complex_type", "enumeration", "acp",
    "absolute", "always", "allow", "never", "rule", "sp_relative", "unique", "Receiver", "Server", "free_port", "now", "stamp",
    "wait_until",
]
