"""Figures and written reports. Only this package draws."""
