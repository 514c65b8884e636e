// SPDX-License-Identifier: Apache-2.0
#include "passes/quantize/layer_inputs.h"

#include <algorithm>
#include <array>
#include <numeric>

#include "edgesmith/base/check.h"
#include "edgesmith/ops/window.h"
#include "passes/quantize/node_form.h"

namespace edgesmith::passes::quantize {
namespace {

// Rows wanted at least: enough to estimate the means of the smallest layers. More rows than that, and than four an
// input, cost time (width^2 each) and did not raise the accuracy of an int8 ResNet-20.
constexpr int64_t kFewestRows = 2048;
// Rows of products that one thread adds to at a time: small enough to share the widest block among many.
constexpr int kRowsPerPiece = 96;
// Rows of data that are laid side by side for one product: few long products take less time than many short ones.
constexpr size_t kRowsPerChunk = 256;
// Numbers of short rows that the shift is taken from at once.
constexpr size_t kNumbersTogether = 256;

// A step through `count` positions that visits every one before it repeats and spreads the first few evenly: near the
// golden section of count, with no common factor.
int64_t spreading_step(int64_t count) {
  auto step = static_cast<int64_t>(static_cast<double>(count) * 0.6180339887);
  step = std::max<int64_t>(1, step);
  while (std::gcd(step, count) != 1) ++step;
  return step;
}

// The position of the i-th row that is taken of a sample, of `count`.
int64_t position_of(bool conv, int64_t sample, int64_t i, int64_t taken, int64_t count) {
  return ((conv ? sample * taken : sample) + i) % count * spreading_step(count) % count;
}

// Where the taps of the patch at one output position lie in a plane of the input; -1 for those in the padding.
void find_taps(const ops::Window& window, int64_t position, int64_t taps, int64_t* offsets) {
  const size_t axes = window.kernel.size();
  std::array<int64_t, 8> start{};
  for (size_t a = axes; a-- > 0;) {
    start[a] = position % window.output[a] * window.strides[a] - window.pads_begin[a];
    position /= window.output[a];
  }
  for (int64_t tap = 0; tap < taps; ++tap) {
    int64_t offset = 0, stride = 1, rest = tap;
    bool inside = true;
    for (size_t a = axes; a-- > 0;) {
      const int64_t at = start[a] + rest % window.kernel[a] * window.dilations[a];
      rest /= window.kernel[a];
      inside = inside && at >= 0 && at < window.input[a];
      offset += at * stride;
      stride *= window.input[a];
    }
    offsets[tap] = inside ? offset : -1;
  }
}

}  // namespace

LayerInputs::LayerInputs(const ir::Node& node, int64_t num_samples, int widest, bool keep_means, int64_t rows_per_input,
                         int64_t fewest_of_groups) {
  const ir::Dims& dims = weight_of(node)->constant()->dims();
  if (node.is(ir::OpKind::conv)) {
    groups_ = static_cast<int>(node.attributes().get_int("group", 1));
    kernel_.assign(dims.begin() + 2, dims.end());
    width_ = static_cast<int>(ir::num_elements(kernel_) * dims[1]);
  } else {
    const auto axis = static_cast<size_t>(weight_axis(node));
    width_ = static_cast<int>(weight_of(node)->constant()->size() / std::max<int64_t>(1, dims[axis]));
  }
  outputs_ = dims[static_cast<size_t>(weight_axis(node))];
  const int pieces = std::max(1, (width_ + widest - 1) / widest);
  int block_width = 0;
  for (int group = 0; group < groups_; ++group) {
    for (int piece = 0; piece < pieces; ++piece) {
      const int first = static_cast<int>(static_cast<int64_t>(width_) * piece / pieces);
      const int last = static_cast<int>(static_cast<int64_t>(width_) * (piece + 1) / pieces);
      blocks_.push_back({group, first, last - first, ProductSums(last - first)});
      block_width = std::max(block_width, last - first);
    }
  }
  const int64_t rows = std::max(groups_ > 1 ? fewest_of_groups : kFewestRows, rows_per_input * block_width);
  rows_per_sample_ = (rows + num_samples - 1) / std::max<int64_t>(1, num_samples);
  expected_rows_ = rows_per_sample_ * num_samples;
  if (keep_means) sums_.assign(length(), 0.0);
  make_pieces();
}

int64_t LayerInputs::bytes() const {
  int64_t bytes = static_cast<int64_t>(sums_.size()) * 8;
  for (const Block& block : blocks_) bytes += ProductSums::bytes(block.width, many_rows());
  return bytes;
}

Result<size_t> LayerInputs::take_rows(const ir::Node& node, const ir::Tensor& input, int64_t sample,
                                      std::span<float> rows) const {
  const auto data = input.data<float>();
  if (!node.is(ir::OpKind::conv)) {
    const int64_t count = input.size() / width_, taken = std::min(count, rows_per_sample_);
    for (int64_t i = 0; i < taken; ++i) {
      const int64_t at = position_of(false, sample, i, taken, count);
      std::copy_n(data.begin() + at * width_, width_, rows.begin() + i * width_);
    }
    return static_cast<size_t>(taken * width_);
  }
  const ir::Dims& dims = input.dims();
  const int64_t channels = dims[1];
  auto window = ops::resolve_window(node, ir::Dims(dims.begin() + 2, dims.end()), kernel_);
  if (!window) return window.error().in(node.label());
  const int64_t positions = ir::num_elements(window->output), count = dims[0] * positions;
  if (count <= 0) return size_t{0};
  const int64_t taken = std::min(count, rows_per_sample_);
  const int64_t taps = ir::num_elements(kernel_), plane = ir::num_elements(window->input);
  std::vector<int64_t> offsets(static_cast<size_t>(taken * taps));
  for (int64_t i = 0; i < taken; ++i) {
    const int64_t at = position_of(true, sample, i, taken, count);
    int64_t* own = &offsets[static_cast<size_t>(i * taps)];
    find_taps(*window, at % positions, taps, own);
    for (int64_t tap = 0; tap < taps; ++tap) {
      if (own[tap] >= 0) own[tap] += at / positions * channels * plane;
    }
  }
  // A plane at a time: the positions of one lie near each other.
  const int64_t per_group = channels / groups_;
  for (int64_t c = 0; c < channels; ++c) {
    const float* from = data.data() + c * plane;
    float* to = rows.data() + c / per_group * taken * width_ + c % per_group * taps;
    const int64_t* own = offsets.data();
    if (taps == 1) {
      for (int64_t i = 0; i < taken; ++i, to += width_) *to = own[i] >= 0 ? from[own[i]] : 0.0F;
      continue;
    }
    for (int64_t i = 0; i < taken; ++i, to += width_, own += taps) {
      for (int64_t tap = 0; tap < taps; ++tap) to[tap] = own[tap] >= 0 ? from[own[tap]] : 0.0F;
    }
  }
  return static_cast<size_t>(taken) * length();
}

size_t LayerInputs::take_outputs(const ir::Node& node, const ir::Tensor& value, int64_t sample,
                                 std::span<float> rows) const {
  const auto data = value.data<float>();
  const bool conv = node.is(ir::OpKind::conv);
  const int64_t count = value.size() / outputs_, taken = std::min(count, rows_per_sample_);
  // Of a Conv channels lie a plane apart, of others side by side.
  const int64_t plane = conv && count > 0 ? count / value.dims()[0] : 1;
  for (int64_t i = 0; i < taken; ++i) {
    const int64_t at = position_of(conv, sample, i, taken, count);
    const float* from = data.data() + at / plane * outputs_ * plane + at % plane;
    float* to = rows.data() + i * outputs_;
    for (int64_t m = 0; m < outputs_; ++m) to[m] = from[m * plane];
  }
  return static_cast<size_t>(taken * outputs_);
}

void LayerInputs::make_pieces() {
  for (size_t b = 0; b < blocks_.size(); ++b) {
    const int width = blocks_[b].width;
    const bool joins = !pieces_.empty() && pieces_.back().first_row == 0 && pieces_.back().last_row == width &&
                       static_cast<int>(b - pieces_.back().first_block + 1) * width <= kRowsPerPiece;
    if (joins) {
      pieces_.back().last_block = b + 1;
      continue;
    }
    for (int row = 0; row < width; row += kRowsPerPiece) {
      pieces_.push_back({b, b + 1, row, std::min(width, row + kRowsPerPiece)});
    }
  }
}

void LayerInputs::add_means(std::span<const Rows> samples) {
  const auto width = static_cast<size_t>(width_);
  if (!blocks_.front().products.started()) {
    for (Block& block : blocks_) block.products.start(many_rows());
  }
  for (const Rows rows : samples) {
    const size_t count = rows.size() / length();
    num_rows_ += static_cast<int64_t>(count);
    for (size_t g = 0; g < sums_.size() / width; ++g) {
      const float* row = rows.data() + g * count * width;
      double* sums = &sums_[g * width];
      size_t r = 0;
      for (; r + 4 <= count; r += 4, row += 4 * width) {  // sums are read and written once for four rows
        for (size_t i = 0; i < width; ++i) {
          const double first = static_cast<double>(row[i]) + row[i + width];
          sums[i] += first + (static_cast<double>(row[i + 2 * width]) + row[i + 3 * width]);
        }
      }
      for (; r < count; ++r, row += width) {
        for (size_t i = 0; i < width; ++i) sums[i] += row[i];
      }
    }
  }
  if (!shift_.empty() || num_rows_ == 0) return;
  for (const double sum : sums_) shift_.push_back(static_cast<float>(sum / static_cast<double>(num_rows_)));
}

void LayerInputs::add_products(std::span<const Rows> samples, int64_t piece) {
  Piece& own = pieces_[static_cast<size_t>(piece)];
  size_t all = 0;
  for (const Rows rows : samples) all += rows.size() / length();
  if (all == 0) return;
  const size_t chunk = std::min(all, kRowsPerChunk), width = static_cast<size_t>(width_);
  Scratch joined, packed;
  std::vector<float> shift;
  int64_t pending = 0;
  for (size_t b = own.first_block; b < own.last_block; ++b) {
    Block& block = blocks_[b];
    const auto group = static_cast<size_t>(block.group);
    const auto first = static_cast<size_t>(block.first + own.first_row);
    const auto columns = static_cast<size_t>(block.width - own.first_row);
    const size_t together = columns == width ? std::max<size_t>(1, kNumbersTogether / width) : 1;  // rows
    shift.assign(together * columns, 0.0F);
    for (size_t i = 0; !shift_.empty() && i < shift.size(); ++i) shift[i] = shift_[group * width + first + i % columns];
    float* const x = joined.room(chunk * columns + kReadAhead);
    size_t held = 0, left = all;  // rows in `x`, and rows to come
    pending = own.pending;
    for (const Rows rows : samples) {
      const size_t count = rows.size() / length();
      const float* from = rows.data() + group * count * width + first;
      for (size_t r = 0; r < count;) {
        const size_t some = std::min({together, count - r, chunk - held});
        float* const to = x + held * columns;
        for (size_t i = 0; i < some * columns; ++i) to[i] = from[i] - shift[i];
        from += some * width;
        held += some;
        r += some;
        left -= some;
        if (held < chunk && left > 0) continue;
        const auto added = static_cast<int64_t>(held);
        block.products.add(x, static_cast<int64_t>(columns), added, own.first_row, own.last_row, packed);
        pending += added;
        held = 0;
        if (!many_rows() || pending < ProductSums::kRowsPerFold) continue;
        block.products.fold(own.first_row, own.last_row);
        pending = 0;
      }
    }
  }
  own.pending = pending;
}

std::vector<double> LayerInputs::means() const {
  std::vector<double> means = sums_;
  for (double& mean : means) mean /= static_cast<double>(std::max<int64_t>(1, num_rows_));
  return means;
}

// Means of a block's inputs, of x and of d = x - c, c the shift. E[(x - m)(x - m)'] = E[d d'] - E[d] E[d'], and E[x x']
// is m m' more.
struct LayerInputs::Means {
  std::vector<double> of_x, of_d;
  double rows = 1;

  Means(const LayerInputs& inputs, const Block& block)
      : of_x(static_cast<size_t>(block.width), 0.0),
        of_d(of_x),
        rows(static_cast<double>(std::max<int64_t>(1, inputs.num_rows_))) {
    if (inputs.shift_.empty()) return;
    const size_t first =
        static_cast<size_t>(block.group) * static_cast<size_t>(inputs.width_) + static_cast<size_t>(block.first);
    for (size_t i = 0; i < of_x.size(); ++i) {
      of_x[i] = inputs.sums_[first + i] / rows;
      of_d[i] = of_x[i] - inputs.shift_[first + i];
    }
  }
  double moment(const Block& block, size_t i, size_t j, bool centred) const {
    return block.products.sum(i, j) / rows - of_d[i] * of_d[j] + (centred ? 0 : of_x[i] * of_x[j]);
  }
};

std::vector<double> LayerInputs::mean_squares() const {
  std::vector<double> squares(length());
  for (const Block& block : blocks_) {
    const Means means(*this, block);
    double* own =
        &squares[static_cast<size_t>(block.group) * static_cast<size_t>(width_) + static_cast<size_t>(block.first)];
    for (size_t i = 0; i < means.of_x.size(); ++i) own[i] = means.moment(block, i, i, false);
  }
  return squares;
}

std::vector<double> LayerInputs::moments(const Block& block, bool centred) const {
  const auto n = static_cast<size_t>(block.width);
  EDGESMITH_CHECK(!centred || !sums_.empty()) << "moments around means that were not kept";
  std::vector<double> moments(n * n);
  if (!block.products.started()) return moments;  // no rows were added
  // Inputs are rounded to floats: one that varies by less than this part of its square does not vary.
  constexpr double kRounding = 1e-12;
  const Means means(*this, block);
  std::vector<bool> constant(n, false);
  for (size_t i = 0; centred && i < n; ++i) {
    constant[i] = means.moment(block, i, i, true) <= kRounding * means.moment(block, i, i, false);
  }
  constexpr size_t kTile = 16;  // the mirrored half is written down columns: a few lines at a time
  for (size_t first = 0; first < n; first += kTile) {
    for (size_t j = first; j < n; ++j) {
      for (size_t i = first; i < std::min(first + kTile, j + 1); ++i) {
        if (constant[i] || constant[j]) continue;
        moments[i * n + j] = moments[j * n + i] = means.moment(block, i, j, centred);
      }
    }
  }
  return moments;
}

}  // namespace edgesmith::passes::quantize
