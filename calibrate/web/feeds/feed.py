"""The interface of a feed: where the images of a calibration session come from."""

from typing import Any, Protocol

from mtclar.calibrate.core.continuous_rating import Ratings
from mtclar.calibrate.web.protocol import messages
from mtclar.engine.data_types import Frame
from mtclar.stream.server.extension import ClientHandle


class Feed(Protocol):
    """Where a session's images to label come from. Every method runs on the session's thread."""

    ratings: Ratings | None
    """The journal's ratings of a recording. Setting them raises CalibrationError when they do not fit this feed."""

    def handle(self, client: ClientHandle, message: messages.FeedMessage, /) -> bool:
        """Handles a message about images; False when the state stays as it was."""
        ...

    def on_frame(self, frame: Frame, /) -> None:
        """Processes the newest frame of the session's stream."""
        ...

    def on_state(self, joined: ClientHandle | None, /) -> None:
        """Called after a state was sent; `joined`: the client whose `join` it answers."""
        ...

    def state(self) -> dict[str, Any]:
        """Further fields of `calibrate.state`."""
        ...

    def stop(self) -> None:
        """Ends a running capture or playback, and writes its ratings to the journal."""
        ...
