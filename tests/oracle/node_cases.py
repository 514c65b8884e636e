# SPDX-License-Identifier: Apache-2.0
"""Runs the node tests that the installed `onnx` package generates (newer opsets than Debian's libonnx-testdata) through
edgesmith's reference evaluation: how many pass, which are wrong.

    node_cases.py [--list] [--write]     --list: every case that does not pass, with its reason;
                                         --write: tests/oracle/node_cases.txt, for docs/operators.md
"""
import argparse
import os
import shutil
import subprocess
import sys
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper
from onnx.backend.test.case.node import collect_testcases

ROOT = Path(__file__).resolve().parents[2]
WORK = ROOT / "build" / "node_cases"
TEST = ROOT / "build" / "release" / "tests" / "onnx" / "onnx_conformance_test"
NUMBERS = {TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.BOOL} | {
    getattr(TensorProto, f"{sign}INT{bits}") for sign in ("", "U") for bits in (2, 4, 8, 16, 32, 64)}
PLAIN = {np.dtype(t) for t in ("f4", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?")}


def to_proto(value, type_proto):
    """The value as libonnx-testdata stores it, or None for what is no tensor."""
    if type_proto.WhichOneof("value") != "tensor_type" or isinstance(value, (list, dict)) or value is None:
        return None
    if isinstance(value, onnx.TensorProto):
        return value
    return numpy_helper.from_array(np.asarray(value))


def write_case(case):
    """Writes one case; returns "plain" when all its tensors are float32, integers or booleans, "number" when none is a
    string, a complex number or a float of 8 bits or fewer, "other", or None where something is no tensor."""
    folder = WORK / "node" / case.name
    data = folder / "test_data_set_0"
    data.mkdir(parents=True)
    graph = case.model.graph
    inputs, outputs = case.data_sets[0]
    plain = numbers = True
    for values, infos, kind in ((inputs, graph.input, "input"), (outputs, graph.output, "output")):
        for i, (value, info) in enumerate(zip(values, infos)):
            proto = to_proto(value, info.type)
            if proto is None:
                return None
            numbers = numbers and proto.data_type in NUMBERS
            plain = plain and onnx.helper.tensor_dtype_to_np_dtype(proto.data_type) in PLAIN
            (data / f"{kind}_{i}.pb").write_bytes(proto.SerializeToString())
    (folder / "model.onnx").write_bytes(case.model.SerializeToString())
    return "plain" if plain else "number" if numbers else "other"


def op_of(case):
    """The one operator that a case is about, or what there is instead of one."""
    if case.name.endswith("_expanded"):
        return "(expanded functions)"
    ops = {(n.domain + "::" if n.domain else "") + n.op_type for n in case.model.graph.node}
    if len(ops) > 1:
        ops.discard("Constant")
    return ops.pop() if len(ops) == 1 else "(several operators)"


def write_counts(ops, outcomes):
    """The table of docs/operators.md: operator, cases that pass, cases."""
    passed, total = Counter(), Counter()
    for name, outcome in outcomes.items():
        total[ops[name]] += 1
        passed[ops[name]] += outcome == "pass"
    lines = [f"# onnx {onnx.__version__}: operator, node tests that pass, node tests, on numbers of 16 bits and more, integers, truth values."]
    lines += [f"{op}\t{passed[op]}\t{total[op]}" for op in sorted(total)]
    (ROOT / "tests" / "oracle" / "node_cases.txt").write_text("\n".join(lines) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    shutil.rmtree(WORK, ignore_errors=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cases = collect_testcases(None)
    plain, numbers = set(), set()
    skipped = 0
    for case in cases:
        kind = write_case(case)
        if kind is None:
            shutil.rmtree(WORK / "node" / case.name)
            skipped += 1
        if kind == "plain":
            plain.add(f"node/{case.name}")
        if kind in ("plain", "number"):
            numbers.add(f"node/{case.name}")
    results_file = WORK / "results.txt"
    environment = dict(os.environ, EDGESMITH_ONNX_TESTDATA=str(WORK), EDGESMITH_ONNX_RESULTS=str(results_file))
    subprocess.run([TEST, "--gtest_filter=Conformance.EveryCase*"], env=environment, check=True, stdout=subprocess.DEVNULL)
    ops = {f"node/{case.name}": op_of(case) for case in cases}
    by_name = {}
    outcomes, of_plain = Counter(), Counter()
    for line in results_file.read_text().splitlines():
        name, outcome, reason = line.split("\t", 2)
        by_name[name] = outcome
        outcomes[outcome] += 1
        if name in plain:
            of_plain[outcome] += 1
        if outcome in ("wrong", "crash") or (args.list and outcome != "pass"):
            print(f"{name}: {outcome}: {reason}")
    if args.write:
        write_counts(ops, {name: outcome for name, outcome in by_name.items() if name in numbers})
    print(f"onnx {onnx.__version__}, opset {onnx.defs.onnx_opset_version()}: {dict(outcomes)}; {skipped} with sequences, maps or optionals left out")
    share = 100 * of_plain["pass"] / max(1, sum(of_plain.values()))
    print(f"float32, integers and booleans only: {of_plain['pass']} of {sum(of_plain.values())} pass ({share:.1f} %)")
    return 1 if outcomes["wrong"] + outcomes["crash"] else 0


if __name__ == "__main__":
    sys.exit(main())
