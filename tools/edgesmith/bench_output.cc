// SPDX-License-Identifier: Apache-2.0
#include "bench_output.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "edgesmith/base/cpu.h"
#include "edgesmith/base/log.h"
#include "edgesmith/ir/node_text.h"
#include "edgesmith/refine/measure.h"
#include "edgesmith/report/terminal.h"
#include "edgesmith/runtime/executor.h"
#include "numbers.h"

namespace edgesmith::cli {
namespace {

using Json = nlohmann::ordered_json;
using refine::BenchResult;
using refine::Latency;
using report::Table;

// Where the mean is so far above the median, single runs took very long.
constexpr double kDisturbed = 1.2;

double samples_per_second(const BenchShown& shown, const BenchShown::Round& round, const BenchResult& result) {
  return 1e6 * static_cast<double>(shown.parallel * round.batch) / std::max(result.latency.mean, 1e-3);
}

std::string isa() {
  const auto name = runtime::isa_name();
  return name ? *name : "unknown";
}

std::string name_of(const ir::Node& node) {
  if (!node.name().empty() || node.num_outputs() == 0) return node.name();
  return node.output(0).name();
}

std::string rate_text(double per_second) {
  return per_second < 100 ? number("%.1f samples/s", per_second)
                          : refine::grouped(static_cast<int64_t>(per_second)) + " samples/s";
}

Json latency_json(const Latency& latency) {
  return {{"min", latency.min}, {"median", latency.median}, {"p90", latency.p90}, {"mean", latency.mean}};
}

Json kernels_json(const BenchResult& result) {
  Json kernels = Json::array();
  for (const refine::NodeTime& entry : result.nodes) {
    Json json = {{"node", name_of(*entry.node)}, {"op", ir::operator_text(*entry.node)}, {"kernel", entry.kernel}};
    if (entry.median_us) json["median_us"] = *entry.median_us;
    kernels.push_back(std::move(json));
  }
  return kernels;
}

Json tool_json() { return {{"version", EDGESMITH_VERSION}, {"isa", isa()}, {"cpu", cpu_name()}}; }

Json model_json(const std::string& path, const ir::Graph& graph) {
  Json inputs = Json::array();
  for (const ir::Value* input : graph.inputs()) {
    inputs.push_back({{"name", input->name()}, {"type", input->type().text()}});
  }
  const refine::ModelSize size = refine::measure_size(graph);
  return {{"path", path},
          {"bytes", refine::model_file_bytes(graph, path)},
          {"macs", size.macs},
          {"inputs", std::move(inputs)}};
}

/// The figures of model `m`, into `json`.
void add_figures(const BenchShown& shown, size_t m, Json& json) {
  const BenchShown::Round& first = shown.rounds.front();
  const BenchResult& result = first.report.results[m];
  json["output_sha256"] = result.output_sha256;
  json["latency_us"] = latency_json(result.latency);
  json["samples_per_second"] = samples_per_second(shown, first, result);
  json["kernels"] = kernels_json(result);
}

Json throughput_json(const BenchShown& shown) {
  Json list = Json::array();
  for (const BenchShown::Round& round : shown.rounds) {
    const BenchResult& result = round.report.results[0];
    list.push_back({{"batch", round.batch},
                    {"runs", round.runs},
                    {"latency_us", latency_json(result.latency)},
                    {"samples_per_second", samples_per_second(shown, round, result)},
                    {"output_sha256", result.output_sha256}});
  }
  return list;
}

void add_nodes(const BenchResult& result, bool color, std::string& text) {
  double sum = 0;
  std::vector<const refine::NodeTime*> timed;
  for (const refine::NodeTime& entry : result.nodes) {
    if (!entry.median_us) continue;
    timed.push_back(&entry);
    sum += *entry.median_us;
  }
  std::stable_sort(timed.begin(), timed.end(),
                   [](const auto* a, const auto* b) { return *a->median_us > *b->median_us; });
  using enum Table::Align;
  Table table({left, left, right, right, left});
  table.head({"node", "op", "median", "share", "kernel"});
  for (const refine::NodeTime* entry : timed) {
    table.row({name_of(*entry->node), ir::operator_text(*entry->node), microseconds(*entry->median_us),
               number("%.1f %%", 100 * *entry->median_us / std::max(sum, 1e-9)), entry->kernel});
  }
  table.row({"all nodes", "", microseconds(sum), "", ""}, report::Style::bold);
  text += "\n" + table.text(color);
}

std::string how_run(const BenchShown& shown) {
  const BenchShown::Round& first = shown.rounds.front();
  std::string text = cpu_name() + ", " + isa() + ", " + std::to_string(shown.threads) +
                     (shown.threads == 1 ? " thread" : " threads") +
                     (shown.parallel == 1 ? "" : ", " + std::to_string(shown.parallel) + " runs at a time") +
                     (first.report.pinned ? ", pinned" : ", not pinned");
  text += shown.data.empty() ? ", seeded inputs" : ", " + refine::grouped(shown.samples) + " samples of " + shown.data;
  return text + (first.report.denormals_flushed ? "" : ", denormals kept: flushing them would change the outputs");
}

}  // namespace

std::string bench_json(const BenchShown& shown, const Common& common) {
  const BenchShown::Round& first = shown.rounds.front();
  Json json = {{"schema", "edgesmith.bench/1"}, {"tool", tool_json()}};
  if (shown.ratio) {
    for (size_t m = 0; m < shown.paths.size(); ++m) {
      Json side = model_json(shown.paths[m], *shown.graphs[m]);
      add_figures(shown, m, side);
      json[m == 0 ? "a" : "b"] = std::move(side);
    }
    json["ratio"] = shown.ratio->ratio;
    json["ci95"] = {shown.ratio->ci95[0], shown.ratio->ci95[1]};
  } else {
    json["model"] = model_json(shown.paths[0], *shown.graphs[0]);
    add_figures(shown, 0, json);
    json["throughput"] = throughput_json(shown);
    if (shown.plan) {
      json["plan"] = {{"path", shown.plan->path},
                      {"predicted_us", shown.plan->predicted_us},
                      {"measured_us", first.report.results[0].latency.min}};
    }
  }
  if (shown.data.empty()) {
    json["inputs"] = {{"seed", common.seed.value_or(0)}};
  } else {
    json["inputs"] = {{"data", shown.data}, {"samples", shown.samples}};
  }
  json["batch"] = first.batch;
  json["runs"] = first.runs;
  json["warmup"] = first.warmup;
  json["threads"] = shown.threads;
  json["parallel"] = shown.parallel;
  json["pinned"] = first.report.pinned;
  json["preemptions"] = first.report.preemptions;
  json["denormals"] = first.report.denormals_flushed ? "flushed" : "kept";
  json["seconds"] = first.report.seconds;
  json["warnings"] = log::take_warnings();
  return json.dump(2, ' ', false, Json::error_handler_t::replace);
}

std::string bench_text(const BenchShown& shown, const Common& common) {
  const bool color = use_color(common);
  using enum Table::Align;
  Table table({left, right, right, right, right, right});
  table.head({shown.ratio ? "model" : "batch", "median", "min", "p90", "throughput", "runs"});
  for (const BenchShown::Round& round : shown.rounds) {
    for (size_t m = 0; m < shown.paths.size(); ++m) {
      const BenchResult& result = round.report.results[m];
      const std::string what = shown.ratio ? (m == 0 ? "A " : "B ") + shown.paths[m] : std::to_string(round.batch);
      table.row({what, microseconds(result.latency.median), microseconds(result.latency.min),
                 microseconds(result.latency.p90), rate_text(samples_per_second(shown, round, result)),
                 refine::grouped(round.runs)});
    }
  }
  std::string text = shown.ratio ? "" : report::paint(shown.paths[0], report::Style::bold, color) + "\n";
  text += "  " + how_run(shown) + "\n\n" + table.text(color);
  const refine::BenchReport& first = shown.rounds.front().report;
  if (const Latency& latency = first.results[0].latency; latency.mean > kDisturbed * latency.median) {
    text += "\n  other work took the core away " + refine::grouped(first.preemptions) +
            " times: the medians hold, the throughput would be higher on a quiet machine\n";
  }
  if (shown.plan) {
    const double measured = std::max(first.results[0].latency.min, 1e-3);
    text += "\n  " + shown.plan->path + " predicts " + microseconds(shown.plan->predicted_us) +
            ", the fastest run took " + microseconds(measured) +
            " (predicted over measured: " + number("%.3f", shown.plan->predicted_us / measured) + ")\n";
  }
  if (shown.ratio) {
    text += "\n  B takes " + number("%.3f", shown.ratio->ratio) +
            " of the time of A (95 %: " + number("%.3f", shown.ratio->ci95[0]) + " to " +
            number("%.3f", shown.ratio->ci95[1]) + ")\n";
  }
  for (size_t m = 0; m < shown.paths.size(); ++m) {
    if (shown.per_node && shown.ratio) text += "\n  " + shown.paths[m] + "\n";
    if (shown.per_node) add_nodes(first.results[m], color, text);
  }
  text += "\n";
  for (size_t m = 0; m < shown.paths.size(); ++m) {
    const char* of = !shown.ratio ? "" : m == 0 ? " of A" : " of B";
    text += "  sha256 of the outputs" + std::string(of) + " " + first.results[m].output_sha256 + "\n";
  }
  return text;
}

std::string camera_json(const CameraShown& shown) {
  const refine::CameraReport& report = shown.report;
  Json stages = Json::array();
  for (const refine::StageTime& stage : report.stages) {
    stages.push_back({{"stage", stage.name}, {"time_us", latency_json(stage.time)}, {"share", stage.share}});
  }
  Json json = {{"schema", "edgesmith.bench/1"},
               {"tool", tool_json()},
               {"model", model_json(shown.path, *shown.graph)},
               {"output_sha256", report.output_sha256},
               {"pipeline",
                {{"fps", shown.options.fps},
                 {"frames", shown.options.frames},
                 {"latency_us", {{"p50", report.p50_us}, {"p99", report.p99_us}, {"max", report.max_us}}},
                 {"deadline_us", 1e6 / shown.options.fps},
                 {"missed", report.missed},
                 {"possible_fps", report.possible_fps},
                 {"stages", std::move(stages)}}},
               {"inputs", {{"data", shown.data}, {"samples", shown.samples}}},
               {"threads", 2},
               {"pinned", report.pinned},
               {"seconds", report.seconds},
               {"warnings", log::take_warnings()}};
  return json.dump(2, ' ', false, Json::error_handler_t::replace);
}

std::string camera_text(const CameraShown& shown, const Common& common) {
  const bool color = use_color(common);
  const refine::CameraReport& report = shown.report;
  const double fps = shown.options.fps;
  std::string text = report::paint(shown.path, report::Style::bold, color) + "\n  " + cpu_name() + ", " + isa() +
                     ", 2 threads" + (report.pinned ? ", pinned" : ", not pinned") + ", " +
                     refine::grouped(shown.options.frames) + " frames of " + shown.data + " at " + number("%g", fps) +
                     " a second\n\n";
  using enum Table::Align;
  Table facts({left, right, left});
  facts.row({"p50", microseconds(report.p50_us), "from the arrival of a frame to its answer"});
  facts.row({"p99", microseconds(report.p99_us)});
  facts.row({"largest", microseconds(report.max_us)});
  facts.row(
      {"missed", refine::grouped(report.missed), "answers later than the next frame, " + microseconds(1e6 / fps)});
  facts.row({"possible", number("%.0f", report.possible_fps), "frames a second, by the busier thread"});
  text += facts.text(color) + "\n";
  Table stages({left, right, right, right});
  stages.head({"stage", "median", "mean", "share"});
  for (const refine::StageTime& stage : report.stages) {
    stages.row({std::string(stage.name), microseconds(stage.time.median), microseconds(stage.time.mean),
                number("%.1f %%", 100 * stage.share)});
  }
  return text + stages.text(color) + "\n  sha256 of the outputs " + report.output_sha256 + "\n";
}

}  // namespace edgesmith::cli
