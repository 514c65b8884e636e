// SPDX-License-Identifier: Apache-2.0
// What texts are made of.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace edgesmith {

/// A character of UTF-8: its bytes, and its number; no bytes where there is none.
struct Character {
  size_t bytes = 0;
  uint32_t number = 0;
};
/// The one that `text`, which is not empty, starts with.
Character first_character(std::string_view text);

bool is_utf8(std::string_view text);
/// Nothing but spaces, tabs and ends of lines, or nothing at all.
bool is_blank(std::string_view text);

}  // namespace edgesmith
