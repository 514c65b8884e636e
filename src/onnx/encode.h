// SPDX-License-Identifier: Apache-2.0
// The messages of onnx.proto that the exporter writes (tensors: tensor_io.h).
#pragma once

#include "edgesmith/ir/type.h"
#include "onnx/forms.h"
#include "onnx/wire.h"

namespace edgesmith::onnx {

wire::Writer encode_node(const LoweredNode& node);
/// A ValueInfoProto of a tensor.
wire::Writer encode_value_info(std::string_view name, const ir::Type& type);
/// StringStringEntryProto, OperatorSetIdProto.
wire::Writer encode_entry(std::string_view key, std::string_view value);
wire::Writer encode_opset(std::string_view domain, int64_t version);

}  // namespace edgesmith::onnx
