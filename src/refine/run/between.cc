// SPDX-License-Identifier: Apache-2.0
// Models between the steps: written, and begun with.
#include "refine/run/run.h"

#include <filesystem>

#include "edgesmith/onnx/export.h"

namespace edgesmith::refine {
namespace {

namespace fs = std::filesystem;

}  // namespace

Status Run::keep_step(size_t count) const {
  if (options_.keep_steps.empty()) return {};
  std::vector<StepEnd> ends;
  for (const StepReport& step : report_.steps) ends.push_back({step.status, step.kept});
  const std::string path = step_file(options_.keep_steps, recipe_, count);
  std::error_code error;
  fs::create_directories(fs::path(path).parent_path(), error);
  if (error) return io_error(path + ": cannot create the folder: " + error.message());
  const auto written = onnx::export_file(with_step_origin(*best_, origin(), ends), path);
  return written ? Status() : Status(written.error());
}

Status Run::begin_behind(size_t count) {
  for (size_t i = 0; i < count; ++i) {
    const Step& step = recipe_.steps[i];
    const std::string path = step_file(options_.from_folder, recipe_, i + 1);
    auto model = read_step_file(path, origin(), i + 1);
    if (!model) return model.error();
    const StepEnd& end = model->ends[i];
    StepReport report;
    report.pass = step.pass;
    report.options = step.options.effective();
    report.status = end.status;
    report.kept = end.kept;
    report.reason = "taken from " + path;
    report.size = best_size_;
    any_kept_ = any_kept_ || end.kept;
    refused_ = refused_ || (!end.kept && end.status != StepStatus::unchanged);
    if (end.kept) {
      // A step that moves preprocessing into the model says in its file what is left of it.
      auto feed = new_feed(model->graph, i);
      if (!feed) return feed.error();
      Evaluations evaluations;
      EDGESMITH_TRY(measure_step(model->graph, step, *feed ? **feed : feed_, report, evaluations));
      kept_steps_.push_back(&step);
      best_ = std::move(model->graph);
      best_size_ = report.size;
      best_needs_ = report.needs;
      if (*feed) {
        feed_ = std::move(**feed);
        fed_as_original_ = false;
      }
      if (feed_.data.eval != nullptr) best_evaluations_ = std::move(evaluations);
    }
    report_.steps.push_back(std::move(report));
  }
  return {};
}

}  // namespace edgesmith::refine
