# SPDX-License-Identifier: Apache-2.0
"""Speed of `edgesmith eval`, pictures decoded from JPEG, beside ONNX Runtime with Pillow: 10 000 test pictures of ResNet-20, two
threads each, in turns. ONNX Runtime in both ways that one would write: picture by picture, and in batches of 64, on two workers with
one thread each; from the first picture on, so without Python's start and the session's. edgesmith: the whole command, float and int8.
Seconds by the clock (quiet machine wanted) and of processor time (meant for a busy one); a ratio is the median of the rounds' ratios.
eval_speed.py [--rounds N] [--model NAME] [--pictures N]"""
import argparse
import os
import resource
import statistics
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime as ort
import zoo
from PIL import Image

THREADS, BATCH = 2, 64
WANTED_FLOAT, WANTED_INT8 = 1.15, 1.5  # times ONNX Runtime in batches, times our own float


class OnnxRuntime:
    def __init__(self, model, files, labels):
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = ort.InferenceSession(str(model.path), options, providers=["CPUExecutionProvider"])
        self.name = self.session.get_inputs()[0].name
        self.model, self.files, self.labels = model, files, labels

    def right(self, index):
        """How many of these pictures, as one batch, are classified as their label says."""
        x = np.stack([np.asarray(Image.open(self.files[i]).convert("RGB")) for i in index]).transpose(0, 3, 1, 2)
        x, labels = zoo.prepared(self.model, x, self.labels[index])
        return int((self.session.run(None, {self.name: x})[0].argmax(1) == labels).sum())

    def top1(self, batch):
        parts = [np.arange(i, min(i + batch, len(self.files))) for i in range(0, len(self.files), batch)]
        with ThreadPoolExecutor(THREADS) as pool:
            return 100 * sum(pool.map(self.right, parts)) / len(self.files)


def processor_seconds(who):
    usage = resource.getrusage(who)
    return usage.ru_utime + usage.ru_stime


def timed(who, job):
    """(seconds by the clock, of processor time, what `job` gave)."""
    clock, processor = time.monotonic(), processor_seconds(who)
    result = job()
    return time.monotonic() - clock, processor_seconds(who) - processor, result


def evaluate(path, data, limit):
    document = zoo.edgesmith("eval", path, "--data", data, "--threads", THREADS, *limit)
    return next(m["value"] for m in document["metrics"] if m["name"] == "top1")


def machine():
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    fields = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    flags = [f for f in ("avx2", "avx_vnni", "avx512f", "avx512_vnni") if f in fields.get("flags", "").split()]
    return f"{fields.get('model name', 'unknown CPU')} ({', '.join(flags)}), {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--model", default="resnet20-cifar10", help="one on CIFAR-10")
    parser.add_argument("--pictures", type=int, default=10000)
    options = parser.parse_args()
    zoo.need_zoo()
    model = next(m for m in zoo.MODELS if m.name == options.model and m.data == "cifar")
    data = zoo.data_file(model, "test")
    names = sorted(p.name for p in (zoo.WORK / "test").iterdir())
    files = [(p, k) for k, name in enumerate(names) for p in sorted((zoo.WORK / "test" / name).iterdir())]
    files = files[:: len(files) // options.pictures]
    limit = ["--data-limit", len(files)] if options.pictures < 10000 else []
    theirs = OnnxRuntime(model, [p for p, _ in files], np.array([k for _, k in files]))
    fixed = isinstance(theirs.session.get_inputs()[0].shape[0], int)
    with tempfile.TemporaryDirectory() as folder:
        int8 = Path(folder) / "int8.onnx"
        subprocess.run([zoo.EDGESMITH, "quantize", model.path, "-o", int8, "-q", "--calib", zoo.data_file(model, "train"),
                        "--calib-limit", "256"], check=True)
        ours, self = resource.RUSAGE_CHILDREN, resource.RUSAGE_SELF
        ways = {"edgesmith": (ours, lambda: evaluate(model.path, data, limit)),
                "edgesmith int8": (ours, lambda: evaluate(int8, data, limit)),
                "ONNX Runtime, picture by picture": (self, lambda: theirs.top1(1))}
        if not fixed:
            ways[f"ONNX Runtime, batches of {BATCH}"] = (self, lambda: theirs.top1(BATCH))
        print(f"{machine()}, onnxruntime {ort.__version__}, {len(files)} pictures", flush=True)
        times = {way: [] for way in ways}
        for _ in range(options.rounds):
            for way, (who, job) in ways.items():
                times[way].append(timed(who, job))
    for way, rounds in times.items():
        print(f"{way}: {statistics.median(t[0] for t in rounds):.2f} s, {statistics.median(t[1] for t in rounds):.2f} s of processor time, "
              f"top-1 {rounds[0][2]:.2f} %")

    def ratio(slower, faster, wanted):
        columns = [[s[k] / f[k] for s, f in zip(times[slower], times[faster])] for k in (0, 1)]
        clock, processor = (f"{statistics.median(c):.2f} ({min(c):.2f} to {max(c):.2f})" for c in columns)
        print(f"{faster} over {slower}: {clock} times as fast by the clock, {processor} by processor time" + (f" (at least {wanted})" if wanted else ""))

    for way in list(ways)[2:]:
        ratio(way, "edgesmith", WANTED_FLOAT if str(BATCH) in way or fixed else None)
    ratio("edgesmith", "edgesmith int8", WANTED_INT8)


main()
