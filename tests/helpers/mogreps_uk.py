"""The calibration of MOGREPS-UK temperature: 2 and 3 June to fit to, 4 June to test."""

from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from smoecast.cli.main import app

UK = Path(__file__).parents[3] / "shared" / "data" / "mogreps-uk"


def smoecast(*words: str) -> Any:
    """Run a command."""
    return CliRunner().invoke(app, [*words])


def uk_config(folder: Path, verbs: tuple[str, ...], more: str = "") -> Path:
    """Write the config, run these verbs with it, and return where it is."""
    path = folder / "uk.yaml"
    path.write_text(f"""
name: uk
folder: {folder}
data: {{source: none}}
postprocess:
  source: files
  files: ['{UK}/history/*temperature*.nc']
  truth: ['{UK}/truth/*temperature*.nc']
  channels: [t2m]
  lead_hours: [12]
  coefficients: pooled
  split: {{train: 0.67, validation: 0.0, test: 0.33}}
{more}
""")
    for verb in verbs:
        result = smoecast(verb, "-q", "-c", str(path))
        assert result.exit_code == 0, result.output
    return path
