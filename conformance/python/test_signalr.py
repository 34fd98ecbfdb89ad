"""PyPI's SignalR clients, `pysignalr` and `signalrcore`, against `omniwire conformance --suite
signalr`: calls, errors, streams, groups, questions to the client, and coming back.

OMNIWIRE is the path of the binary.
"""

import asyncio
import logging
import unittest

from pysignalr.client import SignalRClient
from pysignalr.protocol.messagepack import MessagepackProtocol
from signalrcore.hub_connection_builder import HubConnectionBuilder
from signalrcore.types import HttpTransportType, HubProtocolEncoding

from subject import Server

LIMIT_S = 10
# What these libraries log of lines that are cut on purpose is noise.
logging.disable(logging.CRITICAL)


class Pysignalr:
    """The package `pysignalr`: WebSockets, and both protocols."""

    def __init__(self, url, encoding):
        protocol = MessagepackProtocol() if encoding == "messagepack" else None
        self.opened = asyncio.Queue()
        self.heard = asyncio.Queue()
        self.hub = SignalRClient(url, protocol, retry_sleep=0.01)
        self.hub.on_open(lambda: self.opened.put(None))
        self.hub.on_error(self.failed)
        self.hub.on("Receive", self.heard.put)
        self.hub.on("Answer", self.answer)

    async def answer(self, args):
        return f"{args[0]}!"

    async def failed(self, message):
        """The same message follows to whoever waits for it."""

    async def start(self):
        self.running = asyncio.create_task(self.hub.run())
        await asyncio.wait_for(self.opened.get(), LIMIT_S)

    async def stop(self):
        self.running.cancel()
        await asyncio.gather(self.running, return_exceptions=True)

    async def invoke(self, method, *args):
        reply = asyncio.get_running_loop().create_future()

        async def completed(message):
            if message.error:
                reply.set_exception(RuntimeError(message.error))
            else:
                reply.set_result(message.result)

        await self.hub.send(method, list(args), completed)
        return await asyncio.wait_for(reply, LIMIT_S)

    async def stream(self, method, *args):
        items, ended = [], asyncio.get_running_loop().create_future()

        async def item(value):
            items.append(value)

        async def complete(message):
            ended.set_result(items)

        async def failed(message):
            ended.set_exception(RuntimeError(message.error))

        await self.hub.stream(method, list(args), item, complete, failed)
        return await asyncio.wait_for(ended, LIMIT_S)


COME_BACK = {"type": "interval", "intervals": [0.1] * 50, "keep_alive_interval": 1}


class Signalrcore:
    """The package `signalrcore`, which calls back from threads of its own."""

    def __init__(self, url, encoding, transport=HttpTransportType.web_sockets):
        self.loop = asyncio.get_running_loop()
        self.opened = asyncio.Queue()
        self.heard = asyncio.Queue()
        self.waiting = {}
        text = encoding == "json"
        self.hub = (
            HubConnectionBuilder()
            .with_url(url, {"transport": transport})
            .with_hub_protocol(HubProtocolEncoding.text if text else HubProtocolEncoding.binary)
            .with_automatic_reconnect(COME_BACK)
            .build()
        )
        self.hub.on_open(lambda: self.tell(self.opened.put_nowait, None))
        self.hub.on_reconnect(lambda: self.tell(self.opened.put_nowait, None))
        self.hub.on_error(self.failed)
        self.hub.on("Receive", lambda args: self.tell(self.heard.put_nowait, args))

    def tell(self, what, *args):
        self.loop.call_soon_threadsafe(what, *args)

    def failed(self, message):
        self.tell(self.fail, message.invocation_id, message.error)

    def fail(self, invocation_id, error):
        self.waiting.pop(invocation_id).set_exception(RuntimeError(error))

    async def start(self):
        await asyncio.to_thread(self.hub.start)
        await asyncio.wait_for(self.opened.get(), LIMIT_S)

    async def stop(self):
        await asyncio.to_thread(self.hub.stop)

    async def invoke(self, method, *args):
        reply = self.loop.create_future()
        invocation_id = str(id(reply))
        self.waiting[invocation_id] = reply
        done = lambda message: self.tell(reply.set_result, message.result)
        await asyncio.to_thread(self.hub.invoke, method, list(args), done, invocation_id)
        return await asyncio.wait_for(reply, LIMIT_S)

    async def stream(self, method, *args):
        items, ended = [], self.loop.create_future()
        stream = self.hub.stream(method, list(args))
        stream.subscribe(
            {
                "next": lambda item: items.append(item),
                "complete": lambda message: self.tell(ended.set_result, items),
                "error": lambda message: None,
            }
        )
        self.waiting[stream.invocation_id] = ended
        return await asyncio.wait_for(ended, LIMIT_S)


def signalrcore_by(transport):
    return lambda url, encoding: Signalrcore(url, encoding, transport)


WAYS = {
    "pysignalr, json": (Pysignalr, "json"),
    "pysignalr, messagepack": (Pysignalr, "messagepack"),
    "signalrcore, json": (Signalrcore, "json"),
    "signalrcore, messagepack": (Signalrcore, "messagepack"),
    "signalrcore, json, server-sent events": (
        signalrcore_by(HttpTransportType.server_sent_events),
        "json",
    ),
    "signalrcore, json, long polling": (signalrcore_by(HttpTransportType.long_polling), "json"),
}
# Over long polling signalrcore reads one record of each answer, and keeps the others until the next
# one: fit for calls, one after the other.
WHOLE = [way for way in WAYS if not way.endswith("polling")]


class Cutter:
    """A proxy whose lines can be cut."""

    def __init__(self, target):
        self.target = target
        self.lines = []

    async def __aenter__(self):
        self.server = await asyncio.start_server(self.carry, "127.0.0.1", 0)
        self.address = self.server.sockets[0].getsockname()
        return self

    async def __aexit__(self, *_):
        self.server.close()
        self.cut()

    async def carry(self, reader, writer):
        server_reader, server_writer = await asyncio.open_connection(*self.target)
        self.lines += [writer, server_writer]
        await asyncio.gather(self.copy(reader, server_writer), self.copy(server_reader, writer))

    async def copy(self, reader, writer):
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass
        writer.close()

    def cut(self):
        for writer in self.lines:
            writer.transport.abort()
        self.lines = []


class SignalR(unittest.IsolatedAsyncioTestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server("signalr")

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def url(self, address=None):
        host, port = address or self.server.address
        # It pings each second: signalrcore stops only when something comes.
        return f"http://{host}:{port}/hubs/fast"

    async def each(self, body, ways=WAYS):
        for way in ways:
            kind, encoding = WAYS[way]
            with self.subTest(way):
                client = kind(self.url(), encoding)
                await client.start()
                try:
                    await body(client)
                finally:
                    await client.stop()

    async def test_calls_are_answered(self):
        async def body(client):
            self.assertEqual(await client.invoke("Echo", "ä 漢 😀"), "ä 漢 😀")
            self.assertEqual(await client.invoke("Add", 2, 3), 5)
            self.assertIsNone(await client.invoke("ReturnNull"))
            thing = {"a": [1, None, {"b": True}], "c": 1.5}
            self.assertEqual(await client.invoke("EchoAny", thing), thing)

        await self.each(body)

    async def test_errors_are_told_and_the_connection_lives_on(self):
        async def body(client):
            text = "invoking 'ThrowHubException' on the server. HubException: told you"
            with self.assertRaisesRegex(RuntimeError, text):
                await client.invoke("ThrowHubException", "told you")
            with self.assertRaisesRegex(RuntimeError, "Method does not exist"):
                await client.invoke("Nope")
            self.assertEqual(await client.invoke("Add", 1, 1), 2)

        await self.each(body)

    async def test_streams_bring_their_items(self):
        async def body(client):
            # signalrcore asks for the stream first and listens then, so not too soon.
            self.assertEqual(await client.stream("Counter", 5, 100), [0, 1, 2, 3, 4])
            if isinstance(client, Pysignalr):
                self.assertEqual(await client.stream("Counter", 0, 0), [])
                with self.assertRaisesRegex(RuntimeError, "HubException: enough"):
                    await client.stream("CounterThrow", 2, "enough")

        await self.each(body, WHOLE)

    async def test_a_group_of_all_kinds_hears_what_one_of_them_says(self):
        members = [WAYS[way][0](self.url(), WAYS[way][1]) for way in WHOLE]
        for member in members:
            await member.start()
        try:
            for member in members:
                await member.invoke("JoinGroup", "python")
            for number, speaker in enumerate(members):
                await speaker.invoke("SendToOthersInGroup", "python", "others", number)
                await speaker.invoke("SendToGroup", "python", "all", number)
                for member in members:
                    expected = [["all", number]]
                    if member is not speaker:
                        expected.insert(0, ["others", number])
                    for said in expected:
                        heard = await asyncio.wait_for(member.heard.get(), LIMIT_S)
                        self.assertEqual(heard, said)
        finally:
            for member in members:
                await member.stop()

    async def test_pysignalr_answers_the_server(self):
        async def body(client):
            self.assertEqual(await client.invoke("AskMe", "who"), "answer:who!")

        await self.each(body, [way for way in WAYS if way.startswith("pysignalr")])

    async def test_clients_come_back_when_their_line_is_cut(self):
        for way in ["pysignalr, json", "pysignalr, messagepack", "signalrcore, json"]:
            kind, encoding = WAYS[way]
            with self.subTest(way):
                async with Cutter(self.server.address) as cutter:
                    client = kind(self.url(address=cutter.address), encoding)
                    await client.start()
                    try:
                        for number in range(2):
                            before = await client.invoke("GetConnectionId")
                            cutter.cut()
                            await asyncio.wait_for(client.opened.get(), LIMIT_S)
                            self.assertEqual(await client.invoke("Add", number, 1), number + 1)
                            self.assertNotEqual(await client.invoke("GetConnectionId"), before)
                    finally:
                        await client.stop()


if __name__ == "__main__":
    unittest.main()
