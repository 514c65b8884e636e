// SPDX-License-Identifier: Apache-2.0
#include "ops/places.h"

#include <algorithm>
#include <numeric>
#include <string>

#include "ops/check.h"
#include "ops/dispatch.h"
#include "ops/elements.h"
#include "ops/integer_math.h"

namespace edgesmith::ops {
namespace {

template <typename T>
T reduced(T a, T b, Reduction reduction) {
  switch (reduction) {
    case Reduction::add: return wrapping_add(a, b);
    case Reduction::mul: return wrapping_multiply(a, b);
    case Reduction::max: return std::max(a, b);
    case Reduction::min: return std::min(a, b);
    case Reduction::none: break;
  }
  return b;
}

}  // namespace

Result<ir::Tensor> take_places(const ir::Tensor& x, std::vector<int64_t> places, ir::Dims dims) {
  EDGESMITH_TRY(check_size(x.dtype(), dims));
  const std::vector<std::vector<int64_t>> maps = {std::move(places)};
  auto taken = take(x.reshaped({x.size()}), maps);
  if (!taken) return taken.error();
  return taken->reshaped(std::move(dims));
}

Result<int64_t> wrap_index(int64_t index, int64_t size) {
  if (index < -size || index >= size) {
    return invalid_error("index " + std::to_string(index) + " is out of range for " + std::to_string(size) +
                         " entries");
  }
  return index < 0 ? index + size : index;
}

Result<std::vector<int64_t>> read_indices(const ir::Tensor& tensor, std::string_view what) {
  if (tensor.dtype() == ir::DType::i64 || tensor.dtype() == ir::DType::i32) return tensor.to_int64s();
  return invalid_error(std::string(what) + " are " + tensor.type().text() + ", must be i32 or i64");
}

Result<std::vector<int64_t>> element_places(const ir::Tensor& x, const ir::Tensor& indices, int64_t axis) {
  const auto along = normalize_axis(axis, x.rank());
  if (!along) return along.error();
  const auto at = static_cast<size_t>(*along);
  auto places = read_indices(indices, "indices");
  if (!places) return places.error();
  bool fits = indices.rank() == x.rank();
  for (size_t d = 0; fits && d < x.dims().size(); ++d) fits = d == at || indices.dims()[d] <= x.dims()[d];
  if (!fits) return invalid_error("indices are " + indices.type().text() + " for x " + x.type().text());
  const ir::Dims strides = strides_of(x.dims()), own = strides_of(indices.dims());
  for (size_t i = 0; i < places->size(); ++i) {
    const auto index = wrap_index((*places)[i], x.dims()[at]);
    if (!index) return index.error();
    int64_t place = *index * strides[at], rest = static_cast<int64_t>(i);
    for (size_t d = 0; d < own.size(); ++d) {
      if (d != at) place += rest / own[d] * strides[d];
      rest %= own[d];
    }
    (*places)[i] = place;
  }
  return places;
}

Result<Reduction> reduction_named(std::string_view name) {
  if (name == "none") return Reduction::none;
  if (name == "add") return Reduction::add;
  if (name == "mul") return Reduction::mul;
  if (name == "max") return Reduction::max;
  if (name == "min") return Reduction::min;
  return invalid_error("reduction is '" + std::string(name) + "', must be none, add, mul, max or min");
}

Result<ir::Tensor> put_places(const ir::Tensor& x, const std::vector<int64_t>& places, const ir::Tensor& updates,
                              Reduction reduction) {
  if (reduction == Reduction::none) {
    const ir::Tensor flat[] = {x.reshaped({x.size()}), updates.reshaped({updates.size()})};
    const ir::Tensor* const parts[] = {&flat[0], &flat[1]};
    auto both = join(parts, 0);
    if (!both) return both.error();
    std::vector<int64_t> from(static_cast<size_t>(x.size()));
    std::iota(from.begin(), from.end(), int64_t{0});
    for (size_t i = 0; i < places.size(); ++i) {
      from[static_cast<size_t>(places[i])] = x.size() + static_cast<int64_t>(i);
    }
    return take_places(*both, std::move(from), x.dims());
  }
  if (x.dtype() == ir::DType::f16 || x.dtype() == ir::DType::bf16) {
    auto wide = put_places(widen_half(x), places, widen_half(updates), reduction);
    return wide.ok() ? Result<ir::Tensor>(round_to_half(*wide, x.dtype())) : wide;
  }
  return dispatch(NumberTypes{}, x.dtype(), [&]<typename T>() -> Result<ir::Tensor> {
    ir::Tensor y = ir::Tensor::zeros(x.dtype(), x.dims());
    const auto to = y.mutable_data<T>();
    const auto from = x.data<T>(), added = updates.data<T>();
    std::copy(from.begin(), from.end(), to.begin());
    for (size_t i = 0; i < places.size(); ++i) {
      T& cell = to[static_cast<size_t>(places[i])];
      cell = reduced(cell, added[i], reduction);
    }
    return y;
  });
}

}  // namespace edgesmith::ops
