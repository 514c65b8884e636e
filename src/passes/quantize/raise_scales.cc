// SPDX-License-Identifier: Apache-2.0
#include "passes/quantize/raise_scales.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "edgesmith/ops/op_info.h"
#include "passes/quantize/assignment.h"
#include "passes/quantize/layer_codes.h"
#include "passes/quantize/node_form.h"

namespace edgesmith::passes::quantize {
namespace {

constexpr size_t kMostEntries = 256;  // that an index of 8 bits can name

// Along `axis`, the index of every element of a tensor of these dims.
class Places {
 public:
  Places(const ir::Dims& dims, int axis) : size_(dims.empty() ? 1 : dims[static_cast<size_t>(axis)]) {
    for (size_t d = static_cast<size_t>(axis) + 1; d < dims.size(); ++d) inner_ *= dims[d];
  }
  size_t of(size_t element) const { return static_cast<size_t>(static_cast<int64_t>(element) / inner_ % size_); }

 private:
  int64_t size_, inner_ = 1;
};

// Codes of 2, 4, 8 or 16 bits, packed low bits first.
ir::Tensor packed(ir::DType dtype, const ir::Dims& dims, const std::vector<int64_t>& codes) {
  ir::Tensor tensor = ir::Tensor::zeros(dtype, dims);
  const auto bytes = tensor.mutable_bytes();
  const auto bits = static_cast<size_t>(ir::dtype_bits(dtype));
  for (size_t i = 0; i < codes.size(); ++i) {
    const auto code = static_cast<uint16_t>(codes[i]);
    if (bits == 16) {
      std::memcpy(&bytes[2 * i], &code, 2);
    } else {
      const size_t mask = (size_t{1} << bits) - 1, at = i * bits;
      bytes[at / 8] |= static_cast<std::byte>((code & mask) << (at % 8));
    }
  }
  return tensor;
}

// A palette whose channels get other scales: by channel, what is left of the size of its codes.
class Repainter {
 public:
  Repainter(const ir::Tensor& weight, int axis, std::vector<double> shares, int64_t zero)
      : palette_(*weight.as_palette()),
        channels_(weight.dims(), axis),
        groups_(weight.dims(), palette_.palette_axis()),
        shares_(std::move(shares)),
        zero_(zero),
        entries_(palette_.codebooks().to_int64s()),
        width_(static_cast<size_t>(palette_.codebooks().dims()[1])),
        indices_(palette_.codes().to_int64s()) {}

  // The codes at the new scales; invalid when there is no room for a zero among the entries.
  ir::Tensor run() {
    const std::vector<double> shared = shares_of_codebooks();
    for (size_t i = 0; i < entries_.size(); ++i) {
      const double share = shared[i / width_];
      if (share > 0) entries_[i] = zero_ + std::llround(static_cast<double>(entries_[i] - zero_) * share);
    }
    std::vector<bool> wanting(shared.size(), false);
    for (size_t i = 0; i < indices_.size(); ++i) {
      const size_t group = group_of(i);
      if (!(shared[group] > 0) && shares_[channels_.of(i)] < 1) wanting[group] = wanting[group] || !has_zero(group);
    }
    if (std::find(wanting.begin(), wanting.end(), true) != wanting.end() && !add_zero()) return {};
    for (size_t i = 0; i < indices_.size(); ++i) {
      const size_t group = group_of(i);
      const double share = shares_[channels_.of(i)];
      if (shared[group] > 0 || share >= 1) continue;
      indices_[i] = nearest(group, static_cast<double>(entry(group, indices_[i]) - zero_) * share);
    }
    const auto groups = static_cast<int64_t>(shared.size());
    const ir::DType stored = width_ > 16 ? ir::DType::u8 : palette_.codes().dtype();
    return ir::Tensor::palette(packed(stored, palette_.dims(), indices_),
                               packed(palette_.codebooks().dtype(), {groups, static_cast<int64_t>(width_)}, entries_),
                               palette_.palette_axis());
  }

 private:
  size_t group_of(size_t element) const { return groups_.of(element) / static_cast<size_t>(palette_.palette_group()); }
  int64_t entry(size_t group, int64_t index) const { return entries_[group * width_ + static_cast<size_t>(index)]; }
  bool has_zero(size_t group) const {
    const auto first = entries_.begin() + static_cast<std::ptrdiff_t>(group * width_);
    return std::find(first, first + static_cast<std::ptrdiff_t>(width_), zero_) !=
           first + static_cast<std::ptrdiff_t>(width_);
  }

  // By codebook, the share of all channels that read it; 0 where they have several.
  std::vector<double> shares_of_codebooks() const {
    std::vector<double> shared(entries_.size() / width_, -1);
    for (size_t i = 0; i < indices_.size(); ++i) {
      double& share = shared[group_of(i)];
      const double own = shares_[channels_.of(i)];
      share = share < 0 ? own : share == own ? share : 0;
    }
    return shared;
  }

  bool add_zero() {
    if (width_ >= kMostEntries) return false;
    std::vector<int64_t> entries;
    for (size_t i = 0; i < entries_.size(); ++i) {
      entries.push_back(entries_[i]);
      if ((i + 1) % width_ == 0) entries.push_back(zero_);
    }
    entries_ = std::move(entries);
    ++width_;
    return true;
  }

  int64_t nearest(size_t group, double code) const {
    size_t best = 0;
    double least = std::numeric_limits<double>::infinity();
    for (size_t i = 0; i < width_; ++i) {
      const double off = std::fabs(static_cast<double>(entries_[group * width_ + i] - zero_) - code);
      if (off < least) {
        least = off;
        best = i;
      }
    }
    return static_cast<int64_t>(best);
  }

  const ir::Tensor& palette_;
  Places channels_, groups_;
  std::vector<double> shares_;  // by channel
  int64_t zero_;
  std::vector<int64_t> entries_;  // [codebooks][width]
  size_t width_;
  std::vector<int64_t> indices_;
};

}  // namespace

ir::Tensor with_raised_scales(const ir::Tensor& weight, int axis, const std::vector<double>& smallest) {
  ir::Quant quant = weight.quant();
  if (quant.block_size > 0 || (!quant.per_tensor() && quant.axis != axis)) return {};
  std::vector<double> shares(smallest.size(), 1);
  bool any = false;
  const std::vector<float> before = quant.scale;
  for (size_t c = 0; c < smallest.size(); ++c) {
    float& scale = quant.scale[quant.per_tensor() ? 0 : c];
    any = any || scale < smallest[c];
    scale = std::max(scale, static_cast<float>(smallest[c]));
  }
  if (!any) return {};
  for (size_t c = 0; c < shares.size(); ++c) {
    const size_t s = quant.per_tensor() ? 0 : c;
    shares[c] = static_cast<double>(before[s]) / quant.scale[s];
  }
  const bool one_zero = std::all_of(quant.zero_point.begin(), quant.zero_point.end(),
                                    [&](int32_t zero) { return zero == quant.zero_point[0]; });
  if (weight.as_palette() != nullptr && one_zero) {
    ir::Tensor palette = Repainter(weight, axis, shares, quant.zero_point[0]).run();
    if (palette.valid()) return ir::Tensor::affine(std::move(palette), std::move(quant));
  }
  const Places channels(weight.dims(), axis);
  std::vector<int64_t> codes = weight.codes().to_int64s();
  for (size_t i = 0; i < codes.size(); ++i) {
    const size_t channel = channels.of(i);
    const int64_t zero = quant.zero_point[quant.per_tensor() ? 0 : channel];
    codes[i] = zero + std::llround(static_cast<double>(codes[i] - zero) * shares[channel]);
  }
  const ir::DType dtype = quant.dtype;
  return ir::Tensor::affine(packed(dtype, weight.dims(), codes), std::move(quant));
}

bool make_room_for_bias(ir::Graph& graph, ir::Node& node, double input_scale) {
  const ir::Tensor& weight = *weight_of(node)->constant();
  const ops::QuantFacts facts = ops::quant_facts(node);
  const ir::Value* bias = facts.bias_operand >= 0 ? node.input(facts.bias_operand) : nullptr;
  if (bias == nullptr || bias->constant()->encoding() == ir::Encoding::affine) return false;
  ir::Tensor raised = with_raised_scales(weight, weight_axis(node), smallest_weight_scales(node, input_scale));
  if (!raised.valid()) return false;
  set_constant(graph, node, facts.weight_operand, std::move(raised));
  return true;
}

}  // namespace edgesmith::passes::quantize
