"""Fitting the network: data feed, history and checkpoints, device strategy and the finished model."""

from gait.training.feed import Feed, Moments
from gait.training.fitting import choose_strategy, compiled_network, estimator, train, use_threads_well
from gait.training.journal import R2, Journal

__all__ = [
    "R2",
    "Feed",
    "Journal",
    "Moments",
    "choose_strategy",
    "compiled_network",
    "estimator",
    "train",
    "use_threads_well",
]
