// SPDX-License-Identifier: Apache-2.0
// Applying the annotation of a value to its reals.
#pragma once

#include "edgesmith/base/result.h"
#include "edgesmith/ir/tensor.h"
#include "runtime/isa.h"
#include "runtime/kernel_registry.h"

namespace edgesmith::runtime {

/// to[i] = dequantize(quantize(from[i])) for a tensor of `dims`; `from` may be `to`. Errors: invalid, when the scales
/// do not fit the dims.
Status fake_quantize(const ir::Quant& quant, const ir::Dims& dims, const float* from, float* to, Isa isa);
/// The same on a tensor. Errors: unsupported, when it is not float32.
Result<ir::Tensor> fake_quantize(const ir::Quant& quant, const ir::Tensor& tensor, Isa isa);
/// Adds a per-tensor annotation to what a kernel does to its result. False when it is not per-tensor.
bool add_to_epilogue(const ir::Quant& quant, Epilogue& epilogue);

}  // namespace edgesmith::runtime
