// SPDX-License-Identifier: Apache-2.0
#include "edgesmith/refine/runner.h"

#include <filesystem>

#include "edgesmith/base/file.h"
#include "refine/run/run.h"

namespace edgesmith::refine {

namespace fs = std::filesystem;

bool same_file(const std::string& a, const std::string& b) {
  std::error_code error;
  return fs::equivalent(a, b, error) || fs::absolute(a).lexically_normal() == fs::absolute(b).lexically_normal();
}

Status check_no_input(const std::string& output, std::span<const std::string> inputs) {
  for (const std::string& input : inputs) {
    if (same_file(output, input)) return usage_error(output + ": the output is the input", "name another file");
  }
  return {};
}

Status check_output(const std::string& output, std::span<const std::string> inputs, bool force) {
  if (output.empty() || is_stdout(output)) return {};
  EDGESMITH_TRY(check_no_input(output, inputs));
  std::error_code error;
  if (fs::is_directory(output, error)) return usage_error(output + ": is a directory", "name a file");
  // A device is written to, not replaced: there is nothing to lose. A link to nothing is something.
  if (fs::exists(fs::symlink_status(output, error)) && !fs::is_other(output, error) && !force) {
    return usage_error(output + ": exists already", "name another file, or add --force to overwrite it");
  }
  const fs::path folder = fs::path(output).parent_path();
  if (!folder.empty() && !fs::is_directory(folder, error)) {
    return io_error(output + ": its folder does not exist", "create " + folder.string() + " first");
  }
  return check_writable(output);
}

Result<RunReport> run_recipe(const Recipe& recipe, const RunOptions& options) {
  if (recipe.model.empty()) return usage_error("no model given", "name the .onnx file");
  return Run(recipe, options).run();
}

}  // namespace edgesmith::refine
