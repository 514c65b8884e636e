// SPDX-License-Identifier: Apache-2.0
#include "runtime/native/depthwise_columns.h"

#include <algorithm>
#include <array>

#include "runtime/native/packing.h"
#include "runtime/native/split.h"

namespace edgesmith::runtime::native {

namespace {

// Bytes of interleaved groups up to which a tile grows: most of a first-level cache.
constexpr int64_t kTileBytes = 32 * 1024;
constexpr int64_t kMaxGroups = 4;

int64_t whole_groups(int64_t taps) { return (taps + 3) / 4; }

int64_t first_or_one(const ir::Ints& values) { return values.empty() ? 1 : values[0]; }

}  // namespace

std::optional<DepthwiseColumns> DepthwiseColumns::make(const integer::WeightLayer& layer, const integer::Form& form,
                                                       const IntTable& table) {
  const ir::Node& node = *form.node;
  const ir::Dims& weight = node.input(1)->constant()->dims();
  if (weight.size() != 4 || weight[2] == 1 || !layer.fits_i8()) return std::nullopt;
  DepthwiseColumns out;
  out.table_ = &table;
  out.channels_ = layer.outputs;
  out.kernel_height_ = weight[2];
  out.kernel_width_ = weight[3];
  out.stride_y_ = first_or_one(node.attributes().get_ints("strides"));
  out.dilation_y_ = first_or_one(node.attributes().get_ints("dilations"));
  out.groups_ = whole_groups(out.kernel_height_);
  // Three quarters of the lanes at least must have a channel.
  if (out.groups_ > kMaxGroups || 4 * out.channels_ < 3 * out.pieces() * table.lanes) return std::nullopt;
  const bool free = whole_groups(out.kernel_height_ + out.stride_y_) == out.groups_;
  out.rows_ = free && out.dilation_y_ == 1 ? 2 : 1;
  if (!table.exact_bytes) {
    // Products cost three instructions, as much as interleaving: rows that fill no group must not add to them.
    const bool full = out.groups_ * out.kernel_width_ <= whole_groups(out.kernel_height_ * out.kernel_width_);
    if (out.rows_ == 1 || !full || !out.pairs_safe(layer)) return std::nullopt;
  }
  out.input_.flip = form.operands[0]->dtype == ir::DType::i8 ? 128 : 0;
  out.input_.padding = static_cast<uint8_t>(layer.input_zero_point + out.input_.flip);
  out.store_ = code_store(form.result);
  if (form.fixed_point()) out.fixed_point_ = layer.requantize;
  out.pack(layer);
  return out;
}

// The weight that output row `row` has for a column of the window in row `slot` of what is interleaved.
int16_t DepthwiseColumns::weight_at(const int16_t* weight, int64_t slot, int64_t column, int row) const {
  const int64_t y = slot - row * stride_y_;
  return y < 0 || y >= kernel_height_ ? int16_t{0} : weight[y * kernel_width_ + column];
}

bool DepthwiseColumns::pairs_safe(const integer::WeightLayer& layer) const {
  for (int64_t channel = 0; channel < channels_; ++channel) {
    const int16_t* weight = layer.weight.data() + channel * layer.k;
    for (int64_t column = 0; column < kernel_width_; ++column) {
      for (int row = 0; row < rows_; ++row) {
        for (int64_t slot = 0; slot < row_slots(); slot += 2) {
          const int a = weight_at(weight, slot, column, row), b = weight_at(weight, slot + 1, column, row);
          if (!pair_safe(*table_, a, b)) return false;
        }
      }
    }
  }
  return true;
}

void DepthwiseColumns::pack(const integer::WeightLayer& layer) {
  const int64_t lanes = table_->lanes;
  weights_.resize(pieces() * kernel_width_ * groups_ * rows_ * vector_bytes());
  start_.resize(static_cast<size_t>(pieces() * lanes));
  scale_.resize(start_.size());
  const int zero = input_.padding - table_->byte_offset;
  const std::vector<float>& scale = layer.requantize.scale;
  for (int64_t channel = 0; channel < channels_; ++channel) {
    const int16_t* weight = layer.weight.data() + channel * layer.k;
    auto start = static_cast<uint32_t>(layer.bias[static_cast<size_t>(channel)]);
    for (int64_t t = 0; t < layer.k; ++t) start -= static_cast<uint32_t>(weight[t] * zero);
    start_[static_cast<size_t>(channel)] = static_cast<int32_t>(start);
    scale_[static_cast<size_t>(channel)] = scale[scale.size() == 1 ? 0 : static_cast<size_t>(channel)];
    const int64_t piece = channel / lanes;
    for (int64_t column = 0; column < kernel_width_; ++column) {
      for (int64_t slot = 0; slot < row_slots(); ++slot) {
        for (int row = 0; row < rows_; ++row) {
          const int64_t vector = ((piece * kernel_width_ + column) * groups_ + slot / 4) * rows_ + row;
          weights_.data()[(vector * lanes + channel % lanes) * 4 + slot % 4] =
              static_cast<uint8_t>(weight_at(weight, slot, column, row));
        }
      }
    }
  }
}

// Outputs of a row whose columns are interleaved together.
int64_t DepthwiseColumns::tile_outputs(const PlaneWindow& w) const {
  const int64_t columns = kTileBytes / (groups_ * slab() * 4);
  const int64_t outputs = (columns - (w.kernel_width - 1) * w.dilation_x - 1) / w.stride_x + 1;
  return std::clamp<int64_t>(outputs, std::min<int64_t>(w.out_width, 16), w.out_width);
}

namespace {

int64_t columns_read(const PlaneWindow& w, int64_t outputs) {
  return (outputs - 1) * w.stride_x + (w.kernel_width - 1) * w.dilation_x + 1;
}

}  // namespace

int64_t DepthwiseColumns::scratch_bytes(const PlaneWindow& w) const {
  if (w.out_width == 0) return 0;
  const int64_t outputs = tile_outputs(w);
  const int64_t sums = fixed_point_ ? rows_ * outputs * slab() * 4 : 0;
  return columns_read(w, outputs) * groups_ * slab() * 4 + sums;
}

// Outputs x .. x + count - 1 of the rows y .. y + rows - 1 (at most rows_), which begin at `out`.
void DepthwiseColumns::run_tile(const PlaneWindow& w, const uint8_t* image, int64_t y, int64_t rows, int64_t x,
                                int64_t count, uint8_t* out, uint8_t* scratch) const {
  const int64_t columns = columns_read(w, count), first = x * w.stride_x - w.pad_left;
  const int64_t left = std::clamp<int64_t>(-first, 0, columns);
  const int64_t right = std::clamp<int64_t>(w.width - first, left, columns);
  std::array<uint8_t, 64> outside;
  outside.fill(input_.padding ^ input_.flip);
  std::array<const uint8_t*, 4 * kMaxGroups> slots;
  std::array<int64_t, 4 * kMaxGroups> steps;
  for (int64_t slot = 0; slot < row_slots(); ++slot) {
    const int64_t row = y * w.stride_y - w.pad_top + slot * w.dilation_y;
    const bool inside = row >= 0 && row < w.height;
    slots[static_cast<size_t>(slot)] = inside ? image + (row * w.width + first + left) * channels_ : outside.data();
    steps[static_cast<size_t>(slot)] = inside ? channels_ : 0;
  }
  for (int64_t channel = 0; channel < channels_; channel += slab()) {
    const int64_t here = std::min(slab(), channels_ - channel), piece = channel / table_->lanes;
    table_->columns({.rows = slots.data(),
                     .steps = steps.data(),
                     .groups = groups_,
                     .before = left,
                     .pixels = right - left,
                     .after = columns - right,
                     .flip = input_.flip,
                     .padding = input_.padding,
                     .pieces = static_cast<int>((here + table_->lanes - 1) / table_->lanes),
                     .out = scratch});
    const IntColumnWindows windows = {
        .columns = scratch,
        .num_columns = columns,
        .count = count,
        .kernel_width = kernel_width_,
        .groups = groups_,
        .stride = w.stride_x,
        .dilation = w.dilation_x,
        .rows = rows_,
        .weights = weights_.data() + piece * kernel_width_ * groups_ * rows_ * vector_bytes(),
        .start = start_.data() + channel,
        .scale = scale_.data() + channel,
        .channels = here,
        .out = out + channel,
        .step = channels_,
        .row_step = rows == rows_ ? w.out_width * channels_ : 0,
        .store = store_,
        .sums = fixed_point_ ? reinterpret_cast<int32_t*>(scratch + columns * groups_ * slab() * 4) : nullptr};
    table_->column_windows(windows);
    if (fixed_point_) store_fixed_point(windows, channel, rows);
    for (int64_t slot = 0; slot < row_slots(); ++slot) {
      if (steps[static_cast<size_t>(slot)] != 0) slots[static_cast<size_t>(slot)] += slab();
    }
  }
}

// Codes by the fixed-point multipliers, out of the sums that a job stored: channels from `channel` on.
void DepthwiseColumns::store_fixed_point(const IntColumnWindows& job, int64_t channel, int64_t rows) const {
  const int64_t lanes = table_->lanes;
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t x = 0; x < job.count; ++x) {
      for (int64_t i = 0; i < job.channels; ++i) {
        const int32_t sum = job.sums[((i / lanes * rows_ + row) * job.count + x) * lanes + i % lanes];
        job.out[row * job.row_step + x * job.step + i] =
            static_cast<uint8_t>(fixed_point_->fixed_code(sum, channel + i));
      }
    }
  }
}

void DepthwiseColumns::run(const KernelCall& call, const PlaneWindow& w) const {
  const auto* images = reinterpret_cast<const uint8_t*>(call.inputs[0]->bytes().data());
  auto* const results = call.outputs[0].as<uint8_t>();
  const int64_t tile = tile_outputs(w),
                products = w.out_height * w.out_width * channels_ * kernel_height_ * kernel_width_;
  for (int64_t n = 0; n < call.inputs[0]->dims()[0]; ++n) {
    const uint8_t* image = images + n * w.height * w.width * channels_;
    uint8_t* result = results + n * w.out_height * w.out_width * channels_;
    // Rows are interleaved before they are multiplied: a third of the speed of other products.
    split(call, w.out_height, 3 * products / kCodeProductsNs, [&](int64_t begin, int64_t end, std::byte* scratch) {
      for (int64_t y = begin; y < end; y += rows_) {
        for (int64_t x = 0; x < w.out_width; x += tile) {
          run_tile(w, image, y, std::min<int64_t>(rows_, end - y), x, std::min(tile, w.out_width - x),
                   result + (y * w.out_width + x) * channels_, reinterpret_cast<uint8_t*>(scratch));
        }
      }
    });
  }
}

}  // namespace edgesmith::runtime::native
