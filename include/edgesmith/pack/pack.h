// SPDX-License-Identifier: Apache-2.0
// An ONNX model in the least bytes, and back bit for bit: the .esm file (docs/format.md).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "edgesmith/base/result.h"
#include "edgesmith/base/thread_pool.h"

namespace edgesmith::pack {

/// A file that belongs to a model: the model itself first (its name is not kept), then its external data.
struct ModelFile {
  std::string name;  ///< as the model spells it, relative to the model's folder
  std::string bytes;
};

/// What is in a packed model.
struct PackSummary {
  uint64_t model_bytes = 0;  ///< of all files
  uint64_t packed_bytes = 0;
  uint64_t tensors = 0;       ///< that are coded as numbers
  uint64_t elements = 0;      ///< of them
  uint64_t tensor_bytes = 0;  ///< they take in the model
  uint64_t packed_tensor_bytes = 0;
};

struct Packed {
  std::string bytes;
  PackSummary summary;
};

struct Unpacked {
  std::vector<ModelFile> files;
  PackSummary summary;
};

/// Reads a model and the external data that it names. Errors: invalid (no ONNX model, data that are missing), io.
Result<std::vector<ModelFile>> read_model(const std::string& path);
/// Bytes of these files, without reading the external ones. Errors: as read_model().
Result<int64_t> model_bytes(const std::string& path);
/// The .esm of a model. The bytes do not depend on the number of threads. Errors: invalid (no ONNX model), interrupted.
Result<Packed> pack(std::span<const ModelFile> files, ThreadPool& pool);
/// About how many bytes pack() would take, in much less time: of large models a sample of the weights is coded. Within
/// some percent; a few bytes off for models of up to a million weights. Errors: as pack().
Result<uint64_t> estimate_packed_bytes(std::span<const ModelFile> files, ThreadPool& pool);
/// The files that were packed. Errors: invalid (no .esm, another version, damaged), interrupted; memory grows only with
/// what was really decoded.
Result<Unpacked> unpack(std::span<const std::byte> bytes, ThreadPool& pool);
/// True when `bytes` begin as an .esm does.
bool is_packed(std::span<const std::byte> bytes);

}  // namespace edgesmith::pack
