// SPDX-License-Identifier: Apache-2.0
// The row of a recurrent operator.
#pragma once

#include "runtime/native/recurrent.h"

namespace edgesmith::runtime::native {

template <const RecurrentCell& (*cell)()>
constexpr Kernel recurrent_row(std::string_view name, ir::OpKind op) {
  return {.provider = "native",
          .name = name,
          .op = op,
          .supports = [](const ir::Node& node) { return supports_recurrent(node, cell()); },
          .prepare = [](const ir::Node& node, std::span<const ir::Tensor* const> constants,
                        Isa isa) { return prepare_recurrent(node, cell(), constants, isa); },
          .scratch_bytes = [](const ir::Node& node, const Prepared*, OperandDims inputs, const ir::Dims&,
                              Isa) { return recurrent_scratch_bytes(node, cell(), inputs); },
          .bind = [](const ir::Node& node, const Prepared*, OperandDims inputs, const ir::Dims&,
                     Isa) { return bind_recurrent(node, cell(), inputs); },
          .run = [](const KernelCall& call) { return run_recurrent(call, cell()); }};
}

}  // namespace edgesmith::runtime::native
