# SPDX-License-Identifier: Apache-2.0
"""Search for recipes of `distill` on one GPU: many short trainings of CIFAR-10 nets side by side, in PyTorch.

    python3 tests/oracle/recipe_search --models DIR --data DIR --out DIR [--seconds 540]

--models: ONNX files by the names of MODELS in world.py (how they are made: tests/oracle/README.md). --data: the zoo's two
cifar10-*-jpeg.tar.gz. The maths of losses, optimizers, schedules, grids and augmentation is that of src/train and
src/data, written again: what wins here is then run by `edgesmith distill`, whose figures alone count.

5000 of the training pictures, augmented, judge; no test picture decides anything. Test accuracies are printed at the
end, of the few runs that the held-out pictures chose, to see whether the choice carries over.

One process: every run has a CUDA stream and its step (pictures, student, gradients, optimizer) as a CUDA graph, so a
dozen small nets share the GPU. Augmentation is drawn once for all runs by (epoch, picture), so that the teachers'
answers are tables. Writes runs.json and best.npz (the weights of each task's best) into --out, prints a line a run.
"""
import argparse
import os
import sys

from search import Search


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--models", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--seconds", type=float, default=540)
    parser.add_argument("--reserve", type=float, default=25, help="seconds kept for the end")
    parser.add_argument("--slots", type=int, default=12, help="runs side by side")
    parser.add_argument("--processes", type=int, default=16, help="that decode pictures")
    parser.add_argument("--limit", type=int, default=0, help="pictures of each set, for a trial")
    parser.add_argument("--steps", type=int, default=0, help="steps of each run at most, for a trial")
    parser.add_argument("--first", type=int, default=0, help="only so many runs of the list, for a trial")
    parser.add_argument("--batch", type=int, default=0, help="of every run, for a trial")
    parser.add_argument("--eager", action="store_true", help="no CUDA graphs")
    parser.add_argument("--second", action="store_true", help="the list that the first search led to")
    parser.add_argument("--epochs", type=int, default=10)
    args = parser.parse_args()
    os.makedirs(args.out, exist_ok=True)
    Search(args).main()


if __name__ == "__main__":
    sys.exit(main())
