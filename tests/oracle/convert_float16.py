# SPDX-License-Identifier: Apache-2.0
"""Do models of `edgesmith convert --to fp16` run in ONNX Runtime with the accuracy of the float ones (within 0.05 points), and does
`edgesmith quantize --dynamic` of the zoo's transformer agree with it (cosine above 0.999)?

convert_float16.py [--models a,b] [--samples N]
"""
import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np

import zoo

MOST_DROP, LEAST_COSINE = 0.0501, 0.999  # 0.05 points, whatever the rounding of percents


def first(results):
    return next(iter(results.values()))


def check_model(model, folder, samples):
    out = Path(folder) / f"{model.name}.onnx"
    zoo.edgesmith("convert", model.path, "--to", "fp16", "-o", out, "--calib", zoo.data_file(model, "train"), "--calib-limit", 32)
    x, labels = zoo.inputs(model, "test") if samples is None else zoo.few_inputs(model, "test", samples)
    reference, half = first(zoo.run_onnxruntime(model.path, x)), first(zoo.run_onnxruntime(out, x))
    top1 = [100 * np.mean(y.reshape(len(x), -1).argmax(1) == labels) for y in (reference, half)]
    agreement = 100 * np.mean(reference.reshape(len(x), -1).argmax(1) == half.reshape(len(x), -1).argmax(1))
    share = 100 * out.stat().st_size / model.path.stat().st_size
    print(f"| {model.name} | {top1[0]:.2f} | {top1[1]:.2f} | {agreement:.2f} % | {share:.0f} % |", flush=True)
    return top1[0] - top1[1] <= MOST_DROP


def check_dynamic(folder):
    import onnxruntime as ort
    path = zoo.ZOO / "structures" / "transformer-encoder.onnx"
    out = Path(folder) / "dynamic.onnx"
    zoo.edgesmith("quantize", path, "--dynamic", "-o", out)
    session = ort.InferenceSession(str(out), providers=["CPUExecutionProvider"])
    with np.load(str(path).replace(".onnx", ".npz")) as arrays:
        results = session.run(None, {i.name: arrays[f"in_{i.name}"] for i in session.get_inputs()})
        worst = 1.0
        for output, y in zip(session.get_outputs(), results):
            a, b = arrays[f"out_{output.name}"].ravel().astype(np.float64), y.ravel().astype(np.float64)
            worst = min(worst, float(a @ b / np.sqrt((a @ a) * (b @ b))))
    share = 100 * out.stat().st_size / path.stat().st_size
    print(f"transformer-encoder, dynamic int8: cosine {worst:.6f}, {share:.0f} % of the bytes")
    return worst > LEAST_COSINE


def main():
    zoo.need_zoo()
    parser = argparse.ArgumentParser()
    parser.add_argument("--models", default="")
    parser.add_argument("--samples", type=int)
    args = parser.parse_args()
    chosen = args.models.split(",") if args.models else [m.name for m in zoo.MODELS]
    good = True
    with tempfile.TemporaryDirectory() as folder:
        good = check_dynamic(folder) and good
        print("| model | float32 | float16 | same answers | bytes |\n| --- | --- | --- | --- | --- |")
        for model in (m for m in zoo.MODELS if m.name in chosen):
            good = check_model(model, folder, args.samples) and good
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
