// SPDX-License-Identifier: Apache-2.0
#include "refine/step_files.h"

#include <algorithm>
#include <filesystem>

#include "edgesmith/base/sha256.h"
#include "edgesmith/base/text.h"
#include "edgesmith/onnx/import.h"
#include "edgesmith/targets/target.h"
#include "refine/cache/run_cache.h"

namespace edgesmith::refine {
namespace {

constexpr std::string_view kStepKey = "edgesmith.steps";
constexpr StepStatus kStatuses[] = {StepStatus::accepted, StepStatus::rolled_back, StepStatus::failed,
                                    StepStatus::unchanged, StepStatus::undecided};

std::string number_text(const std::optional<double>& number) { return number ? shortest(*number) : "-"; }

/// Budgets decide which steps were kept.
std::string gate_text(const Gate& gate) {
  return gate.metric + "\n" + gate.metric_command + "\n" + number_text(gate.max_drop) + "\n" + join(gate.targets, ",") +
         "\n" + std::to_string(static_cast<int>(gate.undecided)) + "\n";
}

std::string identity(const StepOrigin& origin, size_t count) {
  const Recipe& recipe = *origin.recipe;
  std::string text = origin.model_identity + "\n" + recipe.target + "\n" + std::to_string(recipe.seed) + "\n";
  if (targets::is_profile_path(recipe.target)) text += file_identity(recipe.target) + "\n";
  for (const DataReport& data : *origin.data) {
    if (data.role != "test") text += data.role + " " + data.digest + "\n";
  }
  text += gate_text(recipe.gate);
  for (size_t i = 0; i < count; ++i) {
    const Step& step = recipe.steps[i];
    text += step.pass + "\n" + options_text(step.options) + number_text(step.max_drop) + " " +
            (step.max_bytes ? std::to_string(*step.max_bytes) : "-") + "\n";
  }
  return sha256_hex(text);
}

std::string ends_text(const std::vector<StepEnd>& ends) {
  std::vector<std::string> words;
  for (const StepEnd& end : ends) words.push_back(std::string(status_name(end.status)) + (end.kept ? "+" : ""));
  return join(words, ",");
}

std::optional<std::vector<StepEnd>> parse_ends(const std::string& text) {
  std::vector<StepEnd> ends;
  for (std::string word : split(text, ',')) {
    StepEnd end{StepStatus::accepted, word.ends_with('+')};
    if (end.kept) word.pop_back();
    const auto* found =
        std::find_if(std::begin(kStatuses), std::end(kStatuses), [&](StepStatus s) { return status_name(s) == word; });
    if (found == std::end(kStatuses)) return std::nullopt;
    end.status = *found;
    ends.push_back(end);
  }
  return ends;
}

}  // namespace

std::string step_file(const std::string& folder, const Recipe& recipe, size_t count) {
  const std::string name = std::to_string(count) + "-" + recipe.steps[count - 1].pass + ".onnx";
  return (std::filesystem::path(folder) / "steps" / name).string();
}

ir::Graph with_step_origin(const ir::Graph& graph, const StepOrigin& origin, const std::vector<StepEnd>& ends) {
  ir::Graph marked = graph.clone();
  marked.set_metadata(kStepKey, identity(origin, ends.size()) + " " + ends_text(ends));
  return marked;
}

Result<StepModel> read_step_file(const std::string& path, const StepOrigin& origin, size_t count) {
  std::error_code error;
  if (!std::filesystem::exists(path, error)) {
    return usage_error(path + ": is not there, so --from has nothing to begin with",
                       "run the recipe with --keep-steps and -o first");
  }
  auto graph = onnx::import_file(path, {.keep_quantized_operators = true});
  if (!graph) return graph.error();
  const std::string* mark = graph->find_metadata(kStepKey);
  const size_t space = mark != nullptr ? mark->find(' ') : std::string::npos;
  if (space == std::string::npos) return usage_error(path + ": was not written by --keep-steps");
  if (mark->substr(0, space) != identity(origin, count)) {
    return usage_error(path + ": was made by other steps, options, budgets or data, or of another model",
                       "run the recipe without --from, or with --from an earlier step");
  }
  auto ends = parse_ends(mark->substr(space + 1));
  if (!ends || ends->size() != count) return usage_error(path + ": was not written by --keep-steps");
  std::erase_if(graph->metadata, [](const auto& entry) { return entry.first == kStepKey; });
  return StepModel{std::move(*graph), std::move(*ends)};
}

}  // namespace edgesmith::refine
