"""PyPI `python-socketio`, unmodified, against the contract of `--suite socketio`: polling, WebSocket
and the way between them, and both asynchronous clients of the package.

OMNIWIRE is the path of the binary.
"""

import asyncio
import unittest

import socketio

from subject import LIMIT_S, Server

TRANSPORTS = [["polling"], ["websocket"], ["polling", "websocket"]]
ARGS = ["ä 漢 😀 \u2028", {"deep": [b"\x00\x01", {"b": b"\xff"}]}, None, 1.5, True]


class Client:
    """An asynchronous client in some namespaces, and what it heard."""

    def __init__(self):
        self.client = socketio.AsyncClient(reconnection=False)
        self.heard = asyncio.Queue()
        self.ended = asyncio.Queue()
        self.refused = asyncio.Queue()

    def listen(self, namespace):
        async def hear(event, *args):
            if event == "question":
                return args
            self.heard.put_nowait((event, namespace, list(args)))

        async def end(reason):
            self.ended.put_nowait(reason)

        async def refuse(error):
            self.refused.put_nowait(error)

        for event, handler in (("*", hear), ("disconnect", end), ("connect_error", refuse)):
            self.client.on(event, handler, namespace=namespace)

    async def enter(self, url, transports, namespaces=("/",), auth=None):
        for namespace in namespaces:
            self.listen(namespace)
        await self.client.connect(
            url, transports=transports, namespaces=list(namespaces), auth=auth, wait_timeout=LIMIT_S
        )
        for _ in namespaces:
            await self.next("welcome")

    async def next(self, event, namespace=None):
        while True:
            found, where, args = await asyncio.wait_for(self.heard.get(), LIMIT_S)
            if found == event and namespace in (None, where):
                return args

    async def call(self, event, *args, namespace="/"):
        return await self.client.call(event, args, namespace=namespace, timeout=LIMIT_S)


class SocketIo(unittest.IsolatedAsyncioTestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server("socketio")
        cls.url = f"http://127.0.0.1:{cls.server.address[1]}"

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    async def test_each_transport(self):
        for transports in TRANSPORTS:
            with self.subTest(transports=transports):
                client = Client()
                await client.enter(self.url, transports)
                await client.client.emit("echo", tuple(ARGS))
                self.assertEqual(await client.next("echo-back"), ARGS)
                self.assertEqual(await client.call("echo-ack", *ARGS), tuple(ARGS))
                await client.client.emit("ask", (1, b"\x02"))
                self.assertEqual(await client.next("answered"), [1, b"\x02"])
                made = await client.call("make-bin", 2)
                self.assertEqual(made["list"], [b"\x00", b"\x01"])
                self.assertEqual(await client.call("join", ["b", "a"]), ["a", "b"])
                self.assertEqual(await client.call("transport"), transports[-1])
                await client.client.emit("bye", False)
                reason = await asyncio.wait_for(client.ended.get(), LIMIT_S)
                self.assertEqual(reason, client.client.reason.SERVER_DISCONNECT)
                await client.client.disconnect()

    async def test_namespaces_and_rooms(self):
        one, two = Client(), Client()
        for client in (one, two):
            await client.enter(self.url, ["websocket"], ["/", "/chat", "/dyn-1"])
        await two.call("join", "room", namespace="/chat")
        await one.call("to", "room", "said", 1, namespace="/chat")
        await one.call("broadcast", "said", 2, namespace="/dyn-1")
        self.assertEqual(await two.next("said", "/chat"), [1])
        self.assertEqual(await two.next("said", "/dyn-1"), [2])
        for client in (one, two):
            await client.client.disconnect()

    async def test_a_middleware_that_refuses(self):
        client = Client()
        with self.assertRaises(socketio.exceptions.ConnectionError):
            await client.enter(self.url, ["websocket"], ["/auth"], {"token": "wrong"})
        data = {"code": 401, "hint": "token"}
        error = await asyncio.wait_for(client.refused.get(), LIMIT_S)
        self.assertEqual(error, {"message": "not authorized", "data": data})
        await client.client.disconnect()
        client = Client()
        await client.enter(self.url, ["polling"], ["/auth"], {"token": "secret"})
        await client.client.disconnect()

    async def test_the_simple_client(self):
        async with socketio.AsyncSimpleClient() as client:
            await client.connect(self.url, wait_timeout=LIMIT_S)
            event, welcome = await client.receive(timeout=LIMIT_S)
            self.assertEqual((event, welcome["id"]), ("welcome", client.sid))
            answer = await client.call("echo-ack", {"x": b"y"}, timeout=LIMIT_S)
            self.assertEqual(answer, {"x": b"y"})
