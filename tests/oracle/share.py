# SPDX-License-Identifier: Apache-2.0
"""`edgesmith share` beside scikit-learn's k-means at the same bits and groups, on zoo models.

For every setting: is the plain clustering never worse than k-means++ with 4 starts (squared error, every codebook)? Does
ONNX Runtime load the shared file, give our outputs, and is the file less than half? Needs scikit-learn.

    python tests/oracle/share.py [MODEL ...]
"""
import os
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # small problems: threads only wait for each other

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper
from sklearn.cluster import KMeans

import zoo

GROUP = 16
SLACK = 1 + 1e-6  # entries are stored as 32-bit floats


def edgesmith(*words):
    subprocess.run([zoo.EDGESMITH, *map(str, words), "-q"], check=True)


def weights(path):
    model = onnx.load(path)
    return {i.name: numpy_helper.to_array(i) for i in model.graph.initializer if len(i.dims) >= 2}


def squared(a, b):
    return float(((a.astype(np.float64) - b) ** 2).sum())


def groups_of(weight, axis):
    channels = weight.shape[axis]
    count = -(-channels // GROUP)
    run = -(-channels // count)
    return [weight.take(range(first, min(channels, first + run)), axis) for first in range(0, channels, run)]


def compare_clusters(before, after, bits):
    """Squared errors of ours and of scikit-learn's over all tensors that were shared; fails where ours is larger."""
    ours_sum = theirs_sum = 0.0
    for name, dense in before.items():
        shared = after.get(name)
        if shared is None or shared.shape != dense.shape or np.array_equal(shared, dense):
            continue
        axis = 0 if dense.ndim == 4 or len(np.unique(groups_of(shared, 0)[0])) <= 2**bits else 1
        for ours, wanted in zip(groups_of(shared, axis), groups_of(dense, axis)):
            points = wanted.reshape(-1, 1).astype(np.float64)
            clusters = min(2**bits, len(np.unique(points)))
            theirs = KMeans(clusters, n_init=4, random_state=0).fit(points).inertia_
            error = squared(ours, wanted)
            assert error <= theirs * SLACK + 1e-12, f"{name}: {error} against {theirs}"
            ours_sum += error
            theirs_sum += theirs
    return ours_sum, theirs_sum


def run_ort(path, feed):
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: feed})[0]


def input_of(path):
    value = onnx.load(path).graph.input[0]
    dims = [d.dim_value or 4 for d in value.type.tensor_type.shape.dim]
    return np.random.default_rng(0).normal(size=dims).astype(np.float32)


def check(model, folder):
    feed = input_of(model)
    np.save(folder / "x.npy", feed)
    for bits in (3, 4):
        shared, dense = folder / "shared.onnx", folder / "dense.onnx"
        edgesmith("share", model, "-o", shared, "--force", "--bits", bits, "--repair", "none")
        edgesmith("simplify", shared, "-o", dense, "--force", "--dense")
        edgesmith("infer", shared, "--data", folder / "x.npy", "-o", folder / "ours.npz", "--force")
        ours = next(iter(np.load(folder / "ours.npz").values()))
        theirs = run_ort(shared, feed)
        difference = float(np.abs(ours - theirs).max() / np.abs(theirs).max())
        assert difference < 1e-4, f"{model}: ONNX Runtime differs by {difference}"
        a, b = compare_clusters(weights(model), weights(dense), bits)
        sizes = [p.stat().st_size for p in (Path(model), shared)]
        assert sizes[1] < 0.5 * sizes[0], sizes
        print(f"{Path(model).stem} {bits} bits: {sizes[0]} -> {sizes[1]} bytes, squared error {a:.6g}, "
              f"scikit-learn {b:.6g}, largest difference to ONNX Runtime {difference:.1e}", flush=True)


def main():
    zoo.need_zoo()
    names = sys.argv[1:] or ["lenet-5-mnist", "resnet20-cifar10"]
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            check(zoo.ZOO / f"{name}.onnx", Path(folder))


if __name__ == "__main__":
    main()
