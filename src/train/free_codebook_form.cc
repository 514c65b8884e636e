// SPDX-License-Identifier: Apache-2.0
// Weights that share codebooks of floats, and may change which entry they take: reals are trained beside the codebooks,
// and each stands for the entry nearest to it. What readers see gets the gradient, and passes it to the entry and
// straight through to the real (as quantization-aware training does on even grids: Han, Mao and Dally 2016 move the
// entries alone).
//
//   codebooks ──▶ entries e0 <= e1 <= ... of each channel
//   w = e0 + [real > (e0 + e1) / 2] (e1 - e0) + [... and real > (e1 + e2) / 2] (e2 - e1) + ...
#include <algorithm>
#include <numeric>

#include "train/weight_form.h"

namespace edgesmith::train {
namespace {

class FreeCodebookForm : public WeightForm {
 public:
  explicit FreeCodebookForm(const ir::Tensor& constant)
      : constant_(constant), starts_(constant.codebooks().to_floats()), indices_(constant.codes().to_int64s()) {
    groups_ = constant.codebooks().dims()[0];
    entries_ = constant.codebooks().dims()[1];
    axis_ = static_cast<size_t>(constant.palette_axis());
    for (size_t d = axis_ + 1; d < constant.dims().size(); ++d) inner_ *= constant.dims()[d];
    sort_entries();
    find_mask();
  }

  std::vector<Parameter> parameters(const std::string& name) const override {
    return {{.name = name, .value = ir::Tensor::of<float>(constant_.dims(), constant_.to_floats())},
            {.name = name + ".codebook", .value = ir::Tensor::of<float>({groups_, entries_}, starts_)}};
  }

  bool straight_through() const override { return true; }

  ir::Value& build(NodeMaker& maker, const std::vector<ir::Value*>& inputs) const override {
    ir::Value& real = *inputs[0];
    std::vector<float> kept;
    for (const float start : starts_) kept.push_back(start == 0 ? 0.0F : 1.0F);
    ir::Value& codebooks =
        maker.make(ir::OpKind::mul, {inputs[1], &maker.constant(ir::Tensor::of<float>({groups_, entries_}, kept))});
    ir::Value& flat = maker.make(
        ir::OpKind::reshape,
        {&codebooks, &maker.constant(ir::Tensor::of<int64_t>({1}, std::vector<int64_t>{groups_ * entries_}))});
    ir::Value &one = maker.constant(ir::Tensor::scalar(1.0F)), &zero = maker.constant(ir::Tensor::scalar(0.0F)),
              &half = maker.constant(ir::Tensor::scalar(0.5F));
    ir::Value *entry = &entries_of(maker, flat, 0), *made = entry, *beyond = nullptr;
    for (int64_t k = 1; k < most_; ++k) {
      ir::Value& next = entries_of(maker, flat, k);
      ir::Value& middle = maker.make(ir::OpKind::mul, {&maker.make(ir::OpKind::add, {entry, &next}), &half});
      ir::Value& above =
          maker.make(ir::OpKind::where, {&maker.make(ir::OpKind::greater, {&real, &middle}), &one, &zero});
      beyond = beyond == nullptr ? &above : &maker.make(ir::OpKind::mul, {beyond, &above});
      ir::Value& rise = maker.make(ir::OpKind::mul, {beyond, &maker.make(ir::OpKind::sub, {&next, entry})});
      made = &maker.make(ir::OpKind::add, {&rise, made});
      entry = &next;
    }
    if (mask_.empty()) return *made;
    return maker.make(ir::OpKind::mul, {made, &maker.constant(ir::Tensor::of<float>(constant_.dims(), mask_))});
  }

  ir::Tensor restore(const std::vector<ir::Tensor>& values) const override {
    const std::vector<float> reals = values[0].to_floats();
    std::vector<float> entries = values[1].to_floats();
    for (size_t e = 0; e < entries.size(); ++e) {
      if (starts_[e] == 0) entries[e] = 0;
    }
    std::vector<int64_t> indices;
    for (size_t i = 0; i < reals.size(); ++i) {
      const size_t first = group_of(i) * static_cast<size_t>(entries_);
      int64_t at = 0;
      const auto entry = [&](int64_t k) { return entries[first + order_[first + static_cast<size_t>(k)]]; };
      while (at + 1 < most_ && reals[i] > (entry(at) + entry(at + 1)) * 0.5F) ++at;
      const bool gone = !mask_.empty() && mask_[i] == 0;
      indices.push_back(gone ? indices_[i] : static_cast<int64_t>(order_[first + static_cast<size_t>(at)]));
    }
    // Entries behind those that count fill up a shorter codebook: they repeat its last one.
    for (size_t first = 0; first < entries.size(); first += static_cast<size_t>(entries_)) {
      const size_t count = counts_[first / static_cast<size_t>(entries_)];
      std::fill(entries.begin() + static_cast<std::ptrdiff_t>(first + count),
                entries.begin() + static_cast<std::ptrdiff_t>(first + static_cast<size_t>(entries_)),
                entries[first + count - 1]);
    }
    return ir::Tensor::palette(pack_codes(indices, constant_.codes().dtype(), constant_.codes().dims()),
                               ir::Tensor::of<float>({groups_, entries_}, entries), constant_.palette_axis());
  }

 private:
  size_t group_of(size_t weight) const {
    const auto channels = constant_.dims()[axis_];
    return static_cast<size_t>(static_cast<int64_t>(weight) / inner_ % channels / constant_.palette_group());
  }

  // The k-th entry by size of every channel's codebook, of dims that broadcast to the weight.
  ir::Value& entries_of(NodeMaker& maker, ir::Value& flat, int64_t k) const {
    ir::Dims dims(constant_.dims().size(), 1);
    dims[axis_] = constant_.dims()[axis_];
    std::vector<int32_t> places;
    for (int64_t c = 0; c < dims[axis_]; ++c) {
      const auto first = static_cast<size_t>(c / constant_.palette_group() * entries_);
      places.push_back(static_cast<int32_t>(first + order_[first + static_cast<size_t>(k)]));
    }
    return maker.make(ir::OpKind::gather, {&flat, &maker.constant(ir::Tensor::of<int32_t>(dims, places))},
                      {{"axis", int64_t{0}}});
  }

  void sort_entries() {
    const auto count = static_cast<size_t>(entries_);
    counts_.assign(static_cast<size_t>(groups_), 1);
    for (size_t i = 0; i < indices_.size(); ++i) {
      size_t& used = counts_[group_of(i)];
      used = std::max(used, static_cast<size_t>(indices_[i]) + 1);
    }
    most_ = static_cast<int64_t>(*std::max_element(counts_.begin(), counts_.end()));
    for (size_t g = 0; g < counts_.size(); ++g) {
      std::vector<size_t> order(counts_[g]);
      std::iota(order.begin(), order.end(), size_t{0});
      std::stable_sort(order.begin(), order.end(),
                       [&](size_t a, size_t b) { return starts_[g * count + a] < starts_[g * count + b]; });
      order.resize(count, order.back());
      order_.insert(order_.end(), order.begin(), order.end());
    }
  }

  // As for plain numbers: zeros that pruning made stay.
  void find_mask() {
    const std::vector<float> numbers = constant_.to_floats();
    const auto zeros = static_cast<double>(std::count(numbers.begin(), numbers.end(), 0.0F));
    if (zeros <= kMaskedShare * static_cast<double>(numbers.size())) return;
    for (const float number : numbers) mask_.push_back(number == 0 ? 0.0F : 1.0F);
  }

  ir::Tensor constant_;
  std::vector<float> starts_;     // [groups, entries]
  std::vector<int64_t> indices_;  // by weight
  int64_t groups_ = 0, entries_ = 0, inner_ = 1, most_ = 1;
  size_t axis_ = 0;
  std::vector<size_t> counts_;  // by group: entries that count
  std::vector<size_t> order_;   // [groups, entries]: entries by size, the largest repeated
  std::vector<float> mask_;     // 0 or 1; empty: none
};

}  // namespace

bool has_free_codebook_form(const ir::Tensor& constant) {
  if (constant.encoding() != ir::Encoding::palette || constant.codebooks().dtype() != ir::DType::f32) return false;
  const std::vector<int64_t> indices = constant.codes().to_int64s();
  return std::any_of(indices.begin(), indices.end(), [](int64_t index) { return index > 0; });
}

std::unique_ptr<WeightForm> free_codebook_form(const ir::Tensor& constant) {
  return std::make_unique<FreeCodebookForm>(constant);
}

}  // namespace edgesmith::train
