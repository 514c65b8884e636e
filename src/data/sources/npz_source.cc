// SPDX-License-Identifier: Apache-2.0
// Arrays by name: the model's inputs (or `x` for its only one), labels `y`, expected outputs under the outputs' names.
#include <algorithm>
#include <filesystem>

#include "data/labels.h"
#include "data/npz.h"
#include "data/sources/array_source.h"
#include "data/sources/forms.h"
#include "edgesmith/base/text.h"

namespace edgesmith::data {
namespace {

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
  EDGESMITH_TRY(add_targets(**source, *archive, signature, std::move(target)));
  return SourcePtr(std::move(*source));
}

}  // namespace edgesmith::data
