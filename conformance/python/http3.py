"""A client of HTTP/3 that sends whatever frames it is told to: aioquic's QUIC, and nothing above."""

import asyncio
import contextlib
import ssl

import pylsqpack
from aioquic.asyncio import connect
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.buffer import Buffer, BufferReadError, encode_uint_var
from aioquic.quic import events
from aioquic.quic.configuration import QuicConfiguration

from subject import LIMIT_S, Frames

DATA, HEADERS, SETTINGS, GOAWAY = 0x0, 0x1, 0x4, 0x7
CONTROL = 0x0
ENABLE_CONNECT_PROTOCOL, H3_DATAGRAM, ENABLE_WEBTRANSPORT = 0x8, 0x33, 0x2B603742
WEBTRANSPORT_STREAM = 0x41
H3_FRAME_UNEXPECTED, H3_EXCESSIVE_LOAD, H3_ID_ERROR = 0x105, 0x107, 0x108
H3_SETTINGS_ERROR = 0x109
H3_REQUEST_CANCELLED, H3_MESSAGE_ERROR = 0x10C, 0x10E


def encode_frame(kind, payload):
    return encode_uint_var(kind) + encode_uint_var(len(payload)) + payload


class Reset(Exception):
    """A stream was reset, with this code."""


class Closed(Exception):
    """The connection was closed, with this code."""


class Stream:
    """What has come on a stream."""

    def __init__(self):
        self.octets = bytearray()
        self.ended = False
        self.reset = None
        self.stopped = None


class Connection(QuicConnectionProtocol):
    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.streams = {}
        self.closed = None
        self.changed = asyncio.Condition()
        self.encoder, self.decoder = pylsqpack.Encoder(), pylsqpack.Decoder(0, 0)

    def quic_event_received(self, event):
        if isinstance(event, events.StreamDataReceived):
            stream = self.stream(event.stream_id)
            stream.octets += event.data
            stream.ended |= event.end_stream
        elif isinstance(event, events.StreamReset):
            self.stream(event.stream_id).reset = event.error_code
        elif isinstance(event, events.StopSendingReceived):
            self.stream(event.stream_id).stopped = event.error_code
        elif isinstance(event, events.ConnectionTerminated):
            self.closed = event.error_code
        asyncio.ensure_future(self.tell())

    async def tell(self):
        async with self.changed:
            self.changed.notify_all()

    async def until(self, so):
        """Waits until something is so, and gives it."""
        async with asyncio.timeout(LIMIT_S), self.changed:
            while not (found := so()):
                await self.changed.wait()
            return found

    def stream(self, stream):
        return self.streams.setdefault(stream, Stream())

    def write(self, stream, octets, end=False):
        self._quic.send_stream_data(stream, octets, end)
        self.transmit()

    def stop_reading(self):
        """From now on no stream may bring more than was allowed so far."""
        self._quic._write_stream_limits = lambda **_: None

    def abort(self, stream, code):
        self._quic.reset_stream(stream, code)
        self._quic.stop_stream(stream, code)
        self.transmit()

    def next_stream(self, is_unidirectional=False):
        """The number of a stream, which it then has."""
        number = self._quic.get_next_available_stream_id(is_unidirectional)
        self._quic.send_stream_data(number, b"")
        return number

    def send_datagram(self, octets):
        self._quic.send_datagram_frame(octets)
        self.transmit()

    def greet(self, settings=()):
        """Opens the control stream with these settings."""
        control = self._quic.get_next_available_stream_id(is_unidirectional=True)
        pairs = b"".join(encode_uint_var(number) for pair in settings for number in pair)
        self.write(control, encode_uint_var(CONTROL) + encode_frame(SETTINGS, pairs))

    async def settings(self):
        """The server's, from its control stream."""

        def find():
            for number, stream in self.streams.items():
                if number % 4 == 3 and stream.octets[:1] == bytes([CONTROL]):
                    return take_frame(bytearray(stream.octets[1:]))

        kind, payload = await self.until(find)
        assert kind == SETTINGS
        buffer, settings = Buffer(data=payload), {}
        while not buffer.eof():
            setting, value = buffer.pull_uint_var(), buffer.pull_uint_var()
            settings[setting] = value
        return settings

    def ask(self, fields, end=False):
        """Opens a stream with these fields, in this order, whatever they are."""
        stream = self._quic.get_next_available_stream_id()
        self.write(stream, self.encode_headers(stream, fields), end)
        return stream

    def encode_headers(self, stream, fields):
        fields = [(name.encode(), value.encode()) for name, value in fields]
        return encode_frame(HEADERS, self.encoder.encode(stream, fields)[1])

    async def frame(self, number):
        """The next frame on a stream, `None` at its end; unknown ones are skipped."""
        stream = self.stream(number)
        taken = None

        def come():
            nonlocal taken
            taken = take_frame(stream.octets)
            return taken or stream.ended or stream.reset is not None or self.closed is not None

        while True:
            await self.until(come)
            if taken is None:
                if stream.reset is not None:
                    raise Reset(stream.reset)
                if self.closed is not None:
                    raise Closed(self.closed)
                return None
            if taken[0] in (DATA, HEADERS):
                return taken

    async def answer(self, number):
        """The status and fields of the answer on a stream."""
        kind, payload = await self.frame(number)
        assert kind == HEADERS
        fields = dict(self.decoder.feed_header(number, payload)[1])
        fields = {name.decode(): value.decode() for name, value in fields.items()}
        return int(fields[":status"]), fields

    async def body(self, number):
        """All that follows the head of an answer."""
        octets = b""
        while frame := await self.frame(number):
            octets += frame[1]
        return octets

    def fields(self, path, method="GET", extra=()):
        authority = f"localhost:{self.port}"
        pseudo = [(":method", method), (":scheme", "https"), (":path", path)]
        return [*pseudo, (":authority", authority), *extra]

    def connect_fields(self, path, extra=(), protocol="websocket"):
        fields = self.fields(path, "CONNECT", [("sec-websocket-version", "13"), *extra])
        return [fields[0], (":protocol", protocol), *fields[1:]]

    async def websocket(self, path, extra=()):
        stream = self.ask(self.connect_fields(path, extra))
        status, fields = await self.answer(stream)
        assert status == 200, status
        return WebSocket(self, stream, fields)


    async def webtransport(self, fields):
        """A session and its first stream, on which nothing was sent yet."""
        session = self.ask(fields)
        status, fields = await self.answer(session)
        assert status == 200, status
        return WebTransport(self, session, fields)


def take_frame(octets):
    """The first frame in a bytearray, which is taken out; `None` if it has not come in whole."""
    buffer = Buffer(data=bytes(octets))
    try:
        kind, size = buffer.pull_uint_var(), buffer.pull_uint_var()
        payload = buffer.pull_bytes(size)
    except BufferReadError:
        return None
    del octets[: buffer.tell()]
    return kind, payload


class WebSocket:
    def __init__(self, connection, stream, fields):
        self.connection, self.stream, self.fields = connection, stream, fields
        self.frames = Frames()

    def send(self, octets):
        self.connection.write(self.stream, encode_frame(DATA, octets))

    async def receive(self):
        """The next WebSocket frame; `None` at the end."""
        while (frame := self.frames.take()) is None:
            data = await self.connection.frame(self.stream)
            if data is None:
                return None
            self.frames.feed(data[1])
        return frame


class WebTransport:
    """A stream of a session, with Engine.IO's frames."""

    def __init__(self, connection, session, fields):
        self.connection, self.session, self.fields = connection, session, fields
        self.stream = connection.next_stream()
        self.write(encode_uint_var(WEBTRANSPORT_STREAM) + encode_uint_var(session))

    def write(self, octets):
        self.connection.write(self.stream, octets)

    def send(self, packet):
        self.write(encode_packet(packet))

    async def receive(self):
        """The next packet, text or bytes; `None` at the end."""
        stream = self.connection.stream(self.stream)
        taken = None

        def come():
            nonlocal taken
            taken = take_packet(stream.octets)
            return taken is not None or stream.ended or stream.reset is not None

        await self.connection.until(come)
        if taken is None and stream.reset is not None:
            raise Reset(stream.reset)
        return taken

    async def ended(self):
        """Waits until the server has ended the session, in good order."""
        assert await self.connection.frame(self.session) is None
        self.connection.write(self.session, b"", True)


def encode_packet(packet):
    payload = packet.encode() if isinstance(packet, str) else packet
    bit = 0 if isinstance(packet, str) else 0x80
    if len(payload) < 126:
        return bytes([bit | len(payload)]) + payload
    if len(payload) < 65536:
        return bytes([bit | 126]) + len(payload).to_bytes(2, "big") + payload
    return bytes([bit | 127]) + len(payload).to_bytes(8, "big") + payload


def take_packet(octets):
    """The first packet in a bytearray, which is taken out; `None` if it has not come in whole."""
    if not octets:
        return None
    start, size = 1, octets[0] & 0x7F
    if size >= 126:
        start = 3 if size == 126 else 9
        size = int.from_bytes(octets[1:start], "big")
    if len(octets) < start + size:
        return None
    assert size > 0, "an empty frame"
    is_text, payload = octets[0] < 0x80, bytes(octets[start : start + size])
    del octets[: start + size]
    return payload.decode() if is_text else payload


@contextlib.asynccontextmanager
async def connected(address, settings=(), **options):
    host, port = address
    configuration = QuicConfiguration(is_client=True, alpn_protocols=["h3"], **options)
    configuration.server_name = "localhost"
    configuration.verify_mode = ssl.CERT_NONE
    async with connect(
        host, port, configuration=configuration, create_protocol=Connection
    ) as connection:
        connection.port = port
        connection.greet(settings)
        yield connection
