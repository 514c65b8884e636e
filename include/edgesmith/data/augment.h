// SPDX-License-Identifier: Apache-2.0
// Samples changed at random for training, the same way for the same seed, epoch and sample, whatever thread asks.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "edgesmith/base/result.h"
#include "edgesmith/data/dataset.h"

namespace edgesmith::data {

/// What is done to preprocessed samples, in this order; what is zero is not done.
struct Augment {
  bool flip = false;   ///< pictures are mirrored left to right, every second one
  int64_t shift = 0;   ///< moved by up to so many pixels down or up and right or left; zeros come in
  int64_t cutout = 0;  ///< a square of this side becomes zero; parts of it may lie outside (arXiv 1708.04552)
  double mixup = 0;    ///< mixed with another sample; shares are drawn from Beta(mixup, mixup) (arXiv 1710.09412)
  double noise = 0;    ///< normal noise of this standard deviation is added, after preprocessing

  bool empty() const { return !flip && shift == 0 && cutout == 0 && mixup == 0 && noise == 0; }
  /// As parse_augment reads it: "flip,shift=4", "none".
  std::string text() const;
};

/// Reads "flip,shift=4,cutout=8,mixup=0.2,noise=0.01" or "none". Errors: usage, naming the word and what it takes.
Result<Augment> parse_augment(std::string_view text);

/// Checks that the data are of the kind that it changes: pictures, without targets that would have to move with them.
/// Errors: usage, naming what does not fit. `sample` is any of the data.
Status check_augment(const Augment& augment, const Sample& sample);

/// Which draw: everything is a function of these.
struct AugmentKey {
  uint64_t seed = 0;
  int64_t epoch = 0;
  int64_t sample = 0;  ///< index in the data set
};

/// Flip, shift, cut-out and noise on the float inputs of a sample. Pictures are [1, C, H, W], or [1, H, W, C] where
/// `layout` is "nhwc"; one sample's inputs move together. The tensors are replaced.
void augment_inputs(const Augment& augment, const AugmentKey& key, const std::string& layout,
                    std::vector<ir::Tensor>& inputs);

/// Mirrors the pictures among the inputs left to right; other inputs stay. False: none of them is a picture.
bool mirror_pictures(const std::string& layout, std::vector<ir::Tensor>& inputs);

/// What a sample is mixed with: weight * sample + (1 - weight) * other.
struct Mix {
  int64_t other = -1;  ///< index in the data set; -1: it stays as it is
  float weight = 1;
};
/// `among` are the samples that may be mixed in.
Mix draw_mix(const Augment& augment, const AugmentKey& key, std::span<const int64_t> among);

/// A sample for training.
struct AugmentedSample {
  Sample sample;  ///< inputs and targets augmented and mixed; `label` is the first one
  int64_t other_label = -1;
  float weight = 1;  ///< of `label`; that of `other_label` is 1 - weight
};
/// Decodes sample `index`, and what is mixed with it out of `among`, and augments both. Thread-safe. Errors: those of
/// decoding; invalid (samples of different shapes cannot be mixed).
Result<AugmentedSample> augmented_sample(const Dataset& data, const Augment& augment, uint64_t seed, int64_t epoch,
                                         int64_t index, std::span<const int64_t> among);

}  // namespace edgesmith::data
