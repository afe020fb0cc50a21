"""The page of exit codes, from the tree of errors."""

import inspect

from smoecast import errors

HEAD = """\
# Exit codes

The same for every command. Each error is one sentence on stderr that names the file, the thing and
the mend; `--json` prints it as `error` beside `exit_code`.
[Troubleshooting](../../troubleshooting.md)
goes from messages to mends.

| code | error | what it means |
|---|---|---|
| 0 | | done, or nothing to do |
"""


def page() -> str:
    """Return the page."""
    kinds = [
        kind
        for _, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, errors.SmoecastError)
    ]
    rows = []
    for kind in kinds:
        code = "128 + n" if kind is errors.Interrupted else str(kind.exit_code)
        words = (inspect.getdoc(kind) or "").partition("\n\n")[0].replace("\n", " ")
        if kind is errors.SmoecastError:
            words = "Nobody foresaw it: `--debug` shows where; please report it with that."
        rows.append((int(code.split()[0]), f"| {code} | `{kind.__name__}` | {words} |"))
    return HEAD + "\n".join(row for _, row in sorted(rows)) + "\n"
