// SPDX-License-Identifier: Apache-2.0
// The .npy format (numpy.lib.format, versions 1.0 to 3.0): a magic, a Python dict as text, then the elements.
#pragma once

#include <string>

#include "data/bytes.h"
#include "edgesmith/base/result.h"
#include "edgesmith/ir/tensor.h"

namespace edgesmith::data {

/// The array in `bytes`, sharing them when they are little-endian. `name` is for messages. Errors: invalid.
Result<ir::Tensor> parse_npy(const Bytes& bytes, const std::string& name);
/// The header that goes before the elements of `dtype` and `dims`, padded so that the elements start at a multiple of
/// 64 bytes. Errors: unsupported (no NumPy dtype for it).
Result<std::string> npy_header(ir::DType dtype, const ir::Dims& dims);

}  // namespace edgesmith::data
