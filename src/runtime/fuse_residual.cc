// SPDX-License-Identifier: Apache-2.0
#include "runtime/fuse_residual.h"

#include <algorithm>

namespace edgesmith::runtime {

bool known_same_dims(const ir::Type& a, const ir::Type& b) {
  if (!a.shape || !b.shape || *a.shape != *b.shape) return false;
  // Two unknown dims need not be the same.
  return std::none_of(a.shape->begin(), a.shape->end(), [](const ir::Dim& dim) { return dim == ir::Dim(); });
}

std::optional<ResidualAdd> find_residual_add(const Program& program, const ir::Value& value) {
  if (value.uses().size() != 1 || program.observed(value)) return std::nullopt;
  if (program.rounds_to(value) != ir::DType::undefined) return std::nullopt;  // before it is added
  const ir::Use use = value.uses()[0];
  const ir::Node& add = *use.node;
  if (!add.is(ir::OpKind::add) || program.options.choices.contains(add.id())) return std::nullopt;
  const ir::Value& other = *add.input(1 - use.index);
  const auto is_float = [](const ir::Value& v) { return v.type().dtype == ir::DType::f32; };
  if (!is_float(value) || !is_float(other) || !is_float(add.output()) || program.known(other)) return std::nullopt;
  if (!known_same_dims(value.type(), other.type())) return std::nullopt;
  return ResidualAdd{&add, &other};
}

}  // namespace edgesmith::runtime
