"""Fixtures of the tests of training."""

from __future__ import annotations

import pytest


@pytest.fixture
def no_figure(monkeypatch):
    """Training draws no learning curves: for tests that look at something else and would wait for the drawing."""
    monkeypatch.setattr("gait.training.fitting._draw_learning_curves", lambda *arguments: None)


@pytest.fixture
def cut_after_checkpoint(monkeypatch):
    """Calls a function that trains, and ends it like a power cut as soon as its first checkpoint is written."""
    from gait.training.state import TrainingState

    class PowerCut(BaseException):
        pass

    def cut(training, *arguments, **options):
        honest = TrainingState._save

        def save_and_die(self, finished):
            honest(self, finished)
            raise PowerCut

        with monkeypatch.context() as patch:
            patch.setattr(TrainingState, "_save", save_and_die)
            with pytest.raises(PowerCut):
                training(*arguments, **options)

    return cut
