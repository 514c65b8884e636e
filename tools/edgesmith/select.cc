// SPDX-License-Identifier: Apache-2.0
// `edgesmith select MODEL`: for this machine the fastest kernel for every node, by timing all that may run it; for
// other targets, and with measured costs, the faster precision of every node (select_precision.cc).
#include "edgesmith/refine/select.h"
#include "edgesmith/refine/output_name.h"

#include <algorithm>

#include "cache_flags.h"
#include "cli.h"
#include "data_flags.h"
#include "edgesmith/base/file.h"
#include "edgesmith/base/sha256.h"
#include "edgesmith/data/seeded_inputs.h"
#include "edgesmith/onnx/import.h"
#include "edgesmith/refine/runner.h"
#include "edgesmith/report/document.h"
#include "edgesmith/report/plan.h"
#include "edgesmith/report/terminal.h"
#include "edgesmith/targets/target.h"
#include "executor_flags.h"
#include "numbers.h"
#include "select_precision.h"

namespace edgesmith::cli {
namespace {

using refine::Plan;
using refine::PlannedNode;
using report::Table;

struct SelectFlags : PrecisionFlags {
  ExecutorFlags executor;
  std::vector<std::string> dims;  ///< "H=64"
  CacheFlags cache;
};

std::string nodes_text(const Plan& plan, bool color) {
  using enum Table::Align;
  Table table({left, left, left, left, right, right, right, left, right});
  table.head({"node", "op", "kernel", "precision", "time", "cold", "share", "runner-up", "its time"});
  for (const PlannedNode& node : plan.nodes) {
    const bool rival = node.runner_up.has_value();
    table.row({node.node, node.op, node.chosen.kernel, node.chosen.precision, microseconds(node.chosen.time.warm_us),
               microseconds(node.chosen.time.cold_us),
               number("%.1f %%", 100 * node.chosen.time.warm_us / std::max(plan.predicted_us, 1e-9)),
               rival ? node.runner_up->kernel : "", rival ? microseconds(node.runner_up->time.warm_us) : ""});
  }
  return table.text(color);
}

std::string as_text(const Plan& plan, bool color) {
  std::string text = report::paint(plan.model_path, report::Style::bold, color) + "\n  " + plan.cpu + ", " + plan.isa +
                     ", " + std::string(runtime::arithmetic_word(plan.arithmetic)) +
                     (plan.reassociate ? ", sums may be reassociated" : "") + "\n\n" + nodes_text(plan, color) + "\n";
  using enum Table::Align;
  Table totals({left, right, left});
  totals.row({"predicted", microseconds(plan.predicted_us), "the nodes' times"});
  totals.row({"measured", microseconds(plan.measured_us),
              "fastest whole run; predicted over measured: " +
                  number("%.3f", plan.predicted_us / std::max(plan.measured_us, 1e-9))});
  totals.row({"default", microseconds(plan.default_us),
              "the same without choices, run in turns; the plan is " +
                  number("%.3f", plan.default_us / std::max(plan.measured_us, 1e-9)) + " times as fast"});
  text += totals.text(color);
  if (plan.default_was_faster) {
    text += "  kernels that were faster alone were not faster together: the plan is the default one\n";
  }
  return text;
}

Result<int> select_kernels(const SelectFlags& flags, const Common& common) {
  if (!flags.original.empty() || !flags.model_output.empty()) {
    return usage_error("select --target host: without --costs it chooses kernels, which changes no model",
                       "leave out --original and --model-output, or add --costs");
  }
  if (!flags.output.empty()) {
    EDGESMITH_TRY(refine::check_ending(flags.output, "a plan in JSON", ".json"));
    EDGESMITH_TRY(refine::check_output(flags.output, std::vector{flags.model}, flags.force));
  }
  const auto file = MappedFile::open(flags.model);
  if (!file) return file.error();
  auto graph = onnx::import_file(flags.model);
  if (!graph) return graph.error();
  auto progress = make_progress(common);
  if (!progress) return progress.error();
  const auto executor = flags.executor.options(common, 1);
  if (!executor) return executor.error();
  data::SeededOptions seeded{.seed = common.seed.value_or(0), .memory_limit = executor->memory_limit};
  EDGESMITH_TRY(parse_dims(flags.dims, seeded.free_dims));
  const auto inputs = data::seeded_inputs(*graph, seeded);
  if (!inputs) return inputs.error().in(flags.model);
  refine::SelectOptions options;
  options.executor = *executor;
  options.version = EDGESMITH_VERSION;
  options.progress = progress->get();
  refine::TimingCache cache(refine::TimingCache::path_in(cache_folder(flags.cache)));
  auto plan = refine::select_kernels(*graph, *inputs, cache, options);
  if (!plan) {
    Error named = plan.error().in(flags.model);
    if (named.kind == ErrorKind::invalid) named.hint = "free dims are 1 unless --dim NAME=N says otherwise";
    return named;
  }
  cache.save();
  plan->model_path = flags.model;
  plan->model_sha256 = sha256_hex((*file)->bytes());
  const std::string document = refine::plan_json(*plan);
  if (!flags.output.empty()) EDGESMITH_TRY(write_file(flags.output, document + "\n", replaced_if(flags.force)));
  if (!common.report.empty()) {
    EDGESMITH_TRY(
        report::write_document("select " + flags.model, document, common.report, report::plan_picture(*plan)));
  }
  if (common.json) {
    print(document);
  } else if (!common.quiet) {
    print(as_text(*plan, use_color(common)));
  }
  return 0;
}

Result<int> run(const SelectFlags& flags, const Common& common) {
  if (flags.target.empty()) {
    return usage_error("select: no target given", "add --target host; 'edgesmith targets' lists the others");
  }
  const auto target = targets::load_target(flags.target);
  if (!target) return target.error();
  if (target->name == "host" && flags.costs.empty()) {
    if (!flags.min_sqnr) return select_kernels(flags, common);
    return usage_error("select: --min-sqnr is about precisions, and --target host alone chooses kernels",
                       "add --costs costs.json, or name another target");
  }
  if (!flags.dims.empty()) return usage_error("select: --dim is for --target host, which runs the model");
  return select_precision(flags, *target, common);
}

}  // namespace

void add_select(Program& program) {
  auto flags = std::make_shared<SelectFlags>();
  Command* command = program.add_command(
      "select", "Choose the fastest kernel (this machine) or precision (other targets) of every node",
      [flags](const Common& common) { return run(*flags, common); });
  command->add_option("model", flags->model, "the .onnx file")->required()->type_name("MODEL");
  command
      ->add_option(
          "--target", flags->target,
          "host: time all kernels of every node on this machine; others, or with --costs: leave those nodes of a "
          "quantized model float that are faster so")
      ->type_name("NAME")
      ->suggest(target_names());
  command
      ->add_option("--costs", flags->costs,
                   "node times measured on the device (bench --emit-costs, tools/ort-costs.py); without, the target's "
                   "cost model")
      ->type_name("costs.json");
  command
      ->add_option("--original", flags->original,
                   "the float model: weights of nodes that are left float come from it, not from their codes")
      ->type_name("FLOAT.onnx");
  command
      ->add_option("--min-sqnr", flags->min_sqnr,
                   "leave more nodes float where the results would be further than this from the float model's (dB)")
      ->type_name("DB");
  add_data_option(command, "calib", flags->data.calib, "samples that --min-sqnr is measured on");
  add_preprocess_options(command, flags->data);
  add_dim_option(command, flags->dims);
  command->add_flag("--no-cache", flags->cache.off, "time everything again, and keep no times");
  command
      ->add_option("--cache-dir", flags->cache.folder,
                   "where times are kept (default $EDGESMITH_CACHE, then ~/.cache/edgesmith)")
      ->type_name("DIR");
  command->add_option("-o,--output", flags->output, "write the plan, for 'bench --plan'")
      ->type_name("plan.json")
      ->group("Output");
  command->add_option("--model-output", flags->model_output, "write the model with the chosen nodes left float")
      ->type_name("OUT.onnx")
      ->group("Output");
  command->add_flag("--force", flags->force, "overwrite an existing file")->group("Output");
  flags->executor.reassociate = true;  // as bench
  add_kernel_options(command, flags->executor, program.common);
  add_seed_options(command, program.common);
  add_report_option(command, program.common);
}

}  // namespace edgesmith::cli
