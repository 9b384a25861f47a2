"""autobahn_peer - a server made of Python's autobahn. See acts.py."""

import asyncio

from autobahn.asyncio.websocket import WebSocketServerFactory, WebSocketServerProtocol
from autobahn.websocket.compress import PerMessageDeflateOffer, PerMessageDeflateOfferAccept
from autobahn.websocket.types import ConnectionDeny

import acts


class Peer(WebSocketServerProtocol):
    """What acts.py needs, and what the library calls."""

    def onConnect(self, request):
        self.path = request.path
        self.headers = dict(request.headers)
        kind, _, status = request.path[1:].partition("/")
        if kind == "refuse":
            raise ConnectionDeny(int(status), acts.REFUSED[status])
        protocols = [name for name in acts.SUBPROTOCOLS if name in request.protocols]
        return (protocols[0] if protocols else None), {"X-Peer": "autobahn"}

    def onOpen(self):
        self.messages = asyncio.Queue()
        self.pongs = {}
        self.serving = asyncio.ensure_future(self.serve())

    async def serve(self):
        while True:
            await acts.act(self, await self.messages.get())

    def onMessage(self, payload, isBinary):
        self.messages.put_nowait(payload if isBinary else payload.decode())

    def onPing(self, payload):
        acts.say("pong to", payload.decode("latin1"))
        self.sendPong(payload)

    def onPong(self, payload):
        waiting = self.pongs.pop(payload, None)
        if waiting:
            waiting.set_result(None)

    def onClose(self, wasClean, code, reason):
        if hasattr(self, "serving"):
            self.serving.cancel()
            acts.say("closed", code, reason or "")

    # asyncio calls these two; the library itself writes without a bound.
    def pause_writing(self):
        self.resumed = asyncio.get_running_loop().create_future()

    def resume_writing(self):
        self.resumed.set_result(None)

    resumed = None

    async def drained(self):
        if self.resumed:
            await self.resumed

    async def send(self, message):
        self.sendMessage(*wire_of(message))
        await self.drained()

    async def send_pieces(self, pieces):
        self.beginMessage(isBinary=isinstance(pieces[0], bytes))
        for piece in pieces:
            payload, _ = wire_of(piece)
            # Both ways that there are; with compression a frame cannot be announced before it is made.
            if self._perMessageCompress is None:
                self.beginMessageFrame(len(payload))
                self.sendMessageFrameData(payload)
            else:
                self.sendMessageFrame(payload)
        self.endMessage()
        await self.drained()

    async def ping(self, data):
        self.pongs[data] = asyncio.get_running_loop().create_future()
        self.sendPing(data)
        await self.pongs[data]

    async def pong(self, data):
        self.sendPong(data)

    async def close(self, code, reason):
        self.sendClose(code, reason)

    def abort(self):
        self.transport.abort()


def wire_of(message):
    return (message.encode(), False) if isinstance(message, str) else (message, True)


def accepting(more):
    """What of an offer is taken, and what is asked for beside it."""

    def accept(offers):
        for offer in offers:
            if isinstance(offer, PerMessageDeflateOffer):
                narrow = more.get("server_max_window_bits", 0)
                return PerMessageDeflateOfferAccept(
                    offer,
                    request_no_context_takeover=more.get("client_no_context_takeover", False),
                    request_max_window_bits=more.get("client_max_window_bits", 0) if offer.accept_max_window_bits else 0,
                    no_context_takeover=more.get("server_no_context_takeover") or offer.request_no_context_takeover,
                    window_bits=min(narrow, offer.request_max_window_bits or 15) if narrow else None,
                )
        return None

    return accept


async def main():
    loop = asyncio.get_running_loop()
    for name, port in acts.ports():
        factory = WebSocketServerFactory(loop=loop)
        factory.protocol = Peer
        deflate = acts.DEFLATE.get(name)
        # The accelerated check of UTF-8 is not installed everywhere, and the one in Python takes a second a megabyte.
        factory.setProtocolOptions(utf8validateIncoming=False, closeHandshakeTimeout=5)
        if deflate is not None:
            factory.setProtocolOptions(perMessageCompressionAccept=accepting(deflate))
        await loop.create_server(factory, "127.0.0.1", port, ssl=acts.tls_of(name))
    await asyncio.Event().wait()


asyncio.run(main())
