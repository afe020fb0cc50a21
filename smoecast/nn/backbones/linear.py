"""Linear regression of whole fields: every output value from every input value.

WeatherBench's baseline (Rasp et al. 2020, doi:10.1029/2020MS002203): from two channels to two on
32 x 64 points it has 16,781,312 parameters. Here it is fitted step by step like any other network,
without a penalty.
"""

from torch import Tensor, nn

MOST_PARAMETERS = 200_000_000
"""A larger map is refused: with its gradient and Adam's moments this one takes 3.2 GB."""


class LinearMap(nn.Module):
    """One linear map between flattened fields, with an offset for each output value.

    Parameters
    ----------
    in_channels, out_channels : int
        Of the fields that come in and go out.
    grid : tuple of int
        (H, W).

    Raises
    ------
    ValueError
        It would have more than `MOST_PARAMETERS` parameters.
    """

    def __init__(self, in_channels: int, out_channels: int, grid: tuple[int, int]) -> None:
        super().__init__()
        points = grid[0] * grid[1]
        count = (in_channels * points + 1) * out_channels * points
        if count > MOST_PARAMETERS:
            raise ValueError(
                f"a linear map from {in_channels} to {out_channels} fields of {grid[0]} x "
                f"{grid[1]} points has {count:,} parameters, more than {MOST_PARAMETERS:,}: take "
                "fewer channels or a coarser grid"
            )
        self.last = nn.Linear(in_channels * points, out_channels * points)

    def forward(self, inputs: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, D, H, W), both normalised."""
        outputs: Tensor = self.last(inputs.flatten(1))  # (B, C H W) -> (B, D H W)
        return outputs.view(len(inputs), -1, *inputs.shape[2:])
