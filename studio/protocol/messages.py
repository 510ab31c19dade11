"""The messages `studio.*`: those of the studio's page, parsed by declared types, and those of the server.

docs/protocol/studio.md describes each; studio/protocol/studio.v1.schema.json is the contract.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter

from mtclar.stream.protocol.client_messages import validated
from mtclar.stream.protocol.messages import encode_json

PREFIX = "studio."

Name = Annotated[str, StringConstraints(min_length=1, max_length=80)]
"""Of a participant, a session or a result, as the state lists it."""

Path = Annotated[str, StringConstraints(min_length=1, max_length=1000)]


class _PageMessage(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Join(_PageMessage):
    """Asks for the state, now and after every change."""

    type: Literal["studio.join"]


class Start(_PageMessage):
    """Tracks a source from now on, in place of the one before, with the support sets of these participants."""

    type: Literal["studio.start"]
    source: Path
    participants: Annotated[list[Name], Field(max_length=8)] = []


class Stop(_PageMessage):
    """Ends the source."""

    type: Literal["studio.stop"]


class DeleteParticipant(_PageMessage):
    """Deletes a support set and everything kept beside it."""

    type: Literal["studio.delete_participant"]
    participant: Name


class DeleteSession(_PageMessage):
    """Deletes a recorded session."""

    type: Literal["studio.delete_session"]
    session: Name


class Replay(_PageMessage):
    """Plays a recorded session, as if it were live."""

    type: Literal["studio.replay"]
    session: Name


class Export(_PageMessage):
    """Asks for a session as files to download."""

    type: Literal["studio.export"]
    session: Name
    to: Literal["csv", "parquet", "elan", "nova"]


class Browse(_PageMessage):
    """Asks what is in a folder of the server's machine; None: the first one."""

    type: Literal["studio.browse"]
    folder: Path | None = None


class Analyse(_PageMessage):
    """Computes the values of every frame of a video file, with the support set of a participant."""

    type: Literal["studio.analyse"]
    file: Path
    participant: Name | None = None


class Rate(_PageMessage):
    """Opens a video file for rating: while it plays, or frame by frame."""

    type: Literal["studio.rate"]
    file: Path
    participant: Name
    how: Literal["continuous", "pick"]
    rater: Name | None = None  # of several, who are compared; None: the ratings calibrate the participant
    labels: Path | None = None  # a label file to begin with, frame by frame


class Download(_PageMessage):
    """Asks for the table of an analysed file."""

    type: Literal["studio.download"]
    result: Name


class Phone(_PageMessage):
    """Asks for a link with which a phone becomes the camera; `origin` is the page's own."""

    type: Literal["studio.phone"]
    origin: Annotated[str, StringConstraints(pattern=r"^https?://[^/?#@\s]+$", max_length=300)]


PageMessage = (
    Join
    | Start
    | Stop
    | DeleteParticipant
    | DeleteSession
    | Replay
    | Export
    | Browse
    | Analyse
    | Rate
    | Download
    | Phone
)
_PAGE_MESSAGE: TypeAdapter[PageMessage] = TypeAdapter(Annotated[PageMessage, Field(discriminator="type")])


def parse(message: Mapping[str, Any]) -> PageMessage:
    """Parses a message of the page; ProtocolError `unknown_type` or `bad_message`."""
    return validated(_PAGE_MESSAGE, message, "the studio has no such message")


def encode(kind: str, **content: Any) -> bytes:
    """A message to the page, `studio.<kind>`."""
    return encode_json({"type": f"{PREFIX}{kind}", **content})
