"""Datasets on disk: TFRecord shards and a manifest; writing, resuming, auditing and reading."""

from gait.dataset.audit import AUDIT_LIMIT, audit_records, rounding
from gait.dataset.reading import Part, Split, load, require_channels, scan
from gait.dataset.records import RecordTemplate, parse, serialised
from gait.dataset.writing import JOURNAL, write

__all__ = [
    "AUDIT_LIMIT",
    "JOURNAL",
    "Part",
    "RecordTemplate",
    "Split",
    "audit_records",
    "load",
    "parse",
    "require_channels",
    "rounding",
    "scan",
    "serialised",
    "write",
]
