"""Figures and written reports: one module for each, which takes data and returns a `Figure` or text."""
