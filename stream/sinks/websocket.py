"""The websocket sink: a server of its own, beside that of `run`."""

from mtclar.engine.errors import UsageError
from mtclar.stream.server.config import ServerConfig
from mtclar.stream.server.server import Server


def open_websocket(argument: str) -> Server:
    """The sink of `websocket` or `websocket://HOST:PORT`: a server of its own, beside that of `run`."""
    host, _, port = argument.rpartition(":")
    if argument and not (host and port.isdecimal()):
        raise UsageError("the websocket sink takes an address", "write websocket://127.0.0.1:8765")
    return Server(ServerConfig(host, int(port)) if argument else None)
