// SPDX-License-Identifier: Apache-2.0
#include "edgesmith/zoo/plan.h"

#include <algorithm>
#include <filesystem>

#include "zoo/records.h"

namespace edgesmith::zoo {
namespace {

constexpr int64_t kMiB = int64_t{1} << 20;

/// A word as the shell reads it.
std::string quoted(const std::string& word) {
  const bool plain = !word.empty() &&
                     word.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./=:,+") ==
                         std::string::npos;
  if (plain) return word;
  std::string text = "'";
  for (const char c : word) text += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return text + "'";
}

std::string line_of(const std::vector<std::string>& words) {
  std::string line;
  for (const std::string& word : words) line += (line.empty() ? "" : " ") + quoted(word);
  return line;
}

std::optional<int64_t> part_of_memory(const PlanOptions& options) {
  if (!options.memory_limit) return std::nullopt;
  return std::max<int64_t>(1, *options.memory_limit / std::max(1, options.jobs));
}

/// The command that runs one model, without its name.
std::vector<std::string> command_of(const Manifest& manifest, const PlanOptions& options) {
  std::vector<std::string> command = {options.program, "zoo", manifest.path, "-o", options.folder, "--resume", "-q"};
  for (const std::string& text : options.overrides) command.insert(command.end(), {"--set", text});
  if (options.threads > 0) command.insert(command.end(), {"--threads", std::to_string(options.threads)});
  if (const auto bytes = part_of_memory(options)) {
    command.insert(command.end(), {"--memory-limit", std::to_string(*bytes)});
  }
  return command;
}

std::vector<std::string> collect_command(const PlanOptions& options) {
  return {options.program, "zoo", "collect", options.folder};
}

/// A line of a recipe of make, which reads `$` itself.
std::string make_line(const std::vector<std::string>& words) {
  std::string text;
  for (const char c : line_of(words)) text += c == '$' ? std::string("$$") : std::string(1, c);
  return text;
}

}  // namespace

std::string json_plan(const Manifest& manifest, const PlanOptions& options) {
  std::vector<PlannedJob> jobs;
  for (const Job& job : manifest.jobs) {
    PlannedJob planned{job.name, job.recipe.model, command_of(manifest, options)};
    planned.command.push_back("--only=" + job.name);
    jobs.push_back(std::move(planned));
  }
  return plan_json(manifest.path, options.folder, jobs, collect_command(options));
}

std::string make_plan(const Manifest& manifest, const PlanOptions& options) {
  std::string targets, rules;
  for (size_t i = 0; i < manifest.jobs.size(); ++i) {
    const std::string target = "model-" + std::to_string(i + 1);
    std::vector<std::string> command = command_of(manifest, options);
    command.push_back("--only=" + manifest.jobs[i].name);
    targets += " " + target;
    // A model that fails is a row of the table; the table gives the exit code.
    rules += "\n" + target + ":\n\t-@" + make_line(command) + "\n";
  }
  return "# edgesmith zoo plan --format make: make -f THIS -j N runs " + std::to_string(manifest.jobs.size()) +
         " models, N at a time. What is finished is not done again.\n.PHONY: all" + targets + "\nall:" + targets +
         "\n\t@" + make_line(collect_command(options)) + "\n" + rules;
}

std::string slurm_plan(const Manifest& manifest, const PlanOptions& options) {
  const std::string count = std::to_string(manifest.jobs.size() - 1);
  std::string text = "#!/bin/sh\n#SBATCH --job-name=" + quoted(std::filesystem::path(manifest.path).stem().string()) +
                     "\n#SBATCH --array=0-" + count + (options.jobs > 0 ? "%" + std::to_string(options.jobs) : "") +
                     "\n#SBATCH --ntasks=1\n#SBATCH --cpus-per-task=" + std::to_string(std::max(1, options.threads)) +
                     "\n";
  if (const auto bytes = part_of_memory(options)) {
    text += "#SBATCH --mem=" + std::to_string((*bytes + kMiB - 1) / kMiB) + "M\n";
  }
  text +=
      "# edgesmith zoo plan --format slurm: sbatch THIS; afterwards\n#   " + line_of(collect_command(options)) +
      "\n# A task that was killed shows there as missing; sbatch THIS again does only what is not finished.\nset --";
  for (const Job& job : manifest.jobs) text += " \\\n  " + quoted(job.name);
  std::string threads;
  if (options.threads == 0) threads = " --threads \"${SLURM_CPUS_PER_TASK:-1}\"";
  return text + "\nshift \"$SLURM_ARRAY_TASK_ID\"\nexec " + line_of(command_of(manifest, options)) + threads +
         " \"--only=$1\"\n";
}

}  // namespace edgesmith::zoo
