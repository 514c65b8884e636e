# SPDX-License-Identifier: Apache-2.0
"""Forms of weights, as src/train/*_form.cc, over one flat vector of parameters."""
import math

import numpy as np
import torch


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
