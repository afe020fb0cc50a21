"""The channels of a GRIB file that can be read, each with its place in one block.

A channel must be there once for each of the times, members and levels that most channels have; only
lead times may differ from variable to variable. One that is not so is left out with the reason, for
a whole file of a forecast has many that nobody asks for.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from smoecast.fields.left_out import LeftOut
from smoecast.fields.read.grib.index import texts
from smoecast.fields.read.grib.message import Message
from smoecast.fields.read.intervals import Interval, find_clash, in_words, select_alike
from smoecast.fields.times import as_hours, iso

Label = np.datetime64 | np.timedelta64 | int
Labels = dict[str, np.ndarray]

OF_FIELDS = (
    *("shortName", "dataType", "stepType", "stepRange", "typeOfLevel", "expver", "stream", "class"),
    *("number", "generatingProcessIdentifier", "typeOfGeneratingProcess", "centre"),
)
"""Keys that may tell two fields of a quantity apart, the plainest first."""
OF_KINDS = ("dataType", "typeOfProcessedData", "productDefinitionTemplateNumber", *OF_FIELDS)
"""Keys that may tell analyses, forecasts and members of ensembles apart."""
OF_GRIDS = ("gridType", "Ni", "Nj", "N", "iDirectionIncrementInDegrees", *OF_FIELDS)
"""Keys that may tell fields on two grids apart."""


@dataclass(frozen=True)
class Block:
    """All messages of one channel.

    Attributes
    ----------
    labels : dict
        Axes, and the labels along each, ascending.
    holders : dict
        Which message is at each place of the block.
    """

    labels: Labels
    holders: dict[tuple[int, ...], Message]

    @property
    def intervals(self) -> list[Interval]:
        """Over what its messages are sums, as far as they say."""
        return [m.interval for m in self.holders.values() if m.interval is not None]

    @property
    def first(self) -> Message:
        """A message of it."""
        return next(iter(self.holders.values()))


class _OddError(Exception):
    """A channel does not fill its block; the sentence says how."""


def blocks_of(messages: Sequence[Message], path: Path) -> tuple[dict[str, Block], list[LeftOut]]:
    """Sort messages into a block for each channel.

    Parameters
    ----------
    messages : sequence of Message
        Of one file, on one grid, analyses or forecasts.
    path : pathlib.Path
        That file.

    Returns
    -------
    tuple
        The channels, and those that are left out: there twice, not everywhere, in two units, sums
        over hours that do not compare.
    """
    found: dict[str, list[Message]] = {}
    for message in messages:
        found.setdefault(message.channel, []).append(message)
    moving = {n: m for n, m in found.items() if m[0].variable.vertical != "constant"}
    common = _most_common([_others(axes_of(m)) for m in moving.values()])
    leads: dict[str, list[Labels]] = {}
    for own in moving.values():
        leads.setdefault(own[0].variable.name, []).append(_lead_times(axes_of(own)))
    blocks, left_out = {}, []
    for name, own in found.items():
        labels = axes_of(own)
        if name in moving:
            most = common | _most_common(leads[own[0].variable.name])
            labels = {axis: most[axis] for axis in labels}
        try:
            blocks[name] = _block(own, labels, path)
        except _OddError as problem:
            keys = _keys_of(own[0], path)
            short = keys["shortName"] or own[0].variable.name
            left_out.append(LeftOut(short, str(problem), name, keys=keys))
    return blocks, left_out


def axes_of(messages: Iterable[Message]) -> Labels:
    """Return the axes of messages and all labels along each, ascending."""
    keys = [_key(message) for message in messages]
    return {name: np.unique(np.array([key[name] for key in keys])) for name in keys[0]}


def _key(message: Message) -> dict[str, Label]:
    """Return where a message stands: along which axes, and at which of their labels."""
    if message.member is None and message.analysis:
        return {"time": message.init_time + message.lead_time}
    key: dict[str, Label] = {"init_time": message.init_time, "lead_time": message.lead_time}
    return key if message.member is None else key | {"number": message.member}


def _others(labels: Labels) -> Labels:
    return {name: values for name, values in labels.items() if name != "lead_time"}


def _lead_times(labels: Labels) -> Labels:
    return {name: values for name, values in labels.items() if name == "lead_time"}


def _most_common(found: Sequence[Labels]) -> Labels:
    """Return the axes that most channels have; of several the longest, then the first."""
    if not found:
        return {}
    texts = [str({name: values.tolist() for name, values in each.items()}) for each in found]
    counts = Counter(texts)
    sizes = [sum(len(values) for values in each.values()) for each in found]
    best = max(range(len(found)), key=lambda i: (counts[texts[i]], sizes[i], -i))
    return found[best]


def _block(messages: Sequence[Message], labels: Labels, path: Path) -> Block:
    """Return the block of one channel; raise _OddError where it is none."""
    positions = {name: {v: i for i, v in enumerate(values)} for name, values in labels.items()}
    holders: dict[tuple[int, ...], Message] = {}
    for message in messages:
        _check_unit(messages[0], message, path)
        key = _key(message)
        if any(value not in positions[name] for name, value in key.items()):
            raise _OddError(
                f"message {message.label} has {message.channel} at {_words(key)}, where the other "
                "channels have nothing: leave it out with data.select, or fetch the others"
            )
        at = tuple(positions[name][value] for name, value in key.items())
        if at in holders:
            _refuse_twice(holders[at], message, path)
        holders[at] = message
    _check_sums(messages)
    for at in np.ndindex(*(len(values) for values in labels.values())):
        if at not in holders:
            gone = {n: values[i] for (n, values), i in zip(labels.items(), at, strict=True)}
            raise _OddError(
                f"the message of {messages[0].channel} at {_words(gone)} is missing: fetch it again"
            )
    return Block(labels, holders)


def _check_unit(first: Message, second: Message, path: Path) -> None:
    if first.unit != second.unit:
        raise _OddError(
            f"messages {first.label} and {second.label} give {first.channel} in {first.unit} and "
            f"in {second.unit}: keep one of them{select_one(first, second, path)}"
        )


def _check_sums(messages: Sequence[Message]) -> None:
    by_interval = {m.interval: m for m in reversed(messages) if m.interval is not None}
    intervals = [m.interval for m in messages if m.interval is not None]
    if clash := find_clash(intervals):
        (first, one), (second, other) = ((by_interval[each], in_words(each)) for each in clash)
        raise _OddError(
            f"messages {first.label} and {second.label} are sums of {first.channel} over {one} and "
            f"over {other}, which do not compare: keep one kind with {select_alike(intervals)}"
        )


def _refuse_twice(first: Message, second: Message, path: Path) -> None:
    experiments = (first.experiment, second.experiment)
    of = f" of the experiments {' and '.join(experiments)}" if len(set(experiments)) > 1 else ""
    raise _OddError(
        f"messages {first.label} and {second.label} both hold {first.channel} for "
        f"{iso(first.init_time + first.lead_time)}{of}: keep one of them"
        f"{select_one(first, second, path)}"
    )


def _words(key: dict[str, Label]) -> str:
    return ", ".join(
        f"{name} {as_hours(v):g} h"
        if name == "lead_time"
        else f"{name} {iso(v) if isinstance(v, np.datetime64) else v}"
        for name, v in key.items()
    )


def _keys_of(message: Message, path: Path) -> dict[str, str]:
    """Return the keys by which the fields of a channel are known among those of a file."""
    keys = ("shortName", "typeOfLevel", "level")
    (found,) = texts(path, [message], keys)
    return dict(zip(keys, found, strict=True))


def select_one(
    first: Message, second: Message, path: Path, keys: tuple[str, ...] = OF_FIELDS
) -> str:
    """Return the setting that leaves the second of two messages, and takes all the others.

    Parameters
    ----------
    first, second : Message
        Both of the file `path`.
    path : pathlib.Path
        GRIB file.
    keys : tuple of str
        Among which to look.

    Returns
    -------
    str
        ``with data.select: {not: {stepRange: 6-12}}``, after a blank; empty where they differ in
        none of the keys.
    """
    for key, mine, theirs in zip(keys, *texts(path, [first, second], keys), strict=True):
        if theirs and mine != theirs:
            value = f"'{theirs}'" if theirs.isdigit() and str(int(theirs)) != theirs else theirs
            return f" with data.select: {{not: {{{key}: {value}}}}}"
    return ""
