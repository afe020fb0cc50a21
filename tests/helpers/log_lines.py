"""Lines on stderr as the console script writes them where that is no terminal: with the time."""

import re

_STAMPED = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ (.*)")


def without_times(err: str) -> str:
    """Return lines without the times that they must begin with."""
    lines = []
    for line in err.splitlines():
        match = _STAMPED.fullmatch(line)
        assert match is not None, f"no time before: {line}"
        lines.append(f"{match[1]}\n")
    return "".join(lines)
