"""Figures and written reports: functions that take data and return figures or text. The only package that draws."""
