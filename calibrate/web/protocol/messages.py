"""The messages `calibrate.*`: those of the calibration page, parsed by declared types, and those of the server.

docs/protocol/calibrate.md describes each; calibrate/web/protocol/calibrate.v1.schema.json is the contract.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints, TypeAdapter

from mtclar.stream.protocol.client_messages import StreamName, validated
from mtclar.stream.protocol.messages import encode_json

PREFIX = "calibrate."

Unit = Annotated[float, Field(ge=-1, le=1, allow_inf_nan=False)]
Number = Annotated[int, Field(ge=1)]
Text = Annotated[str, StringConstraints(max_length=500)]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class _PageMessage(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Join(_PageMessage):
    """Starts states and images, of one page at a time; may choose the person and the stream."""

    type: Literal["calibrate.join"]
    stream: StreamName | None = None
    subject: Text | None = None
    take_over: bool = False  # from another page that calibrates this person
    passphrase: Annotated[SecretStr, Field(max_length=500)] | None = None  # of an encrypted support set


class Leave(_PageMessage):
    """Ends states and images."""

    type: Literal["calibrate.leave"]


class Take(_PageMessage):
    """Takes frames for a new label; of a recording, labels the shown frame."""

    type: Literal["calibrate.take"]
    valence: Unit
    arousal: Unit
    category: Text = ""  # the word that the person chose, if it was one
    note: Text = ""


class Redo(_PageMessage):
    """Takes new frames for a label."""

    type: Literal["calibrate.redo"]
    number: Number


class CheckLabel(_PageMessage):
    """Takes new frames of a labelled expression and estimates them."""

    type: Literal["calibrate.check"]
    number: Number


class Cancel(_PageMessage):
    """Stops taking frames."""

    type: Literal["calibrate.cancel"]


class Delete(_PageMessage):
    """Deletes a label."""

    type: Literal["calibrate.delete"]
    number: Number


class Relabel(_PageMessage):
    """Moves a label; its frames stay."""

    type: Literal["calibrate.relabel"]
    number: Number
    valence: Unit
    arousal: Unit
    category: Text | None = None  # None: as it was
    note: Text | None = None


class Recalibrate(_PageMessage):
    """Prompts for one region; the next label replaces the labels of that region. Empty: none."""

    type: Literal["calibrate.recalibrate"]
    region: Text


class Load(_PageMessage):
    """Continues with the labels of the saved support set."""

    type: Literal["calibrate.load"]


class Compare(_PageMessage):
    """Compares the labels with an earlier support set."""

    type: Literal["calibrate.compare"]
    name: Text


class Done(_PageMessage):
    """The person needs the page no longer: a command that serves nothing else ends."""

    type: Literal["calibrate.done"]


class Skip(_PageMessage):
    """Prompts for another region, or shows another still."""

    type: Literal["calibrate.skip"]


class Undo(_PageMessage):
    """Undoes the latest change."""

    type: Literal["calibrate.undo"]


class Clear(_PageMessage):
    """Deletes every label."""

    type: Literal["calibrate.clear"]


class Save(_PageMessage):
    """Writes the support set."""

    type: Literal["calibrate.save"]
    accept_poor: bool = False  # also if the state has a warning


class Play(_PageMessage):
    """Plays the recording from a time on; ratings are recorded at speed 1 alone."""

    type: Literal["calibrate.play"]
    time: Seconds
    speed: Annotated[float, Field(ge=0.1, le=4, allow_inf_nan=False)] = 1.0


class Pause(_PageMessage):
    """Stops playing."""

    type: Literal["calibrate.pause"]


class Show(_PageMessage):
    """Shows the frame at a time."""

    type: Literal["calibrate.show"]
    time: Seconds


class Step(_PageMessage):
    """Shows a frame so many frames later, or earlier."""

    type: Literal["calibrate.step"]
    frames: Annotated[int, Field(ge=-1000, le=1000)]


class Note(_PageMessage):
    """A note about a moment of the recording; an empty text deletes the one at that time."""

    type: Literal["calibrate.note"]
    time: Seconds
    text: Text


class Rate(_PageMessage):
    """The rating of one image of the recording."""

    type: Literal["calibrate.rate"]
    seq: Annotated[int, Field(ge=0)]
    valence: Unit
    arousal: Unit


class Finish(_PageMessage):
    """Makes labels of the ratings."""

    type: Literal["calibrate.finish"]


FeedMessage = (
    Take | Redo | CheckLabel | Cancel | Skip | Recalibrate | Play | Pause | Show | Step | Note | Rate | Finish
)
PageMessage = Join | Leave | Delete | Relabel | Undo | Clear | Load | Compare | Save | Done | FeedMessage
_PAGE_MESSAGE: TypeAdapter[PageMessage] = TypeAdapter(Annotated[PageMessage, Field(discriminator="type")])


def parse(message: Mapping[str, Any]) -> PageMessage:
    """Parses a message of the page; ProtocolError `unknown_type` or `bad_message`."""
    return validated(_PAGE_MESSAGE, message, "calibration has no such message")


def encode(kind: str, **content: Any) -> bytes:
    """A message to the page, `calibrate.<kind>`."""
    return encode_json({"type": f"{PREFIX}{kind}", **content})


def frame_check(seq: int, outline: Sequence[Sequence[float]] = (), **content: Any) -> bytes:
    """The message `calibrate.look` before the image `seq`; as of a recording unless `content` says otherwise."""
    return encode(
        "look",
        **{"seq": seq, "outline": outline, "usable": True, "advice": [], "issues": [], "capture": None}
        | content,
    )
