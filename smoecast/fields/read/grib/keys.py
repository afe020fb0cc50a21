"""The keys of one GRIB message, where a key that is not there, or missing, is no error.

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
        """Return a key as a whole number, 0 when it is not there or missing."""
        return self.whole_if_there(key) or 0

    def whole_if_there(self, key: str) -> int | None:
        """Return a key as a whole number, None when it is not there or all of its bits are set."""
        try:
            value = int(eccodes.codes_get_long(self.handle, key))
            is_missing = value == eccodes.CODES_MISSING_LONG
            return None if is_missing and eccodes.codes_is_missing(self.handle, key) else value
        except eccodes.KeyValueNotFoundError:
            return None

    def real(self, key: str) -> float:
        """Return a key as a real number, NaN when it is not there or missing."""
        try:
            value = float(eccodes.codes_get_double(self.handle, key))
        except eccodes.KeyValueNotFoundError:
            return float("nan")
        is_missing = value in (eccodes.CODES_MISSING_DOUBLE, eccodes.CODES_MISSING_LONG)
        return float("nan") if is_missing else value
