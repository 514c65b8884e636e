// SPDX-License-Identifier: Apache-2.0
// A made-up run with everything in it: two steps, layers, warnings, names that want escaping.
#pragma once

#include "edgesmith/refine/run_report.h"

namespace edgesmith::report {

inline refine::MetricValue metric_value(const char* name, double value) {
  return {data::find_metric(name), value, {value - 0.5, value + 0.5}, 10000};
}

inline refine::RunReport sample_report() {
  refine::RunReport report;
  report.command = "run";
  report.isa = "avx2";
  report.recipe.model = "nets/<a&b>.onnx";
  report.recipe.output = "out.onnx";
  report.recipe.gate.max_drop = 0.5;
  report.model = {"nets/<a&b>.onnx", std::string(64, 'a'), {1000000, 250000, 250000, 4000000, 20, 64000}, 13};
  report.data = {{"eval", "test.npz", 10000, true, "{\"scale\":0.5}"}};
  report.baseline = metric_value("top1", 90.0);

  refine::StepReport simplify;
  simplify.pass = "simplify";
  simplify.seconds = 0.25;
  simplify.metric = metric_value("top1", 90.0);
  simplify.drop = data::PairedDifference{0, {0, 0}};
  simplify.agreement = 100;
  simplify.size = {990000, 250000, 250000, 4000000, 15, 64000};
  report.steps.push_back(simplify);

  refine::StepReport fold;
  fold.pass = "fold-constants";
  fold.status = refine::StepStatus::rolled_back;
  fold.kept = false;
  fold.reason = "top1 drops by 1.00 points against the original, the budget is 0.50 points";
  fold.metric = metric_value("top1", 89.0);
  fold.drop = data::PairedDifference{1.0, {0.8, 1.2}};
  fold.agreement = 97.5;
  fold.targets = {{"ort-<arm>", "exact-i32", metric_value("top1", 89.0), {1.0, {0.8, 1.2}}},
                  {"cmsis-nn-l4r5", "tflite", metric_value("top1", 88.5), {1.5, {1.2, 1.8}}}};
  fold.sqnr_db = 28.5;
  fold.size = {280000, 250000, 249000, 4000000, 15, std::nullopt};
  fold.notes = {"a note"};
  fold.options = {{"bins", int64_t{64}}, {"skip", std::vector<std::string>{"x*"}}};
  passes::LayerRecord layer;
  layer.node = "stem<conv>";
  layer.op = "Conv";
  layer.value = "stem_out";
  layer.status = "int8";
  layer.reason = "outlier channel 3";
  layer.advice = "--skip 'stem<conv>'";
  layer.numbers = {{"sqnr_db", 12.5}, {"min", -3.0}, {"max", 70.0}};
  fold.layers = {layer};
  refine::WeightPicture pruned{"pruned<conv>", "conv", 100, 100, 25, -2.5, 3.5, {10, 80, 10}};
  refine::WeightPicture shared{"shared_conv", "conv", 100, 90, 90, -1, 1, {20, 50, 20}, 2, 4, {-0.75, -0.25, 0.5}};
  fold.weights = {pruned, shared};
  fold.curves = {{"loss", "", {4, 8}, {2.5, 1.25}}, {"agreement", "%", {0, 4, 8}, {50, 75, 87.5}}};
  fold.measured = {{"images_per_second", 1234.5}};
  report.steps.push_back(fold);

  report.output = refine::ModelFile{"out.onnx", std::string(64, 'b'), simplify.size, 13};
  report.final_metric = simplify.metric;
  report.final_drop = simplify.drop;
  report.final_agreement = 100;
  report.verdict = "fold-constants was rolled back: " + fold.reason;
  report.exit_code = 1;
  report.seconds = 12.5;
  report.peak_rss_bytes = 50000000;
  report.warnings = {"fold-constants was rolled back"};
  return report;
}

}  // namespace edgesmith::report
