"""Commands run one after the other in a process that may die of one of them: the next starts anew.

Importing takes seconds and a case some hundredths, so that a process for each would be too slow.
"""

import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any

MEMORY = 2**33
"""Bytes of address space: a command that wants more ends as one that nobody foresaw."""


class CommandServer:
    """Runs `smoecast` with arguments, and tells how it ended."""

    def __enter__(self) -> "CommandServer":
        self._process: subprocess.Popen[str] | None = None
        return self

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()

    def run(self, *arguments: str) -> tuple[int, str]:
        """Return the exit code, negative for a signal, and what was said on stderr."""
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-c", "import command_server; command_server.serve()"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env=os.environ
                | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])},
            )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(arguments) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if answer:
            code, said = json.loads(answer)
            return int(code), str(said)
        _, said = self._process.communicate()
        code, self._process = self._process.returncode, None
        return code, said


def serve() -> None:
    """Run what stands on each line of stdin; answer with a line of JSON."""
    from typer.testing import CliRunner

    from smoecast.cli.main import app

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for line in sys.stdin:
        result: Any = CliRunner().invoke(app, json.loads(line))
        said = result.stderr
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            said += f"Traceback: {result.exception!r}"
        print(json.dumps([result.exit_code, said]), flush=True)
