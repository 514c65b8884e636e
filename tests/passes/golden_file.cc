// SPDX-License-Identifier: Apache-2.0
#include "golden_file.h"

#include <fstream>
#include <sstream>

namespace edgesmith::testing {
namespace {

std::string after_prefix(const std::string& line, const std::string& prefix) {
  return line.rfind(prefix, 0) == 0 ? line.substr(prefix.size()) : "";
}

// "a, b{k=1 l=2}" -> {{"a", ""}, {"b", "k=1 l=2"}}
std::vector<std::pair<std::string, std::string>> parse_passes(const std::string& text) {
  std::vector<std::pair<std::string, std::string>> passes;
  std::string name, options;
  bool inside = false;
  for (const char c : text + ",") {
    if (c == '{') {
      inside = true;
    } else if (c == '}') {
      inside = false;
    } else if (c == ',' && !inside) {
      passes.emplace_back(name, options);
      name.clear();
      options.clear();
    } else if (inside) {
      options += c;
    } else if (c != ' ') {
      name += c;
    }
  }
  return passes;
}

}  // namespace

std::vector<GoldenCase> read_golden_file(const std::string& path) {
  std::vector<GoldenCase> cases(1);
  std::ifstream in(path);
  bool in_after = false;
  for (std::string line; std::getline(in, line);) {
    GoldenCase& current = cases.back();
    if (line == "# -----") {
      cases.emplace_back();
      in_after = false;
    } else if (line == "# ---") {
      in_after = true;
    } else if (line.rfind('#', 0) == 0) {
      current.comments.push_back(line);
      if (const auto run = after_prefix(line, "# RUN: "); !run.empty()) current.passes = parse_passes(run);
      if (const auto t = after_prefix(line, "# TOLERANCE: "); !t.empty()) current.tolerance = std::stod(t);
      if (const auto error = after_prefix(line, "# ERROR: "); !error.empty()) current.error = error;
    } else {
      (in_after ? current.after : current.before) += line + "\n";
    }
  }
  return cases;
}

void write_golden_file(const std::string& path, const std::vector<GoldenCase>& cases) {
  std::ofstream out(path);
  for (const GoldenCase& golden : cases) {
    if (&golden != &cases.front()) out << "# -----\n";
    for (const std::string& comment : golden.comments) out << comment << "\n";
    out << golden.before;
    if (golden.error.empty()) out << "# ---\n" << golden.after;
  }
}

}  // namespace edgesmith::testing
