// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace edgesmith {

/// SHA-256 of `bytes` as 64 lower-case hexadecimal digits.
std::string sha256_hex(std::span<const std::byte> bytes);
/// The same of all `parts`, one after the other.
std::string sha256_hex(std::span<const std::span<const std::byte>> parts);

}  // namespace edgesmith
