# SPDX-License-Identifier: Apache-2.0
"""Does the cost model rank the nodes of models as they are measured on this host?

cost_model.py [--models a,b] [--fit] [--least 0.9]

The zoo's models in float and in int8: Spearman's rank correlation of the times that `inspect` gives the nodes for the host's
profile (with a clock) and those that `bench --per-node` measures, for each model and over all nodes; exit code 1 when that of
all nodes is less than --least. Nodes that another node's kernel does too are left out of both. --fit prints the [cost] table
that predicts the times best (least mean absolute error of their logarithms).
"""
import argparse
import re
import sys
import tempfile
from pathlib import Path

import numpy as np

import zoo

PROFILE = zoo.ROOT / "src" / "targets" / "profiles" / "host.toml"
WORKS = ("conv", "depthwise", "first", "dense")
CLOCK_GHZ = 3.0


def ranks(values):
    """Ranks from 0; equal values share the mean of theirs."""
    values = np.asarray(values)
    return np.array([((values < v).sum() + (values <= v).sum() - 1) / 2 for v in values])


def spearman(a, b):
    return np.corrcoef(ranks(a), ranks(b))[0, 1]


def profiles(folder):
    """The host's profile with a clock, and the same with one more cycle an element."""
    text = PROFILE.read_text().replace("[device]\n", f'[device]\nclock = "{CLOCK_GHZ} GHz"\n')
    (folder / "host.toml").write_text(text)
    element = re.search(r"^element = ([0-9.]+)", text, re.M)
    more = re.sub(r"^element = [0-9.]+", f"element = {float(element[1]) + 1}", text, flags=re.M) if element else text + "\n[cost]\nelement = 1\n"
    (folder / "more.toml").write_text(more)
    return folder / "host.toml", folder / "more.toml"


def node_times(path, targets):
    """(cost, elements, measured microseconds) of every node that both know."""
    plain, more = ({cost["node"].split("'")[1]: cost for cost in zoo.edgesmith("inspect", path, "--target", target)["target"]["nodes"]
                    if "'" in cost["node"]} for target in targets)
    best = {}
    for _ in range(3):  # the fastest of three: others work on this machine too
        for kernel in zoo.edgesmith("bench", path, "--per-node", "--threads", 1)["kernels"]:
            if "median_us" in kernel and kernel["node"] in plain:
                best[kernel["node"]] = min(best.get(kernel["node"], np.inf), kernel["median_us"])
    return [(plain[node], (more[node]["seconds"] - plain[node]["seconds"]) * CLOCK_GHZ * 1e9, time) for node, time in best.items()]


def fit(nodes):
    """Prints the best [cost] table, found by random steps from a seeded generator."""
    kinds = [(integer, work) for integer in (False, True) for work in WORKS]
    features = np.array([[cost["macs"] if (cost["integer"], cost["work"]) == kind else 0 for kind in kinds] + [elements, 1]
                         for cost, elements, _ in nodes], float)
    measured = np.log([time for *_, time in nodes])
    random = np.random.default_rng(0)
    at = np.log([1 / (CLOCK_GHZ * 1e3 * (50 if integer else 20)) for integer, _ in kinds] + [0.5 / (CLOCK_GHZ * 1e3), 0.3])
    least = np.inf
    for _ in range(30000):
        tried = at + random.normal(0, 0.2, len(at)) * (random.random(len(at)) < 0.3)
        error = np.abs(np.log(features @ np.exp(tried)) - measured).mean()
        if error < least:
            at, least = tried, error
    text = PROFILE.read_text()
    peak = {False: float(re.search(r"f32 = ([0-9.]+)", text)[1]), True: float(re.search(r"i8 = ([0-9.]+)", text)[1])}
    rates = np.exp(-at[:-2]) / (CLOCK_GHZ * 1e3)
    print(f"mean error {100 * (np.exp(least) - 1):.0f} %\n[cost]\nelement = {np.exp(at[-2]) * CLOCK_GHZ * 1e3:.2g}\nnode = \"{np.exp(at[-1]) * 1000:.0f} ns\"")
    for integer, name in ((False, "f32"), (True, "i8")):
        shares = ", ".join(f"{work} = {rate / peak[integer]:.2g}" for (kind, work), rate in zip(kinds, rates) if kind == integer)
        print(f"{name} = {{ {shares} }}")
    predicted = features @ np.exp(at)
    print(f"rank correlation with this table: {spearman(predicted, measured):.3f}")


def main():
    zoo.need_zoo()
    parser = argparse.ArgumentParser()
    parser.add_argument("--models", default="")
    parser.add_argument("--fit", action="store_true")
    parser.add_argument("--least", type=float, default=0.9)
    args = parser.parse_args()
    chosen = args.models.split(",") if args.models else [m.name for m in zoo.MODELS]
    everything = []
    print("| model | precision | nodes | rank correlation |")
    print("| --- | --- | --- | --- |")
    for model in (m for m in zoo.MODELS if m.name in chosen):
        with tempfile.TemporaryDirectory() as folder:
            targets = profiles(Path(folder))
            simple, int8 = Path(folder) / "simple.onnx", Path(folder) / "int8.onnx"
            zoo.edgesmith("simplify", model.path, "-o", simple)
            zoo.edgesmith("quantize", model.path, "-o", int8, "--calib", zoo.data_file(model, "train"), "--calib-limit", 8, "--target", "host",
                          "--calibrator", "minmax", "--no-bias-correction")
            for precision, path in (("float", simple), ("int8", int8)):
                nodes = node_times(path, targets)
                everything += nodes
                own = spearman([cost["seconds"] for cost, *_ in nodes], [time for *_, time in nodes])
                print(f"| {model.name} | {precision} | {len(nodes)} | {own:.3f} |", flush=True)
    overall = spearman([cost["seconds"] for cost, *_ in everything], [time for *_, time in everything])
    print(f"| all | | {len(everything)} | {overall:.3f} |")
    if args.fit:
        fit(everything)
    if overall < args.least:
        sys.exit(f"the rank correlation is {overall:.3f}, less than {args.least}")


main()
