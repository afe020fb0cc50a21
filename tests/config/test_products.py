"""The words that say what `postprocess` writes."""

import pytest

from smoecast.config.products import Products, products
from smoecast.events import Event


def test_words_worked() -> None:
    found = products(["members", "quantiles=0.9:0.1", "probabilities=t2m>273.15:z500<5.2e4"])
    events = (Event("t2m", True, 273.15), Event("z500", False, 52000.0))
    assert found == Products(True, False, False, (0.1, 0.9), events)
    assert products(["mean", "std"]) == Products(False, True, True, (), ())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["mode"], "'mode' is unknown or there twice"),
        (["mean", "mean"], "'mean' is unknown or there twice"),
        (["quantiles"], "'quantiles' says too little"),
        (["mean=3"], "'mean=3' says too little or too much"),
        ([], "nothing would be written"),
        (["quantiles=0.5:1.0"], "'1.0' is no quantile"),
        (["quantiles=half"], "'half' is no quantile"),
        (["probabilities=t2m=273"], "'t2m=273' is no event"),
        (["probabilities=warm>273"], "'warm>273' is no event"),
        (["probabilities=t2m>cold"], "'t2m>cold' is no event"),
    ],
)
def test_every_refusal(words: list[str], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        products(words)
