# SPDX-License-Identifier: Apache-2.0
"""The nasty inputs (tests/nasty) in ONNX Runtime: row by row, does it load what we were given, give the answers that
`infer` gave, and the same from what `simplify` and `quantize` wrote?

nasty.py [FOLDER]    runs the test program first, which leaves the rows' files in FOLDER (default build/nasty)

What ONNX Runtime refuses is listed with its reason, beside what we made of it. The exit code is 1 when it loads a model and
answers differently, or refuses one of ours that comes of a model it loads."""
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx import numpy_helper

import zoo

ort.set_default_logger_severity(4)
DIFFERENT = 1e-4  # of the largest answer
DIFFERENT_HALVES = 2e-3
LEAST_DB = 15     # of int8 models; the rows themselves ask for more


def session(path):
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"]), ""
    except Exception as error:  # all of its errors are plain exceptions
        return None, first_line(error)


def first_line(error):
    return " ".join(str(error).split())[:110]


def inputs_of(folder, model):
    feeds, names = {}, [i.name for i in model.get_inputs()]
    for i, path in enumerate(sorted((folder / "data").glob("input_*.pb"), key=lambda p: int(p.stem.split("_")[1]))):
        tensor = onnx.TensorProto()
        tensor.ParseFromString(path.read_bytes())
        name = tensor.name if tensor.name in names else names[i] if i < len(names) else None
        if name is not None:
            feeds[name] = numpy_helper.to_array(tensor)
    return feeds


def answers(folder, path):
    """Outputs by name, or why there are none."""
    model, reason = session(path)
    if model is None:
        return None, reason
    try:
        values = model.run(None, inputs_of(folder, model))
    except Exception as error:
        return None, first_line(error)
    return {o.name: np.asarray(v) for o, v in zip(model.get_outputs(), values)}, ""


def largest_difference(a, b):
    """Largest difference over the largest finite number; infinite where types, shapes, NaN or infinities differ."""
    worst = 0.0
    for name in a:
        if name not in b or a[name].shape != b[name].shape:
            return np.inf
        if a[name].dtype.kind not in "fiub":
            continue
        x, y = a[name].astype(np.float64), b[name].astype(np.float64)
        finite = np.isfinite(x)
        if not np.array_equal(x[~finite], y[~finite], equal_nan=True) or not np.isfinite(y[finite]).all():
            return np.inf
        if finite.any():
            worst = max(worst, np.abs(x[finite] - y[finite]).max() / max(np.abs(x[finite]).max(), 1e-6))
    return worst


def decibels(a, b):
    signal = noise = 0.0
    for name in a:
        if name in b and a[name].shape == b[name].shape and a[name].dtype.kind == "f":
            x, y = np.nan_to_num(a[name].astype(np.float64)), np.nan_to_num(b[name].astype(np.float64))
            signal, noise = signal + (x * x).sum(), noise + ((x - y) ** 2).sum()
    return 200.0 if noise == 0 else 10 * np.log10(max(signal, 1e-30) / noise)


def arrays(path):
    return dict(np.load(path)) if path.exists() else None


def look_at(folder):
    """One line of the table, and what is wrong."""
    ours, cells, wrong = arrays(folder / "m.npz"), [], []
    theirs, reason = answers(folder, folder / "m.onnx")
    if theirs is None:
        return f"{'answered' if ours else 'refused':9} | ONNX Runtime: {reason}", []
    if largest_difference(theirs, answers(folder, folder / "m.onnx")[0]) > 0:
        return f"{'answered' if ours else 'refused':9} | random in ONNX Runtime, too", []
    halves = any(value.dtype == np.float16 for value in theirs.values())
    different = DIFFERENT_HALVES if halves else DIFFERENT
    if ours is not None:
        off = largest_difference(theirs, ours)
        cells.append(f"infer {off:.0e}")
        if off > different:
            wrong.append("other answers than ONNX Runtime")
    for kind in ("simple", "int8"):
        path = folder / f"{kind}.onnx"
        if not path.exists():
            continue
        after, reason = answers(folder, path)
        if after is None:
            wrong.append(f"{kind}: ONNX Runtime refuses it: {reason}")
        elif kind == "simple":
            off = largest_difference(theirs, after)
            cells.append(f"simple {off:.0e}")
            if off > different:
                wrong.append("simple: other answers")
        else:
            db = decibels(theirs, after)
            cells.append(f"int8 {db:.0f} dB")
            if db < LEAST_DB:
                wrong.append("int8: other answers")
    return f"{'answered' if ours else 'refused':9} | {', '.join(cells) or 'runs'}", wrong


def main():
    place = Path(sys.argv[1] if len(sys.argv) > 1 else zoo.ROOT / "build" / "nasty")
    program = Path(zoo.EDGESMITH).parent / "tests" / "nasty" / "nasty_test"
    if program.exists():
        subprocess.run([program, "--gtest_filter=Inputs/*", "--gtest_brief=1"], env={**os.environ, "EDGESMITH_NASTY": str(place)}, check=True)
    failed = equal = refused = 0
    for folder in sorted(place.iterdir(), key=lambda p: (int("".join(c for c in p.name if c.isdigit())), p.name)):
        line, wrong = look_at(folder)
        print(f"{folder.name:5} {line}" + "".join(f"\n      WRONG: {w}" for w in wrong))
        failed += bool(wrong)
        equal += not wrong and "infer" in line
        refused += "ONNX Runtime:" in line
    print(f"{equal} rows answer like ONNX Runtime, {refused} it refuses, {failed} wrong")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
