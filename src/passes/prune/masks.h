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
  explicit Layer(reconstruct::Layer layer) : reconstruct::Layer(std::move(layer)), kept(weights.size(), true) {}
  int64_t zeros() const { return std::count(kept.begin(), kept.end(), false); }
};

/// N of every M weights are kept.
struct Pattern {
  int keep = 2, of = 4;
};
/// "2:4". Errors: usage.
Result<Pattern> parse_pattern(const std::string& text);

/// Clears the `kept` of the `count` weights with the smallest scores over all layers; no layer loses its last percent.
/// Ties go by layer and place. `scores[l]` are those of `layers[l]`.
void mask_smallest(std::vector<Layer>& layers, const std::vector<std::vector<double>>& scores, int64_t count);

/// Keeps the best of every group of neighbours along the layer's input channels. False, and nothing changes, when those
/// do not divide into groups.
bool mask_pattern(Layer& layer, const std::vector<double>& scores, const Pattern& pattern);

}  // namespace edgesmith::passes::prune
