// SPDX-License-Identifier: Apache-2.0
// BatchNormalization and Dropout have a training form, which is not known here (opaque), and an inference form.
#include "onnx/forms/forms.h"

namespace edgesmith::onnx::forms {

Reason raise_batch_normalization(RaisedNode& node, RaiseContext& context) {
  if (node.attributes.get_int("training_mode", 0) != 0) return "training_mode is set";
  if (node.attributes.get_int("spatial", 1) == 0) return "spatial is 0";
  for (int i = 1; i < node.num_outputs; ++i) {
    if (context.output_read(i)) return "its training outputs are used";
  }
  node.attributes.erase("training_mode");
  node.attributes.erase("spatial");
  node.num_outputs = 1;
  return {};
}

Reason raise_dropout(RaisedNode& node, RaiseContext& context) {
  if (context.output_read(1)) return "its mask is used";
  if (const ir::Value* training = node.input(2); training != nullptr) {
    const ir::Tensor* constant = training->constant();
    const bool off = constant != nullptr && constant->dtype() == ir::DType::boolean && constant->size() == 1 &&
                     constant->bytes()[0] == std::byte{0};
    if (!off) return "training_mode may be set";
  }
  node.op = "Identity";
  node.inputs.resize(1);
  node.attributes = {};
  node.num_outputs = 1;
  return {};
}

}  // namespace edgesmith::onnx::forms
