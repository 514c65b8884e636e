# SPDX-License-Identifier: Apache-2.0
"""Imports and exports every model with edgesmith and compares both files in onnxruntime: same interface, same outputs.

usage: roundtrip.py build/release/tests/onnx/onnx_round_trip MODEL.onnx...

Optimizations of onnxruntime are off, so that equal models give equal bits; inputs are random with a fixed seed, or come
from NAME.npz (in_<input>) beside the model.
"""
import os
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime as ort

DTYPES = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(int64)": np.int64, "tensor(int32)": np.int32,
          "tensor(float16)": np.float16, "tensor(bool)": np.bool_, "tensor(uint8)": np.uint8, "tensor(int8)": np.int8}


def session(path):
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def feeds(path, run):
    saved = os.path.splitext(path)[0] + ".npz"
    stored = np.load(saved) if os.path.exists(saved) else {}
    random = np.random.default_rng(0)
    inputs = {}
    for i in run.get_inputs():
        if f"in_{i.name}" in stored:
            inputs[i.name] = stored[f"in_{i.name}"]
            continue
        shape = [d if isinstance(d, int) and d > 0 else 2 for d in i.shape]
        inputs[i.name] = random.uniform(0, 4, shape).astype(DTYPES[i.type])
    return inputs


def interface(path):
    model = onnx.load(path, load_external_data=False)
    strip = lambda values: [v.SerializeToString() for v in values]
    meta = [(p.key, p.value) for p in model.metadata_props]
    return (strip(model.graph.input), strip(model.graph.output), model.graph.name, model.graph.doc_string, meta,
            model.producer_name, model.doc_string, sorted((o.domain, o.version) for o in model.opset_import),
            model.ir_version, [f.SerializeToString() for f in model.functions])


def main():
    tool, *models = sys.argv[1:]
    bad = 0
    for path in models:
        with tempfile.TemporaryDirectory() as folder:
            out = os.path.join(folder, "out.onnx")
            done = subprocess.run([tool, path, out], capture_output=True, text=True)
            name = os.path.basename(path)
            if done.returncode != 0:
                print(f"{name}: {done.stderr.strip()}")
                bad += 1
                continue
            verdict = "same interface" if interface(path) == interface(out) else "INTERFACE DIFFERS"
            try:
                before = session(path)
            except Exception as error:
                print(f"{name}: {verdict}; not runnable before: {str(error)[:80]}")
                continue
            inputs = feeds(path, before)
            a, b = before.run(None, inputs), session(out).run(None, inputs)
            error = max((np.max(np.abs(np.float64(x) - np.float64(y)), initial=0) for x, y in zip(a, b)), default=0)
            sizes = f"{os.path.getsize(path)} -> {os.path.getsize(out)} bytes"
            print(f"{name}: {verdict}, largest difference {error:g}, {sizes}")
            bad += error != 0 or verdict.isupper()
    sys.exit(1 if bad else 0)


main()
