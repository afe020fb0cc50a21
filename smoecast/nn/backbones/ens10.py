"""The networks of the ENS-10 benchmark that see an ensemble's mean and spread.

Ashkboos et al. (2022), arXiv 2206.14786, and its code (github.com/spcl/ens10). All give two fields
a target: how far to move the mean, and the logarithm of the factor on the spread. Each is written
for whole fields, so that training and calibrating need no patches.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from smoecast.nn.convolutions import SameConv2d
from smoecast.nn.padding import pad_same

HEADS, WIDTH = 16, 32


class MemberAttention(nn.Module):
    """Every member takes from every other what it is like, beside a shortcut.

    Parameters
    ----------
    width : int
        Channels of a member.
    heads : int
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.query, self.key, self.value = (nn.Conv2d(width, heads, 1) for _ in range(3))
        self.project = nn.Conv2d(heads, width, 1)

    def forward(self, fields: Tensor, there: Tensor) -> Tensor:
        """Mix members (B M, width, H, W), those that are there (B, M), into the same shape."""
        shape = (*there.shape, -1, fields.shape[2] * fields.shape[3])
        # (B M, heads, H, W) -> (B, M, heads, H W)
        query, key, value = (
            layer(fields).view(shape) for layer in (self.query, self.key, self.value)
        )
        alike = torch.einsum("bmhp,bnhp->bhmn", query, key) / query.shape[-1]
        alike = alike.masked_fill(~there[:, None, None, :], -torch.inf)
        mixed = torch.einsum("bhmn,bnhp->bmhp", alike.softmax(dim=-1), value)
        # (B, M, heads, H W) -> (B M, heads, H, W)
        mixed = mixed.reshape(len(fields), -1, *fields.shape[2:])
        outputs: Tensor = functional.relu(fields + self.project(mixed))
        return outputs


class EnsembleTransformer(nn.Module):
    """Members in, two fields a target out; the order of the members does not matter.

    Parameters
    ----------
    in_channels, out_channels : int
        C of each member, and D.
    width, heads, blocks : int
        Channels of a member inside, heads, layers of attention.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        width: int = WIDTH,
        heads: int = HEADS,
        blocks: int = 1,
    ) -> None:
        super().__init__()
        self.embed = nn.Conv2d(in_channels, width, 1)
        self.blocks = nn.ModuleList(MemberAttention(width, heads) for _ in range(blocks))
        self.last = nn.Conv2d(width, out_channels, 1)

    def forward(self, members: Tensor, there: Tensor) -> Tensor:
        """(B, M, C, H, W), and which are there (B, M) -> (B, D, H, W).

        A member that is not there must hold numbers; they change nothing.
        """
        fields = functional.relu(self.embed(members.flatten(0, 1)))  # (B M, width, H, W)
        for block in self.blocks:
            fields = block(fields, there)
        share = there.to(fields.dtype) / there.sum(dim=1, keepdim=True)  # (B, M)
        # (B M, width, H, W) -> (B, M, width, H, W) -> (B, width, H, W)
        apart = fields.view(*there.shape, *fields.shape[1:])
        pooled = torch.einsum("bmchw,bm->bchw", apart, share)
        outputs: Tensor = self.last(pooled)
        return outputs


HIDDEN = 128


PATCH = 7


class PointMLP(nn.Module):
    """At every point by itself: inputs, 128 hidden values, outputs.

    From 2 n + 3 inputs to two outputs, as published, 2,562 parameters for n = 7 variables and 3,586
    for 11.

    Parameters
    ----------
    in_channels, out_channels : int
        C and D.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.hidden = nn.Conv2d(in_channels, HIDDEN, 1)
        self.last = nn.Conv2d(HIDDEN, out_channels, 1)

    def forward(self, inputs: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, D, H, W)."""
        outputs: Tensor = self.last(functional.relu(self.hidden(inputs)))
        return outputs


class LeNet(nn.Module):
    """Convolutions over the 7 x 7 points around each point.

    The code of the benchmark does not hold its LeNet. These are the plainest layers with its 31,574
    parameters for 14 inputs and 36,182 for 22: 64 filters of 3 x 3, 20 of 4 x 4, maximum pooling of
    the 2 x 2 values that are left, 128 hidden values, two outputs. All steps are by one point, so
    running them over the whole field is the same as cutting a patch for every point.

    Parameters
    ----------
    in_channels, out_channels : int
        C and D.
    grid : tuple of int
        (H, W).
    padding : str
        ``zeros`` or ``periodic``: what patches hold beyond the edge.

    Raises
    ------
    ValueError
        A patch would wrap around the globe more than once.
    """

    def __init__(
        self, in_channels: int, out_channels: int, grid: tuple[int, int], padding: str
    ) -> None:
        super().__init__()
        if grid[1] < PATCH // 2:
            raise ValueError(
                f"patches of {PATCH} points wrap around {grid[1]} longitudes more than once: take "
                "a finer grid, or method mlp"
            )
        self.padding = padding
        self.layers = nn.Sequential(
            nn.Conv2d(in_channels, 64, 3),
            nn.ReLU(),
            nn.Conv2d(64, 20, 4),
            nn.ReLU(),
            nn.MaxPool2d(2, stride=1),
            nn.Conv2d(20, HIDDEN, 1),
            nn.ReLU(),
        )
        self.last = nn.Conv2d(HIDDEN, out_channels, 1)

    def forward(self, inputs: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, D, H, W)."""
        # (B, C, H + 6, W + 6) -> (B, 128, H, W)
        outputs: Tensor = self.last(self.layers(pad_same(inputs, PATCH, self.padding)))
        return outputs


class EnsembleUNet(nn.Module):
    """A U-Net of 32, 64 and 128 channels: 633,698 parameters for 14 inputs, 636,002 for 22.

    As in the benchmark's code: two convolutions a level with batch normalisation before the
    activation, maximum pooling, bilinear enlargement. Ours: longitudes close, and a row or column
    that pooling left over is repeated at the end.

    Parameters
    ----------
    in_channels, out_channels : int
        C and D.
    grid : tuple of int
        (H, W).
    padding : str
        ``zeros`` or ``periodic``.

    Raises
    ------
    ValueError
        The grid cannot be halved twice.
    """

    def __init__(
        self, in_channels: int, out_channels: int, grid: tuple[int, int], padding: str
    ) -> None:
        super().__init__()
        if min(grid) < 8:
            raise ValueError(
                f"method unet halves the grid twice and needs 8 x 8 points, not {grid[0]} x "
                f"{grid[1]}: take method mlp or lenet"
            )
        self.padding = padding
        self.down = nn.ModuleList(
            _pair(a, b, b, padding) for a, b in ((in_channels, 32), (32, 64), (64, 128))
        )
        self.up = nn.ModuleList(
            _pair(a, b, c, padding) for a, b, c in ((128, 128, 64), (128, 64, 32), (64, 32, 32))
        )
        self.last = SameConv2d(32, out_channels, padding=padding)

    def forward(self, inputs: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, D, H, W)."""
        first = self.down[0](inputs)
        second = self.down[1](functional.max_pool2d(first, 2))
        third = self.down[2](functional.max_pool2d(second, 2))
        fields = self.up[0](third)
        for pair, beside in zip(self.up[1:], (second, first), strict=True):
            larger = upsample(fields, beside.shape[2:], self.padding)
            fields = pair(torch.cat([beside, larger], dim=1))
        outputs: Tensor = self.last(fields)
        return outputs


def _pair(inside: int, middle: int, outside: int, padding: str) -> nn.Sequential:
    layers: list[nn.Module] = []
    for a, b in ((inside, middle), (middle, outside)):
        layers += [SameConv2d(a, b, padding=padding), nn.BatchNorm2d(b), nn.ReLU()]
    return nn.Sequential(*layers)


def upsample(fields: Tensor, shape: torch.Size, padding: str) -> Tensor:
    """Return fields on a grid twice as fine, (B, C, H // 2, W // 2) -> (B, C, H, W)."""
    border = 1 if padding == "periodic" else 0
    wrapped = functional.pad(fields, (border, border, 0, 0), mode="circular")
    larger = functional.interpolate(wrapped, scale_factor=2.0, mode="bilinear")
    larger = larger[..., 2 * border : larger.shape[-1] - 2 * border]
    rows, columns = (want - have for want, have in zip(shape, larger.shape[2:], strict=True))
    return functional.pad(larger, (0, columns, 0, rows), mode="replicate")
