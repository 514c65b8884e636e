# SPDX-License-Identifier: Apache-2.0
"""Training speed beside PyTorch on the same machine: forward, backward and a step of SGD with Nesterov momentum on random
pictures, batch 128, one thread, CPU time, in turns in one run; PyTorch with planes and with channels last. Build train_bench first
(tests/runtime/bench/train_bench.cc). train_speed.py [--models a,b] [--rounds N] [--batch N] [--options "--shard 32"]

pip install torch --index-url https://download.pytorch.org/whl/cpu
"""
import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import zoo

# Before PyTorch is loaded: its BLAS has threads of its own.
os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"
BENCH = Path(zoo.EDGESMITH).parent / "tests/runtime/bench/train_bench"
# Model, and how many times as fast as PyTorch it should be.
MODELS = {"resnet20-cifar10": 1.2, "lenet-5-mnist": 2.0, "lenet-300-100-mnist": 1.0}
SLICE = 0.4  # seconds of each turn


def torch_model(path):
    """The nodes of an ONNX file, as PyTorch runs them; weights are parameters. Only what the models here need."""
    import onnx
    import torch
    from onnx import numpy_helper
    from torch.nn import functional as F

    graph = onnx.load(str(path)).graph
    numbers = {t.name: numpy_helper.to_array(t).copy() for t in graph.initializer}
    numbers |= {n.output[0]: numpy_helper.to_array(n.attribute[0].t).copy() for n in graph.node if n.op_type == "Constant"}

    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            names = [n for n, a in numbers.items() if a.dtype == "float32" and a.ndim]
            self.known = {n: torch.nn.Parameter(torch.from_numpy(numbers[n])) for n in names}
            self.weights = torch.nn.ParameterList(self.known.values())

        def forward(self, x):
            values = {graph.input[0].name: x}
            get = lambda name: self.known[name] if name in self.known else values[name]
            for node in graph.node:
                a = {f.name: onnx.helper.get_attribute_value(f) for f in node.attribute}
                v = [get(n) if n in self.known or n in values else None for n in node.input]
                op = node.op_type
                if op == "Conv":
                    pads = a.get("pads", [0, 0, 0, 0])
                    assert pads[:2] == pads[2:]
                    y = F.conv2d(v[0], v[1], v[2] if len(v) > 2 else None, a.get("strides", 1), pads[:2], a.get("dilations", 1), a.get("group", 1))
                elif op == "Relu":
                    y = F.relu(v[0])
                elif op == "Add":
                    y = v[0] + v[1]
                elif op == "MaxPool":
                    y = F.max_pool2d(v[0], a["kernel_shape"], a.get("strides"), a.get("pads", [0])[0])
                elif op == "AveragePool":
                    y = F.avg_pool2d(v[0], a["kernel_shape"], a.get("strides"), a.get("pads", [0])[0])
                elif op == "GlobalAveragePool":
                    y = v[0].mean((2, 3), keepdim=True)
                elif op in ("Flatten", "Reshape"):
                    y = v[0].flatten(1)
                elif op == "Gemm":
                    y = F.linear(v[0], v[1] if a.get("transB") else v[1].t(), v[2])
                elif op == "MatMul":
                    y = v[0] @ v[1]
                elif op == "Slice":
                    starts, ends, axes, steps = (numbers[n].tolist() for n in node.input[1:])
                    cut = [slice(None)] * v[0].dim()
                    for start, end, axis, step in zip(starts, ends, axes, steps):
                        cut[axis] = slice(start, min(end, v[0].shape[axis]), step)
                    y = v[0][tuple(cut)]
                elif op == "Pad":
                    pads = a["pads"] if "pads" in a else numbers[node.input[1]].tolist()
                    half = len(pads) // 2
                    y = F.pad(v[0], [p for d in reversed(range(half)) for p in (pads[d], pads[half + d])])
                elif op in ("Identity", "Softmax"):  # the loss has a softmax of its own
                    y = v[0]
                elif op in ("Constant", "Shape", "Gather", "Unsqueeze", "Concat"):  # shape code
                    y = None
                else:
                    raise SystemExit(f"{path}: {op} is not written here")
                values[node.output[0]] = y
            return values[graph.output[0].name]

    model = Model()
    return model, [d.dim_value for d in graph.input[0].type.tensor_type.shape.dim][1:]


class Torch:
    def __init__(self, path, batch, last):
        import torch

        self.torch = torch
        torch.set_num_threads(1)
        torch.manual_seed(1)
        self.model, dims = torch_model(path)
        self.x = torch.randn(batch, *dims)
        if last and len(dims) == 3:
            self.x = self.x.to(memory_format=torch.channels_last)
            for p in self.model.weights:
                if p.dim() == 4:
                    p.data = p.data.to(memory_format=torch.channels_last)
        self.labels = torch.randint(0, 10, (batch,))
        self.step_of = torch.optim.SGD(self.model.parameters(), lr=1e-4, momentum=0.9, nesterov=True)

    def seconds(self, steps):
        start = time.process_time()
        for _ in range(steps):
            self.step_of.zero_grad(set_to_none=True)
            self.torch.nn.functional.cross_entropy(self.model(self.x), self.labels).backward()
            self.step_of.step()
        return time.process_time() - start


class Edgesmith:
    def __init__(self, path, options):
        self.process = subprocess.Popen([str(BENCH), str(path), "--serve", *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.memory = self.process.stdout.readline().strip()

    def seconds(self, steps):
        self.process.stdin.write(f"{steps}\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def peak_of_torch(path, batch):
    """Peak memory of a process that does three steps, in MiB."""
    code = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import train_speed as t; t.Torch({str(path)!r}, {batch}, True).seconds(3); print(open('/proc/self/status').read())"
    status = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def compare(args, folder):
    for name in args.models.split(","):
        path = next(m for m in zoo.MODELS if m.name == name).path
        plain = Path(folder) / f"{name}.onnx"  # for PyTorch, without shape code
        zoo.edgesmith("simplify", path, "-o", plain)
        ours = Edgesmith(path, ["--batch", str(args.batch), *args.options.split()])
        runners = {"edgesmith": ours, "planes": Torch(plain, args.batch, False), "channels last": Torch(plain, args.batch, True)}
        steps = {key: max(1, round(SLICE / runner.seconds(2) * 2)) for key, runner in runners.items()}
        rates = {key: [] for key in runners}
        for _ in range(args.rounds):
            for key, runner in runners.items():
                rates[key].append(steps[key] * args.batch / runner.seconds(steps[key]))
        ours.close()
        median = {key: statistics.median(values) for key, values in rates.items()}
        best = max(median["planes"], median["channels last"])
        text = ", ".join(f"{key} {median[key]:.0f} ({min(v):.0f} to {max(v):.0f})" for key, v in rates.items())
        print(f"{name}: images/s {text}; {median['edgesmith'] / best:.2f} times PyTorch (at least {MODELS.get(name, 1)})", flush=True)
        print(f"  {ours.memory}; PyTorch's peak memory {peak_of_torch(plain, args.batch):.0f} MiB", flush=True)


def main():
    zoo.need_zoo()
    parser = argparse.ArgumentParser()
    parser.add_argument("--models", default=",".join(MODELS))
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--options", default="")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        compare(args, folder)


if __name__ == "__main__":
    main()
