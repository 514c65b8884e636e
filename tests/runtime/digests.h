// SPDX-License-Identifier: Apache-2.0
// One digest a test of the bits of its results, the same on every CPU with fused multiply-add: what tests on one
// machine compare between its instruction sets, this holds between x86 and Arm.
#pragma once

#include "edgesmith/ir/tensor.h"

namespace edgesmith::runtime {

/// Adds `result` to the digest of the running test. When the test ends, the digest must be the one of its line in
/// tests/runtime/digests.txt; `UPDATE_GOLDEN=1 build/release/tests/runtime/runtime_test` writes the lines. All that is
/// not a number counts as one number: which of its bits are set differs between x86 and Arm.
void add_to_digest(const ir::Tensor& result);

}  // namespace edgesmith::runtime
