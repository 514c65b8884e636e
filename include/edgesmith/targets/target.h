// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string_view>

#include "edgesmith/ir/dtype.h"
#include "edgesmith/ir/op_kind.h"

namespace edgesmith::targets {

/// How the sums of an integer layer are made safe on the target.
enum class PairRule {
  none,         ///< exact int32 accumulation: the full weight range may be used
  pairs_to_128  ///< 16-bit pair sums (x86 without VNNI): the two largest |codes| of an output channel sum to <= 128
};

/// What a runtime on a device wants of a quantized model. Plain data; one row of the target table.
struct Target {
  std::string_view name;     ///< "ort-x86"
  std::string_view summary;  ///< one line
  ir::DType activation_dtype;
  ir::DType weight_dtype;
  PairRule pair_rule;
  /// Operators that compute on integers when Q/DQ stand around them; everything else stays float there.
  std::span<const ir::OpKind> integer_ops;

  bool runs_integer(ir::OpKind op) const;
};

/// All targets in order of name.
std::span<const Target> all_targets();
/// The target, or null.
const Target* find_target(std::string_view name);
/// The target of a command line that names none.
inline constexpr std::string_view kDefaultTarget = "ort-x86";

}  // namespace edgesmith::targets
