// SPDX-License-Identifier: Apache-2.0
// Where samples come from, before preprocessing. One form of data is one file in sources/; open_source() in
// sources/open.cc recognises the form.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "data/image.h"
#include "data/signature.h"
#include "edgesmith/base/result.h"
#include "edgesmith/data/dataset.h"
#include "edgesmith/ir/tensor.h"

namespace edgesmith::data {

/// One input of one sample: a picture, or a tensor with the batch axis of 1 in front (none for an input without it).
using RawInput = std::variant<ir::Tensor, Image>;

/// Const methods are thread-safe.
class Source {
 public:
  virtual ~Source() = default;
  virtual int64_t size() const = 0;
  /// For messages: a file, or "data.npz[17]".
  virtual std::string name(int64_t index) const = 0;
  /// One RawInput for each input of the model, in its order. Errors name the file or row.
  virtual Result<std::vector<RawInput>> read(int64_t index) const = 0;
  /// Hash of the raw bytes, or of the file's.
  virtual Result<uint64_t> fingerprint(int64_t index) const = 0;
  virtual bool has_labels() const { return false; }
  virtual int64_t label(int64_t /*index*/) const { return -1; }
  /// Expected outputs, in the order of the model's outputs; an invalid tensor where one is not given.
  virtual std::vector<ir::Tensor> targets(int64_t /*index*/) const { return {}; }
  virtual bool whole_run() const { return false; }
};

using SourcePtr = std::unique_ptr<Source>;

/// Opens the form of data that `spec.path` is. Errors: io (no such path), usage (no such form), invalid.
Result<SourcePtr> open_source(const DataSpec& spec, const Signature& signature);

}  // namespace edgesmith::data
