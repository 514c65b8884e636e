// SPDX-License-Identifier: Apache-2.0
// Rules about single nodes: operators that are missing, attributes beyond a limit.
#include <algorithm>

#include "edgesmith/ops/op_info.h"
#include "refine/target_check/rules.h"

namespace edgesmith::refine {
namespace {

using ir::OpKind;

bool is_conv(const ir::Node& node) { return node.is(OpKind::conv) || node.is(OpKind::conv_transpose); }

/// True for what `simplify` removes: computed from constants alone, or part of a convolution.
bool goes_away(const ir::Node& node) {
  if (node.is(OpKind::identity) || node.is(OpKind::batch_normalization)) return true;
  for (int i = 0; i < node.num_inputs(); ++i) {
    if (node.input(i) != nullptr && node.input(i)->constant() == nullptr) return false;
  }
  return true;
}

void check_operator(const ir::Node& node, const targets::Target& target, Findings& findings) {
  if (node.is(OpKind::opaque)) {
    const std::string& domain = target.limits.domain;
    if (!domain.empty() && node.subgraphs != nullptr && node.opaque_op.starts_with(domain + "::")) return;
    if (target.limits.only_ops.empty()) {
      findings.hint(&node, "operator", node.opaque_op, "not known here",
                    "edgesmith cannot say whether " + target.runtime + " has it");
    } else {
      findings.refuse(&node, "operator", node.opaque_op, "an operator of " + target.runtime,
                      "replace it by operators that 'edgesmith targets show " + target.name + "' lists");
    }
    return;
  }
  if (target.has_op(node.op())) return;
  findings.refuse(&node, "operator", std::string(ir::onnx_name(node.op())), "an operator of " + target.runtime,
                  goes_away(node) ? "simplify the model first: edgesmith simplify"
                                  : "replace it by operators that 'edgesmith targets show " + target.name + "' lists");
}

/// The sides of the window of a convolution or pool; empty for anything else.
ir::Ints kernel_of(const ir::Node& node) {
  if (!is_conv(node)) return node.attributes().get_ints("kernel_shape");
  const ir::Value* weight = node.input(1);
  ir::Ints sides;
  for (int d = 2; weight != nullptr && d < weight->type().rank(); ++d) {
    const ir::Dim& dim = (*weight->type().shape)[static_cast<size_t>(d)];
    if (dim.known()) sides.push_back(dim.value());
  }
  return sides;
}

void check_sides(const ir::Node& node, const char* rule, const ir::Ints& sides, const std::optional<int64_t>& limit,
                 const char* fix, Findings& findings) {
  const auto largest = std::max_element(sides.begin(), sides.end());
  if (!limit || largest == sides.end() || *largest <= *limit) return;
  findings.refuse(&node, rule, std::to_string(*largest), std::to_string(*limit), fix);
}

/// Input channels, output channels and groups of a convolution whose weight's shape is known.
struct Channels {
  int64_t in = 0, out = 0, groups = 1;
};
std::optional<Channels> channels_of(const ir::Node& node) {
  const auto dims = node.input(1) != nullptr ? node.input(1)->type().static_dims() : std::nullopt;
  if (!is_conv(node) || !dims || dims->size() < 2) return std::nullopt;
  const int64_t groups = node.attributes().get_int("group", 1);
  if (node.is(OpKind::conv)) return Channels{(*dims)[1] * groups, (*dims)[0], groups};
  return Channels{(*dims)[0], (*dims)[1] * groups, groups};
}

void check_channels(const ir::Node& node, const targets::Limits& limits, Findings& findings) {
  const auto channels = channels_of(node);
  if (!channels) return;
  const bool grouped = channels->groups > 1 && channels->groups < channels->in;
  if (grouped && !limits.grouped_conv) {
    findings.refuse(&node, "group", std::to_string(channels->groups), "1, or one group a channel",
                    "split it into convolutions of one group each, joined by a Concat");
  }
  const auto hint = [&](int64_t count, int64_t multiple, const char* what) {
    if (count % multiple == 0) return;
    findings.hint(&node, what, std::to_string(count), "a multiple of " + std::to_string(multiple),
                  "as fast with " + std::to_string((count + multiple - 1) / multiple * multiple) + " channels");
  };
  hint(channels->out, limits.output_channels, "output-channels");
  // The first layer reads the picture as it is.
  if (channels->groups == 1 && channels->in > 4) hint(channels->in, limits.input_channels, "input-channels");
}

}  // namespace

void check_node(const ir::Node& node, const targets::Target& target, Findings& findings) {
  const targets::Limits& limits = target.limits;
  check_operator(node, target, findings);
  if (node.is(OpKind::opaque)) return;
  const ir::Attributes& attributes = node.attributes();
  const ir::Ints kernel = kernel_of(node);
  check_sides(node, "kernel", kernel, limits.kernel, "use several smaller windows in a row", findings);
  if (!kernel.empty()) {
    check_sides(node, "stride", attributes.get_ints("strides"), limits.stride, "use smaller steps, or a pool before it",
                findings);
    check_sides(node, "dilation", attributes.get_ints("dilations"), limits.dilation,
                "write the zeros between the taps into a larger kernel", findings);
  }
  if (node.is(OpKind::concat) && limits.concat_inputs && node.num_inputs() > *limits.concat_inputs) {
    findings.refuse(&node, "concat-inputs", std::to_string(node.num_inputs()), std::to_string(*limits.concat_inputs),
                    "join them in several steps");
  }
  if (limits.bias_required && is_conv(node) && node.input(2) == nullptr) {
    findings.refuse(&node, "bias", "none", "a bias", "add a bias of zeros");
  }
  check_channels(node, limits, findings);
}

}  // namespace edgesmith::refine
