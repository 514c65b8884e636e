// SPDX-License-Identifier: Apache-2.0
// rotary_embedding: pairs of numbers of every head turned by angles that depend on the step (Su et al. 2021).
//
// Operands: x [batch, heads, steps, size] or [batch, steps, heads * size] (then attribute num_heads is required);
// caches of cosines and sines [positions, n / 2] with the optional position_ids i64 [batch, steps], or [batch, steps, n
// / 2] without. Attributes: rotary_embedding_dim = n, how many numbers of a head are turned (0: all of them; the rest
// stays), interleaved = 0 (pairs are i and i + n / 2; 1: neighbours). f32, f64; f16 and bf16 through f32.
#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "ops/check.h"
#include "ops/dispatch.h"
#include "ops/elements.h"
#include "ops/gradient_rules.h"
#include "ops/operands.h"
#include "ops/slices.h"

namespace edgesmith::ops::rotary_embedding_op {
namespace {

Status verify(const ir::Node& node) {
  EDGESMITH_TRY(check_attributes(node, {{"interleaved", AttributeKind::integer},
                                        {"num_heads", AttributeKind::integer},
                                        {"rotary_embedding_dim", AttributeKind::integer}}));
  EDGESMITH_TRY(check_flag(node, "interleaved"));
  EDGESMITH_TRY(check_same_dtype(node, {0, 1, 2}));
  const int rank = node.input(0)->type().rank();
  if (rank >= 0 && rank != 3 && rank != 4)
    return invalid_error("x has rank " + std::to_string(rank) + ", must be 3 or 4");
  if (rank == 3 && node.attributes().get_int("num_heads", 0) <= 0) return invalid_error("num_heads is missing");
  return {};
}

Result<std::vector<ir::Type>> infer(const ir::Node& node, InferContext&) { return std::vector{node.input(0)->type()}; }

// Where the numbers of a head lie in x, and where its angles lie in the caches.
struct Layout {
  int64_t batch, heads, steps, size, turned;
  bool flat;

  int64_t at(int64_t b, int64_t h, int64_t s) const {
    return flat ? ((b * steps + s) * heads + h) * size : ((b * heads + h) * steps + s) * size;
  }
};

Result<Layout> layout_of(const ir::Node& node, const ir::Dims& dims) {
  const int64_t heads = node.attributes().get_int("num_heads", 0);
  Layout layout{};
  if (dims.size() == 4) {
    layout = {dims[0], dims[1], dims[2], dims[3], 0, false};
  } else if (dims.size() == 3 && heads > 0 && dims[2] % heads == 0) {
    layout = {dims[0], heads, dims[1], dims[2] / heads, 0, true};
  } else {
    return invalid_error("x is " + ir::type_of(ir::DType::f32, dims).text() + " for " + std::to_string(heads) +
                         " heads");
  }
  layout.turned = node.attributes().get_int("rotary_embedding_dim", 0);
  if (layout.turned == 0) layout.turned = layout.size;
  if (layout.turned > 0 && layout.turned <= layout.size && layout.turned % 2 == 0) return layout;
  return invalid_error(std::to_string(layout.turned) + " of " + std::to_string(layout.size) +
                       " numbers of a head cannot be turned");
}

// Rows of the caches by [batch, steps].
Result<ir::Ints> rows_of(const Layout& layout, const ir::Tensor& cache, const ir::Tensor* positions) {
  ir::Dims expected = {layout.batch, layout.steps};
  ir::Ints rows;
  if (positions == nullptr) {
    for (int64_t i = 0; i < layout.batch * layout.steps; ++i) rows.push_back(i);
    expected.push_back(layout.turned / 2);
    if (cache.dims() == expected) return rows;
    return invalid_error("the cache is " + cache.type().text() + ", must be " +
                         ir::type_of(cache.dtype(), expected).text());
  }
  if (cache.rank() != 2 || cache.dims()[1] != layout.turned / 2) {
    return invalid_error("the cache is " + cache.type().text() + ", must be [?," + std::to_string(layout.turned / 2) +
                         "]");
  }
  if (positions->dims() != expected || !ir::is_integer(positions->dtype())) {
    return invalid_error("position_ids is " + positions->type().text() + ", must be " +
                         ir::type_of(ir::DType::i64, expected).text());
  }
  for (int64_t row : positions->to_int64s()) {
    if (row < 0) row += cache.dims()[0];
    if (row < 0 || row >= cache.dims()[0]) {
      return invalid_error("a position is out of range for a cache of " + std::to_string(cache.dims()[0]));
    }
    rows.push_back(row);
  }
  return rows;
}

Result<std::vector<ir::Tensor>> eval(const ir::Node& node, std::span<const ir::Tensor* const> inputs) {
  const ir::Tensor &x = *inputs[0], &cosines = *inputs[1], &sines = *inputs[2];
  const auto layout = layout_of(node, x.dims());
  if (!layout) return layout.error();
  const auto rows = rows_of(*layout, cosines, operand(inputs, 3));
  if (!rows) return rows.error();
  if (sines.dims() != cosines.dims() || sines.dtype() != x.dtype() || cosines.dtype() != x.dtype()) {
    return invalid_error("the caches are " + cosines.type().text() + " and " + sines.type().text());
  }
  const bool neighbours = node.attributes().get_int("interleaved", 0) != 0;
  return dispatch(FloatTypes{}, x.dtype(), [&]<typename T>() -> Result<std::vector<ir::Tensor>> {
    ir::Tensor y = ir::Tensor::zeros(x.dtype(), x.dims());
    const T* from = x.data<T>().data();
    T* to = y.mutable_data<T>().data();
    std::copy_n(from, x.size(), to);
    const int64_t half = layout->turned / 2;
    for (int64_t b = 0; b < layout->batch; ++b) {
      for (int64_t s = 0; s < layout->steps; ++s) {
        const int64_t row = (*rows)[static_cast<size_t>(b * layout->steps + s)] * half;
        const T *c = cosines.data<T>().data() + row, *n = sines.data<T>().data() + row;
        for (int64_t h = 0; h < layout->heads; ++h) {
          const int64_t start = layout->at(b, h, s);
          for (int64_t i = 0; i < half; ++i) {
            const int64_t first = start + (neighbours ? 2 * i : i), second = first + (neighbours ? 1 : half);
            to[first] = c[i] * from[first] - n[i] * from[second];
            to[second] = n[i] * from[first] + c[i] * from[second];
          }
        }
      }
    }
    return std::vector{std::move(y)};
  });
}

// Heads: an axis of their own, or the outer factor of the last one.
std::optional<ChannelRelation> channels(const ir::Node& node, int axis) {
  const int rank = node.input(0)->type().rank();
  if (rank == 4) return axis == 1 ? same_slices(node, 1) : std::nullopt;
  const int64_t heads = node.attributes().get_int("num_heads", 0);
  const auto width = size_along(*node.input(0), 2);
  if (rank != 3 || axis != 2 || heads < 1 || !width || *width % heads != 0) return std::nullopt;
  const SliceUnits units = {.inner = *width / heads};
  return ChannelRelation{.links = {{0, 2, units, units, heads}}, .mixing = {}};
}

// The first and the second numbers of the pairs of a term that lies as x does, both [batch, steps, heads, half].
std::array<Term, 2> pairs_of(const Term& a, const ir::Node& node, int64_t half) {
  GradientBuilder& build = *a.build;
  const int64_t heads = node.attributes().get_int("num_heads", 0);
  const bool flat = node.input(0)->type().rank() == 3;
  ir::Value& steps = flat ? build.append(ir::OpKind::reshape, {a.value, &build.ints({0, 0, heads, -1})})
                          : build.append(ir::OpKind::transpose, {a.value}, {{"perm", ir::Ints{0, 2, 1, 3}}});
  const bool neighbours = node.attributes().get_int("interleaved", 0) != 0;
  const auto part = [&](int64_t start, int64_t end, int64_t step) {
    return build.term(build.append(ir::OpKind::slice, {&steps, &build.ints({start}), &build.ints({end}),
                                                       &build.ints({3}), &build.ints({step})}),
                      a.dtype);
  };
  if (neighbours) return {part(0, 2 * half, 2), part(1, 2 * half, 2)};
  return {part(0, half, 1), part(half, 2 * half, 1)};
}

// Of x: dy turned back. Of the caches c and n, whose pairs (a, b) are turned to (c * a - n * b, n * a + c * b): dc = da
// * a + db * b, dn = db * a - da * b, summed over heads, and over the steps that read the same row.
Gradients gradient(GradientBuilder& build, const ir::Node& node, std::span<ir::Value* const> outputs) {
  const Term x = build.term(*node.input(0)), dy = build.term(*outputs[0], x.dtype);
  ir::Value &cosines = *node.input(1), *positions = node.input(3);
  std::vector<ir::Value*> gradients(4);
  if (build.wants(0)) {
    const Term back = -build.term(*node.input(2));
    ir::Node& turned = build.append_node(node.op(), {dy.value, &cosines, back.value, positions}, 1);
    for (const auto& [name, value] : node.attributes()) turned.attributes().set(name, value);
    gradients[0] = &turned.output();
  }
  if (!build.wants(1) && !build.wants(2)) return gradients;
  const ir::Dim& half = cosines.type().shape->back();
  if (!half.known()) {
    return unsupported_error(
        "how many numbers of a head are turned is not known, which the gradient of its caches needs",
        "declare the shapes of the model's inputs");
  }
  const auto [a, b] = pairs_of(x, node, half.value());
  const auto [da, db] = pairs_of(dy, node, half.value());
  const auto give = [&](size_t i, const Term& products) {
    ir::Value* sum = reduce_sum(products, {2}, /*keep_dims=*/false).value;
    gradients[i] = positions == nullptr
                       ? sum
                       : &build.append(ir::OpKind::gather_gradient, {sum, positions, &build.size_of(cosines, 0)},
                                       {{"axis", int64_t{0}}});
  };
  if (build.wants(1)) give(1, da * a + db * b);
  if (build.wants(2)) give(2, db * a - da * b);
  return gradients;
}

}  // namespace

extern const OpInfo rotary_embedding_info = {.kind = ir::OpKind::rotary_embedding,
                                             .min_inputs = 3,
                                             .max_inputs = 4,
                                             .min_outputs = 1,
                                             .max_outputs = 1,
                                             .verify = verify,
                                             .infer = infer,
                                             .eval = half_as_float<eval>,
                                             .cost = nullptr,
                                             .quant = nullptr,
                                             .channels = channels,
                                             .gradient = gradient};

}  // namespace edgesmith::ops::rotary_embedding_op
