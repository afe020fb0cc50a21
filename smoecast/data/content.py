"""What a fetched file is, told by its first bytes: a login page is no weather."""

from pathlib import Path
from typing import Any

from smoecast.data.remote import Remote, shown
from smoecast.errors import InputError
from smoecast.fields.classic import MAGIC

_HDF5 = b"\x89HDF"


def check_netcdf(path: Path, remote: Remote) -> dict[str, Any]:
    """Refuse what is no NetCDF; return no notes. A hook of `data.collect`.

    Raises
    ------
    InputError
        Servers and proxies answer with pages of their own, complete and with status 200.
    """
    with path.open("rb") as file:
        begin = file.read(4)
    if begin != _HDF5 and begin not in MAGIC:
        page = " but a web page" if begin.lstrip()[:1] == b"<" else ""
        raise InputError(
            f"{shown(remote.url)}: what came is no NetCDF{page}: open the address in a browser, "
            "and use another mirror (download.url) if it asks you something"
        )
    return {}
