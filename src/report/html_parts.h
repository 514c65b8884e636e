// SPDX-License-Identifier: Apache-2.0
// Pieces of the HTML report: plots as inline SVG, the style sheet.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "edgesmith/refine/run_report.h"
#include "report/escape_html.h"

namespace edgesmith::report {

/// Printf with one number.
std::string number_text(const char* format, double value);

/// Accuracy against size: the original and every measured step, joined in order. "" when nothing was measured.
std::string accuracy_plot(const refine::RunReport& report);
/// A bar for each layer that has "sqnr_db". "" when none has.
std::string sqnr_plot(std::span<const passes::LayerRecord> layers);
/// The range of each layer that has "min" and "max", on a symmetric logarithmic axis. "" when none has.
std::string range_plot(std::span<const passes::LayerRecord> layers);

/// How many weights of each layer that a step pruned are left. "" when there is none.
std::string density_plot(std::span<const refine::WeightPicture> pictures);
/// The entries of each layer's codebooks over the histogram of the weights that they stand for. "" when there is none.
std::string codebook_plot(std::span<const refine::WeightPicture> pictures);

/// The times that the step "select" weighed, node by node, the costliest ones. "" when there is no such step.
std::string selection_plot(const refine::RunReport& report);

/// Losses and metrics over the steps of each training. "" when there is none.
std::string curves_plot(const refine::RunReport& report);

/// The style sheet: light and dark.
extern const char* const kStyleSheet;

}  // namespace edgesmith::report
