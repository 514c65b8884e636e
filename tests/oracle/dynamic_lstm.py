# SPDX-License-Identifier: Apache-2.0
"""Quantizes LSTMs with --dynamic and compares what edgesmith and ONNX Runtime make of the exported models, and both with
the float models in ONNX Runtime: one LSTM a form (directions, batch, lengths, states, peepholes, clip, input_forget,
scales a tensor), the zoo's kws-bilstm, and the models of build/packages that have LSTMs (tests/oracle/packages.py gets
them), simplified first. Beside each stands ONNX Runtime's own quantize_dynamic. Exits 1 where the two runtimes differ by more than 2e-2
of the largest answer (a code of h that falls to the other side), where the cosine with the float model is below 0.998
(random weights) or 0.9995 (real ones), or where a form that has an operator did not get it.

    dynamic_lstm.py [EDGESMITH]
"""
import logging
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic

ROOT = Path(__file__).resolve().parents[2]
TOOL = sys.argv[1] if len(sys.argv) > 1 else str(ROOT / "build" / "release" / "edgesmith")
ZOO = Path(os.environ.get("EDGESMITH_ZOO", ROOT.parent / "shared" / "zoo")) / "structures"
RANDOM = np.random.default_rng(5)


def lstm(path, n=1, batch=1, steps=20, inputs=40, hidden=32, lengths=None, states=False, peepholes=False, bias=True, opset=14, **attributes):
    weights = {"W": (n, 4 * hidden, inputs), "R": (n, 4 * hidden, hidden)}
    if bias:
        weights["B"] = (n, 8 * hidden)
    if peepholes:
        weights["P"] = (n, 3 * hidden)
    initializers = [numpy_helper.from_array((RANDOM.standard_normal(dims) * 0.4 / np.sqrt(hidden / 8)).astype(np.float32), name) for name, dims in weights.items()]
    fed = {"x": (RANDOM.standard_normal((steps, batch, inputs)) * np.exp(RANDOM.standard_normal((steps, 1, 1)) / 2)).astype(np.float32)}
    if lengths is not None:
        fed["L"] = np.array(lengths, np.int32)
    if states:
        fed["h"], fed["c"] = (np.tanh(RANDOM.standard_normal((n, batch, hidden))).astype(np.float32) for _ in range(2))
    names = ["x", "W", "R", "B" if bias else "", "L" if lengths is not None else "", "h" if states else "", "c" if states else "", "P" if peepholes else ""]
    while not names[-1]:
        names.pop()
    node = helper.make_node("LSTM", names, ["y", "yh", "yc"], name="rnn", hidden_size=hidden, **attributes)
    infos = [helper.make_tensor_value_info(k, helper.np_dtype_to_tensor_dtype(v.dtype), v.shape) for k, v in fed.items()]
    results = [helper.make_tensor_value_info(k, TensorProto.FLOAT, None) for k in ("y", "yh", "yc")]
    model = helper.make_model(helper.make_graph([node], "g", infos, results, initializers), opset_imports=[helper.make_opsetid("", opset)])
    model.ir_version = 7
    onnx.save(model, path)
    return fed


def answers(path, fed, threads=1):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(str(path), options, ["CPUExecutionProvider"])
    return dict(zip([o.name for o in session.get_outputs()], session.run(None, fed)))


def operators(graph):
    found = []
    for node in graph.node:
        found.append(node.op_type)
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                found += operators(attribute.g)
    return found


def cosine(a, b):
    a, b = (np.concatenate([x.ravel().astype(np.float64) for x in values]) for values in (a, b))
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))


def floats(results):
    return [v for _, v in sorted(results.items()) if v.dtype == np.float32]


def check(folder, name, model, fed, wanted, extra=(), least=0.9995):
    """`fed`: arrays by input. `wanted`: how many DynamicQuantizeLSTM there must be. `least`: cosine with the float model."""
    ours, theirs, data = folder / "ours.onnx", folder / "theirs.onnx", folder / "set"
    clean = folder / "clean.onnx"
    subprocess.run([TOOL, "simplify", str(model), "-o", str(clean), "--force", "-q"], check=True, stderr=subprocess.DEVNULL)
    subprocess.run([TOOL, "quantize", str(clean), "-o", str(ours), "--dynamic", "--force", "-q", *extra], check=True)
    written = onnx.load(ours)
    got = operators(written.graph).count("DynamicQuantizeLSTM")
    data.mkdir(exist_ok=True)
    for old in data.glob("*.pb"):
        old.unlink()
    for i, (key, value) in enumerate(fed.items()):
        (data / f"input_{i}.pb").write_bytes(numpy_helper.from_array(value, key).SerializeToString())
    subprocess.run([TOOL, "infer", str(ours), "--data", str(data), "-o", str(folder / "o.npz"), "--force", "-q"], check=True)
    with np.load(folder / "o.npz") as file:
        run = {key: file[key] for key in file.files}
    before, after = answers(model, fed), answers(ours, fed)
    largest = max(np.abs(v).max() for v in floats(after))
    apart = max(np.abs(a.astype(np.float64) - b).max() for a, b in zip(floats(run), floats(after))) / largest
    kept, of_theirs = cosine(floats(before), floats(after)), "-"
    try:
        quantize_dynamic(str(clean), str(theirs), weight_type=QuantType.QInt8, per_channel=True, op_types_to_quantize=["LSTM", "MatMul", "Gemm"])
        of_theirs = f"{cosine(floats(before), floats(answers(theirs, fed))):.6f}"
    except Exception as error:
        of_theirs = type(error).__name__
    bad = apart > 2e-2 or kept < least or got != wanted
    size = ours.stat().st_size / clean.stat().st_size
    print(f"{'BAD ' if bad else ''}{name}: {got} DynamicQuantizeLSTM, {100 * size:.0f} % of the bytes, apart {apart:.1e}, "
          f"cosine {kept:.6f} (ONNX Runtime's quantizer {of_theirs})")
    return bad


def main():
    logging.disable(logging.WARNING)
    bad = 0
    with tempfile.TemporaryDirectory() as where:
        folder = Path(where)
        model = folder / "m.onnx"
        forms = {
            "forward": (dict(), 1), "reverse": (dict(direction="reverse"), 1), "bidirectional": (dict(n=2, direction="bidirectional"), 1),
            "states": (dict(states=True), 1), "no bias": (dict(bias=False), 1), "peepholes": (dict(peepholes=True), 1),
            "batch": (dict(batch=5), 1), "lengths": (dict(n=2, direction="bidirectional", batch=4, lengths=[20, 3, 11, 7], states=True), 1),
            "clip": (dict(clip=0.5), 1), "input_forget": (dict(input_forget=1), 1),
            "activations": (dict(activations=["HardSigmoid", "Tanh", "Relu"]), 1), "opset 7": (dict(opset=7), 1),
        }
        for name, (form, wanted) in forms.items():
            bad += check(folder, name, model, lstm(model, **form), wanted, least=0.998)
        fed = lstm(model, n=2, direction="bidirectional", states=True)
        bad += check(folder, "a scale a tensor", model, fed, 1, ("--per-tensor",), 0.998)
        bad += check(folder, "openvino-x86", model, fed, 0, ("--target", "openvino-x86"))
        arrays = np.load(ZOO / "kws-bilstm.npz")
        zoo = onnx.load(ZOO / "kws-bilstm.onnx")
        inputs = [i.name for i in zoo.graph.input]
        bad += check(folder, "kws-bilstm", ZOO / "kws-bilstm.onnx", {k: arrays["in_" + k] for k in inputs}, 1)
        bad += check(folder, "kws-bilstm for VNNI", ZOO / "kws-bilstm.onnx", {k: arrays["in_" + k] for k in inputs}, 1, ("--target", "ort-x86-vnni"))
        packages = ROOT / "build" / "packages" / "silero-vad"
        sound = (RANDOM.standard_normal((1, 576)) * 0.1).astype(np.float32)
        state = np.zeros((2, 1, 128), np.float32)
        rate = np.array(16000, np.int64)
        sets = {
            "silero_vad_16k_sequence": ({"input": np.tile(sound, (4, 1)), "h": state[:1], "c": state[:1]}, 1),
            "silero_vad_openvino_16k": ({"input": sound, "state": state}, 1),
            "silero_vad": ({"input": sound, "state": state, "sr": rate}, 2),
            "silero_vad_half": ({"input": sound, "state": state}, 1),
            "silero_vad_16k_op15": ({"input": sound, "state": state, "sr": rate}, 1),
        }
        for name, (fed, wanted) in sets.items():
            path = packages / f"{name}.onnx"
            if path.exists():
                bad += check(folder, name, path, fed, wanted)
            else:
                print(name, "is not there: run tests/oracle/packages.py first")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
