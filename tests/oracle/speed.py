# SPDX-License-Identifier: Apache-2.0
"""Time and peak memory of quantizing ResNet-20 (256 pictures, all 10 000 evaluated before and after), edgesmith and
onnxruntime.quantization in turns; then peak memory with 256 and 4096 pictures; then the time of quantizing alone, without
evaluation, of two models with few options and with the defaults. speed.py [ROUNDS]"""
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import zoo

MODEL = next(m for m in zoo.MODELS if m.name == "resnet20-cifar10")
FAST = ["--calibrator", "minmax", "--no-bias-correction"]
# Model, pictures, options, and how many times as fast as onnxruntime.quantization it should be.
ALONE = [(MODEL.name, 256, FAST, 4), (MODEL.name, 256, [], 1),
         ("efficientnet-lite0-imagenet", 100, FAST, 5), ("efficientnet-lite0-imagenet", 100, [], 1)]


def measured(command):
    """(wall seconds, peak MiB) of one process."""
    start = time.monotonic()
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        raise SystemExit(f"{command}: status {status}")
    return time.monotonic() - start, usage.ru_maxrss / 1024


def quantize(out, samples, *more, model=MODEL):
    return [zoo.EDGESMITH, "quantize", model.path, "-o", out, "--force", "-q", "--calib", zoo.data_file(model, "train"), "--calib-limit", samples, *more]


def compare_alone(folder, rounds):
    for name, samples, options, wanted in ALONE:
        model = next(m for m in zoo.MODELS if m.name == name)
        ours = quantize(folder / "int8.onnx", samples, *options, model=model)
        theirs = [sys.executable, Path(__file__).with_name("ort_quantize_job.py"), name, samples, folder / "ort.onnx", "--no-eval"]
        times = [(measured(ours)[0], measured(theirs)[0]) for _ in range(rounds)]
        a, b, ratio = (statistics.median(column) for column in zip(*((a, b, b / a) for a, b in times)))
        print(f"{name} {' '.join(options) or 'with the defaults'}: edgesmith {a:.2f} s, onnxruntime {b:.2f} s, "
              f"{ratio:.2f} times as fast (at least {wanted})", flush=True)


def main():
    zoo.need_zoo()
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "int8.onnx"
        ours = quantize(out, 256, "--eval", zoo.data_file(MODEL, "test"))
        theirs = [sys.executable, Path(__file__).with_name("ort_quantize_job.py"), MODEL.name, 256, Path(folder) / "ort.onnx"]
        ratios = []
        for _ in range(rounds):
            a, b = measured(ours), measured(theirs)
            ratios.append(a[0] / b[0])
            print(f"edgesmith {a[0]:.1f} s, {a[1]:.0f} MiB; onnxruntime {b[0]:.1f} s, {b[1]:.0f} MiB; ratio {ratios[-1]:.2f}", flush=True)
        print(f"median ratio {statistics.median(ratios):.2f} (at most 2)")
        peaks = [measured(quantize(out, n))[1] for n in (256, 4096)]
        print(f"peak memory: {peaks[0]:.1f} MiB with 256 pictures, {peaks[1]:.1f} MiB with 4096: {100 * (peaks[1] / peaks[0] - 1):+.1f} % (at most 5)")
        compare_alone(Path(folder), rounds)


main()
