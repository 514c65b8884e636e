#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The step cache on the zoo: outputs from it beside those of runs without it, byte for byte, for every model; and the time of
a recipe of three steps of which the last one changed, beside the full run.

cache.py [--samples 2000] [--skip-zoo]"""
import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import zoo

UNTIMED = ("seconds", "eval_seconds", "peak_rss_bytes", "measured", "cached", "path", "output")


def run(*arguments):
    """The report of a run and its seconds."""
    start = time.time()
    done = subprocess.run([zoo.EDGESMITH, *map(str, arguments), "--json", "-q", "--force"], capture_output=True, text=True)
    seconds = time.time() - start
    report = json.loads(done.stdout) if done.stdout else {"error": done.stderr}
    return report, seconds


def stable(value):
    """A report without times, paths and what it says of the cache."""
    if isinstance(value, dict):
        return {k: stable(v) for k, v in value.items() if k not in UNTIMED or (k == "output" and isinstance(v, dict))}
    return [stable(v) for v in value] if isinstance(value, list) else value


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else ""


def compare_models(folder):
    models = sorted(zoo.ZOO.glob("**/*.onnx"))
    same = stored = bad = 0
    for model in models:
        out = Path(folder) / "out.onnx"
        results = []
        for cache in (["--no-cache"], ["--cache-dir", f"{folder}/zoo"], ["--cache-dir", f"{folder}/zoo"]):
            out.unlink(missing_ok=True)
            report, _ = run("simplify", model, "-o", out, *cache)
            results.append((digest(out), json.dumps(stable(report))))
        cached = "cached" in report.get("steps", [{}])[0]
        if results[0] == results[1] == results[2]:
            same += 1
            stored += cached
        else:
            bad += 1
            print(f"{model.name}: differs")
        if not cached:
            print(f"{model.name}: is not kept: {report.get('error', '')}")
    print(f"simplify of {len(models)} models: {same} the same without the cache, into it and from it; {stored} were kept")
    return bad


def time_recipe(folder, samples):
    model = next(m for m in zoo.MODELS if m.name == "resnet20-cifar10")
    recipe = Path(folder) / "recipe.toml"
    recipe.write_text(f"""model = "{model.path}"
output = "out.onnx"
[data]
calib = {{ path = "{zoo.data_file(model, "train")}", limit = 200 }}
eval = {{ path = "{zoo.data_file(model, "test")}", limit = {samples} }}
[[step]]
pass = "simplify"
[[step]]
pass = "prune"
sparsity = 0.3
[[step]]
pass = "quantize"
calibrator = "minmax"
""")
    changed = ["--set", "step.quantize.calibrator=mse"]
    cache = ["--cache-dir", f"{folder}/recipe"]
    full, full_seconds = run("run", recipe, "-o", f"{folder}/full", "--no-cache", *changed)
    _, cold_seconds = run("run", recipe, "-o", f"{folder}/cold", *cache)
    cached, seconds = run("run", recipe, "-o", f"{folder}/cached", *cache, *changed)
    same = digest(Path(folder) / "full/out.onnx") == digest(Path(folder) / "cached/out.onnx") and stable(full) == stable(cached)
    print(f"three steps, {samples} samples: {full_seconds:.1f} s without the cache, {cold_seconds:.1f} s into an empty one, "
          f"{seconds:.1f} s ({100 * seconds / full_seconds:.0f} %) with the last step changed; outputs {'the same' if same else 'DIFFER'}")
    return 0 if same and seconds < full_seconds / 3 else 1


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=2000)
    parser.add_argument("--skip-zoo", action="store_true")
    arguments = parser.parse_args()
    zoo.need_zoo()
    with tempfile.TemporaryDirectory() as folder:
        bad = time_recipe(folder, arguments.samples)
        if not arguments.skip_zoo:
            bad += compare_models(folder)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
