// SPDX-License-Identifier: Apache-2.0
// A folder of ONNX test data: input_0.pb, input_1.pb, ... are one run, fed whole; output_*.pb are what should come out.
// A tensor goes to the input of the name stored in it, else to the input of its number.
#include <algorithm>
#include <filesystem>

#include "data/bytes.h"
#include "data/sources/forms.h"
#include "edgesmith/base/text.h"
#include "edgesmith/onnx/import.h"

namespace edgesmith::data {
namespace {

class OnnxTestData : public Source {
 public:
  OnnxTestData(std::string path, std::vector<ir::Tensor> inputs, std::vector<ir::Tensor> targets)
      : path_(std::move(path)), inputs_(std::move(inputs)), targets_(std::move(targets)) {}

  int64_t size() const override { return 1; }
  std::string name(int64_t) const override { return path_; }
  Result<std::vector<RawInput>> read(int64_t) const override {
    return std::vector<RawInput>(inputs_.begin(), inputs_.end());
  }
  Result<uint64_t> fingerprint(int64_t) const override {
    uint64_t hash = 0;
    for (const ir::Tensor& input : inputs_) {
      if (input.dtype() != ir::DType::string) hash = hash_bytes(input.bytes(), hash);
    }
    return hash;
  }
  std::vector<ir::Tensor> targets(int64_t) const override { return targets_; }
  bool whole_run() const override { return true; }

 private:
  std::string path_;
  std::vector<ir::Tensor> inputs_, targets_;
};

// Reads prefix_0.pb, prefix_1.pb, ... and puts each at the position of its name among `names`, else at its number.
Result<std::vector<ir::Tensor>> read_tensors(const std::string& folder, const std::string& prefix,
                                             const std::vector<std::string>& names) {
  std::vector<ir::Tensor> tensors(names.size());
  for (size_t i = 0;; ++i) {
    const std::string path = (std::filesystem::path(folder) / (prefix + "_" + std::to_string(i) + ".pb")).string();
    std::error_code ignored;
    if (!std::filesystem::exists(path, ignored)) return tensors;
    auto read = onnx::import_tensor_file(path);
    if (!read) return read.error();
    const auto named = std::find(names.begin(), names.end(), read->name);
    const size_t at = named == names.end() ? i : static_cast<size_t>(named - names.begin());
    if (at >= names.size()) {
      return invalid_error(path + ": tensor '" + read->name + "' matches none of " + std::to_string(names.size()) +
                           " " + prefix + "s: " + join(names, ", "));
    }
    if (tensors[at].valid()) return invalid_error(path + ": a second tensor for " + prefix + " '" + names[at] + "'");
    tensors[at] = std::move(read->tensor);
  }
}

}  // namespace

Result<SourcePtr> open_onnx_test_data(const DataSpec& spec, const Signature& signature) {
  if (!spec.labels.empty() && spec.labels != "none") return labels_mismatch(spec, "ONNX test data", "none");
  auto inputs = read_tensors(spec.path, "input", signature.input_names());
  if (!inputs) return inputs.error();
  std::vector<std::string> missing;
  for (size_t i = 0; i < inputs->size(); ++i) {
    if (!(*inputs)[i].valid()) missing.push_back("'" + signature.inputs[i].name + "'");
  }
  if (!missing.empty()) {
    return invalid_error(spec.path + ": no tensor for the model's input " + join(missing, ", "),
                         "there should be one input_N.pb for each input");
  }
  auto targets = read_tensors(spec.path, "output", signature.output_names);
  if (!targets) return targets.error();
  const bool any = std::any_of(targets->begin(), targets->end(), [](const ir::Tensor& t) { return t.valid(); });
  if (!any) targets->clear();
  return SourcePtr(std::make_unique<OnnxTestData>(spec.path, std::move(*inputs), std::move(*targets)));
}

}  // namespace edgesmith::data
