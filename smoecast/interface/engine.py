"""`xarray.open_dataset(path, engine="smoecast")`: what `smoecast.open` gives."""

import os
from collections.abc import Iterable, Mapping
from typing import Any

import xarray as xr
from xarray.backends import BackendEntrypoint

from smoecast.errors import ConfigError
from smoecast.interface.open import open as open_any


class SmoecastBackend(BackendEntrypoint):
    """Any GRIB, NetCDF or Zarr in the one form that smoecast reads; asked for by name alone."""

    description = "GRIB, NetCDF and Zarr in canonical form: one set of names, axes and units"
    open_dataset_parameters = ("filename_or_obj", "drop_variables", "select", "assume")

    def open_dataset(  # type: ignore[override]  # what is ours to say comes by keyword
        self,
        filename_or_obj: str | os.PathLike[str],
        *,
        drop_variables: str | Iterable[str] | None = None,
        select: Mapping[str, Any] | None = None,
        assume: Mapping[str, Any] | None = None,
    ) -> xr.Dataset:
        """Open a file, folder, glob or Zarr group.

        Parameters
        ----------
        filename_or_obj : str or path
        drop_variables : str or iterable of str, optional
            Variables, by our names, that are not wanted.
        select, assume : mapping, optional
            See `smoecast.open`.

        Raises
        ------
        ConfigError
            It is no path; or see `smoecast.open`.
        InputError
            See `smoecast.open`.
        """
        if not isinstance(filename_or_obj, str | os.PathLike):
            kind = type(filename_or_obj).__name__
            raise ConfigError(f"engine smoecast reads files by their names, no {kind}: give a path")
        opened = open_any(filename_or_obj, select=select, assume=assume)
        unwanted = [drop_variables] if isinstance(drop_variables, str) else drop_variables or ()
        return opened.drop_vars(list(unwanted), errors="ignore")
