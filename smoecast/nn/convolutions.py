"""Layers to compare SMoE with: each knows about place in another way.

All keep the grid, take (B, C, H, W) to (B, D, H, W), and share the padding of `padding`. They are
the comparison layers of Dryden & Hoefler 2022 (arXiv 2211.13491, section 3.1).
"""

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from smoecast.nn.padding import check_padding, conv2d_same, coordinates, wrap
from smoecast.nn.point_filters import convolve_by_point


class SameConv2d(nn.Module):
    """An ordinary convolution with this package's padding.

    Parameters
    ----------
    in_channels, out_channels : int
        C and D.
    kernel_size : int
        Odd.
    padding : str
        ``zeros`` or ``periodic`` (in longitude; zeros in latitude).
    bias : bool
        Add one learned number per output channel.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        kernel_size: int = 3,
        padding: str = "zeros",
        bias: bool = True,
    ) -> None:
        super().__init__()
        check_padding(padding, kernel_size)
        self.padding = padding
        self.weight = nn.Parameter(torch.empty(out_channels, in_channels, kernel_size, kernel_size))
        self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None
        nn.init.kaiming_uniform_(self.weight, a=math.sqrt(5))

    def forward(self, x: Tensor) -> Tensor:
        """Convolve (B, C, H, W) into (B, D, H, W)."""
        return conv2d_same(x, self.weight, self.bias, self.padding)


class CoordConv2d(SameConv2d):
    """A convolution that also sees the row and the column of each point, each from -1 to 1.

    Source: Liu et al. 2018, arXiv 1807.03247. Parameters as for `SameConv2d`.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        kernel_size: int = 3,
        padding: str = "zeros",
        bias: bool = True,
    ) -> None:
        super().__init__(
            in_channels + 2, out_channels, kernel_size=kernel_size, padding=padding, bias=bias
        )

    def forward(self, x: Tensor) -> Tensor:
        """Convolve (B, C, H, W) and its coordinates into (B, D, H, W)."""
        places = coordinates((x.shape[2], x.shape[3]), like=x).expand(x.shape[0], -1, -1, -1)
        return super().forward(torch.cat((x, places), dim=1))


class CondConv2d(nn.Module):
    """A convolution whose filter is mixed per sample from E filters.

    The weights of the mixture are the sigmoid of a linear map of the input's spatial mean.
    Source: Yang et al. 2019, arXiv 1904.04971.

    Parameters
    ----------
    in_channels, out_channels, kernel_size, padding
        As for `SameConv2d`.
    num_experts : int
        E.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        num_experts: int,
        *,
        kernel_size: int = 3,
        padding: str = "zeros",
    ) -> None:
        super().__init__()
        check_padding(padding, kernel_size)
        self.padding = padding
        shape = (out_channels, in_channels, kernel_size, kernel_size)
        self.weight = nn.Parameter(torch.empty(num_experts, *shape))
        self.router = nn.Linear(in_channels, num_experts)
        for weight in self.weight.unbind(0):
            nn.init.kaiming_uniform_(weight, a=math.sqrt(5))

    def forward(self, x: Tensor) -> Tensor:
        """Convolve each sample of (B, C, H, W) with its own mixture into (B, D, H, W)."""
        batch, _, height, width = x.shape
        mixture = torch.sigmoid(self.router(x.mean(dim=(2, 3))))  # (B, E)
        filters = torch.einsum("be,edckl->bdckl", mixture, self.weight).flatten(0, 1)
        wrapped, zeros = wrap(x, self.weight.shape[-1], self.padding)
        # One grouped convolution serves all samples: (1, B C, H, W) with (B D, C, k, k).
        out = functional.conv2d(wrapped.flatten(0, 1)[None], filters, padding=zeros, groups=batch)
        return out.view(batch, self.weight.shape[1], height, width)


class LocallyConnected2d(nn.Module):
    """A convolution with own weights at every grid point.

    Parameters
    ----------
    in_channels, out_channels, kernel_size, padding
        As for `SameConv2d`.
    grid : tuple of int
        (H, W).

    Attributes
    ----------
    filters : Parameter
        (D, H, W, k, k, C), as `convolve_by_point` wants them.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        grid: tuple[int, int],
        kernel_size: int = 3,
        padding: str = "zeros",
    ) -> None:
        super().__init__()
        check_padding(padding, kernel_size)
        self.padding = padding
        fan_in = in_channels * kernel_size**2
        drawn = torch.empty(out_channels, fan_in, grid[0] * grid[1])
        nn.init.uniform_(drawn, -1 / math.sqrt(fan_in), 1 / math.sqrt(fan_in))
        self.filters = nn.Parameter(_lay_out(drawn, kernel_size, grid))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) into (B, D, H, W)."""
        return convolve_by_point(x, self.filters, self.padding)


def _lay_out(weights: Tensor, size: int, grid: tuple[int, int]) -> Tensor:
    """Turn (D, C k k, H W), in the order of `torch.nn.functional.unfold`, to (D, H, W, k, k, C)."""
    parts = weights.view(len(weights), -1, size, size, *grid)
    return parts.permute(0, 4, 5, 2, 3, 1).contiguous()


def translate_older(network: nn.Module, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return a state dict whose locally connected layers are called and laid out as now.

    Until November 2026 a layer had ``weight`` (D, C k k, H W), as it is drawn.

    Parameters
    ----------
    network : nn.Module
        Says where these layers are; it may have no memory.
    tensors : mapping of str to Tensor
        Of this network, by any version. What is of another shape is left as it is.
    """
    translated = dict(tensors)
    for name, layer in network.named_modules():
        prefix = f"{name}." if name else ""
        older = tensors.get(f"{prefix}weight")
        if not isinstance(layer, LocallyConnected2d) or older is None:
            continue
        channels, height, width, size, _, inputs = layer.filters.shape
        if older.shape == (channels, inputs * size**2, height * width):
            del translated[f"{prefix}weight"]
            translated[f"{prefix}filters"] = _lay_out(older, size, (height, width))
    return translated


class PointConv2d(LocallyConnected2d):
    """A convolution with a filter and a number of its own at every grid point.

    What `smoecast models freeze` makes of a Spatial Mixture-of-Experts: `LocallyConnected2d` with
    a bias. Parameters and filters as there.

    Attributes
    ----------
    bias : Parameter
        (D, H, W).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        grid: tuple[int, int],
        kernel_size: int = 3,
        padding: str = "zeros",
    ) -> None:
        super().__init__(
            in_channels, out_channels, grid=grid, kernel_size=kernel_size, padding=padding
        )
        self.bias = nn.Parameter(torch.zeros(out_channels, *grid))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) into (B, D, H, W)."""
        return super().forward(x) + self.bias


class LowRankLocal2d(nn.Module):
    """Low-rank locally connected layer: at each point a softmax mixes a few basis filters.

    Source: Elsayed et al. 2020, arXiv 2002.02959.

    Parameters
    ----------
    in_channels, out_channels, kernel_size, padding
        As for `SameConv2d`.
    rank : int
        Number of basis filters per output channel.
    grid : tuple of int
        (H, W).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        rank: int,
        *,
        grid: tuple[int, int],
        kernel_size: int = 3,
        padding: str = "zeros",
    ) -> None:
        super().__init__()
        self.rank = rank
        self.basis = SameConv2d(
            in_channels, out_channels * rank, kernel_size=kernel_size, padding=padding, bias=False
        )
        self.mixture = nn.Parameter(torch.zeros(rank, *grid))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) into (B, D, H, W)."""
        values = torch.unflatten(self.basis(x), 1, (-1, self.rank))  # (B, D, rank, H, W)
        return torch.einsum("bdrhw,rhw->bdhw", values, self.mixture.softmax(dim=0))


class ConvThenLocal2d(nn.Module):
    """A convolution, then a locally connected layer of 1 x 1 filters; both without bias.

    Parameters
    ----------
    in_channels, out_channels, grid, kernel_size, padding
        As for `LocallyConnected2d`.
    hidden_channels : int
        Channels between the two.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        hidden_channels: int = 3,
        *,
        grid: tuple[int, int],
        kernel_size: int = 3,
        padding: str = "zeros",
    ) -> None:
        super().__init__()
        self.conv = SameConv2d(
            in_channels, hidden_channels, kernel_size=kernel_size, padding=padding, bias=False
        )
        self.local = LocallyConnected2d(hidden_channels, out_channels, grid=grid, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) into (B, D, H, W)."""
        out: Tensor = self.local(self.conv(x))
        return out
