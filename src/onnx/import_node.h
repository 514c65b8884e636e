// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "onnx/forms.h"
#include "onnx/import_graph.h"

namespace edgesmith::onnx {

/// The attributes of a node as the IR keeps them. An error of kind unsupported means: keep the node opaque.
Result<ir::Attributes> decode_attributes(const NodeView& node, const FormRow& row, const ImportSource& source);

/// The tensor of a Constant node in any of its forms. Unsupported: a form that is not known.
Result<ir::Tensor> decode_constant(const NodeView& node, const ImportSource& source);

/// The element type of output `index` of a node, as far as its operator alone says it (before inference).
ir::DType early_dtype(const ir::Node& node, int index, const std::vector<ir::DType>& inputs);

}  // namespace edgesmith::onnx
