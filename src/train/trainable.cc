// SPDX-License-Identifier: Apache-2.0
#include "train/trainable.h"

#include <algorithm>
#include <set>

#include "edgesmith/ops/op_info.h"
#include "train/weight_form.h"

namespace edgesmith::train {
namespace {

using ir::OpKind;

/// Numbers as low as this, or infinite ones, are a mask of attention.
constexpr float kMasked = -9999;

/// Operands of a node that are trained when they are constants.
struct Operands {
  std::vector<int> weights, others;
  bool element_wise = false;  ///< only beside an operand that depends on trained constants
};

Operands operands_of(const ir::Node& node) {
  switch (node.op()) {
    case OpKind::conv:
    case OpKind::conv_transpose: return {.weights = {1}, .others = {2}};
    case OpKind::gemm: return {.weights = {0, 1}, .others = {2}};
    case OpKind::mat_mul:
    case OpKind::einsum: return {.weights = {0, 1}};
    case OpKind::batch_normalization:
    case OpKind::instance_normalization:
    case OpKind::layer_normalization:
    case OpKind::group_normalization: return {.others = {1, 2}};
    case OpKind::rms_normalization:
    case OpKind::prelu: return {.others = {1}};
    case OpKind::gather: return {.others = {0}};
    case OpKind::add:
    case OpKind::sub:
    case OpKind::mul:
    case OpKind::div: return {.others = {0, 1}, .element_wise = true};
    default: return {};
  }
}

class Finder {
 public:
  Finder(const ir::Graph& graph, const std::vector<bool>& trained)
      : trained_(trained),
        depends_(static_cast<size_t>(graph.num_value_ids()), false),
        found_(static_cast<size_t>(graph.num_value_ids()), -1) {
    for (const ir::Value* input : graph.inputs()) names_.insert(input->name());
    for (ir::Node& node : graph.nodes()) visit(node);
  }

  std::vector<Trainable> take() { return std::move(trainables_); }

 private:
  bool depends(const ir::Value* value) const { return value != nullptr && depends_[static_cast<size_t>(value->id())]; }

  void visit(ir::Node& node) {
    const bool may_change = trained_.empty() || (static_cast<size_t>(node.id()) < trained_.size() &&
                                                 trained_[static_cast<size_t>(node.id())]);
    const Operands operands = operands_of(node);
    bool reads = false;
    for (int i = 0; i < node.num_inputs(); ++i) reads = reads || depends(node.input(i));
    if (may_change && (!operands.element_wise || reads)) {
      for (const int i : operands.weights) reads = add(node, i, /*weight=*/true) || reads;
      for (const int i : operands.others) {
        if (is_learned(node, i, operands.element_wise)) reads = add(node, i, /*weight=*/false) || reads;
      }
    }
    for (int i = 0; i < node.num_outputs(); ++i) depends_[static_cast<size_t>(node.output(i).id())] = reads;
  }

  // Numbers of an Add or Mul, and of a Gather, are not always learned: single ones are part of a formula, vectors that
  // a Gather reads are lists, codes belong to the operator that reads them.
  static bool is_learned(ir::Node& node, int index, bool element_wise) {
    const ir::Use read = first_read({&node, index});
    const ir::Value* value = read.node->input(read.index);
    const ir::Tensor* tensor = value == nullptr ? nullptr : value->constant();
    if (tensor == nullptr) return false;
    if (element_wise) return tensor->size() > 1 && tensor->encoding() == ir::Encoding::dense && !is_mask(*tensor);
    return !node.is(OpKind::gather) || tensor->rank() >= 2;
  }

  static bool is_mask(const ir::Tensor& tensor) {
    if (tensor.dtype() != ir::DType::f32) return false;
    const auto numbers = tensor.data<float>();
    return std::any_of(numbers.begin(), numbers.end(), [](float number) { return !(number > kMasked); });
  }

  // The read of what operators that only change the dims made into an operand: some exporters leave weights transposed.
  static ir::Use first_read(ir::Use use) {
    for (ir::Value* value = use.node->input(use.index); value != nullptr && value->constant() == nullptr;) {
      ir::Node& maker = value->node();
      if (!maker.is(OpKind::transpose) && !maker.is(OpKind::reshape) && !maker.is(OpKind::identity) &&
          !maker.is(OpKind::squeeze) && !maker.is(OpKind::unsqueeze) && !maker.is(OpKind::flatten)) {
        break;
      }
      use = {&maker, 0};
      value = maker.input(0);
    }
    return use;
  }

  bool add(ir::Node& reader, int operand, bool weight) {
    const auto [at_node, index] = first_read({&reader, operand});
    ir::Node& node = *at_node;
    ir::Value* value = node.input(index);
    if (value == nullptr || value->constant() == nullptr) return false;
    const ir::Tensor& tensor = *value->constant();
    if (!has_form(tensor)) return false;
    const bool sums = tensor.encoding() == ir::Encoding::affine && tensor.quant().dtype == ir::DType::i32;
    if (sums && ops::quant_facts(node).bias_operand != index) return false;
    int& at = found_[static_cast<size_t>(value->id())];
    if (at < 0) {
      at = static_cast<int>(trainables_.size());
      trainables_.push_back({.name = unique_name(node, *value, index), .value = value});
    }
    Trainable& trainable = trainables_[static_cast<size_t>(at)];
    const bool known = std::any_of(trainable.uses.begin(), trainable.uses.end(),
                                   [&](const ir::Use& use) { return use.node == &node && use.index == index; });
    if (!known) trainable.uses.push_back({&node, index});
    trainable.weight = trainable.weight || (weight && tensor.rank() >= 2);
    return true;
  }

  std::string unique_name(const ir::Node& node, const ir::Value& value, int index) {
    std::string name = value.name();
    if (name.empty()) {
      name = (node.name().empty() ? std::string(ir::op_name(node.op())) : node.name()) + "." + std::to_string(index);
    }
    std::string candidate = name;
    const auto taken = [&](const std::string& text) {
      return names_.contains(text) || names_.contains(text + ".step") || names_.contains(text + ".codebook");
    };
    for (int number = 2; taken(candidate); ++number) candidate = name + "." + std::to_string(number);
    names_.insert({candidate, candidate + ".step", candidate + ".codebook"});
    return candidate;
  }

  const std::vector<bool>& trained_;
  std::vector<bool> depends_;  // by value id: on a trained constant
  std::vector<int> found_;     // by value id: index into trainables_
  std::set<std::string> names_;
  std::vector<Trainable> trainables_;
};

}  // namespace

std::vector<Trainable> find_trainables(const ir::Graph& graph, const std::vector<bool>& trained) {
  return Finder(graph, trained).take();
}

}  // namespace edgesmith::train
