"""`smoecast download`: fetch raw data."""

import time
from typing import Annotated, Any

import typer

from smoecast.cli import options, waiting
from smoecast.cli.run import imports, read_config, require_config, run
from smoecast.console import volume
from smoecast.text_table import table


def download(
    config: options.OptionalConfig = None,
    set_: options.Set = None,
    list_: Annotated[
        bool, typer.Option("--list", help="Show every source: size, licence, what it needs.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be fetched, and fetch nothing.")
    ] = False,
    wait: options.Wait = None,
    max_age: options.MaxAge = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    log_json: options.LogJson = False,
    metrics: options.Metrics = None,
    debug: options.Debug = False,
) -> None:
    """Fetch raw data from the config's source; what is there and right is skipped.

    A download that was cut or killed goes on where it ended when the same command runs again.
    """

    def task() -> dict[str, Any]:
        with imports():
            from smoecast.tasks import download as tasks_download

        if list_:
            return tasks_download.list_sources()
        wanted = read_config(require_config(config), set_)
        if dry_run:
            return tasks_download.plan(wanted)
        return tasks_download.download(wanted, oldest=waiting.oldest(max_age))

    def show(s: dict[str, Any]) -> str:
        if list_:
            return _say_sources(s)
        return _say_plan(s) if dry_run else _say_files(s)

    run(
        lambda: waiting.wait_for_input(task, wait, time.sleep),
        show,
        verb="download",
        record=not (list_ or dry_run),
        as_json=as_json,
        quiet=quiet,
        debug=debug,
        log_json=log_json,
        metrics=metrics,
    )


def _say_sources(summary: dict[str, Any]) -> str:
    """Return every source with what it is, its size, its licence and its needs."""
    blocks = []
    for about in summary["sources"]:
        lines = [f"{about['name']}: {about['what']}"]
        lines += [f"  {key:<8} {about[key]}" for key in ("size", "licence", "needs")]
        blocks.append("\n".join(lines))
    return "\n".join(blocks)


def _say_plan(summary: dict[str, Any]) -> str:
    """Return what would be fetched, how much that is and where it would go."""
    source, entries = summary["source"], summary["files"]
    if not entries:
        return f"source {source} is on this machine: nothing is fetched over the network"
    rows = [
        [
            _say_few(entry["file"]),
            volume(entry["bytes"]),
            "there" if entry["there"] else entry["url"],
        ]
        for entry in entries
    ]
    missing = sum(not entry["there"] for entry in entries)
    return (
        f"{table(['file', 'about', 'from'], rows)}\n"
        f"{missing} of {len(entries)} files to fetch, about {volume(summary['bytes'])}, "
        f"to {summary['folder']}"
    )


def _say_few(names: str) -> str:
    """Return the names of what comes from one address, the middle ones of many left out."""
    words = names.split()
    return names if len(words) < 3 else f"{words[0]} ... {words[-1]} ({len(words)})"


def _say_files(summary: dict[str, Any]) -> str:
    """Return how many raw files there are, and where."""
    total = sum(entry["bytes"] for entry in summary["files"])
    return f"{len(summary['files'])} raw files, {volume(total)}, in {summary['folder']}"
