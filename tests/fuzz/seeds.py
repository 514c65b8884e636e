#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a fuzzer begins with: seeds.py TARGET FOLDER writes small right inputs of every kind that the target reads.

Models come from Debian's libonnx-testdata where it is installed, and from models.tar.xz: the nasty inputs (tests/nasty),
what commands make of them, and models of one compound operator (tests/oracle/compound.py). Text forms and recipes come
from this repository; arrays and pictures are made here, with the standard library alone."""
import base64
import gzip
import io
import struct
import sys
import tarfile
import zipfile
import zlib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CONFORMANCE = Path("/usr/share/libonnx-testdata")
LARGEST = 4096  # bytes: what is longer is changed too slowly

# Pictures of 9 x 7 pixels: baseline with colour, progressive gray.
JPEGS = [
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDACgcHiMeGSgjISMtKygwPGRBPDc3PHtYXUlkkYCZlo+AjIqgtObDoKrarYqMyP/L2u71////m8H///"
    "/6/+b9//j/2wBDASstLTw1PHZBQXb4pYyl+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj/wAARCAAH"
    "AAkDASIAAhEBAxEB/8QAFgABAQEAAAAAAAAAAAAAAAAAAAME/8QAGRAAAgMBAAAAAAAAAAAAAAAAAAEDBFEU/8QAFQEBAQAAAAAAAAAAAAAAAA"
    "AAAAL/xAAaEQABBQEAAAAAAAAAAAAAAAABAAIDERIx/9oADAMBAAIRAxEAPwCcFJPDTwrEAQwaFlIpXZ6v/9k=",
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDACgcHiMeGSgjISMtKygwPGRBPDc3PHtYXUlkkYCZlo+AjIqgtObDoKrarYqMyP/L2u71////m8H///"
    "/6/+b9//j/wgALCAAHAAkBAREA/8QAFQABAQAAAAAAAAAAAAAAAAAAAgP/2gAIAQEAAAABNP/EABcQAQADAAAAAAAAAAAAAAAAAAABAhL/2gAI"
    "AQEAAQUCijD/xAAUEAEAAAAAAAAAAAAAAAAAAAAQ/9oACAEBAAY/Aj//xAAUEAEAAAAAAAAAAAAAAAAAAAAQ/9oACAEBAAE/IS//2gAIAQEAAA"
    "AQf//EABcQAAMBAAAAAAAAAAAAAAAAAAABURH/2gAIAQEAAT8QW4YiP//Z",
]


def small_files(folder, pattern):
    return {f"{i}": path.read_bytes() for i, path in enumerate(sorted(folder.rglob(pattern))) if path.stat().st_size <= LARGEST}


def archived(path):
    with tarfile.open(path) as archive:
        return {Path(entry.name).name: archive.extractfile(entry).read() for entry in archive if entry.isfile()}


def npy(descr, dims, data, version=1):
    header = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': ({', '.join(map(str, dims))}{',' if len(dims) == 1 else ''}), }}"
    length = struct.pack("<H" if version == 1 else "<I", len(header) + 1)
    return b"\x93NUMPY" + bytes([version, 0]) + length + header.encode() + b"\n" + data


def arrays():
    some = {
        "float": npy("<f4", (2, 3), struct.pack("<6f", *range(6))),
        "big": npy(">i2", (4,), struct.pack(">4h", 1, -2, 3, -4)),
        "wide": npy("<i8", (), struct.pack("<q", -7), version=2),
        "bool": npy("|b1", (3,), b"\x01\x00\x01"),
        "half": npy("<f2", (1, 0), b""),
    }
    seeds = {name: b"\x00" + data for name, data in some.items()}
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w", method) as out:
            for name, data in some.items():
                out.writestr(name + ".npy", data)
        seeds[f"npz{method}"] = b"\x01" + archive.getvalue()
    seeds["idx3"] = b"\x02" + struct.pack(">HBBIII", 0, 8, 3, 2, 2, 3) + bytes(range(12))
    seeds["idx1"] = b"\x02" + struct.pack(">HBBI", 0, 0x0D, 1, 2) + struct.pack(">2f", 1, 2)
    seeds["gzip"] = b"\x02" + gzip.compress(seeds["idx3"][1:], mtime=0)
    return seeds


def png(colour, depth, bits_a_pixel, interlaced=0, extra=b""):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\x00" + bytes((x * 7 + y) % 256 for x in range((9 * bits_a_pixel + 7) // 8)) for y in range(7))
    head = struct.pack(">IIBBBBB", 9, 7, depth, colour, 0, 0, interlaced)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + extra + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def pictures():
    palette = bytes(range(48))
    palette = struct.pack(">I", 48) + b"PLTE" + palette + struct.pack(">I", zlib.crc32(b"PLTE" + palette))
    seeds = {"rgb": png(2, 8, 24), "gray1": png(0, 1, 1), "gray16": png(0, 16, 16), "alpha": png(6, 8, 32), "palette": png(3, 4, 4, 0, palette)}
    for i, text in enumerate(JPEGS):
        seeds[f"jpeg{i}"] = base64.b64decode(text)
    return seeds


def cases(path):
    """The graphs of a golden file."""
    return [text.encode() for text in path.read_text().split("# ---\n")]


def seeds_of(target):
    if target == "onnx":
        return {**small_files(CONFORMANCE, "*.onnx"), **archived(Path(__file__).with_name("models.tar.xz"))}
    if target == "ir":
        files = sorted((ROOT / "tests/passes").glob("*.ir"))
        return {f"{path.stem}{i}": text for path in files for i, text in enumerate(cases(path)) if len(text) <= LARGEST}
    if target == "recipe":
        return small_files(ROOT / "models", "*.toml")
    if target == "arrays":
        return arrays()
    if target == "picture":
        return pictures()
    if target == "text":
        return {"plain": b"layer1.0/conv", "markup": b"<a href=\"x\">&amp;'", "escape": b"\x1b[2J\xe2\x80\xaeexe\xff\xc2\x9b31m"}
    sys.exit(f"seeds.py: no target {target}")


def main():
    folder = Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in seeds_of(sys.argv[1]).items():
        (folder / name).write_bytes(data)


main()
