"""An `affect` message that another server has encoded, for a server that passes it on with its own number and clock."""

import json
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Self

from mtclar.stream.protocol.messages import ALL_FIELDS, DEFAULT_FIELDS, encode_json

_TEXT = rb'"(?:[^"\\]|\\.)*"'
_HEAD = re.compile(
    rb'\{"type":"affect","stream":'
    + _TEXT
    + rb',"seq":(\d+),"frame":\d+,"t_capture":(-?\d+(?:\.\d+)?(?:e-?\d+)?),'
)


@dataclass(frozen=True, slots=True, eq=False)
class RelayedAffect:
    """The message as JSON with the default fields of each face."""

    stream: str
    seq: int
    t_capture_s: float  # on the clock of the server that sends it
    payload: bytes

    @classmethod
    def parse(cls, stream: str, payload: bytes) -> Self:
        """A message as AffectMessage.encode makes it. Raises ValueError for any other."""
        match = _HEAD.match(payload)
        if match is None:
            raise ValueError("this is no `affect` message of mtclar.v1")
        return cls(stream, int(match[1]), float(match[2]), payload)

    def moved(self, seq: int, t_capture_s: float) -> Self:
        """The same message with another number, at this time of another clock."""
        match = _HEAD.match(self.payload)
        assert match is not None, "parse has checked it"
        head = self.payload[: match.start(1)] + str(seq).encode()
        head += self.payload[match.end(1) : match.start(2)] + str(round(t_capture_s, 4)).encode()
        return type(self)(self.stream, seq, t_capture_s, head + self.payload[match.end(2) :])

    def encode(self, fields: frozenset[str] = DEFAULT_FIELDS) -> bytes:
        """JSON with the chosen optional fields of each face, as far as the message has them."""
        return self.encode_each((fields,))[fields]

    def encode_each(self, choices: Collection[frozenset[str]]) -> dict[frozenset[str], bytes]:
        """The same for several choices of fields."""
        encoded = {fields: self.payload for fields in choices if fields >= DEFAULT_FIELDS}
        if len(encoded) == len(choices):
            return encoded
        message = json.loads(self.payload)
        faces = message["faces"]
        for chosen in choices:
            if chosen not in encoded:
                left_out = ALL_FIELDS - chosen
                message["faces"] = [
                    {name: value for name, value in face.items() if name not in left_out} for face in faces
                ]
                encoded[chosen] = encode_json(message)
        return encoded
