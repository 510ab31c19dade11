"""What /health and /ready answer: shall this process be started anew, and do fresh values come from it."""

from collections.abc import Iterable, Mapping
from http import HTTPStatus

from mtclar.stream.protocol.messages import PROTOCOL, StatusMessage
from mtclar.stream.server.pages import Page, json_page

Details = Mapping[str, object]
"""What only those learn who may know it."""


def health_page(failure: str | None, details: Details | None) -> Page:
    """200 while all is well; 503 with the reason asks whoever watches to start the process anew."""
    return _page("ok" if failure is None else "failing", failure, details)


def readiness_page(
    streams: Iterable[str], statuses: Mapping[str, StatusMessage], details: Details | None
) -> Page:
    """200 while every stream is live; 503 with their names while one is not, or has not said anything yet."""
    states = dict.fromkeys(streams, "") | {name: status.state for name, status in statuses.items()}
    waiting = sorted(name for name, state in states.items() if state != "live")
    if waiting:
        return _page("waiting", f"not live: {', '.join(waiting)}", details)
    return _page("ready", None, details)


def _page(word: str, reason: str | None, details: Details | None) -> Page:
    content: dict[str, object] = {"status": word, "protocol": PROTOCOL}
    if details is not None:
        content |= {"reason": reason, **details}
    return json_page(content, HTTPStatus.OK if reason is None else HTTPStatus.SERVICE_UNAVAILABLE)
