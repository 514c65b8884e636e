// SPDX-License-Identifier: Apache-2.0
// Computes equal things once: nodes with the same op, attributes and operands, and constants with the same bits.
//
//   %a = relu %x
//   %b = relu %x
//   %y = add %a, %b     =>   %y = add %a, %a
//
// Opaque nodes are never equal. When both are results of the graph, both stay: the interface needs two names.
#include <algorithm>
#include <map>
#include <span>
#include <string_view>

#include "passes/rewrite.h"

namespace edgesmith::passes {
namespace {

using ir::OpKind;

// Nodes with different keys differ; equal keys are compared in full.
using Key = std::vector<int64_t>;

// At each end of a constant.
constexpr size_t kHashedBytes = 4096;

int64_t content_hash(const ir::Tensor& tensor) {
  if (tensor.encoding() != ir::Encoding::dense || tensor.dtype() == ir::DType::string) return 0;
  // Both ends tell weights apart; those that are alike there are compared in full.
  const auto bytes = tensor.bytes();
  const size_t end = std::min(bytes.size(), kHashedBytes);
  const auto hash_of = [](std::span<const std::byte> part) {
    return std::hash<std::string_view>()({reinterpret_cast<const char*>(part.data()), part.size()});
  };
  return static_cast<int64_t>(hash_of(bytes.first(end)) * 31 + hash_of(bytes.last(end)));
}

Key key_of(const ir::Node& node) {
  Key key = {static_cast<int64_t>(node.op()), node.num_outputs()};
  for (int i = 0; i < node.num_inputs(); ++i) key.push_back(node.input(i) != nullptr ? node.input(i)->id() : -1);
  if (node.is(OpKind::constant)) {
    key.push_back(static_cast<int64_t>(node.tensor().dtype()));
    key.insert(key.end(), node.tensor().dims().begin(), node.tensor().dims().end());
    key.push_back(content_hash(node.tensor()));
  }
  return key;
}

bool equal_outputs(const ir::Node& a, const ir::Node& b) {
  for (int i = 0; i < a.num_outputs(); ++i) {
    const auto &qa = a.output(i).quant(), &qb = b.output(i).quant();
    if (qa.has_value() != qb.has_value() || (qa && !qa->same_codes(*qb))) return false;
    if (a.output(i).is_graph_output() && b.output(i).is_graph_output()) return false;
  }
  return true;
}

bool equal(const ir::Node& a, const ir::Node& b) {
  if (!a.attributes().same_as(b.attributes()) || !equal_outputs(a, b)) return false;
  return !a.is(OpKind::constant) || a.tensor().identical_to(b.tensor());
}

Result<Change> run_eliminate_common_subexpressions(ir::Graph& graph, const Options&, PassContext&) {
  Change change = Change::none;
  std::map<Key, std::vector<ir::Node*>> seen;
  for (ir::Node& node : graph.nodes()) {
    if (node.is(OpKind::input) || node.is(OpKind::output) || node.is(OpKind::opaque)) continue;
    std::vector<ir::Node*>& twins = seen[key_of(node)];
    ir::Node* twin = nullptr;
    for (ir::Node* candidate : twins) {
      if (twin == nullptr && equal(*candidate, node)) twin = candidate;
    }
    if (twin == nullptr) {
      twins.push_back(&node);
      continue;
    }
    for (int i = 0; i < node.num_outputs(); ++i) graph.replace_all_uses(node.output(i), twin->output(i));
    graph.erase(node);
    change = Change::changed;
  }
  return change;
}

}  // namespace

extern const PassInfo eliminate_common_subexpressions_pass = {"eliminate-common-subexpressions",
                                                              "compute equal things once",
                                                              no_options,
                                                              run_eliminate_common_subexpressions,
                                                              false,
                                                              false};

}  // namespace edgesmith::passes
