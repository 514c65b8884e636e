// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <cstdio>

#include "edgesmith/base/text.h"
#include "edgesmith/report/terminal.h"

namespace edgesmith::report {
namespace {

/// Characters of UTF-8 text.
size_t width_of(std::string_view text) {
  size_t width = 0;
  for (const char c : text) width += (static_cast<unsigned char>(c) & 0xC0) != 0x80 ? 1 : 0;
  return width;
}

/// By Style.
constexpr std::string_view kCodes[] = {"", "\033[1m", "\033[2m", "\033[31m", "\033[32m", "\033[33m", "\033[36m"};
constexpr std::string_view kEnd = "\033[0m";

/// Lines, without tabs.
std::string printable_lines(std::string_view text) {
  std::string out = printable(text, true);
  for (size_t at = out.find('\t'); at != std::string::npos; at = out.find('\t', at)) out.replace(at, 1, "\\x09");
  return out;
}

/// Names out of files must not act on the terminal, nor break the table.
std::vector<std::string> printable_cells(std::vector<std::string> cells) {
  for (std::string& cell : cells) cell = printable(cell);
  return cells;
}

std::string escaped_markdown(const std::string& cell) {
  std::string text;
  for (const char c : cell) {
    if (c == '|') text += '\\';
    text += c;
  }
  return text;
}

}  // namespace

std::string printable_but_paint(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const size_t at = std::min(text.find('\033'), text.size());
    out += printable_lines(text.substr(0, at));
    text.remove_prefix(at);
    if (text.empty()) break;
    size_t length = 0;
    for (const std::string_view code : kCodes) {
      if (!code.empty() && text.starts_with(code)) length = code.size();
    }
    if (text.starts_with(kEnd)) length = kEnd.size();
    out += length > 0 ? std::string(text.substr(0, length)) : printable(text.substr(0, 1));
    text.remove_prefix(std::max<size_t>(length, 1));
  }
  return out;
}

std::string paint(std::string_view text, Style style, bool color) {
  if (!color || style == Style::plain) return printable_lines(text);
  return std::string(kCodes[static_cast<size_t>(style)]) + printable_lines(text) + std::string(kEnd);
}

void Table::row(std::vector<std::string> cells, Style style) {
  cells.resize(columns_.size());
  rows_.push_back(printable_cells(std::move(cells)));
  styles_.push_back(style);
}

std::string Table::text(bool color, int indent) const {
  std::vector<size_t> widths(columns_.size(), 0);
  const auto measure = [&](const std::vector<std::string>& cells) {
    for (size_t i = 0; i < cells.size(); ++i) widths[i] = std::max(widths[i], width_of(cells[i]));
  };
  measure(head_);
  for (const auto& cells : rows_) measure(cells);
  const auto line_of = [&](const std::vector<std::string>& cells) {
    std::string line(static_cast<size_t>(indent), ' ');
    for (size_t i = 0; i < cells.size(); ++i) {
      const std::string pad(widths[i] - width_of(cells[i]), ' ');
      if (i > 0) line += "  ";
      line += columns_[i] == Align::right ? pad + cells[i] : cells[i] + pad;
    }
    line.erase(line.find_last_not_of(' ') + 1);
    return line;
  };
  std::string out;
  if (!head_.empty()) out += paint(line_of(head_), Style::dim, color) + "\n";
  for (size_t i = 0; i < rows_.size(); ++i) out += paint(line_of(rows_[i]), styles_[i], color) + "\n";
  return out;
}

std::string Table::markdown() const {
  const auto line_of = [](const std::vector<std::string>& cells) {
    std::string line = "|";
    for (const std::string& cell : cells) line += " " + escaped_markdown(cell) + " |";
    return line + "\n";
  };
  std::string out = line_of(head_) + "|";
  for (const Align align : columns_) out += align == Align::right ? " ---: |" : " --- |";
  out += "\n";
  for (const auto& cells : rows_) out += line_of(cells);
  return out;
}

std::string seconds_text(double seconds) {
  char buffer[64];
  if (seconds < 0.0995) {
    std::snprintf(buffer, sizeof buffer, "%.0f ms", seconds * 1e3);
  } else if (seconds < 59.95) {
    std::snprintf(buffer, sizeof buffer, "%.1f s", seconds);
  } else {
    const int whole = static_cast<int>(std::lround(seconds));
    std::snprintf(buffer, sizeof buffer, "%d min %d s", whole / 60, whole % 60);
  }
  return buffer;
}

}  // namespace edgesmith::report
