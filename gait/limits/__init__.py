"""What any estimator can know of walkers, before a network is trained."""
