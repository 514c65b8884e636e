// SPDX-License-Identifier: Apache-2.0
#include "ops/check.h"

#include <algorithm>
#include <array>
#include <string>

namespace edgesmith::ops {
namespace {

constexpr std::array<std::string_view, 7> kKindNames = {
    "an integer", "a float", "a string", "a list of integers", "a list of floats", "a list of strings", "a tensor"};

}  // namespace

Status check_attributes(const ir::Node& node, std::initializer_list<AttributeRule> rules) {
  for (const auto& [name, value] : node.attributes()) {
    const auto rule =
        std::find_if(rules.begin(), rules.end(), [&wanted = name](const AttributeRule& r) { return r.name == wanted; });
    if (rule == rules.end()) return unsupported_error("attribute '" + name + "' is not known for this operator");
    if (value.index() != static_cast<size_t>(rule->kind)) {
      return invalid_error("attribute '" + name + "' is " + std::string(kKindNames[value.index()]) + ", must be " +
                           std::string(kKindNames[static_cast<size_t>(rule->kind)]));
    }
  }
  return {};
}

Status check_flag(const ir::Node& node, std::string_view name) {
  const int64_t flag = node.attributes().get_int(name, 0);
  if (flag == 0 || flag == 1) return {};
  return invalid_error("attribute '" + std::string(name) + "' is " + std::to_string(flag) + ", must be 0 or 1");
}

Status no_attributes(const ir::Node& node) { return check_attributes(node, {}); }

Status check_same_dtype(const ir::Node& node, std::initializer_list<int> indices) {
  const ir::Value* first = nullptr;
  for (int index : indices) {
    const ir::Value* value = node.input(index);
    if (value == nullptr || value->type().dtype == ir::DType::undefined) continue;
    if (first == nullptr) first = value;
    if (value->type().dtype == first->type().dtype) continue;
    return invalid_error("operands have types " + first->type().text() + " and " + value->type().text() +
                         ", their element types must be the same");
  }
  return {};
}

Status check_all_same_dtype(const ir::Node& node) {
  for (int i = 1; i < node.num_inputs(); ++i) EDGESMITH_TRY(check_same_dtype(node, {0, i}));
  return {};
}

Result<std::vector<int64_t>> read_ints(const ir::Tensor& tensor) {
  const bool is_int = tensor.dtype() == ir::DType::i64 || tensor.dtype() == ir::DType::i32;
  if (is_int && tensor.rank() <= 1) return tensor.to_int64s();
  return invalid_error("an operand of integers is " + tensor.type().text() + ", must be i64[n]");
}

Result<int> normalize_axis(int64_t axis, int rank) {
  if (axis >= -rank && axis < rank) return static_cast<int>(axis < 0 ? axis + rank : axis);
  return invalid_error("axis " + std::to_string(axis) + " is out of range for rank " + std::to_string(rank));
}

Result<std::vector<int>> normalize_axes(std::span<const int64_t> axes, int rank) {
  std::vector<int> normalized;
  for (int64_t axis : axes) {
    auto positive = normalize_axis(axis, rank);
    if (!positive) return positive.error();
    if (std::find(normalized.begin(), normalized.end(), *positive) != normalized.end()) {
      return invalid_error("axis " + std::to_string(axis) + " is named twice");
    }
    normalized.push_back(*positive);
  }
  return normalized;
}

}  // namespace edgesmith::ops
