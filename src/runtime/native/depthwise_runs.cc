// SPDX-License-Identifier: Apache-2.0
#include "runtime/native/depthwise_runs.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "runtime/native/packing.h"
#include "runtime/native/split.h"

namespace edgesmith::runtime::native {

namespace {

// Vectors read whole: past the last pixel they meet what is not used.
constexpr int64_t kSlack = 128;
// Bytes of weights up to which rows are runs, whatever the channels.
constexpr int64_t kFewWeights = 16 * 1024;

int64_t whole(int64_t count, int64_t part) { return (count + part - 1) / part; }

}  // namespace

DepthwiseRuns::DepthwiseRuns(const integer::WeightLayer& layer, const integer::Form& form, const IntTable& table)
    : table_(&table), channels_(layer.outputs) {
  const ir::Dims& weight = form.node->input(1)->constant()->dims();
  kernel_height_ = weight.size() == 4 ? weight[2] : 1;
  kernel_width_ = weight.back();
  words_ = !layer.fits_i8() || (!table.exact_bytes && !pairs_safe(layer));
  groups_ = whole(taps(), taps_of_group());
  input_.element_bytes = words_ ? 2 : 1;
  input_.flip = form.operands[0]->dtype == ir::DType::i8 ? 128 : 0;
  input_.padding = static_cast<uint8_t>(layer.input_zero_point + input_.flip);
  store_ = code_store(form.result);
  if (form.fixed_point()) fixed_point_ = layer.requantize;
  const int64_t row_phases = channels_ / std::gcd(channels_, block()), pixel_phases = whole(channels_, block());
  rows_ = row_phases <= pixel_phases || row_phases * groups_ * block() * 4 <= kFewWeights;
  phases_ = rows_ ? row_phases : pixel_phases;
  pack(layer);
}

// Whether no pair of taps that an instruction adds in 16 bits can leave them.
bool DepthwiseRuns::pairs_safe(const integer::WeightLayer& layer) const {
  for (int64_t channel = 0; channel < channels_; ++channel) {
    const int16_t* weight = layer.weight.data() + channel * layer.k;
    for (int64_t t = 0; t < layer.k; t += 2) {
      if (!pair_safe(*table_, weight[t], t + 1 < layer.k ? weight[t + 1] : 0)) return false;
    }
  }
  return true;
}

// The channel in lane `lane` (of 4 vectors) of a phase, or nothing past the last one.
std::optional<int64_t> DepthwiseRuns::channel_of(int64_t phase, int64_t lane) const {
  const int lanes = table_->lanes;
  const int64_t position =
      phase * block() + depthwise_output(lanes, words_, static_cast<int>(lane / lanes), static_cast<int>(lane % lanes));
  if (!rows_ && position >= channels_) return std::nullopt;
  return position % channels_;
}

void DepthwiseRuns::pack(const integer::WeightLayer& layer) {
  const int zero = input_.padding - (words_ ? 0 : table_->byte_offset);
  const std::vector<float>& scale = layer.requantize.scale;
  weights_.resize(phases_ * groups_ * block() * 4);
  start_.resize(static_cast<size_t>(phases_ * block()));
  scale_.resize(start_.size());
  for (int64_t i = 0; i < phases_ * block(); ++i) {
    const int64_t phase = i / block(), lane = i % block();
    const auto channel = channel_of(phase, lane);
    if (!channel) continue;
    const int16_t* weight = layer.weight.data() + *channel * layer.k;
    auto start = static_cast<uint32_t>(layer.bias[static_cast<size_t>(*channel)]);
    for (int64_t t = 0; t < layer.k; ++t) {
      start -= static_cast<uint32_t>(weight[t] * zero);
      const int64_t group = (phase * groups_ + t / taps_of_group()) * block() + lane;
      uint8_t* to = weights_.data() + group * 4 + t % taps_of_group() * input_.element_bytes;
      if (words_) {
        std::memcpy(to, &weight[t], 2);
      } else {
        *to = static_cast<uint8_t>(weight[t]);
      }
    }
    start_[static_cast<size_t>(i)] = static_cast<int32_t>(start);
    scale_[static_cast<size_t>(i)] = scale[scale.size() == 1 ? 0 : static_cast<size_t>(*channel)];
  }
}

CodeGeometry DepthwiseRuns::geometry(const PlaneWindow& window, const ir::Dims& input) const {
  CodeGeometry out;
  out.spatial.assign(input.begin() + 2, input.end());
  out.band = make_code_band(window, input_, channels_, rows_, kSlack);
  for (int64_t i = 0; i < groups_ * taps_of_group(); ++i) {
    const int64_t tap = std::min(i, taps() - 1);  // those without weights are read where one is that has one
    out.taps.push_back(out.band.at(tap / kernel_width_ * window.dilation_y, tap % kernel_width_ * window.dilation_x));
  }
  return out;
}

int64_t DepthwiseRuns::scratch_bytes(const CodeBand& band) const {
  if (!fixed_point_) return band.bytes;
  return round_up(band.bytes, 64) + round_up(outputs_of_run(band.window), block()) * 4;
}

// Codes by the fixed-point multipliers, out of the sums that a job stored.
void DepthwiseRuns::store_fixed_point(const IntDepthwise& job) const {
  const int lanes = table_->lanes;
  const int32_t* sum = job.sums;
  for (int64_t first = 0; first < job.count; first += block()) {
    for (int lane = 0; lane < block(); ++lane, ++sum) {
      const int64_t at = first + depthwise_output(lanes, words_, lane / lanes, lane % lanes);
      if (at < job.count) job.out[at] = static_cast<uint8_t>(fixed_point_->fixed_code(*sum, at % channels_));
    }
  }
}

void DepthwiseRuns::run(const KernelCall& call, const CodeGeometry& geometry) const {
  const CodeBand& band = geometry.band;
  const PlaneWindow& w = band.window;
  const int64_t runs = rows_ ? 1 : w.out_width;  // in a row
  const int64_t down = band.at(w.stride_y, 0), right = rows_ ? 0 : band.at(0, w.stride_x);
  const int64_t row_outputs = w.out_width * channels_;
  const IntDepthwise all = {.count = outputs_of_run(w),
                            .taps = geometry.taps.data(),
                            .groups = groups_,
                            .words = words_,
                            .weights = weights_.data(),
                            .phases = phases_,
                            .start = start_.data(),
                            .scale = scale_.data(),
                            .out = call.outputs[0].as<uint8_t>(),
                            .store = store_,
                            .sums = nullptr};
  const auto* image = reinterpret_cast<const uint8_t*>(call.inputs[0]->bytes().data());
  // Rows of outputs [begin, end) of one sample.
  const auto run_rows = [&](int64_t n, int64_t begin, int64_t end, uint8_t* scratch) {
    IntDepthwise job = all;
    if (fixed_point_) job.sums = reinterpret_cast<int32_t*>(scratch + round_up(band.bytes, 64));
    job.out += (n * w.out_height + begin) * row_outputs;
    for (int64_t first = begin; first < end; first += band.rows) {
      const int64_t rows = std::min(band.rows, end - first);
      const uint8_t* source = image + n * w.height * w.width * channels_;
      if (band.in_place) {
        source += first * down;
      } else {
        band.lay_out(*table_, source, first, rows, scratch);
        source = scratch;
      }
      for (int64_t y = 0; y < rows; ++y) {
        job.input = source + y * down;
        for (int64_t x = 0; x < runs; ++x, job.out += job.count, job.input += right) {
          table_->depthwise(job);
          if (fixed_point_) store_fixed_point(job);
        }
      }
    }
  };
  const int64_t products = w.out_height * row_outputs * taps();
  // Taps are interleaved before they are multiplied: a fifth of the speed of other products.
  for (int64_t n = 0; n < call.inputs[0]->dims()[0]; ++n) {
    split(call, w.out_height, 5 * products / kCodeProductsNs, [&](int64_t begin, int64_t end, std::byte* scratch) {
      run_rows(n, begin, end, reinterpret_cast<uint8_t*>(scratch));
    });
  }
}

}  // namespace edgesmith::runtime::native
