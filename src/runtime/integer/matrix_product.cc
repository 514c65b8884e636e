// SPDX-License-Identifier: Apache-2.0
// gemm and mat_mul on codes: x [..., K] times a constant matrix, plus a bias by column.
#include "runtime/integer/plain.h"

namespace edgesmith::runtime::integer {

bool is_matrix_product(const Form& form) { return !form.node->is(ir::OpKind::conv) && has_weight_layer(form); }

Status run_matrix_product(const KernelCall& call) {
  const auto& [form, layer] = static_cast<const PlainWeights&>(*call.prepared);
  const bool saturating = form.saturating() && form.operands[0]->dtype == ir::DType::u8;
  const ReadCodes codes(*call.inputs[0]);
  const int64_t rows = ir::num_elements(*call.outputs[0].dims) / std::max<int64_t>(1, layer.outputs);
  if (rows > 0 && rows * layer.k != call.inputs[0]->size()) {
    return invalid_error("operand has " + std::to_string(call.inputs[0]->size()) + " elements for " +
                         std::to_string(rows) + " rows of " + std::to_string(layer.k));
  }
  std::vector<int32_t> row(static_cast<size_t>(layer.k));
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t k = 0; k < layer.k; ++k) row[static_cast<size_t>(k)] = codes[r * layer.k + k];
    for (int64_t m = 0; m < layer.outputs; ++m) {
      const int32_t sum = dot(row, layer.weight.data() + m * layer.k, layer.input_zero_point, saturating);
      const auto biased =
          static_cast<int32_t>(static_cast<uint32_t>(sum) + static_cast<uint32_t>(layer.bias[static_cast<size_t>(m)]));
      const int64_t at = r * layer.outputs + m;
      if (form.real_result) {
        call.outputs[0].as<float>()[at] = layer.requantize.real(biased, m);
      } else {
        call.outputs[0].data[at] = as_byte(layer.requantize.code(biased, m));
      }
    }
  }
  return {};
}

}  // namespace edgesmith::runtime::integer
