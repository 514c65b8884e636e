#!/usr/bin/env python3
"""How far the low-bit codes of a model can be packed: entropies that no packer gets below unless it knows more.

usage: code_entropy.py MODEL.onnx ... (models with INT4 or UINT4 initializers; needs onnx and numpy)

One line a model, in bytes of all 4-bit initializers:
  each       every code by itself, one distribution a tensor, given away for free
  channel    one distribution an output channel, given away for free (16 numbers a channel, so too good by far)
  kernel     each code given the codes before it in its 3x3 kernel, as well as a linear prediction can: weights by least
             squares for each tensor and place, a normal distribution of the best width for each channel around the
             prediction, both given away for free; other layers as `each`
A packer must learn or store what is free here, and needs scales, biases and the graph besides.
"""
import sys

import numpy as np
import onnx


def codes(path):
    tensors = []
    for tensor in onnx.load(path).graph.initializer:
        if tensor.data_type not in (21, 22):  # UINT4, INT4
            continue
        raw = np.frombuffer(tensor.raw_data, np.uint8)
        numbers = np.stack([raw & 15, raw >> 4], 1).reshape(-1)[: int(np.prod(tensor.dims))].astype(int)
        tensors.append((np.where(numbers > 7, numbers - 16, numbers) if tensor.data_type == 22 else numbers).reshape(list(tensor.dims)))
    return tensors


def entropy_bits(numbers):
    counts = np.unique(numbers, return_counts=True)[1]
    return float(-(counts * np.log2(counts / counts.sum())).sum())


def kernel_bits(tensor):
    if tensor.ndim != 4 or tensor.shape[2:] != (3, 3):
        return entropy_bits(tensor)
    kernels = tensor.reshape(-1, 9).astype(float)
    centred = kernels - kernels.mean(0)
    expected = np.tile(kernels.mean(0), (len(kernels), 1))
    for place in range(1, 9):
        before = centred[:, :place]
        expected[:, place] += before @ np.linalg.lstsq(before, centred[:, place], rcond=None)[0]
    values, bits = np.unique(tensor), 0.0
    for row, mean in zip(kernels.reshape(tensor.shape[0], -1), expected.reshape(tensor.shape[0], -1)):
        costs = []
        for width in np.geomspace(0.5, 8, 20):
            logs = -((values[None] - mean[:, None]) ** 2) / (2 * width * width)
            own = -((row - mean) ** 2) / (2 * width * width)
            costs.append((np.log2(np.exp(logs).sum(1)) - own / np.log(2)).sum())
        bits += min(costs)
    return bits


def main():
    print("| model | codes | each | channel | kernel |")
    print("| --- | --- | --- | --- | --- |")
    for path in sys.argv[1:]:
        tensors = codes(path)
        size = sum(tensor.size for tensor in tensors)
        each = sum(entropy_bits(tensor) for tensor in tensors) / 8
        channel = sum(entropy_bits(row) for tensor in tensors for row in tensor.reshape(tensor.shape[0], -1)) / 8
        kernel = sum(kernel_bits(tensor) for tensor in tensors) / 8
        print(f"| {path} | {size:,} | {each:,.0f} | {channel:,.0f} | {kernel:,.0f} |")


if __name__ == "__main__":
    main()
