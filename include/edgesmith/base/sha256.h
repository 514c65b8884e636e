// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace edgesmith {

/// SHA-256 of `bytes` as 64 lower-case hexadecimal digits.
std::string sha256_hex(std::span<const std::byte> bytes);
std::string sha256_hex(std::string_view text);
/// The same of all `parts`, one after the other.
std::string sha256_hex(std::span<const std::span<const std::byte>> parts);

}  // namespace edgesmith
