# SPDX-License-Identifier: Apache-2.0
"""The pictures of the zoo's CIFAR-10 archives, and lines of progress."""
import io
import tarfile
import time

import numpy as np

START = time.time()


def say(*words):
    print(f"{time.time() - START:6.1f}", *words, flush=True)


def _decode(item):
    from PIL import Image

    return np.asarray(Image.open(io.BytesIO(item)).convert("RGB"), np.uint8)


def read_pictures(path, limit, pool):
    """All pictures of a tar of class folders: uint8 [N,32,32,3] and labels [N], in the order of their names."""
    with tarfile.open(path) as tar:
        members = sorted((m for m in tar.getmembers() if m.name.endswith(".jpg")), key=lambda m: m.name)
        if limit:
            members = members[:: max(1, len(members) // limit)][:limit]
        classes = sorted({m.name.split("/")[-2] for m in members})
        labels = np.array([classes.index(m.name.split("/")[-2]) for m in members], np.int64)
        blobs = [tar.extractfile(m).read() for m in members]
    return np.stack(pool.map(_decode, blobs, chunksize=256)), labels
