// SPDX-License-Identifier: Apache-2.0
#include "edgesmith/data/augment.h"

#include <algorithm>
#include <cmath>

#include "edgesmith/base/random.h"

namespace edgesmith::data {
namespace {

// Every kind of change has numbers of its own, so that adding one leaves the others as they were.
enum class Draw : uint64_t { flip = 1, shift, cutout, mixup, noise };

Random random_for(const AugmentKey& key, Draw draw) {
  uint64_t state = key.seed;
  for (const uint64_t part :
       {static_cast<uint64_t>(key.epoch), static_cast<uint64_t>(key.sample), static_cast<uint64_t>(draw)}) {
    state = Random(state ^ (part * 0xD1B54A32D192ED03ULL)).next();
  }
  return Random(state);
}

// How the planes of a picture lie.
struct Planes {
  int64_t height = 0, width = 0, channels = 0;
  bool channels_last = false;

  static bool has(const ir::Tensor& tensor) { return tensor.dtype() == ir::DType::f32 && tensor.rank() == 4; }
  Planes(const ir::Dims& dims, const std::string& layout) : channels_last(layout == "nhwc") {
    height = dims[channels_last ? 1 : 2];
    width = dims[channels_last ? 2 : 3];
    channels = dims[channels_last ? 3 : 1];
  }
  size_t at(int64_t c, int64_t y, int64_t x) const {
    return static_cast<size_t>(channels_last ? (y * width + x) * channels + c : (c * height + y) * width + x);
  }
};

// What becomes of the pixel (y, x): where it comes from. Outside: zero.
struct Move {
  bool mirrored = false;
  int64_t down = 0, right = 0;
};

ir::Tensor moved(const ir::Tensor& tensor, const Planes& planes, const Move& move) {
  ir::Tensor out = ir::Tensor::zeros(ir::DType::f32, tensor.dims());
  const auto from = tensor.data<float>();
  const auto to = out.mutable_data<float>();
  for (int64_t y = 0; y < planes.height; ++y) {
    const int64_t source_y = y - move.down;
    if (source_y < 0 || source_y >= planes.height) continue;
    for (int64_t x = 0; x < planes.width; ++x) {
      int64_t source_x = x - move.right;
      if (source_x < 0 || source_x >= planes.width) continue;
      if (move.mirrored) source_x = planes.width - 1 - source_x;
      for (int64_t c = 0; c < planes.channels; ++c) to[planes.at(c, y, x)] = from[planes.at(c, source_y, source_x)];
    }
  }
  return out;
}

struct Square {
  int64_t top = 0, left = 0, side = 0;
};

void cut_out(ir::Tensor& tensor, const Planes& planes, const Square& square) {
  const auto to = tensor.mutable_data<float>();
  const int64_t bottom = std::min(planes.height, square.top + square.side);
  const int64_t end = std::min(planes.width, square.left + square.side);
  for (int64_t y = std::max<int64_t>(0, square.top); y < bottom; ++y) {
    for (int64_t x = std::max<int64_t>(0, square.left); x < end; ++x) {
      for (int64_t c = 0; c < planes.channels; ++c) to[planes.at(c, y, x)] = 0;
    }
  }
}

ir::Tensor copied(const ir::Tensor& tensor) { return ir::Tensor::of<float>(tensor.dims(), tensor.data<float>()); }

// Marsaglia and Tsang 2000, "A simple method for generating gamma variables"; below 1 by the power of a uniform number.
double draw_gamma(Random& random, double shape) {
  if (shape < 1) {
    const double gamma = draw_gamma(random, shape + 1);
    return gamma * std::pow(1 - random.uniform(), 1 / shape);
  }
  const double d = shape - 1.0 / 3, c = 1 / std::sqrt(9 * d);
  for (;;) {
    const double normal = random.normal(), v = std::pow(1 + c * normal, 3);
    if (!(v > 0)) continue;
    if (std::log(1 - random.uniform()) < normal * normal / 2 + d - d * v + d * std::log(v)) return d * v;
  }
}

// weight * a + (1 - weight) * b; other than floats stay those of a.
Result<ir::Tensor> mixed(const ir::Tensor& a, const ir::Tensor& b, float weight) {
  if (a.dtype() != ir::DType::f32 || b.dtype() != ir::DType::f32) return a;
  if (a.dims() != b.dims()) {
    return invalid_error("samples of " + a.type().text() + " and " + b.type().text() + " cannot be mixed",
                         "resize them to one size, or leave mixup out");
  }
  ir::Tensor out = copied(a);
  const auto to = out.mutable_data<float>();
  const auto other = b.data<float>();
  for (size_t i = 0; i < to.size(); ++i) to[i] = weight * to[i] + (1 - weight) * other[i];
  return out;
}

Status mix_lists(std::vector<ir::Tensor>& into, const std::vector<ir::Tensor>& other, float weight) {
  for (size_t i = 0; i < into.size() && i < other.size(); ++i) {
    auto both = mixed(into[i], other[i], weight);
    if (!both) return both.error();
    into[i] = std::move(*both);
  }
  return {};
}

Result<Sample> augmented(const Dataset& data, const Augment& augment, const AugmentKey& key) {
  auto sample = data.sample(key.sample);
  if (sample.ok()) augment_inputs(augment, key, data.preprocess().layout, sample->inputs);
  return sample;
}

}  // namespace

Status check_augment(const Augment& augment, const Sample& sample) {
  const bool moves = augment.flip || augment.shift > 0, pictures = moves || augment.cutout > 0;
  const std::string what = augment.flip ? "flip" : augment.shift > 0 ? "shift" : "cutout";
  if (pictures && std::none_of(sample.inputs.begin(), sample.inputs.end(), Planes::has)) {
    return usage_error("augment: " + what + " changes pictures, the model takes " +
                           (sample.inputs.empty() ? "nothing" : sample.inputs[0].type().text()),
                       "leave it out; noise and mixup suit any floats");
  }
  const auto is_float = [](const ir::Tensor& input) { return input.dtype() == ir::DType::f32; };
  if (!augment.empty() && std::none_of(sample.inputs.begin(), sample.inputs.end(), is_float)) {
    return usage_error(std::string("augment: ") + (augment.mixup > 0 ? "mixup" : "noise") +
                           " changes float32 numbers, and the model takes none",
                       "leave it out");
  }
  const bool maps = std::any_of(sample.targets.begin(), sample.targets.end(),
                                [](const ir::Tensor& target) { return target.rank() >= 3; });
  if (moves && maps) {
    return usage_error("augment: " + what + " would move pictures, but not their targets", "leave it out");
  }
  return {};
}

void augment_inputs(const Augment& augment, const AugmentKey& key, const std::string& layout,
                    std::vector<ir::Tensor>& inputs) {
  Move move;
  if (augment.flip) move.mirrored = random_for(key, Draw::flip).below(2) == 1;
  if (augment.shift > 0) {
    Random random = random_for(key, Draw::shift);
    const auto places = static_cast<uint64_t>(2 * augment.shift + 1);
    move.down = static_cast<int64_t>(random.below(places)) - augment.shift;
    move.right = static_cast<int64_t>(random.below(places)) - augment.shift;
  }
  const bool moves = move.mirrored || move.down != 0 || move.right != 0;
  Random noise = random_for(key, Draw::noise);
  for (ir::Tensor& input : inputs) {
    if (input.dtype() != ir::DType::f32) continue;
    if (Planes::has(input)) {
      const Planes planes(input.dims(), layout);
      if (moves) input = moved(input, planes, move);
      if (augment.cutout > 0 && planes.height > 0 && planes.width > 0) {
        Random random = random_for(key, Draw::cutout);
        const auto y = static_cast<int64_t>(random.below(static_cast<uint64_t>(planes.height)));
        const auto x = static_cast<int64_t>(random.below(static_cast<uint64_t>(planes.width)));
        if (!moves) input = copied(input);
        cut_out(input, planes, {y - augment.cutout / 2, x - augment.cutout / 2, augment.cutout});
      }
    }
    if (augment.noise > 0) {
      input = copied(input);
      for (float& number : input.mutable_data<float>()) {
        number += static_cast<float>(augment.noise * noise.normal());
      }
    }
  }
}

bool mirror_pictures(const std::string& layout, std::vector<ir::Tensor>& inputs) {
  bool found = false;
  for (ir::Tensor& input : inputs) {
    if (!Planes::has(input)) continue;
    input = moved(input, Planes(input.dims(), layout), {.mirrored = true});
    found = true;
  }
  return found;
}

Mix draw_mix(const Augment& augment, const AugmentKey& key, std::span<const int64_t> among) {
  if (!(augment.mixup > 0) || among.empty()) return {};
  Random random = random_for(key, Draw::mixup);
  Mix mix;
  mix.other = among[static_cast<size_t>(random.below(among.size()))];
  const double a = draw_gamma(random, augment.mixup), b = draw_gamma(random, augment.mixup);
  // Of very small shapes both may be zero: then one of the two samples is all there is.
  mix.weight = static_cast<float>(a + b > 0 ? a / (a + b) : static_cast<double>(random.below(2)));
  return mix;
}

Result<AugmentedSample> augmented_sample(const Dataset& data, const Augment& augment, uint64_t seed, int64_t epoch,
                                         int64_t index, std::span<const int64_t> among) {
  AugmentKey key{seed, epoch, index};
  auto sample = augmented(data, augment, key);
  if (!sample) return sample.error();
  AugmentedSample out{.sample = std::move(*sample)};
  const Mix mix = draw_mix(augment, key, among);
  if (mix.other < 0) return out;
  key.sample = mix.other;
  const auto other = augmented(data, augment, key);
  if (!other) return other.error();
  out.other_label = other->label;
  out.weight = mix.weight;
  EDGESMITH_TRY(mix_lists(out.sample.inputs, other->inputs, mix.weight));
  EDGESMITH_TRY(mix_lists(out.sample.targets, other->targets, mix.weight));
  return out;
}

}  // namespace edgesmith::data
