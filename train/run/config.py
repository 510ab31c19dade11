"""The hyper-parameters and the data of a training run."""

from dataclasses import dataclass, field
from typing import Literal

from mtclar.train.data.augmentation import CameraConfig
from mtclar.train.data.ferplus import Photos
from mtclar.train.data.real_people import RealPeople
from mtclar.train.data.rendered_people import People
from mtclar.train.data.targets import TargetConfig
from mtclar.train.losses.label_smoothing import LabelSmoothingConfig
from mtclar.train.losses.objective import ObjectiveConfig
from mtclar.train.network.architecture import NetworkConfig


@dataclass(frozen=True)
class TrainConfig:
    """Every hyper-parameter of a run; stored in its checkpoints."""

    network: NetworkConfig = field(default_factory=NetworkConfig)
    objective: ObjectiveConfig = field(default_factory=ObjectiveConfig)
    camera: CameraConfig = field(default_factory=CameraConfig)
    targets: TargetConfig = field(default_factory=TargetConfig)
    label_smoothing: LabelSmoothingConfig = field(default_factory=LabelSmoothingConfig)
    epochs: int = 40  # ignored where minutes are given
    epoch_steps: int | None = None  # batches of an epoch; None: one pass over the photos
    minutes: float | None = None  # of training, validation not counted
    batch: int = 128  # pictures
    rendered_share: float = 0.3  # of a batch, where rendered people are given
    people_share: float = 0.22  # of a batch, where real people are given
    pictures_a_person: int = 8  # of rendered people
    learning_rate: float = 3e-3
    final_learning_rate: float = 1e-5
    warm_up: float = 0.03  # share of the run
    schedule: Literal["cosine", "plateau"] = "cosine"
    optimiser: Literal["adamw", "adam"] = "adamw"
    weight_decay: float = 0.05
    average: float = 0.998  # decay of the running mean of the weights; the mean is evaluated and exported
    # Steps after which several processes average their weights; with 1 they average the gradients of every step.
    average_every: int = 1
    clip_norm: float = 5.0
    bfloat16: bool = True  # autocast: 1.4 times as fast on a CPU with AVX512-BF16
    seed: int = 1


@dataclass(frozen=True, slots=True, eq=False)
class TrainData:
    """The training data and the validation data of a run. A source that is None is left out."""

    photos: Photos | None
    validation: Photos
    rendered: People | None = None
    people: RealPeople | None = None
