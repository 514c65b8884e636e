# SPDX-License-Identifier: Apache-2.0
"""Runs side by side until time is up, the best of each task at the end."""
import contextlib
import gc
import json
import math
import os
import random
import signal
import time
import traceback

import numpy as np
import torch
import torch.nn.functional as F

from configs import base, first_list, mutated, second_list, words
from judge import Judge
from pictures import START, say
from run import LOSS_SCALE, Run
from student import Student
from world import World


class Slot:
    def __init__(self, device):
        self.device = device
        self.cuda = device.type == "cuda"
        self.stream = torch.cuda.Stream() if self.cuda else None
        self.run = None

    def context(self):
        return torch.cuda.stream(self.stream) if self.cuda else contextlib.nullcontext()


class Search:
    def __init__(self, args):
        self.args = args
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.deadline = START + args.seconds
        torch.backends.cudnn.benchmark = True
        self.world = World(args, self.device)
        self.results, self.vectors, self.seen, self.starts = [], {}, set(), {}
        self.rng = random.Random(5)
        self.stop = False
        signal.signal(signal.SIGTERM, self.on_stop)
        signal.signal(signal.SIGINT, self.on_stop)

    def on_stop(self, *_):
        self.stop = True

    def left(self):
        return 0 if self.stop else self.deadline - time.time()

    def check_half(self):
        """Half precision is fit for training where its gradient is float32's."""
        if self.device.type != "cuda":
            return
        try:
            grads = []
            keep = self.world.half
            for half in (torch.float32, torch.float16):
                self.world.half = half
                student = Student(self.world.nets["p80"], base("p80"), self.device)
                where = self.world.held[:128]
                x = self.world.pictures(where, "none").to(half).contiguous(memory_format=torch.channels_last)
                weights = student.weights(student.flat, half)
                y = student.net.run(x, weights, student.grid(student.flat, half))[0].float()
                scale = LOSS_SCALE if half == torch.float16 else 1
                loss = ((y - self.world.teach("t20", x, half)[0].float()) ** 2).mean() * scale
                grads.append(torch.autograd.grad(loss, student.flat)[0] / scale)
            cosine = float(F.cosine_similarity(grads[0], grads[1], 0))
            self.world.half = keep if cosine > 0.999 else torch.float32
            say(f"gradient in half precision: cosine {cosine:.6f} to float32; training in {self.world.half}")
        except Exception as error:
            self.world.half = torch.float32
            say("half precision fails:", repr(error)[:200])

    def judge_starts(self):
        for task, net in self.world.nets.items():
            try:
                student = Student(net, base(task), self.device)
                row = self.judge.held(student, student.first)
                row["test"] = self.judge.test(student, student.first)
                self.starts[task] = row
                say(f"start {task:5}", self.numbers(row), f"test {row['test']:.2f}")
            except Exception as error:
                say(f"start {task}: {error!r}")
                traceback.print_exc()

    @staticmethod
    def numbers(row):
        bits = f" {row['bits']:.3f}b" if "bits" in row else f" {row['zeros']:.2f}%0" if "zeros" in row else ""
        return (f"mse {row['mse']:.3f} agree {row['agree']:.2f} soft {row['soft']:.4f} ce {row['ce']:.4f} "
                f"acc {row['acc']:.2f}{bits}")

    def score(self, row):
        """Held-out, less is better: against the teachers' views of the pictures, no labels. Files above 45 kB are out."""
        if row["config"].get("price") and row["bits"] > 1.208:
            return row["soft"] + 10
        return row["soft"] if math.isfinite(row["soft"]) else 1e9

    def next_config(self):
        while self.queue:
            config = self.queue.pop(0)
            if config["task"] in self.world.nets:
                return config
        tasks = [t for t in ("p80", "p80", "q3", "c2", "rate", "s20") if any(r["config"]["task"] == t
                                                                            for r in self.results)]
        for _ in range(50):
            if not tasks:
                return None
            task = self.rng.choice(tasks)
            rows = sorted((r for r in self.results if r["config"]["task"] == task), key=self.score)[:4]
            config = mutated(self.rng.choice(rows)["config"], self.rng)
            if json.dumps(config, sort_keys=True) not in self.seen:
                return config
        return None

    def write(self):
        path = os.path.join(self.args.out, "runs.json")
        with open(path + ".tmp", "w") as file:
            json.dump({"starts": self.starts, "runs": self.results}, file)
        os.replace(path + ".tmp", path)

    def finish_run(self, run):
        with run.slot.context():
            row = self.judge.held(run.student, run.vector())
        row["config"] = run.config
        if run.config.get("prune"):
            row["zeros"] = float((run.vector()[run.may] == 0).float().mean() * 100)
        row["seconds"] = round(time.time() - run.began, 1)
        row["train_loss"] = float(run.loss)
        row["steps"] = run.total
        row["id"] = len(self.results)
        self.results.append(row)
        self.vectors[row["id"]] = (run.student, run.vector())
        say(f"{row['config']['task']:4} {self.numbers(row)} | {words(run.config)} | {row['seconds']:.0f} s")
        self.write()

    def main(self):
        w = self.world
        self.check_half()
        self.judge = Judge(w)
        self.judge_starts()
        gc.disable()  # what it frees might disturb a graph that is being made
        self.write()
        self.queue = second_list() if self.args.second else first_list()
        if self.args.first:
            self.queue = self.queue[:self.args.first]
        slots = [Slot(self.device) for _ in range(self.args.slots)]
        typical, steps_done, began = 1.0 if self.args.steps else 30.0, 0, time.time()
        reserve = self.args.reserve
        said = time.time()
        while True:
            busy = False
            for slot in slots:
                try:
                    if slot.run is None:
                        # No run is begun that would not end in time.
                        if self.left() > reserve + typical and not (self.args.first and not self.queue):
                            config = self.next_config()
                            if config is not None:
                                self.seen.add(json.dumps(config, sort_keys=True))
                                slot.run = Run(w, config, slot)
                                busy = True
                    elif slot.run.finished():
                        run, slot.run = slot.run, None
                        self.finish_run(run)
                        seconds = time.time() - run.began
                        if run.config["task"] != "n56":
                            typical = 1.03 * seconds if typical == 30.0 else 0.7 * typical + 0.3 * 1.03 * seconds
                        run.graph = None
                        del run
                        gc.collect()
                        if self.device.type == "cuda" and torch.cuda.memory_reserved() > 45e9:
                            torch.cuda.empty_cache()
                        busy = True
                    else:
                        before = slot.run.done
                        busy = slot.run.advance() or busy
                        steps_done += (slot.run.done - before) * slot.run.batch
                except Exception as error:
                    say("failed:", words(slot.run.config) if slot.run else "", repr(error)[:200])
                    traceback.print_exc(limit=4)
                    slot.run = None
            if self.left() < reserve or not any(slot.run for slot in slots) and not busy:
                break
            if time.time() - said > 30:
                said = time.time()
                say(f"-- {steps_done / (time.time() - began):,.0f} pictures/s, {len(self.results)} runs, "
                    f"typical {typical:.0f} s")
            if not busy:
                time.sleep(0.0005)
        say(f"trained {steps_done:,} pictures, {len(self.results)} runs; "
            f"{[words(s.run.config) for s in slots if s.run]} were not finished")
        self.close()

    def close(self):
        """The best few by held-out pictures, their test accuracy beside it."""
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        keep = {}
        for task in ("p80", "q3", "c2", "rate", "n56", "s20", "half"):
            rows = sorted((r for r in self.results if r["config"]["task"] == task), key=self.score)
            if not rows:
                continue
            print(f"== {task}: start test {self.starts.get(task, {}).get('test', 0):.2f}", flush=True)
            finite = [r for r in rows if self.score(r) < 5]
            # Chosen without labels by the teachers' views, by the one teacher, and with labels.
            chosen = {r["id"] for r in rows[:3]}
            for measure in ("mse", "ce") if finite else ():
                chosen.add(min(finite, key=lambda r: r[measure])["id"])
            for k, row in enumerate(rows):
                test = ""
                if row["id"] in chosen or task == "half":
                    student, flat = self.vectors[row["id"]]
                    row["test"] = self.judge.test(student, flat)
                    test = f" TEST {row['test']:.2f}"
                    if k == 0:
                        weights = student.weights(flat, torch.float32)
                        keep.update({f"{task}/{n}": x.detach().contiguous().cpu().numpy() for n, x in weights.items()})
                if test or k < 5:
                    print(f"{self.numbers(row)}{test} | {words(row['config'])}", flush=True)
        self.write()
        np.savez_compressed(os.path.join(self.args.out, "best.npz"), **keep)
        say("done")
