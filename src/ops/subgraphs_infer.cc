// SPDX-License-Identifier: Apache-2.0
// TypeList of the outputs of If, Loop, Scan and functions: inference over a copy of their graphs, with what is known of
// the operands.
#include <algorithm>

#include "edgesmith/ir/subgraphs.h"
#include "ops/check.h"
#include "ops/subgraphs.h"

namespace edgesmith::ops {
namespace {

using TypeList = std::vector<ir::Type>;
using Kind = ir::Subgraphs::Kind;

KnownInput known_operand(const ir::Node& node, int index, const InferContext& context) {
  if (node.input(index) == nullptr) return {};
  return {node.input(index)->type(), context.constant(node, index)};
}

// What bodies take behind their own inputs.
std::vector<KnownInput> known_operands(const ir::Node& node, int first, const InferContext& context) {
  std::vector<KnownInput> known;
  for (int i = first; i < node.num_inputs(); ++i) known.push_back(known_operand(node, i, context));
  return known;
}

// What is true of both.
ir::Type common(const ir::Type& a, const ir::Type& b) {
  ir::Type type;
  if (a.dtype == b.dtype) type.dtype = a.dtype;
  if (!a.shape || !b.shape || a.shape->size() != b.shape->size()) return type;
  type.shape = a.shape;
  for (size_t i = 0; i < a.shape->size(); ++i) {
    if (!(*a.shape)[i].same_as((*b.shape)[i])) (*type.shape)[i] = ir::Dim();
  }
  return type;
}

Result<TypeList> infer_branches(const ir::Node& node, const InferContext& context) {
  const std::vector<KnownInput> outer = known_operands(node, node.subgraphs->num_inputs, context);
  const ir::Tensor* condition = context.constant(node, 0);
  if (condition != nullptr && condition->dtype() == ir::DType::boolean && condition->size() == 1) {
    return infer_body(node.subgraphs->graphs[condition->dense().data<bool>()[0] ? 0 : 1], outer);
  }
  auto types = infer_body(node.subgraphs->graphs[0], outer);
  if (!types) return types;
  const auto others = infer_body(node.subgraphs->graphs[1], outer);
  if (!others) return others;
  types->resize(std::min(types->size(), others->size()));
  for (size_t i = 0; i < types->size(); ++i) (*types)[i] = common((*types)[i], (*others)[i]);
  return types;
}

// Infers a body whose results [first, first + states) are the next values of inputs [at, at + states). States whose
// shapes change from step to step lose what changes: dims, then the rank. Afterwards the inputs hold the types of all
// steps together.
Result<TypeList> settle_states(const ir::Graph& body, std::vector<KnownInput>& inputs, size_t at, size_t first,
                               size_t states) {
  constexpr int kRounds = 3;
  for (int round = 0;; ++round) {
    auto types = infer_body(body, inputs);
    if (!types) return types;
    if (types->size() < first + states) return invalid_error("the body has too few results");
    bool settled = true;
    for (size_t i = 0; i < states; ++i) {
      ir::Type& before = inputs[at + i].type;
      ir::Type together = common(before, (*types)[first + i]);
      together.dtype = before.dtype;
      if (round + 1 >= kRounds && !(together == before)) together.shape.reset();
      settled = settled && together == before;
      before = std::move(together);
    }
    if (settled) return types;
  }
}

// True when the value that goes on is the condition that came in, or true.
bool always_goes_on(const ir::Graph& body, const ir::Value& condition) {
  const ir::Value* value = body.output_node().input(0);
  while (value->node().is(ir::OpKind::identity)) value = value->node().input(0);
  if (value == &condition) return true;
  const ir::Tensor* constant = value->constant();
  return constant != nullptr && constant->dtype() == ir::DType::boolean && constant->size() == 1 &&
         constant->dense().data<bool>()[0];
}

// The number of steps, where nothing but operand 0 decides on it.
ir::Dim steps_of(const ir::Node& node, const ir::Value& condition, const InferContext& context) {
  if (!always_goes_on(node.subgraphs->graphs.front(), condition)) return {};
  if (node.input(1) != nullptr) {
    const ir::Tensor* first = context.constant(node, 1);
    if (first == nullptr || first->dtype() != ir::DType::boolean || first->size() != 1) return {};
    if (!first->dense().data<bool>()[0]) return ir::Dim(0);
  }
  const auto contents = context.contents(node, 0);
  return contents && contents->size() == 1 ? contents->front() : ir::Dim();
}

TypeList with_axis(const TypeList& results, size_t first, const ir::Ints& axes, const ir::Dim& length) {
  TypeList stacked;
  for (size_t i = first; i < results.size(); ++i) {
    ir::Type type = results[i];
    const size_t slice = i - first;
    const auto axis = normalize_axis(slice < axes.size() ? axes[slice] : 0, type.rank() + 1);
    if (type.shape && axis) type.shape->insert(type.shape->begin() + *axis, length);
    if (!axis) type.shape.reset();
    stacked.push_back(std::move(type));
  }
  return stacked;
}

Result<TypeList> infer_loop(const ir::Node& node, const InferContext& context) {
  const ir::Subgraphs& loop = *node.subgraphs;
  const ir::Graph& body = loop.graphs.front();
  const std::vector<ir::Value*> formals = body.inputs();
  const auto states = static_cast<size_t>(loop.num_inputs) - 2;
  std::vector<KnownInput> inputs = {{formals[0]->type(), nullptr}, {formals[1]->type(), nullptr}};
  for (int i = 2; i < loop.num_inputs; ++i) inputs.push_back({known_operand(node, i, context).type, nullptr});
  for (KnownInput& outer : known_operands(node, loop.num_inputs, context)) inputs.push_back(std::move(outer));
  const auto results = settle_states(body, inputs, 2, 1, states);
  if (!results) return results;
  TypeList types;
  for (size_t i = 0; i < states; ++i) types.push_back(inputs[2 + i].type);
  const TypeList stacked = with_axis(*results, 1 + states, {}, steps_of(node, *formals[1], context));
  types.insert(types.end(), stacked.begin(), stacked.end());
  return types;
}

Result<TypeList> infer_scan(const ir::Node& node, const InferContext& context) {
  const ir::Subgraphs& scan = *node.subgraphs;
  if (scan.batched) return TypeList{};  // only old models have it
  const int states = scan.num_inputs - scan.num_scanned;
  ir::Dim length;
  std::vector<KnownInput> inputs;
  for (int i = 0; i < scan.num_inputs; ++i) {
    ir::Type type = known_operand(node, i, context).type;
    const auto slice = static_cast<size_t>(i - states);
    if (i >= states && type.shape) {
      const auto axis = normalize_axis(slice < scan.input_axes.size() ? scan.input_axes[slice] : 0, type.rank());
      if (!axis) return axis.error();
      const ir::Dim& dim = (*type.shape)[static_cast<size_t>(*axis)];
      if (!length.known() && !dim.unknown()) length = dim;
      type.shape->erase(type.shape->begin() + *axis);
    }
    inputs.push_back({std::move(type), nullptr});
  }
  for (KnownInput& outer : known_operands(node, scan.num_inputs, context)) inputs.push_back(std::move(outer));
  const auto results = settle_states(scan.graphs.front(), inputs, 0, 0, static_cast<size_t>(states));
  if (!results) return results;
  TypeList types;
  for (int i = 0; i < states; ++i) types.push_back(inputs[static_cast<size_t>(i)].type);
  const TypeList stacked = with_axis(*results, static_cast<size_t>(states), scan.output_axes, length);
  types.insert(types.end(), stacked.begin(), stacked.end());
  return types;
}

Result<TypeList> infer_kind(const ir::Node& node, const InferContext& context) {
  switch (node.subgraphs->kind) {
    case Kind::branches: return infer_branches(node, context);
    case Kind::loop: return infer_loop(node, context);
    case Kind::scan: return infer_scan(node, context);
    case Kind::function: break;
  }
  return infer_body(node.subgraphs->graphs.front(), known_operands(node, 0, context));
}

}  // namespace

Result<ir::Graph> typed_body(const ir::Graph& body, std::span<const KnownInput> inputs) {
  ir::Graph copy = body.clone();
  size_t next = 0;
  for (ir::Value* formal : copy.inputs()) {
    const KnownInput known = next < inputs.size() ? inputs[next] : KnownInput{};
    ++next;
    // Nothing of what the body declares is sure but the element type: shapes there are those of one example.
    ir::Type type = known.type;
    if (type.dtype == ir::DType::undefined) type.dtype = formal->type().dtype;
    formal->set_type(std::move(type));
    if (known.constant != nullptr && !formal->unused()) {
      copy.replace_all_uses(*formal, copy.add_constant(*known.constant));
    }
  }
  EDGESMITH_TRY(infer_types(copy));
  return copy;
}

Result<std::vector<ir::Type>> infer_body(const ir::Graph& body, std::span<const KnownInput> inputs) {
  const auto typed = typed_body(body, inputs);
  if (!typed) return typed.error();
  TypeList types;
  for (int i = 0; i < typed->num_outputs(); ++i) types.push_back(typed->output_node().input(i)->type());
  return types;
}

std::vector<ir::Type> infer_subgraphs(const ir::Node& node, const InferContext& context) {
  auto types = infer_kind(node, context);
  return types ? std::move(*types) : TypeList{};
}

}  // namespace edgesmith::ops
