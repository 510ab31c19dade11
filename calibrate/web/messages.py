"""The messages `calibrate.*`: what the calibration page says, parsed by declared types, and what it is told.

docs/protocol/calibrate.md describes each; calibrate/web/calibrate.v1.schema.json is the contract.
"""

import json
from collections.abc import Mapping
from importlib import resources
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError

from mtclar.stream.protocol.client_messages import StreamName
from mtclar.stream.protocol.messages import ProtocolError

PREFIX = "calibrate."
SCHEMA_FILE = "calibrate.v1.schema.json"
ASYNCAPI_FILE = "calibrate.v1.asyncapi.yaml"  # refers to the schema as the file beside it

Unit = Annotated[float, Field(ge=-1, le=1, allow_inf_nan=False)]
Number = Annotated[int, Field(ge=1)]


class _Said(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Join(_Said):
    """Be told how it stands, and see the picture: of who and where is named, otherwise as before."""

    type: Literal["calibrate.join"]
    stream: StreamName | None = None
    subject: Annotated[str, StringConstraints(max_length=500)] | None = None


class Leave(_Said):
    """No more of that."""

    type: Literal["calibrate.leave"]


class Take(_Said):
    """The person says where they are: frames are taken for that label."""

    type: Literal["calibrate.take"]
    valence: Unit
    arousal: Unit


class Redo(_Said):
    """Other frames for a label."""

    type: Literal["calibrate.redo"]
    number: Number


class CheckOne(_Said):
    """Fresh frames of a label, to see what the support set makes of them."""

    type: Literal["calibrate.check"]
    number: Number


class Cancel(_Said):
    """Stop taking frames."""

    type: Literal["calibrate.cancel"]


class Delete(_Said):
    """Take a label away."""

    type: Literal["calibrate.delete"]
    number: Number


class Relabel(_Said):
    """Another label for the same frames."""

    type: Literal["calibrate.relabel"]
    number: Number
    valence: Unit
    arousal: Unit


class Skip(_Said):
    """Ask for another region of the grid."""

    type: Literal["calibrate.skip"]


class Undo(_Said):
    """Take the last change back."""

    type: Literal["calibrate.undo"]


class Clear(_Said):
    """Begin anew."""

    type: Literal["calibrate.clear"]


class Save(_Said):
    """Write the support set."""

    type: Literal["calibrate.save"]


class Play(_Said):
    """Play the recording from a moment on."""

    type: Literal["calibrate.play"]
    time: Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Pause(_Said):
    """Stop playing."""

    type: Literal["calibrate.pause"]


class Rate(_Said):
    """Where the person is on the grid while a picture of the recording is shown."""

    type: Literal["calibrate.rate"]
    seq: Annotated[int, Field(ge=0)]
    valence: Unit
    arousal: Unit


class Finish(_Said):
    """Make labels of the ratings."""

    type: Literal["calibrate.finish"]


OfLabels = Take | Redo | CheckOne | Cancel | Delete | Relabel | Skip | Undo | Clear
OfReplay = Play | Pause | Rate | Finish
Said = Join | Leave | OfLabels | OfReplay | Save
_SAID: TypeAdapter[Said] = TypeAdapter(Annotated[Said, Field(discriminator="type")])


def parse(message: Mapping[str, Any]) -> Said:
    """One message of the page; ProtocolError `unknown_type` or `bad_message`."""
    try:
        return _SAID.validate_python(dict(message))
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        if fault["type"] == "union_tag_invalid":
            raise ProtocolError("unknown_type", "there is no such message of calibration") from error
        where = ".".join(str(part) for part in fault["loc"][1:]) or "message"
        raise ProtocolError("bad_message", f"{where[:100]}: {fault['msg'][:200]}") from error


def encode(kind: str, **content: Any) -> bytes:
    """A message to the page, `calibrate.<kind>`."""
    message = {"type": f"{PREFIX}{kind}", **content}
    return json.dumps(message, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def schema() -> bytes:
    """The JSON Schema of these messages."""
    return (resources.files("mtclar.calibrate.web") / SCHEMA_FILE).read_bytes()


def asyncapi() -> bytes:
    """The same for code generators, as AsyncAPI."""
    return (resources.files("mtclar.calibrate.web") / ASYNCAPI_FILE).read_bytes()
