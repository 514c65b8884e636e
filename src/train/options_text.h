// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "edgesmith/train/distill.h"

namespace edgesmith::train {

/// What of the options decides the weights that come out, for training_identity(); limits of time do not.
/// `num_samples`: of the data.
std::string options_text(const DistillOptions& options, int64_t num_samples);

}  // namespace edgesmith::train
