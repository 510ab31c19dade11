"""The person ids of the training, test and demo splits, which are disjoint."""

TRAIN = range(0, 1000)
"""People for training."""

TEST = range(1000, 1024)
"""People for evaluation only: no network is trained, tuned or calibrated on them."""

DEMO = range(2000, 2010)
"""People of bundled clips: no network is trained on them."""

SPLITS = {"train": TRAIN, "test": TEST, "demo": DEMO}


def split_of(person_id: int) -> str | None:
    """The split of a person; None for an id without a split."""
    return next((name for name, ids in SPLITS.items() if person_id in ids), None)
