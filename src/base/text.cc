// SPDX-License-Identifier: Apache-2.0
#include "edgesmith/base/text.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <numeric>

#include "edgesmith/base/characters.h"

namespace edgesmith {
namespace {

/// Letters that are wrong, missing or too many, and neighbours that changed places.
size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> last(b.size() + 1), row(b.size() + 1), next(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    next[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      next[j] = std::min({row[j] + 1, next[j - 1] + 1, row[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) next[j] = std::min(next[j], last[j - 2] + 1);
    }
    last.swap(row);
    row.swap(next);
  }
  return row[b.size()];
}

template <typename T>
std::string shortest_of(T value) {
  char buffer[32];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value);
  return std::string(buffer, end.ptr);
}

/// Characters that a terminal or a browser obeys: control characters, marks of direction, separators of lines.
bool is_obeyed(uint32_t c) {
  return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x61c || c == 0x200e || c == 0x200f ||
         (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0xfeff;
}

/// Three significant digits with a unit.
std::string scaled(double value, const char* const* units, int num_units) {
  int unit = 0;
  while (std::abs(value) >= 999.5 && unit + 1 < num_units) {
    value /= 1000;
    ++unit;
  }
  char buffer[48];
  const int digits = unit == 0 || std::abs(value) >= 99.95 ? 0 : std::abs(value) >= 9.995 ? 1 : 2;
  std::snprintf(buffer, sizeof buffer, "%.*f%s", digits, value, units[unit]);
  return buffer;
}

}  // namespace

std::string join(std::span<const std::string> parts, std::string_view separator) {
  std::string text;
  for (const std::string& part : parts) {
    if (&part != parts.data()) text += separator;
    text += part;
  }
  return text;
}

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  for (;;) {
    const size_t at = std::min(text.find(separator), text.size());
    parts.emplace_back(text.substr(0, at));
    if (at == text.size()) return parts;
    text.remove_prefix(at + 1);
  }
}

std::string nearest(std::string_view word, std::span<const std::string> candidates) {
  std::string best;
  // Two letters of three are another word.
  size_t best_distance = std::max<size_t>(word.size() < 4 ? 1 : 2, word.size() / 3) + 1;
  for (const std::string& candidate : candidates) {
    const size_t distance = edit_distance(word, candidate);
    if (distance < best_distance) {
      best_distance = distance;
      best = candidate;
    }
  }
  return best;
}

std::string quotes_hint(std::string_view toml, size_t line) {
  const std::vector<std::string> lines = split(toml, '\n');
  if (line < 1 || line > lines.size()) return "";
  const std::string& text = lines[line - 1];
  const size_t equals = text.find('=');
  if (equals == std::string::npos) return "";
  const auto trimmed = [](std::string_view part) {
    const size_t first = part.find_first_not_of(" \t"), last = part.find_last_not_of(" \t\r");
    return first == part.npos ? std::string() : std::string(part.substr(first, last - first + 1));
  };
  const std::string key = trimmed(text.substr(0, equals)), value = trimmed(text.substr(equals + 1));
  const bool bare = !value.empty() && (std::isalpha(static_cast<unsigned char>(value[0])) != 0 || value[0] == '/' ||
                                       value[0] == '.' || value[0] == '~');
  if (!bare || value.find_first_of("\"'#") != std::string::npos) return "";
  return "texts want quotes: " + key + " = \"" + value + "\"";
}

bool glob_match(std::string_view pattern, std::string_view text) {
  size_t p = 0, t = 0, star = std::string_view::npos, mark = 0;
  while (t < text.size()) {
    if (p < pattern.size() && (pattern[p] == '?' || (pattern[p] != '*' && pattern[p] == text[t]))) {
      ++p;
      ++t;
    } else if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      mark = t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++mark;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

std::optional<int64_t> parse_bytes(std::string_view text) {
  double number = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (code != std::errc()) return std::nullopt;
  std::string unit;
  for (const char* at = end; at != text.data() + text.size(); ++at) {
    if (*at != ' ') unit += static_cast<char>(std::tolower(static_cast<unsigned char>(*at)));
  }
  double scale = 1;
  if (!unit.empty() && unit != "b") {
    const size_t power = std::string_view("kmgt").find(unit[0]);
    const std::string rest = unit.substr(1);
    if (power == std::string_view::npos || (!rest.empty() && rest != "b" && rest != "ib")) return std::nullopt;
    scale = std::pow(rest == "b" ? 1000.0 : 1024.0, static_cast<double>(power + 1));
  }
  const double bytes = number * scale;
  if (!(bytes >= 1) || bytes > 0x1p62) return std::nullopt;
  return static_cast<int64_t>(bytes);
}

std::string bytes_text(int64_t bytes) {
  static constexpr const char* kUnits[] = {" B", " kB", " MB", " GB", " TB"};
  return scaled(static_cast<double>(bytes), kUnits, 5);
}

std::string count_text(int64_t count) {
  static constexpr const char* kUnits[] = {"", " k", " M", " G", " T"};
  return scaled(static_cast<double>(count), kUnits, 5);
}

std::optional<double> parse_seconds(std::string_view text) {
  double number = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (code != std::errc()) return std::nullopt;
  std::string_view unit(end, static_cast<size_t>(text.data() + text.size() - end));
  while (!unit.empty() && unit.front() == ' ') unit.remove_prefix(1);
  const double scale = unit.empty() || unit == "s" ? 1 : unit == "m" || unit == "min" ? 60 : unit == "h" ? 3600 : 0;
  const double seconds = number * scale;
  if (!(seconds > 0) || seconds > 1e9) return std::nullopt;
  return seconds;
}

std::string printable(std::string_view text, bool lines) {
  std::string out;
  const auto add = [&](const char* format, uint32_t number) {
    char buffer[16];
    std::snprintf(buffer, sizeof buffer, format, static_cast<unsigned>(number));
    out += buffer;
  };
  while (!text.empty()) {
    const Character c = first_character(text);
    const std::string_view bytes = text.substr(0, std::max<size_t>(c.bytes, 1));
    const bool meant = lines && (bytes == "\n" || bytes == "\t");
    if (c.bytes == 0) {
      add("\\x%02x", static_cast<unsigned char>(text[0]));
    } else if (is_obeyed(c.number) && !meant) {
      add(c.number < 0x20 ? "\\x%02x" : "\\u%04x", c.number);
    } else {
      out += bytes;
    }
    text.remove_prefix(bytes.size());
  }
  return out;
}

std::string shortest(float value) { return shortest_of(value); }
std::string shortest(double value) { return shortest_of(value); }

}  // namespace edgesmith
