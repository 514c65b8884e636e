// SPDX-License-Identifier: Apache-2.0
#include "passes/quantize/layer_inputs.h"

#include <algorithm>
#include <numeric>

#include "edgesmith/ops/window.h"
#include "passes/quantize/node_form.h"

namespace edgesmith::passes::quantize {
namespace {

// Rows wanted in all: enough to estimate moments of this many inputs, and means of the smallest layers. More rows cost
// time (width^2 each) and did not raise the accuracy of ResNet-20.
constexpr int64_t kRowsPerInput = 4, kFewestRows = 2048;

// A step through `count` positions that visits every one before it repeats and spreads the first few evenly: near the
// golden section of count, with no common factor.
int64_t spreading_step(int64_t count) {
  auto step = static_cast<int64_t>(static_cast<double>(count) * 0.6180339887);
  step = std::max<int64_t>(1, step);
  while (std::gcd(step, count) != 1) ++step;
  return step;
}

// One output position's patch: all input channels, kernel taps innermost. `input` is one sample [C, spatial...].
void copy_patch(const ops::Window& window, const float* input, int64_t channels, int64_t position, float* row) {
  const size_t axes = window.kernel.size();
  const int64_t taps = ir::num_elements(window.kernel), plane = ir::num_elements(window.input);
  std::vector<int64_t> start(axes);
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
    for (int64_t c = 0; c < channels; ++c) row[c * taps + tap] = inside ? input[c * plane + offset] : 0.0f;
  }
}

}  // namespace

LayerInputs::LayerInputs(const ir::Node& node, int64_t num_samples, int widest) {
  const ir::Dims& dims = weight_of(node)->constant()->dims();
  if (node.is(ir::OpKind::conv)) {
    groups_ = static_cast<int>(node.attributes().get_int("group", 1));
    kernel_.assign(dims.begin() + 2, dims.end());
    width_ = static_cast<int>(ir::num_elements(kernel_) * dims[1]);
  } else {
    const auto axis = static_cast<size_t>(weight_axis(node));
    width_ = static_cast<int>(weight_of(node)->constant()->size() / std::max<int64_t>(1, dims[axis]));
  }
  const int pieces = std::max(1, (width_ + widest - 1) / widest);
  int block_width = 0;
  for (int group = 0; group < groups_; ++group) {
    for (int piece = 0; piece < pieces; ++piece) {
      const int first = static_cast<int>(static_cast<int64_t>(width_) * piece / pieces);
      const int last = static_cast<int>(static_cast<int64_t>(width_) * (piece + 1) / pieces);
      const auto n = static_cast<size_t>(last - first);
      blocks_.push_back({.group = group, .first = first, .width = last - first, .products = std::vector<float>(n * n)});
      block_width = std::max(block_width, last - first);
    }
  }
  const int64_t rows = std::max(kFewestRows, kRowsPerInput * block_width);
  rows_per_sample_ = (rows + num_samples - 1) / std::max<int64_t>(1, num_samples);
  sums_.assign(static_cast<size_t>(groups_) * static_cast<size_t>(width_), 0.0);
}

int64_t LayerInputs::bytes() const {
  int64_t bytes = static_cast<int64_t>(sums_.size()) * 8;
  for (const Block& block : blocks_) bytes += static_cast<int64_t>(block.products.size()) * 4;
  return bytes;
}

Status LayerInputs::take_rows(const ir::Node& node, const ir::Tensor& input, int64_t sample,
                              std::vector<float>& rows) const {
  const auto data = input.data<float>();
  const size_t length = sums_.size();
  if (!node.is(ir::OpKind::conv)) {
    const int64_t count = input.size() / width_, taken = std::min(count, rows_per_sample_);
    const int64_t step = count > 0 ? spreading_step(count) : 1;
    for (int64_t i = 0; i < taken; ++i) {
      const int64_t at = (sample + i) % count * step % count;
      rows.insert(rows.end(), data.begin() + at * width_, data.begin() + (at + 1) * width_);
    }
    return {};
  }
  const ir::Dims& dims = input.dims();
  const int64_t channels = dims[1];
  auto window = ops::resolve_window(node, ir::Dims(dims.begin() + 2, dims.end()), kernel_);
  if (!window) return window.error().in(node.label());
  const int64_t positions = ir::num_elements(window->output), count = dims[0] * positions;
  if (count <= 0) return {};
  const int64_t taken = std::min(count, rows_per_sample_), step = spreading_step(count);
  for (int64_t i = 0; i < taken; ++i) {
    const int64_t at = (sample * taken + i) % count * step % count;
    rows.resize(rows.size() + length);
    const float* image = data.data() + at / positions * (input.size() / dims[0]);
    copy_patch(*window, image, channels, at % positions, rows.data() + rows.size() - length);
  }
  return {};
}

void LayerInputs::add_rows(std::span<const float> rows) {
  const size_t length = sums_.size(), count = rows.size() / length;
  num_rows_ += static_cast<int64_t>(count);
  for (size_t r = 0; r < count; ++r) {
    for (size_t i = 0; i < length; ++i) sums_[i] += rows[r * length + i];
  }
  for (Block& block : blocks_) {
    const auto n = static_cast<size_t>(block.width);
    const size_t start =
        static_cast<size_t>(block.group) * static_cast<size_t>(width_) + static_cast<size_t>(block.first);
    const std::vector<float> zeros(count % 4 == 0 ? 0 : n, 0.0f);
    for (size_t r = 0; r < count; r += 4) {
      const float* x[4];
      for (size_t u = 0; u < 4; ++u) x[u] = r + u < count ? &rows[(r + u) * length + start] : zeros.data();
      for (size_t i = 0; i < n; ++i) {
        const float a = x[0][i], b = x[1][i], c = x[2][i], d = x[3][i];
        if (a == 0 && b == 0 && c == 0 && d == 0) continue;
        float* sum = &block.products[i * n];
        for (size_t j = i; j < n; ++j) sum[j] += (a * x[0][j] + b * x[1][j]) + (c * x[2][j] + d * x[3][j]);
      }
    }
  }
}

std::vector<double> LayerInputs::means() const {
  std::vector<double> means = sums_;
  for (double& mean : means) mean /= static_cast<double>(std::max<int64_t>(1, num_rows_));
  return means;
}

std::vector<double> LayerInputs::moments(const Block& block, bool centred) const {
  const auto n = static_cast<size_t>(block.width);
  const auto rows = static_cast<double>(std::max<int64_t>(1, num_rows_));
  const double* sums =
      &sums_[static_cast<size_t>(block.group) * static_cast<size_t>(width_) + static_cast<size_t>(block.first)];
  std::vector<double> moments(n * n, 0.0);
  for (size_t i = 0; i < n; ++i) {
    for (size_t j = i; j < n; ++j) {
      const double about = centred ? sums[i] / rows * (sums[j] / rows) : 0;
      moments[i * n + j] = block.products[i * n + j] / rows - about;
    }
  }
  return moments;
}

}  // namespace edgesmith::passes::quantize
