// SPDX-License-Identifier: Apache-2.0
#include "runtime/choices.h"

#include <algorithm>

#include "edgesmith/base/text.h"
#include "runtime/integer/plain.h"

namespace edgesmith::runtime {

namespace {

constexpr std::string_view kReference = "reference";

std::string layout_word(const std::optional<Layout>& layout) {
  if (!layout) return "any";
  return *layout == Layout::channels_last ? "channels-last" : "row-major";
}

bool on_codes(const Kernel& kernel) { return kernel.supports_form != nullptr; }

KernelOption option_of(const Kernel& kernel, std::string why_not) {
  return {full_name(kernel), on_codes(kernel), layout_word(kernel.layout), std::move(why_not)};
}

// Why a row for the operator of the step is none of its candidates.
std::string why_not(const Program& program, const Step& step, const Kernel& kernel) {
  if (!allows(program.isa, kernel.isa)) return "needs " + std::string(isa_word(kernel.isa));
  if (on_codes(kernel)) {
    const bool any = std::any_of(step.candidates.begin(), step.candidates.end(), [](auto* k) { return on_codes(*k); });
    return any ? "does not take these attributes and codes" : "the node has no integer form";
  }
  if (kernel.reassociates && !program.options.reassociate) return "reassociates sums, which was not allowed";
  if (kernel.unavailable != nullptr && !kernel.unavailable().empty()) return std::string(kernel.unavailable());
  return "does not take these attributes, types and dims";
}

// Every kernel that there is, whichever operator it is for.
std::vector<std::string> all_names() {
  std::vector<std::string> names = {std::string(kReference)};
  for (const Kernel* kernel : all_kernels()) names.push_back(full_name(*kernel));
  for (const Kernel& kernel : integer::plain_kernels()) names.push_back(full_name(kernel));
  return names;
}

const ir::Node* node_of(const ir::Graph& graph, int id) {
  for (const ir::Node& node : graph.nodes()) {
    if (node.id() == id) return &node;
  }
  return nullptr;
}

}  // namespace

const std::string* find_choice(const Program& program, const ir::Node& node) {
  const auto found = program.options.choices.find(node.id());
  return found == program.options.choices.end() ? nullptr : &found->second;
}

const Kernel* default_kernel(const Program& program, const Step& step) {
  return find_kernel(step.shown(), program.isa, program.options.reassociate);
}

const Kernel* kernel_of(const Program& program, const Step& step) {
  const std::string* name = find_choice(program, *step.node);
  if (name == nullptr) return default_kernel(program, step);
  if (*name == kReference) return nullptr;
  for (const Kernel* kernel : kernels_for(step.shown(), program.isa, program.options.reassociate)) {
    if (full_name(*kernel) == *name) return kernel;
  }
  return default_kernel(program, step);
}

Status check_choice(const Program& program, const Step& step) {
  const std::string* name = find_choice(program, *step.node);
  if (name == nullptr || *name == step.choice_name()) return {};
  const std::vector<std::string> names = all_names();
  if (std::find(names.begin(), names.end(), *name) == names.end()) {
    const std::string near = nearest(*name, names);
    return usage_error(step.node->label() + ": unknown kernel '" + *name + "'",
                       near.empty() ? "" : "did you mean '" + near + "'?");
  }
  std::vector<std::string> legal;
  for (const KernelOption& option : options_of(program, step)) {
    if (option.legal()) legal.push_back(option.name);
  }
  return usage_error(step.node->label() + ": kernel '" + *name + "' cannot run it",
                     legal.empty() ? "leave the choice to the registry" : "choose one of " + join(legal, ", "));
}

Status check_every_choice(const Program& program) {
  const KernelChoices& choices = program.options.choices;
  if (!choices.empty() && program.options.reference) {
    return usage_error("the reference evaluation leaves no kernel to choose");
  }
  for (const auto& [id, name] : choices) {
    const bool is_step = std::any_of(program.steps.begin(), program.steps.end(), [&, wanted = id](const Step& step) {
      return step.conversion == Conversion::none && step.node->id() == wanted;
    });
    if (is_step) continue;
    const ir::Node* node = node_of(*program.graph, id);
    const std::string what = node == nullptr ? "node " + std::to_string(id) : node->label();
    return usage_error(what + ": kernel '" + name + "' is chosen for it, but it has no step of its own",
                       "choose kernels for the nodes that are steps; constants and what is fused into others are none");
  }
  return {};
}

std::vector<KernelOption> options_of(const Program& program, const Step& step) {
  if (step.view || step.conversion != Conversion::none || program.options.reference) return {};
  std::vector<KernelOption> options;
  for (const Kernel* kernel : step.candidates) options.push_back(option_of(*kernel, ""));
  options.push_back({std::string(kReference), false, layout_word(Layout::row_major), ""});
  for (const Kernel* kernel : all_kernels()) {
    const bool legal = std::find(step.candidates.begin(), step.candidates.end(), kernel) != step.candidates.end();
    if (kernel->op == step.node->op() && !legal) options.push_back(option_of(*kernel, why_not(program, step, *kernel)));
  }
  return options;
}

}  // namespace edgesmith::runtime
