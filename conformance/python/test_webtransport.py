"""Engine.IO over WebTransport by raw frames: what a browser would not send."""

import asyncio
import json
import unittest

from http3 import (
    ENABLE_WEBTRANSPORT,
    H3_DATAGRAM,
    H3_EXCESSIVE_LOAD,
    H3_ID_ERROR,
    Reset,
    WebTransport,
    connected,
    encode_frame,
    encode_packet,
)
from aioquic.buffer import encode_uint_var

from subject import TEXT, certified, frame, serving

PATH = "/socket.io/?EIO=4&transport="
PAYLOAD_MAX = 10_000
CLOSE_SESSION = 0x2843


class WithWebTransport(unittest.IsolatedAsyncioTestCase):
    settings = {}
    limits = []

    @classmethod
    def setUpClass(cls):
        certificate = cls.enterClassContext(certified())
        environment = {
            "SIO_TRANSPORTS": "polling,websocket,webtransport",
            "SIO_WT_CERT": str(certificate.certificate),
            "SIO_WT_KEY": str(certificate.key),
            "SIO_MAX_PAYLOAD": str(PAYLOAD_MAX),
            **cls.settings,
        }
        cls.server = cls.enterClassContext(serving("socketio", cls.limits, environment))

    async def connect(self):
        options = {"max_datagram_frame_size": 65536}
        return await self.enterAsyncContext(connected(self.server.address, **options))

    async def ask(self, connection, extra=()):
        fields = connection.connect_fields(PATH + "webtransport", extra, "webtransport")
        return await connection.webtransport(fields)

    async def talk(self, connection):
        """A session that has entered a namespace."""
        session = await self.ask(connection)
        session.send("0")
        self.assertEqual(json.loads((await session.receive())[1:])["upgrades"], [])
        session.send("40")
        self.assertTrue((await session.receive()).startswith('40{"sid":'))
        self.assertTrue((await session.receive()).startswith('42["welcome",'))
        return session

    async def echo(self, session, text="x"):
        session.send(f'42["echo","{text}"]')
        self.assertEqual(await session.receive(), f'42["echo-back","{text}"]')

    async def polling(self, connection):
        """A session on long polling: its name, and a way to ask for something."""

        async def request(path, method="GET", body=None):
            fields = connection.fields(path, method)
            stream = connection.ask(fields, end=body is None)
            if body is not None:
                connection.write(stream, encode_frame(0, body.encode()), True)
            status, _ = await connection.answer(stream)
            return status, (await connection.body(stream)).decode()

        status, body = await request(PATH + "polling")
        self.assertEqual(status, 200)
        opened = json.loads(body[1:])
        self.assertEqual(opened["upgrades"], ["websocket", "webtransport"])
        path = f"{PATH}polling&sid={opened['sid']}"
        return opened["sid"], lambda *arguments: request(path, *arguments)


class Sessions(WithWebTransport):
    async def test_the_settings_say_so(self):
        settings = await (await self.connect()).settings()
        self.assertEqual((settings[ENABLE_WEBTRANSPORT], settings[H3_DATAGRAM]), (1, 1))

    async def test_the_answer_names_the_draft_that_was_asked_for(self):
        connection = await self.connect()
        session = await self.ask(connection, [("sec-webtransport-http3-draft02", "1")])
        self.assertEqual(session.fields["sec-webtransport-http3-draft"], "draft02")

    async def test_text_and_binary(self):
        session = await self.talk(await self.connect())
        await self.echo(session, "ä漢")
        session.send('451-["echo",{"_placeholder":true,"num":0}]')
        session.send(bytes(range(256)))
        back = '451-["echo-back",{"_placeholder":true,"num":0}]'
        self.assertEqual(await session.receive(), back)
        self.assertEqual(await session.receive(), bytes(range(256)))

    async def test_no_bytes_are_no_empty_frame(self):
        session = await self.talk(await self.connect())
        session.send('451-["echo",{"_placeholder":true,"num":0}]')
        session.send("b")
        back = '451-["echo-back",{"_placeholder":true,"num":0}]'
        self.assertEqual(await session.receive(), back)
        self.assertEqual(await session.receive(), "b")

    async def test_octet_by_octet(self):
        session = await self.talk(await self.connect())
        for octet in encode_packet('42["echo","' + "x" * 300 + '"]'):
            session.write(bytes([octet]))
        self.assertEqual(await session.receive(), '42["echo-back","' + "x" * 300 + '"]')

    async def test_a_frame_may_be_as_long_as_the_limit(self):
        session = await self.talk(await self.connect())
        await self.echo(session, "x" * (PAYLOAD_MAX - 13))

    async def test_the_stream_may_overtake_the_request(self):
        connection = await self.connect()
        fields = connection.connect_fields(PATH + "webtransport", (), "webtransport")
        stream = connection.next_stream()
        early = WebTransport(connection, stream, {})
        early.send("0")
        connection.write(stream, connection.encode_headers(stream, fields))
        self.assertEqual((await connection.answer(stream))[0], 200)
        self.assertEqual((await early.receive())[:1], "0")

    async def test_websockets_are_beside_it_on_one_connection(self):
        connection = await self.connect()
        session = await self.talk(connection)
        socket = await connection.websocket(PATH + "websocket")
        self.assertTrue((await socket.receive())[1].startswith(b"0{"))
        socket.send(frame(TEXT, "40"))
        self.assertTrue((await socket.receive())[1].startswith(b"40{"))
        await self.echo(session)

    async def test_a_request_that_is_refused(self):
        connection = await self.connect()
        webtransport = PATH + "webtransport"
        for path, extra, status in [
            (webtransport, [("origin", "https://foreign.example")], 403),
            (webtransport.replace("EIO=4", "EIO=3"), [], 400),
            (PATH + "websocket", [], 400),
            ("/nowhere/", [], 404),
        ]:
            with self.subTest(path):
                fields = connection.connect_fields(path, extra, "webtransport")
                answer = await connection.answer(connection.ask(fields))
                self.assertEqual(answer[0], status)
        await self.talk(connection)


class Upgrades(WithWebTransport):
    settings = {"SIO_UPGRADE_TIMEOUT": "2000"}

    async def upgrading(self, connection, sid):
        session = await self.ask(connection)
        session.send(f'0{{"sid":"{sid}"}}')
        session.send("2probe")
        self.assertEqual(await session.receive(), "3probe")
        return session

    async def test_polling_moves(self):
        connection = await self.connect()
        sid, request = await self.polling(connection)
        session = await self.upgrading(connection, sid)
        self.assertEqual(await request("POST", "40"), (200, "ok"))
        session.send("5")
        self.assertTrue((await session.receive()).startswith("40{"))
        self.assertTrue((await session.receive()).startswith('42["welcome",'))
        await self.echo(session)
        self.assertEqual((await request("POST", '42["echo",1]'))[0], 400)

    async def test_one_transport_at_a_time(self):
        connection = await self.connect()
        sid, _ = await self.polling(connection)
        first, second = await self.upgrading(connection, sid), await self.ask(connection)
        second.send(f'0{{"sid":"{sid}"}}')
        await second.ended()
        first.send("5")
        first.send("40")
        self.assertTrue((await first.receive()).startswith("40{"))
        third = await self.ask(connection)
        third.send(f'0{{"sid":"{sid}"}}')
        await third.ended()
        self.assertTrue((await first.receive()).startswith('42["welcome",'))
        await self.echo(first)

    async def test_what_does_not_finish_leaves_polling(self):
        async def probe(session):
            session.send("2probe")

        async def message(session):
            session.send("4message")

        async def malformed(session):
            session.write(b"\x00")

        async def nothing(_):
            pass

        for what in (probe, message, malformed, nothing):
            with self.subTest(what.__name__):
                connection = await self.connect()
                sid, request = await self.polling(connection)
                session = await self.ask(connection)
                session.send(f'0{{"sid":"{sid}"}}')
                await what(session)
                await session.ended()
                self.assertEqual(await request("POST", "40"), (200, "ok"))
                self.assertTrue((await request())[1].startswith("40{"))


class BadInput(WithWebTransport):
    settings = {"SIO_UPGRADE_TIMEOUT": "1000"}
    limits = ["--limit", "handshake_timeout_ms=1000"]

    FRAMES = {
        "empty": b"\x00",
        "empty binary": b"\x80",
        "empty by two octets": b"\x7e\x00\x00",
        "too long": b"\x7e" + (PAYLOAD_MAX + 1).to_bytes(2, "big"),
        "2^63": b"\x7f\x80" + bytes(7),
        "2^53": b"\x7f\x00\x20" + bytes(6),
        "not UTF-8": b"\x02\x34\xff",
    }

    async def test_first_frames_that_open_nothing(self):
        connection = await self.connect()
        packets = ["1", "2probe", "40", "x", "00", "0{}", '0{"sid":1}', "0[", b"0"]
        packets += ['0{"sid":"nobody"}', "0" + "x" * 2000]
        cases = self.FRAMES | {str(packet): encode_packet(packet) for packet in packets}
        for what, octets in cases.items():
            with self.subTest(what[:40]):
                session = await self.ask(connection)
                session.write(octets)
                await session.ended()
        await self.talk(connection)

    async def test_frames_that_end_one_session(self):
        connection = await self.connect()
        other = await self.talk(connection)
        cases = self.FRAMES | {"no packet": encode_packet("9"), "ping": encode_packet("2")}
        for what, octets in cases.items():
            with self.subTest(what):
                session = await self.talk(connection)
                session.write(octets)
                await session.ended()
        await self.echo(other)

    async def test_nothing_is_reserved_for_what_is_promised(self):
        connection = await self.connect()
        before = self.server.resident_kib()
        sessions = [await self.talk(connection) for _ in range(50)]
        for session in sessions:
            session.write(b"\x7e" + PAYLOAD_MAX.to_bytes(2, "big"))
        await self.echo(await self.talk(connection))
        # Half a megabyte was promised; each session itself takes a few KiB.
        self.assertLess(self.server.resident_kib() - before, 50 * 64)

    async def test_a_second_stream_is_refused_and_the_first_lives(self):
        connection = await self.connect()
        session = await self.talk(connection)
        second = WebTransport(connection, session.session, {})
        second.send("0")
        with self.assertRaises(Reset):
            await second.receive()
        await self.echo(session)

    async def test_streams_of_one_direction_and_datagrams_are_nobodys(self):
        connection = await self.connect()
        session = await self.talk(connection)
        number = connection.next_stream(is_unidirectional=True)
        connection.write(number, encode_uint_var(0x54) + encode_uint_var(session.session) + b"x")
        for _ in range(2000):
            connection.send_datagram(encode_uint_var(session.session // 4) + bytes(1000))
        await self.echo(session)

    async def test_a_session_without_a_first_frame_ends(self):
        connection = await self.connect()
        silent = await self.ask(connection)
        half = await self.ask(connection)
        half.write(encode_packet('0{"sid":"x"}')[:5])
        await silent.ended()
        await half.ended()
        await self.talk(connection)

    async def test_a_stream_without_a_session_is_reset(self):
        connection = await self.connect()
        await self.talk(connection)
        stray = WebTransport(connection, 400, {})
        stray.send("0")
        with self.assertRaises(Reset):
            await stray.receive()
        await self.talk(connection)

    async def test_a_session_must_be_a_request(self):
        connection = await self.connect()
        WebTransport(connection, 3, {}).send("0")
        self.assertEqual(await connection.until(lambda: connection.closed), H3_ID_ERROR)


class Ends(WithWebTransport):
    """However a client goes, the others hear why."""

    async def watching(self, connection):
        watcher = await self.talk(connection)
        watcher.send('420["join","watch"]')
        self.assertEqual(await watcher.receive(), '430[["watch"]]')
        return watcher

    async def test_each_way_to_go_is_heard(self):
        capsule = encode_uint_var(CLOSE_SESSION) + encode_uint_var(6) + bytes(4) + b"ok"

        def close(session):
            session.connection.write(session.session, encode_frame(0, capsule), True)

        def fin(session):
            session.connection.write(session.session, b"", True)

        def reset(session):
            session.connection.abort(session.session, 0)

        def reset_stream(session):
            session.connection.abort(session.stream, 0)

        def fin_stream(session):
            session.connection.write(session.stream, b"", True)

        def packet(session):
            session.send("1")

        def malformed(session):
            session.write(b"\x00")

        connection = await self.connect()
        watcher = await self.watching(connection)
        ways = {way: "transport close" for way in (close, fin, reset, reset_stream, fin_stream, packet)}
        for way, reason in (ways | {malformed: "parse error"}).items():
            with self.subTest(way.__name__):
                session = await self.talk(connection)
                way(session)
                gone = json.loads((await watcher.receive())[2:])
                self.assertEqual((gone[0], gone[2]), ("gone", reason))

    async def test_a_lost_connection_is_heard(self):
        watcher = await self.watching(await self.connect())
        other = await self.connect()
        await self.talk(other)
        other.close()
        gone = json.loads((await watcher.receive())[2:])
        self.assertEqual(gone[2], "transport close")

    async def test_the_server_ends_a_session_behind_its_last_words(self):
        connection = await self.connect()
        session = await self.talk(connection)
        session.send('42["bye",true]')
        self.assertEqual(await session.receive(), "41")
        await session.ended()
        # Not by a reset, which could overtake what was said.
        self.assertTrue(connection.stream(session.stream).ended)
        await self.talk(connection)


class Strays(WithWebTransport):
    limits = ["--limit", "streams_max=8"]

    async def test_streams_without_a_request_are_bounded(self):
        """What HTTP/3 remembers of each must not fill the memory."""
        connection = await self.connect()
        session = await self.talk(connection)
        # The session's own is one of them.
        for _ in range(8 * 40 - 1):
            second = WebTransport(connection, session.session, {})
            second.send("0")
            with self.assertRaises(Reset):
                await second.receive()
        await self.echo(session)
        WebTransport(connection, session.session, {}).send("0")
        closed = await connection.until(lambda: connection.closed)
        self.assertEqual(closed, H3_EXCESSIVE_LOAD)


class SlowHeartbeat(WithWebTransport):
    settings = {"SIO_PING_INTERVAL": "3000"}
    limits = ["--limit", "ping_interval_ms=300", "--limit", "ping_timeout_ms=500"]

    async def test_quic_does_not_end_a_session_that_is_merely_idle(self):
        session = await self.talk(await self.connect())
        self.assertEqual(await session.receive(), "2")


class SlowReader(WithWebTransport):
    """A client that takes no more costs its own session, at a bound or after a time."""

    limits = ["--limit", "outbox_len_max=200000", "--limit", "close_timeout_ms=1000"]

    async def stuck(self):
        """A session that takes nothing any more, in a room of its own, and another."""
        options = {"max_stream_data": 20_000}
        connection = await self.enterAsyncContext(connected(self.server.address, **options))
        session, other = await self.talk(connection), await self.talk(connection)
        session.send('420["join","room"]')
        await session.receive()
        connection.stop_reading()
        return session, other

    async def test_a_full_outbox_ends_the_session(self):
        session, other = await self.stuck()
        for _ in range(400):
            other.send('42["to","room","b","' + "x" * 1000 + '"]')
        await session.ended()
        await self.echo(other)


class StalledReader(SlowReader):
    limits = ["--limit", "write_timeout_ms=1000"]

    async def test_a_full_outbox_ends_the_session(self):
        """Here nothing is full, and the time decides."""
        session, other = await self.stuck()
        for _ in range(30):
            other.send('42["to","room","b","' + "x" * 9000 + '"]')
        await session.ended()
        await self.echo(other)


class Heartbeat(WithWebTransport):
    # A busy machine may let a client wait for a while.
    settings = {"SIO_PING_INTERVAL": "300", "SIO_PING_TIMEOUT": "2000"}

    async def test_a_ping_must_be_answered(self):
        session = await self.talk(await self.connect())
        for _ in range(3):
            self.assertEqual(await session.receive(), "2")
            session.send("3")
        self.assertEqual(await session.receive(), "2")
        await session.ended()


class Shutdown(WithWebTransport):
    async def test_all_sessions_end_in_good_order(self):
        connection = await self.connect()
        session = await self.talk(connection)
        self.server.terminate()
        await session.ended()
        self.assertTrue(connection.stream(session.stream).ended)
        self.assertEqual(await asyncio.to_thread(self.server.process.wait, 6), 0)


del WithWebTransport
