// SPDX-License-Identifier: Apache-2.0
#include "passes/simplify/constant_regions.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <vector>

#include "edgesmith/ops/op_info.h"
#include "passes/rewrite.h"

namespace edgesmith::passes {
namespace {

// Constants of fewer bytes (axes, steps) may serve many parts and tie none together.
constexpr int64_t kSmallBytes = 64;
// Values on the way may take so many times what the part replaces.
constexpr int64_t kMostGrowth = 4;

size_t id_of(const ir::Value& value) { return static_cast<size_t>(value.id()); }

// Bytes as far as the inferred type tells; -1 when it does not.
int64_t bytes_of(const ir::Value& value) {
  const auto dims = value.type().static_dims();
  const int64_t count = dims ? ir::num_elements(*dims) : -1;
  return count < 0 ? -1 : ir::packed_bytes(count, ir::dtype_bits(value.type().dtype));
}

struct Region {
  std::vector<ir::Node*> nodes;  // in order
  int64_t freed = 0, made = 0;   // bytes
  bool known = true;             // the bytes of every value are
};

class Folder {
 public:
  explicit Folder(ir::Graph& graph) : graph_(graph), inside_(static_cast<size_t>(graph.num_value_ids())) {}

  Result<int> run() {
    find();
    int count = 0;
    for (auto& [root, region] : regions()) {
      if (!region.known || region.made > region.freed || region.nodes.size() < 2) continue;
      auto folded = fold(region);
      if (!folded) return folded.error();
      count += *folded;
    }
    return count;
  }

 private:
  bool joins(const ir::Node& node) const {
    if (node.op() <= ir::OpKind::opaque || node.num_outputs() != 1 || !is_plain(node.output())) return false;
    if (node.num_inputs() == 0 || ops::find_op(node.op())->eval == nullptr) return false;
    for (int i = 0; i < node.num_inputs(); ++i) {
      const ir::Value* value = node.input(i);
      if (value != nullptr && plain_constant(node, i) == nullptr && !inside_[id_of(*value)]) return false;
    }
    return true;
  }

  // Marks what depends on constants alone, and ties together what shares a value.
  void find() {
    parent_.resize(inside_.size());
    std::iota(parent_.begin(), parent_.end(), size_t{0});
    for (ir::Node& node : graph_.nodes()) {
      if (!joins(node)) continue;
      inside_[id_of(node.output())] = true;
      nodes_.push_back(&node);
      for (int i = 0; i < node.num_inputs(); ++i) {
        const ir::Value* value = node.input(i);
        if (value == nullptr) continue;
        const ir::Tensor* constant = value->constant();
        if (constant != nullptr && constant->stored_bytes() < kSmallBytes) continue;
        parent_[root_of(id_of(*value))] = root_of(id_of(node.output()));
      }
    }
  }

  size_t root_of(size_t id) {
    while (parent_[id] != id) id = parent_[id] = parent_[parent_[id]];
    return id;
  }

  bool read_outside(const ir::Value& value) const {
    return std::any_of(value.uses().begin(), value.uses().end(), [&](const ir::Use& use) {
      return use.node->num_outputs() != 1 || !inside_[id_of(use.node->output())];
    });
  }

  std::map<size_t, Region> regions() {
    std::map<size_t, Region> regions;
    std::vector<bool> counted(inside_.size());
    for (ir::Node* node : nodes_) {
      Region& region = regions[root_of(id_of(node->output()))];
      region.nodes.push_back(node);
      const int64_t bytes = bytes_of(node->output());
      region.known = region.known && bytes >= 0;
      if (read_outside(node->output())) region.made += bytes;
      for (int i = 0; i < node->num_inputs(); ++i) {
        const ir::Value* value = node->input(i);
        if (value == nullptr || value->constant() == nullptr || counted[id_of(*value)]) continue;
        counted[id_of(*value)] = true;
        if (!read_outside(*value)) region.freed += value->constant()->stored_bytes();
      }
    }
    for (auto& [root, region] : regions) {
      for (const ir::Node* node : region.nodes) {
        region.known = region.known && bytes_of(node->output()) <= kMostGrowth * region.freed;
      }
    }
    return regions;
  }

  // Computes the values of the region; those that are read outside become constants.
  Result<int> fold(const Region& region) {
    std::map<const ir::Value*, ir::Tensor> values;
    for (ir::Node* node : region.nodes) {
      std::vector<const ir::Tensor*> inputs;
      for (int i = 0; i < node->num_inputs(); ++i) {
        const ir::Value* value = node->input(i);
        if (value != nullptr && value->constant() != nullptr) values.emplace(value, value->constant()->dense());
        inputs.push_back(value != nullptr ? &values.at(value) : nullptr);
      }
      auto outputs = ops::eval_node(*node, inputs);
      if (!outputs && outputs.error().kind == ErrorKind::unsupported) return 0;
      if (!outputs) return outputs.error();
      values.emplace(&node->output(), std::move((*outputs)[0]));
    }
    int count = 0;
    for (auto node = region.nodes.rbegin(); node != region.nodes.rend(); ++node) {
      ir::Value& value = (*node)->output();
      if (!read_outside(value)) continue;
      ir::Value& constant = graph_.add_constant(std::move(values.at(&value)), value.name(), *node);
      bypass_node(graph_, **node, constant);
      ++count;
    }
    return count;
  }

  ir::Graph& graph_;
  std::vector<bool> inside_;      // by value id: computed from constants alone
  std::vector<size_t> parent_;    // by value id: union-find over what belongs together
  std::vector<ir::Node*> nodes_;  // in order
};

}  // namespace

Result<int> fold_regions(ir::Graph& graph) { return Folder(graph).run(); }

}  // namespace edgesmith::passes
