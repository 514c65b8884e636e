# SPDX-License-Identifier: Apache-2.0
"""The job of `edgesmith quantize` done with onnxruntime.quantization: decode, evaluate the float model on all test pictures,
quantize with calibration pictures, evaluate again. With --no-eval: decode the calibration pictures and quantize only.
ort_quantize_job.py MODEL_NAME SAMPLES OUT.onnx [--no-eval]"""
import sys
import tempfile
from pathlib import Path

import numpy as np
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

import zoo


class Reader(CalibrationDataReader):
    def __init__(self, name, x):
        self.feeds = iter([{name: x[i : i + 1]} for i in range(len(x))])

    def get_next(self):
        return next(self.feeds, None)


def main():
    model = next(m for m in zoo.MODELS if m.name == sys.argv[1])
    samples, out, judged = int(sys.argv[2]), sys.argv[3], "--no-eval" not in sys.argv[4:]
    calibration, _ = zoo.few_inputs(model, "train", samples)
    if judged:
        x, labels = zoo.inputs(model, "test")
        accuracy = lambda path: float((next(iter(zoo.run_onnxruntime(path, x).values())).argmax(1) == labels).mean())
        before = accuracy(model.path)
    with tempfile.TemporaryDirectory() as folder:
        prepared = Path(folder) / "prepared.onnx"
        quant_pre_process(str(model.path), str(prepared))
        quantize_static(str(prepared), out, Reader("image", calibration), quant_format=QuantFormat.QDQ, per_channel=True,
                        reduce_range=True, activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8)
    if judged:
        print(f"{100 * before:.2f} -> {100 * accuracy(out):.2f}")


main()
