"""The Siamese network: an encoder for one face and a head that compares two encoded faces.

    face uint8 [B, 48, 48] -> Encoder -> embedding [B, D], absolute V/A [B, 2], expression logits [B, 8]
    embedding [B, D], support [N, D] -> PairHead -> similarity [B, N], delta V/A [B, N, 2]

After MT-CLAR (Parameshwara et al. 2023): one shared encoder, three outputs for a pair. Different here: the encoder is
our own small residual network, delta is antisymmetric and similarity symmetric by construction, and the first layer of
the pair head is split into W_q q + W_s s, so that the support side can be computed once.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mtclar.engine.handover import EXPRESSIONS

CONTRAST_FLOOR = (
    8.0  # grey levels added to a picture's standard deviation, so that flat pictures are not blown up
)


@dataclass(frozen=True)
class NetworkConfig:
    """Sizes of the network; stored in every checkpoint."""

    input_size: int = 48
    stem: int = 32
    # (channels, residual blocks) of each stage; every stage but the first halves the picture.
    # Ordinary 3x3 convolutions: depthwise ones train 20 times slower on a CPU at equal cost.
    stages: tuple[tuple[int, int], ...] = ((32, 1), (64, 1), (128, 2), (256, 1))
    embedding: int = 128
    dropout: float = 0.3
    pair_hidden: tuple[int, int] = (128, 64)


class Siamese(nn.Module):
    """Encoder and pair head."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        self.pair = PairHead(config)

    def parameter_count(self) -> int:
        return sum(parameter.numel() for parameter in self.parameters())


class Encoder(nn.Module):
    """One grey face -> embedding, absolute V/A and expression logits."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        layers: list[nn.Module] = [*_conv_norm(1, config.stem, stride=2), nn.ReLU(inplace=True)]
        channels = config.stem
        for stage, (width, blocks) in enumerate(config.stages):
            for block in range(blocks):
                stride = 2 if stage > 0 and block == 0 else 1
                layers.append(ResidualBlock(channels, width, stride))
                channels = width
        self.features = nn.Sequential(*layers)
        self.dropout = nn.Dropout(config.dropout)
        self.embedding = nn.Sequential(
            nn.Linear(channels, config.embedding, bias=False), nn.BatchNorm1d(config.embedding)
        )
        self.absolute = nn.Linear(config.embedding, 2)
        self.expression = nn.Linear(config.embedding, len(EXPRESSIONS))

    def forward(self, face: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """face [B, S, S], grey levels 0..255 of any type -> embedding [B, D], absolute [B, 2], expression [B, 8]."""
        x = self.features(standardise(face))  # [B, C, S/16, S/16]
        embedding = self.embedding(self.dropout(x.mean((2, 3))))  # [B, D]
        hidden = F.relu(embedding)
        return embedding, self.absolute(hidden), self.expression(hidden)


def standardise(face: Tensor) -> Tensor:
    """face [B, S, S] -> [B, 1, S, S] with its own mean and contrast removed: light and exposure matter less."""
    x = face.float().unsqueeze(1)
    centred = x - x.mean((2, 3), keepdim=True)
    deviation = centred.square().mean((2, 3), keepdim=True).sqrt()
    return centred / (deviation + CONTRAST_FLOOR)


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut (He et al. 2016), the shortcut pooled where the picture is halved."""

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *_conv_norm(channels_in, channels_out, stride),
            nn.ReLU(inplace=True),
            *_conv_norm(channels_out, channels_out),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or channels_in != channels_out:
            pool = nn.AvgPool2d(stride) if stride > 1 else nn.Identity()
            self.shortcut = nn.Sequential(pool, *_conv_norm(channels_in, channels_out, kernel=1))

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.body(x) + self.shortcut(x), inplace=True)


class PairHead(nn.Module):
    """Compares embeddings: how similar two faces are, and how far apart in V/A.

    f(q, s) is one MLP: a similarity logit and two deltas, 2 tanh(.). The published network uses f as it is; here
    delta = [f(q, s) - f(s, q)] / 2 and the logit is the mean of both orders, so that delta(a, a) = 0,
    delta(a, b) = -delta(b, a) and similarity does not depend on the order.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        first, second = config.pair_hidden
        self.query = nn.Linear(config.embedding, first)  # carries the bias of both
        self.support = nn.Linear(config.embedding, first, bias=False)
        self.hidden = nn.Linear(first, second)
        self.out = nn.Linear(second, 3)

    def forward(self, query: Tensor, support: Tensor) -> tuple[Tensor, Tensor]:
        """query [B, D], support [N, D] -> similarity [B, N] in [0, 1], delta [B, N, 2] = V/A(query) - V/A(support)."""
        logit, delta = self.compare(query.unsqueeze(1), support.unsqueeze(0))
        return logit.sigmoid(), delta

    def compare(self, query: Tensor, support: Tensor) -> tuple[Tensor, Tensor]:
        """query [..., D] and support [..., D] that broadcast -> similarity logit [...], delta [..., 2]."""
        forward = self._one_order(self.query(query) + self.support(support))
        backward = self._one_order(self.query(support) + self.support(query))
        logit = (forward[..., 0] + backward[..., 0]) / 2
        # 2 tanh as published: V and A lie in [-1, 1], so their differences lie in [-2, 2].
        delta = torch.tanh(forward[..., 1:]) - torch.tanh(backward[..., 1:])  # = [2 tanh(.) - 2 tanh(.)] / 2
        return logit, delta

    def _one_order(self, first_layer: Tensor) -> Tensor:
        return self.out(F.relu(self.hidden(F.relu(first_layer))))


def _conv_norm(
    channels_in: int, channels_out: int, stride: int = 1, kernel: int = 3
) -> tuple[nn.Module, nn.Module]:
    convolution = nn.Conv2d(channels_in, channels_out, kernel, stride, kernel // 2, bias=False)
    return convolution, nn.BatchNorm2d(channels_out)
