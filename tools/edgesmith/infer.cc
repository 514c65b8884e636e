// SPDX-License-Identifier: Apache-2.0
// `edgesmith infer`: what a model answers: every output for every sample as an .npz, and the first ones to read.
#include <nlohmann/json.hpp>

#include "answers.h"
#include "cli.h"
#include "data_flags.h"
#include "edgesmith/base/log.h"
#include "edgesmith/data/arrays.h"
#include "edgesmith/data/class_names.h"
#include "edgesmith/onnx/import.h"
#include "edgesmith/refine/measure.h"
#include "edgesmith/refine/output_name.h"
#include "edgesmith/refine/runner.h"
#include "executor_flags.h"

namespace edgesmith::cli {
namespace {

struct InferFlags {
  std::string model, output, classes;
  int64_t show = 10;
  DataFlags data;
  ExecutorFlags executor;
  bool force = false;
};

nlohmann::ordered_json array_json(const data::NamedArray& array) {
  return {{"name", array.name}, {"dtype", ir::dtype_name(array.tensor.dtype())}, {"shape", array.tensor.dims()}};
}

nlohmann::ordered_json answer_json(const OutputAnswer& output) {
  nlohmann::ordered_json json = {{"shape", output.dims}};
  for (const ClassScore& score : output.top) {
    nlohmann::ordered_json row = {{"class", score.index}};
    if (!score.name.empty()) row["name"] = score.name;
    row["value"] = score.value;
    json["top"].push_back(std::move(row));
  }
  if (!output.numbers.empty()) json["values"] = output.numbers;
  if (!output.texts.empty()) json["values"] = output.texts;
  if (output.range) {
    json["min"] = output.range->min;
    json["mean"] = output.range->mean;
    json["max"] = output.range->max;
  }
  if (output.nans > 0) json["nan"] = output.nans;
  return json;
}

nlohmann::ordered_json answers_json(const std::vector<SampleAnswer>& answers) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const SampleAnswer& answer : answers) {
    nlohmann::ordered_json json = {{"sample", answer.sample}};
    if (answer.label >= 0) json["label"] = answer.label;
    if (!answer.label_name.empty()) json["label_name"] = answer.label_name;
    json["outputs"] = nlohmann::ordered_json::object();
    for (const OutputAnswer& output : answer.outputs) json["outputs"][output.name] = answer_json(output);
    list.push_back(std::move(json));
  }
  return list;
}

/// What one run gives.
struct Answers {
  std::vector<data::NamedArray> arrays;
  std::vector<SampleAnswer> shown;  ///< of the first samples
  int64_t samples = 0;
  std::string sha256;
};

std::string as_json(const InferFlags& flags, const Answers& answers) {
  nlohmann::ordered_json outputs = nlohmann::ordered_json::array();
  for (const data::NamedArray& array : answers.arrays) outputs.push_back(array_json(array));
  nlohmann::ordered_json json = {{"schema", "edgesmith.infer/1"},
                                 {"model", flags.model},
                                 {"samples", answers.samples},
                                 {"outputs", std::move(outputs)},
                                 {"answers", answers_json(answers.shown)},
                                 {"output_sha256", answers.sha256}};
  if (!flags.output.empty()) json["output"] = flags.output;
  json["warnings"] = log::take_warnings();
  return json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string as_text(const InferFlags& flags, const Answers& answers) {
  std::string text = answers_text(answers.shown);
  const auto more = answers.samples - static_cast<int64_t>(answers.shown.size());
  if (more > 0 && !answers.shown.empty()) {
    text += "and " + refine::grouped(more) + (more == 1 ? " more sample" : " more samples") +
            (flags.output.empty() ? "; --show N prints more, -o OUT.npz writes all of them\n" : "\n");
  }
  if (flags.output.empty()) return text;
  text += flags.output + ": " + refine::grouped(answers.samples) + (answers.samples == 1 ? " sample\n" : " samples\n");
  for (const data::NamedArray& array : answers.arrays) {
    text += "  " + array.name + " " + array.tensor.type().text() + "\n";
  }
  return text + "  sha256 of the outputs " + answers.sha256 + "\n";
}

/// Names that are as many as the scores of an output; those of folders are left out where they are not.
Status check_classes(const InferFlags& flags, const Answers& answers, int64_t samples,
                     std::vector<std::string>& classes) {
  auto names = static_cast<int64_t>(classes.size());
  while (names > 0 && classes[static_cast<size_t>(names) - 1].empty()) --names;  // empty lines at the end of a file
  const std::string other = names == 0 ? "" : unnamed_classes(answers.arrays, samples, names);
  if (other.empty()) return {};
  if (!flags.classes.empty()) {
    return invalid_error(
        flags.classes + ": has " + std::to_string(names) + (names == 1 ? " name, " : " names, ") + other,
        "name every class, or leave --classes out");
  }
  log::warning(flags.data.data.path + ": has " + std::to_string(names) + " folders, " + other +
               ": classes are shown without names");
  classes.clear();
  return {};
}

Result<int> run(const InferFlags& flags, const Common& common) {
  auto spec = make_spec(flags.data.data, flags.data, common.color, common.seed.value_or(0));
  if (!spec) return spec.error();
  if (!*spec) return usage_error("infer: no data given", "add --data D");
  if (flags.show < 0) return usage_error("infer: --show " + std::to_string(flags.show) + " is below 0");
  EDGESMITH_TRY(check_stdout(common, flags.output));
  EDGESMITH_TRY(refine::check_output(flags.output, std::vector{flags.model, (*spec)->path}, flags.force));
  EDGESMITH_TRY(refine::check_ending(flags.output, "an .npz file", ".npz"));
  auto classes = flags.classes.empty() ? Result<std::vector<std::string>>(data::folder_class_names(**spec))
                                       : data::read_class_names(flags.classes);
  if (!classes) return classes.error();
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
  Answers answers;
  for (size_t o = 0; o < tensors->size(); ++o) answers.arrays.push_back({graph->output_names()[o], (*tensors)[o]});
  EDGESMITH_TRY(check_classes(flags, answers, (*data)->size(), *classes));
  if (!flags.output.empty()) EDGESMITH_TRY(data::write_npz(flags.output, answers.arrays, replaced_if(flags.force)));
  answers.samples = (*data)->size();
  answers.sha256 = refine::outputs_sha256(*tensors);
  auto shown = describe_answers(answers.arrays, **data, *classes, flags.show);
  if (!shown) return shown.error();
  answers.shown = std::move(*shown);
  EDGESMITH_TRY(show_document(common, "infer " + flags.model, as_json(flags, answers), [] { return std::string(); }));
  const bool says = !common.json && (!common.quiet || flags.output.empty());
  if (says) print_beside(flags.output, as_text(flags, answers));
  return 0;
}

}  // namespace

void add_infer(Program& program) {
  auto flags = std::make_shared<InferFlags>();
  Command* command =
      program.add_command("infer", "Print what a model answers, and write every output by name as an .npz",
                          [flags](const Common& common) { return run(*flags, common); });
  command->add_option("model", flags->model, "the .onnx file")->required()->type_name("MODEL");
  command->add_option("-o,--output", flags->output, "the .npz file")->type_name("OUT.npz")->group("Output");
  command->add_option("--show", flags->show, "samples whose answers are printed (default 10)")
      ->type_name("N")
      ->group("Output");
  command->add_option("--classes", flags->classes, "names of the classes: one a line, or a .csv with label and name")
      ->type_name("FILE")
      ->group("Output");
  command->add_flag("--force", flags->force, "overwrite an existing output")->group("Output");
  add_data_option(command, "data", flags->data.data, "samples");
  add_preprocess_options(command, flags->data);
  flags->executor.reassociate = true;  // alike in infer and bench: their hashes are of the same bits
  add_executor_options(command, flags->executor, program.common);
  add_report_option(command, program.common);
  add_work_options(command, program.common);
}

}  // namespace edgesmith::cli
