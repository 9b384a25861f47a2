"""websockets_peer - a server made of Python's websockets. See acts.py."""

import asyncio
import http

from websockets.exceptions import ConnectionClosed
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory
from websockets.legacy.server import WebSocketServerProtocol, serve

import acts


class Socket(WebSocketServerProtocol):
    """Tells of each ping that it answers."""

    async def pong(self, data=b""):
        acts.say("pong to", data.decode("latin1"))
        await super().pong(data)


class Peer:
    """What acts.py needs."""

    def __init__(self, socket):
        self.socket = socket
        self.path = socket.path
        self.headers = {name.lower(): value for name, value in socket.request_headers.raw_items()}
        self.send = socket.send
        self.pong = socket.pong

    async def send_pieces(self, pieces):
        async def one_by_one():
            for piece in pieces:
                yield piece

        await self.socket.send(one_by_one())

    async def ping(self, data):
        await (await self.socket.ping(data))

    async def close(self, code, reason):
        await self.socket.close(1000 if code is None else code, reason or "")

    def abort(self):
        self.socket.transport.abort()


async def serve_one(socket):
    peer = Peer(socket)
    try:
        async for message in socket:
            await acts.act(peer, message)
    except ConnectionClosed:
        pass
    await socket.wait_closed()
    acts.say("closed", socket.close_code, socket.close_reason)


async def refuse(path, _headers):
    kind, _, status = path[1:].partition("/")
    if kind == "refuse":
        return http.HTTPStatus(int(status)), {"X-Why": "a test"}, b"refused: " + acts.REFUSED[status].encode()
    return None


async def main():
    for name, port in acts.ports():
        deflate = acts.DEFLATE.get(name)
        await serve(
            serve_one,
            "127.0.0.1",
            port,
            create_protocol=Socket,
            ssl=acts.tls_of(name),
            compression=None,
            extensions=None if deflate is None else [ServerPerMessageDeflateFactory(**deflate)],
            subprotocols=acts.SUBPROTOCOLS,
            extra_headers={"X-Peer": "websockets"},
            process_request=refuse,
            ping_interval=None,
            max_size=None,
        )
    await asyncio.Event().wait()


asyncio.run(main())
