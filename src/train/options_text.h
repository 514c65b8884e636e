// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "edgesmith/base/result.h"
#include "edgesmith/data/dataset.h"
#include "edgesmith/train/distill.h"

namespace edgesmith::train {

/// What of the options decides the weights that come out, for training_identity(); limits of time do not.
std::string options_text(const DistillOptions& options);

/// The same of the data: how many samples there are, and a hash of some of them. Errors: invalid, naming a sample.
Result<std::string> samples_text(const data::Dataset& data);

}  // namespace edgesmith::train
