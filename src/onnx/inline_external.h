// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include "onnx/external_data.h"
#include "onnx/proto.h"

namespace edgesmith::onnx {

/// The NodeProto with the external data of its attributes' tensors, at any depth of subgraphs, moved into it; nullopt
/// when it has none. An opaque node is kept byte for byte, and a reference to a file beside the source would lead
/// nowhere from another folder. Errors: those of ExternalData.
Result<std::optional<std::string>> inline_external_data(const wire::Message& node, ExternalData& files);

}  // namespace edgesmith::onnx
