"""TLS: row A22 of the list in RFC 6455's terms, and what a wrong certificate is told."""

import socket
import ssl
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

from subject import BINARY, CLOSE, LIMIT_S, TEXT, Certificate, Frames, certified
from subject import close_frame, frame, serving

UPGRADE = (
    b"GET /echo-plain HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


class Tls(unittest.TestCase):
    limits = []

    @classmethod
    def setUpClass(cls):
        certificate = cls.enterClassContext(certified())
        arguments = ["--tls", certificate.certificate, certificate.key, *cls.limits]
        cls.server = cls.enterClassContext(serving("websocket", arguments))

    def connect(self, name="localhost", protocols=("http/1.1",), **settings):
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_alpn_protocols(protocols)
        for setting, value in settings.items():
            setattr(context, setting, value)
        plain = socket.create_connection(self.server.address, LIMIT_S)
        return self.enterContext(context.wrap_socket(plain, server_hostname=name))


class Handshakes(Tls):
    def test_a22_alpn_chooses_the_version_of_http(self):
        """RFC 7301; RFC 9113, 3.2."""
        both, old = ["h2", "http/1.1"], ["http/1.1"]
        for offered, chosen in [(both, "h2"), (both[::-1], "h2"), (old, "http/1.1")]:
            with self.subTest(offered=offered):
                connection = self.connect(protocols=offered)
                self.assertEqual(connection.selected_alpn_protocol(), chosen)

    def test_a22_no_plaintext_on_the_port_of_tls(self):
        with socket.create_connection(self.server.address, LIMIT_S) as plain:
            plain.sendall(UPGRADE)
            answer = b""
            try:
                while data := plain.recv(4096):
                    answer += data
            except ConnectionError:
                pass
        self.assertNotIn(b"HTTP", answer)

    def test_a22_an_unknown_name_is_refused(self):
        with self.assertRaises((ssl.SSLError, ConnectionError)):
            self.connect(name="other.example").recv(1)
        self.connect(name=None)

    def test_both_versions_of_tls(self):
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            with self.subTest(version=version):
                connection = self.connect(minimum_version=version, maximum_version=version)
                self.assertEqual(connection.version().replace(".", "_"), version.name)

    def test_a_websocket_over_tls(self):
        connection = self.connect()
        # The first frame comes with the request.
        connection.sendall(UPGRADE + frame(TEXT, "early"))
        received = b""
        while b"\r\n\r\n" not in received:
            received += connection.recv(4096)
        head, rest = received.split(b"\r\n\r\n", 1)
        self.assertTrue(head.startswith(b"HTTP/1.1 101 "), head)
        frames = Frames()
        frames.feed(rest)

        def receive():
            while (taken := frames.take()) is None:
                data = connection.recv(65536)
                self.assertTrue(data)
                frames.feed(data)
            return taken

        self.assertEqual(receive(), (TEXT, b"early"))
        long = "x" * 300_000
        connection.sendall(frame(TEXT, long))
        self.assertEqual(receive(), (TEXT, long.encode()))
        connection.sendall(close_frame(1000))
        self.assertEqual(receive()[0], CLOSE)
        self.assertEqual(connection.recv(1), b"")


class Deadline(Tls):
    limits = ["--limit", "handshake_timeout_ms=400"]

    def test_the_handshake_has_a_time_limit_that_no_byte_resets(self):
        with socket.create_connection(self.server.address, LIMIT_S) as silent:
            begun = time.monotonic()
            self.assertEqual(silent.recv(1), b"")
            self.assertGreater(time.monotonic() - begun, 0.3)
        with socket.create_connection(self.server.address, LIMIT_S) as slow:
            # A ClientHello of 16,000 octets, of which hardly any come.
            hello = b"\x16\x03\x01\x3e\x80\x01\x00\x3e\x7c" + bytes(1000)
            slow.settimeout(0.05)
            ended = False
            for octet in hello:
                try:
                    slow.sendall(bytes([octet]))
                    ended = slow.recv(1) == b""
                except TimeoutError:
                    continue
                except ConnectionError:
                    ended = True
                if ended:
                    break
            self.assertTrue(ended)
            self.assertLess(time.monotonic() - begun, LIMIT_S)

    def test_a_connection_without_a_request_ends_too(self):
        self.assertEqual(self.connect().recv(1), b"")


class Mistakes(unittest.TestCase):
    """One line with the file in it, and exit code 2."""

    def setUp(self):
        folder = self.enterContext(tempfile.TemporaryDirectory())
        self.good, self.other = Certificate(folder), Certificate(folder, "other")
        self.empty = Path(folder) / "empty.pem"
        self.empty.write_text("nothing\n")
        self.missing = Path(folder) / "missing.pem"

    def told(self, *arguments):
        command = [BINARY, "serve", "--port", "0", *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S)
        self.assertEqual(done.returncode, 2, done)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        return done.stderr

    def test_files_that_are_of_no_use(self):
        certificate, key = self.good.certificate, self.good.key
        cases = [
            (self.missing, key, f"certificate {self.missing}: No such file"),
            (certificate, self.missing, f"private key {self.missing}: No such file"),
            (self.empty, key, f"certificate {self.empty}: "),
            (certificate, self.empty, f"private key {self.empty}: "),
            (key, certificate, f"certificate {key}: "),
            (certificate, self.other.key, f"{self.other.key} is not that of"),
        ]
        for certificate, key, words in cases:
            with self.subTest(certificate=certificate.name, key=key.name):
                line = self.told("--tls-cert", certificate, "--tls-key", key)
                self.assertIn(words, line)

    def test_one_of_the_two_alone(self):
        alone = "--tls-{}: alone makes no TLS: give --tls-{} too, or neither"
        told = self.told("--tls-cert", self.good.certificate)
        self.assertIn(alone.format("cert", "key"), told)
        self.assertIn(alone.format("key", "cert"), self.told("--tls-key", self.good.key))


if __name__ == "__main__":
    unittest.main()
