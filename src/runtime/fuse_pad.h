// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>

#include "runtime/program.h"

namespace edgesmith::runtime {

/// The zeros that a Pad puts around the spatial dims, [begins, ends] as an attribute of its reader, when that is a
/// single float convolution with a kernel: then the Pad need not run, if annotations allow it. Constants of the program
/// must be known.
std::optional<ir::Ints> pads_of_reader(const Program& program, const ir::Node& pad);

/// `conv`, whose operand 0 is `pad`, as a node that pads by itself, in a graph of its own: what its kernel is shown.
struct PaddedConv {
  std::shared_ptr<const ir::Graph> graph;
  const ir::Node* node;
};
PaddedConv with_pads(const Program& program, const ir::Node& conv, const ir::Node& pad, const ir::Ints& pads);

}  // namespace edgesmith::runtime
