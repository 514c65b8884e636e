// SPDX-License-Identifier: Apache-2.0
#include "ops/space_blocks.h"

#include <string>

namespace edgesmith::ops {
namespace {

constexpr int64_t kMaxBlock = 1 << 15;

Status check_rank(size_t rank) {
  if (rank == 4) return {};
  return invalid_error("input has rank " + std::to_string(rank) + ", must be 4");
}

}  // namespace

Status verify_blocks(const ir::Node& node) {
  const int64_t block = node.attributes().get_int("blocksize", 0);
  if (block < 1 || block > kMaxBlock) return invalid_error("blocksize is " + std::to_string(block));
  const auto& x = node.input(0)->type().shape;
  return x ? check_rank(x->size()) : Status();
}

Result<std::vector<ir::Type>> infer_blocks(const ir::Node& node, ResizeAxis resize) {
  const ir::Type& x = node.input(0)->type();
  ir::Type type{x.dtype, std::nullopt};
  if (!x.shape) return std::vector{type};
  ir::Shape shape(4);
  shape[0] = (*x.shape)[0];
  for (size_t d = 1; d < 4; ++d) {
    const auto dim = resize(node, d, (*x.shape)[d]);
    if (!dim) return dim.error();
    shape[d] = *dim;
  }
  type.shape = std::move(shape);
  return std::vector{type};
}

Result<ir::Dims> block_dims(const ir::Node& node, const ir::Tensor& x, ResizeAxis resize) {
  EDGESMITH_TRY(check_rank(x.dims().size()));
  ir::Dims dims = x.dims();
  for (size_t d = 1; d < 4; ++d) {
    const auto dim = resize(node, d, ir::Dim(x.dims()[d]));
    if (!dim) return dim.error();
    dims[d] = dim->value();
  }
  return dims;
}

}  // namespace edgesmith::ops
