// SPDX-License-Identifier: Apache-2.0
// Samples of a source, chosen, preprocessed for the inputs of a model, and checked against it.
#include "edgesmith/data/dataset.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <mutex>
#include <set>

#include "data/pipeline.h"
#include "data/range_check.h"
#include "data/source.h"
#include "data/subset.h"
#include "edgesmith/base/file.h"
#include "edgesmith/base/log.h"
#include "edgesmith/base/sha256.h"
#include "edgesmith/base/text.h"
#include "edgesmith/data/preprocess.h"

namespace edgesmith::data {
namespace {

// Samples looked at when a data set is opened, spread over it.
constexpr int64_t kLookedAt = 8;

class PreparedDataset : public Dataset {
 public:
  PreparedDataset(SourcePtr source, std::vector<Pipeline> pipelines, std::vector<int64_t> chosen, PreprocessTable table)
      : source_(std::move(source)),
        pipelines_(std::move(pipelines)),
        chosen_(std::move(chosen)),
        table_(std::move(table)),
        fingerprints_(chosen_.size()) {
    if (!table_.empty()) preprocess_ = table_[0].second;
  }

  int64_t size() const override { return static_cast<int64_t>(chosen_.size()); }
  bool has_labels() const override { return source_->has_labels(); }
  std::string sample_name(int64_t index) const override { return source_->name(at(index)); }
  Result<uint64_t> fingerprint(int64_t index) const override {
    std::optional<uint64_t>& known = fingerprints_[static_cast<size_t>(index)];
    {
      std::lock_guard<std::mutex> lock(mutex_);
      if (known) return *known;
    }
    auto hash = source_->fingerprint(at(index));
    if (!hash) return hash;
    std::lock_guard<std::mutex> lock(mutex_);
    known = *hash;
    return hash;
  }
  Result<std::string> digest() const override;
  bool whole_run() const override { return source_->whole_run(); }
  const Preprocess& preprocess() const override { return preprocess_; }
  const PreprocessTable& preprocess_table() const override { return table_; }

  Result<Sample> sample(int64_t index) const override {
    auto raw = source_->read(at(index));
    if (!raw) return raw.error();
    return prepare(*raw, index);
  }

  Result<Sample> timed_sample(int64_t index, SampleTimes& times) const override {
    const auto start = std::chrono::steady_clock::now();
    auto raw = source_->read(at(index));
    if (!raw) return raw.error();
    const auto read = std::chrono::steady_clock::now();
    times = {};
    auto sample = prepare(*raw, index, &times.resize);
    times.decode = std::chrono::nanoseconds(read - start).count();
    times.preprocess = std::chrono::nanoseconds(std::chrono::steady_clock::now() - read).count() - times.resize;
    return sample;
  }

  /// Adds the time that shaping pictures took to `resize_nanoseconds`, which may be null.
  Result<Sample> prepare(const std::vector<RawInput>& raw, int64_t index, int64_t* resize_nanoseconds = nullptr) const {
    Sample sample;
    sample.label = source_->label(at(index));
    sample.targets = source_->targets(at(index));
    for (size_t i = 0; i < raw.size(); ++i) {
      if (source_->whole_run()) {
        sample.inputs.push_back(std::get<ir::Tensor>(raw[i]));
        continue;
      }
      auto tensor = pipelines_[i].run(raw[i], sample_name(index), resize_nanoseconds);
      if (!tensor) return tensor.error();
      sample.inputs.push_back(std::move(*tensor));
    }
    return sample;
  }

  const Source& source() const { return *source_; }
  const std::vector<Pipeline>& pipelines() const { return pipelines_; }
  int64_t at(int64_t index) const { return chosen_[static_cast<size_t>(index)]; }

 private:
  SourcePtr source_;
  std::vector<Pipeline> pipelines_;
  std::vector<int64_t> chosen_;
  PreprocessTable table_;
  Preprocess preprocess_;
  /// A sample is read for it once, although several ask.
  mutable std::vector<std::optional<uint64_t>> fingerprints_;
  mutable std::mutex mutex_;
};

std::string digest_of(const ir::Tensor& tensor) {
  if (!tensor.valid()) return "-";
  const ir::Tensor dense = tensor.dense();
  if (dense.dtype() != ir::DType::string) return dense.type().text() + " " + sha256_hex(dense.bytes());
  return dense.type().text() + " " + sha256_hex(join(dense.string_data(), "\n"));
}

std::string digest_of(const Sample& sample) {
  std::string text;
  for (const ir::Tensor& input : sample.inputs) text += digest_of(input) + "\n";
  for (const ir::Tensor& target : sample.targets) text += "target " + digest_of(target) + "\n";
  return text + "label " + std::to_string(sample.label) + "\n";
}

// The first sample stands for how bytes become tensors: the form of the data, preprocessing, decoders.
Result<std::string> PreparedDataset::digest() const {
  std::string text = preprocess_json(table_) + "\n";
  if (size() > 0) {
    auto first = sample(0);
    if (!first) return first.error();
    text += digest_of(*first);
  }
  for (int64_t i = 0; i < size(); ++i) {
    auto hash = fingerprint(i);
    if (!hash) return hash.error();
    text += std::to_string(*hash) + " " + std::to_string(source_->label(at(i))) + "\n";
    for (const ir::Tensor& target : source_->targets(at(i))) text += "target " + digest_of(target) + "\n";
  }
  return sha256_hex(text);
}

// What is declared, or else what the model remembers.
Result<PreprocessTable> preprocess_in_force(const DataSpec& spec, const ir::Graph& graph,
                                            const PreprocessTable* instead) {
  if (instead != nullptr) return *instead;
  if (!spec.preprocess.empty()) {
    const std::string* folded = graph.find_metadata(kFoldedKey);
    const bool arithmetic = std::any_of(spec.preprocess.begin(), spec.preprocess.end(), [](const auto& row) {
      return row.second.scale != 1 || !row.second.mean.empty() || !row.second.std.empty();
    });
    if (folded != nullptr && arithmetic) {
      log::warning("the model computes " + *folded + " itself (fold-preprocess), and scale, mean or std are declared " +
                   "on top of that; leave them out");
    }
    return spec.preprocess;
  }
  const std::string* stored = graph.find_metadata(kPreprocessKey);
  if (stored == nullptr || stored->empty()) return PreprocessTable();
  auto table = preprocess_from_json(*stored);
  if (!table) return table.error();
  log::info("preprocessing taken from the model's metadata: " + *stored);
  return table;
}

Result<std::vector<Pipeline>> make_pipelines(const PreprocessTable& table, const Signature& signature) {
  for (const auto& [name, preprocess] : table) {
    const auto names = signature.input_names();
    if (name.empty() || std::find(names.begin(), names.end(), name) != names.end()) continue;
    const std::string near = nearest(name, names);
    return usage_error("preprocess." + name + ": the model has no input of this name",
                       near.empty() ? "its inputs are " + join(names, ", ") : "did you mean '" + near + "'?");
  }
  std::vector<Pipeline> pipelines;
  for (const ModelInput& input : signature.inputs) {
    const auto find = [&](const std::string& name) {
      return std::find_if(table.begin(), table.end(), [&](const auto& row) { return row.first == name; });
    };
    auto row = find(input.name);
    // The common one is not for token ids, masks and other integers beside a float input.
    const bool numbers = ir::is_float(input.type.dtype) || signature.inputs.size() == 1;
    if (row == table.end() && numbers && input.batched) row = find("");
    auto pipeline = Pipeline::make(input, row == table.end() ? Preprocess() : row->second);
    if (!pipeline) return pipeline.error();
    pipelines.push_back(std::move(*pipeline));
  }
  return pipelines;
}

Status check_labels(const Source& source, const std::vector<int64_t>& chosen, const Signature& signature) {
  if (!source.has_labels()) return {};
  const bool one_score = signature.num_classes() == 1;
  const int64_t classes = one_score ? 2 : signature.num_classes();  // one score says yes or no
  for (const int64_t index : chosen) {
    const int64_t label = source.label(index);
    if (label >= 0 && (classes < 0 || label < classes)) continue;
    const std::string range = classes < 0 ? "is negative" : "is not in 0 to " + std::to_string(classes - 1);
    const bool from_one = classes > 0 && label == classes;
    return invalid_error(source.name(index) + ": label " + std::to_string(label) + " " + range +
                             (classes < 0 ? "" : ", the classes of output '" + signature.output_names[0] + "'"),
                         one_score  ? "expected outputs of a regression are floats"
                         : from_one ? "labels count from 0"
                                    : "check the labels");
  }
  return {};
}

Status check_whole_run(const Source& source, const Signature& signature) {
  auto raw = source.read(0);
  if (!raw) return raw.error();
  for (size_t i = 0; i < raw->size(); ++i) {
    const ir::Tensor& tensor = std::get<ir::Tensor>((*raw)[i]);
    const ModelInput& input = signature.inputs[i];
    const bool same_dtype = input.type.dtype == ir::DType::undefined || tensor.dtype() == input.type.dtype;
    if (same_dtype && fits(tensor.dims(), input.type, false)) continue;
    return invalid_error(source.name(0) + ": the tensor is " + tensor.type().text() + ", the model's input '" +
                         input.name + "' takes " + input.type.text());
  }
  return {};
}

void add_raw_range(const RawInput& raw, ValueRange& range) {
  if (const Image* image = std::get_if<Image>(&raw)) {
    range.add_pixels(image->pixels);
    return;
  }
  const ir::Tensor& tensor = std::get<ir::Tensor>(raw);
  const std::vector<float> values = tensor.to_floats();
  if (values.empty()) return;
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  range.add_raw(*low, *high, tensor.dtype() == ir::DType::u8);
}

// Reads a few samples, so that errors come before long work does, and looks at their values.
Status look_at_samples(const PreparedDataset& dataset, const DataSpec& spec, const Signature& signature) {
  std::vector<ValueRange> ranges(signature.inputs.size());
  for (const int64_t index : choose_samples(dataset.size(), {}, kLookedAt, 0)) {
    auto raw = dataset.source().read(dataset.at(index));
    if (!raw) return raw.error();
    auto sample = dataset.prepare(*raw, index);
    if (!sample) return sample.error();
    for (size_t i = 0; i < ranges.size(); ++i) {
      const bool watched = ir::is_float(sample->inputs[i].dtype()) && signature.inputs[i].batched;
      if (!watched) continue;
      add_raw_range((*raw)[i], ranges[i]);
      ranges[i].add(sample->inputs[i]);
    }
  }
  for (size_t i = 0; i < ranges.size(); ++i) {
    const std::string complaint =
        range_complaint(ranges[i], dataset.pipelines()[i].preprocess(), !dataset.preprocess_table().empty());
    if (!complaint.empty()) log::warning(spec.path + ": input '" + signature.inputs[i].name + "': " + complaint);
  }
  return {};
}

// What `over` says goes before what `base` says, key by key.
Preprocess merged(Preprocess base, const Preprocess& over) {
  if (!over.color.empty()) base.color = over.color;
  if (over.crop_fraction > 0) base.crop_fraction = over.crop_fraction;
  if (over.resize_short > 0 || !over.resize_to.empty()) {
    base.resize_short = over.resize_short;
    base.resize_to = over.resize_to;
    base.filter = over.filter;
  }
  if (over.crop > 0) base.crop = over.crop;
  if (over.layout != "nchw") base.layout = over.layout;
  if (over.scale != 1) base.scale = over.scale;
  if (!over.mean.empty()) base.mean = over.mean;
  if (!over.std.empty()) base.std = over.std;
  return base;
}

// A .toml stands for what it describes; the flags of the command line go before it.
Result<DataSpec> resolve_toml(const DataSpec& spec) {
  if (std::filesystem::path(spec.path).extension() != ".toml") return spec;
  auto text = read_file(spec.path);
  if (!text) return text.error();
  auto resolved = data_spec_from_toml(*text, std::filesystem::path(spec.path).parent_path().string(), {spec.path});
  if (!resolved) return resolved;
  if (std::filesystem::path(resolved->path).extension() == ".toml") {
    return usage_error(spec.path + ": 'path' is another description: " + resolved->path, "name the data themselves");
  }
  if (!spec.labels.empty()) resolved->labels = spec.labels;
  for (const auto& [name, preprocess] : spec.preprocess) {
    const auto same = std::find_if(resolved->preprocess.begin(), resolved->preprocess.end(),
                                   [&](const auto& row) { return row.first == name; });
    if (same == resolved->preprocess.end()) {
      resolved->preprocess.emplace_back(name, preprocess);
    } else {
      same->second = merged(same->second, preprocess);
    }
  }
  if (!spec.features.empty()) resolved->features = spec.features;
  if (spec.limit > 0) resolved->limit = spec.limit;
  resolved->seed = spec.seed;
  return resolved;
}

}  // namespace

Result<Sample> Dataset::timed_sample(int64_t index, SampleTimes& times) const {
  const auto start = std::chrono::steady_clock::now();
  auto made = sample(index);
  times = {std::chrono::nanoseconds(std::chrono::steady_clock::now() - start).count(), 0, 0};
  return made;
}

Result<std::string> Dataset::digest() const {
  std::string text;
  for (int64_t i = 0; i < size(); ++i) {
    auto made = sample(i);
    if (!made) return made.error();
    text += digest_of(*made);
  }
  return sha256_hex(text);
}

Result<std::unique_ptr<Dataset>> open_dataset(const DataSpec& given, const ir::Graph& graph,
                                              const PreprocessTable* instead) {
  auto spec = resolve_toml(given);
  if (!spec) return spec.error();
  const Signature signature = signature_of(graph);
  if (signature.inputs.empty()) return unsupported_error("the model has no inputs to feed data to");
  auto source = open_source(*spec, signature);
  if (!source) return source.error();
  if ((*source)->size() == 0) return invalid_error(spec->path + ": no samples", "the data set is empty");
  std::vector<int64_t> labels;
  if ((*source)->has_labels()) {
    for (int64_t i = 0; i < (*source)->size(); ++i) labels.push_back((*source)->label(i));
  }
  if (spec->limit > (*source)->size()) {
    log::warning(given.path + ": has " + std::to_string((*source)->size()) + " samples, fewer than the limit of " +
                 std::to_string(spec->limit) + ": all of them are used");
  }
  std::vector<int64_t> chosen = choose_samples((*source)->size(), labels, spec->limit, spec->seed);
  EDGESMITH_TRY(check_labels(**source, chosen, signature));
  const bool whole = (*source)->whole_run();
  auto table = whole ? Result<PreprocessTable>(PreprocessTable()) : preprocess_in_force(*spec, graph, instead);
  if (!table) return table.error();
  auto pipelines = make_pipelines(*table, signature);
  if (!pipelines) return pipelines.error();
  if (whole) EDGESMITH_TRY(check_whole_run(**source, signature));
  auto dataset = std::make_unique<PreparedDataset>(std::move(*source), std::move(*pipelines), std::move(chosen),
                                                   std::move(*table));
  if (!whole) EDGESMITH_TRY(look_at_samples(*dataset, *spec, signature));
  return std::unique_ptr<Dataset>(std::move(dataset));
}

Result<int64_t> count_shared_samples(const Dataset& a, const Dataset& b) {
  std::set<uint64_t> in_b;
  for (int64_t i = 0; i < b.size(); ++i) {
    auto hash = b.fingerprint(i);
    if (!hash) return hash.error();
    in_b.insert(*hash);
  }
  int64_t shared = 0;
  for (int64_t i = 0; i < a.size(); ++i) {
    auto hash = a.fingerprint(i);
    if (!hash) return hash.error();
    shared += in_b.count(*hash) > 0 ? 1 : 0;
  }
  return shared;
}

}  // namespace edgesmith::data
