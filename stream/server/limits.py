"""All limits of a server on its clients, in one place; docs/server/security.md has them as a table."""

from dataclasses import dataclass, replace

KIB, MIB = 2**10, 2**20

DESCRIPTORS_KEPT = 128  # for sources, files, the libraries; never given to clients
REMEMBERED_ADDRESSES = 4096  # of which wrong tokens are counted
ACCEPT_BACKLOG = 256  # connections that the system may hold until they are accepted
ACCEPTED_AT_ONCE = 4  # in one turn of the event loop: a crowd at the port must not delay messages
MAX_QUEUED = 1024  # messages from worker threads to the event loop; more mean that the loop is stuck

# What a slow client leaves unread in this machine's buffers is outdated by the time it is read: keep them small.
SEND_BUFFER_BYTES = 64 * KIB
UNSENT_BYTES = WRITE_LIMIT_BYTES = 8 * KIB
SLICE_BYTES = 4 * KIB  # what is parsed of one client before its budget is checked again

# Pictures of clients. A JPEG of 1920x1080 has a quarter of MAX_FRAME_BYTES, which `camera_ready` announces.
MAX_FRAME_BYTES = 2 * MIB
CLOSE_ABOVE_BYTES = 2 * MAX_FRAME_BYTES  # a larger one is not read to its end: closed with 1009
MIN_SIDE, MAX_SIDE = 16, 4096
OLDEST_S = 10.0  # the time of arrival replaces a capture time that is older, or in the future
FUTURE_S = 0.25
SILENT_S = 5.0  # without a picture; after that, another client may become the camera
MAX_UNDECODABLE = 20  # pictures of one client; after that, none of it is decoded


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits that `ServerConfig` can change. Exceeding one affects no other client."""

    # Connections
    clients: int = 1024  # websockets at once
    clients_per_address: int = 256  # of those, from one address (see `address_of`)
    pages: int = 64  # further connections, in all and from one address: for pages and refusals
    connections_per_s: float = 100.0  # new ones from one address, after as many as it may have at once

    # One connection until it has shown the token, or has its page
    handshake_s: float = 5.0  # from accepting it: TLS, request, page and token together
    header_bytes: int = 16 * KIB  # request line and headers
    token_bytes: int = 4 * KIB  # all that follows until the token
    token_frames: int = 16  # and in how many websocket frames
    wrong_tokens: int = 10  # wrong tokens from one address, then one more every `wrong_token_s`
    wrong_token_s: float = 6.0

    # One client
    message_bytes: int = 16 * KIB  # one message, if it is no picture
    message_s: float = 10.0  # from the first byte of a message to its last one
    bytes_per_s: float = 1 * MIB  # received, pictures apart
    websocket_frames_per_s: float = 100.0  # pings, pongs and parts of messages included
    messages_per_s: float = 50.0  # text messages
    marks_per_s: float = 2.0  # after `marks_at_once`
    marks_at_once: float = 20.0
    protocol_errors: int = 20  # then it is closed
    ping_s: float = 20.0  # a half-open connection is noticed after two of these
    unread_s: float = 20.0  # for so long it may read nothing of what waits for it
    unread_pings: int = 32  # of its pings that are answered while it reads nothing
    backlog: int = 1024  # `affect` messages that may wait for it with delivery `all`: 40 s at 25/s
    control_backlog: int = 256  # other messages that may wait for it

    # One client whose `camera` was accepted
    frames_per_s: float = 120.0  # pictures
    camera_bytes_per_s: float = 32 * MIB
    camera_websocket_frames_per_s: float = 4096.0  # browsers send a picture in parts

    # All clients together
    shared_per_s: float = 50.0  # marks, assigns and all subscriptions but the first one of each client
    histories_per_s: float = 5.0  # answers to `history`: each may be half a megabyte
    field_choices: int = 32  # different choices of `fields`: each is encoded for each message
    unfinished_bytes: int = 16 * MIB  # received of messages and requests that are not complete

    def for_descriptors(self, most: int) -> "Limits":
        """The same within `most` file descriptors of the process, if those are fewer."""
        room = max(2, most - DESCRIPTORS_KEPT)
        if self.clients + self.pages <= room:
            return self
        pages = min(self.pages, room // 2)
        clients = room - pages
        per_address = min(self.clients_per_address, clients)
        return replace(self, clients=clients, clients_per_address=per_address, pages=pages)
