// SPDX-License-Identifier: Apache-2.0
// `edgesmith infer`: every output of a model for every sample, as an .npz.
#include <nlohmann/json.hpp>

#include "cli.h"
#include "data_flags.h"
#include "edgesmith/base/log.h"
#include "edgesmith/data/arrays.h"
#include "edgesmith/onnx/import.h"
#include "edgesmith/refine/measure.h"
#include "edgesmith/refine/runner.h"
#include "executor_flags.h"

namespace edgesmith::cli {
namespace {

struct InferFlags {
  std::string model, output;
  DataFlags data;
  ExecutorFlags executor;
  bool force = false;
};

nlohmann::ordered_json array_json(const data::NamedArray& array) {
  return {{"name", array.name}, {"dtype", ir::dtype_name(array.tensor.dtype())}, {"shape", array.tensor.dims()}};
}

std::string as_json(const InferFlags& flags, const std::vector<data::NamedArray>& arrays, int64_t samples,
                    const std::string& sha256) {
  nlohmann::ordered_json outputs = nlohmann::ordered_json::array();
  for (const data::NamedArray& array : arrays) outputs.push_back(array_json(array));
  return nlohmann::ordered_json({{"schema", "edgesmith.infer/1"},
                                 {"model", flags.model},
                                 {"samples", samples},
                                 {"outputs", std::move(outputs)},
                                 {"output_sha256", sha256},
                                 {"output", flags.output},
                                 {"warnings", log::take_warnings()}})
      .dump(2, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string as_text(const InferFlags& flags, const std::vector<data::NamedArray>& arrays, int64_t samples,
                    const std::string& sha256) {
  std::string text = flags.output + ": " + refine::grouped(samples) + (samples == 1 ? " sample\n" : " samples\n");
  for (const data::NamedArray& array : arrays) text += "  " + array.name + " " + array.tensor.type().text() + "\n";
  return text + "  sha256 of the outputs " + sha256 + "\n";
}

Result<int> run(const InferFlags& flags, const Common& common) {
  auto spec = make_spec(flags.data.data, flags.data, common.color, common.seed.value_or(0));
  if (!spec) return spec.error();
  if (!*spec) return usage_error("infer: no data given", "add --data D");
  if (flags.output.empty()) return usage_error("infer: no output given", "add -o OUT.npz");
  EDGESMITH_TRY(check_stdout(common, flags.output));
  EDGESMITH_TRY(refine::check_output(flags.output, std::vector{flags.model, (*spec)->path}, flags.force));
  auto graph = onnx::import_file(flags.model);
  if (!graph) return graph.error();
  auto data = data::open_dataset(**spec, *graph);
  if (!data) return data.error();
  auto progress = make_progress(common);
  if (!progress) return progress.error();
  ThreadPool pool(common.threads);
  const auto executor = flags.executor.options(common, pool.num_threads());
  if (!executor) return executor.error();
  refine::MeasureContext context;
  context.pool = &pool;
  context.progress = progress->get();
  context.executor = *executor;
  auto tensors = refine::run_all(*graph, **data, context);
  if (!tensors) return tensors.error().in(flags.model);
  std::vector<data::NamedArray> arrays;
  for (size_t o = 0; o < tensors->size(); ++o) arrays.push_back({graph->output_names()[o], (*tensors)[o]});
  EDGESMITH_TRY(data::write_npz(flags.output, arrays));
  const int64_t samples = (*data)->size();
  const std::string sha256 = refine::outputs_sha256(*tensors);
  EDGESMITH_TRY(show_document(common, "infer " + flags.model, as_json(flags, arrays, samples, sha256),
                              [] { return std::string(); }));
  if (!common.json && !common.quiet) print_beside(flags.output, as_text(flags, arrays, samples, sha256));
  return 0;
}

}  // namespace

void add_infer(Program& program) {
  auto flags = std::make_shared<InferFlags>();
  Command* command = program.add_command("infer", "Write what a model answers, every output by name, as an .npz",
                                         [flags](const Common& common) { return run(*flags, common); });
  command->add_option("model", flags->model, "the .onnx file")->required()->type_name("MODEL");
  command->add_option("-o,--output", flags->output, "the .npz file")->type_name("OUT.npz")->group("Output");
  command->add_flag("--force", flags->force, "overwrite an existing output")->group("Output");
  add_data_option(command, "data", flags->data.data, "samples");
  add_preprocess_options(command, flags->data);
  flags->executor.reassociate = true;  // alike in infer and bench: their hashes are of the same bits
  add_executor_options(command, flags->executor, program.common);
  add_report_option(command, program.common);
  add_work_options(command, program.common);
}

}  // namespace edgesmith::cli
