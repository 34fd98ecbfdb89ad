"""HTTP/3 by raw frames: the rows G of the list in RFC 9220's terms, and the other carriers."""

import asyncio
import json
import socket as socketlib
import ssl
import struct
import unittest

from aioquic.asyncio import connect
from aioquic.buffer import encode_uint_var
from aioquic.quic.configuration import QuicConfiguration

from http2 import connected as connected_by_tcp
from http3 import (
    DATA,
    ENABLE_CONNECT_PROTOCOL,
    GOAWAY,
    H3_EXCESSIVE_LOAD,
    H3_FRAME_UNEXPECTED,
    H3_MESSAGE_ERROR,
    H3_REQUEST_CANCELLED,
    H3_SETTINGS_ERROR,
    Closed,
    Reset,
    connected,
    encode_frame,
    take_frame,
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


class Http3(unittest.IsolatedAsyncioTestCase):
    suite = "websocket"
    limits = []

    @classmethod
    def setUpClass(cls):
        certificate = cls.enterClassContext(certified())
        arguments = ["--tls", certificate.certificate, certificate.key, *cls.limits]
        cls.server = cls.enterClassContext(serving(cls.suite, arguments))

    async def connect(self, **options):
        return await self.enterAsyncContext(connected(self.server.address, **options))

    async def echo(self, socket, text):
        socket.send(frame(TEXT, text))
        self.assertEqual(await socket.receive(), (TEXT, text.encode()))

    async def alive(self, connection):
        await self.echo(await connection.websocket("/echo-plain"), "alive")


class WebSockets(Http3):
    async def stats(self):
        """How many carriers there are."""
        connection = await self.connect()
        stream = connection.ask(connection.fields("/stats"), end=True)
        self.assertEqual((await connection.answer(stream))[0], 200)
        return json.loads(await connection.body(stream))["connections"]

    async def until_there_are(self, count):
        async with asyncio.timeout(LIMIT_S):
            while await self.stats() != count:
                pass

    async def test_g1_extended_connect_is_on(self):
        """RFC 9220, 3."""
        connection = await self.connect()
        self.assertEqual((await connection.settings()).get(ENABLE_CONNECT_PROTOCOL), 1)

    async def test_g1_another_value_of_the_setting_is_an_error(self):
        """RFC 9220, 3."""
        connection = await self.connect(settings=[(ENABLE_CONNECT_PROTOCOL, 2)])
        closed = await connection.until(lambda: connection.closed)
        self.assertEqual(closed, H3_SETTINGS_ERROR)

    async def test_g2_a_connect_with_something_missing_is_malformed(self):
        """RFC 9114, 4.1.2: an error of the stream, and the connection lives."""
        connection = await self.connect()
        for missing in (":method", ":scheme", ":path", ":authority"):
            fields = connection.connect_fields("/echo")
            fields = [field for field in fields if field[0] != missing]
            with self.subTest(missing=missing):
                await self.refused(connection, fields)
        await self.alive(connection)

    async def test_g2_what_makes_no_sense_is_malformed(self):
        connection = await self.connect()
        fields = connection.connect_fields("/echo")
        cases = {
            "protocol without CONNECT": [(":method", "GET"), *fields[1:]],
            "protocol twice": [*fields[:2], fields[1], *fields[2:]],
            "a field of the connection": [*fields, ("connection", "upgrade")],
            "a field in capitals": [*fields, ("X-Capital", "1")],
            "an unknown pseudo-header": [(":unknown", "1"), *fields],
        }
        for what, fields in cases.items():
            with self.subTest(what):
                await self.refused(connection, fields)
        await self.alive(connection)

    async def refused(self, connection, fields):
        with self.assertRaises(Reset) as reset:
            await connection.answer(connection.ask(fields))
        self.assertEqual(reset.exception.args, (H3_MESSAGE_ERROR,))

    async def test_g3_an_unknown_protocol_is_501(self):
        connection = await self.connect()
        for protocol in ("foo", "connect-udp", "webtransport"):
            with self.subTest(protocol):
                fields = connection.connect_fields("/echo", protocol=protocol)
                self.assertEqual((await connection.answer(connection.ask(fields)))[0], 501)

    async def test_g3_the_handshake_is_checked_as_over_http_1(self):
        connection = await self.connect()
        cases = [
            ("/origin", [("origin", "http://other.example")], 403),
            ("/auth", [], 401),
            ("/nowhere", [], 404),
            ("/chat", [("sec-websocket-protocol", "ch@t")], 400),
        ]
        for path, extra, status in cases:
            with self.subTest(path):
                fields = connection.connect_fields(path, extra)
                self.assertEqual((await connection.answer(connection.ask(fields)))[0], status)
        offered = [("sec-websocket-protocol", "superchat, chat")]
        socket = await connection.websocket("/chat", offered)
        self.assertEqual(socket.fields["sec-websocket-protocol"], "chat")

    async def test_g4_the_orderly_end_is_fin(self):
        connection = await self.connect()
        socket = await connection.websocket("/echo-plain")
        await self.echo(socket, "first")
        socket.send(close_frame(1000))
        self.assertEqual(await socket.receive(), (CLOSE, struct.pack("!H", 1000)))
        self.assertIsNone(await socket.receive())

    async def test_g4_a_lost_stream_frees_its_session(self):
        before = await self.stats()
        connection = await self.connect()
        reset = await connection.websocket("/echo-plain")
        ended = await connection.websocket("/echo-plain")
        await self.until_there_are(before + 2)
        connection.abort(reset.stream, H3_REQUEST_CANCELLED)
        connection.write(ended.stream, b"", end=True)
        await self.until_there_are(before)
        await self.alive(connection)

    async def test_g4_a_stream_that_is_cut_off_is_cancelled(self):
        connection = await self.connect()
        socket = await connection.websocket("/echo-plain")
        connection.abort(socket.stream, H3_REQUEST_CANCELLED)
        stopped = lambda: connection.stream(socket.stream).reset
        self.assertEqual(await connection.until(stopped), H3_REQUEST_CANCELLED)

    async def test_g4_an_end_in_the_middle_of_a_frame_harms_nobody(self):
        connection = await self.connect()
        socket = await connection.websocket("/echo-plain")
        cut = encode_uint_var(DATA) + encode_uint_var(100) + frame(TEXT, "half")
        connection.write(socket.stream, cut, end=True)
        other = await self.connect()
        await self.alive(other)

    async def test_g5_headers_after_the_handshake_are_unexpected(self):
        """RFC 9114, 4.4: an error of the connection."""
        connection = await self.connect()
        socket = await connection.websocket("/echo-plain")
        trailers = connection.encode_headers(socket.stream, [("x-trailer", "1")])
        connection.write(socket.stream, trailers)
        with self.assertRaises(Closed) as closed:
            while await socket.receive():
                pass
        self.assertEqual(closed.exception.args, (H3_FRAME_UNEXPECTED,))

    async def test_g5_unknown_frames_are_skipped(self):
        """RFC 9114, 9."""
        connection = await self.connect()
        socket = await connection.websocket("/echo-plain")
        connection.write(socket.stream, encode_frame(0x21, b"grease"))
        await self.echo(socket, "after it")

    async def test_g6_frames_may_be_cut_anywhere(self):
        connection = await self.connect()
        socket = await connection.websocket("/echo-plain")
        octets = frame(TEXT, "piece by piece")
        for octet in octets:
            socket.send(bytes([octet]))
        self.assertEqual(await socket.receive(), (TEXT, b"piece by piece"))
        socket.send(octets + frame(PING, "many") + octets)
        received = [await socket.receive() for _ in range(3)]
        self.assertIn((PONG, b"many"), received)
        for octet in encode_frame(DATA, octets):
            connection.write(socket.stream, bytes([octet]))
        self.assertEqual(await socket.receive(), (TEXT, b"piece by piece"))

    async def test_g6_nothing_is_lost_where_packets_are(self):
        """Every fifth datagram of ours is dropped."""
        connection = await self.connect()
        socket = await connection.websocket("/echo-plain")
        sendto, count = connection._transport.sendto, 0

        def lossy(data, *address):
            nonlocal count
            count += 1
            if count % 5:
                sendto(data, *address)

        connection._transport.sendto = lossy
        payload = bytes(range(256)) * 400
        for _ in range(3):
            socket.send(frame(BINARY_FRAME, payload))
            self.assertEqual(await socket.receive(), (BINARY_FRAME, payload))

    async def test_g7_there_is_no_early_data(self):
        """RFC 9114, 10.9: without it no handshake can be replayed."""
        tickets = []
        host, port = self.server.address
        configuration = QuicConfiguration(is_client=True, alpn_protocols=["h3"], verify_mode=ssl.CERT_NONE)
        async with connect(
            host, port, configuration=configuration, session_ticket_handler=tickets.append
        ) as client:
            await client.ping()
        self.assertTrue(tickets)
        self.assertEqual({ticket.max_early_data_size for ticket in tickets} - {0, None}, set())

    async def test_g7_migration_is_survived(self):
        connection = await self.connect()
        socket = await connection.websocket("/echo-plain")
        await self.echo(socket, "from here")
        # As aioquic's own: IPv6, and IPv4 within it.
        elsewhere = socketlib.socket(socketlib.AF_INET6, socketlib.SOCK_DGRAM)
        elsewhere.setsockopt(socketlib.IPPROTO_IPV6, socketlib.IPV6_V6ONLY, 0)
        elsewhere.bind(("::", 0))
        before = connection._transport
        await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: connection, sock=elsewhere
        )
        before.close()
        connection._quic.change_connection_id()
        await self.echo(socket, "from there")

    async def test_alternative_is_told_over_tcp(self):
        """RFC 7838."""
        with connected_by_tcp(self.server.address, tls=True) as connection:
            fields = connection.request("/stats")[1]
        self.assertEqual(fields["alt-svc"], f'h3=":{self.server.address[1]}"; ma=86400')


class Idle(Http3):
    limits = ["--limit", "ping_interval_ms=300", "--limit", "ping_timeout_ms=300"]

    async def test_g7_who_falls_silent_is_gone(self):
        """The session ends with 1006; here: its carrier is no longer counted."""
        connection = await self.connect()
        await connection.websocket("/echo-plain")
        connection._transport.sendto = lambda *_: None
        async with asyncio.timeout(LIMIT_S):
            while True:
                other = await self.connect()
                stream = other.ask(other.fields("/stats"), end=True)
                await other.answer(stream)
                if json.loads(await other.body(stream))["connections"] == 0:
                    break


class Carriers(Http3):
    """Events and polls, in the same room as everybody."""

    suite = "plain"

    async def test_events_and_polls_over_http_3(self):
        connection = await self.connect()
        stream = connection.ask(connection.fields("/sse/chat?room=r"), end=True)
        status, fields = await connection.answer(stream)
        self.assertEqual((status, fields["content-type"][:17]), (200, "text/event-stream"))
        publish = json.dumps({"room": "r", "event": "said", "args": ["over HTTP/3"]}).encode()
        extra = [("content-type", "application/json")]
        post = connection.ask(connection.fields("/bar/publish", "POST", extra))
        connection.write(post, encode_frame(DATA, publish), end=True)
        self.assertLess((await connection.answer(post))[0], 300)
        heard = b""
        while b"over HTTP/3" not in heard:
            heard += (await connection.frame(stream))[1]

    async def test_nor_may_a_frame_between_those_of_a_body_be_long(self):
        """RFC 9114, 10.5."""
        connection = await self.connect()
        extra = [("content-type", "application/json")]
        post = connection.ask(connection.fields("/bar/publish", "POST", extra))
        connection.write(post, encode_frame(DATA, b"{") + bytes([0x21]) + encode_uint_var(1 << 40))
        closed = await connection.until(lambda: connection.closed)
        self.assertEqual(closed, H3_EXCESSIVE_LOAD)

    async def test_a_poll_that_is_taken_back_harms_nobody(self):
        connection = await self.connect()
        stream = connection.ask(connection.fields("/poll/chat?room=r"), end=True)
        connection.abort(stream, H3_REQUEST_CANCELLED)
        again = connection.ask(connection.fields("/nowhere"), end=True)
        self.assertEqual((await connection.answer(again))[0], 404)


class Hostile(Http3):
    """Frames that lie, and requests that are malformed when the server waits for more of them."""

    async def test_a_frame_that_is_gathered_may_not_be_long(self):
        """RFC 9114, 10.5; whatever its type is, and wherever it stands."""
        for kind in (0x1, 0x4, 0x21):
            for where in ("control", "request", "websocket"):
                with self.subTest(kind=kind, where=where):
                    await self.too_long(kind, where)

    async def too_long(self, kind, where):
        connection = await self.connect()
        if where == "control":
            stream = 2
        elif where == "request":
            stream = connection._quic.get_next_available_stream_id()
        else:
            stream = (await connection.websocket("/echo-plain")).stream
        connection.write(stream, encode_uint_var(kind) + encode_uint_var(1 << 40) + bytes(1000))
        closed = await connection.until(lambda: connection.closed)
        self.assertEqual(closed, H3_EXCESSIVE_LOAD)

    async def test_cve_2025_64702_field_sections_are_bounded(self):
        """RFC 9114, 4.2.2: in what they are once decoded."""
        connection = await self.connect()
        for extra in ([(f"x-{n}", "v" * 1000) for n in range(20)], [("a", "")] * 600):
            stream = connection.ask(connection.fields("/stats", extra=extra), end=True)
            self.assertEqual((await connection.answer(stream))[0], 431)
        await self.alive(connection)

    async def test_malformed_requests_in_any_pieces_are_refused(self):
        """RFC 9114, 4.1.2: each is an error of its stream, and no panic."""
        connection = await self.connect()
        bad = [field for field in connection.fields("/stats") if field[0] != ":method"]
        for extra in (b"", encode_frame(0x21, b"grease"), encode_frame(0x21, bytes(5000))):
            for cut in (1, 2, 3, 10, len(extra) + 1, len(extra) + 5):
                stream = connection._quic.get_next_available_stream_id()
                octets = extra + connection.encode_headers(stream, bad)
                connection.write(stream, octets[:cut])
                await connection.ping()
                connection.write(stream, octets[cut:])
                with self.assertRaises(Reset) as reset:
                    await connection.answer(stream)
                self.assertEqual(reset.exception.args, (H3_MESSAGE_ERROR,))
        await self.alive(connection)


class GoingDown(unittest.IsolatedAsyncioTestCase):
    async def test_sessions_end_and_the_client_is_told(self):
        with certified() as certificate:
            arguments = ["--tls", certificate.certificate, certificate.key]
            with serving("websocket", arguments) as server:
                async with connected(server.address) as connection:
                    socket = await connection.websocket("/echo-plain")
                    server.terminate()
                    opcode, payload = await socket.receive()
                    self.assertEqual((opcode, payload[:2]), (CLOSE, struct.pack("!H", 1001)))
                    socket.send(close_frame(1001))
                    self.assertIsNone(await socket.receive())
                    self.assertTrue(await connection.until(lambda: said_goaway(connection)))


def said_goaway(connection):
    for number, stream in connection.streams.items():
        if number % 4 == 3 and stream.octets[:1] == b"\0":
            rest = bytearray(stream.octets[1:])
            while taken := take_frame(rest):
                if taken[0] == GOAWAY:
                    return True
    return False


if __name__ == "__main__":
    unittest.main()
