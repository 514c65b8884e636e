#!/usr/bin/env python3
"""How far the low-bit codes of a model can be packed: entropies that no packer gets below unless it knows more.

usage: code_entropy.py MODEL.onnx ... (models with INT4 or UINT4 initializers; needs onnx and numpy)

One line a model, in bytes of all 4-bit initializers:
  each       every code by itself, one distribution a tensor, given away for free
  channel    one distribution an output channel, given away for free (16 numbers a channel, so too good by far)
  kernel     each code given the codes before it in its 3x3 kernel, as well as a linear prediction can: weights by least
             squares for each tensor and place, a normal distribution of the best width for each channel around the
             prediction, both given away for free; other layers as `each`
  widths     the same with the place of the input channel before as one more neighbour, in every layer, and the width a
             product of one number for each output channel, input channel and place; beside it how many numbers that are
A packer must learn or store what is free here, and needs scales, biases and the graph besides.
"""
import math
import sys

import numpy as np
import onnx

ERF = np.vectorize(math.erf)


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


def widths_bits(tensor):
    """Bits, and how many numbers they take for granted."""
    if tensor.ndim < 2:
        return entropy_bits(tensor), 0
    codes = tensor.reshape(tensor.shape[0], tensor.shape[1], -1).astype(float)
    middle = 7.5 if tensor.min() >= 0 else 0
    expected, numbers = np.full(codes.shape, 0.0), 0
    for place in range(codes.shape[2]):
        before = [codes[:, :, k] - middle for k in range(place)]
        if codes.shape[1] > 1:
            before.append(np.concatenate([np.zeros((len(codes), 1)), codes[:, :-1, place] - middle], 1))
        if not before:
            continue
        known = np.stack([b.reshape(-1) for b in before], 1)
        weights = np.linalg.lstsq(known, codes[:, :, place].reshape(-1) - middle, rcond=None)[0]
        expected[:, :, place] = (known @ weights).reshape(codes.shape[:2])
        numbers += len(weights)
    expected += middle
    squares = (codes - expected) ** 2 + 1e-3
    parts = [np.ones([n if k == axis else 1 for k, n in enumerate(codes.shape)]) for axis in range(3)]
    for _ in range(30):
        for axis in range(3):
            others = parts[(axis + 1) % 3] * parts[(axis + 2) % 3]
            parts[axis] = (squares / others).mean(tuple(k for k in range(3) if k != axis), keepdims=True)
    variance, best = np.maximum(parts[0] * parts[1] * parts[2], 0.05), np.inf
    for scale in (0.9, 0.95, 1, 1.05):
        below = lambda edge: 0.5 * (1 + ERF((edge - expected) / (np.sqrt(2 * variance) * scale)))
        mass = np.where(codes >= codes.max(), 1, below(codes + 0.5)) - np.where(codes <= codes.min(), 0, below(codes - 0.5))
        best = min(best, float(-np.log2(np.maximum(mass, 1e-6)).sum()))
    return best, numbers + sum(codes.shape)


def main():
    print("| model | codes | each | channel | kernel | widths |")
    print("| --- | --- | --- | --- | --- | --- |")
    for path in sys.argv[1:]:
        tensors = codes(path)
        size = sum(tensor.size for tensor in tensors)
        each = sum(entropy_bits(tensor) for tensor in tensors) / 8
        channel = sum(entropy_bits(row) for tensor in tensors for row in tensor.reshape(tensor.shape[0], -1)) / 8
        kernel = sum(kernel_bits(tensor) for tensor in tensors) / 8
        found = [widths_bits(tensor) for tensor in tensors]
        widths, numbers = sum(bits for bits, _ in found) / 8, sum(count for _, count in found)
        print(f"| {path} | {size:,} | {each:,.0f} | {channel:,.0f} | {kernel:,.0f} | {widths:,.0f} ({numbers:,} numbers) |")


if __name__ == "__main__":
    main()
