// SPDX-License-Identifier: Apache-2.0
#include "passes/prune/masks.h"

#include <algorithm>
#include <charconv>
#include <tuple>

namespace edgesmith::passes::prune {
namespace {

// Neighbours of a pattern, and outputs or inputs of a block: more than any kernel has lanes.
constexpr int kMostNeighbours = 64;

// Two numbers around a sign: "2:4".
std::optional<std::pair<int, int>> parse_pair(const std::string& text, char sign) {
  std::pair<int, int> pair;
  const char* end = text.data() + text.size();
  const auto first = std::from_chars(text.data(), end, pair.first);
  if (first.ec != std::errc() || first.ptr == end || *first.ptr != sign) return {};
  const auto second = std::from_chars(first.ptr + 1, end, pair.second);
  if (second.ec != std::errc() || second.ptr != end) return {};
  return pair;
}

}  // namespace

Layer::Layer(reconstruct::Layer layer) : reconstruct::Layer(std::move(layer)) {
  for (const double weight : weights) kept.push_back(weight != 0);
}

Result<Pattern> parse_pattern(const std::string& text) {
  const auto pair = parse_pair(text, ':');
  if (!pair || pair->first < 1 || pair->first >= pair->second || pair->second > kMostNeighbours) {
    return usage_error("pattern '" + text + "' is neither N:M with 0 < N < M nor blocks like 4x1",
                       "2:4 keeps 2 of every 4 weights; 4x1 with --sparsity takes out blocks of 4 outputs by 1 input");
  }
  return Pattern{pair->first, pair->second};
}

bool is_block_shape(const std::string& text) { return text.find('x') != std::string::npos; }

Result<BlockShape> parse_block_shape(const std::string& text) {
  const auto pair = parse_pair(text, 'x');
  const BlockShape shape = pair ? BlockShape{pair->first, pair->second} : BlockShape{0, 0};
  if (shape.outputs < 1 || shape.inputs < 1 || shape.outputs > kMostNeighbours || shape.inputs > kMostNeighbours ||
      shape.size() < 2) {
    return usage_error("pattern '" + text + "' is no block of 2 weights or more, of at most " +
                           std::to_string(kMostNeighbours) + " outputs and inputs",
                       "4x1 takes out blocks of 4 outputs by 1 input, 1x4 of 1 output by 4 inputs");
  }
  return shape;
}

std::optional<Blocks> Blocks::of(const Layer& layer, const BlockShape& shape, int64_t outputs_per_group) {
  if (outputs_per_group % shape.outputs != 0 || layer.group_size % shape.inputs != 0) return {};
  Blocks blocks(static_cast<size_t>(layer.size() / shape.size()));
  blocks.size_ = static_cast<size_t>(shape.size());
  for (int64_t m = 0; m < layer.outputs; m += shape.outputs) {
    for (int64_t channel = 0; channel < layer.group_size; channel += shape.inputs) {
      for (int64_t tap = 0; tap < layer.group_step; ++tap) {
        for (int64_t i = 0; i < shape.size(); ++i) {
          const int64_t output = m + i / shape.inputs, input = channel + i % shape.inputs;
          blocks.weights_.push_back(static_cast<size_t>(output * layer.width + input * layer.group_step + tap));
        }
      }
    }
  }
  return blocks;
}

void mask_smallest(std::vector<Contender>& contenders, int64_t count) {
  std::vector<std::tuple<double, size_t, size_t>> all;
  std::vector<int64_t> left;
  for (size_t l = 0; l < contenders.size(); ++l) {
    const Contender& contender = contenders[l];
    for (size_t b = 0; b < contender.scores.size(); ++b) all.emplace_back(contender.scores[b], l, b);
    const int64_t size = contender.layer->size();
    left.push_back(size - (size + kFewestKept - 1) / kFewestKept);
  }
  std::sort(all.begin(), all.end());
  for (const auto& [score, l, block] : all) {
    Contender& contender = contenders[l];
    const auto size = static_cast<int64_t>(contender.blocks.size());
    if (2 * count < size || count == 0) break;
    if (left[l] < size) continue;
    left[l] -= size;
    count -= size;
    for (size_t i = 0; i < contender.blocks.size(); ++i)
      contender.layer->kept[contender.blocks.weight(block, i)] = false;
  }
}

bool mask_pattern(Layer& layer, const std::vector<double>& scores, const Pattern& pattern) {
  const int64_t step = layer.group_step, size = layer.group_size;
  if (size % pattern.of != 0) return false;
  std::vector<size_t> group(static_cast<size_t>(pattern.of));
  for (int64_t m = 0; m < layer.outputs; ++m) {
    for (int64_t tap = 0; tap < step; ++tap) {
      for (int64_t first = 0; first < size; first += pattern.of) {
        for (int64_t i = 0; i < pattern.of; ++i) {
          group[static_cast<size_t>(i)] = static_cast<size_t>(m * layer.width + (first + i) * step + tap);
        }
        std::stable_sort(group.begin(), group.end(), [&](size_t a, size_t b) { return scores[a] < scores[b]; });
        for (int i = 0; i < pattern.of - pattern.keep; ++i) layer.kept[group[static_cast<size_t>(i)]] = false;
      }
    }
  }
  return true;
}

}  // namespace edgesmith::passes::prune
