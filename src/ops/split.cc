// SPDX-License-Identifier: Apache-2.0
// split: x cut along `axis` (attribute, default 0) into as many parts as there are outputs. Sizes: the optional operand
// `split` (i64 vector), else equal parts; with attribute num_outputs the last part may be smaller. Any element type.
#include <algorithm>
#include <string>

#include "ops/check.h"
#include "ops/elements.h"
#include "ops/facts.h"
#include "ops/gradient_rules.h"
#include "ops/operands.h"
#include "ops/slices.h"

namespace edgesmith::ops::split_op {
namespace {

Status verify(const ir::Node& node) {
  EDGESMITH_TRY(check_attributes(node, {{"axis", AttributeKind::integer}, {"num_outputs", AttributeKind::integer}}));
  const int64_t count = node.attributes().get_int("num_outputs", node.num_outputs());
  if (count != node.num_outputs()) {
    return invalid_error("num_outputs is " + std::to_string(count) + ", the node has " +
                         std::to_string(node.num_outputs()) + " outputs");
  }
  if (node.attributes().has("num_outputs") && node.input(1) != nullptr) {
    return invalid_error("both num_outputs and the operand split are given");
  }
  const auto& x = node.input(0)->type().shape;
  if (!x) return {};
  const auto axis = normalize_axis(node.attributes().get_int("axis", 0), static_cast<int>(x->size()));
  return axis ? Status{} : axis.error();
}

// The sizes of the parts of an axis of size `dim`; `stated` are the numbers of the operand, if any.
Result<ir::Ints> part_sizes(const ir::Node& node, int64_t dim, const std::optional<ir::Ints>& stated) {
  const int64_t parts = node.num_outputs();
  ir::Ints sizes;
  if (stated) {
    int64_t rest = dim;
    for (int64_t size : *stated) {
      if (size < 0 || size > rest) rest = -1;
      if (rest >= 0) rest -= size;
    }
    if (rest == 0 && static_cast<int64_t>(stated->size()) == parts) return *stated;
    return invalid_error("the " + std::to_string(stated->size()) + " sizes in split do not make up " +
                         std::to_string(dim) + " elements in " + std::to_string(parts) + " parts");
  }
  if (dim % parts != 0 && !node.attributes().has("num_outputs")) {
    return invalid_error(std::to_string(dim) + " elements cannot be cut into " + std::to_string(parts) +
                         " equal parts");
  }
  const int64_t size = dim / parts + (dim % parts != 0 ? 1 : 0);
  for (int64_t rest = dim; static_cast<int64_t>(sizes.size()) < parts; rest -= sizes.back()) {
    sizes.push_back(std::min(size, rest));
  }
  return sizes;
}

// Contents of the parts of a small integer vector.
void infer_contents(const ir::Node& node, InferContext& context, const ir::Ints& sizes) {
  const auto contents = context.contents(node, 0);
  if (!contents || node.input(0)->type().rank() != 1) return;
  auto from = contents->begin();
  for (int i = 0; i < node.num_outputs(); ++i) {
    const auto size = sizes[static_cast<size_t>(i)];
    if (contents->end() - from < size) return;
    context.set_contents(node, i, ir::Shape(from, from + size));
    from += size;
  }
}

Result<std::vector<ir::Type>> infer(const ir::Node& node, InferContext& context) {
  std::vector<ir::Type> types(static_cast<size_t>(node.num_outputs()), node.input(0)->type());
  if (!types[0].shape) return types;
  const auto axis = normalize_axis(node.attributes().get_int("axis", 0), types[0].rank());
  if (!axis) return axis.error();
  const auto stated = known_ints(node, 1, context, "split");
  if (!stated) return stated.error();
  const ir::Dim dim = (*types[0].shape)[static_cast<size_t>(*axis)];
  ir::Shape sizes(types.size());
  if (dim.known() && (*stated || node.input(1) == nullptr)) {
    const auto parts = part_sizes(node, dim.value(), *stated);
    if (!parts) return parts.error();
    sizes = ir::to_shape(*parts);
    infer_contents(node, context, *parts);
  } else if (*stated && (*stated)->size() == sizes.size()) {
    sizes = ir::to_shape(**stated);
  }
  for (size_t i = 0; i < types.size(); ++i) (*types[i].shape)[static_cast<size_t>(*axis)] = sizes[i];
  return types;
}

Result<std::vector<ir::Tensor>> eval(const ir::Node& node, std::span<const ir::Tensor* const> inputs) {
  const ir::Tensor& x = *inputs[0];
  const auto axis = normalize_axis(node.attributes().get_int("axis", 0), x.rank());
  if (!axis) return axis.error();
  std::optional<ir::Ints> stated;
  if (const ir::Tensor* sizes = operand(inputs, 1)) {
    auto ints = read_ints(*sizes, "split");
    if (!ints) return ints.error();
    stated = std::move(*ints);
  }
  const auto at = static_cast<size_t>(*axis);
  const auto sizes = part_sizes(node, x.dims()[at], stated);
  if (!sizes) return sizes.error();
  std::vector<ir::Tensor> parts;
  int64_t first = 0;
  for (int64_t size : *sizes) {
    auto maps = identity_maps(x.dims());
    maps[at].erase(maps[at].begin(), maps[at].begin() + first);
    maps[at].resize(static_cast<size_t>(size));
    auto part = take(x, maps);
    if (!part) return part.error();
    parts.push_back(std::move(*part));
    first += size;
  }
  return parts;
}

std::optional<ChannelRelation> channels(const ir::Node& node, int axis) {
  const ir::Value* stated = node.input(1);
  const auto cut = normalize_axis(node.attributes().get_int("axis", 0), node.input(0)->type().rank());
  if (!cut || (stated != nullptr && stated->constant() == nullptr)) return std::nullopt;
  ChannelRelation relation;
  int64_t first = 0;
  for (int i = 0; i < node.num_outputs(); ++i) {
    SliceLink& link = relation.links.emplace_back(SliceLink{.operand = 0, .axis = axis, .output = i});
    if (axis != *cut) continue;
    const auto size = size_along(node.output(i), axis);
    if (!size) return std::nullopt;
    link.from.first = first;
    link.count = *size;
    first += *size;
  }
  return relation;
}

// The parts joined again; a part that nothing reads has gradient 0.
Gradients gradient(GradientBuilder& build, const ir::Node& node, std::span<ir::Value* const> outputs) {
  const ir::DType dtype = node.input(0)->type().dtype;
  ir::Node& joined = build.append_node(ir::OpKind::concat, {}, 1, {{"axis", node.attributes().get_int("axis", 0)}});
  for (int i = 0; i < node.num_outputs(); ++i) {
    ir::Value* part = outputs[static_cast<size_t>(i)];
    if (part == nullptr) part = expand_like(build.number(0, dtype), node.output(i)).value;
    build.graph().set_input(joined, i, part);
  }
  build.graph().move_before(joined, build.graph().output_node());
  return std::vector{&joined.output()};
}

}  // namespace

extern const OpInfo split_info = {.kind = ir::OpKind::split,
                                  .min_inputs = 1,
                                  .max_inputs = 2,
                                  .min_outputs = 1,
                                  .max_outputs = -1,
                                  .verify = verify,
                                  .infer = infer,
                                  .eval = eval,
                                  .cost = no_cost,
                                  .quant = transparent_one,
                                  .channels = channels,
                                  .gradient = gradient};

}  // namespace edgesmith::ops::split_op
