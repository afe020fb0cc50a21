"""Any NetCDF file of fields, opened in canonical form; its fields stay on disk until they are read.

netCDF-C is not safe under threads: xarray guards its reads with a lock.
"""

import warnings
from pathlib import Path

import netCDF4
import xarray as xr
from xarray.backends.store import StoreBackendEntrypoint

from smoecast.errors import InputError
from smoecast.fields.canonical.canonical import canonical
from smoecast.fields.canonical.time_axes import explain_undecodable
from smoecast.fields.left_out import note_more
from smoecast.fields.read.netcdf.headers import check_file
from smoecast.fields.read.netcdf.promises import LONGEST_AXIS, check_promises
from smoecast.fields.read.netcdf.stored import explain_damage, in_blocks
from smoecast.fields.read.netcdf.watchdog import watch
from smoecast.fields.read.reading import AS_IT_IS, Reading, note_leaving

CACHE_BYTES = 4 * 2**20
"""Bytes of decompressed chunks that netCDF-C keeps for each variable of each open file.

Its own default of 64 MiB fills the memory where there are many; nothing here reads a chunk twice.
"""


def open_netcdf(path: Path, any_grid: bool = False, reading: Reading = AS_IT_IS) -> xr.Dataset:
    """Open a NetCDF file as a canonical dataset whose fields stay on disk.

    Parameters
    ----------
    path : pathlib.Path
        File of any NetCDF kind, packed or not.
    any_grid : bool
        Whether a map projection may pass, see `canonical`.
    reading : Reading
        What of it is selected, and what is assumed.

    Raises
    ------
    InputError
        In one sentence, if the file is missing, empty, cut, no NetCDF, or refused by `canonical`;
        if nothing is selected, or the file contradicts what is assumed; and whenever fields are
        read that are damaged.
    """
    dataset, left, leaving = reading.prepare(open_raw(path), path)
    return note_leaving(note_more(canonical(dataset, str(path), any_grid), left), leaving)


def open_raw(path: Path) -> xr.Dataset:
    """Open a NetCDF file as it is, its fields on disk, once nothing speaks against reading it.

    Parameters
    ----------
    path : pathlib.Path
        File of any NetCDF kind.

    Raises
    ------
    InputError
        As `open_netcdf`, but for what `canonical` refuses.
    """
    check_file(path)
    netCDF4.set_chunk_cache(CACHE_BYTES)
    what = f"{path}: it cannot be read as NetCDF"
    with watch(path), explain_damage(what), warnings.catch_warnings():
        # it warns of what is refused below, or does no harm
        warnings.simplefilter("ignore")
        store = xr.backends.NetCDF4DataStore.open(str(path))  # type: ignore[no-untyped-call]
        try:
            strange = check_promises(store.ds, path)
            try:
                dataset = xr.open_dataset(
                    store,
                    engine=StoreBackendEntrypoint,
                    drop_variables=strange,
                    decode_timedelta=True,
                )
            except ValueError as problem:
                if said := explain_undecodable(problem):
                    raise InputError(f"{path}: {said}") from problem
                raise
            for coordinate in dataset.coords.values():
                if coordinate.size <= LONGEST_AXIS:  # others stand beside the fields, unread
                    coordinate.load()
        except BaseException:
            store.close()
            raise
    return dataset.assign(
        {name: in_blocks(dataset.variables[name], f"{path}: {name}") for name in dataset.data_vars}
    )
