# SPDX-License-Identifier: Apache-2.0
"""One training, step by step, as a CUDA graph on its stream."""
import math
import time

import numpy as np
import torch
import torch.nn.functional as F

from pictures import say
from student import Student

LOSS_SCALE = 512.0  # of half-precision gradients


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
        epochs = min(config.get("epochs", world.epochs), world.epochs)
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
