"""Shards as another program, or a failing disk, would have written them."""

from __future__ import annotations

import json

import tensorflow as tf

from gait.storage import files


def rewrite_with(folder, name, change=lambda records: None, serialise=tf.train.Example.SerializeToString):
    """Replaces a shard by one with changed records, or otherwise serialised, and a manifest that agrees with it."""
    records = [tf.train.Example.FromString(r.numpy()) for r in tf.data.TFRecordDataset(str(folder / name))]
    change(records)
    with tf.io.TFRecordWriter(str(folder / name)) as writer:
        for record in records:
            writer.write(serialise(record))
    content = json.loads((folder / "manifest.json").read_text())
    content["shards"][name] |= {"bytes": (folder / name).stat().st_size, "sha256": files.sha256(folder / name)}
    del content["checksum"]
    files.write_sealed(folder / "manifest.json", content)
