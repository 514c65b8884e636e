// SPDX-License-Identifier: Apache-2.0
// An open .npz archive: the names at once, each array when it is asked for.
#pragma once

#include <string>
#include <vector>

#include "data/bytes.h"
#include "data/zip.h"
#include "edgesmith/base/result.h"
#include "edgesmith/ir/tensor.h"

namespace edgesmith::data {

class NpzArchive {
 public:
  /// Errors: io; invalid (not a zip archive, or one without .npy files).
  static Result<NpzArchive> open(const std::string& path);

  /// Names of the arrays in order.
  const std::vector<std::string>& names() const { return names_; }
  bool contains(const std::string& name) const;
  /// Errors: invalid (no such array, or a bad one), naming the file.
  Result<ir::Tensor> read(const std::string& name) const;

 private:
  std::string path_;
  Bytes bytes_;
  std::vector<std::string> names_;
  std::vector<ZipEntry> entries_;
};

}  // namespace edgesmith::data
