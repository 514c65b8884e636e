#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the nodes of a model cost in ONNX Runtime on this machine, in float32 and in int8, for `edgesmith select --costs`.

ort-costs.py FLOAT.onnx INT8.onnx -o costs.json [--plan plan.json]... [--blocks N] [--profiles N]

INT8.onnx is what `edgesmith quantize` made of FLOAT.onnx. Needs `pip install onnxruntime onnx numpy`.

Both files run on one thread with all of ONNX Runtime's optimizations, in turns. Times of whole runs are measured without the profiler
(medians of blocks); the profiler only says how they are shared out among the nodes, since it slows every node by a few microseconds. A
kernel that does several nodes is charged to the node whose operator it has; the others get no time and the name of that node. The times of a
file's nodes and of what ONNX Runtime inserted add up to the whole run.

A plan that `select -o plan.json --model-output OUT.onnx` wrote is measured as a whole too: ONNX Runtime may move a conversion through a MaxPool or
choose another layout, which no sum of nodes knows. `select` then goes by what was measured.

Conversions are measured in small models that go from float Convs to int8 ones and back, against models of one precision, for several sizes,
so that the changes of layout which ONNX Runtime makes there are counted too.
"""
import argparse
import hashlib
import json
import statistics
import sys
import tempfile
import time
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

SCHEMA = "edgesmith.costs/1"
BLOCK_SECONDS = 0.12
# What runs in the kernel of the node before it, or after it.
FOLLOWERS = ("Relu", "Clip", "Add", "Sum", "Mul", "BatchNormalization", "Sigmoid", "Tanh", "HardSigmoid", "LeakyRelu")
LEADERS = ("Pad",)
# What is never free.
LAYERS = ("Conv", "ConvTranspose", "Gemm", "MatMul")
CONVERSIONS = ("QuantizeLinear", "DequantizeLinear")


def session(model, profile=None, optimized=None):
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    if profile:
        options.enable_profiling = True
        options.profile_file_prefix = profile
        options.optimized_model_filepath = optimized
    return ort.InferenceSession(model if isinstance(model, bytes) else str(model), options, providers=["CPUExecutionProvider"])


class Runner:
    """One model with fixed seeded inputs (free dims 1)."""

    def __init__(self, model):
        self.model = model
        self.session = session(model)
        random = np.random.default_rng(0)
        self.feeds = {}
        for value in self.session.get_inputs():
            dims = [d if isinstance(d, int) else 1 for d in value.shape]
            if value.type != "tensor(float)":
                raise SystemExit(f"ort-costs: input '{value.name}' is {value.type}; only float32 inputs can be made up")
            self.feeds[value.name] = random.random(dims, dtype=np.float32)
        for _ in range(3):
            self.session.run(None, self.feeds)
        start = time.thread_time()
        for _ in range(5):
            self.session.run(None, self.feeds)
        self.runs = int(min(1000, max(5, BLOCK_SECONDS * 5 / (time.thread_time() - start))))

    def block_us(self):
        """Median of a block of runs, by the thread's own clock: what it waits while other work has the core does not count."""
        run, feeds, times = self.session.run, self.feeds, []
        for _ in range(self.runs):
            start = time.thread_time_ns()
            run(None, feeds)
            times.append(time.thread_time_ns() - start)
        return statistics.median(times) / 1e3

    def profile(self, profiles):
        """[(name, operator, its results, microseconds)] of the kernels in order."""
        times, operators, order, results = defaultdict(list), {}, [], {}
        for _ in range(profiles):
            with tempfile.TemporaryDirectory() as folder:
                optimized = str(Path(folder) / "optimized.onnx")
                profiled = session(self.model, str(Path(folder) / "p"), optimized)
                results = {n.name: list(n.output) for n in onnx.load(optimized, load_external_data=False).graph.node}
                for _ in range(max(20, min(200, self.runs))):
                    profiled.run(None, self.feeds)
                events = json.load(open(profiled.end_profiling()))
            for event in events:
                if event["cat"] != "Node" or not event["name"].endswith("_kernel_time"):
                    continue
                name = event["name"].removesuffix("_kernel_time")
                if name not in operators:
                    operators[name] = event["args"]["op_name"]
                    order.append(name)
                times[name].append(event["dur"])
        return [(name, operators[name], results.get(name, []), middle(times[name])) for name in order]


def middle(values):
    """Mean of the middle half: as steady as the median, and finer than the profiler's whole microseconds."""
    values = sorted(values)
    quarter = len(values) // 4
    # Whole microseconds are rounded down.
    return statistics.fmean(values[quarter:len(values) - quarter]) + 0.5


def interleaved(runners, blocks):
    """Medians over the blocks."""
    times = [[r.block_us() for r in runners] for _ in range(blocks)]
    return [statistics.median(column) for column in zip(*times)]


def base_operator(operator):
    """Conv for QLinearConv, NhwcFusedConv and so on."""
    for prefix in ("Nhwc", "QLinear", "Fused", "Q"):
        if operator.startswith(prefix) and operator != "QuantizeLinear":
            operator = operator.removeprefix(prefix)
    return operator


class Names:
    """Nodes of a file by the keys of edgesmith: a node's own name where it is the only one of that name, else its first output's."""

    def __init__(self, path):
        graph = onnx.load(str(path), load_external_data=False).graph
        self.nodes = [n for n in graph.node if n.op_type not in CONVERSIONS + ("Constant",)]
        count = Counter(n.name for n in graph.node)
        key = lambda n: n.name if n.name and count[n.name] == 1 else n.output[0]
        self.key_of = {id(n): key(n) for n in self.nodes}
        self.by_key = {key(n): n for n in self.nodes}
        self.producer = {o: n for n in graph.node for o in n.output}
        self.readers = defaultdict(list)
        for n in graph.node:
            for i in n.input:
                self.readers[i].append(n)

    def operands(self, node):
        """Nodes that make the operands, through conversions."""
        for name in node.input:
            made = self.producer.get(name)
            while made is not None and made.op_type in CONVERSIONS:
                made = self.producer.get(made.input[0])
            if made is not None and id(made) in self.key_of:
                yield made

    def users(self, node):
        """Nodes that read the results, through conversions."""
        pending = [r for o in node.output for r in self.readers[o]]
        while pending:
            reader = pending.pop()
            if reader.op_type in CONVERSIONS:
                pending += [r for o in reader.output for r in self.readers[o]]
            elif id(reader) in self.key_of:
                yield reader

    def of_kernel(self, name, operator, results):
        """The node that a kernel is charged to, or None for what ONNX Runtime inserted."""
        name = name.removeprefix("fused ").removesuffix("_nchwc")
        parts = name.rsplit("_token_", 1)
        if len(parts) == 2 and parts[1].isdigit():
            name = parts[0]
        name = name.removesuffix("_nchwc")
        node = self.by_key.get(name)
        for value in (name, *results):
            node = node or self.producer.get(value)
        operator = base_operator(operator)
        while node is not None and node.op_type != operator:  # named after the last node that it does: walk back to the first
            if node.op_type == "MatMul" and operator in ("Gemm", "MatMul"):
                break
            before = [n for n in self.operands(node)]
            same = [n for n in before if n.op_type == operator]
            node = same[-1] if same else before[0] if len(before) == 1 or (before and node.op_type in FOLLOWERS) else None
        return node if node is not None and id(node) in self.key_of else None


def node_times(names, kernels, whole_us):
    """{key: {"time_us", "inside"}}: the kernels' times, less what the profiler adds, so that they add up to the whole run."""
    overhead = max(0, (sum(us for *_, us in kernels) - whole_us) / len(kernels))
    times, order = defaultdict(float), {}
    for position, (name, operator, results, us) in enumerate(kernels):
        node = names.of_kernel(name, operator, results)
        if node is not None:
            key = names.key_of[id(node)]
            times[key] += max(0, us - overhead)
            order[key] = position
    result = {key: {"time_us": round(us, 3)} for key, us in times.items()}

    def host(node, look, seen):
        """The node with a kernel that does this one too; of several, the one that runs last."""
        found = []
        for other in look(node):
            key = names.key_of[id(other)]
            if key in times:
                found.append(key)
            elif key not in seen and other.op_type in FOLLOWERS + LEADERS:
                found.append(host(other, look, seen | {key}))
        return max(filter(None, found), key=lambda k: order[k], default=None)

    for node in names.nodes:
        key = names.key_of[id(node)]
        if key in result:
            continue
        look = names.users if node.op_type in LEADERS else names.operands
        inside = host(node, look, {key}) if node.op_type in FOLLOWERS + LEADERS else None
        if node.op_type in LAYERS and not inside:
            print(f"ort-costs: no kernel is known to compute {node.op_type} '{key}'; select cannot choose for it", file=sys.stderr)
            continue
        result[key] = {"time_us": 0, **({"inside": inside} if inside else {})}
    return result


def chain_model(channels, size, floats):
    """Two depthwise-free 3x3 Convs in a row, each in float (True) or int8, on codes between them where either is int8."""
    random = np.random.default_rng(1)
    nodes, constants = [], []

    def constant(name, array):
        constants.append(numpy_helper.from_array(array, name))
        return name

    scale, zero = constant("scale", np.float32(0.02)), constant("zero", np.uint8(128))

    def rounded(value, name):
        nodes.append(helper.make_node("QuantizeLinear", [value, scale, zero], [name + "_q"], name + "_q"))
        nodes.append(helper.make_node("DequantizeLinear", [name + "_q", scale, zero], [name], name))
        return name

    value = "x"
    for i, is_float in enumerate(floats):
        weights = random.integers(-90, 90, (channels, channels, 1, 1)).astype(np.int8)
        if is_float:
            weight = constant(f"w{i}", weights.astype(np.float32) * np.float32(0.001))
        else:
            codes, step = constant(f"w{i}_q", weights), constant(f"w{i}_s", np.float32(0.001))
            nodes.append(helper.make_node("DequantizeLinear", [codes, step], [f"w{i}"], f"w{i}"))
            weight = f"w{i}"
        on_codes = not is_float or (i > 0 and not floats[i - 1])
        if on_codes:
            value = rounded(value, f"r{i}")
        nodes.append(helper.make_node("Conv", [value, weight], [f"c{i}"], f"c{i}"))
        value = f"c{i}"
    if not floats[-1]:
        value = rounded(value, "y")
    graph = helper.make_graph(nodes, "chain", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, channels, size, size])],
                              [helper.make_tensor_value_info(value, TensorProto.FLOAT, None)], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8).SerializeToString()


def line(xs, ys):
    """(offset, slope), both at least 0, with the least sum of relative errors squared."""
    weights = [1 / max(y, 1e-9) for y in ys]
    a = np.array([[w, w * x] for w, x in zip(weights, xs)])
    b = np.array([w * y for w, y in zip(weights, ys)])
    offset, slope = np.linalg.lstsq(a, b, rcond=None)[0]
    if offset < 0:
        offset, slope = 0.0, float((a[:, 1] @ b) / (a[:, 1] @ a[:, 1]))
    if slope < 0:
        offset, slope = float((a[:, 0] @ b) / (a[:, 0] @ a[:, 0])), 0.0
    return max(0.0, float(offset)), max(0.0, float(slope))


def conversions(blocks):
    """Times of a QuantizeLinear and a DequantizeLinear with the layouts that change there.

    F and Q are a float and an int8 Conv: FQ + QF cost one conversion each way more than FF + QQ (those at the ends cancel out). The profiler
    says how that is shared between the two.
    """
    elements, both = [], []
    for channels, size in ((16, 4), (32, 8), (32, 16), (32, 32), (32, 56)):
        runners = [Runner(chain_model(channels, size, floats)) for floats in ((True, True), (False, False), (True, False), (False, True))]
        ff, qq, fq, qf = interleaved(runners, blocks)
        elements.append(channels * size * size)
        both.append(max(0.1, fq + qf - ff - qq))
    offset, slope = line(elements, both)
    half = {"time_us": round(offset / 2, 3), "time_us_per_element": float(f"{slope / 2:.3g}")}
    return {"quantize": half, "dequantize": dict(half)}


def file_row(path, us):
    return {"path": str(path), "sha256": hashlib.sha256(Path(path).read_bytes()).hexdigest(), "time_us": round(us, 3)}


def cpu_name():
    for text in open("/proc/cpuinfo"):
        if text.startswith("model name"):
            return text.split(":", 1)[1].strip()
    return "unknown"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("float", metavar="FLOAT.onnx")
    parser.add_argument("int8", metavar="INT8.onnx")
    parser.add_argument("-o", "--output", required=True, metavar="costs.json")
    parser.add_argument("--plan", action="append", default=[], metavar="plan.json", help="a choice of select, whose model is measured as a whole")
    parser.add_argument("--blocks", type=int, default=15, help="blocks of whole runs, the files in turns")
    parser.add_argument("--profiles", type=int, default=3, help="profiled sessions of each file, in turns")
    arguments = parser.parse_args()
    paths = {"float32": arguments.float, "int8": arguments.int8}
    runners = {precision: Runner(path) for precision, path in paths.items()}
    plans = [json.loads(Path(p).read_text()) for p in arguments.plan]
    mixed = [plan["output"]["path"] for plan in plans]
    times = interleaved([*runners.values(), *map(Runner, mixed)], arguments.blocks)
    whole, mixed_us = dict(zip(paths, times)), times[len(paths):]
    kernels = {precision: runner.profile(arguments.profiles) for precision, runner in runners.items()}
    mixtures = [{**file_row(path, us), "float32": [n["node"] for n in plan["nodes"] if n["precision"] == "float32"]}
                for path, us, plan in zip(mixed, mixed_us, plans)]
    names = {precision: Names(path) for precision, path in paths.items()}
    times = {p: node_times(names[p], kernels[p], whole[p]) for p in paths}
    nodes = []
    for key in list(dict.fromkeys(list(names["float32"].by_key) + list(names["int8"].by_key))):
        row = {"node": key, "op": (names["float32"].by_key.get(key) or names["int8"].by_key[key]).op_type}
        row |= {p: times[p][key] for p in paths if key in times[p]}
        nodes.append(row)
    document = {
        "schema": SCHEMA,
        "measured_by": {"runtime": "ONNX Runtime", "version": ort.__version__, "cpu": cpu_name(), "threads": 1},
        "models": {p: file_row(path, whole[p]) for p, path in paths.items()},
        "conversions": conversions(max(5, arguments.blocks // 3)),
        "nodes": nodes,
        **({"mixtures": mixtures} if mixtures else {}),
    }
    Path(arguments.output).write_text(json.dumps(document, indent=2) + "\n")
    for p in paths:
        assigned = sum(t["time_us"] for t in times[p].values())
        print(f"{p}: {whole[p]:.1f} us, of which {assigned:.1f} us in nodes", file=sys.stderr)


if __name__ == "__main__":
    main()
