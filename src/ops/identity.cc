// SPDX-License-Identifier: Apache-2.0
// Identity: y = x, sharing its storage. Any type and shape; no attributes. Contents of shapes pass through. Quantized:
// the codes of x.
#include "ops/gradient_rules.h"
#include "ops/unary.h"

namespace edgesmith::ops::identity_op {
namespace {

Result<std::vector<ir::Tensor>> eval(const ir::Node&, std::span<const ir::Tensor* const> inputs) {
  return std::vector{*inputs[0]};
}

Term gradient(const Unary& u) { return u.dy; }

}  // namespace

extern const OpInfo identity_info = {.kind = ir::OpKind::identity,
                                     .min_inputs = 1,
                                     .max_inputs = 1,
                                     .min_outputs = 1,
                                     .max_outputs = 1,
                                     .verify = no_attributes,
                                     .infer = infer_unary_keeping_contents,
                                     .eval = eval,
                                     .cost = no_cost,
                                     .quant = transparent_one,
                                     .channels = same_slices,
                                     .gradient = unary_gradient<gradient>};

}  // namespace edgesmith::ops::identity_op
