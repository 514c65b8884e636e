// SPDX-License-Identifier: Apache-2.0
#include "passes/channels/even_groups.h"

#include "edgesmith/ops/op_info.h"

namespace edgesmith::passes {

int64_t mixing_groups(const ir::Node& layer) {
  return layer.is(ir::OpKind::conv) ? layer.attributes().get_int("group", 1) : 1;
}

std::optional<ops::Mixing> even_mixing(const ir::Node& node) {
  const int64_t groups = mixing_groups(node);
  // The operator's own relation names the axes and sizes where they are known.
  const auto relation = groups > 1 ? ops::channel_relation(node, 1) : std::nullopt;
  if (!relation || relation->links.empty()) return std::nullopt;
  const ops::SliceLink& link = relation->links.front();
  if (link.to.inner < 2 || link.from.inner < 2) return std::nullopt;
  return ops::Mixing{.bias = 2, .uniform = false};
}

}  // namespace edgesmith::passes
