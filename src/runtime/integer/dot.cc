// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "runtime/integer/plain.h"

namespace edgesmith::runtime::integer {

int32_t dot(std::span<const int32_t> x, const int16_t* weight, int32_t zero_point, bool saturating) {
  int64_t sum = 0, weights = 0;
  for (size_t k = 0; k < x.size(); k += 2) {
    const bool pair = k + 1 < x.size();
    int32_t products = x[k] * weight[k] + (pair ? x[k + 1] * weight[k + 1] : 0);
    if (saturating) products = std::clamp(products, -32768, 32767);
    sum += products;
    weights += weight[k] + (pair ? weight[k + 1] : 0);
  }
  return static_cast<int32_t>(static_cast<uint32_t>(sum - zero_point * weights));
}

}  // namespace edgesmith::runtime::integer
