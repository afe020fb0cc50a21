"""The raw files of a run, as `preprocess` finds them."""

from pathlib import Path

from smoecast.config.run import Config
from smoecast.data.sources.registry import request_of, source_of
from smoecast.data.sources.source import Kind


def find_raw_files(config: Config, kind: Kind = "analyses") -> list[Path]:
    """Return what its source finds of a run's analyses or ensembles."""
    asked = request_of(config, kind)
    return source_of(asked).find(asked)
