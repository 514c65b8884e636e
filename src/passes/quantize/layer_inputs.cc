// SPDX-License-Identifier: Apache-2.0
#include "passes/quantize/layer_inputs.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <type_traits>

#include "edgesmith/base/check.h"
#include "edgesmith/ops/window.h"
#include "passes/quantize/node_form.h"
#include "runtime/isa.h"
#include "runtime/native/packing.h"

namespace edgesmith::passes::quantize {
namespace {

// Rows wanted at least: enough to estimate the means of the smallest layers. More rows than that, and than four an
// input, cost time (width^2 each) and did not raise the accuracy of an int8 ResNet-20.
constexpr int64_t kFewestRows = 2048;
// Rows of products that one thread adds to at a time: small enough to share the widest block among many.
constexpr int kRowsPerPiece = 96;

// An input is far from zero when the square of its mean is so many times its variance.
constexpr double kFarFromZero = 100;

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

// Layers whose rows are patches, [channels, taps].
bool has_patches(const ir::Node& node) { return node.is(ir::OpKind::conv) || node.is(ir::OpKind::conv_transpose); }

// Where the taps of the patch at one output position lie in a plane of the input; -1 for those that meet nothing: in
// the padding, or (`transposed`, see Window) between the inputs that a stride moves apart.
void find_taps(const ops::Window& window, bool transposed, int64_t position, int64_t taps, int64_t* offsets) {
  const size_t axes = window.kernel.size();
  std::array<int64_t, 8> start{};
  for (size_t a = axes; a-- > 0;) {
    const int64_t at = position % window.output[a];
    start[a] = transposed ? at + window.pads_begin[a] : at * window.strides[a] - window.pads_begin[a];
    position /= window.output[a];
  }
  for (int64_t tap = 0; tap < taps; ++tap) {
    int64_t offset = 0, stride = 1, rest = tap;
    bool inside = true;
    for (size_t a = axes; a-- > 0;) {
      const int64_t reach = rest % window.kernel[a] * window.dilations[a];
      int64_t at = transposed ? start[a] - reach : start[a] + reach;
      rest /= window.kernel[a];
      if (transposed) {
        inside = inside && at % window.strides[a] == 0;
        at /= window.strides[a];
      }
      inside = inside && at >= 0 && at < window.input[a];
      offset += at * stride;
      stride *= window.input[a];
    }
    offsets[tap] = inside ? offset : -1;
  }
}

// Adds `count` rows of `width` numbers, `step` apart, to sums, which are read and written once for four rows.
void add_to_sums(const float* row, size_t count, size_t step, size_t width, double* sums) {
  size_t r = 0;
  for (; r + 4 <= count; r += 4, row += 4 * step) {
    for (size_t i = 0; i < width; ++i) {
      const double first = static_cast<double>(row[i]) + row[i + step];
      sums[i] += first + (static_cast<double>(row[i + 2 * step]) + row[i + 3 * step]);
    }
  }
  for (; r < count; ++r, row += step) {
    for (size_t i = 0; i < width; ++i) sums[i] += row[i];
  }
}

// Adds `count` rows of `width` numbers and their squares to sums.
void add_to_sums(const float* row, size_t count, size_t step, size_t width, double* sums, double* squares) {
  for (size_t r = 0; r < count; ++r, row += step) {
    for (size_t i = 0; i < width; ++i) {
      const double number = row[i];
      sums[i] += number;
      squares[i] += number * number;
    }
  }
}

// The patches that are taken of a sample.
struct Patches {
  int64_t taken = 0, taps = 0, plane = 0;
  std::vector<int64_t> offsets;  // [taken][taps], in the first plane of the patch's image; -1: in the padding
  std::vector<char> whole;       // [taken]: nothing is padding, and the taps of a row of the kernel lie side by side
};

// The patch of one plane. `row`: taps in a row of the kernel; most kernels have three or five.
void copy_patch(const float* from, const int64_t* offsets, int64_t taps, int64_t row, bool whole, float* to) {
  const auto copy_rows = [&](auto width) {
    for (int64_t tap = 0; tap < taps; tap += width()) std::copy_n(from + offsets[tap], width(), to + tap);
  };
  if (whole && row == 3) return copy_rows(std::integral_constant<int64_t, 3>());
  if (whole && row == 5) return copy_rows(std::integral_constant<int64_t, 5>());
  for (int64_t tap = 0; tap < taps; ++tap) to[tap] = offsets[tap] >= 0 ? from[offsets[tap]] : 0.0F;
}

Result<Patches> find_patches(const ir::Node& node, const ir::Dims& kernel, const ir::Dims& dims, int64_t sample,
                             int64_t most) {
  const bool transposed = node.is(ir::OpKind::conv_transpose);
  const ir::Dims plane(dims.begin() + 2, dims.end());
  auto window =
      transposed ? ops::resolve_transposed_window(node, plane, kernel) : ops::resolve_window(node, plane, kernel);
  if (!window) return window.error().in(node.label());
  const int64_t positions = ir::num_elements(window->output), count = dims[0] * positions;
  Patches patches{.taps = ir::num_elements(kernel), .plane = ir::num_elements(window->input)};
  if (count <= 0) return patches;
  patches.taken = std::min(count, most);
  patches.offsets.resize(static_cast<size_t>(patches.taken * patches.taps));
  for (int64_t i = 0; i < patches.taken; ++i) {
    const int64_t at = position_of(true, sample, i, patches.taken, count);
    int64_t* own = &patches.offsets[static_cast<size_t>(i * patches.taps)];
    find_taps(*window, transposed, at % positions, patches.taps, own);
    bool whole = true;
    for (int64_t tap = 0; tap < patches.taps; ++tap) {
      whole = whole && own[tap] >= 0 && (tap % kernel.back() == 0 || own[tap] == own[tap - 1] + 1);
    }
    patches.whole.push_back(whole ? 1 : 0);
    for (int64_t tap = 0; tap < patches.taps; ++tap) {
      if (own[tap] >= 0) own[tap] += at / positions * dims[1] * patches.plane;
    }
  }
  return patches;
}

}  // namespace

bool has_rows(const ir::Node& layer) {
  return has_patches(layer) || layer.is(ir::OpKind::gemm) ||
         (layer.is(ir::OpKind::mat_mul) && weight_of(layer)->constant()->rank() == 2);
}

LayerInputs::LayerInputs(const ir::Node& node, int64_t num_samples, int widest, bool keep_means, int64_t rows_per_input,
                         int64_t fewest_of_groups) {
  const ir::Dims& dims = weight_of(node)->constant()->dims();
  if (has_patches(node)) {
    groups_ = static_cast<int>(node.attributes().get_int("group", 1));
    kernel_.assign(dims.begin() + 2, dims.end());
  }
  outputs_ = dims[static_cast<size_t>(weight_axis(node))];
  width_ = static_cast<int>(weight_of(node)->constant()->size() / std::max<int64_t>(1, outputs_));
  const int pieces = std::max(1, (width_ + widest - 1) / widest);
  int block_width = 0;
  for (int group = 0; group < groups_; ++group) {
    for (int piece = 0; piece < pieces; ++piece) {
      const int first = static_cast<int>(static_cast<int64_t>(width_) * piece / pieces);
      const int last = static_cast<int>(static_cast<int64_t>(width_) * (piece + 1) / pieces);
      blocks_.push_back({.group = group, .first = first, .width = last - first});
      block_width = std::max(block_width, last - first);
    }
  }
  const int64_t rows = std::max(groups_ > 1 ? fewest_of_groups : kFewestRows, rows_per_input * block_width);
  rows_per_sample_ = (rows + num_samples - 1) / std::max<int64_t>(1, num_samples);
  if (keep_means) sums_.assign(length(), 0.0);
  make_pieces();
  if (groups_ > 1) return;
  std::vector<int> widths;
  for (const Block& block : blocks_) widths.push_back(block.width);
  panels_ = RowPanels(widths);
}

int64_t LayerInputs::bytes() const {
  int64_t bytes = static_cast<int64_t>(sums_.size()) * 8;
  for (const Block& block : blocks_) bytes += int64_t{4} * block.width * block.width;
  return bytes;
}

Result<size_t> LayerInputs::take_rows(const ir::Node& node, const ir::Tensor& input, int64_t sample,
                                      std::span<float> rows) const {
  const auto data = input.data<float>();
  if (!has_patches(node)) {
    const int64_t count = input.size() / width_, taken = std::min(count, rows_per_sample_);
    for (int64_t i = 0; i < taken; ++i) {
      const int64_t at = position_of(false, sample, i, taken, count);
      std::copy_n(data.begin() + at * width_, width_, rows.begin() + i * width_);
    }
    return static_cast<size_t>(taken * width_);
  }
  const auto patches = find_patches(node, kernel_, input.dims(), sample, rows_per_sample_);
  if (!patches) return patches.error();
  const auto& [taken, taps, plane, offsets, whole] = *patches;
  const int64_t channels = input.dims()[1];
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
      copy_patch(from, own, taps, kernel_.back(), whole[static_cast<size_t>(i)] != 0, to);
    }
  }
  return static_cast<size_t>(taken) * length();
}

Result<int64_t> LayerInputs::take_rows(const ir::Node& node, const ir::Tensor& input, int64_t sample, float* panels,
                                       int64_t room, int64_t first_row) const {
  const auto data = input.data<float>();
  if (!has_patches(node)) {
    const int64_t count = input.size() / width_, taken = std::min(count, rows_per_sample_);
    for (int64_t i = 0; i < taken; ++i) {
      const float* row = data.data() + position_of(false, sample, i, taken, count) * width_;
      for (const RowPanels::Panel& panel : panels_.panels()) {
        std::copy_n(row + panel.first, panel.columns, panels + panel.before * room + (first_row + i) * panel.step);
      }
    }
    return taken;
  }
  const auto patches = find_patches(node, kernel_, input.dims(), sample, rows_per_sample_);
  if (!patches) return patches.error();
  const auto& [taken, taps, plane, offsets, whole] = *patches;
  if (taken == 0) return 0;
  // A plane at a time, which may go to several panels.
  auto panel = panels_.panels().begin();
  for (int64_t c = 0; c < input.dims()[1]; ++c) {
    const float* from = data.data() + c * plane;
    for (int64_t tap = 0; tap < taps;) {
      const int64_t column = c * taps + tap - panel->first, count = std::min(taps - tap, panel->columns - column);
      float* to = panels + panel->before * room + first_row * panel->step + column;
      const int64_t* own = offsets.data() + tap;
      if (taps == 1) {
        for (int64_t i = 0; i < taken; ++i, to += panel->step) *to = own[i] >= 0 ? from[own[i]] : 0.0F;
      } else {
        for (int64_t i = 0; i < taken; ++i, to += panel->step, own += taps) {
          const bool rows = whole[static_cast<size_t>(i)] != 0 && count == taps;
          copy_patch(from, own, count, kernel_.back(), rows, to);
        }
      }
      tap += count;
      if (column + count == panel->columns) ++panel;
    }
  }
  return taken;
}

size_t LayerInputs::take_outputs(const ir::Node& node, const ir::Tensor& value, int64_t sample,
                                 std::span<float> rows) const {
  const auto data = value.data<float>();
  const bool conv = has_patches(node);
  const int64_t count = value.size() / outputs_, taken = std::min(count, rows_per_sample_);
  // Of a convolution channels lie a plane apart, of others side by side.
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

void LayerInputs::make_shift(std::span<const double> sums, std::span<const double> squares, int64_t rows) {
  shift_chosen_ = true;
  std::vector<float> shift(sums.size(), 0.0F);
  bool any = false;
  for (size_t i = 0; i < shift.size(); ++i) {
    const double mean = sums[i] / static_cast<double>(rows), square = squares[i] / static_cast<double>(rows);
    if (!(mean * mean > kFarFromZero * (square - mean * mean))) continue;
    shift[i] = static_cast<float>(mean);
    any = any || shift[i] != 0;
  }
  if (any) shift_ = std::move(shift);
}

void LayerInputs::choose_shift(std::span<const Rows> samples) {
  if (shift_chosen_ || sums_.empty()) return;
  const auto width = static_cast<size_t>(width_);
  std::vector<double> sums(length(), 0.0), squares(length(), 0.0);
  int64_t rows = 0;
  for (const Rows sample : samples) {
    const size_t count = sample.size() / length();
    rows += static_cast<int64_t>(count);
    for (size_t g = 0; g < static_cast<size_t>(groups_); ++g) {
      add_to_sums(sample.data() + g * count * width, count, width, width, &sums[g * width], &squares[g * width]);
    }
  }
  if (rows > 0) make_shift(sums, squares, rows);
}

void LayerInputs::choose_shift(const float* panels, int64_t room, int64_t rows) {
  if (shift_chosen_ || sums_.empty() || rows == 0) return;
  std::vector<double> sums(length(), 0.0), squares(length(), 0.0);
  for (const RowPanels::Panel& panel : panels_.panels()) {
    const auto first = static_cast<size_t>(panel.first);
    add_to_sums(panels + panel.before * room, static_cast<size_t>(rows), static_cast<size_t>(panel.step),
                static_cast<size_t>(panel.columns), &sums[first], &squares[first]);
  }
  make_shift(sums, squares, rows);
}

void LayerInputs::shift(std::span<float> rows) const {
  if (!shifts()) return;
  const auto width = static_cast<size_t>(width_);
  const size_t count = rows.size() / length();
  for (size_t g = 0; g < static_cast<size_t>(groups_); ++g) {
    for (size_t r = 0; r < count; ++r) {
      float* row = &rows[(g * count + r) * width];
      for (size_t i = 0; i < width; ++i) row[i] -= shift_[g * width + i];
    }
  }
}

void LayerInputs::shift(float* panels, int64_t room, int64_t rows) const {
  if (!shifts()) return;
  for (const RowPanels::Panel& panel : panels_.panels()) {
    for (int64_t r = 0; r < rows; ++r) {
      float* row = panels + panel.before * room + r * panel.step;
      for (int64_t i = 0; i < panel.columns; ++i) row[i] -= shift_[static_cast<size_t>(panel.first + i)];
    }
  }
}

void LayerInputs::make_sums() {
  if (!blocks_.front().products.empty()) return;
  for (Block& block : blocks_) {
    block.products.assign(static_cast<size_t>(block.width) * static_cast<size_t>(block.width), 0.0F);
  }
}

void LayerInputs::add_means(std::span<const Rows> samples) {
  const auto width = static_cast<size_t>(width_);
  make_sums();
  for (const Rows rows : samples) {
    const size_t count = rows.size() / length();
    num_rows_ += static_cast<int64_t>(count);
    for (size_t g = 0; g < sums_.size() / width; ++g) {
      const float* row = rows.data() + g * count * width;
      add_to_sums(row, count, width, width, &sums_[g * width]);
    }
  }
}

void LayerInputs::add_means(const float* panels, int64_t room, int64_t rows) {
  make_sums();
  num_rows_ += rows;
  if (sums_.empty()) return;
  for (const RowPanels::Panel& panel : panels_.panels()) {
    add_to_sums(panels + panel.before * room, static_cast<size_t>(rows), static_cast<size_t>(panel.step),
                static_cast<size_t>(panel.columns), &sums_[static_cast<size_t>(panel.first)]);
  }
}

void LayerInputs::add_products(const float* panels, int64_t room, int64_t rows, size_t panel) {
  Block& block = blocks_[panels_.panels()[panel].block];
  panels_.multiply(panels, room, rows, panel, block.products.data(), block.width);
}

void LayerInputs::add_products(std::span<const Rows> samples, int64_t piece) {
  const Piece& own = pieces_[static_cast<size_t>(piece)];
  Scratch packed;
  if (groups_ == 1) {
    for (const Rows rows : samples) {
      for (size_t b = own.first_block; b < own.last_block; ++b) {
        add_products(rows.data(), rows.size() / length(), blocks_[b], own, packed);
      }
    }
    return;
  }
  // The rows of a group, few in a sample, are laid side by side: so sums are read and written once for all samples.
  // They are made in the same order.
  size_t count = 0;
  for (const Rows rows : samples) count += rows.size() / length();
  Scratch joined;
  float* const side_by_side = joined.room(count * static_cast<size_t>(width_) + kReadAhead);
  for (size_t b = own.first_block; b < own.last_block; ++b) {
    float* to = side_by_side;
    for (const Rows rows : samples) {
      const size_t numbers = rows.size() / static_cast<size_t>(groups_);
      to = std::copy_n(rows.data() + static_cast<size_t>(blocks_[b].group) * numbers, numbers, to);
    }
    add_products(side_by_side, count, blocks_[b], own, packed);
  }
}

// Some rows of X^T X, from the diagonal on. Both are packed, but read where they lie where X is narrow.
void LayerInputs::add_products(const float* rows, size_t num_rows, Block& block, const Piece& piece, Scratch& packed) {
  using namespace runtime::native;
  const NativeTable& table = native_table(*runtime::isa_in_use());
  EDGESMITH_CHECK(table.nr <= static_cast<int>(kReadAhead));
  const runtime::Epilogue none;
  const auto count = static_cast<int64_t>(num_rows);
  const float* x = rows + block.first + piece.first_row;
  float* products = &block.products[static_cast<size_t>(piece.first_row) * (static_cast<size_t>(block.width) + 1)];
  const int64_t columns = block.width - piece.first_row, height = piece.last_row - piece.first_row;
  if (columns > table.nr) {
    const int64_t size = packed_columns_size(columns, count, table);
    float* const right = packed.room(static_cast<size_t>(size + height * count));
    pack_columns({x, width_, 1, count, columns}, 1.0F, table, right);
    float* const left = right + size;
    for (int64_t k = 0; k < count; ++k) std::copy_n(x + k * width_, height, left + k * height);
    multiply(table, {{left, 1, height, height, count}, right, columns, nullptr, products, block.width, true}, none);
    return;
  }
  Tile tile = {};
  tile.a = tile.b = x;
  tile.a_row = 1;
  tile.a_k = tile.ldb = width_;
  tile.rows = height;
  tile.k = count;
  tile.add = true;
  tile.c = products;
  tile.ldc = block.width;
  tile.epilogue = &none;
  set_vectors(tile, table, columns);
  table.gemm_tile(tile);
}

std::vector<double> LayerInputs::shifted_means() const {
  std::vector<double> means = sums_;
  for (double& mean : means) mean /= static_cast<double>(std::max<int64_t>(1, num_rows_));
  return means;
}

std::vector<double> LayerInputs::means() const {
  std::vector<double> means = shifted_means();
  for (size_t i = 0; i < means.size(); ++i) means[i] += shift_of(i);
  return means;
}

double LayerInputs::mean_square(const Block& block, size_t i) const {
  const auto rows = static_cast<double>(std::max<int64_t>(1, num_rows_));
  const double shift = shift_of(start_of(block) + i),
               about_shift = block.products[i * (static_cast<size_t>(block.width) + 1)] / rows;
  return shift == 0 ? about_shift : about_shift + shift * (2 * sums_[start_of(block) + i] / rows + shift);
}

bool LayerInputs::varies(const Block& block, size_t i) const {
  // Products are sums of floats: of an input that hardly varies around its mean, which the first rows did not tell,
  // what is left of them is their rounding.
  constexpr double kRounding = 3e-5;
  const auto n = static_cast<size_t>(block.width);
  const auto rows = static_cast<double>(std::max<int64_t>(1, num_rows_));
  const double square = block.products[i * n + i] / rows, mean = sums_[start_of(block) + i] / rows;
  return square - mean * mean > kRounding * square;
}

std::vector<double> LayerInputs::moments(const Block& block, bool centred) const {
  const auto n = static_cast<size_t>(block.width);
  const auto rows = static_cast<double>(std::max<int64_t>(1, num_rows_));
  EDGESMITH_CHECK(!centred || !sums_.empty()) << "moments around means that were not kept";
  const size_t start = start_of(block);
  const double* sums = sums_.data() + start;
  std::vector<double> moments(n * n);
  if (block.products.empty()) return moments;  // no rows were added
  std::vector<bool> constant(n, false);
  for (size_t i = 0; centred && i < n; ++i) constant[i] = !varies(block, i);
  constexpr size_t kTile = 16;  // the mirrored half is written down columns: a few lines at a time
  for (size_t first = 0; first < n; first += kTile) {
    for (size_t j = first; j < n; ++j) {
      for (size_t i = first; i < std::min(first + kTile, j + 1); ++i) {
        if (constant[i] || constant[j]) continue;
        double about = centred ? sums[i] / rows * (sums[j] / rows) : 0;
        if (!centred && shifts()) {
          const double a = shift_of(start + i), b = shift_of(start + j);
          about = -(a * sums[j] / rows + b * sums[i] / rows + a * b);
        }
        moments[i * n + j] = moments[j * n + i] = block.products[i * n + j] / rows - about;
      }
    }
  }
  return moments;
}

}  // namespace edgesmith::passes::quantize
