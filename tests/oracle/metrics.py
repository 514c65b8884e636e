# SPDX-License-Identifier: Apache-2.0
"""Are f1, miou, r2 and map those of scikit-learn and pycocotools (`pip install scikit-learn pycocotools onnx`)?

Models that hand their input through give random outputs to `edgesmith eval`; exits 1 when a number is not the same."""
import io
import contextlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from sklearn.metrics import f1_score, jaccard_score, r2_score

EDGESMITH = Path(__file__).resolve().parents[2] / "build/release/edgesmith"


def through(path, shapes):
    """A model whose outputs are its inputs."""
    inputs = [helper.make_tensor_value_info(f"in_{k}", TensorProto.FLOAT, ["N", *dims]) for k, dims in shapes.items()]
    outputs = [helper.make_tensor_value_info(k, TensorProto.FLOAT, ["N", *dims]) for k, dims in shapes.items()]
    nodes = [helper.make_node("Identity", [f"in_{k}"], [k]) for k in shapes]
    graph = helper.make_graph(nodes, "through", inputs, outputs)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)


def ours(metric, outputs, labels):
    with tempfile.TemporaryDirectory() as folder:
        model, data = Path(folder) / "m.onnx", Path(folder) / "d.npz"
        through(model, {k: v.shape[1:] for k, v in outputs.items()})
        np.savez(data, y=labels, **{f"in_{k}": v for k, v in outputs.items()})
        command = [EDGESMITH, "eval", model, "--data", data, "--metric", metric, "--scale", "1", "--json", "-q"]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(done.stderr + done.stdout)
        return json.loads(done.stdout)["metric"]["value"]


def f1(rng):
    labels, scores = rng.integers(0, 7, 300), rng.normal(size=(300, 9)).astype(np.float32)
    scores[np.arange(300), labels] += 1.5
    return {"scores": scores}, labels, f1_score(labels, scores.argmax(1), average="macro")


def miou(rng):
    labels, scores = rng.integers(0, 5, (20, 8, 9)), rng.normal(size=(20, 6, 8, 9)).astype(np.float32)
    np.put_along_axis(scores, labels[:, None], 2, 1)
    labels[rng.random(labels.shape) < 0.1] = 255
    seen = labels != 255
    answers = scores.argmax(1)
    return {"scores": scores}, labels, jaccard_score(labels[seen], answers[seen], average="macro")


def r2(rng):
    labels = rng.normal(size=(100, 4)).astype(np.float32)
    outputs = (labels * [1, 0.8, 0, 1.1] + rng.normal(size=labels.shape) * 0.3).astype(np.float32)
    return {"y_hat": outputs}, labels, r2_score(labels, outputs)


def boxes(rng):
    """Pictures with up to 12 labelled boxes of 4 classes, found with noise, doubled, missed and invented."""
    pictures, most, slots = 40, 12, 60
    labels = np.full((pictures, most, 5), -1, np.float32)
    rows = np.zeros((pictures, slots, 6), np.float32)
    for p in range(pictures):
        found = []
        for g in range(rng.integers(0, most + 1)):
            x, y = rng.uniform(0, 200, 2)
            w, h = rng.uniform(10, 80, 2)
            kind = rng.integers(0, 4)
            labels[p, g] = [x, y, x + w, y + h, kind]
            for _ in range(rng.integers(0, 4)):
                dx, dy, dw, dh = rng.normal(size=4) * 0.08 * np.array([w, h, w, h])
                answer = kind if rng.random() < 0.9 else rng.integers(0, 5)
                found.append([x + dx, y + dy, x + dx + w + dw, y + dy + h + dh, rng.random(), answer])
        for _ in range(rng.integers(0, 4)):
            x, y = rng.uniform(0, 200, 2)
            found.append([x, y, x + 30, y + 40, rng.random(), rng.integers(0, 5)])
        rows[p, : len(found)] = np.round(np.array(found, np.float32).reshape(-1, 6), 3)
    return labels, rows


def coco(labels, rows):
    corners = lambda r: [float(r[0]), float(r[1]), float(r[2]) - float(r[0]), float(r[3]) - float(r[1])]
    truth, answers = [], []
    for p, (ls, rs) in enumerate(zip(labels, rows)):
        for row in ls[ls[:, 4] >= 0]:
            box = corners(row)
            truth.append(dict(id=len(truth) + 1, image_id=p, category_id=int(row[4]), bbox=box, area=box[2] * box[3], iscrowd=0))
        for row in rs[rs[:, 4] > 0]:
            answers.append(dict(image_id=p, category_id=int(row[5]), bbox=corners(row), score=float(row[4])))
    with contextlib.redirect_stdout(io.StringIO()):
        api = COCO()
        api.dataset = dict(images=[dict(id=p) for p in range(len(labels))], annotations=truth, categories=[dict(id=c) for c in range(5)])
        api.createIndex()
        run = COCOeval(api, api.loadRes(answers), "bbox")
        run.evaluate()
        run.accumulate()
        run.summarize()
    return run.stats[0]


def main():
    bad = 0
    print("| metric | edgesmith | oracle | difference |\n| --- | --- | --- | --- |")
    for seed in range(3):
        rng = np.random.default_rng(seed)
        rows = [("f1", *f1(rng)), ("miou", *miou(rng)), ("r2", *r2(rng))]
        labels, found = boxes(rng)
        expected = coco(labels, found)
        rows.append(("map", {"found": found}, labels, expected))
        three = {"boxes": found[..., :4], "scores": found[..., 4], "classes": found[..., 5]}
        rows.append(("map", three, labels, expected))
        for metric, outputs, y, oracle in rows:
            value = ours(metric, outputs, y)
            bad += abs(value - oracle) > 1e-6
            print(f"| {metric} | {value:.7f} | {oracle:.7f} | {abs(value - oracle):.1e} |", flush=True)
    sys.exit(1 if bad else 0)


main()
