"""One function for each use of evaluate.py."""
