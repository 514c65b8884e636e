// SPDX-License-Identifier: Apache-2.0
#include "report/svg.h"

#include <algorithm>

#include "report/html_parts.h"

namespace edgesmith::report::svg {

std::string at(double value) { return number_text("%.1f", value); }

std::string line(double x1, double y1, double x2, double y2, const char* style) {
  return "<line class=\"" + std::string(style) + "\" x1=\"" + at(x1) + "\" y1=\"" + at(y1) + "\" x2=\"" + at(x2) +
         "\" y2=\"" + at(y2) + "\"/>";
}

std::string label(double x, double y, const std::string& text, const char* anchor, const char* style) {
  return "<text x=\"" + at(x) + "\" y=\"" + at(y) + "\" text-anchor=\"" + anchor + "\" class=\"" + style + "\">" +
         escape_html(text) + "</text>";
}

std::string box(double x, double y, double width, double height, const std::string& style, const std::string& title) {
  return "<rect class=\"" + style + "\" x=\"" + at(x) + "\" y=\"" + at(y) + "\" width=\"" + at(std::max(width, 1.0)) +
         "\" height=\"" + at(height) + "\" rx=\"2\"><title>" + escape_html(title) + "</title></rect>";
}

std::string picture(double width, double height, const std::string& title, const std::string& body) {
  const std::string size = at(width) + " " + at(height);
  return "<svg viewBox=\"0 0 " + size + "\" width=\"" + at(width) + "\" height=\"" + at(height) +
         "\" role=\"img\" aria-label=\"" + escape_html(title) + "\">" + body + "</svg>\n";
}

std::string short_name(const std::string& name, size_t most) {
  if (name.size() <= most) return name;
  const size_t head = most / 3, tail = most - head - 1;
  return name.substr(0, head) + "…" + name.substr(name.size() - tail);
}

}  // namespace edgesmith::report::svg
