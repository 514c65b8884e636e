#!/usr/bin/env python3
"""edgesmith pack beside xz -9e and zstd -19 --ultra: every model named, and stand-ins made of the first float one.

usage: pack.py EDGESMITH MODEL.onnx ... (needs xz and zstd on the PATH, and onnx and numpy)

The stand-ins: `4-bit`: every weight of two or more dims rounded to 15 levels of its channel, as int8 codes with a
DequantizeLinear; `shared`: replaced by the nearest of 16 entries of a k-means codebook of its tensor. Every packed file
is unpacked and compared byte for byte. Exit code 1 when a file does not come back, or a rival is smaller.
"""
import json
import os
import subprocess
import sys
import tempfile

import numpy as np
import onnx
from onnx import helper, numpy_helper


def k_means(values, k, rounds=20):
    centres = np.quantile(values, (np.arange(k) + 0.5) / k)
    for _ in range(rounds):
        index = np.abs(values[:, None] - centres[None]).argmin(1)
        for j in range(k):
            if (index == j).any():
                centres[j] = values[index == j].mean()
    return centres.astype(np.float32)


def shared(model):
    for tensor in model.graph.initializer:
        weights = numpy_helper.to_array(tensor)
        if weights.dtype != np.float32 or weights.ndim < 2 or weights.size < 64:
            continue
        flat = weights.reshape(-1)
        sample = np.random.default_rng(0).choice(flat, min(flat.size, 20000), replace=False)
        centres = np.sort(k_means(sample, 16))
        index = np.searchsorted((centres[1:] + centres[:-1]) / 2, flat)
        tensor.CopyFrom(numpy_helper.from_array(centres[index].reshape(weights.shape), tensor.name))


def four_bit(model):
    made = []
    for tensor in list(model.graph.initializer):
        weights = numpy_helper.to_array(tensor)
        if weights.dtype != np.float32 or weights.ndim < 2 or weights.size < 64:
            continue
        scale = np.abs(weights).reshape(len(weights), -1).max(1) / 7 + 1e-12
        codes = np.rint(weights / scale.reshape([-1] + [1] * (weights.ndim - 1))).astype(np.int8)
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(codes, name + "_codes"))
        model.graph.initializer.append(numpy_helper.from_array(scale.astype(np.float32), name + "_scale"))
        made.append(helper.make_node("DequantizeLinear", [name + "_codes", name + "_scale"], [name], axis=0))
    for node in reversed(made):
        model.graph.node.insert(0, node)


def size_of(command, path):
    return len(subprocess.run(command + [path], stdout=subprocess.PIPE, check=True).stdout)


def row(edgesmith, path, name, folder):
    packed, back = os.path.join(folder, "m.esm"), os.path.join(folder, "back", "m.onnx")
    os.makedirs(os.path.dirname(back), exist_ok=True)
    times = {}
    for command, source, target in (("pack", path, packed), ("unpack", packed, back)):
        done = subprocess.run([edgesmith, command, source, "-o", target, "--force", "--json"], stdout=subprocess.PIPE, check=True)
        document = json.loads(done.stdout)
        times[command] = document["seconds"]
    same = open(path, "rb").read() == open(back, "rb").read()
    # External data are packed as well: the rivals get them, too.
    parts = [path] + [os.path.join(os.path.dirname(path), other) for other in document["model"]["external_data"]]
    xz = sum(size_of(["xz", "-9e", "-c"], part) for part in parts)
    zstd = sum(size_of(["zstd", "-19", "--ultra", "-q", "-c"], part) for part in parts)
    size, ours = document["model"]["bytes"], os.path.getsize(packed)
    elements = document["tensors"]["elements"]
    print(f"| {name} | {size:,} | {xz:,} | {zstd:,} | {ours:,} | {100 * ours / min(xz, zstd) - 100:+.1f} % "
          f"| {size / times['pack'] / 1e6:.1f} | {elements / times['unpack'] / 1e6:.1f} |{'' if same else ' NOT THE SAME'}", flush=True)
    return same and ours <= min(xz, zstd)


def main():
    edgesmith, paths = sys.argv[1], sys.argv[2:]
    good = True
    print("| model | bytes | xz -9e | zstd -19 --ultra | packed | beside the best | pack MB/s | unpack million weights/s |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        for path in paths:
            good &= row(edgesmith, path, os.path.basename(path), folder)
        for name, change in (("4-bit", four_bit), ("shared", shared)):
            model = onnx.load(paths[0])
            change(model)
            path = os.path.join(folder, name + ".onnx")
            onnx.save(model, path)
            good &= row(edgesmith, path, f"{os.path.basename(paths[0])}, {name}", folder)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
