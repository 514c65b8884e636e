# SPDX-License-Identifier: Apache-2.0
"""Large files: `inspect` and `simplify` of a stack of MatMuls of GBYTES (weights inline, and in a file beside the model), with
time beside `cp` of the same bytes and peak memory beside the file, onnxsim and onnxslim; a model over protobuf's 2 GB with
external data; chains of 20 000 and 100 000 nodes.

big_files.py [FOLDER] [--gbytes 1] [--over 2.5] [--rivals]    needs about five times the bytes of disk in FOLDER (default build/big)
"""
import argparse
import multiprocessing
import os
import resource
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import zoo

WIDTH = 4096  # of a square weight: 64 MiB
ROUNDS = 3


def run(command):
    """Seconds and peak resident bytes of a command, and its exit code."""
    start = time.perf_counter()
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    message = process.stderr.read().decode(errors="replace")
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    code = os.waitstatus_to_exitcode(status)
    if code != 0:
        print(f"    exit {code}: {(message.strip().splitlines() or [''])[-1]}")
    return seconds, usage.ru_maxrss * 1024, code


def stack(path, gbytes, external):
    """x -> MatMul -> Relu -> ... with an Identity on each way for `simplify` to remove. External weights share one file."""
    count = max(1, round(gbytes * 2**30 / (WIDTH * WIDTH * 4)))
    weight = (np.random.default_rng(0).standard_normal((WIDTH, WIDTH)) / 64).astype(np.float32)
    nodes, weights, value = [], [], "x"
    for i in range(count):
        tensor = TensorProto(name=f"w{i}", data_type=TensorProto.FLOAT, dims=[WIDTH, WIDTH])
        if external:
            tensor.data_location = TensorProto.EXTERNAL
            for key, text in (("location", path.name + ".data"), ("offset", str(i * weight.nbytes)), ("length", str(weight.nbytes))):
                tensor.external_data.add(key=key, value=text)
        else:
            weight[0, 0] = i
            tensor.raw_data = weight.tobytes()
        weights.append(tensor)
        nodes += [helper.make_node("MatMul", [value, f"w{i}"], [f"m{i}"]), helper.make_node("Identity", [f"m{i}"], [f"i{i}"]),
                  helper.make_node("Relu", [f"i{i}"], [f"r{i}"])]
        value = f"r{i}"
    shape = ["N", WIDTH]
    graph = helper.make_graph(nodes, "stack", [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
                              [helper.make_tensor_value_info(value, TensorProto.FLOAT, shape)], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    if external:
        with open(path.with_name(path.name + ".data"), "wb") as data:
            for i in range(count):
                weight[0, 0] = i
                data.write(weight.tobytes())
    return count * weight.nbytes


def chain(path, length):
    nodes = [helper.make_node("Relu" if i % 2 else "Neg", [f"v{i}"], [f"v{i + 1}"]) for i in range(length)]
    graph = helper.make_graph(nodes, "chain", [helper.make_tensor_value_info("v0", TensorProto.FLOAT, ["N", 4])],
                              [helper.make_tensor_value_info(f"v{length}", TensorProto.FLOAT, ["N", 4])], [])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def elsewhere(function, *arguments):
    """In a process of its own: the peak memory of a process that is started counts for those that it starts."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def count_identities(path):
    return sum(1 for n in onnx.load(path, load_external_data=False).graph.node if n.op_type == "Identity")


def copy_seconds(paths, folder):
    start = time.perf_counter()
    subprocess.run(["cp", "--sparse=never", *map(str, paths), str(folder / "copy")], check=True)
    seconds = time.perf_counter() - start
    for each in (folder / "copy").iterdir():
        each.unlink()
    return seconds


def remove(*paths):
    for path in paths:
        for each in (path, path.with_name(path.name + ".data")):
            each.unlink(missing_ok=True)


def measure(path, size, folder, rivals):
    copies = folder / "copy"
    copies.mkdir(exist_ok=True)
    files = [p for p in (path, path.with_name(path.name + ".data")) if p.exists()]
    out = folder / "out.onnx"
    seconds, peak, code = run([zoo.EDGESMITH, "inspect", path])
    print(f"  inspect   {seconds:6.2f} s  {peak / 2**20:7.0f} MiB")
    turns = []  # in turns, so that what else the machine does is shared
    for _ in range(ROUNDS):
        remove(out)
        cp = copy_seconds(files, folder)
        seconds, peak, simplify_code = run([zoo.EDGESMITH, "simplify", path, "-o", out, "-q"])
        turns.append((seconds / cp, seconds, cp, peak))
    ratio, seconds, cp, peak = sorted(turns)[ROUNDS // 2]
    print(f"  simplify  {seconds:6.2f} s  {peak / 2**20:7.0f} MiB = {peak / size:.2f} of the file; cp {cp:.2f} s: {ratio:.1f} times "
          f"(median of {ROUNDS} turns)")
    failed = code != 0 or simplify_code != 0
    if not failed and elsewhere(count_identities, out):
        print("    an Identity is left")
        failed = True
    remove(out)
    for rival in rivals:
        code = {"onnxslim": "import onnxslim,sys; onnxslim.slim(sys.argv[1], sys.argv[2])",
                "onnxsim": "import onnx,onnxsim,sys; m, ok = onnxsim.simplify(sys.argv[1]); onnx.save(m, sys.argv[2])"}[rival]
        seconds, peak, _ = run([sys.executable, "-c", code, path, out])
        print(f"  {rival:9} {seconds:6.2f} s  {peak / 2**20:7.0f} MiB = {peak / size:.2f} of the file")
        remove(out)
    return failed


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", default="build/big", type=Path)
    parser.add_argument("--gbytes", type=float, default=1)
    parser.add_argument("--over", type=float, default=2.5, help="size of the model over 2 GB")
    parser.add_argument("--rivals", action="store_true", help="also run onnxslim and onnxsim (memory of several times the file)")
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    failed = False
    for external in (False, True):
        path = args.folder / "stack.onnx"
        size = elsewhere(stack, path, args.gbytes, external)
        print(f"{size / 1e9:.2f} GB, weights {'external' if external else 'inline'}")
        failed |= measure(path, size, args.folder, ["onnxslim", "onnxsim"] if args.rivals else [])
        remove(path)
    path = args.folder / "over.onnx"
    size = elsewhere(stack, path, args.over, True)
    print(f"{size / 1e9:.2f} GB, weights external, under a limit of 1.5 GB on memory that is not mapped from files")
    resource.setrlimit(resource.RLIMIT_DATA, (1500 * 2**20, resource.RLIM_INFINITY))
    failed |= measure(path, size, args.folder, [])
    resource.setrlimit(resource.RLIMIT_DATA, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    remove(path)
    for length in (20000, 100000):
        elsewhere(chain, path, length)
        seconds, peak, code = run([zoo.EDGESMITH, "simplify", path, "-o", args.folder / "out.onnx", "--force", "-q"])
        print(f"chain of {length} nodes: simplify {seconds:.2f} s, {peak / 2**20:.0f} MiB")
        failed |= code != 0
    remove(path, args.folder / "out.onnx")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
