// SPDX-License-Identifier: Apache-2.0
// TensorProto <-> ir::Tensor.
#pragma once

#include "edgesmith/ir/tensor.h"
#include "onnx/external_data.h"
#include "onnx/proto.h"

namespace edgesmith::onnx {

/// The tensor of a view. Raw and external data are not copied: they live in `owner` and in mapped files.
/// Errors: invalid (dims overflow, too few or too many data, bad external data), unsupported (unknown element type).
Result<ir::Tensor> decode_tensor(const TensorView& view, const std::shared_ptr<const void>& owner, ExternalData& files);
Result<ir::Tensor> decode_sparse(const SparseTensorView& view, const std::shared_ptr<const void>& owner,
                                 ExternalData& files);

/// A TensorProto of a dense tensor; the data are referenced, not copied. `extra` holds encoded fields to keep.
wire::Writer encode_tensor(const ir::Tensor& tensor, std::string_view name, std::string_view extra = {});

}  // namespace edgesmith::onnx
