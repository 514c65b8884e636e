// SPDX-License-Identifier: Apache-2.0
// From scores to masks.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "edgesmith/base/result.h"
#include "passes/reconstruct/layer.h"

namespace edgesmith::passes::prune {

/// A layer and the weights that it keeps.
struct Layer : reconstruct::Layer {
  std::vector<bool> kept;  ///< [outputs][width]: the mask

  Layer() = default;
  /// Weights that are zero already stay so.
  explicit Layer(reconstruct::Layer layer);
  int64_t zeros() const { return std::count(kept.begin(), kept.end(), false); }
};

/// N of every M weights are kept.
struct Pattern {
  int keep = 2, of = 4;
};
/// "2:4". Errors: usage.
Result<Pattern> parse_pattern(const std::string& text);

/// Weights that go together: of so many neighbouring outputs, from so many neighbouring input channels, at one place of
/// the kernel.
struct BlockShape {
  int outputs = 1, inputs = 1;

  int size() const { return outputs * inputs; }
};
/// True for "1x4" and what was meant like that, false for "2:4".
bool is_block_shape(const std::string& text);
/// "1x4": of one output, four inputs. Errors: usage.
Result<BlockShape> parse_block_shape(const std::string& text);

/// The blocks of a layer, ordered by output.
class Blocks {
 public:
  /// Every weight by itself.
  explicit Blocks(size_t num_weights) : count_(num_weights) {}
  /// None when outputs (of one group of a convolution: `outputs_per_group`) or input channels do not divide.
  static std::optional<Blocks> of(const Layer& layer, const BlockShape& shape, int64_t outputs_per_group);

  size_t count() const { return count_; }
  size_t size() const { return size_; }  ///< weights of each
  /// Weight `i` of block `b`: its place in the layer's weights; weights of one output are neighbours in `i`.
  size_t weight(size_t b, size_t i) const { return weights_.empty() ? b : weights_[b * size_ + i]; }

 private:
  size_t count_ = 0, size_ = 1;
  std::vector<size_t> weights_;  // empty: block b is weight b
};

/// A layer keeps at least one weight of so many.
constexpr int64_t kFewestKept = 100;

/// A layer that competes with others, and what removing each of its blocks costs.
struct Contender {
  Layer* layer = nullptr;
  Blocks blocks;
  std::vector<double> scores;  ///< by block
};
/// Clears the `kept` of the blocks with the smallest scores over all layers, until `count` weights are gone or the next
/// block would be more than half too many; no layer loses its last percent. Ties go by layer and place.
void mask_smallest(std::vector<Contender>& contenders, int64_t count);

/// Keeps the best of every group of neighbours along the layer's input channels. False, and nothing changes, when those
/// do not divide into groups.
bool mask_pattern(Layer& layer, const std::vector<double>& scores, const Pattern& pattern);

}  // namespace edgesmith::passes::prune
