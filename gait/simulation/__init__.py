"""Walks of the spring-mass model: the model, two engines, populations, channels and the forward model."""
