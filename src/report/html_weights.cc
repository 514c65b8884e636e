// SPDX-License-Identifier: Apache-2.0
// Plots of what pruning and sharing made of the weights of each layer.
#include <algorithm>
#include <cmath>

#include "report/html_parts.h"
#include "report/svg.h"

namespace edgesmith::report {
namespace {

using refine::WeightPicture;

/// Of one histogram with its gap.
constexpr double kTall = 58;

std::string percent(double share) { return number_text("%.1f %%", 100 * share); }

double density(const WeightPicture& picture) {
  return picture.elements > 0 ? static_cast<double>(picture.nonzero) / static_cast<double>(picture.elements) : 1;
}

/// The outline of a histogram, as steps from the baseline up.
std::string outline(const WeightPicture& picture, double left, double right, double top, double bottom) {
  const auto most = static_cast<double>(*std::max_element(picture.histogram.begin(), picture.histogram.end()));
  const double width = (right - left) / static_cast<double>(picture.histogram.size());
  std::string path = "M" + svg::at(left) + " " + svg::at(bottom);
  double x = left;
  for (const int64_t count : picture.histogram) {
    const double y = bottom - (bottom - top) * static_cast<double>(count) / most;
    path += "L" + svg::at(x) + " " + svg::at(y) + "L" + svg::at(x + width) + " " + svg::at(y);
    x += width;
  }
  return "<path class=\"area\" d=\"" + path + "L" + svg::at(right) + " " + svg::at(bottom) + "Z\"/>";
}

}  // namespace

std::string density_plot(std::span<const WeightPicture> pictures) {
  std::vector<const WeightPicture*> shown;
  for (const WeightPicture& picture : pictures) {
    if (picture.nonzero < picture.nonzero_before) shown.push_back(&picture);
  }
  if (shown.empty()) return "";
  const double height = svg::kRow * static_cast<double>(shown.size()) + 26, left = svg::kLabelWidth + 10, right = 900;
  std::string body;
  for (int tick = 0; tick <= 100; tick += 20) {
    const double x = left + (right - left) * tick / 100;
    body += svg::line(x, 18, x, height, "grid") + svg::label(x, 12, number_text("%.0f %%", tick), "middle", "dim");
  }
  double y = 22;
  for (const WeightPicture* picture : shown) {
    const double share = density(*picture), width = (right - left) * share;
    body += svg::label(svg::kLabelWidth, y + 12, svg::short_name(picture->node, 36), "end");
    body += svg::box(left, y + 2, width, svg::kRow - 5, "bar",
                     picture->node + " (" + picture->op + "): " + refine::grouped(picture->nonzero) + " of " +
                         refine::grouped(picture->elements) + " weights are not zero");
    body += svg::label(left + width + 6, y + 12, percent(share), "start", "dim");
    y += svg::kRow;
  }
  return svg::picture(1000, height, "density of each layer", body);
}

std::string codebook_plot(std::span<const WeightPicture> pictures) {
  std::vector<const WeightPicture*> shown;
  for (const WeightPicture& picture : pictures) {
    if (!picture.entries.empty() && !picture.histogram.empty()) shown.push_back(&picture);
  }
  if (shown.empty()) return "";
  const double left = svg::kLabelWidth + 20, right = 980;
  std::string body;
  double y = 4;
  for (const WeightPicture* picture : shown) {
    const double top = y, bottom = y + kTall - 18;
    const double low = std::min(picture->low, picture->entries.front());
    const double high = std::max(picture->high, picture->entries.back());
    const double span = high > low ? high - low : 1;
    const auto x = [&](double value) { return left + (right - left) * (value - low) / span; };
    body += svg::label(svg::kLabelWidth, top + 14, svg::short_name(picture->node, 36), "end");
    body += svg::label(svg::kLabelWidth, top + 30,
                       number_text("%.0f", static_cast<double>(picture->codebooks)) +
                           (picture->codebooks == 1 ? " codebook of " : " codebooks of ") +
                           number_text("%.0f", static_cast<double>(picture->codebook_size)),
                       "end", "dim");
    body += outline(*picture, x(picture->low), std::max(x(picture->high), x(picture->low) + 1), top, bottom);
    for (const double entry : picture->entries) body += svg::line(x(entry), top, x(entry), bottom, "entry");
    body += svg::line(left, bottom, right, bottom, "grid");
    body += svg::label(left, bottom + 13, number_text("%.3g", low), "start", "dim");
    body += svg::label(right, bottom + 13, number_text("%.3g", high), "end", "dim");
    if (low < 0 && high > 0) body += svg::label(x(0), bottom + 13, "0", "middle", "dim");
    y += kTall;
  }
  return svg::picture(1000, y, "codebooks of each layer", body);
}

}  // namespace edgesmith::report
