// SPDX-License-Identifier: Apache-2.0
// Operands that say what to do (axes, starts, pads, sizes): read when the node runs, or while inferring when known.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "edgesmith/ops/op_info.h"

namespace edgesmith::ops {

/// The integers of a running operand of rank 0 or 1. Errors: invalid (naming it `what`) for another rank or type.
Result<ir::Ints> read_ints(const ir::Tensor& tensor, std::string_view what);

/// Operand `index` as integers when it is known without running. Errors as read_ints.
Result<std::optional<ir::Ints>> known_ints(const ir::Node& node, int index, const InferContext& context,
                                           std::string_view what);

/// Operand `index` of a running node, null when absent.
inline const ir::Tensor* operand(std::span<const ir::Tensor* const> inputs, size_t index) {
  return index < inputs.size() ? inputs[index] : nullptr;
}

/// The number of elements of an operand of rank 1, where known.
std::optional<int64_t> known_length(const ir::Node& node, int index);

/// Contents of operand `index` (rank 0 or 1), with unknown dims where only the length is known.
std::optional<ir::Shape> contents_or_unknowns(const ir::Node& node, int index, const InferContext& context);

}  // namespace edgesmith::ops
