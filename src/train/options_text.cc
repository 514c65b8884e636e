// SPDX-License-Identifier: Apache-2.0
#include "train/options_text.h"

#include <algorithm>
#include <utility>

#include "edgesmith/base/sha256.h"
#include "edgesmith/base/text.h"

namespace edgesmith::train {
namespace {

// Samples that are looked at: a look at all of them may take as long as an epoch.
constexpr int64_t kLooks = 16;

}  // namespace

std::string options_text(const DistillOptions& options) {
  std::string text;
  for (const auto& [name, list] : {std::pair("loss", &options.losses), std::pair("match", &options.match),
                                   std::pair("feature", &options.features), std::pair("freeze", &options.freeze)}) {
    text += std::string(name) + "=" + join(*list, ",") + "\n";
  }
  for (const double value :
       {options.feature_weight, options.temperature, options.rate.value_or(-1), options.weight_decay, options.clip,
        options.ema, options.warmup.value_or(-1), options.holdout, options.entropy, options.code_bits}) {
    text += shortest(value) + "\n";
  }
  for (const int64_t value : {options.epochs, options.steps, options.batch, options.patience, options.memory_limit,
                              static_cast<int64_t>(options.seed)}) {
    text += std::to_string(value) + "\n";
  }
  text += options.augment.text() + (options.augment_holdout ? " of all" : "");
  text += options.mirror_teacher ? ", mirrored" : "";
  text += options.learn_indices ? ", indices too" : "";
  text += options.keep_steps ? ", no steps\n" : "\n";
  return text + options.optimizer + "\n" + options.schedule;
}

Result<std::string> samples_text(const data::Dataset& data) {
  const int64_t count = data.size(), looks = std::min(count, kLooks);
  std::string text = "\n" + std::to_string(count) + " samples";
  for (int64_t i = 0; i < looks; ++i) {
    auto sample = data.sample(i * count / looks);
    if (!sample) return sample.error();
    for (const ir::Tensor& input : sample->inputs) {
      if (input.dtype() != ir::DType::string) text += "\n" + sha256_hex(input.bytes());
    }
    text += " " + std::to_string(sample->label);
  }
  return text;
}

}  // namespace edgesmith::train
