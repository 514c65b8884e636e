#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds our recipes, manifests, descriptions of data, profiles and reports against the schemas that `edgesmith schema` prints, and wrong ones, each of
which must be rejected. Needs PyPI's jsonschema and Python 3.11 (tomllib).

schema.py [--edgesmith PATH]"""
import argparse
import copy
import glob
import json
import os
import subprocess
import sys
import tempfile
import tomllib

import jsonschema

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def toml(path):
    with open(path, "rb") as file:
        return tomllib.load(file)


def at(document, *path):
    for key in path:
        document = document[key]
    return document


def changed(document, path, value):
    """A copy with the member at `path` set, or removed where `value` is `del`."""
    copied = copy.deepcopy(document)
    place = at(copied, *path[:-1])
    if value is DELETED:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return copied


DELETED = object()


def kind_of(document):
    """Which of our files it is, by what only that has."""
    return "data" if "path" in document else "manifest" if "step" not in document and "model" in document else "recipe"


def reports(edgesmith):
    """Reports of real runs: with and without data, refused, and from the cache."""
    model = os.path.join(ROOT, "models/fashion-mnist/fashion-cnn.onnx")
    pictures = "/usr/share/datasets/fashion-mnist/t10k-images-idx3-ubyte.gz"
    data = ["--scale", "1/255", "--eval", pictures, "--eval-limit", "100"]
    runs = [["simplify", model], ["simplify", model, "--max-bytes", "10"]]
    if os.path.exists(pictures):
        runs += [["simplify", model, *data], ["simplify", model, *data], ["prune", model, "--sparsity", "0.5", "--repair", "none", *data],
                 ["share", model, "--bits", "4", "--repair", "none", *data],
                 ["quantize", model, "--calib", pictures, "--calib-limit", "16", *data, "--gate-targets", "ort-x86,cmsis-nn-l4r5"]]
    with tempfile.TemporaryDirectory() as folder:
        for number, arguments in enumerate(runs):
            command = [edgesmith, *arguments, "-o", f"{folder}/{number}.onnx", "--cache-dir", f"{folder}/cache", "--json", "-q"]
            done = subprocess.run(command, capture_output=True, text=True)
            yield " ".join(arguments[:1] + arguments[2:]), json.loads(done.stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--edgesmith", default=os.path.join(ROOT, "build/release/edgesmith"))
    edgesmith = parser.parse_args().edgesmith
    validators = {}
    for kind in ("recipe", "data", "target", "report", "manifest"):
        schema = json.loads(subprocess.run([edgesmith, "schema", kind], capture_output=True, text=True, check=True).stdout)
        jsonschema.Draft202012Validator.check_schema(schema)
        validators[kind] = jsonschema.Draft202012Validator(schema)
    failures = 0

    def check(kind, name, document, good):
        nonlocal failures
        error = jsonschema.exceptions.best_match(validators[kind].iter_errors(document))
        if (error is None) == good:
            return
        failures += 1
        print(f"{kind}: {name}: {'rejected: ' + error.json_path + ': ' + error.message[:200] if good else 'accepted'}")

    files = {path: kind_of(toml(path)) for path in sorted(glob.glob(f"{ROOT}/models/**/*.toml", recursive=True))}
    for path, kind in files.items():
        check(kind, path, toml(path), True)
        if not open(path).readline().endswith(f"/schemas/{kind}.json\n"):
            failures += 1
            print(f"{path}: its first line does not name the schema of a {kind}")
    profiles = sorted(glob.glob(f"{ROOT}/src/targets/profiles/*.toml"))
    for path in profiles:
        check("target", path, toml(path), True)
    made = list(reports(edgesmith))
    for name, report in made:
        check("report", name, report, True)

    recipe = toml(f"{ROOT}/models/fashion-mnist/int8.toml")
    data = {"path": "pictures", "labels": "folders", "limit": 10, "preprocess": {"scale": "1/255", "mean": [0.5], "resize": {"short": 256}}}
    several = {"path": "a.npz", "preprocess": {"image": {"scale": 0.5}, "scale": 1}}
    check("data", "a folder", data, True)
    check("data", "two inputs", several, True)
    target = toml(profiles[0])
    report = made[0][1]
    manifest = {"recipe": "a.toml", "set": {"gate": {"max_drop": 1.0}, "seed": 3, "step": {"quantize": {"weights": "int4"}, "2": {"x": 1}}},
                "model": [{"path": ["a.onnx", "b.onnx"], "name": "{stem}-2", "eval": "e.npz"}, {"glob": "*.onnx", "except": "c*", "calib": data}]}
    check("manifest", "one with everything", manifest, True)
    wrong = [
        ("recipe", "an unknown key", recipe, ("outptu",), "a.onnx"),
        ("recipe", "a seed that is a text", recipe, ("seed",), "0"),
        ("recipe", "a negative seed", recipe, ("seed",), -1),
        ("recipe", "an unknown target", recipe, ("target",), "ort-x68"),
        ("recipe", "an unknown metric", recipe, ("gate", "metric"), "top3"),
        ("recipe", "a negative budget", recipe, ("gate", "max_drop"), -0.5),
        ("recipe", "a word of on_fail", recipe, ("gate", "on_fail"), "stop"),
        ("recipe", "an unknown key of the gate", recipe, ("gate", "maxdrop"), 1),
        ("recipe", "an unknown pass", recipe, ("step", 1, "pass"), "quantise"),
        ("recipe", "a step without a pass", recipe, ("step", 0, "pass"), DELETED),
        ("recipe", "an unknown option", recipe, ("step", 1, "weight"), "int8"),
        ("recipe", "a word of an option", recipe, ("step", 1, "calibrator"), "min-max"),
        ("recipe", "data without a path", recipe, ("data", "eval", "path"), DELETED),
        ("recipe", "a limit of 0", recipe, ("data", "calib", "limit"), 0),
        ("recipe", "a step that is a table", recipe, ("step",), {"pass": "simplify"}),
        ("data", "an unknown key", data, ("preprocess", "scales"), 1),
        ("data", "a colour", data, ("preprocess", "color"), "grey"),
        ("data", "three sides", data, ("preprocess", "resize"), {"to": [1, 2, 3]}),
        ("data", "no path", data, ("path",), DELETED),
        ("target", "a unit", target, ("device", "clock"), "120 apples"),
        ("target", "an unknown table", target, ("devices",), {}),
        ("target", "a word", target, ("quantization", "activations"), "u9"),
        ("target", "no name of the machine", target, ("device", "name"), DELETED),
        ("report", "another schema", report, ("schema",), "edgesmith.report/2"),
        ("report", "a status", report, ("steps", 0, "status"), "skipped"),
        ("report", "bytes as text", report, ("model", "bytes"), "12"),
        ("report", "no steps", report, ("steps",), DELETED),
        ("report", "an exit code", report, ("exit_code",), 3),
        ("report", "notes that are a text", report, ("steps", 0, "notes"), "a note"),
        ("manifest", "an unknown key", manifest, ("recipes",), "a.toml"),
        ("manifest", "no models", manifest, ("model",), DELETED),
        ("manifest", "a model that is a table", manifest, ("model",), {"path": "a.onnx"}),
        ("manifest", "a model without path and glob", manifest, ("model", 1, "glob"), DELETED),
        ("manifest", "an unknown key of a model", manifest, ("model", 0, "evl"), "e.npz"),
        ("manifest", "a path that is a number", manifest, ("model", 0, "path"), 3),
        ("manifest", "data without a path", manifest, ("model", 1, "calib"), {"limit": 3}),
        ("manifest", "an unknown key that is set", manifest, ("set", "gate", "max_dorp"), 1),
        ("manifest", "an unknown pass that is set", manifest, ("set", "step", "quantise"), {}),
        ("manifest", "a word that is set", manifest, ("set", "step", "quantize", "weights"), "int9"),
    ]
    for kind, name, document, path, value in wrong:
        check(kind, name, changed(document, path, value), False)
    count = list(files.values()).count
    print(f"schema: {count('recipe')} recipes, {count('manifest')} manifests, {count('data')} descriptions of data, {len(profiles)} profiles, {len(made)} reports are valid, {len(wrong)} wrong ones are not"
          if failures == 0 else f"schema: {failures} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
