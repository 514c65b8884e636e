// SPDX-License-Identifier: Apache-2.0
#include "ops/index_tuples.h"

#include <string>

#include "ops/elements.h"
#include "ops/places.h"

namespace edgesmith::ops {

Result<IndexTuples> read_tuples(const ir::Tensor& x, const ir::Tensor& indices, int64_t batch_dims) {
  const auto numbers = read_indices(indices, "indices");
  if (!numbers) return numbers.error();
  const auto mismatch = [&] {
    return invalid_error("indices are " + indices.type().text() + " for x " + x.type().text() + " with " +
                         std::to_string(batch_dims) + " batch dims");
  };
  if (batch_dims < 0 || batch_dims >= indices.rank() || batch_dims > x.rank()) return mismatch();
  const auto batch = static_cast<size_t>(batch_dims);
  int64_t batches = 1;
  for (size_t d = 0; d < batch; ++d) {
    if (x.dims()[d] != indices.dims()[d]) return mismatch();
    batches *= x.dims()[d];
  }
  const int64_t length = indices.dims().back();
  if (length > x.rank() - batch_dims) return mismatch();
  const ir::Dims strides = strides_of(x.dims());
  IndexTuples tuples;
  const ir::Dims slice(x.dims().begin() + static_cast<int64_t>(batch) + length, x.dims().end());
  const int64_t slice_size = ir::num_elements(slice);
  tuples.dims.assign(indices.dims().begin(), indices.dims().end() - 1);
  tuples.dims.insert(tuples.dims.end(), slice.begin(), slice.end());
  EDGESMITH_TRY(check_size(ir::DType::i64, tuples.dims));
  int64_t count = 1;
  for (size_t d = 0; d + 1 < indices.dims().size(); ++d) count *= indices.dims()[d];
  const int64_t of_batch = ir::num_elements(ir::Dims(x.dims().begin() + static_cast<int64_t>(batch), x.dims().end()));
  for (int64_t t = 0; t < count; ++t) {
    int64_t start = t / (count / batches) * of_batch;
    for (int64_t i = 0; i < length; ++i) {
      const size_t d = batch + static_cast<size_t>(i);
      const auto index = wrap_index((*numbers)[static_cast<size_t>(t * length + i)], x.dims()[d]);
      if (!index) return index.error();
      start += *index * strides[d];
    }
    for (int64_t i = 0; i < slice_size; ++i) tuples.places.push_back(start + i);
  }
  return tuples;
}

}  // namespace edgesmith::ops
