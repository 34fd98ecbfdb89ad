"""The synchronous client of PyPI `python-socketio`, unmodified, against the contract of
`--suite socketio`: threads of its own, `requests` and `websocket-client`. Runs with the current
release (Engine.IO 4), and with 4.6.1 (Engine.IO 3), which many programs still have.

OMNIWIRE is the path of the binary.
"""

import queue
import threading
import unittest
from importlib.metadata import version

import socketio

from subject import LIMIT_S, Server

IS_OLD = version("python-socketio").startswith("4.")
TRANSPORTS = [["polling"], ["websocket"], ["polling", "websocket"]]
ARGS = ["ä 漢 😀 \u2028", {"deep": [b"\x00\x01", {"b": b"\xff"}]}, None, 1.5, True]
EVENTS = ["welcome", "echo-back", "answered", "said"]


class Client:
    """A synchronous client in some namespaces, and what it heard."""

    def __init__(self, **options):
        self.client = socketio.Client(**{"reconnection": False, **options})
        self.heard = queue.Queue()
        self.ended = queue.Queue()
        self.refused = queue.Queue()

    def listen(self, namespace):
        for event in EVENTS:
            def hear(*args, event=event):
                self.heard.put((event, namespace, list(args)))

            self.client.on(event, hear, namespace=namespace)
        self.client.on("question", lambda *args: args, namespace=namespace)
        self.client.on("disconnect", lambda *_: self.ended.put(namespace), namespace=namespace)
        self.client.on("connect_error", self.refused.put, namespace=namespace)

    def enter(self, url, transports, namespaces=("/",)):
        for namespace in namespaces:
            self.listen(namespace)
        self.client.connect(url, transports=transports, namespaces=list(namespaces))
        for _ in namespaces:
            self.next("welcome")

    def next(self, event, namespace=None):
        while True:
            found, where, args = self.heard.get(timeout=LIMIT_S)
            if found == event and namespace in (None, where):
                return args

    def call(self, event, *args, namespace="/"):
        return self.client.call(event, args, namespace=namespace, timeout=LIMIT_S)


class Threads(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server("socketio", environment={"SIO_EIO3": "1"})
        cls.url = f"http://127.0.0.1:{cls.server.address[1]}"

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def client(self, *arguments, **options):
        client = Client(**options)
        self.addCleanup(client.client.disconnect)
        client.enter(self.url, *arguments)
        return client

    def test_each_transport(self):
        for transports in TRANSPORTS:
            with self.subTest(transports=transports):
                client = self.client(transports)
                client.client.emit("echo", tuple(ARGS))
                self.assertEqual(client.next("echo-back"), ARGS)
                self.assertEqual(list(client.call("echo-ack", *ARGS)), ARGS)
                client.client.emit("ask", (1, b"\x02"))
                self.assertEqual(client.next("answered"), [1, b"\x02"])
                self.assertEqual(client.call("make-bin", 2)["list"], [b"\x00", b"\x01"])
                self.assertEqual(client.call("join", ["b", "a"]), ["a", "b"])
                self.assertEqual(client.call("transport"), transports[-1])
                client.client.emit("bye", False)
                self.assertEqual(client.ended.get(timeout=LIMIT_S), "/")

    def test_the_server_knows_which_protocol_it_is(self):
        client = self.client(["websocket"])
        query = client.call("handshake")["query"]
        self.assertEqual(query["EIO"], "3" if IS_OLD else "4")

    def test_namespaces_and_rooms(self):
        one, two = (self.client(["websocket"], ["/", "/chat", "/dyn-1"]) for _ in range(2))
        two.call("join", "room", namespace="/chat")
        one.call("to", "room", "said", 1, namespace="/chat")
        one.call("broadcast", "said", 2, namespace="/dyn-1")
        self.assertEqual(two.next("said", "/chat"), [1])
        self.assertEqual(two.next("said", "/dyn-1"), [2])

    def test_a_middleware_that_refuses(self):
        client = Client()
        self.addCleanup(client.client.disconnect)
        try:
            client.listen("/auth")
            client.client.connect(self.url, transports=["websocket"], namespaces=["/auth"])
        except socketio.exceptions.ConnectionError:
            self.assertFalse(IS_OLD)
        data = {"code": 401, "hint": "token"}
        expected = data if IS_OLD else {"message": "not authorized", "data": data}
        self.assertEqual(client.refused.get(timeout=LIMIT_S), expected)

    def test_a_connection_that_is_cut_is_made_anew(self):
        # Over polling it takes the server's close packet for a wish to part for good.
        for transports in TRANSPORTS[1:]:
            with self.subTest(transports=transports):
                client = self.client(transports, reconnection=True, reconnection_delay=0.1)
                client.client.emit("kick-transport")
                client.next("welcome")
                self.assertEqual(client.call("echo-ack", "back"), "back")

    def test_threads_that_call_at_once(self):
        for transports in TRANSPORTS:
            with self.subTest(transports=transports):
                client = self.client(transports)
                answers = [[] for _ in range(4)]

                def call(number, client=client, answers=answers):
                    for value in range(25):
                        answers[number].append(client.call("echo-ack", [number, value]))

                threads = [threading.Thread(target=call, args=(n,)) for n in range(4)]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join(LIMIT_S)
                expected = [[[number, value] for value in range(25)] for number in range(4)]
                self.assertEqual(answers, expected)
