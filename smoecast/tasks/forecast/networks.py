"""Networks that stay open from one forecast to the next; PyTorch is loaded with the first."""

from pathlib import Path
from typing import TYPE_CHECKING

from smoecast.errors import ModelError
from smoecast.tasks.descriptions import Description
from smoecast.tasks.forecast.ensemble import Ensemble
from smoecast.training.model_files import identity_of

if TYPE_CHECKING:
    from smoecast.tasks.forecast_model import Model


class Networks:
    """Networks that have been opened, kept for the next forecast as long as they are the same."""

    def __init__(self) -> None:
        self._opened: dict[str, Model] = {}

    def open(self, ensemble: Ensemble) -> "dict[Path, Model]":
        """Return the networks of an ensemble by the folders of their models.

        Raises
        ------
        ModelError
            One is missing, damaged, or another one than when it was described.
        """
        models = {member.model.folder: member.model for member in ensemble.members}
        found = {folder: self._open(said) for folder, said in models.items()}
        self._opened = {models[folder].identity: model for folder, model in found.items()}
        return found

    def _open(self, said: Description) -> "Model":
        if said.identity in self._opened:
            return self._opened[said.identity]
        from smoecast.nn.memory_format import put_channels_last  # noqa: PLC0415
        from smoecast.tasks.forecast_model import open_model  # noqa: PLC0415

        model = open_model(said.folder)
        if identity_of(model.state) != said.identity:
            raise ModelError(
                f"{said.folder}: the model was replaced while this run began: run again"
            )
        put_channels_last(model.network)
        return model
