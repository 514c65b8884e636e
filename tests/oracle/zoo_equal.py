# SPDX-License-Identifier: Apache-2.0
"""Are outputs and accuracies of every zoo model those of ONNX Runtime? Prints a table, exits 1 when one is not."""
import sys
import tempfile
from pathlib import Path

import numpy as np

import zoo


def main():
    zoo.need_zoo()
    bad = 0
    print("| model | largest difference / largest value | top-1 edgesmith | top-1 ONNX Runtime | samples apart |")
    print("| --- | --- | --- | --- | --- |")
    for model in zoo.MODELS:
        data = zoo.data_file(model, "test")
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "out.npz"
            zoo.edgesmith("infer", model.path, "--data", data, "-o", out)
            ours = dict(np.load(out))
        x, labels = zoo.inputs(model, "test")
        theirs = zoo.run_onnxruntime(model.path, x)
        worst = max(np.abs(ours[k] - v).max() / np.abs(v).max() for k, v in theirs.items())
        logits = next(iter(theirs))
        right = int((theirs[logits].argmax(1) == labels).sum())
        report = zoo.edgesmith("eval", model.path, "--data", data)
        ours_right = round(report["metric"]["value"] / 100 * len(labels))
        apart = abs(ours_right - right)
        bad += worst > 1e-4 or apart > 2
        print(f"| {model.name} | {worst:.1e} | {report['metric']['value']:.2f} | {100 * right / len(labels):.2f} | {apart} |", flush=True)
    sys.exit(1 if bad else 0)


main()
