// SPDX-License-Identifier: Apache-2.0
#include "passes/share/share_layer.h"

#include <algorithm>
#include <cmath>

#include "edgesmith/base/progress.h"
#include "edgesmith/ir/short_floats.h"
#include "passes/quantize/node_form.h"
#include "passes/reconstruct/aim.h"
#include "passes/reconstruct/layer.h"
#include "passes/reconstruct/moments.h"
#include "passes/share/clusters.h"
#include "passes/share/shared_rows.h"

namespace edgesmith::passes::share {
namespace {

// Share of the mean of the diagonal that is added to it, as when weights are rounded.
constexpr double kDamping = 0.01;
// Exact zeros are a mask where they are more than this share of the weights, and with so many bits always: an entry of
// eight for them costs little.
constexpr double kMaskedShare = 0.05;
constexpr int kBitsForFewZeros = 3;
// What the nodes around a codebook take in a file.
constexpr int64_t kLookUpBytes = 150;
constexpr int kLargestCode = 127;
// Entries and scales are short floats, packed; or codes.
constexpr double kShortBits = 16, kCodeBits = 8;

// How rows of weights lie in the tensor.
struct Layout {
  int axis = 0;
  int64_t outputs = 1, width = 1, inner = 1;

  explicit Layout(const ir::Node& node) : axis(quantize::weight_axis(node)) {
    const ir::Tensor& weight = *quantize::weight_of(node)->constant();
    outputs = weight.dims()[static_cast<size_t>(axis)];
    width = weight.size() / outputs;
    for (size_t d = static_cast<size_t>(axis) + 1; d < weight.dims().size(); ++d) inner *= weight.dims()[d];
  }
  size_t index(int64_t m, int64_t k) const {
    return static_cast<size_t>((k / inner * outputs + m) * inner + k % inner);
  }
};

int64_t codebooks_of(const Layout& layout, const ShareSettings& settings) {
  return settings.whole ? 1 : (layout.outputs + settings.group - 1) / settings.group;
}

// The layer as the engine's helpers take it, without its weights.
reconstruct::Layer without_weights(ir::Node& node, const Layout& layout) {
  return {.node = &node, .outputs = layout.outputs, .width = layout.width};
}

// Moments by block; what is wanted becomes the weights that aim at the float model's output.
std::vector<Block> prepare(bool centred, bool tied, const reconstruct::Gram& gram, SharedRows& rows, ThreadPool& pool) {
  const quantize::LayerInputs& inputs = gram.inputs();
  const int64_t per_group = rows.outputs / inputs.groups();
  std::vector<Block> blocks(inputs.blocks().size());
  std::vector<double> added(blocks.size());
  pool.parallel_for(static_cast<int64_t>(blocks.size()), [&](int64_t index, int) {
    const auto b = static_cast<size_t>(index);
    const quantize::LayerInputs::Block& block = inputs.blocks()[b];
    const auto n = static_cast<size_t>(block.width);
    Block& own = blocks[b];
    own.first_row = block.group * per_group;
    own.rows = per_group;
    own.first = block.first;
    own.width = block.width;
    own.moments = gram.moments(block, centred);
    own.factor = reconstruct::factor_moments(own.moments, block.width, kDamping);
    added[b] = own.factor.added;
    for (size_t i = 0; i < n; ++i) own.moments[i * n + i] += added[b];
  });
  if (!gram.differs() || tied) return blocks;
  std::vector<reconstruct::Damped> moments;
  for (size_t b = 0; b < blocks.size(); ++b) moments.push_back({blocks[b].moments, added[b]});
  reconstruct::find_aim(gram, centred, moments, rows.wanted, pool).move(rows.wanted);
  return blocks;
}

SharedRows read(const ir::Tensor& weight, const Layout& layout, const ShareSettings& settings) {
  SharedRows rows{.outputs = layout.outputs, .width = layout.width, .price = settings.price};
  const std::vector<float> numbers = weight.to_floats();
  rows.wanted.resize(numbers.size());
  const auto zeros = std::count(numbers.begin(), numbers.end(), 0.0F);
  if ((zeros > 0 && settings.bits >= kBitsForFewZeros) ||
      static_cast<double>(zeros) > kMaskedShare * static_cast<double>(numbers.size())) {
    rows.zero.resize(numbers.size());
  }
  for (int64_t m = 0; m < layout.outputs; ++m) {
    double largest = 0;
    for (int64_t k = 0; k < layout.width; ++k) {
      const auto at = static_cast<size_t>(m * layout.width + k);
      rows.wanted[at] = numbers[layout.index(m, k)];
      if (!rows.zero.empty()) rows.zero[at] = rows.wanted[at] == 0;
      largest = std::max(largest, std::fabs(rows.wanted[at]));
    }
    rows.scale.push_back(settings.scaled && largest > 0 ? largest : 1);
  }
  const int64_t groups = codebooks_of(layout, settings);
  rows.group = (layout.outputs + groups - 1) / groups;
  return rows;
}

double packed_codebooks(double entries, int64_t scales, const ShareSettings& settings) {
  return entries * (settings.int8 ? kCodeBits : kShortBits) +
         (settings.int8 ? static_cast<double>(scales) * kShortBits : 0);
}

std::vector<double> importance_of(const SharedRows& rows, const std::vector<Block>& blocks) {
  std::vector<double> importance(blocks.empty() ? 0 : rows.wanted.size());
  for (const Block& block : blocks) {
    for (int64_t m = block.first_row; m < block.first_row + block.rows; ++m) {
      for (int64_t i = 0; i < block.width; ++i) {
        importance[static_cast<size_t>(m * rows.width + block.first + i)] =
            block.moments[static_cast<size_t>(i * (block.width + 1))];
      }
    }
  }
  return importance;
}

size_t entries_of(const SharedRows& rows) {
  size_t entries = 1;
  for (const auto& codebook : rows.codebooks) entries = std::max(entries, codebook.size());
  return entries;
}

// Where each codebook begins among so many entries: such that the ones next to zero get the same index in all of them,
// as far as there is room. Then `pack`, which sees indices, knows which weights are small.
std::vector<size_t> starts_of(const SharedRows& rows, size_t entries) {
  std::vector<size_t> starts;
  for (const auto& codebook : rows.codebooks) starts.push_back(nearest(codebook, 0));
  const size_t last = *std::max_element(starts.begin(), starts.end());
  for (size_t g = 0; g < starts.size(); ++g) {
    starts[g] = std::min(last - starts[g], entries - rows.codebooks[g].size());
  }
  return starts;
}

int64_t stored_bytes(const SharedRows& rows, const ShareSettings& settings) {
  const auto entries = static_cast<int64_t>(entries_of(rows)), codebooks = static_cast<int64_t>(rows.codebooks.size());
  const int64_t scales = !settings.int8 ? 0 : settings.scaled ? 5 * rows.outputs : 5 * codebooks;
  return ir::packed_bytes(static_cast<int64_t>(rows.wanted.size()), entries <= 16 ? 4 : 8) +
         codebooks * entries * (settings.int8 ? 1 : 4) + scales;
}

ir::Tensor make_tensor(const SharedRows& rows, const Layout& layout, const ir::Dims& dims,
                       const std::vector<double>& steps, const ShareSettings& settings) {
  const size_t entries = entries_of(rows), codebooks = rows.codebooks.size();
  const std::vector<size_t> starts = starts_of(rows, entries);
  const bool packed = entries <= 16;
  ir::Tensor indices = ir::Tensor::zeros(packed ? ir::DType::u4 : ir::DType::u8, dims);
  const auto bytes = indices.mutable_bytes();
  for (int64_t m = 0; m < layout.outputs; ++m) {
    for (int64_t k = 0; k < layout.width; ++k) {
      const size_t at = layout.index(m, k);
      const size_t index =
          rows.index[static_cast<size_t>(m * layout.width + k)] + starts[static_cast<size_t>(m / rows.group)];
      bytes[packed ? at / 2 : at] |= static_cast<std::byte>(packed ? index << (at % 2 * 4) : index);
    }
  }
  // Codebooks with fewer entries repeat their first and last.
  std::vector<float> reals;
  std::vector<int8_t> codes;
  for (size_t g = 0; g < codebooks; ++g) {
    const std::vector<double>& codebook = rows.codebooks[g];
    for (size_t q = 0; q < entries; ++q) {
      const double entry = codebook[std::min(q - std::min(q, starts[g]), codebook.size() - 1)];
      reals.push_back(static_cast<float>(entry));
      if (settings.int8) codes.push_back(static_cast<int8_t>(std::lround(entry / steps[g])));
    }
  }
  const ir::Dims shape = {static_cast<int64_t>(codebooks), static_cast<int64_t>(entries)};
  if (!settings.int8) return ir::Tensor::palette(std::move(indices), ir::Tensor::of<float>(shape, reals), layout.axis);
  ir::Quant quant{.dtype = ir::DType::i8, .axis = layout.axis, .method = "codebook"};
  for (int64_t m = 0; m < rows.outputs; ++m) {
    quant.scale.push_back(ir::short_float(
        static_cast<float>(rows.scale[static_cast<size_t>(m)] * steps[static_cast<size_t>(m / rows.group)])));
  }
  if (settings.whole && !settings.scaled) {
    quant.axis = -1;
    quant.scale.resize(1);
  }
  quant.zero_point.assign(quant.scale.size(), 0);
  return ir::Tensor::affine(ir::Tensor::palette(std::move(indices), ir::Tensor::of<int8_t>(shape, codes), layout.axis),
                            std::move(quant));
}

}  // namespace

SharedLayer share_layer(ir::Node& node, bool tied, const ShareSettings& settings, const reconstruct::Gram* gram,
                        ThreadPool& pool) {
  const ir::Tensor& before = *quantize::weight_of(node)->constant();
  const Layout layout(node);
  const bool centred = !tied && reconstruct::has_bias_operand(without_weights(node, layout));
  SharedRows rows = read(before, layout, settings);
  const std::vector<double> original = rows.wanted;
  const std::vector<Block> blocks = gram != nullptr ? prepare(centred, tied, *gram, rows, pool) : std::vector<Block>{};
  cluster_rows(rows, int64_t{1} << settings.bits, importance_of(rows, blocks), pool);
  SharedLayer shared;
  if (interrupted()) {  // codebooks may be missing
    shared.too_small = true;
    return shared;
  }
  if (stored_bytes(rows, settings) + kLookUpBytes >= before.stored_bytes()) {
    shared.too_small = true;
    return shared;
  }
  if (!blocks.empty()) shared.error = fit_rows(rows, blocks, settings.scaled, settings.quick, pool);
  std::vector<double> steps;
  shared.error =
      settings.int8 ? round_entries(rows, blocks, kLargestCode, steps, pool) : shorten_entries(rows, blocks, pool);
  if (gram != nullptr && centred) shared.bias_change = gram->bias_change(original, rows.values());
  if (!settings.quick) {
    count_bits(rows);
    shared.index_bits = index_bits(rows);
    double entries = 0;
    for (const auto& codebook : rows.codebooks) entries += static_cast<double>(codebook.size());
    shared.codebook_bits = packed_codebooks(
        entries, settings.scaled ? rows.outputs : static_cast<int64_t>(rows.codebooks.size()), settings);
  }
  shared.tensor = make_tensor(rows, layout, before.dims(), steps, settings);
  shared.codebooks = static_cast<int64_t>(rows.codebooks.size());
  shared.entries = static_cast<int64_t>(entries_of(rows));
  if (!blocks.empty()) {
    shared.errors = output_errors(rows, blocks, pool);
    std::fill(rows.scale.begin(), rows.scale.end(), 0.0);
    shared.power = output_error(rows, blocks, pool);
  }
  return shared;
}

double codebook_bits(const ir::Node& node, const ShareSettings& settings, double bits) {
  const Layout layout(node);
  const int64_t codebooks = codebooks_of(layout, settings);
  return packed_codebooks(static_cast<double>(codebooks) * std::exp2(bits),
                          settings.scaled ? layout.outputs : codebooks, settings);
}

int64_t shared_bits(const ir::Node& node, const ShareSettings& settings, int bits) {
  const ir::Tensor& weight = *quantize::weight_of(node)->constant();
  const Layout layout(node);
  const int64_t codebooks = codebooks_of(layout, settings);
  const int64_t scales = !settings.int8 ? 0 : settings.scaled ? layout.outputs : codebooks;
  const int64_t all = weight.size() * bits + (codebooks << bits) * (settings.int8 ? 8 : 32) + 32 * scales;
  return std::min(all, 8 * weight.stored_bytes());
}

void write_shared(ir::Graph& graph, ir::Node& node, const SharedLayer& shared) {
  graph.set_tensor(quantize::weight_of(node)->node(), shared.tensor);
  if (!shared.bias_change.empty()) {
    reconstruct::Layer layer;
    layer.node = &node;
    layer.outputs = static_cast<int64_t>(shared.bias_change.size());
    reconstruct::change_bias(graph, layer, shared.bias_change);
  }
  reconstruct::shorten_bias(graph, node, shared.errors);
}

}  // namespace edgesmith::passes::share
