// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>
#include <vector>

#include "edgesmith/base/result.h"
#include "edgesmith/pack/pack.h"
#include "pack/tensor_stream.h"

namespace edgesmith::pack {

/// A tensor and the bytes of the model that it stands for.
struct FoundTensor {
  PackedTensor tensor;
  size_t file = 0, begin = 0, end = 0;
};

/// The tensors of a model whose elements are numbers, in order of place; they do not overlap. What is stored in an
/// unusual way is left where it is. Errors: invalid (the first file is no ONNX model).
Result<std::vector<FoundTensor>> find_tensors(std::span<const ModelFile> files);

/// The places (`location`) of all external data that a model names. Errors: invalid.
Result<std::vector<std::string>> external_locations(const ModelFile& model);

/// What `tensor` stands for: its whole TensorProto, or its payload alone. False when its bytes cannot be written so.
bool write_tensor(const PackedTensor& tensor, std::string& out);

}  // namespace edgesmith::pack
