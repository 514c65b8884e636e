// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <string>

#include "edgesmith/base/file.h"
#include "edgesmith/base/result.h"
#include "onnx/proto.h"

namespace edgesmith::onnx {

/// The files beside a model that hold the data of its large tensors. Each is mapped once.
///
/// A location comes from the model file, so it is not trusted: it must be a relative path that stays inside the model's
/// folder, also after following symbolic links.
class ExternalData {
 public:
  explicit ExternalData(std::string folder) : folder_(std::move(folder)) {}

  struct Piece {
    wire::Bytes bytes;
    std::shared_ptr<const void> owner;
  };
  /// The `wanted` bytes of an external tensor. Errors: invalid (escapes, is missing, is too short), io.
  Result<Piece> find(const TensorView& tensor, int64_t wanted);
  /// A whole file. Errors: as find().
  Result<std::shared_ptr<const MappedFile>> open(const std::string& location);

  /// All files so far, by location.
  const std::map<std::string, std::shared_ptr<const MappedFile>>& opened() const { return files_; }

 private:
  std::string folder_;
  std::map<std::string, std::shared_ptr<const MappedFile>> files_;
};

}  // namespace edgesmith::onnx
