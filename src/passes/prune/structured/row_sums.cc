// SPDX-License-Identifier: Apache-2.0
#include "passes/prune/structured/row_sums.h"

#include <algorithm>
#include <numeric>

#include "edgesmith/base/interruptible.h"
#include "edgesmith/ops/window.h"
#include "runtime/isa.h"
#include "runtime/native/packing.h"

namespace edgesmith::passes::prune {
namespace {

// Rows wanted at least, and for each input.
constexpr int64_t kFewestRows = 2048, kRowsPerSumInput = 32;
// Rows of products that one thread adds to at a time.
constexpr int64_t kRowsPerPiece = 96;
// Rows that are added up in floats: more would lose what is left around the mean.
constexpr int64_t kRowsPerSum = 128;

// As in quantize/layer_inputs.cc: a step through `count` positions that visits all before it repeats.
int64_t spreading_step(int64_t count) {
  int64_t step = std::max<int64_t>(1, static_cast<int64_t>(static_cast<double>(count) * 0.6180339887));
  while (std::gcd(step, count) != 1) ++step;
  return step;
}

// Where the taps of the patch at one output position lie in a plane of the input; -1 for those in the padding.
void find_taps(const ops::Window& window, int64_t position, std::vector<int64_t>& offsets) {
  const size_t axes = window.kernel.size();
  std::vector<int64_t> start(axes), tap(axes, 0);
  for (size_t a = axes; a-- > 0;) {
    start[a] = position % window.output[a] * window.strides[a] - window.pads_begin[a];
    position /= window.output[a];
  }
  for (int64_t& offset : offsets) {
    offset = 0;
    bool inside = true;
    for (size_t a = 0; a < axes; ++a) {
      const int64_t at = start[a] + tap[a] * window.dilations[a];
      inside = inside && at >= 0 && at < window.input[a];
      offset = offset * window.input[a] + at;
    }
    if (!inside) offset = -1;
    for (size_t a = axes; a > 0 && ++tap[a - 1] == window.kernel[a - 1]; --a) tap[a - 1] = 0;
  }
}

// Where numbers of one channel of a value lie: [sample][channel][position], or [row][channel].
struct Places {
  int64_t channels = 1, positions = 1;
  size_t at(int64_t index, int64_t channel) const {
    return static_cast<size_t>((index / positions * channels + channel) * positions + index % positions);
  }
};

void take_targets(const RowSource& source, const Places& places, int64_t index, float* out) {
  const auto target = source.target->data<float>();
  Places own = places;
  own.channels = static_cast<int64_t>(source.kept.size());
  for (size_t m = 0; m < source.kept.size(); ++m) {
    out[m] = target[places.at(index, source.kept[m])];
    if (source.minus != nullptr) out[m] -= source.minus->data<float>()[own.at(index, static_cast<int64_t>(m))];
  }
}

}  // namespace

RowSums::RowSums(int64_t width) : width_(width), products_(static_cast<size_t>(width * width), 0.0) {}

void RowSums::add(const float* rows, int64_t count, ThreadPool& pool) {
  using namespace runtime::native;
  const NativeTable& table = native_table(*runtime::isa_in_use());
  const runtime::Epilogue none;
  num_rows_ += count;
  const int64_t pieces = (width_ + kRowsPerPiece - 1) / kRowsPerPiece;
  interruptible_for(pool, pieces, [&](int64_t piece, int) {
    const int64_t first = piece * kRowsPerPiece, last = std::min(width_, first + kRowsPerPiece);
    const int64_t height = last - first, columns = width_ - first;
    std::vector<float> packed(static_cast<size_t>(packed_columns_size(columns, kRowsPerSum, table)));
    std::vector<float> products(static_cast<size_t>(height * columns));
    for (int64_t r = 0; r < count; r += kRowsPerSum) {
      const int64_t taken = std::min(kRowsPerSum, count - r);
      const float* from = rows + r * width_ + first;
      pack_columns({from, width_, 1, taken, columns}, 1.0F, table, packed.data());
      multiply(table, {{from, 1, width_, height, taken}, packed.data(), columns, nullptr, products.data(), columns},
               none);
      for (int64_t i = 0; i < height; ++i) {
        const float* own = &products[static_cast<size_t>(i * columns)];
        double* to = &products_[static_cast<size_t>((first + i) * width_ + first)];
        for (int64_t j = 0; j < columns; ++j) to[j] += own[j];
      }
    }
  });
}

double RowSums::mean(int64_t i, int64_t j) const {
  if (i > j) std::swap(i, j);
  return products_[static_cast<size_t>(i * width_ + j)] / static_cast<double>(std::max<int64_t>(1, num_rows_));
}

int64_t inputs_of_row(const MixLayer& layer) {
  return layer.node->is(ir::OpKind::conv_transpose) ? layer.inputs : layer.inputs * layer.taps;
}

RowPlan::RowPlan(const MixLayer& layer, int64_t num_batches) {
  const int64_t rows = std::max(kFewestRows, kRowsPerSumInput * inputs_of_row(layer));
  rows_per_batch = (rows + num_batches - 1) / std::max<int64_t>(1, num_batches);
}

Result<int64_t> take_rows(const MixLayer& layer, const RowSource& source, int64_t rows_per_batch, int64_t batch,
                          int64_t width, std::vector<float>& rows) {
  const ir::Node& node = *source.node;
  const ir::Dims& dims = source.input->dims();
  const float* input = source.input->data<float>().data();
  const bool spatial = node.is(ir::OpKind::conv) || node.is(ir::OpKind::conv_transpose);
  Places from, to;
  ops::Window window;
  if (spatial) {
    const ir::Dims& weight = node.input(layer.mixing.weight)->constant()->dims();
    from = {dims[1], ir::num_elements(ir::Dims(dims.begin() + 2, dims.end()))};
    to.positions = from.positions;
    if (node.is(ir::OpKind::conv)) {
      auto resolved =
          ops::resolve_window(node, ir::Dims(dims.begin() + 2, dims.end()), ir::Dims(weight.begin() + 2, weight.end()));
      if (!resolved) return resolved.error().in(node.label());
      window = std::move(*resolved);
      to.positions = ir::num_elements(window.output);
    }
  } else {
    from.channels = dims.back();
  }
  const int64_t count = spatial ? dims[0] * to.positions : source.input->size() / std::max<int64_t>(1, from.channels);
  if (count <= 0) return int64_t{0};
  if (source.target != nullptr) to.channels = source.target->size() / count;
  const int64_t taken = std::min(count, rows_per_batch), step = spreading_step(count);
  const bool patches = node.is(ir::OpKind::conv);
  const int64_t inputs = patches ? from.channels * layer.taps : from.channels;
  rows.resize(static_cast<size_t>(taken * width) + RowSums::kReadAhead);
  std::vector<int64_t> offsets(static_cast<size_t>(patches ? layer.taps : 0));
  for (int64_t i = 0; i < taken; ++i) {
    const int64_t index = (batch * taken + i) % count * step % count;
    float* row = rows.data() + i * width;
    if (patches) find_taps(window, index % to.positions, offsets);
    float* out = row;
    for (int64_t c = 0; c < from.channels; ++c) {
      const float* plane = input + (index / to.positions * from.channels + c) * from.positions;
      for (const int64_t offset : offsets) *out++ = offset >= 0 ? plane[offset] : 0.0F;
      if (!patches) *out++ = input[from.at(index, c)];
    }
    row[inputs] = 1.0F;
    if (source.target != nullptr) take_targets(source, to, index, row + inputs + 1);
  }
  return taken;
}

}  // namespace edgesmith::passes::prune
