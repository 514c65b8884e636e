# SPDX-License-Identifier: Apache-2.0
"""The zoo's models with their data: paths, declared preprocessing, arrays decoded by Pillow, and data files for edgesmith."""
import csv
import json
import os
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
ZOO = Path(os.environ.get("EDGESMITH_ZOO", ROOT.parent / "shared" / "zoo"))
WORK = ROOT / "build" / "zoo"
EDGESMITH = os.environ.get("EDGESMITH", str(ROOT / "build" / "release" / "edgesmith"))
os.environ.setdefault("EDGESMITH_CACHE", "off")  # every run is one, for figures and for times


@dataclass
class Model:
    name: str
    data: str          # mnist, cifar or imagenet
    preprocess: dict   # keys of a [preprocess] table
    top1: float        # percent on all its test data, from the zoo's README

    @property
    def path(self):
        return ZOO / f"{self.name}.onnx"


RESNET = {"scale": 1 / 255, "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
MODELS = [
    Model("lenet-300-100-mnist", "mnist", {"scale": 1 / 255}, 98.49),
    Model("lenet-5-mnist", "mnist", {"scale": 1 / 255}, 99.26),
    Model("resnet20-cifar10", "cifar", RESNET, 88.40),
    Model("resnet56-cifar10", "cifar", RESNET, 90.08),
    Model("mobilenetv2-cifar10", "cifar", {"mean": [127.5] * 3, "std": [127.5] * 3}, 77.74),
    Model("mlperf-tiny-ic-resnet8", "cifar", {"color": "rgb"}, 75.48),
    Model("efficientnet-lite0-imagenet", "imagenet", {"mean": [127.0] * 3, "std": [128.0] * 3}, 89.25),
]


def need_zoo():
    if not ZOO.is_dir():
        print(f"skipped: no zoo at {ZOO} (set EDGESMITH_ZOO)")
        sys.exit(0)


def unpack():
    WORK.mkdir(parents=True, exist_ok=True)
    for archive in ("cifar10-train-jpeg", "cifar10-test-jpeg", "imagenet-sample-500"):
        done = WORK / f".{archive}"
        if done.exists():
            continue
        with tarfile.open(ZOO / f"{archive}.tar.gz") as tar:
            tar.extractall(WORK)
        done.touch()
    for part in ("calib", "eval"):
        (WORK / f"imagenet-{part}.csv").write_text((ZOO / f"imagenet-sample-500-{part}.csv").read_text())


def data_file(model, split):
    """A .toml that describes the 'train' or 'test' data of a model for edgesmith."""
    unpack()
    path = {
        "mnist": ZOO / f"mnist-{split}.npz",
        "cifar": WORK / split,
        "imagenet": WORK / ("imagenet-calib.csv" if split == "train" else "imagenet-eval.csv"),
    }[model.data]
    return described(model, path, WORK / f"{model.name}-{split}.toml", ['labels = "folders"'] if model.data == "cifar" else [])


def described(model, path, file, more=()):
    """Writes the .toml `file`: the data at `path` and the preprocessing that the model wants."""
    lines = [f'path = "{path.resolve()}"', *more, "[preprocess]"]
    lines += [f"{key} = {json.dumps(value)}" for key, value in model.preprocess.items()]
    file.write_text("\n".join(lines) + "\n")
    return file


@lru_cache(maxsize=4)
def raw(data, split, samples=None):
    """uint8 [N,C,H,W] and labels, in the order in which edgesmith reads them; with `samples` that many at equal distances."""
    unpack()
    spread = lambda rows: rows if samples is None else rows[:: max(1, len(rows) // samples)][:samples]
    if data == "mnist":
        with np.load(ZOO / f"mnist-{split}.npz") as file:
            return spread(file["x"]), spread(file["y"])
    if data == "cifar":
        names = sorted(p.name for p in (WORK / split).iterdir())
        files = [(p, k) for k, name in enumerate(names) for p in sorted((WORK / split / name).iterdir())]
    else:
        rows = csv.DictReader(open(WORK / ("imagenet-calib.csv" if split == "train" else "imagenet-eval.csv")))
        files = [(WORK / row["path"], int(row["label"])) for row in rows]
    files = spread(files)
    pictures = np.stack([np.asarray(Image.open(p).convert("RGB")).transpose(2, 0, 1) for p, _ in files])
    return pictures, np.array([label for _, label in files])


def few_inputs(model, split, samples):
    """inputs() of that many samples at equal distances; only those are decoded."""
    return prepared(model, *raw(model.data, split, samples))


def inputs(model, split, index=slice(None)):
    """float32 model inputs and labels."""
    x, y = raw(model.data, split)
    return prepared(model, x[index], y[index])


def prepared(model, x, y):
    """`x` preprocessed as the model wants it, and the labels as they are."""
    x = x.astype(np.float32)
    x *= np.float32(model.preprocess.get("scale", 1))
    channels = (1, -1, 1, 1)
    if "mean" in model.preprocess:
        x = (x - np.float32(model.preprocess["mean"]).reshape(channels)) / np.float32(model.preprocess["std"]).reshape(channels)
    return x.astype(np.float32), y


def edgesmith(*arguments, check=True):
    """Runs the tool with --json and returns its document."""
    command = [EDGESMITH, *map(str, arguments), "--json", "-q"]
    done = subprocess.run(command, capture_output=True, text=True)
    if check and done.returncode != 0:
        raise SystemExit(f"{' '.join(command)}\nexit {done.returncode}: {done.stderr}{done.stdout}")
    return json.loads(done.stdout)


def run_onnxruntime(path, x, optimize=True, threads=2):
    """All results over all samples, by name; a model with a fixed batch is fed that many at a time."""
    import onnxruntime as ort
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    if not optimize:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    first = session.get_inputs()[0]
    batch = first.shape[0] if isinstance(first.shape[0], int) else 100
    parts = [session.run(None, {first.name: x[i : i + batch]}) for i in range(0, len(x), batch)]
    return {o.name: np.concatenate([p[k] for p in parts]) for k, o in enumerate(session.get_outputs())}


def sqnr_db(reference, other):
    return 10 * np.log10(np.sum(np.square(reference, dtype=np.float64)) / np.sum(np.square(reference - other, dtype=np.float64)))
