// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "edgesmith/ir/dtype.h"

namespace edgesmith::ir {

/// How the reals of a value are represented by integer codes: real = (code - zero_point) * scale, code =
/// saturate(round_half_even(real / scale) + zero_point), as ONNX QuantizeLinear/DequantizeLinear say.
///
/// On a value, it means that every reader sees dequantize(quantize(x)); exporters materialise the Q/DQ nodes.
struct Quant {
  DType dtype = DType::undefined;   ///< i8, u8, i16, u16, i32, i4, u4 (i2, u2)
  std::vector<float> scale;         ///< one, or one per channel (or per block, row-major over the blocked shape)
  std::vector<int32_t> zero_point;  ///< as many as scales
  int axis = -1;                    ///< channel axis (>= 0), or -1 for per-tensor
  int64_t block_size = 0;           ///< > 0: blocked along `axis` (ONNX opset 21)
  std::string method;               ///< how it was found: "min-max", "mse", "imported", ...; for reports only

  bool per_tensor() const { return axis < 0; }
  /// Equality of the arithmetic; `method` is ignored.
  bool same_codes(const Quant& other) const;
};

/// Code of `real` (round half to even, saturating).
int32_t quantize_value(float real, float scale, int32_t zero_point, DType dtype);
/// Fake-quantizes `count` floats in place with one scale.
void fake_quantize(float* data, int64_t count, float scale, int32_t zero_point, DType dtype);

}  // namespace edgesmith::ir
