"""Names that need torch come when they are asked for, and say so where torch is missing."""

import sys

import pytest

import ntputils


@pytest.fixture
def without(monkeypatch):
    """`without("torch")`: as if that module were not installed."""
    def hide(name):
        for module in ("ntputils.models", "ntputils.train"):
            monkeypatch.delitem(sys.modules, module, raising=False)
        monkeypatch.setitem(sys.modules, name, None)
    return hide


def test_names_that_are_not_there():
    with pytest.raises(AttributeError, match="module 'ntputils' has no attribute 'nothing'"):
        ntputils.nothing


def test_the_models_come_when_they_are_asked_for():
    from ntputils import models, train

    assert ntputils.build_model is models.build_model and ntputils.fit is train.fit


def test_a_missing_torch_is_named(without):
    without("torch")
    with pytest.raises(ImportError, match="ntputils.build_model needs torch, which is not installed: pip install torch"):
        ntputils.build_model


def test_another_missing_module_speaks_for_itself(without):
    without("ntputils.models")
    with pytest.raises(ModuleNotFoundError, match="ntputils.models"):
        ntputils.build_model
