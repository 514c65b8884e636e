# SPDX-License-Identifier: Apache-2.0
"""Compares compound operators (com.microsoft's, and quantized ones of ONNX) with ONNX Runtime: one model an operator and
form, run by both; edgesmith through its conformance test. Each quantized form comes twice: with scales and zero points
as graph inputs (kept as it is) and as initializers (becomes annotations).

    compound.py [--list]     --list: every case, not only those that differ
"""
import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

ROOT = Path(__file__).resolve().parents[2]
WORK = ROOT / "build" / "compound_cases"
TEST = ROOT / "build" / "release" / "tests" / "onnx" / "onnx_conformance_test"
RANDOM = np.random.default_rng(7)
MS = "com.microsoft"


def reals(*dims):
    return RANDOM.standard_normal(dims).astype(np.float32)


def codes(dtype, *dims):
    info = np.iinfo(dtype)
    return RANDOM.integers(info.min // 2, info.max // 2 + 1, dims).astype(dtype)


def f(*values):
    return np.array(values[0] if len(values) == 1 else values, np.float32)


def u8(value):
    return np.array(value, np.uint8)


def i8(value):
    return np.array(value, np.int8)


class Cases:
    def __init__(self):
        shutil.rmtree(WORK, ignore_errors=True)
        self.names = []
        self.skipped = []

    def add(self, name, op, inputs, outputs=1, domain=MS, constants=(), model_opset=17, **attributes):
        """`inputs`: arrays, or None for an absent one; those at the places in `constants` are initializers."""
        names = ["" if x is None else f"x{i}" for i, x in enumerate(inputs)]
        results = [f"y{i}" for i in range(outputs)]
        node = helper.make_node(op, names, results, domain=domain, **attributes)
        infos, initializers, fed = [], [], []
        for i, x in enumerate(inputs):
            if x is None:
                continue
            if i in constants:
                initializers.append(numpy_helper.from_array(x, names[i]))
                continue
            infos.append(helper.make_tensor_value_info(names[i], helper.np_dtype_to_tensor_dtype(x.dtype), x.shape))
            fed.append((names[i], x))
        unknown = [helper.make_tensor_value_info(r, TensorProto.UNDEFINED, None) for r in results]
        graph = helper.make_graph([node], "g", infos, unknown, initializers)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", model_opset), helper.make_opsetid(MS, 1)])
        model.ir_version = 8
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads = 1
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        for r in unknown:
            r.ClearField("type")
        del graph.output[:]
        graph.output.extend(helper.make_empty_tensor_value_info(r) for r in results)
        model.graph.CopyFrom(graph)
        try:
            session = onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
            wanted = session.run(None, dict(fed))
        except Exception as error:  # an operator that this build of ONNX Runtime lacks on the CPU
            self.skipped.append(f"{name}: {str(error).splitlines()[0][:160]}")
            return
        folder = WORK / "node" / name
        data = folder / "test_data_set_0"
        data.mkdir(parents=True)
        (folder / "model.onnx").write_bytes(model.SerializeToString())
        for kind, arrays in (("input", [x for _, x in fed]), ("output", wanted)):
            for i, x in enumerate(arrays):
                (data / f"{kind}_{i}.pb").write_bytes(numpy_helper.from_array(np.asarray(x)).SerializeToString())
        self.names.append(name)

    def add_quantized(self, name, op, inputs, parameters, **rest):
        self.add(name + "_kept", op, inputs, **rest)
        self.add(name + "_annotated", op, inputs, constants=parameters, **rest)


def quantized(cases):
    x, y = codes(np.uint8, 2, 3, 4), codes(np.uint8, 2, 3, 4)
    signed = codes(np.int8, 2, 3, 4)
    pair = [x, f(0.0203), u8(120), y, f(0.0517), u8(3), f(0.0391), u8(90)]
    for op in ("QLinearAdd", "QLinearMul"):
        cases.add_quantized(op, op, pair, (1, 2, 4, 5, 6, 7))
        cases.add_quantized(op + "_i8", op, [signed, f(0.0203), i8(-7), signed, f(0.0107), i8(9), f(0.0391), i8(0)], (1, 2, 4, 5, 6, 7))
        cases.add_quantized(op + "_broadcast", op, [x, f(0.0203), u8(120), codes(np.uint8, 4), f(0.0517), u8(3), f(0.0391), u8(9)], (1, 2, 4, 5, 6, 7))
    one = [x, f(0.0311), u8(60), f(0.011), u8(20)]
    cases.add_quantized("QLinearLeakyRelu", "QLinearLeakyRelu", one, (1, 2, 3, 4), alpha=0.2)
    cases.add_quantized("QLinearSigmoid", "QLinearSigmoid", [x, f(0.0311), u8(60), f(1 / 256), u8(0)], (1, 2, 3, 4))
    cases.add_quantized("QLinearSoftmax", "QLinearSoftmax", [x, f(0.0311), u8(60), f(1 / 256), u8(0)], (1, 2, 3, 4), axis=-1, opset=13)
    image = codes(np.uint8, 2, 3, 6, 7)
    pool = dict(kernel_shape=[2, 3], strides=[2, 1], pads=[0, 1, 1, 0])
    five = [image, f(0.0311), u8(60), f(0.0203), u8(20)]
    cases.add_quantized("QLinearAveragePool", "QLinearAveragePool", five, (1, 2, 3, 4), **pool)
    cases.add_quantized("QLinearAveragePool_last", "QLinearAveragePool", five, (1, 2, 3, 4), channels_last=1, kernel_shape=[2, 2])
    cases.add_quantized("QLinearGlobalAveragePool", "QLinearGlobalAveragePool", five, (1, 2, 3, 4), channels_last=0)
    cases.add_quantized("QLinearGlobalAveragePool_last", "QLinearGlobalAveragePool", five, (1, 2, 3, 4), channels_last=1)
    parts = [f(0.0517), u8(100), x, f(0.0203), u8(120), y, f(0.0623), u8(3)]
    cases.add_quantized("QLinearConcat", "QLinearConcat", parts, (0, 1, 3, 4, 6, 7), axis=1)
    where = [RANDOM.random((2, 3, 4)) < 0.5, x, f(0.0203), u8(120), y, f(0.0517), u8(3), f(0.0623), u8(40)]
    cases.add_quantized("QLinearWhere", "QLinearWhere", where, (2, 3, 5, 6, 7, 8))
    weight = codes(np.int8, 5, 3, 3, 3)
    bias = RANDOM.integers(-3000, 3000, 5).astype(np.int32)
    per_channel = f(0.01, 0.02, 0.015, 0.03, 0.004)
    zeros = np.zeros(5, np.int8)
    conv = dict(kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[2, 1])
    for name, scale, zero in (("", f(0.0203), i8(0)), ("_per_channel", per_channel, zeros), ("_one_zero_point", per_channel, i8(0))):
        operands = [image, f(0.0311), u8(60), weight, scale, zero, f(0.3), u8(128), bias]
        cases.add_quantized("QLinearConv" + name, "QLinearConv", operands, (1, 2, 3, 4, 5, 6, 7, 8), domain="", **conv)
        cases.add_quantized("QLinearConv_no_bias" + name, "QLinearConv", operands[:8], (1, 2, 3, 4, 5, 6, 7), domain="", **conv)
    a, b = codes(np.uint8, 4, 6), codes(np.int8, 6, 5)
    cases.add_quantized("QLinearMatMul", "QLinearMatMul", [a, f(0.0311), u8(60), b, f(0.0203), i8(0), f(0.1013), u8(128)], (1, 2, 4, 5, 6, 7), domain="")
    columns = [a, f(0.0311), u8(60), b, per_channel, zeros, f(0.1013), u8(128)]
    cases.add_quantized("QLinearMatMul_columns", "QLinearMatMul", columns, (1, 2, 4, 5, 6, 7), domain="")
    gemm = [a, f(0.0311), u8(60), b, f(0.0203), i8(0), bias, f(0.1013), u8(128)]
    cases.add_quantized("QGemm", "QGemm", gemm, (1, 2, 3, 4, 5, 6, 7, 8))
    turned = [a, f(0.0311), u8(60), np.ascontiguousarray(b.T), per_channel, zeros, bias, f(0.1013), u8(128)]
    cases.add_quantized("QGemm_columns", "QGemm", turned, (1, 2, 3, 4, 5, 6, 7, 8), transB=1)
    cases.add_quantized("QGemm_float", "QGemm", [*gemm[:7]], (1, 2, 3, 4, 5, 6), alpha=0.5)
    cases.add("MatMulIntegerToFloat", "MatMulIntegerToFloat", [a, b, f(0.0311), f(0.0203), u8(60), i8(3), reals(5)])
    cases.add("MatMulIntegerToFloat_columns", "MatMulIntegerToFloat", [a, b, f(0.0311), per_channel, u8(60)])
    cases.add("DynamicQuantizeMatMul", "DynamicQuantizeMatMul", [reals(4, 6), b, f(0.0203), i8(3), reals(5)])
    cases.add("DynamicQuantizeMatMul_columns", "DynamicQuantizeMatMul", [reals(2, 4, 6), b, per_channel])
    for direction, n in (("forward", 1), ("reverse", 1), ("bidirectional", 2)):
        w, r = (RANDOM.integers(0, 256, (n, size, 4 * 6)).astype(np.uint8) for size in (5, 6))
        one, zero = np.full(n, 0.0061, np.float32), np.full(n, 120, np.uint8)
        rest = dict(outputs=3, constants=(1, 2, 8, 9, 10, 11), hidden_size=6, direction=direction)
        scales = [one, zero, one, zero]
        cases.add(f"DynamicQuantizeLSTM_{direction}", "DynamicQuantizeLSTM", [reals(7, 1, 5), w, r, reals(n, 48), None, None, None, None, *scales], **rest)
        states = [reals(n, 1, 6), reals(n, 1, 6)]
        cases.add(f"DynamicQuantizeLSTM_{direction}_states", "DynamicQuantizeLSTM",
                  [reals(7, 1, 5), w, r, None, np.array([4], np.int32), *states, reals(n, 18), *scales], **rest)
        columns = np.abs(reals(n, 24)) / 128 + 0.001
        signed, zeros = (w.astype(np.int16) - 128).astype(np.int8), np.zeros((n, 24), np.int8)
        turned = (r.astype(np.int16) - 128).astype(np.int8)
        cases.add(f"DynamicQuantizeLSTM_{direction}_columns", "DynamicQuantizeLSTM",
                  [reals(7, 1, 5), signed, turned, reals(n, 48), None, None, None, None, columns, zeros, columns, zeros], **rest)
        # One range for all sequences that go on, as ONNX Runtime has it on one thread.
        several = [reals(n, 4, 6), reals(n, 4, 6)]
        cases.add(f"DynamicQuantizeLSTM_{direction}_batch", "DynamicQuantizeLSTM",
                  [reals(7, 4, 5), w, r, reals(n, 48), None, *several, None, *scales], **rest)
        cases.add(f"DynamicQuantizeLSTM_{direction}_lengths", "DynamicQuantizeLSTM",
                  [reals(7, 4, 5), signed, turned, reals(n, 48), np.array([5, 2, 7, 1], np.int32), *several, None, columns, zeros, columns, zeros], **rest)
    x16 = reals(3, 4)
    cases.add("QuantizeLinear_ms", "QuantizeLinear", [x16, f(0.0002), np.array(30000, np.uint16)])
    cases.add("DequantizeLinear_ms", "DequantizeLinear", [codes(np.int16, 3, 4), f(0.0002), np.array(5, np.int16)])
    cases.add("QLinearReduceMean", "QLinearReduceMean", [x, f(0.0311), u8(60), f(0.011), u8(20)], axes=[1], keepdims=1)


def fused(cases):
    x = reals(2, 3, 8)
    cases.add("Gelu", "Gelu", [x])
    cases.add("FastGelu", "FastGelu", [x])
    cases.add("FastGelu_bias", "FastGelu", [x, reals(8)])
    cases.add("QuickGelu", "QuickGelu", [x], alpha=1.5)
    cases.add("BiasGelu", "BiasGelu", [x, reals(8)])
    cases.add("SkipLayerNormalization", "SkipLayerNormalization", [x, reals(2, 3, 8), reals(8), reals(8), reals(8)], epsilon=1e-5)
    cases.add("SkipLayerNormalization_plain", "SkipLayerNormalization", [x, reals(2, 3, 8), reals(8)])
    cases.add("SkipSimplifiedLayerNormalization", "SkipSimplifiedLayerNormalization", [x, reals(2, 3, 8), reals(8)], epsilon=1e-5)
    cases.add("SimplifiedLayerNormalization", "SimplifiedLayerNormalization", [x, reals(8)], domain="", axis=-1, epsilon=1e-5)
    cases.add("LayerNormalization_old", "LayerNormalization", [x, reals(8), reals(8)], domain="", model_opset=13, axis=-1)
    cases.add("FusedMatMul", "FusedMatMul", [reals(2, 5, 4), reals(2, 5, 3)], transA=1, alpha=0.25)
    cases.add("FusedMatMul_b", "FusedMatMul", [reals(4, 5), reals(3, 5)], transB=1)
    for activation, numbers in (("Relu", {}), ("LeakyRelu", {"activation_alpha": 0.3}), ("Tanh", {})):
        cases.add(f"FusedGemm_{activation}", "FusedGemm", [reals(4, 5), reals(5, 3), reals(3)], activation=activation, alpha=0.5, beta=2.0, **numbers)
    for activation, numbers in (("Relu", []), ("Clip", [-0.5, 0.75]), ("HardSigmoid", [0.2, 0.5])):
        rest = {"activation_params": numbers} if numbers else {}
        cases.add(f"FusedConv_{activation}", "FusedConv", [reals(1, 2, 5, 5), reals(3, 2, 3, 3), reals(3)], activation=activation, kernel_shape=[3, 3], **rest)
    cases.add("FusedConv_sum", "FusedConv", [reals(1, 2, 5, 5), reals(3, 2, 3, 3), reals(3), reals(1, 3, 3, 3)], activation="Relu", kernel_shape=[3, 3])


def language(cases):
    x = reals(2, 3, 40)
    for bits in (4, 8):
        for block in (16, 32):
            blocks = (40 + block - 1) // block
            b = RANDOM.integers(0, 256, (5, blocks, block * bits // 8)).astype(np.uint8)
            scales = np.abs(reals(5 * blocks)) / 16
            zeros = RANDOM.integers(0, 256, 5 * ((blocks * bits + 7) // 8)).astype(np.uint8)
            shape = dict(K=40, N=5, bits=bits, block_size=block)
            cases.add(f"MatMulNBits_{bits}_{block}", "MatMulNBits", [x, b, scales], constants=(1, 2), **shape)
            cases.add(f"MatMulNBits_{bits}_{block}_zero", "MatMulNBits", [x, b, scales, zeros], constants=(1, 2, 3), **shape)
    ids, segments = (RANDOM.integers(0, n, (2, 4)).astype(np.int32) for n in (7, 2))
    mask = np.array([[1, 1, 1, 0], [1, 1, 0, 0]], np.int32)
    tables = [reals(7, 8), reals(6, 8), reals(2, 8), reals(8), reals(8)]
    cases.add("EmbedLayerNormalization", "EmbedLayerNormalization", [ids, segments, *tables, mask], outputs=2)
    cases.add("EmbedLayerNormalization_plain", "EmbedLayerNormalization", [ids, None, *tables[:2], None, *tables[3:]], outputs=2, epsilon=1e-5)
    places = np.array([[3, 1, 0, 2]], np.int32).repeat(2, 0)
    cases.add("EmbedLayerNormalization_places", "EmbedLayerNormalization", [ids, segments, *tables, mask, places], outputs=3)


def attention(cases):
    x, w, b = reals(2, 5, 8), reals(8, 24), reals(24)
    mask = np.array([[1, 1, 1, 1, 0], [1, 1, 1, 0, 0]], np.int32)
    cases.add("Attention", "Attention", [x, w, b], num_heads=2)
    cases.add("Attention_mask", "Attention", [x, w, b, mask], num_heads=2)
    cases.add("Attention_causal", "Attention", [x, w, b], num_heads=2, unidirectional=1)
    cases.add("Attention_scaled", "Attention", [x, w, b], num_heads=4, scale=0.3)
    cases.add("MultiHeadAttention", "MultiHeadAttention", [reals(2, 5, 8), reals(2, 6, 8), reals(2, 6, 8)], num_heads=2)
    cases.add("MultiHeadAttention_bias", "MultiHeadAttention", [reals(2, 5, 8), reals(2, 5, 8), reals(2, 5, 8), b], num_heads=2)
    bias = reals(1, 2, 5, 6)
    cases.add("MultiHeadAttention_added", "MultiHeadAttention", [reals(2, 5, 8), reals(2, 6, 8), reals(2, 6, 8), None, None, bias], num_heads=2)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--list", action="store_true")
    args = parser.parse_args()
    cases = Cases()
    for group in (quantized, fused, language, attention):
        group(cases)
    results = WORK / "results.txt"
    environment = dict(os.environ, EDGESMITH_ONNX_TESTDATA=str(WORK), EDGESMITH_ONNX_RESULTS=str(results))
    subprocess.run([TEST, "--gtest_filter=Conformance.EveryCase*"], env=environment, check=True, stdout=subprocess.DEVNULL)
    passed, bad = 0, 0
    for line in results.read_text().splitlines():
        name, outcome, reason = line.split("\t", 2)
        passed += outcome == "pass"
        bad += outcome != "pass"
        if args.list or outcome != "pass":
            print(f"{name}: {outcome}: {reason}")
    for line in cases.skipped:
        print("not run by ONNX Runtime:", line)
    print(f"ONNX Runtime {onnxruntime.__version__}: {passed} of {passed + bad} cases equal")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
