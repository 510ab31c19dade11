"""Fixtures of the studio's tests: a small recording."""

from support.pipeline_parts import make_message
from support.recordings import recording
