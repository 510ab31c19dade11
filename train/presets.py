"""Named sets of hyper-parameters for `train --preset`: the project's own best, and the paper's."""

from dataclasses import replace

from mtclar.train.augment import AugmentConfig
from mtclar.train.loop import TrainConfig
from mtclar.train.network import NetworkConfig
from mtclar.train.objective import ObjectiveConfig
from mtclar.train.soften import SoftenConfig

# The wide changes of pictures that a camera worse than photographs needs.
STRONG = TrainConfig()

# About half as wide: ahead of the wide ones after sixteen epochs and after forty.
LESS_CHANGED = AugmentConfig(
    rotate_deg=12.0,
    scale=0.1,
    stretch=0.04,
    shift=0.06,
    blur_share=0.15,
    gamma=0.35,
    side_light=0.2,
    noise=4.0,
    erase_share=0.1,
)

# A network that knows its training photos better than new ones has their truths softened; and it knows rendered people
# no better than new ones, so it sees more of them.
LONGER = replace(
    STRONG,
    soften=SoftenConfig(mixup_share=0.3, distil=0.4, distil_from=0.0),
    people_share=0.4,
    learning_rate=2e-3,
)

PRESETS: dict[str, TrainConfig] = {
    # A network from nothing, by the ablations in docs/training.md.
    "best": replace(STRONG, network=NetworkConfig(enlarged_size=64), augment=LESS_CHANGED),
    # The bundled network is the end of a chain of runs, longer than one preset: `strong`, `longer`, `larger`.
    "strong": STRONG,
    "longer": LONGER,
    # Larger pictures cost time to train on, and so came last.
    "larger": replace(
        LONGER, network=NetworkConfig(enlarged_size=64), augment=LESS_CHANGED, learning_rate=1.5e-3
    ),
    # MT-CLAR as published (Parameshwara et al. 2023), on this project's residual network, since EmoNet's weights may
    # not be used. The second stage (MT-CLAR+SL) is trained at the same time, behind a stopped gradient, and so is the
    # expression head, which the paper does not have: both read the embedding and change nothing in it.
    "paper": TrainConfig(
        network=NetworkConfig(
            embedding=256,
            dropout=0.0,
            fusion="published",
            antisymmetric=False,
            pair_hidden=(2048, 1024, 512, 128),
            absolute_hidden=(1024, 512, 256, 128),
        ),
        objective=ObjectiveConfig(
            delta_mse=1.0,
            delta_ccc=1.0,
            similarity=1.0,
            cosine=1.0,
            rare_class_limits=(1.0, 1.0),
            random_weights=True,
            delta_schedule=True,
            alike_by_class=True,
        ),
        augment=AugmentConfig(
            rotate_deg=20.0,
            scale=0.0,
            stretch=0.0,
            shift=0.0,
            blur_share=0.0,
            gamma=0.0,
            side_light=0.0,
            noise=0.0,
            erase_share=0.0,
        ),
        epochs=40,
        batch=256,
        learning_rate=1e-4,
        warm_up=0.0,
        schedule="plateau",
        optimiser="adam",
        weight_decay=1e-4,
        average=0.0,
    ),
}
