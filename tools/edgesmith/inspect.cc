// SPDX-License-Identifier: Apache-2.0
// `edgesmith inspect`: what is in a model file.
#include "cli.h"
#include "data_flags.h"
#include "edgesmith/base/file.h"
#include "edgesmith/base/sha256.h"
#include "inspect_output.h"
#include "inspect_pair.h"

namespace edgesmith::cli {
namespace {

/// Larger files are hashed only when asked for: it takes a second for each gigabyte or two.
constexpr int64_t kMostHashedBytes = int64_t{16} << 20;

struct Flags {
  std::string model, other, target;
  bool no_forecast = false, weights = false, hash = false;
};

/// The hash of the file, or "" for a large one that nobody asked to read whole.
Result<std::string> hash_of(const std::string& path, bool asked) {
  auto file = MappedFile::open(path);
  if (!file) return file.error();
  const bool wanted = asked || static_cast<int64_t>((*file)->bytes().size()) <= kMostHashedBytes;
  return wanted ? sha256_hex((*file)->bytes()) : std::string();
}

/// The document of one of two models, without what takes long to find.
Result<std::string> short_document(const std::string& path, const Flags& flags) {
  auto graph = onnx::import_file(path);
  if (!graph) return graph.error();
  Inspection inspection = inspect(*graph, path, nullptr, flags.weights);
  if (inspection.source.external_data) inspection.size.bytes = bytes_with_external_data(path, inspection.size.bytes);
  auto sha256 = hash_of(path, flags.hash);
  if (!sha256) return sha256.error();
  inspection.sha256 = std::move(*sha256);
  return inspection_json(*graph, path, inspection, nullptr);
}

Result<int> run_pair(const Flags& flags, const Common& common) {
  if (!flags.target.empty()) return usage_error("--target is for one model", "leave out " + flags.other);
  const auto a = short_document(flags.model, flags), b = short_document(flags.other, flags);
  if (!a) return a.error();
  if (!b) return b.error();
  EDGESMITH_TRY(show_document(common, "inspect " + flags.model + " " + flags.other, pair_json(*a, *b),
                              [&] { return pair_text(*a, *b, use_color(common)); }));
  return 0;
}

Result<int> run(const Flags& flags, const Common& common) {
  if (!flags.other.empty()) return run_pair(flags, common);
  const std::string& model = flags.model;
  auto target = targets::load_target(flags.target.empty() ? std::string(targets::kDefaultTarget) : flags.target);
  if (!target) return target.error();
  auto graph = onnx::import_file(model);
  if (!graph) return graph.error();
  const targets::Target* wanted = flags.target.empty() ? nullptr : &*target;
  Inspection inspection = inspect(*graph, model, wanted, flags.weights);
  if (inspection.source.external_data) inspection.size.bytes = bytes_with_external_data(model, inspection.size.bytes);
  auto sha256 = hash_of(model, flags.hash);
  if (!sha256) return sha256.error();
  inspection.sha256 = std::move(*sha256);
  ThreadPool pool(common.threads);
  if (inspection.looked_at_weights) {
    auto facts = passes::find_weight_facts(*graph, pool);
    if (!facts) return facts.error().in(model);
    inspection.weights = std::move(*facts);
  }
  if (inspection.looked_at_weights && !flags.no_forecast) {
    auto forecasts = make_forecasts(*graph, model, inspection.size.bytes, *target, pool);
    if (!forecasts) return forecasts.error().in(model);
    inspection.forecasts = std::move(*forecasts);
  }
  EDGESMITH_TRY(show_document(common, "inspect " + model, inspection_json(*graph, model, inspection, wanted), [&] {
    return inspection_text(*graph, model, inspection, wanted, common.verbose, use_color(common));
  }));
  return 0;
}

}  // namespace

void add_inspect(Program& program) {
  auto flags = std::make_shared<Flags>();
  Command* command = program.add_command("inspect", "Show what is in a model: operators, sizes, costs, problems",
                                         [flags](const Common& common) { return run(*flags, common); });
  command->add_option("model", flags->model, "the .onnx file")->required()->type_name("MODEL");
  command->add_option("other", flags->other, "another one, to see both side by side")->type_name("OTHER");
  command
      ->add_option("--target", flags->target, "also say what stays float there, and where time, energy and memory go")
      ->type_name("NAME")
      ->suggest(target_names());
  command->add_flag("--no-forecast", flags->no_forecast,
                    "leave out what each technique would save, which takes longest");
  command->add_flag("--weights", flags->weights, "look at every weight of models over 256 MiB, too");
  command->add_flag("--hash", flags->hash, "also give the SHA-256 of the file; done anyway up to 16 MiB");
  add_report_option(command, program.common);
  add_work_options(command, program.common);
}

}  // namespace edgesmith::cli
