// SPDX-License-Identifier: Apache-2.0
// The HTML report: one page, no scripts, nothing fetched.
#include "edgesmith/report/html.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>

#include "edgesmith/base/file.h"
#include "edgesmith/base/text.h"
#include "edgesmith/report/json.h"
#include "edgesmith/report/terminal.h"
#include "report/html_parts.h"

namespace edgesmith::report {
namespace {

using passes::LayerRecord;
using refine::RunReport;
using refine::StepReport;
using refine::StepStatus;

/// Rows of the table of the worst layers.
constexpr size_t kWorstLayers = 15;

const char* badge_style(StepStatus status) {
  switch (status) {
    case StepStatus::accepted: return "good";
    case StepStatus::unchanged: return "plain";
    case StepStatus::undecided: return "warn";
    case StepStatus::rolled_back:
    case StepStatus::cancelled:
    case StepStatus::failed: return "bad";
  }
  return "plain";
}

std::string card(const std::string& name, const std::string& from, const std::string& value, const std::string& note) {
  return "<div class=\"card\"><div class=\"name\">" + escape_html(name) + "</div><div class=\"value\">" + value +
         "</div><div class=\"from\">" + from + "</div><div class=\"note\">" + note + "</div></div>\n";
}

/// The change of a metric, coloured by whether it is for the better.
std::string change_html(const data::MetricInfo& metric, const data::PairedDifference& drop) {
  const double change = metric.higher_is_better ? -drop.drop : drop.drop;
  const double low = metric.higher_is_better ? -drop.ci95[1] : drop.ci95[0];
  const double high = metric.higher_is_better ? -drop.ci95[0] : drop.ci95[1];
  const char* format = metric.unit.empty() ? "%+.4g" : "%+.2f";
  const auto text = [&](double value) { return std::isfinite(value) ? number_text(format, value + 0.0) : "n/a"; };
  // Only what the interval is sure of is good or bad news.
  const char* style = drop.ci95[0] > 0 ? "down" : drop.ci95[1] < 0 ? "up" : "";
  const std::string shown = "<span class=\"" + std::string(style) + "\">" + text(change) + "</span>";
  if (!std::isfinite(low) && !std::isfinite(high)) return shown + " (no interval)";
  return shown + " (95 %: " + text(low) + " to " + text(high) + ")";
}

std::string accuracy_card(const std::string& name, const refine::MetricValue& before, const refine::MetricValue& after,
                          const data::PairedDifference& drop) {
  return card(name, "from " + refine::metric_text(*before.metric, before.value),
              refine::metric_text(*after.metric, after.value),
              change_html(*after.metric, drop) + "<br>" + refine::grouped(before.samples) + " samples");
}

std::string needs_cards(const RunReport& report) {
  const refine::TargetNeeds& needs = report.final_needs;
  std::string cards;
  const std::string target = escape_html(report.recipe.target);
  if (needs.ram_bytes) cards += card("memory", "on " + target, bytes_text(*needs.ram_bytes), "");
  if (needs.latency_us) {
    cards +=
        card("time", needs.measured ? "measured here" : "cost model of " + target, refine::time_text(*needs.latency_us),
             needs.speedup ? refine::times_text(*needs.speedup) + " as fast as the original" : "");
  }
  return cards;
}

std::string size_card(const RunReport& report) {
  const int64_t before = report.model.size.bytes, after = report.output->size.bytes;
  const double share = before > 0 ? 100.0 * static_cast<double>(after) / static_cast<double>(before) : 100;
  return card("file", "from " + bytes_text(before), bytes_text(after),
              "<div class=\"meter\"><i style=\"width:" + number_text("%.1f", std::min(share, 100.0)) +
                  "%\"></i></div>" + number_text("%.1f %% of the bytes", share));
}

std::string cards(const RunReport& report) {
  std::string html = "<div class=\"cards\">\n";
  if (report.baseline && report.final_metric) {
    html += accuracy_card(std::string(report.baseline->metric->name), *report.baseline, *report.final_metric,
                          *report.final_drop);
  } else if (report.baseline) {
    html += card(std::string(report.baseline->metric->name), "of the original",
                 refine::metric_text(*report.baseline->metric, report.baseline->value),
                 refine::grouped(report.baseline->samples) + " samples");
  }
  if (report.test_before && report.test_after) {
    html += accuracy_card(std::string(report.test_before->metric->name) + " on the test data", *report.test_before,
                          *report.test_after, *report.test_drop);
  }
  if (report.output) html += size_card(report) + needs_cards(report);
  if (report.final_agreement && report.baseline->metric->name != "agreement") {
    html += card("same answers", "arg-max of the output", number_text("%.2f %%", *report.final_agreement),
                 report.final_sqnr_db ? number_text("SQNR of the outputs %.1f dB", *report.final_sqnr_db) : "");
  }
  const refine::ModelSize& size = report.output ? report.output->size : report.model.size;
  html += card("multiply-adds", "from " + count_text(report.model.size.macs), count_text(size.macs),
               count_text(size.params) + " parameters, " + count_text(size.nonzero) + " not zero");
  if (size.peak_activation_bytes && report.model.size.peak_activation_bytes) {
    html += card("activations", "from " + bytes_text(*report.model.size.peak_activation_bytes),
                 bytes_text(*size.peak_activation_bytes), "at the peak, for one sample");
  }
  return html + "</div>\n";
}

std::string section(const std::string& title, const std::string& about, const std::string& body) {
  return "<section><h2>" + escape_html(title) + "</h2>" +
         (about.empty() ? "" : "<p class=\"about\">" + escape_html(about) + "</p>") + body + "</section>\n";
}

std::string list_html(const std::vector<std::string>& items) {
  std::string html = "<ul>";
  for (const std::string& item : items) html += "<li>" + escape_html(item) + "</li>";
  return html + "</ul>";
}

std::string steps_section(const RunReport& report) {
  std::string rows;
  for (const StepReport& step : report.steps) {
    const std::string status(refine::status_name(step.status));
    rows +=
        "<tr><td><b>" + escape_html(step.pass) + "</b></td><td><span class=\"badge " + badge_style(step.status) +
        "\">" + (status == "rolled_back" ? "rolled back" : status) + "</span>" + (step.from_cache ? " cached" : "") +
        "</td><td class=\"num\">" + (step.metric ? refine::metric_text(*step.metric->metric, step.metric->value) : "") +
        "</td><td class=\"num\">" + (step.metric && step.drop ? change_html(*step.metric->metric, *step.drop) : "") +
        "</td><td class=\"num\">" + (step.agreement ? number_text("%.2f %%", *step.agreement) : "") +
        "</td><td class=\"num\">" + bytes_text(step.size.bytes) + "</td><td class=\"num\">" +
        seconds_text(step.seconds) + "</td></tr>\n";
    std::vector<std::string> notes = step.notes;
    if (!step.reason.empty() && (notes.empty() || notes.front() != step.reason)) {
      notes.insert(notes.begin(), step.reason);
    }
    if (!notes.empty()) rows += "<tr><td colspan=\"7\"><div class=\"notes\">" + list_html(notes) + "</div></td></tr>\n";
  }
  const std::string metric = report.baseline ? std::string(report.baseline->metric->name) : "metric";
  return section("Steps", "",
                 "<div class=\"scroll\"><table><tr><th>step</th><th>status</th><th class=\"num\">" + metric +
                     "</th><th class=\"num\">change</th><th class=\"num\">same answers</th>"
                     "<th class=\"num\">file</th><th class=\"num\">time</th></tr>\n" +
                     rows + "</table></div>");
}

/// Every step under the arithmetic of every target that the gate names; empty when it names none.
std::string targets_section(const RunReport& report) {
  std::string rows;
  for (const StepReport& step : report.steps) {
    for (const refine::TargetMetric& target : step.targets) {
      rows += "<tr><td><b>" + escape_html(step.pass) + "</b></td><td>" + escape_html(target.target) + "</td><td>" +
              escape_html(target.arithmetic) + "</td><td class=\"num\">" +
              refine::metric_text(*target.metric.metric, target.metric.value) + "</td><td class=\"num\">" +
              change_html(*target.metric.metric, target.drop) + "</td></tr>\n";
    }
  }
  if (rows.empty() || !report.baseline) return "";
  return section("Targets", "The same model as each target of the gate computes it.",
                 "<div class=\"scroll\"><table><tr><th>step</th><th>target</th><th>arithmetic</th><th class=\"num\">" +
                     std::string(report.baseline->metric->name) + "</th><th class=\"num\">change</th></tr>\n" + rows +
                     "</table></div>");
}

std::vector<LayerRecord> layers_of(const RunReport& report) {
  std::vector<LayerRecord> layers;
  for (const StepReport& step : report.steps) layers.insert(layers.end(), step.layers.begin(), step.layers.end());
  return layers;
}

std::string lost_text(const LayerRecord& layer) {
  const auto lost = layer.numbers.find("lost_db");
  const bool shown = lost != layer.numbers.end() && std::isfinite(lost->second) && lost->second >= 0.05;
  return shown ? number_text("%.1f dB", lost->second) : "";
}

/// Layers with a reason or advice first by how much they hurt: the lowest SQNR on top, those without one last.
std::string worst_section(const std::vector<LayerRecord>& layers) {
  std::vector<const LayerRecord*> worst;
  for (const LayerRecord& layer : layers) {
    if (layer.numbers.count("sqnr_db") != 0 || !layer.advice.empty() || layer.status == "float")
      worst.push_back(&layer);
  }
  if (worst.empty()) return "";
  const auto sqnr = [](const LayerRecord* layer) {
    const auto number = layer->numbers.find("sqnr_db");
    return number != layer->numbers.end() && !std::isnan(number->second) ? number->second : INFINITY;
  };
  std::stable_sort(worst.begin(), worst.end(),
                   [&](const LayerRecord* a, const LayerRecord* b) { return sqnr(a) < sqnr(b); });
  if (worst.size() > kWorstLayers) worst.resize(kWorstLayers);
  const bool any_advice =
      std::any_of(worst.begin(), worst.end(), [](const LayerRecord* layer) { return !layer->advice.empty(); });
  std::string rows;
  for (const LayerRecord* layer : worst) {
    const double db = sqnr(layer);
    rows += "<tr><td><code>" + escape_html(layer->node.empty() ? layer->value : layer->node) + "</code></td><td>" +
            escape_html(layer->op) + "</td><td>" + escape_html(layer->status) + "</td><td class=\"num\">" +
            (std::isfinite(db) ? number_text("%.1f dB", db) : "") + "</td><td class=\"num\">" + lost_text(*layer) +
            "</td><td>" + escape_html(layer->reason) + "</td>";
    if (any_advice) {
      rows += "<td>" + escape_html(layer->advice) + "</td>";
    }
    rows += "</tr>\n";
  }
  return section("Worst layers", "Where most of the signal is lost, and why.",
                 "<div class=\"scroll\"><table><tr><th>node</th><th>op</th><th>status</th><th class=\"num\">SQNR</th>"
                 "<th class=\"num\">lost here</th><th>reason</th>" +
                     std::string(any_advice ? "<th>what would help</th>" : "") + "</tr>\n" + rows + "</table></div>");
}

std::string option_text(const passes::OptionValue& value) {
  if (const auto* flag = std::get_if<bool>(&value)) return *flag ? "true" : "false";
  if (const auto* integer = std::get_if<int64_t>(&value)) return std::to_string(*integer);
  if (const auto* real = std::get_if<double>(&value)) return shortest(*real);
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  return join(std::get<std::vector<std::string>>(value), ", ");
}

std::string settings_section(const RunReport& report) {
  std::string data;
  for (const refine::DataReport& set : report.data) {
    data += "<tr><td>" + set.role + "</td><td><code>" + escape_html(set.path) + "</code></td><td class=\"num\">" +
            refine::grouped(set.samples) + "</td><td>" + (set.labels ? "labelled" : "no labels") + "</td><td><code>" +
            escape_html(set.preprocess) + "</code></td></tr>\n";
  }
  std::string body;
  if (!data.empty()) {
    body +=
        "<div class=\"scroll\"><table><tr><th>data</th><th>path</th><th class=\"num\">samples</th><th></th>"
        "<th>preprocessing</th></tr>\n" +
        data + "</table></div>";
  }
  for (const StepReport& step : report.steps) {
    if (step.options.empty()) continue;
    body += "<details><summary>options of " + escape_html(step.pass) + "</summary><table>";
    for (const auto& [name, value] : step.options) {
      body +=
          "<tr><td><code>" + escape_html(name) + "</code></td><td>" + escape_html(option_text(value)) + "</td></tr>";
    }
    body += "</table></details>";
  }
  body += "<details open><summary>recipe</summary><pre>" + escape_html(refine::print_recipe(report.recipe)) +
          "</pre></details>";
  return section("Settings", "", body);
}

std::string files_section(const RunReport& report) {
  const auto row = [](const char* what, const refine::ModelFile& file) {
    return "<tr><td>" + std::string(what) + "</td><td><code>" + escape_html(file.path) +
           "</code></td><td class=\"num\">" + refine::grouped(file.size.bytes) + " bytes</td><td>opset " +
           std::to_string(file.opset) + "</td><td><code title=\"SHA-256\">" + file.sha256.substr(0, 16) +
           "…</code></td></tr>\n";
  };
  std::string body = "<div class=\"scroll\"><table>" + row("original", report.model);
  if (report.output) body += row("result", *report.output);
  body += "</table></div>";
  if (!report.output_notes.empty()) body += list_html(report.output_notes);
  return section("Files", "", body);
}

std::string plot_section(const std::string& title, const std::string& about, const std::string& plot) {
  return plot.empty() ? "" : section(title, about, "<div class=\"tall\">" + plot + "</div>");
}

/// What steps that prune and share made of the weights.
std::string weights_sections(const RunReport& report) {
  std::string html;
  for (const StepReport& step : report.steps) {
    const std::string after = " after " + step.pass + (step.kept ? "" : " (undone)");
    html += plot_section("Density" + after, "Weights of each layer that are not zero.", density_plot(step.weights));
    html += plot_section("Codebooks" + after,
                         "Lines are the entries of a layer's codebooks (the first 256), over the histogram of the "
                         "weights before, without zeros.",
                         codebook_plot(step.weights));
  }
  return html;
}

}  // namespace

std::string number_text(const char* format, double value) {
  char buffer[64];
  std::snprintf(buffer, sizeof buffer, format, value);
  return buffer;
}

std::string run_html(const RunReport& report) {
  const std::string model = std::filesystem::path(report.model.path).filename().string();
  const std::vector<LayerRecord> layers = layers_of(report);
  const char* verdict_style = report.exit_code != 0 ? "bad" : report.baseline ? "good" : "plain";
  std::string html =
      "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
      "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">"
      "<meta name=\"color-scheme\" content=\"light dark\"><title>" +
      escape_html(model + " - edgesmith " + report.command) + "</title><style>" + kStyleSheet +
      "</style></head><body><main>\n<header><div class=\"eyebrow\">edgesmith " + escape_html(report.command) + " for " +
      escape_html(report.recipe.target) + "</div><h1>" + escape_html(model) + "</h1><span class=\"verdict " +
      verdict_style + "\">" + escape_html(report.verdict) + "</span></header>\n";
  html += cards(report);
  if (!report.warnings.empty()) html += section("Warnings", "", list_html(report.warnings));
  html += steps_section(report);
  html += targets_section(report);
  html += plot_section("Accuracy against size",
                       "Bars are 95 % intervals of each model on its own; the change in the table "
                       "above is measured sample by sample and is surer.",
                       accuracy_plot(report));
  html += worst_section(layers);
  html += plot_section("Signal to quantization noise",
                       "What is left of the signal after each layer; below 20 dB is weak.", sqnr_plot(layers));
  html += plot_section("Ranges", "Smallest and largest value of each quantized tensor, on a logarithmic axis.",
                       range_plot(layers));
  html += plot_section("Training", "Losses of the samples trained on, and of the held-out ones that judged.",
                       curves_plot(report));
  html += plot_section("Selection", "Time of each node in int8 and float32; the solid bar was chosen.",
                       selection_plot(report));
  html += weights_sections(report);
  html += files_section(report);
  html += settings_section(report);
  html += "<footer>edgesmith " + std::string(tool_version()) + ", " + escape_html(report.isa) + ", " +
          seconds_text(report.seconds) + ", " + bytes_text(report.peak_rss_bytes) + " of memory at the peak</footer>\n";
  return html + "</main></body></html>\n";
}

Status write_report(const RunReport& report, const std::string& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) return io_error(folder + ": cannot create the folder: " + error.message(), "check --report");
  EDGESMITH_TRY(write_file((std::filesystem::path(folder) / "report.json").string(), run_json(report)));
  return write_file((std::filesystem::path(folder) / "report.html").string(), run_html(report));
}

}  // namespace edgesmith::report
