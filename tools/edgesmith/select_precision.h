// SPDX-License-Identifier: Apache-2.0
// `edgesmith select` for targets that are not this machine.
#pragma once

#include <optional>
#include <string>

#include "cli.h"
#include "data_flags.h"
#include "edgesmith/targets/target.h"

namespace edgesmith::cli {

struct PrecisionFlags {
  std::string model, target, output, model_output, costs, original;
  bool force = false;
  std::optional<double> min_sqnr;  ///< dB
  DataFlags data;
};

/// Chooses the precision of every node of a quantized model, writes the plan and the model, and shows the choice.
Result<int> select_precision(const PrecisionFlags& flags, const targets::Target& target, const Common& common);

}  // namespace edgesmith::cli
