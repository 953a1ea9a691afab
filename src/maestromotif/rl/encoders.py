"""What networks of other kinds see: pictures and texts, made into features that join the sum of the first layer.

``N`` observations, ``W`` features. Both encoders take any observation that has grids, of any size.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, max_pool2d, pad

from maestromotif.domains.contract import DENSE, Grid, ObservationSpec
from maestromotif.rl.grouped import linear
from maestromotif.rl.kernels import bag_sum

__all__ = ["Encoder", "LightEncoder", "ReferenceEncoder", "normal"]


def normal(generator: torch.Generator, scale: float, *shape: int) -> nn.Parameter:
    """Normal weights of this scale."""
    return nn.Parameter(torch.randn(*shape, generator=generator) * scale)


class Encoder(nn.Module):
    """Makes features ``[N, W]``, not yet rectified, of an observation.

    Attributes:
        takes_dense: whether the dense vector goes through the encoder, rather than straight into the first layer.
    """

    takes_dense = False

    def __init__(self, spec: ObservationSpec) -> None:
        super().__init__()
        sizes = {(grid.height, grid.width) for grid in spec.grids.values()}
        if len(sizes) != 1:
            raise ValueError(f"this network needs grids of one size, the observation has {sorted(sizes) or 'none'}")
        ((self.height, self.width),) = sizes

    def forward(self, observation: Mapping[str, Tensor]) -> Tensor:
        raise NotImplementedError


class LightEncoder(Encoder):
    """Two convolutions over a crop of glyphs: the kind of small network with which libraries compare their speed.

    Made to be cheap: the first convolution (3 x 3) moves by three squares and the second (2 x 2) sees its blocks, so that both are plain
    products. On NetHack's 9 x 9 crop: embedding 16, blocks [3, 3, 64], [2, 2, 176], then ``W``.
    """

    _EMBEDDING, _FIRST, _SECOND = 16, 64, 176

    def __init__(self, spec: ObservationSpec, width: int, generator: torch.Generator) -> None:
        super().__init__(spec)
        self._blocks = (max(2, -(-self.height // 3)), max(2, -(-self.width // 3)))
        channels = self._EMBEDDING * len(spec.grids)
        self.embeddings = _embeddings(spec.grids, self._EMBEDDING, generator)
        self.first = normal(generator, (2 / (9 * channels)) ** 0.5, self._FIRST, 9 * channels)
        self.first_bias = nn.Parameter(torch.zeros(self._FIRST))
        self.second = normal(generator, (2 / (4 * self._FIRST)) ** 0.5, self._SECOND, 4 * self._FIRST)
        self.second_bias = nn.Parameter(torch.zeros(self._SECOND))
        flat = (self._blocks[0] - 1) * (self._blocks[1] - 1) * self._SECOND
        self.last = normal(generator, flat**-0.5, width, flat)
        self.last_bias = nn.Parameter(torch.zeros(width))

    def forward(self, observation: Mapping[str, Tensor]) -> Tensor:
        rows, columns = self._blocks
        margins = (0, 3 * columns - self.width, 0, 3 * rows - self.height)
        found = []
        for name, table in self.embeddings.items():
            squares = pad(_squares(observation[name], self.height, self.width), margins)
            # Block by block, so that the nine squares of a block lie side by side.
            squares = squares.view(-1, rows, 3, columns, 3).transpose(2, 3)
            found.append(bag_sum(table, squares.reshape(-1, 1)).view(-1, 9 * self._EMBEDDING))
        blocks = found[0] if len(found) == 1 else torch.cat(found, 1)
        blocks = linear(blocks, self.first, self.first_bias, None).relu().view(-1, rows, columns, self._FIRST)
        windows = torch.cat([blocks[:, :-1, :-1], blocks[:, :-1, 1:], blocks[:, 1:, :-1], blocks[:, 1:, 1:]], 3)
        seen = linear(windows.flatten(0, 2), self.second, self.second_bias, None).relu()
        return linear(seen.view(len(blocks), -1), self.last, self.last_bias, None)


class ReferenceEncoder(Encoder):
    """A network of the paper's size class, for machines with a GPU and for comparisons.

    It has in common with the paper's network (arXiv 2412.08542, and Motif before it) what it is made of: a convolutional network over a
    crop of characters and colours as an image, a character-level convolutional network over the 256 bytes of the message, a dense
    encoder of the bottom line's statistics, and a GRU of 512; and about what a forward pass costs. Layers and widths are our own:
    characters and colours are embedded rather than drawn as pixels.

    Image: convolutions of 64 channels, 3 x 3, the second one with stride 2. Text: convolutions of 64 channels over 7, 7 and 3 bytes, each
    followed by a maximum over 3. Statistics: a layer of 64.
    """

    takes_dense = True
    _EMBEDDING, _CHANNELS = 32, 64
    _SPANS = (7, 7, 3)

    def __init__(self, spec: ObservationSpec, width: int, generator: torch.Generator) -> None:
        super().__init__(spec)
        channels, kinds = self._CHANNELS, len(spec.grids)
        self.embeddings = _embeddings(spec.grids, -(-self._EMBEDDING // kinds), generator)
        inputs = [kinds * -(-self._EMBEDDING // kinds), channels, channels]
        self.image = nn.ParameterList([normal(generator, (2 / (9 * size)) ** 0.5, channels, size, 3, 3) for size in inputs])
        self.image_biases = nn.ParameterList([nn.Parameter(torch.zeros(channels)) for _ in inputs])
        flat = channels * -(-self.height // 2) * -(-self.width // 2)
        self.image_last = normal(generator, flat**-0.5, width, flat)
        self.letters, self.text, self.text_biases, self.text_last = (nn.ParameterDict() for _ in range(4))
        for name, length in spec.texts.items():
            self.letters[name] = normal(generator, 1.0, 256, self._EMBEDDING)
            sizes = zip((self._EMBEDDING, channels, channels), self._SPANS, strict=True)
            filters = [normal(generator, (2 / (span * size)) ** 0.5, channels, size, 1, span) for size, span in sizes]
            for place, one in enumerate(filters):
                self.text[f"{name}_{place}"], self.text_biases[f"{name}_{place}"] = one, nn.Parameter(torch.zeros(channels))
            left = channels * _thirds(length, len(self._SPANS))
            self.text_last[name] = normal(generator, left**-0.5, width, left)
        self.statistics = normal(generator, (2 / max(1, spec.dense)) ** 0.5, channels, spec.dense) if spec.dense else None
        self.statistics_last = normal(generator, channels**-0.5, width, channels) if spec.dense else None
        self.last_bias = nn.Parameter(torch.zeros(width))
        with torch.no_grad():
            for table in self.letters.values():
                table[0] = 0

    def forward(self, observation: Mapping[str, Tensor]) -> Tensor:
        total = linear(self._see(observation), self.image_last, self.last_bias, None)
        for name, weight in self.text_last.items():
            total = linear(self._read(name, observation[name]), weight, total, None)
        if self.statistics is not None and self.statistics_last is not None:
            statistics = torch.relu(observation[DENSE] @ self.statistics.t())
            total = torch.addmm(total, statistics, self.statistics_last.t())
        return total

    def _see(self, observation: Mapping[str, Tensor]) -> Tensor:
        parts = [
            bag_sum(table, _squares(observation[name], self.height, self.width).view(-1, 1)) for name, table in self.embeddings.items()
        ]
        image = torch.cat(parts, 1).view(-1, self.height, self.width, len(parts) * parts[0].shape[1]).permute(0, 3, 1, 2)
        for place, (weight, bias) in enumerate(zip(self.image, self.image_biases, strict=True)):
            image = conv2d(image.to(weight.dtype), weight, bias.to(weight.dtype), stride=2 if place == 1 else 1, padding=1).relu()
        return image.flatten(1)

    def _read(self, name: str, text: Tensor) -> Tensor:
        # Padding is letter 0, whose row is zero.
        image = bag_sum(self.letters[name], text.reshape(-1, 1).int()).view(len(text), 1, -1, self._EMBEDDING).permute(0, 3, 1, 2)
        for place, span in enumerate(self._SPANS):
            weight, bias = self.text[f"{name}_{place}"], self.text_biases[f"{name}_{place}"]
            image = conv2d(image.to(weight.dtype), weight, bias.to(weight.dtype), padding=(0, span // 2)).relu()
            image = max_pool2d(image, (1, 3), ceil_mode=True)
        return image.flatten(1)


def _embeddings(grids: Mapping[str, Grid], width: int, generator: torch.Generator) -> nn.ParameterDict:
    """A table for each grid. Row 0 stands for what lies outside, and stays zero."""
    tables = nn.ParameterDict({name: normal(generator, 1.0, grid.size + 1, width) for name, grid in grids.items()})
    with torch.no_grad():
        for table in tables.values():
            table[0] = 0
    return tables


def _squares(grid: Tensor, height: int, width: int) -> Tensor:
    """Rows of the embeddings, ``[N, height, width]``."""
    return grid.reshape(-1, height, width).int() + 1


def _thirds(length: int, times: int) -> int:
    for _ in range(times):
        length = -(-length // 3)
    return length
