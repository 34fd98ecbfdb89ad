"""A client of HTTP/2 that sends whatever frames it is told to, and counts on nothing."""

import contextlib
import socket
import ssl

from hpack import Decoder, Encoder
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    Frame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

from subject import LIMIT_S, Frames

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
ENABLE_CONNECT_PROTOCOL = 0x8
PROTOCOL_ERROR, REFUSED_STREAM, CANCEL, ENHANCE_YOUR_CALM = 0x1, 0x7, 0x8, 0xB


class Gone(Exception):
    """The server has closed the connection."""


class Connection:
    def __init__(self, address, tls=False, settings=None, credit=True):
        """`credit`: give back the window of what arrives."""
        self.socket = socket.create_connection(address, LIMIT_S)
        if tls:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            context.set_alpn_protocols(["h2"])
            self.socket = context.wrap_socket(self.socket, server_hostname="localhost")
            assert self.socket.selected_alpn_protocol() == "h2"
        self.scheme = "https" if tls else "http"
        self.authority = f"localhost:{address[1]}"
        self.encoder, self.decoder = Encoder(), Decoder()
        self.octets = bytearray()
        self.waiting = []
        self.credit = credit
        self.credited = 0
        self.next_id = 1
        self.socket.sendall(PREFACE)
        self.send(SettingsFrame(0, settings=settings or {}))
        self.settings = self.next(lambda f: isinstance(f, SettingsFrame)).settings

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send(self, *frames):
        self.socket.sendall(b"".join(frame.serialize() for frame in frames))

    def read(self):
        """The next frame. What the protocol itself wants is answered on the way."""
        while True:
            if len(self.octets) >= 9:
                frame, size = Frame.parse_frame_header(memoryview(bytes(self.octets[:9])))
                if len(self.octets) >= 9 + size:
                    frame.parse_body(memoryview(bytes(self.octets[9 : 9 + size])))
                    del self.octets[: 9 + size]
                    return self.attend(frame)
            try:
                data = self.socket.recv(65536)
            except ConnectionError:
                data = b""
            if not data:
                raise Gone
            self.octets += data

    def attend(self, frame):
        if isinstance(frame, SettingsFrame) and "ACK" not in frame.flags:
            self.send(SettingsFrame(0, flags=["ACK"]))
        elif isinstance(frame, PingFrame) and "ACK" not in frame.flags:
            self.send(PingFrame(0, opaque_data=frame.opaque_data, flags=["ACK"]))
        elif isinstance(frame, HeadersFrame):
            assert "END_HEADERS" in frame.flags
            frame.fields = dict(self.decoder.decode(frame.data))
        elif isinstance(frame, DataFrame) and frame.flow_controlled_length and self.credit:
            size = frame.flow_controlled_length
            for stream in (0, frame.stream_id):
                self.send(WindowUpdateFrame(stream, window_increment=size))
        elif isinstance(frame, WindowUpdateFrame):
            self.credited += frame.window_increment if frame.stream_id == 0 else 0
        return frame

    def next(self, wanted):
        """The next frame that is wanted; others are kept for later."""
        for index, frame in enumerate(self.waiting):
            if wanted(frame):
                return self.waiting.pop(index)
        while True:
            frame = self.read()
            if wanted(frame):
                return frame
            self.waiting.append(frame)

    def ping(self):
        """Waits until the server has read all that was sent."""
        self.send(PingFrame(0, opaque_data=b"are you?"))
        self.next(lambda f: isinstance(f, PingFrame) and "ACK" in f.flags)

    def goaway(self):
        """The error code with which the server gives the connection up."""
        return self.next(lambda f: isinstance(f, GoAwayFrame)).error_code

    def headers(self, fields, stream=None, end=False):
        """Opens a stream with these fields, in this order, whatever they are."""
        if stream is None:
            stream, self.next_id = self.next_id, self.next_id + 2
        block = self.encoder.encode(fields)
        first, rest = block[:16384], block[16384:]
        flags = ["END_STREAM"] if end else []
        frames = [HeadersFrame(stream, data=first, flags=flags)]
        while rest:
            frames.append(ContinuationFrame(stream, data=rest[:16384]))
            rest = rest[16384:]
        frames[-1].flags.add("END_HEADERS")
        self.send(*frames)
        return stream

    def request(self, path, method="GET", extra=()):
        """An ordinary request: its status and fields, without its body."""
        fields = [(":method", method), (":scheme", self.scheme), (":path", path)]
        fields += [(":authority", self.authority), *extra]
        return self.answer(self.headers(fields, end=True))

    def connect_fields(self, path, extra=(), protocol="websocket"):
        return [
            (":method", "CONNECT"),
            (":protocol", protocol),
            (":scheme", self.scheme),
            (":path", path),
            (":authority", self.authority),
            ("sec-websocket-version", "13"),
            *extra,
        ]

    def answer(self, stream):
        """The status and fields of the answer on a stream."""
        frame = self.next(
            lambda f: f.stream_id == stream and isinstance(f, (HeadersFrame, RstStreamFrame))
        )
        if isinstance(frame, RstStreamFrame):
            raise AssertionError(f"stream {stream} was reset with {frame.error_code}")
        return int(frame.fields[":status"]), frame.fields

    def reset(self, stream):
        """The error code with which the server resets a stream."""
        is_reset = lambda f: f.stream_id == stream and isinstance(f, RstStreamFrame)
        return self.next(is_reset).error_code

    def websocket(self, path, extra=()):
        stream = self.headers(self.connect_fields(path, extra))
        status, fields = self.answer(stream)
        assert status == 200, status
        return WebSocket(self, stream, fields)


class WebSocket:
    def __init__(self, connection, stream, fields):
        self.connection, self.stream, self.fields = connection, stream, fields
        self.frames = Frames()
        self.ended = False

    def send(self, octets):
        """In DATA frames of at most 16,384 octets; no window is looked at."""
        for start in range(0, len(octets), 16384) or [0]:
            self.connection.send(DataFrame(self.stream, data=octets[start : start + 16384]))

    def receive(self):
        """The next WebSocket frame."""
        while True:
            frame = self.frames.take()
            if frame:
                return frame
            if self.ended:
                raise Gone
            self.read()

    def read(self):
        kinds = (DataFrame, RstStreamFrame)
        mine = lambda f: f.stream_id == self.stream and isinstance(f, kinds)
        frame = self.connection.next(mine)
        if isinstance(frame, RstStreamFrame):
            raise Gone(frame.error_code)
        self.frames.feed(frame.data)
        self.ended = "END_STREAM" in frame.flags

    def end(self):
        """Waits for END_STREAM."""
        while not self.ended:
            self.read()


@contextlib.contextmanager
def connected(address, **options):
    connection = Connection(address, **options)
    try:
        yield connection
    finally:
        connection.close()
