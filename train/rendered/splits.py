"""Who is rendered for what: the ids of training, test and demo people. No person may be in two of them."""

TRAIN = range(0, 1000)
"""People that training may show the networks."""

TEST = range(1000, 1024)
"""People for evaluation alone: no network is ever trained, tuned or calibrated on them."""

DEMO = range(2000, 2010)
"""People of bundled clips: never trained on either."""

SPLITS = {"train": TRAIN, "test": TEST, "demo": DEMO}


def split_of(person_id: int) -> str | None:
    """The split that a person belongs to; None for an id that is in none."""
    return next((name for name, ids in SPLITS.items() if person_id in ids), None)
