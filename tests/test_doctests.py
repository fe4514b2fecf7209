"""The examples in docstrings hold."""

import doctest
import importlib
import pkgutil

import pytest

import analysis
import baselines
import suite

PACKAGES = (suite, baselines, analysis)
NAMES = [
    module.name for package in PACKAGES for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
]


@pytest.mark.parametrize("name", NAMES)
def test_examples_hold(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0


@pytest.mark.parametrize("name", ["suite.eaudeqn", "suite.layers", "analysis.page.page"])
def test_examples_are_found(name: str) -> None:
    assert any(test.examples for test in doctest.DocTestFinder().find(importlib.import_module(name)))
