// SPDX-License-Identifier: Apache-2.0
// Tensors as they lie in a chunk of an .esm: entry, elements, entry, elements, ...
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "edgesmith/base/result.h"
#include "pack/range_coder.h"

namespace edgesmith::pack {

/// A tensor that was taken out of a model.
struct PackedTensor {
  static constexpr size_t kMaxName = 255, kMaxRank = 8;
  std::string name;
  int type = 0;  ///< ONNX data_type
  std::vector<int64_t> dims;
  bool whole = false;    ///< its TensorProto, an initializer, is written anew; else its payload alone
  bool typed = false;    ///< the payload is in float_data, int32_data, ...; else in raw_data or a file
  uint64_t gap = 0;      ///< bytes of the rest that lie between the tensor before and this one
  int64_t same_as = -1;  ///< the earlier tensor that has the same bytes
  std::string bytes;     ///< the elements, little-endian

  uint64_t num_bytes() const;
};

/// Bytes of elements after which a chunk is closed. Chunks are coded side by side; more of them learn less.
constexpr uint64_t kChunkBytes = uint64_t{1} << 19;

/// Bytes of `count` elements of `type`; 0 for a type that is not taken out.
uint64_t bytes_of(int type, uint64_t count);

void encode_tensors(std::span<const PackedTensor> tensors, Encoder& encoder);
/// Errors: invalid.
Result<std::vector<PackedTensor>> decode_tensors(uint64_t count, uint64_t first, Decoder& decoder, size_t coded_bytes);

}  // namespace edgesmith::pack
