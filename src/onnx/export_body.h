// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>

#include "edgesmith/ir/graph.h"
#include "onnx/export_names.h"

namespace edgesmith::onnx {

/// The encoded GraphProto of a branch or body that a pass changed. What came from the file can be said in its opset,
/// and passes add nothing that it lacks: bodies raise no opset (types there, which would tell, are often not known).
/// Its last inputs stand for the values outside that go by the names `captured`; those before are its own. `names` are
/// those around it. `opset`, `constants_as_nodes`: as of the whole model.
std::string encode_body(const ir::Graph& body, std::span<const std::string> captured, ExportNames& names, int64_t opset,
                        bool constants_as_nodes);

}  // namespace edgesmith::onnx
