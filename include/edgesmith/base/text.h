// SPDX-License-Identifier: Apache-2.0
// Small text helpers shared by messages, tables and selectors.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace edgesmith {

/// "a, b, c".
std::string join(std::span<const std::string> parts, std::string_view separator);
/// The candidate with the smallest edit distance to `word`, or "" when none is near (for "did you mean").
std::string nearest(std::string_view word, std::span<const std::string> candidates);
/// Shell-style match: `*` any run, `?` any one character; the whole text must match.
bool glob_match(std::string_view pattern, std::string_view text);
/// Shortest decimal text that reads back as the same float/double ("0.1", "inf", "nan").
std::string shortest(float value);
std::string shortest(double value);

}  // namespace edgesmith
