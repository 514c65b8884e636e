// SPDX-License-Identifier: Apache-2.0
// The summary that a run leaves on the terminal: short, aligned, before and after side by side.
#include <cmath>
#include <cstdio>

#include "edgesmith/base/text.h"
#include "edgesmith/report/terminal.h"

namespace edgesmith::report {
namespace {

using refine::RunReport;
using refine::StepReport;
using refine::StepStatus;

Style status_style(StepStatus status) {
  switch (status) {
    case StepStatus::accepted: return Style::green;
    case StepStatus::unchanged: return Style::dim;
    case StepStatus::undecided: return Style::yellow;
    case StepStatus::rolled_back:
    case StepStatus::cancelled:
    case StepStatus::failed: return Style::red;
  }
  return Style::plain;
}

std::string percent_of(int64_t part, int64_t whole) {
  if (whole <= 0) return "";
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%.1f %%", 100.0 * static_cast<double>(part) / static_cast<double>(whole));
  return buffer;
}

/// A drop as the change that people see: "-0.10" when accuracy fell.
std::string change_text(const data::MetricInfo& metric, double drop) {
  const double change = metric.higher_is_better ? -drop : drop;
  if (!std::isfinite(change)) return "n/a";
  char buffer[48];
  std::snprintf(buffer, sizeof buffer, metric.unit.empty() ? "%+.4g" : "%+.2f", change == 0 ? 0.0 : change);
  return buffer;
}

std::string interval_text(const data::MetricInfo& metric, const data::PairedDifference& drop) {
  if (!std::isfinite(drop.ci95[0]) || !std::isfinite(drop.ci95[1])) return "";
  const bool higher = metric.higher_is_better;
  return change_text(metric, drop.ci95[higher ? 1 : 0]) + " to " + change_text(metric, drop.ci95[higher ? 0 : 1]);
}

/// "95 %: -0.10 to +0.20, "; which of a program's values are better where it gives no interval.
std::string interval_words(const data::MetricInfo& metric, const data::PairedDifference& drop) {
  const std::string interval = interval_text(metric, drop);
  if (!interval.empty()) return "95 %: " + interval + ", ";
  return metric.higher_is_better ? "higher is better, " : "lower is better, ";
}

std::string steps_text(const RunReport& report, bool color) {
  Table table({Table::Align::left, Table::Align::left, Table::Align::right, Table::Align::right, Table::Align::right,
               Table::Align::right});
  const bool measured = report.baseline.has_value();
  table.head({"step", "status", measured ? std::string(report.baseline->metric->name) : "", "bytes", "size", "time"});
  for (const StepReport& step : report.steps) {
    table.row(
        {step.pass, std::string(refine::status_name(step.status)) + (step.from_cache ? ", cached" : ""),
         step.metric ? refine::metric_text(*step.metric->metric, step.metric->value) : "", bytes_text(step.size.bytes),
         percent_of(step.size.bytes, report.model.size.bytes), seconds_text(step.seconds)},
        step.status == StepStatus::accepted ? Style::plain : status_style(step.status));
  }
  return table.text(color);
}

/// What the steps cost under the arithmetic of every target that the gate names.
std::string targets_text(const RunReport& report, bool color) {
  using Align = Table::Align;
  Table table({Align::left, Align::left, Align::left, Align::right, Align::left});
  table.head({"step", "target", "arithmetic", report.baseline ? std::string(report.baseline->metric->name) : "",
              "change (95 %)"});
  bool any = false;
  for (const StepReport& step : report.steps) {
    for (const refine::TargetMetric& target : step.targets) {
      const data::MetricInfo& metric = *target.metric.metric;
      any = true;
      table.row({step.pass, target.target, target.arithmetic, refine::metric_text(metric, target.metric.value),
                 change_text(metric, target.drop.drop) + " (" + interval_text(metric, target.drop) + ")"});
    }
  }
  return any ? "\n" + table.text(color) : "";
}

/// Before and after, one line a quantity.
std::string result_text(const RunReport& report, bool color) {
  Table table({Table::Align::left, Table::Align::right, Table::Align::left, Table::Align::right, Table::Align::left});
  if (report.baseline && report.final_metric) {
    const data::MetricInfo& metric = *report.baseline->metric;
    table.row({std::string(metric.name), refine::metric_text(metric, report.baseline->value), "->",
               refine::metric_text(metric, report.final_metric->value),
               change_text(metric, report.final_drop->drop) + " (" + interval_words(metric, *report.final_drop) +
                   refine::grouped(report.baseline->samples) + " samples)"},
              Style::bold);
    if (report.final_agreement && metric.name != "agreement") {
      char noise[48] = "";
      if (report.final_sqnr_db) std::snprintf(noise, sizeof noise, "SQNR %.1f dB", *report.final_sqnr_db);
      char agreement[48];
      std::snprintf(agreement, sizeof agreement, "%.2f %%", *report.final_agreement);
      table.row({"same answers", "", "", agreement, noise});
    }
  }
  if (report.test_before && report.test_after) {
    const data::MetricInfo& metric = *report.test_before->metric;
    table.row({std::string(metric.name) + " (test)", refine::metric_text(metric, report.test_before->value), "->",
               refine::metric_text(metric, report.test_after->value),
               change_text(metric, report.test_drop->drop) + " (" + interval_words(metric, *report.test_drop) +
                   refine::grouped(report.test_before->samples) + " samples)"});
  }
  if (report.output) {
    const refine::ModelSize &before = report.model.size, &after = report.output->size;
    table.row({"file", bytes_text(before.bytes), "->", bytes_text(after.bytes),
               percent_of(after.bytes, before.bytes) + " of the bytes"},
              Style::bold);
    if (after.nonzero != before.nonzero) {
      table.row({"non-zero weights", count_text(before.nonzero), "->", count_text(after.nonzero)});
    }
    if (after.macs != before.macs) {
      table.row({"multiply-adds", count_text(before.macs), "->", count_text(after.macs)});
    }
    const refine::TargetNeeds& needs = report.final_needs;
    if (needs.ram_bytes) table.row({"memory", "", "", bytes_text(*needs.ram_bytes), "on " + report.recipe.target});
    if (needs.latency_us) {
      const std::string how = needs.measured ? "measured here" : "by the cost model of " + report.recipe.target;
      table.row({"time", "", "", refine::time_text(*needs.latency_us),
                 needs.speedup ? refine::times_text(*needs.speedup) + " as fast, " + how : how});
    }
    if (before.peak_activation_bytes && after.peak_activation_bytes) {
      table.row({"activations", bytes_text(*before.peak_activation_bytes), "->",
                 bytes_text(*after.peak_activation_bytes), "at the peak, for one sample"});
    }
  }
  return table.text(color);
}

}  // namespace

std::string run_summary(const RunReport& report, bool color) {
  std::string text = paint(report.command + " " + report.model.path, Style::bold, color) + "\n";
  text += steps_text(report, color);
  for (const StepReport& step : report.steps) {
    for (const std::string& note : step.notes)
      text += paint("    " + step.pass + ": " + printable(note), Style::dim, color) + "\n";
  }
  text += targets_text(report, color);
  const std::string result = result_text(report, color);
  if (!result.empty()) text += "\n" + result;
  for (const std::string& note : report.output_notes) text += "  note: " + note + "\n";
  text += "\n  " + paint(report.verdict, report.exit_code == 0 ? Style::green : Style::red, color) + "\n";
  text += "  output    " + (report.output ? report.output->path : std::string("none was written")) + "\n";
  text += "  time      " + seconds_text(report.seconds) + "\n";
  return text;
}

}  // namespace edgesmith::report
