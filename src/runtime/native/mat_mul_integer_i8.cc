// SPDX-License-Identifier: Apache-2.0
// MatMulInteger by a constant matrix, as dynamically quantized models have it: sums of the codes themselves, then the
// zero point of each call (one for all of a) times the sums of the columns is taken away. Exact.
#include <algorithm>

#include "runtime/native/conv_common.h"
#include "runtime/native/gemm_i8.h"
#include "runtime/native/kernels.h"

namespace edgesmith::runtime::native {

namespace {

bool is_code(const ir::Value& value) {
  return value.type().dtype == ir::DType::u8 || value.type().dtype == ir::DType::i8;
}

bool supports(const ir::Node& node) {
  const ir::Value &a = *node.input(0), &b = *node.input(1);
  if (!is_code(a) || !is_code(b) || a.type().rank() < 1 || b.constant() == nullptr || b.constant()->rank() != 2 ||
      b.constant()->encoding() != ir::Encoding::dense ||
      (node.input(2) != nullptr && !is_one_number(node.input(2)->type()))) {
    return false;
  }
  const ir::Value* zero = node.input(3);
  return zero == nullptr ||
         (zero->constant() != nullptr &&
          (zero->constant()->size() == 1 || zero->constant()->dims() == ir::Dims{b.constant()->dims()[1]}));
}

struct PackedSums : Prepared {
  PackedGemm gemm;
  std::vector<int32_t> columns;  // sums of the weights of every output
};

Result<std::shared_ptr<const Prepared>> prepare(const ir::Node& node, std::span<const ir::Tensor* const> constants,
                                                Isa isa) {
  const ir::Tensor& b = *constants[1];
  const std::vector<int64_t> codes = b.to_int64s();
  std::vector<int64_t> zeros = {0};
  if (constants.size() > 3 && constants[3] != nullptr) zeros = constants[3]->to_int64s();
  integer::WeightLayer layer;
  layer.k = b.dims()[0];
  layer.outputs = b.dims()[1];
  layer.weight.resize(codes.size());
  layer.bias.assign(static_cast<size_t>(layer.outputs), 0);
  layer.requantize.scale = {1};
  auto packed = std::make_shared<PackedSums>();
  for (int64_t m = 0; m < layer.outputs; ++m) {
    const int64_t zero = zeros[zeros.size() == 1 ? 0 : static_cast<size_t>(m)];
    int64_t sum = 0;
    for (int64_t k = 0; k < layer.k; ++k) {
      const int64_t weight = codes[static_cast<size_t>(k * layer.outputs + m)] - zero;
      layer.weight[static_cast<size_t>(m * layer.k + k)] = static_cast<int16_t>(weight);
      sum += weight;
    }
    packed->columns.push_back(static_cast<int32_t>(sum));
  }
  integer::Form form;
  form.operands = {integer::CodeType{.dtype = node.input(0)->type().dtype}};
  form.result.dtype = ir::DType::u8;
  packed->gemm.k = layer.k;
  packed->gemm.outputs = layer.outputs;
  packed->gemm.result = IntTiles::Result::sums;
  packed->gemm.layer = pack_layer(layer, form, int_table(isa), 1, 1, layer.k);
  return std::shared_ptr<const Prepared>(std::move(packed));
}

int64_t rows_of(const PackedGemm& gemm, const ir::Dims& output) {
  return gemm.outputs == 0 ? 0 : ir::num_elements(output) / gemm.outputs;
}

Result<int64_t> scratch_bytes(const ir::Node&, const Prepared* prepared, OperandDims, const ir::Dims& output, Isa) {
  const PackedGemm& gemm = static_cast<const PackedSums*>(prepared)->gemm;
  return gemm.scratch_bytes(rows_of(gemm, output));
}

std::optional<ir::Dims> output_dims(const ir::Node& node, OperandDims inputs) {
  ir::Dims out = *inputs[0];
  if (out.empty()) return std::nullopt;
  out.back() = node.input(1)->constant()->dims()[1];
  return out;
}

Status run(const KernelCall& call) {
  const auto& packed = static_cast<const PackedSums&>(*call.prepared);
  const PackedGemm& gemm = packed.gemm;
  const int64_t rows = rows_of(gemm, *call.outputs[0].dims);
  if (call.inputs[0]->size() != rows * gemm.k) {
    return invalid_error("a is " + call.inputs[0]->type().text() + " for rows of " + std::to_string(gemm.k));
  }
  if (rows == 0) return {};
  gemm.multiply(reinterpret_cast<const uint8_t*>(call.inputs[0]->bytes().data()), rows,
                reinterpret_cast<uint8_t*>(call.scratch), call.outputs[0].as<uint8_t>());
  if (call.inputs.size() < 3 || call.inputs[2] == nullptr) return {};
  const std::byte code = call.inputs[2]->bytes()[0];
  const bool is_signed = call.inputs[2]->dtype() == ir::DType::i8;
  const int32_t zero = is_signed ? static_cast<int8_t>(code) : static_cast<int32_t>(code);
  auto* sums = call.outputs[0].as<int32_t>();
  for (int64_t r = 0; zero != 0 && r < rows; ++r) {
    for (int64_t m = 0; m < gemm.outputs; ++m) *sums++ -= zero * packed.columns[static_cast<size_t>(m)];
  }
  return {};
}

}  // namespace

const Kernel kMatMulIntegerI8 = {.provider = "native",
                                 .name = "mat_mul_integer_i8",
                                 .op = ir::OpKind::mat_mul_integer,
                                 .supports = supports,
                                 .prepare = prepare,
                                 .output_dims = output_dims,
                                 .scratch_bytes = scratch_bytes,
                                 .run = run};

}  // namespace edgesmith::runtime::native
