# SPDX-License-Identifier: Apache-2.0
"""Accuracy and bytes of `edgesmith quantize` with weights of few bits, in our runtime and in ONNX Runtime, beside the nearest codes.

usage: low_bit.py [--models resnet20-cifar10,resnet56-cifar10] [--bits 4,3,2] [--samples 1024] [-- --block 16]

Calibrates on unlabelled training samples. Fails when ONNX Runtime and we are more than 0.1 points apart.
"""
import argparse
import sys
import tempfile
from pathlib import Path

import zoo


def main():
    zoo.need_zoo()
    parser = argparse.ArgumentParser()
    parser.add_argument("--models", default="resnet20-cifar10,resnet56-cifar10")
    parser.add_argument("--bits", default="4,3,2")
    parser.add_argument("--samples", type=int, default=1024)
    parser.add_argument("rest", nargs="*")
    args = parser.parse_args()
    bad = 0
    print("| model | bits | fp32 | edgesmith | ONNX Runtime | nearest codes | bytes |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for model in (m for m in zoo.MODELS if m.name in args.models.split(",")):
        x, labels = zoo.inputs(model, "test")
        top1 = lambda path: 100 * float((next(iter(zoo.run_onnxruntime(path, x).values())).argmax(1) == labels).mean())
        for bits in args.bits.split(","):
            with tempfile.TemporaryDirectory() as folder:
                out, nearest = Path(folder) / "low.onnx", Path(folder) / "nearest.onnx"
                report = zoo.edgesmith("quantize", model.path, "-o", out, "--weights", f"int{bits}", "--calib",
                                       zoo.data_file(model, "train"), "--calib-limit", args.samples, "--eval",
                                       zoo.data_file(model, "test"), *args.rest)
                zoo.edgesmith("quantize", model.path, "-o", nearest, "--weights", f"int{bits}", "--repair", "none")
                ours, there = report["steps"][-1]["metric"]["value"], top1(out)
                bad += abs(ours - there) > 0.1
                print(f"| {model.name} | {bits} | {top1(model.path):.2f} | {ours:.2f} | {there:.2f} | {top1(nearest):.2f} | "
                      f"{out.stat().st_size} |", flush=True)
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
