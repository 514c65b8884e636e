// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "runtime/integer/add.h"
#include "runtime/native/int_packing.h"

namespace edgesmith::runtime::native {

/// What add_i8 makes of the form of an Add; a convolution that does the Add (Residual::prepared) computes by it, too.
struct PackedAdd : Prepared {
  integer::AddConstants constants;
  uint8_t flip_a = 0, flip_b = 0;
  CodeStore store;
};

/// The Add `residual` in place, for `count` codes that a kernel just stored at `out`, `first` codes into its output:
/// while they are in the first-level cache.
void add_codes(const IntTable& table, const Residual& residual, uint8_t* out, int64_t first, int64_t count);

}  // namespace edgesmith::runtime::native
