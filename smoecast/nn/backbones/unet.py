"""A U-Net on the latitude-longitude grid.

Follows Ronneberger et al. (2015), arXiv 1505.04597: two convolutions a level, 2 x 2 maximum pooling
on the way down, twice the channels on each coarser level, and on the way up the fields of the same
level beside those from below. Ours: the grid is kept (same padding, periodic in longitude), fields
are enlarged by repetition instead of a transposed convolution, and the last convolution is as wide
as the others, so that it too can be a Spatial Mixture-of-Experts layer.
"""

from itertools import count

import torch
from torch import Tensor, nn
from torch.nn import functional

from smoecast.nn.backbones.blocks import Normalization, stage, with_inputs, with_position
from smoecast.nn.backbones.conv_slots import Convolution, ConvSlot
from smoecast.nn.outline import draw_normal


class UNet(nn.Module):
    """Down and up again through several resolutions.

    Parameters
    ----------
    in_channels, out_channels : int
        Of the fields that come in and go out.
    grid : tuple of int
        (H, W); a row or column that halving leaves over is left out below, and repeated on the way
        up.
    convolution : Convolution
        Makes every convolution, given its site. Blocks are counted on the way: 0 to `levels` - 1
        down, the rest up.
    width : int
        Channels of the finest level.
    levels : int
        Resolutions.
    normalization : {"batch", "group", "none"}
        After each activation.
    dropout : float
        Probability that a value is dropped in training.
    position_channels : int
        Learned fields (P, H, W) beside the inputs.
    input_skip : bool
        The last layer sees the inputs too, beside the fields within.

    Raises
    ------
    ValueError
        The grid cannot be halved so often.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        grid: tuple[int, int],
        convolution: Convolution,
        *,
        width: int,
        levels: int,
        normalization: Normalization = "batch",
        dropout: float = 0.0,
        position_channels: int = 0,
        input_skip: bool = False,
    ) -> None:
        super().__init__()
        check_levels(grid, levels)
        self.position = nn.Parameter(draw_normal(position_channels, *grid))
        widths = [width * 2**level for level in range(levels)]
        numbers, blocks = count(), count()

        def pair(level: int, inside: int, *, begins: bool = False) -> nn.Sequential:
            block, outside = next(blocks), widths[level]
            here = (grid[0] >> level, grid[1] >> level)
            layers: list[nn.Module] = []
            for channels in (inside, outside):
                if begins and not layers:
                    site = ConvSlot("first", channels, outside, here)
                else:
                    site = ConvSlot("hidden", channels, outside, here, next(numbers), block)
                layers += stage(convolution(site), outside, nn.ReLU(), normalization, dropout)
            return nn.Sequential(*layers)

        down = [pair(0, in_channels + position_channels, begins=True)]
        down += [pair(level, widths[level - 1]) for level in range(1, levels)]
        self.down = nn.ModuleList(down)
        self.up = nn.ModuleList(
            pair(level, widths[level + 1] + widths[level]) for level in reversed(range(levels - 1))
        )
        self.input_skip = input_skip
        seen = width + in_channels if input_skip else width
        self.last = convolution(ConvSlot("last", seen, out_channels, grid))

    def forward(self, inputs: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, D, H, W), both normalised."""
        fields = with_position(inputs, self.position)
        kept: list[Tensor] = []
        for level, pair in enumerate(self.down):
            fields = pair(functional.max_pool2d(fields, 2) if level else fields)
            kept.append(fields)
        for pair, beside in zip(self.up, reversed(kept[:-1]), strict=True):
            # (B, C, H / 2, W / 2) -> (B, C, H, W)
            larger = functional.interpolate(fields, scale_factor=2.0, mode="nearest")
            rows, columns = (a - b for a, b in zip(beside.shape[2:], larger.shape[2:], strict=True))
            if rows or columns:
                larger = functional.pad(larger, (0, columns, 0, rows), mode="replicate")
            fields = pair(torch.cat([larger, beside], dim=1))
        outputs: Tensor = self.last(with_inputs(fields, inputs, self.input_skip))
        return outputs


def check_levels(grid: tuple[int, int], levels: int) -> None:
    """Refuse more levels than the grid can be halved for.

    Raises
    ------
    ValueError
        Naming the largest number of levels that the grid allows.
    """
    most = min(grid).bit_length()
    if levels > most:
        raise ValueError(
            f"a U-Net of {levels} levels must halve the grid {levels - 1} times, which "
            f"{grid[0]} x {grid[1]} points do not allow: take at most {most} levels, "
            "or another grid"
        )
