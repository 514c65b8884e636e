# SPDX-License-Identifier: Apache-2.0
"""Does `edgesmith diagnose` find what is wrong?

1. ResNet-20 without node names, one channel of a Conv times 1000 and its reader by 1/1000, int8 per tensor: is that node ranked first and
   its channel named, and does --auto-skip --max-drop 0.5 come within the budget with at most two nodes float?
2. MobileNetV2 int8 per tensor: are depthwise layers the worst, and does the command that is printed first lose at most 3 points?

diagnose.py [--samples N]   (of the test sets; default all)
"""
import argparse
import json
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

import zoo

CHANNEL, FACTOR = 3, 1000


def plant(source, target, which=4):
    """Scales a channel between two Convs with a Relu between them; returns the name of what the first one makes."""
    import onnx
    from onnx import numpy_helper
    model = onnx.load(str(source))
    weights = {i.name: i for i in model.graph.initializer}
    readers = {}
    for node in model.graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    pairs = []
    for node in model.graph.node:
        next_ = readers.get(node.output[0], [])
        if node.op_type != "Conv" or len(next_) != 1 or next_[0].op_type != "Relu":
            continue
        behind = readers.get(next_[0].output[0], [])
        if len(behind) == 1 and behind[0].op_type == "Conv":
            pairs.append((node, behind[0]))
    first, second = pairs[which - 1]

    def change(name, index, factor):
        array = numpy_helper.to_array(weights[name]).copy()
        array[index] *= factor
        weights[name].CopyFrom(numpy_helper.from_array(array, name))

    for name in first.input[1:]:
        change(name, CHANNEL, FACTOR)
    change(second.input[1], (slice(None), CHANNEL), 1 / FACTOR)
    for node in model.graph.node:
        node.name = ""
    onnx.save(model, str(target))
    return first.output[0]


def limits(samples):
    return [] if samples is None else ["--eval-limit", samples]


def planted_channel(folder, samples):
    model = next(m for m in zoo.MODELS if m.name == "resnet20-cifar10")
    planted, int8, mixed = (Path(folder) / name for name in ("planted.onnx", "int8.onnx", "mixed.onnx"))
    value = plant(model.path, planted)
    train = zoo.data_file(model, "train")
    zoo.edgesmith("quantize", planted, "-o", int8, "--per-tensor", "--calib", train, "--calib-limit", 256)
    found = zoo.edgesmith("diagnose", planted, int8, "--auto-skip", "--max-drop", 0.5, "--calib", train, "--calib-limit", 512,
                          "--eval", zoo.data_file(model, "test"), *limits(samples), "-o", mixed, check=False)
    worst, skip = found["nodes"][0], found["auto_skip"]
    named = any(CHANNEL in cause["channels"] for cause in worst["causes"])
    print(f"ResNet-20: planted in {value}, ranked first {worst['selector']} ({100 * worst['share']:.0f} %), channel "
          f"{'named' if named else 'missed'}; {skip['verdict']}; {found['seconds']:.0f} s")
    return worst["selector"] == value and named and skip["met"] and len(skip["nodes"]) <= 2


def mobilenet(folder, samples):
    model = next(m for m in zoo.MODELS if m.name == "mobilenetv2-cifar10")
    train, test, int8 = zoo.data_file(model, "train"), zoo.data_file(model, "test"), Path(folder) / "mobilenet-int8.onnx"
    before = zoo.edgesmith("quantize", model.path, "-o", int8, "--per-tensor", "--calib", train, "--calib-limit", 256, "--eval", test,
                           *limits(samples))
    found = zoo.edgesmith("diagnose", model.path, int8, "--data", train, "--data-limit", 256)
    worst, operators = found["nodes"][0], found["operators"]
    words = shlex.split(found["advice"][0]["command"])[1:]
    done = subprocess.run([zoo.EDGESMITH, *words, "--eval", str(test), *map(str, limits(samples)), "--json", "-q"], cwd=folder,
                          capture_output=True, text=True)
    after = json.loads(done.stdout)["steps"][0]["metric"]
    print(f"MobileNetV2 per tensor: loses {before['steps'][0]['metric']['drop']:.2f} points; worst {worst['node']} ({worst['op']}), "
          f"{operators[0]['op']} {100 * operators[0]['share']:.0f} % of the error; '{found['advice'][0]['leave_out']} "
          f"{found['advice'][0]['flags']}' loses {after['drop']:.2f}; {found['seconds']:.0f} s")
    return "depthwise" in worst["op"] and "depthwise" in operators[0]["op"] and after["drop"] <= 3


def main():
    zoo.need_zoo()
    parser = argparse.ArgumentParser()
    parser.add_argument("--samples", type=int)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        good = [planted_channel(folder, args.samples), mobilenet(folder, args.samples)]
    sys.exit(0 if all(good) else 1)


if __name__ == "__main__":
    main()
