// SPDX-License-Identifier: Apache-2.0
// Arrays by name: the model's inputs (or `x` for its only one), labels `y`, expected outputs under the outputs' names.
#include <algorithm>
#include <filesystem>

#include "data/labels.h"
#include "data/npz.h"
#include "data/sources/array_source.h"
#include "data/sources/forms.h"
#include "edgesmith/base/log.h"
#include "edgesmith/base/text.h"

namespace edgesmith::data {
namespace {

// Samples that say whether labels are one-hot.
constexpr int64_t kLookedAt = 16;

Result<std::vector<ir::Tensor>> read_inputs(const NpzArchive& archive, const DataSpec& spec,
                                            const Signature& signature) {
  std::vector<ir::Tensor> arrays;
  std::vector<std::string> missing;
  for (const ModelInput& input : signature.inputs) {
    const bool found = archive.contains(input.name);
    if (!found && !(signature.inputs.size() == 1 && archive.contains("x"))) {
      missing.push_back("'" + input.name + "'");
      continue;
    }
    auto tensor = archive.read(found ? input.name : "x");
    if (!tensor) return tensor.error();
    arrays.push_back(std::move(*tensor));
  }
  if (missing.empty()) return arrays;
  return invalid_error(
      spec.path + ": no array for the model's input" + (missing.size() == 1 ? " " : "s ") + join(missing, ", ") +
          "; it holds " + join(archive.names(), ", "),
      "name the arrays after the inputs" + std::string(signature.inputs.size() == 1 ? ", or call the only one x" : ""));
}

// Expected outputs: arrays under the outputs' names, and `named` (the array that `labels` means) for the first output.
Status add_targets(ArraySource& source, const NpzArchive& archive, const Signature& signature, ir::Tensor named) {
  std::vector<ir::Tensor> targets(std::max<size_t>(1, signature.output_names.size()));
  targets[0] = std::move(named);
  bool any = targets[0].valid();
  for (size_t i = 0; i < signature.output_names.size(); ++i) {
    const std::string& name = signature.output_names[i];
    const auto names = signature.input_names();
    if (!archive.contains(name) || std::find(names.begin(), names.end(), name) != names.end()) continue;
    auto tensor = archive.read(name);
    if (!tensor) return tensor.error();
    targets[i] = std::move(*tensor);
    any = true;
  }
  return any ? source.set_targets(std::move(targets)) : Status();
}

// Class labels from an array or a file; an array that is no class labels becomes `target`.
Status add_labels(ArraySource& source, const NpzArchive& archive, const DataSpec& spec, ir::Tensor& target) {
  if (spec.labels == "none") return {};
  if (spec.labels == "folders" || spec.labels == "folder-numbers") {
    return labels_mismatch(spec, "arrays", "an array's name or none");
  }
  const std::string name = spec.labels.empty() ? "y" : spec.labels;
  if (archive.contains(name)) {
    auto tensor = archive.read(name);
    if (!tensor) return tensor.error();
    std::vector<int64_t> labels;
    if (as_labels(*tensor, labels)) return source.set_labels(std::move(labels));
    target = std::move(*tensor);
    return {};
  }
  if (spec.labels.empty()) return {};
  std::error_code ignored;
  if (!std::filesystem::exists(name, ignored)) {
    return invalid_error(spec.path + ": no array '" + name + "' for the labels; it holds " +
                         join(archive.names(), ", "));
  }
  auto labels = read_label_file(name, source.size());
  if (!labels) return labels.error();
  return source.set_labels(std::move(*labels));
}

// Classes as rows of one 1 and zeros, as Keras wants them: the first samples have such expected outputs.
bool is_one_hot(const ArraySource& source) {
  for (int64_t i = 0; i < std::min(source.size(), kLookedAt); ++i) {
    const std::vector<float> row = source.targets(i)[0].to_floats();
    const auto ones = std::count(row.begin(), row.end(), 1.0f), zeros = std::count(row.begin(), row.end(), 0.0f);
    if (row.size() < 2 || ones != 1 || zeros + 1 != static_cast<std::ptrdiff_t>(row.size())) return false;
  }
  return source.size() > 0;
}

}  // namespace

Result<SourcePtr> open_npz_source(const DataSpec& spec, const Signature& signature) {
  auto archive = NpzArchive::open(spec.path);
  if (!archive) return archive.error();
  auto arrays = read_inputs(*archive, spec, signature);
  if (!arrays) return arrays.error();
  auto source = ArraySource::make(spec.path, std::move(*arrays), signature);
  if (!source) return source.error();
  ir::Tensor target;
  EDGESMITH_TRY(add_labels(**source, *archive, spec, target));
  const bool named = target.valid();
  EDGESMITH_TRY(add_targets(**source, *archive, signature, std::move(target)));
  if (named && is_one_hot(**source)) {
    const std::string name = spec.labels.empty() ? "y" : spec.labels;
    log::warning(spec.path + ": array '" + name + "' is one-hot and is taken for expected outputs; for classes, save " +
                 name + ".argmax(1)");
  }
  return SourcePtr(std::move(*source));
}

}  // namespace edgesmith::data
