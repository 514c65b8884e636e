# SPDX-License-Identifier: Apache-2.0
"""What does it cost to keep 16-bit pair sums from saturating? Top-1 of int8 zoo models by how their weights are bounded.

pair_sums.py [--models a,b] [--calib 256] [--saturating 500] [--haswell 6] [--threads 2]

full      the whole range, right on CPUs with exact sums only; its accuracy where sums saturate is shown beside it
half      every weight by half (what reduce_range of onnxruntime.quantization does)
any two   the two largest weights of a channel sum to 128
pairs     only the weights of pairs that kernels add are bounded

The last three are checked to give the same answers with saturating sums, and `pairs` to give the same outputs in ONNX
Runtime on this CPU and on an emulated one without VNNI (qemu-x86_64-static -cpu Haswell, on so many samples; 0: not). SQNR is
that of the outputs, in decibels. Saturating sums at full range take no fast kernel: they are measured on fewer samples.
"""
import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx

import zoo

RULES = {"full": "off", "half": "half-range", "any two": "on", "pairs": "neighbours"}


RUN = """
import sys, numpy, onnxruntime
session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
x = numpy.load(sys.argv[2])
numpy.save(sys.argv[3], numpy.concatenate([session.run(None, {session.get_inputs()[0].name: x[i : i + 1]})[0] for i in range(len(x))]))
"""


def accuracy(path, data, arithmetic, threads, limit=None):
    some = ["--data-limit", limit] if limit else []
    result = zoo.edgesmith("eval", path, "--data", data, "--arithmetic", arithmetic, "--threads", threads, *some)
    return result["metric"]["value"]


def check_haswell(model, path, samples, folder):
    """Equal outputs in ONNX Runtime with and without VNNI: no pair that it adds saturates."""
    file = onnx.load(path)
    del file.metadata_props[:]
    onnx.save(file, folder / "bare.onnx")
    x, _ = zoo.inputs(model, "test", slice(0, samples))
    np.save(folder / "x.npy", x)
    outputs = []
    for emulator in ([], ["qemu-x86_64-static", "-cpu", "Haswell"]):
        subprocess.run([*emulator, sys.executable, "-c", RUN, folder / "bare.onnx", folder / "x.npy", folder / "y.npy"], check=True,
                       stderr=subprocess.DEVNULL)
        outputs.append(np.load(folder / "y.npy"))
    if not np.array_equal(*outputs):
        raise SystemExit(f"{model.name}: outputs differ by {np.abs(outputs[0] - outputs[1]).max()} on a CPU without VNNI")


def main():
    zoo.need_zoo()
    parser = argparse.ArgumentParser()
    parser.add_argument("--models", default="")
    parser.add_argument("--calib", type=int, default=256)
    parser.add_argument("--saturating", type=int, default=500)
    parser.add_argument("--haswell", type=int, default=6)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    chosen = args.models.split(",") if args.models else [m.name for m in zoo.MODELS]
    print("| model | float | full, exact sums | full, saturating: change | half | any two | pairs | SQNR full / half / any two / pairs | pairs that overflow at full range |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for model in (m for m in zoo.MODELS if m.name in chosen):
        train, test = zoo.data_file(model, "train"), zoo.data_file(model, "test")
        with tempfile.TemporaryDirectory() as folder:
            top1, sqnr = {}, {}
            for rule, word in RULES.items():
                path = Path(folder) / f"{word}.onnx"
                run = zoo.edgesmith("quantize", model.path, "-o", path, "--calib", train, "--calib-limit", args.calib, "--eval", test,
                                    "--pair-safe", word, "--threads", args.threads)
                top1[rule], sqnr[rule] = run["steps"][0]["metric"]["value"], run["steps"][0]["metric"]["sqnr_db"]
                if rule == "full":
                    baseline = run["baseline"]["value"]
                    wrong, right = (accuracy(path, test, arithmetic, args.threads, args.saturating)
                                    for arithmetic in ("x86-u8s8-saturating", "exact-i32"))
                    pairs = zoo.edgesmith("check", path, "--target", "ort-x86", check=False)["saturation"]
                elif (saturating := accuracy(path, test, "x86-u8s8-saturating", args.threads)) != top1[rule]:
                    raise SystemExit(f"{model.name}: {rule}: {saturating} with saturating sums, {top1[rule]} with exact ones")
                if rule == "pairs" and args.haswell:
                    check_haswell(model, path, args.haswell, Path(folder))
            print(f"| {model.name} | {baseline:.2f} | {top1['full']:.2f} | {wrong - right:+.2f} | " +
                  " | ".join(f"{top1[rule]:.2f}" for rule in ("half", "any two", "pairs")) + " | " +
                  " / ".join(f"{sqnr[rule]:.1f}" for rule in RULES) +
                  f" | {100 * pairs['unsafe_pairs'] / pairs['pairs']:.1f} % |", flush=True)


main()
