// SPDX-License-Identifier: Apache-2.0
#include "refine/cache/run_cache.h"

#include <algorithm>
#include <filesystem>

#include "edgesmith/base/cpu.h"
#include "edgesmith/base/file.h"
#include "edgesmith/base/log.h"
#include "edgesmith/base/sha256.h"
#include "edgesmith/onnx/import.h"
#include "edgesmith/runtime/executor.h"
#include "edgesmith/targets/target.h"
#include "refine/cache/stored_report.h"
#include "refine/config.h"

namespace edgesmith::refine {
namespace {

/// Options of passes whose results depend on time, or that leave files behind.
constexpr std::string_view kNotKept[] = {"time_limit", "checkpoint", "resume"};

/// The program itself, so that no entry of another build is ever used.
const std::string& program_identity() {
  static const std::string identity = [] {
    const auto program = MappedFile::open("/proc/self/exe");
    return program ? sha256_hex((*program)->bytes()) : std::string();
  }();
  return identity;
}

bool may_be_kept(const passes::Options& options) {
  return std::none_of(options.schema().begin(), options.schema().end(), [&](const passes::OptionRow& row) {
    return std::find(std::begin(kNotKept), std::end(kNotKept), row.name) != std::end(kNotKept) &&
           options.given(row.name);
  });
}

}  // namespace

std::string file_identity(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) return "no file";
  const auto file = MappedFile::open(path);
  if (!file) return "no file";
  const std::string sha256 = sha256_hex((*file)->bytes());
  if (!path.ends_with(".onnx")) return sha256;
  const auto graph = onnx::import_file(path);
  return graph ? model_identity(*graph, sha256) : sha256;
}

std::string options_text(const passes::Options& options) {
  std::string text;
  for (const auto& [name, value] : options.effective()) {
    ConfigNode node;
    if (const auto* texts = std::get_if<std::vector<std::string>>(&value)) {
      ConfigNode::List list;
      for (const std::string& item : *texts) list.push_back({item, 0});
      node.value = std::move(list);
    } else if (const auto* word = std::get_if<std::string>(&value)) {
      node.value = *word;
    } else if (const auto* real = std::get_if<double>(&value)) {
      node.value = *real;
    } else if (const auto* integer = std::get_if<int64_t>(&value)) {
      node.value = *integer;
    } else {
      node.value = std::get<bool>(value);
    }
    text += name + " = " + toml_text(node) + "\n";
  }
  for (const passes::OptionRow& row : options.schema()) {
    if (row.kind != passes::OptionKind::path || !options.is_set(row.name)) continue;
    text += std::string(row.name) + " holds " + file_identity(options.word(row.name)) + "\n";
  }
  return text;
}

std::string model_identity(const ir::Graph& graph, const std::string& file_sha256) {
  if (!onnx::source_info(graph).external_data) return file_sha256;
  std::string text = file_sha256;
  const ir::StoredParts parts(graph);
  for (const ir::Tensor& tensor : parts.tensors()) {
    const bool dense = tensor.encoding() == ir::Encoding::dense && tensor.dtype() != ir::DType::string;
    if (dense) text += "\n" + sha256_hex(tensor.bytes());
  }
  return sha256_hex(text);
}

RunCache::RunCache(StepCache* cache, const ir::Graph& original, const std::string& original_identity) : cache_(cache) {
  if (cache_ == nullptr) return;
  const auto isa = runtime::isa_name();
  if (program_identity().empty() || !isa) {
    cache_ = nullptr;
    return;
  }
  parts_.emplace(original);
  common_ = program_identity() + "\n" + *isa + "\n" + cpu_name() + "\n" + original_identity + "\n";
}

void RunCache::add_data(const RunData& data) {
  size_t index = 0;  // of the reports: one for each that is there
  for (const data::Dataset* dataset : {data.calib.get(), data.train.get(), data.eval.get(), data.test.get()}) {
    if (dataset != nullptr) digests_.emplace_back(dataset, data.reports[index++].digest);
  }
  calib_ = data.calib.get();
  train_ = data.train.get();
}

std::string RunCache::digest_of(const data::Dataset& data) const {
  for (const auto& [dataset, digest] : digests_) {
    if (dataset == &data) return digest;
  }
  return "";
}

std::string RunCache::identity(const ir::Graph& graph) const {
  if (cache_ == nullptr) return "";
  BinaryWriter out;
  return ir::store_graph(graph, *parts_, out) ? sha256_hex(out.bytes()) : "";
}

std::string RunCache::key_of(std::string_view kind, const std::string& what) const {
  return cache_ == nullptr ? "" : sha256_hex(std::string(kind) + "\n" + common_ + what);
}

std::string RunCache::step_key(const ir::Graph& input, const Recipe& recipe, size_t index, bool layer_errors) const {
  const Step& step = recipe.steps[index];
  const std::string graph = identity(input);
  if (graph.empty() || !may_be_kept(step.options)) return "";
  std::string text = graph + "\n" + step.pass + "\n" + options_text(step.options) + "\n" + recipe.target + "\n";
  if (targets::is_profile_path(recipe.target)) text += file_identity(recipe.target) + "\n";
  text += std::to_string(recipe.seed) + " " + std::to_string(index) + "\n";
  for (const data::Dataset* dataset : {calib_, train_}) text += dataset == nullptr ? "-\n" : digest_of(*dataset) + "\n";
  if (!layer_errors && passes::find_pass(step.pass)->measures_layers) text += "without the errors of layers\n";
  return key_of("step", text);
}

std::optional<passes::Change> RunCache::find_step(const std::string& key, ir::Graph& graph, StepReport& report) const {
  const auto entry = key.empty() ? std::nullopt : cache_->find(key);
  if (!entry) return std::nullopt;
  BinaryReader in(entry->bytes);
  const auto change = in.flag() ? passes::Change::changed : passes::Change::none;
  std::vector<std::string> warnings;
  StepReport found;
  restore_texts(in, warnings);
  restore_findings(in, found);
  if (change == passes::Change::changed) {
    auto restored = ir::restore_graph(in, *parts_, entry->owner);
    if (!restored) return std::nullopt;
    graph = std::move(*restored);
  }
  if (!in.done()) return std::nullopt;
  for (const std::string& warning : warnings) log::warning(warning);
  take_findings(std::move(found), report);
  return change;
}

void RunCache::keep_step(const std::string& key, passes::Change change, const ir::Graph& graph,
                         const StepReport& report, const std::vector<std::string>& warnings) const {
  if (key.empty()) return;
  BinaryWriter out;
  out.flag(change == passes::Change::changed);
  store_texts(warnings, out);
  store_findings(report, out);
  if (change == passes::Change::changed && !ir::store_graph(graph, *parts_, out)) return;
  cache_->put(key, out.bytes());
}

std::string RunCache::evaluation_key(const ir::Graph& graph, const data::Dataset& data,
                                     std::span<const data::MetricInfo* const> metrics,
                                     const MeasureContext& context) const {
  const std::string identity_of_graph = identity(graph), digest = digest_of(data);
  const bool known = std::all_of(metrics.begin(), metrics.end(), [](const data::MetricInfo* metric) {
    return data::find_metric(metric->name) == metric;  // not a program of the user's
  });
  if (identity_of_graph.empty() || digest.empty() || !known) return "";
  std::string text = identity_of_graph + "\n" + digest + "\n" +
                     std::string(runtime::arithmetic_word(context.executor.arithmetic)) + "\n" +
                     std::to_string(context.required_metrics) + "\n";
  for (const data::MetricInfo* metric : metrics) text += std::string(metric->name) + "\n";
  return key_of("evaluation", text);
}

std::optional<Evaluation> RunCache::find_evaluation(const std::string& key) const {
  const auto entry = key.empty() ? std::nullopt : cache_->find(key);
  if (!entry) return std::nullopt;
  BinaryReader in(entry->bytes);
  Evaluation evaluation;
  if (!restore_evaluation(in, evaluation) || !in.done()) return std::nullopt;
  return evaluation;
}

void RunCache::keep_evaluation(const std::string& key, const Evaluation& evaluation) const {
  if (key.empty()) return;
  BinaryWriter out;
  store_evaluation(evaluation, out);
  cache_->put(key, out.bytes());
}

std::string RunCache::outputs_key(const data::Dataset& data) const {
  const std::string digest = digest_of(data);
  return digest.empty() ? "" : key_of("outputs", digest);
}

std::optional<std::vector<std::vector<ir::Tensor>>> RunCache::find_outputs(const std::string& key) const {
  const auto entry = key.empty() ? std::nullopt : cache_->find(key);
  if (!entry) return std::nullopt;
  BinaryReader in(entry->bytes);
  std::vector<std::vector<ir::Tensor>> outputs(in.count());
  for (auto& sample : outputs) {
    sample.resize(in.count());
    for (ir::Tensor& tensor : sample) tensor = ir::restore_tensor(in, entry->owner);
  }
  if (!in.done()) return std::nullopt;
  return outputs;
}

void RunCache::keep_outputs(const std::string& key, const std::vector<std::vector<ir::Tensor>>& outputs) const {
  if (key.empty() || outputs.empty()) return;
  BinaryWriter out;
  out.u64(outputs.size());
  for (const auto& sample : outputs) {
    out.u64(sample.size());
    for (const ir::Tensor& tensor : sample) ir::store_tensor(tensor, out);
  }
  cache_->put(key, out.bytes());
}

std::string RunCache::bytes_key(const ir::Graph& graph, std::string_view form) const {
  const std::string identity_of_graph = identity(graph);
  return identity_of_graph.empty() ? "" : key_of("bytes", identity_of_graph + "\n" + std::string(form));
}

std::optional<int64_t> RunCache::find_bytes(const std::string& key) const {
  const auto entry = key.empty() ? std::nullopt : cache_->find(key);
  if (!entry) return std::nullopt;
  BinaryReader in(entry->bytes);
  const int64_t bytes = in.i64();
  return in.done() ? std::optional(bytes) : std::nullopt;
}

void RunCache::keep_bytes(const std::string& key, int64_t bytes) const {
  if (key.empty()) return;
  BinaryWriter out;
  out.i64(bytes);
  cache_->put(key, out.bytes());
}

}  // namespace edgesmith::refine
