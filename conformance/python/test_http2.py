"""WebSockets over HTTP/2 by raw frames: the rows F of the list in RFC 8441's terms, each over TLS and
by prior knowledge."""

import json
import struct
import time
import unittest

from hyperframe.frame import DataFrame, HeadersFrame, RstStreamFrame, WindowUpdateFrame

from http2 import (
    CANCEL,
    ENABLE_CONNECT_PROTOCOL,
    PROTOCOL_ERROR,
    REFUSED_STREAM,
    Gone,
    connected,
)
from subject import (
    BINARY_FRAME,
    CLOSE,
    LIMIT_S,
    PING,
    PONG,
    TEXT,
    certified,
    close_frame,
    frame,
    serving,
)

INITIAL_WINDOW_SIZE, MAX_CONCURRENT_STREAMS, MAX_HEADER_LIST_SIZE = 0x4, 0x3, 0x6


class Http2:
    """The rows; the classes below say over what."""

    tls = False

    @classmethod
    def setUpClass(cls):
        cls.arguments = []
        if cls.tls:
            certificate = cls.enterClassContext(certified())
            cls.arguments = ["--tls", certificate.certificate, certificate.key]
        cls.server = cls.enterClassContext(serving("websocket", cls.arguments))

    def connect(self, **options):
        return self.enterContext(connected(self.server.address, tls=self.tls, **options))

    def echo(self, socket, text):
        socket.send(frame(TEXT, text))
        self.assertEqual(socket.receive(), (TEXT, text.encode()))

    def stats(self):
        """How many carriers there are."""
        connection = self.connect()
        fields = [(":method", "GET"), (":scheme", connection.scheme), (":path", "/stats")]
        stream = connection.headers([*fields, (":authority", connection.authority)], end=True)
        self.assertEqual(connection.answer(stream)[0], 200)
        body = connection.next(lambda f: f.stream_id == stream and isinstance(f, DataFrame))
        connection.close()
        return json.loads(body.data)["connections"]

    def until_there_are(self, count):
        deadline = time.monotonic() + LIMIT_S
        while (now := self.stats()) != count:
            self.assertLess(time.monotonic(), deadline, f"{now} connections, not {count}")

    def test_f1_extended_connect_is_on_from_the_first_settings(self):
        """RFC 8441, 3."""
        self.assertEqual(self.connect().settings.get(ENABLE_CONNECT_PROTOCOL), 1)

    def test_f1_another_value_of_the_setting_is_a_protocol_error(self):
        connection = self.connect(settings={ENABLE_CONNECT_PROTOCOL: 2})
        self.assertEqual(connection.goaway(), PROTOCOL_ERROR)

    def test_f3_where_it_is_off_a_protocol_is_malformed(self):
        """RFC 8441, 3; RFC 9113, 8.1.1: a stream error, and the connection lives."""
        server = self.enterContext(serving("websocket", [*self.arguments, "--no-http2-websockets"]))
        connection = self.enterContext(connected(server.address, tls=self.tls))
        self.assertNotEqual(connection.settings.get(ENABLE_CONNECT_PROTOCOL), 1)
        stream = connection.headers(connection.connect_fields("/echo"))
        self.assertEqual(connection.reset(stream), PROTOCOL_ERROR)
        self.assertEqual(connection.request("/stats")[0], 200)

    def test_f4_a_connect_with_something_missing_is_malformed(self):
        """RFC 8441, 4; RFC 9113, 8.1.1: a stream error, and the connection lives."""
        connection = self.connect()
        for missing in (":scheme", ":path", ":authority"):
            fields = connection.connect_fields("/echo")
            fields = [field for field in fields if field[0] != missing]
            with self.subTest(missing=missing):
                self.assertEqual(connection.reset(connection.headers(fields)), PROTOCOL_ERROR)
        self.echo(connection.websocket("/echo-plain"), "alive")

    def test_f4_protocol_without_connect_is_malformed(self):
        connection = self.connect()
        fields = connection.connect_fields("/echo")
        fields[0] = (":method", "GET")
        self.assertEqual(connection.reset(connection.headers(fields)), PROTOCOL_ERROR)
        self.echo(connection.websocket("/echo-plain"), "alive")

    def test_f5_the_answer_is_200_without_fields_of_http_1(self):
        socket = self.connect().websocket("/echo-plain")
        unwanted = {"connection", "upgrade", "sec-websocket-accept", "sec-websocket-key"}
        self.assertFalse(unwanted & set(socket.fields))

    def test_f5_fields_about_the_connection_are_malformed(self):
        """RFC 9113, 8.2.2."""
        connection = self.connect()
        for field in (("connection", "upgrade"), ("upgrade", "websocket"), ("te", "gzip")):
            with self.subTest(field=field):
                stream = connection.headers(connection.connect_fields("/echo", [field]))
                self.assertEqual(connection.reset(stream), PROTOCOL_ERROR)
        self.echo(connection.websocket("/echo-plain"), "alive")

    def test_f6_the_handshake_is_checked_as_over_http_1(self):
        connection = self.connect()
        cases = [
            ("/echo", [("sec-websocket-version", "8")], 426, "version"),
            ("/chat", [("sec-websocket-protocol", "ch@t")], 400, "subprotocol"),
            ("/echo", [("sec-websocket-extensions", "foo;;=")], 400, "extension"),
            ("/origin", [("origin", "http://other.example")], 403, "origin"),
            ("/auth", [], 401, "token"),
            ("/nowhere", [], 404, "path"),
        ]
        for path, extra, expected, what in cases:
            with self.subTest(what):
                fields = connection.connect_fields(path)
                named = {name for name, _ in extra}
                fields = [field for field in fields if field[0] not in named] + extra
                status, answer = connection.answer(connection.headers(fields))
                self.assertEqual(status, expected)
                if what == "version":
                    self.assertEqual(answer["sec-websocket-version"], "13")
        offered = [("sec-websocket-protocol", "superchat, chat")]
        self.assertEqual(
            connection.websocket("/chat", offered).fields["sec-websocket-protocol"], "chat"
        )
        self.assertNotIn("sec-websocket-protocol", connection.websocket("/chat").fields)

    def test_f7_an_unknown_protocol_is_501(self):
        connection = self.connect()
        stream = connection.headers(connection.connect_fields("/echo", protocol="foo"))
        self.assertEqual(connection.answer(stream)[0], 501)

    def test_f8_frames_are_what_they_are_over_http_1(self):
        connection = self.connect()
        socket = connection.websocket("/echo-plain")
        socket.send(frame(TEXT, "one, ", fin=False) + frame(PING, "!") + frame(0, "two"))
        self.assertEqual(socket.receive(), (PONG, b"!"))
        self.assertEqual(socket.receive(), (TEXT, b"one, two"))
        broken = [
            (frame(TEXT, "x", masked=False), 1002),
            (frame(3, "x"), 1002),
            (frame(TEXT, b"\xff"), 1007),
            (frame(PING, "x", fin=False), 1002),
        ]
        for octets, code in broken:
            with self.subTest(octets=octets):
                socket = connection.websocket("/echo-plain")
                socket.send(octets)
                opcode, payload = socket.receive()
                self.assertEqual((opcode, payload[:2]), (CLOSE, struct.pack("!H", code)))

    def test_f9_the_server_ends_the_stream_after_the_closes(self):
        socket = self.connect().websocket("/echo-plain")
        socket.send(close_frame(1000, "done"))
        self.assertEqual(socket.receive(), (CLOSE, struct.pack("!H", 1000)))
        socket.end()

    def test_f9_a_lost_stream_frees_its_session(self):
        connection = self.connect()
        before = self.stats()
        reset, ended = connection.websocket("/echo-plain"), connection.websocket("/echo-plain")
        self.until_there_are(before + 2)
        connection.send(RstStreamFrame(reset.stream, error_code=CANCEL))
        connection.send(DataFrame(ended.stream, flags=["END_STREAM"]))
        self.until_there_are(before)
        self.echo(connection.websocket("/echo-plain"), "alive")

    def test_f10_after_the_handshake_there_are_only_data_frames(self):
        """RFC 9113, 8.5: trailers end the stream, and nothing else."""
        connection = self.connect()
        socket = connection.websocket("/echo-plain")
        connection.headers([("x-trailer", "1")], stream=socket.stream)
        with self.assertRaises(Gone):
            socket.receive()
        self.echo(connection.websocket("/echo-plain"), "alive")

    def test_f11_frames_may_be_cut_anywhere(self):
        connection = self.connect()
        socket = connection.websocket("/echo-plain")
        octets = frame(TEXT, "piece by piece")
        for octet in octets:
            connection.send(DataFrame(socket.stream, data=bytes([octet])))
            connection.send(DataFrame(socket.stream))
        self.assertEqual(socket.receive(), (TEXT, b"piece by piece"))
        padded = {"flags": ["PADDED"], "pad_length": 200}
        data = octets + frame(PING, "many") + octets
        connection.send(DataFrame(socket.stream, data=data, **padded))
        received = [socket.receive() for _ in range(3)]
        self.assertIn((PONG, b"many"), received)
        self.assertEqual(received.count((TEXT, b"piece by piece")), 2)

    def test_f12_a_closed_window_stops_one_stream_only(self):
        connection = self.connect(settings={INITIAL_WINDOW_SIZE: 0}, credit=False)
        connection.send(WindowUpdateFrame(0, window_increment=1 << 24))
        stalled = connection.websocket("/echo-plain")
        stalled.send(frame(TEXT, "for later"))
        for _ in range(99):
            moving = connection.websocket("/echo-plain")
            connection.send(WindowUpdateFrame(moving.stream, window_increment=1 << 20))
            self.echo(moving, "now")
            moving.send(close_frame(1000))
            moving.end()
        connection.ping()
        self.assertFalse([f for f in connection.waiting if f.stream_id == stalled.stream])
        connection.send(WindowUpdateFrame(stalled.stream, window_increment=4))
        with self.subTest("four octets are four octets"):
            stalled.read()
            self.assertEqual(len(stalled.frames.octets), 4)
        connection.send(WindowUpdateFrame(stalled.stream, window_increment=1 << 20))
        self.assertEqual(stalled.receive(), (TEXT, b"for later"))

    def test_f12_what_was_received_is_credited_back(self):
        connection = self.connect()
        socket = connection.websocket("/echo-plain")
        payload = bytes(16_000)
        for _ in range(40):
            socket.send(frame(BINARY_FRAME, payload))
            self.assertEqual(socket.receive(), (BINARY_FRAME, payload))
        self.assertGreater(connection.credited, 40 * 16_000 - (1 << 20))

    def test_f13_there_is_a_limit_of_streams(self):
        connection = self.connect()
        limit = connection.settings[MAX_CONCURRENT_STREAMS]
        for _ in range(limit):
            connection.websocket("/echo-plain")
        above = connection.headers(connection.connect_fields("/echo-plain"))
        self.assertEqual(connection.reset(above), REFUSED_STREAM)

    def test_f13_rapid_resets_are_bounded(self):
        """Ten thousand requests, each taken back at once: CVE-2023-44487."""
        connection = self.connect()
        before = self.server.resident_kib()
        other = self.connect().websocket("/echo-plain")
        try:
            for _ in range(10_000):
                stream = connection.headers(connection.connect_fields("/echo-plain"))
                connection.send(RstStreamFrame(stream, error_code=CANCEL))
            connection.ping()
        except (Gone, OSError):
            pass  # Given up: that is a bound as well.
        self.echo(other, "alive")
        self.assertLess(self.server.resident_kib() - before, 16 << 10)

    def test_f13_a_head_that_is_too_long_is_431(self):
        connection = self.connect()
        limit = connection.settings[MAX_HEADER_LIST_SIZE]
        extra = [("x-long", "x" * limit)]
        self.assertEqual(connection.request("/stats", extra=extra)[0], 431)
        self.assertEqual(connection.request("/stats")[0], 200)


class PriorKnowledge(Http2, unittest.TestCase):
    pass


class OverTls(Http2, unittest.TestCase):
    tls = True


class GoingDown(unittest.TestCase):
    def test_f13_goaway_lets_sessions_end(self):
        with serving("websocket") as server, connected(server.address) as connection:
            socket = connection.websocket("/echo-plain")
            server.terminate()
            opcode, payload = socket.receive()
            self.assertEqual((opcode, payload[:2]), (CLOSE, struct.pack("!H", 1001)))
            socket.send(close_frame(1001))
            socket.end()
            self.assertEqual(connection.goaway(), 0)
            self.assertEqual(server.stop(), 0)


if __name__ == "__main__":
    unittest.main()
