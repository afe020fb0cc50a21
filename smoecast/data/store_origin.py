"""Whether a store was made under the config that now reads it."""

import json

import xarray as xr

from smoecast.data.sources.source import Request
from smoecast.errors import InputError
from smoecast.fields.store.store import details_of


def check_origin(asked: Request, dataset: xr.Dataset, *keys: str) -> None:
    """Refuse a store that was made under another config: other years, another split.

    Keys that the store does not know, which an older version made, are not compared.

    Parameters
    ----------
    asked : Request
        What the config wants.
    dataset : xr.Dataset
        The store, opened.
    *keys : str
        That are compared, where not all of them matter.

    Raises
    ------
    InputError
        A key that decides what a store holds differs; it is named.
    """
    details = details_of(dataset)
    for section, wanted in asked.decisive().items():
        there = details.get(section, {})
        common = [key for key in keys or there if key in there and key in wanted]
        for key in [key for key in common if there[key] != wanted[key]]:
            was, now = (json.dumps(values[key]) for values in (there, wanted))
            raise InputError(
                f"{asked.store}: was made with {section}.{key} = {was}, the config has {now}: run "
                "`smoecast preprocess` again, which makes it anew, or set the key as it was"
            )
