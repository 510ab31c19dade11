"""Averages the weights of a network and of a network that was initialised from it (a 'model soup').

    python -m tools.fit.average_checkpoints BEFORE.pt AFTER.pt --ferplus FERPLUS --people test.npz --out mtclar.pt

After Wortsman et al. 2022 (https://arxiv.org/abs/2203.05482). It tries several shares of AFTER and writes the mean with
the best FER+ PublicTest (accuracy plus mean CCC). The figures of FER+ PrivateTest and of rendered test people are
stored and do not affect the choice.
"""

import argparse
import copy
from dataclasses import replace
from pathlib import Path

from mtclar.engine.files.writing import require_new
from mtclar.train.accuracy.encoder_figures import PhotoFigures, card_figures
from mtclar.train.command_line import in_words
from mtclar.train.data import ferplus, rendered_people
from mtclar.train.data.ferplus import CROWD_SHARES
from mtclar.train.network import evaluation
from mtclar.train.network.architecture import Siamese, move_towards
from mtclar.train.network.checkpoint import Checkpoint, load_checkpoint, save_checkpoint

SHARES = (0.0, 0.25, 0.4, 0.5, 0.6, 0.75, 1.0)


def averaged(before: Siamese, after: Siamese, share: float) -> Siamese:
    """(1 - share) of the weights and of the batch norms' statistics of `before` plus `share` of those of `after`."""
    network = copy.deepcopy(before)
    move_towards(network, after, share)
    return network.eval()


def goodness(figures: PhotoFigures) -> float:
    """The criterion for the share."""
    return figures.majority_accuracy + sum(figures.proxy_va.ccc) / 2


@in_words
def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("--ferplus", type=Path, required=True)
    parser.add_argument("--people", type=Path, required=True, help="rendered test people")
    parser.add_argument(
        "--share", type=float, nargs="+", help="shares of AFTER to try; a single share is used directly"
    )
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    require_new(options.out)
    before, after = load_checkpoint(options.before), load_checkpoint(options.after)
    of_before = replace(before.network.config, temperature=after.network.config.temperature)
    if of_before != after.network.config:
        parser.error(f"{options.before} and {options.after} are networks of different sizes")
    started = Siamese(after.network.config).eval()
    # The same conversion as in training when V/A becomes a mean of class centres.
    started.start_from(before.network, CROWD_SHARES)
    photos = ferplus.load(options.ferplus)
    scored: dict[float, float] = {}
    for share in options.share or SHARES:
        figures = evaluation.evaluate_photos(
            averaged(started, after.network, share), photos.split("PublicTest")
        )
        scored[share] = goodness(figures)
        print(f"{share:.2f} of the second: {figures}", flush=True)
    best = max(scored, key=lambda share: scored[share])
    network = averaged(started, after.network, best)
    on_photos = evaluation.evaluate_photos(network, photos.split("PrivateTest"))
    on_people = evaluation.evaluate_people(network, rendered_people.load([options.people], "test"))
    print(f"{best:.2f} chosen\nFER+ PrivateTest: {on_photos}\nrendered test people: {on_people}")
    stages = (*after.stages, f"the mean of the weights before ({1 - best:.2f}) and after ({best:.2f})")
    soup: Checkpoint = replace(
        after, network=network, stages=stages, figures=card_figures(on_photos, on_people)
    )
    save_checkpoint(options.out, soup)


if __name__ == "__main__":
    main()
