# SPDX-License-Identifier: Apache-2.0
"""Bits that layers share, beside equal bits in the same bytes; and rate-aware codes, packed: accuracy in ONNX Runtime, bytes.

usage: shared_bits.py [--models resnet20-cifar10,lenet-5-mnist] [--bits 4,3] [--pass quantize|share] [--samples 1024]
       shared_bits.py --sizes 75000,124000 [--models resnet20-cifar10]

Calibrates on unlabelled training samples, measures on the whole test set. Fails when shared bits are expected to do
worse than equal ones, or a packed file takes more than its size and 6 kB for the graph and the biases.
"""
import argparse
import sys
import tempfile
from pathlib import Path

import zoo

REST = 6000  # bytes of graph and biases


def compress(model, out, samples, command, *options):
    """Writes `out`; returns the bytes of it packed, and the notes."""
    report = zoo.edgesmith(command, model.path, "-o", out, "--force", "--calib", zoo.data_file(model, "train"), "--calib-limit",
                           samples, *options)
    packed = out.with_suffix(".esm")
    zoo.edgesmith("pack", out, "-o", packed, "--force")
    return packed.stat().st_size, report["steps"][-1]["notes"]


def expected_sqnr(notes):
    """What the plan expects of shared bits and of equal ones, in dB."""
    note = next(n for n in notes if n.startswith("bits are shared out"))
    return [float(part.split(" dB")[0].split(" ")[-1]) for part in note.split(";")]


def main():
    zoo.need_zoo()
    parser = argparse.ArgumentParser()
    parser.add_argument("--models", default="resnet20-cifar10,lenet-5-mnist,lenet-300-100-mnist,mlperf-tiny-ic-resnet8")
    parser.add_argument("--bits", default="4,3")
    parser.add_argument("--pass", dest="command", default="quantize", choices=("quantize", "share"))
    parser.add_argument("--sizes", default="")
    parser.add_argument("--samples", type=int, default=1024)
    args = parser.parse_args()
    bad = 0
    for model in (m for m in zoo.MODELS if m.name in args.models.split(",")):
        x, labels = zoo.inputs(model, "test")
        top1 = lambda path: 100 * float((next(iter(zoo.run_onnxruntime(path, x).values())).argmax(1) == labels).mean())
        floats = top1(model.path)
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "out.onnx"
            for size in (int(s) for s in args.sizes.split(",") if s):
                packed, _ = compress(model, out, args.samples, "quantize", "--weights", "int4", "--rounding", "rate-aware",
                                     "--size", size)
                bad += packed > size + REST
                print(f"{model.name}: fp32 {floats:.2f}, size {size}: packed {packed} bytes, top-1 {top1(out):.2f}", flush=True)
            if args.sizes:
                continue
            for bits in args.bits.split(","):
                width = ["--weights", f"int{bits}"] if args.command == "quantize" else ["--bits", bits]
                equal, _ = compress(model, out, args.samples, args.command, *width)
                equal_top1 = top1(out)
                mixed, notes = compress(model, out, args.samples, args.command, *width, "--bits-per-layer", "auto")
                shared_db, equal_db = expected_sqnr(notes)
                bad += shared_db < equal_db
                print(f"{model.name} {args.command} {bits} bits: fp32 {floats:.2f}, equal bits {equal_top1:.2f} ({equal} bytes "
                      f"packed), shared bits {top1(out):.2f} ({mixed} bytes packed); {notes[0]}; {notes[1]}", flush=True)
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
