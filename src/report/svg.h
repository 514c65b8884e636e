// SPDX-License-Identifier: Apache-2.0
// Shapes of the plots. Coordinates are written with one decimal, so that equal reports are equal files.
#pragma once

#include <string>

namespace edgesmith::report::svg {

/// Room for a node's name at the left of its bars, and the height of a line.
inline constexpr double kLabelWidth = 250, kRow = 19;

std::string at(double value);
std::string line(double x1, double y1, double x2, double y2, const char* style);
std::string label(double x, double y, const std::string& text, const char* anchor = "start", const char* style = "");
/// A bar of at least one unit's width, with a tooltip.
std::string box(double x, double y, double width, double height, const std::string& style, const std::string& title);
/// The whole picture; `title` is what a screen reader says.
std::string picture(double width, double height, const std::string& title, const std::string& body);
/// Names shortened in the middle, where layers of one net are alike.
std::string short_name(const std::string& name, size_t most);

}  // namespace edgesmith::report::svg
