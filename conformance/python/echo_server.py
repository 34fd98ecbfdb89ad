"""PyPI `hypercorn` with an application that echoes: WebSocket over HTTP/1.1, HTTP/2 (by `h2`) and
HTTP/3 (by `aioquic`). Arguments: a certificate and its key, both PEM; none: cleartext.
"""

import asyncio
import signal
import socket
import sys

from hypercorn.asyncio import serve
from hypercorn.config import Config

MESSAGE_LEN_MAX = 64 << 20


def bind(kind, port):
    """A socket for whoever serves."""
    bound = socket.socket(socket.AF_INET, kind)
    bound.bind(("127.0.0.1", port))
    return bound


async def echo(scope, receive, send):
    if scope["type"] == "lifespan":
        await live(receive, send)
    elif scope["type"] == "websocket":
        chosen = next(iter(scope["subprotocols"]), None)
        await receive()
        await send({"type": "websocket.accept", "subprotocol": chosen})
        while (event := await receive())["type"] == "websocket.receive":
            said = {"text": event.get("text"), "bytes": event.get("bytes")}
            await send({"type": "websocket.send", **said})
    else:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": scope["http_version"].encode()})


async def live(receive, send):
    while (event := await receive())["type"] == "lifespan.startup":
        await send({"type": "lifespan.startup.complete"})
    await send({"type": "lifespan.shutdown.complete"})


async def main(files):
    tcp = bind(socket.SOCK_STREAM, 0)
    port = tcp.getsockname()[1]
    udp = bind(socket.SOCK_DGRAM, port)
    config = Config()
    config.bind = [f"fd://{tcp.fileno()}"]
    config.websocket_max_message_size = MESSAGE_LEN_MAX
    config.accesslog = None
    if files:
        config.quic_bind = [f"fd://{udp.fileno()}"]
        config.certfile, config.keyfile = files
    tcp.listen()
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    # What connects before hypercorn accepts waits in the socket.
    print(f"listening on 127.0.0.1:{port}", flush=True)
    await serve(echo, config, shutdown_trigger=stopped.wait)


asyncio.run(main(sys.argv[1:]))
