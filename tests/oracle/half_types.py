#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds the table of half floats (src/onnx/half_types.cc) against the schemas of PyPI's onnx, whatever opset they go to.

half_types.py"""
import os
import re
import sys

from onnx import defs

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# Types that an attribute or another operand says, or (the last) constants of the function: of results, and of operands by their place.
OWN = {"CastLike", "ConstantOfShape", "DequantizeLinear", "DynamicQuantizeLinear", "EyeLike", "QuantizeLinear", "MeanVarianceNormalization"}
OWN_OPERANDS = {("Resize", 1), ("Resize", 2), ("GridSample", 1), ("Pow", 1)}
FIRST = {"float16": 1, "bfloat16": 13}


def rows(path, pattern):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return re.findall(pattern, file.read())


def allows(schema, of_type):
    """Whether `of_type` may stand wherever float may; None where nothing is float."""
    types = {one.type_param_str: one.allowed_type_strs for one in schema.type_constraints}
    parameters = [one for i, one in enumerate(schema.inputs) if (schema.name, i) not in OWN_OPERANDS]
    allowed = [types.get(one.type_str, [one.type_str]) for one in parameters + list(schema.outputs)[:1]]
    allowed = [one for one in allowed if "tensor(float)" in one]
    return all(f"tensor({of_type})" in one for one in allowed) if allowed else None


def main():
    table = {op: dict(zip(FIRST, (1 << 63 if one == "kNoOpset" else int(one) for one in opsets)))
             for op, *opsets in rows("src/onnx/half_types.cc", r"Row\{OpKind::(\w+), (\w+), (\w+)\}")}
    names = {onnx: own for own, onnx in rows("include/edgesmith/ir/ops.def", r'OP\((\w+), "(\w+)"\)')}
    wrong = compared = 0
    for schema in defs.get_all_schemas_with_history():
        if schema.domain or schema.name not in names or schema.name in OWN:
            continue
        for of_type, first in FIRST.items():
            allowed = allows(schema, of_type)
            ours = table.get(names[schema.name], FIRST)[of_type] <= max(schema.since_version, first)
            if allowed is None or (schema.since_version < first and not allowed):
                continue
            compared += 1
            if allowed != ours:
                print(f"{schema.name} {schema.since_version} {of_type}: {allowed}, and the table says {ours}")
                wrong += 1
    print(f"{compared} types of {len(names)} operators up to opset {defs.onnx_opset_version()}: {wrong} wrong")
    return 1 if wrong or compared < 500 else 0


if __name__ == "__main__":
    sys.exit(main())
