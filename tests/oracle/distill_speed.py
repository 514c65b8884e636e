# SPDX-License-Identifier: Apache-2.0
"""Training speed of `edgesmith distill` as it is used, beside PyTorch, by the clock and with one and two threads: labels alone, and a
teacher that is asked about every picture. Random pictures of 32 x 32, batch 128, SGD with Nesterov momentum, whole runs in turns; PyTorch
with planes and with channels last, the better one. Wants a quiet machine. distill_speed.py [--rounds N] [--steps N] [--threads 1,2]

pip install torch --index-url https://download.pytorch.org/whl/cpu
"""
import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
import zoo
from torch.nn import functional as F
from train_speed import torch_model

BATCH = 128
# What is trained, and how many times as fast as PyTorch it should be.
CASES = {"ResNet-20, labels": ("resnet20-cifar10", None, 1.2), "ResNet-20 from ResNet-56": ("resnet20-cifar10", "resnet56-cifar10", 1.3)}


class Torch:
    """Forward, backward and step of a student; a teacher's answers through KL with T = 1, or labels."""

    def __init__(self, student, teacher, last):
        torch.manual_seed(1)
        form = torch.channels_last if last else torch.contiguous_format
        self.x = torch.randn(BATCH, 3, 32, 32).to(memory_format=form)
        self.labels = torch.randint(0, 10, (BATCH,))
        self.model, self.teacher = (torch_model(path)[0] if path else None for path in (student, teacher))
        for model in filter(None, (self.model, self.teacher)):
            for p in model.weights:
                if p.dim() == 4:
                    p.data = p.data.to(memory_format=form)
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=1e-6, momentum=0.9, nesterov=True)

    def rate(self, steps, threads):
        torch.set_num_threads(threads)
        start = time.monotonic()
        for _ in range(steps):
            self.optimizer.zero_grad(set_to_none=True)
            scores = self.model(self.x)
            if self.teacher is None:
                loss = F.cross_entropy(scores, self.labels)
            else:
                with torch.no_grad():
                    truth = F.log_softmax(self.teacher(self.x), 1)
                loss = F.kl_div(F.log_softmax(scores, 1), truth, reduction="batchmean", log_target=True)
            loss.backward()
            self.optimizer.step()
        return steps * BATCH / (time.monotonic() - start)


def rate_of_ours(student, teacher, data, steps, threads, folder):
    """Images/s of the training alone. Pictures are mirrored at random, so that no answer of the teacher is kept."""
    loss = ["--teacher", teacher, "--loss", "kl"] if teacher else ["--loss", "cross-entropy"]
    zoo.edgesmith("distill", student, "-o", folder / "out.onnx", "--force", "--train", data, *loss, "--augment", "flip", "--optimizer", "sgd", "--lr",
                  "1e-6", "--batch", BATCH, "--steps", steps, "--threads", threads, "--report", folder / "report", "-q")
    report = json.loads((folder / "report/report.json").read_text())
    return report["steps"][-1]["measured"]["images_per_second"]


def main():
    zoo.need_zoo()
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--threads", default="1,2")
    args = parser.parse_args()
    random = np.random.default_rng(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = folder / "data.npz"
        np.savez(data, x=random.standard_normal((2048, 3, 32, 32), dtype=np.float32), y=random.integers(0, 10, 2048))
        for case, (student, teacher, least) in CASES.items():
            paths = []
            for model in (student, teacher):
                path = next((m.path for m in zoo.MODELS if m.name == model), None)
                paths.append(path and folder / f"{model}.onnx")
                if path:
                    zoo.edgesmith("simplify", path, "-o", paths[-1], "--force")
            runners = {"planes": Torch(*paths, False), "channels last": Torch(*paths, True)}
            for threads in map(int, args.threads.split(",")):
                rates = {"edgesmith": [], "planes": [], "channels last": []}
                for _ in range(args.rounds):
                    rates["edgesmith"].append(rate_of_ours(*paths, data, args.steps, threads, folder))
                    for key, runner in runners.items():
                        rates[key].append(runner.rate(args.steps // 2, threads))
                median = {key: statistics.median(values) for key, values in rates.items()}
                text = ", ".join(f"{key} {median[key]:.0f} ({min(v):.0f} to {max(v):.0f})" for key, v in rates.items())
                ratio = median["edgesmith"] / max(median["planes"], median["channels last"])
                print(f"{case}, {threads} threads: images/s {text}; {ratio:.2f} times PyTorch {torch.__version__} (at least {least})", flush=True)


if __name__ == "__main__":
    main()
