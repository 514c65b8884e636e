# SPDX-License-Identifier: Apache-2.0
"""Speed of the models that PyPI packages carry (packages.py fetches them) beside ONNX Runtime, one thread, inputs of the
packages' own kind: the processor time of a run, which other work on the machine changes little, in turns; medians, and the
ratio of them (above 1: edgesmith is faster).

packages_speed.py [--rounds N] [--only TEXT] [FOLDER]    FOLDER: where the wheels are, or go (default build/packages)
"""
import argparse
import resource
import statistics
import subprocess
import tempfile
import time
from math import prod
from pathlib import Path

import onnxruntime as ort
from onnx import numpy_helper

import packages
import zoo

SECONDS = 0.3  # of processor time that ONNX Runtime's runs of a round take, about
FEWEST = 8  # runs of a round
WARM = 2  # runs of ours whose time, with that of starting and compiling, is taken away


def theirs(session, given, runs):
    start = time.process_time()
    for _ in range(runs):
        session.run(None, given)
    return (time.process_time() - start) / runs * 1e6


def runs_of(session, given):
    for _ in range(WARM):
        session.run(None, given)
    start, runs = time.process_time(), 0
    while time.process_time() - start < SECONDS or runs < FEWEST:
        session.run(None, given)
        runs += 1
    return runs


def spent(path, folder, runs):
    """The processor time of a process that runs the model so many times."""
    def children():
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    command = [zoo.EDGESMITH, "bench", path, "--data", folder, "--runs", runs, "--warmup", WARM, "-q"]
    before = children()
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=600)
    if done.returncode != 0:
        raise SystemExit(f"{path}: {done.stderr.strip()}")
    return children() - before


def ours(path, folder, runs):
    return (spent(path, folder, runs + WARM) - spent(path, folder, WARM)) / runs * 1e6


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=Path(__file__).parents[2] / "build" / "packages")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    print("| model | ONNX Runtime | edgesmith | ratio |\n| --- | --- | --- | --- |")
    ratios = []
    for path in packages.fetch(arguments.folder):
        if arguments.only not in str(path):
            continue
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 4
        session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        given = packages.inputs_of(path, session)
        with tempfile.TemporaryDirectory() as folder:
            for index, (name, value) in enumerate(given.items()):
                (Path(folder) / f"input_{index}.pb").write_bytes(numpy_helper.from_array(value, name).SerializeToString())
            runs = runs_of(session, given)
            times = [(theirs(session, given, runs), ours(path, folder, runs)) for _ in range(arguments.rounds)]
        a, b = (statistics.median(column) for column in zip(*times))
        ratios.append(a / b)
        print(f"| {path.parent.name}/{path.name} | {a:.0f} us | {b:.0f} us | {a / b:.2f} |", flush=True)
    if ratios:
        print(f"\ngeometric mean {prod(ratios) ** (1 / len(ratios)):.2f} over {len(ratios)}, {sum(r < 1 for r in ratios)} below 1")


if __name__ == "__main__":
    main()
