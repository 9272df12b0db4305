"""A dataset as the code of revision c6b8f91 (November 2026) wrote it, before the modules were rearranged.

Its command: python simulate.py --records=10 --seed=3 --duration=0.4 --channels=x --audit=1, format version 2.
"""

import base64
import json
from pathlib import Path

MANIFEST = json.loads("""
{"format_version": 2, "seed": 3, "records": {"train": 8, "validation": 1, "test": 1}, "channels": {"x": "m"},
"parameters": {"mass": "kg", "stiffness": "N/m", "rest_length": "m", "x0": "m", "y0": "m", "vx0": "m/s",
"step_length": "m"}, "priors": {"mass": {"distribution": "uniform", "low": 60.0, "high": 75.0}, "stiffness":
{"distribution": "uniform", "low": 8000.0, "high": 10000.0}, "rest_length": {"distribution": "uniform", "low":
0.6, "high": 0.8}, "x0": {"distribution": "uniform", "low": 0.0, "high": 0.1}, "y0": {"distribution": "uniform",
"low": 0.0, "high": 0.1}, "vx0": {"distribution": "uniform", "low": 0.6, "high": 0.9}, "step_length":
{"distribution": "uniform", "low": 0.45, "high": 0.55}}, "gravity": 10.0, "duration": 0.4, "interval": 0.1,
"samples": 4, "engine": {"name": "taylor", "tolerance": 4e-16}, "shard_count": 1, "identity":
"9b6541e63acb46e6", "outcomes": {"walked": 10, "airborne": 0, "flight": 0, "stumble": 0, "backward": 0, "fall":
0}, "audit": {"records": 1, "limit_m": 1e-06, "worst_m": 7.882583474838611e-15, "worst_record": 9, "sensitive":
{}}, "versions": {"python": "3.11.7", "tensorflow": "2.21.0", "keras": "3.15.1", "numpy": "2.4.6", "scipy":
"1.17.1", "pandas": "3.1.1", "matplotlib": "3.11.2", "numba": "0.68.1"}, "code_revision":
"c6b8f91c47e16c27c030af8fc83571b10f40577e", "shards": {"train-00000-of-00001.tfrecord": {"split": "train",
"records": 8, "bytes": 968, "sha256": "14034d5b8505259345476b3011bea481da0cbbd29b8688c5c5fcfd4a280a1ec6",
"outcomes": [8, 0, 0, 0, 0, 0]}, "validation-00000-of-00001.tfrecord": {"split": "validation", "records": 1,
"bytes": 121, "sha256": "7b308a486293d30e53fa7ed48397652dc23ba4ef2d50f6d018439938ff3e32ea", "outcomes": [1, 0,
0, 0, 0, 0]}, "test-00000-of-00001.tfrecord": {"split": "test", "records": 1, "bytes": 121, "sha256":
"d89bf8b287651b5a32f42967f2632b678452c5ccd66f5a3c0f808ae06fcbb80e", "outcomes": [1, 0, 0, 0, 0, 0]}},
"checksum": "f5d85410ae1af0d9"}
""")
MANIFEST_SHA256 = "019c0ccb7f8ef6f26f05a73639624706b157740071df3cdef3503b11e5d95f72"
PLAN_CHECKSUM = "19ea2149b6f7a20e"
"""Seal of the plan in the first line of the progress log."""
TRAIN_CHECKSUM = "e18f721241d818a6"
"""Seal of the training shard's entry in its second line."""
SHARDS = {
    "train-00000-of-00001.tfrecord": """
aQAAAAAAAAA2CzxuCmcKSgoKcGFyYW1ldGVycxI8CjoKOPDfRwG3B1FARCSEqK0awUArQ/tTEvXoP+9JH0pF4K0/gClsXcRghT8IlamVQV3oP9h3
mP/qFeE/ChkKAXgSFBISChAqAm89zb4KPq+LYz4OqaE+MScTg2kAAAAAAAAANgs8bgpnCkoKCnBhcmFtZXRlcnMSPAo6Cji+NUvKfVBRQJGvUK5c
j8BAVLoIWm+j5T/Hpbobr8OZPy0VamUHoY4//ZQr3F8v6z81XJTcrWPhPwoZCgF4EhQSEgoQeR3OPN6y4z3QalU+mN2jPv0+uy9pAAAAAAAAADYL
PG4KZwpKCgpwYXJhbWV0ZXJzEjwKOgo4hHhHEr0dUECNlOjHcaLBQDnrVT78muc/u2Q9kDAvsT+QWwRHowKUPwKfexqp8+M/5UrpB1004D8KGQoB
eBIUEhIKEIV5iT1ocgY+s7tTPhSIlD5FIt/daQAAAAAAAAA2CzxuCmcKSgoKcGFyYW1ldGVycxI8CjoKOC60QmggO1JAoqFzF5Erw0BmSDUOdJDk
P6D5rDpSQ6E/8pKTgowksT9Qmxg12nHrP0nv0eRFKN8/ChkKAXgSFBISChCSGgo9DEP+PeYrbD6If64+gsP4LWkAAAAAAAAANgs8bgpnCkoKCnBh
cmFtZXRlcnMSPAo6Cji4nWmqxGpRQLQ83XcgM8BAd2EutLtI5D8NlNdzJ1KIP0QYSlQXdpM/L8DPCBTr6j90JniVjLjdPwoZCgF4EhQSEgoQPJFC
PKa4xj3VbUQ+SUCWPjGAV4ppAAAAAAAAADYLPG4KZwpKCgpwYXJhbWV0ZXJzEjwKOgo4Vdx+Jy1nUUBSH0sLUoDBQEBOmPs/kOQ/J9RTqzxrqD90
RcLR4AqPP+CBagI35eY/C3XGWHUE4D8KGQoBeBIUEhIKEOVZQz19Efc9pVNSPvHbmT5FWi5DaQAAAAAAAAA2CzxuCmcKSgoKcGFyYW1ldGVycxI8
CjoKOLMiKCYJqFBA63aEdLysv0Ck1iC/usDlP3LIS4MAqao/WqJbQkZGgz+eO+SSwW3nP78eHE+WyOA/ChkKAXgSFBISChAESFU9C0UBPrE0WD6N
+Zw+N7cf2GkAAAAAAAAANgs8bgpnCkoKCnBhcmFtZXRlcnMSPAo6CjhtlczRZc1OQMXa8cB9+cFANQG+DS555T99G/RfAvKZP7QYN5gk6rY/v71j
esxH4z+7N4MbaCvfPwoZCgF4EhQSEgoQE5DPPNtXuT3+ZS4+RjOHPh5btLw=
""",
    "validation-00000-of-00001.tfrecord": """
aQAAAAAAAAA2CzxuCmcKSgoKcGFyYW1ldGVycxI8CjoKONXyaAxAllFAgqLy4lPrwECDfmaqkDzoP31ZHrWj1qs/VPMskE08pD8kSAIg9rLjP9+d
rePhEuE/ChkKAXgSFBISChAetV49U8ryPQ+FRz6N5ZA+Iw/Jjw==
""",
    "test-00000-of-00001.tfrecord": """
aQAAAAAAAAA2CzxuCmcKSgoKcGFyYW1ldGVycxI8CjoKOH37wGKyKVJAMChFSX9Sw0CGzkuLtAXoP0C7fWhpuHg/UAdaqvNLkj8qSWgAqDfnP521
wnOETOE/ChkKAXgSFBISChBLw8U7lH+iPZaWJT6/LoY+jsNX0Q==
""",
}


def progress_log() -> str:
    """The progress log of that code when it was interrupted after the training shard."""
    last = list(MANIFEST).index("shard_count")
    plan = {key: MANIFEST[key] for key in list(MANIFEST)[: last + 1]}
    name = "train-00000-of-00001.tfrecord"
    lines = plan | {"checksum": PLAN_CHECKSUM}, {name: MANIFEST["shards"][name], "checksum": TRAIN_CHECKSUM}
    return "".join(json.dumps(line) + "\n" for line in lines)


def unpack(folder: Path, *, finished: bool) -> Path:
    """Puts the dataset into a new folder: all of it, or what an interruption after the training shard has left."""
    folder.mkdir()
    for name, content in SHARDS.items():
        if finished or name.startswith("train"):
            (folder / name).write_bytes(base64.b64decode(content))
    if finished:
        (folder / "manifest.json").write_text(json.dumps(MANIFEST, indent=2) + "\n")
    else:
        (folder / "progress.jsonl").write_text(progress_log())
    return folder
