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
        [_few(entry["file"]), size(entry["bytes"]), "there" if entry["there"] else entry["url"]]
        for entry in entries
    ]
    missing = sum(not entry["there"] for entry in entries)
    return (
        f"{console.table(['file', 'about', 'from'], rows)}\n"
        f"{missing} of {len(entries)} files to fetch, about {size(summary['bytes'])}, "
        f"to {summary['folder']}"
    )


def _few(names: str) -> str:
    """Return the names of what comes from one address, the middle ones of many left out."""
    words = names.split()
    return names if len(words) < 3 else f"{words[0]} ... {words[-1]} ({len(words)})"


def files(summary: dict[str, Any]) -> str:
    """Return how many raw files there are, and where."""
    total = sum(entry["bytes"] for entry in summary["files"])
    return f"{len(summary['files'])} raw files, {size(total)}, in {summary['folder']}"


def store(name: str, part: dict[str, Any]) -> str:
    """Return a store that was made, or found made."""
    counts = ", ".join(f"{count} {which}" for which, count in part["split"].items())
    state = "written" if part["written"] else "nothing to do"
    span = f"{part['first']} to {part['last']}"
    return f"{name}: {part['store']} ({state})\n  {_shape(part)}\n  {span}: {counts}"


def store_plan(name: str, part: dict[str, Any]) -> str:
    """Return a store that would be made."""
    basis = "from the raw files" if part["raw"] else "from the config; no raw file is there yet"
    parts = f"{part['chunks']} part{'s' if part['chunks'] > 1 else ''}"
    volume = f"{size(part['bytes'])} in {parts}"
    return f"{name}: {part['store']} (would be, {basis})\n  {_shape(part)}\n  {volume}"


def _shape(part: dict[str, Any]) -> str:
    return " x ".join(f"{count} {dim}" for dim, count in part["shape"].items())


def size(count: float) -> str:
    """Return bytes as a person says them."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"


def effort(s: dict[str, Any]) -> str:
    """Return what fitting a calibration will take."""
    basis = "there" if s["there"] else "not made yet; from the config"
    lines = [
        f"postprocess: method {s['method']}, protocol {s['protocol']}",
        f"  {s['store']} ({basis})\n  {_shape(s)}, {size(s['bytes'])}",
        f"  {s['samples']:,} samples to fit to{'' if s['there'] else ' at most'}, "
        f"about {size(s['memory'])} of memory for the fit, and the truth beside it",
    ]
    if "parameters" in s:
        lines += [
            f"  {s['parameters']:,} parameters, {s['multiply_adds'] / 1e9:.1f} thousand million "
            "multiply-adds a sample",
            f"  {size(s['batch_bytes'])} of inputs a batch",
            f"  at least {s['seconds_per_sample']:.3g} s a sample on this CPU: {s['hours']:.3g} h "
            f"for {s['epochs']} epochs",
        ]
    return "\n".join(lines)
