// SPDX-License-Identifier: Apache-2.0
#include "passes/selectors.h"

#include <algorithm>

#include "edgesmith/base/text.h"
#include "edgesmith/ir/subgraphs.h"

namespace edgesmith::passes {
namespace {

bool is_selectable(const ir::Node& node) {
  return !node.is(ir::OpKind::input) && !node.is(ir::OpKind::output) && !node.is(ir::OpKind::constant);
}

std::vector<std::string> names_of(const ir::Node& node) {
  std::vector<std::string> names;
  if (!node.name().empty()) names.push_back(node.name());
  for (int i = 0; i < node.num_outputs(); ++i) {
    if (!node.output(i).name().empty()) names.push_back(node.output(i).name());
  }
  return names;
}

std::vector<std::string> operators_of(const ir::Node& node) {
  if (node.is(ir::OpKind::opaque)) return {node.opaque_op};
  return {std::string(ir::onnx_name(node.op())), std::string(ir::op_name(node.op()))};
}

Status selector_error(const std::string& option, const std::string& pattern, const std::vector<std::string>& all) {
  // A module's name stands for all that is in it, a part of a name for all that have it.
  std::string near;
  for (const std::string& wider : {pattern + "*", "*" + pattern + "*"}) {
    const auto matches = [&](const std::string& word) { return glob_match(wider, word); };
    if (near.empty() && !pattern.empty() && std::any_of(all.begin(), all.end(), matches)) near = wider;
  }
  if (near.empty()) near = nearest(pattern, all);
  return usage_error(option + " '" + pattern + "' matches nothing in the model",
                     near.empty() ? "`edgesmith inspect -v` lists the names" : "did you mean '" + near + "'?");
}

// Calls `found` for every node with a word that matches `pattern`.
template <typename Words, typename Found>
Status for_each_match(const ir::Graph& graph, const std::string& option, const std::string& pattern, Words words,
                      Found found) {
  bool any = false;
  std::vector<std::string> all;
  for (const ir::Node& node : graph.nodes()) {
    if (!is_selectable(node)) continue;
    for (const std::string& word : words(node)) {
      all.push_back(word);
      if (!glob_match(pattern, word)) continue;
      any = true;
      found(node);
      break;
    }
  }
  return any ? Status() : selector_error(option, pattern, all);
}

using WordsOf = std::vector<std::string> (*)(const ir::Node&);

bool matches(const std::vector<std::string>& patterns, const std::vector<std::string>& words) {
  return std::any_of(patterns.begin(), patterns.end(), [&](const std::string& pattern) {
    return std::any_of(words.begin(), words.end(), [&](const std::string& word) { return glob_match(pattern, word); });
  });
}

// What selectors look at now, or all that a pass may yet let them look at.
enum class Reach { now, ever };

// The words of all nodes, those inside of If, Loop and Scan included; with `ever` also those of constants and inputs
// and of what is inside of functions, which may be inlined.
void collect_words(const ir::Graph& graph, WordsOf words, Reach reach, std::vector<std::string>& all) {
  for (const ir::Node& node : graph.nodes()) {
    if (reach == Reach::now && !is_selectable(node)) continue;
    for (std::string& word : words(node)) all.push_back(std::move(word));
    const bool closed =
        reach == Reach::now && node.subgraphs != nullptr && node.subgraphs->kind == ir::Subgraphs::Kind::function;
    if (node.subgraphs == nullptr || closed) continue;
    for (const ir::Graph& body : node.subgraphs->graphs) collect_words(body, words, reach, all);
  }
}

Status check_patterns(const char* option, const std::vector<std::string>& patterns,
                      const std::vector<std::string>& all) {
  for (const std::string& pattern : patterns) {
    if (!matches({pattern}, all)) return selector_error(option, pattern, all);
  }
  return {};
}

}  // namespace

bool Selectors::selects(const ir::Node& node) const {
  const std::vector<std::string> names = names_of(node);
  return (only.empty() || matches(only, names)) && !matches(skip, names) && !matches(skip_ops, operators_of(node));
}

Selectors read_selectors(const Options& options) {
  const auto list = [&](std::string_view name) {
    return options.is_set(name) ? options.list(name) : std::vector<std::string>();
  };
  return {.only = list("only"), .skip = list("skip"), .skip_ops = list("skip_op")};
}

Status check_selectors(const ir::Graph& graph, const Selectors& selectors) {
  std::vector<std::string> names, operators;
  collect_words(graph, names_of, Reach::now, names);
  collect_words(graph, operators_of, Reach::now, operators);
  EDGESMITH_TRY(check_patterns("--only", selectors.only, names));
  EDGESMITH_TRY(check_patterns("--skip", selectors.skip, names));
  return check_patterns("--skip-op", selectors.skip_ops, operators);
}

Status check_later_selectors(const ir::Graph& graph, const Selectors& selectors) {
  std::vector<std::string> names, operators;
  collect_words(graph, names_of, Reach::ever, names);
  collect_words(graph, operators_of, Reach::ever, operators);
  for (int kind = 0; kind < ir::num_op_kinds(); ++kind) {
    operators.emplace_back(ir::onnx_name(static_cast<ir::OpKind>(kind)));
    operators.emplace_back(ir::op_name(static_cast<ir::OpKind>(kind)));
  }
  EDGESMITH_TRY(check_patterns("--only", selectors.only, names));
  EDGESMITH_TRY(check_patterns("--skip", selectors.skip, names));
  return check_patterns("--skip-op", selectors.skip_ops, operators);
}

Result<std::vector<bool>> select_nodes(const ir::Graph& graph, const Selectors& selectors) {
  const auto& [only, skip, skip_ops] = selectors;
  std::vector<bool> selected(static_cast<size_t>(graph.num_node_ids()), only.empty());
  const auto mark = [&](bool value) {
    return [&selected, value](const ir::Node& node) { selected[static_cast<size_t>(node.id())] = value; };
  };
  for (const std::string& pattern : only) EDGESMITH_TRY(for_each_match(graph, "--only", pattern, names_of, mark(true)));
  for (const std::string& pattern : skip)
    EDGESMITH_TRY(for_each_match(graph, "--skip", pattern, names_of, mark(false)));
  for (const std::string& pattern : skip_ops) {
    EDGESMITH_TRY(for_each_match(graph, "--skip-op", pattern, operators_of, mark(false)));
  }
  if (!only.empty() && std::find(selected.begin(), selected.end(), true) == selected.end()) {
    return usage_error("--only '" + only[0] + "' and --skip leave no node", "leave one of them out");
  }
  return selected;
}

}  // namespace edgesmith::passes
