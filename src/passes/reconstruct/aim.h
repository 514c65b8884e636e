// SPDX-License-Identifier: Apache-2.0
// The weights with which a layer makes up for the layers before it, as far as the samples really tell them.
//
// The least-squares change of the weights, W D G^-1 (gram.h), is estimated from samples, and part of it is their
// chance: going all of the way follows that chance, most where the samples are few or the inputs tell little of the
// error. Two halves of the samples give two estimates that have the truth in common and nothing else. What they have in
// common, in the power of the layer's output, is that of the truth; what their mean has is the truth and the chance
// that is left. The ratio is the share that makes the expected error least (James and Stein 1961, with the variance
// measured).
#pragma once

#include <span>
#include <vector>

#include "edgesmith/base/thread_pool.h"
#include "passes/reconstruct/gram.h"
#include "passes/reconstruct/moments.h"

namespace edgesmith::passes::reconstruct {

struct Aim {
  std::vector<double> change;  ///< of the weights [outputs][width]: all of the way to the float model's output
  double share = 0;            ///< of the way that is worth going, 0 to 1; one sample alone tells of none

  void move(std::span<double> weights) const;
};

/// `weights` [outputs][width] are those of the float model. `moments`: by block of `gram`, [width, width], damped; with
/// `centred` around the means. The result does not depend on the number of threads.
Aim find_aim(const Gram& gram, bool centred, std::span<const Damped> moments, std::span<const double> weights,
             ThreadPool& pool);

/// The change of find_aim() alone, for half the work: for those who go all of the way whatever the samples tell.
std::vector<double> find_change(const Gram& gram, bool centred, std::span<const Damped> moments,
                                std::span<const double> weights, ThreadPool& pool);

}  // namespace edgesmith::passes::reconstruct
