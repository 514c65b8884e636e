// SPDX-License-Identifier: Apache-2.0
#include "refine/weight_pictures.h"

#include <algorithm>
#include <cmath>

#include "edgesmith/ir/node_text.h"
#include "edgesmith/ops/op_info.h"

namespace edgesmith::refine {
namespace {

constexpr int kBins = 64;
/// Entries that are listed; codebooks beyond are counted alone.
constexpr size_t kMostEntries = 256;

/// The constant weight of a layer, or null.
const ir::Value* weight_of(const ir::Node& node) {
  if (node.is(ir::OpKind::opaque)) return nullptr;
  const int operand = ops::quant_facts(node).weight_operand;
  const ir::Value* value = operand >= 0 && operand < node.num_inputs() ? node.input(operand) : nullptr;
  return value != nullptr && value->constant() != nullptr && value->constant()->rank() >= 2 ? value : nullptr;
}

/// Entries of the first codebooks, ascending, with the scales of int8 ones.
std::vector<double> entries_of(const ir::Tensor& tensor) {
  const ir::Tensor& palette = *tensor.as_palette();
  const std::vector<float> numbers = palette.codebooks().to_floats();
  const auto books = static_cast<size_t>(palette.codebooks().dims()[0]);
  const size_t size = numbers.size() / books;
  std::vector<double> entries;
  for (size_t b = 0; b < books && entries.size() + size <= kMostEntries; ++b) {
    double scale = 1;
    if (tensor.encoding() == ir::Encoding::affine) {
      const ir::Quant& quant = tensor.quant();
      const size_t channel = b * static_cast<size_t>(palette.palette_group());
      const bool own = quant.axis == palette.palette_axis() && channel < quant.scale.size();
      scale = quant.scale[own ? channel : 0];
    }
    for (size_t q = 0; q < size; ++q) entries.push_back(scale * numbers[b * size + q]);
  }
  std::sort(entries.begin(), entries.end());
  entries.erase(std::unique(entries.begin(), entries.end()), entries.end());
  return entries;
}

/// Counts of the numbers that are not zero.
void count_bins(const std::vector<float>& numbers, WeightPicture& picture) {
  bool any = false;
  for (const float number : numbers) {
    if (number == 0 || !std::isfinite(number)) continue;
    picture.low = any ? std::min<double>(picture.low, number) : number;
    picture.high = any ? std::max<double>(picture.high, number) : number;
    any = true;
  }
  if (!any) return;
  picture.histogram.assign(kBins, 0);
  const double span = picture.high - picture.low;
  for (const float number : numbers) {
    if (number == 0 || !std::isfinite(number)) continue;
    const int bin = span > 0 ? static_cast<int>((number - picture.low) / span * kBins) : 0;
    ++picture.histogram[static_cast<size_t>(std::min(bin, kBins - 1))];
  }
}

int64_t count_nonzero(const std::vector<float>& numbers) {
  return static_cast<int64_t>(numbers.size()) - std::count(numbers.begin(), numbers.end(), 0.0F);
}

}  // namespace

std::vector<WeightPicture> draw_weights(const ir::Graph& before, const ir::Graph& after) {
  std::vector<const ir::Value*> old(static_cast<size_t>(before.num_node_ids()), nullptr);
  for (const ir::Node& node : before.nodes()) old[static_cast<size_t>(node.id())] = weight_of(node);
  std::vector<bool> seen(static_cast<size_t>(after.num_value_ids()), false);
  std::vector<WeightPicture> pictures;
  for (const ir::Node& node : after.nodes()) {
    const ir::Value* value = weight_of(node);
    if (value == nullptr || seen[static_cast<size_t>(value->id())]) continue;
    if (static_cast<size_t>(node.id()) >= old.size() || old[static_cast<size_t>(node.id())] == nullptr) continue;
    seen[static_cast<size_t>(value->id())] = true;
    const ir::Tensor& now = *value->constant();
    const ir::Tensor& then = *old[static_cast<size_t>(node.id())]->constant();
    const bool shared = now.as_palette() != nullptr && then.as_palette() == nullptr;
    if (now.dims() != then.dims() || (!shared && now.encoding() == ir::Encoding::affine)) continue;
    if (!shared && now.identical_to(then)) continue;
    const std::vector<float> numbers = then.to_floats();
    WeightPicture picture;
    picture.node = ir::name_or_label(node);
    picture.op = ir::operator_text(node);
    picture.elements = now.size();
    picture.nonzero_before = count_nonzero(numbers);
    picture.nonzero = count_nonzero(now.to_floats());
    if (!shared && picture.nonzero >= picture.nonzero_before) continue;
    count_bins(numbers, picture);
    if (shared) {
      picture.codebooks = now.as_palette()->codebooks().dims()[0];
      picture.codebook_size = now.as_palette()->codebooks().dims()[1];
      picture.entries = entries_of(now);
    }
    pictures.push_back(std::move(picture));
  }
  return pictures;
}

}  // namespace edgesmith::refine
