// SPDX-License-Identifier: Apache-2.0
// What the gradients of many operators share. Notation of all of them: dy is the gradient of the result y, dx that of
// the operand x.
#pragma once

#include <string_view>
#include <vector>

#include "edgesmith/ops/gradient.h"

namespace edgesmith::ops {

// Why operators have no gradient.
inline constexpr std::string_view kPiecewiseConstant = "its result is piecewise constant";
inline constexpr std::string_view kRecurrent = "recurrent operators are not trained";
inline constexpr std::string_view kTruthValues = "its results are true or false";
inline constexpr std::string_view kPositions = "its results are positions";
inline constexpr std::string_view kShapeCode = "it makes shapes and positions, not activations";
inline constexpr std::string_view kIntegerCodes = "it works on integer codes; train on annotations instead";
inline constexpr std::string_view kSecondDerivative = "it is itself part of a gradient; no second derivatives";

/// The same row with a gradient / with the reason why there is none.
constexpr OpInfo with_gradient(OpInfo info,
                               Gradients (*gradient)(GradientBuilder&, const ir::Node&, std::span<ir::Value* const>)) {
  info.gradient = gradient;
  return info;
}
constexpr OpInfo without_gradient(OpInfo info, std::string_view reason) {
  info.no_gradient = reason;
  return info;
}

/// What the gradient of an element-wise operator of one operand is made from. Uses of y instead of x let the runtime
/// fuse the operator into the producer of x.
struct Unary {
  Term dy, x, y;
  const ir::Node& node;
  double attribute(std::string_view name, float fallback) const;
};
using UnaryRule = Term (*)(const Unary& u);
Gradients apply_rule(UnaryRule rule, GradientBuilder& build, const ir::Node& node, std::span<ir::Value* const> outputs);
/// `kRule` for OpInfo::gradient.
template <UnaryRule kRule>
Gradients unary_gradient(GradientBuilder& build, const ir::Node& node, std::span<ir::Value* const> outputs) {
  return apply_rule(kRule, build, node, outputs);
}

/// The gradient of `target` from that of what it was broadcast to, of shape `from`: the sum over the stretched dims.
/// Dims that may or may not be stretched are settled when the graph runs (sum_to_shape).
Term sum_to(const Term& gradient, const ir::Shape& from, ir::Value& target);
/// The same from the result of a node.
Term sum_to(const Term& gradient, const ir::Value& result, ir::Value& target);

/// The elements of a term with the dims of `target`, as many: what Reshape and its kin undo.
Term reshape_like(const Term& term, ir::Value& target);
/// For OpInfo::gradient of operators that only change the dims of operand 0.
Gradients reshaped_gradient(GradientBuilder& build, const ir::Node& node, std::span<ir::Value* const> outputs);
/// A term broadcast to the dims of `target`.
Term expand_like(const Term& term, ir::Value& target);

/// Zeros in the dims of `target`, as its elements.
Term zeros_like(GradientBuilder& build, ir::Value& target);

/// 0, 1, ... `size` - 1 (i64 [1]) as i64 [size].
ir::Value& positions(GradientBuilder& build, ir::Value& size);
/// The number of elements of `value` as i64 [1].
ir::Value& num_elements(GradientBuilder& build, ir::Value& value);
/// 1, 2, 3, ... in the dims of `target`, in row-major order: i64. What an operator that only moves elements makes of
/// these tells where each of its results comes from.
Term numbered(GradientBuilder& build, ir::Value& target);
/// In the dims of `target`: every element of `term` added to the element whose number stands in its place in `numbers`
/// (as many as those of `term`); those with 0 go nowhere.
Term add_at_numbers(const Term& term, const Term& numbers, ir::Value& target);

/// The number of elements of `value` along `axes`: a scalar, or [1] when not all of the sizes are known.
Term count_along(GradientBuilder& build, ir::Value& value, const ir::Ints& axes, ir::DType dtype);

/// 0, 1, ... up to but without the size of `value` along `axis` (from the front): i64 [size].
Term positions_along(GradientBuilder& build, ir::Value& value, int axis);

/// The sum over everything but axis 1 of a term [N, C, ...] of `rank`: [C]. A vector [N] is one channel: [1].
Term sum_over_channel(const Term& term, int rank);
/// Numbers [C] shaped to broadcast along axis 1 of a tensor of `rank`.
Term along_channels(const Term& numbers, int rank);

/// The numbers of a constant integer operand. Errors: unsupported, naming it `what`, when it is not constant.
Result<ir::Ints> constant_ints(const ir::Node& node, int index, std::string_view what);

}  // namespace edgesmith::ops
