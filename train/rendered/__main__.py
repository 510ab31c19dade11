"""Renders a picture set: `python -m mtclar.train.rendered OUT.npz --people 0:200 --pictures 100`."""

import argparse
from pathlib import Path

from mtclar.engine.files.writing import require_new
from mtclar.train import extra
from mtclar.train.command_line import count, in_words
from mtclar.train.rendered.splits import split_of


def people(text: str) -> range:
    """Parses `A:B` as the ids A .. B-1 of one split."""
    try:
        first, end = (int(part) for part in text.split(":"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not two person ids like 0:200") from None
    ids = range(first, end)
    splits = {split_of(person_id) for person_id in (first, end - 1)}  # a split has no gap
    if not ids or len(splits) > 1 or None in splits:
        raise argparse.ArgumentTypeError(f"{text} is not within one split (mtclar.train.rendered.splits)")
    return ids


@in_words
def main() -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(prog="python -m mtclar.train.rendered", description=__doc__)
    parser.add_argument("out", type=Path, metavar="OUT.npz")
    parser.add_argument("--people", type=people, required=True, metavar="A:B", help="person ids A .. B-1")
    parser.add_argument(
        "--pictures", type=count, default=100, metavar="N", help="of each person (%(default)s)"
    )
    parser.add_argument("--workers", type=count, default=1, metavar="N", help="processes (%(default)s)")
    options = parser.parse_args()
    require_new(options.out)
    extra.require("numba", purpose="rendering people")
    from mtclar.train.rendered.pictures import make_pictures

    pictures = make_pictures(options.people, options.pictures, workers=options.workers)
    pictures.save(options.out)
    print(f"{options.out}: {len(pictures.images)} pictures of {len(pictures.people)} people")


if __name__ == "__main__":
    main()
