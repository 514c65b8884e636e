// SPDX-License-Identifier: Apache-2.0
// `edgesmith zoo MANIFEST.toml`: a recipe over many models. `zoo plan` writes the same work for make or a cluster, `zoo
// collect` gathers what others ran.
#include <algorithm>
#include <filesystem>

#include "cli.h"
#include "edgesmith/base/log.h"
#include "edgesmith/base/text.h"
#include "edgesmith/zoo/plan.h"
#include "memory_flags.h"
#include "recipe_command.h"
#include "zoo_live.h"

namespace edgesmith::cli {
namespace {

namespace fs = std::filesystem;

struct ZooFlags {
  std::string first, second;  ///< MANIFEST, plan MANIFEST or collect DIR
  std::string output, format;
  int jobs = 0;  ///< 0: not given
  bool resume = false, force = false;
  std::vector<std::string> only, overrides;
};

std::string results_folder(const ZooFlags& flags, const zoo::Manifest& manifest) {
  return flags.output.empty() ? manifest.folder : flags.output;
}

/// What is left to say where nobody sees the table.
void say_what_went_wrong(const zoo::Summary& summary) {
  for (const zoo::Row& row : summary.rows) {
    if (row.status == zoo::RowStatus::done) continue;
    const std::string line = row.name + ": " + row.reason;
    row.status == zoo::RowStatus::gate_failed ? log::warning(line) : log::error(line);
  }
}

void show(const zoo::Summary& summary, const Common& common, bool whole) {
  if (common.json) {
    print(zoo::summary_json(summary));
  } else if (common.quiet) {
    say_what_went_wrong(summary);
  } else {
    print(zoo::summary_text(summary, use_color(common)) +
          (whole ? "  results   " + (fs::path(summary.folder) / "index.html").string() : ""));
  }
}

Result<int> run(const ZooFlags& flags, const Common& common) {
  if (!flags.second.empty()) {
    return usage_error("zoo: unexpected argument '" + flags.second + "'",
                       "write zoo MANIFEST.toml, zoo plan MANIFEST.toml or zoo collect DIR");
  }
  if (!flags.format.empty()) return usage_error("--format goes with zoo plan", "write zoo plan " + flags.first);
  auto limit = parse_memory_limit(common.memory_limit);
  if (!limit) return limit.error();
  auto manifest = zoo::load_manifest(flags.first, overrides_of(flags.overrides), flags.only);
  if (!manifest) return manifest.error();
  auto watcher = make_zoo_watcher(common);
  if (!watcher) return watcher.error();
  zoo::RunOptions options;
  options.folder = results_folder(flags, *manifest);
  options.jobs = std::max(1, flags.jobs);
  options.threads = common.threads;
  options.memory_limit = *limit;
  options.resume = flags.resume;
  options.force = flags.force;
  options.only = flags.only;
  options.watcher = watcher->get();
  auto summary = zoo::run_zoo(*manifest, options);
  watcher->reset();
  if (!summary) return summary.error();
  show(*summary, common, flags.only.empty());
  return summary->exit_code;
}

Result<int> plan(const ZooFlags& flags, const Common& common) {
  if (flags.second.empty()) return usage_error("zoo plan: no manifest", "write zoo plan MANIFEST.toml --format slurm");
  if (flags.resume || flags.force || !flags.only.empty()) {
    return usage_error("zoo plan takes no --resume, --force or --only", "it writes commands, and runs nothing");
  }
  if (!flags.format.empty() && flags.format != "json") EDGESMITH_TRY(check_no_json(common, "--format " + flags.format));
  auto limit = parse_memory_limit(common.memory_limit);
  if (!limit) return limit.error();
  auto manifest = zoo::load_manifest(flags.second, overrides_of(flags.overrides));
  if (!manifest) return manifest.error();
  std::error_code error;
  zoo::PlanOptions options;
  options.program = fs::read_symlink("/proc/self/exe", error).string();
  options.folder = fs::absolute(results_folder(flags, *manifest), error).lexically_normal().string();
  options.jobs = flags.jobs;
  options.threads = common.threads;
  options.memory_limit = *limit;
  options.overrides = flags.overrides;
  if (flags.format == "make")
    print_exactly(zoo::make_plan(*manifest, options));
  else if (flags.format == "slurm")
    print_exactly(zoo::slurm_plan(*manifest, options));
  else
    print(zoo::json_plan(*manifest, options));
  return 0;
}

Result<int> collect(const ZooFlags& flags, const Common& common) {
  if (flags.second.empty()) return usage_error("zoo collect: no folder", "write zoo collect DIR");
  if (flags.resume || flags.force || flags.jobs != 0 || !flags.only.empty() || !flags.overrides.empty() ||
      !flags.output.empty() || !flags.format.empty() || common.threads != 0 || !common.memory_limit.empty()) {
    return usage_error("zoo collect takes a folder and no options of a run",
                       "it reads what is there, and runs nothing");
  }
  auto summary = zoo::collect(flags.second);
  if (!summary) return summary.error();
  EDGESMITH_TRY(zoo::write_summary(*summary));
  show(*summary, common, true);
  return summary->exit_code;
}

}  // namespace

void add_zoo(Program& program) {
  auto flags = std::make_shared<ZooFlags>();
  Common& common = program.common;
  Command* command = program.add_command("zoo", "Run recipes over many models, one process each, into one table",
                                         [flags](const Common& given) {
                                           if (flags->first == "plan") return plan(*flags, given);
                                           if (flags->first == "collect") return collect(*flags, given);
                                           return run(*flags, given);
                                         });
  command->also_called("plan MANIFEST.toml [options]\ncollect DIR");
  command->add_option("manifest", flags->first, "the models; or plan MANIFEST.toml; or collect DIR")
      ->required()
      ->type_name("MANIFEST.toml");
  command->add_option("second", flags->second, "after plan the manifest, after collect the results")
      ->type_name("PATH")
      ->group("");
  command
      ->add_option("--jobs", flags->jobs,
                   "models at a time (default 1; in a plan for a cluster: as many as there is room for)")
      ->between(1, 4096)
      ->type_name("N");
  command->add_flag("--resume", flags->resume, "keep what is finished and up to date, and do the rest");
  command->add_option("--only", flags->only, "only these models: a name, or a pattern such as 'resnet*'")
      ->type_name("NAME");
  command->add_option("--set", flags->overrides, "replace one key of every recipe, such as step.quantize.weights=int4")
      ->type_name("K=V");
  command->add_option("--format", flags->format, "of a plan: json (default), make or slurm")
      ->one_of({"json", "make", "slurm"})
      ->type_name("WORD");
  command
      ->add_option("-o,--output", flags->output,
                   "folder for the results (default: the manifest's output, or MANIFEST-results beside it)")
      ->type_name("DIR")
      ->group("Output");
  command->add_flag("--force", flags->force, "do everything again; also take over the results of another manifest")
      ->group("Output");
  command->add_option("--threads", common.threads, "threads of each model (default: all cores divided by --jobs)")
      ->between(1, 4096)
      ->type_name("N")
      ->group("Common");
  command
      ->add_option("--memory-limit", common.memory_limit,
                   "most memory for all models that run at a time, such as 8GiB; each gets its part")
      ->type_name("SIZE")
      ->group("Common");
  command->add_option("--events", common.events, "write progress to this file, one JSON object a line")
      ->type_name("FILE")
      ->group("Common");
}

}  // namespace edgesmith::cli
