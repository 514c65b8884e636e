// SPDX-License-Identifier: Apache-2.0
// Gemm of float32 matrices by oneDNN's sgemm, which packs its operands itself on every call. Scratch: none.
#include <algorithm>

#include "runtime/native/conv_common.h"
#include "runtime/native/table.h"
#include "runtime/onednn/kernels.h"
#include "runtime/onednn/library.h"

namespace edgesmith::runtime::onednn {

namespace {

bool transposed(const ir::Node& node, const char* attribute) { return node.attributes().get_int(attribute, 0) != 0; }

// The bias is absent, one number, or a row: anything else is left to the reference.
bool supports(const ir::Node& node) {
  if (!native::all_float(node)) return false;
  const auto b = node.input(1)->type().static_dims();
  if (!b || b->size() != 2 || ir::num_elements(*b) == 0) return false;
  const ir::Value* bias = node.input(2);
  if (bias == nullptr) return true;
  const auto dims = bias->type().static_dims();
  if (!dims || dims->size() > 2) return false;
  const int64_t count = ir::num_elements(*dims), columns = transposed(node, "transB") ? (*b)[0] : (*b)[1];
  return count == 1 || (count == columns && dims->back() == columns);
}

bool never_first(const ir::Node&) { return false; }

struct Sizes {
  int64_t rows, columns, k;
};

Result<Sizes> sizes_of(const ir::Node& node, const ir::Dims& a, const ir::Dims& b) {
  const bool a_turned = transposed(node, "transA"), b_turned = transposed(node, "transB");
  if (a.size() != 2 || b.size() != 2 || a[a_turned ? 0 : 1] != b[b_turned ? 1 : 0]) {
    return invalid_error("operands " + ir::type_of(ir::DType::f32, a).text() + " and " +
                         ir::type_of(ir::DType::f32, b).text() + " cannot be multiplied");
  }
  return Sizes{a[a_turned ? 1 : 0], b[b_turned ? 0 : 1], a[a_turned ? 0 : 1]};
}

std::optional<ir::Dims> output_dims(const ir::Node& node, OperandDims inputs) {
  const auto sizes = sizes_of(node, *inputs[0], *inputs[1]);
  if (!sizes) return std::nullopt;
  return ir::Dims{sizes->rows, sizes->columns};
}

Status run(const KernelCall& call) {
  const ir::Dims &a = call.inputs[0]->dims(), &b = call.inputs[1]->dims();
  const auto sizes = sizes_of(call.node, a, b);
  if (!sizes) return sizes.error();
  if (sizes->rows == 0) return {};
  float* out = call.outputs[0].as<float>();
  const ir::Tensor* bias = call.inputs.size() > 2 ? call.inputs[2] : nullptr;
  if (bias != nullptr) {
    const auto row = bias->data<float>();
    for (int64_t r = 0; r < sizes->rows; ++r) {
      for (int64_t c = 0; c < sizes->columns; ++c) {
        out[r * sizes->columns + c] = row[bias->size() == 1 ? 0 : static_cast<size_t>(c)];
      }
    }
  }
  const float alpha = call.node.attributes().get_float("alpha", 1.0F);
  const float beta = bias == nullptr ? 0.0F : call.node.attributes().get_float("beta", 1.0F);
  EDGESMITH_TRY(
      check(library().sgemm(transposed(call.node, "transA") ? 'T' : 'N', transposed(call.node, "transB") ? 'T' : 'N',
                            sizes->rows, sizes->columns, sizes->k, alpha, call.inputs[0]->data<float>().data(), a[1],
                            call.inputs[1]->data<float>().data(), b[1], beta, out, sizes->columns),
            "sgemm"));
  if (!call.epilogue.empty()) {
    native::native_table(call.isa).apply_epilogue(call.epilogue, out, out, sizes->rows * sizes->columns);
  }
  return {};
}

}  // namespace

const Kernel kGemmF32 = {.provider = "onednn",
                         .name = "gemm_f32",
                         .op = ir::OpKind::gemm,
                         .isa = Isa::avx2,
                         .epilogue = true,
                         .reassociates = true,
                         .unavailable = unavailable,
                         .supports = supports,
                         .prefers = never_first,
                         .output_dims = output_dims,
                         .run = run};

}  // namespace edgesmith::runtime::onednn
