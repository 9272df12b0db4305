"""Posteriors of fresh walkers at a level of noise, kept in a file: minutes of work that is not done twice."""

from __future__ import annotations

import collections

from gait.storage import files
from gait.storage.files import AnyPath

LEVELS = "levels.json"
"""File of `KeptLevels` in a folder of results."""


class KeptLevels(collections.UserDict):
    """Results of `gait.limits.noise.study_noise` by key, read from a file and written to it as they come.

    Args:
        folder: where the file is, or is to be.

    Raises:
        InputError: if the file is not readable.
    """

    def __init__(self, folder: AnyPath):
        super().__init__()
        self._path = folder / LEVELS
        if self._path.exists():
            self.data = files.read_json(self._path, "levels of noise", ())

    def __setitem__(self, key, item) -> None:
        super().__setitem__(key, item)
        files.write_json(self._path, self.data)
