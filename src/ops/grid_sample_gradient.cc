// SPDX-License-Identifier: Apache-2.0
#include "ops/grid_sample_gradient.h"

#include <numeric>
#include <string>
#include <vector>

namespace edgesmith::ops {
namespace {

using ir::DType;
using ir::OpKind;

// What an axis contributes to the elements that the places read: [N, P, T] each.
struct AxisTaps {
  Term element;  // i64, within the axis
  Term share;    // f64, 0 for what lies outside
  Term slope;    // f64, of the share by the grid's number; none for nearest
};

class GridSampleGradient {
 public:
  GridSampleGradient(GradientBuilder& build, const ir::Node& node)
      : build_(build),
        x_(*node.input(0)),
        grid_(*node.input(1)),
        axes_(x_.type().rank() - 2),
        dtype_(x_.type().dtype),
        mode_(node.attributes().get_string("mode", "linear")),
        padding_(node.attributes().get_string("padding_mode", "zeros")),
        aligned_(node.attributes().get_int("align_corners", 0) != 0) {}

  std::vector<ir::Value*> run(ir::Value& dy) {
    std::vector<ir::Value*> gradients(2);
    const bool moves = build_.wants(1) && mode_ != "nearest";
    if (!build_.wants(0) && !moves) return gradients;
    std::vector<AxisTaps> taps;
    for (int axis = 0; axis < axes_; ++axis) taps.push_back(taps_along(axis));
    ir::Value& elements = elements_of(taps);
    const Term pixels_dy = unsqueeze(pixels(build_.term(dy, dtype_)), {1});  // [N * P, 1, C]
    if (build_.wants(0)) {
      const Term parts = pixels_dy * unsqueeze(cast(shares(taps, -1), dtype_), {2});
      ir::Value& size = build_.append(OpKind::mul, {&build_.size_of(x_, 0), &plane()});
      gradients[0] = from_pixels(build_.append(OpKind::gather_gradient, {parts.value, &elements, &size}));
    }
    if (moves) {
      const Term pixels_x = pixels(build_.term(x_));
      const Term picked = build_.term(build_.append(OpKind::gather, {pixels_x.value, &elements}), dtype_);
      const Term pulls = cast(reduce_sum(picked * pixels_dy, {2}, /*keep_dims=*/false), DType::f64);  // [N * P, K]
      gradients[1] = grid_gradient(taps, pulls);
    }
    return gradients;
  }

 private:
  Term real(double value) { return build_.number(value, DType::f64); }
  Term size_along(int axis) { return build_.term(build_.size_of(x_, axis + 2), DType::i64); }

  // Where the places lie on an axis, in elements from its first: [N, P, 1]. The grid names the last axis first.
  Term places_along(int axis) {
    const int64_t column = axes_ - 1 - axis;
    const Term grid = cast(build_.term(grid_), DType::f64);
    ir::Value& rows = build_.append(OpKind::reshape, {grid.value, &build_.ints({0, -1, axes_})});
    ir::Value& own =
        build_.append(OpKind::slice, {&rows, &build_.ints({column}), &build_.ints({column + 1}), &build_.ints({2})});
    const Term side = build_.term(own, DType::f64) + 1, length = cast(size_along(axis), DType::f64);
    const Term place = aligned_ ? side / 2 * (length - 1) : (side * length - 1) / 2;
    return where(less(apply(OpKind::abs, place), 0x1p52), place, -2);
  }

  // The elements next to a place, from `base` on, which may lie outside.
  AxisTaps taps_along(int axis) {
    const Term place = places_along(axis);
    AxisTaps taps;
    if (mode_ == "nearest") {
      taps.element = apply(OpKind::round, place);
      taps.share = place * 0 + 1;
    } else {
      const Term base = apply(OpKind::floor, place), rest = place - base;
      const Term length = cast(size_along(axis), DType::f64);
      const Term pace = (aligned_ ? length - 1 : length) / 2;  // elements for a step of 1 on the grid
      const bool cubic = mode_ == "cubic" || mode_ == "bicubic";
      const std::vector<Term> shares = cubic ? cubic_shares(rest) : std::vector{1 - rest, rest};
      const std::vector<Term> slopes = cubic ? cubic_slopes(rest) : std::vector{rest * 0 - 1, rest * 0 + 1};
      const std::vector<double> offsets = cubic ? std::vector<double>{-1, 0, 1, 2} : std::vector<double>{0, 1};
      taps.element = base + build_.constant({static_cast<int64_t>(offsets.size())}, offsets, DType::f64);
      taps.share = side_by_side(shares);
      taps.slope = side_by_side(slopes) * pace;
    }
    move_inside(taps, axis);
    return taps;
  }

  // Keys 1981 with a = -0.75: elements at the distances 1 + rest, rest, 1 - rest, 2 - rest.
  static constexpr double kCubic = -0.75;
  static std::vector<Term> cubic_shares(const Term& rest) {
    const auto near = [](const Term& d) { return ((kCubic + 2) * d - (kCubic + 3)) * d * d + 1; };
    const auto far = [](const Term& d) { return ((kCubic * d - 5 * kCubic) * d + 8 * kCubic) * d - 4 * kCubic; };
    return {far(rest + 1), near(rest), near(1 - rest), far(2 - rest)};
  }
  static std::vector<Term> cubic_slopes(const Term& rest) {
    const auto near = [](const Term& d) { return (3 * (kCubic + 2) * d - 2 * (kCubic + 3)) * d; };
    const auto far = [](const Term& d) { return (3 * kCubic * d - 10 * kCubic) * d + 8 * kCubic; };
    return {far(rest + 1), near(rest), -near(1 - rest), -far(2 - rest)};
  }

  // Terms [N, P, 1] as one [N, P, T].
  Term side_by_side(const std::vector<Term>& terms) { return joined(terms, 2); }

  Term joined(const std::vector<Term>& terms, int64_t axis) {
    ir::Node& node = build_.append_node(OpKind::concat, {terms.front().value}, 1, {{"axis", axis}});
    for (size_t i = 1; i < terms.size(); ++i) build_.graph().set_input(node, static_cast<int>(i), terms[i].value);
    return {&build_, &node.output(), terms.front().dtype};
  }

  // By the padding mode; elements become i64.
  void move_inside(AxisTaps& taps, int axis) {
    const Term length = cast(size_along(axis), DType::f64);
    Term element = taps.element;
    if (padding_ == "zeros") {
      const Term zero = real(0);
      const auto cut = [&](const Term& term) {
        return where(less(element, 0), zero, where(less(element, length), term, zero));
      };
      taps.share = cut(taps.share);
      if (taps.slope.value != nullptr) taps.slope = cut(taps.slope);
    } else if (padding_ == "reflection") {
      // About the middles of the outer elements, or about their far sides. One aligned element is all there is.
      const Term period = apply(OpKind::max, aligned_ ? (length - 1) * 2 : length * 2, real(1));
      const Term folded = element - apply(OpKind::floor, element / period) * period;
      element = where(less(folded, length), folded, (aligned_ ? period : period - 1) - folded);
    }
    const Term last = apply(OpKind::max, length - 1, real(0));
    taps.element = cast(apply(OpKind::max, apply(OpKind::min, element, last), real(0)), DType::i64);
  }

  // [N, P, T] to broadcast as one of the axes of [N, P, T, ..., T].
  Term as_axis(const Term& term, int axis) const {
    ir::Ints added;
    for (int other = 0; other < axes_; ++other) {
      if (other != axis) added.push_back(2 + other);
    }
    return unsqueeze(term, added);
  }

  // [N, P, T, ..., T] as [N * P, K].
  Term flattened(const Term& term) {
    int64_t taps = 1;
    const int64_t along = mode_ == "nearest" ? 1 : mode_ == "cubic" || mode_ == "bicubic" ? 4 : 2;
    for (int axis = 0; axis < axes_; ++axis) taps *= along;
    return {&build_, &build_.append(OpKind::reshape, {term.value, &build_.ints({-1, taps})}), term.dtype};
  }

  // The elements of one sample's plane: i64 [1].
  ir::Value& plane() {
    Term product = size_along(0);
    for (int axis = 1; axis < axes_; ++axis) product = product * size_along(axis);
    return *product.value;
  }

  // Rows of pixels(x) that the places read: i64 [N * P, K].
  ir::Value& elements_of(const std::vector<AxisTaps>& taps) {
    Term sum = as_axis(taps[0].element, 0);
    for (int axis = 1; axis < axes_; ++axis) {
      sum = sum * size_along(axis) + as_axis(taps[static_cast<size_t>(axis)].element, axis);
    }
    const Term sample = build_.term(positions(build_, build_.size_of(x_, 0)), DType::i64);
    ir::Ints behind(static_cast<size_t>(axes_) + 1);
    std::iota(behind.begin(), behind.end(), 1);
    return *flattened(sum + unsqueeze(sample * build_.term(plane(), DType::i64), behind)).value;
  }

  // The products of the axes' shares, of axis `slope` its slopes: f64 [N * P, K].
  Term shares(const std::vector<AxisTaps>& taps, int slope) {
    Term product;
    for (int axis = 0; axis < axes_; ++axis) {
      const AxisTaps& own = taps[static_cast<size_t>(axis)];
      const Term factor = as_axis(axis == slope ? own.slope : own.share, axis);
      product = product.value == nullptr ? factor : product * factor;
    }
    return flattened(product);
  }

  // dgrid: how the shares move with each number of the grid.
  ir::Value* grid_gradient(const std::vector<AxisTaps>& taps, const Term& pulls) {
    std::vector<Term> columns;
    for (int axis = axes_ - 1; axis >= 0; --axis) {
      columns.push_back(reduce_sum(pulls * shares(taps, axis), {1}, /*keep_dims=*/true));
    }
    return reshape_like(cast(joined(columns, 1), dtype_), grid_).value;
  }

  // x, or what has as many channels, [N, C, spatial...], as rows of channels: [N * places, C].
  Term pixels(const Term& term) {
    ir::Ints perm = {0};
    for (int d = 2; d < axes_ + 2; ++d) perm.push_back(d);
    perm.push_back(1);
    ir::Value& moved = build_.append(OpKind::transpose, {term.value}, {{"perm", perm}});
    ir::Value& dims =
        build_.append(OpKind::concat, {&build_.ints({-1}), &build_.size_of(x_, 1)}, {{"axis", int64_t{0}}});
    return {&build_, &build_.append(OpKind::reshape, {&moved, &dims}), term.dtype};
  }

  // Rows of channels back in the dims of x.
  ir::Value* from_pixels(ir::Value& rows) {
    ir::Node& dims = build_.append_node(OpKind::concat, {&build_.size_of(x_, 0)}, 1, {{"axis", int64_t{0}}});
    for (int d = 2; d < axes_ + 2; ++d) build_.graph().set_input(dims, d - 1, &build_.size_of(x_, d));
    build_.graph().set_input(dims, axes_ + 1, &build_.size_of(x_, 1));
    ir::Value& moved = build_.append(OpKind::reshape, {&rows, &dims.output()});
    ir::Ints perm = {0, axes_ + 1};
    for (int d = 1; d <= axes_; ++d) perm.push_back(d);
    return &build_.append(OpKind::transpose, {&moved}, {{"perm", perm}});
  }

  GradientBuilder& build_;
  ir::Value &x_, &grid_;
  int axes_;
  DType dtype_;
  std::string mode_, padding_;
  bool aligned_;
};

}  // namespace

Gradients grid_sample_gradient(GradientBuilder& build, const ir::Node& node, std::span<ir::Value* const> outputs) {
  return GridSampleGradient(build, node).run(*outputs[0]);
}

}  // namespace edgesmith::ops
