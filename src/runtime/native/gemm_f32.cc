// SPDX-License-Identifier: Apache-2.0
// Gemm of float32 matrices: vectors lie across the columns of B, which are packed once when B is constant. A B that is
// not, and is stored transposed (the weights of a layer in training), is read where it lies: what is computed is then
// the transposed product, with vectors across the rows of A, by the same sums. Scratch: the bias row, the packed
// operand, and the transposed product.
#include <algorithm>

#include "runtime/native/conv_common.h"
#include "runtime/native/kernels.h"
#include "runtime/native/packing.h"

namespace edgesmith::runtime::native {

namespace {

bool transposed(const ir::Node& node, const char* attribute) { return node.attributes().get_int(attribute, 0) != 0; }

MatrixView view(const float* data, const ir::Dims& dims, bool transpose) {
  if (transpose) return {data, 1, dims[1], dims[1], dims[0]};
  return {data, dims[1], 1, dims[0], dims[1]};
}

// The bias is a row: absent, one number, or one number a column. Anything else is left to the reference.
bool supports(const ir::Node& node) {
  if (!all_float(node)) return false;
  const ir::Value* bias = node.input(2);
  if (bias == nullptr) return true;
  const auto dims = bias->type().static_dims(), b = node.input(1)->type().static_dims();
  if (!dims || !b || b->size() != 2 || dims->size() > 2) return false;
  const int64_t columns = transposed(node, "transB") ? (*b)[0] : (*b)[1];
  const int64_t last = dims->empty() ? 1 : dims->back();
  return ir::num_elements(*dims) == last && (last == 1 || last == columns);
}

struct Sizes {
  int64_t rows, columns, k;
};

Result<Sizes> sizes_of(const ir::Node& node, const ir::Dims& a, const ir::Dims& b) {
  if (a.size() != 2 || b.size() != 2) {
    return invalid_error("operands of rank " + std::to_string(a.size()) + " and " + std::to_string(b.size()) +
                         " are not matrices");
  }
  const MatrixView left = view(nullptr, a, transposed(node, "transA"));
  const MatrixView right = view(nullptr, b, transposed(node, "transB"));
  if (left.columns != right.rows) {
    return invalid_error("a matrix of " + std::to_string(left.columns) + " columns times one of " +
                         std::to_string(right.rows) + " rows");
  }
  return Sizes{left.rows, right.columns, left.columns};
}

void pack_right(const ir::Node& node, const ir::Tensor& b, const NativeTable& table, float* out) {
  const float alpha = node.attributes().get_float("alpha", 1.0F);
  pack_columns(view(b.data<float>().data(), b.dims(), transposed(node, "transB")), alpha, table, out);
}

// The bias as a row of `padded` floats.
void spread_bias(const ir::Node& node, const ir::Tensor& bias, int64_t columns, int64_t padded, float* out) {
  const float beta = node.attributes().get_float("beta", 1.0F);
  const auto data = bias.data<float>();
  for (int64_t c = 0; c < columns; ++c) out[c] = beta * data[bias.size() == 1 ? 0 : static_cast<size_t>(c)];
  std::fill(out + columns, out + padded, 0.0F);
}

Result<std::shared_ptr<const Prepared>> prepare(const ir::Node& node, std::span<const ir::Tensor* const> constants,
                                                Isa isa) {
  const NativeTable& table = native_table(isa);
  auto packed = std::make_shared<PackedConstants>();
  const ir::Tensor* b = constants[1];
  if (b == nullptr || b->rank() != 2) return std::shared_ptr<const Prepared>(std::move(packed));
  const MatrixView right = view(nullptr, b->dims(), transposed(node, "transB"));
  packed->matrix.resize(static_cast<size_t>(packed_columns_size(right.columns, right.rows, table)));
  pack_right(node, *b, table, packed->matrix.data());
  return std::shared_ptr<const Prepared>(std::move(packed));
}

std::optional<ir::Dims> output_dims(const ir::Node& node, OperandDims inputs) {
  const auto sizes = sizes_of(node, *inputs[0], *inputs[1]);
  if (!sizes) return std::nullopt;
  return ir::Dims{sizes->rows, sizes->columns};
}

// Rows of A that fill a vector well enough.
constexpr int64_t kLeastRows = 6;

// Whether the transposed product is computed.
bool turns(const ir::Node& node, const Sizes& sizes, bool dynamic) {
  return dynamic && transposed(node, "transB") && sizes.rows >= kLeastRows &&
         node.attributes().get_float("alpha", 1.0F) == 1.0F;
}

// What lies in scratch: the bias row, the packed operand when B is not constant, the transposed product.
struct Parts {
  int64_t bias, packed = 0, product_row = 0, product = 0;
  Parts(const ir::Node& node, const Sizes& sizes, const NativeTable& table, bool dynamic)
      : bias(round_up(sizes.columns, 16)) {
    const bool turn = turns(node, sizes, dynamic);
    if (dynamic) packed = round_up(packed_columns_size(turn ? sizes.rows : sizes.columns, sizes.k, table), 16);
    if (!turn) return;
    product_row = round_up(sizes.rows, 16);
    product = product_row * sizes.columns;
  }
};

bool dynamic_matrix(const Prepared* prepared) { return static_cast<const PackedConstants*>(prepared)->matrix.empty(); }

Result<int64_t> scratch_bytes(const ir::Node& node, const Prepared* prepared, OperandDims inputs, const ir::Dims&,
                              Isa isa) {
  const auto sizes = sizes_of(node, *inputs[0], *inputs[1]);
  if (!sizes) return sizes.error();
  const Parts parts(node, *sizes, native_table(isa), dynamic_matrix(prepared));
  return (parts.bias + parts.packed + parts.product) * 4;
}

Status run(const KernelCall& call) {
  const auto sizes = sizes_of(call.node, call.inputs[0]->dims(), call.inputs[1]->dims());
  if (!sizes) return sizes.error();
  const NativeTable& table = native_table(call.isa);
  const bool dynamic = dynamic_matrix(call.prepared);
  const bool turn = turns(call.node, *sizes, dynamic);
  const Parts parts(call.node, *sizes, table, dynamic);
  auto* bias = reinterpret_cast<float*>(call.scratch);
  float* packed = bias + parts.bias;
  const ir::Tensor* offset = call.inputs.size() > 2 ? call.inputs[2] : nullptr;
  if (offset != nullptr) {
    if (offset->size() != 1 && offset->size() != sizes->columns) {
      return invalid_error("bias has " + std::to_string(offset->size()) + " elements for " +
                           std::to_string(sizes->columns) + " columns");
    }
    spread_bias(call.node, *offset, sizes->columns, parts.bias, bias);
  }
  const MatrixView left =
      view(call.inputs[0]->data<float>().data(), call.inputs[0]->dims(), transposed(call.node, "transA"));
  if (turn) {
    float* product = packed + parts.packed;
    pack_columns({left.data, left.column_stride, left.row_stride, left.columns, left.rows}, 1.0F, table, packed);
    PackedProduct turned = {{call.inputs[1]->data<float>().data(), sizes->k, 1, sizes->columns, sizes->k},
                            packed,
                            sizes->rows,
                            nullptr,
                            product,
                            parts.product_row};
    if (offset != nullptr) turned.row_bias = bias;
    multiply(table, turned, call.epilogue);
    table.transpose(product, sizes->columns, sizes->rows, parts.product_row, call.outputs[0].as<float>(),
                    sizes->columns, nullptr, {});
    return {};
  }
  if (dynamic) pack_right(call.node, *call.inputs[1], table, packed);
  const float* right = dynamic ? packed : static_cast<const PackedConstants*>(call.prepared)->matrix.data();
  multiply(
      table,
      {left, right, sizes->columns, offset == nullptr ? nullptr : bias, call.outputs[0].as<float>(), sizes->columns},
      call.epilogue);
  return {};
}

}  // namespace

const Kernel kGemmF32 = {.provider = "native",
                         .name = "gemm_f32",
                         .op = ir::OpKind::gemm,
                         .epilogue = true,
                         .supports = supports,
                         .prepare = prepare,
                         .output_dims = output_dims,
                         .scratch_bytes = scratch_bytes,
                         .run = run};

}  // namespace edgesmith::runtime::native
