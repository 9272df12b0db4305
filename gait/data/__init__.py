"""Datasets on disk: TFRecord shards and a manifest; writing, resuming, auditing and reading."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
