// SPDX-License-Identifier: Apache-2.0
#include "edgesmith/report/diff.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>

#include "edgesmith/base/file.h"
#include "edgesmith/data/metric.h"
#include "edgesmith/refine/gate.h"
#include "edgesmith/report/terminal.h"
#include "report/diff_documents.h"
#include "report/html_parts.h"

namespace edgesmith::report {
namespace {

constexpr const char* kSchema = "edgesmith.report/1";

/// A member that may be absent, null or of another type.
std::optional<double> number(const nlohmann::json& json, const char* name) {
  const auto found = json.is_object() ? json.find(name) : json.end();
  return found != json.end() && found->is_number() ? std::optional(found->get<double>()) : std::nullopt;
}

std::string word(const nlohmann::json& json, const char* name) {
  const auto found = json.is_object() ? json.find(name) : json.end();
  return found != json.end() && found->is_string() ? found->get<std::string>() : "";
}

nlohmann::json member(const nlohmann::json& json, const char* name) {
  const auto found = json.is_object() ? json.find(name) : json.end();
  return found != json.end() ? *found : nlohmann::json();
}

Result<nlohmann::json> read_report(const std::string& given) {
  const std::string path = report_path(given);
  auto text = read_file(path);
  if (!text) return text.error();
  nlohmann::json json = nlohmann::json::parse(*text, nullptr, false);
  if (json.is_discarded()) return invalid_error(path + ": is no JSON", "give a report.json that --report wrote");
  const std::string schema = word(json, "schema");
  if (schema != kSchema) {
    return invalid_error(path + ": " + (schema.empty() ? "has no schema" : "its schema is '" + schema + "'"),
                         std::string("report diff takes '") + kSchema +
                             "', which simplify, prune, share, quantize, distill and run write with --report");
  }
  if (!member(json, "model").is_object() || !member(json, "steps").is_array()) {
    return invalid_error(path + ": is no whole report: it has no model or no steps", "write it again with --report");
  }
  return json;
}

std::string metric_name(const nlohmann::json& report) {
  const std::string name = word(member(member(report, "output"), "metric"), "name");
  return name.empty() ? word(member(report, "baseline"), "metric") : name;
}

/// A kind of figure: where it stands, how it is shown, which limit is its.
struct Kind {
  std::string name;
  std::function<std::optional<double>(const nlohmann::json&)> read;
  std::function<std::string(double)> show;
  bool relative = true;  ///< changes are percent of the old value
  bool higher_is_better = false;
  std::optional<double> limit;
};

/// Percent from which on a growth is told in times.
constexpr double kManyTimes = 1000;

std::string signed_text(const char* format, double value) { return number_text(format, value == 0 ? 0 : value); }

FigureChange compare(const Kind& kind, std::optional<double> before, std::optional<double> after) {
  FigureChange figure;
  figure.name = kind.name;
  figure.old_value = before;
  figure.new_value = after;
  figure.before = before ? kind.show(*before) : "-";
  figure.after = after ? kind.show(*after) : "-";
  figure.limit = kind.limit;
  if (!before || !after) {
    figure.regression = kind.limit && before && !after;  // a figure that went missing is not known to be as good
    return figure;
  }
  const double difference = *after - *before;
  const double change = kind.relative ? (*before != 0 ? 100 * difference / *before : 0) : difference;
  // A step that came from the cache before takes a thousandfold now: nobody reads that as percent.
  const bool many_times = kind.relative && change >= kManyTimes;
  figure.change = many_times ? number_text("%.0f times", 1 + change / 100)
                             : signed_text(kind.relative ? "%+.1f %%" : "%+.2f", change);
  const double worse = figure.worse = kind.higher_is_better ? -change : change;
  // Reports hold rounded decimals; what is a limit's own value is within it.
  constexpr double kSlack = 1e-9;
  figure.regression = kind.limit && worse > *kind.limit + kSlack * std::max(1.0, std::abs(*kind.limit));
  return figure;
}

std::vector<Kind> kinds_of(const data::MetricInfo* metric, const DiffLimits& limits) {
  std::vector<Kind> kinds;
  if (metric != nullptr) {
    kinds.push_back({.name = std::string(metric->name),
                     .read = [](const nlohmann::json& part) { return number(member(part, "metric"), "value"); },
                     .show = [metric](double value) { return refine::metric_text(*metric, value); },
                     .relative = false,
                     .higher_is_better = metric->higher_is_better,
                     .limit = limits.max_drop});
  }
  const auto size = [&](const char* name, const char* key, std::string (*show)(int64_t)) {
    kinds.push_back({.name = name,
                     .read =
                         [key](const nlohmann::json& part) {
                           const nlohmann::json own = member(part, "size");
                           return number(own.is_object() ? own : part, key);
                         },
                     .show = [show](double value) { return show(static_cast<int64_t>(value)); },
                     .limit = limits.max_growth});
  };
  size("bytes", "bytes", bytes_text);
  size("MACs", "macs", count_text);
  size("peak activations", "peak_activation_bytes", bytes_text);
  kinds.push_back({.name = "seconds",
                   .read = [](const nlohmann::json& part) { return number(part, "seconds"); },
                   .show = [](double value) { return seconds_text(value); },
                   .limit = limits.max_slowdown});
  return kinds;
}

DiffPart compare_parts(const std::string& name, const std::vector<Kind>& kinds, const nlohmann::json& before,
                       const nlohmann::json& after, bool judged) {
  DiffPart part{name, {}};
  for (Kind kind : kinds) {
    if (!judged) kind.limit.reset();
    const auto old_value = kind.read(before), new_value = kind.read(after);
    if (old_value || new_value) part.figures.push_back(compare(kind, old_value, new_value));
  }
  return part;
}

/// The output with the time of the whole run.
nlohmann::json output_of(const nlohmann::json& report) {
  nlohmann::json output = member(report, "output");
  if (!output.is_object()) output = nlohmann::json::object();
  output["seconds"] = member(report, "seconds");
  return output;
}

void compare_steps(const std::vector<Kind>& kinds, const nlohmann::json& before, const nlohmann::json& after,
                   ReportDiff& diff) {
  const nlohmann::json none = nlohmann::json::array();
  const nlohmann::json old_steps = member(before, "steps"), new_steps = member(after, "steps");
  const nlohmann::json &a = old_steps.is_array() ? old_steps : none, &b = new_steps.is_array() ? new_steps : none;
  for (size_t s = 0; s < std::max(a.size(), b.size()); ++s) {
    const nlohmann::json x = s < a.size() ? a[s] : nlohmann::json(), y = s < b.size() ? b[s] : nlohmann::json();
    const std::string pass = word(x, "pass"), other = word(y, "pass"), place = "step " + std::to_string(s + 1) + ": ";
    if (pass != other) {
      const auto named = [](const std::string& name) { return name.empty() ? std::string("nothing") : name; };
      diff.notes.push_back(place + named(pass) + " before, " + named(other) + " now");
      continue;
    }
    if (word(x, "status") != word(y, "status")) {
      diff.notes.push_back(place + pass + " was " + word(x, "status") + ", is " + word(y, "status"));
    }
    if (a.size() > 1 || b.size() > 1) diff.parts.push_back(compare_parts(place + pass, kinds, x, y, false));
  }
}

std::string file_name(const std::string& path) { return std::filesystem::path(path).filename().string(); }

Result<ReportDiff> diff_json_reports(const std::string& old_path, const nlohmann::json& a, const std::string& new_path,
                                     const nlohmann::json& b, const DiffLimits& limits) {
  const nlohmann::json model = member(a, "model"), other = member(b, "model");
  ReportDiff diff{old_path, new_path, file_name(word(other, "path")), {}, {}, 0};
  if (word(model, "sha256") != word(other, "sha256")) {
    if (file_name(word(model, "path")) != diff.model) {
      return usage_error("reports of different models: " + old_path + " is of '" + file_name(word(model, "path")) +
                             "', " + new_path + " of '" + diff.model + "'",
                         "compare two runs on one model");
    }
    diff.notes.push_back("the model file itself has changed");
  }
  const std::string name = metric_name(a), other_name = metric_name(b);
  if (!name.empty() && !other_name.empty() && name != other_name) {
    return invalid_error(new_path + ": measures " + other_name + ", " + old_path + " measures " + name,
                         "compare runs with one metric");
  }
  const auto samples = number(member(a, "baseline"), "samples"), others = number(member(b, "baseline"), "samples");
  if (samples && others && *samples != *others) {
    diff.notes.push_back("measured on " + count_text(static_cast<int64_t>(*samples)) + " samples before, on " +
                         count_text(static_cast<int64_t>(*others)) + " now");
  }
  const auto kinds = kinds_of(data::find_metric(name.empty() ? other_name : name), limits);
  if (!member(b, "output").is_object()) diff.notes.push_back("the newer run wrote no model");
  diff.parts.push_back(compare_parts("output", kinds, output_of(a), output_of(b), true));
  compare_steps(kinds, a, b, diff);
  for (const FigureChange& figure : diff.parts[0].figures) diff.regressions += figure.regression;
  return diff;
}

}  // namespace

std::string report_path(const std::string& path) {
  std::error_code error;
  return std::filesystem::is_directory(path, error) ? (std::filesystem::path(path) / "report.json").string() : path;
}

Result<ReportDiff> diff_reports(const std::string& old_path, const std::string& new_path, const DiffLimits& limits) {
  auto before = read_report(old_path);
  if (!before) return before.error();
  auto after = read_report(new_path);
  if (!after) return after.error();
  return diff_json_reports(old_path, *before, new_path, *after, limits);
}

Result<ReportDiff> diff_documents(const std::string& old_path, std::string_view before, const std::string& new_path,
                                  std::string_view after, const DiffLimits& limits) {
  return diff_json_reports(old_path, nlohmann::json::parse(before, nullptr, false), new_path,
                           nlohmann::json::parse(after, nullptr, false), limits);
}

std::string diff_json(const ReportDiff& diff) {
  using Ordered = nlohmann::ordered_json;
  const auto value = [](const std::optional<double>& number) { return number ? Ordered(*number) : Ordered(); };
  Ordered parts = Ordered::array();
  for (const DiffPart& part : diff.parts) {
    Ordered figures = Ordered::array();
    for (const FigureChange& figure : part.figures) {
      figures.push_back({{"name", figure.name},
                         {"old", value(figure.old_value)},
                         {"new", value(figure.new_value)},
                         {"limit", value(figure.limit)},
                         {"regression", figure.regression}});
    }
    parts.push_back({{"name", part.name}, {"figures", std::move(figures)}});
  }
  return Ordered({{"schema", "edgesmith.diff/1"},
                  {"old", diff.old_path},
                  {"new", diff.new_path},
                  {"model", diff.model},
                  {"parts", std::move(parts)},
                  {"notes", diff.notes},
                  {"regressions", diff.regressions}})
      .dump(2, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace edgesmith::report
