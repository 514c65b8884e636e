// SPDX-License-Identifier: Apache-2.0
// unique: the different elements of x, or with `axis` its different slices along it: sorted (attribute sorted = 1, the
// default) or in the order of their first occurrence. Outputs: y, and on request i64 vectors: the place of each one's
// first occurrence, for every element (slice) of x which one it is, and how often each occurs. Every number and
// boolean type.
#include <algorithm>
#include <functional>
#include <numeric>
#include <string>
#include <vector>

#include "ops/check.h"
#include "ops/dispatch.h"
#include "ops/elements.h"
#include "ops/facts.h"
#include "ops/gradient_rules.h"
#include "ops/places.h"

namespace edgesmith::ops::unique_op {
namespace {

Status verify(const ir::Node& node) {
  EDGESMITH_TRY(check_attributes(node, {{"axis", AttributeKind::integer}, {"sorted", AttributeKind::integer}}));
  EDGESMITH_TRY(check_flag(node, "sorted"));
  if (!node.attributes().has("axis") || !node.input(0)->type().has_rank()) return {};
  const auto axis = normalize_axis(node.attributes().get_int("axis", 0), node.input(0)->type().rank());
  return axis ? Status{} : axis.error();
}

Result<std::vector<ir::Type>> infer(const ir::Node& node, InferContext&) {
  ir::Type type = node.input(0)->type();
  if (!node.attributes().has("axis")) {
    type.shape = ir::Shape(1);
  } else if (type.shape) {
    const auto axis = normalize_axis(node.attributes().get_int("axis", 0), type.rank());
    if (!axis) return axis.error();
    (*type.shape)[static_cast<size_t>(*axis)] = ir::Dim();
  }
  std::vector<ir::Type> types = {type};
  for (int i = 1; i < node.num_outputs(); ++i) types.push_back({ir::DType::i64, ir::Shape(1)});
  return types;
}

// Classes of equal slices.
struct Classes {
  std::vector<int64_t> first, member, count;
};

// Slice a sorts before slice b. One type for all elements: sorting is compiled once.
using Compare = std::function<bool(int64_t a, int64_t b)>;

Classes classes_of(int64_t slices, bool sorted, const Compare& compare) {
  std::vector<int64_t> order(static_cast<size_t>(slices));
  std::iota(order.begin(), order.end(), int64_t{0});
  std::stable_sort(order.begin(), order.end(), compare);
  Classes found;
  found.member.resize(order.size());
  for (size_t i = 0; i < order.size(); ++i) {
    if (i == 0 || compare(order[i - 1], order[i])) {
      found.first.push_back(order[i]);
      found.count.push_back(0);
    }
    found.member[static_cast<size_t>(order[i])] = static_cast<int64_t>(found.first.size()) - 1;
    ++found.count.back();
  }
  if (sorted) return found;
  std::vector<int64_t> by_place(found.first.size()), rank(found.first.size());
  std::iota(by_place.begin(), by_place.end(), int64_t{0});
  std::sort(by_place.begin(), by_place.end(), [&](int64_t a, int64_t b) {
    return found.first[static_cast<size_t>(a)] < found.first[static_cast<size_t>(b)];
  });
  Classes moved;
  for (size_t i = 0; i < by_place.size(); ++i) {
    rank[static_cast<size_t>(by_place[i])] = static_cast<int64_t>(i);
    moved.first.push_back(found.first[static_cast<size_t>(by_place[i])]);
    moved.count.push_back(found.count[static_cast<size_t>(by_place[i])]);
  }
  for (const int64_t member : found.member) moved.member.push_back(rank[static_cast<size_t>(member)]);
  return moved;
}

Result<std::vector<ir::Tensor>> eval(const ir::Node& node, std::span<const ir::Tensor* const> inputs) {
  const bool flat = !node.attributes().has("axis");
  const ir::Tensor x = flat ? inputs[0]->reshaped({inputs[0]->size()}) : *inputs[0];
  const auto axis = normalize_axis(node.attributes().get_int("axis", 0), x.rank());
  if (!axis) return axis.error();
  const auto at = static_cast<size_t>(*axis);
  const int64_t slices = x.dims()[at], inner = strides_of(x.dims())[at];
  const int64_t size = slices == 0 ? 0 : x.size() / slices;
  const bool sorted = node.attributes().get_int("sorted", 1) != 0;
  auto compare = dispatch(NumberOrBoolTypes{}, x.dtype(), [&]<typename T>() -> Result<Compare> {
    const T* data = x.data<T>().data();
    return Compare([=](int64_t a, int64_t b) {
      for (int64_t i = 0; i < size; ++i) {
        const int64_t at = i / inner * slices * inner + i % inner;
        const T left = data[at + a * inner], right = data[at + b * inner];
        if (left != right) return left < right;
      }
      return false;
    });
  });
  if (!compare) return compare.error();
  const Classes classes = classes_of(slices, sorted, *compare);
  auto maps = identity_maps(x.dims());
  maps[at] = classes.first;
  auto y = take(x, maps);
  if (!y) return y.error();
  const auto vector = [](const std::vector<int64_t>& values) {
    return ir::Tensor::of<int64_t>({static_cast<int64_t>(values.size())}, values);
  };
  std::vector<ir::Tensor> results = {std::move(*y), vector(classes.first), vector(classes.member),
                                     vector(classes.count)};
  results.resize(static_cast<size_t>(node.num_outputs()));
  return results;
}

// The first of equal elements (slices) is the one that was taken.
Gradients gradient(GradientBuilder& build, const ir::Node& node, std::span<ir::Value* const> outputs) {
  ir::Value& x = *node.input(0);
  const bool flat = !node.attributes().has("axis");
  const auto axis = normalize_axis(node.attributes().get_int("axis", 0), flat ? 1 : x.type().rank());
  if (!axis) return axis.error();
  ir::Value* first = nullptr;
  if (node.num_outputs() > 1) {
    first = &node.output(1);
  } else {
    ir::Node& again = build.append_node(ir::OpKind::unique, {&x}, 2);
    for (const auto& [name, value] : node.attributes()) again.attributes().set(name, value);
    first = &again.output(1);
  }
  ir::Value& size = flat ? num_elements(build, x) : build.size_of(x, *axis);
  ir::Value& dx = build.append(ir::OpKind::gather_gradient, {outputs[0], first, &size}, {{"axis", int64_t{*axis}}});
  return std::vector{flat ? reshape_like(build.term(dx, x.type().dtype), x).value : &dx};
}

}  // namespace

extern const OpInfo unique_info = {.kind = ir::OpKind::unique,
                                   .min_inputs = 1,
                                   .max_inputs = 1,
                                   .min_outputs = 1,
                                   .max_outputs = 4,
                                   .verify = verify,
                                   .infer = infer,
                                   .eval = half_as_float<eval>,
                                   .cost = nullptr,
                                   .quant = nullptr,
                                   .gradient = gradient};

}  // namespace edgesmith::ops::unique_op
