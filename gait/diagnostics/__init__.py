"""How good the estimates of a network are."""
