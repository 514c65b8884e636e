// SPDX-License-Identifier: Apache-2.0
// Looks at every number of large tensors once, in place, at the speed of memory. What lies in mapped files is
// given back piece by piece: weights may be larger than memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace edgesmith::ir {

/// The first of these floats that is NaN or infinite, or 0.
float first_not_finite(std::span<const std::byte> floats);

/// How many of these floats are not zero.
int64_t count_nonzero(std::span<const std::byte> floats);

/// True when both hold the same bytes.
bool same_bytes(std::span<const std::byte> a, std::span<const std::byte> b);

}  // namespace edgesmith::ir
