"""What PyPI `websockets` makes of octets on a connection: a line `ROLE OCTETS` in, a line
`EVENTS END` out. Its core gives frames; messages are put together as its own shells do."""

import codecs
import sys

from websockets.frames import Close, Opcode
from websockets.protocol import Protocol, Side, State

MESSAGE_LEN_MAX = 1024


class Messages:
    """Frames into messages; text is decoded as it comes."""

    def __init__(self):
        self.kind = None
        self.data = b""
        self.decoder = None

    def add(self, frame):
        if frame.opcode in (Opcode.PING, Opcode.PONG):
            kind = "9" if frame.opcode is Opcode.PING else "a"
            return f"{kind}:{bytes(frame.data).hex()} "
        if frame.opcode is Opcode.CLOSE:
            return f"8:{Close.parse(frame.data).code if frame.data else 1005} "
        if frame.opcode is not Opcode.CONT:
            self.kind = "t" if frame.opcode is Opcode.TEXT else "b"
            self.data = b""
            self.decoder = codecs.getincrementaldecoder("utf-8")()
        if self.kind == "t":
            self.decoder.decode(frame.data, final=frame.fin)
        self.data += frame.data
        return f"{self.kind}:{self.data.hex()} " if frame.fin else ""


def receive(role, octets):
    side = Side.SERVER if role == "server" else Side.CLIENT
    protocol = Protocol(side, state=State.OPEN, max_size=MESSAGE_LEN_MAX)
    protocol.receive_data(octets)
    messages = Messages()
    told = ""
    for frame in protocol.events_received():
        try:
            told += messages.add(frame)
        except UnicodeDecodeError:
            return f"{told}\tfail 1007"
    if protocol.parser_exc is not None:
        return f"{told}\tfail {protocol.close_sent.code}"
    return f"{told}\topen"


def main():
    for line in sys.stdin:
        role, octets = line.rstrip("\n").split("\t")[:2]
        print(receive(role, bytes.fromhex(octets)))


main()
