// SPDX-License-Identifier: Apache-2.0
// transpose: axis k of the result is axis perm[k] of x. Attribute perm (default: the axes reversed). Any element type.
#include <algorithm>
#include <numeric>
#include <string>

#include "ops/check.h"
#include "ops/contents.h"
#include "ops/elements.h"
#include "ops/facts.h"
#include "ops/gradient_rules.h"
#include "ops/slices.h"

namespace edgesmith::ops::transpose_op {
namespace {

// perm for this rank. Errors: invalid when it is no permutation.
Result<ir::Ints> permutation(const ir::Node& node, size_t rank) {
  ir::Ints reversed(rank);
  std::iota(reversed.rbegin(), reversed.rend(), 0);
  ir::Ints perm = node.attributes().get_ints("perm", reversed);
  ir::Ints sorted = perm;
  std::sort(sorted.begin(), sorted.end());
  std::reverse(reversed.begin(), reversed.end());
  if (sorted == reversed) return perm;
  return invalid_error("perm is no permutation of the " + std::to_string(rank) + " axes of the input");
}

Status verify(const ir::Node& node) {
  EDGESMITH_TRY(check_attributes(node, {{"perm", AttributeKind::integers}}));
  const auto& x = node.input(0)->type().shape;
  if (!x) return {};
  const auto perm = permutation(node, x->size());
  return perm ? Status{} : perm.error();
}

Result<std::vector<ir::Type>> infer(const ir::Node& node, InferContext& context) {
  const ir::Type& x = node.input(0)->type();
  ir::Type type{x.dtype, std::nullopt};
  const size_t rank = x.shape ? x.shape->size() : node.attributes().get_ints("perm").size();
  if (!x.shape && !node.attributes().has("perm")) return std::vector{type};
  const auto perm = permutation(node, rank);
  if (!perm) return perm.error();
  type.shape.emplace();
  for (int64_t axis : *perm) type.shape->push_back(x.shape ? (*x.shape)[static_cast<size_t>(axis)] : ir::Dim());
  pass_contents(node, context, type);
  return std::vector{type};
}

Result<std::vector<ir::Tensor>> eval(const ir::Node& node, std::span<const ir::Tensor* const> inputs) {
  const auto perm = permutation(node, inputs[0]->dims().size());
  if (!perm) return perm.error();
  auto y = permute(*inputs[0], *perm);
  if (!y) return y.error();
  return std::vector{std::move(*y)};
}

std::optional<ChannelRelation> channels(const ir::Node& node, int axis) {
  const auto perm = permutation(node, static_cast<size_t>(node.output().type().rank()));
  if (!perm) return std::nullopt;
  return ChannelRelation{.links = {{0, static_cast<int>((*perm)[static_cast<size_t>(axis)])}}, .mixing = {}};
}

Gradients gradient(GradientBuilder& build, const ir::Node& node, std::span<ir::Value* const> outputs) {
  const auto perm = permutation(node, node.output().type().shape->size());
  if (!perm) return perm.error();
  ir::Ints inverse(perm->size());
  for (size_t i = 0; i < perm->size(); ++i) inverse[static_cast<size_t>((*perm)[i])] = static_cast<int64_t>(i);
  return std::vector{&build.append(ir::OpKind::transpose, {outputs[0]}, {{"perm", inverse}})};
}

}  // namespace

extern const OpInfo transpose_info = {.kind = ir::OpKind::transpose,
                                      .min_inputs = 1,
                                      .max_inputs = 1,
                                      .min_outputs = 1,
                                      .max_outputs = 1,
                                      .verify = verify,
                                      .infer = infer,
                                      .eval = eval,
                                      .cost = no_cost,
                                      .quant = transparent_one,
                                      .channels = channels,
                                      .gradient = gradient};

}  // namespace edgesmith::ops::transpose_op
