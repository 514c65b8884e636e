// SPDX-License-Identifier: Apache-2.0
#include "passes/reconstruct/shortage.h"

#include <algorithm>

namespace edgesmith::passes::reconstruct {

void Shortage::see(const ir::Node& layer, int64_t rows, int64_t weights) {
  ++layers_;
  if (rows <= 0 || rows >= weights) return;
  ++short_;
  if (!worst_.empty() && weights * worst_rows_ <= worst_weights_ * rows) return;
  worst_ = layer.label();
  worst_rows_ = rows;
  worst_weights_ = weights;
}

void Shortage::note(int64_t samples, std::vector<std::string>& notes) const {
  if (short_ == 0) return;
  const int64_t enough = (worst_weights_ * samples + worst_rows_ - 1) / worst_rows_;
  std::string text = std::to_string(short_) + " of " + std::to_string(layers_) +
                     " layers were repaired from too few samples: " + worst_ + " saw " + std::to_string(worst_rows_) +
                     (worst_rows_ == 1 ? " row" : " rows") + " of inputs for " + std::to_string(worst_weights_) +
                     " weights an output; give " + std::to_string(enough) + " samples or more instead of " +
                     std::to_string(samples);
  if (std::find(notes.begin(), notes.end(), text) == notes.end()) notes.push_back(std::move(text));
}

}  // namespace edgesmith::passes::reconstruct
