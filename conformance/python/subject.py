"""The server under test, certificates for it, and WebSocket frames.

OMNIWIRE is the path of the binary.
"""

import contextlib
import datetime
import ipaddress
import os
import signal
import struct
import subprocess
import tempfile
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

BINARY = os.environ["OMNIWIRE"]
LIMIT_S = 20
TEXT, BINARY_FRAME, CLOSE, PING, PONG = 1, 2, 8, 9, 10


class Certificate:
    """A certificate of our own for localhost and 127.0.0.1, as Chromium takes it for WebTransport:
    ECDSA, and valid for less than two weeks."""

    def __init__(self, folder, name="server"):
        self.certificate = Path(folder) / f"{name}.pem"
        self.key = Path(folder) / f"{name}.key"
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
        now = datetime.datetime.now(datetime.timezone.utc)
        names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        made = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=10))
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .sign(key, hashes.SHA256())
        )
        pem = serialization.Encoding.PEM
        self.certificate.write_bytes(made.public_bytes(pem))
        self.key.write_bytes(
            key.private_bytes(
                pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )


class Server:
    """`omniwire conformance --suite NAME` on a free port."""

    def __init__(self, suite, arguments=(), environment=None):
        command = [BINARY, "conformance", "--suite", suite, "--port", "0", *map(str, arguments)]
        self.start(command, environment)

    def start(self, command, environment=None):
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, env={**os.environ, **(environment or {})}
        )
        line = self.process.stdout.readline()
        if not line.startswith("listening on "):
            self.stop()
            raise AssertionError(f"no address was printed by: {' '.join(command)}")
        host, port = line.removeprefix("listening on ").strip().rsplit(":", 1)
        self.address = (host, int(port))

    def terminate(self):
        self.process.send_signal(signal.SIGTERM)

    def stop(self):
        with contextlib.suppress(ProcessLookupError):
            self.terminate()
        try:
            return self.process.wait(LIMIT_S)
        finally:
            self.process.kill()
            self.process.stdout.close()

    def resident_kib(self):
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0])


@contextlib.contextmanager
def serving(suite, arguments=(), environment=None):
    server = Server(suite, arguments, environment)
    try:
        yield server
    finally:
        server.stop()


@contextlib.contextmanager
def certified():
    with tempfile.TemporaryDirectory() as folder:
        yield Certificate(folder)


def frame(opcode, payload, *, fin=True, masked=True, mask=b"\x11\x22\x33\x44"):
    """A frame as a client sends it (RFC 6455, 5.2)."""
    payload = payload.encode() if isinstance(payload, str) else bytes(payload)
    first, mask_bit = (0x80 if fin else 0) | opcode, 0x80 if masked else 0
    if len(payload) < 126:
        head = struct.pack("!BB", first, mask_bit | len(payload))
    elif len(payload) < 65536:
        head = struct.pack("!BBH", first, mask_bit | 126, len(payload))
    else:
        head = struct.pack("!BBQ", first, mask_bit | 127, len(payload))
    if not masked:
        return head + payload
    repeated = (mask * (len(payload) // 4 + 1))[: len(payload)]
    size = len(payload)
    hidden = int.from_bytes(payload, "big") ^ int.from_bytes(repeated, "big")
    return head + mask + hidden.to_bytes(size, "big")


def close_frame(code, reason=""):
    return frame(CLOSE, struct.pack("!H", code) + reason.encode())


class Frames:
    """Takes the frames out of what a server sends; it must keep to RFC 6455, 5.1 and 5.2."""

    def __init__(self):
        self.octets = bytearray()

    def feed(self, data):
        self.octets += data

    def take(self):
        """The next frame as (opcode, payload); None if it has not come in whole."""
        if len(self.octets) < 2:
            return None
        first, second = self.octets[:2]
        if second & 0x80 or first & 0x70 or not first & 0x80:
            raise AssertionError(f"a server's frame begins with {first:#x} {second:#x}")
        start, size = 2, second
        if second == 126:
            start, size = 4, int.from_bytes(self.octets[2:4], "big")
        elif second == 127:
            start, size = 10, int.from_bytes(self.octets[2:10], "big")
        if len(self.octets) < start + size:
            return None
        payload = bytes(self.octets[start : start + size])
        del self.octets[: start + size]
        return first & 0x0F, payload
