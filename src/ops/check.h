// SPDX-License-Identifier: Apache-2.0
// What `verify` functions share: attributes are known by name and kind (an attribute that we do not know changes the
// meaning, so it is never ignored), axes are in range, operand types are what the operator takes.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string_view>
#include <vector>

#include "edgesmith/ops/op_info.h"

namespace edgesmith::ops {

/// Kinds of attribute, in the order of ir::Attribute's alternatives.
enum class AttributeKind { integer, real, text, integers, reals, texts, tensor };

/// An attribute that an operator takes.
struct AttributeRule {
  std::string_view name;
  AttributeKind kind;
};

/// Every attribute of the node is in `rules` (else unsupported) and of the right kind (else invalid).
Status check_attributes(const ir::Node& node, std::initializer_list<AttributeRule> rules);

/// An int attribute that is a flag is 0 or 1.
Status check_flag(const ir::Node& node, std::string_view name);

/// For OpInfo::verify of an operator without attributes.
Status no_attributes(const ir::Node& node);

/// The operands `indices` that are present and typed have one element type.
Status check_same_dtype(const ir::Node& node, std::initializer_list<int> indices);

/// The operands of every index have one element type.
Status check_all_same_dtype(const ir::Node& node);

/// The numbers of an i64 or i32 tensor (axes, a shape, sizes) of rank 0 or 1. Errors: invalid, with its type.
Result<std::vector<int64_t>> read_ints(const ir::Tensor& tensor);

/// `axis` counted from the front: in [-rank, rank) becomes [0, rank). Errors: invalid, with both numbers.
Result<int> normalize_axis(int64_t axis, int rank);

/// Every axis counted from the front. Errors: invalid when one is out of range or named twice.
Result<std::vector<int>> normalize_axes(std::span<const int64_t> axes, int rank);

}  // namespace edgesmith::ops
