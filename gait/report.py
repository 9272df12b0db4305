def learning_curves(x): pass
