# SPDX-License-Identifier: Apache-2.0
"""Search for recipes of `distill` on one GPU: many short trainings of CIFAR-10 nets side by side, in PyTorch.

    python3 tests/oracle/recipe_search.py --models DIR --data DIR --out DIR [--seconds 540]

--models: ONNX files by the names of MODELS below (how they are made: tests/oracle/README.md). --data: the zoo's two
cifar10-*-jpeg.tar.gz. The maths of losses, optimizers, schedules, grids and augmentation is that of src/train and
src/data, written again: what wins here is then run by `edgesmith distill`, whose figures alone count.

5000 of the training pictures, augmented, judge; no test picture decides anything. Test accuracies are printed at the
end, of the few runs that the held-out pictures chose, to see whether the choice carries over.

One process: every run has a CUDA stream and its step (pictures, student, gradients, optimizer) as a CUDA graph, so a
dozen small nets share the GPU. Augmentation is drawn once for all runs by (epoch, picture), so that the teachers'
answers are tables. Writes runs.json and best.npz (the weights of each task's best) into --out, prints a line a run.
"""
import argparse
import contextlib
import gc
import io
import json
import math
import multiprocessing
import os
import random
import signal
import sys
import tarfile
import time
import traceback

import numpy as np
import onnx
from onnx import numpy_helper
import torch
import torch.nn.functional as F

START = time.time()
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
BORDER = 4
HELD_OUT = 5000
EPOCHS = 10
LOSS_SCALE = 512.0  # of half-precision gradients

# Task: the student, what it came from, and the teachers that it may have.
MODELS = {
    "p80": "p80.onnx",  # ResNet-20, 80 % zeros
    "q3": "q3.onnx",  # ResNet-20, 3-bit weights and 8-bit values
    "c2": "c2.onnx",  # ResNet-20, 2-bit codebooks
    "rate": "rate.onnx",  # ResNet-20, rate-aware codes for a file of 45 kB
    "n56": "n56.onnx",  # ResNet-56, 2.1 times fewer multiply-adds
    "s20": "s20.onnx",  # ResNet-20 itself, taught by ResNet-56
    "half": "half.onnx",  # ResNet-20 of half the width
    "t20": "s20.onnx",
    "t56": "s56.onnx",
}


def say(*words):
    print(f"{time.time() - START:6.1f}", *words, flush=True)


# ---------------------------------------------------------------------------------------------------------------------
# Data

def _decode(item):
    from PIL import Image

    return np.asarray(Image.open(io.BytesIO(item)).convert("RGB"), np.uint8)


def read_pictures(path, limit, pool):
    """All pictures of a tar of class folders: uint8 [N,32,32,3] and labels [N], in the order of their names."""
    with tarfile.open(path) as tar:
        members = sorted((m for m in tar.getmembers() if m.name.endswith(".jpg")), key=lambda m: m.name)
        if limit:
            members = members[:: max(1, len(members) // limit)][:limit]
        classes = sorted({m.name.split("/")[-2] for m in members})
        labels = np.array([classes.index(m.name.split("/")[-2]) for m in members], np.int64)
        blobs = [tar.extractfile(m).read() for m in members]
    return np.stack(pool.map(_decode, blobs, chunksize=256)), labels


# ---------------------------------------------------------------------------------------------------------------------
# Models: an ONNX graph as a list of steps over named tensors, its weights as forms

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
        flat = None
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


# ---------------------------------------------------------------------------------------------------------------------
# Forms of weights, as src/train/*_form.cc, over one flat vector of parameters

class GridFunction(torch.autograd.Function):
    """round(clip(x / step)) * step; straight through within the range, the rounding error as the step's gradient."""

    @staticmethod
    def forward(ctx, x, step, low, high):
        real = x / step.to(x.dtype)
        code = real.clamp(low, high).round_()
        ctx.save_for_backward(real, code)
        ctx.range = (low, high)
        return code * step.to(x.dtype)

    @staticmethod
    def backward(ctx, g):
        real, code = ctx.saved_tensors
        inside = (real >= ctx.range[0]) & (real <= ctx.range[1])
        gx = g * inside
        return gx, (g * code - gx * real).float().sum().view(1) if ctx.needs_input_grad[1] else None, None, None


class FixedGrid(torch.autograd.Function):
    """The same, the step stays: two kernels of PyTorch's own."""

    @staticmethod
    def forward(ctx, x, step, low, high):
        scaled = x / step
        ctx.save_for_backward((scaled >= low) & (scaled <= high))
        return scaled.clamp_(low, high).round_().mul_(step)

    @staticmethod
    def backward(ctx, g):
        return g * ctx.saved_tensors[0], None, None, None


def filters(w):
    """[O,H,W,I] as the [O,I,H,W] that PyTorch takes, channels_last."""
    return w.permute(0, 3, 1, 2) if w.dim() == 4 else w


def rms(x):
    x = x[x != 0]
    return float(np.sqrt(np.mean(x.astype(np.float64) ** 2))) if x.size else 0.0


class Student:
    """All parameters in one vector `flat` [P], `rate` and `decay` beside it; weights() makes the layers' tensors."""

    def __init__(self, net, run, device, float_weights=None):
        self.net, self.device = net, device
        self.relative = run["opt"] == "relative"
        self.learn_steps = run.get("steps", True)
        self.parts, self.start, self.rates, self.decays, self.masks = [], [], [], [], []
        to = lambda a, d=np.float32: torch.from_numpy(np.concatenate(a).astype(d)).to(device)
        named = lambda kind: [(n, w) for n, w in net.weights.items() if w.kind == kind]
        self.plain, self.coded, self.shared = named("plain"), named("codes"), named("book")
        self.free_indices = bool(run.get("indices", False))
        for name, w in self.plain:
            weight = w.numbers.ndim > 1
            masked = weight and 0.05 < np.mean(w.numbers == 0) < 1
            self.add(w.numbers, weight=weight, mask=(w.numbers != 0) if masked else None)
        self.plain_end = self.end()
        if self.coded:
            rows, lows, highs, layers, row_rates = [], [], [], [], []
            begin = 0
            for layer, (name, w) in enumerate(self.coded):
                reals, n = w.numbers, w.numbers
                if run.get("latent") == "float" and float_weights is not None and name in float_weights:
                    if float_weights[name].shape == n.shape:
                        reals = float_weights[name]
                self.add(reals, weight=True)
                each = w.codes.reshape(n.shape[0], -1)
                most, least = each.max(1), each.min(1)
                if w.step.size == 1:
                    most[:], least[:] = most.max(), least.min()
                bits = 2
                while bits < 8 and not np.all((np.maximum(-least, most) <= 2 ** (bits - 1)) &
                                              (most - least < 2 ** bits)):
                    bits += 1
                half = 2.0 ** (bits - 1)
                low, high = np.where(most == half, 1 - half, -half), np.where(most == half, half, half - 1)
                if bits == 8:
                    low[:], high[:] = -127, 127
                per = each.shape[1]
                own = np.arange(n.shape[0]) if w.step.size > 1 else np.zeros(n.shape[0])
                rows.append(np.repeat(begin + own, per))
                lows.append(np.repeat(low, per))
                highs.append(np.repeat(high, per))
                layers.append(np.full(n.size, layer))
                row_rates.append(1 / math.sqrt(n.size / w.step.size * max(1.0, float(high.max()))))
                begin += w.step.size
            self.code_range = (self.plain_end, self.end())
            for (name, w), rate in zip(self.coded, row_rates):
                self.add(w.step, rate=rate)
            self.step_range = (self.code_range[1], self.end())
            self.row, self.layer = to(rows, np.int64), to(layers, np.int64)
            self.low, self.high = to(lows), to(highs)
            self.least = to([w.step.reshape(-1) * 1e-3 for _, w in self.coded])
            # Codes that each layer's grid has, of -128 to 128.
            there = np.zeros((len(self.coded), 257), np.float32)
            for k, (low, high) in enumerate(zip(lows, highs)):
                there[k, int(low.min()) + 128:int(high.max()) + 129] = 1
            self.there = torch.from_numpy(there).to(device)
            self.layer_size = torch.tensor([float(w.numbers.size) for _, w in self.coded], device=device)
            self.code_count = self.code_range[1] - self.code_range[0]
        if self.shared:
            entries, group_of, orders, places, begin, group = [], [], [], [], 0, 0
            for name, w in self.shared:
                groups = self.groups_of(w)
                book = w.entries.reshape(groups, -1)
                entries.append(book)
                size = book.shape[1]
                places.append(begin + w.index.reshape(-1))
                group_of.append(group + w.index.reshape(-1) // size)
                orders.append(begin + np.argsort(book, 1, kind="stable") + size * np.arange(groups)[:, None])
                begin, group = begin + book.size, group + groups
                if self.free_indices:
                    self.add(w.numbers)
            self.real_range = (self.plain_end, self.end())
            for book in entries:
                self.add(book)
            self.book_range = (self.real_range[1], self.end())
            assert len({e.shape[1] for e in entries}) == 1, "codebooks of unlike sizes"
            self.place, self.group_of, self.order = to(places, np.int64), to(group_of, np.int64), to(orders, np.int64)
        self.grid_at = []
        for scale, low, high, is_input in net.grids:
            self.grid_at.append(None if is_input or not self.learn_steps else
                                self.add(np.float32([scale]), rate=1 / math.sqrt(4096 * max(1.0, high))))
        self.first, self.rate, self.decay, self.mask = (to(x) for x in
                                                        (self.start, self.rates, self.decays, self.masks))
        self.flat = self.first.clone().requires_grad_(True)

    @staticmethod
    def groups_of(w):
        """Codebooks of a weight: runs of output channels whose indices lie in one range."""
        first = w.index.reshape(w.index.shape[0], -1).min(1)
        most = w.index.reshape(w.index.shape[0], -1).max(1)
        for groups in range(len(first), 0, -1):
            if w.entries.size % groups:
                continue
            size = w.entries.size // groups
            if np.all(first // size == most // size) and int(most.max() // size) == groups - 1 and size >= 2:
                if len(set((first // size).tolist())) == groups:
                    return groups
        return 1

    def end(self):
        return sum(len(s) for s in self.start)

    def add(self, numbers, weight=False, rate=1.0, mask=None):
        n = np.asarray(numbers, np.float32)
        begin = self.end()
        each = np.full(n.size, rate, np.float32)
        if self.relative:
            if rate != 1:
                each = np.array([abs(x) for x in n.reshape(-1)], np.float32) * 0.1
            elif n.ndim >= 2:
                whole = rms(n) or 0.01
                each = np.repeat([rms(r) or whole for r in n.reshape(n.shape[0], -1)], n.size // n.shape[0])
            else:
                each[:] = rms(n) or 0.01
        if rate != 1 and not self.learn_steps:
            each = np.zeros(n.size, np.float32)
        self.start.append(n.reshape(-1))
        self.rates.append(each)
        self.decays.append(np.full(n.size, float(weight), np.float32))
        self.masks.append(np.ones(n.size, np.float32) if mask is None else mask.reshape(-1).astype(np.float32))
        self.parts.append((begin, n.size, n.shape))
        return len(self.parts) - 1

    @staticmethod
    def cut(flat, named):
        """The tensors of these weights, from all their numbers in a row."""
        parts = flat.split([w.numbers.size for _, w in named])
        return {name: filters(p.view(w.numbers.shape)) for p, (name, w) in zip(parts, named)}

    def codes_of(self, flat):
        step = torch.maximum(flat[slice(*self.step_range)], self.least).index_select(0, self.row)
        return flat[slice(*self.code_range)] / step, step

    def weights(self, flat, dtype):
        out = self.cut(flat[:self.plain_end].to(dtype), self.plain)
        if self.coded:
            real, step = self.codes_of(flat)
            clipped = torch.minimum(torch.maximum(real, self.low), self.high)
            w = (clipped + (clipped.round() - clipped).detach()) * step
            out.update(self.cut(w.to(dtype), self.coded))
        if self.shared:
            books = flat[slice(*self.book_range)]
            if not self.free_indices:
                w = books.index_select(0, self.place)
            else:
                size = self.order.shape[1]
                entries = [books.index_select(0, self.order[:, k]) for k in range(size)]  # by size, [groups] each
                entries = [e.index_select(0, self.group_of) for e in entries]
                real = flat[slice(*self.real_range)]
                w, beyond = entries[0], None
                for k in range(1, size):
                    above = (real > (entries[k - 1] + entries[k]) * 0.5).float()
                    beyond = above if beyond is None else beyond * above
                    w = w + beyond * (entries[k] - entries[k - 1])
                w = w + real - real.detach()
            out.update(self.cut(w.to(dtype), self.shared))
        return out

    def grid(self, flat, dtype):
        def apply(i, x):
            scale, low, high, _ = self.net.grids[i]
            at = self.grid_at[i]
            if at is None:
                return FixedGrid.apply(x, scale, float(low), float(high))
            begin = self.parts[at][0]
            return GridFunction.apply(x, flat[begin:begin + 1].clamp_min(scale * 1e-3), float(low), float(high))
        return apply

    def bits(self, flat, gradient=None, weight=None):
        """Mean bits of a code by its frequency in its layer (src/train/code_bits.cc); adds weight * slope / step."""
        real, step = self.codes_of(flat.detach())
        low, high, base = self.low, self.high, self.layer * 257 + 128
        code = torch.minimum(torch.maximum(real, low), high).round()
        counts = torch.zeros_like(self.there).view(-1)
        counts = counts.index_add_(0, base + code.long(), torch.ones_like(code)).view_as(self.there)
        there = self.there
        smooth = counts + 0.5 * there + (1 - there) * 1e-6
        cost = -torch.log2(smooth / (self.layer_size + 0.5 * there.sum(1))[:, None])
        mean = (counts * cost).sum() / self.code_count
        if gradient is not None:
            cost = cost.view(-1)
            inside = (real >= low) & (real <= high)
            below, above = torch.maximum(low, real.ceil() - 1), torch.minimum(high, real.floor() + 1)
            # Reals beyond the range are taken out by `inside`; their places only have to be there.
            below, above = torch.minimum(below, high), torch.maximum(above, low)
            slope = cost.index_select(0, base + above.long()) - cost.index_select(0, base + below.long())
            slope = slope / (above - below).clamp_min(1) / step * inside
            on = weight * (mean > self.free).float() / self.code_count
            gradient[slice(*self.code_range)] += on * slope
        return mean


# ---------------------------------------------------------------------------------------------------------------------
# What all runs share

class World:
    def __init__(self, args, device):
        self.device, self.args = device, args
        with multiprocessing.get_context("fork").Pool(args.processes) as pool:
            train, labels = read_pictures(os.path.join(args.data, "cifar10-train-jpeg.tar.gz"), args.limit, pool)
            test, test_labels = read_pictures(os.path.join(args.data, "cifar10-test-jpeg.tar.gz"), args.limit, pool)
        say(f"decoded {len(train)} + {len(test)} pictures")
        self.train, self.labels = self.padded(train), torch.from_numpy(labels).to(device)
        self.test, self.test_labels = self.padded(test), torch.from_numpy(test_labels).to(device)
        rng = np.random.default_rng(7)
        order = rng.permutation(len(train))
        held = min(HELD_OUT, len(train) // 5)
        self.held = torch.from_numpy(np.sort(order[:held])).to(device)
        self.rest = np.sort(order[held:])
        self.half = torch.float16 if device.type == "cuda" else torch.float32
        self.nets, self.fixed, self.tables, self.draws = {}, {}, {}, {}
        for name, path in MODELS.items():
            try:
                self.nets[name] = Net(os.path.join(args.models, path))
                self.nets[name].constants_to(device)
            except Exception as error:  # a model that is not there costs its task only
                say(f"no {name}: {error}")
        for name in ("t20", "t56"):
            weights = {k: torch.from_numpy(w.numbers.copy()).to(device) for k, w in self.nets[name].weights.items()}
            self.fixed[name] = {d: {k: filters(v.to(d)) for k, v in weights.items()}
                                for d in {torch.float32, self.half}}
        self.float20 = {k: w.numbers for k, w in self.nets["t20"].weights.items()}
        self.n = len(train)

    def padded(self, pictures):
        """float32 [N,3,40,40]: preprocessed, zeros around."""
        out = torch.zeros(len(pictures), 3, 32 + 2 * BORDER, 32 + 2 * BORDER, device=self.device)
        mean = torch.tensor(MEAN, device=self.device).view(1, 3, 1, 1)
        std = torch.tensor(STD, device=self.device).view(1, 3, 1, 1)
        for i in range(0, len(pictures), 5000):
            x = torch.from_numpy(pictures[i:i + 5000]).to(self.device).permute(0, 3, 1, 2).float() / 255
            out[i:i + 5000, :, BORDER:-BORDER, BORDER:-BORDER] = (x - mean) / std
        return out

    def draw(self, augment):
        """What becomes of picture i in epoch e at [e * N + i]; epoch EPOCHS and the one after it judge."""
        if augment not in self.draws:
            rng = np.random.default_rng(11)
            count = (EPOCHS + 2) * self.n
            shift = {"none": 0, "f": 0}.get(augment, int(augment[1]) if augment[1:2].isdigit() else 0)
            flip = rng.integers(0, 2, count) * (augment != "none")
            moves = rng.integers(-shift, shift + 1, (2, count))
            centres = rng.integers(0, 32, (2, count))
            cut = int(augment.split("c")[1]) if "c" in augment else 0
            to = lambda a: torch.from_numpy(a.astype(np.int16)).to(self.device)
            self.draws[augment] = (to(flip), to(moves[0]), to(moves[1]), to(centres[0]), to(centres[1]), cut)
        return self.draws[augment]

    def pictures(self, where, augment, source=None, mirror=False):
        """[B,3,32,32] float32 of entries `where` of the draws, moved as src/data/augment.cc does."""
        flip, down, right, cy, cx, cut = self.draw(augment)
        source = self.train if source is None else source
        line = torch.arange(32, device=self.device)
        ys = line[None] - down[where].long()[:, None] + BORDER
        xs = line[None] - right[where].long()[:, None]
        xs = torch.where(flip[where][:, None] > 0, 31 - xs, xs) + BORDER
        if mirror:
            xs = xs.flip(1)
        channel = torch.arange(3, device=self.device).view(1, 3, 1, 1)
        x = source[(where % self.n).view(-1, 1, 1, 1), channel, ys[:, None, :, None], xs[:, None, None, :]]
        if cut:
            top, left = cy[where].long()[:, None] - cut // 2, cx[where].long()[:, None] - cut // 2
            rows, columns = (line >= top) & (line < top + cut), (line >= left) & (line < left + cut)
            gone = rows[:, :, None] & (columns.flip(1) if mirror else columns)[:, None, :]
            x = x * ~gone[:, None]
        return x

    def teach(self, name, x, dtype, wanted=()):
        x = x.to(dtype).contiguous(memory_format=torch.channels_last)
        return self.nets[name].run(x, self.fixed[name][dtype], wanted=wanted)

    @torch.no_grad()
    def table(self, teacher, augment):
        """Logits of all draws, [(EPOCHS + 2) * N, 10]. Teachers: t20, t56, their mean `both`; with `v` at the end the
        mean over the picture and its mirror image."""
        key = (teacher, augment)
        if key in self.tables:
            return self.tables[key]
        views = teacher.endswith("v")
        base = teacher.rstrip("v")
        if base == "both":
            result = (self.table("t20" + "v" * views, augment) + self.table("t56" + "v" * views, augment)) / 2
        elif views:
            result = (self.table(base, augment) + self.mirrored(base, augment)) / 2
        else:
            result = self.ask(base, augment, False)
        self.tables[key] = result
        return result

    def mirrored(self, base, augment):
        key = (base, augment, "mirrored")
        if key not in self.tables:
            self.tables[key] = self.ask(base, augment, True)
        return self.tables[key]

    @torch.no_grad()
    def ask(self, base, augment, mirror):
        start = time.time()
        epochs = EPOCHS + 2 if augment != "none" else 1
        out = torch.zeros(epochs * self.n, 10, device=self.device)
        for i in range(0, len(out), 2000):
            where = torch.arange(i, min(i + 2000, len(out)), device=self.device)
            out[i:i + 2000] = self.teach(base, self.pictures(where, augment, mirror=mirror), self.half)[0].float()
        if epochs == 1:
            out = out.repeat(EPOCHS + 2, 1)
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        say(f"asked {base}{' mirrored' if mirror else ''} about '{augment}' in {time.time() - start:.1f} s")
        return out


# ---------------------------------------------------------------------------------------------------------------------
# One run

class Run:
    def __init__(self, world, config, slot):
        self.world, self.config, self.slot = world, config, slot
        self.began = time.time()
        device = world.device
        net = world.nets["t20" if config.get("prune") else config["task"]]
        self.student = Student(net, config, device, world.float20)
        self.student.free = config.get("free", 0.0)
        s = self.student
        self.batch = world.args.batch or config["batch"]
        rng = np.random.default_rng(1000 + config.get("seed", 0))
        per_epoch = len(world.rest) // self.batch
        epochs = min(config.get("epochs", EPOCHS), EPOCHS)
        where = [e * world.n + rng.permutation(world.rest)[:per_epoch * self.batch] for e in range(epochs)]
        self.total = per_epoch * epochs
        if world.args.steps:
            self.total = min(self.total, world.args.steps)
        self.where = torch.from_numpy(np.concatenate(where)).to(device)
        warm = int(config.get("warm", 0.05) * self.total)
        if self.total < 4000:
            warm = max(warm, min(200, int(self.total * 0.3)))
        rates = np.array([config["lr"] * self.factor(t, warm) for t in range(self.total)], np.float64)
        number = np.arange(1, self.total + 1)
        to = lambda a: torch.tensor(a, dtype=torch.float32, device=device)
        self.rates, self.first, self.second = to(rates), to(1 / (1 - 0.9 ** number)), to(1 / (1 - 0.999 ** number))
        self.t = torch.zeros((), dtype=torch.int64, device=device)
        self.m, self.v, self.mean = torch.zeros_like(s.first), torch.zeros_like(s.first), s.first.clone()
        self.mask = s.mask.clone()
        self.changing = bool(config.get("prune") or config.get("regrow"))
        if config.get("prune"):
            self.prepare_pruning()
        self.dense = torch.zeros_like(s.first) if config.get("regrow") else None
        self.loss = torch.zeros((), device=device)
        self.line = torch.arange(self.batch, device=device)
        self.table = world.table(config["teacher"], config["aug"])
        self.feature_teacher = "t56" if config["task"] == "n56" else "t20"
        teacher_net = world.nets[self.feature_teacher]
        self.pairs = [(a, b) for a, b in zip(net.blocks, teacher_net.blocks)] if config.get("feat") else []
        self.graph, self.done, self.pending, self.bits = None, 0, [], None
        self.prepare()
        if config.get("prune"):
            with slot.context():
                self.prune()

    def factor(self, t, warm):
        if t < warm:
            return (t + 1) / warm
        share = (t - warm) / max(1, self.total - warm)
        kind = self.config.get("sched", "cosine")
        if kind == "step":
            return 1 if share < 0.5 else 0.1 if share < 0.75 else 0.01
        return 0.5 * (1 + math.cos(math.pi * share))

    def step(self):
        w, c, s = self.world, self.config, self.student
        t = self.t
        where = self.where[t * self.batch + self.line]
        x = w.pictures(where, c["aug"])
        x = x.to(w.half).contiguous(memory_format=torch.channels_last)
        target = self.table[where]
        wanted = [p[0] for p in self.pairs]
        flat = s.flat
        if self.changing:
            # Zeros where the mask has them; gradients also there.
            flat = s.flat + (s.flat * self.mask - s.flat).detach()
        weights = s.weights(flat, w.half)
        logits, inside = s.net.run(x, weights, s.grid(s.flat, w.half), wanted)
        logits = logits.float()
        loss = 0
        for name, share in c["loss"].items():
            if name == "mse":
                loss = loss + share * ((logits - target) ** 2).mean()
            elif name == "ce":
                loss = loss + share * F.cross_entropy(logits, w.labels[where % w.n])
            else:
                temp = float(name[2:])
                p, q = F.log_softmax(target / temp, 1), F.log_softmax(logits / temp, 1)
                loss = loss + share * temp * temp * (p.exp() * (p - q)).sum(1).mean()
        if self.pairs:
            with torch.no_grad():
                _, theirs = w.teach(self.feature_teacher, x, w.half, [p[1] for p in self.pairs])
            for mine, other in zip(inside, theirs):
                other = other.float()
                off = (mine.float() - other) ** 2
                loss = loss + c["feat"] * (off.mean((1, 2, 3)) / ((other * other).mean((1, 2, 3)) + 1e-6)).mean()
        scale = LOSS_SCALE if w.half == torch.float16 else 1.0
        g, = torch.autograd.grad(loss * scale, s.flat)
        with torch.no_grad():
            g = g / scale
            if c.get("price"):
                s.bits(s.flat, g, c["price"])
            if c.get("clip"):
                g = g * (c["clip"] / g.norm().clamp_min(c["clip"]))
            if self.dense is not None:
                self.dense.lerp_(g, 0.05)
            if not c.get("latent_zeros"):
                g = g * self.mask
            now = t.view(1)
            rate = self.rates.index_select(0, now) * s.rate
            decay = c.get("wd", 0.0)
            if decay and c["opt"] in ("adam", "sgd"):
                g = g + decay * s.decay * s.flat
            if c["opt"] == "sgd":
                self.v.mul_(0.9).add_(g)
                s.flat.sub_(rate * (g + 0.9 * self.v))
            else:
                self.m.lerp_(g, 0.1)
                self.v.mul_(0.999).addcmul_(g, g, value=0.001)
                if decay and c["opt"] in ("adamw", "relative"):
                    s.flat.mul_(1 - rate * decay * s.decay)
                first, second = self.first.index_select(0, now), self.second.index_select(0, now)
                s.flat.sub_(rate * first * self.m / ((self.v * second).sqrt_() + 1e-8))
            if c.get("ema"):
                # A shorter memory at first, as the mean has seen little.
                self.mean.lerp_(s.flat, 1 - c["ema"])
            self.loss.lerp_(loss.detach(), 0.02)
            t.add_(1)

    def reset(self):
        s = self.student
        with torch.no_grad():
            s.flat.copy_(s.first)
            self.mean.copy_(s.first)
            self.mask.copy_(s.mask)
            for x in (self.m, self.v, self.t, self.loss):
                x.zero_()
            if self.dense is not None:
                self.dense.zero_()

    def prepare(self):
        if self.world.device.type != "cuda":
            return
        stream = self.slot.stream
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(2):
                self.step()
            self.reset()
            if self.world.args.eager:
                return
            try:
                graph = torch.cuda.CUDAGraph()
                # Not torch.cuda.graph(): it would wait for all other streams.
                graph.capture_begin(capture_error_mode="thread_local")
                try:
                    self.step()
                finally:
                    graph.capture_end()
                self.graph = graph
            except Exception as error:
                say("no graph:", repr(error)[:300])
                self.graph = None
            self.reset()

    @torch.no_grad()
    def change_mask(self):
        """Zeros elsewhere (Evci et al. 2020, RigL): in each weight the smallest go, those with large gradients come."""
        share = self.config["regrow"] * 0.5 * (1 + math.cos(math.pi * self.done / (0.7 * self.total)))
        s = self.student
        for (begin, count, _), mask in zip(s.parts, s.masks):
            kept = int(mask.sum())
            if kept == count or (k := int(share * kept)) < 1:
                continue
            at = slice(begin, begin + count)
            there = self.mask[at] > 0
            small = torch.where(there, s.flat[at].abs(), torch.inf).topk(k, largest=False).indices
            large = torch.where(there, -1.0, self.dense[at].abs()).topk(k).indices
            self.mask[at].index_fill_(0, small, 0.0)
            self.mask[at].index_fill_(0, large, 1.0)
            s.flat[at].index_fill_(0, small, 0.0)
            for new in (small, large):
                self.m[at].index_fill_(0, new, 0.0)
            # Those that come back have no second moment: with none, their first steps would be several times the rate.
            usual = (self.v[at] * there).sum() / there.sum()
            self.v[at].index_copy_(0, large, usual.expand(k))

    def prepare_pruning(self):
        """Which numbers may become zero (the weights that p80.onnx has zeros in), and how many are left at the end."""
        s, pruned = self.student, self.world.nets["p80"].weights
        may, self.scale = np.zeros(len(s.first), bool), torch.ones_like(s.first)
        self.left = 0
        for (begin, count, shape), (name, _) in zip(s.parts, s.plain):
            zeros = np.mean(pruned[name].numbers == 0)
            if len(shape) < 2 or zeros < 0.05:
                continue
            may[begin:begin + count] = True
            self.left += int(np.count_nonzero(pruned[name].numbers))
            rows = s.first[begin:begin + count].view(shape[0], -1)
            if self.config["prune"]["by"] == "channel":
                size = rows.square().mean(1, keepdim=True).sqrt().clamp_min(1e-8).expand_as(rows)
            elif self.config["prune"]["by"] == "shares":  # as many zeros in each layer as p80.onnx has
                size = rows.abs().flatten().kthvalue(max(1, int(zeros * count))).values.expand_as(rows)
            else:
                size = rows.square().mean().sqrt().expand_as(rows)
            self.scale[begin:begin + count] = size.reshape(-1)
        self.may = torch.from_numpy(np.flatnonzero(may)).to(self.world.device)
        self.curvature, self.draws = torch.zeros_like(s.first), 0

    def measure_curvature(self):
        """What a number squared costs in squared differences of the outputs: the diagonal of Gauss-Newton, by random
        signs on the outputs of some pictures."""
        w, s = self.world, self.student
        for _ in range(8 if not self.draws else 2):
            at = (self.draws * 997) % max(1, len(self.where) - self.batch)
            where = self.where[at:at + self.batch]
            x = w.pictures(where, self.config["aug"]).to(w.half).contiguous(memory_format=torch.channels_last)
            flat = (s.flat.detach() * self.mask).requires_grad_(True)
            y, _ = s.net.run(x, s.weights(flat, w.half))
            signs = torch.randint(0, 2, y.shape, device=y.device) * 2 - 1
            g, = torch.autograd.grad((y.float() * signs).sum(), flat)
            self.draws += 1
            share = max(1 / self.draws, 0.05)
            self.curvature.lerp_(g.float().square(), share)

    def prune(self):
        """More zeros, by the cubic schedule of Zhu and Gupta 2017 (arXiv 1710.01878)."""
        c, s = self.config["prune"], self.student
        share = min(1.0, self.done / (c["until"] * self.total))
        final = 1 - self.left / len(self.may)
        zeros = final + (c["from"] - final) * (1 - share) ** 3
        if c["by"] == "obd":
            self.measure_curvature()
        with torch.no_grad():
            score = s.flat.abs() / self.scale if c["by"] != "obd" else s.flat.square() * self.curvature
            score = score if self.config.get("latent_zeros") else score * self.mask
            kept = score[self.may].topk(max(self.left, int((1 - zeros) * len(self.may)))).indices
            self.mask.index_fill_(0, self.may, 0.0)
            self.mask.index_fill_(0, self.may[kept], 1.0)
            if not self.config.get("latent_zeros"):
                s.flat.mul_(self.mask)
                self.m.mul_(self.mask)

    def advance(self):
        """Launches steps if few are waiting. True when something was done."""
        if self.done >= self.total:
            return False
        cuda = self.world.device.type == "cuda"
        if cuda:
            while self.pending and self.pending[0].query():
                self.pending.pop(0)
            if len(self.pending) >= 3:
                return False
        count = min(16, self.total - self.done)
        if not cuda:
            for _ in range(count):
                self.step()
        else:
            with torch.cuda.stream(self.slot.stream):
                for _ in range(count):
                    if self.graph is not None:
                        self.graph.replay()
                    else:
                        self.step()
                event = torch.cuda.Event()
                event.record(self.slot.stream)
                self.pending.append(event)
        before = self.done
        self.done += count
        if self.config.get("regrow") and self.done < 0.7 * self.total and before // 100 != self.done // 100:
            with self.slot.context():
                self.change_mask()
        if self.config.get("prune"):
            every, end = max(1, min(100, self.total // 20)), self.config["prune"]["until"] * self.total
            if before // every != self.done // every and (before < end or self.config.get("latent_zeros") and
                                                          self.done < 0.9 * self.total):
                with self.slot.context():
                    self.prune()
        return True

    def finished(self):
        return self.done >= self.total and all(e.query() for e in self.pending)

    def vector(self):
        return (self.mean if self.config.get("ema") else self.student.flat.detach()) * self.mask


class Slot:
    def __init__(self, device):
        self.device = device
        self.cuda = device.type == "cuda"
        self.stream = torch.cuda.Stream() if self.cuda else None
        self.run = None

    def context(self):
        return torch.cuda.stream(self.stream) if self.cuda else contextlib.nullcontext()


# ---------------------------------------------------------------------------------------------------------------------
# Judgement, in float32

@torch.no_grad()
def logits_of(student, flat, batches):
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    weights = student.weights(flat, torch.float32)
    grid = student.grid(flat, torch.float32)
    out = torch.cat([student.net.run(x.contiguous(memory_format=torch.channels_last), weights, grid)[0]
                     for x in batches])
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = True
    return out


class Judge:
    """Held-out training pictures in two draws of flip,shift=4, that no training sees."""

    def __init__(self, world):
        self.world = world
        self.where = torch.cat([world.held + (EPOCHS + k) * world.n for k in range(2)])
        self.labels = world.labels[self.where % world.n]
        self.answers = {t: world.table(t, "s4")[self.where] for t in ("t20", "t56", "bothv")}

    def held(self, student, flat):
        batches = (self.world.pictures(self.where[i:i + 1000], "s4") for i in range(0, len(self.where), 1000))
        y = logits_of(student, flat, batches)
        t20 = self.answers["t56" if student.net is self.world.nets.get("n56") else "t20"]
        soft = F.softmax(self.answers["bothv"], 1)
        result = {
            "mse": ((y - t20) ** 2).mean(),
            "agree": (y.argmax(1) == t20.argmax(1)).float().mean() * 100,
            "soft": -(soft * F.log_softmax(y, 1)).sum(1).mean(),
            "ce": F.cross_entropy(y, self.labels),
            "acc": (y.argmax(1) == self.labels).float().mean() * 100,
        }
        if student.coded:
            result["bits"] = student.bits(flat)
        return {k: float(v) for k, v in result.items()}

    def test(self, student, flat):
        w = self.world
        inner = slice(BORDER, -BORDER)
        batches = (w.test[i:i + 1000, :, inner, inner] for i in range(0, len(w.test), 1000))
        y = logits_of(student, flat, batches)
        return float((y.argmax(1) == w.test_labels).float().mean() * 100)


# ---------------------------------------------------------------------------------------------------------------------
# What is tried

MSE, KL1, KL2, KL4, CE = {"mse": 1}, {"kl1": 1}, {"kl2": 1}, {"kl4": 1}, {"ce": 1}


def base(task, **more):
    config = {"task": task, "opt": "adam", "lr": 1e-3, "batch": 128, "loss": MSE, "teacher": "t20", "aug": "s4"}
    config.update(more)
    return config


def first_list():
    """Main effects, the most telling first, tasks in turns."""
    p80 = [base("p80", **c) for c in (
        {}, {"lr": 3e-3}, {"teacher": "t20v"}, {"teacher": "both"}, {"teacher": "bothv", "lr": 2e-3},
        {"loss": KL2, "lr": 2e-3}, {"loss": KL4, "lr": 2e-3}, {"feat": 1, "lr": 2e-3},
        {"regrow": 0.3, "lr": 2e-3}, {"opt": "relative", "lr": 0.01}, {"opt": "relative", "lr": 0.03},
        {"opt": "sgd", "lr": 0.02}, {"ema": 0.998, "lr": 3e-3}, {"batch": 64, "lr": 1e-3}, {"batch": 256, "lr": 4e-3},
        {"aug": "s2", "lr": 2e-3}, {"aug": "s4c8", "lr": 2e-3}, {"teacher": "t56v", "loss": KL2, "lr": 2e-3},
        {"teacher": "bothv", "loss": KL2, "regrow": 0.3, "lr": 2e-3}, {"lr": 6e-3}, {"feat": 3, "lr": 3e-3},
        {"clip": 1.0, "opt": "sgd", "lr": 0.05}, {"opt": "adamw", "wd": 0.02, "lr": 3e-3})]
    quant = {"opt": "relative", "lr": 3e-3}
    q3 = [base("q3", **{**quant, **c}) for c in (
        {}, {"lr": 1e-3}, {"lr": 0.01}, {"opt": "adam", "lr": 3e-4}, {"opt": "adam", "lr": 1e-3},
        {"latent": "float"}, {"latent": "float", "lr": 1e-3}, {"steps": False}, {"steps": False, "lr": 0.01},
        {"teacher": "t20v"}, {"teacher": "bothv"}, {"loss": KL2}, {"feat": 1}, {"ema": 0.998},
        {"batch": 256, "lr": 0.006}, {"batch": 64, "lr": 2e-3}, {"opt": "sgd", "lr": 3e-3},
        {"teacher": "bothv", "loss": KL2, "latent": "float"}, {"loss": KL4, "latent": "float"})]
    c2 = [base("c2", **{**quant, **c}) for c in (
        {"indices": True}, {"indices": True, "lr": 1e-3}, {"indices": True, "lr": 0.01}, {}, {"lr": 0.01},
        {"opt": "adam", "lr": 1e-3, "indices": True}, {"opt": "adam", "lr": 3e-4, "indices": True},
        {"indices": True, "teacher": "bothv"}, {"indices": True, "teacher": "t20v"}, {"indices": True, "loss": KL2},
        {"indices": True, "ema": 0.998}, {"indices": True, "feat": 1}, {"opt": "adam", "lr": 3e-3},
        {"indices": True, "teacher": "bothv", "loss": KL2}, {"indices": True, "batch": 256, "lr": 6e-3})]
    rated = {"opt": "relative", "lr": 4e-3, "free": 1.2, "price": 20.0}
    rate = [base("rate", **{**rated, **c}) for c in (
        {}, {"price": 5.0}, {"price": 80.0}, {"lr": 0.01}, {"lr": 1.5e-3}, {"latent": "float"},
        {"teacher": "bothv"}, {"latent": "float", "lr": 0.01}, {"loss": KL2}, {"feat": 1},
        {"teacher": "bothv", "loss": KL2, "latent": "float"}, {"opt": "adam", "lr": 1e-3}, {"ema": 0.998})]
    n56 = [base("n56", **c) for c in (
        {"teacher": "t56", "opt": "relative", "lr": 5e-3}, {"teacher": "t56v", "lr": 3e-4},
        {"teacher": "t56", "opt": "relative", "lr": 0.02}, {"teacher": "t56v", "lr": 1e-3},
        {"teacher": "t56v", "opt": "relative", "lr": 0.01, "loss": KL2})]
    s20 = [base("s20", **c) for c in (
        {"teacher": "t56", "lr": 1e-3}, {"teacher": "t56v", "loss": KL2, "lr": 1e-3},
        {"teacher": "bothv", "loss": MSE, "lr": 1e-3}, {"teacher": "t56v", "loss": KL4, "lr": 3e-3},
        {"teacher": "t56v", "loss": {"kl2": 1, "ce": 0.3}, "lr": 1e-3})]
    half = []
    for seed in range(3):
        for c in ({"loss": CE, "lr": 1e-3}, {"loss": {"kl4": 1, "ce": 0.1}, "lr": 1e-3}, {"lr": 1e-3},
                  {"loss": CE, "lr": 3e-3}, {"loss": {"kl4": 1, "ce": 0.1}, "lr": 3e-3},
                  {"teacher": "bothv", "loss": KL4, "lr": 3e-3}):
            half.append(base("half", **{**c, "seed": seed}))
    lists = [p80, p80, q3, c2, rate, s20, half, n56]
    lists = [list(x) if i != 1 else None for i, x in enumerate(lists)]
    lists[1] = lists[0]  # the first task has two turns
    out = []
    while any(lists):
        for x in lists:
            if x:
                out.append(x.pop(0))
    return out


def second_list():
    """What the first search left open: zeros that move, other teachers for few bits."""
    rel = {"opt": "relative", "lr": 0.01, "teacher": "t20v"}

    def gradual(by, begin, until, **more):
        return base("p80", **{**rel, "prune": {"by": by, "from": begin, "until": until}, **more})

    p80 = [
        gradual("obd", 0.0, 0.6), gradual("shares", 0.0, 0.6), gradual("obd", 0.0, 0.6, teacher="bothv"),
        gradual("obd", 0.0, 0.6, latent_zeros=True), gradual("obd", 0.5, 0.6), gradual("layer", 0.0, 0.6),
        gradual("obd", 0.0, 0.6, teacher="t20"), gradual("obd", 0.0, 0.6, opt="adam", lr=2e-3),
        gradual("obd", 0.7, 0.6), gradual("obd", 0.0, 0.6, lr=0.03), gradual("shares", 0.0, 0.6, latent_zeros=True),
        gradual("obd", 0.0, 0.6, teacher="bothv", loss=KL2), gradual("obd", 0.0, 0.8, teacher="bothv"),
        base("p80", **rel), base("p80", **rel, regrow=0.3), gradual("obd", 0.0, 0.4),
        gradual("shares", 0.5, 0.6), gradual("obd", 0.0, 0.6, latent_zeros=True, teacher="bothv", lr=0.02),
        gradual("obd", 0.5, 0.6, teacher="bothv", loss=KL2), gradual("obd", 0.0, 0.6, teacher="bothv", lr=0.02),
        gradual("obd", 0.0, 0.7, opt="adam", lr=1e-3, teacher="bothv"), base("p80", **{**rel, "teacher": "bothv"}),
        gradual("shares", 0.0, 0.6, teacher="bothv"), base("p80", **{**rel, "regrow": 0.1}),
        gradual("obd", 0.0, 0.6, latent_zeros=True, teacher="bothv", loss=KL2)]
    few = {"opt": "relative", "lr": 3e-3, "teacher": "t20v", "indices": True}
    c2 = [base("c2", **{**few, **c}) for c in (
        {"loss": KL2}, {"lr": 1e-3}, {"lr": 0.01, "loss": KL2}, {"loss": KL2, "teacher": "bothv"}, {"loss": KL4},
        {"loss": KL2, "lr": 1e-3}, {"opt": "adam", "lr": 3e-4}, {"loss": KL2, "lr": 6e-3})]
    rated = {"opt": "relative", "lr": 4e-3, "free": 1.2, "price": 20.0, "teacher": "t20v"}
    rate = [base("rate", **{**rated, **c}) for c in (
        {"loss": KL2}, {"loss": KL4}, {"loss": KL2, "lr": 0.008}, {"loss": KL4, "teacher": "t20"},
        {"loss": KL2, "teacher": "bothv"}, {"loss": KL2, "lr": 2e-3})]
    n56 = [base("n56", **c) for c in (
        {"teacher": "t56v", "opt": "relative", "lr": 0.02}, {"teacher": "t56v", "opt": "relative", "lr": 0.05},
        {"teacher": "t56", "opt": "relative", "lr": 0.05})]
    out = []
    while p80 or c2 or rate or n56:
        out += p80[:6] + c2[:2] + rate[:2] + n56[:1]
        p80, c2, rate, n56 = p80[6:], c2[2:], rate[2:], n56[1:]
    return out


LABELS = {"half"}  # tasks whose list is all there is: they compare, they do not search


def mutated(config, rng):
    """One or two choices of a good run changed."""
    c = dict(config)
    for _ in range(rng.choice((1, 1, 2))):
        what = rng.choice(("lr", "lr", "teacher", "loss", "aug", "batch", "ema", "feat", "own", "seed"))
        if what == "lr":
            c["lr"] = c["lr"] * rng.choice((0.4, 0.6, 1.6, 2.5))
        elif what == "teacher":
            c["teacher"] = rng.choice(("t56", "t56v") if c["task"] == "n56" else
                                      ("t20v", "bothv", "t56v", "both", "t20"))
        elif what == "loss":
            c["loss"] = rng.choice((MSE, KL1, KL2, KL4))
        elif what == "aug":
            c["aug"] = rng.choice(("s2", "s4", "s4c8"))
        elif what == "batch":
            c["batch"] = rng.choice((64, 128, 256))
        elif what == "ema":
            c["ema"] = rng.choice((0, 0.99, 0.998))
        elif what == "feat":
            c["feat"] = rng.choice((0, 0.3, 1, 3)) if c["task"] != "half" else 0
        elif what == "seed":
            c["seed"] = c.get("seed", 0) + 1
        elif c.get("prune"):
            c["prune"] = dict(c["prune"], until=rng.choice((0.4, 0.6, 0.8)), **{"from": rng.choice((0.0, 0.4, 0.6))})
        elif c["task"] == "p80":
            c["regrow"] = rng.choice((0, 0.1, 0.3, 0.5))
        elif c["task"] in ("q3", "rate"):
            c["latent"] = rng.choice(("float", ""))
            c["steps"] = rng.choice((True, True, False))
        elif c["task"] == "c2":
            c["indices"] = rng.choice((True, True, False))
    return c


def words(config):
    loss = "+".join(n if s == 1 else f"{s}{n}" for n, s in config["loss"].items())
    text = f"{config['opt']} {config['lr']:.2g} b{config['batch']} {loss} {config['teacher']} {config['aug']}"
    for key in ("feat", "ema", "wd", "clip", "regrow", "price", "indices", "latent", "sched", "seed"):
        if config.get(key):
            text += f" {key}" + ("" if config[key] is True else f"={config[key]}")
    if config.get("prune"):
        p = config["prune"]
        text += f" prune={p['by']},{p['from']:.0%},until={p['until']}" + (" latent-zeros" * bool(config.get("latent_zeros")))
    return text + (" keep-steps" if config.get("steps") is False else "")


# ---------------------------------------------------------------------------------------------------------------------

class Search:
    def __init__(self, args):
        self.args = args
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.deadline = START + args.seconds
        torch.backends.cudnn.benchmark = True
        self.world = World(args, self.device)
        self.results, self.vectors, self.seen, self.starts = [], {}, set(), {}
        self.rng = random.Random(5)
        self.stop = False
        signal.signal(signal.SIGTERM, self.on_stop)
        signal.signal(signal.SIGINT, self.on_stop)

    def on_stop(self, *_):
        self.stop = True

    def left(self):
        return 0 if self.stop else self.deadline - time.time()

    def check_half(self):
        """Half precision is fit for training where its gradient is float32's."""
        if self.device.type != "cuda":
            return
        try:
            grads = []
            keep = self.world.half
            for half in (torch.float32, torch.float16):
                self.world.half = half
                run = Run.__new__(Run)
                student = Student(self.world.nets["p80"], base("p80"), self.device)
                where = self.world.held[:128]
                x = self.world.pictures(where, "none").to(half).contiguous(memory_format=torch.channels_last)
                weights = student.weights(student.flat, half)
                y = student.net.run(x, weights, student.grid(student.flat, half))[0].float()
                scale = LOSS_SCALE if half == torch.float16 else 1
                loss = ((y - self.world.teach("t20", x, half)[0].float()) ** 2).mean() * scale
                grads.append(torch.autograd.grad(loss, student.flat)[0] / scale)
                del run
            cosine = float(F.cosine_similarity(grads[0], grads[1], 0))
            self.world.half = keep if cosine > 0.999 else torch.float32
            say(f"gradient in half precision: cosine {cosine:.6f} to float32; training in {self.world.half}")
        except Exception as error:
            self.world.half = torch.float32
            say("half precision fails:", repr(error)[:200])

    def judge_starts(self):
        for task, net in self.world.nets.items():
            try:
                student = Student(net, base(task), self.device)
                row = self.judge.held(student, student.first)
                row["test"] = self.judge.test(student, student.first)
                self.starts[task] = row
                say(f"start {task:5}", self.numbers(row), f"test {row['test']:.2f}")
            except Exception as error:
                say(f"start {task}: {error!r}")
                traceback.print_exc()

    @staticmethod
    def numbers(row):
        bits = f" {row['bits']:.3f}b" if "bits" in row else f" {row['zeros']:.2f}%0" if "zeros" in row else ""
        return (f"mse {row['mse']:.3f} agree {row['agree']:.2f} soft {row['soft']:.4f} ce {row['ce']:.4f} "
                f"acc {row['acc']:.2f}{bits}")

    def score(self, row):
        """Held-out, less is better: against the teachers' views of the pictures, no labels. Files above 45 kB are out."""
        if row["config"].get("price") and row["bits"] > 1.208:
            return row["soft"] + 10
        return row["soft"] if math.isfinite(row["soft"]) else 1e9

    def next_config(self):
        while self.queue:
            config = self.queue.pop(0)
            if config["task"] in self.world.nets:
                return config
        tasks = [t for t in ("p80", "p80", "q3", "c2", "rate", "s20") if any(r["config"]["task"] == t
                                                                            for r in self.results)]
        for _ in range(50):
            if not tasks:
                return None
            task = self.rng.choice(tasks)
            rows = sorted((r for r in self.results if r["config"]["task"] == task), key=self.score)[:4]
            config = mutated(self.rng.choice(rows)["config"], self.rng)
            if json.dumps(config, sort_keys=True) not in self.seen:
                return config
        return None

    def write(self):
        path = os.path.join(self.args.out, "runs.json")
        with open(path + ".tmp", "w") as file:
            json.dump({"starts": self.starts, "runs": self.results}, file)
        os.replace(path + ".tmp", path)

    def finish_run(self, run):
        with run.slot.context():
            row = self.judge.held(run.student, run.vector())
        row["config"] = run.config
        if run.config.get("prune"):
            row["zeros"] = float((run.vector()[run.may] == 0).float().mean() * 100)
        row["seconds"] = round(time.time() - run.began, 1)
        row["train_loss"] = float(run.loss)
        row["steps"] = run.total
        row["id"] = len(self.results)
        self.results.append(row)
        self.vectors[row["id"]] = (run.student, run.vector())
        say(f"{row['config']['task']:4} {self.numbers(row)} | {words(run.config)} | {row['seconds']:.0f} s")
        self.write()

    def main(self):
        w = self.world
        self.check_half()
        self.judge = Judge(w)
        self.judge_starts()
        gc.disable()  # what it frees might disturb a graph that is being made
        self.write()
        self.queue = second_list() if self.args.second else first_list()
        if self.args.first:
            self.queue = self.queue[:self.args.first]
        slots = [Slot(self.device) for _ in range(self.args.slots)]
        typical, steps_done, began = 1.0 if self.args.steps else 30.0, 0, time.time()
        reserve = self.args.reserve
        said = time.time()
        while True:
            busy = False
            for slot in slots:
                try:
                    if slot.run is None:
                        # No run is begun that would not end in time.
                        if self.left() > reserve + typical and not (self.args.first and not self.queue):
                            config = self.next_config()
                            if config is not None:
                                self.seen.add(json.dumps(config, sort_keys=True))
                                slot.run = Run(w, config, slot)
                                busy = True
                    elif slot.run.finished():
                        run, slot.run = slot.run, None
                        self.finish_run(run)
                        seconds = time.time() - run.began
                        if run.config["task"] != "n56":
                            typical = 1.03 * seconds if typical == 30.0 else 0.7 * typical + 0.3 * 1.03 * seconds
                        run.graph = None
                        del run
                        gc.collect()
                        if self.device.type == "cuda" and torch.cuda.memory_reserved() > 45e9:
                            torch.cuda.empty_cache()
                        busy = True
                    else:
                        before = slot.run.done
                        busy = slot.run.advance() or busy
                        steps_done += (slot.run.done - before) * slot.run.batch
                except Exception as error:
                    say("failed:", words(slot.run.config) if slot.run else "", repr(error)[:200])
                    traceback.print_exc(limit=4)
                    slot.run = None
            if self.left() < reserve or not any(slot.run for slot in slots) and not busy:
                break
            if time.time() - said > 30:
                said = time.time()
                say(f"-- {steps_done / (time.time() - began):,.0f} pictures/s, {len(self.results)} runs, "
                    f"typical {typical:.0f} s")
            if not busy:
                time.sleep(0.0005)
        say(f"trained {steps_done:,} pictures, {len(self.results)} runs; "
            f"{[words(s.run.config) for s in slots if s.run]} were not finished")
        self.close()

    def close(self):
        """The best few by held-out pictures, their test accuracy beside it."""
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        keep = {}
        for task in ("p80", "q3", "c2", "rate", "n56", "s20", "half"):
            rows = sorted((r for r in self.results if r["config"]["task"] == task), key=self.score)
            if not rows:
                continue
            print(f"== {task}: start test {self.starts.get(task, {}).get('test', 0):.2f}", flush=True)
            finite = [r for r in rows if self.score(r) < 5]
            # Chosen without labels by the teachers' views, by the one teacher, and with labels.
            chosen = {r["id"] for r in rows[:3]}
            for measure in ("mse", "ce") if finite else ():
                chosen.add(min(finite, key=lambda r: r[measure])["id"])
            for k, row in enumerate(rows):
                test = ""
                if row["id"] in chosen or task == "half":
                    student, flat = self.vectors[row["id"]]
                    row["test"] = self.judge.test(student, flat)
                    test = f" TEST {row['test']:.2f}"
                    if k == 0:
                        weights = student.weights(flat, torch.float32)
                        keep.update({f"{task}/{n}": x.detach().contiguous().cpu().numpy() for n, x in weights.items()})
                if test or k < 5:
                    print(f"{self.numbers(row)}{test} | {words(row['config'])}", flush=True)
        self.write()
        np.savez_compressed(os.path.join(self.args.out, "best.npz"), **keep)
        say("done")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--models", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--seconds", type=float, default=540)
    parser.add_argument("--reserve", type=float, default=25, help="seconds kept for the end")
    parser.add_argument("--slots", type=int, default=12, help="runs side by side")
    parser.add_argument("--processes", type=int, default=16, help="that decode pictures")
    parser.add_argument("--limit", type=int, default=0, help="pictures of each set, for a trial")
    parser.add_argument("--steps", type=int, default=0, help="steps of each run at most, for a trial")
    parser.add_argument("--first", type=int, default=0, help="only so many runs of the list, for a trial")
    parser.add_argument("--batch", type=int, default=0, help="of every run, for a trial")
    parser.add_argument("--eager", action="store_true", help="no CUDA graphs")
    parser.add_argument("--second", action="store_true", help="the list that the first search led to")
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    args = parser.parse_args()
    globals()["EPOCHS"] = args.epochs
    os.makedirs(args.out, exist_ok=True)
    Search(args).main()


if __name__ == "__main__":
    sys.exit(main())
