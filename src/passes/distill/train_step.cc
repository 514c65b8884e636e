// SPDX-License-Identifier: Apache-2.0
#include "passes/distill/train_step.h"

#include <algorithm>
#include <cmath>
#include <iterator>

#include "edgesmith/base/interruptible.h"
#include "edgesmith/base/log.h"
#include "edgesmith/base/text.h"
#include "edgesmith/base/time_limit.h"
#include "edgesmith/ops/op_info.h"

namespace edgesmith::passes {
namespace {

// A time limit of 0 would be none.
constexpr double kLeastSeconds = 1e-3;

bool may_repair_by_training(const OptionSchema& schema) {
  return std::any_of(schema.begin(), schema.end(), [](const OptionRow& row) {
    return row.name == "repair" && std::find(row.words.begin(), row.words.end(), "distill") != row.words.end();
  });
}

Status simplify(ir::Graph& graph) {
  const PassInfo& pass = *find_pass("simplify");
  PassContext context;
  auto change = run_pass(pass, graph, Options(pass.options()), context);
  return change ? Status() : change.error();
}

// Under a time limit a training is not cut off: it ends like under its own, with the best so far.
Result<train::DistillReport> train_in_time(ir::Graph& graph, const train::Teachers& teachers, const data::Dataset& data,
                                           train::DistillOptions options, PassContext& context) {
  EDGESMITH_TRY(check_interrupted());
  if (const std::optional<double> left = seconds_left()) {
    const double own = options.time_limit > 0 ? options.time_limit : HUGE_VAL;
    options.time_limit = std::max(kLeastSeconds, std::min(*left, own));
  }
  auto report = [&] {
    const TimeLimit its_own(std::nullopt);
    return train::distill(graph, teachers, data, options,
                          {.pool = context.pool, .progress = context.progress, .simplify = simplify});
  }();
  context.out_of_time = out_of_time();
  return report;
}

}  // namespace

Result<train::DistillReport> train_step(ir::Graph& graph, const train::Teachers& teachers, const data::Dataset& data,
                                        train::DistillOptions options, PassContext& context) {
  std::vector<ir::Graph> typed;
  for (const ir::Graph* teacher : teachers) {
    typed.push_back(teacher->clone());
    EDGESMITH_TRY(ops::infer_types(typed.back()));
  }
  train::Teachers ready;
  for (const ir::Graph& teacher : typed) ready.push_back(&teacher);
  options.seed = context.random.next();
  auto report = train_in_time(graph, ready, data, options, context);
  if (!report) return report.error();
  for (const std::string& warning : report->warnings) log::warning(warning);
  context.notes.insert(context.notes.end(), report->notes.begin(), report->notes.end());
  std::move(report->curves.begin(), report->curves.end(), std::back_inserter(context.curves));
  if (report->samples_per_second > 0) context.measured["images_per_second"] = report->samples_per_second;
  if (report->activation_bytes > 0) {
    context.notes.push_back("training keeps " + bytes_text(report->activation_bytes) + " of activations for the " +
                            std::to_string(report->shard) + (report->shard == 1 ? " sample" : " samples") +
                            " that a thread works on");
  }
  return report;
}

bool may_train(const PassInfo& pass) { return pass.needs_train || may_repair_by_training(pass.options()); }

bool asks_for_training(const Options& options) {
  return may_repair_by_training(options.schema()) && options.word("repair") == "distill";
}

Status repair_by_training(ir::Graph& graph, PassContext& context) {
  const bool given = context.train != nullptr && context.train->size() > 0;
  const data::Dataset* data = given ? context.train : context.calib;
  if (data == nullptr || data->size() == 0) {
    return usage_error("repair by distill needs training data", "give some with --train, or use --repair reconstruct");
  }
  EDGESMITH_TRY(ops::infer_types(graph));
  auto report = train_step(graph, {context.original}, *data, {}, context);
  if (!report) return report.error();
  if (!given) context.notes.push_back("there are no training data: trained on the calibration data");
  context.stopped_early = report->interrupted;
  return {};
}

}  // namespace edgesmith::passes
