// SPDX-License-Identifier: Apache-2.0
#include "ops/einsum_equation.h"

#include <algorithm>
#include <map>
#include <string>

#include "ops/check.h"

namespace edgesmith::ops {
namespace {

// A term with "..." standing for `ellipsis` dims.
Result<std::vector<int>> read_term(const std::string& term, int ellipsis) {
  std::vector<int> labels;
  for (size_t i = 0; i < term.size(); ++i) {
    if (term.compare(i, 3, "...") == 0) {
      for (int d = ellipsis; d > 0; --d) labels.push_back(-d);
      i += 2;
    } else if ((term[i] >= 'a' && term[i] <= 'z') || (term[i] >= 'A' && term[i] <= 'Z')) {
      labels.push_back(term[i]);
    } else {
      return invalid_error("equation has the term '" + term + "'");
    }
  }
  return labels;
}

bool has_ellipsis(const std::string& term) { return term.find("...") != std::string::npos; }

}  // namespace

Result<EinsumEquation> read_einsum_equation(const ir::Node& node, const std::vector<int>& ranks) {
  std::string text = node.attributes().get_string("equation", "");
  text.erase(std::remove(text.begin(), text.end(), ' '), text.end());
  EinsumEquation equation;
  const size_t arrow = text.find("->");
  equation.explicit_result = arrow != std::string::npos;
  std::string left = text.substr(0, arrow);
  std::vector<std::string> terms(1);
  for (const char c : left) {
    if (c == ',') {
      terms.emplace_back();
    } else {
      terms.back() += c;
    }
  }
  if (terms.size() != ranks.size()) {
    return invalid_error("equation '" + text + "' has " + std::to_string(terms.size()) + " terms for " +
                         std::to_string(ranks.size()) + " operands");
  }
  int widest = 0;  // dims of the longest ellipsis
  for (size_t i = 0; i < terms.size(); ++i) {
    int ellipsis = 0;
    if (has_ellipsis(terms[i])) ellipsis = ranks[i] - static_cast<int>(terms[i].size() - 3);
    auto labels = read_term(terms[i], std::max(0, ellipsis));
    if (!labels) return labels.error();
    if (static_cast<int>(labels->size()) != ranks[i] || ellipsis < 0) {
      return invalid_error("the term '" + terms[i] + "' of the equation stands for an operand of rank " +
                           std::to_string(ranks[i]));
    }
    widest = std::max(widest, ellipsis);
    equation.operands.push_back(std::move(*labels));
  }
  if (equation.explicit_result) {
    auto result = read_term(text.substr(arrow + 2), widest);
    if (!result) return result.error();
    equation.result = std::move(*result);
    for (size_t i = 0; i < equation.result.size(); ++i) {
      const int label = equation.result[i];
      bool known = label < 0;
      for (const auto& labels : equation.operands) known = known || std::count(labels.begin(), labels.end(), label) > 0;
      if (!known || std::count(equation.result.begin(), equation.result.end(), label) > 1) {
        return invalid_error("the result of the equation '" + text + "' has a label that is unknown or there twice");
      }
    }
    return equation;
  }
  std::map<int, int> seen;
  for (const auto& labels : equation.operands) {
    for (const int label : labels) ++seen[label];
  }
  for (const auto& [label, count] : seen) {
    if (label < 0 || count == 1) equation.result.push_back(label);  // in order: dims of "..." first, then letters
  }
  return equation;
}

}  // namespace edgesmith::ops
