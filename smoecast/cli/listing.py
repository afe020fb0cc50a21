"""What `download` shows a person: sources, a plan, files."""

from typing import Any

from smoecast import console


def sources(summary: dict[str, Any]) -> str:
    """Return every source with what it is, its size, its licence and its needs."""
    blocks = []
    for about in summary["sources"]:
        lines = [f"{about['name']}: {about['what']}"]
        lines += [f"  {key:<8} {about[key]}" for key in ("size", "licence", "needs")]
        blocks.append("\n".join(lines))
    return "\n".join(blocks)


def plan(summary: dict[str, Any]) -> str:
    """Return what would be fetched, how much that is and where it would go."""
    source, entries = summary["source"], summary["files"]
    if not entries:
        return f"source {source} is on this machine: nothing is fetched over the network"
    rows = [
        [entry["file"], size(entry["bytes"]), "there" if entry["there"] else entry["url"]]
        for entry in entries
    ]
    missing = sum(not entry["there"] for entry in entries)
    return (
        f"{console.table(['file', 'about', 'from'], rows)}\n"
        f"{missing} of {len(entries)} files to fetch, about {size(summary['bytes'])}, "
        f"to {summary['folder']}"
    )


def files(summary: dict[str, Any]) -> str:
    """Return how many raw files there are, and where."""
    total = sum(entry["bytes"] for entry in summary["files"])
    return f"{len(summary['files'])} raw files, {size(total)}, in {summary['folder']}"


def size(count: float) -> str:
    """Return bytes as a person says them."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"
