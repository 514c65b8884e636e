// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "edgesmith/base/result.h"
#include "edgesmith/ir/graph.h"

namespace edgesmith::onnx {

/// The first opset whose Cast reads indices of 4 bits.
constexpr int64_t kOpsetOfPackedIndices = 21;

struct OpsetPlan {
  int64_t source = 0;  ///< 0: the graph has no source, or one without the default domain
  int64_t opset = 0;
  std::string note;  ///< why it was raised; empty when it was not
};

/// The opset to write: the source's, raised only as far as a node or an annotation needs. Errors: unsupported, when
/// raising it may change what an opaque node means (only for 4-bit indices of codebooks: then they take 8).
Result<OpsetPlan> plan_opset(const ir::Graph& graph);

}  // namespace edgesmith::onnx
