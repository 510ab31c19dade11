"""The data sets of `evaluate` by name: how each is opened and how its faces are encoded."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from mtclar.engine.errors import UsageError
from mtclar.train.accuracy.answers import Answers, Networks
from mtclar.train.data import afew_va, aff_wild2, affectnet, ferplus, photos
from mtclar.train.data.labelled import Clip, Stills
from mtclar.train.data.rendered_people import People
from mtclar.train.progress import Advance, Progress
from mtclar.train.rendered.held_out import HeldOut

FERPLUS, AFFECTNET, AFEW_VA, AFF_WILD2, RENDERED = "ferplus", "affectnet", "afew-va", "aff-wild2", "rendered"
BOTH, PICTURES, CLIPS = "test", "pictures", "clips"  # of rendered people
PHOTOS = "photos"

SPLITS: dict[str, tuple[str, ...]] = {
    FERPLUS: get_args(ferplus.Usage),
    AFFECTNET: get_args(affectnet.Split),
    AFEW_VA: get_args(afew_va.Split),
    AFF_WILD2: get_args(aff_wild2.Split),
    RENDERED: (BOTH, PICTURES, CLIPS),
}
DEFAULT_SPLITS = {
    FERPLUS: "PrivateTest",
    AFFECTNET: affectnet.DEFAULT_SPLIT,
    AFEW_VA: afew_va.DEFAULT_SPLIT,
    AFF_WILD2: aff_wild2.DEFAULT_SPLIT,
    RENDERED: BOTH,
}


@dataclass(frozen=True, slots=True)
class Part:
    """Pictures that are encoded in the same way."""

    count: int
    answer: Callable[[Networks, Advance], Answers]


@dataclass(frozen=True, slots=True)
class Opened:
    """A data set with its labels, ready to be encoded."""

    name: str
    split: str | None
    main: Part  # for the table
    clips: Part | None = None  # for the table of whole clips, if it uses other data
    proxy: bool = False  # valence and arousal are FER+'s class centres
    trained_on: bool = False  # the bundled networks were trained on these pictures


def open_photos(path: Path) -> Opened:
    """Opens a CSV of the user's photos."""
    return Opened(PHOTOS, None, _stills(photos.load(path)))


def open_dataset(
    name: str, root: Path | None, split: str | None, held_out: HeldOut, progress: Progress
) -> Opened:
    """Reads the labels of a split (None: the default one); `progress` shows the rendering of test people.

    Raises UsageError for an unknown name or split and for a `root` that is missing or not allowed; DatasetError for a
    broken file.
    """
    if name not in SPLITS:
        raise UsageError(f"there is no data set '{name}'", f"one of: {', '.join(SPLITS)}")
    split = DEFAULT_SPLITS[name] if split is None else split
    if split not in SPLITS[name]:
        raise UsageError(f"{name} has no split '{split}'", f"one of: {', '.join(SPLITS[name])}")
    if name == RENDERED:
        if root is not None:
            raise UsageError("rendered people need no --root", "they are rendered when needed and stored")
        return _rendered(split, held_out, progress)
    if root is None:
        raise UsageError(f"{name} needs --root DIR", "the folder that holds the data set")
    if not root.is_dir():
        raise UsageError(f"{root} is not a folder", "--root is the folder that holds the data set")
    return _OPENERS[name](root, split)


def _ferplus(root: Path, split: str) -> Opened:
    chosen = ferplus.load(root).split(split)  # type: ignore[arg-type]
    part = Part(len(chosen), lambda networks, advance: networks.of_photos(chosen, advance))
    return Opened(FERPLUS, split, part, proxy=True, trained_on=split == "Training")


def _affectnet(root: Path, split: str) -> Opened:
    return Opened(AFFECTNET, split, _stills(affectnet.load(root, split)))  # type: ignore[arg-type]


def _afew_va(root: Path, split: str) -> Opened:
    return Opened(AFEW_VA, split, _clips(afew_va.load(root, split)))  # type: ignore[arg-type]


def _aff_wild2(root: Path, split: str) -> Opened:
    return Opened(AFF_WILD2, split, _clips(aff_wild2.load(root, split)))  # type: ignore[arg-type]


_OPENERS: dict[str, Callable[[Path, str], Opened]] = {
    FERPLUS: _ferplus,
    AFFECTNET: _affectnet,
    AFEW_VA: _afew_va,
    AFF_WILD2: _aff_wild2,
}


def _rendered(split: str, held_out: HeldOut, progress: Progress) -> Opened:
    if split == CLIPS:
        return Opened(RENDERED, split, _clips(held_out.load_clips(progress)))
    pictures = _people(held_out.load_pictures(progress))
    clips = _clips(held_out.load_clips(progress)) if split == BOTH else None
    return Opened(RENDERED, split, pictures, clips)


def _stills(stills: Stills) -> Part:
    return Part(len(stills), lambda networks, advance: networks.of_stills(stills, advance))


def _clips(clips: Sequence[Clip]) -> Part:
    return Part(sum(map(len, clips)), lambda networks, advance: networks.of_clips(clips, advance))


def _people(people: People) -> Part:
    return Part(len(people), lambda networks, advance: networks.of_people(people, advance))
