"""The examples in the docstrings of the analysis hold."""

import doctest
import importlib
import pkgutil

import pytest

import analysis

NAMES = [module.name for module in pkgutil.walk_packages(analysis.__path__, "analysis.")]


@pytest.mark.parametrize("name", NAMES)
def test_examples_hold(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_some_modules_have_examples() -> None:
    modules = [importlib.import_module(name) for name in NAMES]
    assert sum(bool(test.examples) for module in modules for test in doctest.DocTestFinder().find(module)) >= 3
