#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the pictures here and expected.npz: what Pillow decodes and resizes them to.

Run in this folder with Pillow and NumPy installed. The pictures are synthetic (gradients and noise, seed 0).
expected.npz holds, for each picture, `rgb_<file>` (convert("RGB")), for some `gray_<file>` (convert("L")), and for
resize.png `resize_<filter>_<height>x<width>`.
"""
import struct
import zlib

import numpy as np
from PIL import Image

FILTERS = {"nearest": 0, "lanczos": 1, "bilinear": 2, "bicubic": 3, "box": 4, "hamming": 5}


def picture(height, width, seed):
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    planes = [x * 255 / width, y * 255 / height, (np.sin(x / 3.0) + np.cos(y / 4.0)) * 60 + 128]
    noise = rng.integers(-20, 21, (height, width, 3))
    return np.clip(np.stack(planes, 2) + noise, 0, 255).astype(np.uint8)


def main():
    rgb = Image.fromarray(picture(18, 20, 0))
    alpha = Image.fromarray(picture(18, 20, 1)[:, :, 0])
    files = {}
    rgb.save("420.jpg", quality=75)
    rgb.save("444.jpg", quality=95, subsampling=0)
    rgb.save("422-progressive.jpg", quality=80, subsampling=1, progressive=True)
    rgb.convert("L").save("gray.jpg", quality=85)
    rgb.convert("CMYK").save("cmyk.jpg", quality=85)
    rgb.save("rgb.png")
    with_alpha = rgb.copy()
    with_alpha.putalpha(alpha)
    with_alpha.save("rgba.png")
    Image.merge("LA", [rgb.convert("L"), alpha]).save("gray-alpha.png")
    rgb.quantize(20).save("palette.png", transparency=3)
    rgb.quantize(4).save("palette-2-bit.png", bits=2)
    rgb.convert("1").save("1-bit.png")
    rgb.convert("L").save("gray.png")
    # 16 bits a channel by hand: Pillow writes no 16-bit RGB.
    wide = picture(9, 11, 2).astype(np.uint16) * 256 + np.random.default_rng(3).integers(0, 256, (9, 11, 3))
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in wide.astype(np.uint16))

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", 11, 9, 16, 2, 0, 0, 0)
    with open("rgb-16-bit.png", "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))
    Image.fromarray(picture(13, 17, 4)).save("resize.png")

    expected = {}
    for name in ["420.jpg", "444.jpg", "422-progressive.jpg", "gray.jpg", "cmyk.jpg", "rgb.png", "rgba.png", "gray-alpha.png",
                 "palette.png", "palette-2-bit.png", "1-bit.png", "gray.png", "rgb-16-bit.png", "resize.png"]:
        with Image.open(name) as image:
            expected["rgb_" + name] = np.asarray(image.convert("RGB"))
            if name in ("420.jpg", "rgb.png", "1-bit.png"):
                expected["gray_" + name] = np.asarray(image.convert("L"))
    with Image.open("resize.png") as image:
        for name, number in FILTERS.items():
            for height, width in [(5, 7), (16, 20), (13, 6), (3, 20), (3, 14)]:
                resized = image.convert("RGB").resize((width, height), number)
                expected[f"resize_{name}_{height}x{width}"] = np.asarray(resized)
    np.savez_compressed("expected.npz", **expected)


main()
