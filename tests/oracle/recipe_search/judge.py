# SPDX-License-Identifier: Apache-2.0
"""Judgement, in float32."""
import torch
import torch.nn.functional as F

from world import BORDER


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
        self.where = torch.cat([world.held + (world.epochs + k) * world.n for k in range(2)])
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
