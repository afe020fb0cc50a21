"""`smoecast models`: what there is, what it is for, and whether it is whole."""

from pathlib import Path
from typing import Any

from smoecast import zoo
from smoecast.errors import ModelError
from smoecast.nn.cost import count_parameters
from smoecast.tasks.assembly import open_model
from smoecast.tasks.calibrations import KINDS, open_calibration
from smoecast.training.state import load_state


def list_models() -> dict[str, Any]:
    """Return name, title and size of the weights of every model in the zoo."""
    models = []
    for name in zoo.names():
        place = zoo.folder() / name
        weights = place / "model.safetensors"
        size = f"{weights.stat().st_size / 1e6:.1f} MB" if weights.exists() else "config only"
        models.append({"name": name, "weights": size, "title": _title(place)})
    return {"zoo": str(zoo.folder()), "models": models}


def _title(place: Path) -> str:
    card = place / zoo.CARD
    if not card.exists():
        return ""
    return card.read_text(encoding="utf-8").splitlines()[0].lstrip("# ")


def show_model(place: Path) -> dict[str, Any]:
    """Return a model's card and scores.

    Raises
    ------
    ModelError
        The folder holds no card.
    """
    card = place / zoo.CARD
    if not card.exists():
        raise ModelError(f"{place}: there is no {zoo.CARD}; `smoecast models verify` checks a run")
    return {
        "model": str(place),
        "card": card.read_text(encoding="utf-8"),
        "scores": zoo.scores(place.name),
    }


def verify_model(place: Path) -> dict[str, Any]:
    """Check checksums, schema and that the weights fit the network.

    Raises
    ------
    ModelError
        Anything is missing, damaged or does not fit.
    """
    state = load_state(place)
    if state.get("kind") in KINDS:
        count = open_calibration(place).parameters
    else:
        count = count_parameters(open_model(place).network)
    return {"model": str(place), "parameters": count, "sha256": state["sha256"]}
