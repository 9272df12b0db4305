"""Exact statements about a walker from what a recording tells."""

from gait.inference.ratio import RatioError, RatioPosterior

__all__ = ["RatioError", "RatioPosterior"]
