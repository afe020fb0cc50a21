"""How GRIB 2 says what a result holds: the keys of each kind of message. No ecCodes is needed."""

from collections.abc import Sequence
from dataclasses import dataclass

from smoecast.events import Event
from smoecast.fields.write.grib.content import Content
from smoecast.fields.write.grib.parameters import parameter_of, threshold_of

_NONE = 2**32 - 1  # scaled value of a surface that has none


@dataclass(frozen=True)
class Product:
    """One kind of message: a channel, and what of it.

    Attributes
    ----------
    variable : str
        In the dataset: ``t2m_quantile``.
    at : dict
        Along which dimension of that variable it stands, and where; none for most.
    factor : int
        From the values of the variable to those of GRIB.
    hours : int
        Of its interval; 0 at a point in time, -1 from the start of the forecast.
    numbered : bool
        Whether there is a message for every member.
    param_id : int
    level : int
        In the unit of its surface, as cfgrib shows it.
    keys : dict
        Of ecCodes, in the order in which they are set.
    found_by : dict
        Those by which a reader finds it among others; ``undef`` where they are not there.
    """

    variable: str
    at: dict[str, int]
    factor: int
    hours: int
    numbered: bool
    param_id: int
    level: int
    keys: dict[str, int]
    found_by: dict[str, int | str]


def products_of(content: Content) -> list[Product]:
    """Return every kind of message, in the order in which they stand at each time.

    Parameters
    ----------
    content : Content
        As `fields.write.grib.limits.check_content` lets it pass.
    """
    made: list[Product] = []
    for name in content.channels:
        made += _of_channel(name, content)
    return made


def _of_channel(name: str, content: Content) -> list[Product]:
    # Code tables: 1.4 (type of data), which cfgrib tells cubes apart by; 4.3 (generating process),
    # which CDO does; 4.6; 4.7 (derived forecast); 4.9 (probability).
    ensemble = {"typeOfEnsembleForecast": 255} if content.size > 1 or content.numbers else {}
    size = {"numberOfForecastsInEnsemble": content.size}
    made = []
    if content.mean:  # 4.7: 0 unweighted mean of all members; 1 would be of weights we do not have
        kind = {"typeOfProcessedData": 1, "typeOfGeneratingProcess": 13}
        made.append(_product(name, "_mean", content, 2, kind, {"derivedForecast": 0} | size))
    if content.std:  # 4.7: 4 spread of all members; 4.3: 6 the error to be expected of the mean
        kind = {"typeOfProcessedData": 5, "typeOfGeneratingProcess": 6}
        made.append(_product(name, "_std", content, 2, kind, {"derivedForecast": 4} | size))
    if content.values and content.numbers is None:
        kind = {"typeOfProcessedData": 1, "typeOfGeneratingProcess": 2}
        made.append(_product(name, "", content, 0, kind, {}))
    elif content.values:  # 4.3: 4 ensemble forecast, 11 bias-corrected ensemble forecast
        process = 11 if content.calibrated else 4
        kind = {"typeOfProcessedData": 4, "typeOfGeneratingProcess": process}
        made.append(_product(name, "", content, 1, kind, ensemble | size))
    for at, level in enumerate(content.quantiles):
        kind = {"typeOfProcessedData": 5, "typeOfGeneratingProcess": 13}
        percent = {"percentileValue": round(100 * level)}
        made.append(_product(name, "_quantile", content, 6, kind, percent, quantile=at))
    for above in (True, False):
        events = [e for e in content.events if e.channel == name and e.above == above]
        made += [_probability(event, events, content) for event in events]
    return made


def _probability(event: Event, events: Sequence[Event], content: Content) -> Product:
    """Return the probability of one of the events of a channel on one side; in percent, as usual.

    ECMWF and NCEP write percent; the WMO does not say.
    """
    side, limit = ("above", "Lower") if event.above else ("below", "Upper")
    value, digits = threshold_of(event)
    at = list(events).index(event)
    keys = {
        "forecastProbabilityNumber": at,
        "totalNumberOfForecastProbabilities": len(events),
        "probabilityType": 3 if event.above else 4,  # above lower limit, below upper limit
        f"scaleFactorOf{limit}Limit": digits,
        f"scaledValueOf{limit}Limit": value,
    }
    kind = {"typeOfProcessedData": 8, "typeOfGeneratingProcess": 5}
    ending, along = f"_probability_{side}", f"{event.channel}_threshold_{side}"
    return _product(event.channel, ending, content, 5, kind, keys, factor=100, **{along: at})


def _product(
    name: str,
    ending: str,
    content: Content,
    template: int,
    kind: dict[str, int],
    keys: dict[str, int],
    factor: int = 0,
    **at: int,
) -> Product:
    parameter, channel = parameter_of(name)
    hours = 0
    if parameter.process is not None:
        hours = parameter.hours or content.accumulation_hours or -1
    intervals = {0: 8, 1: 11, 2: 12, 5: 9, 6: 10}  # code table 4.0: the same over an interval
    surface, *height = parameter.surface
    level = channel.level or next(iter(height), 0)
    scaled = 100 * level if channel.level else (level if height else _NONE)
    discipline, category, number = parameter.number
    every = {
        "discipline": discipline,
        "typeOfProcessedData": kind["typeOfProcessedData"],
        "productDefinitionTemplateNumber": intervals[template] if hours else template,
        "parameterCategory": category,
        "parameterNumber": number,
        "typeOfGeneratingProcess": kind["typeOfGeneratingProcess"],
        "typeOfFirstFixedSurface": surface,
        "scaleFactorOfFirstFixedSurface": 255 if scaled == _NONE else 0,
        "scaledValueOfFirstFixedSurface": scaled,
        "typeOfSecondFixedSurface": 255 if parameter.above is None else parameter.above,
        **keys,
    }
    if hours and parameter.process is not None:
        every["typeOfStatisticalProcessing"] = parameter.process
    told = ("derivedForecast", "percentileValue", "forecastProbabilityNumber", "probabilityType")
    return Product(
        variable=f"{name}{ending}",
        at=at,
        factor=factor or parameter.factor,
        hours=hours,
        numbered=template == 1,
        param_id=parameter.param_id,
        level=level,
        keys=every,
        found_by={key: keys.get(key, "undef") for key in told},
    )
