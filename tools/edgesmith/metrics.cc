// SPDX-License-Identifier: Apache-2.0
// `edgesmith metrics`: what accuracy can mean, from the metric table.
#include <nlohmann/json.hpp>

#include "cli.h"
#include "data_flags.h"
#include "edgesmith/data/metric.h"
#include "edgesmith/report/terminal.h"

namespace edgesmith::cli {
namespace {

using report::Table;

/// What the tables cannot say.
constexpr const char* kForms = R"(
Every difference between two models comes with a paired 95 % interval over the same samples ([data](data.md#metrics)).

## What outputs and labels look like

| metric | first output of the model | labels |
| --- | --- | --- |
| top1, top5, f1, auc | scores `[N,C]`: the class is the largest, the first of equals | classes `y` `[N]`, folders, a list |
| miou | scores `[N,C,H,W]`, or classes `[N,H,W]` as integers; at most 150 classes | integers `y` `[N,H,W]`; pixels of 255 do not count |
| map | boxes, see below | boxes `y` `[N,G,5]`: x1, y1, x2, y2, class; rows of class -1 fill up |
| mse, mae, psnr, r2 | any; all outputs with expected ones | floats `y`, or arrays named after the outputs |

`f1` is 2 TP / (2 TP + FP + FN) of each class, then the mean over the classes that occur among labels or answers. `miou` counts pixels over all samples: TP / (TP + FP + FN) of each class, then the mean over the classes that occur. `r2` is the mean
over the (at most 32) numbers of a sample.

`map` takes boxes in one of two forms, in the pixels of the labels:

- one output `[N,D,6]` of rows x1, y1, x2, y2, score, class, as exporters with non-maximum suppression in the graph write it;
- three outputs, in any order: boxes `[N,D,4]` of x1, y1, x2, y2, scores `[N,D]` and classes `[N,D]` (integers, or floats behind
  the scores), as torchvision's and TensorFlow's detectors write them.

Rows whose score is not above 0, or whose class is negative, fill up and do not count. The number is COCO's AP: the mean over IoU
0.50, 0.55, ... 0.95 and over the classes with labels of the precision at 101 recalls; of each picture the 100 boxes of largest
score count. A model that leaves suppression to its user needs a program.

## A metric of your own

`--metric-command CMD` (of `eval`, `compare` and every command with a gate; `metric_command` in a recipe's `[gate]`) runs CMD with `/bin/sh`
in the working directory, with two paths behind it:

    CMD OUTPUTS.npz LABELS.npz

OUTPUTS.npz is what [`infer`](cli.md) writes: every output of the model under its name, samples on axis 0, in the order of the
data. LABELS.npz holds `y` (where the data have classes), expected outputs under the outputs' names, and `index`, which counts the
samples. The environment variable `EDGESMITH_SAMPLES` names a text file with the name of each sample, a line each (file names, or
`data.npz[17]`), to find annotations by. The program prints one JSON object, and nothing else, on stdout:

```json
{"value": 0.375, "per_sample": [0.5, 0.25]}
```

`per_sample` is optional: one number a sample whose mean is the value (within 1 %, else it is left out, with a warning). With it differences have an interval, and the gate can
say that the samples cannot tell; without it the value decides. Larger values are better unless `--metric-better lower`
(`metric_better = "lower"`) is given. `--metric NAME` gives it a name for the report, `--metric-timeout 10m` (the default) ends it.
`--max-drop` is in its own unit. The outputs of all samples are held in memory, as for `infer`.

```python
import json, sys
import numpy as np

outputs, labels = np.load(sys.argv[1]), np.load(sys.argv[2])
right = outputs["logits"].argmax(1) == labels["y"]
print(json.dumps({"value": float(right.mean()), "per_sample": right.astype(float).tolist()}))
```

A program that fails or takes too long ends the run with exit code 5 and the last line of its stderr; one that prints something else
(or more than 256 MiB) ends it with 3.
)";

std::string needs(const data::MetricInfo& metric) {
  if (metric.needs_labels) return "labels or targets";
  return metric.needs_reference ? "another model" : "";
}

Result<int> list_metrics(const std::string& name, bool markdown, const Common& common) {
  if (markdown) EDGESMITH_TRY(check_no_json(common, "--markdown"));
  if (!name.empty()) {
    const auto known = metric_named(name);
    if (!known) return known.error();
  }
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  Table table({Table::Align::left, Table::Align::left, Table::Align::left, Table::Align::left, Table::Align::left});
  table.head({"metric", "unit", "better", "needs", "meaning"});
  for (const data::MetricInfo& metric : data::all_metrics()) {
    if (!name.empty() && metric.name != name) continue;
    const char* better = metric.higher_is_better ? "higher" : "lower";
    list.push_back({{"name", metric.name},
                    {"unit", metric.unit},
                    {"higher_is_better", metric.higher_is_better},
                    {"needs_labels", metric.needs_labels},
                    {"needs_reference", metric.needs_reference},
                    {"summary", metric.summary}});
    table.row({std::string(metric.name), std::string(metric.unit), better, needs(metric), std::string(metric.summary)});
  }
  if (common.json) {
    print(nlohmann::ordered_json({{"schema", "edgesmith.metrics/1"}, {"metrics", std::move(list)}}).dump(2));
  } else if (markdown) {
    print("# Metrics\n\nGenerated by `edgesmith metrics --markdown`.\n\n" + table.markdown() + kForms);
  } else {
    print(table.text(use_color(common)));
  }
  return 0;
}

}  // namespace

void add_metrics(Program& program) {
  struct Flags {
    std::string name;
    bool markdown = false;
  };
  auto flags = std::make_shared<Flags>();
  Command* command = program.add_command("metrics", "List the metrics", [flags](const Common& common) {
    return list_metrics(flags->name, flags->markdown, common);
  });
  command->add_option("metric", flags->name, "list this one alone")->type_name("NAME")->suggest(metric_names());
  command->add_flag("--markdown", flags->markdown, "as Markdown (docs/metrics.md)");
}

}  // namespace edgesmith::cli
