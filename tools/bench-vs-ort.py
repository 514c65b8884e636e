#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Latency of `edgesmith bench` beside ONNX Runtime (and OpenVINO): batch 1, one thread, one core, in turns.

bench-vs-ort.py [--models a,b] [--openvino] [--blocks 10] [--no-int8] [--write] [MODEL.onnx ...]

Without files it takes the model zoo (EDGESMITH_ZOO, see tests/oracle/README.md): every float model, and the int8 model that
`edgesmith quantize` makes of it (kept in build/bench-int8). Every block times each runtime for about 0.15 s; a figure is the
median of the blocks' medians, a ratio the median of the blocks' ratios. --write puts the table into docs/performance.md,
and its summary at the top.
Needs Python with onnxruntime, numpy and pillow.
"""
import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from performance_summary import with_summary

ROOT = Path(__file__).resolve().parents[1]
EDGESMITH = os.environ.get("EDGESMITH", str(ROOT / "build" / "release" / "edgesmith"))
INT8 = ROOT / "build" / "bench-int8"
PAGE = ROOT / "docs" / "performance.md"
MARK = "<!-- written by tools/bench-vs-ort.py -->"
BLOCK_SECONDS = 0.15


def edgesmith(*arguments):
    command = [EDGESMITH, *map(str, arguments), "--json", "-q"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)}\nexit {done.returncode}: {done.stderr}{done.stdout}")
    return json.loads(done.stdout)


def pin():
    """Keeps this process, and with it the edgesmith that it starts, on one core."""
    if not hasattr(os, "sched_setaffinity"):
        print("not pinned: the system cannot", file=sys.stderr)
        return
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


class Edgesmith:
    name = "edgesmith"

    def __init__(self, path, folder):
        self.path = path
        self.options = ["--arithmetic", "exact-i32"]
        self.input = Path(folder) / "input.npz"
        self.document = edgesmith("bench", path, "--runs", 20, "--warmup", 5, "--save-input", self.input, "--force", *self.options)
        edgesmith("infer", path, "--data", self.input.with_suffix(".toml"), "-o", Path(folder) / "output.npz", "--force", *self.options)
        with np.load(Path(folder) / "output.npz") as file:
            self.outputs = [file[name] for name in file.files]

    def median_us(self, runs):
        document = edgesmith("bench", self.path, "--runs", runs, "--warmup", max(5, runs // 10), *self.options)
        if document["output_sha256"] != self.document["output_sha256"]:
            raise SystemExit(f"{self.path}: the outputs of two runs differ")
        return document["latency_us"]["median"]


class Timed:
    """A runtime that runs in this process."""

    def median_us(self, runs):
        for _ in range(max(5, runs // 10)):
            self.run()
        times = []
        for _ in range(runs):
            start = time.perf_counter_ns()
            self.run()
            times.append(time.perf_counter_ns() - start)
        return statistics.median(times) / 1e3


class OnnxRuntime(Timed):
    name = "ONNX Runtime"

    def __init__(self, path, inputs):
        import onnxruntime as ort
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self.session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self.binding = self.session.io_binding()
        self.kept = [ort.OrtValue.ortvalue_from_numpy(array) for array in inputs.values()]
        for name, value in zip(inputs, self.kept):
            self.binding.bind_ortvalue_input(name, value)
        for output in self.session.get_outputs():
            self.binding.bind_output(output.name)
        self.run()
        self.outputs = self.binding.copy_outputs_to_cpu()

    def run(self):
        self.session.run_with_iobinding(self.binding)


class OpenVino(Timed):
    name = "OpenVINO"

    def __init__(self, path, inputs):
        import openvino as ov
        core = ov.Core()
        model = core.read_model(str(path))
        model.reshape({name: list(array.shape) for name, array in inputs.items()})
        compiled = core.compile_model(model, "CPU", {
            "PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1, "ENABLE_CPU_PINNING": False,
            "INFERENCE_PRECISION_HINT": "f32"})
        self.request = compiled.create_infer_request()
        for name, array in inputs.items():
            self.request.set_tensor(name, ov.Tensor(array))
        self.run()
        self.outputs = [self.request.get_output_tensor(i).data.copy() for i in range(len(compiled.outputs))]

    def run(self):
        self.request.infer()


def largest_difference(ours, theirs):
    """Largest difference of any output over its largest value."""
    return max(float(np.abs(a.astype(np.float64) - b).max() / max(1e-9, np.abs(b).max())) for a, b in zip(ours, theirs) if a.size)


def measure(path, rivals, blocks):
    """Median microseconds and, for each rival, the median of rival/edgesmith over the blocks."""
    with tempfile.TemporaryDirectory() as folder:
        ours = Edgesmith(path, folder)
        with np.load(ours.input) as file:
            inputs = {name: file[name] for name in file.files}
        others = [rival(path, inputs) for rival in rivals]
        difference = largest_difference(ours.outputs, others[0].outputs)
        runs = [min(2000, max(20, int(BLOCK_SECONDS * 1e6 / r.median_us(20)))) for r in (ours, *others)]
        times = [[r.median_us(n) for r, n in zip((ours, *others), runs)] for _ in range(blocks)]
    columns = list(zip(*times))
    ratios = [[t[i] / t[0] for t in times] for i in range(1, len(columns))]
    return {"us": [statistics.median(c) for c in columns], "ratios": [statistics.median(r) for r in ratios],
            "spread": [(min(r), max(r)) for r in ratios], "difference": difference, "document": ours.document}


def zoo_models(names):
    sys.path.insert(0, str(ROOT / "tests" / "oracle"))
    import zoo
    zoo.need_zoo()
    return [(m, zoo.data_file(m, "train")) for m in zoo.MODELS if not names or m.name in names]


def int8_of(model, data):
    out = INT8 / f"{model.name}.onnx"
    if not out.exists():
        INT8.mkdir(parents=True, exist_ok=True)
        edgesmith("quantize", model.path, "-o", out, "--calib", data, "--calib-limit", 128)
    return out


def geometric_mean(values):
    return math.exp(sum(map(math.log, values)) / len(values))


def table(title, rows, rivals):
    lines = [f"### {title}", "", "| model | edgesmith us | " + " | ".join(f"{r.name} us | ratio (range)" for r in rivals) + " | difference |",
             "| --- |" + " ---: |" * (2 + 2 * len(rivals))]
    for name, row in rows:
        cells = [f"{row['us'][0]:.1f}"]
        for i in range(len(rivals)):
            low, high = row["spread"][i]
            cells += [f"{row['us'][i + 1]:.1f}", f"**{row['ratios'][i]:.2f}** ({low:.2f} to {high:.2f})"]
        lines.append(f"| {name} | " + " | ".join(cells) + f" | {row['difference']:.1e} |")
    means = [geometric_mean([row["ratios"][i] for _, row in rows]) for i in range(len(rivals))]
    lines.append("| geometric mean | | " + " | ".join(f"| **{m:.2f}**" for m in means) + " | |")
    return "\n".join(lines) + "\n"


def versions(openvino):
    import onnxruntime
    text = f"onnxruntime {onnxruntime.__version__}"
    if openvino:
        import openvino as ov
        text += f", openvino {ov.__version__.split('-')[0]}"
    return text


def commit():
    done = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else "no commit"


def cpu_features():
    """Those that decide how fast a model can be."""
    flags = set()
    for line in open("/proc/cpuinfo"):
        if line.startswith("flags"):
            flags = set(line.split())
            break
    return ", ".join(f for f in ("avx2", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8") if f in flags) or "unknown"


def write_page(text):
    page = PAGE.read_text()
    if page.count(MARK) != 2:
        raise SystemExit(f"{PAGE}: the table's place must lie between two lines {MARK}")
    before, _, after = page.split(MARK)
    PAGE.write_text(with_summary(before + MARK + "\n\n" + text + "\n" + MARK + after))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", help="models to time in place of the zoo's")
    parser.add_argument("--models", default="", help="names of zoo models, with commas")
    parser.add_argument("--blocks", type=int, default=10)
    parser.add_argument("--openvino", action="store_true")
    parser.add_argument("--no-int8", action="store_true")
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    rivals = [OnnxRuntime] + ([OpenVino] if arguments.openvino else [])
    jobs = {}
    if arguments.files:
        jobs["Files"] = [(Path(f).name, Path(f)) for f in arguments.files]
    else:
        models = zoo_models([n for n in arguments.models.split(",") if n])
        jobs["float32"] = [(m.name, m.path) for m, _ in models]
        if not arguments.no_int8:
            jobs["int8 (QDQ by `edgesmith quantize`)"] = [(m.name, int8_of(m, data)) for m, data in models]
    pin()
    texts, document = [], None
    for title, paths in jobs.items():
        rows = []
        for name, path in paths:
            rows.append((name, measure(path, rivals, arguments.blocks)))
            document = rows[-1][1]["document"]
            ratios = ", ".join(f"{r.name} {u:.1f} us ({x:.2f})" for r, u, x in zip(rivals, rows[-1][1]["us"][1:], rows[-1][1]["ratios"]))
            print(f"{name}: edgesmith {rows[-1][1]['us'][0]:.1f} us, {ratios}", file=sys.stderr, flush=True)
        texts.append(table(title, rows, rivals))
    tool = document["tool"]
    head = (f"{tool['cpu']} ({cpu_features()}), edgesmith {tool['version']} at {commit()} with {tool['isa']}, {versions(arguments.openvino)}; "
            f"{arguments.blocks} blocks each.\n\n")
    print(head + "\n".join(texts))
    if arguments.write:
        write_page(head + "\n".join(texts))


main()
