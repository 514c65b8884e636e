// SPDX-License-Identifier: Apache-2.0
// Which values of a graph get codes, which of them share a scale, and why the rest stays float.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "edgesmith/ir/graph.h"
#include "edgesmith/targets/target.h"
#include "passes/quantize/range.h"

namespace edgesmith::passes::quantize {

/// What becomes of a node.
enum class Role {
  none,      ///< inputs, constants, shape code: not a question
  integer,   ///< computes on codes
  moves,     ///< moves codes about without changing them
  vanishes,  ///< disappears into the codes of the node before it, or into the windows of the one after it
  floating,  ///< stays float, with a reason
};

struct NodePlan {
  Role role = Role::none;
  std::string reason, advice;
  /// Integer nodes: the value that holds their result, after the clamps that vanish into its codes.
  ir::Value* result = nullptr;
};

/// Values that carry one scale, in graph order.
struct ScaleSet {
  std::vector<ir::Value*> values;
  Bounds bounds;
  std::optional<Range> fixed;      ///< known without data
  std::optional<ir::Quant> given;  ///< annotated before; kept
  bool holds_input = false;        ///< a graph input is among them: never clipped
};

struct Plan {
  std::vector<NodePlan> nodes;  ///< by node id
  std::vector<int> set_of;      ///< by value id: index into `sets`, or -1 for a value without codes
  std::vector<ScaleSet> sets;

  const NodePlan& of(const ir::Node& node) const { return nodes[static_cast<size_t>(node.id())]; }
  int set_index(const ir::Value& value) const { return set_of[static_cast<size_t>(value.id())]; }
};

/// What the graph and the target say before any data were seen: roles, and scales that must be equal whatever the
/// ranges. Joins (Concat) are open: they are decided by plan_scales.
struct Regions {
  std::vector<NodePlan> nodes;            ///< by node id
  std::vector<bool> required;             ///< by value id: must get codes
  std::vector<std::pair<int, int>> ties;  ///< value ids
  std::vector<ir::Node*> joins;           ///< in graph order
  std::vector<ir::Node*> carriers;        ///< move the codes of one operand (MaxPool, Reshape), in graph order
  std::vector<ir::Node*> movers;          ///< float operators that do not change numbers (Pad), in graph order
  std::vector<ir::Value*> watched;        ///< values whose range will be needed, in graph order
};

/// `selected` says by node id which nodes may be quantized; `others` is the reason reported for the rest.
Regions find_regions(ir::Graph& graph, const targets::Target& target, const std::vector<bool>& selected,
                     const std::string& others);

/// Ranges that differ by more than this factor are not forced onto one scale: the smaller would keep less than half of
/// its 8 bits.
inline constexpr float kLargestScaleRatio = 16;

/// Decides the joins by the ranges seen (by value id) and forms the sets. Joined values share a scale when that costs
/// little, or the target wants it so; else each keeps its own, or the join stays float where nobody needs its codes.
Plan plan_scales(ir::Graph& graph, Regions regions, const targets::Target& target, const std::vector<Range>& seen);

}  // namespace edgesmith::passes::quantize
