"""The models of options: complete, bounded, immutable, and the same whichever way a default is written."""

from typing import Any

import pytest
from pydantic import ValidationError

from baselines.registry import METHODS
from suite import options
from suite.agents import AGENTS
from suite.environments import ENVIRONMENTS
from suite.options import Entry, Options, PrunerOptions

GROUPS = [model for model in vars(options).values() if isinstance(model, type) and issubclass(model, Options)]
MODELS = [*GROUPS, *(entry.options for table in (AGENTS, ENVIRONMENTS, METHODS) for entry in table.values())]
FIELDS = [(model, name) for model in dict.fromkeys(MODELS) for name in model.model_fields]


@pytest.mark.parametrize("model, name", FIELDS, ids=lambda value: getattr(value, "__name__", value))
def test_every_option_has_a_text_a_sound_default_and_bounds(model: type[Options], name: str) -> None:
    field = model.model_fields[name]
    assert 8 < len(field.description or "") < 160
    assert getattr(model.model_validate({name: field.default}), name) == getattr(model(), name)
    numbers = () if field.annotation is str else (float("nan"),)  # N:M may be written without quotation marks
    for wrong in (*numbers, [], {}):
        with pytest.raises(ValidationError):
            model.model_validate({name: wrong})
    if isinstance(field.default, int | float) and not isinstance(field.default, bool):
        with pytest.raises(ValidationError):
            model.model_validate({name: -1})


@pytest.mark.parametrize("model", dict.fromkeys(MODELS))
def test_options_are_immutable_and_have_no_unknown_names(model: type[Options]) -> None:
    assert hash(model()) == hash(model()) and model() == model()
    with pytest.raises(ValidationError):
        model.model_validate({"nonsense": 1})
    for name in model.model_fields:
        with pytest.raises(ValidationError):
            setattr(model(), name, None)


@pytest.mark.parametrize(
    "given, distribution",
    [
        ({}, "erk"),
        ({"structure": "unstructured"}, "erk"),
        ({"structure": "2:4"}, "uniform"),
        ({"structure": "units", "distribution": "erk"}, "erk"),
        ({"distribution": "global"}, "global"),
    ],
)
def test_the_default_distribution_is_named(given: dict[str, Any], distribution: str) -> None:
    assert PrunerOptions(**given).distribution == distribution


def test_an_entry_makes_its_part() -> None:
    class Times(Options):
        factor: int = 2

    entry = Entry(lambda number, given: number * given.factor, Times)
    assert (entry.make(3), entry.make(3, factor=5)) == (6, 15)
    assert Entry("math:isqrt", Times).load()(9) == 3
