"""Fixtures of the command line's tests: clips with a real face, an empty home folder, ways to run the command."""

from pathlib import Path

import pytest
from support.command_line import Run, command, home, process
from support.media.video_clips import clips, empty_clip, face_clip, labels, long_clip, two_faces_clip
from support.pipeline_parts import eventually, make_message
from support.recordings import recording


@pytest.fixture
def support(command: Run, face_clip: Path, labels: Path, tmp_path: Path) -> Path:
    """A support set of the face clip."""
    path = tmp_path / "anna.mtclar"
    assert command("calibrate", "--source", face_clip, "--labels", labels, "--out", path).code == 0
    return path
