# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the end-to-end tests.

    /usr/bin/python3 -m pytest tests/e2e            REEVE=path of the binary (default build/reeve)

One server is shared by all tests of a session (and of a parallel worker): a test makes its own AEs and works below them.
Tests that need other settings, a restart or a crash start servers of their own with `new_server`.
"""

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from harness import Receiver, Server  # noqa: E402
from harness.das import Das  # noqa: E402
from harness.server import stop_all  # noqa: E402


@pytest.fixture(scope="session")
def server():
    s = Server()
    s.start()
    yield s
    try:
        s.stop()
    finally:
        s.remove()


@pytest.fixture(scope="session")
def servers():
    """Servers with other settings, shared by the tests that ask for the same ones: servers(**{"section.key": value}).

    mqtt=True: with a broker; https=True: with a listener of HTTPS and certificates (server.pki)."""
    running = {}

    def get(env=None, mqtt=False, https=False, **settings):
        key = repr((sorted(settings.items()), sorted((env or {}).items()), mqtt, https))
        if key not in running:
            running[key] = Server(settings, env=env, mqtt=mqtt, https=https).start()
        return running[key]

    yield get
    stop_all(running.values())


@pytest.fixture
def new_server():
    """new_server({"section.key": value}, env=...) starts a server of the test's own."""
    made = []

    def start(settings=None, **kw):
        s = Server(settings, **kw)
        made.append(s)
        return s.start()

    yield start
    stop_all(made)


@pytest.fixture(autouse=True)
def server_lives(request):
    """A test after which the shared server is gone has failed; the next one finds it running again, on the same store."""
    yield
    if "server" not in request.fixturenames:
        return
    s = request.getfixturevalue("server")
    if not s.alive():
        text = "the server ended with %s:\n%s" % (s.process.poll(), s.errors()[-6000:])
        s.process = None
        s.client.close()
        s.start()
        pytest.fail(text)


@pytest.fixture
def das():
    """A Dynamic Authorization System that answers what the test says."""
    d = Das()
    yield d
    d.close()


@pytest.fixture
def ae(server):
    """A fresh AE."""
    return server.register()


@pytest.fixture
def other(server):
    """A second fresh AE, a stranger to the first."""
    return server.register()


@pytest.fixture(scope="session")
def admin(server):
    """The AE with all rights on <CSEBase>."""
    return server.admin()


@pytest.fixture
def stranger(server):
    """Somebody who is not registered."""
    from harness import unique
    return server.entity("C" + unique("nobody"))


@pytest.fixture
def receiver():
    r = Receiver()
    yield r
    r.close()
