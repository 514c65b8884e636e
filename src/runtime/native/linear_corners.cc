// SPDX-License-Identifier: Apache-2.0
#include "runtime/native/linear_corners.h"

#include <algorithm>

#include "runtime/native/packing.h"

namespace edgesmith::runtime::native {
namespace {

// An axis that stays as it is counts all the same: every output is itself and nothing of the next one; the last has two
// halves, whose sums round.
Neighbours unchanged(int64_t input) {
  Neighbours all{.input = input, .indices = {}, .weights = {}};
  for (int64_t i = 0; i + 1 < input; ++i) {
    all.indices.insert(all.indices.end(), {i, i + 1});
    all.weights.insert(all.weights.end(), {1, 0});
  }
  all.indices.insert(all.indices.end(), {input - 1, input - 1});
  all.weights.insert(all.weights.end(), {0.5F, 0.5F});
  return all;
}

Neighbours neighbours(const ops::AxisMixes& axis, int64_t input) {
  if (axis.begins.empty()) return unchanged(input);
  return {input, axis.indices, std::vector<float>(axis.weights.begin(), axis.weights.end())};
}

// Every pixel as `channels` numbers beside each other.
Neighbours spread_channels(const Neighbours& pixels, int64_t channels) {
  Neighbours all{.input = pixels.input * channels, .indices = {}, .weights = {}};
  for (size_t o = 0; o < pixels.indices.size(); o += 2) {
    for (int64_t c = 0; c < channels; ++c) {
      for (const size_t side : {o, o + 1}) {
        all.indices.push_back(pixels.indices[side] * channels + c);
        all.weights.push_back(pixels.weights[side]);
      }
    }
  }
  return all;
}

// A row spread over the outputs.
int64_t row_floats(const LinearCorners& corners) {
  return round_up(2 * static_cast<int64_t>(corners.left_weights.size()), 16);
}

// Rows of an input image, every pixel where outputs need it: the left neighbour of each output, then the right one. The
// two rows that were asked for last are kept.
class SpreadRows {
 public:
  SpreadRows(const LinearCorners& corners, float* scratch)
      : columns_(corners.columns), rows_{scratch, scratch + row_floats(corners)} {}

  void start(const float* in) {
    if (in == in_) return;
    in_ = in;
    held_[0] = held_[1] = -1;
  }

  // Row `at`; row `other` stays if it is held.
  const float* row(int64_t at, int64_t other) {
    for (int s = 0; s < 2; ++s) {
      if (held_[s] == at) return rows_[s];
    }
    const int slot = held_[0] == other ? 1 : 0;
    held_[slot] = at;
    spread(in_ + at * columns_.input, rows_[slot]);
    return rows_[slot];
  }

 private:
  void spread(const float* in, float* out) const {
    const size_t width = columns_.outputs();
    float* right = out + width;
    for (size_t i = 0; i < width; ++i) {
      out[i] = in[columns_.indices[2 * i]];
      right[i] = in[columns_.indices[2 * i + 1]];
    }
  }

  const Neighbours& columns_;
  float* rows_[2];
  const float* in_ = nullptr;
  int64_t held_[2] = {-1, -1};
};

// The corners of the outputs of row `r` (times two) in one image, or in one slice.
Corners corners_of(const LinearCorners& all, size_t r, SpreadRows& spread) {
  const std::vector<int64_t>& rows = all.rows.indices;
  const auto width = static_cast<int64_t>(all.left_weights.size());
  const float* above = spread.row(rows[r], rows[r + 1]);
  const float* below = spread.row(rows[r + 1], rows[r]);
  return {all.left_weights.data(),
          all.right_weights.data(),
          all.rows.weights[r],
          all.rows.weights[r + 1],
          above,
          above + width,
          below,
          below + width};
}

}  // namespace

int64_t LinearCorners::scratch_floats() const { return (slices ? 4 : 2) * row_floats(*this); }

std::optional<LinearCorners> linear_corners(const std::vector<ops::AxisMixes>& axes, const ir::Dims& input,
                                            const ir::Dims& output) {
  const size_t rank = input.size();
  const auto changes = [&](size_t d) { return !axes[d].begins.empty(); };
  bool any = false;
  for (size_t d = 0; d < rank; ++d) any = any || changes(d);
  const bool known = rank >= 2 && rank <= 5 && std::find(input.begin(), input.end(), 0) == input.end() &&
                     std::find(output.begin(), output.end(), 0) == output.end();
  if (!any || !known || (rank >= 4 && changes(0))) return {};
  if (rank == 5 && changes(1)) return {};
  const bool channels_last = rank == 4 && changes(1);
  if (channels_last && changes(3)) return {};
  const size_t columns = channels_last ? 2 : rank - 1, rows = columns - 1;
  LinearCorners out;
  if (rank == 3 || rank == 5) out.slices = neighbours(axes[rows - 1], input[rows - 1]);
  out.rows = neighbours(axes[rows], input[rows]);
  out.columns = neighbours(axes[columns], input[columns]);
  if (channels_last) out.columns = spread_channels(out.columns, input[3]);
  for (size_t d = 0; d < (out.slices ? rows - 1 : rows); ++d) out.images *= input[d];
  for (size_t i = 0; i < out.columns.weights.size(); i += 2) {
    out.left_weights.push_back(out.columns.weights[i]);
    out.right_weights.push_back(out.columns.weights[i + 1]);
  }
  return out;
}

void run_linear_corners(const NativeTable& table, const LinearCorners& corners, const float* in, float* scratch,
                        float* out) {
  const auto width = static_cast<int64_t>(corners.left_weights.size());
  const int64_t image = corners.rows.input * corners.columns.input;
  SpreadRows near(corners, scratch);
  if (!corners.slices) {
    for (int64_t i = 0; i < corners.images; ++i, in += image) {
      near.start(in);
      for (size_t r = 0; r < corners.rows.indices.size(); r += 2, out += width) {
        table.mix_corners(corners_of(corners, r, near), width, out);
      }
    }
    return;
  }
  SpreadRows far(corners, scratch + 2 * row_floats(corners));
  const Neighbours& slices = *corners.slices;
  for (int64_t i = 0; i < corners.images; ++i, in += slices.input * image) {
    for (size_t s = 0; s < slices.indices.size(); s += 2) {
      near.start(in + slices.indices[s] * image);
      far.start(in + slices.indices[s + 1] * image);
      for (size_t r = 0; r < corners.rows.indices.size(); r += 2, out += width) {
        table.mix_eight_corners(corners_of(corners, r, near), slices.weights[s], corners_of(corners, r, far),
                                slices.weights[s + 1], width, out);
      }
    }
  }
}

}  // namespace edgesmith::runtime::native
