# SPDX-License-Identifier: Apache-2.0
"""An ONNX graph as a list of steps over named tensors, its weights as forms."""
import numpy as np
import onnx
from onnx import numpy_helper
import torch
import torch.nn.functional as F


class Weight:
    """A constant of a layer. `kind`: plain, codes (numbers = codes * step of the row), book (entries[index])."""

    def __init__(self, kind, numbers, **more):
        # Filters lie as [O,H,W,I], which PyTorch reads as channels_last without a copy.
        laid = lambda x: np.ascontiguousarray(x.transpose(0, 2, 3, 1) if x.ndim == 4 else x)
        self.kind, self.numbers = kind, laid(numbers).astype(np.float32)
        self.__dict__.update({k: laid(v) for k, v in more.items()})


def attributes(node):
    return {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}


class Net:
    def __init__(self, path):
        graph = onnx.load(path).graph
        self.known = {i.name: numpy_helper.to_array(i) for i in graph.initializer}
        self.weights, self.steps, self.grids = {}, [], []
        self.input, self.output = graph.input[0].name, graph.output[0].name
        books, codes = {}, {}
        alias = {}
        for node in graph.node:
            names = [alias.get(n, n) for n in node.input]
            inputs = [self.known.get(n) for n in names]
            a = attributes(node)
            out = node.output[0]
            op = node.op_type
            constant = all(v is not None for n, v in zip(names, inputs) if n)
            if op == "Constant":
                self.known[out] = numpy_helper.to_array(a["value"])
            elif op == "DequantizeLinear" and constant:
                scale = inputs[1].astype(np.float32)
                zero = inputs[2].astype(np.float32) if len(inputs) > 2 else np.float32(0)
                shape = [1] * inputs[0].ndim
                if scale.ndim == 1 and scale.size > 1:
                    shape[a.get("axis", 1) if inputs[0].ndim > 1 else 0] = scale.size
                code = inputs[0].astype(np.float32) - (zero.reshape(shape) if np.ndim(zero) else zero)
                scale = scale.reshape(shape)
                self.known[out] = code * scale
                if inputs[0].ndim > 1:
                    codes[out] = (code, scale)
            elif op == "Gather" and constant and inputs[0].ndim == 1 and inputs[0].dtype == np.float32:
                self.known[out] = inputs[0][inputs[1].astype(np.int64)]
                books[out] = (inputs[0], inputs[1].astype(np.int64))
            elif op == "Cast" and constant:
                self.known[out] = inputs[0].astype(onnx.helper.tensor_dtype_to_np_dtype(a["to"]))
            elif op in ("Add", "Mul") and constant:
                self.known[out] = inputs[0] + inputs[1] if op == "Add" else inputs[0] * inputs[1]
            elif op == "Reshape" and constant:
                self.known[out] = inputs[0].reshape(inputs[1])
                if names[0] in books:
                    books[out] = (books[names[0]][0], books[names[0]][1].reshape(inputs[1]))
            elif op in ("Conv", "Gemm"):
                for n, v in zip(names[1:], inputs[1:]):
                    if n in codes:
                        self.weights[n] = Weight("codes", v, codes=codes[n][0], step=codes[n][1])
                    elif n in books:
                        self.weights[n] = Weight("book", v, entries=books[n][0], index=books[n][1])
                    else:
                        self.weights[n] = Weight("plain", v)
                if op == "Conv":
                    assert a.get("dilations", [1, 1]) == [1, 1], "dilated"
                    pads = a.get("pads", [0, 0, 0, 0])
                    assert pads[0] == pads[2] and pads[1] == pads[3]
                    more = (tuple(a.get("strides", [1, 1])), tuple(pads[:2]), a.get("group", 1))
                else:
                    more = (bool(a.get("transB", 0)),)
                self.steps.append((op, names, out, more))
            elif op == "QuantizeLinear":
                zero = int(inputs[2].reshape(-1)[0]) if len(inputs) > 2 else 0
                low, high = (0, 255) if len(inputs) < 3 or inputs[2].dtype == np.uint8 else (-128, 127)
                grid = (float(inputs[1].reshape(-1)[0]), low - zero, high - zero, names[0] == self.input)
                if grid not in self.grids:
                    self.grids.append(grid)
                self.steps.append(("Grid", names[:1], out, (self.grids.index(grid),)))
            elif op == "DequantizeLinear":
                alias[out] = names[0]
                continue
            elif op in ("Relu", "Add", "GlobalAveragePool"):
                self.steps.append((op, names, out, ()))
            elif op == "Slice":
                begin, end, axes, by = (v.reshape(-1).astype(np.int64) for v in inputs[1:5])
                cut = [slice(None)] * 4
                for b, e, x, s in zip(begin, end, axes, by):
                    cut[x] = slice(int(b), int(min(e, 1 << 30)), int(s))
                self.steps.append((op, names[:1], out, (tuple(cut),)))
            elif op == "Pad":
                p = [int(x) for x in inputs[1]]
                self.steps.append((op, names[:1], out, ([p[3], p[7], p[2], p[6], p[1], p[5], p[0], p[4]],)))
            elif op == "Concat" and a.get("axis") == 1 and inputs[0] is None and names[0] in {s[2] for s in self.steps}:
                self.steps.append((op, names, out, ()))
            elif op == "Gather" and inputs[1] is not None and a.get("axis", 0) == 1:
                self.steps.append((op, names[:1], out, (inputs[1].astype(np.int64),)))
            elif op in ("Reshape", "Flatten") and inputs[0] is None:
                self.steps.append(("Flatten", names[:1], out, ()))
            elif op in ("Shape", "Gather", "Unsqueeze", "Concat"):
                pass  # the shape that the last Reshape reads: [N, all]
            else:
                raise ValueError(f"{path}: {op} is not known here")
        self.places = {s[2]: i for i, s in enumerate(self.steps)}
        self.output = alias.get(self.output, self.output)
        # Where blocks end: the Relu after an Add.
        adds = {s[2] for s in self.steps if s[0] == "Add"}
        self.blocks = [s[2] for s in self.steps if s[0] == "Relu" and s[1][0] in adds]

    def constants_to(self, device):
        """Indices of Gathers as tensors on the device."""
        self.steps = [(op, names, out, tuple(torch.from_numpy(m).to(device) if isinstance(m, np.ndarray) else m
                                             for m in more)) for op, names, out, more in self.steps]

    def run(self, x, weights, grid=None, wanted=()):
        """`weights`: by name, of x's type. `grid(i, value)`: the fake quantizer of grid i. -> logits, wanted values."""
        v = {self.input: x}
        for op, names, out, more in self.steps:
            i = v[names[0]]
            if op == "Conv":
                y = F.conv2d(i, weights[names[1]], weights[names[2]] if len(names) > 2 else None, more[0], more[1],
                             groups=more[2])
            elif op == "Gemm":
                w = weights[names[1]]
                y = F.linear(i, w if more[0] else w.t(), weights[names[2]] if len(names) > 2 else None)
            elif op == "Relu":
                y = F.relu(i)
            elif op == "Add":
                y = i + v[names[1]]
            elif op == "Grid":
                y = grid(more[0], i)
            elif op == "Slice":
                y = i[more[0]]
            elif op == "Pad":
                y = F.pad(i, more[0])
            elif op == "Concat":
                y = torch.cat([v[n] for n in names], 1)
            elif op == "Gather":
                y = i.index_select(1, more[0])
            elif op == "GlobalAveragePool":
                y = i.mean((2, 3))
            else:
                y = i.flatten(1)
            v[out] = y
        return v[self.output], [v[n] for n in wanted]
