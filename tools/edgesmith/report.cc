// SPDX-License-Identifier: Apache-2.0
// `edgesmith report diff OLD NEW`: what changed between two runs, for people, pull requests and CI.
#include "cli.h"
#include "edgesmith/base/file.h"
#include "edgesmith/report/diff.h"

namespace edgesmith::cli {
namespace {

struct ReportFlags {
  std::string what, old_path, new_path, junit;
  bool markdown = false;
  report::DiffLimits limits;
};

Result<int> run(const ReportFlags& flags, const Common& common) {
  auto diff = report::diff_reports(flags.old_path, flags.new_path, flags.limits);
  if (!diff) return diff.error();
  if (!flags.junit.empty()) EDGESMITH_TRY(write_file(flags.junit, report::diff_junit(*diff)));
  if (common.json) {
    print(report::diff_json(*diff));
  } else {
    print(flags.markdown ? report::diff_markdown(*diff) : report::diff_text(*diff, use_color(common)));
  }
  return diff->regressions > 0 ? 1 : 0;
}

}  // namespace

void add_report(Program& program) {
  auto flags = std::make_shared<ReportFlags>();
  Command* command = program.add_command("report", "Show what changed between two runs; exit 1 where it is too much",
                                         [flags](const Common& common) { return run(*flags, common); });
  command->add_option("what", flags->what, "compare two report.json")->required()->one_of({"diff"})->type_name("diff");
  command->add_option("old", flags->old_path, "report.json of the run before")->required()->type_name("OLD");
  command->add_option("new", flags->new_path, "report.json of the run now")->required()->type_name("NEW");
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
