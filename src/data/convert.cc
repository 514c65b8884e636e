// SPDX-License-Identifier: Apache-2.0
#include "data/convert.h"

#include <cmath>
#include <limits>

namespace edgesmith::data {
namespace {

using ir::DType;

template <typename T>
Result<ir::Tensor> to_integers(const ir::Tensor& tensor) {
  const std::vector<int64_t> values = tensor.to_int64s();
  ir::Tensor out = ir::Tensor::zeros(ir::dtype_of<T>(), tensor.dims());
  const auto to = out.mutable_data<T>();
  for (size_t i = 0; i < values.size(); ++i) {
    const bool low =
        std::is_signed_v<T> ? values[i] < static_cast<int64_t>(std::numeric_limits<T>::min()) : values[i] < 0;
    const bool high = sizeof(T) < 8 && values[i] > static_cast<int64_t>(std::numeric_limits<T>::max());
    if (low || high) {
      return invalid_error(
          "value " + std::to_string(values[i]) + " does not fit " + std::string(ir::dtype_name(ir::dtype_of<T>())),
          "check that the array belongs to this input");
    }
    to[i] = static_cast<T>(values[i]);
  }
  return out;
}

Result<ir::Tensor> to_halves(const ir::Tensor& tensor, DType dtype) {
  const std::vector<float> values = tensor.to_floats();
  ir::Tensor out = ir::Tensor::zeros(dtype, tensor.dims());
  auto* to = reinterpret_cast<uint16_t*>(out.mutable_bytes().data());
  for (size_t i = 0; i < values.size(); ++i) {
    to[i] = dtype == DType::f16 ? ir::float_to_half(values[i]) : ir::float_to_bfloat16(values[i]);
  }
  return out;
}

Result<ir::Tensor> to_doubles(const ir::Tensor& tensor) {
  const std::vector<float> values = tensor.to_floats();
  return ir::Tensor::of<double>(tensor.dims(), std::vector<double>(values.begin(), values.end()));
}

template <typename T>
int64_t first_bad(std::span<const T> values) {
  for (size_t i = 0; i < values.size(); ++i) {
    if (!std::isfinite(values[i])) return static_cast<int64_t>(i);
  }
  return -1;
}

}  // namespace

Result<ir::Tensor> convert_to(const ir::Tensor& tensor, DType dtype) {
  if (tensor.dtype() == dtype || dtype == DType::undefined) return tensor;
  const Error mismatch = invalid_error("the data are " + std::string(ir::dtype_name(tensor.dtype())) +
                                           ", the model takes " + std::string(ir::dtype_name(dtype)),
                                       "convert the array");
  if (ir::is_integer(dtype) && ir::is_float(tensor.dtype())) return mismatch;
  switch (dtype) {
    case DType::f32: return ir::Tensor::of<float>(tensor.dims(), tensor.to_floats());
    case DType::f64: return to_doubles(tensor);
    case DType::f16:
    case DType::bf16: return to_halves(tensor, dtype);
    case DType::u8: return to_integers<uint8_t>(tensor);
    case DType::i8: return to_integers<int8_t>(tensor);
    case DType::u16: return to_integers<uint16_t>(tensor);
    case DType::i16: return to_integers<int16_t>(tensor);
    case DType::u32: return to_integers<uint32_t>(tensor);
    case DType::i32: return to_integers<int32_t>(tensor);
    case DType::u64: return to_integers<uint64_t>(tensor);
    case DType::i64: return to_integers<int64_t>(tensor);
    case DType::undefined:
    case DType::string:
    case DType::boolean:
    case DType::c64:
    case DType::c128:
    case DType::f8e4m3fn:
    case DType::f8e4m3fnuz:
    case DType::f8e5m2:
    case DType::f8e5m2fnuz:
    case DType::u4:
    case DType::i4:
    case DType::f4e2m1:
    case DType::f8e8m0:
    case DType::u2:
    case DType::i2: return mismatch;
  }
  return mismatch;
}

int64_t first_not_finite(const ir::Tensor& tensor) {
  if (tensor.dtype() == DType::f32) return first_bad(tensor.data<float>());
  if (tensor.dtype() == DType::f64) return first_bad(tensor.data<double>());
  if (tensor.dtype() != DType::f16 && tensor.dtype() != DType::bf16) return -1;
  const std::vector<float> values = tensor.to_floats();
  return first_bad(std::span<const float>(values));
}

}  // namespace edgesmith::data
