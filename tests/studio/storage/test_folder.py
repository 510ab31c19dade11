"""Names of participants and sessions are one file's, in the studio's own folder."""

from pathlib import Path

import pytest

from mtclar.engine.errors import UsageError
from mtclar.studio.storage.folder import StudioFolder


@pytest.mark.parametrize("name", ["anna", "P 07", "Jürgen-2_b.x", "赵"])
def test_a_participant_has_one_file(tmp_path: Path, name: str) -> None:
    assert StudioFolder(tmp_path).participant(name) == tmp_path / "participants" / f"{name}.mtclar"


@pytest.mark.parametrize(
    "name", ["../anna", "a/b", "a\\b", ".hidden", "..", " anna", "a\nb", "a" * 81, "c:x"]
)
def test_other_names_are_refused(tmp_path: Path, name: str) -> None:
    folder = StudioFolder(tmp_path)
    for find in (folder.participant, folder.session, folder.result):
        with pytest.raises(UsageError, match="cannot be a name"):
            find(name)


def test_a_session_must_exist_and_be_no_link(tmp_path: Path) -> None:
    folder = StudioFolder(tmp_path)
    (folder.sessions / "one").mkdir(parents=True)
    (folder.sessions / "link").symlink_to(tmp_path)
    assert folder.session("one") == folder.sessions / "one"
    for name in ("two", "link"):
        with pytest.raises(UsageError, match="there is no session"):
            folder.session(name)
