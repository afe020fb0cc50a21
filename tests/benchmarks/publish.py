"""Put a run's model into the zoo, small: routing scores as halves, the choices of experts the same.

Run ``python tests/benchmarks/publish.py RUN/model NAME``. Scores take most of the space where terms
are many, and a forecast needs no more of them than which of a group is the highest: a score that
was the highest, and once rounded is not, is raised to the next half above the others.
"""

import argparse
from pathlib import Path

import torch

from smoecast import zoo
from smoecast.nn.smoe.gates import TensorGate
from smoecast.nn.smoe.layer import SpatialMoE2d
from smoecast.nn.smoe.routing import select
from smoecast.tasks.forecast_model import open_model
from smoecast.training.model_files import load_state, load_tensors, save_model


def halved(scores, how):
    """Scores (E, H, W) as halves that select the same experts."""
    chosen, small = select(scores, how), scores.half()
    highest = torch.unflatten(small, 0, (how.num_selected, how.group_size)).max(dim=1).values
    above = torch.nextafter(highest, torch.tensor(torch.inf, dtype=torch.half))
    lost = select(small, how) != chosen
    small.scatter_(0, chosen, torch.where(lost, above, small.gather(0, chosen)))
    if not torch.equal(select(small, how), chosen):
        raise SystemExit("the halves select other experts")
    return small


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("name")
    asked = parser.parse_args()
    state, tensors = load_state(asked.model), load_tensors(asked.model)
    for name, layer in open_model(asked.model).network.named_modules():
        if isinstance(layer, SpatialMoE2d) and isinstance(layer.gate, TensorGate):
            key = f"{name}.gate.scores"
            tensors[key] = halved(tensors[key], layer.objective.how)
    save_model(zoo.folder() / asked.name, tensors, state)


if __name__ == "__main__":
    main()
