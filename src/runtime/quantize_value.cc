// SPDX-License-Identifier: Apache-2.0
#include "runtime/quantize_value.h"

#include <algorithm>

#include "runtime/native/table.h"

namespace edgesmith::runtime {

namespace {

// As ir::fake_quantize: code - zero_point is clamped, so that every step is exact in float for codes of 16 bits.
void set_codes(const ir::Quant& quant, size_t scale, Epilogue& epilogue) {
  epilogue.quantize = true;
  epilogue.scale = quant.scale[scale];
  epilogue.code_lo = static_cast<float>(ir::min_code(quant.dtype) - quant.zero_point[scale]);
  epilogue.code_hi = static_cast<float>(ir::max_code(quant.dtype) - quant.zero_point[scale]);
}

// A run of floats with one scale.
void quantize_run(const ir::Quant& quant, size_t scale, const float* from, float* to, int64_t count,
                  const native::NativeTable& table) {
  Epilogue epilogue;
  set_codes(quant, scale, epilogue);
  table.apply_epilogue(epilogue, from, to, count);
}

// Product of dims [begin, end).
int64_t product(const ir::Dims& dims, size_t begin, size_t end) {
  int64_t out = 1;
  for (size_t i = begin; i < end; ++i) out *= dims[i];
  return out;
}

}  // namespace

Status fake_quantize(const ir::Quant& quant, const ir::Dims& dims, const float* from, float* to, Isa isa) {
  const native::NativeTable& table = native::native_table(isa);
  const auto scales = static_cast<int64_t>(quant.scale.size());
  if (quant.scale.size() != quant.zero_point.size() || scales == 0) {
    return invalid_error("annotation with " + std::to_string(scales) + " scales and " +
                         std::to_string(quant.zero_point.size()) + " zero points");
  }
  if (quant.per_tensor() || scales == 1) {
    quantize_run(quant, 0, from, to, product(dims, 0, dims.size()), table);
    return {};
  }
  const auto axis = static_cast<size_t>(quant.axis);
  if (axis >= dims.size()) {
    return invalid_error("annotation along axis " + std::to_string(axis) + " of a value of rank " +
                         std::to_string(dims.size()));
  }
  const int64_t outer = product(dims, 0, axis), channels = dims[axis], inner = product(dims, axis + 1, dims.size());
  const bool blocked = quant.block_size > 0;
  const int64_t blocks = blocked ? (channels + quant.block_size - 1) / quant.block_size : channels;
  const int64_t expected = blocked ? outer * blocks * inner : channels;
  if (scales != expected) {
    return invalid_error("annotation with " + std::to_string(scales) + " scales, its dims need " +
                         std::to_string(expected));
  }
  for (int64_t o = 0; o < outer; ++o) {
    for (int64_t c = 0; c < channels; ++c) {
      const int64_t at = (o * channels + c) * inner;
      if (!blocked) {
        quantize_run(quant, static_cast<size_t>(c), from + at, to + at, inner, table);
        continue;
      }
      const int64_t row = (o * blocks + c / quant.block_size) * inner;
      for (int64_t i = 0; i < inner; ++i) {
        quantize_run(quant, static_cast<size_t>(row + i), from + at + i, to + at + i, 1, table);
      }
    }
  }
  return {};
}

Result<ir::Tensor> fake_quantize(const ir::Quant& quant, const ir::Tensor& tensor, Isa isa) {
  if (tensor.dtype() != ir::DType::f32) {
    return unsupported_error(
        "a quantized value of dtype " + std::string(ir::dtype_name(tensor.dtype())) + " cannot be run",
        "only float32 values may carry quantization");
  }
  const ir::Tensor reals = tensor.dense();
  ir::Tensor out = ir::Tensor::zeros(ir::DType::f32, reals.dims());
  EDGESMITH_TRY(fake_quantize(quant, reals.dims(), reals.data<float>().data(), out.mutable_data<float>().data(), isa));
  return out;
}

bool add_to_epilogue(const ir::Quant& quant, Epilogue& epilogue) {
  if (quant.scale.size() != 1 || quant.zero_point.size() != 1) return false;
  set_codes(quant, 0, epilogue);
  return true;
}

}  // namespace edgesmith::runtime
