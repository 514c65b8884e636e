# SPDX-License-Identifier: Apache-2.0
"""What all runs share: pictures, models, and the teachers' answers."""
import multiprocessing
import os
import time

import numpy as np
import torch

from net import Net
from pictures import read_pictures, say
from student import filters

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
BORDER = 4
HELD_OUT = 5000

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


class World:
    def __init__(self, args, device):
        self.device, self.args, self.epochs = device, args, args.epochs
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
        """What becomes of picture i in epoch e at [e * N + i]; epoch `epochs` and the one after it judge."""
        if augment not in self.draws:
            rng = np.random.default_rng(11)
            count = (self.epochs + 2) * self.n
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
        """Logits of all draws, [(epochs + 2) * N, 10]. Teachers: t20, t56, their mean `both`; with `v` at the end the
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
        epochs = self.epochs + 2 if augment != "none" else 1
        out = torch.zeros(epochs * self.n, 10, device=self.device)
        for i in range(0, len(out), 2000):
            where = torch.arange(i, min(i + 2000, len(out)), device=self.device)
            out[i:i + 2000] = self.teach(base, self.pictures(where, augment, mirror=mirror), self.half)[0].float()
        if epochs == 1:
            out = out.repeat(self.epochs + 2, 1)
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        say(f"asked {base}{' mirrored' if mirror else ''} about '{augment}' in {time.time() - start:.1f} s")
        return out
