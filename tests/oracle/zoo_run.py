#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`edgesmith zoo` over the zoo, by models/zoo/zoo.toml: kill -9 of the parent in the middle and --resume beside an undisturbed run,
the memory of the parent, and --jobs 2 beside --jobs 1 (one thread each), run in turns. Exits 1 where results differ, the parent
takes 50 MB or two jobs are less than 1.7 times as fast.

zoo_run.py [--only a,b] [--rounds 2] [--no-times]"""
import argparse
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import zoo

UNTIMED = {"seconds", "eval_seconds", "peak_rss_bytes", "measured"}


def start(manifest, out, *more):
    command = [zoo.EDGESMITH, "zoo", manifest, "-o", out, "-q", "--threads", "1", *more]
    return subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def most_memory(process):
    """MB of the parent alone, at its most."""
    try:
        status = Path(f"/proc/{process.pid}/status").read_text()
    except OSError:
        return 0
    found = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")]
    return int(found[0]) * 1024 / 1e6 if found else 0


def run(manifest, out, *more):
    """Seconds, and MB of the parent."""
    begin, memory = time.time(), 0
    process = start(manifest, out, *more)
    while process.poll() is None:
        memory = max(memory, most_memory(process))
        time.sleep(0.05)
    if process.returncode not in (0, 1):
        raise SystemExit(f"zoo ended with exit code {process.returncode}")
    return time.time() - begin, memory


def kill_in_the_middle(manifest, out, models, more):
    """Kills the parent when about half of the models are finished; the kernel kills what it started."""
    process = start(manifest, out, "--jobs", 2, *more)
    while process.poll() is None and len(list(Path(out).glob("*/job.json"))) < models // 2:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    return len(list(Path(out).glob("*/job.json")))


def stable(value):
    if isinstance(value, dict):
        return {k: stable(v) for k, v in value.items() if k not in UNTIMED}
    return [stable(v) for v in value] if isinstance(value, list) else value


def contents(folder):
    """Every file without times; pages and tables hold them in their text, of these only that they are there."""
    files = {}
    for path in sorted(Path(folder).rglob("*")):
        if not path.is_file():
            continue
        data = path.read_bytes()
        if path.suffix == ".json":
            data = json.dumps(stable(json.loads(data)))
        elif path.suffix in (".html", ".csv"):
            data = ""
        files[str(path.relative_to(folder))] = data
    return files


def main():
    zoo.need_zoo()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--no-times", action="store_true")
    args = parser.parse_args()
    zoo.unpack()
    only = [word for name in args.only.split(",") if name for word in ("--only", name)]
    bad = False
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        for path in list(zoo.ZOO.glob("*.onnx")) + list(zoo.ZOO.glob("*.npz")) + list(zoo.ZOO.glob("*.csv")) + list(zoo.WORK.iterdir()):
            if path.suffix != ".toml":
                (here / path.name).symlink_to(path.resolve())
        for name in ("zoo.toml", "int8.toml"):
            shutil.copy(zoo.ROOT / "models" / "zoo" / name, here)
        manifest = here / "zoo.toml"
        seconds, memory = run(manifest, here / "whole", "--jobs", 2, *only)
        whole = contents(here / "whole")
        models = len(list((here / "whole").glob("*/job.json")))
        done = kill_in_the_middle(manifest, here / "killed", models, only)
        run(manifest, here / "killed", "--jobs", 2, "--resume", *only)
        same = contents(here / "killed") == whole
        bad = bad or not same or memory >= 50
        print(f"{models} models in {seconds:.0f} s with two jobs; the parent takes {memory:.1f} MB")
        print(f"killed after {done} of {models}, resumed: {len(whole)} files {'are the same' if same else 'DIFFER'}", flush=True)
        times = {1: [], 2: []}
        for turn in range(0 if args.no_times else args.rounds):
            for jobs in (1, 2) if turn % 2 == 0 else (2, 1):
                shutil.rmtree(here / "timed", ignore_errors=True)
                times[jobs].append(run(manifest, here / "timed", "--jobs", jobs, *only)[0])
                print(f"  --jobs {jobs}: {times[jobs][-1]:.1f} s", flush=True)
        if times[1]:
            ratio = statistics.median(times[1]) / statistics.median(times[2])
            bad = bad or ratio < 1.7
            print(f"--jobs 2 is {ratio:.2f} times as fast as --jobs 1 (medians of {args.rounds}, one thread each, in turns)")
    sys.exit(1 if bad else 0)


main()
