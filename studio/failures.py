"""Why something failed, in one sentence for a page."""

import logging

from mtclar.engine.errors import MtclarError, machine_refusal
from mtclar.stream.protocol.messages import ProtocolError

log = logging.getLogger(__name__)


def sentence_of(error: MtclarError) -> str:
    """What is wrong, and what to do."""
    return f"{error.what}. {error.hint}".rstrip(". ")


def reason_of(error: Exception) -> str:
    """The same of any error; what is unexpected goes to the log."""
    if isinstance(error, ProtocolError):
        return error.message
    if isinstance(error, MtclarError):
        return sentence_of(error)
    if refusal := machine_refusal(error):
        return refusal.what
    log.exception("the studio failed")
    return "an internal error; the server's log says more"
