// SPDX-License-Identifier: Apache-2.0
#include "train/options_text.h"

#include <utility>

#include "edgesmith/base/text.h"

namespace edgesmith::train {

std::string options_text(const DistillOptions& options, int64_t num_samples) {
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
                              static_cast<int64_t>(options.seed), num_samples}) {
    text += std::to_string(value) + "\n";
  }
  text += options.augment.text() + (options.augment_holdout ? " of all" : "");
  text += options.mirror_teacher ? ", mirrored" : "";
  text += options.learn_indices ? ", indices too" : "";
  text += options.keep_steps ? ", no steps\n" : "\n";
  return text + options.optimizer + "\n" + options.schedule;
}

}  // namespace edgesmith::train
