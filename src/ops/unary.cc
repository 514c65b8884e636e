// SPDX-License-Identifier: Apache-2.0
#include "ops/unary.h"

namespace edgesmith::ops {

Result<std::vector<ir::Type>> infer_unary(const ir::Node& node, InferContext&) {
  return std::vector{node.input(0)->type()};
}

Result<std::vector<ir::Type>> infer_unary_keeping_contents(const ir::Node& node, InferContext& context) {
  pass_contents(node, context, node.input(0)->type());
  return std::vector{node.input(0)->type()};
}

}  // namespace edgesmith::ops
