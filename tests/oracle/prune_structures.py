# SPDX-License-Identifier: Apache-2.0
"""Does ONNX Runtime give from pruned structures what it gives from the whole model in which nothing reads what went?

prune_structures.py [--share 0.5] [--seeds 3]

Makes attention in the spellings of exporters (three projections; one, cut by Split, Slice or a fifth axis; grouped queries; the
operator), gated MLPs, grouped convolutions, channel shuffles and grouped norms with random weights, and
prunes them by `edgesmith prune --channels SHARE --repair none`. Which inputs of a layer went is read from the numbers of its weight; in
the whole model they become zero. Prints the largest difference of the results over the largest result, and what is left of the
parameters. Exit code 1 when a difference is over 1e-5, an interface changed or a structure kept all of its weights.
"""
import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

import zoo

LIMIT = 1e-5
WIDTH, HEADS, SIZE, STEPS = 16, 4, 4, 5


class Net:
    """Nodes and random initializers of one graph."""

    def __init__(self, seed):
        self.random = np.random.default_rng(seed)
        self.nodes, self.initializers, self.readers = [], [], {}
        self.count = 0

    def weight(self, *dims):
        fan_in = np.prod(dims[1:]) if len(dims) > 2 else dims[0]
        return self.constant(self.random.standard_normal(dims).astype(np.float32) / np.float32(np.sqrt(fan_in)))

    def constant(self, array):
        self.count += 1
        name = f"c{self.count}"
        self.initializers.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def ints(self, *numbers):
        return self.constant(np.array(numbers, np.int64))

    def op(self, kind, *inputs, outputs=1, **attributes):
        self.count += 1
        names = [f"v{self.count}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(kind, list(inputs), names, **attributes))
        return names[0] if outputs == 1 else names

    def dense(self, x, inputs, outputs, bias=True):
        weight = self.weight(inputs, outputs)
        self.readers[weight] = 0
        product = self.op("MatMul", x, weight)
        return self.op("Add", product, self.weight(outputs)) if bias else product

    def conv(self, x, inputs, outputs, kernel=3, groups=1):
        weight = self.weight(outputs, inputs // groups, kernel, kernel)
        if groups == 1:
            self.readers[weight] = 1
        return self.op("Conv", x, weight, self.weight(outputs), group=groups, pads=[kernel // 2] * 4)

    def split(self, x, parts, axis):
        return self.op("Split", x, self.ints(*parts), outputs=len(parts), axis=axis)

    def by_heads(self, x, heads=HEADS, size=SIZE):
        return self.op("Transpose", self.op("Reshape", x, self.ints(0, 0, heads, size)), perm=[0, 2, 1, 3])

    def attend(self, q, k, v):
        scores = self.op("MatMul", q, self.op("Transpose", k, perm=[0, 1, 3, 2]))
        scaled = self.op("Div", scores, self.constant(np.float32(np.sqrt(SIZE))))
        seen = self.op("Transpose", self.op("MatMul", self.op("Softmax", scaled, axis=-1), v), perm=[0, 2, 1, 3])
        return self.dense(self.op("Reshape", seen, self.ints(0, 0, -1)), WIDTH, WIDTH)


def separate(net, x):
    return net.attend(*(net.by_heads(net.dense(x, WIDTH, WIDTH)) for _ in range(3)))


def cut_by_split(net, x):
    return net.attend(*(net.by_heads(part) for part in net.split(net.dense(x, WIDTH, 3 * WIDTH), [WIDTH] * 3, -1)))


def cut_by_slices(net, x):
    joined = net.dense(x, WIDTH, 3 * WIDTH)
    parts = [net.op("Slice", joined, net.ints(i * WIDTH), net.ints((i + 1) * WIDTH), net.ints(-1)) for i in range(3)]
    return net.attend(*(net.by_heads(part) for part in parts))


def fifth_axis(net, x):
    apart = net.op("Reshape", net.dense(x, WIDTH, 3 * WIDTH), net.ints(0, 0, 3, HEADS, SIZE))
    turned = net.op("Transpose", apart, perm=[2, 0, 3, 1, 4])
    return net.attend(*(net.op("Gather", turned, net.constant(np.array(i, np.int64)), axis=0) for i in range(3)))


def parts_of_heads(net, x):
    apart = net.by_heads(net.dense(x, WIDTH, 3 * WIDTH), HEADS, 3 * SIZE)
    return net.attend(*net.split(apart, [SIZE] * 3, 3))


def grouped_queries(net, x):
    def shared():
        apart = net.op("Unsqueeze", net.by_heads(net.dense(x, WIDTH, 2 * SIZE), 2), net.ints(2))
        many = net.op("Expand", apart, net.ints(1, 2, HEADS // 2, 1, 1))
        return net.op("Reshape", many, net.ints(0, HEADS, STEPS, SIZE))

    return net.attend(net.by_heads(net.dense(x, WIDTH, WIDTH)), shared(), shared())


def attention_operator(net, x):
    y = net.op("Attention", net.dense(x, WIDTH, WIDTH), net.dense(x, WIDTH, 2 * SIZE), net.dense(x, WIDTH, 2 * SIZE),
               q_num_heads=HEADS, kv_num_heads=2)
    return net.dense(y, WIDTH, WIDTH)


def mlp(net, x):
    return net.dense(net.op("Relu", net.dense(x, WIDTH, 3 * WIDTH)), 3 * WIDTH, WIDTH)


def gated_mlp(net, x):
    value, gate = net.split(net.dense(x, WIDTH, 4 * WIDTH), [2 * WIDTH] * 2, -1)
    return net.dense(net.op("Mul", value, net.op("Sigmoid", gate)), 2 * WIDTH, WIDTH)


def grouped_convolution(net, x):
    inner = net.op("Relu", net.conv(net.op("Relu", net.conv(x, 4, 16, 1)), 16, 32, 3, groups=8))
    return net.conv(inner, 32, 4, 1)


def shuffled_halves(net, x):
    left, right = net.split(net.conv(x, 4, 16), [8, 8], 1)
    joined = net.op("Concat", left, net.conv(net.op("Relu", net.conv(right, 8, 12)), 12, 8), axis=1)
    apart = net.op("Transpose", net.op("Reshape", joined, net.ints(0, 2, 8, 8, 8)), perm=[0, 2, 1, 3, 4])
    return net.conv(net.op("Reshape", apart, net.ints(0, -1, 8, 8)), 16, 4)


def group_norm(net, x):
    y = net.op("GroupNormalization", net.conv(x, 4, 16), net.weight(16), net.weight(16), num_groups=8)
    return net.conv(y, 16, 4)


def pixel_shuffle(net, x):
    return net.conv(net.op("DepthToSpace", net.conv(x, 4, 32), blocksize=2, mode="CRD"), 8, 4)


STRUCTURES = {
    "tokens": [separate, cut_by_split, cut_by_slices, fifth_axis, parts_of_heads, grouped_queries, attention_operator,
               mlp, gated_mlp],
    "pictures": [grouped_convolution, shuffled_halves, group_norm, pixel_shuffle],
}


def model_of(structure, shape, seed):
    net = Net(seed)
    y = structure(net, "x")
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", *shape])
    out = helper.make_tensor_value_info(y, TensorProto.FLOAT, None)
    graph = helper.make_graph(net.nodes, structure.__name__, [x], [out], net.initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 23)], ir_version=10), net.readers


def weights_of(model):
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


def silence(model, pruned, readers):
    """Zeros in `model` for the inputs of layers that the pruned model has no more. True when there are any."""
    left, any_gone = weights_of(pruned), False
    for tensor in model.graph.initializer:
        if tensor.name not in readers:
            continue
        whole, axis = numpy_helper.to_array(tensor), readers[tensor.name]
        kept = np.unique(np.nonzero(np.isin(whole, left[tensor.name]))[axis])
        mask = np.zeros(whole.shape[axis], bool)
        mask[kept] = True
        any_gone |= not mask.all()
        shape = [1] * whole.ndim
        shape[axis] = -1
        tensor.CopyFrom(numpy_helper.from_array(np.where(mask.reshape(shape), whole, np.float32(0)), tensor.name))
    return any_gone


def results_of(model, x):
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x})[0]


def check(structure, shape, share, seed, folder):
    model, readers = model_of(structure, shape, seed)
    before = sum(w.size for w in weights_of(model).values())
    source, target = folder / "whole.onnx", folder / "pruned.onnx"
    onnx.save(model, source)
    zoo.edgesmith("prune", source, "-o", target, "--force", "--channels", share, "--repair", "none", "--multiple", 1)
    pruned = onnx.load(target)
    x = np.random.default_rng(seed).standard_normal((2, *shape)).astype(np.float32)
    gone = silence(model, pruned, readers)
    expected, given = results_of(model, x), results_of(pruned, x)
    same = given.shape == expected.shape
    error = float(np.abs(expected - given).max() / np.abs(expected).max()) if same else float("inf")
    after = sum(w.size for w in weights_of(pruned).values())
    print(f"{structure.__name__:22} {error:9.1e}  {after / before:6.1%} of the parameters")
    return gone and error <= LIMIT


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--share", type=float, default=0.5)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    good = True
    with tempfile.TemporaryDirectory() as folder:
        for kind, structures in STRUCTURES.items():
            for structure in structures:
                for seed in range(options.seeds):
                    shape = (STEPS, WIDTH) if kind == "tokens" else (4, 8, 8)
                    good &= check(structure, shape, options.share, seed, Path(folder))
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
