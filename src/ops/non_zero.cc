// SPDX-License-Identifier: Apache-2.0
// non_zero: the places of the elements that are not zero (or true), as i64 [rank, count], in row-major order. Every
// number and boolean type.
#include <string>
#include <vector>

#include "ops/check.h"
#include "ops/dispatch.h"
#include "ops/elements.h"
#include "ops/facts.h"
#include "ops/gradient_rules.h"

namespace edgesmith::ops::non_zero_op {
namespace {

Result<std::vector<ir::Type>> infer(const ir::Node& node, InferContext&) {
  const ir::Type& x = node.input(0)->type();
  ir::Shape shape(2);
  if (x.has_rank()) shape[0] = ir::Dim(std::max(1, x.rank()));
  return std::vector{ir::Type{ir::DType::i64, shape}};
}

Result<std::vector<ir::Tensor>> eval(const ir::Node&, std::span<const ir::Tensor* const> inputs) {
  const ir::Tensor& x = *inputs[0];
  const ir::Dims dims = x.rank() == 0 ? ir::Dims{1} : x.dims();  // as ONNX Runtime: a scalar counts as a vector
  return dispatch(NumberOrBoolTypes{}, x.dtype(), [&]<typename T>() -> Result<std::vector<ir::Tensor>> {
    std::vector<int64_t> places;
    const auto data = x.data<T>();
    for (size_t i = 0; i < data.size(); ++i) {
      if (data[i] != T(0)) places.push_back(static_cast<int64_t>(i));
    }
    auto y = make_tensor(ir::DType::i64, {static_cast<int64_t>(dims.size()), static_cast<int64_t>(places.size())});
    if (!y) return y.error();
    int64_t* to = y->mutable_data<int64_t>().data();
    const ir::Dims strides = strides_of(dims);
    for (size_t d = 0; d < dims.size(); ++d) {
      for (const int64_t place : places) *to++ = place / strides[d] % dims[d];
    }
    return std::vector{std::move(*y)};
  });
}

}  // namespace

extern const OpInfo non_zero_info = {.kind = ir::OpKind::non_zero,
                                     .min_inputs = 1,
                                     .max_inputs = 1,
                                     .min_outputs = 1,
                                     .max_outputs = 1,
                                     .verify = no_attributes,
                                     .infer = infer,
                                     .eval = half_as_float<eval>,
                                     .cost = no_cost,
                                     .quant = nullptr,
                                     .no_gradient = kPositions};

}  // namespace edgesmith::ops::non_zero_op
