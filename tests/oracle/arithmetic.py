# SPDX-License-Identifier: Apache-2.0
"""Is edgesmith's integer arithmetic that of ONNX Runtime on this CPU? Output codes of int8 zoo models, one by one.

arithmetic.py [--models a,b] [--samples 200] [--target ort-x86] [--arithmetic ort-x86]
"""
import argparse
import tempfile
from pathlib import Path

import numpy as np
import onnx

import zoo


def without_preprocessing(path):
    """The inputs below are ready for the model."""
    model = onnx.load(path)
    del model.metadata_props[:]
    onnx.save(model, path)
    return model


def output_scale(model):
    """The scale of the DequantizeLinear that makes the first output."""
    made_by = {name: node for node in model.graph.node for name in node.output}
    node = made_by[model.graph.output[0].name]
    while node.op_type != "DequantizeLinear":
        node = made_by[node.input[0]]
    scale = next(t for t in model.graph.initializer if t.name == node.input[1])
    return float(onnx.numpy_helper.to_array(scale).reshape(-1)[0])


def main():
    zoo.need_zoo()
    parser = argparse.ArgumentParser()
    parser.add_argument("--models", default="")
    parser.add_argument("--samples", type=int, default=200)
    parser.add_argument("--target", default="ort-x86")
    parser.add_argument("--arithmetic", default="ort-x86")
    args = parser.parse_args()
    chosen = args.models.split(",") if args.models else [m.name for m in zoo.MODELS]
    print("| model | equal codes | within one code | largest difference | same top-1 |")
    print("| --- | --- | --- | --- | --- |")
    for model in (m for m in zoo.MODELS if m.name in chosen):
        with tempfile.TemporaryDirectory() as folder:
            int8, data, out = (Path(folder) / name for name in ("int8.onnx", "x.npz", "out.npz"))
            zoo.edgesmith("quantize", model.path, "-o", int8, "--calib", zoo.data_file(model, "train"), "--calib-limit", 64, "--target", args.target)
            scale = output_scale(without_preprocessing(int8))
            x, _ = zoo.inputs(model, "test")
            x = x[:: max(1, len(x) // args.samples)][: args.samples]
            theirs = next(iter(zoo.run_onnxruntime(int8, x).values()))
            np.savez(data, **{onnx.load(int8).graph.input[0].name: x})
            zoo.edgesmith("infer", int8, "--data", data, "-o", out, "--arithmetic", args.arithmetic)
            ours = next(iter(np.load(out).values()))
            steps = np.abs(ours - theirs) / scale
            print(f"| {model.name} | {100 * (steps < 0.5).mean():.3f} % | {100 * (steps < 1.5).mean():.3f} % | {steps.max():.0f} "
                  f"| {100 * (ours.argmax(1) == theirs.argmax(1)).mean():.2f} % |", flush=True)


main()
