// SPDX-License-Identifier: Apache-2.0
// Int8 weights whose products x86 kernels without VNNI may add in 16 bits (ops/pair_sums.h): where no pair of a layer
// overflowed before training, none does after it.
#pragma once

#include "edgesmith/ir/graph.h"

namespace edgesmith::train {

/// `after`, the trained codes of `layer`'s weight `before`: where no pair of those overflows, the larger weight of each
/// pair that does gives way.
ir::Tensor keep_pair_rule(const ir::Node& layer, const ir::Tensor& before, ir::Tensor after);

}  // namespace edgesmith::train
