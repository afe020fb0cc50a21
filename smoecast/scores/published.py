"""What others have published at WeatherBench: RMSE of Z500 and T850, 3 and 5 days ahead.

Truth: ERA5 at 5.625 degrees as in WeatherBench 1, years 2017 and 2018; weights cos(latitude) over
their mean, root last. A score against another truth is no match for them.
"""

from dataclasses import dataclass

TRUTH = "ERA5 as in WeatherBench 1, 5.625 degrees, 2017-2018"
"""Against what all of them were scored."""

COLUMNS = (("z500", 72), ("z500", 120), ("t850", 72), ("t850", 120))
"""Channel and lead time in hours of the four numbers of each."""

MARKS = {
    "R": "read in the publication or its code",
    "L": "read on a leaderboard or in notes about the paper",
}


@dataclass(frozen=True)
class Published:
    """Four published numbers.

    Attributes
    ----------
    name : str
        Of the model.
    rmse : tuple of four floats or None
        In the order of `COLUMNS`; None where none was published.
    mark : str
        How it is known, of `MARKS`.
    source : str
        Where it stands.
    """

    name: str
    rmse: tuple[float | None, float | None, float | None, float | None]
    mark: str
    source: str


_RASP_2020 = "Rasp et al. 2020, doi:10.1029/2020MS002203"
_RASP_2021 = "Rasp and Thuerey 2021, doi:10.1029/2020MS002405"
_DRYDEN = "Dryden and Hoefler 2022, arXiv 2211.13491"

WEATHERBENCH = (
    Published("persistence", (936, 1033, 4.23, 4.56), "R", _RASP_2020),
    Published("climatology", (1075, 1075, 5.51, 5.51), "R", _RASP_2020),
    Published("weekly climatology", (816, 816, 3.50, 3.50), "R", _RASP_2020),
    Published("linear regression, direct", (693, 783, 3.19, 3.44), "R", _RASP_2020),
    Published("CNN, direct", (626, 757, 2.87, 3.37), "R", _RASP_2020),
    Published("Rasp and Thuerey, ERA5 only", (314, 561, 1.79, 2.82), "L", _RASP_2021),
    Published("Rasp and Thuerey, pretrained", (268, 499, 1.65, 2.41), "R", _RASP_2021),
    Published("IFS T63", (268, 463, 1.85, 2.52), "R", _RASP_2020),
    Published("operational IFS", (153, 334, 1.36, 2.03), "R", _RASP_2020),
    Published("SMoE, variant not stated", (198, None, 1.42, None), "L", _DRYDEN),
)
"""In the order in which the leaderboard lists them, baselines first."""
