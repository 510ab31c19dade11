"""The Siamese network: an encoder for one face and a head that compares two encoded faces.

    face uint8 [B, 48, 48] -> Encoder -> embedding [B, D], absolute V/A [B, 2], expression logits [B, 8]
    embedding [B, D], support [N, D] -> PairHead -> similarity [B, N], delta V/A [B, N, 2]

After MT-CLAR (Parameshwara et al. 2023): one shared encoder, three outputs for a pair. Different here: the encoder is
our own small residual network, delta is antisymmetric and similarity symmetric by construction, and the first layer of
the pair head is split into W_q q + W_s s, so that the support side can be computed once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mtclar.engine.data_types import EXPRESSIONS
from mtclar.engine.errors import UsageError
from mtclar.engine.estimate.class_centres import class_centres

CONTRAST_FLOOR = 8.0  # grey levels added to the standard deviation; it limits the gain for flat pictures


@dataclass(frozen=True)
class NetworkConfig:
    """Sizes of the network; stored in every checkpoint."""

    input_size: int = 48
    # Side to which the encoder enlarges a picture before its first convolution, or None: more positions for
    # the same weights. Halved by the stem and by every stage but the first.
    enlarged_size: int | None = None
    stem: int = 32
    # (channels, residual blocks) of each stage; every stage but the first halves the picture.
    # Ordinary 3x3 convolutions: depthwise ones train 20 times slower on a CPU at equal cost.
    stages: tuple[tuple[int, int], ...] = ((48, 2), (96, 2), (160, 2), (256, 1))
    embedding: int = 128
    dropout: float = 0.1
    # Widths between the embedding and V/A; with any, the embedding takes no gradient from V/A and expression, as in
    # the published second stage (MT-CLAR+SL), which trains such layers on a frozen embedding.
    absolute_hidden: tuple[int, ...] = ()
    # With a temperature, V/A is the mean of the class centres weighted by softmax(logits / temperature), plus a linear
    # head; without one it is the output of the linear head alone.
    temperature: float | None = None
    # The inputs of the pair head's first layer, or `published`: the paper's three separate heads.
    fusion: Literal["both", "both and difference", "both and product", "published"] = "both"
    antisymmetric: bool = True  # half the difference of both orders; otherwise one order, as published
    pair_hidden: tuple[int, ...] = (128, 64)

    def __post_init__(self) -> None:
        if self.seen_size % (divisor := 2 ** len(self.stages)):
            raise UsageError(
                f"pictures of {self.seen_size} pixels cannot be halved {len(self.stages)} times",
                f"use a multiple of {divisor}",
            )

    @property
    def seen_size(self) -> int:
        """Side of the input of the first convolution, in pixels."""
        return self.enlarged_size or self.input_size


class Siamese(nn.Module):
    """Encoder and pair head."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        self.pair = PublishedPairHead(config) if config.fusion == "published" else PairHead(config)

    def start_from(self, other: "Siamese", prior: Sequence[float]) -> None:
        """Copies the weights of a network of the same shape.

        When V/A becomes a mean of class centres, the linear head, which was the only output before, is set to zero, and
        the class `prior` [8] is removed from the logits.
        """
        self.load_state_dict(other.state_dict(), strict=False)
        if self.config.temperature is not None and other.config.temperature is None:
            with torch.no_grad():
                for parameter in self.encoder.absolute.parameters():
                    parameter.zero_()
                self.encoder.expression.bias.sub_(torch.tensor(prior).log())

    def parameter_count(self) -> int:
        """The number of trainable parameters."""
        return sum(parameter.numel() for parameter in self.parameters())


class Encoder(nn.Module):
    """One grey face -> embedding, absolute V/A and expression logits."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.enlarge: nn.Module = nn.Identity()
        if config.seen_size != config.input_size:
            self.enlarge = Enlarge(config.input_size, config.seen_size)
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
        self.second_stage = bool(config.absolute_hidden)
        self.absolute = (
            published_mlp(config.embedding, config.absolute_hidden, 2)
            if self.second_stage
            else nn.Linear(config.embedding, 2)
        )
        self.expression = nn.Linear(config.embedding, len(EXPRESSIONS))
        self.temperature = config.temperature
        if config.temperature is not None:
            self.centres: Tensor
            self.register_buffer("centres", torch.from_numpy(class_centres()))  # [8, 2]
            self.log_odds: Tensor  # added to the logits for V/A: the assumed class prior
            self.register_buffer("log_odds", torch.zeros(len(EXPRESSIONS)))  # [8]

    def forward(self, face: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """face [B, S, S], grey levels 0..255 of any type -> embedding [B, D], absolute [B, 2], expression [B, 8]."""
        x = self.features(self.enlarge(standardise(face)))  # [B, C, H, H], H = seen size / 16
        embedding = self.embedding(self.dropout(x.mean((2, 3))))  # [B, D]
        hidden = F.relu(embedding.detach() if self.second_stage else embedding)
        absolute, logits = self.absolute(hidden), self.expression(hidden)
        if self.temperature is not None:
            shares = ((logits + self.log_odds) / self.temperature).softmax(1)  # [B, 8]
            absolute = absolute + shares @ self.centres
        return embedding, absolute, logits

    def shift(self, embedding: Tensor) -> Tensor:
        """embedding [B, D] -> [B, 2]: output of the linear head, added to the mean of the class centres."""
        added: Tensor = self.absolute(F.relu(embedding))
        return added


@torch.no_grad()
def move_towards(network: Siamese, other: Siamese, share: float) -> None:
    """Moves weights and batch statistics of `network` by `share` of the way to those of `other`; copies counts."""
    for target, source in zip(network.state_dict().values(), other.state_dict().values(), strict=True):
        if target.dtype.is_floating_point:
            target.lerp_(source, share)
        else:
            target.copy_(source)


def standardise(face: Tensor) -> Tensor:
    """face [B, S, S] -> [B, 1, S, S] with zero mean and normalised contrast, against changes of light and exposure."""
    x = face.float().unsqueeze(1)
    centred = x - x.mean((2, 3), keepdim=True)
    deviation = centred.square().mean((2, 3), keepdim=True).sqrt()
    return centred / (deviation + CONTRAST_FLOOR)


class Enlarge(nn.Module):
    """Bilinear resampling as two products with a constant matrix, which is the same on every backend."""

    def __init__(self, size: int, seen_size: int) -> None:
        super().__init__()
        rows = F.interpolate(torch.eye(size).view(1, size, size), size=seen_size, mode="linear")
        self.columns: Tensor
        self.register_buffer("columns", rows.squeeze(0).clone(), persistent=False)  # [size, seen size]

    def forward(self, x: Tensor) -> Tensor:
        """x [B, 1, S, S] -> [B, 1, T, T]."""
        return self.columns.T @ (x @ self.columns)


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
        """x [B, C, H, W] -> [B, C', H / stride, W / stride]."""
        return F.relu(self.body(x) + self.shortcut(x), inplace=True)


class PairHead(nn.Module):
    """Compares embeddings: how similar two faces are, and how far apart in V/A.

    f(q, s) is one MLP: a similarity logit and two deltas, 2 tanh(.). The published network uses f directly; here
    delta = [f(q, s) - f(s, q)] / 2 and the logit is the mean of both orders, so that delta(a, a) = 0,
    delta(a, b) = -delta(b, a) and similarity does not depend on the order.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        first, second = config.pair_hidden
        self.antisymmetric = config.antisymmetric
        self.fusion = config.fusion
        self.query = nn.Linear(config.embedding, first)  # carries the bias of all
        self.support = nn.Linear(config.embedding, first, bias=False)
        if config.fusion != "both":
            self.fused = nn.Linear(config.embedding, first, bias=False)
        self.hidden = nn.Linear(first, second)
        self.out = nn.Linear(second, 3)

    def forward(self, query: Tensor, support: Tensor) -> tuple[Tensor, Tensor]:
        """query [B, D], support [N, D] -> similarity [B, N] in [0, 1], delta [B, N, 2] = V/A(query) - V/A(support)."""
        logit, delta = self.compare(query.unsqueeze(1), support.unsqueeze(0))
        return logit.sigmoid(), delta

    def compare(self, query: Tensor, support: Tensor) -> tuple[Tensor, Tensor]:
        """query [..., D] and support [..., D] that broadcast -> similarity logit [...], delta [..., 2]."""
        forward = self._one_order(query, support)
        # 2 tanh as published: V and A lie in [-1, 1], so their differences lie in [-2, 2].
        if not self.antisymmetric:
            return forward[..., 0], 2 * torch.tanh(forward[..., 1:])
        backward = self._one_order(support, query)
        logit = (forward[..., 0] + backward[..., 0]) / 2
        delta = torch.tanh(forward[..., 1:]) - torch.tanh(backward[..., 1:])  # = [2 tanh(.) - 2 tanh(.)] / 2
        return logit, delta

    def _one_order(self, query: Tensor, support: Tensor) -> Tensor:
        first = self.query(query) + self.support(support)
        if self.fusion == "both and difference":
            first = first + self.fused((query - support).abs())
        elif self.fusion == "both and product":
            first = first + self.fused(query * support)
        return self.out(F.relu(self.hidden(F.relu(first))))


class PublishedPairHead(nn.Module):
    """The paper's three heads on the concatenated pair: similarity (two logits), delta valence, delta arousal.

    It has the methods of PairHead; the difference of the two similarity logits is the one logit of a sigmoid.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.heads = nn.ModuleList(
            published_mlp(2 * config.embedding, config.pair_hidden, outputs) for outputs in (2, 1, 1)
        )

    def forward(self, query: Tensor, support: Tensor) -> tuple[Tensor, Tensor]:
        """query [B, D], support [N, D] -> similarity [B, N], delta [B, N, 2], as PairHead gives them."""
        logit, delta = self.compare(query.unsqueeze(1), support.unsqueeze(0))
        return logit.sigmoid(), delta

    def compare(self, query: Tensor, support: Tensor) -> tuple[Tensor, Tensor]:
        """query [..., D] and support [..., D] that broadcast -> similarity logit [...], delta [..., 2]."""
        query, support = torch.broadcast_tensors(query, support)
        pairs = torch.cat([query, support], -1)
        similar, valence, arousal = (
            head(pairs.reshape(-1, pairs.shape[-1])).reshape(*pairs.shape[:-1], -1) for head in self.heads
        )
        return similar[..., 1] - similar[..., 0], 2 * torch.tanh(torch.cat([valence, arousal], -1))


def published_mlp(inputs: int, hidden: tuple[int, ...], outputs: int) -> nn.Sequential:
    """Layers with batch norm, ReLU and dropout .5, as every head of the paper has them."""
    layers: list[nn.Module] = []
    for before, width in zip((inputs, *hidden), hidden, strict=False):
        layers += [nn.Linear(before, width), nn.BatchNorm1d(width), nn.ReLU(), nn.Dropout(0.5)]
    return nn.Sequential(*layers, nn.Linear(hidden[-1], outputs))


def _conv_norm(
    channels_in: int, channels_out: int, stride: int = 1, kernel: int = 3
) -> tuple[nn.Module, nn.Module]:
    convolution = nn.Conv2d(channels_in, channels_out, kernel, stride, kernel // 2, bias=False)
    return convolution, nn.BatchNorm2d(channels_out)
