// SPDX-License-Identifier: Apache-2.0
// Weights that share codebooks: the entries are trained, the indices stay.
//
//   codebooks [groups, entries] ──▶ [* mask of zeros] ──▶ reshape [groups * entries] ──▶ gather by [dims] ──▶ [* scale
//   ratios] ──▶ w
//
// Entries that are int8 codes are trained as the reals that they stand for in the first channel of their group;
// channels of a group with other scales see them times the ratio of scales. They go back to codes of as many steps as
// before, the largest one of each codebook on the last.
#include <algorithm>
#include <cmath>

#include "train/weight_form.h"

namespace edgesmith::train {
namespace {

// As the quantize pass: below this a scale would leave the normal floats when it is multiplied.
constexpr float kSmallestScale = 1e-20F;

class CodebookForm : public WeightForm {
 public:
  explicit CodebookForm(const ir::Tensor& constant) : constant_(constant), palette_(*constant.as_palette()) {
    groups_ = palette_.codebooks().dims()[0];
    entries_ = palette_.codebooks().dims()[1];
    for (const float entry : palette_.codebooks().to_floats()) reals_.push_back(entry);
    find_scales();
    find_places();
    for (size_t i = 0; i < reals_.size(); ++i) {
      largest_.resize(static_cast<size_t>(groups_), 0.0F);
      float& largest = largest_[i / static_cast<size_t>(entries_)];
      largest = std::max(largest, std::fabs(reals_[i]));
      if (is_coded()) reals_[i] *= scale_[i / static_cast<size_t>(entries_)];
      zero_.push_back(reals_[i] == 0);
    }
  }

  std::vector<Parameter> parameters(const std::string& name) const override {
    return {{.name = name, .value = ir::Tensor::of<float>({groups_, entries_}, reals_), .repaired = true}};
  }

  ir::Value& build(NodeMaker& maker, const std::vector<ir::Value*>& inputs) const override {
    ir::Value* codebooks = inputs[0];
    if (std::find(zero_.begin(), zero_.end(), true) != zero_.end()) {
      std::vector<float> mask;
      for (const bool zero : zero_) mask.push_back(zero ? 0.0F : 1.0F);
      codebooks =
          &maker.make(ir::OpKind::mul, {codebooks, &maker.constant(ir::Tensor::of<float>({groups_, entries_}, mask))});
    }
    const int64_t count = groups_ * entries_;
    ir::Value& flat =
        maker.make(ir::OpKind::reshape, {codebooks, &maker.constant(ir::Tensor::of<int64_t>({1}, std::vector{count}))});
    ir::Value& gathered =
        maker.make(ir::OpKind::gather, {&flat, &maker.constant(ir::Tensor::of<int32_t>(constant_.dims(), places_))},
                   {{"axis", int64_t{0}}});
    if (ratios_.empty()) return gathered;
    ir::Dims dims(constant_.dims().size(), 1);
    dims[static_cast<size_t>(constant_.quant().axis)] = static_cast<int64_t>(ratios_.size());
    return maker.make(ir::OpKind::mul, {&gathered, &maker.constant(ir::Tensor::of<float>(dims, ratios_))});
  }

  ir::Tensor restore(const std::vector<ir::Tensor>& values) const override {
    std::vector<float> entries = values[0].to_floats();
    repeat_the_last(entries);
    for (size_t i = 0; i < entries.size(); ++i) {
      if (zero_[i]) entries[i] = 0;
    }
    const ir::Dims dims = {groups_, entries_};
    if (!is_coded()) {
      return ir::Tensor::palette(palette_.codes(), ir::Tensor::of<float>(dims, entries), palette_.palette_axis());
    }
    std::vector<float> steps = scale_;
    for (size_t g = 0; g < steps.size(); ++g) {
      float most = 0;
      for (size_t e = 0; e < static_cast<size_t>(entries_); ++e) {
        most = std::max(most, std::fabs(entries[g * static_cast<size_t>(entries_) + e]));
      }
      if (most > 0 && largest_[g] > 0) steps[g] = std::max(most / largest_[g], kSmallestScale);
    }
    // Codebooks along another axis than the scales meet in every channel: theirs is one.
    if (!along_channels()) steps.assign(steps.size(), *std::max_element(steps.begin(), steps.end()));
    std::vector<int8_t> codes;
    for (size_t i = 0; i < entries.size(); ++i) {
      const size_t group = i / static_cast<size_t>(entries_);
      codes.push_back(static_cast<int8_t>(
          std::clamp(std::nearbyint(entries[i] / steps[group]), -largest_of(group), largest_of(group))));
    }
    ir::Quant quant = constant_.quant();
    for (size_t c = 0; c < quant.scale.size(); ++c) {
      quant.scale[c] = ratios_.empty() ? steps[group_of(c)] : steps[group_of(c)] * ratios_[c];
    }
    return ir::Tensor::affine(
        ir::Tensor::palette(palette_.codes(), ir::Tensor::of<int8_t>(dims, codes), palette_.palette_axis()),
        std::move(quant));
  }

 private:
  bool is_coded() const { return constant_.encoding() == ir::Encoding::affine; }
  // Whether scales go with the channels of the codebooks.
  bool along_channels() const { return constant_.quant().axis == palette_.palette_axis(); }
  float largest_of(size_t group) const {
    return along_channels() ? largest_[group] : *std::max_element(largest_.begin(), largest_.end());
  }
  // The codebook that channel `channel` of the scales reads.
  size_t group_of(size_t channel) const {
    return along_channels() ? channel / static_cast<size_t>(palette_.palette_group()) : size_t{0};
  }

  // A scale for each codebook, and what the scales of channels are beside it.
  void find_scales() {
    if (!is_coded()) return;
    const std::vector<float>& scales = constant_.quant().scale;
    scale_.assign(static_cast<size_t>(groups_), scales[0]);
    bool equal = true;
    for (size_t c = scales.size(); c-- > 0;) scale_[group_of(c)] = scales[c];
    if (!along_channels()) scale_.assign(scale_.size(), scales[0]);
    for (size_t c = 0; c < scales.size(); ++c) {
      ratios_.push_back(scales[c] / scale_[group_of(c)]);
      equal = equal && scales[c] == scale_[group_of(c)];
    }
    if (equal) ratios_.clear();
  }

  // Where in the flat list of entries every weight is.
  void find_places() {
    const auto axis = static_cast<size_t>(palette_.palette_axis());
    int64_t inner = 1;
    for (size_t d = axis + 1; d < constant_.dims().size(); ++d) inner *= constant_.dims()[d];
    const int64_t channels = constant_.dims()[axis];
    used_.assign(static_cast<size_t>(groups_ * entries_), false);
    const std::vector<int64_t> indices = palette_.codes().to_int64s();
    for (size_t i = 0; i < indices.size(); ++i) {
      const int64_t channel = static_cast<int64_t>(i) / inner % channels;
      const int64_t place = channel / palette_.palette_group() * entries_ + indices[i];
      places_.push_back(static_cast<int32_t>(place));
      used_[static_cast<size_t>(place)] = true;
    }
  }

  // Entries behind the last one that is used fill up a shorter codebook: they repeat it.
  void repeat_the_last(std::vector<float>& entries) const {
    const auto count = static_cast<size_t>(entries_);
    for (size_t first = 0; first < entries.size(); first += count) {
      size_t last = count;
      while (last > 1 && !used_[first + last - 1]) --last;
      for (size_t e = last; e < count; ++e) {
        if (reals_[first + e] == reals_[first + last - 1]) entries[first + e] = entries[first + last - 1];
      }
    }
  }

  ir::Tensor constant_, palette_;
  int64_t groups_ = 0, entries_ = 0;
  std::vector<float> reals_;    // [groups, entries]
  std::vector<bool> zero_;      // [groups, entries]: stays zero
  std::vector<bool> used_;      // [groups, entries]: some weight reads it
  std::vector<float> scale_;    // by group; of coded entries
  std::vector<float> largest_;  // by group: the largest magnitude of an entry, in codes where they are coded
  std::vector<float> ratios_;   // by channel of the scales: its scale over that of its group; empty: all 1
  std::vector<int32_t> places_;
};

}  // namespace

std::unique_ptr<WeightForm> codebook_form(const ir::Tensor& constant) {
  return std::make_unique<CodebookForm>(constant);
}

}  // namespace edgesmith::train
