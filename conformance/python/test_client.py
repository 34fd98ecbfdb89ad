"""Our client over every version of HTTP, before our own server and before one that shares no code with
it: PyPI `hypercorn`, with `h2` for HTTP/2 and `aioquic` for HTTP/3."""

import contextlib
import subprocess
import sys
import unittest
from pathlib import Path

from subject import BINARY, LIMIT_S, Server, certified, serving

VERSIONS = ["1", "2", "3"]


class Hypercorn(Server):
    """`echo_server.py` on a free port."""

    def __init__(self, files=()):
        script = Path(__file__).parent / "echo_server.py"
        self.start([sys.executable, str(script), *map(str, files)])


@contextlib.contextmanager
def hypercorn(files=()):
    server = Hypercorn(files)
    try:
        yield server
    finally:
        server.stop()


def exercise(server, path, http, *arguments, certificate=None):
    """What the client says of it."""
    scheme, host = ("wss", "localhost") if certificate else ("ws", "127.0.0.1")
    url = f"{scheme}://{host}:{server.address[1]}{path}"
    command = [BINARY, "conformance-client", "websocket", "--url", url, "--http", http, *arguments]
    if certificate:
        command += ["--ca", str(certificate.certificate)]
    return subprocess.run(command, capture_output=True, text=True, timeout=6 * LIMIT_S)


class Client(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.certificate = cls.enterClassContext(certified())
        cls.files = [cls.certificate.certificate, cls.certificate.key]
        cls.ours = cls.enterClassContext(serving("websocket", ["--tls", *cls.files]))
        cls.ours_in_clear = cls.enterClassContext(serving("websocket"))
        cls.theirs = cls.enterClassContext(hypercorn(cls.files))
        cls.theirs_in_clear = cls.enterClassContext(hypercorn())

    def check(self, expected, *what, **options):
        done = exercise(*what, **options)
        self.assertEqual((done.stdout, done.stderr), (f"ok {expected}\n", ""), what[1:])

    def test_our_server_over_tls(self):
        for http in VERSIONS:
            for path in ["/echo", "/echo-shared"]:
                for more in [[], ["--takeover"]]:
                    with self.subTest(http=http, path=path, more=more):
                        what = (self.ours, path, http, *more)
                        expected = "compressed subprotocol=none"
                        self.check(expected, *what, certificate=self.certificate)

    def test_our_server_without_compression(self):
        for http in VERSIONS:
            with self.subTest(http=http):
                what = (self.ours, "/chat", http, "--subprotocol", "superchat")
                self.check("plain subprotocol=superchat", *what, certificate=self.certificate)

    def test_our_server_in_clear(self):
        for http in ["1", "2"]:
            with self.subTest(http=http):
                self.check("compressed subprotocol=none", self.ours_in_clear, "/echo", http)

    def test_hypercorn_over_tls(self):
        for http in VERSIONS:
            with self.subTest(http=http):
                what = (self.theirs, "/", http, "--takeover", "--subprotocol", "chat")
                expected = "compressed subprotocol=chat"
                self.check(expected, *what, certificate=self.certificate)

    def test_hypercorn_in_clear(self):
        for http in ["1", "2"]:
            with self.subTest(http=http):
                what = (self.theirs_in_clear, "/", http, "--takeover")
                self.check("compressed subprotocol=none", *what)

    def test_other_statuses_are_told(self):
        for http in VERSIONS:
            with self.subTest(http=http):
                done = exercise(self.ours, "/nowhere", http, certificate=self.certificate)
                self.assertEqual(done.returncode, 2)
                self.assertIn("404", done.stderr)

    def test_certificates_are_checked(self):
        with certified() as other:
            for http in VERSIONS:
                with self.subTest(http=http):
                    done = exercise(self.ours, "/echo", http, certificate=other)
                    self.assertEqual(done.returncode, 2)
                    self.assertIn("certificate", done.stderr.lower())
