# SPDX-License-Identifier: Apache-2.0
"""`reeve ae` over every binding, in clear and with every credential that works there. The client is a second implementation of each binding, so
these tests are also those of a peer; what it shares with the CSE are pure mappings, which the vectors test against others."""

import json
import os
import re
import signal
import socket
import subprocess
import threading

import pytest

from harness import Server, unique
from harness.certs import Authority, dns
from harness.https import PSK, Pki, credential, key_tool, raw_key_id
from harness.mqtt import Broker
from harness.server import REPORT, binary, free_port, stop_all

PATIENCE = 60
CLEAR, SECURE = ("http", "coap", "ws", "mqtt"), ("https", "coaps", "wss")
WAYS = [(s, None) for s in CLEAR] + [(s, c) for s in SECURE for c in ("psk", "cert", "raw")] + [("mqtts", "psk"), ("mqtts", "cert")]


def run(*args, **env):
    done = subprocess.run([binary(), "ae", *map(str, args)], capture_output=True, text=True, timeout=PATIENCE, env=dict(os.environ, **env))
    assert not REPORT.search(done.stderr), done.stderr
    return done


def secret(folder, name, key=PSK):
    path = folder / name
    path.write_text(key + "\n")
    path.chmod(0o600)
    return path


@pytest.fixture(scope="module")
def started():
    made = []

    def start(settings, **kw):
        made.append(Server(settings, **kw).start())
        return made[-1]
    yield start
    stop_all(made)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("ae")


@pytest.fixture(scope="module")
def pki(folder):
    return Pki(folder)


@pytest.fixture(scope="module")
def cse(pki, started, folder):
    """All listeners, and a broker in clear."""
    return started(pki.settings(folder, **{"http.open": "true", "tls.raw_key": "own", "coaps.address": "127.0.0.1",
                                           "coaps.port": free_port(socket.SOCK_DGRAM)}), mqtt=True)




@pytest.fixture(scope="module")
def brokers(started, folder):
    """How the CSE and its broker know each other: (broker, CSE, flags of an AE), made when asked for."""
    made = {}

    def psk():
        b = Broker(["allow_anonymous true"], {"psk": "reeve:%s\nSpump:%s\n" % (PSK, PSK)}, listener=["psk_hint x", "psk_file {dir}/psk"])
        keys = folder / "mqtt-psk-keys"
        key_tool(keys, "import", secret(folder, "mqtt-psk"), "--form", "hex", "--alg", "TLS-PSK", "--kid", "12-reeve")
        s = started({"keys.file": str(keys), "mqtt.broker": b.url("mqtts"), "mqtt.credential": "12-reeve", "http.open": "true"})
        return b, s, b.url("mqtts"), ("--psk", "Spump:%s" % (folder / "mqtt-psk"))

    def cert():
        ca = Authority(folder)
        leaf, own, ae = (ca.issue([dns(n)], cn=n) for n in ("localhost", "reeve.reeve.local", "pump.example"))
        files = {"key": leaf.key_file.read_text(), "cert": leaf.chain.read_text(), "ca": ca.file.read_text()}
        b = Broker(["allow_anonymous true", "require_certificate true"], files,
                   listener=["certfile {dir}/cert", "keyfile {dir}/key", "cafile {dir}/ca"])
        keys = folder / "mqtt-cert-keys"
        key_tool(keys, "import", own.key_file, "--alg", "TLS-ES256", "--kid", "own")
        s = started({"keys.file": str(keys), "mqtt.broker": b.url("mqtts", "localhost"), "mqtt.ca": str(ca.file), "http.open": "true", "mqtt.open": "true",
                     "tls.certificates": "own:%s" % own.chain})
        return b, s, b.url("mqtts", "localhost"), ("--cert", ae.chain, "--key", ae.key_file, "--anchor", ca.file)

    def get(how):
        if how not in made:
            made[how] = {"psk": psk, "cert": cert}[how]()
        return made[how]
    yield get
    for b, *_ in made.values():
        b.close()


class Shell:
    """An AE with its way to the CSE."""

    def __init__(self, server, url, who, flags):
        self.server, self.who, self.at = server, who, "cse/" + who
        self.flags = ("--cse", url, "--from", who, *flags)

    def __call__(self, *args, status=0, more=()):
        done = run(*args, *self.flags, *more)
        assert done.returncode == status, done
        return done.stderr if status else done.stdout

    def clear(self, *args):
        done = run(*args, "--cse", "http://127.0.0.1:%d" % self.server.port, "--from", self.who)
        assert done.returncode == 0, done
        return done.stdout


def url_of(cse, scheme):
    port = {"http": cse.port, "ws": cse.port, "coap": cse.settings["coap.port"], "https": cse.settings["https.port"],
            "wss": cse.settings["https.port"], "coaps": cse.settings["coaps.port"], "mqtt": cse.broker.port}[scheme]
    return "%s://127.0.0.1:%d" % (scheme, port)


def flags_of(cse, pki, folder, who, how):
    """The credential of an AE, known to the CSE."""
    if how == "psk":
        credential(cse, {"id": "12-%s@issuer.example" % who, "ae": ["//reeve.local/reeve/" + who], "secret": PSK})
        return "--psk", "%s@issuer.example:%s" % (who, secret(folder, who))
    if how == "cert":
        leaf = pki.ae(who)
        return "--cert", leaf.chain, "--key", leaf.key_file, "--anchor", pki.cse_ca.file, "--server-name", pki.domain
    if how == "raw":
        leaf = pki.ae_ca.issue([])
        credential(cse, {"id": "30-" + raw_key_id(leaf), "ae": ["//reeve.local/reeve/" + who]})
        return "--raw-key", leaf.key_file, "--server-public-key", raw_key_id(pki.own)
    return ()


@pytest.fixture(params=WAYS, ids=lambda w: "-".join(filter(None, w)))
def shell(request, cse, pki, folder, brokers):
    scheme, how = request.param
    who = unique("Cae")
    if scheme == "mqtts":
        _, server, url, flags = brokers(how)
        s = Shell(server, url, who, flags)
    else:
        s = Shell(cse, url_of(cse, scheme), who, flags_of(cse, pki, folder, who, how))
    s.scheme = scheme
    s("create", "cse", "ae", "--name", who, "api=Ntest", "rr=true", "srv=3")
    return s


def test_operations(shell):
    """Register, create, retrieve, update, discover, delete; and what is refused is told. CoAP: contents larger than a block, both ways."""
    large = "".join(chr(97 + i % 26) for i in range(3500))
    out = shell("create", shell.at, "cnt", "--name", "c", "lbl=a,b b")
    assert re.search(r"^container$", out, re.M)
    shell("create", shell.at + "/c", "cin", "con=" + large)
    assert json.loads(shell("retrieve", shell.at + "/c/la", "--json"))["m2m:cin"]["con"] == large
    assert set(json.loads(shell("retrieve", shell.at + "/c/la", "--json", "--attributes", "cs"))["m2m:cin"]) == {"cs"}
    shell("update", shell.at + "/c", "mni=7")
    assert json.loads(shell("retrieve", shell.at + "/c", "--json"))["m2m:cnt"]["mni"] == 7
    assert shell("discover", shell.at, "--type", "cnt", "--label", "b b").split() == [shell.at + "/c"]
    assert shell("discover", shell.at, "--label", "a&b+c").split() == []
    shell("delete", shell.at + "/c")
    err = shell("retrieve", shell.at + "/c", status=1)
    assert "4004 NOT_FOUND" in err and "no resource at" in err
    done = run("retrieve", shell.at + "/c", "--json", *shell.flags)
    assert done.returncode == 1 and "m2m:dbg" in json.loads(done.stdout)
    assert re.search("410[367] ", shell("retrieve", shell.at, status=1, more=("--from", "Cstranger")))


class Watch:
    def __init__(self, *args):
        self.p = subprocess.Popen([binary(), "ae", *map(str, args)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.timer = threading.Timer(PATIENCE, self.p.kill)
        self.timer.start()
        self.first = self.p.stderr.readline()

    def until(self, text):
        seen = []
        for line in self.p.stdout:
            seen.append(line)
            if text in line:
                return "".join(seen)
        raise AssertionError((text, seen, self.p.stderr.read()))

    def end(self):
        self.p.send_signal(signal.SIGINT)
        return self.ended()

    def ended(self):
        rest = self.p.stderr.read()
        status = self.p.wait()
        self.timer.cancel()
        self.p.stdout.close()
        self.p.stderr.close()
        assert not REPORT.search(rest), rest
        return status, rest


def test_watch(shell):
    """Notifications come the way of the binding, also one that is larger than a message of CoAP; Ctrl-C removes the subscription, and whoever
    else ends it is told."""
    large = "x" * 3000
    shell("create", shell.at, "cnt", "--name", "w")
    w = Watch("watch", shell.at + "/w", *shell.flags)
    assert w.first.startswith("watching"), (w.first, w.ended())
    (nu,) = json.loads(shell.clear("retrieve", shell.clear("discover", shell.at, "--type", "sub").strip(), "--json"))["m2m:sub"]["nu"]
    assert nu.split(":")[0] == {"https": "http", "coaps": "coap", "ws": shell.who, "wss": shell.who}.get(shell.scheme, shell.scheme)
    for con in ("first", large):
        shell.clear("create", shell.at + "/w", "cin", "con=" + con)
        assert "--- child created" in w.until(con)
    assert w.end() == (0, "")
    assert shell.clear("discover", shell.at, "--type", "sub") == ""
    w = Watch("watch", shell.at + "/w", *shell.flags)
    shell.clear("delete", shell.clear("discover", shell.at, "--type", "sub").strip())
    w.until("the subscription ended")
    assert w.ended() == (0, "")


@pytest.mark.parametrize("scheme", ["coap", "ws", "mqtt"])
def test_watch_as_json(cse, scheme):
    who = unique("Cjson")
    s = Shell(cse, url_of(cse, scheme), who, ())
    s("create", "cse", "ae", "--name", who, "api=Ntest", "rr=true", "srv=3")
    s("create", s.at, "cnt", "--name", "w")
    w = Watch("watch", s.at + "/w", "--json", *s.flags)
    s.clear("create", s.at + "/w", "cin", "con=5")
    assert json.loads(w.until('"con"').splitlines()[-1])["m2m:sgn"]["nev"]["rep"]["m2m:cin"]["con"] == "5"
    assert w.end()[0] == 0


@pytest.mark.parametrize("scheme", ["coap", "mqtt"])
def test_listen(cse, scheme):
    """Without a subscription of its own: whoever notifies is shown."""
    who = unique("Cear")
    s = Shell(cse, url_of(cse, scheme), who, ())
    s("create", "cse", "ae", "--name", who, "api=Ntest", "rr=true", "srv=3")
    s("create", s.at, "cnt", "--name", "w")
    w = Watch("listen", *s.flags)
    url = re.search(r"to (\S+) are", w.first).group(1)
    s.clear("create", s.at + "/w", "sub", "nct=1", 'enc:={"net":[3]}', "nu=" + url)
    s.clear("create", s.at + "/w", "cin", "con=heard")
    w.until("heard")
    assert w.end()[0] == 0


def test_registration_by_credential(cse):
    """CORE-299: before there is an id, the Credential-ID stands in the topic."""
    ask = ("create", "cse", "ae", "api=Ntest", "rr=false", "srv=3", "--json", "--cse", url_of(cse, "mqtt"))
    done = run(*ask, "--credential-id", "12-new@issuer.example")
    assert done.returncode == 0 and json.loads(done.stdout)["m2m:ae"]["aei"].startswith("C"), done
    cse.broker.wait_log("/oneM2M/reg_req/12-new@issuer.example/reeve/json")
    done = run(*ask)
    assert done.returncode == 3 and "--credential-id" in done.stderr


def test_claims_travel(cse, pki, folder):
    """Roles and tokens reach the CSE over every binding: what cannot be a token is refused by its name."""
    who = unique("Cclaim")
    for scheme in CLEAR:
        s = Shell(cse, url_of(cse, scheme), who, ())
        if scheme == "http":
            s("create", "cse", "ae", "--name", who, "api=Ntest", "rr=false", "srv=3")
        assert json.loads(s("retrieve", s.at, "--json", more=("--role", "nurse@hospital.example", "--rcn", "1")))["m2m:ae"]["aei"] == who


# --- what goes wrong

@pytest.mark.parametrize("scheme", SECURE)
def test_wrong_credentials(cse, pki, folder, scheme):
    """SEC-020: no association, no answer; the reason names what is wrong, and no secret."""
    who = unique("Cwrong")
    base = ("retrieve", "cse", "--cse", url_of(cse, scheme), "--from", who, "--timeout", "5")
    cert, psk = flags_of(cse, pki, folder, who, "cert"), flags_of(cse, pki, folder, who, "psk")
    stranger = pki.stranger_ca.issue([])
    other = PSK.replace("0", "1")
    for flags, text in [
            ((), "needs a credential: one of --psk"),
            (cert[:2], "--cert and --key go together"),
            (cert[:4], "who is the CSE?"),
            ((*cert[:-1], "in9.example.org"), "no security association"),
            ((*cert[:5], pki.stranger_ca.file, *cert[6:]), "no security association"),
            (("--cert", stranger.chain, "--key", stranger.key_file, *cert[4:]), ""),
            (("--psk", "%s@issuer.example:%s" % (who, secret(folder, "other", other))), ""),
            (("--psk", "nobody:%s" % secret(folder, "same")), ""),
            (("--psk", "nothing"), "write ID:FILE")]:
        done = run(*base, *flags)
        assert done.returncode == 3 and text in done.stderr and "://127.0.0.1:" in done.stderr, (flags, done)
        assert other not in done.stderr and PSK not in done.stderr
    # the right one, but of another AE
    assert "4106" in run(*base, *psk, "--from", "Canother").stderr


def test_wrong_credentials_at_a_broker(brokers, folder):
    _, _, url, flags = brokers("psk")
    base = ("retrieve", "cse", "--cse", url, "--from", "Spump", "--timeout", "20")
    wrong = secret(folder, "wrong-at-broker", PSK.replace("0", "1"))
    for more, text in [((), "needs a credential"), (("--psk", "Spump:%s" % wrong), "does the broker know the credential?"),
                       (("--psk", "nobody:%s" % (folder / "mqtt-psk")), "does the broker know the credential?"),
                       (("--raw-key", wrong, "--server-public-key", "ni:///sha-256;x"), "raw public keys do not go with mqtts")]:
        done = run(*base, *more)
        assert done.returncode == 3 and text in done.stderr, (more, done)
    _, _, url, flags = brokers("cert")
    base = ("retrieve", "cse", "--cse", url, "--from", "Spump", "--timeout", "20")
    for change, text in [((*flags[:5], Authority(folder).file), "no security association: "),
                         ((*flags, "--server-name", "other.example"), "ostname mismatch")]:
        done = run(*base, *change)
        assert done.returncode == 3 and text in done.stderr, (change, done)


@pytest.mark.parametrize("scheme", ["coap", "coaps", "ws", "wss", "mqtt", "mqtts"])
def test_nobody_there(scheme, pki, folder):
    flags = ("--psk", "x:%s" % secret(folder, "nobody")) if scheme in ("coaps", "wss", "mqtts") else ()
    kind = socket.SOCK_DGRAM if scheme.startswith("coap") else socket.SOCK_STREAM
    done = run("retrieve", "cse", "--cse", "%s://127.0.0.1:%d" % (scheme, free_port(kind)), "--from", "Cx", *flags)
    assert done.returncode == 3 and "Connection refused" in done.stderr, done


def test_silence(cse):
    """A peer that never answers, and a CSE that is not at this broker."""
    with socket.socket(type=socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", 0))
        done = run("retrieve", "cse", "--cse", "coap://127.0.0.1:%d" % s.getsockname()[1], "--from", "Cx", "--timeout", "0.5")
        assert done.returncode == 3 and "nobody answers there" in done.stderr, done
    done = run("retrieve", "cse", "--cse", url_of(cse, "mqtt"), "--cse-id", "/elsewhere", "--from", "Cx", "--timeout", "1")
    assert done.returncode == 3 and "is the CSE /elsewhere at this broker?" in done.stderr, done


def test_not_a_websocket(cse):
    with socket.create_server(("127.0.0.1", 0)) as s:
        def answer():
            c, _ = s.accept()
            with c:
                c.recv(4096)
                c.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
        t = threading.Thread(target=answer)
        t.start()
        done = run("retrieve", "cse", "--cse", "ws://127.0.0.1:%d" % s.getsockname()[1], "--from", "Cx")
        t.join()
    assert done.returncode == 3 and "no WebSocket connection" in done.stderr, done


@pytest.mark.parametrize("args, text", [
    (("--cse", "ftp://x"), "is no address of a CSE"), (("--cse", "mqtt://x/a+b"), "no topic of MQTT"),
    (("--cse-id", "reeve"), "an id like /reeve"), (("--cse", "coap://127.0.0.1:1", "--rcn", "many"), "")])
def test_command_line(args, text):
    done = run("retrieve", "cse", "--from", "Cx", *args)
    assert done.returncode in (2, 3) and text in done.stderr, done


def test_an_id_that_is_no_level(cse):
    done = run("retrieve", "cse", "--cse", url_of(cse, "mqtt"), "--from", "C/+/x")
    assert done.returncode == 3 and "make no topic" in done.stderr, done


def test_credentials_are_administered_over_https():
    done = subprocess.run([binary(), "credential", "list", "--cse", "coaps://127.0.0.1:5684"], capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 2 and "over https://" in done.stderr, done
