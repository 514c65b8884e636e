#!/usr/bin/env python3
"""Train a small CNN on Fashion-MNIST and write it as fashion-cnn.onnx.

How to run (Debian 12, CPU only; the data comes from a Debian package):

    apt-get install dataset-fashion-mnist python3-venv
    python3 -m venv venv
    venv/bin/pip install jax==0.10.2 onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6
    venv/bin/python train.py --test

network() is walked by two backends: Jax (NHWC, trains) and Onnx (NCHW, exports, with BatchNormalization
left unfolded). 5000 training images are held out; the test set is read only with --test.
"""
import argparse
import gzip
import time

import jax
import jax.numpy as jnp
import numpy as np
import onnxruntime as ort
from onnx import TensorProto, checker, helper, numpy_helper, save_model

DATA = "/usr/share/datasets/fashion-mnist"
BN_EPS, BN_MOMENTUM = 1e-5, 0.9
CONVS = {  # name: (input channels, output channels, kernel, stride, groups)
    "stem.conv":    (1, 32, 3, 1, 1),
    "block1.dw":    (32, 32, 3, 1, 32),
    "block1.pw":    (32, 64, 1, 1, 1),
    "block2.dw":    (64, 64, 3, 1, 64),
    "block2.pw":    (64, 64, 1, 1, 1),
    "block3.dw":    (64, 64, 3, 2, 64),
    "block3.pw":    (64, 64, 1, 1, 1),
    "block4.conv1": (64, 48, 3, 1, 1),
    "block4.conv2": (48, 64, 3, 1, 1),
}


def network(b, x):
    """[N,1,28,28] image -> [N,10] logits, on backend b."""
    def conv_bn(name, x, relu=True):
        x = b.batch_norm(name + ".bn", b.conv(name, x))
        return b.relu(name + ".relu", x) if relu else x

    x = b.max_pool("stem.pool", conv_bn("stem.conv", x))          # 32 x 14 x 14
    x = conv_bn("block1.pw", conv_bn("block1.dw", x))             # 64 x 14 x 14
    y = conv_bn("block2.pw", conv_bn("block2.dw", x), relu=False)
    x = b.relu("block2.relu", b.add("block2.add", x, y))          # residual
    x = conv_bn("block3.pw", conv_bn("block3.dw", x))             # 64 x 7 x 7
    y = conv_bn("block4.conv2", conv_bn("block4.conv1", x), relu=False)
    x = b.relu("block4.relu", b.add("block4.add", x, y))          # residual
    return b.gemm("head.fc", b.flatten("head.flatten", b.avg_pool("head.pool", x)))


def init(rng):
    """Trainable parameters (He initialisation, ONNX's OIHW layout) and running statistics."""
    params, stats = {}, {}
    for name, (cin, cout, k, _, groups) in CONVS.items():
        shape = (cout, cin // groups, k, k)
        params[name + ".weight"] = rng.normal(0, np.sqrt(2 / np.prod(shape[1:])), shape).astype(np.float32)
        for where, one, zero in (params, "scale", "bias"), (stats, "var", "mean"):
            where[f"{name}.bn.{one}"] = np.ones(cout, np.float32)
            where[f"{name}.bn.{zero}"] = np.zeros(cout, np.float32)
    params["head.fc.weight"] = rng.normal(0, 64 ** -0.5, (10, 64)).astype(np.float32)
    params["head.fc.bias"] = np.zeros(10, np.float32)
    return params, stats


class Jax:
    """Runs the network in training mode; the updated running statistics end up in new_stats."""
    def __init__(self, params, stats):
        self.p, self.s, self.new_stats = params, stats, {}

    def conv(self, name, x):
        _, _, k, stride, groups = CONVS[name]
        w, h, p = self.p[name + ".weight"].transpose(2, 3, 1, 0), x.shape[1], k // 2
        if groups == 1:
            return jax.lax.conv_general_dilated(x, w, (stride, stride), ((p, p), (p, p)),
                                                dimension_numbers=("NHWC", "HWIO", "NHWC"))
        x = jnp.pad(x, ((0, 0), (p, p), (p, p), (0, 0)))  # depthwise: XLA's own is slow on CPU
        return sum(x[:, i:i + h:stride, j:j + h:stride] * w[i, j, 0] for i in range(k) for j in range(k))

    def batch_norm(self, name, x):
        mean, var = x.mean((0, 1, 2)), x.var((0, 1, 2))
        for key, batch in ((name + ".mean", mean), (name + ".var", var)):
            self.new_stats[key] = BN_MOMENTUM * self.s[key] + (1 - BN_MOMENTUM) * batch
        scale = self.p[name + ".scale"] * jax.lax.rsqrt(var + BN_EPS)
        return x * scale + (self.p[name + ".bias"] - mean * scale)

    def max_pool(self, _, x): return x.reshape(len(x), 14, 2, 14, 2, -1).max((2, 4))
    def relu(self, _, x): return jnp.maximum(x, 0)
    def add(self, _, x, y): return x + y
    def avg_pool(self, _, x): return x.mean((1, 2))
    def flatten(self, _, x): return x
    def gemm(self, name, x): return x @ self.p[name + ".weight"].T + self.p[name + ".bias"]


class Onnx:
    """Builds the ONNX graph; each method returns the name of the tensor it makes."""
    def __init__(self, tensors):
        self.tensors, self.nodes, self.used = tensors, [], []

    def node(self, op, name, inputs, weights=(), out=None, **attrs):
        weights = [f"{name}.{w}" for w in weights]
        self.used += weights
        self.nodes.append(helper.make_node(op, inputs + weights, [out or name + ".out"], name=name, **attrs))
        return self.nodes[-1].output[0]

    def conv(self, name, x):
        _, _, k, stride, groups = CONVS[name]
        return self.node("Conv", name, [x], ["weight"], kernel_shape=[k, k], strides=[stride] * 2,
                         pads=[k // 2] * 4, group=groups)

    def batch_norm(self, name, x):
        weights = ["scale", "bias", "mean", "var"]
        return self.node("BatchNormalization", name, [x], weights, epsilon=BN_EPS, momentum=BN_MOMENTUM)

    def max_pool(self, name, x): return self.node("MaxPool", name, [x], kernel_shape=[2, 2], strides=[2, 2])
    def relu(self, name, x): return self.node("Relu", name, [x])
    def add(self, name, x, y): return self.node("Add", name, [x, y])
    def avg_pool(self, name, x): return self.node("GlobalAveragePool", name, [x])
    def flatten(self, name, x): return self.node("Flatten", name, [x], axis=1)
    def gemm(self, name, x): return self.node("Gemm", name, [x], ["weight", "bias"], out="logits", transB=1)

    def save(self, path):
        image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 1, 28, 28])
        logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", 10])
        weights = [numpy_helper.from_array(np.asarray(self.tensors[n]), n) for n in self.used]
        graph = helper.make_graph(self.nodes, "fashion-cnn", [image], [logits], weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7)
        checker.check_model(model, full_check=True)
        save_model(model, path)


def load(part):
    """Part "train" or "t10k" of the data set: uint8 images [n,28,28], labels [n]."""
    images, labels = (np.frombuffer(gzip.open(f"{DATA}/{part}-{file}-ubyte.gz").read(), np.uint8)
                      for file in ("images-idx3", "labels-idx1"))
    return images[16:].reshape(-1, 28, 28), labels[8:]  # without the IDX headers


def loss_fn(params, stats, x, y, smooth=0.05):
    backend = Jax(params, stats)
    target = jax.nn.one_hot(y, 10) * (1 - smooth) + smooth / 10
    return -(target * jax.nn.log_softmax(network(backend, x))).sum(-1).mean(), backend.new_stats


@jax.jit
def step(params, stats, velocity, x, y, lr, decay=5e-4):
    """One step of SGD with Nesterov momentum; weight decay on matrices and kernels only."""
    (loss, stats), grads = jax.value_and_grad(loss_fn, has_aux=True)(params, stats, x, y)
    grads = {k: g + decay * params[k] if g.ndim > 1 else g for k, g in grads.items()}
    velocity = {k: 0.9 * velocity[k] + g for k, g in grads.items()}
    params = {k: p - lr * (grads[k] + 0.9 * velocity[k]) for k, p in params.items()}
    return params, stats, velocity, loss


def accuracy(path, images, labels, batch=500):
    """Accuracy of the ONNX file in onnxruntime."""
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    x = images[:, None].astype(np.float32) / 255
    out = [session.run(["logits"], {"image": x[i:i + batch]})[0] for i in range(0, len(x), batch)]
    return (np.concatenate(out).argmax(1) == labels).mean()


def main():
    ap = argparse.ArgumentParser()
    for flag, default in dict(out="fashion-cnn.onnx", epochs=12, batch=64, lr=0.05, seed=0).items():
        ap.add_argument("--" + flag, type=type(default), default=default)
    ap.add_argument("--test", action="store_true", help="report the test accuracy at the end")
    a = ap.parse_args()

    rng, (images, labels) = np.random.default_rng(a.seed), load("train")
    held, kept = np.split(rng.permutation(len(images)), [5000])
    padded = np.pad(images, ((0, 0), (2, 2), (2, 2)))  # for random shifts of up to 2 pixels
    windows = np.lib.stride_tricks.sliding_window_view(padded, (28, 28), (1, 2))
    params, stats = init(rng)
    velocity = {k: np.zeros_like(p) for k, p in params.items()}
    print(f"{sum(p.size for p in params.values())} trainable parameters")
    steps, losses, start = len(kept) // a.batch, [], time.time()
    for epoch in range(1, a.epochs + 1):
        batches = rng.permutation(kept)[:steps * a.batch].reshape(steps, a.batch)
        for n, idx in enumerate(batches, len(losses)):
            x = windows[idx, *rng.integers(0, 5, (2, a.batch))]
            x = np.where(rng.random((a.batch, 1, 1)) < 0.5, x[:, :, ::-1], x)     # horizontal flip
            lr = a.lr * min(1, (n + 1) / 200) * (1 + np.cos(np.pi * n / (steps * a.epochs))) / 2
            params, stats, velocity, loss = step(params, stats, velocity, x[..., None] / np.float32(255),
                                                 labels[idx], np.float32(lr))
            losses.append(loss)
        network(graph := Onnx(params | stats), "image")
        graph.save(a.out)
        print(f"epoch {epoch:2}  loss {np.mean(losses[-steps:]):.4f}  held-out accuracy "
              f"{accuracy(a.out, images[held], labels[held]):.4f}  {time.time() - start:.0f} s", flush=True)
    if a.test:
        print(f"test accuracy (onnxruntime, 10000 images): {accuracy(a.out, *load('t10k')):.4f}")


if __name__ == "__main__":
    main()
