"""Scores that others published on WeatherBench, and how a run's own stand beside them."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from smoecast.text_table import table

COLUMNS = (("z500", 72), ("z500", 120), ("t850", 72), ("t850", 120), ("t2m", 72), ("t2m", 120))
"""Channel and lead time in hours of the numbers of each."""

MARKS = {
    "R": "read in the publication, its code or its README",
    "L": "read on a leaderboard or in notes about the paper",
    "U": "unconfirmed: noted by others, found neither in the code nor in the README",
}

_NO_T2M = (None, None)


@dataclass(frozen=True)
class Published:
    """Published numbers of one model.

    Attributes
    ----------
    name : str
        Of the model.
    rmse : tuple of six floats or None
        In the order of `COLUMNS`; None where none was published, or none is known here.
    mark : str
        How it is known, of `MARKS`.
    source : str
        Where it stands.
    degrees : float
        Spacing of the grid on which it was scored.
    parameters : float or None
        Of the network in millions; None where none is stated, or it is no network.
    mean_of_roots : bool
        Whether it is the mean over starts of the root of each start's mean square, in the place of
        the root of the mean over all.
    years : str or None
        Of the test; None where they are not known here.
    """

    name: str
    rmse: tuple[float | None, ...]
    mark: str
    source: str
    degrees: float = 5.625
    parameters: float | None = None
    mean_of_roots: bool = False
    years: str | None = "2017-2018"

    @property
    def points(self) -> str:
        """The grid in points, as a run's own is told."""
        return f"{180 / self.degrees:.0f} x {360 / self.degrees:.0f}"

    @property
    def truth(self) -> str:
        """Against what it was scored."""
        years = self.years or "years not known here"
        return f"ERA5 as in WeatherBench 1, {self.degrees:g} degrees, {years}"

    def to_plain(self) -> dict[str, Any]:
        """Return all of it as JSON has it."""
        return {**asdict(self), "rmse": list(self.rmse), "grid": self.points, "truth": self.truth}


_RASP_2020 = "Rasp et al. 2020, doi:10.1029/2020MS002203"


_RASP_2021 = "Rasp and Thuerey 2021, doi:10.1029/2020MS002405"


_DRYDEN = "Dryden and Hoefler 2022, arXiv 2211.13491"


_PASSAT = (
    "Zheng et al. 2025, arXiv 2505.04918: table of github.com/Yumenomae/PASSAT_5p625/README.md "
    "at ec94cf4; criterion.py there takes the root start by start"
)


_GFT = (
    "Xu et al. 2024, arXiv 2405.13796; github.com/black-yt/WeatherGFT at 22e22f5 has no scores: "
    "from it are the grid (Data/weatherbench_128.py), the root start by start (utils/metrics.py) "
    "and the 470,547,485 trainable parameters, counted in Models/WeatherGFT.py as train.py makes it"
)


def _retrained(name: str, rmse: tuple[float, ...], parameters: float) -> Published:
    """Return a line of PASSAT's table: every network in it was trained anew, of about one size."""
    return Published(name, rmse, "R", _PASSAT, parameters=parameters, mean_of_roots=True)


WEATHERBENCH = (
    Published("persistence", (936, 1033, 4.23, 4.56, *_NO_T2M), "R", _RASP_2020),
    Published("climatology", (1075, 1075, 5.51, 5.51, *_NO_T2M), "R", _RASP_2020),
    Published("weekly climatology", (816, 816, 3.50, 3.50, *_NO_T2M), "R", _RASP_2020),
    Published("linear regression, direct", (693, 783, 3.19, 3.44, *_NO_T2M), "R", _RASP_2020),
    Published("CNN, direct", (626, 757, 2.87, 3.37, *_NO_T2M), "R", _RASP_2020),
    _retrained("SFNO, re-trained", (478, 718, 2.37, 3.25, 2.02, 2.55), 1.15),
    _retrained("Pangu-Weather, re-trained", (477, 712, 2.31, 3.21, 1.94, 2.55), 1.20),
    _retrained("FourCastNet, re-trained", (442, 674, 2.24, 3.12, 1.87, 2.44), 1.17),
    _retrained("GraphCast, re-trained", (438, 675, 2.17, 3.12, 1.84, 2.48), 1.15),
    _retrained("PASSAT", (420, 651, 2.12, 3.03, 1.85, 2.44), 1.15),
    Published("Rasp and Thuerey, ERA5 only", (314, 561, 1.79, 2.82, *_NO_T2M), "L", _RASP_2021),
    Published("Rasp and Thuerey, pretrained", (268, 499, 1.65, 2.41, *_NO_T2M), "R", _RASP_2021),
    Published("IFS T63", (268, 463, 1.85, 2.52, *_NO_T2M), "R", _RASP_2020),
    Published("operational IFS", (153, 334, 1.36, 2.03, *_NO_T2M), "R", _RASP_2020),
    Published("SMoE, variant not stated", (198, None, 1.42, None, *_NO_T2M), "L", _DRYDEN),
    Published(
        "WeatherGFT",
        (152.5, 316.0, 1.18, 1.84, 1.14, 1.58),
        "U",
        _GFT,
        degrees=1.40625,
        parameters=470.547,
        mean_of_roots=True,
        years=None,
    ),
)
"""In the order in which the leaderboard lists them, baselines first; those on another grid last."""


def compare_with_published(summary: dict[str, Any], shorter: Mapping[str, str]) -> str:
    """Return what others published beside this run's own, with the grid and the truth of each.

    Parameters
    ----------
    summary : dict
        What `evaluate` returns with ``--against weatherbench``.
    shorter : mapping of str to str
        Names of this run's lines as tables print them.
    """
    columns = [f"{c} {h // 24} d" for c, h in COLUMNS]
    header = ["RMSE", "points", "size", *columns, "read"]
    rows = [
        [name, summary["grid"], "-", *_find(summary["scores"], own, score), mark]
        for own, name in _own_names(summary["scores"], shorter).items()
        for score, mark in (("rmse", ""), ("rmse_mean_of_roots", "*"))
    ]
    published = summary["published"]
    for entry in published:
        size = "-" if entry["parameters"] is None else f"{entry['parameters']:.2f}"
        mark = entry["mark"] + "*" * entry["mean_of_roots"]
        rows.append([entry["name"], entry["grid"], size, *map(_short, entry["rmse"]), mark])
    grids = sorted({(entry["degrees"], entry["grid"]) for entry in published}, reverse=True)
    spacings = ", ".join(f"{points} points are {degrees:g} degrees" for degrees, points in grids)
    unknown = ", ".join(entry["name"] for entry in published if entry["years"] is None)
    lines = [
        table(header, rows),
        f"{spacings}:",
        "a score on one grid does not compare with one on another. size: millions of parameters.",
        "*: the mean over starts of each start's RMSE, which is never above the root of the mean:",
        "compare lines with * among themselves. re-trained: by the authors of PASSAT, of its size.",
        "truth: of this run its own; of the others ERA5 as in WeatherBench 1, on the grid of the",
        f"line, in 2017-2018 ({unknown}: years not known here).",
        *(f"read: {mark}, {words}." for mark, words in MARKS.items()),
    ]
    return "\n".join([*lines, summary["comparable"]])


def _own_names(records: Sequence[dict[str, Any]], shorter: Mapping[str, str]) -> dict[str, str]:
    """Return this run's forecasts and baselines, each with what its line is called."""
    own = dict.fromkeys(r["forecast"] for r in records if "crps" not in r)
    return {name: f"this run: {shorter.get(name, name)}" for name in own}


def _find(records: Sequence[dict[str, Any]], name: str, score: str) -> list[str]:
    found = {
        (r["channel"], r["lead_hours"]): r.get(score)
        for r in records
        if r["forecast"] == name and (r["region"], r["season"]) == ("global", "year")
    }
    return [_short(found.get(column)) for column in COLUMNS]


def _short(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.0f}" if value >= 100 else f"{value:.2f}"
