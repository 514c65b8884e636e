// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

namespace edgesmith::train {

/// Numbers over the steps of a training, for the report's plots.
struct Curve {
  std::string name;  ///< "loss", "held-out loss", "agreement"
  std::string unit;  ///< "%" or ""
  std::vector<double> steps, values;
};

}  // namespace edgesmith::train
