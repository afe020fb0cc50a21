"""The keys of one GRIB message, where a key that is not there is no error.

To be imported by `fields.read.grib.server` alone: ecCodes may end the process that asks it.
"""

from dataclasses import dataclass

import eccodes


@dataclass(frozen=True)
class Keys:
    """Read-only access to an open ecCodes handle.

    Attributes
    ----------
    handle : int
        As ecCodes gives it.
    """

    handle: int

    def text(self, key: str) -> str:
        """Return a key as text of one line, empty when it is not there."""
        try:
            text = str(eccodes.codes_get_string(self.handle, key))
        except eccodes.KeyValueNotFoundError:
            return ""
        return text if text.isprintable() else ascii(text)

    def whole(self, key: str) -> int:
        """Return a key as a whole number, 0 when it is not there."""
        try:
            return int(eccodes.codes_get_long(self.handle, key))
        except eccodes.KeyValueNotFoundError:
            return 0

    def real(self, key: str) -> float:
        """Return a key as a real number, NaN when it is not there."""
        try:
            return float(eccodes.codes_get_double(self.handle, key))
        except eccodes.KeyValueNotFoundError:
            return float("nan")
