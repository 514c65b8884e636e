# SPDX-License-Identifier: Apache-2.0
"""int8 models of edgesmith beside those of onnxruntime.quantization: same calibration pictures, all judged by ONNX Runtime's
kernels on the full test sets. What a setting costs on this CPU is part of it: without VNNI full-range weights saturate.

rivals.py [--models a,b] [--samples 256] [--settings edgesmith,ort-reduce-range,...]
"""
import argparse
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

import zoo

# Options of onnxruntime.quantization.quantize_static, after its own preprocessing (batch normalization folded).
ORT = {
    "ort-reduce-range": {"per_channel": True, "reduce_range": True},
    "ort-full-range": {"per_channel": True},
    "ort-u8-weights": {"per_channel": True, "weights": "QUInt8"},
    "ort-per-tensor": {"per_channel": False},
    "ort-entropy": {"per_channel": True, "reduce_range": True, "method": "Entropy"},
    "ort-percentile": {"per_channel": True, "reduce_range": True, "method": "Percentile"},
}
EDGESMITH = {
    "edgesmith": ["--target", "ort-x86"],
    "edgesmith-vnni": ["--target", "ort-x86-vnni"],
    "edgesmith-minmax": ["--target", "ort-x86", "--calibrator", "minmax"],
    "edgesmith-nearest": ["--target", "ort-x86", "--rounding", "nearest"],
}


def quantize_ort(model, samples, out, per_channel, reduce_range=False, weights="QInt8", method="MinMax"):
    """onnxruntime.quantization in this process."""
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(CalibrationDataReader):
        def __init__(self, name, x):
            self.feeds = iter([{name: x[i : i + 1]} for i in range(len(x))])

        def get_next(self):
            return next(self.feeds, None)

    total = len(zoo.raw(model.data, "train")[1])
    x, _ = zoo.inputs(model, "train", slice(0, None, max(1, total // samples)))
    name = onnx.load(str(model.path), load_external_data=False).graph.input[0].name
    with tempfile.TemporaryDirectory() as folder:
        prepared = Path(folder) / "prepared.onnx"
        quant_pre_process(str(model.path), str(prepared))
        quantize_static(str(prepared), str(out), Reader(name, x[:samples]), quant_format=QuantFormat.QDQ, per_channel=per_channel,
                        reduce_range=reduce_range, activation_type=QuantType.QUInt8, weight_type=getattr(QuantType, weights),
                        calibrate_method=getattr(CalibrationMethod, method))


def quantize(model, setting, samples, out):
    if setting in EDGESMITH:
        zoo.edgesmith("quantize", model.path, "-o", out, "--calib", zoo.data_file(model, "train"), "--calib-limit", samples,
                      *EDGESMITH[setting])
    else:
        # A process of its own, so that its time and memory can be told from ours.
        subprocess.run([sys.executable, __file__, "--job", model.name, setting, str(samples), str(out)], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def job(name, setting, samples, out):
    model = next(m for m in zoo.MODELS if m.name == name)
    quantize_ort(model, int(samples), out, **ORT[setting])


def main():
    if sys.argv[1:2] == ["--job"]:
        return job(*sys.argv[2:])
    zoo.need_zoo()
    parser = argparse.ArgumentParser()
    parser.add_argument("--models", default="")
    parser.add_argument("--samples", type=int, default=256)
    parser.add_argument("--settings", default=",".join([*EDGESMITH, *ORT]))
    args = parser.parse_args()
    chosen = args.models.split(",") if args.models else [m.name for m in zoo.MODELS]
    print("| model | setting | top-1 | lost | same answers % | SQNR dB | bytes | core s |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for model in (m for m in zoo.MODELS if m.name in chosen):
        x, labels = zoo.inputs(model, "test")
        first = lambda results: next(iter(results.values()))
        reference = first(zoo.run_onnxruntime(model.path, x))
        accuracy = lambda scores: 100 * float((scores.argmax(1) == labels).mean())
        for setting in args.settings.split(","):
            with tempfile.TemporaryDirectory() as folder:
                out = Path(folder) / "int8.onnx"
                before = resource.getrusage(resource.RUSAGE_CHILDREN)
                try:
                    quantize(model, setting, args.samples, out)
                    after = resource.getrusage(resource.RUSAGE_CHILDREN)
                    result = first(zoo.run_onnxruntime(out, x))
                except Exception as error:  # a file that ONNX Runtime refuses is a finding too
                    text = getattr(error, "stderr", None) or str(error)
                    text = text.decode() if isinstance(text, bytes) else text
                    print(f"| {model.name} | {setting} | failed: {text.strip().splitlines()[-1][:100]} | | | | | |", flush=True)
                    continue
                seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
                print(f"| {model.name} | {setting} | {accuracy(result):.2f} | {accuracy(reference) - accuracy(result):.2f} "
                      f"| {100 * float((result.argmax(1) == reference.argmax(1)).mean()):.2f} | {zoo.sqnr_db(reference, result):.1f} "
                      f"| {out.stat().st_size} | {seconds:.1f} |", flush=True)


main()
