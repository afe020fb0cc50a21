"""A residual network of convolutions on the latitude-longitude grid.

Follows Rasp and Thuerey (2021), doi:10.1029/2020MS002405: a first convolution, residual blocks of
two (convolution, activation, normalisation, dropout), a last linear convolution. Which kind of
convolution stands where is the caller's choice, so that any of them can be a Spatial
Mixture-of-Experts layer.
"""

from torch import Tensor, nn

from smoecast.nn.backbones.blocks import Normalization, stage, with_inputs, with_position
from smoecast.nn.backbones.conv_slots import Convolution, ConvSlot
from smoecast.nn.outline import draw_normal

SLOPE = 0.3
"""Of LeakyReLU below zero, as in Rasp and Thuerey (2021)."""


class Block(nn.Module):
    """Two convolutions beside a shortcut: output = input + what they add.

    Parameters
    ----------
    width : int
        Channels in and out.
    grid : tuple of int
        (H, W).
    number : int
        Of the block in its network, from 0.
    convolution : Convolution
        Called with two hidden sites.
    normalization : {"batch", "group", "none"}
        After each activation.
    dropout : float
        Probability that a value is dropped in training.
    """

    def __init__(
        self,
        width: int,
        grid: tuple[int, int],
        number: int,
        convolution: Convolution,
        normalization: Normalization,
        dropout: float,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for second in (0, 1):
            site = ConvSlot("hidden", width, width, grid, 2 * number + second, number)
            layers += stage(convolution(site), width, nn.LeakyReLU(SLOPE), normalization, dropout)
        self.layers = nn.Sequential(*layers)

    def forward(self, inputs: Tensor) -> Tensor:
        """(B, width, H, W) -> (B, width, H, W)."""
        outputs: Tensor = inputs + self.layers(inputs)
        return outputs


class ResNet(nn.Module):
    """First convolution, residual blocks, last convolution; one resolution throughout.

    Parameters
    ----------
    in_channels, out_channels : int
        Of the fields that come in and go out.
    grid : tuple of int
        (H, W).
    convolution : Convolution
        Makes every convolution, given its site.
    width, blocks : int
        Channels inside, residual blocks.
    normalization : {"batch", "group", "none"}
        Inside the blocks and after the first convolution.
    dropout : float
        Probability that a value is dropped in training.
    position_channels : int
        Learned fields (P, H, W) beside the inputs: what is particular to each place.
    input_skip : bool
        The last layer sees the inputs too, beside the fields within.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        grid: tuple[int, int],
        convolution: Convolution,
        *,
        width: int,
        blocks: int,
        normalization: Normalization = "batch",
        dropout: float = 0.0,
        position_channels: int = 0,
        input_skip: bool = False,
    ) -> None:
        super().__init__()
        self.position = nn.Parameter(draw_normal(position_channels, *grid))
        site = ConvSlot("first", in_channels + position_channels, width, grid)
        self.first = nn.Sequential(
            *stage(convolution(site), width, nn.LeakyReLU(SLOPE), normalization, dropout)
        )
        self.blocks = nn.Sequential(
            *(
                Block(width, grid, number, convolution, normalization, dropout)
                for number in range(blocks)
            )
        )
        self.input_skip = input_skip
        seen = width + in_channels if input_skip else width
        self.last = convolution(ConvSlot("last", seen, out_channels, grid))

    def forward(self, inputs: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, D, H, W), both normalised."""
        first = self.first(with_position(inputs, self.position))
        outputs: Tensor = self.last(with_inputs(self.blocks(first), inputs, self.input_skip))
        return outputs
