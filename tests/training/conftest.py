"""Fixtures of the tests of training."""

from __future__ import annotations

import pytest


@pytest.fixture
def no_figure(monkeypatch):
    """Training draws no learning curves: for tests that look at something else and would wait for the drawing."""
    monkeypatch.setattr("gait.training.fitting._draw_learning_curves", lambda *arguments: None)
