// SPDX-License-Identifier: Apache-2.0
// The IDX format of the MNIST files: two zero bytes, a type code, the rank, big-endian dims, big-endian elements.
#pragma once

#include <string>

#include "data/bytes.h"
#include "edgesmith/base/result.h"
#include "edgesmith/ir/tensor.h"

namespace edgesmith::data {

/// True when `bytes` start like an IDX file.
bool looks_like_idx(std::span<const std::byte> bytes);
/// Errors: invalid (truncated, unknown type), naming `name`.
Result<ir::Tensor> parse_idx(const Bytes& bytes, const std::string& name);
/// The labels file that belongs to an images file ("train-images-idx3-ubyte.gz" -> "train-labels-idx1-ubyte.gz"), with
/// or without ".gz"; "" when there is none beside it.
std::string idx_labels_beside(const std::string& images_path);

}  // namespace edgesmith::data
