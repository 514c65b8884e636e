// SPDX-License-Identifier: Apache-2.0
// `edgesmith compare A B`: how two models differ on the same samples. A is what B is measured against.
#include <cmath>
#include <nlohmann/json.hpp>

#include "cli.h"
#include "data_flags.h"
#include "edgesmith/base/file.h"
#include "edgesmith/base/log.h"
#include "edgesmith/data/class_names.h"
#include "edgesmith/data/preprocess.h"
#include "edgesmith/ir/align_inputs.h"
#include "edgesmith/onnx/import.h"
#include "edgesmith/refine/measure.h"
#include "edgesmith/report/terminal.h"
#include "executor_flags.h"

namespace edgesmith::cli {
namespace {

struct CompareFlags {
  std::string a, b, metric;
  ProgramFlags program;
  ExecutorFlags executor;
  DataFlags data;
};

struct Comparison {
  const data::MetricInfo* metric = nullptr;  ///< what drop and ci95 are about
  refine::MetricValue a, b;
  data::PairedDifference drop;
  std::optional<double> agreement, cosine, sqnr_db, max_abs_error;
  int64_t samples = 0;
};

std::optional<double> value_of(const refine::Evaluation& evaluation, const char* name) {
  const refine::MetricNumbers* numbers = evaluation.find(name);
  return numbers != nullptr ? std::optional(numbers->value().value) : std::nullopt;
}

/// A model and what it is fed with.
struct Side {
  const ir::Graph& graph;
  const data::Dataset& data;
};

Result<Comparison> measure(const CompareFlags& flags, const Side& a, const Side& b,
                           const refine::MeasureContext& context) {
  Comparison comparison;
  if (context.program != nullptr) {
    comparison.metric = &context.program->info();
  } else if (flags.metric.empty()) {
    comparison.metric = refine::default_metric(a.data);
  } else {
    const auto metric = metric_named(flags.metric);
    if (!metric) return metric.error();
    comparison.metric = *metric;
  }
  std::vector<const data::MetricInfo*> metrics = {comparison.metric};
  for (const char* name : {"agreement", "cosine", "sqnr", "max_abs"}) {
    const data::MetricInfo* metric = data::find_metric(name);
    if (metric != nullptr && metric != comparison.metric) metrics.push_back(metric);
  }
  refine::Reference reference(a.graph, context.executor);
  auto of_a = refine::evaluate(a.graph, a.data, metrics, &reference, "run A", context);
  if (!of_a) return of_a.error().in(flags.a);
  // A's outputs that were not kept could be computed again only from what B is fed with.
  if (&a.data != &b.data && !reference.keeps(a.data.size())) {
    if (comparison.metric->needs_reference) {
      return unsupported_error(
          std::string(comparison.metric->name) + " of so many outputs needs one input for both models",
          "use fewer samples: --data-limit");
    }
    std::erase_if(metrics, [](const data::MetricInfo* metric) { return metric->needs_reference; });
  }
  auto of_b = refine::evaluate(b.graph, b.data, metrics, &reference, "run B", context);
  if (!of_b) return of_b.error().in(flags.b);
  comparison.a = of_a->metrics[0].value();
  comparison.b = of_b->metrics[0].value();
  comparison.drop = refine::paired_difference(of_a->metrics[0], of_b->metrics[0]);
  comparison.agreement = value_of(*of_b, "agreement");
  comparison.cosine = value_of(*of_b, "cosine");
  comparison.sqnr_db = value_of(*of_b, "sqnr");
  comparison.max_abs_error = value_of(*of_b, "max_abs");
  comparison.samples = of_b->samples;
  return comparison;
}

int64_t file_bytes(const std::string& path) {
  const auto file = MappedFile::open(path);  // also of what came through a pipe
  return file ? static_cast<int64_t>((*file)->bytes().size()) : 0;
}

nlohmann::ordered_json side_json(const std::string& path, const refine::MetricValue& value) {
  return {{"path", path},
          {"bytes", file_bytes(path)},
          {"metric", {{"name", value.metric->name}, {"value", value.value}, {"ci95", {value.ci95[0], value.ci95[1]}}}}};
}

nlohmann::ordered_json number_json(const std::optional<double>& value) {
  return value ? nlohmann::ordered_json(*value) : nlohmann::ordered_json();
}

std::string as_json(const CompareFlags& flags, const Comparison& c) {
  return nlohmann::ordered_json({{"schema", "edgesmith.compare/1"},
                                 {"a", side_json(flags.a, c.a)},
                                 {"b", side_json(flags.b, c.b)},
                                 {"samples", c.samples},
                                 {"drop", c.drop.drop},
                                 {"ci95", {c.drop.ci95[0], c.drop.ci95[1]}},
                                 {"agreement", number_json(c.agreement)},
                                 {"cosine", number_json(c.cosine)},
                                 {"sqnr_db", number_json(c.sqnr_db)},
                                 {"max_abs_error", number_json(c.max_abs_error)},
                                 {"warnings", log::take_warnings()}})
      .dump(2, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string as_text(const CompareFlags& flags, const Comparison& c, const Common& common) {
  const auto number = [&](double x) { return refine::metric_text(*c.metric, x); };
  report::Table table({report::Table::Align::left, report::Table::Align::right, report::Table::Align::left});
  const std::string name(c.metric->name);
  table.row({name + " of A", number(c.a.value), flags.a});
  table.row({name + " of B", number(c.b.value), flags.b});
  const bool sure = std::isfinite(c.drop.ci95[0]) && std::isfinite(c.drop.ci95[1]);
  const std::string interval =
      sure ? "95 %: " + number(c.drop.ci95[0]) + " to " + number(c.drop.ci95[1]) : std::string("no interval");
  table.row({"drop", number(c.drop.drop), interval + ", " + refine::grouped(c.samples) + " samples"},
            report::Style::bold);
  const auto line = [&](const char* what, const std::optional<double>& value, const char* format) {
    if (!value) return;
    char buffer[64];
    std::snprintf(buffer, sizeof buffer, format, *value);
    table.row({what, buffer});
  };
  line("same answers", c.agreement, "%.2f %%");
  line("cosine", c.cosine, "%.6f");
  line("SQNR", c.sqnr_db, "%.2f dB");
  line("largest error", c.max_abs_error, "%.4g");
  table.row({"bytes", report::bytes_text(file_bytes(flags.a)), "-> " + report::bytes_text(file_bytes(flags.b))});
  return table.text(use_color(common));
}

std::string folded_text(const ir::Graph& graph) {
  const std::string* folded = graph.find_metadata(data::kFoldedKey);
  return folded != nullptr ? *folded : "";
}

/// Preprocessing that only `from` remembers (it was made by edgesmith) holds for `to` as well, with what `from` does
/// itself and `to` does not.
Status share_preprocess(const ir::Graph& from, ir::Graph& to) {
  const std::string* key = from.find_metadata(data::kPreprocessKey);
  if (key == nullptr || to.find_metadata(data::kPreprocessKey) != nullptr) return {};
  const std::string folded = folded_text(from);
  if (folded.empty()) {
    to.set_metadata(data::kPreprocessKey, *key);
    return {};
  }
  const auto left = data::preprocess_from_json(*key), moved = data::preprocess_from_json(folded);
  if (!left) return left.error();
  if (!moved) return moved.error();
  to.set_metadata(data::kPreprocessKey, data::preprocess_json(data::with_folded(*left, *moved)));
  return {};
}

/// Data for `graph`: as declared, but as the model remembers where it does some of it itself.
Result<std::unique_ptr<data::Dataset>> open_for(const data::DataSpec& spec, const ir::Graph& graph) {
  if (folded_text(graph).empty()) return data::open_dataset(spec, graph);
  const auto table = data::preprocess_from_json(*graph.find_metadata(data::kPreprocessKey));
  if (!table) return table.error();
  return data::open_dataset(spec, graph, &*table);
}

/// What both are fed with must suit both. Errors: invalid.
Status check_inputs(const CompareFlags& flags, const ir::Graph& a, const ir::Graph& b) {
  for (size_t i = 0; i < a.inputs().size(); ++i) {
    const ir::Type &of_a = a.inputs()[i]->type(), &of_b = b.inputs()[i]->type();
    bool alike = of_a.rank() == of_b.rank() || !of_a.shape || !of_b.shape;
    for (size_t d = 1; alike && of_a.shape && of_b.shape && d < of_a.shape->size(); ++d) {
      const ir::Dim &x = (*of_a.shape)[d], &y = (*of_b.shape)[d];
      alike = !x.known() || !y.known() || x.value() == y.value();
    }
    if (alike) continue;
    return invalid_error(flags.b + ": input '" + b.inputs()[i]->name() + "' takes " + of_b.text() + ", '" +
                             a.inputs()[i]->name() + "' of " + flags.a + " takes " + of_a.text(),
                         "compare two forms of one model");
  }
  return {};
}

Result<int> run(const CompareFlags& flags, const Common& common) {
  auto spec = make_spec(flags.data.data, flags.data, common.color, common.seed.value_or(0));
  if (!spec) return spec.error();
  if (!*spec) return usage_error("compare: no data given", "add --data D");
  auto a = onnx::import_file(flags.a);
  if (!a) return a.error();
  auto b = onnx::import_file(flags.b);
  if (!b) return b.error();
  ir::align_inputs(*b, *a);
  if (a->num_outputs() != b->num_outputs() || a->inputs().size() != b->inputs().size()) {
    return invalid_error(flags.b + ": has " + std::to_string(b->inputs().size()) + " inputs and " +
                             std::to_string(b->num_outputs()) + " outputs, " + flags.a + " has " +
                             std::to_string(a->inputs().size()) + " and " + std::to_string(a->num_outputs()),
                         "compare two forms of one model");
  }
  EDGESMITH_TRY(share_preprocess(*b, *a));
  EDGESMITH_TRY(share_preprocess(*a, *b));
  auto data = open_for(**spec, *a);
  if (!data) return data.error();
  data::warn_about_missing_classes(**spec, *a);
  // One that does preprocessing itself is fed with something else.
  std::unique_ptr<data::Dataset> other;
  if (folded_text(*a) != folded_text(*b)) {
    auto opened = open_for(**spec, *b);
    if (!opened) return opened.error();
    other = std::move(*opened);
  }
  if (other == nullptr) EDGESMITH_TRY(check_inputs(flags, *a, *b));
  auto progress = make_progress(common);
  if (!progress) return progress.error();
  ThreadPool pool(common.threads);
  refine::MeasureContext context;
  context.pool = &pool;
  context.progress = progress->get();
  const auto metric_program = make_program(flags.program, flags.metric);
  if (!metric_program) return metric_program.error();
  context.program = metric_program->get();
  const auto executor = flags.executor.options(common, pool.num_threads());
  if (!executor) return executor.error();
  context.executor = *executor;
  auto comparison = measure(flags, {*a, **data}, {*b, other != nullptr ? *other : **data}, context);
  if (!comparison) return comparison.error();
  EDGESMITH_TRY(show_document(common, "compare " + flags.b + " with " + flags.a, as_json(flags, *comparison),
                              [&] { return as_text(flags, *comparison, common); }));
  return 0;
}

}  // namespace

void add_compare(Program& program) {
  auto flags = std::make_shared<CompareFlags>();
  Command* command = program.add_command("compare", "Measure how two models differ on the same samples",
                                         [flags](const Common& common) { return run(*flags, common); });
  command->add_option("a", flags->a, "the model to measure against")->required()->type_name("A");
  command->add_option("b", flags->b, "the other one")->required()->type_name("B");
  add_data_option(command, "data", flags->data.data, "samples");
  add_preprocess_options(command, flags->data);
  command->add_option("--metric", flags->metric, "what the drop is about (default top1, without labels agreement)")
      ->type_name("NAME");
  add_program_options(command, flags->program, "");
  add_executor_options(command, flags->executor, program.common);
  add_report_option(command, program.common);
  add_work_options(command, program.common);
}

}  // namespace edgesmith::cli
