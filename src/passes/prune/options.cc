// SPDX-License-Identifier: Apache-2.0
#include "passes/prune/options.h"

#include "passes/prune/masks.h"

namespace edgesmith::passes::prune {

const OptionSchema& prune_options() {
  static const OptionSchema kSchema = {
      {.name = "sparsity",
       .kind = OptionKind::real,
       .fallback = "",
       .help = "share of zeros over the selected weights",
       .min = 0,
       .max = 1},
      {.name = "pattern",
       .kind = OptionKind::word,
       .fallback = "",
       .help = "keep N of every M weights along the input channels, as 2:4; or with sparsity let blocks of outputs by "
               "inputs go together, as 4x1"},
      {.name = "keep_order",
       .kind = OptionKind::flag,
       .fallback = "false",
       .help = "leave the channels in their order; a pattern costs more then"},
      {.name = "channels",
       .kind = OptionKind::real,
       .fallback = "",
       .help = "share of channels to take out: of every group of coupled channels, or by error of all together",
       .min = 0,
       .max = 1},
      {.name = "macs",
       .kind = OptionKind::real,
       .fallback = "",
       .help = "share of the multiply-adds that may be left when channels are taken out",
       .min = 0,
       .max = 1},
      {.name = "params",
       .kind = OptionKind::real,
       .fallback = "",
       .help = "share of the parameters that may be left when channels are taken out",
       .min = 0,
       .max = 1},
      {.name = "multiple",
       .kind = OptionKind::integer,
       .fallback = "",
       .help =
           "numbers of channels left are multiples of this; unset: what the target's kernels like, halved for small "
           "groups",
       .min = 1,
       .max = 1024},
      {.name = "groups",
       .kind = OptionKind::word,
       .fallback = "whole",
       .help = "of convolutions with groups: whole groups go, or the same channels of every group, which stay as many",
       .words = {"whole", "even"}},
      {.name = "branches",
       .kind = OptionKind::flag,
       .fallback = "false",
       .help = "with macs or params: whole branches of residual sums may go too"},
      {.name = "time",
       .kind = OptionKind::real,
       .fallback = "",
       .help =
           "beside macs or params: share of the time that may be left, by a cost model of kernels that fill vectors "
           "with channels",
       .min = 0,
       .max = 1},
      {.name = "lanes",
       .kind = OptionKind::integer,
       .fallback = "16",
       .help = "channels in a vector of that cost model",
       .min = 1,
       .max = 1024},
      {.name = "criterion",
       .kind = OptionKind::word,
       .fallback = "auto",
       .help = "which weights go first; auto: obs with calibration data, magnitude without",
       .words = {"auto", "obs", "wanda", "lamp", "magnitude"}},
      {.name = "budgets",
       .kind = OptionKind::word,
       .fallback = "auto",
       .help = "how layers share the loss; auto: uniform with magnitude and with channels, else by error",
       .words = {"auto", "error", "uniform"}},
      {.name = "repair",
       .kind = OptionKind::word,
       .fallback = "reconstruct",
       .help = "refit the weights that are left to the layer's outputs; distill: then also train",
       .words = {"reconstruct", "none", "distill"}},
      {.name = "only", .kind = OptionKind::text_list, .fallback = "", .help = "names (globs) of the nodes to prune"},
      {.name = "skip",
       .kind = OptionKind::text_list,
       .fallback = "",
       .help = "names (globs) of nodes to leave dense, or with all their channels"},
      {.name = "skip_op", .kind = OptionKind::text_list, .fallback = "", .help = "operators to leave dense"},
  };
  return kSchema;
}

bool asks_for_channels(const Options& options) {
  return options.is_set("channels") || options.is_set("macs") || options.is_set("params");
}

Status check_goal(const Options& options) {
  std::vector<std::string> given;
  const bool blocks = options.is_set("pattern") && is_block_shape(options.word("pattern"));
  for (const char* name : {"sparsity", "pattern", "channels", "macs", "params"}) {
    if (options.is_set(name) && !(blocks && options.is_set("sparsity") && std::string_view(name) == "pattern")) {
      given.emplace_back(name);
    }
  }
  const std::string hint = "give one of --sparsity 0.5, --pattern 2:4, --channels 0.3, --macs 0.5, --params 0.5";
  if (given.empty()) return usage_error("prune needs a sparsity, a pattern, or a share of channels", hint);
  if (given.size() > 1) return usage_error("prune takes " + given[0] + " or " + given[1] + ", not both", hint);
  if (blocks && !options.is_set("sparsity")) {
    return usage_error("pattern " + options.word("pattern") + " does not say how many blocks go",
                       "add --sparsity 0.5, or give a pattern like 2:4");
  }
  if (blocks) {
    if (const auto shape = parse_block_shape(options.word("pattern")); !shape) return shape.error();
  } else if (options.is_set("pattern")) {
    if (const auto pattern = parse_pattern(options.word("pattern")); !pattern) return pattern.error();
  }
  if (options.is_set("multiple") && !asks_for_channels(options)) {
    return usage_error("multiple is about channels", "give --channels, --macs or --params, or leave it out");
  }
  if (options.word("groups") != "whole" && !asks_for_channels(options)) {
    return usage_error("groups is about channels", "give --channels, --macs or --params, or leave it out");
  }
  if (options.is_set("time") && !options.is_set("macs") && !options.is_set("params")) {
    return usage_error("time is a second limit, beside one for multiply-adds or parameters", "add --macs 0.7");
  }
  if (options.given("lanes") && !options.is_set("time")) {
    return usage_error("lanes is about the cost model of time", "add --time 0.7, or leave it out");
  }
  if (options.flag("keep_order") && (blocks || !options.is_set("pattern"))) {
    return usage_error("keep_order is about a pattern of N in M weights", "give --pattern 2:4, or leave it out");
  }
  if (options.flag("branches") && !options.is_set("macs") && !options.is_set("params")) {
    return usage_error("branches go to save multiply-adds or parameters", "add --macs 0.7");
  }
  return {};
}

}  // namespace edgesmith::passes::prune
