"""A bridge that carries the WebSockets of HTTP/1.1 clients over HTTP/2 (RFC 8441), so that suites
which know nothing of it test all that happens inside DATA frames. HTTP/2 is PyPI `h2`, in
cleartext."""

import asyncio
import base64
import contextlib
import hashlib

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, ResponseReceived, StreamEnded, StreamReset, WindowUpdated
from h2.exceptions import ProtocolError, StreamClosedError

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
CARRIED = ["sec-websocket-version", "sec-websocket-extensions", "sec-websocket-protocol", "origin"]
READ_LEN = 1 << 16
WINDOW = 1 << 20


class Crossing:
    """One client, and one HTTP/2 connection with one stream for it."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer
        self.http = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
        self.answer = asyncio.get_running_loop().create_future()
        self.credited = asyncio.Event()
        self.ended = False

    async def run(self, address):
        head = await self.reader.readuntil(b"\r\n\r\n")
        request, *lines = head.decode("latin-1").rstrip().split("\r\n")
        fields = dict(line.split(":", 1) for line in lines)
        fields = {name.lower(): value.strip() for name, value in fields.items()}
        self.from_server, self.to_server = await asyncio.open_connection(*address)
        back = asyncio.create_task(self.back())
        back.add_done_callback(self.lost)
        try:
            self.stream = self.ask(request.split(" ")[1], fields)
            await self.flush()
            answer = await self.answer
            self.writer.write(self.upgraded(answer, fields["sec-websocket-key"]))
            # Until the server wants no more: what it has said is still carried back.
            with contextlib.suppress(StreamClosedError):
                await self.forth()
            await back
        finally:
            back.cancel()
            self.to_server.close()
            self.writer.close()

    def ask(self, path, fields):
        self.http.initiate_connection()
        self.http.increment_flow_control_window(WINDOW)
        stream = self.http.get_next_available_stream_id()
        pseudo = {"method": "CONNECT", "protocol": "websocket", "scheme": "http", "path": path}
        head = [(f":{name}", value) for name, value in pseudo.items()]
        head += [(":authority", fields["host"])]
        head += [(name, fields[name]) for name in CARRIED if name in fields]
        self.http.send_headers(stream, head)
        self.http.increment_flow_control_window(WINDOW, stream)
        return stream

    def upgraded(self, answer, key):
        assert answer[":status"] == "200", answer
        accept = base64.b64encode(hashlib.sha1((key + GUID).encode()).digest()).decode()
        lines = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"]
        lines += [f"Sec-WebSocket-Accept: {accept}"]
        lines += [f"{name}: {answer[name]}" for name in CARRIED if name in answer]
        return "\r\n".join([*lines, "", ""]).encode()

    async def forth(self):
        """From the client to the server, as far as the windows allow."""
        while data := await self.reader.read(READ_LEN):
            while data:
                window = self.http.local_flow_control_window(self.stream)
                size = min(window, self.http.max_outbound_frame_size, len(data))
                if size == 0:
                    self.credited.clear()
                    await self.credited.wait()
                    continue
                self.http.send_data(self.stream, data[:size])
                data = data[size:]
                await self.flush()
        self.http.end_stream(self.stream)
        await self.flush()

    async def back(self):
        """From the server to the client."""
        while octets := await self.from_server.read(READ_LEN):
            for event in self.http.receive_data(octets):
                if isinstance(event, ResponseReceived):
                    self.answer.set_result(dict(event.headers))
                elif isinstance(event, DataReceived):
                    self.writer.write(event.data)
                    size = event.flow_controlled_length
                    self.http.acknowledge_received_data(size, self.stream)
                elif isinstance(event, WindowUpdated):
                    self.credited.set()
                elif isinstance(event, StreamEnded):
                    self.ended = True
                    self.writer.write_eof()
                # After its end a reset only says that nothing more is read (RFC 9113, 8.1).
                elif isinstance(event, StreamReset) and not self.ended:
                    self.writer.transport.abort()
            await self.flush()
            await self.writer.drain()

    def lost(self, back):
        """Without the server there is nothing to wait for."""
        self.credited.set()
        if not self.answer.done():
            self.answer.set_exception(ConnectionResetError())

    async def flush(self):
        self.to_server.write(self.http.data_to_send())
        await self.to_server.drain()


@contextlib.asynccontextmanager
async def bridge(address):
    """Its own address, as long as it is there."""

    crossings = set()

    async def cross(reader, writer):
        crossings.add(asyncio.current_task())
        # Some cases break off in the middle; the suite judges what came of it.
        broken = (OSError, asyncio.IncompleteReadError, ProtocolError)
        with contextlib.suppress(*broken, asyncio.CancelledError):
            await Crossing(reader, writer).run(address)
        crossings.discard(asyncio.current_task())

    server = await asyncio.start_server(cross, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()
    finally:
        server.close()
        left = list(crossings)
        for crossing in left:
            crossing.cancel()
        await asyncio.gather(*left, return_exceptions=True)
