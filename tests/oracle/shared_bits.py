# SPDX-License-Identifier: Apache-2.0
"""Bits that layers share, beside equal bits in the same bytes; and rate-aware codes, packed: accuracy in ONNX Runtime, bytes.

usage: shared_bits.py [--models resnet20-cifar10,lenet-5-mnist] [--bits 4,3] [--pass quantize|share] [--samples 1024] [--sets 5]
       shared_bits.py --sizes 75000,124000 [--models resnet20-cifar10] [--pass quantize|share] [--sets 3]

Calibrates on unlabelled training samples, --sets times on others of them, and measures on the whole test set. Fails when
shared bits are expected to do worse than equal ones, or a packed file takes more than its size and 6 kB for the graph and
the biases.
"""
import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np

import zoo

REST = 6000  # bytes of graph and biases


def compress(model, out, calibration, command, *options):
    """Writes `out`; returns the bytes of it packed, and the notes."""
    report = zoo.edgesmith(command, model.path, "-o", out, "--force", "--calib", calibration, *options)
    packed = out.with_suffix(".esm")
    zoo.edgesmith("pack", out, "-o", packed, "--force")
    return packed.stat().st_size, report["steps"][-1]["notes"]


def calibration_sets(model, folder, samples, count):
    """`count` files of as many training samples each, no sample in two of them."""
    x, _ = zoo.raw(model.data, "train")
    for k in range(count):
        np.savez(folder / f"calibration-{k}.npz", x=x[k :: len(x) // samples][:samples])
        yield zoo.described(model, folder / f"calibration-{k}.npz", folder / f"calibration-{k}.toml")


def expected_sqnr(notes):
    """What the plan expects of shared bits and of equal ones, in dB."""
    note = next(n for n in notes if n.startswith("bits are shared out"))
    return [float(part.split(" dB")[0].split(" ")[-1]) for part in note.split(";")]


class Judge:
    """How near a model answers to the float one, over the whole test set in ONNX Runtime."""

    NAMES = ["top-1", "answers as the float model", "SQNR in dB", "KL"]

    def __init__(self, model):
        self.x, self.labels = zoo.inputs(model, "test")
        self.floats = self.outputs(model.path)
        self.top1 = self.percent(self.floats, self.labels)

    def outputs(self, path):
        return next(iter(zoo.run_onnxruntime(path, self.x).values())).astype(np.float64)

    @staticmethod
    def percent(outputs, labels):
        return 100 * float((outputs.argmax(1) == labels).mean())

    @staticmethod
    def log_softmax(outputs):
        if (outputs >= 0).all() and np.allclose(outputs.sum(1), 1, atol=1e-3):  # the model ends in a Softmax
            return np.log(np.maximum(outputs, 1e-30))
        outputs = outputs - outputs.max(1, keepdims=True)
        return outputs - np.log(np.exp(outputs).sum(1, keepdims=True))

    def __call__(self, path):
        outputs = self.outputs(path)
        p, q = self.log_softmax(self.floats), self.log_softmax(outputs)
        return np.array([self.percent(outputs, self.labels), self.percent(outputs, self.floats.argmax(1)),
                         zoo.sqnr_db(self.floats, outputs), (np.exp(p) * (p - q)).sum(1).mean()])


def compare(model, judge, folder, command, bits, calibrations):
    """Prints both kinds of widths and, over the calibration sets, the mean difference; returns the plans that expect less of shared bits."""
    out = folder / "out.onnx"
    width = ["--weights", f"int{bits}"] if command == "quantize" else ["--bits", bits]
    figures, bad = [], 0
    for calibration in calibrations:
        equal, _ = compress(model, out, calibration, command, *width)
        figures.append([judge(out)])
        mixed, notes = compress(model, out, calibration, command, *width, "--bits-per-layer", "auto")
        figures[-1].append(judge(out))
        shared_db, equal_db = expected_sqnr(notes)
        bad += shared_db < equal_db
        print(f"{model.name} {command} {bits} bits: fp32 {judge.top1:.2f}, equal bits {figures[-1][0][0]:.2f} ({equal} bytes "
              f"packed), shared bits {figures[-1][1][0]:.2f} ({mixed} bytes packed); {notes[0]}; {notes[1]}", flush=True)
    figures = np.array(figures)  # [sets, 2, figures]
    difference = figures[:, 1] - figures[:, 0]
    error = difference.std(0, ddof=1) / np.sqrt(len(figures)) if len(figures) > 1 else np.full(len(judge.NAMES), np.nan)
    for k, name in enumerate(judge.NAMES):
        print(f"  {name}: equal {figures[:, 0, k].mean():.5g}, shared {figures[:, 1, k].mean():.5g}, difference "
              f"{difference[:, k].mean():.3g}, standard error {error[k]:.2g}", flush=True)
    return bad


def main():
    zoo.need_zoo()
    parser = argparse.ArgumentParser()
    parser.add_argument("--models", default="resnet20-cifar10,lenet-5-mnist,lenet-300-100-mnist,mlperf-tiny-ic-resnet8")
    parser.add_argument("--bits", default="4,3")
    parser.add_argument("--pass", dest="command", default="quantize", choices=("quantize", "share"))
    parser.add_argument("--sizes", default="")
    parser.add_argument("--samples", type=int, default=1024)
    parser.add_argument("--sets", type=int, default=1)
    args = parser.parse_args()
    bad = 0
    for model in (m for m in zoo.MODELS if m.name in args.models.split(",")):
        judge = Judge(model)
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            calibrations = list(calibration_sets(model, folder, args.samples, args.sets))
            out = folder / "out.onnx"
            width = ["--weights", "int4"] if args.command == "quantize" else ["--bits", 4]
            for size in (int(s) for s in args.sizes.split(",") if s):
                for k, calibration in enumerate(calibrations):
                    packed, _ = compress(model, out, calibration, args.command, *width, "--rounding", "rate-aware", "--size", size)
                    bad += packed > size + REST
                    top1, same, sqnr, kl = judge(out)
                    print(f"{model.name} {args.command}: fp32 {judge.top1:.2f}, size {size}, set {k}: packed {packed} bytes, top-1 "
                          f"{top1:.2f}, answers as the float model {same:.2f}, SQNR {sqnr:.1f} dB, KL {kl:.4f}", flush=True)
            if not args.sizes:
                bad += sum(compare(model, judge, folder, args.command, bits, calibrations) for bits in args.bits.split(","))
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
