// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "edgesmith/refine/diagnose.h"
#include "passes/quantize/stream.h"
#include "refine/diagnose/errors.h"
#include "refine/diagnose/skip_order.h"

namespace edgesmith::refine::diagnose {

/// What a diagnosis found out on the way, for those that go on from there.
struct Work {
  Match match;
  Units units;  ///< of Diagnosis::original
  Facts facts;
  std::vector<double> alone;  ///< by unit

  Counterparts into_original() const { return {match.other_node, match.float_value}; }
  Counterparts into_other() const { return {match.float_node, match.other_value}; }
};

/// The compressed model with some units as in the float one.
ir::Graph leave_float(const Diagnosis& diagnosis, const Work& work, const std::vector<size_t>& units);

/// "--skip 'a' --skip 'b'"; "" when one of the units has no name to give.
std::string skip_flags(const Diagnosis& diagnosis, const std::vector<size_t>& units);

/// 10 log10(1 / noise to signal), at most 200.
double ratio_db(double noise_to_signal);

/// What helps, each measured on the samples of `stream`.
Status find_advice(Diagnosis& diagnosis, const Work& work, const passes::quantize::Stream& stream);

}  // namespace edgesmith::refine::diagnose
