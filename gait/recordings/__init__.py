"""Recordings of real walks: reading them, their steps, and what is certain of them without a model."""
