// SPDX-License-Identifier: Apache-2.0
// Plot of what was chosen for each node of a model and what the other way would have taken.
#pragma once

#include <string>
#include <vector>

namespace edgesmith::report {

/// One node and the ways to run it, of which one is chosen.
struct Choice {
  struct Option {
    std::string word;  ///< a kernel or a precision
    double us = 0;
    bool chosen = false;
  };
  std::string node, op;
  std::string why;  ///< the chosen one
  std::vector<Option> options;
};

/// One row a node, the costliest ones; "" where none took time. `about` describes the plot to those who cannot see it.
std::string choices_plot(std::vector<Choice> choices, const std::string& about);

/// A node on codes or in floats.
Choice precision_choice(std::string node, std::string op, double int8_us, double float_us, bool int8, std::string why);
inline constexpr const char* kPrecisions = "time of each node in both precisions";

}  // namespace edgesmith::report
