// SPDX-License-Identifier: Apache-2.0
// Matrix products of float32 stacks of matrices, with broadcasting of the leading dims.
#include <algorithm>

#include "runtime/native/conv_common.h"
#include "runtime/native/kernels.h"
#include "runtime/native/packing.h"

namespace edgesmith::runtime::native {

namespace {

// Vectors (rank 1) are left to the reference.
bool supports(const ir::Node& node) {
  return all_float(node) && node.input(0)->type().rank() >= 2 && node.input(1)->type().rank() >= 2;
}

struct Sizes : Prepared {
  int64_t rows = 0, columns = 0, k = 0;
  ir::Dims batch;  // of the output
};

Result<Sizes> sizes_of(const ir::Dims& a, const ir::Dims& b) {
  if (a.size() < 2 || b.size() < 2 || a.back() != b[b.size() - 2]) {
    return invalid_error("operands " + ir::type_of(ir::DType::f32, a).text() + " and " +
                         ir::type_of(ir::DType::f32, b).text() + " cannot be multiplied");
  }
  Sizes out;
  out.rows = a[a.size() - 2];
  out.columns = b.back();
  out.k = a.back();
  const size_t rank = std::max(a.size(), b.size()) - 2;
  for (size_t i = 0; i < rank; ++i) {
    const auto dim = [&](const ir::Dims& dims) {
      const size_t missing = rank - (dims.size() - 2);
      return i < missing ? int64_t{1} : dims[i - missing];
    };
    const int64_t left = dim(a), right = dim(b);
    if (left != right && left != 1 && right != 1) {
      return invalid_error("stacks of " + std::to_string(left) + " and " + std::to_string(right) + " matrices");
    }
    out.batch.push_back(left == 1 ? right : left);
  }
  return out;
}

// Index of the matrix of `dims` that output matrix `index` needs.
int64_t matrix_index(const ir::Dims& batch, const ir::Dims& dims, int64_t index) {
  int64_t out = 0, step = 1;
  const size_t rank = dims.size() - 2;
  for (size_t i = 0; i < rank; ++i) {
    const int64_t size = batch[batch.size() - 1 - i], own = dims[rank - 1 - i];
    if (own != 1) out += index % size * step;
    step *= own;
    index /= size;
  }
  return out;
}

Result<std::shared_ptr<const Prepared>> prepare(const ir::Node&, std::span<const ir::Tensor* const> constants,
                                                Isa isa) {
  const NativeTable& table = native_table(isa);
  auto packed = std::make_shared<PackedConstants>();
  const ir::Tensor* b = constants[1];
  if (b == nullptr || b->rank() != 2) return std::shared_ptr<const Prepared>(std::move(packed));
  const int64_t k = b->dims()[0], columns = b->dims()[1];
  packed->matrix.resize(static_cast<size_t>(packed_columns_size(columns, k, table)));
  pack_columns({b->data<float>().data(), columns, 1, k, columns}, 1.0F, table, packed->matrix.data());
  return std::shared_ptr<const Prepared>(std::move(packed));
}

std::optional<ir::Dims> output_dims(const ir::Node&, OperandDims inputs) {
  const auto sizes = sizes_of(*inputs[0], *inputs[1]);
  if (!sizes) return std::nullopt;
  ir::Dims out = sizes->batch;
  out.push_back(sizes->rows);
  out.push_back(sizes->columns);
  return out;
}

// With one matrix B all matrices of A are rows of one.
bool one_right(const ir::Dims& b) { return b.size() == 2; }

int64_t rows_at_once(const Sizes& sizes, const ir::Dims& b) {
  return one_right(b) ? sizes.rows * ir::num_elements(sizes.batch) : sizes.rows;
}

Result<int64_t> scratch_bytes(const ir::Node&, const Prepared* prepared, OperandDims inputs, const ir::Dims&, Isa isa) {
  const auto sizes = sizes_of(*inputs[0], *inputs[1]);
  if (!sizes) return sizes.error();
  const bool dynamic = static_cast<const PackedConstants*>(prepared)->matrix.empty();
  return dynamic ? packed_columns_size(sizes->columns, sizes->k, native_table(isa)) * 4 : 0;
}

Result<std::shared_ptr<const Prepared>> bind(const ir::Node&, const Prepared*, OperandDims inputs, const ir::Dims&,
                                             Isa) {
  auto sizes = sizes_of(*inputs[0], *inputs[1]);
  if (!sizes) return sizes.error();
  return std::shared_ptr<const Prepared>(std::make_shared<Sizes>(std::move(*sizes)));
}

Status run(const KernelCall& call) {
  const ir::Dims &a = call.inputs[0]->dims(), &b = call.inputs[1]->dims();
  const auto* sizes = static_cast<const Sizes*>(call.bound);
  const NativeTable& table = native_table(call.isa);
  const auto& packed = static_cast<const PackedConstants*>(call.prepared)->matrix;
  auto* right = reinterpret_cast<float*>(call.scratch);
  const float* in_a = call.inputs[0]->data<float>().data();
  const float* in_b = call.inputs[1]->data<float>().data();
  const int64_t rows = rows_at_once(*sizes, b), columns = sizes->columns, k = sizes->k;
  const int64_t count = one_right(b) ? 1 : ir::num_elements(sizes->batch);
  for (int64_t i = 0; i < count; ++i) {
    const float* from = in_a + (one_right(b) ? 0 : matrix_index(sizes->batch, a, i) * rows * k);
    if (packed.empty()) {
      const float* matrix = in_b + matrix_index(sizes->batch, b, i) * k * columns;
      pack_columns({matrix, columns, 1, k, columns}, 1.0F, table, right);
    }
    multiply(table,
             {{from, k, 1, rows, k},
              packed.empty() ? right : packed.data(),
              columns,
              nullptr,
              call.outputs[0].as<float>() + i * rows * columns,
              columns},
             call.epilogue);
  }
  return {};
}

}  // namespace

const Kernel kMatMulF32 = {.provider = "native",
                           .name = "mat_mul_f32",
                           .op = ir::OpKind::mat_mul,
                           .epilogue = true,
                           .supports = supports,
                           .prepare = prepare,
                           .output_dims = output_dims,
                           .scratch_bytes = scratch_bytes,
                           .bind = bind,
                           .run = run};

}  // namespace edgesmith::runtime::native
