// SPDX-License-Identifier: Apache-2.0
// mat_mul: numpy.matmul. The last two dims are matrices, the dims before them broadcast; a vector on the left counts as
// one row, on the right as one column, and that dim is dropped from the result.
//
// f32, f64, i32, i64, u32, u64; f16 and bf16 through f32.
#include <algorithm>
#include <limits>
#include <numeric>
#include <string>

#include "ops/broadcast.h"
#include "ops/check.h"
#include "ops/elements.h"
#include "ops/gradient_rules.h"
#include "ops/matrix_product.h"
#include "ops/slices.h"

namespace edgesmith::ops::mat_mul_op {
namespace {

// Two shapes as batches of matrices.
struct Factors {
  ir::Shape batch_a, batch_b;
  ir::Dim rows, inner_a, inner_b, cols;
  bool vector_a = false, vector_b = false;
};

Result<Factors> split(ir::Shape a, ir::Shape b) {
  if (a.empty() || b.empty()) return invalid_error("an operand is a scalar, both must have at least rank 1");
  Factors factors;
  factors.vector_a = a.size() == 1;
  factors.vector_b = b.size() == 1;
  if (factors.vector_a) a.insert(a.begin(), ir::Dim(1));
  if (factors.vector_b) b.push_back(ir::Dim(1));
  factors.rows = a[a.size() - 2];
  factors.inner_a = a.back();
  factors.inner_b = b[b.size() - 2];
  factors.cols = b.back();
  if (!ir::merge(factors.inner_a, factors.inner_b)) {
    return invalid_error("inner dims are " + factors.inner_a.text() + " and " + factors.inner_b.text() +
                         ", must be the same");
  }
  factors.batch_a.assign(a.begin(), a.end() - 2);
  factors.batch_b.assign(b.begin(), b.end() - 2);
  return factors;
}

Status verify(const ir::Node& node) {
  EDGESMITH_TRY(no_attributes(node));
  EDGESMITH_TRY(check_same_dtype(node, {0, 1}));
  const auto &a = node.input(0)->type().shape, &b = node.input(1)->type().shape;
  if (!a || !b) return {};
  const auto factors = split(*a, *b);
  return factors ? Status{} : factors.error();
}

Result<std::vector<ir::Type>> infer(const ir::Node& node, InferContext&) {
  const auto &a = node.input(0)->type().shape, &b = node.input(1)->type().shape;
  ir::Type type{node.input(0)->type().dtype, std::nullopt};
  if (!a || !b) return std::vector{type};
  auto factors = split(*a, *b);
  if (!factors) return factors.error();
  auto shape = broadcast_shapes(factors->batch_a, factors->batch_b);
  if (!shape) return shape.error();
  if (!factors->vector_a) shape->push_back(factors->rows);
  if (!factors->vector_b) shape->push_back(factors->cols);
  type.shape = std::move(*shape);
  return std::vector{type};
}

ir::Dims numbers_of(const ir::Shape& shape) {
  ir::Dims dims;
  for (const ir::Dim& dim : shape) dims.push_back(dim.value());
  return dims;
}

// The position of matrix `index` (counted over `batch`) in an operand whose strides over `batch` are given.
int64_t matrix_at(int64_t index, const ir::Dims& batch, const ir::Dims& strides) {
  int64_t position = 0;
  for (size_t d = batch.size(); d-- > 0;) {
    position += index % batch[d] * strides[d];
    index /= batch[d];
  }
  return position;
}

Result<std::vector<ir::Tensor>> eval(const ir::Node&, std::span<const ir::Tensor* const> inputs) {
  const ir::Tensor &a = *inputs[0], &b = *inputs[1];
  if (a.dtype() != b.dtype()) return invalid_error("operands must have one element type");
  const auto factors = split(ir::to_shape(a.dims()), ir::to_shape(b.dims()));
  if (!factors) return factors.error();
  const ir::Dims batch_a = numbers_of(factors->batch_a), batch_b = numbers_of(factors->batch_b);
  const auto batch = broadcast_dims(batch_a, batch_b);
  if (!batch) return batch.error();
  ir::Dims dims = *batch;
  const int64_t rows = factors->rows.value(), inner = factors->inner_a.value(), cols = factors->cols.value();
  if (!factors->vector_a) dims.push_back(rows);
  if (!factors->vector_b) dims.push_back(cols);
  auto made = make_tensor(a.dtype(), dims);
  if (!made) return made.error();
  const ir::Dims strides_a = broadcast_strides(batch_a, *batch), strides_b = broadcast_strides(batch_b, *batch);
  return dispatch(MatrixTypes{}, a.dtype(), [&]<typename T>() -> Result<std::vector<ir::Tensor>> {
    const T* left = a.data<T>().data();
    const T* right = b.data<T>().data();
    T* out = made->mutable_data<T>().data();
    const int64_t products = ir::num_elements(*batch);
    for (int64_t i = 0; i < products; ++i) {
      add_product<T>({left + matrix_at(i, *batch, strides_a) * rows * inner, rows, inner, inner},
                     {right + matrix_at(i, *batch, strides_b) * inner * cols, inner, cols, cols},
                     out + i * rows * cols);
    }
    return std::vector{std::move(*made)};
  });
}

Cost cost(const ir::Node& node) {
  Cost cost;
  const auto &a = node.input(0)->type().shape, &b = node.input(1)->type().shape;
  if (!a || !b || !node.output().type().shape) return cost;
  const auto factors = split(*a, *b);
  if (!factors) return cost;
  ir::Shape dims = *node.output().type().shape;
  dims.push_back(factors->inner_a.known() ? factors->inner_a : factors->inner_b);
  cost.macs = 1;
  for (const ir::Dim& dim : dims) {
    if (!dim.known() || !__builtin_mul_overflow(cost.macs, dim.value(), &cost.macs)) continue;
    cost.macs = std::numeric_limits<int64_t>::max();
  }
  return cost;
}

// A constant matrix on the right is a weight [K, N] with scales per column (a constant vector is not worth it); else
// both operands are activations.
QuantFacts quant(const ir::Node& node) {
  const ir::Tensor* weight = node.input(1)->constant();
  if (weight == nullptr) return {.kind = QuantFacts::Kind::compute, .data_operands = {0, 1}};
  if (weight->rank() < 2) return {};
  return {
      .kind = QuantFacts::Kind::compute, .data_operands = {0}, .weight_operand = 1, .weight_axis = weight->rank() - 1};
}

// Columns of a product with one constant matrix mix. Else every row is one of the left factor, every column one of the
// right, and what lies before them belongs to both, as far as it is not stretched.
std::optional<ChannelRelation> channels(const ir::Node& node, int axis) {
  const int rank = node.output().type().rank(), left = node.input(0)->type().rank(),
            right = node.input(1)->type().rank();
  if (left < 2 || right < 2) return std::nullopt;
  if (axis == rank - 1 && right == 2 && node.input(1)->constant() != nullptr) {
    return ChannelRelation{.links = {},
                           .mixing = Mixing{.input_axis = left - 1, .weight_in_axis = 0, .weight_out_axis = 1}};
  }
  if (axis == rank - 1) return ChannelRelation{.links = {{1, right - 1}}, .mixing = {}};
  if (axis == rank - 2) return ChannelRelation{.links = {{0, left - 2}}, .mixing = {}};
  return broadcast_slices(node, axis);
}

// The matrices of a batch transposed.
Term turned(const Term& matrices, size_t rank) {
  ir::Ints perm(rank);
  std::iota(perm.begin(), perm.end(), 0);
  std::swap(perm[rank - 1], perm[rank - 2]);
  return {matrices.build, &matrices.build->append(ir::OpKind::transpose, {matrices.value}, {{"perm", perm}}),
          matrices.dtype};
}

// All rows of a batch of matrices as one matrix.
Term flattened(const Term& matrices, int64_t cols) {
  ir::Value& shape = matrices.build->ints({-1, cols});
  return {matrices.build, &matrices.build->append(ir::OpKind::reshape, {matrices.value, &shape}), matrices.dtype};
}

// dA = dY * B^T, dB = A^T * dY, summed over the batch dims along which a factor was stretched.
Gradients gradient(GradientBuilder& build, const ir::Node& node, std::span<ir::Value* const> outputs) {
  ir::Value &a = *node.input(0), &b = *node.input(1);
  const ir::DType dtype = node.output().type().dtype;
  const ir::Shape &shape_a = *a.type().shape, &shape_b = *b.type().shape;
  const auto factors = split(shape_a, shape_b);
  if (!factors) return factors.error();
  const bool vector_a = factors->vector_a, vector_b = factors->vector_b;
  // With vectors as matrices of one row or column.
  const Term left = vector_a ? unsqueeze(build.term(a), {0}) : build.term(a);
  const Term right = vector_b ? unsqueeze(build.term(b), {1}) : build.term(b);
  ir::Ints dropped;
  if (vector_a) dropped.push_back(-2);
  if (vector_b) dropped.push_back(-1);
  const Term dy = unsqueeze(build.term(*outputs[0], dtype), dropped);
  ir::Shape batch = *node.output().type().shape;
  batch.resize(batch.size() - (vector_a ? 0 : 1) - (vector_b ? 0 : 1));
  std::vector<ir::Value*> gradients(2);
  if (build.wants(0)) {
    const size_t rank = std::max<size_t>(2, shape_b.size());
    const Term da = apply(ir::OpKind::mat_mul, dy, turned(right, rank));
    ir::Shape from = batch;
    from.push_back(vector_a ? ir::Dim(1) : factors->rows);
    from.push_back(factors->inner_a);
    gradients[0] = sum_to(da, from, a).value;
  }
  if (build.wants(1)) {
    const size_t rank = std::max<size_t>(2, shape_a.size());
    if (rank > 2 && shape_b.size() == 2 && factors->inner_a.known() && factors->cols.known()) {
      // One matrix for the whole batch: one product over all of its rows.
      const Term rows = flattened(left, factors->inner_a.value()), dy_rows = flattened(dy, factors->cols.value());
      gradients[1] = apply(ir::OpKind::mat_mul, turned(rows, 2), dy_rows).value;
      return gradients;
    }
    const Term db = apply(ir::OpKind::mat_mul, turned(left, rank), dy);
    ir::Shape from = batch;
    from.push_back(factors->inner_b);
    if (vector_b) {
      const Term column{&build, &build.append(ir::OpKind::squeeze, {db.value, &build.ints({-1})}), dtype};
      gradients[1] = sum_to(column, from, b).value;
    } else {
      from.push_back(factors->cols);
      gradients[1] = sum_to(db, from, b).value;
    }
  }
  return gradients;
}

}  // namespace

extern const OpInfo mat_mul_info = {.kind = ir::OpKind::mat_mul,
                                    .min_inputs = 2,
                                    .max_inputs = 2,
                                    .min_outputs = 1,
                                    .max_outputs = 1,
                                    .verify = verify,
                                    .infer = infer,
                                    .eval = half_as_float<eval>,
                                    .cost = cost,
                                    .quant = quant,
                                    .channels = channels,
                                    .gradient = gradient};

}  // namespace edgesmith::ops::mat_mul_op
