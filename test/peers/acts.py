"""acts - what the WebSocket servers in this folder do when they are told to, whichever library they are made of.

Run by websockets_peer.py and autobahn_peer.py, which are started by test/support/real.ts with their ports as JSON:
plain and tls; deflate, which takes what is asked of permessage-deflate; strict and narrow, which ask for more.
The path says what is done with each message: /echo, /pieces/<bytes> echoes in fragments, /acts obeys JSON.
Invariant: the messages of a client are served one after another; only numbers are sent beside what follows.
"""

import asyncio
import json
import ssl
import sys

DEFLATE = {
    "deflate": {},
    "strict": {"server_no_context_takeover": True, "client_no_context_takeover": True},
    "narrow": {"server_max_window_bits": 10, "client_max_window_bits": 11},
}
SUBPROTOCOLS = ["feed.v2", "feed.v1"]
REFUSED = {"401": "Unauthorized", "403": "Forbidden", "503": "Service Unavailable"}
# So many seconds must no message have been taken for the numbers to count as stalled.
STALL = 0.15


def ports():
    """Name and number of each port to listen on."""
    return json.loads(sys.argv[1]).items()


def tls_of(name):
    """The TLS context of that port, or None."""
    if name != "tls":
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain("cert.pem", "key.pem")
    return context


def say(*words):
    """For the log of the test."""
    print(*words, flush=True)


async def act(peer, message):
    """Serves one message. A peer has path, headers, send, send_pieces, ping, pong, close and abort."""
    kind, _, size = peer.path.partition("?")[0][1:].partition("/")
    if kind == "pieces":
        step = int(size)
        pieces = [message[at : at + step] for at in range(0, len(message), step)] or [message]
        await peer.send_pieces(pieces)
    elif kind == "acts":
        await obey(peer, json.loads(message))
    else:
        await peer.send(message)


async def obey(peer, order):
    """Does what one order says."""
    kind = order["act"]
    if kind == "numbers":
        peer.numbers = asyncio.ensure_future(numbers(peer, order))
    elif kind == "ping":
        await peer.ping(order["data"].encode())
        await peer.send("ponged " + order["data"])
    elif kind == "pong":
        await peer.pong(order["data"].encode())
        await peer.send("sent")
    elif kind == "headers":
        await peer.send(json.dumps(peer.headers))
    elif kind == "close":
        await peer.close(order.get("code"), order.get("reason"))
    elif kind == "abort":
        peer.abort()


async def numbers(peer, order):
    """Sends the numbers from `from` to `to`, each filled up to `bytes`; every other one is binary, if they are mixed."""
    filling = b"." * order["bytes"]
    for number in range(order["from"], order["to"]):
        digits = b"%d " % number
        message = digits + filling[len(digits) :]
        stalled = asyncio.get_running_loop().call_later(STALL, say, "stalled at", number)
        await peer.send(message if order.get("mixed") and number % 2 else message.decode())
        stalled.cancel()
    say("sent", order["to"])
