// SPDX-License-Identifier: Apache-2.0
// `edgesmith report diff OLD NEW`: what changed between two runs, for people, pull requests and CI. A run is one model
// or a zoo.
#include "cli.h"
#include "edgesmith/base/file.h"
#include "edgesmith/refine/runner.h"
#include "edgesmith/report/diff.h"
#include "edgesmith/report/overwrite.h"

namespace edgesmith::cli {
namespace {

struct ReportFlags {
  std::string what, old_path, new_path, junit;
  bool markdown = false;
  report::DiffLimits limits;
};

/// Shows a comparison as asked for, and gives the exit code.
template <typename Diff>
Result<int> show(const Diff& diff, const ReportFlags& flags, const Common& common,
                 std::string (*text)(const Diff&, bool), std::string (*markdown)(const Diff&),
                 std::string (*junit)(const Diff&), std::string (*json)(const Diff&)) {
  if (!flags.junit.empty()) EDGESMITH_TRY(write_file(flags.junit, junit(diff)));
  print_beside(flags.junit, common.json ? json(diff) : flags.markdown ? markdown(diff) : text(diff, use_color(common)));
  return diff.regressions > 0 ? 1 : 0;
}

Result<int> run(const ReportFlags& flags, const Common& common) {
  if (flags.markdown) EDGESMITH_TRY(check_no_json(common, "--markdown"));
  if (!flags.junit.empty()) {
    if (is_stdout(flags.junit)) EDGESMITH_TRY(check_no_json(common, "--junit " + flags.junit));
    const std::vector files = {report::compared_file(flags.old_path), report::compared_file(flags.new_path)};
    EDGESMITH_TRY(refine::check_no_input(flags.junit, files));
    EDGESMITH_TRY(report::check_junit_file(flags.junit));
  }
  if (report::is_zoo_run(flags.old_path) || report::is_zoo_run(flags.new_path)) {
    auto diff = report::diff_zoo_runs(flags.old_path, flags.new_path, flags.limits);
    if (!diff) return diff.error();
    return show(*diff, flags, common, report::zoo_diff_text, report::zoo_diff_markdown, report::zoo_diff_junit,
                report::zoo_diff_json);
  }
  auto diff = report::diff_reports(flags.old_path, flags.new_path, flags.limits);
  if (!diff) return diff.error();
  return show(*diff, flags, common, report::diff_text, report::diff_markdown, report::diff_junit, report::diff_json);
}

}  // namespace

void add_report(Program& program) {
  auto flags = std::make_shared<ReportFlags>();
  Command* command = program.add_command("report", "Show what changed between two runs; exit 1 where it is too much",
                                         [flags](const Common& common) { return run(*flags, common); });
  command->add_option("what", flags->what, "compare two report.json, or two zoo runs")
      ->required()
      ->one_of({"diff"})
      ->type_name("diff");
  command
      ->add_option("old", flags->old_path,
                   "the run before: its report.json, the folder of that, or the results folder of a zoo")
      ->required()
      ->type_name("OLD");
  command->add_option("new", flags->new_path, "the run now")->required()->type_name("NEW");
  command->add_option("--max-drop", flags->limits.max_drop, "how much worse the metric may be, in its units")
      ->type_name("X");
  command
      ->add_option("--max-growth", flags->limits.max_growth,
                   "percent by which bytes, multiply-adds and peak activation memory may grow")
      ->type_name("PERCENT");
  command->add_option("--max-slowdown", flags->limits.max_slowdown, "percent by which the run may take longer")
      ->type_name("PERCENT");
  command->add_flag("--markdown", flags->markdown, "as Markdown, for a pull request");
  command->add_option("--junit", flags->junit, "also write JUnit XML: a test case for every figure with a limit")
      ->type_name("FILE");
}

}  // namespace edgesmith::cli
