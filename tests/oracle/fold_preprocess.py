# SPDX-License-Identifier: Apache-2.0
"""Do models that `fold-preprocess` made answer like those before it, in ONNX Runtime and here, fed with what a decoder gives?

For every zoo model: largest difference over largest value of all test outputs (ONNX Runtime without optimizations), fed with raw
floats [N,C,H,W] and with bytes [N,H,W,C]; top-1 before and after by `edgesmith eval`; nodes before and after. Exits 1 beyond 1e-5, or
when a top-1 changes."""
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx

import zoo


def distance(a, b):
    return max(np.abs(a[k] - b[k]).max() / np.abs(a[k]).max() for k in a)


def declared(model):
    flags = []
    for key, value in model.preprocess.items():
        text = ",".join(map(repr, value)) if isinstance(value, list) else str(value)
        flags += [f"--{key}", text] if key != "color" else ["--color", value]
    return flags


def main():
    zoo.need_zoo()
    bad = 0
    print("| model | floats | bytes, NHWC | top-1 before | after, bytes | nodes |\n| --- | --- | --- | --- | --- | --- |")
    wanted = [m for m in zoo.MODELS if len(sys.argv) < 2 or m.name in sys.argv[1:]]
    for model in wanted:
        if not {"scale", "mean", "std"} & set(model.preprocess):
            continue
        x, _ = zoo.raw(model.data, "test", 400)
        before = zoo.run_onnxruntime(model.path, zoo.prepared(model, x, None)[0], optimize=False)
        with tempfile.TemporaryDirectory() as folder:
            simple, plain, taken = Path(folder) / "s.onnx", Path(folder) / "f.onnx", Path(folder) / "b.onnx"
            zoo.edgesmith("simplify", model.path, "-o", simple)
            zoo.edgesmith("fold-preprocess", simple, "-o", plain, *declared(model))
            zoo.edgesmith("fold-preprocess", simple, "-o", taken, "--input", "uint8", "--input-layout", "nhwc", *declared(model))
            floats = distance(before, zoo.run_onnxruntime(plain, x.astype(np.float32), optimize=False))
            answers = zoo.run_onnxruntime(taken, np.ascontiguousarray(x.transpose(0, 2, 3, 1)), optimize=False)
            in_bytes = distance(before, answers)
            data = zoo.data_file(model, "test")
            bare = Path(folder) / "data.toml"
            bare.write_text(data.read_text().split("[preprocess]")[0])
            top1 = [zoo.edgesmith("eval", path, "--data", d)["metric"]["value"] for path, d in ((model.path, data), (taken, bare))]
            nodes = [len(onnx.load(path, load_external_data=False).graph.node) for path in (simple, plain)]
        bad += floats > 1e-5 or in_bytes > 1e-5 or top1[0] != top1[1]
        print(f"| {model.name} | {floats:.1e} | {in_bytes:.1e} | {top1[0]:.2f} | {top1[1]:.2f} | {nodes[0]} -> {nodes[1]} |", flush=True)
    sys.exit(1 if bad else 0)


main()
