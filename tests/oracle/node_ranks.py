# SPDX-License-Identifier: Apache-2.0
"""Does the cost model rank the nodes of a model as the clock does? Spearman's rank correlation of `inspect --target host` and
`bench --per-node` on this machine, for the zoo's models in float32 and int8 (files of bench-vs-ort.py in build/bench-int8).

node_ranks.py [--models a,b] [--runs N] [--show]
"""
import argparse
import statistics

import numpy as np

import zoo


def ranks(values):
    """Ranks from 0, equal values share the mean of theirs."""
    values = np.asarray(values)
    order = np.argsort(values, kind="stable")
    result = np.empty(len(values))
    result[order] = np.arange(len(values))
    for value in np.unique(values):
        result[values == value] = result[values == value].mean()
    return result


def spearman(a, b):
    return float(np.corrcoef(ranks(a), ranks(b))[0, 1])


def main():
    zoo.need_zoo()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default="")
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--target", default="host", help="profile, or its file")
    parser.add_argument("--show", action="store_true", help="also every node")
    arguments = parser.parse_args()
    chosen = arguments.models.split(",") if arguments.models else [m.name for m in zoo.MODELS]
    print("| model | nodes | rank correlation |\n| --- | ---: | ---: |")
    found = []
    for model in (m for m in zoo.MODELS if m.name in chosen):
        for kind, path in (("float32", model.path), ("int8", zoo.ROOT / "build" / "bench-int8" / f"{model.name}.onnx")):
            if not path.exists():
                continue
            predicted = {n["node"].split("'")[1]: (n["share"], n) for n in zoo.edgesmith("inspect", path, "--target", arguments.target)["target"]["nodes"]}
            measured = {}
            for row in zoo.edgesmith("bench", path, "--per-node", "--runs", arguments.runs)["kernels"]:
                if "median_us" in row and row["kernel"] not in ("quantize", "dequantize", "change layout"):
                    measured[row["node"]] = measured.get(row["node"], 0) + row["median_us"]
            names = [n for n in predicted if n in measured]
            if len(names) < 3:
                continue
            value = spearman([predicted[n][0] for n in names], [measured[n] for n in names])
            found.append(value)
            print(f"| {model.name} {kind} | {len(names)} | {value:.3f} |", flush=True)
            for n in sorted(names, key=lambda n: -measured[n]) if arguments.show else []:
                node = predicted[n][1]
                print(f"    {measured[n]:9.2f} us  {100 * predicted[n][0]:6.2f} %  {node['macs']:>10}  {node['work']} {n}")
    print(f"| median | | **{statistics.median(found):.3f}** |")


main()
