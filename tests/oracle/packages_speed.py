# SPDX-License-Identifier: Apache-2.0
"""Latency of the models that PyPI packages carry (packages.py fetches them) beside ONNX Runtime, one thread, inputs of the
packages' own kind, in turns: the least time of each, and their ratio.

packages_speed.py [--rounds N] [--only TEXT] [FOLDER]    FOLDER: where the wheels are, or go (default build/packages)
"""
import argparse
import json
import subprocess
import tempfile
import time
from pathlib import Path

import onnxruntime as ort
from onnx import numpy_helper

import packages
import zoo

SECONDS = 1.0  # of ONNX Runtime's runs in a round


def theirs(session, given):
    least, start = float("inf"), time.perf_counter()
    while time.perf_counter() - start < SECONDS:
        begin = time.perf_counter()
        session.run(None, given)
        least = min(least, time.perf_counter() - begin)
    return least * 1e6


def ours(path, folder):
    command = [zoo.EDGESMITH, "bench", path, "--data", folder, "--runs", "30", "--json", "-q"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=600)
    if done.returncode != 0:
        raise SystemExit(f"{path}: {done.stderr.strip()}")
    return json.loads(done.stdout)["latency_us"]["min"]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=Path(__file__).parents[2] / "build" / "packages")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    print("| model | ONNX Runtime | edgesmith | ratio |\n| --- | --- | --- | --- |")
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
            times = [(theirs(session, given), ours(path, folder)) for _ in range(arguments.rounds)]
        a, b = (min(column) for column in zip(*times))
        print(f"| {path.parent.name}/{path.name} | {a:.0f} us | {b:.0f} us | {a / b:.2f} |", flush=True)


if __name__ == "__main__":
    main()
