// SPDX-License-Identifier: Apache-2.0
#include "edgesmith/refine/metric_program.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <numeric>

#include "data/metrics/metrics.h"
#include "edgesmith/base/characters.h"
#include "edgesmith/base/file.h"
#include "edgesmith/base/log.h"
#include "edgesmith/base/progress.h"
#include "edgesmith/base/shell.h"
#include "edgesmith/base/text.h"
#include "edgesmith/data/arrays.h"
#include "edgesmith/refine/measure.h"

namespace edgesmith::refine {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

/// A number for each of ten million samples is less.
constexpr int64_t kMostPrinted = int64_t{256} << 20;

/// Of a value that was printed with few digits, as a share of it.
constexpr double kMostRounding = 0.01;

constexpr const char* kContract = "it must print one JSON object {\"value\": ..., \"per_sample\": [...]} on stdout";

/// A folder that goes away with its object.
class ProgramFolder {
 public:
  static Result<std::unique_ptr<ProgramFolder>> create() {
    std::error_code error;
    std::string path = (fs::temp_directory_path(error) / "edgesmith-metric-XXXXXX").string();
    if (error || mkdtemp(path.data()) == nullptr) {
      return io_error("cannot make a temporary folder for the metric program", "check TMPDIR");
    }
    return std::unique_ptr<ProgramFolder>(new ProgramFolder(path));
  }
  ~ProgramFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  std::string operator/(const char* name) const { return (fs::path(path_) / name).string(); }

 private:
  explicit ProgramFolder(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

Status write_outputs(const std::string& path, const ir::Graph& graph, const ProgramInput& input) {
  auto joined = join_outputs(graph, input.outputs);
  if (!joined) return joined.error();
  std::vector<data::NamedArray> arrays;
  for (size_t o = 0; o < joined->size(); ++o) arrays.push_back({graph.output_names()[o], (*joined)[o]});
  return data::write_npz(path, arrays);
}

/// `y` where there are labels, expected outputs under the outputs' names, and `index`, which counts the samples.
Status write_labels(const std::string& path, const ir::Graph& graph, const ProgramInput& input) {
  const auto count = static_cast<int64_t>(input.outputs.size());
  std::vector<int64_t> index(static_cast<size_t>(count));
  std::iota(index.begin(), index.end(), 0);
  std::vector<data::NamedArray> arrays = {{"index", ir::Tensor::of<int64_t>({count}, index)}};
  const bool labelled = std::all_of(input.labels.begin(), input.labels.end(), [](int64_t y) { return y >= 0; });
  if (labelled) arrays.push_back({"y", ir::Tensor::of<int64_t>({count}, input.labels)});
  for (size_t o = 0; o < graph.output_names().size(); ++o) {
    std::vector<std::vector<ir::Tensor>> column;
    for (const auto& targets : input.targets) {
      if (o < targets.size() && targets[o].valid()) column.push_back({targets[o]});
    }
    if (column.empty() || column.size() != input.targets.size()) continue;
    auto joined = join_targets(column, graph.output_names()[o]);
    if (!joined) return joined.error();
    arrays.push_back({graph.output_names()[o], std::move(*joined)});
  }
  return data::write_npz(path, arrays);
}

bool printed_too_much(const std::string& path) {
  std::error_code error;
  const auto bytes = fs::file_size(path, error);
  return !error && static_cast<int64_t>(bytes) > kMostPrinted;
}

std::string last_line(const std::string& path) {
  const auto text = read_file(path);
  if (!text) return "";
  std::string line;
  for (const std::string& one : split(*text, '\n')) {
    if (!is_blank(one)) line = one;
  }
  return line.substr(0, 200);
}

Error failed(const MetricProgram& program, const std::string& what, const std::string& hint = {}) {
  return io_error("the metric program '" + program.options().command + "' " + what, hint);
}

Error nonsense(const MetricProgram& program, const std::string& what) {
  return invalid_error("the metric program '" + program.options().command + "' " + what, kContract);
}

/// Up to rounding. With a value in percent and samples from 0 to 1, intervals would be 100 times too narrow.
bool is_mean(double value, const std::vector<double>& per_sample) {
  const double mean = data::mean_of(per_sample, 1);
  double spread = 0;  // a mean near 0 of large numbers is not known to a share of itself
  for (const double number : per_sample) spread += std::abs(number) / static_cast<double>(per_sample.size());
  return std::abs(mean - value) <= kMostRounding * std::max(std::abs(value), spread);
}

Result<ProgramResult> parse(const MetricProgram& program, const std::string& text, size_t samples) {
  const json parsed = json::parse(text, nullptr, false);
  if (!parsed.is_object()) {
    const std::string seen = text.substr(0, std::min<size_t>(text.find('\n'), 60));
    return nonsense(program, text.empty() ? "printed nothing" : "printed '" + seen + "', which is no JSON object");
  }
  const auto value = parsed.find("value");
  if (value == parsed.end() || !value->is_number() || !std::isfinite(value->get<double>())) {
    return nonsense(program, "gave no number \"value\"");
  }
  ProgramResult result;
  result.value = value->get<double>();
  const auto list = parsed.find("per_sample");
  if (list == parsed.end() || list->is_null()) return result;
  if (!list->is_array() || list->size() != samples) {
    return nonsense(program, "gave " + (list->is_array() ? std::to_string(list->size()) + " numbers" : "no list") +
                                 " \"per_sample\" for " + std::to_string(samples) + " samples");
  }
  for (const json& number : *list) {
    if (!number.is_number() || !std::isfinite(number.get<double>())) {
      return nonsense(program, "gave something else than numbers in \"per_sample\"");
    }
    result.per_sample.push_back(number.get<double>());
  }
  if (!is_mean(result.value, result.per_sample)) {
    log::warning("the metric program '" + program.options().command + "' gave " + shortest(result.value) +
                 " as \"value\", but the mean of \"per_sample\" is " + shortest(data::mean_of(result.per_sample, 1)) +
                 ": the value counts, without an interval");
    result.per_sample.clear();
  }
  return result;
}

}  // namespace

MetricProgram::MetricProgram(MetricProgramOptions options) : options_(std::move(options)) {
  if (options_.name.empty()) options_.name = "command";
  summary_ = "what '" + options_.command + "' prints";
  info_ = {options_.name, summary_, "", options_.higher_is_better, false, false, 1, nullptr, data::mean_of};
}

Result<std::shared_ptr<const MetricProgram>> MetricProgram::create(MetricProgramOptions options) {
  if (is_blank(options.command)) return usage_error("the metric command is empty", "name the program");
  if (data::find_metric(options.name) != nullptr) {
    return usage_error("metric '" + options.name + "' is one of ours, and not what a metric command computes",
                       "give it another name, or leave the name out");
  }
  return std::shared_ptr<const MetricProgram>(new MetricProgram(std::move(options)));
}

Result<ProgramResult> run_metric_program(const MetricProgram& program, const ir::Graph& graph,
                                         const ProgramInput& input) {
  auto folder = ProgramFolder::create();
  if (!folder) return folder.error();
  const std::string outputs = **folder / "outputs.npz", labels = **folder / "labels.npz";
  const std::string names = **folder / "samples.txt", out = **folder / "out", err = **folder / "err";
  EDGESMITH_TRY(write_outputs(outputs, graph, input));
  EDGESMITH_TRY(write_labels(labels, graph, input));
  EDGESMITH_TRY(write_file(names, join(input.names, "\n") + "\n"));
  const std::string command = "export EDGESMITH_SAMPLES=" + shell_quoted(names) + "; " + program.options().command +
                              " " + shell_quoted(outputs) + " " + shell_quoted(labels);
  auto ended = run_shell(command, out, err, program.options().timeout, kMostPrinted);
  if (!ended) return ended.error();
  if (!*ended) {
    if (printed_too_much(out) || printed_too_much(err)) return nonsense(program, "printed more than 256 MiB");
    if (interrupted()) return Error{ErrorKind::interrupted, "interrupted in the metric program", ""};
    return failed(program, "did not end within " + shortest(program.options().timeout) + " s",
                  "raise --metric-timeout (metric_timeout in [gate])");
  }
  if (**ended != 0) {
    std::string line = last_line(err);
    while (line.ends_with('.')) line.pop_back();  // a hint follows
    return failed(program, "ended with exit code " + std::to_string(**ended) + (line.empty() ? "" : ": " + line),
                  "run it by hand on what 'edgesmith infer' writes");
  }
  auto text = read_file(out);
  if (!text) return text.error();
  return parse(program, *text, input.outputs.size());
}

}  // namespace edgesmith::refine
