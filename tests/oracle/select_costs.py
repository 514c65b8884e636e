# SPDX-License-Identifier: Apache-2.0
"""`edgesmith select --costs` on the zoo, held against ONNX Runtime's own clock: is the file it chooses ever slower than the
faster of the float file and the int8 file?

select_costs.py [--models a,b] [--target ort-x86] [--simplify | --int8 FOLDER] [--accuracy] [--blocks N]

Costs by tools/ort-costs.py, again with the mixtures that `select` chose by them measured as a whole until it chooses one of these (or a whole
file); then float, int8 and chosen run in turns, one thread, medians of blocks by the thread's own clock. The ratio is the median over the blocks
of chosen over the faster one. Exit code 1 when one is above 1.03.
"""
import argparse
import importlib.util
import math
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import zoo

MOST = 1.03
ROUNDS = 4
ORT_COSTS = zoo.ROOT / "tools" / "ort-costs.py"


def load(path):
    spec = importlib.util.spec_from_file_location(path.stem.replace("-", "_"), path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def accuracy(model, path):
    x, labels = zoo.inputs(model, "test")
    scores = next(iter(zoo.run_onnxruntime(path, x, threads=1).values()))
    return 100 * float((scores.argmax(1) == labels).mean())


def main():
    zoo.need_zoo()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default="")
    parser.add_argument("--target", default="ort-x86")
    parser.add_argument("--simplify", action="store_true", help="simplify the model before it is quantized")
    parser.add_argument("--int8", type=Path, help="folder of int8 files made before (NAME.onnx), as bench-vs-ort.py leaves in build/bench-int8")
    parser.add_argument("--accuracy", action="store_true", help="also top-1 of all three on the test sets")
    parser.add_argument("--samples", type=int, default=128)
    parser.add_argument("--blocks", type=int, default=15)
    arguments = parser.parse_args()
    ort_costs = load(ORT_COSTS)
    chosen_models = arguments.models.split(",") if arguments.models else [m.name for m in zoo.MODELS]
    print("| model | float us | int8 us | chosen us | float nodes | predicted us | best mixture us | chosen / faster file | range |"
          + (" top-1 float, int8, chosen |" if arguments.accuracy else ""))
    print("| --- |" + " ---: |" * 8 + (" --- |" if arguments.accuracy else ""))
    ratios, slow = [], []
    for model in (m for m in zoo.MODELS if m.name in chosen_models):
        with tempfile.TemporaryDirectory() as folder:
            folder = Path(folder)
            source, int8, costs = model.path, folder / "int8.onnx", folder / "costs.json"
            if arguments.simplify:
                source = folder / "simple.onnx"
                zoo.edgesmith("simplify", model.path, "-o", source)
            if arguments.int8:
                int8 = arguments.int8 / f"{model.name}.onnx"
            else:
                zoo.edgesmith("quantize", source, "-o", int8, "--calib", zoo.data_file(model, "train"), "--calib-limit", arguments.samples,
                              "--target", arguments.target)
            plans, measured = [], []
            for turn in range(ROUNDS):
                subprocess.run([sys.executable, ORT_COSTS, source, int8, "-o", costs, *(f"--plan={p}" for p in plans)], check=True,
                               stderr=subprocess.DEVNULL)
                chosen, plan_file = folder / f"chosen{turn}.onnx", folder / f"plan{turn}.json"
                plan = zoo.edgesmith("select", int8, "--target", arguments.target, "--costs", costs, "--original", source,
                                     "--model-output", chosen, "-o", plan_file)
                choice = [n["node"] for n in plan["nodes"] if n["precision"] == "float32"]
                if plan["precision"] != "mixed" or choice in measured:
                    break
                plans.append(plan_file)
                measured.append(choice)
            runners = [ort_costs.Runner(path) for path in (source, int8, chosen)]
            blocks = [[r.block_us() for r in runners] for _ in range(arguments.blocks)]
            times = [statistics.median(column) for column in zip(*blocks)]
            faster = 0 if times[0] < times[1] else 1
            each = [b[2] / b[faster] for b in blocks]
            ratio = statistics.median(each)
            ratios.append(ratio)
            if ratio > MOST:
                slow.append(model.name)
            text = (f"| {model.name} | {times[0]:.1f} | {times[1]:.1f} | {times[2]:.1f} | {len(choice)} of {len(plan['nodes'])} | {plan['predicted_us']:.1f} "
                    f"| {plan['mixed_us']:.1f} | **{ratio:.3f}** | {min(each):.3f} to {max(each):.3f} |")
            if arguments.accuracy:
                text += " " + ", ".join(f"{accuracy(model, p):.2f}" for p in (source, int8, chosen)) + " |"
            print(text, flush=True)
    mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
    print(f"| geometric mean | | | | | | | **{mean:.3f}** | |")
    if slow:
        print(f"slower than the faster file by more than {100 * (MOST - 1):.0f} %: {', '.join(slow)}")
        sys.exit(1)


main()
