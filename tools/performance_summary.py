#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The summary at the top of docs/performance.md, made of the tables below it.

performance_summary.py          prints the page as it should be
performance_summary.py --write  writes it
"""
import re
import sys
from math import prod
from pathlib import Path

PAGE = Path(__file__).resolve().parents[1] / "docs" / "performance.md"
MARK = "<!-- written by tools/performance_summary.py -->"
# What the summary calls a table, and the heading that it stands under.
TABLES = {"[zoo](#the-model-zoo), float32": "### float32",
          "zoo, int8": "### int8",
          "[models of PyPI packages](#models-of-pypi-packages)": "## Models of PyPI packages"}


def rows_under(page, heading):
    """The table under a heading: for each row its cells, by the names of the columns."""
    section = re.split(r"^#+ ", page.split("\n" + heading, 1)[1].split("\n", 1)[1], maxsplit=1, flags=re.M)[0]
    lines = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line] for line in lines[2:]], [cell.strip() for cell in lines[0]]


def ratios_under(page, heading):
    """[(model, its ratios)] and the geometric means of the columns of ratios: those that the table gives, where it does."""
    rows, columns = rows_under(page, heading)
    places = [i for i, column in enumerate(columns) if column.startswith("ratio")]
    number = lambda cell: float(re.search(r"[0-9.]+", cell)[0])
    models = [(row[0], [number(row[i]) for i in places]) for row in rows if row[0] != "geometric mean"]
    for row in rows:
        if row[0] == "geometric mean":
            return models, [number(row[i]) for i in places]
    return models, [prod(column) ** (1 / len(models)) for column in zip(*(ratios for _, ratios in models))]


def summary(page):
    lines = ["| models | ONNX Runtime | OpenVINO | lowest |", "| --- | ---: | ---: | --- |"]
    for name, heading in TABLES.items():
        models, means = ratios_under(page, heading)
        model, lowest = min(models, key=lambda row: row[1][0])
        below = sum(ratios[0] < 1 for _, ratios in models)
        count = f"{len(models)} models" + (f", {below} below 1" if below else "")
        cells = [f"**{mean:.2f}**" for mean in means] + [""] * (2 - len(means))
        lines.append(f"| {name}: {count} | {' | '.join(cells)} | {model}: {' and '.join(f'{x:.2f}' for x in lowest)} |")
    return "\n".join(lines) + "\n"


def with_summary(page):
    """The page with the summary of its tables between the marks."""
    if page.count(MARK) != 2:
        raise SystemExit(f"{PAGE}: the summary's place must lie between two lines {MARK}")
    before, _, after = page.split(MARK)
    return before + MARK + "\n\n" + summary(page) + "\n" + MARK + after


def main():
    page = with_summary(PAGE.read_text())
    if sys.argv[1:] == ["--write"]:
        PAGE.write_text(page)
    else:
        sys.stdout.write(page)


if __name__ == "__main__":
    main()
