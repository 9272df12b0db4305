"""Records of a dataset: how they are serialised and parsed."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

_HEADER, _FOOTER = 12, 4  # bytes around a record in a TFRecord file


class RecordTemplate:
    """Serialises records by filling in copies of one serialised `tf.train.Example`.

    All records of a dataset have equally many values, so their serialised forms differ only in
    the bytes of those values. Filling these in with numpy is many times faster than protobuf.

    Args:
        channels: recorded channels.
        samples: number of samples of a channel.
        parameters: number p of parameters.
    """

    def __init__(self, channels: tuple[str, ...], samples: int, parameters: int):
        marks = np.random.default_rng(0).random((len(channels), samples), dtype=np.float32)
        key = np.random.default_rng(1).bytes(8 * parameters)
        feature = {
            name: tf.train.Feature(float_list=tf.train.FloatList(value=mark.tolist()))
            for name, mark in zip(channels, marks, strict=True)
        }
        feature["parameters"] = tf.train.Feature(bytes_list=tf.train.BytesList(value=[key]))
        example = tf.train.Example(features=tf.train.Features(feature=feature))
        template = example.SerializeToString(deterministic=True)
        self._template = np.frombuffer(template, np.uint8)
        self._offsets = {
            name: template.index(mark.astype("<f4").tobytes()) for name, mark in zip(channels, marks, strict=True)
        }
        self._parameter_offset = template.index(key)
        self._samples, self._parameters = samples, parameters
        constant = np.ones(len(template), bool)
        for offset in self._offsets.values():
            constant[offset : offset + 4 * samples] = False
        constant[self._parameter_offset : self._parameter_offset + 8 * parameters] = False
        self._constant = np.flatnonzero(constant)

    @property
    def framed_size(self) -> int:
        """Bytes of a record in a TFRecord file: length and its checksum, the record, and the record's checksum."""
        return _HEADER + len(self._template) + _FOOTER

    def serialise(self, parameters: np.ndarray, observed: np.ndarray) -> list[bytes]:
        """Records as bytes, from parameters [n, p] and channels [c, n, samples]."""
        rows = np.tile(self._template, (len(parameters), 1))
        for offset, channel in zip(self._offsets.values(), observed, strict=True):
            values = np.ascontiguousarray(channel, "<f4").view(np.uint8)
            rows[:, offset : offset + values.shape[1]] = values
        values = np.ascontiguousarray(parameters, "<f8").view(np.uint8)
        rows[:, self._parameter_offset : self._parameter_offset + values.shape[1]] = values
        return [row.tobytes() for row in rows]

    def rows(self, content: bytes) -> np.ndarray | None:
        """Serialised records, uint8 [n, size], from a part of a file; None if these are no such records."""
        if len(content) % self.framed_size:
            return None
        rows = np.frombuffer(content, np.uint8).reshape(-1, self.framed_size)[:, _HEADER:-_FOOTER]
        return rows if (rows[:, self._constant] == self._template[self._constant]).all() else None

    def values(self, rows: np.ndarray, channels: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
        """Inputs [n, c * samples] (float32) and parameters [n, p] (float64), as by `parse`."""
        inputs = np.empty((len(rows), len(channels) * self._samples), np.float32)
        width = 4 * self._samples
        for i, name in enumerate(channels):
            offset = self._offsets[name]
            inputs.view(np.uint8)[:, i * width : (i + 1) * width] = rows[:, offset : offset + width]
        parameters = np.empty((len(rows), self._parameters))
        width = 8 * self._parameters
        parameters.view(np.uint8)[:] = rows[:, self._parameter_offset : self._parameter_offset + width]
        return inputs, parameters


def parse(records: tf.Tensor, channels: tuple[str, ...], samples: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Inputs [n, c * samples] (float32) and parameters [n, p] (float64) of n serialised records."""
    features = {name: tf.io.FixedLenFeature([samples], tf.float32) for name in channels}
    features["parameters"] = tf.io.FixedLenFeature([], tf.string)
    parsed = tf.io.parse_example(records, features)
    parameters = tf.io.decode_raw(parsed["parameters"], tf.float64, little_endian=True)
    return tf.concat([parsed[name] for name in channels], axis=1), parameters
