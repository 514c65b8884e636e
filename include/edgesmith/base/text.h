// SPDX-License-Identifier: Apache-2.0
// Small text helpers shared by messages, tables and selectors.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace edgesmith {

/// "a, b, c".
std::string join(std::span<const std::string> parts, std::string_view separator);
/// "a,b" -> {"a", "b"}; {""} for an empty text.
std::vector<std::string> split(std::string_view text, char separator);
/// The candidate with the smallest edit distance to `word`, or "" when none is near (for "did you mean").
std::string nearest(std::string_view word, std::span<const std::string> candidates);
/// What to do about a line of TOML (from 1) whose value is a text without quotes, with the line as it should be; ""
/// where that is not what is wrong with it.
std::string quotes_hint(std::string_view toml, size_t line);
/// Shell-style match: `*` any run, `?` any one character; the whole text must match.
bool glob_match(std::string_view pattern, std::string_view text);
/// Bytes of "2GiB", "1.5 MB", "512k" or "4096": units of 1000 with a B alone, of 1024 with iB or without B, in any
/// case. Nothing for other texts, and for sizes that are not positive.
std::optional<int64_t> parse_bytes(std::string_view text);
/// "1.08 MB", "297 kB", "812 B" (powers of 1000, three digits).
std::string bytes_text(int64_t bytes);
/// "40.6 M", "1.2 G", "512".
std::string count_text(int64_t count);
/// Seconds of "90", "1.5s", "10m" or "2 h". Nothing for other texts, and for times that are not positive.
std::optional<double> parse_seconds(std::string_view text);
/// `text` with everything that acts on a terminal, or hides what it says, written out: control characters and bytes
/// that are not UTF-8 as \x1b, marks that turn the direction of writing and separate lines as \u202e (JSON's own
/// escape: a document stays one). For names out of files. `lines`: line breaks and tabs are meant, and stay. Doing it
/// twice changes nothing.
std::string printable(std::string_view text, bool lines = false);
/// Shortest decimal text that reads back as the same float/double ("0.1", "inf", "nan").
std::string shortest(float value);
std::string shortest(double value);

}  // namespace edgesmith
