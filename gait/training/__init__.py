"""Training: settings and run folders, network, data feed, training state, fitting."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
