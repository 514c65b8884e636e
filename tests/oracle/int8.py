# SPDX-License-Identifier: Apache-2.0
"""`edgesmith quantize` with its defaults on the zoo, judged by ONNX Runtime and OpenVINO on the full test sets.

int8.py [--models a,b] [--target ort-x86] [--openvino] [-- extra options of quantize]
"""
import argparse
import sys
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np

import zoo

# Operators that must not compute on floats in ONNX Runtime's optimized model.
INTEGER = ("Conv", "FusedConv", "Gemm", "FusedGemm", "MatMul", "FusedMatMul", "Add", "AveragePool", "GlobalAveragePool", "MaxPool")


def float_nodes(path):
    """Nodes of INTEGER that read float tensors after ONNX Runtime's extended optimizations."""
    import onnx
    import onnxruntime as ort
    with tempfile.TemporaryDirectory() as folder:
        options = ort.SessionOptions()
        options.log_severity_level = 3
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
        options.optimized_model_filepath = str(Path(folder) / "optimized.onnx")
        ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        graph = onnx.load(options.optimized_model_filepath).graph
    quantized = {o for n in graph.node if n.op_type in ("QuantizeLinear",) or n.op_type.startswith("QLinear") for o in n.output}
    changed = True
    while changed:  # operators that move codes about keep them
        before = len(quantized)
        quantized |= {o for n in graph.node if n.input and n.input[0] in quantized and n.op_type != "DequantizeLinear" for o in n.output}
        changed = len(quantized) > before
    return Counter(n.op_type for n in graph.node if n.op_type in INTEGER and n.input[0] not in quantized)


def run_openvino(path, x):
    import openvino as ov
    model = ov.Core().read_model(str(path))
    if model.inputs[0].partial_shape.is_static:
        batch = model.inputs[0].shape[0]
    else:
        batch = 100
    compiled = ov.Core().compile_model(model, "CPU")
    return np.concatenate([compiled(x[i : i + batch])[0] for i in range(0, len(x), batch)])


def main():
    zoo.need_zoo()
    parser = argparse.ArgumentParser()
    parser.add_argument("--models", default="")
    parser.add_argument("--target", default="ort-x86")
    parser.add_argument("--samples", type=int, default=256)
    parser.add_argument("--openvino", action="store_true")
    parser.add_argument("rest", nargs="*")
    args = parser.parse_args()
    chosen = args.models.split(",") if args.models else [m.name for m in zoo.MODELS]
    print("| model | fp32 | int8 edgesmith | ONNX Runtime | drop | same answers | SQNR dB | bytes (share) | OpenVINO | float nodes |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for model in (m for m in zoo.MODELS if m.name in chosen):
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "int8.onnx"
            report = zoo.edgesmith("quantize", model.path, "-o", out, "--calib", zoo.data_file(model, "train"), "--calib-limit",
                                   args.samples, "--eval", zoo.data_file(model, "test"), "--target", args.target, *args.rest)
            x, labels = zoo.inputs(model, "test")
            first = lambda results: next(iter(results.values()))
            reference = first(zoo.run_onnxruntime(model.path, x))
            result = first(zoo.run_onnxruntime(out, x))
            accuracy = lambda scores: 100 * float((scores.argmax(1) == labels).mean())
            vino = f"{accuracy(run_openvino(out, x)):.2f}" if args.openvino else ""
            size = out.stat().st_size
            print(f"| {model.name} | {accuracy(reference):.2f} | {report['steps'][-1]['metric']['value']:.2f} | {accuracy(result):.2f} "
                  f"| {accuracy(reference) - accuracy(result):.2f} | {100 * float((result.argmax(1) == reference.argmax(1)).mean()):.2f} "
                  f"| {zoo.sqnr_db(reference, result):.1f} | {size} ({100 * size / model.path.stat().st_size:.1f} %) | {vino} "
                  f"| {dict(float_nodes(out)) or 'none'} |", flush=True)


main()
