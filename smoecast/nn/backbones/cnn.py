"""A plain stack of convolutions, as in WeatherBench.

Rasp et al. (2020), doi:10.1029/2020MS002203, and its code: five convolutions of 5 x 5, ELU between
them, 64 channels inside, periodic in longitude; no normalisation, dropout offered and off; 313,858
parameters from two channels to two. Widths, depth, normalisation and dropout are arguments here; as
a config, theirs is ``kind: cnn, width: 64, blocks: 3, kernel_size: 5, normalization: none`` with
``smoe: {layers: none}``.
"""

from torch import Tensor, nn

from smoecast.nn.backbones.blocks import Normalization, stage, with_inputs, with_position
from smoecast.nn.backbones.conv_slots import Convolution, ConvSlot
from smoecast.nn.outline import draw_normal


class CNN(nn.Module):
    """First convolution, hidden convolutions, last convolution, ELU between them.

    Parameters
    ----------
    in_channels, out_channels : int
        Of the fields that come in and go out.
    grid : tuple of int
        (H, W).
    convolution : Convolution
        Makes every convolution, given its site.
    width : int
        Channels inside; WeatherBench has 64.
    blocks : int
        Convolutions between the first and the last; WeatherBench has 3.
    normalization : {"batch", "group", "none"}
        After each activation; WeatherBench has none.
    dropout : float
        Probability that a value is dropped in training.
    position_channels : int
        Learned fields (P, H, W) beside the inputs (ours).
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
        normalization: Normalization = "none",
        dropout: float = 0.0,
        position_channels: int = 0,
        input_skip: bool = False,
    ) -> None:
        super().__init__()
        self.position = nn.Parameter(draw_normal(position_channels, *grid))
        sites = [ConvSlot("first", in_channels + position_channels, width, grid)]
        sites += [
            ConvSlot("hidden", width, width, grid, number, number) for number in range(blocks)
        ]
        layers: list[nn.Module] = []
        for site in sites:
            layers += stage(convolution(site), width, nn.ELU(), normalization, dropout)
        self.layers = nn.Sequential(*layers)
        self.input_skip = input_skip
        seen = width + in_channels if input_skip else width
        self.last = convolution(ConvSlot("last", seen, out_channels, grid))

    def forward(self, inputs: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, D, H, W), both normalised."""
        within = self.layers(with_position(inputs, self.position))
        outputs: Tensor = self.last(with_inputs(within, inputs, self.input_skip))
        return outputs
