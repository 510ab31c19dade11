"""Fixtures of the labelling tests: the known clips, and the networks that scan them."""

from collections.abc import Iterator

import pytest
from support.media.known_clips import KnownClip, known_clips

from mtclar.label.scan.face_scan import FaceScanner


@pytest.fixture(scope="session")
def clips() -> list[KnownClip]:
    return known_clips()


@pytest.fixture(scope="session")
def scanner() -> Iterator[FaceScanner]:
    with FaceScanner.open() as opened:
        yield opened
