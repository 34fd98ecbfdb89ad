"""The Python clients of three kinds in one room: what each says, the others hear.

BASE_URL is the address of a running `omniwire serve`.
"""

import asyncio
import json
import os
import unittest

import socketio
import websockets
from pysignalr.client import SignalRClient

BASE_URL = os.environ["BASE_URL"]
LIMIT_S = 10
TEXTS = ["hello from Python", "ä 漢 😀", '"\\\b\f\n\r\t\0\x1e', "\u2028\u2029\ufeff\uffff"]
EVENTS = ["hello", "members", "said"]


class Member:
    """One who is in the room: knows who it is, and keeps what others say."""

    def __init__(self):
        self.hello = asyncio.get_running_loop().create_future()
        self.said = asyncio.Queue()

    def heard(self, event, args):
        if event == "hello":
            self.hello.set_result(args[0])
        elif event == "said":
            self.said.put_nowait((args[0]["id"], args[1]))

    async def next(self):
        return await asyncio.wait_for(self.said.get(), LIMIT_S)


class WebSocket(Member):
    """The package `websockets`, with envelopes."""

    async def enter(self):
        url = BASE_URL.replace("http", "ws", 1) + "/ws/chat"
        self.socket = await websockets.connect(url, subprotocols=["omniwire.json.v1"])
        self.replies = asyncio.Queue()
        self.reader = asyncio.create_task(self.read())

    async def read(self):
        async for text in self.socket:
            envelope = json.loads(text)
            if "event" in envelope:
                self.heard(envelope["event"], envelope["args"])
            elif "reply" in envelope:
                self.replies.put_nowait(envelope["result"])

    async def say(self, text):
        await self.socket.send(json.dumps({"event": "say", "args": [text], "id": 1}))
        return await self.replies.get()

    async def leave(self):
        await self.socket.close()
        await self.reader


class SocketIo(Member):
    """The package `python-socketio`: polling, then a WebSocket."""

    async def enter(self):
        self.socket = socketio.AsyncClient(reconnection=False)
        for event in EVENTS:
            self.socket.on(event, self.handler(event), namespace="/chat")
        await self.socket.connect(BASE_URL, namespaces=["/chat"])

    def handler(self, event):
        return lambda *args: self.heard(event, args)

    async def say(self, text):
        return await self.socket.call("say", text, namespace="/chat", timeout=LIMIT_S)

    async def leave(self):
        await self.socket.disconnect()


class SignalR(Member):
    """The package `pysignalr`."""

    async def enter(self):
        self.hub = SignalRClient(BASE_URL + "/signalr/chat", retry_count=0)
        for event in EVENTS:
            self.hub.on(event, self.handler(event))
        self.running = asyncio.create_task(self.hub.run())

    def handler(self, event):
        async def receive(args):
            self.heard(event, args)

        return receive

    async def say(self, text):
        reply = asyncio.get_running_loop().create_future()

        async def completed(message):
            reply.set_result(message.result)

        await self.hub.send("say", [text], completed)
        return await asyncio.wait_for(reply, LIMIT_S)

    async def leave(self):
        self.running.cancel()
        await asyncio.gather(self.running, return_exceptions=True)


class OneRoom(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        self.room = [kind() for kind in (WebSocket, SocketIo, SignalR)]
        for member in self.room:
            await asyncio.wait_for(member.enter(), LIMIT_S)
            member.me = await asyncio.wait_for(member.hello, LIMIT_S)

    async def asyncTearDown(self):
        for member in self.room:
            await member.leave()

    async def test_each_hears_what_the_others_say(self):
        for speaker in self.room:
            for text in TEXTS:
                with self.subTest(speaker=type(speaker).__name__, text=text):
                    self.assertEqual(await speaker.say(text), "delivered")
                    for hearer in self.room:
                        if hearer is not speaker:
                            self.assertEqual(await hearer.next(), (speaker.me["id"], text))

    async def test_nobody_hears_himself(self):
        for speaker in self.room:
            await speaker.say("once")
        for hearer in self.room:
            heard = {(await hearer.next())[0] for _ in range(len(self.room) - 1)}
            self.assertEqual(heard, {m.me["id"] for m in self.room if m is not hearer})
            self.assertTrue(hearer.said.empty())


if __name__ == "__main__":
    unittest.main()
