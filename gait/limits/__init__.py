"""Limits of what any estimator can know of a walker, found before a network is trained."""
